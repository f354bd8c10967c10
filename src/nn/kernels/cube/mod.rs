//! Kernels of the CubeCL backends (WebGPU, CUDA), from one source.
//!
//! Weights are int8, four to a word, and are unpacked inside the kernels, so that a layer takes a
//! quarter of the memory and of the traffic. Activations are f32; scale, bias, residual and
//! activation are applied at the store.
//!
//! Every kernel is launched unchecked: WebGPU binds all storage read_write, and bounds checks at
//! each access would cost more than the arithmetic. The kernels therefore mask every access
//! themselves, and the functions here check that the buffers are as long as the shapes say.

mod arrange;
mod common;
mod depthwise;
mod norm;
mod plan;
mod rows;
mod tiled;
mod transposed;

pub use arrange::{arrange, arrange_transposed};
pub use plan::{Plan, assume_software, plan};

use super::geometry::Geometry;
use super::{Activation, Kernels, PackedConv};
use crate::nn::filter::PackedShape;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use common::ExtentsLaunch;
use cubecl::prelude::*;
use depthwise::DepthwiseTile;
use rows::RowsTile;
use tiled::Tile;
use transposed::TransposedTile;

/// The kernels of this module for a backend; without packed weights it runs burn's own.
macro_rules! run_on {
    ($backend:ty) => {
        impl Kernels for $backend {
            fn arrange(shape: &PackedShape, codes: &[i8]) -> Vec<i32> {
                match shape.transposed {
                    true => arrange_transposed(&shape.geometry, codes),
                    false => arrange(&shape.geometry, codes),
                }
            }

            fn convolve_packed(work: PackedConv<Self>) -> FloatTensor<Self> {
                let run = match work.transposed {
                    true => conv_transposed_packed,
                    false => conv_packed,
                };
                run(
                    &work.geometry,
                    work.x,
                    work.codes,
                    work.scale,
                    work.bias,
                    work.residual,
                    work.activation,
                    &work.shape,
                )
            }

            fn settle(
                x: FloatTensor<Self>,
                slope: FloatTensor<Self>,
                epsilon: f32,
            ) -> FloatTensor<Self> {
                settle(x, slope, epsilon)
            }
        }

        #[cfg(feature = "train")]
        impl super::TrainKernels for $backend {}
    };
}

#[cfg(feature = "wgpu")]
run_on!(burn::backend::Wgpu);

#[cfg(feature = "cuda")]
run_on!(burn::backend::Cuda);

/// Most workgroups along one axis of a dispatch.
const MOST_GROUPS: usize = 65535;

/// Workgroups `count` folded into x and z, with `y` others along y. Kernels count them as
/// `z·(extent of x) + x` and skip the few too many.
fn fold(count: usize, y: usize) -> CubeCount {
    let z = count.div_ceil(MOST_GROUPS).max(1);
    assert!(
        y <= MOST_GROUPS && z <= MOST_GROUPS,
        "a dispatch of {count}×{y} workgroups"
    );
    CubeCount::Static(count.div_ceil(z) as u32, y as u32, z as u32)
}

fn volume(extent: [usize; 3]) -> usize {
    extent.iter().product()
}

fn small(extent: [usize; 3]) -> [u32; 3] {
    extent.map(|e| e as u32)
}

/// A contiguous tensor of `count` numbers.
fn dense<R: CubeRuntime>(what: &str, tensor: CubeTensor<R>, count: usize) -> CubeTensor<R> {
    let found = tensor.meta.shape().num_elements();
    assert_eq!(found, count, "{what} has {found} values, expected {count}");
    into_contiguous(tensor)
}

/// The tensors of one convolution, checked.
struct Operands<R: CubeRuntime> {
    x: CubeTensor<R>,
    codes: CubeTensor<R>,
    scale: CubeTensor<R>,
    bias: CubeTensor<R>,
    residual: Option<CubeTensor<R>>,
    out: CubeTensor<R>,
}

impl<R: CubeRuntime> Operands<R> {
    /// `lengths`: of the input, the codes, the channels and the output.
    fn new(
        [x, codes, scale, bias]: [CubeTensor<R>; 4],
        residual: Option<CubeTensor<R>>,
        out_shape: &[usize],
        lengths: [usize; 4],
    ) -> Self {
        let [inputs, words, channels, outputs] = lengths;
        assert!(
            inputs.max(outputs) <= i32::MAX as usize,
            "tensors are indexed in 32 bits"
        );
        assert_eq!(out_shape.iter().product::<usize>(), outputs, "output shape");
        assert_eq!(codes.dtype, DType::I32, "codes are words");
        let x = dense("the input", x, inputs);
        let out = empty_device_contiguous_dtype(
            x.client.clone(),
            x.device.clone(),
            Shape::from(out_shape.to_vec()),
            x.dtype,
        );
        Operands {
            codes: dense("the codes", codes, words),
            scale: dense("the scale", scale, channels),
            bias: dense("the bias", bias, channels),
            residual: residual.map(|r| dense("the residual", r, outputs)),
            x,
            out,
        }
    }
}

