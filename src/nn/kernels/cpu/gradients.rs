//! Convolution as training calls it, and its gradients.
//!
//! The gradient by the input is a transposed convolution. The gradient by the weight is summed in
//! registers where planes are large ([`filters`]). Elsewhere it is cut into tiles of whole output
//! rows, whose receptive fields are copied into a column matrix `[ci·kd·kh·kw, positions]` that
//! stays in cache; matrix products do the arithmetic.

use super::packed::{Finish, Weight, arrange_for, arrange_transposed_for};
use super::plan::Plan;
use super::simd::Level;
use super::sweep::sweep;
use super::{Activation, Geometry, Shared, filters, parallel, threads};
use gemm::Parallelism;

/// Floats of one column tile: about 1 MiB, so that it stays in the second-level cache.
const TILE_FLOATS: usize = 1 << 18;

/// Positions from which on a plane's sums are worth their last additions across vectors.
const LARGE_PLANE: usize = 450;

/// Convolution: `x [n, ci, d, h, w]`, `weight [co, ci/groups, kd, kh, kw]` → `[n, co, d', h', w']`.
pub fn conv(g: &Geometry, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let level = Level::best();
    let arranged = arrange_for(level, g, weight);
    linear(level, &Plan::forward(g), x, &arranged, bias)
}

/// Gradient of [`conv`] by its input; also the transposed convolution itself.
pub fn conv_input_gradient(g: &Geometry, weight: &[f32], grad: &[f32]) -> Vec<f32> {
    let level = Level::best();
    let arranged = arrange_transposed_for(level, g, weight);
    linear(level, &Plan::transposed(g), grad, &arranged, None)
}

fn linear<W: Weight>(
    level: Level,
    plan: &Plan,
    x: &[f32],
    arranged: &[W],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let channels = plan.groups * plan.targets;
    let (ones, zeros) = (vec![1.0; channels], vec![0.0; channels]);
    let finish = Finish {
        bias: bias.unwrap_or(&zeros),
        residual: None,
        activation: Activation::None,
    };
    sweep(level, plan, x, arranged, &ones, &finish)
}

/// Gradient of [`conv`] by its weight.
pub fn conv_weight_gradient(g: &Geometry, x: &[f32], grad: &[f32]) -> Vec<f32> {
    let (positions, pixels, width) = (g.outputs(), g.inputs(), g.output[2]);
    let (gi, go) = (g.in_group(), g.out_group());
    let k = gi * g.taps();
    let mut gw = vec![0.0; g.channels_out * k];
    let shared = Shared::new(&mut gw);
    if g.is_depthwise() || (g.taps() > 1 && g.output[1] * g.output[2] >= LARGE_PLANE) {
        return filters::weight_gradient(Level::best(), g, x, grad);
    }
    // Workers take every so-many-th (sample, tile) and add into sums of their own.
    let tiles = tiles(g, gi);
    let jobs = g.batch * tiles.len();
    let workers = threads().min(jobs).max(1);
    for group in 0..g.groups {
        let mut sums = vec![0.0; workers * go * k];
        let all = Shared::new(&mut sums);
        parallel(workers, |worker| {
            // SAFETY: one sum a worker.
            let sum = unsafe { all.part(worker * go * k, go * k) };
            let mut columns = Vec::new();
            for job in (worker..jobs).step_by(workers) {
                let (n, tile) = (job / tiles.len(), &tiles[job % tiles.len()]);
                let (start, count) = (tile.start * width, tile.len() * width);
                let source = &x[(n * g.channels_in + group * gi) * pixels..][..gi * pixels];
                let grads = &grad[(n * g.channels_out + group * go) * positions + start..];
                let grads = Matrix::rows(grads, positions);
                let columns = if g.is_pointwise() {
                    Matrix::rows(&source[start..], pixels)
                } else {
                    columns.resize(k * count, 0.0);
                    gather(g, source, tile.clone(), &mut columns);
                    Matrix::rows(&columns, count)
                };
                multiply([go, k, count], sum, k, true, grads, columns.transposed());
            }
        });
        // SAFETY: the groups run one after the other.
        let out = unsafe { shared.part(group * go * k, go * k) };
        for sum in sums.chunks_exact(go * k) {
            for (to, from) in out.iter_mut().zip(sum) {
                *to += *from;
            }
        }
    }
    gw
}

/// The tiles of output rows for `channels` gathered channels.
fn tiles(g: &Geometry, channels: usize) -> Vec<std::ops::Range<usize>> {
    let all = g.output[0] * g.output[1];
    let step = tile_rows(g, channels);
    (0..all.div_ceil(step))
        .map(|t| t * step..((t + 1) * step).min(all))
        .collect()
}

/// Output rows (`d·h` flattened) of one tile for `channels` input channels.
fn tile_rows(g: &Geometry, channels: usize) -> usize {
    let per_row = channels * g.taps() * g.output[2];
    (TILE_FLOATS / per_row.max(1)).clamp(1, g.output[0] * g.output[1])
}

/// Copies the receptive fields of output rows `rows` into `to [channels·taps, positions]`.
fn gather(g: &Geometry, x: &[f32], rows: std::ops::Range<usize>, to: &mut [f32]) {
    let (width, stride) = (g.output[2], g.stride[2]);
    let mut lines = to.chunks_exact_mut(width);
    for plane in x.chunks_exact(g.inputs()) {
        for a in 0..g.kernel[0] {
            for b in 0..g.kernel[1] {
                for c in 0..g.kernel[2] {
                    let (start, end, first) = g.columns(c);
                    for row in rows.clone() {
                        let Some(line) = lines.next() else { return };
                        let Some(base) = g.input_row(row, a, b) else {
                            line.fill(0.0);
                            continue;
                        };
                        line[..start].fill(0.0);
                        line[end..].fill(0.0);
                        let source = &plane[base + first..];
                        if stride == 1 {
                            line[start..end].copy_from_slice(&source[..end - start]);
                        } else {
                            for (to, from) in line[start..end]
                                .iter_mut()
                                .zip(source.iter().step_by(stride))
                            {
                                *to = *from;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A matrix in a slice, with its strides.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    data: &'a [f32],
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    fn rows(data: &'a [f32], row_stride: usize) -> Self {
        Matrix {
            data,
            row_stride,
            column_stride: 1,
        }
    }
    fn transposed(self) -> Self {
        Matrix {
            data: self.data,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
    fn covers(&self, rows: usize, columns: usize) -> bool {
        rows == 0
            || columns == 0
            || (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.data.len()
    }
}

/// `out[m, n] (+)= a[m, k] · b[k, n]`, `out` row-major with `out_stride`.
fn multiply(
    [m, n, k]: [usize; 3],
    out: &mut [f32],
    out_stride: usize,
    accumulate: bool,
    a: Matrix,
    b: Matrix,
) {
    assert!(a.covers(m, k) && b.covers(k, n), "a matrix is too short");
    assert!(
        m == 0 || (m - 1) * out_stride + n <= out.len(),
        "the output is too short"
    );
    // SAFETY: every index that the product touches is inside its slice by the assertions above,
    // and `out` is borrowed mutably.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            out_stride as isize,
            accumulate,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
