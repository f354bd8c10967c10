//! Bilinear resizing and 2 × 2 max pooling, a plane a task.

use super::{Shared, parallel};
use crate::nn::resize::{Align, Sample, samples};

/// Resizes each of the `planes` planes of `x` from `[h, w]` to `size`.
pub fn resize(
    planes: usize,
    [h, w]: [usize; 2],
    x: &[f32],
    size: [usize; 2],
    align: Align,
) -> Vec<f32> {
    let [rows, columns] = [samples(h, size[0], align), samples(w, size[1], align)];
    let plane = size[0] * size[1];
    let mut out = vec![0.0; planes * plane];
    let shared = Shared::new(&mut out);
    parallel(planes, |p| {
        // SAFETY: each task has its own plane.
        let to = unsafe { shared.part(p * plane, plane) };
        resize_plane(&x[p * h * w..][..h * w], w, &rows, &columns, to);
    });
    out
}

fn resize_plane(x: &[f32], w: usize, rows: &[Sample], columns: &[Sample], to: &mut [f32]) {
    let stretch = |row: usize, to: &mut [f32]| {
        let from = &x[row * w..][..w];
        for (to, s) in to.iter_mut().zip(columns) {
            *to = from[s.low] + s.part * (from[s.high] - from[s.low]);
        }
    };
    // The two stretched rows that the last output row lay between.
    let mut kept = [vec![0.0; columns.len()], vec![0.0; columns.len()]];
    let mut holds = [usize::MAX; 2];
    for (to, s) in to.chunks_exact_mut(columns.len()).zip(rows) {
        if holds[1] == s.low {
            kept.swap(0, 1);
            holds.swap(0, 1);
        }
        for (i, row) in [s.low, s.high].into_iter().enumerate() {
            if holds[i] != row {
                stretch(row, &mut kept[i]);
                holds[i] = row;
            }
        }
        for ((to, low), high) in to.iter_mut().zip(&kept[0]).zip(&kept[1]) {
            *to = low + s.part * (high - low);
        }
    }
}

/// The largest value of each 2 × 2 block of each plane `[h, w]`; a last odd row or column is left
/// out.
pub fn halve(planes: usize, [h, w]: [usize; 2], x: &[f32]) -> Vec<f32> {
    let half = w / 2;
    let plane = (h / 2) * half;
    let mut out = vec![0.0; planes * plane];
    let shared = Shared::new(&mut out);
    parallel(planes, |p| {
        // SAFETY: each task has its own plane.
        let to = unsafe { shared.part(p * plane, plane) };
        let from = &x[p * h * w..][..h * w];
        for (y, to) in to.chunks_exact_mut(half.max(1)).enumerate() {
            let (upper, lower) = from[2 * y * w..][..2 * w].split_at(w);
            let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2));
            for (to, (a, b)) in to.iter_mut().zip(pairs) {
                *to = a[0].max(a[1]).max(b[0].max(b[1]));
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::resize::weights;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    #[test]
    fn resizing_is_the_product_with_both_weight_matrices() {
        let mut rng = StdRng::seed_from_u64(5);
        for _ in 0..60 {
            let [h, w, oh, ow] = std::array::from_fn(|_| rng.random_range(1..20usize));
            let x: Vec<f32> = (0..3 * h * w).map(|_| rng.random()).collect();
            for align in [Align::Corners, Align::Centers] {
                let [rows, columns] = [weights(h, oh, align), weights(w, ow, align)];
                let found = resize(3, [h, w], &x, [oh, ow], align);
                for (at, found) in found.iter().enumerate() {
                    let [p, y, x0] = [at / (oh * ow), at / ow % oh, at % ow];
                    let cell =
                        |i: usize| rows[y * h + i / w] * columns[x0 * w + i % w] * x[p * h * w + i];
                    let expected: f32 = (0..h * w).map(cell).sum();
                    assert!(
                        (found - expected).abs() < 1e-5,
                        "{h}×{w} → {oh}×{ow}, {align:?}, [{at}]: {found}, expected {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn halving_takes_the_largest_of_each_block() {
        let x: Vec<f32> = (0..2 * 5 * 7).map(|i| ((i * 37) % 71) as f32).collect();
        let found = halve(2, [5, 7], &x);
        assert_eq!(found.len(), 2 * 2 * 3);
        for (at, found) in found.iter().enumerate() {
            let [p, y, x0] = [at / 6, at / 3 % 2, at % 3];
            let at = |dy: usize, dx: usize| x[p * 35 + (2 * y + dy) * 7 + 2 * x0 + dx];
            let block = [at(0, 0), at(0, 1), at(1, 0), at(1, 1)];
            assert_eq!(*found, block.into_iter().fold(f32::MIN, f32::max));
        }
    }
}
