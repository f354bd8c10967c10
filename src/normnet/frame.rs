//! NormNet's view of a scan: the grid that the network sees, the way there and the way back.
//!
//! Yao et al. 2020 resample to 0.8 x 0.8 x 1 mm, centre the lungs in 512 x 512 and cut slabs of 32
//! slices. The shipped networks see 1.25 x 1.25 x 3 mm in 256 x 256, which spans 320 mm. Spacing
//! never depends on the patient: a vessel always has the same width in voxels, and lungs wider
//! than the window lose their rim rather than their scale.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::grid::{self, Dims};
use crate::volume::{
    Affine, Volume, VolumeError, resample_linear_f32, resample_mean, resample_nearest,
};

/// Normalised intensity from which tissue counts as bright: −500 HU, the paper's τ.
pub const TAU: f32 = 0.33;

/// Attenuation that maps to 0, and below which everything does.
const HU_LOW: f32 = -800.0;
/// Attenuation that maps to 1, and above which everything does.
const HU_HIGH: f32 = 100.0;

/// NormNet's intensity of an attenuation: `(clamp(HU, −800, 100) + 800) / 900`.
pub fn normalise(hu: f32) -> f32 {
    (hu.clamp(HU_LOW, HU_HIGH) - HU_LOW) / (HU_HIGH - HU_LOW)
}

/// Errors of the way to and from the network's grid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// There is nothing to centre the window on.
    #[error("the lung mask is empty: NormNet has nothing to look at")]
    NoLungs,
    /// A volume does not lie on the grid of the scan that the frame was made for.
    #[error("a volume of {found:?} voxels was given to a frame made for a scan of {expected:?}")]
    OtherScan {
        /// Dims of the scan.
        expected: Dims,
        /// Dims of the volume given.
        found: Dims,
    },
    /// An array does not hold one value for each voxel of the network's grid.
    #[error("the network's grid has {expected} voxels, but {found} values were given for it")]
    Length {
        /// Voxels of the grid.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// Spacing, window or slab of zero, or a scan whose voxels have no size.
    #[error(
        "a grid of {spacing:?} mm, {size} x {size} in-plane and {depth} slices a slab is not possible here"
    )]
    Degenerate {
        /// Spacing asked for in mm.
        spacing: [f64; 3],
        /// Window in voxels.
        size: usize,
        /// Slices of a slab.
        depth: usize,
    },
    /// The volumes themselves are at fault.
    #[error(transparent)]
    Volume(#[from] VolumeError),
}

/// Which grid a network was trained on. It belongs to the weights and never changes with a scan.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrameConfig {
    /// Voxel size in mm along x, y and z.
    pub spacing: [f64; 3],
    /// In-plane width and height in voxels.
    pub size: usize,
    /// Slices of a slab.
    pub depth: usize,
}

impl FrameConfig {
    /// The grid of the shipped networks.
    pub const fn web() -> Self {
        Self {
            spacing: [1.25, 1.25, 3.0],
            size: 256,
            depth: 32,
        }
    }

    /// The paper's grid.
    pub const fn paper() -> Self {
        Self {
            spacing: [0.8, 0.8, 1.0],
            size: 512,
            depth: 32,
        }
    }
}

impl Default for FrameConfig {
    fn default() -> Self {
        Self::web()
    }
}

/// The network's grid for one scan: along the scan's own axes, in-plane centred on the lungs, from
/// the lowest to the highest lung slice and at least one slab deep.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    config: FrameConfig,
    dims: Dims,
    affine: Affine,
    scan_dims: Dims,
    scan_affine: Affine,
}

impl Frame {
    /// The frame of a scan with the given lung mask (nonzero = lung, LPS axes).
    ///
    /// # Errors
    ///
    /// If the mask is empty, or the configuration or the mask's affine leaves voxels without size.
    pub fn new(lungs: &Volume<u8>, config: &FrameConfig) -> Result<Self, FrameError> {
        let degenerate = FrameError::Degenerate {
            spacing: config.spacing,
            size: config.size,
            depth: config.depth,
        };
        let own = lungs.spacing();
        let scale = [0, 1, 2].map(|a| config.spacing[a] / own[a]);
        let sound = scale.iter().all(|s| s.is_finite() && *s > 0.0);
        if !sound || config.size == 0 || config.depth == 0 || lungs.affine.inverse().is_none() {
            return Err(degenerate);
        }
        let (low, high) = grid::bounding_box(&lungs.data, lungs.dims).ok_or(FrameError::NoLungs)?;
        // Enough slices for the box from voxel edge to voxel edge; what is over lies outside.
        let slices = ((high[2] - low[2]) as f64 / scale[2] - SLICE_TOLERANCE).ceil() as usize;
        let dims = [config.size, config.size, slices.max(config.depth)];
        // The centre of the window is the centre of the box, in continuous voxel coordinates.
        let offset = [0, 1, 2].map(|a| {
            let centre = (low[a] + high[a] - 1) as f64 / 2.0;
            centre - scale[a] * (dims[a] as f64 - 1.0) / 2.0
        });
        Ok(Self {
            config: *config,
            dims,
            affine: lungs.affine.compose(&Affine::scale_offset(scale, offset)),
            scan_dims: lungs.dims,
            scan_affine: lungs.affine,
        })
    }

