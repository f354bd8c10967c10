//! Automatic differentiation through Pleura's operations against central differences.

use super::kernels::random;
use burn::backend::{Autodiff, Flex};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Tensor, TensorData};
use pleura::nn::kernels::{
    Activation, batch_normalize, conv_transpose3d, conv2d, conv3d, instance_normalize,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

type Trained = Autodiff<Flex>;

/// At most so many elements of each input are moved.
const PROBES: usize = 64;

fn flat(values: &[f32]) -> Tensor<Trained, 1> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::from_data(data, &Default::default())
}

/// Compares the gradients of Σ r·f(inputs), r random, with central differences of width `step`;
/// `tolerance` is relative to the largest difference of an input.
fn check(
    name: &str,
    sizes: &[usize],
    step: f32,
    tolerance: f64,
    f: impl Fn(&[Tensor<Trained, 1>]) -> Tensor<Trained, 1>,
) {
    let mut rng = StdRng::seed_from_u64(11);
    let inputs: Vec<Vec<f32>> = sizes.iter().map(|&n| random(&mut rng, n)).collect();
    let tensors: Vec<_> = inputs.iter().map(|v| flat(v).require_grad()).collect();
    let y = f(&tensors);
    let weights = random(&mut rng, y.dims()[0]);
    let grads = (y * flat(&weights)).sum().backward();
    let loss = |inputs: &[Vec<f32>]| -> f64 {
        let tensors: Vec<_> = inputs.iter().map(|v| flat(v)).collect();
        let y = f(&tensors).into_data().to_vec::<f32>().unwrap();
        y.iter()
            .zip(&weights)
            .map(|(y, w)| f64::from(*y) * f64::from(*w))
            .sum()
    };
    for (which, tensor) in tensors.iter().enumerate() {
        let found = tensor
            .grad(&grads)
            .unwrap_or_else(|| panic!("{name}: no gradient {which}"));
        let found = found.into_data().to_vec::<f32>().unwrap();
        assert_eq!(found.len(), sizes[which], "{name}: gradient {which}");
        let probed: Vec<usize> = (0..found.len())
            .step_by(found.len().div_ceil(PROBES))
            .collect();
        let expected: Vec<f64> = probed
            .iter()
            .map(|&i| {
                let moved = |by: f32| {
                    let mut inputs = inputs.clone();
                    inputs[which][i] += by;
                    (loss(&inputs), f64::from(inputs[which][i]))
                };
                // Divided by the step as f32 has rounded it.
                let ((high, to), (low, from)) = (moved(step), moved(-step));
                (high - low) / (to - from)
            })
            .collect();
        let scale = expected.iter().fold(1e-3f64, |m, e| m.max(e.abs()));
        for (&i, e) in probed.iter().zip(expected) {
            let off = (f64::from(found[i]) - e).abs();
            assert!(
                off <= tolerance * scale,
                "{name}: gradient {which} at {i} is {}, expected {e}",
                found[i]
            );
        }
    }
}

/// A convolution is linear in each input: a wide step has no error but f32's rounding.
const LINEAR: (f32, f64) = (0.5, 1e-3);
/// A norm is smooth: with this step neither its curvature nor f32's rounding reaches a percent.
const SMOOTH: (f32, f64) = (1e-2, 1e-2);

#[test]
fn gradients_of_2d_convolutions() {
    let (step, tolerance) = LINEAR;
    for (groups, [ci, co]) in [(1, [4, 5]), (2, [4, 6]), (4, [4, 4])] {
        let weight = co * ci / groups * 9;
        let name = format!("conv2d in {groups} groups");
        check(&name, &[2 * ci * 6 * 5, weight, co], step, tolerance, |t| {
            let options = ConvOptions::new([2, 1], [1, 2], [1, 2], groups);
            let x = t[0].clone().reshape([2, ci, 6, 5]);
            let weight = t[1].clone().reshape([co, ci / groups, 3, 3]);
            conv2d(x, weight, Some(t[2].clone()), options).reshape([-1])
        });
    }
}

#[test]
fn gradients_of_3d_convolutions() {
    let (step, tolerance) = LINEAR;
    check(
        "conv3d",
        &[3 * 4 * 5 * 4, 4 * 3 * 27, 4],
        step,
        tolerance,
        |t| {
            let options = ConvOptions::new([2; 3], [1; 3], [1; 3], 1);
            let x = t[0].clone().reshape([1, 3, 4, 5, 4]);
            let weight = t[1].clone().reshape([4, 3, 3, 3, 3]);
            conv3d(x, weight, Some(t[2].clone()), options).reshape([-1])
        },
    );
    let sizes = [3 * 2 * 3 * 2, 3 * 2 * 27, 2];
    check("transposed conv3d", &sizes, step, tolerance, |t| {
        let options = ConvTransposeOptions::new([2; 3], [1; 3], [1; 3], [1; 3], 1);
        let x = t[0].clone().reshape([1, 3, 2, 3, 2]);
        let weight = t[1].clone().reshape([3, 2, 3, 3, 3]);
        conv_transpose3d(x, weight, Some(t[2].clone()), options).reshape([-1])
    });
}

/// The image needs no gradient in a first layer, frozen weights need none in any.
#[test]
fn gradients_of_one_side_alone() {
    let (step, tolerance) = LINEAR;
    let fixed = random(&mut StdRng::seed_from_u64(12), 3 * 6 * 5);
    let options = || ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    check("weight alone", &[2 * 3 * 9], step, tolerance, |t| {
        let x = flat(&fixed).reshape([1, 3, 6, 5]);
        conv2d(x, t[0].clone().reshape([2, 3, 3, 3]), None, options()).reshape([-1])
    });
    check("input alone", &[6 * 5], step, tolerance, |t| {
        let weight = flat(&fixed[..2 * 9]).reshape([2, 1, 3, 3]);
        conv2d(t[0].clone().reshape([1, 1, 6, 5]), weight, None, options()).reshape([-1])
    });
}

#[test]
fn gradients_of_norms() {
    let (step, tolerance) = SMOOTH;
    check("batch norm", &[2 * 3 * 4 * 5, 3, 3], step, tolerance, |t| {
        let x = t[0].clone().reshape([2, 3, 4, 5]);
        let (y, _, _) = batch_normalize(x, t[1].clone(), t[2].clone(), 1e-5, Activation::None);
        y.reshape([-1])
    });
    check(
        "instance norm",
        &[2 * 2 * 3 * 4 * 2],
        step,
        tolerance,
        |t| instance_normalize(t[0].clone().reshape([2, 2, 3, 4, 2]), 1e-5).reshape([-1]),
    );
}

/// A network in small: two convolutions with a norm between them share one graph.
#[test]
fn gradients_through_several_layers() {
    let (step, tolerance) = SMOOTH;
    let sizes = [2 * 2 * 5 * 5, 3 * 2 * 9, 3, 3, 3];
    check("three layers", &sizes, step, tolerance, |t| {
        let x = t[0].clone().reshape([2, 2, 5, 5]);
        let first = t[1].clone().reshape([3, 2, 3, 3]);
        let y = conv2d(x, first, None, ConvOptions::new([1; 2], [1; 2], [1; 2], 1));
        let (y, _, _) = batch_normalize(y, t[2].clone(), t[3].clone(), 1e-5, Activation::None);
        let last = t[4].clone().reshape([1, 3, 1, 1]);
        conv2d(y, last, None, ConvOptions::new([1; 2], [0; 2], [1; 2], 1)).reshape([-1])
    });
}
