//! Convolution as an implicit matrix product, tiled through shared memory.
//!
//! A workgroup computes `channels` × `positions` outputs. For every kernel tap and every `depth`
//! input channels, its threads gather the inputs under the tap and unpack the codes, both once
//! for the whole workgroup, into shared memory; then each thread multiplies its
//! `unit_channels` × `unit_positions` part in registers.
//!
//! Positions are the outputs of all samples in a row. The four floats of a shared vector lie a
//! quarter of the tile apart, so that neighbouring threads read and write neighbouring floats of
//! the global memory while shared memory is read four floats at a time.

use super::super::Activation;
use super::common::{Extents, Quad, activate, keep, unpack_quad};
use cubecl::prelude::*;

/// How [`tiled`] is cut: compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tile {
    /// Kernel extent.
    pub kernel: [u32; 3],
    /// Output channels of a workgroup.
    pub channels: u32,
    /// Positions of a workgroup.
    pub positions: u32,
    /// Input channels of a step.
    pub depth: u32,
    /// Output channels of a thread.
    pub unit_channels: u32,
    /// Positions of a thread.
    pub unit_positions: u32,
    /// What follows.
    pub activation: Activation,
}

impl Tile {
    /// Threads along the positions.
    pub(super) fn across(&self) -> u32 {
        self.positions / self.unit_positions
    }
    /// Threads of a workgroup.
    pub(super) fn threads(&self) -> u32 {
        self.channels / self.unit_channels * self.across()
    }
    /// That the parts fit each other.
    ///
    /// # Panics
    /// If they do not.
    pub(super) fn check(&self) {
        let units = [self.unit_channels, self.unit_positions];
        let whole = |a: u32, b: u32| a > 0 && b > 0 && a.is_multiple_of(b);
        assert!(
            units.iter().all(|u| whole(*u, 4))
                && whole(self.channels, self.unit_channels)
                && whole(self.positions, self.unit_positions)
                && whole(self.threads(), self.quads())
                && whole(self.depth, self.threads() / self.quads())
                && self.threads() <= 256
                && 4 * self.depth * (self.channels + self.positions) <= 16384,
            "{self:?}"
        );
    }
    /// Vectors of one shared row of inputs.
    fn quads(&self) -> u32 {
        self.positions / 4
    }
    /// Words, and shared vectors, of one shared row of weights.
    fn columns(&self) -> u32 {
        self.channels / 4
    }
}

