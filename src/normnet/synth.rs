//! Synthetic lesions for healthy lungs: what NormNet learns from instead of labels.
//!
//! Yao et al. 2020 (arXiv 2009.06456) paste warped ellipsoids filled with blurred salt noise into
//! healthy lungs and ask a network for the healthy bright tissue. The counts and radii of the
//! small and medium ellipsoids, the first range of the speckle's blur and the threshold of its
//! brightness are lost from the only text that could be read: those defaults are reconstructions,
//! and each says so.
//!
//! # Units
//! The paper counts in voxels of 0.8 x 0.8 x 1 mm. Everything here is in mm (one paper voxel =
//! 0.8 mm) and converted with the spacing of each axis, so a lesion has the same shape and grain
//! on any grid.

mod blob;
mod config;
mod noise;
mod shape;
mod texture;

use std::ops::Range;

use rand::Rng;

use super::frame::TAU;
use crate::grid::Dims;

pub use config::{
    Blend, Consolidation, Detail, Edge, Elastic, Ellipsoids, LargeEllipsoid, PAPER_SLICE_MM,
    PAPER_VOXEL_MM, Placement, SynthConfig, Texture, voxels,
};

/// A healthy sample with lesions.
#[derive(Clone, Debug, PartialEq)]
pub struct Synthetic {
    /// The image A that the network sees: intensities in [0, 1], shape as the input.
    pub image: Vec<f32>,
    /// The union of the blobs, 0 or 1.
    pub blobs: Vec<u8>,
}

/// The texture of one blob, on a box of the sample; what the tap of [`lesions_tapped`] receives.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    /// First voxel of the box.
    pub start: [usize; 3],
    /// Its extent.
    pub dims: Dims,
    /// The blob within it, 0 or 1.
    pub inside: &'a [u8],
    /// The probability field a(x) that the salt noise is drawn from.
    pub probability: &'a [f32],
    /// The blurred salt noise f, before it is scaled to its brightness.
    pub speckle: &'a [f32],
}

/// Pastes synthetic lesions into a healthy sample.
///
/// `h` holds normalised intensities in [0, 1], already multiplied by `lungs` (nonzero = lung);
/// both have `dims` voxels of `spacing` mm. `lambda` is the sample's lung volume over the largest
/// one of the training set: it scales the number of lesions.
///
/// # Panics
///
/// If a slice's length is not the product of `dims`.
pub fn lesions(
    h: &[f32],
    lungs: &[u8],
    dims: Dims,
    spacing: [f64; 3],
    lambda: f32,
    config: &SynthConfig,
    rng: &mut impl Rng,
) -> Synthetic {
    lesions_tapped(h, lungs, dims, spacing, lambda, config, rng, &mut |_| ())
}

/// [`lesions`], handing every blob's texture to `tap`.
///
/// # Panics
///
/// As [`lesions`].
#[allow(clippy::too_many_arguments)]
pub fn lesions_tapped(
    h: &[f32],
    lungs: &[u8],
    dims: Dims,
    spacing: [f64; 3],
    lambda: f32,
    config: &SynthConfig,
    rng: &mut impl Rng,
    tap: &mut dyn FnMut(Made<'_>),
) -> Synthetic {
    assert_eq!(
        h.len(),
        dims.iter().product::<usize>(),
        "intensities against dims"
    );
    assert_eq!(lungs.len(), h.len(), "lung mask against intensities");
    let spacing = spacing.map(|s| s as f32);
    let mut image = h.to_vec();
    let mut blobs = vec![0u8; h.len()];
    let clean = chance(config.clean, rng);
    let site = shape::Site::new(lungs, dims, spacing).filter(|_| !clean);
    let Some(site) = site else {
        return Synthetic { image, blobs };
    };
    let ellipsoids = shape::draw(&site, lambda, config, rng);
    // What is painted into one mask and touches there is one lesion.
    let together = if config.merge { ellipsoids.len() } else { 1 };
    for group in ellipsoids.chunks(together.max(1)) {
        let mut shapes = vec![0u8; h.len()];
        for ellipsoid in group {
            ellipsoid.paint(&mut shapes, dims, spacing, &config.elastic, rng);
        }
        let inside: Vec<u8> = shapes
            .iter()
            .zip(lungs)
            .map(|(&s, &l)| u8::from(s != 0 && l != 0))
            .collect();
        let sample = blob::Sample {
            lungs,
            shapes: &shapes,
            dims,
            spacing,
        };
        for blob in blob::split(&sample, &inside, &config.edge, rng) {
            blob.inject(&mut image, dims, spacing, config, rng, tap);
        }
        for (all, own) in blobs.iter_mut().zip(inside) {
            *all |= own;
        }
    }
    Synthetic { image, blobs }
}

/// What the network should find: the bright voxels of the healthy image, lesion or not.
///
/// `lungs` is the mask without erroneous edges. 1 where `h` ≥ τ inside it, else 0.
pub fn target(h: &[f32], lungs: &[u8]) -> Vec<u8> {
    h.iter()
        .zip(lungs)
        .map(|(&v, &l)| u8::from(v >= TAU && l != 0))
        .collect()
}

/// A draw from a range, both ends included; an empty range gives its lower end.
fn uniform([low, high]: [f32; 2], rng: &mut impl Rng) -> f32 {
    low + (high - low).max(0.0) * rng.random::<f32>()
}

/// True with probability `p`; any `p` outside [0, 1] counts as its nearer end.
fn chance(p: f32, rng: &mut impl Rng) -> bool {
    rng.random::<f32>() < p
}

/// A box of voxels of the sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    /// First voxel.
    start: [usize; 3],
    /// Extent, at least one voxel along each axis.
    dims: Dims,
}

