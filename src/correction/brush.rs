//! A round brush: which voxels of an axial slice it passes over.

use serde::Deserialize;

use crate::volume::{Affine, Volume};
use crate::weights::Network;

/// One movement of the brush, from where it came down to where it was lifted.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Stroke {
    /// Whose mask is painted.
    pub network: Network,
    /// Takes away instead of adding.
    pub erase: bool,
    /// Diameter in mm.
    pub diameter_mm: f64,
    /// The way of its middle in RAS mm. All of it counts for the axial slice of the first point.
    pub points_mm: Vec<[f64; 3]>,
}

/// The axial plane in mm: voxel (i, j) is at (i · `width` + j · `shear`, j · `height`), whatever the
/// slice's tilt in space.
struct Plane {
    width: f64,
    shear: f64,
    height: f64,
}

impl Plane {
    fn of(affine: &Affine) -> Self {
        let column = |c: usize| affine.0.map(|row| row[c]);
        let dot = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let (a, b) = (column(0), column(1));
        let width = dot(a, a).sqrt();
        let shear = dot(a, b) / width;
        Self {
            width,
            shear,
            height: (dot(b, b) - shear * shear).max(0.0).sqrt(),
        }
    }

    fn place(&self, i: f64, j: f64) -> [f64; 2] {
        [i * self.width + j * self.shear, j * self.height]
    }

    /// The voxels of a row that may be within `reach` of a stretch.
    fn columns(&self, j: usize, [a, b]: [[f64; 2]; 2], reach: f64) -> [f64; 2] {
        let shift = j as f64 * self.shear;
        let of = |u: f64| (u - shift) / self.width;
        [of(a[0].min(b[0]) - reach), of(a[0].max(b[0]) + reach)]
    }

    /// The rows that may be within `reach` of a stretch.
    fn rows(&self, [a, b]: [[f64; 2]; 2], reach: f64) -> [f64; 2] {
        let of = |v: f64| v / self.height;
        [of(a[1].min(b[1]) - reach), of(a[1].max(b[1]) + reach)]
    }
}

/// The voxels whose centres the brush passes over, and those under its middle, which a small brush
/// would miss; in ascending order. `None` for a stroke without extent or place.
pub(super) fn covered(stroke: &Stroke, of: &Volume<i16>) -> Option<Vec<usize>> {
    let radius = stroke.diameter_mm / 2.0;
    let sound = radius > 0.0 && radius.is_finite();
    let finite = stroke.points_mm.iter().flatten().all(|mm| mm.is_finite());
    let to_voxel = of.affine.inverse().filter(|_| sound && finite)?;
    let way: Vec<[f64; 3]> = stroke
        .points_mm
        .iter()
        .map(|&mm| to_voxel.apply(mm))
        .collect();
    let slice = way.first()?[2].round();
    let [nx, ny, nz] = of.dims;
    if slice < 0.0 || slice >= nz as f64 {
        return Some(Vec::new());
    }
    let k = slice as usize;
    let plane = Plane::of(&of.affine);
    let places: Vec<[f64; 2]> = way.iter().map(|at| plane.place(at[0], at[1])).collect();

    // Stretches overlap: every voxel counts once.
    let mut hit = vec![false; nx * ny];
    // A single point is a stretch without length.
    for at in 0..places.len().saturating_sub(1).max(1) {
        let stretch = [places[at], places[(at + 1).min(places.len() - 1)]];
        for j in within(plane.rows(stretch, radius), ny) {
            for i in within(plane.columns(j, stretch, radius), nx) {
                hit[i + nx * j] |= distance(plane.place(i as f64, j as f64), stretch) <= radius;
            }
        }
    }
    for at in &way {
        let (i, j) = (at[0].round(), at[1].round());
        if (0.0..nx as f64).contains(&i) && (0.0..ny as f64).contains(&j) {
            hit[i as usize + nx * j as usize] = true;
        }
    }
    let first = of.index(0, 0, k);
    let hits = hit.iter().enumerate().filter(|&(_, &hit)| hit);
    Some(hits.map(|(at, _)| first + at).collect())
}

/// The whole numbers between the ends that are below `size`.
fn within([from, to]: [f64; 2], size: usize) -> std::ops::Range<usize> {
    // A float beyond the range of `usize` becomes its nearest end.
    let (from, to) = (from.ceil() as usize, (to.floor() + 1.0) as usize);
    from..to.min(size).max(from)
}

/// From a place to the nearest one of a stretch.
fn distance(place: [f64; 2], [a, b]: [[f64; 2]; 2]) -> f64 {
    let minus = |p: [f64; 2], q: [f64; 2]| [p[0] - q[0], p[1] - q[1]];
    let dot = |p: [f64; 2], q: [f64; 2]| p[0] * q[0] + p[1] * q[1];
    let (along, there) = (minus(b, a), minus(place, a));
    let length = dot(along, along);
    let part = if length > 0.0 {
        (dot(there, along) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let off = minus(there, [part * along[0], part * along[1]]);
    dot(off, off).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(affine: [[f64; 4]; 3]) -> Vec<usize> {
        let volume = Volume::filled(0i16, [9, 9, 3], Affine(affine));
        let stroke = Stroke {
            network: Network::Infnet,
            erase: false,
            diameter_mm: 4.2,
            points_mm: vec![volume.affine.apply([4.0, 4.0, 1.3])],
        };
        let middle = volume.index(4, 4, 1);
        let covered = covered(&stroke, &volume).into_iter().flatten();
        covered.map(|at| at + 100 - middle).collect()
    }

    #[test]
    fn a_brush_is_round_in_millimetres_however_the_slice_lies() {
        let tilted = [
            [2.0, 0.0, 0.0, -7.0],
            [0.0, 1.2, -2.4, 5.0],
            [0.0, 1.6, 1.8, 3.0],
        ];
        assert_eq!(hits(tilted), [91, 99, 100, 101, 109]);
        // Neighbours along j are 2.24 mm away, beyond the radius of 2.1 mm.
        let sheared = [
            [2.0, 1.0, 0.0, 0.0],
            [0.0, 2.0, 0.0, 0.0],
            [0.0, 0.0, 3.0, 0.0],
        ];
        assert_eq!(hits(sheared), [99, 100, 101]);
    }
}
