//! Resampling between grids: trilinear, nearest, and averaging for coarser targets.
//!
//! Two grids that share their axes (the usual case: both come from one scan) are resampled axis by
//! axis with weights computed once. Any other pair is sampled voxel by voxel. A target voxel whose
//! centre lies in the source's field of view (voxel edges, not centres) always gets a value: in the
//! outer half voxel that of the border.

use std::ops::Range;

use super::taps::{Coarse, Taps, linear, nearest};
use super::{Affine, Volume};

/// Drift in source voxels over the whole target up to which two grids count as axis aligned.
/// Well above what float32 affines of files lose, well below what an eye or a network can see.
const ALIGNED_DRIFT: f64 = 1e-3;
/// HU beyond the field of view where the caller has no say: air.
const AIR: f32 = -1024.0;

/// Trilinear values of `v` at the voxel centres of the target grid, `outside` beyond the field of
/// view. Any pair of affines will do.
pub fn resample_linear(
    v: &Volume<i16>,
    dims: [usize; 3],
    affine: &Affine,
    outside: i16,
) -> Volume<f32> {
    resample(v, dims, affine, f32::from(outside), Coarse::Sample)
}

/// [`resample_linear`] for float volumes.
pub fn resample_linear_f32(
    v: &Volume<f32>,
    dims: [usize; 3],
    affine: &Affine,
    outside: f32,
) -> Volume<f32> {
    resample(v, dims, affine, outside, Coarse::Sample)
}

/// Resamples HU to a grid that may be coarser: along an axis whose target step is longer than the
/// source's, the mean of the linearly interpolated source over the target voxel (its part inside
/// the field of view); along the others plain linear interpolation. Voxels whose centre lies
/// beyond the field of view are air, -1024 HU.
///
/// Averaging needs grids that share their axes; others are resampled trilinearly.
pub fn resample_mean(v: &Volume<i16>, dims: [usize; 3], affine: &Affine) -> Volume<f32> {
    resample(v, dims, affine, AIR, Coarse::Average)
}

/// The voxel of `v` nearest to each voxel centre of the target grid, `outside` beyond the field of
/// view. Any pair of affines will do; for masks and labels.
pub fn resample_nearest<T: Copy + Send + Sync>(
    v: &Volume<T>,
    dims: [usize; 3],
    affine: &Affine,
    outside: T,
) -> Volume<T> {
    let mut out = Volume::filled(outside, dims, *affine);
    let Some(map) = target_to_source(v, &out) else {
        return out;
    };
    let plane = dims[0] * dims[1];
    if let Some((scale, offset)) = aligned(&map, dims) {
        let [along_i, along_j, along_k] = [0, 1, 2].map(|a| -> Vec<Option<usize>> {
            (0..dims[a])
                .map(|n| nearest(offset[a] + scale[a] * n as f64, v.dims[a]))
                .collect()
        });
        for_each_slice(
            &mut out.data,
            plane,
            || (),
            |(), k, slice| {
                let Some(source_k) = along_k[k] else { return };
                for (row, source_j) in slice.chunks_exact_mut(dims[0]).zip(&along_j) {
                    let Some(source_j) = *source_j else { continue };
                    let start = v.index(0, source_j, source_k);
                    let source = &v.data[start..start + v.dims[0]];
                    for (value, source_i) in row.iter_mut().zip(&along_i) {
                        if let Some(source_i) = *source_i {
                            *value = source[source_i];
                        }
                    }
                }
            },
        );
    } else {
        for_each_slice(
            &mut out.data,
            plane,
            || (),
            |(), k, slice| {
                for (n, value) in slice.iter_mut().enumerate() {
                    let x = map.apply([(n % dims[0]) as f64, (n / dims[0]) as f64, k as f64]);
                    let at = |a: usize| nearest(x[a], v.dims[a]);
                    if let (Some(i), Some(j), Some(l)) = (at(0), at(1), at(2)) {
                        *value = v.data[v.index(i, j, l)];
                    }
                }
            },
        );
    }
    out
}

