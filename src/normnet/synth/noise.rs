//! Noise in bulk: a fast generator, and smooth random fields that are cheap at any scale.

use rand::Rng;

use super::Block;
use crate::grid::{self, Dims};

/// SplitMix64 (Steele, Lea and Flood 2014): a few instructions a number, for noise by the million.
///
/// It is seeded from the generator that the caller passes in, so a seed still fixes everything.
pub(super) struct Noise(u64);

impl Noise {
    /// A generator whose stream is fixed by the next number of `rng`.
    pub(super) fn new(rng: &mut impl Rng) -> Self {
        Self(rng.random())
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in [−1, 1).
    pub(super) fn signed(&mut self) -> f32 {
        const SCALE: f32 = 1.0 / (1u64 << 31) as f32;
        ((self.bits() >> 32) as u32 as i32) as f32 * SCALE
    }

    /// Share of `trials` that succeed when each does so with probability `p`, known to 1/256.
    pub(super) fn share(&mut self, p: f32, trials: usize) -> f32 {
        // The cast saturates, so any p is safe.
        let threshold = (p * 256.0 + 0.5) as u16;
        let mut hits = 0usize;
        let mut left = trials;
        while left > 0 {
            let take = left.min(8);
            let bytes = self.bits().to_le_bytes();
            hits += bytes
                .iter()
                .take(take)
                .filter(|&&byte| u16::from(byte) < threshold)
                .count();
            left -= take;
        }
        hits as f32 / trials.max(1) as f32
    }
}

/// White noise filtered by a Gaussian, of mean about 0 and standard deviation about 1.
///
/// A field of scale σ has nothing finer than σ, so it is made on nodes σ/2 apart (never closer
/// than the voxels) and read by trilinear interpolation: the cost no longer grows with σ.
pub(super) struct Field {
    nodes: Vec<f32>,
    dims: Dims,
    /// Position of node (0, 0, 0) in mm.
    origin: [f32; 3],
    /// Distance between nodes in mm.
    step: [f32; 3],
}

impl Field {
    /// A field of scale `sigma` (mm) over a block of voxels.
    pub(super) fn new(block: &Block, spacing: [f32; 3], sigma: f32, noise: &mut Noise) -> Self {
        /// Nodes kept free around the block, in σ, so that it never sees the filter's border.
        const MARGIN: f32 = 3.0;
        let step = spacing.map(|s| (0.5 * sigma).max(s));
        let in_nodes = step.map(|s| sigma / s);
        let pad = in_nodes.map(|s| (MARGIN * s).ceil() as usize);
        let inner = [0, 1, 2]
            .map(|a| ((block.dims[a] as f32 - 1.0) * spacing[a] / step[a]).ceil() as usize + 1);
        let padded = [0, 1, 2].map(|a| inner[a] + 2 * pad[a]);

        let mut white: Vec<f32> = (0..padded.iter().product::<usize>())
            .map(|_| noise.signed())
            .collect();
        grid::gaussian(&mut white, padded, in_nodes);

        /// Standard deviation of the uniform distribution on [−1, 1).
        const UNIFORM_SD: f32 = 0.577_350_3;
        let scale = 1.0 / (UNIFORM_SD * in_nodes.map(gain).iter().product::<f32>());
        let mut nodes = Vec::with_capacity(inner.iter().product());
        for k in 0..inner[2] {
            for j in 0..inner[1] {
                let row = pad[0] + padded[0] * (j + pad[1] + padded[1] * (k + pad[2]));
                nodes.extend(white[row..row + inner[0]].iter().map(|v| v * scale));
            }
        }
        Self {
            nodes,
            dims: inner,
            origin: [0, 1, 2].map(|a| block.start[a] as f32 * spacing[a]),
            step,
        }
    }

