//! The CPU's normalisation, forwards and backwards, against its definition in f64.

use super::kernels::{assert_close, random};
use pleura::nn::kernels::Activation;
use pleura::nn::kernels::cpu;
use rand::SeedableRng;
use rand::rngs::StdRng;

const EPSILON: f32 = 1e-5;
const ACTIVATIONS: [Activation; 3] = [Activation::None, Activation::Relu, Activation::Relu6];
/// Samples, channels, values: one value alone, odd lengths, one above the chunks of the sums.
const NORMED: [[usize; 3]; 5] = [[1, 1, 1], [2, 3, 17], [3, 5, 64], [1, 2, 5000], [4, 7, 1]];

/// Mean, biased variance and activated output of each channel, in f64.
fn normalized(
    [n, c, s]: [usize; 3],
    [x, gamma, beta]: [&[f64]; 3],
    activation: Activation,
) -> [Vec<f64>; 3] {
    let mut y = vec![0.0; x.len()];
    let (mut means, mut variances) = (Vec::new(), Vec::new());
    for channel in 0..c {
        let at = || (0..n).flat_map(move |m| (m * c + channel) * s..(m * c + channel + 1) * s);
        let count = (n * s) as f64;
        let mean = at().map(|i| x[i]).sum::<f64>() / count;
        let variance = at().map(|i| (x[i] - mean).powi(2)).sum::<f64>() / count;
        let rate = gamma[channel] / (variance + f64::from(EPSILON)).sqrt();
        for i in at() {
            let v = (x[i] - mean) * rate + beta[channel];
            y[i] = match activation {
                Activation::None => v,
                Activation::Relu => v.max(0.0),
                Activation::Relu6 => v.clamp(0.0, 6.0),
            };
        }
        means.push(mean);
        variances.push(variance);
    }
    [y, means, variances]
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// x, γ (large, so that ReLU6 saturates) and β.
fn norm_inputs(rng: &mut StdRng, [n, c, s]: [usize; 3]) -> [Vec<f32>; 3] {
    let gamma = random(rng, c).iter().map(|v| 5.0 * v).collect();
    [random(rng, n * c * s), gamma, random(rng, c)]
}

#[test]
fn normalising_matches_its_definition() {
    let mut rng = StdRng::seed_from_u64(5);
    for shape in NORMED {
        for activation in ACTIVATIONS {
            let [x, gamma, beta] = norm_inputs(&mut rng, shape);
            let inputs = [wide(&x), wide(&gamma), wide(&beta)];
            let expected = normalized(shape, inputs.each_ref().map(Vec::as_slice), activation);
            let (y, mean, variance) = cpu::normalize(shape, &x, &gamma, &beta, EPSILON, activation);
            for (what, found, expected) in [
                ("output", &y, &expected[0]),
                ("mean", &mean, &expected[1]),
                ("variance", &variance, &expected[2]),
            ] {
                assert_close(&format!("{shape:?} {activation:?} {what}"), found, expected);
            }
        }
    }
}

/// Central differences of Σ grad·y, all in f64: exact to nine digits, and so small a step meets
/// no kink of the activation.
#[test]
fn normalising_backwards_matches_finite_differences() {
    const STEP: f64 = 1e-6;
    let mut rng = StdRng::seed_from_u64(6);
    for shape in [[2, 3, 17], [1, 2, 37], [4, 5, 1]] {
        for activation in ACTIVATIONS {
            let [x, gamma, beta] = norm_inputs(&mut rng, shape);
            let grad = random(&mut rng, x.len());
            let (y, mean, variance) = cpu::normalize(shape, &x, &gamma, &beta, EPSILON, activation);
            let found = cpu::normalize_gradient(
                shape, &x, &y, &gamma, &mean, &variance, EPSILON, activation, &grad,
            );
            let inputs = [wide(&x), wide(&gamma), wide(&beta)];
            let loss = |inputs: &[Vec<f64>; 3]| -> f64 {
                let [y, ..] = normalized(shape, inputs.each_ref().map(Vec::as_slice), activation);
                y.iter().zip(&grad).map(|(y, g)| y * f64::from(*g)).sum()
            };
            for (which, found) in found.iter().enumerate() {
                let expected: Vec<f64> = (0..found.len())
                    .map(|i| {
                        let moved = |by: f64| {
                            let mut inputs = inputs.clone();
                            inputs[which][i] += by;
                            loss(&inputs)
                        };
                        (moved(STEP) - moved(-STEP)) / (2.0 * STEP)
                    })
                    .collect();
                assert_close(
                    &format!("{shape:?} {activation:?} gradient {which}"),
                    found,
                    &expected,
                );
            }
        }
    }
}

/// Long planes, whose sums go chunk by chunk, against the formula.
#[test]
fn normalising_long_planes_backwards_matches_the_formula() {
    let mut rng = StdRng::seed_from_u64(7);
    let shape @ [n, c, s] = [2, 3, 9001];
    let [x, gamma, beta] = norm_inputs(&mut rng, shape);
    let grad = random(&mut rng, x.len());
    let activation = Activation::None;
    let (y, mean, variance) = cpu::normalize(shape, &x, &gamma, &beta, EPSILON, activation);
    let [gx, ggamma, gbeta] = cpu::normalize_gradient(
        shape, &x, &y, &gamma, &mean, &variance, EPSILON, activation, &grad,
    );
    let [x, gamma, beta, grad] = [&x, &gamma, &beta, &grad].map(|v| wide(v));
    let [_, means, variances] = normalized(shape, [&x, &gamma, &beta], activation);
    let [mut ex, mut egamma, mut ebeta] = [vec![0.0; x.len()], vec![0.0; c], vec![0.0; c]];
    for channel in 0..c {
        let at = || (0..n).flat_map(move |m| (m * c + channel) * s..(m * c + channel + 1) * s);
        let rate = 1.0 / (variances[channel] + f64::from(EPSILON)).sqrt();
        let normal = |i: usize| (x[i] - means[channel]) * rate;
        egamma[channel] = at().map(|i| grad[i] * normal(i)).sum();
        ebeta[channel] = at().map(|i| grad[i]).sum();
        let count = (n * s) as f64;
        for i in at() {
            let inner = grad[i] - ebeta[channel] / count - normal(i) * egamma[channel] / count;
            ex[i] = gamma[channel] * rate * inner;
        }
    }
    assert_close("gradient by x", &gx, &ex);
    assert_close("gradient by gamma", &ggamma, &egamma);
    assert_close("gradient by beta", &gbeta, &ebeta);
}
