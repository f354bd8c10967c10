//! Walking a volume plane by plane, so that a filter along any axis is the same loop.

use super::Dims;

/// `n` rows across one axis of a volume: a copy to read and the rows themselves to write.
pub(super) struct Plane<'a, T> {
    pub(super) source: &'a [T],
    pub(super) rows: Vec<&'a mut [T]>,
}

impl<T> Plane<'_, T> {
    pub(super) fn source(&self, t: usize) -> &[T] {
        let width = self.rows[t].len();
        &self.source[t * width..(t + 1) * width]
    }

    pub(super) fn target(&mut self, t: usize) -> &mut [T] {
        self.rows[t]
    }

    pub(super) fn both(&mut self, t: usize) -> (&[T], &mut [T]) {
        (self.source, self.rows[t])
    }
}

/// Calls `work(plane, n, width)` for planes whose rows follow each other along `axis`.
///
/// Along y a plane is a slice; along z it is the rows of one y. Along x, where neighbours are
/// adjacent in memory, a slice is transposed so that the work is the same.
pub(super) fn for_each_plane<T: Copy + Default>(
    data: &mut [T],
    dims: Dims,
    axis: usize,
    mut work: impl FnMut(&mut Plane<T>, usize, usize),
) {
    let [nx, ny, nz] = dims;
    if data.is_empty() {
        return;
    }
    match axis {
        0 => {
            let mut turned = vec![T::default(); nx * ny];
            let mut scratch = turned.clone();
            for slice in data.chunks_exact_mut(nx * ny) {
                transpose(slice, &mut scratch, nx, ny);
                turned.copy_from_slice(&scratch);
                let rows = turned.chunks_exact_mut(ny).collect();
                work(
                    &mut Plane {
                        source: &scratch,
                        rows,
                    },
                    nx,
                    ny,
                );
                transpose(&turned, slice, ny, nx);
            }
        }
        1 => {
            let mut scratch = vec![T::default(); nx * ny];
            for slice in data.chunks_exact_mut(nx * ny) {
                scratch.copy_from_slice(slice);
                let rows = slice.chunks_exact_mut(nx).collect();
                work(
                    &mut Plane {
                        source: &scratch,
                        rows,
                    },
                    ny,
                    nx,
                );
            }
        }
        _ => {
            let mut scratch = vec![T::default(); nx * nz];
            for j in 0..ny {
                let rows: Vec<&mut [T]> = data
                    .chunks_exact_mut(nx * ny)
                    .map(|slice| &mut slice[j * nx..(j + 1) * nx])
                    .collect();
                for (copy, row) in scratch.chunks_exact_mut(nx).zip(&rows) {
                    copy.copy_from_slice(row);
                }
                work(
                    &mut Plane {
                        source: &scratch,
                        rows,
                    },
                    nz,
                    nx,
                );
            }
        }
    }
}

/// Writes the transpose of a `rows` x `width` matrix, tile by tile.
fn transpose<T: Copy>(from: &[T], to: &mut [T], width: usize, rows: usize) {
    const TILE: usize = 16;
    for r0 in (0..rows).step_by(TILE) {
        for c0 in (0..width).step_by(TILE) {
            for r in r0..(r0 + TILE).min(rows) {
                for c in c0..(c0 + TILE).min(width) {
                    to[c * rows + r] = from[r * width + c];
                }
            }
        }
    }
}
