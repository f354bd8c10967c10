//! 2D planes and their antialiased resizing, as the programs do it whose numbers are quoted.
//!
//! Inf-Net's images and targets pass through PIL's bilinear filter on their way to the network
//! (section III of the paper names only the size; the filter is the published loader's), and
//! its evaluation toolbox resizes maps with MATLAB's `imresize`. Both stretch the filter when
//! they shrink; a plain four-point interpolation gives other pixels, and so other scores.
//!
//! Both programs keep 8-bit images in 8 bits between the two passes, and so does this module.

use thiserror::Error;

/// Why a plane could not be built.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlaneError {
    /// The number of samples is not width times height, or a side is 0.
    #[error("a plane of {width} x {height} pixels cannot hold {len} samples")]
    Size {
        /// Columns asked for.
        width: usize,
        /// Rows asked for.
        height: usize,
        /// Samples given.
        len: usize,
    },
}

/// A dense 2D image, row after row, of at least one pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane<T> {
    data: Vec<T>,
    size: [usize; 2],
}

impl<T: Copy> Plane<T> {
    /// A plane of `size` = [columns, rows] from its samples.
    pub fn new(data: Vec<T>, size: [usize; 2]) -> Result<Self, PlaneError> {
        let [width, height] = size;
        if width.checked_mul(height) != Some(data.len()) || data.is_empty() {
            return Err(PlaneError::Size {
                width,
                height,
                len: data.len(),
            });
        }
        Ok(Self { data, size })
    }

    /// A plane of one value. A side of 0 counts as 1.
    pub fn filled(value: T, size: [usize; 2]) -> Self {
        let size = at_least_one(size);
        Self {
            data: vec![value; size[0] * size[1]],
            size,
        }
    }

    /// A plane of the value of each column and row. A side of 0 counts as 1.
    pub fn from_fn(size: [usize; 2], mut value: impl FnMut(usize, usize) -> T) -> Self {
        let size = at_least_one(size);
        let mut data = Vec::with_capacity(size[0] * size[1]);
        for y in 0..size[1] {
            data.extend((0..size[0]).map(|x| value(x, y)));
        }
        Self { data, size }
    }

    /// The samples, row after row.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// The samples, for changing them in place.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The samples, owned.
    pub fn into_data(self) -> Vec<T> {
        self.data
    }

    /// [columns, rows].
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The number of columns.
    pub fn width(&self) -> usize {
        self.size[0]
    }

    /// The number of rows.
    pub fn height(&self) -> usize {
        self.size[1]
    }

    /// The same pixels with another value each.
    pub fn map<U: Copy>(&self, f: impl FnMut(T) -> U) -> Plane<U> {
        Plane {
            data: self.data.iter().copied().map(f).collect(),
            size: self.size,
        }
    }

    /// Nearest-neighbour resize, as PIL does it: the source pixel under the target's centre.
    /// For labels, which must not be mixed. A side of 0 counts as 1.
    pub fn resize_nearest(&self, size: [usize; 2]) -> Plane<T> {
        let size = at_least_one(size);
        let pick = |i: usize, from: usize, to: usize| (2 * i + 1) * from / (2 * to);
        Self::from_fn(size, |x, y| {
            let row = pick(y, self.height(), size[1]) * self.width();
            self.data[row + pick(x, self.width(), size[0])]
        })
    }
}

impl Plane<f32> {
    /// PIL's bilinear resize of a float image: triangle filter, stretched when shrinking, weights
    /// renormalised at the border. Growing, it is bilinear interpolation with half-pixel centres.
    /// A side of 0 counts as 1.
    pub fn resize_bilinear(&self, size: [usize; 2]) -> Plane<f32> {
        let size = at_least_one(size);
        let columns = Taps::pil(self.width(), size[0]);
        let rows = Taps::pil(self.height(), size[1]);
        down(&across(self, &columns), &rows)
    }
}

impl Plane<u8> {
    /// PIL's bilinear resize of an 8-bit image: as for floats, columns first, and rounded to
    /// 8 bits after each of the two passes. A side of 0 counts as 1.
    pub fn resize_bilinear(&self, size: [usize; 2]) -> Plane<u8> {
        let size = at_least_one(size);
        let columns = Taps::pil(self.width(), size[0]);
        let rows = Taps::pil(self.height(), size[1]);
        let half = rounded(across(&self.map(f32::from), &columns));
        rounded(down(&half, &rows)).map(|v| v as u8)
    }

    /// MATLAB's `imresize(a, [rows cols])` of an 8-bit image: cubic kernel with a = −0.5,
    /// stretched when shrinking, mirrored borders, the side that shrinks most first, rounded to
    /// 8 bits after each pass. A side of 0 counts as 1.
    pub fn resize_bicubic_matlab(&self, size: [usize; 2]) -> Plane<u8> {
        let size = at_least_one(size);
        let columns = Taps::matlab(self.width(), size[0]);
        let rows = Taps::matlab(self.height(), size[1]);
        let source = self.map(f32::from);
        // Equal scales take the rows first, as MATLAB's stable sort does.
        let rows_first = size[1] * self.width() <= size[0] * self.height();
        let resized = if rows_first {
            across(&rounded(down(&source, &rows)), &columns)
        } else {
            down(&rounded(across(&source, &columns)), &rows)
        };
        rounded(resized).map(|v| v as u8)
    }
}

