//! Dilation, erosion and closing, by boxes of voxels and by balls in mm.

use super::planes::{Plane, for_each_plane};
use super::{Dims, bounding_box, check, distance_mm};

/// Dilation by a box of `2 * radius + 1` voxels an axis; outside the grid is background.
pub fn dilate(mask: &[u8], dims: Dims, radius: Dims) -> Vec<u8> {
    check(mask.len(), dims);
    let mut out: Vec<u8> = mask.iter().map(|&v| u8::from(v != 0)).collect();
    dilate_in_place(&mut out, dims, radius);
    out
}

/// Erosion by a box of `2 * radius + 1` voxels an axis; outside the grid is foreground.
pub fn erode(mask: &[u8], dims: Dims, radius: Dims) -> Vec<u8> {
    check(mask.len(), dims);
    let mut out: Vec<u8> = mask.iter().map(|&v| u8::from(v == 0)).collect();
    dilate_in_place(&mut out, dims, radius);
    invert(&mut out);
    out
}

fn dilate_in_place(mask: &mut [u8], dims: Dims, radius: Dims) {
    for (axis, &r) in radius.iter().enumerate() {
        if r > 0 {
            for_each_plane(mask, dims, axis, |plane, n, width| {
                dilate_plane(plane, n, width, r);
            });
        }
    }
}

/// Dilates down the rows of a plane by counting the set voxels of each column's window.
fn dilate_plane(plane: &mut Plane<u8>, n: usize, width: usize, radius: usize) {
    let mut counts = vec![0u32; width];
    for t in 0..radius.min(n) {
        for (count, &v) in counts.iter_mut().zip(plane.source(t)) {
            *count += u32::from(v);
        }
    }
    for t in 0..n {
        if t + radius < n {
            for (count, &v) in counts.iter_mut().zip(plane.source(t + radius)) {
                *count += u32::from(v);
            }
        }
        for (out, &count) in plane.target(t).iter_mut().zip(&counts) {
            *out = u8::from(count > 0);
        }
        if t >= radius {
            for (count, &v) in counts.iter_mut().zip(plane.source(t - radius)) {
                *count -= u32::from(v);
            }
        }
    }
}

/// Dilation by a ball: voxels whose centre is at most `radius_mm` from a set voxel's centre.
pub fn dilate_ball(mask: &[u8], dims: Dims, spacing_mm: [f64; 3], radius_mm: f64) -> Vec<u8> {
    check(mask.len(), dims);
    let [nx, ny, nz] = dims;
    let area = nx * ny;
    let mut out: Vec<u8> = mask.iter().map(|&v| u8::from(v != 0)).collect();
    let Some((low, high)) = bounding_box(mask, dims) else {
        return out;
    };
    // Slabs with a halo of one radius are exact and keep the float distances to a few slices.
    let halo = (radius_mm / spacing_mm[2]) as usize + 1;
    let slab = (4 * halo).max(16);
    let limit = radius_mm as f32;
    let (first, end) = (low[2].saturating_sub(halo), (high[2] + halo).min(nz));
    for start in (first..end).step_by(slab) {
        let stop = (start + slab).min(end);
        let (from, to) = (start.saturating_sub(halo), (stop + halo).min(nz));
        let distance = distance_mm(
            &mask[from * area..to * area],
            [nx, ny, to - from],
            spacing_mm,
        );
        let inner = &distance[(start - from) * area..(stop - from) * area];
        for (voxel, &d) in out[start * area..stop * area].iter_mut().zip(inner) {
            *voxel = u8::from(d <= limit);
        }
    }
    out
}

/// Erosion by a ball; outside the grid is foreground.
pub fn erode_ball(mask: &[u8], dims: Dims, spacing_mm: [f64; 3], radius_mm: f64) -> Vec<u8> {
    let inverse: Vec<u8> = mask.iter().map(|&v| u8::from(v == 0)).collect();
    let mut out = dilate_ball(&inverse, dims, spacing_mm, radius_mm);
    invert(&mut out);
    out
}

/// Closing by a ball: dilation, then erosion, as if the grid went on as background. Set voxels stay
/// set. Along an axis of one voxel the grid counts as flat: a single slice is closed by a disc.
pub fn close_ball(mask: &[u8], dims: Dims, spacing_mm: [f64; 3], radius_mm: f64) -> Vec<u8> {
    check(mask.len(), dims);
    let Some((low, high)) = bounding_box(mask, dims) else {
        return vec![0; mask.len()];
    };
    // All happens within one radius of what is set: room for the dilation, beyond the grid too.
    let margin = [0, 1, 2].map(|a| match dims[a] {
        1 => 0,
        _ => (radius_mm / spacing_mm[a]) as usize + 1,
    });
    let room = [0, 1, 2].map(|a| high[a] - low[a] + 2 * margin[a]);
    let mut roomy = vec![0u8; room.iter().product()];
    let row = |start: [usize; 3], dims: Dims, j: usize, k: usize| {
        start[0] + dims[0] * (start[1] + j + dims[1] * (start[2] + k))
    };
    let size = [0, 1, 2].map(|a| high[a] - low[a]);
    for k in 0..size[2] {
        for j in 0..size[1] {
            let source = &mask[row(low, dims, j, k)..][..size[0]];
            roomy[row(margin, room, j, k)..][..size[0]].copy_from_slice(source);
        }
    }
    let dilated = dilate_ball(&roomy, room, spacing_mm, radius_mm);
    let closed = erode_ball(&dilated, room, spacing_mm, radius_mm);
    let mut out = vec![0u8; mask.len()];
    for k in 0..size[2] {
        for j in 0..size[1] {
            let source = &closed[row(margin, room, j, k)..][..size[0]];
            out[row(low, dims, j, k)..][..size[0]].copy_from_slice(source);
        }
    }
    out
}