impl Block {
    /// Voxels within `half` mm of `centre` along each axis, or `None` where the grid has none.
    fn around(centre: [f32; 3], half: [f32; 3], spacing: [f32; 3], dims: Dims) -> Option<Self> {
        let (mut start, mut extent) = ([0; 3], [0; 3]);
        for a in 0..3 {
            let low = ((centre[a] - half[a]) / spacing[a]).ceil().max(0.0) as usize;
            let high = ((centre[a] + half[a]) / spacing[a]).floor();
            if high < 0.0 {
                return None;
            }
            let end = (high as usize + 1).min(dims[a]);
            start[a] = low;
            extent[a] = end.checked_sub(low).filter(|&n| n > 0)?;
        }
        Some(Self {
            start,
            dims: extent,
        })
    }

    /// The block with up to `by` voxels more on each side, as far as the grid goes.
    fn grown(&self, by: Dims, grid: Dims) -> Self {
        let start = [0, 1, 2].map(|a| self.start[a].saturating_sub(by[a]));
        let end = [0, 1, 2].map(|a| (self.start[a] + self.dims[a] + by[a]).min(grid[a]));
        Self {
            start,
            dims: [0, 1, 2].map(|a| end[a] - start[a]),
        }
    }

    /// Number of voxels.
    fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// `(j, k)` of each row of voxels, in memory order.
    fn rows(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let Self { start, dims } = *self;
        (start[2]..start[2] + dims[2])
            .flat_map(move |k| (start[1]..start[1] + dims[1]).map(move |j| (j, k)))
    }

    /// Where row `(j, k)` of the block lies in an array of the whole grid.
    fn row_in(&self, grid: Dims, j: usize, k: usize) -> Range<usize> {
        let first = self.start[0] + grid[0] * (j + grid[1] * k);
        first..first + self.dims[0]
    }

