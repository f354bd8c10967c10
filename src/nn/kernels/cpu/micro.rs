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

/// `to[i] = clamp(from[i] + residual[i])` for `n` values, whose residual may be null.
///
/// # Safety
/// The pointers cover `n` values each, `from` whole vectors of them; `to` overlaps nothing else.
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
    let mut i = 0;
    while i < n {
        let left = (n - i).min(S::LANES);
        // SAFETY: i + left ≤ n, and `from` has whole vectors.
        unsafe {
            let mut y = s.load(from.add(i));
            if !residual.is_null() {
                y = s.add(y, s.load_first(residual.add(i), left));
            }
            s.store_first(to.add(i), s.min(high, s.max(low, y)), left);
        }
        i += S::LANES;
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

/// As [`place`], for pairs: values of `even` and `odd` in turn.
///
/// # Safety
/// As for [`place`], `to` and `residual` covering `2·n` values.
#[inline(always)]
pub(super) unsafe fn place_pairs(
    [even, odd]: [*const f32; 2],
    to: *mut f32,
    residual: *const f32,
    range: (f32, f32),
    n: usize,
) {
    for i in 0..n {
        // SAFETY: i < n.
        unsafe {
            let (mut a, mut b) = (*even.add(i), *odd.add(i));
            if !residual.is_null() {
                a += *residual.add(2 * i);
                b += *residual.add(2 * i + 1);
            }
            to.add(2 * i).write(clamp(a, range));
            to.add(2 * i + 1).write(clamp(b, range));
        }
    }
}
