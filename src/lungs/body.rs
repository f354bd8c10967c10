//! What is inside the body: everything but the air, clothes and table around it.

use super::coarse::Coarse;
use crate::grid::{Connectivity, Dims, components, dilate_ball, erode_ball};

/// Cells above are tissue, or table.
const TISSUE_HU: i16 = -500;
/// Tissue thinner than twice this is cut when the body is told from the table and from clothes.
const THIN_MM: f64 = 2.2;
/// HU of aerated lung, for telling a lung that the field of view cuts from air around the body.
const LUNG_HU: std::ops::RangeInclusive<i16> = -920..=-600;
/// Share of such cells from which air that reaches the side of the field is a lung ...
const LUNG_SHARE: f64 = 0.75;
/// ... if there are at least that many ml of it: clothes and mattresses have the same density.
const CUT_LUNG_ML: f64 = 150.0;

/// Cells inside the body, gas and lungs included.
///
/// `seal_mm`: openings of the body up to twice this wide are closed (0 for none). A mouth in the
/// field connects the lungs with the air outside.
pub(super) fn inside(scan: &Coarse, seal_mm: f64) -> Vec<u8> {
    let body = body_tissue(scan);
    let mut open: Vec<u8> = body.iter().map(|&b| 1 - b).collect();
    if seal_mm > 0.0 {
        open = erode_ball(&open, scan.dims, scan.spacing, seal_mm);
    }
    let mut outside = reaching_sides(scan, &open);
    if seal_mm > 0.0 {
        outside = dilate_ball(&outside, scan.dims, scan.spacing, seal_mm);
        for (out, &b) in outside.iter_mut().zip(&body) {
            *out &= 1 - b;
        }
    }
    outside.iter().map(|&out| 1 - out).collect()
}

/// The largest piece of tissue, thin connections cut.
fn body_tissue(scan: &Coarse) -> Vec<u8> {
    let tissue = scan.select(|hu| hu > TISSUE_HU);
    let core = erode_ball(&tissue, scan.dims, scan.spacing, THIN_MM);
    let pieces = components(&core, scan.dims, Connectivity::Six);
    let Some(largest) = pieces.largest() else {
        return vec![0; tissue.len()];
    };
    let core: Vec<u8> = pieces
        .labels
        .iter()
        .map(|&l| u8::from(l == largest))
        .collect();
    let mut body = dilate_ball(&core, scan.dims, scan.spacing, THIN_MM);
    for (b, &t) in body.iter_mut().zip(&tissue) {
        *b &= t;
    }
    body
}

/// The components of `open` that reach a side of the field and are not a cut lung.
///
/// The first and the last slice do not count: the trachea leaves through the top.
fn reaching_sides(scan: &Coarse, open: &[u8]) -> Vec<u8> {
    let found = components(open, scan.dims, Connectivity::Six);
    let count = found.sizes.len();
    let mut reaches_side = vec![false; count];
    let mut reaches_corner = vec![false; count];
    for_each_side_cell(scan.dims, |index, corner| {
        let label = found.labels[index] as usize;
        reaches_side[label] = true;
        reaches_corner[label] |= corner;
    });
    let mut lung_like = vec![0usize; count];
    for (&label, hu) in found.labels.iter().zip(&scan.hu) {
        lung_like[label as usize] += usize::from(LUNG_HU.contains(hu));
    }
    let is_outside: Vec<bool> = (0..count)
        .map(|label| {
            let size = found.sizes[label] as f64;
            let cut_lung = !reaches_corner[label]
                && lung_like[label] as f64 > LUNG_SHARE * size
                && size * scan.cell_ml() > CUT_LUNG_ML;
            label != 0 && reaches_side[label] && !cut_lung
        })
        .collect();
    found
        .labels
        .iter()
        .map(|&l| u8::from(is_outside[l as usize]))
        .collect()
}

/// Calls `visit(index, is_corner)` for the cells on the four sides of every slice.
fn for_each_side_cell([nx, ny, nz]: Dims, mut visit: impl FnMut(usize, bool)) {
    for k in 0..nz {
        for j in 0..ny {
            let edge_row = j == 0 || j + 1 == ny;
            for i in 0..nx {
                let edge_column = i == 0 || i + 1 == nx;
                if edge_row || edge_column {
                    visit(i + nx * (j + ny * k), edge_row && edge_column);
                }
            }
        }
    }
}
