//! Voxels with a place in the world: [`Volume`], its [`Affine`], reorientation, crop and pad.
//!
//! Conventions of the whole crate:
//!
//! * Voxel arrays are dense with i fastest: `index = i + nx * (j + ny * k)`, dims `[nx, ny, nz]`.
//! * World space is NIfTI's RAS+ in millimetres. An [`Affine`] maps voxel *centres* `(i, j, k)`.
//! * Analysis runs on LPS voxel axes (i to the patient's left, j to posterior, k to superior), so
//!   that a slice with row 0 on top is the radiological view. [`Volume::into_lps`] goes there
//!   without interpolation and [`Reorientation::restore`] comes back exactly.

// The explicit paths keep the modules loadable from any place that names this file by path.
#[path = "volume/affine.rs"]
mod affine;
#[path = "volume/resample.rs"]
mod resample;
#[path = "volume/taps.rs"]
mod taps;

pub use affine::Affine;
pub use resample::{
    average_slices, resample_linear, resample_linear_f32, resample_mean, resample_nearest,
};

use affine::LPS_SIGNS;

/// What can be wrong with a request on a [`Volume`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// The number of voxels is not the product of the dims.
    #[error("a volume of {dims:?} needs {expected} voxels, but {found} were given")]
    Length {
        /// The dims asked for.
        dims: [usize; 3],
        /// Voxels that these dims need.
        expected: usize,
        /// Voxels given.
        found: usize,
    },
    /// The product of the dims does not fit the address space.
    #[error("a volume of {dims:?} is too large for this machine to address")]
    TooLarge {
        /// The dims asked for.
        dims: [usize; 3],
    },
    /// A box reaches outside the volume.
    #[error("the box of {size:?} voxels at {start:?} reaches outside the volume of {dims:?}")]
    OutOfBounds {
        /// First voxel of the box.
        start: [usize; 3],
        /// Size of the box.
        size: [usize; 3],
        /// Dims of the volume.
        dims: [usize; 3],
    },
    /// A volume does not lie on the grid that it should.
    #[error("expected a volume of {expected:?} voxels, but this one has {found:?}")]
    Grid {
        /// Dims that the operation needs.
        expected: [usize; 3],
        /// Dims of the volume given.
        found: [usize; 3],
    },
}

/// A dense block of voxels with its place in the world.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume<T> {
    /// Voxels, i fastest.
    pub data: Vec<T>,
    /// Number of voxels along i, j and k.
    pub dims: [usize; 3],
    /// Voxel centres to RAS+ mm.
    pub affine: Affine,
}

/// Number of voxels of a grid, if it can be addressed.
fn voxel_count(dims: [usize; 3]) -> Result<usize, VolumeError> {
    dims[0]
        .checked_mul(dims[1])
        .and_then(|n| n.checked_mul(dims[2]))
        .ok_or(VolumeError::TooLarge { dims })
}

impl<T: Copy> Volume<T> {
    /// A volume from its voxels.
    ///
    /// # Errors
    ///
    /// If `data` does not hold exactly `dims[0] * dims[1] * dims[2]` voxels.
    pub fn new(data: Vec<T>, dims: [usize; 3], affine: Affine) -> Result<Self, VolumeError> {
        let expected = voxel_count(dims)?;
        if data.len() != expected {
            return Err(VolumeError::Length {
                dims,
                expected,
                found: data.len(),
            });
        }
        Ok(Self { data, dims, affine })
    }

    /// A volume that holds `value` everywhere.
    ///
    /// # Panics
    ///
    /// If the volume does not fit in memory, as `vec!` does.
    pub fn filled(value: T, dims: [usize; 3], affine: Affine) -> Self {
        Self {
            data: vec![value; dims.iter().product()],
            dims,
            affine,
        }
    }

    /// Number of voxels.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// True if there are no voxels.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Voxel size along i, j and k in mm.
    pub fn spacing(&self) -> [f64; 3] {
        self.affine.spacing()
    }

    /// Volume of one voxel in ml (also right for sheared grids).
    pub fn voxel_ml(&self) -> f64 {
        const MM3_PER_ML: f64 = 1000.0;
        self.affine.determinant().abs() / MM3_PER_ML
    }

