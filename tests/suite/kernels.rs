//! The CPU's convolutions against plain loops in f64, over random shapes.

use burn::backend::Flex;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Tensor, TensorData};
use pleura::nn::kernels::{conv_transpose3d, conv2d, conv3d};
use pleura::nn::kernels::{cpu, geometry::Geometry};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Relative to the largest value of a tensor: f32 sums of some thousand products keep five to six
/// digits in any order of summation; a wrong tap is off by far more than the fourth.
const TOLERANCE: f64 = 1e-4;

/// Reference loops take about 10 ns for each product: cases above this are drawn again.
const MOST_PRODUCTS: usize = 6_000_000;

pub fn random(rng: &mut StdRng, count: usize) -> Vec<f32> {
    (0..count).map(|_| rng.random_range(-1.0f32..1.0)).collect()
}

pub fn assert_close(what: &str, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    let scale = expected.iter().fold(1e-3f64, |m, e| m.max(e.abs()));
    for (i, (&f, &e)) in found.iter().zip(expected).enumerate() {
        let off = (f64::from(f) - e).abs();
        assert!(
            off <= TOLERANCE * scale,
            "{what}: [{i}] is {f}, expected {e}"
        );
    }
}

fn product(extent: [usize; 3]) -> usize {
    extent.iter().product()
}

fn split(index: usize, [_, h, w]: [usize; 3]) -> [usize; 3] {
    [index / (h * w), index / w % h, index % w]
}

/// The pixel under a kernel tap for an output position; none in the padding.
fn pixel(g: &Geometry, tap: [usize; 3], at: [usize; 3]) -> Option<usize> {
    let mut index = 0;
    for a in 0..3 {
        let p = (at[a] * g.stride[a] + tap[a] * g.dilation[a]).checked_sub(g.padding[a])?;
        if p >= g.input[a] {
            return None;
        }
        index = index * g.input[a] + p;
    }
    Some(index)
}

/// A convolution's output and, for the gradient `grad` of its output, its two gradients.
struct Reference {
    y: Vec<f64>,
    gx: Vec<f64>,
    gw: Vec<f64>,
}

fn reference(g: &Geometry, x: &[f32], w: &[f32], grad: &[f32]) -> Reference {
    let [pixels, positions, taps] = [g.input, g.output, g.kernel].map(product);
    let (gi, go) = (g.channels_in / g.groups, g.channels_out / g.groups);
    let mut r = Reference {
        y: vec![0.0; g.batch * g.channels_out * positions],
        gx: vec![0.0; x.len()],
        gw: vec![0.0; w.len()],
    };
    for n in 0..g.batch {
        for o in 0..g.channels_out {
            for c in 0..gi {
                let plane = n * g.channels_in + o / go * gi + c;
                for tap in 0..taps {
                    let wi = (o * gi + c) * taps + tap;
                    for position in 0..positions {
                        let at = split(position, g.output);
                        let Some(from) = pixel(g, split(tap, g.kernel), at) else {
                            continue;
                        };
                        let xi = plane * pixels + from;
                        let yi = (n * g.channels_out + o) * positions + position;
                        let [vx, vw, vg] = [x[xi], w[wi], grad[yi]].map(f64::from);
                        r.y[yi] += vx * vw;
                        r.gx[xi] += vw * vg;
                        r.gw[wi] += vx * vg;
                    }
                }
            }
        }
    }
    r
}

fn products(g: &Geometry) -> usize {
    let each = g.channels_in / g.groups * product(g.kernel) * product(g.output);
    g.batch * g.channels_out * each
}

const FLAT_KERNELS: [[usize; 3]; 6] = [
    [1, 1, 1],
    [1, 1, 7],
    [1, 5, 1],
    [1, 3, 3],
    [1, 5, 5],
    [1, 2, 4],
];
const DEEP_KERNELS: [[usize; 3]; 4] = [[3, 3, 3], [1, 1, 1], [3, 1, 1], [1, 3, 3]];

