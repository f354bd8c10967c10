//! Euclidean distance transform.

use super::planes::{Plane, for_each_plane};
use super::{Dims, check};

/// Exact Euclidean distance in mm from each voxel's centre to the nearest set voxel's centre;
/// infinite everywhere if nothing is set.
///
/// Separable lower envelope of parabolas (Felzenszwalb and Huttenlocher 2012).
pub fn distance_mm(mask: &[u8], dims: Dims, spacing: [f64; 3]) -> Vec<f32> {
    check(mask.len(), dims);
    let mut out = squared_distance_along_x(mask, dims, spacing[0]);
    for axis in [1, 2] {
        if dims[axis] > 1 {
            let mut envelope = Envelope::new(dims[axis], spacing[axis]);
            for_each_plane(&mut out, dims, axis, |plane, n, width| {
                envelope_plane(plane, n, width, &mut envelope);
            });
        }
    }
    for v in &mut out {
        *v = v.sqrt();
    }
    out
}

/// Squared distance to the nearest set voxel of the same row.
fn squared_distance_along_x(mask: &[u8], dims: Dims, spacing: f64) -> Vec<f32> {
    let mut out = vec![f32::INFINITY; mask.len()];
    let nx = dims[0].max(1);
    let step = spacing as f32;
    for (row, target) in mask.chunks_exact(nx).zip(out.chunks_exact_mut(nx)) {
        let mut steps = f32::INFINITY;
        for (&v, out) in row.iter().zip(target.iter_mut()) {
            steps = if v != 0 { 0.0 } else { steps + 1.0 };
            *out = steps;
        }
        steps = f32::INFINITY;
        for (&v, out) in row.iter().zip(target.iter_mut()).rev() {
            steps = if v != 0 { 0.0 } else { steps + 1.0 };
            let mm = out.min(steps) * step;
            *out = mm * mm;
        }
    }
    out
}

/// One parabola `height + (x - apex)^2` of the lower envelope, in voxels, lowest from `start` on.
#[derive(Clone, Copy)]
struct Parabola {
    start: f64,
    apex: f64,
    height: f64,
}

/// Scratch of the lower envelope of one column.
struct Envelope {
    spacing2: f64,
    parabolas: Vec<Parabola>,
}

impl Envelope {
    fn new(n: usize, spacing: f64) -> Self {
        Envelope {
            spacing2: spacing * spacing,
            parabolas: Vec::with_capacity(n),
        }
    }

    /// Replaces a column of squared distances by their lower envelope.
    fn apply(&mut self, column: &mut [f32]) {
        self.parabolas.clear();
        let per_mm2 = 1.0 / self.spacing2;
        for (q, &f) in column.iter().enumerate() {
            if f.is_finite() {
                self.push(q as f64, f64::from(f) * per_mm2);
            }
        }
        let mut x = 0;
        for (v, parabola) in self.parabolas.iter().enumerate() {
            // The first voxel at which the next parabola is lower.
            let stop = match self.parabolas.get(v + 1) {
                Some(next) if next.start < column.len() as f64 => {
                    next.start.max(0.0).ceil() as usize
                }
                _ => column.len(),
            };
            while x < stop {
                let delta = x as f64 - parabola.apex;
                column[x] = ((delta * delta + parabola.height) * self.spacing2) as f32;
                x += 1;
            }
        }
    }

    /// Adds the parabola at `apex`, dropping those that it hides.
    fn push(&mut self, apex: f64, height: f64) {
        let mut start = f64::NEG_INFINITY;
        let level = height + apex * apex;
        while let Some(last) = self.parabolas.last() {
            let rise = level - last.height - last.apex * last.apex;
            let run = 2.0 * (apex - last.apex);
            // The two meet at rise / run; compared without the division.
            if rise > last.start * run {
                start = rise / run;
                break;
            }
            self.parabolas.pop();
        }
        self.parabolas.push(Parabola {
            start,
            apex,
            height,
        });
    }
}

/// Lower envelope down every column of a plane, gathering a cache line of columns at a time.
fn envelope_plane(plane: &mut Plane<f32>, n: usize, width: usize, envelope: &mut Envelope) {
    const COLUMNS: usize = 16;
    let mut columns = vec![0f32; n * COLUMNS];
    for x in (0..width).step_by(COLUMNS) {
        let count = COLUMNS.min(width - x);
        for (t, row) in plane.rows.iter().enumerate() {
            for (c, &value) in row[x..x + count].iter().enumerate() {
                columns[c * n + t] = value;
            }
        }
        for column in columns.chunks_exact_mut(n).take(count) {
            // A column inside the mask is all zeros already.
            if column.iter().any(|&v| v > 0.0) {
                envelope.apply(column);
            }
        }
        for (t, row) in plane.rows.iter_mut().enumerate() {
            for (c, value) in row[x..x + count].iter_mut().enumerate() {
                *value = columns[c * n + t];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::grid::testing::{GRIDS, brute_distance, random_mask, voxels};

    #[test]
    fn distance_matches_brute_force() {
        for (seed, dims) in (60..).zip(GRIDS) {
            for (percent, spacing) in [(2, [0.7, 0.8, 2.5]), (30, [1.0, 1.0, 1.0])] {
                let mask = random_mask(dims, percent, seed);
                let found = distance_mm(&mask, dims, spacing);
                for (p, found) in voxels(dims).into_iter().zip(found) {
                    let expected = brute_distance(&mask, dims, spacing, p, 1);
                    let same = f64::from(found) == expected;
                    assert!(
                        same || (f64::from(found) - expected).abs() < 1e-4,
                        "{dims:?} {p:?}"
                    );
                }
            }
        }
    }
}