    /// Voxels of the network's grid along x, y and z.
    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// Voxel centres of the network's grid to RAS+ mm.
    pub fn affine(&self) -> Affine {
        self.affine
    }

    /// Voxel size of the network's grid in mm.
    pub fn spacing(&self) -> [f64; 3] {
        self.config.spacing
    }

    /// Slices of a slab.
    pub fn depth(&self) -> usize {
        self.config.depth
    }

    /// Voxels of one slice of the network's grid.
    pub fn plane(&self) -> usize {
        self.dims[0] * self.dims[1]
    }

    /// Voxels of the network's grid.
    pub fn voxels(&self) -> usize {
        self.dims.iter().product()
    }

    /// First slice of each slab.
    ///
    /// Neighbours share `overlap` slices (at most one less than a slab has) or more: the last slab
    /// ends with the grid. Every slice is in at least one slab.
    pub fn slabs(&self, overlap: usize) -> Vec<usize> {
        let depth = self.config.depth;
        let step = depth.saturating_sub(overlap).max(1);
        let last = self.dims[2].saturating_sub(depth);
        let mut starts: Vec<usize> = (0..last).step_by(step).collect();
        starts.push(last);
        starts
    }

    /// The image H that the network sees: normalised intensity in the lungs, 0 elsewhere.
    ///
    /// HU are averaged along axes where the grid is coarser than the scan and interpolated where
    /// it is finer, then clipped: the noise of a thin-slice scan is averaged away as HU.
    ///
    /// # Errors
    ///
    /// If a volume is not on the grid of the scan.
    pub fn intensity(&self, hu: &Volume<i16>, lungs: &Volume<u8>) -> Result<Vec<f32>, FrameError> {
        self.check(hu.dims)?;
        let mask = self.lungs(lungs)?;
        let mut image = resample_mean(hu, self.dims, &self.affine).data;
        for (v, &lung) in image.iter_mut().zip(&mask) {
            *v = if lung != 0 { normalise(*v) } else { 0.0 };
        }
        Ok(image)
    }

    /// The lung mask on the network's grid, 0 or 1, by nearest neighbour.
    ///
    /// # Errors
    ///
    /// If the mask is not on the grid of the scan.
    pub fn lungs(&self, lungs: &Volume<u8>) -> Result<Vec<u8>, FrameError> {
        self.check(lungs.dims)?;
        let mut mask = resample_nearest(lungs, self.dims, &self.affine, 0).data;
        for v in &mut mask {
            *v = u8::from(*v != 0);
        }
        Ok(mask)
    }

    /// Brings a mask back to the scan's grid: a voxel of the lungs is set if the interpolated
    /// mask reaches ½.
    ///
    /// # Errors
    ///
    /// As [`Frame::to_volume`].
    pub fn mask_to_volume(
        &self,
        mask: &[u8],
        lungs: &Volume<u8>,
    ) -> Result<Volume<u8>, FrameError> {
        self.to_volume(mask, lungs, |v| u8::from(v >= 0.5))
    }

    /// Brings a field back to the scan's grid.
    ///
    /// The field is interpolated trilinearly (outside the frame it is 0); a voxel of the lungs
    /// gets what `value` makes of it, any other 0.
    ///
    /// # Errors
    ///
    /// If `field` is not on the network's grid or `lungs` not on that of the scan.
    pub fn to_volume<T: Copy + Into<f32>>(
        &self,
        field: &[T],
        lungs: &Volume<u8>,
        value: impl Fn(f32) -> u8,
    ) -> Result<Volume<u8>, FrameError> {
        let voxels = self.to_slices(field, lungs, 0..self.scan_dims[2], value)?;
        Ok(Volume::new(voxels, self.scan_dims, self.scan_affine)?)
    }