/// A random case; `kind` goes through the sorts of groups, `flat` is 2D.
fn random_geometry(rng: &mut StdRng, flat: bool, kind: usize) -> Geometry {
    loop {
        let kernel = match flat {
            true => FLAT_KERNELS[rng.random_range(0..FLAT_KERNELS.len())],
            false => DEEP_KERNELS[rng.random_range(0..DEEP_KERNELS.len())],
        };
        let largest = if flat { 24 } else { 9 };
        let mut input: [usize; 3] = std::array::from_fn(|_| rng.random_range(1..=largest));
        let mut stride: [usize; 3] = std::array::from_fn(|_| rng.random_range(1..=3));
        let mut dilation: [usize; 3] = std::array::from_fn(|_| rng.random_range(1..=3));
        if flat {
            (input[0], stride[0], dilation[0]) = (1, 1, 1);
        }
        if rng.random_bool(0.4) {
            // Plain as most layers are; 1×1 kernels without a stride have a path of their own.
            (stride, dilation) = ([1; 3], [1; 3]);
        }
        let padding: [usize; 3] =
            std::array::from_fn(|a| rng.random_range(0..=dilation[a] * (kernel[a] - 1) / 2));
        let (groups, ci, co) = match kind {
            0 => (1, rng.random_range(1..=40), rng.random_range(1..=40)),
            1 => {
                let c: usize = rng.random_range(1..=40);
                (c, c, c)
            }
            // One input channel a group, several outputs: not quite depthwise.
            2 => {
                let c: usize = rng.random_range(2..=12);
                (c, c, c * rng.random_range(2..=3))
            }
            _ => {
                let groups: usize = rng.random_range(2..=4);
                (
                    groups,
                    groups * rng.random_range(2..=8),
                    groups * rng.random_range(1..=8),
                )
            }
        };
        let fits = (0..3).all(|a| input[a] + 2 * padding[a] > dilation[a] * (kernel[a] - 1));
        if !fits {
            continue;
        }
        let batch = rng.random_range(1..=3);
        let g = Geometry::new(
            batch, ci, co, groups, input, kernel, stride, padding, dilation,
        );
        if products(&g) <= MOST_PRODUCTS {
            return g;
        }
    }
}

fn check_convolution(g: &Geometry, rng: &mut StdRng) {
    let [pixels, positions, taps] = [g.input, g.output, g.kernel].map(product);
    let x = random(rng, g.batch * g.channels_in * pixels);
    let w = random(rng, g.channels_out * (g.channels_in / g.groups) * taps);
    let bias = random(rng, g.channels_out);
    let grad = random(rng, g.batch * g.channels_out * positions);
    let mut expected = reference(g, &x, &w, &grad);
    assert_close(
        &format!("{g:?} without bias"),
        &cpu::conv(g, &x, &w, None),
        &expected.y,
    );
    for (i, v) in expected.y.iter_mut().enumerate() {
        *v += f64::from(bias[i / positions % g.channels_out]);
    }
    assert_close(
        &format!("{g:?}"),
        &cpu::conv(g, &x, &w, Some(&bias)),
        &expected.y,
    );
    let gx = cpu::conv_input_gradient(g, &w, &grad);
    assert_close(&format!("{g:?} gradient by input"), &gx, &expected.gx);
    let gw = cpu::conv_weight_gradient(g, &x, &grad);
    assert_close(&format!("{g:?} gradient by weight"), &gw, &expected.gw);
}

#[test]
fn convolutions_and_their_gradients_match_plain_loops() {
    let mut rng = StdRng::seed_from_u64(1);
    for case in 0..96 {
        let g = random_geometry(&mut rng, case % 3 != 0, case % 4);
        check_convolution(&g, &mut rng);
    }
}

/// Shapes whose columns are too many for one tile.
#[test]
fn convolutions_cut_into_tiles_match_plain_loops() {
    let mut rng = StdRng::seed_from_u64(2);
    for g in [
        Geometry::new(
            2,
            40,
            17,
            1,
            [1, 35, 37],
            [1, 3, 3],
            [1; 3],
            [0, 1, 1],
            [1; 3],
        ),
        Geometry::new(
            1,
            40,
            9,
            1,
            [1, 75, 78],
            [1, 3, 3],
            [1, 2, 2],
            [0, 2, 2],
            [1, 2, 2],
        ),
        Geometry::new(1, 24, 5, 1, [9, 17, 15], [3, 3, 3], [1; 3], [1; 3], [1; 3]),
        Geometry::new(1, 40, 6, 1, [1, 90, 91], [1, 1, 1], [1; 3], [0; 3], [1; 3]),
    ] {
        check_convolution(&g, &mut rng);
    }
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<Flex, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Default::default())
}

fn values<const D: usize>(t: &Tensor<Flex, D>) -> Vec<f32> {
    t.clone().into_data().to_vec::<f32>().unwrap()
}

fn forward(g: &Geometry, x: &[f32], w: &[f32], bias: &[f32]) -> Vec<f64> {
    let positions = product(g.output);
    let none = vec![0.0; g.batch * g.channels_out * positions];
    let mut y = reference(g, x, w, &none).y;
    for (i, v) in y.iter_mut().enumerate() {
        *v += f64::from(bias[i / positions % g.channels_out]);
    }
    y
}

