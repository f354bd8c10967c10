//! What is inside the body: everything but the air, clothes and table around it.

use super::coarse::Coarse;
use crate::grid::{Connectivity, Dims, components, dilate, dilate_ball, erode_ball, keep_touching};

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
    let beyond = beyond_field(scan);
    let body = body_tissue(scan);
    let mut open: Vec<u8> = body.iter().map(|&b| 1 - b).collect();
    if seal_mm > 0.0 {
        open = erode_ball(&open, scan.dims, scan.spacing, seal_mm);
    }
    for (o, &b) in open.iter_mut().zip(&beyond) {
        *o &= 1 - b;
    }
    let mut outside = reaching_sides(scan, &open, &beyond);
    if seal_mm > 0.0 {
        outside = dilate_ball(&outside, scan.dims, scan.spacing, seal_mm);
        for (out, &b) in outside.iter_mut().zip(&body) {
            *out &= 1 - b;
        }
    }
    outside
        .iter()
        .zip(&beyond)
        .map(|(&out, &b)| (1 - out) & (1 - b))
        .collect()
}

/// Padding around a round field of view: blank cells that reach a side of the image, and those
/// beside them, which average padding with what is in the field.
fn beyond_field(scan: &Coarse) -> Vec<u8> {
    let mut sides = vec![0u8; scan.blank.len()];
    for_each_cell(scan.dims, |index, [i, j], [last_i, last_j]| {
        sides[index] = u8::from(i == 0 || j == 0 || i == last_i || j == last_j);
    });
    let padding = keep_touching(&scan.blank, &sides, scan.dims, Connectivity::Six);
    dilate(&padding, scan.dims, [1, 1, 0])
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

/// Where a component of open cells meets the side of the field.
#[derive(Clone, Default)]
struct Contact {
    /// Cells to the left and the right of the chest.
    lateral: usize,
    /// Cells in front of the chest and behind it.
    sagittal: usize,
    /// In a corner of the image.
    corner: bool,
}

/// The components of `open` that reach a side of the field and are not a cut lung.
///
/// The first and the last slice do not count: the trachea leaves through the top.
fn reaching_sides(scan: &Coarse, open: &[u8], beyond: &[u8]) -> Vec<u8> {
    let found = components(open, scan.dims, Connectivity::Six);
    let count = found.sizes.len();
    let mut contacts = vec![Contact::default(); count];
    let nx = scan.dims[0];
    for_each_cell(scan.dims, |index, [i, j], [last_i, last_j]| {
        let label = found.labels[index] as usize;
        if label == 0 {
            return;
        }
        let edge_i = i == 0 || i == last_i || beyond[index - 1] != 0 || beyond[index + 1] != 0;
        let edge_j = j == 0 || j == last_j || beyond[index - nx] != 0 || beyond[index + nx] != 0;
        if edge_i || edge_j {
            let off = |n: usize, last: usize| (2.0 * n as f64 / last.max(1) as f64 - 1.0).abs();
            let contact = &mut contacts[label];
            if off(i, last_i) > off(j, last_j) {
                contact.lateral += 1;
            } else {
                contact.sagittal += 1;
            }
            contact.corner |= (i == 0 || i == last_i) && (j == 0 || j == last_j);
        }
    });
    let mut lung_like = vec![0usize; count];
    for (&label, hu) in found.labels.iter().zip(&scan.hu) {
        lung_like[label as usize] += usize::from(LUNG_HU.contains(hu));
    }
    let is_outside: Vec<bool> = (0..count)
        .map(|label| {
            let size = found.sizes[label] as f64;
            let contact = &contacts[label];
            // A mattress is behind the chest, or before it in a prone patient.
            let cut_lung = contact.lateral > contact.sagittal
                && !contact.corner
                && lung_like[label] as f64 > LUNG_SHARE * size
                && size * scan.cell_ml() > CUT_LUNG_ML;
            label != 0 && contact.lateral + contact.sagittal > 0 && !cut_lung
        })
        .collect();
    found
        .labels
        .iter()
        .map(|&l| u8::from(is_outside[l as usize]))
        .collect()
}

/// Calls `visit(index, [i, j], [last i, last j])` for every cell.
fn for_each_cell([nx, ny, nz]: Dims, mut visit: impl FnMut(usize, [usize; 2], [usize; 2])) {
    for row in 0..ny * nz {
        for i in 0..nx {
            visit(i + nx * row, [i, row % ny], [nx - 1, ny - 1]);
        }
    }
}
