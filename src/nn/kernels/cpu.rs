//! Convolution and normalisation on slices: what the CPU backend runs, in inference and training.
//!
//! A convolution is cut into tiles of whole output rows. A tile's receptive field is copied into
//! a column matrix `[ci·kd·kh·kw, positions]` that stays in cache, and a matrix product does the
//! arithmetic; the gradients run the same tiles backwards. 2D is 3D with depth 1. Depthwise and
//! 1×1 convolutions skip the columns.

use super::Activation;
use gemm::Parallelism;
use multiversion::multiversion;

/// Floats of one column tile: about 1 MiB, so that it stays in the second-level cache.
const TILE_FLOATS: usize = 1 << 18;

/// The shapes of one convolution, depth first: `[d, h, w]`.
#[derive(Clone, Debug)]
pub struct Geometry {
    /// Samples.
    pub batch: usize,
    /// Input channels.
    pub channels_in: usize,
    /// Output channels.
    pub channels_out: usize,
    /// Groups; both channel counts are multiples of it.
    pub groups: usize,
    /// Input extent.
    pub input: [usize; 3],
    /// Kernel extent.
    pub kernel: [usize; 3],
    /// Stride.
    pub stride: [usize; 3],
    /// Zero padding on both sides.
    pub padding: [usize; 3],
    /// Dilation.
    pub dilation: [usize; 3],
    /// Output extent.
    pub output: [usize; 3],
}

impl Geometry {
    /// The geometry of a convolution, with its output extent.
    ///
    /// # Panics
    /// If the kernel is larger than the padded input.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        batch: usize,
        channels_in: usize,
        channels_out: usize,
        groups: usize,
        input: [usize; 3],
        kernel: [usize; 3],
        stride: [usize; 3],
        padding: [usize; 3],
        dilation: [usize; 3],
    ) -> Self {
        let output = std::array::from_fn(|a| {
            let reach = dilation[a] * (kernel[a] - 1) + 1;
            (input[a] + 2 * padding[a] - reach) / stride[a] + 1
        });
        Geometry {
            batch,
            channels_in,
            channels_out,
            groups,
            input,
            kernel,
            stride,
            padding,
            dilation,
            output,
        }
    }

    fn taps(&self) -> usize {
        self.kernel.iter().product()
    }
    fn inputs(&self) -> usize {
        self.input.iter().product()
    }
    fn outputs(&self) -> usize {
        self.output.iter().product()
    }
    fn in_group(&self) -> usize {
        self.channels_in / self.groups
    }
    fn out_group(&self) -> usize {
        self.channels_out / self.groups
    }
    fn is_pointwise(&self) -> bool {
        self.taps() == 1 && self.stride == [1; 3] && self.padding == [0; 3]
    }
    fn is_depthwise(&self) -> bool {
        self.groups == self.channels_in && self.groups == self.channels_out
    }
    /// Output rows (`d·h` flattened) of one tile for `channels` input channels.
    fn tile_rows(&self, channels: usize) -> usize {
        let per_row = channels * self.taps() * self.output[2];
        (TILE_FLOATS / per_row.max(1)).clamp(1, self.output[0] * self.output[1])
    }
    /// Where output row `row` reads for kernel tap `(a, b)`: the input row's start, or none in
    /// the padding.
    #[inline(always)]
    fn input_row(&self, row: usize, a: usize, b: usize) -> Option<usize> {
        let z = (row / self.output[1]) * self.stride[0] + a * self.dilation[0];
        let y = (row % self.output[1]) * self.stride[1] + b * self.dilation[1];
        let z = z
            .checked_sub(self.padding[0])
            .filter(|&z| z < self.input[0])?;
        let y = y
            .checked_sub(self.padding[1])
            .filter(|&y| y < self.input[1])?;
        Some((z * self.input[1] + y) * self.input[2])
    }
    /// Outputs of a row whose input at tap `c` is inside: `start..end`, and the first input.
    #[inline(always)]
    fn columns(&self, c: usize) -> (usize, usize, usize) {
        let (stride, width) = (self.stride[2], self.input[2] as isize);
        let offset = (c * self.dilation[2]) as isize - self.padding[2] as isize;
        let start = if offset < 0 {
            (offset.unsigned_abs()).div_ceil(stride)
        } else {
            0
        };
        let end = if width > offset {
            ((width - offset) as usize)
                .div_ceil(stride)
                .min(self.output[2])
        } else {
            0
        };
        if start >= end {
            return (0, 0, 0);
        }
        (start, end, ((start * stride) as isize + offset) as usize)
    }
}

