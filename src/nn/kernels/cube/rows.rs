//! Convolution in registers: each thread computes some output channels at some rows of a column.
//!
//! Neighbouring threads are neighbours along the width, so that they read neighbouring floats.
//! Rows of one thread share inputs where stride and dilation along height are 1. Weights are read
//! as words and unpacked by each thread, or `stage` input channels at a time unpacked once for the
//! workgroup into shared memory.

use super::super::Activation;
use super::common::{Extents, Quad, activate, keep, raise, unpack, unpack_quad};
use super::plan::THREADS;
use cubecl::prelude::*;

/// How [`rows`] is cut: compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RowsTile {
    /// Kernel extent.
    pub kernel: [u32; 3],
    /// Output channels of a thread: 1…4, or 8.
    pub channels: u32,
    /// Output rows of a thread.
    pub rows: u32,
    /// Input channels whose weights are staged in shared memory; 0 for none.
    pub stage: u32,
    /// Whether stride and dilation along height are 1, so that rows share inputs.
    pub sliding: bool,
    /// What follows.
    pub activation: Activation,
}

impl RowsTile {
    /// Taps along height that one window of inputs serves.
    fn reach(&self) -> u32 {
        if self.sliding { self.kernel[1] } else { 1 }
    }
    /// Input rows that a thread holds at once.
    fn window(&self) -> u32 {
        self.rows + self.reach() - 1
    }
    /// Words of a thread's channels.
    fn words(&self) -> u32 {
        self.channels.div_ceil(4)
    }
    /// Shared vectors of the staged weights; shared memory cannot be empty.
    fn staged(&self) -> u32 {
        (self.stage * self.reach() * self.words()).max(1)
    }
}

/// What a thread reads under one tap: where its window's rows are in an input plane.
#[derive(CubeType)]
struct Window {
    inside: Sequence<bool>,
    at: Sequence<u32>,
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
    window: &Window,
    base: u32,
    codes_at: u32,
    tap_words: u32,
    stage_at: u32,
    #[comptime] tile: RowsTile,
) {
    let words = comptime!(tile.words());
    let mut values = Sequence::<f32>::new();
    #[unroll]
    for i in 0..comptime!(tile.window() as usize) {
        let value = x[(base + *window.at.index(i)) as usize];
        values.push(select(*window.inside.index(i), value, 0.0f32));
    }
    #[unroll]
    for k in 0..comptime!(tile.reach()) {
        #[unroll]
        for w in 0..words {
            let mut weights = Sequence::<f32>::new();
            let lanes = comptime!((tile.channels - 4 * w).min(4));
            if comptime!(tile.stage > 0) {
                let four = stage[(stage_at + comptime!(k * words + w)) as usize];
                #[unroll]
                for l in 0..lanes {
                    weights.push(four[l as usize]);
                }
            } else {
                let raised = raise(codes[(codes_at + k * tap_words + w) as usize]);
                #[unroll]
                for l in 0..lanes {
                    weights.push(unpack(raised, l));
                }
            }
            #[unroll]
            for l in 0..lanes {
                #[unroll]
                for r in 0..tile.rows {
                    let sum = sums.index(comptime!(((4 * w + l) * tile.rows + r) as usize));
                    let value = *values.index(comptime!((r + k) as usize));
                    sum.store(sum.read() + *weights.index(l as usize) * value);
                }
            }
        }
    }
}