fn at_least_one(size: [usize; 2]) -> [usize; 2] {
    size.map(|side| side.max(1))
}

/// Rounds half up and clamps to 0..=255, in place.
fn rounded(mut plane: Plane<f32>) -> Plane<f32> {
    for v in &mut plane.data {
        *v = (*v + 0.5).floor().clamp(0.0, 255.0);
    }
    plane
}

/// For every target index the source indices that it mixes, and their weights (sum 1).
struct Taps {
    /// Target `i` owns `taps[starts[i]..starts[i + 1]]`.
    starts: Vec<usize>,
    taps: Vec<(usize, f32)>,
}

impl Taps {
    /// PIL's filter: taps outside the image are dropped and the rest renormalised.
    fn pil(from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        let stretch = scale.max(1.0);
        Self::build(to, |i| {
            let centre = (i as f64 + 0.5) * scale;
            let first = (centre - stretch + 0.5).max(0.0) as usize;
            let end = ((centre + stretch + 0.5) as usize).min(from);
            (first..end)
                .map(|x| (x, triangle((x as f64 + 0.5 - centre) / stretch)))
                .collect()
        })
    }

    /// MATLAB's filter: taps outside the image fall on its mirror image.
    fn matlab(from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        let stretch = scale.max(1.0);
        let width = 4.0 * stretch;
        let count = width.ceil() as i64 + 2;
        let period = 2 * from as i64;
        Self::build(to, |i| {
            let centre = (i as f64 + 0.5) * scale - 0.5;
            let first = (centre - width / 2.0).floor() as i64;
            (first..first + count)
                .map(|x| {
                    let wrapped = x.rem_euclid(period);
                    let index = wrapped.min(period - 1 - wrapped) as usize;
                    (index, cubic((centre - x as f64) / stretch))
                })
                .collect()
        })
    }

    fn build(to: usize, mut taps_of: impl FnMut(usize) -> Vec<(usize, f64)>) -> Self {
        let mut all = Self {
            starts: vec![0],
            taps: Vec::new(),
        };
        for i in 0..to {
            let taps = taps_of(i);
            let sum: f64 = taps.iter().map(|&(_, w)| w).sum();
            let kept = taps.iter().filter(|&&(_, w)| w != 0.0);
            all.taps.extend(kept.map(|&(x, w)| (x, (w / sum) as f32)));
            all.starts.push(all.taps.len());
        }
        all
    }

    fn iter(&self) -> impl Iterator<Item = &[(usize, f32)]> {
        self.starts.windows(2).map(|w| &self.taps[w[0]..w[1]])
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }
}

fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

/// Keys' cubic convolution kernel with a = −0.5.
fn cubic(x: f64) -> f64 {
    let x = x.abs();
    if x <= 1.0 {
        (1.5 * x - 2.5) * x * x + 1.0
    } else if x <= 2.0 {
        ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    } else {
        0.0
    }
}

/// Resizes every row.
fn across(plane: &Plane<f32>, taps: &Taps) -> Plane<f32> {
    let mut data = Vec::with_capacity(taps.len() * plane.height());
    for row in plane.data.chunks_exact(plane.width()) {
        data.extend(
            taps.iter()
                .map(|taps| taps.iter().map(|&(x, w)| row[x] * w).sum::<f32>()),
        );
    }
    Plane {
        data,
        size: [taps.len(), plane.height()],
    }
}

