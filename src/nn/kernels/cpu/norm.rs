//! Normalisation with its activation, forwards and backwards.

use super::{Activation, Shared, parallel};
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