    /// [`Frame::to_volume`] for a range of the scan's slices, whose voxels it gives in order. What
    /// lies beyond the scan is left out.
    ///
    /// # Errors
    ///
    /// As [`Frame::to_volume`].
    pub fn to_slices<T: Copy + Into<f32>>(
        &self,
        field: &[T],
        lungs: &Volume<u8>,
        slices: Range<usize>,
        value: impl Fn(f32) -> u8,
    ) -> Result<Vec<u8>, FrameError> {
        self.check(lungs.dims)?;
        if field.len() != self.voxels() {
            return Err(FrameError::Length {
                expected: self.voxels(),
                found: field.len(),
            });
        }
        let field = Volume::new(
            field.iter().map(|&v| v.into()).collect(),
            self.dims,
            self.affine,
        )?;
        let plane = self.scan_dims[0] * self.scan_dims[1];
        let slices = slices.start..slices.end.min(self.scan_dims[2]);
        let mut out = vec![0; plane * slices.len()];
        // A few slices at a time: a whole float copy of the scan need not fit in a browser.
        for (start, out) in slices
            .clone()
            .step_by(BATCH)
            .zip(out.chunks_mut(BATCH * plane))
        {
            let count = BATCH.min(slices.end - start);
            let shift = Affine::scale_offset([1.0; 3], [0.0, 0.0, start as f64]);
            let values = resample_linear_f32(
                &field,
                [self.scan_dims[0], self.scan_dims[1], count],
                &self.scan_affine.compose(&shift),
                0.0,
            );
            let lungs = &lungs.data[start * plane..(start + count) * plane];
            for ((voxel, &lung), &found) in out.iter_mut().zip(lungs).zip(&values.data) {
                if lung != 0 {
                    *voxel = value(found);
                }
            }
        }
        Ok(out)
    }

    /// The slice of the network's grid that lies closest to a slice of the scan.
    pub fn slice_at(&self, k: usize) -> usize {
        // The grids have the same axes: one slice of the scan is at one height of the other grid.
        let place = self.scan_affine.apply([0.0, 0.0, k as f64]);
        let z = self.affine.inverse().map_or(0.0, |a| a.apply(place)[2]);
        (z.round().max(0.0) as usize).min(self.dims[2] - 1)
    }

    fn check(&self, found: Dims) -> Result<(), FrameError> {
        if found == self.scan_dims {
            Ok(())
        } else {
            Err(FrameError::OtherScan {
                expected: self.scan_dims,
                found,
            })
        }
    }
}

