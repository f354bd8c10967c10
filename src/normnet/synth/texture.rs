//! Lesion texture, one draw per blob (NormNet, section on lesion texture): a smooth probability
//! field, salt noise drawn from it, and the noise blurred and scaled to a brightness.

use rand::Rng;

use super::noise::{Field, Noise};
use super::{Block, Detail, PAPER_VOXEL_MM, Texture, chance, uniform};
use crate::grid;

/// The probability field a(x) over a block, and the blurred salt noise f that is drawn from it,
/// before it is scaled: a density in [0, 1].
pub(super) struct Speckle {
    pub(super) probability: Vec<f32>,
    pub(super) f: Vec<f32>,
}

/// Draws the texture of a blob.
pub(super) fn speckle(
    block: &Block,
    spacing: [f32; 3],
    config: &Texture,
    rng: &mut impl Rng,
) -> Speckle {
    let sigma_a = uniform(config.sigma_a_mm, rng);
    let [low, high] = density_range(config, rng);
    let wide = chance(config.wide, rng);
    let sigma_b = uniform(
        if wide {
            config.sigma_b_wide_mm
        } else {
            config.sigma_b_mm
        },
        rng,
    );
    let mut noise = Noise::new(rng);
    let probability = density(block, spacing, sigma_a, [low, high], &mut noise);
    let f = if config.salt {
        blurred_salt(&probability, block, spacing, sigma_b, &mut noise)
    } else {
        probability.clone()
    };
    Speckle { probability, f }
}

/// Draws the ends a_L < a_U of the probability field until they are far enough apart.
fn density_range(config: &Texture, rng: &mut impl Rng) -> [f32; 2] {
    let [floor, ceiling] = config.density;
    // More apart than the range allows would never be drawn.
    let apart = config.contrast.min(0.99 * (ceiling - floor));
    loop {
        let upper = uniform(config.density, rng);
        let lower = uniform(config.density, rng);
        if upper - lower >= apart {
            return [lower, upper];
        }
    }
}

/// The probability field a(x) over a block: smooth noise stretched to `range`.
fn density(
    block: &Block,
    spacing: [f32; 3],
    sigma: f32,
    range: [f32; 2],
    noise: &mut Noise,
) -> Vec<f32> {
    let mut values = smooth(block, spacing, sigma, noise);
    let (min, max) = values.iter().fold((f32::MAX, f32::MIN), |(min, max), &v| {
        (min.min(v), max.max(v))
    });
    // A block of one voxel has no range: it gets the lower end.
    let slope = (range[1] - range[0]) / (max - min).max(f32::MIN_POSITIVE);
    for v in &mut values {
        *v = range[0] + (*v - min) * slope;
    }
    values
}

/// Smooth noise of scale `sigma` (mm), of mean about 0 and deviation about 1, over a block.
pub(super) fn smooth(block: &Block, spacing: [f32; 3], sigma: f32, noise: &mut Noise) -> Vec<f32> {
    let field = Field::new(block, spacing, sigma, noise);
    let mut out = vec![0f32; block.len()];
    let mut scratch = Vec::new();
    let x = block.start[0] as f32 * spacing[0];
    for ((j, k), row) in block.rows().zip(out.chunks_exact_mut(block.dims[0])) {
        let (y, z) = (j as f32 * spacing[1], k as f32 * spacing[2]);
        field.row(x, spacing[0], y, z, &mut scratch, row);
    }
    out
}

