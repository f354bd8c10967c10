//! The eight ways in which a slice can lie on its file's grid.

use crate::plane::Plane;

/// A flip or quarter turn of a plane: transposed first, if at all, then mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Orientation {
    transpose: bool,
    mirror_x: bool,
    mirror_y: bool,
}

impl Orientation {
    /// The plane as it is.
    pub const IDENTITY: Self = Self::new(false, false, false);

    /// Rows become columns: NumPy's `a.T`, which brings COVID-SemiSeg's labelled slices into the
    /// radiological view.
    pub const TRANSPOSED: Self = Self::new(true, false, false);

    /// A quarter turn counter-clockwise: NumPy's `rot90(a, 1)`, which does so for its
    /// Coronacases slices.
    pub const COUNTER_CLOCKWISE: Self = Self::new(true, false, true);

    /// All eight, the identity first.
    pub const ALL: [Self; 8] = [
        Self::IDENTITY,
        Self::new(false, true, false),
        Self::new(false, false, true),
        Self::new(false, true, true),
        Self::TRANSPOSED,
        Self::new(true, true, false),
        Self::COUNTER_CLOCKWISE,
        Self::new(true, true, true),
    ];

    const fn new(transpose: bool, mirror_x: bool, mirror_y: bool) -> Self {
        Self {
            transpose,
            mirror_x,
            mirror_y,
        }
    }

    /// The orientation that undoes this one.
    pub fn inverse(self) -> Self {
        if self.transpose {
            // Mirrored and then transposed is transposed and then mirrored along the other axis.
            Self::new(true, self.mirror_y, self.mirror_x)
        } else {
            self
        }
    }

    /// The plane in this orientation; transposing exchanges its sides.
    pub fn apply<T: Copy>(self, plane: &Plane<T>) -> Plane<T> {
        let [width, height] = if self.transpose {
            [plane.height(), plane.width()]
        } else {
            plane.size()
        };
        let source = plane.data();
        Plane::from_fn([width, height], |x, y| {
            let x = if self.mirror_x { width - 1 - x } else { x };
            let y = if self.mirror_y { height - 1 - y } else { y };
            if self.transpose {
                source[x * plane.width() + y]
            } else {
                source[y * plane.width() + x]
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// 0 1 2
    /// 3 4 5
    fn plane() -> Plane<f32> {
        Plane::new((0..6).map(|v| v as f32).collect(), [3, 2]).unwrap()
    }

    #[test]
    fn agrees_with_numpy() {
        let transposed = Orientation::TRANSPOSED.apply(&plane());
        assert_eq!(transposed.size(), [2, 3]);
        assert_eq!(transposed.data(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let turned = Orientation::COUNTER_CLOCKWISE.apply(&plane());
        assert_eq!(turned.size(), [2, 3]);
        assert_eq!(turned.data(), [2.0, 5.0, 1.0, 4.0, 0.0, 3.0]);
    }

    #[test]
    fn every_inverse_undoes() {
        for orientation in Orientation::ALL {
            let there = orientation.apply(&plane());
            assert_eq!(
                orientation.inverse().apply(&there),
                plane(),
                "{orientation:?}"
            );
        }
    }

    #[test]
    fn all_eight_differ_and_the_first_does_nothing() {
        let square = Plane::from_fn([3, 3], |x, y| x + 3 * y);
        let images = Orientation::ALL.map(|o| o.apply(&square));
        assert_eq!(images[0], square);
        for (i, a) in images.iter().enumerate() {
            assert!(images[..i].iter().all(|b| a != b));
        }
    }
}
