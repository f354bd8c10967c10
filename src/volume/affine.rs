//! The map from voxels to millimetres.

/// World directions in which the LPS voxel axes grow, as signs of the RAS axes x, y, z.
pub(super) const LPS_SIGNS: [f64; 3] = [-1.0, -1.0, 1.0];

/// The six ways to assign three voxel axes to three world axes.
pub(super) const PERMUTATIONS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

/// Rows of the 3×4 matrix that maps voxel centres `(i, j, k)` to RAS+ millimetres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine(pub [[f64; 4]; 3]);

impl Affine {
    /// The map that scales each axis and then adds an offset.
    ///
    /// Composed inside another affine it describes a grid along the same axes: `scale` is the new
    /// voxel size in old voxels, `offset` the old coordinates of the new voxel `(0, 0, 0)`.
    pub fn scale_offset(scale: [f64; 3], offset: [f64; 3]) -> Self {
        Self([
            [scale[0], 0.0, 0.0, offset[0]],
            [0.0, scale[1], 0.0, offset[1]],
            [0.0, 0.0, scale[2], offset[2]],
        ])
    }

    /// LPS voxel axes of the given spacing in mm with voxel `(0, 0, 0)` at the world's origin.
    pub fn from_spacing(spacing: [f64; 3]) -> Self {
        let [x, y, z] = spacing;
        Self::scale_offset(
            [LPS_SIGNS[0] * x, LPS_SIGNS[1] * y, LPS_SIGNS[2] * z],
            [0.0; 3],
        )
    }

    /// World position in mm of the (continuous) voxel coordinates `ijk`.
    pub fn apply(&self, ijk: [f64; 3]) -> [f64; 3] {
        self.0
            .map(|[a, b, c, offset]| a * ijk[0] + b * ijk[1] + c * ijk[2] + offset)
    }

    /// The map from the world back to voxels, or `None` if the voxels are flat or not finite.
    pub fn inverse(&self) -> Option<Self> {
        let m = &self.0;
        let det = self.determinant();
        if !det.is_finite() || det == 0.0 {
            return None;
        }
        // Adjugate over determinant: element (r, c) is the cofactor of (c, r).
        let cofactor = |row: usize, col: usize| {
            let (a, b) = ((row + 1) % 3, (row + 2) % 3);
            let (c, d) = ((col + 1) % 3, (col + 2) % 3);
            m[a][c] * m[b][d] - m[a][d] * m[b][c]
        };
        let out = [0, 1, 2].map(|r| {
            let [a, b, c] = [0, 1, 2].map(|c| cofactor(c, r) / det);
            [a, b, c, -(a * m[0][3] + b * m[1][3] + c * m[2][3])]
        });
        let finite = out.iter().flatten().all(|v| v.is_finite());
        finite.then_some(Self(out))
    }

    /// `self ∘ inner`: first `inner`, then `self`.
    pub fn compose(&self, inner: &Self) -> Self {
        let mut out = [[0.0; 4]; 3];
        for (row, m) in out.iter_mut().zip(&self.0) {
            for (c, value) in row.iter_mut().enumerate() {
                *value = (0..3).map(|n| m[n] * inner.0[n][c]).sum();
            }
            row[3] += m[3];
        }
        Self(out)
    }

    /// Voxel size along i, j and k in mm.
    pub fn spacing(&self) -> [f64; 3] {
        [0, 1, 2].map(|c| self.0.iter().map(|row| row[c] * row[c]).sum::<f64>().sqrt())
    }

    /// Determinant of the 3×3 part: the signed volume of a voxel in mm³.
    pub fn determinant(&self) -> f64 {
        let [a, b, c] = self.0;
        a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
            + a[2] * (b[0] * c[1] - b[1] * c[0])
    }

    /// Closest anatomical directions in which i, j and k grow, for example `"LPS"`.
    pub fn orientation(&self) -> String {
        let world = self.closest_axes();
        (0..3)
            .map(|axis| {
                let letters = [('R', 'L'), ('A', 'P'), ('S', 'I')][world[axis]];
                if self.0[world[axis]][axis] < 0.0 {
                    letters.1
                } else {
                    letters.0
                }
            })
            .collect()
    }

    /// World axis of each voxel axis: the one-to-one assignment with the largest sum of cosines.
    pub(super) fn closest_axes(&self) -> [usize; 3] {
        let spacing = self.spacing();
        let score = |world: &[usize; 3]| -> f64 {
            (0..3)
                .map(|axis| {
                    let cosine = self.0[world[axis]][axis].abs() / spacing[axis];
                    if cosine.is_finite() { cosine } else { 0.0 }
                })
                .sum()
        };
        let mut best = PERMUTATIONS[0];
        for candidate in &PERMUTATIONS[1..] {
            // On a tie (45°) the earlier assignment stays, so the answer is always the same.
            if score(candidate) > score(&best) + 1e-9 {
                best = *candidate;
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn inverse_undoes_the_affine() {
        let affine = Affine([
            [-0.7, 0.2, 0.1, 12.5],
            [-0.1, -0.8, 0.3, -33.0],
            [0.2, -0.3, 2.5, 7.25],
        ]);
        let identity = affine.inverse().unwrap().compose(&affine);
        for (r, row) in identity.0.iter().enumerate() {
            for (c, value) in row.iter().enumerate() {
                let expected = if r == c { 1.0 } else { 0.0 };
                assert!((value - expected).abs() < 1e-12, "{identity:?}");
            }
        }
    }

    #[test]
    fn orientation_names_the_growing_direction() {
        let ras = Affine::scale_offset([1.0, 2.0, 3.0], [0.0; 3]);
        assert_eq!(ras.orientation(), "RAS");
        assert_eq!(Affine::from_spacing([1.0; 3]).orientation(), "LPS");
        // A coronal stack: i to the left, j to inferior, k to anterior.
        let coronal = Affine([
            [-1.0, 0.0, 0.0, 0.0],
            [0.0, 0.1, 2.0, 0.0],
            [0.0, -1.0, 0.2, 0.0],
        ]);
        assert_eq!(coronal.orientation(), "LIA");
    }
}
