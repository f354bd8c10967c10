//! Around Inf-Net: from HU or an image file to the network's square input, and back.
//!
//! The network knows slices as COVID-SemiSeg has them: 8-bit, windowed, cropped to the lungs,
//! squeezed to a square without regard to aspect (Fan et al. 2020, section III; the published
//! loader), normalised with ImageNet's mean and deviation. A slice of a volume is brought to that
//! form by [`grey`] and [`Crop`]; an image of any size is taken whole, its grey levels as they
//! are. [`network_input`] does the rest for both. [`Harmonisation`] brings slices of another
//! window to the labelled ones' grey levels before they are pseudo-labelled.
//!
//! The way back is a bilinear resize of the network's square: [`Crop::paste`] puts it into a slice,
//! [`Plane::resize_bilinear`](crate::plane::Plane) with the image's size serves an image.

use crate::grid::{Dims, bounding_box, dilate};
use crate::plane::{Plane, PlaneError};
use crate::volume::Volume;

mod harmonise;
mod look;
mod orientation;

pub use harmonise::{Harmonisation, histogram};
pub use look::Look;
pub use orientation::Orientation;

/// HU that becomes grey level 0: the labelled slices are g = (HU + 1117) / 5.5.
pub const WINDOW_LOW_HU: f32 = -1117.0;
/// HU of one grey level.
pub const HU_PER_GREY: f32 = 5.5;

/// Mean of ImageNet's channels, red, green, blue, of values 0..1.
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Standard deviation of the same.
pub const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// What a crop keeps around the lungs on each side, as a share of the lungs' own extent.
///
/// Measured on the training images: between lung and image border lie 1 to 3 % (medians over the
/// 761 slices with a lung mask: left 2.7, right 2.3, front 0.8, back 3.4 % of the side).
const MARGIN: f64 = 0.025;

/// Lesions may reach this many pixels over the border of the lung mask, which is drawn tight.
const LUNG_TOLERANCE: usize = 2;

/// The grey level of a HU value: −1117 to 285 HU become 0 to 255, what lies beyond is clipped.
pub fn grey(hu: i16) -> u8 {
    // `as` saturates at both ends.
    ((f32::from(hu) - WINDOW_LOW_HU) / HU_PER_GREY).round() as u8
}

/// Grey levels 0..255 as the network's three channels, scaled to 0..1 and normalised.
pub fn normalised(grey: &[f32]) -> Vec<f32> {
    let channels = MEAN.iter().zip(DEVIATION);
    channels
        .flat_map(|(mean, deviation)| grey.iter().map(move |v| (v / 255.0 - mean) / deviation))
        .collect()
}

/// A grey plane as the network takes it: `[3, side, side]`, resized with PIL's bilinear filter
/// and [`normalised`]; the three channels are the same plane.
pub fn network_input(plane: &Plane<u8>, side: usize) -> Vec<f32> {
    let square = plane.resize_bilinear([side, side]).map(f32::from);
    normalised(square.data())
}

/// A mask of 0 and 255 as training target: `[side, side]`, 0..1, resized with PIL's bilinear
/// filter and left soft at its borders, as the published loader does.
///
/// Class labels must not be mixed so: they take
/// [`Plane::resize_nearest`](crate::plane::Plane::resize_nearest).
pub fn network_target(mask: &Plane<u8>, side: usize) -> Vec<f32> {
    let square = mask.resize_bilinear([side, side]);
    square
        .data()
        .iter()
        .map(|&v| f32::from(v) / 255.0)
        .collect()
}

/// The part of every slice of a scan that the network sees: the box of its lungs and a margin.
///
/// The training images are cropped slice by slice. A scan is cropped once, to the union of its
/// lungs over all slices: slice by slice, neighbouring slices would reach the network at different
/// scales, lesions would flicker along z, and where the mask ends early (an apex, a consolidated
/// base) the crop would cut off the very lesion. Slices at the ends show smaller lungs than in
/// training for it; training's scale augmentation covers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crop {
    /// First column and row.
    start: [usize; 2],
    /// Columns and rows.
    size: [usize; 2],
    /// Columns and rows of the whole slice.
    slice: [usize; 2],
}

impl Crop {
    /// The crop for a scan, from its lungs on the LPS grid; `None` if there are none.
    pub fn of_scan(lungs: &Volume<u8>) -> Option<Self> {
        Self::around(&lungs.data, lungs.dims)
    }

