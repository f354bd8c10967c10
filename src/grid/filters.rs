//! Smoothing: box mean and Gaussian.

use super::planes::{Plane, for_each_plane};
use super::{Dims, check};

/// Mean over a box, zero outside the grid and always divided by the full kernel volume.
///
/// The window of voxel `i` is `i - (n - 1) / 2 ..= i + n / 2`, centred for odd `n`; an extent of 0
/// counts as 1. Cost does not depend on the kernel.
pub fn box_mean(data: &[f32], dims: Dims, kernel: Dims) -> Vec<f32> {
    check(data.len(), dims);
    let mut out = data.to_vec();
    for (axis, &extent) in kernel.iter().enumerate() {
        if extent > 1 {
            let (before, after) = ((extent - 1) / 2, extent / 2);
            let scale = 1.0 / extent as f64;
            for_each_plane(&mut out, dims, axis, |plane, n, width| {
                box_mean_plane(plane, n, width, before, after, scale);
            });
        }
    }
    out
}

/// Running mean down the `n` rows of a plane, all `width` columns at once.
fn box_mean_plane(
    plane: &mut Plane<f32>,
    n: usize,
    width: usize,
    before: usize,
    after: usize,
    scale: f64,
) {
    // f64, or the running sum drifts by one rounding error a step.
    let mut sums = vec![0f64; width];
    for t in 0..after.min(n) {
        for (sum, &v) in sums.iter_mut().zip(plane.source(t)) {
            *sum += f64::from(v);
        }
    }
    for t in 0..n {
        if t + after < n {
            for (sum, &v) in sums.iter_mut().zip(plane.source(t + after)) {
                *sum += f64::from(v);
            }
        }
        for (out, sum) in plane.target(t).iter_mut().zip(&sums) {
            *out = (sum * scale) as f32;
        }
        if t >= before {
            for (sum, &v) in sums.iter_mut().zip(plane.source(t - before)) {
                *sum -= f64::from(v);
            }
        }
    }
}

/// Gaussian blur in place: separable, cut off at 4 sigma, borders mirrored about the voxel edge
/// (`b a | a b`). `sigma` is in voxels; an axis with sigma 0 is left alone.
pub fn gaussian(data: &mut [f32], dims: Dims, sigma: [f32; 3]) {
    check(data.len(), dims);
    for (axis, &s) in sigma.iter().enumerate() {
        if s > 0.0 && dims[axis] > 1 {
            let kernel = gaussian_kernel(s);
            for_each_plane(data, dims, axis, |plane, n, _| {
                convolve_plane(plane, n, &kernel);
            });
        }
    }
}

/// One half of a normalised Gaussian: the centre weight first.
fn gaussian_kernel(sigma: f32) -> Vec<f32> {
    const TRUNCATE: f64 = 4.0;
    let sigma = f64::from(sigma);
    let radius = (TRUNCATE * sigma + 0.5) as usize;
    let half: Vec<f64> = (0..=radius)
        .map(|t| (-0.5 * (t as f64 / sigma).powi(2)).exp())
        .collect();
    let total = half[0] + 2.0 * half[1..].iter().sum::<f64>();
    half.iter().map(|w| (w / total) as f32).collect()
}

/// Convolves the rows of a plane with a symmetric kernel.
fn convolve_plane(plane: &mut Plane<f32>, n: usize, kernel: &[f32]) {
    let mirror = |t: isize| -> usize {
        let period = 2 * n as isize;
        let t = t.rem_euclid(period);
        (if t < n as isize { t } else { period - 1 - t }) as usize
    };
    for t in 0..n {
        let (source, target) = plane.both(t);
        let width = target.len();
        let row = |r: isize| {
            let start = mirror(r) * width;
            &source[start..start + width]
        };
        let t = t as isize;
        for (out, &v) in target.iter_mut().zip(row(t)) {
            *out = kernel[0] * v;
        }
        for (offset, &weight) in (1isize..).zip(&kernel[1..]) {
            for ((out, &a), &b) in target.iter_mut().zip(row(t - offset)).zip(row(t + offset)) {
                *out += weight * (a + b);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::grid::testing::{GRIDS, at, random_values, voxels};

    #[test]
    fn box_mean_matches_brute_force() {
        for (seed, dims) in (30..).zip(GRIDS) {
            let data = random_values(dims, seed);
            for kernel in [[3, 3, 3], [7, 5, 1], [1, 1, 9], [2, 4, 3], [0, 1, 1]] {
                let found = box_mean(&data, dims, kernel);
                let window = |axis: usize| {
                    let n = kernel[axis].max(1) as isize;
                    -((n - 1) / 2)..=n / 2
                };
                let volume: usize = kernel.iter().map(|&n| n.max(1)).product();
                for (p, found) in voxels(dims).into_iter().zip(found) {
                    let mut sum = 0.0;
                    for dk in window(2) {
                        for dj in window(1) {
                            for di in window(0) {
                                let q = [p[0] + di, p[1] + dj, p[2] + dk];
                                sum += at(&data, dims, q).unwrap_or(0.0);
                            }
                        }
                    }
                    let expected = sum / volume as f32;
                    assert!((found - expected).abs() < 1e-5, "{dims:?} {kernel:?} {p:?}");
                }
            }
        }
    }

    #[test]
    fn gaussian_matches_direct_sum() {
        let dims = [6, 1, 4];
        let sigma = [1.2f32, 2.0, 0.7];
        let data = random_values(dims, 40);
        let mut found = data.clone();
        gaussian(&mut found, dims, sigma);
        let mirror = |mut t: isize, n: usize| {
            let n = n as isize;
            while !(0..n).contains(&t) {
                t = if t < 0 { -1 - t } else { 2 * n - 1 - t };
            }
            t
        };
        let weight = |axis: usize, t: isize| (-0.5 * (t as f32 / sigma[axis]).powi(2)).exp();
        let reach = |axis: usize| (4.0 * sigma[axis] + 0.5) as isize;
        for (p, found) in voxels(dims).into_iter().zip(found) {
            let (mut sum, mut total) = (0.0, 0.0);
            for dk in -reach(2)..=reach(2) {
                for di in -reach(0)..=reach(0) {
                    let w = weight(0, di) * weight(2, dk);
                    let q = [mirror(p[0] + di, dims[0]), 0, mirror(p[2] + dk, dims[2])];
                    sum += w * at(&data, dims, q).unwrap();
                    total += w;
                }
            }
            assert!((found - sum / total).abs() < 1e-5, "{p:?}");
        }
    }

    #[test]
    fn gaussian_keeps_constants_and_skips_zero_sigma() {
        let dims = [9, 8, 7];
        let mut constant = vec![3.0f32; 504];
        gaussian(&mut constant, dims, [2.0, 0.5, 4.0]);
        assert!(constant.iter().all(|v| (v - 3.0).abs() < 1e-5));
        let data = random_values(dims, 41);
        let mut same = data.clone();
        gaussian(&mut same, dims, [0.0; 3]);
        assert_eq!(same, data);
    }
}
