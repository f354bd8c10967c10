//! Whether the scan holds the whole lungs.

use crate::io::Warning;
use crate::volume::Volume;

/// Lung area on the first or last slice above which a part is missing, in mm². An apex or a
/// tip in the costophrenic angle that lies in the end slice stays below it; a lung that
/// goes on for another centimetre does not.
const CUT_END_MM2: f64 = 1000.0;

/// Lung area on a lateral, front or back face of the scan above which a part is missing, in
/// mm². Chest wall lies there otherwise, so little is enough.
const CUT_SIDE_MM2: f64 = 200.0;

/// A warning if the lungs reach the border of the scan over more than a small area.
///
/// `lungs` are on the LPS grid, nonzero is lung. A field of view that ends inside the grid, with
/// padding around it, does not show here.
pub fn lungs_cut(lungs: &Volume<u8>) -> Option<Warning> {
    let [right, left, front, back, lower, upper] = face_areas(lungs);
    let [top, bottom] = [upper, lower].map(|area| area > CUT_END_MM2);
    let sides = [right, left, front, back]
        .iter()
        .any(|&area| area > CUT_SIDE_MM2);
    (top || bottom || sides).then_some(Warning::LungsCut { top, bottom, sides })
}

/// Lung area in mm² on the faces i = 0, i = max, j = 0, j = max, k = 0, k = max.
fn face_areas(lungs: &Volume<u8>) -> [f64; 6] {
    let [nx, ny, nz] = lungs.dims;
    let [sx, sy, sz] = lungs.spacing();
    let mut voxels = [0usize; 6];
    if lungs.is_empty() {
        return [0.0; 6];
    }
    let set = |row: &[u8]| row.iter().filter(|&&v| v != 0).count();
    for (n, row) in lungs.data.chunks_exact(nx).enumerate() {
        let (j, k) = (n % ny, n / ny);
        voxels[0] += usize::from(row[0] != 0);
        voxels[1] += usize::from(row[nx - 1] != 0);
        for (face, on_face) in [(2, j == 0), (3, j + 1 == ny), (4, k == 0), (5, k + 1 == nz)] {
            if on_face {
                voxels[face] += set(row);
            }
        }
    }
    let area = [sy * sz, sy * sz, sx * sz, sx * sz, sx * sy, sx * sy];
    [0, 1, 2, 3, 4, 5].map(|face| voxels[face] as f64 * area[face])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Affine;

    /// Lungs of 20 × 20 × 20 voxels of 2 mm in a grid of 30³, at a start.
    fn lungs_at(start: [usize; 3]) -> Volume<u8> {
        let affine = Affine::from_spacing([2.0; 3]);
        let mut lungs = Volume::filled(0, [30; 3], affine);
        for k in 0..20 {
            for j in 0..20 {
                let row = lungs.index(start[0], start[1] + j, start[2] + k);
                lungs.data[row..row + 20].fill(1);
            }
        }
        lungs
    }

    #[test]
    fn whole_lungs_give_no_warning() {
        assert_eq!(lungs_cut(&lungs_at([5, 5, 5])), None);
        let empty = Volume::filled(0, [0, 4, 4], Affine::from_spacing([1.0; 3]));
        assert_eq!(lungs_cut(&empty), None);
    }

    #[test]
    fn names_the_border() {
        let cases = [
            ([0, 5, 5], [false, false, true]),
            ([10, 5, 5], [false, false, true]),
            ([5, 0, 5], [false, false, true]),
            ([5, 10, 5], [false, false, true]),
            ([5, 5, 0], [false, true, false]),
            ([5, 5, 10], [true, false, false]),
            ([0, 0, 10], [true, false, true]),
        ];
        for (start, [top, bottom, sides]) in cases {
            let expected = Warning::LungsCut { top, bottom, sides };
            assert_eq!(lungs_cut(&lungs_at(start)), Some(expected), "{start:?}");
        }
    }

    #[test]
    fn a_tip_in_the_last_slice_is_no_cut() {
        let mut lungs = lungs_at([5, 5, 5]);
        // 10 × 20 voxels of 4 mm² are 8 cm².
        for j in 0..10 {
            let row = lungs.index(5, 5 + j, 29);
            lungs.data[row..row + 20].fill(1);
        }
        assert_eq!(lungs_cut(&lungs), None);
    }
}
