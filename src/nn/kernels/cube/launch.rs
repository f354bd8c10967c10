//! The convolutions' host side: checks, and which kernel with which tile.

use super::super::Activation;
use super::super::geometry::Geometry;
use super::arrange::{self, Layout};
use super::common::ExtentsLaunch;
use super::depthwise::DepthwiseTile;
use super::plan::{self, Plan, THREADS};
use super::rows::RowsTile;
use super::transposed::TransposedTile;
use super::{depthwise, rows, tiled, transposed};
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Most workgroups along one axis of a dispatch.
const MOST_GROUPS: usize = 65535;

/// Workgroups `count` folded into x and z, with `y` others along y. Kernels count them as
/// `z·(extent of x) + x` and skip the few too many.
pub(super) fn fold(count: usize, y: usize) -> CubeCount {
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

/// A contiguous tensor of `count` floats.
pub(super) fn dense<R: CubeRuntime>(
    what: &str,
    tensor: CubeTensor<R>,
    count: usize,
) -> CubeTensor<R> {
    assert_eq!(tensor.dtype, DType::F32, "{what}");
    contiguous(what, tensor, count)
}

fn contiguous<R: CubeRuntime>(what: &str, tensor: CubeTensor<R>, count: usize) -> CubeTensor<R> {
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
        assert_eq!(codes.dtype, DType::I32, "the codes");
        let x = dense("the input", x, inputs);
        let out = empty_device_contiguous_dtype(
            x.client.clone(),
            x.device.clone(),
            Shape::from(out_shape.to_vec()),
            x.dtype,
        );
        Operands {
            codes: contiguous("the codes", codes, words),
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
    let plan = plan::plan(g, plan::software());
    conv_packed_by(
        plan, g, x, codes, scale, bias, residual, activation, out_shape,
    )
}

/// activation(scale·(codes ∗ x) + bias + residual), in the way that `plan` says.
///
/// 2D is 3D with depth 1. `x` is `[n, ci, (d,) h, w]`, `codes` what `arrange` made, `scale` and
/// `bias` `[co]`, `residual` of the output's shape `out_shape`. Depthwise convolutions (a group a
/// channel) have a kernel of their own and take no plan. `residual` must not be `x` itself: WebGPU
/// binds no buffer twice.
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
    let layout = Layout::of(g);
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
    if layout == Layout::Depthwise {
        let tile = DepthwiseTile {
            kernel,
            rows: plan::depthwise_rows(h),
            sliding: match (g.dilation[1], g.stride[1]) {
                (1, stride @ 1..=2) => stride as u32,
                _ => 0,
            },
            activation,
        };
        let columns = d * h.div_ceil(tile.rows as usize) * w;
        // Every plane has workgroups of its own; small planes fill half of one.
        let threads = if columns <= 32 { 32 } else { THREADS };
        let groups = g.batch * g.channels_out * columns.div_ceil(threads as usize);
        let count = fold(groups, 1);
        return launch!(
            depthwise::depthwise::launch_unchecked,
            t,
            count,
            threads,
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
                columns.div_ceil(THREADS as usize),
                g.channels_out.div_ceil(channels as usize),
            );
            launch!(
                rows::rows::launch_unchecked,
                t,
                count,
                THREADS,
                extents,
                tile
            )
        }
        Plan::Tiled { channels, .. } => {
            let tile = plan.tile(kernel, activation);
            let count = fold(
                (g.batch * positions).div_ceil(tile.positions as usize),
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
/// result `[n, co, …]`. `codes` are what `arrange_transposed` made.
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
    let count = fold(columns.div_ceil(THREADS as usize), row);
    let extents = extents(g, [ci, co, row], g.output, g.input);
    launch!(
        transposed::transposed::launch_unchecked,
        t,
        count,
        THREADS,
        extents,
        tile
    )
}