    /// Values along a row of voxels at height `y`, `z` (mm), starting at `x` and `dx` mm apart.
    pub(super) fn row(
        &self,
        x: f32,
        dx: f32,
        y: f32,
        z: f32,
        scratch: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let (j, v) = self.locate(1, y);
        let (k, w) = self.locate(2, z);
        let [nx, ny, nz] = self.dims;
        let (j1, k1) = ((j + 1).min(ny - 1), (k + 1).min(nz - 1));
        let line = |j: usize, k: usize| &self.nodes[nx * (j + ny * k)..][..nx];
        scratch.clear();
        scratch.extend(
            line(j, k)
                .iter()
                .zip(line(j1, k))
                .zip(line(j, k1).iter().zip(line(j1, k1)))
                .map(|((a, b), (c, d))| {
                    let (low, high) = (a + v * (b - a), c + v * (d - c));
                    low + w * (high - low)
                }),
        );
        for (n, value) in out.iter_mut().enumerate() {
            let (i, u) = self.locate(0, x + n as f32 * dx);
            let (a, b) = (scratch[i], scratch[(i + 1).min(nx - 1)]);
            *value = a + u * (b - a);
        }
    }

    /// Node below a position (mm) on an axis and the fraction of a step beyond it, both clamped.
    fn locate(&self, axis: usize, position: f32) -> (usize, f32) {
        let last = (self.dims[axis] - 1) as f32;
        let at = ((position - self.origin[axis]) / self.step[axis]).clamp(0.0, last);
        let node = at as usize;
        (node, at - node as f32)
    }
}

/// What a Gaussian of `sigma` samples leaves of the standard deviation of white noise along one
/// axis: the root of the sum of its squared weights.
pub(super) fn gain(sigma: f32) -> f32 {
    if sigma <= 0.0 {
        return 1.0;
    }
    let radius = (4.0 * sigma).ceil() as i32;
    let (mut sum, mut squares) = (0f32, 0f32);
    for t in -radius..=radius {
        let weight = (-0.5 * (t as f32 / sigma).powi(2)).exp();
        sum += weight;
        squares += weight * weight;
    }
    squares.sqrt() / sum
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn noise() -> Noise {
        Noise::new(&mut StdRng::seed_from_u64(7))
    }

    #[test]
    fn signed_noise_is_uniform() {
        let mut noise = noise();
        let n = 100_000;
        let draws: Vec<f32> = (0..n).map(|_| noise.signed()).collect();
        let mean = draws.iter().sum::<f32>() / n as f32;
        let square = draws.iter().map(|v| v * v).sum::<f32>() / n as f32;
        assert!(draws.iter().all(|v| (-1.0..1.0).contains(v)));
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((square - 1.0 / 3.0).abs() < 0.01, "{square}");
    }

    #[test]
    fn share_has_the_binomial_mean_and_variance() {
        let mut noise = noise();
        let (p, trials, n) = (0.25, 7, 50_000);
        let draws: Vec<f32> = (0..n).map(|_| noise.share(p, trials)).collect();
        let mean = draws.iter().sum::<f32>() / n as f32;
        let variance = draws.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n as f32;
        assert!((mean - p).abs() < 0.005, "{mean}");
        assert!(
            (variance - p * (1.0 - p) / trials as f32).abs() < 0.001,
            "{variance}"
        );
        assert_eq!(noise.share(0.0, 20), 0.0);
        assert_eq!(noise.share(1.0, 20), 1.0);
    }

    #[test]
    fn fields_have_unit_deviation_and_their_scale() {
        let mut noise = noise();
        let block = Block {
            start: [5, 3, 2],
            dims: [200, 180, 40],
        };
        let (spacing, sigma) = ([1.25, 1.25, 3.0], 6.0);
        let field = Field::new(&block, spacing, sigma, &mut noise);
        let mut scratch = Vec::new();
        let (mut square, mut lagged, mut n) = (0.0, 0.0, 0);
        for k in 0..40 {
            for j in 0..180 {
                let mut row = vec![0f32; 200];
                let (y, z) = ((3 + j) as f32 * 1.25, (2 + k) as f32 * 3.0);
                field.row(5.0 * 1.25, 1.25, y, z, &mut scratch, &mut row);
                // The correlation exp(−d²/4σ²) is a half at d = 2σ√ln 2: 8 voxels here.
                for i in 0..192 {
                    square += f64::from(row[i] * row[i]);
                    lagged += f64::from(row[i] * row[i + 8]);
                    n += 1;
                }
            }
        }
        let variance = square / f64::from(n);
        assert!((variance.sqrt() - 1.0).abs() < 0.12, "{variance}");
        assert!((lagged / square - 0.5).abs() < 0.1, "{}", lagged / square);
    }
}