/// Means of `factor` consecutive slices, rounded to whole HU: a thick-slice scan from a thin one.
///
/// Each new voxel lies at the centre of its group. A last group of fewer slices is kept as the
/// mean of what there is (it lies nominally where a full group would). A `factor` of 0 or 1
/// changes nothing.
pub fn average_slices(v: &Volume<i16>, factor: usize) -> Volume<i16> {
    let factor = factor.max(1);
    let plane = v.dims[0] * v.dims[1];
    if factor == 1 || v.is_empty() {
        return v.clone();
    }
    let mut data = Vec::with_capacity(plane * v.dims[2].div_ceil(factor));
    let mut sums = vec![0_i64; plane];
    for group in v.data.chunks(plane.saturating_mul(factor)) {
        sums.fill(0);
        for slice in group.chunks_exact(plane) {
            for (sum, &hu) in sums.iter_mut().zip(slice) {
                *sum += i64::from(hu);
            }
        }
        let count = (group.len() / plane) as f64;
        data.extend(sums.iter().map(|&sum| (sum as f64 / count).round() as i16));
    }
    let step = factor as f64;
    let inner = Affine::scale_offset([1.0, 1.0, step], [0.0, 0.0, (step - 1.0) / 2.0]);
    Volume {
        data,
        dims: [v.dims[0], v.dims[1], v.dims[2].div_ceil(factor)],
        affine: v.affine.compose(&inner),
    }
}

/// The map from target voxels to source voxels; `None` if there is nothing to sample.
fn target_to_source<T, U>(source: &Volume<T>, target: &Volume<U>) -> Option<Affine> {
    if source.data.is_empty() || target.data.is_empty() {
        return None;
    }
    Some(source.affine.inverse()?.compose(&target.affine))
}

/// Scale and offset of each axis if the map keeps the axes apart over the whole target.
fn aligned(map: &Affine, dims: [usize; 3]) -> Option<([f64; 3], [f64; 3])> {
    for (r, row) in map.0.iter().enumerate() {
        let drift: f64 = (0..3)
            .filter(|&c| c != r)
            .map(|c| row[c].abs() * dims[c] as f64)
            .sum();
        if drift.is_nan() || drift >= ALIGNED_DRIFT {
            return None;
        }
    }
    let m = &map.0;
    Some(([m[0][0], m[1][1], m[2][2]], [m[0][3], m[1][3], m[2][3]]))
}

/// Resampling with a float result; `coarse` only matters for grids that share their axes.
fn resample<T: Copy + Into<f32> + Sync>(
    v: &Volume<T>,
    dims: [usize; 3],
    affine: &Affine,
    outside: f32,
    coarse: Coarse,
) -> Volume<f32> {
    let mut out = Volume::filled(outside, dims, *affine);
    let Some(map) = target_to_source(v, &out) else {
        return out;
    };
    let plane = dims[0] * dims[1];
    if let Some((scale, offset)) = aligned(&map, dims) {
        let taps = [0, 1, 2].map(|a| Taps::new(v.dims[a], dims[a], scale[a], offset[a], coarse));
        let used = [0, 1, 2].map(|a| taps[a].used());
        for_each_slice(
            &mut out.data,
            plane,
            || Scratch::new(&used),
            |scratch, k, slice| scratch.resample_slice(v, &taps, &used, k, slice),
        );
    } else {
        for_each_slice(
            &mut out.data,
            plane,
            || (),
            |(), k, slice| {
                for (n, value) in slice.iter_mut().enumerate() {
                    let x = map.apply([(n % dims[0]) as f64, (n / dims[0]) as f64, k as f64]);
                    if let Some(sample) = trilinear(v, x) {
                        *value = sample;
                    }
                }
            },
        );
    }
    out
}

/// One thread's working memory of the separable resampling.
struct Scratch {
    /// The used window of the source, already reduced along k.
    plane: Vec<f32>,
    /// A row of that window, already reduced along j.
    row: Vec<f32>,
}

impl Scratch {
    fn new(used: &[Range<usize>; 3]) -> Self {
        Self {
            plane: vec![0.0; used[0].len() * used[1].len()],
            row: vec![0.0; used[0].len()],
        }
    }

