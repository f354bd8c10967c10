//! Transposed 3×3×3 convolution with stride 2 and padding 1, which doubles every side.
//!
//! In gather form: along an axis, output 2i takes tap 1 of input i, and output 2i + 1 takes tap 2
//! of input i and tap 0 of input i + 1. A thread therefore computes whole cells of 2×2×2 outputs
//! from 2×2×2 inputs, every one of the 27 taps once.

use super::super::Activation;
use super::common::{Extents, Quad, activate, keep, raise, unpack, unpack_quad};
use super::plan::THREADS;
use cubecl::prelude::*;

/// How [`transposed`] is cut: compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TransposedTile {
    /// Output channels of a thread: 1…4.
    pub channels: u32,
    /// Cells of a thread, one below the other.
    pub cells: u32,
    /// Input channels whose weights are staged in shared memory; 0 for none.
    pub stage: u32,
    /// What follows.
    pub activation: Activation,
}

/// (parity of the output, step of the input) of a tap along one axis.
fn tap(k: u32) -> (u32, u32) {
    match k {
        0 => (1, 1),
        1 => (0, 0),
        _ => (1, 0),
    }
}

/// The products of one input channel, added to the sums. Weights come from `stage` where there is
/// one, else from `codes`; `codes_at` and `stage_at` are where this channel's begin.
#[cube]
#[allow(clippy::too_many_arguments)]
fn accumulate(
    x: &Array<f32>,
    codes: &Array<i32>,
    stage: &SharedMemory<Quad>,
    sums: &Sequence<RuntimeCell<f32>>,
    inside: &Sequence<bool>,
    at: &Sequence<u32>,
    base: u32,
    codes_at: u32,
    row_words: u32,
    stage_at: u32,
    #[comptime] tile: TransposedTile,
) {
    let cells = comptime!(tile.cells);
    let mut values = Sequence::<f32>::new();
    #[unroll]
    for i in 0..comptime!(4 * (cells + 1) as usize) {
        let value = x[(*at.index(i) + base) as usize];
        values.push(select(*inside.index(i), value, 0.0f32));
    }
    #[unroll]
    for k in 0..27u32 {
        let (pz, sz) = comptime!(tap(k / 9));
        let (py, sy) = comptime!(tap(k / 3 % 3));
        let (px, sx) = comptime!(tap(k % 3));
        let mut weights = Sequence::<f32>::new();
        if comptime!(tile.stage > 0) {
            let four = stage[(stage_at + k) as usize];
            #[unroll]
            for o in 0..tile.channels {
                weights.push(four[o as usize]);
            }
        } else {
            let raised = raise(codes[(codes_at + k * row_words) as usize]);
            #[unroll]
            for o in 0..tile.channels {
                weights.push(unpack(raised, o));
            }
        }
        #[unroll]
        for o in 0..tile.channels {
            #[unroll]
            for cell in 0..cells {
                let to = comptime!((((o * cells + cell) * 2 + pz) * 2 + py) * 2 + px);
                let from = comptime!((sz * (cells + 1) + cell + sy) * 2 + sx);
                let sum = sums.index(to as usize);
                let value = *values.index(from as usize);
                sum.store(sum.read() + *weights.index(o as usize) * value);
            }
        }
    }
}