    /// Position of voxel `(i, j, k)` in [`data`](Self::data).
    pub fn index(&self, i: usize, j: usize, k: usize) -> usize {
        debug_assert!(i < self.dims[0] && j < self.dims[1] && k < self.dims[2]);
        i + self.dims[0] * (j + self.dims[1] * k)
    }

    /// The voxels of slice `k`, i fastest (`nx * ny` of them).
    ///
    /// # Panics
    ///
    /// If `k` is not below `dims[2]`.
    pub fn slice(&self, k: usize) -> &[T] {
        let plane = self.dims[0] * self.dims[1];
        &self.data[k * plane..(k + 1) * plane]
    }

    /// Other data on the same grid.
    ///
    /// # Errors
    ///
    /// If `data` has another number of voxels.
    pub fn like<U: Copy>(&self, data: Vec<U>) -> Result<Volume<U>, VolumeError> {
        Volume::new(data, self.dims, self.affine)
    }

    /// The box of `dims` voxels whose first voxel is `start`; every voxel keeps its place in the
    /// world.
    ///
    /// # Errors
    ///
    /// If the box reaches outside the volume.
    pub fn crop(&self, start: [usize; 3], dims: [usize; 3]) -> Result<Self, VolumeError> {
        let inside = (0..3).all(|a| {
            start[a]
                .checked_add(dims[a])
                .is_some_and(|end| end <= self.dims[a])
        });
        if !inside {
            return Err(VolumeError::OutOfBounds {
                start,
                size: dims,
                dims: self.dims,
            });
        }
        let mut data = Vec::with_capacity(dims.iter().product());
        if dims[0] > 0 {
            for k in start[2]..start[2] + dims[2] {
                for j in start[1]..start[1] + dims[1] {
                    let row = self.index(start[0], j, k);
                    data.extend_from_slice(&self.data[row..row + dims[0]]);
                }
            }
        }
        Ok(Self {
            data,
            dims,
            affine: self.shifted(start.map(|s| s as f64)),
        })
    }

    /// The volume with `before` and `after` voxels of `value` added along each axis; every voxel
    /// keeps its place in the world. Undoes [`crop`](Self::crop) up to the values outside the box.
    ///
    /// # Panics
    ///
    /// If the result does not fit in memory, as `vec!` does.
    pub fn pad(&self, before: [usize; 3], after: [usize; 3], value: T) -> Self {
        let dims = [0, 1, 2].map(|a| before[a] + self.dims[a] + after[a]);
        let affine = self.shifted(before.map(|b| -(b as f64)));
        let mut out = Self::filled(value, dims, affine);
        if !self.is_empty() {
            for (n, row) in self.data.chunks_exact(self.dims[0]).enumerate() {
                let (j, k) = (n % self.dims[1], n / self.dims[1]);
                let at = out.index(before[0], before[1] + j, before[2] + k);
                out.data[at..at + row.len()].copy_from_slice(row);
            }
        }
        out
    }

    /// A grid along the same axes with another voxel size in mm, centred on the same field of
    /// view: its dims (at least 1 each) and affine, for use with the resampling functions.
    pub fn grid_with_spacing(&self, spacing: [f64; 3]) -> ([usize; 3], Affine) {
        let own = self.spacing();
        let scale = [0, 1, 2].map(|a| spacing[a] / own[a]);
        let dims = [0, 1, 2].map(|a| ((self.dims[a] as f64 / scale[a]).round() as usize).max(1));
        // Both grids share the centre: (n_own - 1) / 2 = offset + scale * (n_new - 1) / 2.
        let offset = [0, 1, 2]
            .map(|a| (self.dims[a] as f64 - 1.0 - scale[a] * (dims[a] as f64 - 1.0)) / 2.0);
        let affine = self.affine.compose(&Affine::scale_offset(scale, offset));
        (dims, affine)
    }

    /// The affine of a grid whose voxel `(0, 0, 0)` is this grid's voxel `offset`.
    fn shifted(&self, offset: [f64; 3]) -> Affine {
        self.affine.compose(&Affine::scale_offset([1.0; 3], offset))
    }