/// Through burn tensors, whose input is not contiguous.
#[test]
fn tensors_of_any_layout_convolve() {
    let mut rng = StdRng::seed_from_u64(3);
    let x = tensor(&random(&mut rng, 2 * 7 * 9 * 6), [2, 7, 9, 6]).permute([0, 3, 1, 2]);
    let w = random(&mut rng, 4 * 3 * 3 * 3);
    let bias = random(&mut rng, 4);
    let options = ConvOptions::new([2, 1], [1, 2], [1, 2], 2);
    let y = conv2d(
        x.clone(),
        tensor(&w, [4, 3, 3, 3]),
        Some(tensor(&bias, [4])),
        options,
    );
    let g = Geometry::new(
        2,
        6,
        4,
        2,
        [1, 7, 9],
        [1, 3, 3],
        [1, 2, 1],
        [0, 1, 2],
        [1, 1, 2],
    );
    assert_eq!(y.dims(), [2, 4, g.output[1], g.output[2]]);
    assert_close("conv2d", &values(&y), &forward(&g, &values(&x), &w, &bias));

    let x = tensor(&random(&mut rng, 3 * 5 * 4 * 6), [1, 3, 5, 4, 6]).swap_dims(2, 4);
    let w = random(&mut rng, 4 * 3 * 3 * 3);
    let options = ConvOptions::new([2, 1, 1], [1, 0, 1], [1; 3], 1);
    let y = conv3d(
        x.clone(),
        tensor(&w, [4, 3, 3, 1, 3]),
        Some(tensor(&bias, [4])),
        options,
    );
    let g = Geometry::new(
        1,
        3,
        4,
        1,
        [6, 4, 5],
        [3, 1, 3],
        [2, 1, 1],
        [1, 0, 1],
        [1; 3],
    );
    let [d, h, w_out] = g.output;
    assert_eq!(y.dims(), [1, 4, d, h, w_out]);
    assert_close("conv3d", &values(&y), &forward(&g, &values(&x), &w, &bias));
}

/// y[n, o, z·stride + k·dilation − padding] += x[n, i, z]·w[i, o, k]
#[test]
fn transposed_convolutions_match_plain_loops() {
    let mut rng = StdRng::seed_from_u64(4);
    for _ in 0..40 {
        let [n, ci, co] = [2, 8, 8].map(|most| rng.random_range(1..=most));
        let small: [usize; 3] = std::array::from_fn(|_| rng.random_range(1..=5));
        let kernel: [usize; 3] = std::array::from_fn(|_| rng.random_range(1..=3));
        let stride: [usize; 3] = std::array::from_fn(|_| rng.random_range(1..=3));
        let dilation: [usize; 3] = std::array::from_fn(|_| rng.random_range(1..=2));
        let reach: [usize; 3] = std::array::from_fn(|a| dilation[a] * (kernel[a] - 1));
        let padding: [usize; 3] = std::array::from_fn(|a| rng.random_range(0..=reach[a] / 2));
        let extra: [usize; 3] = std::array::from_fn(|a| rng.random_range(0..stride[a]));
        let large: [usize; 3] = std::array::from_fn(|a| {
            (small[a] - 1) * stride[a] + reach[a] + 1 + extra[a] - 2 * padding[a]
        });
        let [positions, pixels, taps] = [small, large, kernel].map(product);
        let x = random(&mut rng, n * ci * positions);
        let w = random(&mut rng, ci * co * taps);
        let bias = random(&mut rng, co);
        let mut expected: Vec<f64> = (0..n * co * pixels)
            .map(|i| f64::from(bias[i / pixels % co]))
            .collect();
        for (xi, &vx) in x.iter().enumerate() {
            let (plane, at) = (xi / positions, split(xi % positions, small));
            let (sample, input) = (plane / ci, plane % ci);
            for output in 0..co {
                for tap in 0..taps {
                    let k = split(tap, kernel);
                    let to = (0..3).try_fold(0, |index, a| {
                        let p = (at[a] * stride[a] + k[a] * dilation[a]).checked_sub(padding[a])?;
                        (p < large[a]).then_some(index * large[a] + p)
                    });
                    if let Some(to) = to {
                        let vw = w[(input * co + output) * taps + tap];
                        expected[(sample * co + output) * pixels + to] +=
                            f64::from(vx) * f64::from(vw);
                    }
                }
            }
        }
        let y = conv_transpose3d(
            tensor(&x, [n, ci, small[0], small[1], small[2]]),
            tensor(&w, [ci, co, kernel[0], kernel[1], kernel[2]]),
            Some(tensor(&bias, [co])),
            ConvTransposeOptions::new(stride, padding, extra, dilation, 1),
        );
        let what =
            format!("{small:?} by {kernel:?}, {stride:?}, {padding:?}, {extra:?}, {dilation:?}");
        assert_eq!(y.dims(), [n, co, large[0], large[1], large[2]], "{what}");
        assert_close(&what, &values(&y), &expected);
    }
}
