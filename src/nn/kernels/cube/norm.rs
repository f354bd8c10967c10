//! Instance norm and PReLU: statistics, then one pass that applies them.
//!
//! A plane is cut into pieces so that few long planes still fill a GPU. Each thread keeps count,
//! mean and sum of squared deviations of what it has read; pairs of these merge without the
//! cancellation of Σx² − (Σx)²/n (Chan, Golub & LeVeque 1979).

use cubecl::prelude::*;

/// Threads of a workgroup.
pub(super) const THREADS: u32 = 256;
/// Values that a thread of [`measure`] reads at once.
const RUN: u32 = 8;
/// Vectors of a thread of [`apply`].
pub(super) const VECTORS: u32 = 4;

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
pub(super) fn measure(
    x: &Array<f32>,
    partial: &mut Array<f32>,
    planes: u32,
    length: u32,
    piece: u32,
) {
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
pub(super) fn finish(
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
pub(super) fn apply<N: Size>(
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