/// Salt noise of the given density, blurred by `sigma` (mm).
///
/// The paper draws one grain a voxel of its own grid. A voxel of a coarser grid holds the mean of
/// as many grains as paper voxels fit in, so the texture is the one that a scan resampled to that
/// grid would show. The noise runs on beyond the block so that the blur never sees its border.
fn blurred_salt(
    density: &[f32],
    block: &Block,
    spacing: [f32; 3],
    sigma: f32,
    noise: &mut Noise,
) -> Vec<f32> {
    let in_voxels = spacing.map(|s| sigma / s);
    let pad = in_voxels.map(|s| (3.0 * s).round() as usize);
    let padded = [0, 1, 2].map(|a| block.dims[a] + 2 * pad[a]);
    let paper_voxel = PAPER_VOXEL_MM.powi(2) * super::PAPER_SLICE_MM;
    let grains = (spacing.iter().product::<f32>() / paper_voxel)
        .round()
        .max(1.0) as usize;

    let inner = |v: usize, axis: usize| v.saturating_sub(pad[axis]).min(block.dims[axis] - 1);
    let mut salt = Vec::with_capacity(padded.iter().product());
    for k in 0..padded[2] {
        for j in 0..padded[1] {
            let start = block.dims[0] * (inner(j, 1) + block.dims[1] * inner(k, 2));
            let row = &density[start..start + block.dims[0]];
            salt.extend((0..padded[0]).map(|i| noise.share(row[inner(i, 0)], grains)));
        }
    }
    grid::gaussian(&mut salt, padded, in_voxels);

    let mut out = Vec::with_capacity(block.len());
    for k in 0..block.dims[2] {
        for j in 0..block.dims[1] {
            let start = pad[0] + padded[0] * (j + pad[1] + padded[1] * (k + pad[2]));
            out.extend_from_slice(&salt[start..start + block.dims[0]]);
        }
    }
    out
}

/// Puts fine structure on the speckle f: thickened septa and grain.
pub(super) fn add_detail(
    f: &mut [f32],
    block: &Block,
    spacing: [f32; 3],
    config: &Detail,
    rng: &mut impl Rng,
) {
    /// Half thickness of a septum in deviations of the field whose zero it follows.
    const THICKNESS: f32 = 0.2;
    let mut noise = Noise::new(rng);
    if chance(config.reticular, rng) {
        let density = uniform(config.septa, rng);
        let net = smooth(
            block,
            spacing,
            uniform(config.septa_scale_mm, rng),
            &mut noise,
        );
        for (f, v) in f.iter_mut().zip(net) {
            *f *= 1.0 + density * (-(v / THICKNESS).powi(2)).exp();
        }
    }
    let grain = uniform(config.grain, rng);
    if grain > 0.0 {
        for f in f {
            *f *= 1.0 + grain * noise.signed();
        }
    }
}

