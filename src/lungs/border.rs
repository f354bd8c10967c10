//! From coarse cells to the voxels of the scan.

use super::coarse::Coarse;
use super::holes::fill_holes_up_to;
use super::{LEFT, RIGHT};
use crate::grid::{dilate, erode};
use crate::volume::Volume;

/// Voxels at the border of aerated lung below this belong to it.
const BORDER_HU: i16 = -350;
/// Holes of an axial slice up to this area are vessels that the border cut through.
const HOLE_MM2: f64 = 40.0;

/// What the coarse grid knows, one value a cell.
pub(super) struct Cells<'a> {
    /// Aerated lung by side; 0 elsewhere.
    pub aerated: &'a [u8],
    /// The whole lung by side, dense parts included.
    pub labels: &'a [u8],
    /// Where no lung can be, unless it surrounds them: airways, bowel, outside.
    pub barred: &'a [u8],
}

/// Draws the lung at full resolution.
///
/// Voxels of cells that lie all in the lung are lung. At the border, in and next to aerated cells,
/// voxels go by their HU; where the lung is dense and HU do not tell it from the chest wall, the
/// border is interpolated between cells.
pub(super) fn draw(hu: &Volume<i16>, scan: &Coarse, cells: &Cells) -> Vec<u8> {
    let lung: Vec<u8> = cells.labels.iter().map(|&c| u8::from(c != 0)).collect();
    // Where cells are single slices, the slice itself has the border.
    let reach = scan.factor.map(|f| usize::from(f > 1));
    let inner = erode(&lung, scan.dims, [1, 1, reach[2]]);
    let near = spread(cells.labels, scan, [1, 1, reach[2]]);
    let solid = solid_cells(scan, cells, &lung, &inner);
    let taps = [0, 1, 2].map(|a| axis_taps(hu.dims[a], scan.factor[a], scan.dims[a]));
    let mut out = vec![0u8; hu.data.len()];
    let [nx, ny, _] = hu.dims;
    let spacing = hu.spacing();
    for (row, (voxels, out)) in hu
        .data
        .chunks_exact(nx)
        .zip(out.chunks_exact_mut(nx))
        .enumerate()
    {
        let (j, k) = (row % ny, row / ny);
        let first = scan.dims[0] * (j / scan.factor[1] + scan.dims[1] * (k / scan.factor[2]));
        for (i, (&hu, out)) in voxels.iter().zip(out.iter_mut()).enumerate() {
            let cell = first + i / scan.factor[0];
            if near[cell] == 0 {
                continue;
            }
            let free = cells.labels[cell] != 0 || cells.barred[cell] == 0;
            let aerated = || free && hu < BORDER_HU;
            let dense = || occupancy(&solid, scan.dims, [taps[0][i], taps[1][j], taps[2][k]]) > 0.5;
            if inner[cell] != 0 || aerated() || dense() {
                *out = near[cell];
            }
        }
    }
    fill_holes_up_to(&mut out, [nx, ny], HOLE_MM2 / (spacing[0] * spacing[1]));
    out
}

/// Cells in which the voxels' HU do not decide: the inside, and dense lung up to the border.
///
/// A dense cell at the border next to aerated cells only is the blur of the chest wall; with dense
/// cells behind it is a lesion.
fn solid_cells(scan: &Coarse, cells: &Cells, lung: &[u8], inner: &[u8]) -> Vec<u8> {
    let dense: Vec<u8> = lung
        .iter()
        .zip(cells.aerated)
        .map(|(&l, &a)| l & u8::from(a == 0))
        .collect();
    let deep: Vec<u8> = dense.iter().zip(inner).map(|(&d, &i)| d & i).collect();
    let beside = dilate(&deep, scan.dims, [1, 1, 0]);
    let lesion = dense.iter().zip(beside).map(|(&d, b)| d & b);
    inner.iter().zip(lesion).map(|(&i, l)| i | l).collect()
}

/// Two neighbouring cells and the weight of the second, for linear interpolation at a voxel.
#[derive(Clone, Copy)]
struct Tap {
    cells: [usize; 2],
    upper: f32,
}

/// The taps of all voxels along an axis.
fn axis_taps(voxels: usize, factor: usize, cells: usize) -> Vec<Tap> {
    (0..voxels)
        .map(|v| {
            let position = ((v as f32 + 0.5) / factor as f32 - 0.5).clamp(0.0, cells as f32 - 1.0);
            let low = position as usize;
            Tap {
                cells: [low, (low + 1).min(cells - 1)],
                upper: position.fract(),
            }
        })
        .collect()
}

/// Share of set cells around a voxel, trilinear.
fn occupancy(cells: &[u8], dims: [usize; 3], [x, y, z]: [Tap; 3]) -> f32 {
    let row = |j: usize, k: usize| {
        let base = dims[0] * (j + dims[1] * k);
        let [low, high] = x.cells.map(|i| f32::from(cells[base + i]));
        low + x.upper * (high - low)
    };
    let plane = |k: usize| {
        let [low, high] = y.cells.map(|j| row(j, k));
        low + y.upper * (high - low)
    };
    let [low, high] = z.cells.map(plane);
    low + z.upper * (high - low)
}

/// Labels, spread by one cell into their surroundings.
fn spread(labels: &[u8], scan: &Coarse, reach: [usize; 3]) -> Vec<u8> {
    let mut out = labels.to_vec();
    for side in [RIGHT, LEFT] {
        let lung: Vec<u8> = labels.iter().map(|&l| u8::from(l == side)).collect();
        for (out, grown) in out.iter_mut().zip(dilate(&lung, scan.dims, reach)) {
            if *out == 0 && grown != 0 {
                *out = side;
            }
        }
    }
    out
}