/// See the module's documentation. `in_…` are the extents of `x`, `out_…` those of `out`.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub(super) fn transposed(
    x: &Array<f32>,
    codes: &Array<i32>,
    scale: &Array<f32>,
    bias: &Array<f32>,
    residual: &ComptimeOption<Array<f32>>,
    out: &mut Array<f32>,
    g: Extents,
    #[comptime] tile: TransposedTile,
) {
    let cells = comptime!(tile.cells);
    let row_blocks = (g.in_h + comptime!(cells - 1)) / cells;
    let columns = g.batch * g.in_d * row_blocks * g.in_w;
    let unit = UNIT_POS_X;
    let index = (CUBE_POS_Z * CUBE_COUNT_X + CUBE_POS_X) * THREADS + unit;
    // Threads beyond the last cell have nothing to do, but meet the barriers.
    let present = index < columns;
    let index = select(present, index, 0u32);
    let ix = index % g.in_w;
    let rest = index / g.in_w;
    let iy = rest % row_blocks * cells;
    let rest = rest / row_blocks;
    let iz = rest % g.in_d;
    let sample = rest / g.in_d;
    let plane = keep(g.in_d * g.in_h * g.in_w);
    let channels_in = keep(g.channels_in);
    let row_words = keep(g.words);
    let first = sample * channels_in * plane;

    let mut sums = Sequence::<RuntimeCell<f32>>::new();
    #[unroll]
    for _ in 0..comptime!(8 * cells * tile.channels) {
        sums.push(RuntimeCell::new(0.0f32));
    }
    // Inputs in the order (depth, row, column).
    let mut inside = Sequence::<bool>::new();
    let mut at = Sequence::<u32>::new();
    #[unroll]
    for z in 0..2u32 {
        #[unroll]
        for y in 0..comptime!(cells + 1) {
            #[unroll]
            for c in 0..2u32 {
                let ok = iz + z < g.in_d && iy + y < g.in_h && ix + c < g.in_w;
                let offset = ((iz + z) * g.in_h + iy + y) * g.in_w + ix + c;
                inside.push(ok);
                at.push(first + select(ok, offset, 0u32));
            }
        }
    }

    let staged = comptime!((tile.stage * 27).max(1));
    let mut stage = SharedMemory::<Quad>::new(staged as usize);
    if comptime!(tile.stage > 0) {
        let chunks = (channels_in + comptime!(tile.stage - 1)) / tile.stage;
        for chunk in 0..chunks {
            let begin = chunk * tile.stage;
            sync_cube();
            #[unroll]
            for i in 0..comptime!(staged.div_ceil(THREADS)) {
                let slot = unit + comptime!(i * THREADS);
                if slot < staged && begin + slot / 27 < channels_in {
                    let from = (begin * 27 + slot) * row_words + CUBE_POS_Y;
                    stage[slot as usize] = unpack_quad(codes[from as usize]);
                }
            }
            sync_cube();
            for c in begin..min(begin + tile.stage, channels_in) {
                let codes_at = c * 27 * row_words + CUBE_POS_Y;
                accumulate(
                    x,
                    codes,
                    &stage,
                    &sums,
                    &inside,
                    &at,
                    c * plane,
                    codes_at,
                    row_words,
                    (c - begin) * 27,
                    tile,
                );
            }
        }
    } else if present {
        for c in 0..channels_in {
            let codes_at = c * 27 * row_words + CUBE_POS_Y;
            accumulate(
                x,
                codes,
                &stage,
                &sums,
                &inside,
                &at,
                c * plane,
                codes_at,
                row_words,
                0u32,
                tile,
            );
        }
    }

    let residual = residual.as_ref();
    #[unroll]
    for o in 0..tile.channels {
        let channel = CUBE_POS_Y * tile.channels + o;
        if present && channel < g.channels_out {
            let factor = scale[channel as usize];
            let shift = bias[channel as usize];
            let base = (sample * g.channels_out + channel) * g.out_d;
            #[unroll]
            for i in 0..comptime!(8 * cells) {
                let (cell, pz, py, px) = comptime!((i / 8, i / 4 % 2, i / 2 % 2, i % 2));
                let oz = iz * 2 + pz;
                let oy = (iy + cell) * 2 + py;
                let ox = ix * 2 + px;
                if oz < g.out_d && oy < g.out_h && ox < g.out_w {
                    let to = (((base + oz) * g.out_h + oy) * g.out_w + ox) as usize;
                    let sum = sums.index(comptime!((o * 8 * cells + i) as usize)).read();
                    let mut value = sum * factor + shift;
                    #[comptime]
                    if let ComptimeOption::Some(residual) = &residual {
                        value += residual[to];
                    }
                    out[to] = activate(value, tile.activation);
                }
            }
        }
    }
}
