//! What this processor can do at most, for the roofline: arithmetic from registers alone, and
//! bytes from memory.

use super::{parallel, threads};
use multiversion::multiversion;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The two limits of a machine, on all threads that [`parallel`] uses.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// Floating-point operations a second; a multiply-add is two.
    pub flops: f64,
    /// Bytes a second read from memory.
    pub bytes: f64,
}

/// Independent sums: enough to cover the latency of two units.
const SUMS: usize = 16;
/// Lanes of one sum.
const LANES: usize = 16;
/// Steps of one run of the arithmetic.
const STEPS: usize = 400_000;
/// Floats of the array that is read: beyond any cache.
const FLOATS: usize = 1 << 27;

/// Multiply-adds on sums that stay in registers.
#[multiversion(targets("x86_64+avx512f+avx2+fma", "x86_64+avx2+fma"))]
fn spin(factor: f32) -> f32 {
    let mut sums = [[1.0f32; LANES]; SUMS];
    for _ in 0..STEPS {
        for sum in &mut sums {
            for lane in sum.iter_mut() {
                *lane = if cfg!(target_arch = "x86_64") {
                    lane.mul_add(factor, factor)
                } else {
                    *lane * factor + factor
                };
            }
        }
    }
    sums.iter().flatten().sum()
}

#[multiversion(targets("x86_64+avx512f+avx2+fma", "x86_64+avx2+fma"))]
fn total(values: &[f32]) -> f32 {
    let mut sums = [0.0f32; 4 * LANES];
    for chunk in values.chunks_exact(4 * LANES) {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value;
        }
    }
    sums.iter().sum()
}

/// The best of three tries.
fn best(mut work: impl FnMut()) -> f64 {
    let mut seconds = f64::INFINITY;
    for _ in 0..3 {
        let begun = Instant::now();
        work();
        seconds = seconds.min(begun.elapsed().as_secs_f64());
    }
    seconds
}

/// Measures both limits; takes about a second.
pub fn measure() -> Peak {
    let workers = threads();
    let sink = AtomicU64::new(0);
    let keep = |value: f32| {
        sink.fetch_add(u64::from(value.to_bits()), Ordering::Relaxed);
    };
    let seconds = best(|| parallel(workers, |_| keep(spin(black_box(0.999)))));
    let flops = (workers * STEPS * SUMS * LANES * 2) as f64 / seconds;
    let values = vec![1.0f32; FLOATS];
    let part = FLOATS / workers;
    let seconds = best(|| parallel(workers, |w| keep(total(&values[w * part..][..part]))));
    let bytes = (workers * part * size_of::<f32>()) as f64 / seconds;
    black_box(sink.into_inner());
    Peak { flops, bytes }
}
