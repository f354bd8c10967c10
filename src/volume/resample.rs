//! Resampling between grids: trilinear, nearest, and averaging for coarser targets.
//!
//! Two grids that share their axes (the usual case: both come from one scan) are resampled axis by
//! axis with weights computed once. Any other pair is sampled voxel by voxel. A target voxel whose
//! centre lies in the source's field of view (voxel edges, not centres) always gets a value: in the
//! outer half voxel that of the border.

use std::ops::Range;

use super::{Affine, Volume};

/// Drift in source voxels over the whole target up to which two grids count as axis aligned.
/// Well above what float32 affines of files lose, well below what an eye or a network can see.
const ALIGNED_DRIFT: f64 = 1e-3;
/// A centre this little outside the field of view (in voxels) is rounding, not geometry.
const EDGE_TOLERANCE: f64 = 1e-4;
/// Target steps up to this many source voxels are read as equal spacing and are not averaged.
const SAME_STEP: f64 = 1.001;
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

/// What to do along an axis whose target step is longer than the source's.
#[derive(Clone, Copy)]
enum Coarse {
    /// Interpolate at the centre all the same.
    Sample,
    /// Average over the target voxel.
    Average,
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

/// True if the source coordinate lies in the field of view of an axis of `n` voxels.
fn in_view(x: f64, n: usize) -> bool {
    (-0.5 - EDGE_TOLERANCE..=n as f64 - 0.5 + EDGE_TOLERANCE).contains(&x)
}

/// Index of the voxel that holds the source coordinate.
fn nearest(x: f64, n: usize) -> Option<usize> {
    in_view(x, n).then(|| ((x + 0.5).floor().max(0.0) as usize).min(n - 1))
}

/// Lower neighbour and weight of the upper one, with the border continued outwards.
fn linear(x: f64, n: usize) -> Option<(usize, f64)> {
    in_view(x, n).then(|| {
        let x = x.clamp(0.0, (n - 1) as f64);
        (x.floor() as usize, x.fract())
    })
}

/// Which source voxels make up each target voxel along one axis.
struct Taps {
    /// First source voxel and range in `weights`; an empty range lies outside the field of view.
    spans: Vec<(usize, Range<usize>)>,
    weights: Vec<f32>,
}

impl Taps {
    fn new(source: usize, target: usize, scale: f64, offset: f64, coarse: Coarse) -> Self {
        let average = matches!(coarse, Coarse::Average) && scale.abs() > SAME_STEP;
        let mut taps = Self {
            spans: Vec::with_capacity(target),
            weights: Vec::with_capacity(2 * target),
        };
        for n in 0..target {
            let x = offset + scale * n as f64;
            let begin = taps.weights.len();
            let first = if average {
                taps.push_cell(x, scale.abs(), source)
            } else {
                taps.push_linear(x, source)
            };
            taps.spans.push((first, begin..taps.weights.len()));
        }
        taps
    }

    fn push_linear(&mut self, x: f64, n: usize) -> usize {
        let Some((first, upper)) = linear(x, n) else {
            return 0;
        };
        self.weights.push((1.0 - upper) as f32);
        if upper > 0.0 {
            self.weights.push(upper as f32);
        }
        first
    }

    /// Mean of the linear interpolant over a target voxel of `width` source voxels around `x`: the
    /// weight of a source voxel is the integral of its hat function, so that linear functions
    /// come out exactly.
    fn push_cell(&mut self, x: f64, width: f64, n: usize) -> usize {
        if !in_view(x, n) {
            return 0;
        }
        let last = n - 1;
        if last == 0 {
            self.weights.push(1.0);
            return 0;
        }
        let low = (x - width / 2.0).max(-0.5);
        let high = (x + width / 2.0).min(n as f64 - 0.5);
        let from = low.floor().max(0.0) as usize;
        let to = (high.ceil() as usize).min(last);
        for i in from..=to {
            let mass = if i == 0 {
                border_integral(high) - border_integral(low)
            } else if i == last {
                border_integral(last as f64 - low) - border_integral(last as f64 - high)
            } else {
                hat_integral(high - i as f64) - hat_integral(low - i as f64)
            };
            self.weights.push((mass / (high - low)) as f32);
        }
        from
    }

    /// The weights and first source voxel of target voxel `n`.
    fn at(&self, n: usize) -> (usize, &[f32]) {
        let (first, range) = &self.spans[n];
        (*first, &self.weights[range.clone()])
    }

    /// The source voxels that any target voxel uses.
    fn used(&self) -> Range<usize> {
        let spans = || self.spans.iter().filter(|(_, range)| !range.is_empty());
        let from = spans().map(|(first, _)| *first).min().unwrap_or(0);
        let to = spans().map(|(first, range)| first + range.len()).max();
        from..to.unwrap_or(0)
    }
}

/// Integral from -∞ to `t` of the hat function `max(0, 1 - |t|)`.
fn hat_integral(t: f64) -> f64 {
    let t = t.clamp(-1.0, 1.0);
    if t < 0.0 {
        (1.0 + t) * (1.0 + t) / 2.0
    } else {
        1.0 - (1.0 - t) * (1.0 - t) / 2.0
    }
}

/// Antiderivative of a border voxel's weight, 1 up to its centre and falling to 0 one voxel inwards.
fn border_integral(t: f64) -> f64 {
    let inner = t.clamp(0.0, 1.0);
    t.min(0.0) + inner - inner * inner / 2.0
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
        let (row_len, width) = (taps[0].spans.len(), used[0].len());
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
            for (value, (first, range)) in target.iter_mut().zip(&taps[0].spans) {
                let weights = &taps[0].weights[range.clone()];
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