/// Resizes every column, a whole row at a time.
fn down(plane: &Plane<f32>, taps: &Taps) -> Plane<f32> {
    let width = plane.width();
    let mut data = vec![0.0; width * taps.len()];
    for (target, taps) in data.chunks_exact_mut(width).zip(taps.iter()) {
        for &(y, w) in taps {
            let source = &plane.data[y * width..(y + 1) * width];
            for (t, s) in target.iter_mut().zip(source) {
                *t += s * w;
            }
        }
    }
    Plane {
        data,
        size: [width, taps.len()],
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn plane<T: Copy>(data: &[T], width: usize) -> Plane<T> {
        Plane::new(data.to_vec(), [width, data.len() / width]).unwrap()
    }

    #[test]
    fn refuses_wrong_lengths_and_empty_planes() {
        assert!(Plane::new(vec![0u8; 5], [2, 3]).is_err());
        assert!(Plane::<u8>::new(vec![], [0, 3]).is_err());
        assert!(Plane::new(vec![0u8; 4], [usize::MAX, 2]).is_err());
    }

    #[test]
    fn halving_weighs_four_pixels() {
        // Stretched triangle at scale 2: weights 1/8, 3/8, 3/8, 1/8 inside; at the border the
        // outer tap is dropped and 3/7, 3/7, 1/7 remain.
        let row = plane(&[7.0f32, 14.0, 21.0, 70.0], 4);
        let half = row.resize_bilinear([2, 1]);
        let left = (7.0 * 3.0 + 14.0 * 3.0 + 21.0) / 7.0;
        let right = (14.0 + 21.0 * 3.0 + 70.0 * 3.0) / 7.0;
        assert!((half.data()[0] - left).abs() < 1e-5);
        assert!((half.data()[1] - right).abs() < 1e-5);
        let long = plane(&[0.0f32, 0.0, 8.0, 16.0, 24.0, 64.0, 0.0, 0.0], 8);
        let half = long.resize_bilinear([4, 1]);
        assert_eq!(half.data()[1], (3.0 * 8.0 + 3.0 * 16.0 + 24.0) / 8.0);
    }

    #[test]
    fn doubling_interpolates_with_half_pixel_centres() {
        let column = plane(&[0.0f32, 4.0], 1);
        assert_eq!(column.resize_bilinear([1, 4]).data(), [0.0, 1.0, 3.0, 4.0]);
    }

    /// Values of Pillow 13.0 (`Image.resize(.., BILINEAR)`), made with the arrays below.
    #[test]
    fn agrees_with_pillow() {
        let source = plane(&pattern(7, 5), 7);
        let small = source.resize_bilinear([4, 3]);
        assert_eq!(small.data(), PILLOW_4X3);
        let large = source.resize_bilinear([9, 8]);
        assert_eq!(large.data(), PILLOW_9X8);
        let mixed = source.resize_nearest([4, 8]);
        assert_eq!(mixed.data(), PILLOW_NEAREST_4X8);
    }

    /// Values of `imresize` re-derived in NumPy from its documentation; not run in MATLAB.
    #[test]
    fn agrees_with_imresize() {
        let source = plane(&pattern(7, 5), 7);
        assert_eq!(source.resize_bicubic_matlab([4, 3]).data(), MATLAB_4X3);
        assert_eq!(source.resize_bicubic_matlab([9, 8]).data(), MATLAB_9X8);
        assert_eq!(source.resize_bicubic_matlab([7, 5]), source);
    }

    #[test]
    fn constant_planes_stay_constant() {
        for size in [[1, 1], [3, 9], [40, 2]] {
            let flat = Plane::filled(93u8, [11, 6]);
            assert!(flat.resize_bilinear(size).data().iter().all(|&v| v == 93));
            assert!(
                flat.resize_bicubic_matlab(size)
                    .data()
                    .iter()
                    .all(|&v| v == 93)
            );
        }
    }

    /// (37·x² + 59·y + 11·x·y) mod 256.
    fn pattern(width: usize, height: usize) -> Vec<u8> {
        (0..height)
            .flat_map(|y| (0..width).map(move |x| ((37 * x * x + 59 * y + 11 * x * y) % 256) as u8))
            .collect()
    }

    const PILLOW_4X3: [u8; 12] = [51, 141, 116, 102, 143, 111, 88, 113, 179, 164, 174, 129];
    const PILLOW_9X8: [u8; 72] = [
        0, 25, 86, 132, 77, 79, 123, 122, 52, 26, 54, 119, 169, 117, 123, 109, 99, 107, 63, 95,
        159, 205, 159, 170, 90, 71, 169, 100, 136, 134, 97, 56, 73, 87, 91, 87, 136, 178, 145, 69,
        34, 56, 119, 138, 85, 173, 220, 192, 122, 91, 119, 187, 212, 163, 210, 165, 159, 174, 149,
        182, 175, 141, 97, 236, 119, 130, 210, 189, 226, 161, 81, 40,
    ];
    const PILLOW_NEAREST_4X8: [u8; 32] = [
        0, 148, 80, 52, 0, 148, 80, 52, 59, 229, 183, 177, 118, 54, 30, 46, 118, 54, 30, 46, 177,
        135, 133, 171, 236, 216, 236, 40, 236, 216, 236, 40,
    ];
    const MATLAB_4X3: [u8; 12] = [33, 142, 113, 98, 147, 107, 80, 119, 186, 163, 184, 113];
    const MATLAB_9X8: [u8; 72] = [
        0, 13, 85, 137, 70, 64, 135, 138, 36, 21, 41, 125, 188, 125, 132, 107, 95, 113, 61, 89,
        167, 221, 165, 188, 76, 51, 183, 97, 143, 138, 85, 46, 62, 79, 84, 76, 133, 198, 152, 42,
        15, 29, 125, 154, 70, 170, 236, 206, 114, 91, 112, 200, 230, 166, 218, 161, 159, 183, 155,
        192, 188, 146, 99, 250, 91, 110, 229, 196, 245, 163, 61, 27,
    ];
}