    /// Copies the block out of an array of the whole grid.
    fn cut<T: Copy>(&self, data: &[T], grid: Dims) -> Vec<T> {
        self.rows()
            .flat_map(|(j, k)| data[self.row_in(grid, j, k)].iter().copied())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::grid;
    use crate::normnet::frame::normalise;

    const DIMS: Dims = [96, 80, 20];
    const SPACING: [f64; 3] = [1.25, 1.25, 3.0];

    /// Two lungs with vessels (bright bars) in dim parenchyma.
    fn healthy() -> (Vec<f32>, Vec<u8>) {
        let n = DIMS.iter().product();
        let (mut h, mut lungs) = (vec![0f32; n], vec![0u8; n]);
        for at in 0..n {
            let [i, j] = [at % DIMS[0], at / DIMS[0] % DIMS[1]];
            if (4..76).contains(&j) && ((4..44).contains(&i) || (52..92).contains(&i)) {
                lungs[at] = 1;
                h[at] = if i % 20 < 2 && j % 16 < 2 { 0.8 } else { 0.02 };
            }
        }
        (h, lungs)
    }

    fn paste(config: &SynthConfig, seed: u64) -> (Vec<f32>, Vec<u8>, Synthetic) {
        let (h, lungs) = healthy();
        let mut rng = StdRng::seed_from_u64(seed);
        let out = lesions(&h, &lungs, DIMS, SPACING, 1.0, config, &mut rng);
        (h, lungs, out)
    }

    #[test]
    fn a_seed_fixes_everything() {
        for config in [SynthConfig::paper(), SynthConfig::best()] {
            let (_, _, first) = paste(&config, 3);
            assert_eq!(first, paste(&config, 3).2);
            assert_ne!(first.image, paste(&config, 4).2.image);
        }
    }

    #[test]
    fn the_tap_receives_what_the_lesions_are_made_of_and_changes_nothing() {
        let (h, lungs, out) = paste(&SynthConfig::paper(), 3);
        let mut seen = vec![0u8; h.len()];
        let mut rng = StdRng::seed_from_u64(3);
        let config = SynthConfig::paper();
        let again = lesions_tapped(
            &h,
            &lungs,
            DIMS,
            SPACING,
            1.0,
            &config,
            &mut rng,
            &mut |made| {
                let block = Block {
                    start: made.start,
                    dims: made.dims,
                };
                assert_eq!(made.probability.len(), block.len());
                let [low, high] = config.texture.density;
                assert!(made.probability.iter().all(|a| (low..=high).contains(a)));
                assert!(made.speckle.iter().all(|f| (0.0..=1.0).contains(f)));
                for ((j, k), own) in block.rows().zip(made.inside.chunks_exact(block.dims[0])) {
                    for (all, own) in seen[block.row_in(DIMS, j, k)].iter_mut().zip(own) {
                        *all |= own;
                    }
                }
            },
        );
        assert_eq!(again, out);
        assert_eq!(seen, out.blobs);
    }

    #[test]
    fn the_paper_takes_the_maximum_inside_blobs_only() {
        for seed in 0..8 {
            let (h, lungs, out) = paste(&SynthConfig::paper(), seed);
            assert!(out.blobs.iter().any(|&b| b != 0));
            let mut brighter = 0;
            for (at, (&a, &h)) in out.image.iter().zip(&h).enumerate() {
                assert!((0.0..=1.0).contains(&a) && a >= h);
                if out.blobs[at] == 0 {
                    assert_eq!(a, h);
                } else {
                    assert_ne!(lungs[at], 0);
                    brighter += usize::from(a > h);
                }
            }
            // Blurred salt is never exactly zero over a blob, so nearly all of it shows.
            let blob = out.blobs.iter().filter(|v| **v != 0).count();
            assert!(brighter * 2 > blob, "{brighter} of {blob}");
        }
    }

    #[test]
    fn best_stays_in_the_lungs_and_in_range_and_never_darkens() {
        let config = SynthConfig {
            clean: 0.0,
            ..SynthConfig::best()
        };
        for seed in 0..8 {
            let (h, lungs, out) = paste(&config, seed);
            for (at, (&a, &h)) in out.image.iter().zip(&h).enumerate() {
                assert!((0.0..=1.0).contains(&a) && a >= h, "{a} over {h}");
                if lungs[at] == 0 {
                    assert_eq!((a, out.blobs[at]), (h, 0));
                }
            }
        }
    }

    #[test]
    fn blended_parenchyma_lands_on_its_attenuation_and_vessels_shine_through() {
        let paper = SynthConfig::paper();
        let blend = Blend {
            share: 1.0,
            hu: [-600.0, -600.0],
        };
        let config = SynthConfig { blend, ..paper };
        let want = normalise(-600.0);
        let (h, _, out) = paste(&config, 11);
        let mean_where = |vessel: bool| {
            let voxels =
                || (0..h.len()).filter(|&at| out.blobs[at] != 0 && (h[at] > 0.5) == vessel);
            voxels().map(|at| out.image[at]).sum::<f32>() / voxels().count() as f32
        };
        assert!(
            (mean_where(false) - want).abs() < 0.02,
            "{}",
            mean_where(false)
        );
        assert!(mean_where(true) > 0.8);
    }

    #[test]
    fn a_soft_edge_fades_into_the_lung_but_not_at_the_pleura() {
        // A slab of lesion from the pleura at i = 4 to i = 24.
        let (_, lungs) = healthy();
        let mut shapes = vec![0u8; lungs.len()];
        for row in shapes.chunks_exact_mut(DIMS[0]) {
            row[..24].fill(1);
        }
        let blobs: Vec<u8> = shapes.iter().zip(&lungs).map(|(s, l)| s & l).collect();
        let sample = blob::Sample {
            lungs: &lungs,
            shapes: &shapes,
            dims: DIMS,
            spacing: [1.25, 1.25, 3.0],
        };
        let edge = Edge {
            softness_mm: [4.0, 4.0],
            of_radius: 1.0,
            fray: [0.0, 0.0],
        };
        let all = blob::split(&sample, &blobs, &edge, &mut StdRng::seed_from_u64(0));
        let [blob] = all.as_slice() else {
            panic!("one blob")
        };
        let cover = |i: usize| blob.cover_at([i, 40, 10]).unwrap();
        assert!(cover(4) > 0.99);
        assert_eq!(cover(3), 0.0);
        assert!((cover(23) - 0.5).abs() < 0.1, "{}", cover(23));
        assert!(cover(27) > 0.05 && cover(27) < cover(24));
    }

    #[test]
    fn clean_samples_and_empty_lungs_are_left_alone() {
        let clean = SynthConfig {
            clean: 1.0,
            ..SynthConfig::paper()
        };
        let (h, _, out) = paste(&clean, 1);
        assert_eq!(out.image, h);
        assert!(out.blobs.iter().all(|&b| b == 0));

        let mut rng = StdRng::seed_from_u64(1);
        let none = vec![0u8; h.len()];
        let out = lesions(
            &h,
            &none,
            DIMS,
            SPACING,
            1.0,
            &SynthConfig::paper(),
            &mut rng,
        );
        assert_eq!(out.image, h);

        let share = SynthConfig {
            clean: 0.3,
            ..SynthConfig::paper()
        };
        let cleaned = (0..60).filter(|&seed| paste(&share, seed).2.blobs.iter().all(|b| *b == 0));
        let n = cleaned.count();
        assert!((8..=30).contains(&n), "{n} of 60");
    }

    #[test]
    fn the_target_is_the_healthy_bright_tissue() {
        let (h, mut lungs, out) = paste(&SynthConfig::paper(), 2);
        let want: Vec<u8> = h.iter().map(|v| u8::from(*v > 0.5)).collect();
        assert_eq!(target(&h, &lungs), want);
        assert_ne!(target(&out.image, &lungs), want, "the lesions would show");
        lungs.fill(0);
        assert!(target(&h, &lungs).iter().all(|&v| v == 0));
        assert_eq!(target(&[0.33, 0.3299], &[1, 1]), [1, 0]);
    }

    #[test]
    fn unmerged_ellipsoids_cover_the_same_voxels_with_textures_of_their_own() {
        // One texture in all of a mask that fills the lungs: its mean is the same everywhere.
        let config = |merge: bool| SynthConfig {
            merge,
            small: Ellipsoids {
                per_lambda: [12.0, 12.0],
                radius_mm: [25.0, 25.0],
            },
            elastic: Elastic {
                alpha: [0.0; 2],
                ..SynthConfig::paper().elastic
            },
            texture: Texture {
                salt: false,
                density: [0.2, 0.2],
                contrast: 0.0,
                ..SynthConfig::paper().texture
            },
            ..SynthConfig::paper()
        };
        let levels = |merge: bool| {
            let (h, lungs, out) = paste(&config(merge), 6);
            let dim = (0..h.len()).filter(|&at| lungs[at] != 0 && h[at] < 0.1);
            let mut levels: Vec<i32> = dim.map(|at| (out.image[at] * 1e4) as i32).collect();
            levels.sort_unstable();
            levels.dedup();
            (levels.len(), out.blobs)
        };
        let ((merged, blobs), (apart, same)) = (levels(true), levels(false));
        assert_eq!(blobs, same);
        let parts = grid::components(&blobs, DIMS, grid::Connectivity::TwentySix);
        let parts = parts.sizes.len() - 1;
        // And the level of what no blob covers.
        assert!(merged <= parts + 1, "{merged} of {parts}");
        assert!(apart > parts + 2, "{apart} of {parts}");
    }

    #[test]
    fn touching_ellipsoids_share_one_texture_and_separate_ones_do_not() {
        let (_, _, out) = paste(&SynthConfig::paper(), 5);
        let parts = grid::components(&out.blobs, DIMS, grid::Connectivity::TwentySix);
        assert!(parts.sizes.len() > 2);
        let mean = |label: usize| {
            let own = |at: &usize| parts.labels[*at] as usize == label;
            let sum: f32 = (0..out.image.len())
                .filter(own)
                .map(|at| out.image[at])
                .sum();
            sum / parts.sizes[label] as f32
        };
        assert!((mean(1) - mean(2)).abs() > 1e-3);
    }
}