/// See the module's documentation.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub(super) fn tiled(
    x: &Array<f32>,
    codes: &Array<i32>,
    scale: &Array<f32>,
    bias: &Array<f32>,
    residual: &ComptimeOption<Array<f32>>,
    out: &mut Array<f32>,
    g: Extents,
    #[comptime] tile: Tile,
) {
    let [kernel_d, kernel_h, kernel_w] = comptime!(tile.kernel);
    let threads = comptime!(tile.threads());
    let quads = comptime!(tile.quads());
    let columns = comptime!(tile.columns());
    let across = comptime!(tile.across());
    let depth = comptime!(tile.depth);
    let row_step = comptime!(threads / quads);
    let parts = comptime!(tile.unit_positions / 4);
    let groups = comptime!(tile.unit_channels / 4);

    let mut inputs = SharedMemory::<Quad>::new(comptime!((depth * quads) as usize));
    let mut weights = SharedMemory::<Quad>::new(comptime!((depth * columns) as usize));

    let unit = UNIT_POS_X;
    let quad = unit % quads;
    let loader_row = unit / quads;
    let out_plane = g.out_d * g.out_h * g.out_w;
    let total = g.batch * out_plane;
    let plane = g.in_d * g.in_h * g.in_w;
    let start = (CUBE_POS_Z * CUBE_COUNT_X + CUBE_POS_X) * tile.positions;
    let first_column = CUBE_POS_Y * columns;

    // The four positions that this thread gathers.
    let mut present = Sequence::<bool>::new();
    let mut origin = Sequence::<u32>::new();
    let mut corner_z = Sequence::<u32>::new();
    let mut corner_y = Sequence::<u32>::new();
    let mut corner_x = Sequence::<u32>::new();
    #[unroll]
    for j in 0..4u32 {
        let p = start + quad + comptime!(quads * j);
        let ok = p < total;
        let p = select(ok, p, 0u32);
        let rest = p / g.out_w;
        let row = rest / g.out_h;
        present.push(ok);
        origin.push(row / g.out_d * g.channels_in * plane);
        // Below 0 wraps to above every extent.
        corner_z.push(row % g.out_d * g.stride_d - g.pad_d);
        corner_y.push(rest % g.out_h * g.stride_h - g.pad_h);
        corner_x.push(p % g.out_w * g.stride_w - g.pad_w);
    }

    let mut sums = Sequence::<RuntimeCell<Quad>>::new();
    #[unroll]
    for _ in 0..comptime!(tile.unit_channels * parts) {
        sums.push(RuntimeCell::new(Quad::new(0.0f32)));
    }
    let unit_across = unit % across;
    let unit_down = unit / across;

    let channels_in = keep(g.channels_in);
    let row_words = keep(g.words);
    let steps = keep((channels_in + comptime!(depth - 1)) / depth);
    for tap in 0..comptime!(kernel_d * kernel_h * kernel_w) {
        let kx = tap % kernel_w;
        let ky = tap / kernel_w % kernel_h;
        let kz = tap / comptime!(kernel_w * kernel_h);
        let mut inside = Sequence::<bool>::new();
        let mut at = Sequence::<u32>::new();
        #[unroll]
        for j in 0..4usize {
            let iz = *corner_z.index(j) + kz * g.dil_d;
            let iy = *corner_y.index(j) + ky * g.dil_h;
            let ix = *corner_x.index(j) + kx * g.dil_w;
            let ok = *present.index(j) && iz < g.in_d && iy < g.in_h && ix < g.in_w;
            let offset = select(ok, (iz * g.in_h + iy) * g.in_w + ix, 0u32);
            inside.push(ok);
            at.push(*origin.index(j) + offset);
        }
        for step in 0..steps {
            #[unroll]
            for i in 0..comptime!(depth / row_step) {
                let row = loader_row + comptime!(i * row_step);
                let c = step * depth + row;
                let known = c < channels_in;
                let shift = select(known, c, 0u32) * plane;
                let mut values = Quad::new(0.0f32);
                #[unroll]
                for j in 0..4usize {
                    let value = x[(*at.index(j) + shift) as usize];
                    values[j] = select(known && *inside.index(j), value, 0.0f32);
                }
                inputs[(row * quads + quad) as usize] = values;
            }
            #[unroll]
            for i in 0..comptime!((depth * columns).div_ceil(threads)) {
                let index = unit + comptime!(i * threads);
                if comptime!((i + 1) * threads <= depth * columns) || index < depth * columns {
                    let row = index / columns;
                    let column = first_column + index % columns;
                    let c = step * depth + row;
                    let known = c < channels_in && column < row_words;
                    let from = select(known, (tap * channels_in + c) * row_words + column, 0u32);
                    let word = select(known, codes[from as usize], 0i32);
                    weights[index as usize] = unpack_quad(word);
                }
            }
            sync_cube();
            for row in 0..depth {
                let mut from = Sequence::<Quad>::new();
                #[unroll]
                for part in 0..parts {
                    from.push(
                        inputs[(row * quads + unit_across + comptime!(part * across)) as usize],
                    );
                }
                #[unroll]
                for group in 0..groups {
                    let four = weights[(row * columns + unit_down * groups + group) as usize];
                    #[unroll]
                    for l in 0..4u32 {
                        let weight = Quad::new(four[l as usize]);
                        #[unroll]
                        for part in 0..parts {
                            let sum =
                                sums.index(comptime!(((4 * group + l) * parts + part) as usize));
                            sum.store(sum.read() + weight * *from.index(part as usize));
                        }
                    }
                }
            }
            sync_cube();
        }
    }

    let first_channel = CUBE_POS_Y * tile.channels + unit_down * tile.unit_channels;
    let residual = residual.as_ref();
    #[unroll]
    for part in 0..parts {
        #[unroll]
        for j in 0..4u32 {
            let p = start + unit_across + comptime!(part * across + j * quads);
            if p < total {
                let sample = p / out_plane;
                let base = sample * g.channels_out * out_plane + p % out_plane;
                #[unroll]
                for o in 0..tile.unit_channels {
                    let channel = first_channel + o;
                    if channel < g.channels_out {
                        let to = (base + channel * out_plane) as usize;
                        let sum = sums.index(comptime!((o * parts + part) as usize)).read();
                        let mut value =
                            sum[j as usize] * scale[channel as usize] + bias[channel as usize];
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
}