    /// The crop around what is set in a mask of one or more slices; `None` if nothing is.
    ///
    /// # Panics
    ///
    /// If the mask's length is not the product of its `dims`.
    pub fn around(mask: &[u8], dims: Dims) -> Option<Self> {
        let (low, high) = bounding_box(mask, dims)?;
        let mut crop = Self {
            start: [0; 2],
            size: [0; 2],
            slice: [dims[0], dims[1]],
        };
        for axis in 0..2 {
            let margin = ((high[axis] - low[axis]) as f64 * MARGIN).ceil() as usize;
            crop.start[axis] = low[axis].saturating_sub(margin);
            crop.size[axis] = (high[axis] + margin).min(dims[axis]) - crop.start[axis];
        }
        Some(crop)
    }

    /// First column and row of the crop.
    pub fn start(&self) -> [usize; 2] {
        self.start
    }

    /// [columns, rows] of the crop.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Cuts the crop out of a slice.
    ///
    /// # Errors
    ///
    /// If the slice is not of the scan's size.
    pub fn cut<T: Copy>(&self, slice: &[T]) -> Result<Plane<T>, PlaneError> {
        self.check(slice.len())?;
        let mut data = Vec::with_capacity(self.size[0] * self.size[1]);
        for y in 0..self.size[1] {
            let row = self.row(y);
            data.extend_from_slice(&slice[row..row + self.size[0]]);
        }
        Plane::new(data, self.size)
    }

    /// Cuts the crop out of a slice in HU, as grey levels.
    ///
    /// # Errors
    ///
    /// If the slice is not of the scan's size.
    pub fn cut_grey(&self, hu: &[i16]) -> Result<Plane<u8>, PlaneError> {
        Ok(self.cut(hu)?.map(grey))
    }

    /// The network's square at the crop's size, 0 outside the lungs of this slice, of which
    /// 2 pixels more are allowed.
    ///
    /// # Errors
    ///
    /// If the lungs are not those of a slice of the scan.
    pub fn confine(&self, square: &Plane<f32>, lungs: &[u8]) -> Result<Plane<f32>, PlaneError> {
        self.check(lungs.len())?;
        let resized = square.resize_bilinear(self.size);
        let reach = [LUNG_TOLERANCE, LUNG_TOLERANCE, 0];
        let allowed = dilate(lungs, [self.slice[0], self.slice[1], 1], reach);
        Ok(Plane::from_fn(self.size, |x, y| {
            match allowed[self.row(y) + x] {
                0 => 0.0,
                _ => resized.data()[y * self.size[0] + x],
            }
        }))
    }

    /// Puts a crop's values back into the slice that it was cut from.
    ///
    /// # Errors
    ///
    /// If the slice is not of the scan's size.
    ///
    /// # Panics
    ///
    /// If there are fewer values than the crop has pixels.
    pub fn paste<T: Copy>(&self, values: &[T], slice: &mut [T]) -> Result<(), PlaneError> {
        self.check(slice.len())?;
        for y in 0..self.size[1] {
            let row = self.row(y);
            let from = &values[y * self.size[0]..][..self.size[0]];
            slice[row..row + self.size[0]].copy_from_slice(from);
        }
        Ok(())
    }

    /// Where row `y` of the crop begins in the slice.
    fn row(&self, y: usize) -> usize {
        (self.start[1] + y) * self.slice[0] + self.start[0]
    }

