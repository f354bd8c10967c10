//! Instance norm and PReLU: statistics, then one pass that applies them.
//!
//! A plane is cut into pieces so that few long planes still fill a GPU. Each thread keeps count,
//! mean and sum of squared deviations of what it has read; pairs of these merge without the
//! cancellation of Σx² − (Σx)²/n (Chan, Golub & LeVeque 1979).

use super::launch::{dense, fold};
use super::plan::{MOST_PIECES, PIECE};
use burn::tensor::Shape;
use burn_cubecl::CubeRuntime;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Threads of a workgroup.
const THREADS: u32 = 256;
/// Values that a thread of [`measure`] reads at once.
const RUN: u32 = 8;
/// Vectors of a thread of [`apply`].
const VECTORS: u32 = 4;

/// Count, mean and sum of squared deviations of some values.
#[derive(CubeType, Clone, Copy)]
struct Moments {
    count: f32,
    mean: f32,
    squares: f32,
}

/// The moments of two sets together.
#[cube]
fn merge(a: Moments, b: Moments) -> Moments {
    let count = a.count + b.count;
    let share = b.count / max(count, 1.0f32);
    let apart = b.mean - a.mean;
    Moments {
        count,
        mean: a.mean + apart * share,
        squares: a.squares + b.squares + apart * apart * a.count * share,
    }
}

/// Moments of piece `CUBE_POS_Y` of plane `CUBE_POS_X + CUBE_POS_Z·CUBE_COUNT_X`: three floats at
/// `partial[(plane·pieces + piece)·3]`.
#[cube(launch_unchecked)]
fn measure(x: &Array<f32>, partial: &mut Array<f32>, planes: u32, length: u32, piece: u32) {
    let plane = CUBE_POS_Z * CUBE_COUNT_X + CUBE_POS_X;
    let unit = UNIT_POS_X;
    let mut counts = SharedMemory::<f32>::new(THREADS as usize);
    let mut means = SharedMemory::<f32>::new(THREADS as usize);
    let mut squares = SharedMemory::<f32>::new(THREADS as usize);

    // Workgroups beyond the last plane have nothing to read, but meet the barriers.
    let start = CUBE_POS_Y * piece;
    let end = select(plane < planes, min(start + piece, length), 0u32);
    let base = plane * length;
    let mut own = Moments {
        count: 0.0f32,
        mean: 0.0f32,
        squares: 0.0f32,
    };
    let mut at = start + unit;
    while at < end {
        let mut count = 0.0f32;
        let mut sum = 0.0f32;
        let mut values = Sequence::<f32>::new();
        #[unroll]
        for i in 0..RUN {
            let from = at + comptime!(i * THREADS);
            let value = x[(base + select(from < end, from, at)) as usize];
            count += select(from < end, 1.0f32, 0.0f32);
            sum += select(from < end, value, 0.0f32);
            values.push(value);
        }
        let mean = sum / count;
        let mut squares = 0.0f32;
        #[unroll]
        for i in 0..RUN {
            let apart = *values.index(i as usize) - mean;
            let known = at + comptime!(i * THREADS) < end;
            squares += select(known, apart * apart, 0.0f32);
        }
        let run = Moments {
            count,
            mean,
            squares,
        };
        let both = merge(own, run);
        own.count = both.count;
        own.mean = both.mean;
        own.squares = both.squares;
        at += comptime!(RUN * THREADS);
    }
    counts[unit as usize] = own.count;
    means[unit as usize] = own.mean;
    squares[unit as usize] = own.squares;
    sync_cube();
    #[unroll]
    for level in 0..comptime!(THREADS.ilog2()) {
        let half = comptime!(THREADS >> (level + 1));
        if unit < half {
            let a = Moments {
                count: counts[unit as usize],
                mean: means[unit as usize],
                squares: squares[unit as usize],
            };
            let b = Moments {
                count: counts[(unit + half) as usize],
                mean: means[(unit + half) as usize],
                squares: squares[(unit + half) as usize],
            };
            let both = merge(a, b);
            counts[unit as usize] = both.count;
            means[unit as usize] = both.mean;
            squares[unit as usize] = both.squares;
        }
        sync_cube();
    }
    if unit == 0 && plane < planes {
        let to = (plane * CUBE_COUNT_Y + CUBE_POS_Y) * 3;
        partial[to as usize] = counts[0];
        partial[(to + 1) as usize] = means[0];
        partial[(to + 2) as usize] = squares[0];
    }
}

