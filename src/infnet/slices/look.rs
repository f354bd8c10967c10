//! The ways in which Inf-Net sees one slice before its opinions are averaged.

use super::{Orientation, network_input};
use crate::plane::Plane;

/// An orientation, and the side of the square in which the network sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// How the slice lies.
    pub orientation: Orientation,
    /// Side of the square, a multiple of 32.
    pub side: usize,
}

impl Look {
    /// The first `count` looks, 1 to 8, of a network of this side, each in another orientation.
    ///
    /// Every second one is smaller: of 352 it is 256, the sides of training, and in a smaller
    /// square the network sees more around each pixel. The two together are better than either
    /// (`models/RUNS.md`).
    pub fn first(count: usize, side: usize) -> Vec<Self> {
        let smaller = (side * 8 / 11 / 32 * 32).clamp(32.min(side), side);
        let count = count.clamp(1, Orientation::ALL.len());
        let sides = [side, smaller].into_iter().cycle();
        let looks = Orientation::ALL.into_iter().zip(sides).take(count);
        looks
            .map(|(orientation, side)| Look { orientation, side })
            .collect()
    }

    /// The network's input: `[3, side, side]`.
    pub fn input(&self, slice: &Plane<u8>) -> Vec<f32> {
        network_input(&self.orientation.apply(slice), self.side)
    }

    /// What the network said, row-major, as the slice lies and at the side `to`.
    ///
    /// # Panics
    /// If there are fewer values than the square has pixels.
    pub fn back(&self, values: &[f32], to: usize) -> Plane<f32> {
        let square = Plane::from_fn([self.side; 2], |x, y| values[y * self.side + x]);
        let back = self.orientation.inverse().apply(&square);
        match self.side == to {
            true => back,
            false => back.resize_bilinear([to; 2]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infnet::slices::{DEVIATION, MEAN};

    #[test]
    fn every_second_look_is_smaller() {
        let sides = |count, side| -> Vec<usize> {
            let looks = Look::first(count, side);
            looks.iter().map(|look| look.side).collect()
        };
        assert_eq!(sides(3, 352), [352, 256, 352]);
        assert_eq!(sides(2, 64), [64, 32]);
        assert_eq!(sides(2, 32), [32, 32]);
        assert_eq!(sides(0, 352), [352]);
        assert_eq!(sides(9, 352).len(), 8);
    }

    /// What goes in comes back in its place, whatever the look.
    #[test]
    fn a_look_comes_back_as_the_slice_lies() {
        let slice = Plane::from_fn([96, 80], |x, y| (x + 2 * (y / 2)) as u8);
        for look in Look::first(8, 64) {
            let input = look.input(&slice);
            let red = &input[..look.side * look.side];
            let grey: Vec<f32> = red
                .iter()
                .map(|v| (v * DEVIATION[0] + MEAN[0]) * 255.0)
                .collect();
            let back = look.back(&grey, 64);
            let straight = slice.resize_bilinear([64; 2]).map(f32::from);
            // Borders are renormalised otherwise in the smaller square.
            for y in 4..60 {
                for x in 4..60 {
                    let [found, expected] =
                        [back.data(), straight.data()].map(|data| data[y * 64 + x]);
                    assert!(
                        (found - expected).abs() < 2.5,
                        "{look:?} at {x}, {y}: {found}, not {expected}"
                    );
                }
            }
        }
    }
}
