//! Instance norm with PReLU, for inference.

use super::simd::{Level, Simd, Work};
use super::{Output, Shared, parallel, threads};

/// Values whose moments are taken at once, while they are in the first-level cache.
const CHUNK: usize = 4096;

/// Values of a part, where there are too few planes to give each thread some.
const PART: usize = 1 << 16;

/// Count, mean and sum of squared distances from it.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// The moments of both together.
    fn and(self, other: Moments) -> Moments {
        let count = self.count + other.count;
        if count == 0.0 {
            return self;
        }
        let (apart, part) = (other.mean - self.mean, other.count / count);
        Moments {
            count,
            mean: self.mean + apart * part,
            squares: self.squares + other.squares + apart * apart * self.count * part,
        }
    }
}

/// The moments of a slice.
struct Measure<'a>(&'a [f32]);

impl Work for Measure<'_> {
    type Out = Moments;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Moments {
        let mut all = Moments::default();
        for chunk in self.0.chunks(CHUNK) {
            let mean = sum_around::<S, false>(s, chunk, 0.0) / chunk.len() as f32;
            all = all.and(Moments {
                count: chunk.len() as f64,
                mean: f64::from(mean),
                squares: f64::from(sum_around::<S, true>(s, chunk, mean)),
            });
        }
        all
    }
}

/// Σ (x − centre), or of its squares.
#[inline(always)]
fn sum_around<S: Simd, const SQUARE: bool>(s: S, x: &[f32], centre: f32) -> f32 {
    let mut sums = [s.splat(0.0); 4];
    let away = s.splat(-centre);
    let blocks = x.chunks_exact(4 * S::LANES);
    let rest: f32 = blocks
        .remainder()
        .iter()
        .map(|x| {
            if SQUARE {
                (x - centre) * (x - centre)
            } else {
                x - centre
            }
        })
        .sum();
    for block in blocks {
        for (i, sum) in sums.iter_mut().enumerate() {
            // SAFETY: a block holds four vectors.
            let x = s.add(unsafe { s.load(block.as_ptr().add(i * S::LANES)) }, away);
            *sum = if SQUARE {
                s.fma(x, x, *sum)
            } else {
                s.add(x, *sum)
            };
        }
    }
    rest + s.sum(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])))
}

/// to = x·scale + shift, times `slope` where negative.
struct Settle<'a> {
    x: &'a [f32],
    to: *mut f32,
    scale: f32,
    shift: f32,
    slope: f32,
}

impl Work for Settle<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let [scale, shift, slope] = [self.scale, self.shift, self.slope].map(|v| s.splat(v));
        let zero = s.splat(0.0);
        let n = self.x.len();
        let mut i = 0;
        while i < n {
            let left = (n - i).min(S::LANES);
            // SAFETY: i + left ≤ n; `to` has as many values as `x`.
            unsafe {
                let from = self.x.as_ptr().add(i);
                let x = if left == S::LANES {
                    s.load(from)
                } else {
                    s.load_first(from, left)
                };
                let y = s.fma(x, scale, shift);
                let y = s.fma(s.min(zero, y), slope, s.max(zero, y));
                if left == S::LANES {
                    s.store(self.to.add(i), y);
                } else {
                    s.store_first(self.to.add(i), y, left);
                }
            }
            i += S::LANES;
        }
    }
}

/// Instance norm without affine parameters, then PReLU with one slope: each of `planes` runs of
/// `s` values is brought to mean 0 and (biased) variance 1, and what is negative then is
/// multiplied by `slope`.
pub fn settle(planes: usize, s: usize, x: &[f32], slope: f32, epsilon: f32) -> Vec<f32> {
    assert_eq!(x.len(), planes * s, "input");
    let level = Level::best();
    let mut output = Output::new(x.len());
    let to = output.shared();
    let write = |x: std::ops::Range<usize>, from: &[f32], moments: Moments| {
        let variance = (moments.squares / moments.count) as f32;
        let scale = 1.0 / (variance + epsilon).sqrt();
        level.run(Settle {
            x: from,
            // SAFETY: inside the output, which is as long as the input.
            to: unsafe { to.pointer().add(x.start) },
            scale,
            shift: -(moments.mean as f32) * scale,
            slope,
        });
    };
    if planes >= 2 * threads() || s <= PART {
        // The plane is still in the cache when it is read again.
        parallel(planes, |plane| {
            let place = plane * s..(plane + 1) * s;
            let from = &x[place.clone()];
            write(place, from, level.run(Measure(from)));
        });
    } else {
        let parts = s.div_ceil(PART);
        let place = |task: usize| {
            let (plane, part) = (task / parts, task % parts);
            plane * s + part * PART..plane * s + ((part + 1) * PART).min(s)
        };
        let mut moments = vec![0.0; 2 * planes * parts];
        let shared = Shared::new(&mut moments);
        let count = |task| place(task).len() as f64;
        parallel(planes * parts, |task| {
            let found = level.run(Measure(&x[place(task)]));
            // SAFETY: two values a task.
            let own = unsafe { shared.part(2 * task, 2) };
            own.copy_from_slice(&[found.mean as f32, found.squares as f32]);
        });
        parallel(planes * parts, |task| {
            let first = task / parts * parts;
            let all = (first..first + parts).fold(Moments::default(), |all, part| {
                all.and(Moments {
                    count: count(part),
                    mean: f64::from(moments[2 * part]),
                    squares: f64::from(moments[2 * part + 1]),
                })
            });
            write(place(task), &x[place(task)], all);
        });
    }
    // SAFETY: the tasks have written every plane.
    unsafe { output.finish() }
}
