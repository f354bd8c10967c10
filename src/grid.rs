//! Operations on voxel grids: connected components, distance, morphology, filters.
//!
//! Arrays are dense with x fastest: `index = i + nx * (j + ny * k)`. A mask is `&[u8]`, nonzero
//! means set; masks that come back hold 0 and 1. Scans reach 512 x 512 x 800 voxels and the browser
//! has about 1 GiB, so passes work on runs or on one plane of scratch and never copy a whole float
//! volume beside the one they return.
//!
//! # Panics
//! Every function panics if a slice's length is not the product of its `dims`: callers own both.

// The explicit paths keep the module loadable from any place that names this file by path.
#[path = "grid/components.rs"]
mod components;
#[path = "grid/distance.rs"]
mod distance;
#[path = "grid/filters.rs"]
mod filters;
#[path = "grid/morphology.rs"]
mod morphology;
#[path = "grid/planes.rs"]
mod planes;
#[cfg(test)]
#[path = "grid/testing.rs"]
mod testing;

pub use components::{Components, components, fill_holes, fill_holes_2d, keep_touching};
pub use distance::distance_mm;
pub use filters::{box_mean, gaussian};
pub use morphology::{close_ball, dilate, dilate_ball, erode, erode_ball};

/// Extent of a grid in voxels: `[nx, ny, nz]`.
pub type Dims = [usize; 3];

/// Which neighbours of a voxel count as connected to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connectivity {
    /// The six voxels that share a face.
    Six,
    /// The 26 voxels that share a face, an edge or a corner.
    TwentySix,
}

/// Smallest box that holds all set voxels: inclusive minimum, exclusive maximum; `None` if empty.
pub fn bounding_box(mask: &[u8], dims: Dims) -> Option<([usize; 3], [usize; 3])> {
    check(mask.len(), dims);
    let mut min = [usize::MAX; 3];
    let mut max = [0; 3];
    for (row, voxels) in mask.chunks_exact(dims[0].max(1)).enumerate() {
        let Some(first) = voxels.iter().position(|&v| v != 0) else {
            continue;
        };
        let last = voxels.iter().rposition(|&v| v != 0).unwrap_or(first);
        let [j, k] = [row % dims[1], row / dims[1]];
        for (axis, (low, high)) in [(first, last), (j, j), (k, k)].into_iter().enumerate() {
            min[axis] = min[axis].min(low);
            max[axis] = max[axis].max(high + 1);
        }
    }
    (max[0] > 0).then_some((min, max))
}

fn check(len: usize, dims: Dims) {
    assert_eq!(
        len,
        dims[0] * dims[1] * dims[2],
        "array length does not match {dims:?}"
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bounding_box_is_tight() {
        let dims = [8, 7, 6];
        let mut mask = vec![0u8; 8 * 7 * 6];
        assert_eq!(bounding_box(&mask, dims), None);
        for [i, j, k] in [[2, 5, 1], [6, 3, 4]] {
            mask[i + 8 * (j + 7 * k)] = 7;
        }
        assert_eq!(bounding_box(&mask, dims), Some(([2, 3, 1], [7, 6, 5])));
    }

    #[test]
    fn empty_grids_are_fine() {
        for dims in [[0, 0, 0], [0, 3, 2], [3, 0, 2], [3, 2, 0]] {
            assert_eq!(components(&[], dims, Connectivity::Six).sizes, [0]);
            assert_eq!(bounding_box(&[], dims), None);
            assert!(distance_mm(&[], dims, [1.0; 3]).is_empty());
            assert!(box_mean(&[], dims, [3; 3]).is_empty());
            assert!(dilate(&[], dims, [1; 3]).is_empty());
            assert!(close_ball(&[], dims, [1.0; 3], 3.0).is_empty());
            fill_holes(&mut [], dims);
            fill_holes_2d(&mut [], dims);
            gaussian(&mut [], dims, [1.0; 3]);
        }
    }
}