    /// Fills the target's slice `k`; voxels outside the field of view are left alone.
    fn resample_slice<T: Copy + Into<f32>>(
        &mut self,
        v: &Volume<T>,
        taps: &[Taps; 3],
        used: &[Range<usize>; 3],
        k: usize,
        slice: &mut [f32],
    ) {
        let (first, weights) = taps[2].at(k);
        let (row_len, width) = (taps[0].len(), used[0].len());
        if weights.is_empty() || width == 0 {
            return;
        }
        self.plane.fill(0.0);
        for (n, &weight) in weights.iter().enumerate() {
            for (j, row) in used[1].clone().zip(self.plane.chunks_exact_mut(width)) {
                let start = v.index(used[0].start, j, first + n);
                add_scaled(row, &v.data[start..start + width], weight);
            }
        }
        for (j, target) in slice.chunks_exact_mut(row_len).enumerate() {
            let (first, weights) = taps[1].at(j);
            if weights.is_empty() {
                continue;
            }
            self.row.fill(0.0);
            let start = (first - used[1].start) * width;
            let rows = self.plane[start..].chunks_exact(width);
            for (row, &weight) in rows.zip(weights) {
                add_scaled(&mut self.row, row, weight);
            }
            for (i, value) in target.iter_mut().enumerate() {
                let (first, weights) = taps[0].at(i);
                if weights.is_empty() {
                    continue;
                }
                let source = &self.row[first - used[0].start..];
                *value = source.iter().zip(weights).map(|(s, w)| s * w).sum();
            }
        }
    }
}

/// `sum += weight * values`.
fn add_scaled<T: Copy + Into<f32>>(sum: &mut [f32], values: &[T], weight: f32) {
    for (s, &value) in sum.iter_mut().zip(values) {
        *s += weight * value.into();
    }
}

/// Trilinear value at the source coordinates `x`, `None` outside the field of view.
fn trilinear<T: Copy + Into<f32>>(v: &Volume<T>, x: [f64; 3]) -> Option<f32> {
    let (i, wi) = linear(x[0], v.dims[0])?;
    let (j, wj) = linear(x[1], v.dims[1])?;
    let (k, wk) = linear(x[2], v.dims[2])?;
    let [i1, j1, k1] = [
        (i + 1).min(v.dims[0] - 1),
        (j + 1).min(v.dims[1] - 1),
        (k + 1).min(v.dims[2] - 1),
    ];
    let mix = |a: f32, b: f32, w: f64| a + (b - a) * w as f32;
    let along_i = |j: usize, k: usize| {
        let row = v.index(0, j, k);
        mix(v.data[row + i].into(), v.data[row + i1].into(), wi)
    };
    let along_j = |k: usize| mix(along_i(j, k), along_i(j1, k), wj);
    Some(mix(along_j(k), along_j(k1), wk))
}

