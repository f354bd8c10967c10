//! Taking vessels and dense lesions into the lungs.

use super::coarse::Coarse;
use super::holes::fill_holes_up_to;
use super::{LEFT, RIGHT};
use crate::grid::{Connectivity, close_ball, distance_mm, fill_holes, keep_touching};

/// Below is infiltrated lung; muscle, blood and fat lie above, also in a noisy scan.
const INFILTRATE_HU: i16 = -200;
/// Ball that closes the lung towards the mediastinum and the diaphragm: vessels, fissures.
const INNER_CLOSING_MM: f64 = 8.0;
/// Ball that closes the lung towards the chest wall: dense lesions at the pleura.
const OUTER_CLOSING_MM: f64 = 25.0;
/// The spine keeps this far from the middle plane; no lesion at the chest wall is looked for there.
const SPINE_MM: f64 = 30.0;
/// Denser cells at the chest wall are rib.
const BONE_HU: i16 = 200;
/// Holes of an axial slice up to this area are filled: vessels and nodules, not the diaphragm.
const HOLE_MM2: f64 = 300.0;

/// Grows each lung over infiltrates, closes its border and fills its holes. Cells in `barred`
/// stay out unless a lung surrounds them, and neither lung takes from the other.
pub(super) fn include_lesions(scan: &Coarse, sides: &[u8], barred: &[u8]) -> Vec<u8> {
    let centre = chest_centre(scan, sides);
    let [right, left] = [RIGHT, LEFT].map(|side| {
        let free: Vec<u8> = sides
            .iter()
            .zip(barred)
            .map(|(&s, &b)| u8::from(s == side || (s == 0 && b == 0)))
            .collect();
        let mut lung: Vec<u8> = sides.iter().map(|&s| u8::from(s == side)).collect();
        if lung.contains(&1) {
            grow(scan, &mut lung, &free);
            close(scan, &mut lung, &free, centre);
        }
        lung
    });
    let mut labels = merge(scan, sides, &right, &left);
    fill(scan, &mut labels);
    labels
}

/// Both lungs as labels. What was added goes to the nearer lung, whichever grew there: along
/// bronchi one lung may reach the hilum of the other.
fn merge(scan: &Coarse, sides: &[u8], right: &[u8], left: &[u8]) -> Vec<u8> {
    let [to_right, to_left] = [RIGHT, LEFT].map(|side| {
        let lung: Vec<u8> = sides.iter().map(|&s| u8::from(s == side)).collect();
        distance_mm(&lung, scan.dims, scan.spacing)
    });
    (0..sides.len())
        .map(|cell| match (sides[cell], right[cell] | left[cell]) {
            (0, 0) => 0,
            (0, _) if to_right[cell] <= to_left[cell] => RIGHT,
            (0, _) => LEFT,
            (side, _) => side,
        })
        .collect()
}

/// Adds adjoining infiltrates.
fn grow(scan: &Coarse, lung: &mut [u8], free: &[u8]) {
    let candidate: Vec<u8> = scan
        .hu
        .iter()
        .zip(&*lung)
        .zip(free)
        .map(|((&hu, &l), &f)| l | (f & u8::from(hu < INFILTRATE_HU)))
        .collect();
    let grown = keep_touching(&candidate, lung, scan.dims, Connectivity::Six);
    lung.copy_from_slice(&grown);
}

/// Closes the border, wider towards the chest wall, and fills holes.
fn close(scan: &Coarse, lung: &mut [u8], free: &[u8], centre: [f64; 2]) {
    let closed = close_ball(lung, scan.dims, scan.spacing, INNER_CLOSING_MM);
    let wide = close_ball(lung, scan.dims, scan.spacing, OUTER_CLOSING_MM);
    let added: Vec<u8> = (0..lung.len())
        .map(|cell| {
            let lesion = || {
                wide[cell] != 0
                    && scan.hu[cell] < BONE_HU
                    && at_chest_wall(scan, lung, cell, centre)
            };
            u8::from(free[cell] != 0 && lung[cell] == 0 && (closed[cell] != 0 || lesion()))
        })
        .collect();
    for (l, &a) in lung.iter_mut().zip(&added) {
        *l |= a;
    }
}

/// True if the line from the centre of the chest through the cell meets lung before, but not after
/// the cell.
fn at_chest_wall(scan: &Coarse, lung: &[u8], cell: usize, centre: [f64; 2]) -> bool {
    let [nx, ny, _] = scan.dims;
    let slice = cell / (nx * ny) * (nx * ny);
    let from = [(cell % nx) as f64, (cell / nx % ny) as f64];
    let offset = [0, 1].map(|a| (from[a] - centre[a]) * scan.spacing[a]);
    if offset[0].abs() < SPINE_MM {
        return false;
    }
    let length = offset[0].hypot(offset[1]);
    // One cell a step along the line.
    let step = [0, 1].map(|a| offset[a] / length);
    let meets = |direction: f64, reach: f64| {
        let steps = (reach / scan.spacing[0]) as usize;
        (1..=steps)
            .map(|n| n as f64 * scan.spacing[0] * direction)
            .map(|mm| [0, 1].map(|a| (from[a] + mm * step[a] / scan.spacing[a]).round()))
            .take_while(|p| (0.0..nx as f64).contains(&p[0]) && (0.0..ny as f64).contains(&p[1]))
            .any(|p| lung[slice + p[0] as usize + nx * p[1] as usize] != 0)
    };
    let everywhere = (nx + ny) as f64 * scan.spacing[0].max(scan.spacing[1]);
    meets(-1.0, 2.0 * OUTER_CLOSING_MM) && !meets(1.0, everywhere)
}

/// The middle of the chest in cells along i and j: between the two lungs.
fn chest_centre(scan: &Coarse, sides: &[u8]) -> [f64; 2] {
    let [nx, ny, _] = scan.dims;
    let mut sums = [[0.0f64; 3]; 2];
    for (cell, &side) in sides.iter().enumerate() {
        if side != 0 {
            let sum = &mut sums[usize::from(side != RIGHT)];
            sum[0] += (cell % nx) as f64;
            sum[1] += (cell / nx % ny) as f64;
            sum[2] += 1.0;
        }
    }
    let [right, left] = sums;
    let mean = |a: usize| {
        let of = |lung: [f64; 3]| lung[a] / lung[2].max(1.0);
        match (right[2] > 0.0, left[2] > 0.0) {
            (true, true) => (of(right) + of(left)) / 2.0,
            _ if a == 0 => nx as f64 / 2.0,
            (true, false) => of(right),
            (false, _) => of(left),
        }
    };
    [mean(0), mean(1)]
}

/// Fills the holes of each lung; they may hold bronchi, which are of the lung if it surrounds them.
fn fill(scan: &Coarse, labels: &mut [u8]) {
    let limit = HOLE_MM2 / (scan.spacing[0] * scan.spacing[1]);
    for side in [RIGHT, LEFT] {
        let mut lung: Vec<u8> = labels.iter().map(|&l| u8::from(l == side)).collect();
        fill_holes_up_to(&mut lung, [scan.dims[0], scan.dims[1]], limit);
        fill_holes(&mut lung, scan.dims);
        for (label, &l) in labels.iter_mut().zip(&lung) {
            if l != 0 && *label == 0 {
                *label = side;
            }
        }
    }
}