/// The device's copy of a geometry. `input` and `output` as the kernel sees them.
fn extents<R: CubeRuntime>(
    g: &Geometry,
    [channels_in, channels_out, words]: [usize; 3],
    input: [usize; 3],
    output: [usize; 3],
) -> ExtentsLaunch<R> {
    let [i, o] = [input, output].map(small);
    let [s, p, d] = [g.stride, g.padding, g.dilation].map(small);
    ExtentsLaunch::new(
        g.batch as u32,
        channels_in as u32,
        channels_out as u32,
        words as u32,
        i[0],
        i[1],
        i[2],
        o[0],
        o[1],
        o[2],
        s[0],
        s[1],
        s[2],
        p[0],
        p[1],
        p[2],
        d[0],
        d[1],
        d[2],
    )
}

/// Launches `$kernel` on `$t: Operands`, whose output it gives back.
macro_rules! launch {
    ($kernel:path, $t:ident, $count:expr, $threads:expr, $extents:expr, $tile:expr) => {{
        let out = $t.out.clone();
        // SAFETY: the kernels mask every access by the extents, which `Operands` has compared
        // with the lengths of the buffers; the output is a new buffer.
        unsafe {
            $kernel(
                &out.client,
                $count,
                CubeDim::new_1d($threads),
                $t.x.into_array_arg(),
                $t.codes.into_array_arg(),
                $t.scale.into_array_arg(),
                $t.bias.into_array_arg(),
                $t.residual.map(|r| r.into_array_arg()).into(),
                $t.out.into_array_arg(),
                $extents,
                $tile,
            );
        }
        out
    }};
}

/// Convolution with packed weights, planned for the adapter: see [`conv_packed_by`].
#[allow(clippy::too_many_arguments)]
pub fn conv_packed<R: CubeRuntime>(
    g: &Geometry,
    x: CubeTensor<R>,
    codes: CubeTensor<R>,
    scale: CubeTensor<R>,
    bias: CubeTensor<R>,
    residual: Option<CubeTensor<R>>,
    activation: Activation,
    out_shape: &[usize],
) -> CubeTensor<R> {
    let plan = plan(g, plan::software());
    conv_packed_by(
        plan, g, x, codes, scale, bias, residual, activation, out_shape,
    )
}

/// activation(scale·(codes ∗ x) + bias + residual), in the way that `plan` says.
///
/// 2D is 3D with depth 1. `x` is `[n, ci, (d,) h, w]`, `codes` what [`arrange`] made, `scale` and
/// `bias` `[co]`, `residual` of the output's shape `out_shape`. Depthwise convolutions (a group a
/// channel) have a kernel of their own and take no plan.
///
/// # Panics
/// If a tensor does not fit the geometry, or with several groups that are not depthwise.
#[allow(clippy::too_many_arguments)]
pub fn conv_packed_by<R: CubeRuntime>(
    plan: Plan,
    g: &Geometry,
    x: CubeTensor<R>,
    codes: CubeTensor<R>,
    scale: CubeTensor<R>,
    bias: CubeTensor<R>,
    residual: Option<CubeTensor<R>>,
    activation: Activation,
    out_shape: &[usize],
) -> CubeTensor<R> {
    let layout = arrange::Layout::of(g);
    let (positions, kernel) = (volume(g.output), small(g.kernel));
    let lengths = [
        g.batch * g.channels_in * volume(g.input),
        layout.words(g),
        g.channels_out,
        g.batch * g.channels_out * positions,
    ];
    let t = Operands::new([x, codes, scale, bias], residual, out_shape, lengths);
    let extents = extents(
        g,
        [g.channels_in, g.channels_out, layout.row(g)],
        g.input,
        g.output,
    );
    let [d, h, w] = g.output;
    if layout == arrange::Layout::Depthwise {
        let tile = DepthwiseTile {
            kernel,
            rows: plan::DEPTHWISE_ROWS.min(h as u32),
            sliding: match (g.dilation[1], g.stride[1]) {
                (1, stride @ 1..=2) => stride as u32,
                _ => 0,
            },
            activation,
        };
        let columns = d * h.div_ceil(tile.rows as usize) * w;
        let groups = g.batch * g.channels_out * columns.div_ceil(plan::THREADS as usize);
        let count = fold(groups, 1);
        return launch!(
            depthwise::depthwise::launch_unchecked,
            t,
            count,
            plan::THREADS,
            extents,
            tile
        );
    }
    match plan {
        Plan::Rows {
            channels,
            rows,
            stage,
        } => {
            let tile = RowsTile {
                kernel,
                channels,
                rows,
                stage,
                sliding: g.stride[1] == 1 && g.dilation[1] == 1,
                activation,
            };
            let columns = g.batch * d * h.div_ceil(rows as usize) * w;
            let count = fold(
                columns.div_ceil(plan::THREADS as usize),
                g.channels_out.div_ceil(channels as usize),
            );
            launch!(
                rows::rows::launch_unchecked,
                t,
                count,
                plan::THREADS,
                extents,
                tile
            )
        }
        Plan::Tiled {
            channels,
            positions,
            depth,
            unit,
        } => {
            let tile = Tile {
                kernel,
                channels,
                positions,
                depth,
                unit_channels: unit[0],
                unit_positions: unit[1],
                activation,
            };
            tile.check();
            let count = fold(
                (g.batch * volume(g.output)).div_ceil(positions as usize),
                g.channels_out.div_ceil(channels as usize),
            );
            launch!(
                tiled::tiled::launch_unchecked,
                t,
                count,
                tile.threads(),
                extents,
                tile
            )
        }
    }
}

