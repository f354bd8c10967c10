//! Small holes of axial slices.

use crate::grid::{Connectivity, components};

/// Fills, slice by slice, the holes of up to `most` pixels with the label beside them.
///
/// Small ones only: in an axial slice the lung surrounds the dome of the diaphragm too.
pub(super) fn fill_holes_up_to(labels: &mut [u8], [nx, ny]: [usize; 2], most: f64) {
    for slice in labels.chunks_exact_mut(nx * ny) {
        if slice.iter().all(|&l| l == 0) {
            continue;
        }
        let background: Vec<u8> = slice.iter().map(|&l| u8::from(l == 0)).collect();
        let found = components(&background, [nx, ny, 1], Connectivity::Six);
        let mut is_hole: Vec<bool> = found
            .sizes
            .iter()
            .map(|&size| size as f64 <= most)
            .collect();
        is_hole[0] = false;
        for (n, &label) in found.labels.iter().enumerate() {
            let (i, j) = (n % nx, n / nx);
            if i == 0 || j == 0 || i + 1 == nx || j + 1 == ny {
                is_hole[label as usize] = false;
            }
        }
        for n in 1..slice.len() {
            // Not on the edge, so the pixel before is lung, or a pixel of the hole filled just now.
            if is_hole[found.labels[n] as usize] {
                slice[n] = slice[n - 1];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_small_holes_but_no_large_ones_and_no_bays() {
        #[rustfmt::skip]
        let before = [
            1, 1, 1, 1, 1, 1, 1, 1,
            1, 0, 1, 1, 0, 0, 0, 1,
            1, 1, 1, 1, 0, 0, 0, 1,
            0, 2, 2, 2, 2, 2, 2, 2,
            2, 2, 0, 0, 2, 2, 0, 2,
            2, 2, 2, 2, 2, 2, 0, 2,
        ];
        let mut labels = before;
        fill_holes_up_to(&mut labels, [8, 6], 2.0);
        let mut expected = before;
        expected[9] = 1;
        expected[34..36].fill(2);
        assert_eq!(labels, expected);
    }
}
