//! Removal of erroneous edges from a lung mask, for training.
//!
//! A lung mask that runs a little into the chest wall shows the network a bright rim, which it
//! would learn to call healthy lung tissue; infection at the pleura would then be missed. Yao et
//! al. 2020 remove the connected bright areas most of whose voxels lie on the mask's border. How
//! they find them is not said; the recipe here is ours.

use serde::{Deserialize, Serialize};

use super::frame::TAU;
use crate::grid::{self, Connectivity, Dims};

/// In-plane voxel of the paper's grid in mm.
const PAPER_VOXEL_MM: f64 = 0.8;

/// What counts as an erroneous edge.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EdgeConfig {
    /// Width of the mask's border band in mm, in-plane. Reconstruction: three paper voxels.
    pub band_mm: f64,
    /// A bright component goes if more than this share of its voxels lies in the band.
    /// Reconstruction of "most".
    pub share: f64,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            band_mm: 3.0 * PAPER_VOXEL_MM,
            share: 0.5,
        }
    }
}

/// The lung mask M' without erroneous edges (0 or 1).
///
/// `h` holds normalised intensities in [0, 1]. Bright voxels (≥ τ) of the lungs form 26-connected
/// components; one that lies mostly in the band along the mask's border is taken out of the mask.
/// The band is measured within slices and at least one voxel wide.
///
/// # Panics
///
/// If a slice's length is not the product of `dims`.
pub fn remove_edges(
    h: &[f32],
    lungs: &[u8],
    dims: Dims,
    spacing: [f64; 3],
    config: &EdgeConfig,
) -> Vec<u8> {
    assert_eq!(h.len(), lungs.len(), "intensities against lung mask");
    let bright: Vec<u8> = h
        .iter()
        .zip(lungs)
        .map(|(&v, &lung)| u8::from(lung != 0 && v >= TAU))
        .collect();
    let width = |axis: usize| ((config.band_mm / spacing[axis]).round() as usize).max(1);
    let inner = grid::erode(lungs, dims, [width(0), width(1), 0]);
    let parts = grid::components(&bright, dims, Connectivity::TwentySix);

    let mut in_band = vec![0usize; parts.sizes.len()];
    for (&label, &inner) in parts.labels.iter().zip(&inner) {
        in_band[label as usize] += usize::from(inner == 0);
    }
    let erroneous: Vec<bool> = in_band
        .iter()
        .zip(&parts.sizes)
        .enumerate()
        .map(|(label, (&band, &size))| label != 0 && band as f64 > config.share * size as f64)
        .collect();
    lungs
        .iter()
        .zip(&parts.labels)
        .map(|(&lung, &label)| u8::from(lung != 0 && !erroneous[label as usize]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIMS: Dims = [40, 30, 6];
    const SPACING: [f64; 3] = [1.25, 1.25, 3.0];

    fn at(i: usize, j: usize, k: usize) -> usize {
        i + DIMS[0] * (j + DIMS[1] * k)
    }

    /// A box of lung, with bright voxels where `bright` says.
    fn scene(bright: impl Fn(usize, usize, usize) -> bool) -> (Vec<f32>, Vec<u8>) {
        let mut h = vec![0f32; DIMS.iter().product()];
        let mut lungs = vec![0u8; h.len()];
        for k in 1..5 {
            for j in 5..25 {
                for i in 5..35 {
                    lungs[at(i, j, k)] = 1;
                    if bright(i, j, k) {
                        h[at(i, j, k)] = 0.9;
                    }
                }
            }
        }
        (h, lungs)
    }

    #[test]
    fn a_rim_goes_and_a_vessel_stays() {
        // The mask's first column is chest wall; a vessel runs through the middle of slice 2.
        let rim = |i: usize, _: usize, _: usize| i == 5;
        let vessel = |i: usize, j: usize, k: usize| k == 2 && j == 15 && (12..30).contains(&i);
        let (h, lungs) = scene(|i, j, k| rim(i, j, k) || vessel(i, j, k));
        let kept = remove_edges(&h, &lungs, DIMS, SPACING, &EdgeConfig::default());
        for k in 1..5 {
            assert_eq!(kept[at(5, 10, k)], 0, "rim in slice {k}");
            assert_eq!(
                kept[at(6, 10, k)],
                1,
                "dim voxel beside the rim in slice {k}"
            );
        }
        assert_eq!(kept[at(20, 15, 2)], 1);
        let removed =
            lungs.iter().filter(|v| **v != 0).count() - kept.iter().filter(|v| **v != 0).count();
        assert_eq!(removed, 20 * 4);
    }

    #[test]
    fn a_vessel_that_ends_at_the_pleura_stays() {
        let (h, lungs) = scene(|i, j, k| k == 3 && j == 12 && i < 20);
        let kept = remove_edges(&h, &lungs, DIMS, SPACING, &EdgeConfig::default());
        assert_eq!(kept, lungs);
    }

    #[test]
    fn the_band_follows_the_spacing() {
        // A bright line in the third voxel column from the border: 2.4 mm reach two columns of
        // 1.25 mm, but three of 0.8 mm.
        let (h, lungs) = scene(|i, j, _| i == 7 && (10..20).contains(&j));
        let config = EdgeConfig::default();
        assert_eq!(remove_edges(&h, &lungs, DIMS, SPACING, &config), lungs);
        let fine = remove_edges(&h, &lungs, DIMS, [0.8, 0.8, 1.0], &config);
        assert_eq!(fine[at(7, 15, 2)], 0);
    }

    #[test]
    fn the_grid_is_no_border() {
        // Lungs cut by the edge of the slab in z are not eroded there.
        let mut h = vec![0f32; DIMS.iter().product()];
        let lungs = vec![1u8; h.len()];
        h[at(20, 15, 0)] = 0.9;
        let kept = remove_edges(&h, &lungs, DIMS, SPACING, &EdgeConfig::default());
        assert_eq!(kept, lungs);
    }
}
