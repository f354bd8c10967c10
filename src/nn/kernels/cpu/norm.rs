//! Normalisation with its activation, forwards and backwards.

use super::simd::{Level, Simd, Work};
use super::{Activation, Output, Shared, parallel, threads};
use multiversion::multiversion;

/// Lanes of the sums below: independent, so that the compiler can vectorise them.
const LANES: usize = 16;

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

/// Output, mean and biased variance of [`crate::nn::kernels::Kernels::normalize`] on `x [n, c, s]`.
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
