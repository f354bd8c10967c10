//! Telling the right lung from the left, also where the two touch.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::coarse::{checked_spacing, factor_for};
use super::{LEFT, RIGHT};
use crate::grid::{Connectivity, Dims, bounding_box, components, distance_mm};
use crate::volume::Volume;

/// Depths to which the mask is peeled until it falls into two lungs.
const PEEL_MM: [f32; 9] = [0.0, 1.5, 3.0, 4.5, 6.0, 8.0, 10.0, 12.0, 15.0];
/// Pieces smaller than this share of the mask do not decide about sides.
const PIECE_SHARE: f64 = 0.02;
/// Each lung has at least this share of the whole.
const LUNG_SHARE: f64 = 0.12;
/// Distance of the two lungs' middles, as a share of the mask's width.
const APART: f64 = 0.35;
/// One lung alone is narrower than this many times its depth; two lungs are wider.
const PAIR_WIDTH: f64 = 1.15;

/// Splits a mask (nonzero = lung) on an LPS grid into 1 = right and 2 = left.
///
/// Lungs that touch are cut where the junction is thinnest. A single lung is told by the half of
/// the field in which it lies.
///
/// # Panics
/// If the number of voxels is not the product of the dims.
pub fn split(mask: &Volume<u8>) -> Volume<u8> {
    let mut out = mask.clone();
    if mask.is_empty() {
        return out;
    }
    // Without a usable voxel size, cubes are as good a guess as any.
    let spacing = checked_spacing(mask).unwrap_or([1.0; 3]);
    let factor = factor_for(spacing);
    let dims = [0, 1, 2].map(|a| mask.dims[a].div_ceil(factor[a]));
    let (cells, firm) = occupied(mask, factor, dims);
    let cell_mm = [0, 1, 2].map(|a| spacing[a] * factor[a] as f64);
    let sides = sides(&cells, &firm, dims, cell_mm);
    let [nx, ny, _] = mask.dims;
    for (row, voxels) in out.data.chunks_exact_mut(nx).enumerate() {
        let (j, k) = (row % ny / factor[1], row / ny / factor[2]);
        let cells = &sides[dims[0] * (j + dims[1] * k)..][..dims[0]];
        for (i, voxel) in voxels.iter_mut().enumerate() {
            if *voxel != 0 {
                *voxel = cells[i / factor[0]];
            }
        }
    }
    out
}

/// Cells with at least one set voxel, and cells with nothing but set voxels.
fn occupied(mask: &Volume<u8>, factor: Dims, dims: Dims) -> (Vec<u8>, Vec<u8>) {
    let mut any = vec![0u8; dims.iter().product()];
    let mut all = vec![1u8; any.len()];
    for (row, voxels) in mask.data.chunks_exact(mask.dims[0]).enumerate() {
        let (j, k) = (
            row % mask.dims[1] / factor[1],
            row / mask.dims[1] / factor[2],
        );
        let first = dims[0] * (j + dims[1] * k);
        for (i, group) in voxels.chunks(factor[0]).enumerate() {
            any[first + i] |= u8::from(group.iter().any(|&v| v != 0));
            all[first + i] &= u8::from(group.iter().all(|&v| v != 0));
        }
    }
    (any, all)
}

/// Labels the set cells 1 (right) and 2 (left).
///
/// `firm` are the cells that are lung beyond doubt. Those in between may be the membrane where the
/// lungs touch: the cut prefers them.
pub(super) fn sides(mask: &[u8], firm: &[u8], dims: Dims, spacing: [f64; 3]) -> Vec<u8> {
    let Some((min, max)) = bounding_box(mask, dims) else {
        return vec![0; mask.len()];
    };
    let soft: Vec<u8> = firm.iter().map(|&f| u8::from(f == 0)).collect();
    let depth = distance_mm(&soft, dims, spacing);
    let width = (max[0] - min[0]) as f64;
    for peel in PEEL_MM {
        let core: Vec<u8> = depth.iter().map(|&d| u8::from(d > peel)).collect();
        if let Some(mut labels) = two_groups(&core, dims, width) {
            flood(&mut labels, mask, &depth, dims);
            adopt_orphans(&mut labels, mask, dims, spacing);
            return labels;
        }
    }
    let size = [0, 1, 2].map(|a| (max[a] - min[a]) as f64 * spacing[a]);
    if size[0] > PAIR_WIDTH * size[1] {
        return cut_at(mask, dims[0], thinnest_plane(mask, dims, min[0], max[0]));
    }
    let middle = (min[0] + max[0]) / 2;
    let side = if 2 * middle < dims[0] { RIGHT } else { LEFT };
    mask.iter().map(|&m| u8::from(m != 0) * side).collect()
}

/// A component of the peeled mask: its size and the quartiles of its i.
struct Piece {
    label: u32,
    size: usize,
    quartiles: [usize; 3],
}

/// Labels the components of a peeled mask by side, if they fall into two groups side by side.
fn two_groups(core: &[u8], dims: Dims, width: f64) -> Option<Vec<u8>> {
    let found = components(core, dims, Connectivity::Six);
    let total = (core.len() - found.sizes[0]) as f64;
    let mut pieces = Vec::new();
    for (label, &size) in found.sizes.iter().enumerate().skip(1) {
        if size as f64 >= PIECE_SHARE * total {
            let label = label as u32;
            let quartiles = quartiles(&found.labels, label, size, dims[0]);
            pieces.push(Piece {
                label,
                size,
                quartiles,
            });
        }
    }
    pieces.sort_by_key(|piece| piece.quartiles[1]);
    let cut = (1..pieces.len()).find(|&cut| {
        let (right, left) = pieces.split_at(cut);
        side_by_side(right, left, total, width)
    })?;
    let mut side = vec![0; found.sizes.len()];
    for (n, piece) in pieces.iter().enumerate() {
        side[piece.label as usize] = if n < cut { RIGHT } else { LEFT };
    }
    Some(found.labels.iter().map(|&l| side[l as usize]).collect())
}