/// Transposed 3×3×3 convolution with stride 2 and padding 1:
/// activation(scale·(codes ∗ᵀ x) + bias + residual).
///
/// `g` is the convolution that the transposed one is the input gradient of: `g.output` and
/// `g.channels_out` are those of `x [n, ci, d, h, w]`, `g.input` and `g.channels_in` those of the
/// result `[n, co, …]`. `codes` are what [`arrange_transposed`] made.
///
/// # Panics
/// If a tensor does not fit the geometry, or the geometry is not of this kind.
#[allow(clippy::too_many_arguments)]
pub fn conv_transposed_packed<R: CubeRuntime>(
    g: &Geometry,
    x: CubeTensor<R>,
    codes: CubeTensor<R>,
    scale: CubeTensor<R>,
    bias: CubeTensor<R>,
    residual: Option<CubeTensor<R>>,
    activation: Activation,
    out_shape: &[usize],
) -> CubeTensor<R> {
    arrange::assert_doubling(g);
    let (ci, co) = (g.channels_out, g.channels_in);
    let row = co.div_ceil(4);
    let lengths = [
        g.batch * ci * volume(g.output),
        ci * 27 * row,
        co,
        g.batch * co * volume(g.input),
    ];
    let t = Operands::new([x, codes, scale, bias], residual, out_shape, lengths);
    let tile = TransposedTile {
        channels: co.min(4) as u32,
        cells: plan::cells().min(g.output[1] as u32),
        stage: if plan::software() { 0 } else { plan::STAGE },
        activation,
    };
    let [d, h, w] = g.output;
    let columns = g.batch * d * h.div_ceil(tile.cells as usize) * w;
    let count = fold(columns.div_ceil(plan::THREADS as usize), row);
    let extents = extents(g, [ci, co, row], g.output, g.input);
    launch!(
        transposed::transposed::launch_unchecked,
        t,
        count,
        plan::THREADS,
        extents,
        tile
    )
}

/// Instance norm without affine parameters, then PReLU with one shared slope `[1]`, on
/// `x [n, c, …]`.
///
/// # Panics
/// If the slope is not one number.
pub fn settle<R: CubeRuntime>(
    x: CubeTensor<R>,
    slope: CubeTensor<R>,
    epsilon: f32,
) -> CubeTensor<R> {
    let shape = x.meta.shape().clone();
    let total = shape.num_elements();
    let planes = shape[0] * shape[1];
    let length = total / planes;
    assert!(total <= i32::MAX as usize, "tensors are indexed in 32 bits");
    let x = dense("the input", x, total);
    let slope = dense("the slope", slope, 1);
    let new = |shape: Shape| {
        empty_device_contiguous_dtype(x.client.clone(), x.device.clone(), shape, x.dtype)
    };
    // Pieces of at least PIECE values.
    let pieces = (length / plan::PIECE).clamp(1, plan::MOST_PIECES);
    let piece = length.div_ceil(pieces);
    let partial = new(Shape::from([planes, pieces, 3]));
    let statistics = new(Shape::from([planes, 2]));
    let out = new(shape);
    let lanes = if length % 4 == 0 { 4 } else { 1 };
    let vectors = length / lanes;
    let groups = planes * vectors.div_ceil((norm::THREADS * norm::VECTORS) as usize);
    // SAFETY: the kernels mask what is beyond `planes`, `length` and `pieces`, which are
    // what the buffers above were made with.
    unsafe {
        norm::measure::launch_unchecked(
            &x.client,
            fold(planes, pieces),
            CubeDim::new_1d(norm::THREADS),
            x.clone().into_array_arg(),
            partial.clone().into_array_arg(),
            planes as u32,
            length as u32,
            piece as u32,
        );
        norm::finish::launch_unchecked(
            &x.client,
            fold(planes.div_ceil(plan::THREADS as usize), 1),
            CubeDim::new_1d(plan::THREADS),
            partial.into_array_arg(),
            statistics.clone().into_array_arg(),
            planes as u32,
            pieces as u32,
            epsilon,
        );
        norm::apply::launch_unchecked(
            &x.client,
            fold(groups, 1),
            CubeDim::new_1d(norm::THREADS),
            lanes,
            x.clone().into_array_arg(),
            statistics.into_array_arg(),
            slope.into_array_arg(),
            out.clone().into_array_arg(),
            planes as u32,
            vectors as u32,
        );
    }
    out
}
