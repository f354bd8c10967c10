//! From the networks' votes to the lesion mask (Yao et al. 2020, section on post-processing).
//!
//! A voxel is healthy if enough networks are sure of it. What is bright in the lungs and not
//! healthy seeds the lesions; they grow over the dimmer tissue around, as far as the local mean
//! says that something is there. What exactly is averaged, and the shape of the kernels, is not
//! said; here it is the intensity, over a box.

use serde::{Deserialize, Serialize};

use super::frame::TAU;
use crate::grid::{self, Connectivity, Dims};

/// The paper's grid in mm, on which its kernels are counted.
const PAPER_SPACING_MM: [f64; 3] = [0.8, 0.8, 1.0];

/// Numbers of the post-processing. The defaults are the paper's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PostConfig {
    /// A network calls a voxel healthy above this probability.
    pub healthy: f32,
    /// Networks of an ensemble of [`ensemble`](Self::ensemble) that must agree. With fewer
    /// networks the same share of them must, rounded up.
    pub votes: usize,
    /// Size of the ensemble that `votes` refers to.
    pub ensemble: usize,
    /// Kernel of the bright map's mean, in voxels of the paper's grid (0.8 x 0.8 x 1 mm).
    pub bright_kernel: f64,
    /// Local mean from which the bright map seeds a lesion.
    pub bright_threshold: f32,
    /// Kernel of the full map's mean, in voxels of the paper's grid.
    pub full_kernel: f64,
    /// Local mean from which the full map belongs to a lesion that touches it.
    pub full_threshold: f32,
    /// Average within slices only, for thick slices.
    pub two_d: bool,
}

impl Default for PostConfig {
    fn default() -> Self {
        Self {
            healthy: 0.95,
            votes: 3,
            ensemble: 5,
            bright_kernel: 9.0,
            bright_threshold: 0.2,
            full_kernel: 7.0,
            full_threshold: 0.15,
            two_d: false,
        }
    }
}

impl PostConfig {
    /// How many of so many networks must agree.
    pub fn needed(&self, networks: usize) -> usize {
        (self.votes * networks)
            .div_ceil(self.ensemble.max(1))
            .max(1)
    }

    /// A kernel of `voxels` of the paper's grid on a grid of another spacing: the odd number of
    /// voxels closest in mm along each axis (the smaller of two as close), at least 1.
    pub fn kernel(&self, voxels: f64, spacing: [f64; 3]) -> Dims {
        let mut kernel = [0, 1, 2].map(|a| {
            let exact = voxels * PAPER_SPACING_MM[a] / spacing[a];
            let pairs = ((exact - 1.0) / 2.0 - ROUNDING).round().max(0.0);
            2 * pairs as usize + 1
        });
        if self.two_d {
            kernel[2] = 1;
        }
        kernel
    }
}

/// Keeps an even kernel on the smaller of its two odd neighbours whatever its rounding.
const ROUNDING: f64 = 1e-6;