/// See the module's documentation.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub(super) fn rows(
    x: &Array<f32>,
    codes: &Array<i32>,
    scale: &Array<f32>,
    bias: &Array<f32>,
    residual: &ComptimeOption<Array<f32>>,
    out: &mut Array<f32>,
    g: Extents,
    #[comptime] tile: RowsTile,
) {
    let [kernel_d, kernel_h, kernel_w] = comptime!(tile.kernel);
    let reach = comptime!(tile.reach());
    let words = comptime!(tile.words());
    let staged = comptime!(tile.staged());
    let mut stage = SharedMemory::<Quad>::new(staged as usize);

    let row_blocks = (g.out_h + comptime!(tile.rows - 1)) / tile.rows;
    let columns = g.batch * g.out_d * row_blocks * g.out_w;
    let unit = UNIT_POS_X;
    let index = (CUBE_POS_Z * CUBE_COUNT_X + CUBE_POS_X) * THREADS + unit;
    // Threads beyond the last column have nothing to do, but meet the barriers.
    let present = index < columns;
    let index = select(present, index, 0u32);
    let ox = index % g.out_w;
    let rest = index / g.out_w;
    let oy = rest % row_blocks * tile.rows;
    let rest = rest / row_blocks;
    let oz = rest % g.out_d;
    let sample = rest / g.out_d;

    let plane = keep(g.in_d * g.in_h * g.in_w);
    let channels_in = keep(g.channels_in);
    let row_words = keep(g.words);
    let first = sample * channels_in * plane;
    let first_word = CUBE_POS_Y * words;
    let tap_words = kernel_w * channels_in * row_words;

    let mut sums = Sequence::<RuntimeCell<f32>>::new();
    #[unroll]
    for _ in 0..comptime!(tile.channels * tile.rows) {
        sums.push(RuntimeCell::new(0.0f32));
    }

    for kz in 0..kernel_d {
        for ky in 0..comptime!(kernel_h / reach) {
            for kx in 0..kernel_w {
                // Below 0 wraps to above every extent.
                let iz = oz * g.stride_d + kz * g.dil_d - g.pad_d;
                let ix = ox * g.stride_w + kx * g.dil_w - g.pad_w;
                let live = present && iz < g.in_d && ix < g.in_w;
                let mut inside = Sequence::<bool>::new();
                let mut at = Sequence::<u32>::new();
                #[unroll]
                for i in 0..comptime!(tile.window()) {
                    let iy = (oy + i) * g.stride_h + ky * g.dil_h - g.pad_h;
                    let ok = live && iy < g.in_h;
                    inside.push(ok);
                    at.push(select(ok, (iz * g.in_h + iy) * g.in_w + ix, 0u32));
                }
                let window = Window { inside, at };
                let tap = (kz * kernel_h + ky) * kernel_w + kx;
                let tap_at = tap * channels_in * row_words + first_word;
                if comptime!(tile.stage > 0) {
                    let chunks = (channels_in + comptime!(tile.stage - 1)) / tile.stage;
                    for chunk in 0..chunks {
                        let begin = chunk * tile.stage;
                        sync_cube();
                        #[unroll]
                        for i in 0..comptime!(staged.div_ceil(THREADS)) {
                            let slot = unit + comptime!(i * THREADS);
                            let c = begin + slot / comptime!(reach * words);
                            if slot < staged && c < channels_in {
                                let k = slot / words % reach;
                                let from = tap_at + k * tap_words + c * row_words + slot % words;
                                stage[slot as usize] = unpack_quad(codes[from as usize]);
                            }
                        }
                        sync_cube();
                        for c in begin..min(begin + tile.stage, channels_in) {
                            accumulate(
                                x,
                                codes,
                                &stage,
                                &sums,
                                &window,
                                first + c * plane,
                                0u32,
                                tap_words,
                                (c - begin) * comptime!(reach * words),
                                tile,
                            );
                        }
                    }
                } else if live {
                    for c in 0..channels_in {
                        accumulate(
                            x,
                            codes,
                            &stage,
                            &sums,
                            &window,
                            first + c * plane,
                            tap_at + c * row_words,
                            tap_words,
                            0u32,
                            tile,
                        );
                    }
                }
            }
        }
    }

    let out_plane = g.out_d * g.out_h * g.out_w;
    let residual = residual.as_ref();
    #[unroll]
    for o in 0..tile.channels {
        let channel = CUBE_POS_Y * tile.channels + o;
        if present && channel < g.channels_out {
            let factor = scale[channel as usize];
            let shift = bias[channel as usize];
            let base = (sample * g.channels_out + channel) * out_plane + oz * g.out_h * g.out_w;
            #[unroll]
            for r in 0..tile.rows {
                if oy + r < g.out_h {
                    let to = (base + (oy + r) * g.out_w + ox) as usize;
                    let sum = sums.index(comptime!((o * tile.rows + r) as usize)).read();
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
