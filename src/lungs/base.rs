//! Where the dome of the diaphragm is averaged into a slice of lung.
//!
//! A slice of some millimetres that the diaphragm passes shows it as an even grey between soft
//! tissue and air, which no network can tell from ground glass by looking at that slice. The
//! slices around it can: there is soft tissue below and aerated lung above, and the attenuation
//! falls steeply from one to the other. A lesion on the diaphragm does not fall off like that.

use crate::grid;
use crate::volume::Volume;
use std::collections::VecDeque;

/// Outside the lungs, denser than this is soft tissue, HU.
const SOFT_HU: i16 = -300;
/// From a slice to the one above the attenuation falls by more than this, HU.
const FALL_HU: f32 = 150.0;
/// Attenuation is averaged in the slice over a square that reaches this far, mm: noise is no fall.
const REACH_MM: f64 = 2.7;

/// 1 for the voxels of the lungs in which the diaphragm is averaged in: the lowest slice of a
/// column of lung, or its two lowest where a slanting dome passes through both.
///
/// Both volumes are on LPS axes (k upwards) and of one grid.
///
/// # Panics
///
/// If the grids differ.
pub fn diaphragm(hu: &Volume<i16>, lungs: &Volume<u8>) -> Vec<u8> {
    assert_eq!(hu.dims, lungs.dims, "lungs on the scan's grid");
    let [nx, ny, nz] = hu.dims;
    let plane = nx * ny;
    let spacing = hu.spacing();
    let [kx, ky] = [0, 1].map(|a| 2 * (REACH_MM / spacing[a]).round() as usize + 1);
    let mean = |k: usize| {
        let slice: Vec<f32> = hu.slice(k).iter().map(|&v| f32::from(v)).collect();
        grid::box_mean(&slice, [nx, ny, 1], [kx, ky, 1])
    };
    let mut found = vec![0; hu.len()];
    let shown = |k: &usize| lungs.slice(*k).iter().any(|&v| v != 0);
    let Some(first) = (0..nz).find(shown) else {
        return found;
    };
    let last = (first..nz).rfind(shown).unwrap_or(first);
    // The means of the slices k − 1 to k + 2, of which the outermost stand in for what is beyond.
    let at = |k: usize, offset: usize| (k + offset).saturating_sub(1).min(nz - 1);
    let mut means: VecDeque<Vec<f32>> = (0..3).map(|offset| mean(at(first, offset))).collect();
    for k in first..=last {
        means.push_back(mean(at(k, 3)));
        let soft = |below: usize, i: usize| {
            k.checked_sub(below).is_some_and(|k| {
                let voxel = k * plane + i;
                lungs.data[voxel] == 0 && hu.data[voxel] > SOFT_HU
            })
        };
        for i in (0..plane).filter(|i| lungs.data[k * plane + i] != 0) {
            let [under, here, above, beyond] = [0, 1, 2, 3].map(|m: usize| means[m][i]);
            let falls = above < here - FALL_HU;
            let lowest = soft(1, i) && (falls || (above < here && beyond < above - FALL_HU));
            let second = soft(2, i) && under > here && falls;
            found[k * plane + i] = u8::from(lowest || second);
        }
        means.pop_front();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Affine;

    const DIMS: [usize; 3] = [9, 9, 12];

    /// Slices of one HU each, lung wherever `lung` says so.
    fn found(slices: [i16; 12], lung: std::ops::Range<usize>) -> Vec<usize> {
        let affine = Affine::scale_offset([0.8, 0.8, 6.0], [0.0; 3]);
        let mut hu = Volume::filled(0i16, DIMS, affine);
        let mut lungs = Volume::filled(0u8, DIMS, affine);
        for (k, value) in slices.into_iter().enumerate() {
            hu.data[k * 81..][..81].fill(value);
            lungs.data[k * 81..][..81].fill(u8::from(lung.contains(&k)));
        }
        let mask = diaphragm(&hu, &lungs);
        // Beyond the slice there is nothing: look at its middle.
        (0..12).filter(|k| mask[k * 81 + 40] != 0).collect()
    }

    #[test]
    fn a_dome_in_one_slice_or_two_is_found() {
        let lung = -850;
        let mut slices = [
            40, 40, 40, -400, lung, lung, lung, lung, lung, lung, lung, lung,
        ];
        assert_eq!(found(slices, 3..12), [3]);
        (slices[3], slices[4]) = (-200, -550);
        assert_eq!(found(slices, 3..12), [3, 4]);
        // A gentle start, then the fall.
        (slices[3], slices[4]) = (-500, -550);
        assert_eq!(found(slices, 3..12), [3, 4]);
    }

    #[test]
    fn lesions_and_healthy_lung_on_the_diaphragm_are_not() {
        let lung = -850;
        let healthy = [
            40, 40, 40, lung, lung, lung, lung, lung, lung, lung, lung, lung,
        ];
        assert!(found(healthy, 3..12).is_empty());
        let lesion = [
            40, 40, 40, -450, -450, -450, -450, lung, lung, lung, lung, lung,
        ];
        assert!(found(lesion, 3..12).is_empty());
        // Air below is no diaphragm: the scan ends in the lungs, or they hang over the stomach.
        let gas = [
            -900, -900, -900, -400, lung, lung, lung, lung, lung, lung, lung, lung,
        ];
        assert!(found(gas, 3..12).is_empty());
        assert!(found(lesion, 0..0).is_empty());
    }
}