fn invert(mask: &mut [u8]) {
    for v in mask {
        *v = u8::from(*v == 0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::grid::testing::{GRIDS, brute_distance, random_mask, voxels};

    #[test]
    fn box_morphology_matches_brute_force() {
        for (seed, dims) in (50..).zip(GRIDS) {
            let mask = random_mask(dims, 40, seed);
            for radius in [[1, 1, 1], [2, 0, 1], [0, 0, 0], [9, 3, 0]] {
                let near = |p: [isize; 3], q: [isize; 3]| {
                    (0..3).all(|axis| (p[axis] - q[axis]).unsigned_abs() <= radius[axis])
                };
                let any = |p: [isize; 3], wanted: u8| {
                    let found = voxels(dims)
                        .into_iter()
                        .zip(&mask)
                        .any(|(q, &v)| v == wanted && near(p, q));
                    u8::from(found)
                };
                let places = voxels(dims);
                let dilated: Vec<u8> = places.iter().map(|&p| any(p, 1)).collect();
                let eroded: Vec<u8> = places.iter().map(|&p| 1 - any(p, 0)).collect();
                assert_eq!(dilate(&mask, dims, radius), dilated, "{dims:?} {radius:?}");
                assert_eq!(erode(&mask, dims, radius), eroded, "{dims:?} {radius:?}");
            }
        }
    }

    #[test]
    fn ball_morphology_matches_brute_force() {
        // Long in z, so that several slabs of the dilation meet.
        for (seed, dims) in (70..).zip([[6, 5, 4], [3, 2, 70], [12, 11, 1]]) {
            let mask = random_mask(dims, 6, seed);
            let inverse: Vec<u8> = mask.iter().map(|v| 1 - v).collect();
            let spacing = [0.7, 0.9, 1.3];
            for radius in [0.0, 1.0, 3.1, 50.0] {
                let places = voxels(dims);
                let within = |p: &[isize; 3]| {
                    u8::from(brute_distance(&mask, dims, spacing, *p, 1) <= radius)
                };
                let dilated: Vec<u8> = places.iter().map(within).collect();
                assert_eq!(dilate_ball(&mask, dims, spacing, radius), dilated);
                let eroded: Vec<u8> = dilated.iter().map(|v| 1 - v).collect();
                assert_eq!(erode_ball(&inverse, dims, spacing, radius), eroded);
            }
        }
    }

    #[test]
    fn closing_does_not_lean_on_the_border() {
        // Two voxels from the edge: a closing that takes the outside for set would fill the gap.
        let mut mask = vec![0u8; 81];
        mask[2 + 9 * 4] = 1;
        for radius in [1.0, 3.0, 20.0] {
            assert_eq!(close_ball(&mask, [9, 9, 1], [1.0; 3], radius), mask);
        }
    }

    #[test]
    fn closing_matches_brute_force_on_a_padded_grid() {
        let (dims, pad, spacing, radius) = ([9, 8, 3], 5, [0.8, 1.0, 1.5], 2.5);
        let room = dims.map(|n| n + 2 * pad);
        let mask = random_mask(dims, 12, 90);
        let mut padded = vec![0u8; room.iter().product()];
        let inner: Vec<usize> = voxels(dims)
            .into_iter()
            .map(|p| p.map(|v| v as usize + pad))
            .map(|[i, j, k]| i + room[0] * (j + room[1] * k))
            .collect();
        for (&at, &v) in inner.iter().zip(&mask) {
            padded[at] = v;
        }
        let dilated: Vec<u8> = voxels(room)
            .into_iter()
            .map(|p| u8::from(brute_distance(&padded, room, spacing, p, 1) <= radius))
            .collect();
        let closed: Vec<u8> = inner
            .iter()
            .map(|&at| voxels(room)[at])
            .map(|p| u8::from(brute_distance(&dilated, room, spacing, p, 0) > radius))
            .collect();
        assert_eq!(close_ball(&mask, dims, spacing, radius), closed);
    }

    #[test]
    fn closing_bridges_small_gaps_only() {
        let mut mask = vec![0u8; 40];
        mask[5..10].fill(1);
        mask[13..20].fill(1);
        mask[30..35].fill(1);
        let closed = close_ball(&mask, [40, 1, 1], [1.0; 3], 2.0);
        assert!(closed[5..20].iter().all(|&v| v == 1));
        assert_eq!(closed[20..30], [0; 10]);
        assert_eq!(closed[..5], [0; 5]);
    }
}