/// Runs `work(0..tasks)`, on several threads where the platform has them.
pub(crate) fn parallel(tasks: usize, work: impl Fn(usize) + Send + Sync) {
    #[cfg(not(target_arch = "wasm32"))]
    {
        use rayon::prelude::*;
        (0..tasks).into_par_iter().for_each(work);
    }
    #[cfg(target_arch = "wasm32")]
    (0..tasks).for_each(work);
}

/// Threads that [`parallel`] runs on.
fn threads() -> usize {
    #[cfg(not(target_arch = "wasm32"))]
    return rayon::current_num_threads();
    #[cfg(target_arch = "wasm32")]
    1
}

/// A mutable slice that tasks share; each task writes a part that no other touches.
#[derive(Clone, Copy)]
struct Shared(*mut f32, usize);
// SAFETY: the callers of `part` hand out disjoint ranges.
unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

impl Shared {
    fn new(data: &mut [f32]) -> Self {
        Shared(data.as_mut_ptr(), data.len())
    }
    /// # Safety
    /// No two live parts overlap.
    #[allow(clippy::mut_from_ref)]
    unsafe fn part(&self, start: usize, len: usize) -> &mut [f32] {
        assert!(start + len <= self.1, "part is outside the buffer");
        // SAFETY: inside the buffer by the assertion, disjoint by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
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

/// Copies the receptive fields of output rows `rows` into `columns [channels·taps, positions]`.
fn gather(g: &Geometry, x: &[f32], rows: std::ops::Range<usize>, columns: &mut [f32]) {
    let (width, stride) = (g.output[2], g.stride[2]);
    let mut lines = columns.chunks_exact_mut(width);
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

/// The transpose of [`gather`]: adds the columns back to the pixels they came from.
fn scatter(g: &Geometry, columns: &[f32], rows: std::ops::Range<usize>, x: &mut [f32]) {
    let (width, stride) = (g.output[2], g.stride[2]);
    let mut lines = columns.chunks_exact(width);
    for plane in x.chunks_exact_mut(g.inputs()) {
        for a in 0..g.kernel[0] {
            for b in 0..g.kernel[1] {
                for c in 0..g.kernel[2] {
                    let (start, end, first) = g.columns(c);
                    for row in rows.clone() {
                        let Some(line) = lines.next() else { return };
                        let Some(base) = g.input_row(row, a, b) else {
                            continue;
                        };
                        if start == end {
                            continue;
                        }
                        let target = &mut plane[base + first..];
                        if stride == 1 {
                            for (to, from) in target.iter_mut().zip(&line[start..end]) {
                                *to += *from;
                            }
                        } else {
                            for (to, from) in
                                target.iter_mut().step_by(stride).zip(&line[start..end])
                            {
                                *to += *from;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The tiles of output rows for `channels` gathered channels.
fn tiles(g: &Geometry, channels: usize) -> Vec<std::ops::Range<usize>> {
    let all = g.output[0] * g.output[1];
    let step = g.tile_rows(channels);
    (0..all.div_ceil(step))
        .map(|t| t * step..((t + 1) * step).min(all))
        .collect()
}

/// Convolution: `x [n, ci, d, h, w]`, `weight [co, ci/groups, kd, kh, kw]` → `[n, co, d', h', w']`.
pub fn conv(g: &Geometry, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let (positions, pixels, width) = (g.outputs(), g.inputs(), g.output[2]);
    let mut y = vec![0.0; g.batch * g.channels_out * positions];
    let shared = Shared::new(&mut y);
    if g.is_depthwise() {
        parallel(g.batch * g.channels_in, |task| {
            let channel = task % g.channels_in;
            // SAFETY: one output plane a task.
            let out = unsafe { shared.part(task * positions, positions) };
            out.fill(bias.map_or(0.0, |b| b[channel]));
            let taps = &weight[channel * g.taps()..][..g.taps()];
            depthwise_plane(g, &x[task * pixels..][..pixels], taps, out);
        });
        return y;
    }
    let (gi, go) = (g.in_group(), g.out_group());
    let k = gi * g.taps();
    let tiles = tiles(g, gi);
    parallel(g.batch * g.groups * tiles.len(), |task| {
        let (rest, tile) = (task / tiles.len(), &tiles[task % tiles.len()]);
        let (n, group) = (rest / g.groups, rest % g.groups);
        let source = &x[(n * g.channels_in + group * gi) * pixels..][..gi * pixels];
        let (start, count) = (tile.start * width, tile.len() * width);
        let mut product = vec![0.0; go * count];
        let filters = Matrix::rows(&weight[group * go * k..][..go * k], k);
        if g.is_pointwise() {
            let source = Matrix::rows(&source[start..], pixels);
            multiply([go, count, k], &mut product, count, false, filters, source);
        } else {
            let mut columns = vec![0.0; k * count];
            gather(g, source, tile.clone(), &mut columns);
            let columns = Matrix::rows(&columns, count);
            multiply([go, count, k], &mut product, count, false, filters, columns);
        }
        for (o, line) in product.chunks_exact(count).enumerate() {
            let channel = group * go + o;
            let shift = bias.map_or(0.0, |b| b[channel]);
            let at = (n * g.channels_out + channel) * positions + start;
            // SAFETY: one (sample, group, tile) a task; its rows of its channels are its own.
            let out = unsafe { shared.part(at, count) };
            for (to, from) in out.iter_mut().zip(line) {
                *to = *from + shift;
            }
        }
    });
    y
}

#[multiversion(targets("x86_64+avx512f+avx2+fma", "x86_64+avx2+fma"))]
fn depthwise_plane(g: &Geometry, x: &[f32], taps: &[f32], out: &mut [f32]) {
    let stride = g.stride[2];
    for (row, line) in out.chunks_exact_mut(g.output[2]).enumerate() {
        let mut tap = taps.iter();
        for a in 0..g.kernel[0] {
            for b in 0..g.kernel[1] {
                let base = g.input_row(row, a, b);
                for c in 0..g.kernel[2] {
                    let Some(&w) = tap.next() else { return };
                    let Some(base) = base else { continue };
                    let (start, end, first) = g.columns(c);
                    if start == end {
                        continue;
                    }
                    let source = &x[base + first..];
                    if stride == 1 {
                        for (to, from) in line[start..end].iter_mut().zip(source) {
                            *to += w * *from;
                        }
                    } else {
                        for (to, from) in line[start..end]
                            .iter_mut()
                            .zip(source.iter().step_by(stride))
                        {
                            *to += w * *from;
                        }
                    }
                }
            }
        }
    }
}

/// Gradient of [`conv`] by its input; also the transposed convolution itself.
pub fn conv_input_gradient(g: &Geometry, weight: &[f32], grad: &[f32]) -> Vec<f32> {
    let (positions, pixels, width, taps) = (g.outputs(), g.inputs(), g.output[2], g.taps());
    let mut gx = vec![0.0; g.batch * g.channels_in * pixels];
    let shared = Shared::new(&mut gx);
    if g.is_depthwise() {
        parallel(g.batch * g.channels_in, |task| {
            // SAFETY: one input plane a task.
            let out = unsafe { shared.part(task * pixels, pixels) };
            let filter = &weight[(task % g.channels_in) * taps..][..taps];
            depthwise_plane_input(g, &grad[task * positions..][..positions], filter, out);
        });
        return gx;
    }
    let (gi, go) = (g.in_group(), g.out_group());
    // Channels are split so that small batches keep every thread busy; chunks share no pixel.
    let chunks = (2 * threads()).div_ceil(g.batch * g.groups).clamp(1, gi);
    let per_chunk = gi.div_ceil(chunks);
    parallel(g.batch * g.groups * chunks, |task| {
        let (rest, chunk) = (task / chunks, task % chunks);
        let (n, group) = (rest / g.groups, rest % g.groups);
        let first = chunk * per_chunk;
        let channels = per_chunk.min(gi.saturating_sub(first));
        if channels == 0 {
            return;
        }
        let k = channels * taps;
        let at = (n * g.channels_in + group * gi + first) * pixels;
        // SAFETY: one (sample, group, channel chunk) a task.
        let out = unsafe { shared.part(at, channels * pixels) };
        // [go, gi·taps] → the chunk's columns, transposed.
        let filters =
            Matrix::rows(&weight[group * go * gi * taps + first * taps..], gi * taps).transposed();
        let grads = &grad[(n * g.channels_out + group * go) * positions..][..go * positions];
        if g.is_pointwise() {
            let grads = Matrix::rows(grads, positions);
            multiply([k, positions, go], out, pixels, false, filters, grads);
            return;
        }
        let mut columns = Vec::new();
        for tile in tiles(g, channels) {
            let (start, count) = (tile.start * width, tile.len() * width);
            columns.resize(k * count, 0.0);
            let grads = Matrix::rows(&grads[start..], positions);
            multiply([k, count, go], &mut columns, count, false, filters, grads);
            scatter(g, &columns, tile, out);
        }
    });
    gx
}

#[multiversion(targets("x86_64+avx512f+avx2+fma", "x86_64+avx2+fma"))]
fn depthwise_plane_input(g: &Geometry, grad: &[f32], taps: &[f32], gx: &mut [f32]) {
    let stride = g.stride[2];
    for (row, line) in grad.chunks_exact(g.output[2]).enumerate() {
        let mut tap = taps.iter();
        for a in 0..g.kernel[0] {
            for b in 0..g.kernel[1] {
                let base = g.input_row(row, a, b);
                for c in 0..g.kernel[2] {
                    let Some(&w) = tap.next() else { return };
                    let Some(base) = base else { continue };
                    let (start, end, first) = g.columns(c);
                    if start == end {
                        continue;
                    }
                    let target = &mut gx[base + first..];
                    if stride == 1 {
                        for (to, from) in target.iter_mut().zip(&line[start..end]) {
                            *to += w * *from;
                        }
                    } else {
                        for (to, from) in target.iter_mut().step_by(stride).zip(&line[start..end]) {
                            *to += w * *from;
                        }
                    }
                }
            }
        }
    }
}

/// Gradient of [`conv`] by its weight.
pub fn conv_weight_gradient(g: &Geometry, x: &[f32], grad: &[f32]) -> Vec<f32> {
    let (positions, pixels, width, taps) = (g.outputs(), g.inputs(), g.output[2], g.taps());
    let (gi, go) = (g.in_group(), g.out_group());
    let k = gi * taps;
    let mut gw = vec![0.0; g.channels_out * k];
    let shared = Shared::new(&mut gw);
    if g.is_depthwise() {
        parallel(g.channels_in, |channel| {
            // SAFETY: one filter a task.
            let out = unsafe { shared.part(channel * taps, taps) };
            for n in 0..g.batch {
                let plane = n * g.channels_in + channel;
                let x = &x[plane * pixels..][..pixels];
                depthwise_plane_weight(g, x, &grad[plane * positions..][..positions], out);
            }
        });
        return gw;
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

#[multiversion(targets("x86_64+avx512f+avx2+fma", "x86_64+avx2+fma"))]
fn depthwise_plane_weight(g: &Geometry, x: &[f32], grad: &[f32], gw: &mut [f32]) {
    let stride = g.stride[2];
    let mut taps = gw.iter_mut();
    for a in 0..g.kernel[0] {
        for b in 0..g.kernel[1] {
            for c in 0..g.kernel[2] {
                let Some(sum) = taps.next() else { return };
                let (start, end, first) = g.columns(c);
                if start == end {
                    continue;
                }
                for (row, line) in grad.chunks_exact(g.output[2]).enumerate() {
                    let Some(base) = g.input_row(row, a, b) else {
                        continue;
                    };
                    let source = &x[base + first..];
                    *sum += if stride == 1 {
                        dot(&line[start..end], &source[..end - start])
                    } else {
                        line[start..end]
                            .iter()
                            .zip(source.iter().step_by(stride))
                            .map(|(p, q)| p * q)
                            .sum::<f32>()
                    };
                }
            }
        }
    }
}

/// Lanes of the sums below: independent, so that the compiler can vectorise them.
const LANES: usize = 16;

fn dot(a: &[f32], b: &[f32]) -> f32 {
    lanes(a, b, |p, q| p * q) as f32
}

/// Σ f(a, b), in lanes within chunks and in f64 between them.
#[inline(always)]
fn lanes(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f64 {
    let mut total = 0.0;
    for (a, b) in a.chunks(4096).zip(b.chunks(4096)) {
        let mut sums = [0.0f32; LANES];
        let (left, right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
        let rest: f32 = left
            .remainder()
            .iter()
            .zip(right.remainder())
            .map(|(p, q)| f(*p, *q))
            .sum();
        for (p, q) in left.zip(right) {
            for l in 0..LANES {
                sums[l] += f(p[l], q[l]);
            }
        }
        total += f64::from(rest) + f64::from(sums.iter().sum::<f32>());
    }
    total
}

/// Mean and biased variance of one channel: planes of `s` values at `planes`.
#[multiversion(targets("x86_64+avx512f+avx2+fma", "x86_64+avx2+fma"))]
fn moments(x: &[f32], planes: &[usize], s: usize) -> (f32, f32) {
    let count = (planes.len() * s) as f64;
    let (mut total, mut squares) = (0.0, 0.0);
    for &at in planes {
        let x = &x[at..][..s];
        total += lanes(x, x, |p, _| p);
    }
    let mean = (total / count) as f32;
    for &at in planes {
        let x = &x[at..][..s];
        squares += lanes(x, x, |p, _| (p - mean) * (p - mean));
    }
    (mean, (squares / count) as f32)
}

/// to = activation(from·scale + shift)
#[multiversion(targets("x86_64+avx512f+avx2+fma", "x86_64+avx2+fma"))]
fn rescale(to: &mut [f32], from: &[f32], scale: f32, shift: f32, activation: Activation) {
    let lines = to.iter_mut().zip(from);
    match activation {
        Activation::None => lines.for_each(|(t, f)| *t = *f * scale + shift),
        Activation::Relu => lines.for_each(|(t, f)| *t = (*f * scale + shift).max(0.0)),
        Activation::Relu6 => lines.for_each(|(t, f)| *t = (*f * scale + shift).clamp(0.0, 6.0)),
    }
}

/// to = g where the activation lets the gradient pass, else 0; returns (Σ to, Σ to·(x − centre)).
#[multiversion(targets("x86_64+avx512f+avx2+fma", "x86_64+avx2+fma"))]
fn mask_gradient(
    to: &mut [f32],
    [g, y, x]: [&[f32]; 3],
    centre: f32,
    activation: Activation,
) -> (f64, f64) {
    let lines = to.iter_mut().zip(g).zip(y);
    match activation {
        Activation::None => lines.for_each(|((t, g), _)| *t = *g),
        Activation::Relu => lines.for_each(|((t, g), y)| *t = if *y > 0.0 { *g } else { 0.0 }),
        Activation::Relu6 => {
            lines.for_each(|((t, g), y)| *t = if *y > 0.0 && *y < 6.0 { *g } else { 0.0 });
        }
    }
    (
        lanes(to, to, |g, _| g),
        lanes(to, x, |g, x| g * (x - centre)),
    )
}

/// to = factor·(to − constant − (x − centre)·slope)
#[multiversion(targets("x86_64+avx512f+avx2+fma", "x86_64+avx2+fma"))]
fn centre_gradient(to: &mut [f32], x: &[f32], [factor, constant, centre, slope]: [f32; 4]) {
    for (t, x) in to.iter_mut().zip(x) {
        *t = factor * (*t - constant - (*x - centre) * slope);
    }
}

/// Output, mean and biased variance of [`super::Kernels::normalize`] on `x [n, c, s]`.
pub fn normalize(
    [n, c, s]: [usize; 3],
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
    activation: Activation,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let mut y = vec![0.0; x.len()];
    let mut statistics = vec![0.0; 2 * c];
    let (out, stats) = (Shared::new(&mut y), Shared::new(&mut statistics));
    parallel(c, |channel| {
        let planes: Vec<usize> = (0..n).map(|sample| (sample * c + channel) * s).collect();
        let (mean, variance) = moments(x, &planes, s);
        let scale = gamma[channel] / (variance + epsilon).sqrt();
        let shift = beta[channel] - mean * scale;
        for at in planes {
            // SAFETY: one channel a task.
            let out = unsafe { out.part(at, s) };
            rescale(out, &x[at..][..s], scale, shift, activation);
        }
        // SAFETY: one channel a task.
        unsafe {
            stats.part(channel, 1)[0] = mean;
            stats.part(c + channel, 1)[0] = variance;
        }
    });
    let variance = statistics.split_off(c);
    (y, statistics, variance)
}

/// Gradients of [`normalize`] by `x`, `gamma` and `beta`.
///
/// With x̂ = (x − mean)·r, r = 1/√(variance + ε) and g the gradient behind the activation:
/// ∂x = γ·r·(g − mean(g) − x̂·mean(g·x̂)), ∂γ = Σ g·x̂, ∂β = Σ g.
#[allow(clippy::too_many_arguments)]
pub fn normalize_gradient(
    [n, c, s]: [usize; 3],
    x: &[f32],
    y: &[f32],
    gamma: &[f32],
    mean: &[f32],
    variance: &[f32],
    epsilon: f32,
    activation: Activation,
    grad: &[f32],
) -> [Vec<f32>; 3] {
    let mut gx = vec![0.0; x.len()];
    let (mut ggamma, mut gbeta) = (vec![0.0; c], vec![0.0; c]);
    let out = Shared::new(&mut gx);
    let (to_gamma, to_beta) = (Shared::new(&mut ggamma), Shared::new(&mut gbeta));
    let count = (n * s) as f64;
    parallel(c, |channel| {
        let planes = || (0..n).map(move |sample| (sample * c + channel) * s);
        let rate = 1.0 / (variance[channel] + epsilon).sqrt();
        let centre = mean[channel];
        let (mut sum, mut weighted) = (0.0, 0.0);
        for at in planes() {
            // SAFETY: one channel a task. The plane holds the masked gradient until it is final.
            let out = unsafe { out.part(at, s) };
            let planes = [grad, y, x].map(|t| &t[at..][..s]);
            let (plain, product) = mask_gradient(out, planes, centre, activation);
            sum += plain;
            weighted += product;
        }
        let weighted = weighted * f64::from(rate);
        let factor = gamma[channel] * rate;
        let constant = (sum / count) as f32;
        let slope = (weighted / count) as f32 * rate;
        for at in planes() {
            // SAFETY: as above; the borrow of the first loop has ended.
            let out = unsafe { out.part(at, s) };
            centre_gradient(out, &x[at..][..s], [factor, constant, centre, slope]);
        }
        // SAFETY: one channel a task.
        unsafe {
            to_gamma.part(channel, 1)[0] = weighted as f32;
            to_beta.part(channel, 1)[0] = sum as f32;
        }
    });
    [gx, ggamma, gbeta]
}