    /// The same voxels with their axes permuted and flipped to the closest LPS, without
    /// interpolation, and the way back. Flips happen in place.
    pub fn into_lps(self) -> (Self, Reorientation) {
        let world = self.affine.closest_axes();
        let mut axes = [0; 3];
        for (axis, &w) in world.iter().enumerate() {
            axes[w] = axis;
        }
        let flip = [0, 1, 2].map(|w| self.affine.0[w][axes[w]] * LPS_SIGNS[w] < 0.0);
        let reorientation = Reorientation {
            dims: self.dims,
            affine: self.affine,
            axes,
            flip,
        };

        let dims = axes.map(|axis| self.dims[axis]);
        let mut affine = self.affine;
        for (row, source) in affine.0.iter_mut().zip(&self.affine.0) {
            for w in 0..3 {
                let step = source[axes[w]];
                row[w] = if flip[w] { -step } else { step };
                if flip[w] {
                    row[3] += step * (dims[w] as f64 - 1.0);
                }
            }
        }
        let data = if axes == [0, 1, 2] {
            let mut data = self.data;
            flip_in_place(&mut data, dims, flip);
            data
        } else {
            let steps = strides(self.dims);
            gather(&self.data, dims, axes.map(|axis| steps[axis]), flip)
        };
        (Self { data, dims, affine }, reorientation)
    }
}

/// The way back from the LPS grid of [`Volume::into_lps`] to the grid that the file had.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reorientation {
    /// Dims of the original grid.
    dims: [usize; 3],
    /// Affine of the original grid.
    affine: Affine,
    /// Original axis behind each LPS axis.
    axes: [usize; 3],
    /// LPS axes that run against their original axis.
    flip: [bool; 3],
}

impl Reorientation {
    /// Puts a volume on the LPS grid back on the original grid; the affine is the original one,
    /// bit for bit.
    ///
    /// # Errors
    ///
    /// If `v` does not have the dims of the LPS grid.
    pub fn restore<T: Copy>(&self, v: &Volume<T>) -> Result<Volume<T>, VolumeError> {
        let expected = self.axes.map(|axis| self.dims[axis]);
        if v.dims != expected {
            return Err(VolumeError::Grid {
                expected,
                found: v.dims,
            });
        }
        let lps_steps = strides(v.dims);
        let (mut steps, mut flip) = ([0; 3], [false; 3]);
        for (w, &axis) in self.axes.iter().enumerate() {
            steps[axis] = lps_steps[w];
            flip[axis] = self.flip[w];
        }
        Ok(Volume {
            data: gather(&v.data, self.dims, steps, flip),
            dims: self.dims,
            affine: self.affine,
        })
    }

    /// Dims of the original grid.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Affine of the original grid.
    pub fn affine(&self) -> Affine {
        self.affine
    }
}

/// Distance in memory between neighbours along each axis.
fn strides(dims: [usize; 3]) -> [usize; 3] {
    [1, dims[0], dims[0] * dims[1]]
}

/// Reads `source` in another axis order: output axis `a` advances by `steps[a]` in the source,
/// from the far end if `flip[a]`.
fn gather<T: Copy>(source: &[T], dims: [usize; 3], steps: [usize; 3], flip: [bool; 3]) -> Vec<T> {
    let at = |axis: usize, n: usize| steps[axis] * if flip[axis] { dims[axis] - 1 - n } else { n };
    let mut out = Vec::with_capacity(source.len());
    for k in 0..dims[2] {
        for j in 0..dims[1] {
            let base = at(2, k) + at(1, j);
            if steps[0] == 1 {
                let row = &source[base..base + dims[0]];
                if flip[0] {
                    out.extend(row.iter().rev());
                } else {
                    out.extend_from_slice(row);
                }
            } else {
                out.extend((0..dims[0]).map(|i| source[base + at(0, i)]));
            }
        }
    }
    out
}

