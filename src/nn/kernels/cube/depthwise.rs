//! Depthwise convolution: one filter a channel.

use super::super::Activation;
use super::common::{Extents, activate, raise, unpack};
use cubecl::prelude::*;

/// How [`depthwise`] is cut: compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct DepthwiseTile {
    /// Kernel extent.
    pub kernel: [u32; 3],
    /// Output rows of a thread.
    pub rows: u32,
    /// The stride along height if rows share inputs (no dilation there), else 0.
    pub sliding: u32,
    /// What follows.
    pub activation: Activation,
}

impl DepthwiseTile {
    /// Input rows that a thread reads at once.
    fn window(&self) -> u32 {
        match self.sliding {
            0 => self.rows,
            stride => (self.rows - 1) * stride + self.kernel[1],
        }
    }
}

/// One thread: `rows` rows of one column of one channel. Four taps of a filter share a word.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub(super) fn depthwise(
    x: &Array<f32>,
    codes: &Array<i32>,
    scale: &Array<f32>,
    bias: &Array<f32>,
    residual: &ComptimeOption<Array<f32>>,
    out: &mut Array<f32>,
    g: Extents,
    #[comptime] tile: DepthwiseTile,
) {
    let [kernel_d, kernel_h, kernel_w] = comptime!(tile.kernel);
    let window = comptime!(tile.window());
    let words = comptime!((kernel_d * kernel_h * kernel_w).div_ceil(4));

    // Workgroups of one plane follow each other.
    let row_blocks = (g.out_h + comptime!(tile.rows - 1)) / tile.rows;
    let columns = g.out_d * row_blocks * g.out_w;
    let groups = (columns - 1) / CUBE_DIM_X + 1;
    let group = CUBE_POS_Z * CUBE_COUNT_X + CUBE_POS_X;
    let plane = group / groups;
    let index = group % groups * CUBE_DIM_X + UNIT_POS_X;
    if plane >= g.batch * g.channels_out || index >= columns {
        terminate!();
    }
    let channel = plane % g.channels_out;
    let ox = index % g.out_w;
    let rest = index / g.out_w;
    let oy = rest % row_blocks * tile.rows;
    let oz = rest / row_blocks;
    let first = plane * g.in_d * g.in_h * g.in_w;

    let mut filter = Sequence::<u32>::new();
    #[unroll]
    for w in 0..words {
        filter.push(raise(codes[(channel * words + w) as usize]));
    }
    let mut sums = Sequence::<RuntimeCell<f32>>::new();
    #[unroll]
    for _ in 0..tile.rows {
        sums.push(RuntimeCell::new(0.0f32));
    }

    #[unroll]
    for kz in 0..kernel_d {
        // Below 0 wraps to above every extent.
        let iz = oz * g.stride_d + kz * g.dil_d - g.pad_d;
        #[unroll]
        for kx in 0..kernel_w {
            let ix = ox * g.stride_w + kx * g.dil_w - g.pad_w;
            let inside = iz < g.in_d && ix < g.in_w;
            let base = iz * g.in_h * g.in_w + ix;
            if comptime!(tile.sliding > 0) {
                let mut values = Sequence::<f32>::new();
                #[unroll]
                for i in 0..window {
                    let iy = oy * tile.sliding + i - g.pad_h;
                    let ok = inside && iy < g.in_h;
                    let from = first + select(ok, base + iy * g.in_w, 0u32);
                    values.push(select(ok, x[from as usize], 0.0f32));
                }
                #[unroll]
                for ky in 0..kernel_h {
                    let tap = comptime!((kz * kernel_h + ky) * kernel_w + kx);
                    let weight = unpack(*filter.index(comptime!((tap / 4) as usize)), tap % 4);
                    #[unroll]
                    for r in 0..tile.rows {
                        let sum = sums.index(r as usize);
                        let value = *values.index(comptime!((r * tile.sliding + ky) as usize));
                        sum.store(sum.read() + weight * value);
                    }
                }
            } else {
                #[unroll]
                for ky in 0..kernel_h {
                    let tap = comptime!((kz * kernel_h + ky) * kernel_w + kx);
                    let weight = unpack(*filter.index(comptime!((tap / 4) as usize)), tap % 4);
                    #[unroll]
                    for r in 0..tile.rows {
                        let iy = (oy + r) * g.stride_h + ky * g.dil_h - g.pad_h;
                        let ok = inside && iy < g.in_h;
                        let from = first + select(ok, base + iy * g.in_w, 0u32);
                        let value = select(ok, x[from as usize], 0.0f32);
                        let sum = sums.index(r as usize);
                        sum.store(sum.read() + weight * value);
                    }
                }
            }
        }
    }

    let factor = scale[channel as usize];
    let shift = bias[channel as usize];
    let base = (plane * g.out_d + oz) * g.out_h;
    let residual = residual.as_ref();
    #[unroll]
    for r in 0..tile.rows {
        if oy + r < g.out_h {
            let to = ((base + oy + r) * g.out_w + ox) as usize;
            let mut value = sums.index(r as usize).read() * factor + shift;
            #[comptime]
            if let ComptimeOption::Some(residual) = &residual {
                value += residual[to];
            }
            out[to] = activate(value, tile.activation);
        }
    }
}