/// Slices of the scan that come back from the network's grid at once.
const BATCH: usize = 16;
/// Rounding that must not cost a slice.
const SLICE_TOLERANCE: f64 = 1e-6;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Voxels whose centre is within `radius` mm of `centre`.
    fn ball(dims: Dims, affine: &Affine, centre: [f64; 3], radius: f64) -> Vec<u8> {
        let mut out = Vec::with_capacity(dims.iter().product());
        for k in 0..dims[2] {
            for j in 0..dims[1] {
                for i in 0..dims[0] {
                    let at = affine.apply([i as f64, j as f64, k as f64]);
                    let square: f64 = (0..3).map(|a| (at[a] - centre[a]).powi(2)).sum();
                    out.push(u8::from(square <= radius * radius));
                }
            }
        }
        out
    }

    fn dice(a: &[u8], b: &[u8]) -> f64 {
        let both = a
            .iter()
            .zip(b)
            .filter(|(a, b)| **a != 0 && **b != 0)
            .count();
        let sum = a.iter().chain(b).filter(|v| **v != 0).count();
        2.0 * both as f64 / sum as f64
    }

    /// A scan with lungs everywhere but in a margin.
    fn scan(dims: Dims, affine: Affine) -> Volume<u8> {
        let mut lungs = Volume::filled(0u8, dims, affine);
        for k in 2..dims[2] - 2 {
            for j in 6..dims[1] - 4 {
                for i in 4..dims[0] - 9 {
                    let at = lungs.index(i, j, k);
                    lungs.data[at] = 1 + u8::from(i > dims[0] / 2);
                }
            }
        }
        lungs
    }

    #[test]
    fn a_ball_keeps_its_place_in_mm() {
        let tilted = {
            let (sin, cos) = 0.3f64.sin_cos();
            Affine([
                [-0.8 * cos, 0.0, 2.0 * sin, 40.0],
                [0.0, -0.8, 0.0, 70.0],
                [0.8 * sin, 0.0, 2.0 * cos, -300.0],
            ])
        };
        let cases = [
            ([150, 130, 60], Affine::from_spacing([0.7, 0.7, 2.0])),
            ([150, 130, 120], Affine::from_spacing([0.7, 0.9, 1.0])),
            // Against LPS along x and z, and a thick scan.
            (
                [90, 90, 30],
                Affine([
                    [1.1, 0.0, 0.0, -55.0],
                    [0.0, -1.1, 0.0, 90.0],
                    [0.0, 0.0, -5.0, 10.0],
                ]),
            ),
            ([120, 120, 50], tilted),
        ];
        for (dims, affine) in cases {
            let lungs = scan(dims, affine);
            let centre = affine.apply(
                [0.45, 0.55, 0.5]
                    .map(f64::from)
                    .into_iter()
                    .zip(dims)
                    .map(|(f, d)| f * d as f64)
                    .collect::<Vec<_>>()
                    .try_into()
                    .unwrap(),
            );
            let frame = Frame::new(&lungs, &FrameConfig::web()).unwrap();
            for radius in [12.0, 25.0] {
                let there = ball(frame.dims(), &frame.affine(), centre, radius);
                let back = frame.mask_to_volume(&there, &lungs).unwrap();
                assert_eq!((back.dims, back.affine), (lungs.dims, lungs.affine));
                let want: Vec<u8> = ball(dims, &affine, centre, radius)
                    .iter()
                    .zip(&lungs.data)
                    .map(|(b, l)| u8::from(*b != 0 && *l != 0))
                    .collect();
                let dice = dice(&back.data, &want);
                assert!(dice > 0.9, "{affine:?}, {radius} mm: {dice}");
            }
        }
    }

    #[test]
    fn a_slice_of_the_scan_lies_closest_to_one_of_the_grid() {
        let lungs = scan([80, 80, 40], Affine::from_spacing([1.0, 1.0, 2.5]));
        let frame = Frame::new(&lungs, &FrameConfig::web()).unwrap();
        for k in 2..38 {
            let z = frame.slice_at(k);
            let height = |affine: &Affine, k: usize| affine.apply([0.0, 0.0, k as f64])[2];
            let off = height(&frame.affine(), z) - height(&lungs.affine, k);
            assert!(off.abs() <= 1.5 + 1e-6, "{k}: {off} mm");
        }
        assert_eq!(frame.slice_at(10_000), frame.dims()[2] - 1);
    }

    #[test]
    fn a_slice_comes_back_as_in_the_whole_volume() {
        let lungs = scan([80, 80, 40], Affine::from_spacing([1.0, 1.0, 2.5]));
        let frame = Frame::new(&lungs, &FrameConfig::web()).unwrap();
        let mask = ball(frame.dims(), &frame.affine(), [40.0, 40.0, 50.0], 22.0);
        let whole = frame.mask_to_volume(&mask, &lungs).unwrap();
        for k in [0, 17, 20, 39] {
            let value = |v: f32| u8::from(v >= 0.5);
            let slice = frame.to_slices(&mask, &lungs, k..k + 1, value).unwrap();
            assert_eq!(slice, whole.slice(k), "{k}");
        }
        let none = frame.to_slices(&mask, &lungs, 40..41, |_| 1).unwrap();
        assert!(none.is_empty());
    }

    #[test]
    fn probabilities_and_masks_come_back_alike() {
        let lungs = scan([80, 80, 40], Affine::from_spacing([1.0, 1.0, 2.5]));
        let frame = Frame::new(&lungs, &FrameConfig::web()).unwrap();
        let mask = ball(
            frame.dims(),
            &frame.affine(),
            lungs.affine.apply([40.0, 40.0, 20.0]),
            20.0,
        );
        let bytes: Vec<u8> = mask.iter().map(|v| v * 255).collect();
        let floats: Vec<f32> = mask.iter().map(|&v| f32::from(v)).collect();
        let want = frame.mask_to_volume(&mask, &lungs).unwrap();
        assert!(want.data.iter().any(|&v| v != 0));
        assert_eq!(
            frame
                .to_volume(&bytes, &lungs, |v| u8::from(v >= 127.5))
                .unwrap(),
            want
        );
        assert_eq!(
            frame
                .to_volume(&floats, &lungs, |v| u8::from(v >= 0.5))
                .unwrap(),
            want
        );
    }

    #[test]
    fn the_window_is_centred_and_covers_the_lungs() {
        let lungs = scan([200, 180, 90], Affine::from_spacing([0.8, 0.8, 2.5]));
        let frame = Frame::new(&lungs, &FrameConfig::web()).unwrap();
        // 86 slices of 2.5 mm are 215 mm: 71.7 of the frame's.
        assert_eq!(frame.dims(), [256, 256, 72]);
        for (got, want) in frame.affine().spacing().iter().zip([1.25, 1.25, 3.0]) {
            assert!((got - want).abs() < 1e-9);
        }
        let mask = frame.lungs(&lungs).unwrap();
        let (low, high) = grid::bounding_box(&mask, frame.dims()).unwrap();
        for a in 0..2 {
            let after = frame.dims()[a] - high[a];
            assert!(low[a].abs_diff(after) <= 1, "{low:?} {high:?}");
        }
        assert!(low[2] <= 1 && high[2] >= 71);
        // The volume in mm³ is kept.
        let voxels = |m: &[u8]| m.iter().filter(|v| **v != 0).count() as f64;
        let ratio = voxels(&mask) * 1.25 * 1.25 * 3.0 / (voxels(&lungs.data) * 0.8 * 0.8 * 2.5);
        assert!((ratio - 1.0).abs() < 0.02, "{ratio}");
    }

    #[test]
    fn lungs_wider_than_the_window_are_cropped_in_the_middle() {
        let lungs = scan([500, 60, 40], Affine::from_spacing([0.8, 0.8, 3.0]));
        let config = FrameConfig {
            size: 64,
            ..FrameConfig::web()
        };
        let frame = Frame::new(&lungs, &config).unwrap();
        let mask = frame.lungs(&lungs).unwrap();
        let (low, high) = grid::bounding_box(&mask, frame.dims()).unwrap();
        assert_eq!((low[0], high[0]), (0, 64));
    }

    #[test]
    fn intensity_is_normalised_averaged_and_masked() {
        let affine = Affine::from_spacing([1.25, 1.25, 1.0]);
        let lungs = scan([40, 40, 96], affine);
        // Along z every third slice is bright: a voxel of 3 mm sees the mean.
        let mut hu = Volume::filled(-700i16, lungs.dims, affine);
        for k in (0..96).step_by(3) {
            for v in &mut hu.data[k * 1600..(k + 1) * 1600] {
                *v = -400;
            }
        }
        let frame = Frame::new(&lungs, &FrameConfig::web()).unwrap();
        let image = frame.intensity(&hu, &lungs).unwrap();
        let mask = frame.lungs(&lungs).unwrap();
        assert!(image.iter().zip(&mask).all(|(v, m)| *m != 0 || *v == 0.0));
        let want = normalise(-600.0);
        let inner = frame.plane() * (frame.dims()[2] / 2) + frame.dims()[0] * 128 + 128;
        assert!(
            (image[inner] - want).abs() < 0.02,
            "{} {want}",
            image[inner]
        );
        assert_eq!(normalise(-3024.0), 0.0);
        assert_eq!(normalise(1500.0), 1.0);
        assert!((normalise(-500.0) - 1.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn slabs_cover_every_slice() {
        let frame = |slices: usize| {
            let lungs = scan(
                [30, 30, slices + 4],
                Affine::from_spacing([1.25, 1.25, 3.0]),
            );
            Frame::new(&lungs, &FrameConfig::web()).unwrap()
        };
        assert_eq!(frame(10).slabs(8), [0]);
        assert_eq!(frame(10).dims()[2], 32);
        assert_eq!(frame(32).slabs(0), [0]);
        assert_eq!(frame(33).slabs(0), [0, 1]);
        assert_eq!(frame(100).slabs(0), [0, 32, 64, 68]);
        assert_eq!(frame(100).slabs(8), [0, 24, 48, 68]);
        // An overlap as large as the slab still ends.
        assert_eq!(frame(40).slabs(99), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn refuses_what_does_not_belong() {
        let affine = Affine::from_spacing([1.0; 3]);
        let empty = Volume::filled(0u8, [9, 9, 9], affine);
        let web = FrameConfig::web();
        assert!(matches!(Frame::new(&empty, &web), Err(FrameError::NoLungs)));
        let lungs = scan([30, 30, 30], affine);
        let bad = FrameConfig {
            spacing: [1.0, 0.0, 1.0],
            ..web
        };
        assert!(matches!(
            Frame::new(&lungs, &bad),
            Err(FrameError::Degenerate { .. })
        ));
        let frame = Frame::new(&lungs, &web).unwrap();
        assert!(matches!(
            frame.lungs(&empty),
            Err(FrameError::OtherScan { .. })
        ));
        assert!(matches!(
            frame.mask_to_volume(&[0u8; 5], &lungs),
            Err(FrameError::Length { .. })
        ));
    }
}