/// Turns the axes round that are to be flipped.
fn flip_in_place<T>(data: &mut [T], [nx, ny, _]: [usize; 3], flip: [bool; 3]) {
    if data.is_empty() {
        return;
    }
    let turn = |data: &mut [T], unit: usize| {
        let (mut low, mut high) = (0, data.len() / unit);
        while low + 1 < high {
            high -= 1;
            let (before, after) = data.split_at_mut(high * unit);
            before[low * unit..][..unit].swap_with_slice(&mut after[..unit]);
            low += 1;
        }
    };
    if flip[0] {
        data.chunks_exact_mut(nx).for_each(<[T]>::reverse);
    }
    if flip[1] {
        data.chunks_exact_mut(nx * ny)
            .for_each(|slice| turn(slice, nx));
    }
    if flip[2] {
        turn(data, nx * ny);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::affine::PERMUTATIONS;
    use super::*;

    /// A linear function of the world position, whole for whole millimetres.
    fn field(p: [f64; 3]) -> f64 {
        3.0 * p[0] - 5.0 * p[1] + 7.0 * p[2] + 11.0
    }

    /// A volume whose voxels hold [`field`] at their place in the world.
    fn field_volume(dims: [usize; 3], affine: Affine) -> Volume<f64> {
        let mut v = Volume::filled(0.0, dims, affine);
        for n in 0..v.len() {
            v.data[n] = field(affine.apply(position(n, dims)));
        }
        v
    }

    fn position(n: usize, dims: [usize; 3]) -> [f64; 3] {
        let (i, rest) = (n % dims[0], n / dims[0]);
        [i, rest % dims[1], rest / dims[1]].map(|x| x as f64)
    }

    #[track_caller]
    fn assert_in_place(v: &Volume<f64>) {
        assert!(!v.is_empty());
        for (n, value) in v.data.iter().enumerate() {
            let expected = field(v.affine.apply(position(n, v.dims)));
            assert!(
                (value - expected).abs() < 1e-9,
                "voxel {n}: {value} is not {expected}"
            );
        }
    }

    /// Rotation about z, then about x, by degrees, of the columns of an LPS grid; with a shear.
    fn oblique() -> Affine {
        let (sz, cz) = 25_f64.to_radians().sin_cos();
        let (sx, cx) = (-18_f64).to_radians().sin_cos();
        let rotation = Affine([
            [cz, -sz, 0.0, 0.0],
            [cx * sz, cx * cz, -sx, 0.0],
            [sx * sz, sx * cz, cx, 0.0],
        ]);
        let sheared = Affine([
            [-0.7, 0.0, 0.1, 12.5],
            [0.0, -0.8, 0.0, -33.0],
            [0.0, 0.0, 2.5, 7.25],
        ]);
        rotation.compose(&sheared)
    }

    /// Every assignment of voxel axes to world axes, with every choice of direction.
    fn all_orientations() -> Vec<Affine> {
        let mut all = Vec::new();
        for world in PERMUTATIONS {
            for signs in 0..8 {
                let mut m = [[0.0; 4]; 3];
                for axis in 0..3 {
                    let sign = if signs >> axis & 1 == 1 { -1.0 } else { 1.0 };
                    m[world[axis]][axis] = sign * (axis as f64 + 1.0);
                }
                for (row, offset) in m.iter_mut().zip([40.0, -90.0, 13.0]) {
                    row[3] = offset;
                }
                all.push(Affine(m));
            }
        }
        all
    }

    #[test]
    fn all_48_orientations_go_to_lps_and_back_exactly() {
        let all = all_orientations();
        assert_eq!(all.len(), 48);
        for affine in all {
            let v = field_volume([3, 4, 5], affine);
            let (lps, back) = v.clone().into_lps();
            assert_eq!(lps.affine.orientation(), "LPS", "from {affine:?}");
            assert_in_place(&lps);
            assert_eq!(back.restore(&lps).unwrap(), v);
        }
    }

    #[test]
    fn oblique_volumes_keep_their_place() {
        // The same oblique grid, stored in each of the 48 axis orders.
        for order in all_orientations() {
            let unit = Affine(order.0.map(|row| {
                let [a, b, c, _] = row;
                [a, b, c, 0.0].map(|x| if x == 0.0 { 0.0 } else { x.signum() })
            }));
            let v = field_volume([3, 4, 5], oblique().compose(&unit));
            let (lps, back) = v.clone().into_lps();
            assert_eq!(lps.affine.orientation(), "LPS");
            assert_in_place(&lps);
            assert_eq!(back.restore(&lps).unwrap(), v);
        }
    }

    #[test]
    fn lps_volumes_are_left_as_they_are() {
        let v = field_volume([4, 3, 2], Affine::from_spacing([0.7, 0.8, 2.5]));
        assert_eq!(v.clone().into_lps().0, v);
    }

    #[test]
    fn restoring_another_grid_is_refused() {
        let (lps, back) = field_volume([3, 4, 5], all_orientations()[20]).into_lps();
        let other = lps.crop([0; 3], [2, 2, 2]).unwrap();
        assert!(matches!(
            back.restore(&other),
            Err(VolumeError::Grid { .. })
        ));
    }

    #[test]
    fn degenerate_affines_still_restore() {
        for affine in [Affine([[0.0; 4]; 3]), Affine([[f64::NAN; 4]; 3])] {
            let v = Volume::new((0..24_u8).collect(), [2, 3, 4], affine).unwrap();
            let (lps, back) = v.clone().into_lps();
            assert_eq!(back.restore(&lps).unwrap().data, v.data);
            assert!(affine.inverse().is_none());
        }
    }

    #[test]
    fn crop_and_pad_keep_every_voxel_in_place() {
        let v = field_volume([5, 6, 7], oblique());
        let inner = v.crop([1, 2, 3], [3, 3, 2]).unwrap();
        assert_in_place(&inner);
        let padded = inner.pad([1, 2, 3], [1, 1, 2], f64::NAN);
        assert_eq!(padded.dims, v.dims);
        for (n, (a, b)) in padded.data.iter().zip(&v.data).enumerate() {
            let p = position(n, v.dims);
            let kept = (1.0..4.0).contains(&p[0])
                && (2.0..5.0).contains(&p[1])
                && (3.0..5.0).contains(&p[2]);
            assert!(if kept { a == b } else { a.is_nan() }, "voxel {n}");
            let distance = (0..3).map(|r| padded.affine.apply(p)[r] - v.affine.apply(p)[r]);
            assert!(distance.map(f64::abs).sum::<f64>() < 1e-9);
        }
    }

    #[test]
    fn crops_beyond_the_volume_are_refused() {
        let v = field_volume([5, 6, 7], oblique());
        assert!(v.crop([0, 0, 7], [5, 6, 0]).unwrap().is_empty());
        for (start, dims) in [([3, 0, 0], [3, 1, 1]), ([0, 0, usize::MAX], [1, 1, 2])] {
            assert!(matches!(
                v.crop(start, dims),
                Err(VolumeError::OutOfBounds { .. })
            ));
        }
    }

    #[test]
    fn lengths_are_checked() {
        let affine = Affine::from_spacing([1.0; 3]);
        assert!(Volume::new(vec![0_u8; 24], [2, 3, 4], affine).is_ok());
        assert_eq!(
            Volume::new(vec![0_u8; 23], [2, 3, 4], affine).unwrap_err(),
            VolumeError::Length {
                dims: [2, 3, 4],
                expected: 24,
                found: 23
            }
        );
        let dims = [usize::MAX, 2, 1];
        assert_eq!(
            Volume::new(vec![0_u8; 2], dims, affine).unwrap_err(),
            VolumeError::TooLarge { dims }
        );
    }

    #[test]
    fn spacing_and_voxel_volume_come_from_the_affine() {
        let v = Volume::filled(0_u8, [1, 1, 1], Affine::from_spacing([0.5, 0.8, 2.5]));
        assert_eq!(v.spacing(), [0.5, 0.8, 2.5]);
        assert!((v.voxel_ml() - 0.001).abs() < 1e-15);
    }

    #[test]
    fn grids_of_another_spacing_share_the_centre() {
        let v = Volume::filled(0_u8, [100, 90, 31], oblique());
        let (dims, affine) = v.grid_with_spacing([1.4, 0.8, 1.0]);
        assert_eq!(dims[..2], [50, 90]);
        assert!((affine.spacing()[0] - 1.4).abs() < 1e-12);
        let centre =
            |affine: &Affine, dims: [usize; 3]| affine.apply(dims.map(|n| (n as f64 - 1.0) / 2.0));
        let (a, b) = (centre(&v.affine, v.dims), centre(&affine, dims));
        assert!((0..3).all(|r| (a[r] - b[r]).abs() < 1e-9));
    }
}
