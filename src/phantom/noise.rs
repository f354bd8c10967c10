//! The scanner's noise.

use super::math::{Rng, scatter, stream};

/// Noise of the scan's slices, the same for a slice whichever part of the scan is made.
pub struct Noise {
    size: [usize; 2],
    seed: u64,
    /// Last white slices, by their index, so that neighbours are not drawn twice.
    white: Vec<(i64, Vec<f32>)>,
}

/// Weights of the slice below, the slice and the slice above.
const ACROSS: [f32; 3] = [0.2, 1.0, 0.2];
/// In-plane grain: a narrow binomial kernel less a wide one, as a reconstruction filter leaves
/// little noise at low frequencies.
const NARROW: [f32; 5] = [0.0, 0.27, 0.46, 0.27, 0.0];
const WIDE: [f32; 5] = [0.12, 0.24, 0.28, 0.24, 0.12];
const WIDE_SHARE: f32 = 0.4;

impl Noise {
    pub fn new(size: [usize; 2], seed: u64) -> Self {
        Self {
            size,
            seed: Rng::new(seed, stream::NOISE).bits(),
            white: Vec::new(),
        }
    }

    /// Unit-variance noise of slice `k`, counted in the whole scan.
    pub fn slice(&mut self, k: i64) -> Vec<f32> {
        self.white.retain(|(n, _)| (k - 1..=k + 1).contains(n));
        for n in k - 1..=k + 1 {
            if !self.white.iter().any(|(m, _)| *m == n) {
                let white = self.draw(n);
                self.white.push((n, white));
            }
        }
        let mut mixed = vec![0.0; self.size[0] * self.size[1]];
        for (n, white) in &self.white {
            let weight = ACROSS[(n - k + 1) as usize];
            for (m, w) in mixed.iter_mut().zip(white) {
                *m += weight * w;
            }
        }
        let across: f32 = ACROSS.iter().map(|w| w * w).sum();
        let scale = 1.0 / (across * in_plane_energy()).sqrt();
        let narrow = self.blur(&mixed, &NARROW);
        let wide = self.blur(&mixed, &WIDE);
        narrow
            .iter()
            .zip(&wide)
            .map(|(n, w)| scale * (n - WIDE_SHARE * w))
            .collect()
    }

    /// White noise of unit variance: sums of four uniform numbers, from a hash of the voxel.
    fn draw(&self, k: i64) -> Vec<f32> {
        let slice = scatter(self.seed ^ (k as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        (0..self.size[0] * self.size[1])
            .map(|n| {
                let bits = scatter(slice.wrapping_add(n as u64));
                let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
                // Mean 2·65535, variance 65536²/3.
                (sum as f32 - 131_070.0) * (1.732_050_8 / 65_536.0)
            })
            .collect()
    }

    /// Separable convolution, borders repeated around.
    fn blur(&self, data: &[f32], kernel: &[f32; 5]) -> Vec<f32> {
        let [w, h] = self.size;
        let around = |n: usize, offset: usize, size: usize| (n + offset + 2 * size - 2) % size;
        let mut rows = vec![0.0; data.len()];
        for (out, line) in rows.chunks_exact_mut(w).zip(data.chunks_exact(w)) {
            for (i, v) in out.iter_mut().enumerate() {
                *v = if i >= 2 && i + 2 < w {
                    kernel.iter().zip(&line[i - 2..]).map(|(k, d)| k * d).sum()
                } else {
                    (0..5).map(|o| kernel[o] * line[around(i, o, w)]).sum()
                };
            }
        }
        let mut out = vec![0.0; data.len()];
        for (j, line) in out.chunks_exact_mut(w).enumerate() {
            for (o, k) in kernel.iter().enumerate() {
                let from = around(j, o, h) * w;
                for (v, d) in line.iter_mut().zip(&rows[from..from + w]) {
                    *v += k * d;
                }
            }
        }
        out
    }
}

/// Voxels over which a streak is smeared, and the gain that gives it about unit variance.
const STREAK: usize = 17;
const STREAK_GAIN: f32 = 2.9;

/// Noise of a slice smeared from side to side: what dense shoulders leave in an image.
pub fn streaks(noise: &[f32], width: usize) -> Vec<f32> {
    let mut out = vec![0.0; noise.len()];
    for (out, line) in out.chunks_exact_mut(width).zip(noise.chunks_exact(width)) {
        for (i, v) in out.iter_mut().enumerate() {
            let window = &line[i.saturating_sub(STREAK / 2)..(i + STREAK / 2 + 1).min(width)];
            *v = STREAK_GAIN * window.iter().sum::<f32>() / window.len() as f32;
        }
    }
    out
}

/// Sum of squares of the in-plane kernel.
fn in_plane_energy() -> f32 {
    let mut sum = 0.0;
    for a in 0..5 {
        for b in 0..5 {
            let v = NARROW[a] * NARROW[b] - WIDE_SHARE * WIDE[a] * WIDE[b];
            sum += v * v;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sd(v: &[f32]) -> f32 {
        (v.iter().map(|v| v * v).sum::<f32>() / v.len() as f32).sqrt()
    }

    #[test]
    fn noise_has_unit_variance_and_no_mean() {
        let slice = Noise::new([128, 128], 5).slice(3);
        assert!((sd(&slice) - 1.0).abs() < 0.05, "{}", sd(&slice));
        let mean = slice.iter().sum::<f32>() / slice.len() as f32;
        assert!(mean.abs() < 0.08, "{mean}");
        let streaks = streaks(&slice, 128);
        assert!((0.6..1.6).contains(&sd(&streaks)), "{}", sd(&streaks));
    }

    #[test]
    fn neighbours_are_alike_and_strangers_are_not() {
        let mut noise = Noise::new([96, 96], 5);
        let slices: Vec<Vec<f32>> = (0..4).map(|k| noise.slice(k)).collect();
        let like = |a: &[f32], b: &[f32]| {
            a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>() / a.len() as f32
        };
        assert!(like(&slices[0], &slices[1]) > 0.25);
        assert!(like(&slices[0], &slices[3]).abs() < 0.05);
        assert!(like(&slices[0][1..], &slices[0][..96 * 96 - 1]) > 0.3);
    }

    #[test]
    fn a_slice_does_not_depend_on_those_drawn_before() {
        let mut noise = Noise::new([16, 8], 5);
        let (_, after) = (noise.slice(0), noise.slice(1));
        assert_eq!(Noise::new([16, 8], 5).slice(1), after);
    }

    #[test]
    fn rasters_of_one_voxel_have_noise_too() {
        assert_eq!(Noise::new([1, 1], 5).slice(0).len(), 1);
        assert_eq!(Noise::new([1, 3], 5).slice(0).len(), 3);
    }
}