fn quartiles(labels: &[u32], label: u32, size: usize, nx: usize) -> [usize; 3] {
    let mut columns = vec![0usize; nx];
    for row in labels.chunks_exact(nx) {
        for (column, &l) in columns.iter_mut().zip(row) {
            *column += usize::from(l == label);
        }
    }
    let mut below = 0;
    let mut out = [nx; 3];
    for (i, column) in columns.iter().enumerate() {
        below += column;
        for (n, quartile) in out.iter_mut().enumerate() {
            if *quartile == nx && 4 * below >= (n + 1) * size {
                *quartile = i;
            }
        }
    }
    out
}

/// True if two groups of pieces are large enough, far enough apart and do not overlap along i.
fn side_by_side(right: &[Piece], left: &[Piece], total: f64, width: f64) -> bool {
    let share = |group: &[Piece]| group.iter().map(|p| p.size as f64).sum::<f64>() / total;
    let middle = |group: &[Piece]| {
        let sum: f64 = group.iter().map(|p| (p.size * p.quartiles[1]) as f64).sum();
        sum / group.iter().map(|p| p.size as f64).sum::<f64>()
    };
    let inner_right = right.iter().map(|p| p.quartiles[2]).max();
    let inner_left = left.iter().map(|p| p.quartiles[0]).min();
    share(right) >= LUNG_SHARE
        && share(left) >= LUNG_SHARE
        && middle(left) - middle(right) >= APART * width
        && inner_right < inner_left
}

/// Grows the labels over the rest of the mask, deepest cells first, so that they meet where the
/// mask is thinnest (a watershed of the depth).
fn flood(labels: &mut [u8], mask: &[u8], depth: &[f32], dims: Dims) {
    let mut queue = BinaryHeap::new();
    // The bits of non-negative floats are ordered as the floats are.
    let entry = |index: usize| (depth[index].to_bits(), Reverse(index));
    for index in 0..labels.len() {
        if labels[index] != 0 {
            let open = |n: usize| labels[n] == 0 && mask[n] != 0;
            if neighbours(index, dims).any(open) {
                queue.push(entry(index));
            }
        }
    }
    while let Some((_, Reverse(index))) = queue.pop() {
        for n in neighbours(index, dims) {
            if labels[n] == 0 && mask[n] != 0 {
                labels[n] = labels[index];
                queue.push(entry(n));
            }
        }
    }
}

/// The face neighbours of a cell.
fn neighbours(index: usize, [nx, ny, nz]: Dims) -> impl Iterator<Item = usize> {
    let (i, j, k) = (index % nx, index / nx % ny, index / (nx * ny));
    [
        (i > 0).then(|| index - 1),
        (i + 1 < nx).then_some(index + 1),
        (j > 0).then(|| index - nx),
        (j + 1 < ny).then_some(index + nx),
        (k > 0).then(|| index - nx * ny),
        (k + 1 < nz).then_some(index + nx * ny),
    ]
    .into_iter()
    .flatten()
}

/// Gives pieces of the mask that no label reached to the side that is nearer.
fn adopt_orphans(labels: &mut [u8], mask: &[u8], dims: Dims, spacing: [f64; 3]) {
    let orphan: Vec<u8> = mask
        .iter()
        .zip(&*labels)
        .map(|(&m, &l)| u8::from(m != 0 && l == 0))
        .collect();
    let found = components(&orphan, dims, Connectivity::TwentySix);
    if found.sizes.len() == 1 {
        return;
    }
    let mut nearest = [RIGHT, LEFT].map(|side| {
        let lung: Vec<u8> = labels.iter().map(|&l| u8::from(l == side)).collect();
        let distance = distance_mm(&lung, dims, spacing);
        let mut nearest = vec![f32::INFINITY; found.sizes.len()];
        for (&label, d) in found.labels.iter().zip(distance) {
            let best = &mut nearest[label as usize];
            *best = best.min(d);
        }
        nearest
    });
    let [right, left] = &mut nearest;
    for (label, &orphan) in labels.iter_mut().zip(&found.labels) {
        if orphan != 0 {
            let closer = right[orphan as usize] <= left[orphan as usize];
            *label = if closer { RIGHT } else { LEFT };
        }
    }
}

/// The plane of constant i with the fewest set cells, in the middle part of the mask.
fn thinnest_plane(mask: &[u8], dims: Dims, min: usize, max: usize) -> usize {
    let (quarter, middle) = ((max - min) / 4, (min + max) / 2);
    let area = |i: usize| {
        mask.iter()
            .skip(i)
            .step_by(dims[0])
            .filter(|&&m| m != 0)
            .count()
    };
    (min + quarter..(max - quarter).max(min + quarter + 1))
        .min_by_key(|&i| (area(i), i.abs_diff(middle)))
        .unwrap_or(middle)
}

/// Labels set cells by the side of the plane of constant i.
fn cut_at(mask: &[u8], nx: usize, plane: usize) -> Vec<u8> {
    let side = |i: usize| if i < plane { RIGHT } else { LEFT };
    mask.iter()
        .enumerate()
        .map(|(n, &m)| u8::from(m != 0) * side(n % nx))
        .collect()
}