/// Calls `work` with each slice of `plane` voxels and its number, on all threads where there are
/// any; `scratch` makes a thread's working memory.
fn for_each_slice<U: Send, S>(
    data: &mut [U],
    plane: usize,
    scratch: impl Fn() -> S + Send + Sync,
    work: impl Fn(&mut S, usize, &mut [U]) + Send + Sync,
) {
    #[cfg(not(target_arch = "wasm32"))]
    {
        use rayon::prelude::*;
        data.par_chunks_mut(plane)
            .enumerate()
            .for_each_init(scratch, |s, (k, slice)| work(s, k, slice));
    }
    #[cfg(target_arch = "wasm32")]
    {
        let mut s = scratch();
        for (k, slice) in data.chunks_mut(plane).enumerate() {
            work(&mut s, k, slice);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A linear function of the world position.
    fn field(p: [f64; 3]) -> f32 {
        (2.0 * p[0] - 3.0 * p[1] + 1.5 * p[2]) as f32
    }

    fn position(n: usize, dims: [usize; 3]) -> [f64; 3] {
        let (i, rest) = (n % dims[0], n / dims[0]);
        [i, rest % dims[1], rest / dims[1]].map(|x| x as f64)
    }

    fn field_volume(dims: [usize; 3], affine: Affine) -> Volume<f32> {
        let data = (0..dims.iter().product())
            .map(|n| field(affine.apply(position(n, dims))))
            .collect();
        Volume::new(data, dims, affine).unwrap()
    }

    /// Deterministic values without structure.
    fn noise(dims: [usize; 3], affine: Affine) -> Volume<i16> {
        let mut state = 1_u32;
        let data = (0..dims.iter().product::<usize>())
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 20) as i16 - 1024
            })
            .collect();
        Volume::new(data, dims, affine).unwrap()
    }

    fn rotated(degrees: f64, scale: [f64; 3], offset: [f64; 3]) -> Affine {
        let (s, c) = degrees.to_radians().sin_cos();
        let rotation = Affine([
            [c, -s, 0.0, offset[0]],
            [s, c, 0.0, offset[1]],
            [0.0, 0.0, 1.0, offset[2]],
        ]);
        rotation.compose(&Affine::scale_offset(scale, [0.0; 3]))
    }

    /// Number of target voxels between the source's voxel centres, all of which must hold the
    /// field's value; `margin` in source voxels.
    fn exact_inside(source: &Volume<f32>, out: &Volume<f32>, margin: f64) -> usize {
        let back = source.affine.inverse().unwrap();
        let mut inside = 0;
        for (n, &value) in out.data.iter().enumerate() {
            let world = out.affine.apply(position(n, out.dims));
            let x = back.apply(world);
            if (0..3).all(|a| x[a] >= margin && x[a] <= source.dims[a] as f64 - 1.0 - margin) {
                inside += 1;
                let expected = field(world);
                assert!((value - expected).abs() < 1e-3, "{value} not {expected}");
            }
        }
        inside
    }

    #[test]
    fn linear_functions_are_exact_between_any_two_grids() {
        let sources = [
            rotated(0.0, [-0.7, -0.8, 2.5], [10.0, 20.0, -5.0]),
            rotated(31.0, [0.7, -0.8, 2.5], [10.0, 20.0, -5.0]),
        ];
        for affine in sources {
            let v = field_volume([20, 18, 9], affine);
            let targets = [
                // The same axes finer, the same axes flipped, permuted axes, rotated axes.
                Affine::scale_offset([0.6, 0.7, 0.45], [-0.3, 0.2, 0.1]),
                Affine::scale_offset([-0.9, 1.0, -0.5], [18.7, 0.5, 7.5]),
                Affine([
                    [0.0, 0.8, 0.0, 1.0],
                    [0.0, 0.0, 0.9, 1.0],
                    [0.5, 0.0, 0.0, 0.2],
                ]),
                rotated(-17.0, [0.6, 0.7, 0.5], [2.0, 6.0, 0.5]),
            ];
            for target in targets {
                let out = resample_linear_f32(&v, [20, 16, 14], &affine.compose(&target), -1e6);
                assert!(exact_inside(&v, &out, 0.0) > 500);
            }
        }
    }

    #[test]
    fn means_of_linear_functions_are_exact() {
        let affine = rotated(31.0, [0.7, -0.8, 1.25], [10.0, 20.0, -5.0]);
        let v = field_volume([40, 36, 30], affine);
        let target = affine.compose(&Affine::scale_offset([2.3, -1.7, 4.0], [3.1, 33.0, 2.25]));
        let out = resample(&v, [15, 18, 6], &target, 0.0, Coarse::Average);
        // Two source voxels hold the target voxel's half width along each axis.
        assert!(exact_inside(&v, &out, 2.0) > 500);
    }

    #[test]
    fn both_paths_agree() {
        let v = noise([13, 11, 9], Affine::from_spacing([0.7, 0.8, 2.0]));
        // The same voxels stored with i and k exchanged: no longer aligned with the target.
        let mut exchanged = Volume::filled(
            0,
            [9, 11, 13],
            Affine(v.affine.0.map(|[a, b, c, d]| [c, b, a, d])),
        );
        for n in 0..exchanged.len() {
            let [k, j, i] = position(n, exchanged.dims).map(|x| x as usize);
            exchanged.data[n] = v.data[v.index(i, j, k)];
        }
        let target = Affine::scale_offset([0.83, -0.61, 0.47], [-0.9, 11.2, -0.8]);
        let target = v.affine.compose(&target);
        let dims = [16, 20, 21];
        let a = resample_linear(&v, dims, &target, -3000);
        let b = resample_linear(&exchanged, dims, &target, -3000);
        assert!(
            a.data
                .iter()
                .zip(&b.data)
                .all(|(a, b)| (a - b).abs() < 1e-2)
        );
        assert!(a.data.contains(&-3000.0));
        assert_eq!(
            resample_nearest(&v, dims, &target, -3000),
            resample_nearest(&exchanged, dims, &target, -3000)
        );
    }

    #[test]
    fn the_same_grid_gives_the_same_values() {
        let v = noise([13, 11, 9], rotated(40.0, [0.7, 0.8, 2.0], [1.0, 2.0, 3.0]));
        let expected: Vec<f32> = v.data.iter().map(|&x| f32::from(x)).collect();
        let close = |out: &Volume<f32>| {
            out.data
                .iter()
                .zip(&expected)
                .all(|(a, b)| (a - b).abs() < 1e-3)
        };
        assert!(close(&resample_linear(&v, v.dims, &v.affine, 0)));
        assert!(close(&resample_mean(&v, v.dims, &v.affine)));
        assert_eq!(resample_nearest(&v, v.dims, &v.affine, 0), v);
    }

    #[test]
    fn the_field_of_view_ends_at_voxel_edges() {
        let v = Volume::new(
            vec![10_i16, 20, 30],
            [3, 1, 1],
            Affine::scale_offset([1.0; 3], [0.0; 3]),
        );
        let v = v.unwrap();
        let target = Affine::scale_offset([0.25, 1.0, 1.0], [-0.75, 0.0, 0.0]);
        let out = resample_linear(&v, [15, 1, 1], &target, -1);
        assert_eq!(out.data[..5], [-1.0, 10.0, 10.0, 10.0, 12.5]);
        assert_eq!(out.data[11..], [30.0, 30.0, 30.0, -1.0]);
        let labels = resample_nearest(&v, [15, 1, 1], &target, -1);
        assert_eq!(
            labels.data,
            [-1, 10, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 30, 30, -1]
        );
    }

    #[test]
    fn coarse_targets_average_instead_of_skipping() {
        // Slices alternate between 0 and 100: sampling sees one or the other, averaging 50.
        let data = (0..13).flat_map(|k| [100 * (k % 2) as i16; 4]).collect();
        let v = Volume::new(data, [2, 2, 13], Affine::from_spacing([1.0, 1.0, 1.0])).unwrap();
        let target = v
            .affine
            .compose(&Affine::scale_offset([1.0, 1.0, 4.0], [0.0, 0.0, 2.0]));
        let sampled = resample_linear(&v, [2, 2, 3], &target, 0);
        assert!(sampled.data.iter().all(|&x| x == 0.0));
        let averaged = resample_mean(&v, [2, 2, 3], &target);
        assert!(averaged.data.iter().all(|x| (x - 50.0).abs() < 1e-4));
    }

    #[test]
    fn averaging_keeps_constants_up_to_the_border_and_gives_air_beyond() {
        let v = Volume::filled(40_i16, [7, 1, 5], Affine::from_spacing([1.0, 1.0, 1.0]));
        let target = v
            .affine
            .compose(&Affine::scale_offset([3.0, 1.0, 9.0], [-2.0, 0.0, 2.0]));
        let out = resample_mean(&v, [4, 1, 1], &target);
        let expected = [-1024.0, 40.0, 40.0, -1024.0];
        assert!(
            out.data
                .iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() < 1e-4)
        );
    }

    #[test]
    fn nothing_to_sample_is_all_outside() {
        let flat = Volume::filled(40_i16, [3, 3, 3], Affine([[0.0; 4]; 3]));
        let empty = Volume::filled(40_i16, [0, 3, 3], Affine::from_spacing([1.0; 3]));
        let nan = Volume::filled(40_i16, [3, 3, 3], Affine::from_spacing([1.0; 3]));
        for (v, target) in [
            (flat, Affine::from_spacing([1.0; 3])),
            (empty, Affine::from_spacing([1.0; 3])),
            (nan, Affine([[f64::NAN; 4]; 3])),
        ] {
            let out = resample_linear(&v, [2, 2, 2], &target, -7);
            assert!(out.data.iter().all(|&x| x == -7.0));
            let labels = resample_nearest(&v, [2, 2, 2], &target, -7);
            assert!(labels.data.iter().all(|&x| x == -7));
        }
        let v = Volume::filled(40_i16, [3, 3, 3], Affine::from_spacing([1.0; 3]));
        assert!(resample_mean(&v, [0, 2, 2], &v.affine).is_empty());
    }

    #[test]
    fn thick_slices_are_means_at_the_centre_of_their_group() {
        let affine = rotated(20.0, [1.0, 1.0, 2.0], [0.0, 0.0, 100.0]);
        let data = (0..8).flat_map(|k| [10 * k, -10 * k]).collect();
        let v = Volume::new(data, [2, 1, 8], affine).unwrap();
        let thick = average_slices(&v, 3);
        assert_eq!(thick.dims, [2, 1, 3]);
        assert_eq!(thick.data, [10, -10, 40, -40, 65, -65]);
        assert!((thick.spacing()[2] - 6.0).abs() < 1e-12);
        let (a, b) = (
            thick.affine.apply([1.0, 0.0, 1.0]),
            affine.apply([1.0, 0.0, 4.0]),
        );
        assert!((0..3).all(|r| (a[r] - b[r]).abs() < 1e-12));
        assert_eq!(average_slices(&v, 0), v);
        assert_eq!(average_slices(&v, 100).data, [35, -35]);
    }
}