/// Factor β that brings the mean of the bright part of f (above `threshold`) to `mean`.
///
/// A blob without a voxel above the threshold takes half of its maximum as the threshold.
pub(super) fn brightness(f: &[f32], inside: &[u8], mean: f32, threshold: f32) -> f32 {
    let blob = || {
        f.iter()
            .zip(inside)
            .filter(|(_, m)| **m != 0)
            .map(|(v, _)| *v)
    };
    let mean_above = |t: f32| {
        let (sum, n) = blob()
            .filter(|v| *v > t)
            .fold((0.0, 0), |(s, n), v| (s + v, n + 1));
        (n > 0).then(|| sum / n as f32)
    };
    let bright = mean_above(threshold).or_else(|| mean_above(0.5 * blob().fold(0.0, f32::max)));
    bright.map_or(0.0, |b| mean / b)
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::super::SynthConfig;
    use super::*;

    const BLOCK: Block = Block {
        start: [10, 12, 3],
        dims: [60, 50, 20],
    };
    const SPACING: [f32; 3] = [1.25, 1.25, 3.0];

    #[test]
    fn density_ends_keep_their_distance() {
        let config = SynthConfig::paper().texture;
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..200 {
            let [low, high] = density_range(&config, &mut rng);
            assert!(
                low >= 0.0 && high <= 0.3 && high - low >= 0.15,
                "{low} {high}"
            );
        }
    }

    #[test]
    fn the_density_fills_its_range() {
        let mut noise = Noise::new(&mut StdRng::seed_from_u64(2));
        for sigma in [1.6, 6.0, 16.0] {
            let field = density(&BLOCK, SPACING, sigma, [0.05, 0.25], &mut noise);
            let min = field.iter().copied().fold(f32::MAX, f32::min);
            let max = field.iter().copied().fold(f32::MIN, f32::max);
            assert!(
                (min - 0.05).abs() < 1e-5 && (max - 0.25).abs() < 1e-5,
                "{min} {max}"
            );
        }
    }

    #[test]
    fn without_salt_the_texture_is_smooth_and_without_a_range_it_is_even() {
        let paper = SynthConfig::paper().texture;
        // Mean step from voxel to voxel along x, over the deviation: white noise has 2/√π.
        let roughness = |f: &[f32]| {
            let mean = f.iter().sum::<f32>() / f.len() as f32;
            let sd = (f.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / f.len() as f32).sqrt();
            let steps = f.windows(2).map(|w| (w[1] - w[0]).abs()).sum::<f32>();
            steps / f.len() as f32 / sd
        };
        let draw = |config: &Texture| {
            let mut rng = StdRng::seed_from_u64(5);
            speckle(&BLOCK, SPACING, config, &mut rng).f
        };
        let smooth = Texture {
            salt: false,
            sigma_a_mm: [8.0, 8.0],
            ..paper.clone()
        };
        assert!(roughness(&draw(&paper)) > 2.0 * roughness(&draw(&smooth)));
        let even = Texture {
            density: [0.2, 0.2],
            contrast: 0.0,
            ..smooth
        };
        assert!(draw(&even).iter().all(|v| (v - 0.2).abs() < 1e-6));
    }

    #[test]
    fn salt_follows_its_density_on_any_grid() {
        let mut noise = Noise::new(&mut StdRng::seed_from_u64(3));
        // Deviation of blurred salt: paper voxels of 0.8 mm against 7 grains in 1.25 x 1.25 x 3.
        let deviation = |spacing: [f32; 3], noise: &mut Noise| {
            let density = vec![0.2f32; BLOCK.len()];
            let f = blurred_salt(&density, &BLOCK, spacing, 1.6, noise);
            let mean = f.iter().sum::<f32>() / f.len() as f32;
            assert!((mean - 0.2).abs() < 0.01, "{mean}");
            (f.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / f.len() as f32).sqrt()
        };
        let fine = deviation([0.8, 0.8, 1.0], &mut noise);
        let coarse = deviation(SPACING, &mut noise);
        assert!((coarse / fine - 1.0).abs() < 0.15, "{coarse} {fine}");
    }

    #[test]
    fn brightness_is_the_mean_of_the_bright_part() {
        let f = [0.1, 0.3, 0.5, 0.9];
        // The last voxel is not the blob's.
        let inside = [1, 1, 1, 0];
        assert!((brightness(&f, &inside, 0.6, 0.2) - 0.6 / 0.4).abs() < 1e-6);
        // Nothing above the threshold: half of the maximum, 0.25, takes its place.
        assert!((brightness(&f, &inside, 0.6, 0.8) - 0.6 / 0.4).abs() < 1e-6);
        assert_eq!(brightness(&[0.0, 0.0], &[1, 1], 0.6, 0.2), 0.0);
    }

    #[test]
    fn detail_keeps_density_positive_and_is_off_in_the_paper() {
        let mut rng = StdRng::seed_from_u64(4);
        let before = vec![0.2f32; BLOCK.len()];
        let mut f = before.clone();
        add_detail(
            &mut f,
            &BLOCK,
            SPACING,
            &SynthConfig::paper().detail,
            &mut rng,
        );
        assert_eq!(f, before);
        let detail = Detail {
            reticular: 1.0,
            ..SynthConfig::best().detail
        };
        add_detail(&mut f, &BLOCK, SPACING, &detail, &mut rng);
        assert!(f.iter().all(|&v| v >= 0.0));
        // Septa are thin: most of the blob keeps about its density, a part is well above it.
        let above = f.iter().filter(|&&v| v > 0.25).count() as f32 / f.len() as f32;
        assert!((0.02..0.5).contains(&above), "{above}");
    }
}
