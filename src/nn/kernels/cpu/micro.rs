//! The innermost loop: a tile of a few output channels by a few vectors of positions, summed over
//! all input channels and taps in registers.

use super::Activation;
use super::simd::Simd;

/// Where a tile reads and writes; its size is in the type of [`tile`].
pub(super) struct Tile {
    /// `[k, M]`: the weights of M output channels for each input value.
    pub weights: *const f32,
    /// The positions' origin; input value k of position p is at `offsets[k] + p`.
    pub source: *const f32,
    /// Factor and summand of each output channel.
    pub scale: *const f32,
    /// Summand of each output channel.
    pub bias: *const f32,
    /// `[M, V·LANES]` values in rows of `pitch`.
    pub to: *mut f32,
    /// From row to row of `to` and `residual`.
    pub pitch: usize,
    /// Added before the activation; null if there is nothing to add.
    pub residual: *const f32,
    /// The activation's range.
    pub range: (f32, f32),
}

/// The range to which an activation clamps.
pub(super) fn range(activation: Activation) -> (f32, f32) {
    match activation {
        Activation::None => (f32::NEG_INFINITY, f32::INFINITY),
        Activation::Relu => (0.0, f32::INFINITY),
        Activation::Relu6 => (0.0, 6.0),
    }
}

/// `to[m, p] = clamp(scale[m]·Σ_k weights[k, m]·source[offsets[k] + p] + bias[m] + residual[m, p])`
///
/// # Safety
/// All pointers cover what the sum above reads and writes; `to` overlaps nothing else.
#[allow(
    clippy::needless_range_loop,
    reason = "loops of constant length, unrolled"
)]
#[inline(always)]
pub(super) unsafe fn tile<S: Simd, const M: usize, const V: usize>(
    s: S,
    t: &Tile,
    offsets: &[usize],
) {
    let mut sums = [[s.splat(0.0); V]; M];
    // SAFETY: by the caller's promise.
    unsafe {
        let mut weights = t.weights;
        for &offset in offsets {
            let from = t.source.add(offset);
            let mut inputs = [s.splat(0.0); V];
            for v in 0..V {
                inputs[v] = s.load(from.add(v * S::LANES));
            }
            for m in 0..M {
                let weight = s.splat(*weights.add(m));
                for v in 0..V {
                    sums[m][v] = s.fma(weight, inputs[v], sums[m][v]);
                }
            }
            weights = weights.add(M);
        }
        let (low, high) = (s.splat(t.range.0), s.splat(t.range.1));
        for m in 0..M {
            let (scale, bias) = (s.splat(*t.scale.add(m)), s.splat(*t.bias.add(m)));
            for v in 0..V {
                let at = m * t.pitch + v * S::LANES;
                let mut y = s.fma(sums[m][v], scale, bias);
                if !t.residual.is_null() {
                    y = s.add(y, s.load(t.residual.add(at)));
                }
                s.store(t.to.add(at), s.min(high, s.max(low, y)));
            }
        }
    }
}

/// Starts of vectors that cover `n` values; the last overlaps the one before, or is alone and
/// short.
#[inline(always)]
fn vectors<S: Simd>(n: usize) -> impl Iterator<Item = usize> {
    let last = n.saturating_sub(S::LANES);
    (0..n.div_ceil(S::LANES)).map(move |i| (i * S::LANES).min(last))
}

/// `to[i] = clamp(from[i] + residual[i])` for `n` values, whose residual may be null.
///
/// # Safety
/// The pointers cover `n` values each, `from` at least a vector of them; `to` overlaps nothing
/// else.
#[inline(always)]
pub(super) unsafe fn place<S: Simd>(
    s: S,
    from: *const f32,
    to: *mut f32,
    residual: *const f32,
    range: (f32, f32),
    n: usize,
) {
    let (low, high) = (s.splat(range.0), s.splat(range.1));
    for i in vectors::<S>(n) {
        // SAFETY: the vector is inside the n values, or they are fewer than it has.
        unsafe {
            let mut y = s.load(from.add(i));
            if !residual.is_null() {
                y = s.add(y, load_up_to(s, residual.add(i), n));
            }
            store_up_to(s, to.add(i), s.min(high, s.max(low, y)), n);
        }
    }
}

/// A vector, or the first `n` of its values if there are no more.
///
/// # Safety
/// A vector or `n` values at `from` are readable.
#[inline(always)]
unsafe fn load_up_to<S: Simd>(s: S, from: *const f32, n: usize) -> S::V {
    // SAFETY: by the caller's promise.
    unsafe {
        match n >= S::LANES {
            true => s.load(from),
            false => s.load_first(from, n),
        }
    }
}

/// A vector, or the first `n` of its values if there is no room for more.
///
/// # Safety
/// A vector or `n` values at `to` are writable.
#[inline(always)]
unsafe fn store_up_to<S: Simd>(s: S, to: *mut f32, v: S::V, n: usize) {
    // SAFETY: by the caller's promise.
    unsafe {
        match n >= S::LANES {
            true => s.store(to, v),
            false => s.store_first(to, v, n),
        }
    }
}

/// `y` within `range`; NaN stays NaN.
#[inline(always)]
fn clamp(y: f32, (low, high): (f32, f32)) -> f32 {
    let y = if y < low { low } else { y };
    if y > high { high } else { y }
}

/// As [`place`], for every `step`-th value of `to` and `residual`.
///
/// # Safety
/// As for [`place`], the pointers covering `(n − 1)·step + 1` values.
#[inline(always)]
pub(super) unsafe fn place_apart(
    from: *const f32,
    to: *mut f32,
    residual: *const f32,
    range: (f32, f32),
    n: usize,
    step: usize,
) {
    for i in 0..n {
        // SAFETY: i < n.
        unsafe {
            let mut y = *from.add(i);
            if !residual.is_null() {
                y += *residual.add(i * step);
            }
            to.add(i * step).write(clamp(y, range));
        }
    }
}

/// As [`place`], for pairs: values of `even` and `odd` in turn, `n` of each.
///
/// # Safety
/// As for [`place`], `to` and `residual` covering `2·n` values.
#[inline(always)]
pub(super) unsafe fn place_pairs<S: Simd>(
    s: S,
    [even, odd]: [*const f32; 2],
    to: *mut f32,
    residual: *const f32,
    range: (f32, f32),
    n: usize,
) {
    let (low, high) = (s.splat(range.0), s.splat(range.1));
    for i in vectors::<S>(n) {
        // SAFETY: the 2·LANES values are inside the 2·n, or these are fewer.
        unsafe {
            let pairs = s.zip(s.load(even.add(i)), s.load(odd.add(i)));
            for (half, mut y) in pairs.into_iter().enumerate() {
                let at = 2 * i + half * S::LANES;
                let left = (2 * n).saturating_sub(half * S::LANES);
                if left == 0 {
                    break;
                }
                if !residual.is_null() {
                    y = s.add(y, load_up_to(s, residual.add(at), left));
                }
                y = s.min(high, s.max(low, y));
                store_up_to(s, to.add(at), y, left);
            }
        }
    }
}