/// A step from votes to lesions, on the network's grid; what the tap of [`lesions_tapped`] receives.
#[derive(Clone, Copy, Debug)]
pub enum Stage<'a> {
    /// Bright lung tissue that is not healthy, 0 or 1 (the paper's Fig. 4d).
    Bright(&'a [u8]),
    /// Local mean of the intensity under the bright map.
    BrightMean(&'a [f32]),
    /// Where the bright map is dense, 0 or 1: the seeds (Fig. 4e).
    Seeds(&'a [u8]),
    /// Lung tissue that is not healthy, dim voxels included, 0 or 1 (Fig. 4f).
    Full(&'a [u8]),
    /// Local mean of the intensity under the full map.
    FullMean(&'a [f32]),
    /// Where the full map is dense, 0 or 1: what seeds can grow over (Fig. 4g).
    Region(&'a [u8]),
}

/// The healthy tissue by vote: 1 where enough networks say so.
///
/// Each slice holds one network's probabilities times 255 on the same grid. Without any network
/// nothing is healthy.
///
/// # Panics
///
/// If the networks differ in length.
pub fn vote(probabilities: &[&[u8]], config: &PostConfig) -> Vec<u8> {
    let needed = config.needed(probabilities.len());
    let mut votes = votes(probabilities, config);
    for v in &mut votes {
        *v = u8::from(usize::from(*v) >= needed);
    }
    votes
}

/// How many networks call each voxel healthy, at most 255; what [`vote`] decides by.
///
/// # Panics
///
/// If the networks differ in length.
pub fn votes(probabilities: &[&[u8]], config: &PostConfig) -> Vec<u8> {
    let Some(first) = probabilities.first() else {
        return Vec::new();
    };
    let mut votes = vec![0u8; first.len()];
    for &network in probabilities {
        assert_eq!(network.len(), votes.len(), "networks on one grid");
        for (votes, &p) in votes.iter_mut().zip(network) {
            let healthy = f32::from(p) > config.healthy * 255.0;
            *votes = votes.saturating_add(u8::from(healthy));
        }
    }
    votes
}

/// The lesions of a scan, 0 or 1.
///
/// `h` holds normalised intensities in [0, 1], `lungs` and `healthy` are masks, all on a grid of
/// `dims` voxels of `spacing` mm. Beyond the grid and the lungs everything counts as 0, and means
/// are taken over the whole kernel all the same.
///
/// # Panics
///
/// If a slice's length is not the product of `dims`.
pub fn lesions(
    h: &[f32],
    lungs: &[u8],
    healthy: &[u8],
    dims: Dims,
    spacing: [f64; 3],
    config: &PostConfig,
) -> Vec<u8> {
    lesions_tapped(h, lungs, healthy, dims, spacing, config, &mut |_| ())
}

/// [`lesions`], handing every step on the way to `tap`.
///
/// # Panics
///
/// As [`lesions`].
pub fn lesions_tapped(
    h: &[f32],
    lungs: &[u8],
    healthy: &[u8],
    dims: Dims,
    spacing: [f64; 3],
    config: &PostConfig,
    tap: &mut dyn FnMut(Stage<'_>),
) -> Vec<u8> {
    let voxels: usize = dims.iter().product();
    assert_eq!(
        [h.len(), lungs.len(), healthy.len()],
        [voxels; 3],
        "arrays against dims"
    );
    let full: Vec<u8> = lungs
        .iter()
        .zip(healthy)
        .map(|(&lung, &healthy)| u8::from(lung != 0 && healthy == 0))
        .collect();
    let bright: Vec<u8> = full
        .iter()
        .zip(h)
        .map(|(&full, &h)| u8::from(full != 0 && h >= TAU))
        .collect();
    tap(Stage::Bright(&bright));
    let kernel = config.kernel(config.bright_kernel, spacing);
    let mean = local_mean(h, &bright, dims, kernel);
    tap(Stage::BrightMean(&mean));
    let seeds = above(&mean, config.bright_threshold);
    tap(Stage::Seeds(&seeds));
    drop((bright, mean));

    tap(Stage::Full(&full));
    let kernel = config.kernel(config.full_kernel, spacing);
    let mean = local_mean(h, &full, dims, kernel);
    tap(Stage::FullMean(&mean));
    let region = above(&mean, config.full_threshold);
    tap(Stage::Region(&region));
    drop((full, mean));

    let mut lesions = grid::keep_touching(&region, &seeds, dims, Connectivity::TwentySix);
    for (lesion, &lung) in lesions.iter_mut().zip(lungs) {
        *lesion &= u8::from(lung != 0);
    }
    lesions
}

/// The mean over the kernel of the intensities under a mask.
fn local_mean(h: &[f32], mask: &[u8], dims: Dims, kernel: Dims) -> Vec<f32> {
    let kept: Vec<f32> = h
        .iter()
        .zip(mask)
        .map(|(&h, &m)| if m != 0 { h } else { 0.0 })
        .collect();
    grid::box_mean(&kept, dims, kernel)
}

fn above(values: &[f32], threshold: f32) -> Vec<u8> {
    values.iter().map(|&v| u8::from(v > threshold)).collect()
}

/// The attenuation behind τ.
pub const BRIGHT_HU: i16 = -500;

/// What one gets without a network, as a baseline for evaluation: lung tissue of at least
/// −500 HU, opened by a ball of `radius_mm` so that vessels thinner than it disappear.
///
/// # Panics
///
/// If a slice's length is not the product of `dims`.
pub fn threshold_baseline(
    hu: &[i16],
    lungs: &[u8],
    dims: Dims,
    spacing: [f64; 3],
    radius_mm: f64,
) -> Vec<u8> {
    assert_eq!(hu.len(), lungs.len(), "HU against lung mask");
    let bright: Vec<u8> = hu
        .iter()
        .zip(lungs)
        .map(|(&hu, &lung)| u8::from(lung != 0 && hu >= BRIGHT_HU))
        .collect();
    let core = grid::erode_ball(&bright, dims, spacing, radius_mm);
    grid::dilate_ball(&core, dims, spacing, radius_mm)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIMS: Dims = [48, 48, 16];
    const SPACING: [f64; 3] = [1.25, 1.25, 3.0];

    /// Intensity and mask of a hand-made scan.
    struct Scene {
        h: Vec<f32>,
        lungs: Vec<u8>,
        healthy: Vec<u8>,
    }

    fn at(i: usize, j: usize, k: usize) -> usize {
        i + DIMS[0] * (j + DIMS[1] * k)
    }

    fn distance(i: usize, j: usize, k: usize, centre: [f64; 3]) -> f64 {
        let d = [i, j, k].into_iter().zip(centre).zip(SPACING);
        d.map(|((v, c), s)| ((v as f64 - c) * s).powi(2))
            .sum::<f64>()
            .sqrt()
    }

    /// Lung in all but a margin; `paint` gives intensity and whether the networks know the tissue.
    fn scene(paint: impl Fn(usize, usize, usize) -> (f32, bool)) -> Scene {
        let n = DIMS.iter().product();
        let mut s = Scene {
            h: vec![0.0; n],
            lungs: vec![0; n],
            healthy: vec![0; n],
        };
        for k in 1..15 {
            for j in 3..45 {
                for i in 3..45 {
                    let (h, healthy) = paint(i, j, k);
                    s.lungs[at(i, j, k)] = 1;
                    s.h[at(i, j, k)] = h;
                    s.healthy[at(i, j, k)] = u8::from(healthy);
                }
            }
        }
        s
    }

    /// What the tap receives, and the lesions.
    #[derive(Default)]
    struct Stages {
        bright: Vec<u8>,
        bright_mean: Vec<f32>,
        seeds: Vec<u8>,
        full: Vec<u8>,
        full_mean: Vec<f32>,
        region: Vec<u8>,
        lesions: Vec<u8>,
    }

    fn run(s: &Scene, config: &PostConfig) -> Stages {
        let mut out = Stages::default();
        let tap = &mut |stage: Stage<'_>| match stage {
            Stage::Bright(v) => out.bright = v.to_vec(),
            Stage::BrightMean(v) => out.bright_mean = v.to_vec(),
            Stage::Seeds(v) => out.seeds = v.to_vec(),
            Stage::Full(v) => out.full = v.to_vec(),
            Stage::FullMean(v) => out.full_mean = v.to_vec(),
            Stage::Region(v) => out.region = v.to_vec(),
        };
        let (h, lungs, healthy) = (&s.h, &s.lungs, &s.healthy);
        out.lesions = lesions_tapped(h, lungs, healthy, DIMS, SPACING, config, tap);
        assert_eq!(
            out.lesions,
            lesions(h, lungs, healthy, DIMS, SPACING, config)
        );
        out
    }

    #[test]
    fn a_known_vessel_disappears_and_an_unknown_one_of_the_same_size_does_not_seed_dim_lung() {
        let vessel = |i: usize, j: usize, _: usize| i.abs_diff(24) <= 3 && j.abs_diff(24) <= 3;
        let known = scene(|i, j, k| (if vessel(i, j, k) { 0.9 } else { 0.02 }, vessel(i, j, k)));
        let none = run(&known, &PostConfig::default());
        assert!(none.bright.iter().all(|&v| v == 0));
        assert!(none.lesions.iter().all(|&v| v == 0));
        let unknown = scene(|i, j, k| (if vessel(i, j, k) { 0.9 } else { 0.02 }, false));
        let found = run(&unknown, &PostConfig::default());
        assert_eq!(found.lesions[at(24, 24, 8)], 1);
        assert_eq!(found.lesions[at(35, 35, 8)], 0);
    }

    #[test]
    fn a_lesion_grows_into_its_dim_rim_and_not_into_a_separate_one() {
        // Core 0.6 to 9 mm, rim 0.25 (below τ) to 18 mm, and a dim patch elsewhere.
        let (centre, other) = ([16.0, 16.0, 8.0], [40.0, 40.0, 8.0]);
        let s = scene(|i, j, k| {
            let h = match distance(i, j, k, centre) {
                d if d <= 9.0 => 0.6,
                d if d <= 18.0 => 0.25,
                _ if distance(i, j, k, other) <= 8.0 => 0.25,
                _ => 0.01,
            };
            (h, false)
        });
        let out = run(&s, &PostConfig::default());
        assert_eq!(out.bright[at(16, 16, 8)], 1);
        // 12.5 mm away: dim, not bright, yet lesion by growing.
        assert_eq!(out.bright[at(26, 16, 8)], 0);
        assert_eq!(out.seeds[at(28, 16, 8)], 0);
        assert_eq!(out.lesions[at(26, 16, 8)], 1);
        // The other patch would do as region but holds no seed.
        assert_eq!(out.region[at(40, 40, 8)], 1);
        assert_eq!(out.lesions[at(40, 40, 8)], 0);
        // What was averaged: the core's mean is its intensity, and the thresholds cut the means.
        assert!((out.bright_mean[at(16, 16, 8)] - 0.6).abs() < 1e-5);
        assert!((out.full_mean[at(26, 16, 8)] - 0.25).abs() < 0.05);
        assert_eq!(out.seeds, above(&out.bright_mean, 0.2));
        assert_eq!(out.region, above(&out.full_mean, 0.15));
        // The mask follows the lesion of 18 mm.
        let (mut both, mut sum) = (0, 0);
        for k in 0..DIMS[2] {
            for j in 0..DIMS[1] {
                for i in 0..DIMS[0] {
                    let a = out.lesions[at(i, j, k)] != 0;
                    let b = s.lungs[at(i, j, k)] != 0 && distance(i, j, k, centre) <= 18.0;
                    both += usize::from(a && b);
                    sum += usize::from(a) + usize::from(b);
                }
            }
        }
        assert!(2.0 * both as f64 / sum as f64 > 0.85);
    }

    #[test]
    fn lesions_stay_in_the_lungs() {
        let s = scene(|i, _, _| (if i < 12 { 0.8 } else { 0.0 }, false));
        let out = run(&s, &PostConfig::default());
        assert!(
            out.region
                .iter()
                .zip(&s.lungs)
                .any(|(r, l)| *r != 0 && *l == 0)
        );
        assert!(
            out.lesions
                .iter()
                .zip(&s.lungs)
                .all(|(v, l)| *v == 0 || *l != 0)
        );
        assert_eq!(out.lesions[at(5, 20, 8)], 1);
    }

    #[test]
    fn healthy_tissue_counts_for_neither_map() {
        // The same lesion with its core called healthy: the rim alone seeds nothing.
        let centre = [24.0, 24.0, 8.0];
        let s = scene(|i, j, k| match distance(i, j, k, centre) {
            d if d <= 9.0 => (0.6, true),
            d if d <= 18.0 => (0.25, false),
            _ => (0.01, false),
        });
        let out = run(&s, &PostConfig::default());
        assert!(out.lesions.iter().all(|&v| v == 0));
        assert_eq!(out.full[at(24, 24, 8)], 0);
        assert_eq!(out.full[at(34, 24, 8)], 1);
    }

    #[test]
    fn kernels_keep_their_size_in_mm() {
        let config = PostConfig::default();
        assert_eq!(config.kernel(9.0, PAPER_SPACING_MM), [9, 9, 9]);
        assert_eq!(config.kernel(7.0, PAPER_SPACING_MM), [7, 7, 7]);
        // 7.2 x 7.2 x 9 mm and 5.6 x 5.6 x 7 mm.
        assert_eq!(config.kernel(9.0, SPACING), [5, 5, 3]);
        assert_eq!(config.kernel(7.0, SPACING), [5, 5, 3]);
        assert_eq!(config.kernel(7.0, [10.0; 3]), [1, 1, 1]);
        assert_eq!(config.kernel(5.0, [0.8, 0.8, 2.5]), [5, 5, 1]);
        let flat = PostConfig {
            two_d: true,
            ..config
        };
        assert_eq!(flat.kernel(9.0, PAPER_SPACING_MM), [9, 9, 1]);
    }

    #[test]
    fn votes_need_three_of_five() {
        let config = PostConfig::default();
        // 0.95 · 255 = 242.25: 243 is above, 242 is not.
        let (yes, no) = ([243u8], [242u8]);
        let count = |n: usize, of: usize| {
            let networks: Vec<&[u8]> = (0..of)
                .map(|i| if i < n { yes.as_slice() } else { no.as_slice() })
                .collect();
            vote(&networks, &config)[0]
        };
        assert_eq!([count(2, 5), count(3, 5), count(5, 5)], [0, 1, 1]);
        assert_eq!([count(0, 1), count(1, 1)], [0, 1]);
        assert_eq!([count(1, 2), count(2, 2)], [0, 1]);
        assert_eq!([count(1, 3), count(2, 3)], [0, 1]);
        assert_eq!([count(2, 4), count(3, 4)], [0, 1]);
        assert!(vote(&[], &config).is_empty());
        let networks: [&[u8]; 3] = [&[255, 243, 0], &[255, 0, 0], &[255, 242, 0]];
        assert_eq!(votes(&networks, &config), [3, 1, 0]);
    }

    #[test]
    fn the_baseline_drops_vessels_and_keeps_consolidation() {
        let n = DIMS.iter().product();
        let (mut hu, lungs) = (vec![-850i16; n], vec![1u8; n]);
        for k in 0..DIMS[2] {
            for j in 0..DIMS[1] {
                for i in 0..DIMS[0] {
                    if (i == 10 && j == 10) || distance(i, j, k, [30.0, 30.0, 8.0]) <= 12.0 {
                        hu[at(i, j, k)] = 0;
                    }
                }
            }
        }
        let out = threshold_baseline(&hu, &lungs, DIMS, SPACING, 2.0);
        assert_eq!(out[at(30, 30, 8)], 1);
        assert_eq!(out[at(10, 10, 8)], 0);
        assert_eq!(out[at(20, 20, 8)], 0);
    }
}
