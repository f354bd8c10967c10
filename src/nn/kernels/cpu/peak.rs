//! What this processor can do at most, for the roofline: arithmetic from registers alone, and
//! bytes from memory.

use super::simd::{Level, Simd, Work};
use super::{parallel, threads};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// The two limits of a machine, on all threads that `parallel` uses.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// Floating-point operations a second; a multiply-add is two.
    pub flops: f64,
    /// Bytes a second read from memory.
    pub bytes: f64,
}

/// Independent sums: enough to cover the latency of two units, few enough for 16 registers.
const SUMS: usize = 12;
/// Steps of one run of the arithmetic.
const STEPS: usize = 4_000_000;
/// Floats of the array that is read: beyond any cache.
const FLOATS: usize = 1 << 27;

/// Multiply-adds on sums that stay in registers; returns how many floating-point operations.
struct Spin(f32);

impl Work for Spin {
    type Out = usize;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> usize {
        let factor = s.splat(self.0);
        let mut sums = [factor; SUMS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = s.fma(*sum, factor, factor);
            }
        }
        for sum in sums {
            black_box(s.sum(sum));
        }
        STEPS * SUMS * S::LANES * 2
    }
}

/// The sum of all values.
struct Total<'a>(&'a [f32]);

impl Work for Total<'_> {
    type Out = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut sums = [s.splat(0.0); 4];
        for chunk in self.0.chunks_exact(4 * S::LANES) {
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: inside the chunk.
                *sum = s.add(*sum, unsafe { s.load(chunk.as_ptr().add(i * S::LANES)) });
            }
        }
        sums.into_iter().map(|sum| s.sum(sum)).sum()
    }
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
    let (workers, level) = (threads(), Level::best());
    let done = AtomicUsize::new(0);
    let seconds = best(|| {
        done.store(0, Ordering::Relaxed);
        parallel(workers, |_| {
            done.fetch_add(level.run(Spin(black_box(0.999))), Ordering::Relaxed);
        });
    });
    let flops = done.into_inner() as f64 / seconds;
    let values = vec![1.0f32; FLOATS];
    let part = FLOATS / workers;
    let seconds = best(|| {
        parallel(workers, |w| {
            black_box(level.run(Total(&values[w * part..][..part])));
        });
    });
    let bytes = (workers * part * size_of::<f32>()) as f64 / seconds;
    Peak { flops, bytes }
}