/// Mean and 1/√(variance + ε) of each plane out of its pieces, one thread a plane.
#[cube(launch_unchecked)]
fn finish(
    partial: &Array<f32>,
    statistics: &mut Array<f32>,
    planes: u32,
    pieces: u32,
    epsilon: f32,
) {
    let plane = CUBE_POS_X * CUBE_DIM_X + UNIT_POS_X;
    if plane >= planes {
        terminate!();
    }
    let mut all = Moments {
        count: 0.0f32,
        mean: 0.0f32,
        squares: 0.0f32,
    };
    for piece in 0..pieces {
        let from = (plane * pieces + piece) * 3;
        let both = merge(
            all,
            Moments {
                count: partial[from as usize],
                mean: partial[(from + 1) as usize],
                squares: partial[(from + 2) as usize],
            },
        );
        all.count = both.count;
        all.mean = both.mean;
        all.squares = both.squares;
    }
    statistics[(2 * plane) as usize] = all.mean;
    statistics[(2 * plane + 1) as usize] = 1.0f32 / Sqrt::sqrt(all.squares / all.count + epsilon);
}

/// out = p > 0 ? p : slope·p with p = (x − mean)·rate. Every plane has workgroups of its own;
/// `length` counts the vectors of a plane.
#[cube(launch_unchecked)]
fn apply<N: Size>(
    x: &Array<Vector<f32, N>>,
    statistics: &Array<f32>,
    slope: &Array<f32>,
    out: &mut Array<Vector<f32, N>>,
    planes: u32,
    length: u32,
) {
    let groups = (length + comptime!(THREADS * VECTORS - 1)) / comptime!(THREADS * VECTORS);
    let group = CUBE_POS_Z * CUBE_COUNT_X + CUBE_POS_X;
    let plane = group / groups;
    if plane >= planes {
        terminate!();
    }
    let mean = Vector::new(statistics[(2 * plane) as usize]);
    let rate = Vector::new(statistics[(2 * plane + 1) as usize]);
    let slope = Vector::new(slope[0]);
    let zero = Vector::new(0.0f32);
    let first = group % groups * comptime!(THREADS * VECTORS) + UNIT_POS_X;
    #[unroll]
    for i in 0..VECTORS {
        let at = first + comptime!(i * THREADS);
        if at < length {
            let at = (plane * length + at) as usize;
            let value = (x[at] - mean) * rate;
            out[at] = max(value, zero) + slope * min(value, zero);
        }
    }
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
    let pieces = (length / PIECE).clamp(1, MOST_PIECES);
    let piece = length.div_ceil(pieces);
    let partial = new(Shape::from([planes, pieces, 3]));
    let statistics = new(Shape::from([planes, 2]));
    let out = new(shape);
    let lanes = if length.is_multiple_of(4) { 4 } else { 1 };
    let vectors = length / lanes;
    let groups = planes * vectors.div_ceil((THREADS * VECTORS) as usize);
    // SAFETY: the kernels mask what is beyond `planes`, `length` and `pieces`, which are
    // what the buffers above were made with.
    unsafe {
        measure::launch_unchecked(
            &x.client,
            fold(planes, pieces),
            CubeDim::new_1d(THREADS),
            x.clone().into_array_arg(),
            partial.clone().into_array_arg(),
            planes as u32,
            length as u32,
            piece as u32,
        );
        finish::launch_unchecked(
            &x.client,
            fold(planes.div_ceil(THREADS as usize), 1),
            CubeDim::new_1d(THREADS),
            partial.into_array_arg(),
            statistics.clone().into_array_arg(),
            planes as u32,
            pieces as u32,
            epsilon,
        );
        apply::launch_unchecked(
            &x.client,
            fold(groups, 1),
            CubeDim::new_1d(THREADS),
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