    fn check(&self, len: usize) -> Result<(), PlaneError> {
        let [width, height] = self.slice;
        if len == width * height {
            return Ok(());
        }
        Err(PlaneError::Size { width, height, len })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::volume::Affine;

    /// Lungs of 40 × 80 pixels at (20, 10), in two slices of 100 × 100; the second is smaller.
    fn lungs() -> Volume<u8> {
        let mut lungs = Volume::filled(0u8, [100, 100, 2], Affine::from_spacing([1.0; 3]));
        for (k, width) in [(0, 40), (1, 10)] {
            for j in 10..90 {
                let row = lungs.index(20, j, k);
                lungs.data[row..row + width].fill(1);
            }
        }
        lungs
    }

    #[test]
    fn grey_levels_are_those_of_the_labelled_slices() {
        assert_eq!([-1117, -1114, 285, -870].map(grey), [0, 1, 255, 45]);
        assert_eq!([i16::MIN, -2000, 600, i16::MAX].map(grey), [0, 0, 255, 255]);
        // Soft tissue, whose peak is 211 in the labelled slices.
        assert_eq!(grey(44), 211);
    }

    #[test]
    fn input_is_normalised_and_grey() {
        let plane = Plane::new(vec![0, 255, 51, 102], [2, 2]).unwrap();
        let input = network_input(&plane, 2);
        assert_eq!(input.len(), 12);
        assert!((input[0] - (0.0 - 0.485) / 0.229).abs() < 1e-6);
        assert!((input[5] - (1.0 - 0.456) / 0.224).abs() < 1e-6);
        assert!((input[10] - (0.2 - 0.406) / 0.225).abs() < 1e-6);
        assert_eq!(network_input(&plane, 7).len(), 3 * 49);
    }

    #[test]
    fn targets_are_soft_at_borders_only() {
        let mask = Plane::new(vec![0, 0, 0, 255, 255, 255, 255, 255], [8, 1]).unwrap();
        let target = network_target(&mask, 4);
        // Pixels 2 and 3 meet in the second target pixel: weights 1/8, 3/8, 3/8, 1/8.
        assert_eq!(
            target[4..8],
            [0.0, 128.0 / 255.0, 1.0, 1.0].map(|v: f32| v)[..]
        );
    }

    #[test]
    fn crops_to_all_slices_and_a_margin() {
        let crop = Crop::of_scan(&lungs()).unwrap();
        // 2.5 % of 40 and 80 pixels are 1 and 2.
        assert_eq!((crop.start, crop.size()), ([19, 8], [42, 84]));
        let lungs = lungs();
        let slice = Crop::around(lungs.slice(1), [100, 100, 1]).unwrap();
        assert_eq!((slice.start, slice.size()), ([19, 8], [12, 84]));
        let edge = Crop::around(&[1u8; 12], [4, 3, 1]).unwrap();
        assert_eq!((edge.start, edge.size()), ([0, 0], [4, 3]));
        assert_eq!(Crop::around(&[0; 12], [4, 3, 1]), None);
    }

    #[test]
    fn cuts_what_is_inside() {
        let crop = Crop::of_scan(&lungs()).unwrap();
        let hu: Vec<i16> = (0..10_000).map(|i| (i % 100) * 11 - 1117).collect();
        let plane = crop.cut_grey(&hu).unwrap();
        assert_eq!(plane.size(), [42, 84]);
        assert_eq!(plane.data()[..3], [38, 40, 42]);
        assert_eq!(plane.data()[42 * 83], 38);
        assert!(crop.cut(&hu[1..]).is_err());
    }

    #[test]
    fn pastes_back_where_it_was_cut() {
        let lungs = lungs();
        let crop = Crop::of_scan(&lungs).unwrap();
        let ramp: Vec<f32> = (0..10_000).map(|i| (i % 100) as f32 / 100.0).collect();
        let square = crop.cut(&ramp).unwrap().resize_bilinear([352, 352]);
        let whole = |k: usize| {
            let values = crop.confine(&square, lungs.slice(k)).unwrap();
            let mut slice = vec![0.0; 10_000];
            crop.paste(values.data(), &mut slice).unwrap();
            slice
        };
        let back = whole(0);
        for (at, (&p, &truth)) in back.iter().zip(&ramp).enumerate() {
            let [x, y] = [at % 100, at / 100];
            let inside = (19..61).contains(&x) && (8..92).contains(&y);
            if inside {
                assert!((p - truth).abs() < 0.006, "{x}, {y}: {p} is not {truth}");
            } else {
                assert_eq!(p, 0.0, "{x}, {y}");
            }
        }
        // The second slice's lung is 10 wide: nothing beyond two pixels of it.
        let narrow = whole(1);
        assert!(narrow[5031] > 0.0);
        assert_eq!(narrow[5032], 0.0);
        assert!(crop.confine(&square, &[1; 5]).is_err());
        assert!(crop.paste(&[0; 42 * 84], &mut [1; 5]).is_err());
    }

    #[test]
    fn images_come_back_at_their_own_size() {
        let data = (0..37 * 53).map(|i| (i % 37 * 6) as u8).collect();
        let image = Plane::new(data, [37, 53]).unwrap();
        let input = network_input(&image, 96);
        let first = input[..96 * 96].iter().map(|v| v * DEVIATION[0] + MEAN[0]);
        let square = Plane::new(first.collect(), [96, 96]).unwrap();
        let back = square.resize_bilinear(image.size());
        for (p, &v) in back.data().iter().zip(image.data()) {
            assert!((p * 255.0 - f32::from(v)).abs() < 2.0);
        }
    }
}
