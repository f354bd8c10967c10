//! The GPU's packed kernels against plain loops in f64, over random shapes.

use super::kernels::{assert_close, random};
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::zspace::metadata::Metadata;
use pleura::nn::kernels::Activation;
use pleura::nn::kernels::cube::{self, Plan};
use pleura::nn::kernels::geometry::Geometry;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Reference loops take some nanoseconds for each product: cases above this are drawn again.
const MOST_PRODUCTS: usize = 4_000_000;

const ACTIVATIONS: [Activation; 3] = [Activation::None, Activation::Relu, Activation::Relu6];

pub fn product(extent: [usize; 3]) -> usize {
    extent.iter().product()
}

fn split(index: usize, [_, h, w]: [usize; 3]) -> [usize; 3] {
    [index / (h * w), index / w % h, index % w]
}

/// A tensor of four-byte numbers.
pub fn tensor<R: CubeRuntime, T: bytemuck::Pod>(
    values: &[T],
    shape: &[usize],
    dtype: DType,
    device: &R::Device,
) -> CubeTensor<R> {
    let client = R::client(device);
    let handle = client.create_from_slice(bytemuck::cast_slice(values));
    let shape = Shape::from(shape.to_vec());
    CubeTensor::new_contiguous(client, device.clone(), shape, handle, dtype)
}

pub fn float<R: CubeRuntime>(values: &[f32], device: &R::Device) -> CubeTensor<R> {
    tensor(values, &[values.len()], DType::F32, device)
}

pub fn words<R: CubeRuntime>(values: &[i32], device: &R::Device) -> CubeTensor<R> {
    tensor(values, &[values.len()], DType::I32, device)
}

fn values<R: CubeRuntime>(tensor: CubeTensor<R>) -> Vec<f32> {
    let bytes = tensor.client.read_one(tensor.handle).unwrap();
    bytemuck::pod_collect_to_vec(&bytes)
}

/// Leaves NaN in the memory that the next tensor of this size is likely to get.
fn poison<R: CubeRuntime>(count: usize, device: &R::Device) {
    float::<R>(&vec![f32::NAN; count], device);
}

/// A convolution's weights and what is added to it.
struct Case {
    x: Vec<f32>,
    codes: Vec<i8>,
    scale: Vec<f32>,
    bias: Vec<f32>,
    residual: Option<Vec<f32>>,
    activation: Activation,
}

impl Case {
    fn new(
        rng: &mut StdRng,
        [inputs, codes, channels, outputs]: [usize; 4],
        residual: bool,
        activation: Activation,
    ) -> Self {
        Case {
            x: random(rng, inputs),
            codes: (0..codes).map(|_| rng.random_range(-127..=127)).collect(),
            scale: (0..channels)
                .map(|_| rng.random_range(0.002..0.02))
                .collect(),
            bias: random(rng, channels),
            residual: residual.then(|| random(rng, outputs)),
            activation,
        }
    }
    /// What follows the sums of products, of `positions` a channel.
    fn finish(&self, sums: &[f64], positions: usize) -> Vec<f64> {
        let channels = self.scale.len();
        let one = |(i, sum): (usize, &f64)| {
            let o = i / positions % channels;
            let mut y = sum * f64::from(self.scale[o]) + f64::from(self.bias[o]);
            y += self.residual.as_ref().map_or(0.0, |r| f64::from(r[i]));
            match self.activation {
                Activation::None => y,
                Activation::Relu => y.max(0.0),
                Activation::Relu6 => y.clamp(0.0, 6.0),
            }
        };
        sums.iter().enumerate().map(one).collect()
    }
    /// scale, bias and residual on the device.
    #[allow(clippy::type_complexity)]
    fn rest<R: CubeRuntime>(
        &self,
        device: &R::Device,
    ) -> (CubeTensor<R>, CubeTensor<R>, Option<CubeTensor<R>>) {
        (
            float(&self.scale, device),
            float(&self.bias, device),
            self.residual.as_ref().map(|r| float(r, device)),
        )
    }
}

fn convolve(g: &Geometry, x: &[f32], codes: &[i8]) -> Vec<f64> {
    let [pixels, positions, taps] = [g.input, g.output, g.kernel].map(product);
    let (gi, go) = (g.channels_in / g.groups, g.channels_out / g.groups);
    let mut y = vec![0.0; g.batch * g.channels_out * positions];
    for tap in 0..taps {
        let k = split(tap, g.kernel);
        for position in 0..positions {
            let at = split(position, g.output);
            let from = (0..3).try_fold(0, |index, a| {
                let p = (at[a] * g.stride[a] + k[a] * g.dilation[a]).checked_sub(g.padding[a])?;
                (p < g.input[a]).then_some(index * g.input[a] + p)
            });
            let Some(from) = from else { continue };
            for n in 0..g.batch {
                for o in 0..g.channels_out {
                    let first = n * g.channels_in + o / go * gi;
                    let sum = &mut y[(n * g.channels_out + o) * positions + position];
                    for c in 0..gi {
                        let code = codes[(o * gi + c) * taps + tap];
                        *sum += f64::from(x[(first + c) * pixels + from]) * f64::from(code);
                    }
                }
            }
        }
    }
    y
}

/// Every way to compute a convolution that the suite tries.
fn plans(g: &Geometry) -> Vec<Plan> {
    let tiled = |channels, positions, depth, unit| Plan::Tiled {
        channels,
        positions,
        depth,
        unit,
    };
    let mut plans = vec![
        cube::plan(g, false),
        cube::plan(g, true),
        Plan::Rows {
            channels: g.channels_out.min(4) as u32,
            rows: 3,
            stage: 5,
        },
        tiled(16, 128, 4, [4, 4]),
        tiled(64, 64, 8, [4, 8]),
    ];
    if g.channels_out > 4 {
        plans.push(Plan::Rows {
            channels: 8,
            rows: 4,
            stage: 8,
        });
    }
    plans
}

fn check_convolution<R: CubeRuntime>(
    g: &Geometry,
    plans: &[Plan],
    case: &Case,
    device: &R::Device,
) {
    let positions = product(g.output);
    let expected = case.finish(&convolve(g, &case.x, &case.codes), positions);
    let codes = cube::arrange(g, &case.codes);
    let [d, h, w] = g.output;
    for &plan in plans {
        let (scale, bias, residual) = case.rest::<R>(device);
        let (x, codes) = (float(&case.x, device), words(&codes, device));
        poison::<R>(expected.len(), device);
        let y = cube::conv_packed_by(
            plan,
            g,
            x,
            codes,
            scale,
            bias,
            residual,
            case.activation,
            &[g.batch, g.channels_out, d, h, w],
        );
        let what = format!("{g:?}, {:?}, {plan:?}", case.activation);
        assert_close(&what, &values::<R>(y), &expected);
    }
}

const FLAT_KERNELS: [[usize; 3]; 6] = [
    [1, 1, 1],
    [1, 1, 7],
    [1, 5, 1],
    [1, 3, 3],
    [1, 5, 5],
    [1, 3, 3],
];
const DEEP_KERNELS: [[usize; 3]; 3] = [[3, 3, 3], [1, 1, 1], [3, 3, 3]];

/// A random case; `sort` goes through flat, deep and depthwise.
fn random_geometry(rng: &mut StdRng, sort: usize) -> Geometry {
    loop {
        let flat = sort != 1;
        let kernel = match flat {
            true => FLAT_KERNELS[rng.random_range(0..FLAT_KERNELS.len())],
            false => DEEP_KERNELS[rng.random_range(0..DEEP_KERNELS.len())],
        };
        let largest = if flat { 30 } else { 9 };
        let mut input: [usize; 3] = std::array::from_fn(|_| rng.random_range(1..=largest));
        let mut stride: [usize; 3] = std::array::from_fn(|_| rng.random_range(1..=2));
        let mut dilation: [usize; 3] =
            std::array::from_fn(|_| [1, 1, 2, 3, 5, 7][rng.random_range(0..6)]);
        if flat {
            (input[0], stride[0], dilation[0]) = (1, 1, 1);
        }
        if rng.random_bool(0.4) {
            // Plain as most layers are: rows share inputs.
            (stride, dilation) = ([1; 3], [1; 3]);
        }
        let padding = std::array::from_fn(|a| match rng.random_bool(0.7) {
            true => dilation[a] * (kernel[a] - 1) / 2,
            false => rng.random_range(0..=dilation[a] * (kernel[a] - 1) / 2),
        });
        let mut channels = || match rng.random_range(0..4) {
            0 => rng.random_range(1..=300),
            1 => rng.random_range(1..=8),
            _ => rng.random_range(1..=80),
        };
        let (ci, co) = (channels(), channels());
        let (groups, co) = if sort == 2 { (ci, ci) } else { (1, co) };
        let fits = (0..3).all(|a| input[a] + 2 * padding[a] > dilation[a] * (kernel[a] - 1));
        if !fits || (sort == 2 && ci == 1) {
            continue;
        }
        let batch = rng.random_range(1..=3);
        let g = Geometry::new(
            batch, ci, co, groups, input, kernel, stride, padding, dilation,
        );
        let products = product(kernel) * product(g.output) * ci / groups * co * batch;
        if products <= MOST_PRODUCTS {
            return g;
        }
    }
}

fn case_of(g: &Geometry, rng: &mut StdRng, kind: usize) -> Case {
    let outputs = g.batch * g.channels_out * product(g.output);
    let lengths = [
        g.batch * g.channels_in * product(g.input),
        g.channels_out * (g.channels_in / g.groups) * product(g.kernel),
        g.channels_out,
        outputs,
    ];
    Case::new(
        rng,
        lengths,
        kind.is_multiple_of(2),
        ACTIVATIONS[kind / 2 % 3],
    )
}

fn convolutions<R: CubeRuntime>(device: &R::Device) {
    let mut rng = StdRng::seed_from_u64(11);
    for round in 0..60 {
        let g = random_geometry(&mut rng, round % 3);
        let case = case_of(&g, &mut rng, round / 3);
        let plans = if g.groups > 1 {
            vec![cube::plan(&g, false)]
        } else {
            plans(&g)
        };
        check_convolution::<R>(&g, &plans, &case, device);
    }
}

/// The input is a view that is not contiguous.
fn any_layout<R: CubeRuntime>(device: &R::Device) {
    let mut rng = StdRng::seed_from_u64(12);
    let g = Geometry::new(1, 5, 9, 1, [1, 7, 6], [1, 3, 3], [1; 3], [0, 1, 1], [1; 3]);
    let case = case_of(&g, &mut rng, 1);
    let expected = case.finish(&convolve(&g, &case.x, &case.codes), product(g.output));
    // Stored as [n, h, w, c], seen as [n, c, h, w].
    let stored: Vec<f32> = (0..case.x.len())
        .map(|i| case.x[i % 5 * 42 + i / 5])
        .collect();
    let mut turned = float::<R>(&stored, device);
    turned.meta = Box::new(Metadata::new([1, 5, 7, 6], [210, 1, 30, 5]));
    let (scale, bias, residual) = case.rest::<R>(device);
    let y = cube::conv_packed(
        &g,
        turned,
        words(&cube::arrange(&g, &case.codes), device),
        scale,
        bias,
        residual,
        case.activation,
        &[1, 9, 7, 6],
    );
    assert_close("a turned input", &values::<R>(y), &expected);
}

/// y[n, o, 2z + k − 1] += x[n, i, z]·w[i, o, k]
fn transposed<R: CubeRuntime>(device: &R::Device) {
    let mut rng = StdRng::seed_from_u64(13);
    for round in 0..12usize {
        let batch = rng.random_range(1..=2);
        let most = if round % 3 == 0 { 70 } else { 12 };
        let [ci, co] = [most, 20].map(|most| rng.random_range(1..=most));
        let small: [usize; 3] = std::array::from_fn(|_| rng.random_range(1..=6));
        let large: [usize; 3] = std::array::from_fn(|a| 2 * small[a] - rng.random_range(0..=1));
        let mut g = Geometry::new(batch, co, ci, 1, large, [3; 3], [2; 3], [1; 3], [1; 3]);
        g.output = small;
        let [positions, pixels] = [small, large].map(product);
        let lengths = [
            batch * ci * positions,
            ci * co * 27,
            co,
            batch * co * pixels,
        ];
        let case = Case::new(
            &mut rng,
            lengths,
            round.is_multiple_of(2),
            ACTIVATIONS[round / 2 % 3],
        );
        let mut sums = vec![0.0; batch * co * pixels];
        for (xi, &vx) in case.x.iter().enumerate() {
            let (plane, at) = (xi / positions, split(xi % positions, small));
            for tap in 0..27 {
                let k = split(tap, [3; 3]);
                let to = (0..3).try_fold(0, |index, a| {
                    let p = (at[a] * 2 + k[a]).checked_sub(1)?;
                    (p < large[a]).then_some(index * large[a] + p)
                });
                let Some(to) = to else { continue };
                for o in 0..co {
                    let code = case.codes[(plane % ci * co + o) * 27 + tap];
                    sums[(plane / ci * co + o) * pixels + to] += f64::from(vx) * f64::from(code);
                }
            }
        }
        let expected = case.finish(&sums, pixels);
        let (scale, bias, residual) = case.rest::<R>(device);
        let x = float(&case.x, device);
        let codes = words(&cube::arrange_transposed(&g, &case.codes), device);
        poison::<R>(expected.len(), device);
        let y = cube::conv_transposed_packed(
            &g,
            x,
            codes,
            scale,
            bias,
            residual,
            case.activation,
            &[batch, co, large[0], large[1], large[2]],
        );
        let what = format!("transposed {g:?}");
        assert_close(&what, &values::<R>(y), &expected);
    }
}

/// Planes short and long, centred far from 0.
fn settled<R: CubeRuntime>(device: &R::Device) {
    let mut rng = StdRng::seed_from_u64(14);
    let (slope, epsilon) = (0.2f32, 1e-5f64);
    for [n, c, s] in [
        [1, 1, 1],
        [2, 3, 7],
        [1, 8, 4096],
        [3, 5, 4100],
        [1, 3, 99_991],
        [1, 2, 16 * 128 * 128],
    ] {
        let mut x = random(&mut rng, n * c * s);
        for (plane, x) in x.chunks_exact_mut(s).enumerate() {
            let centre = [0.0, 40.0, -300.0][plane % 3];
            // The first value says nothing about the others.
            x[0] *= 50.0;
            x.iter_mut().for_each(|v| *v += centre);
        }
        let mut expected = Vec::new();
        for x in x.chunks_exact(s) {
            let mean = x.iter().map(|v| f64::from(*v)).sum::<f64>() / s as f64;
            let square = |v: &f32| (f64::from(*v) - mean).powi(2);
            let variance = x.iter().map(square).sum::<f64>() / s as f64;
            let rate = 1.0 / (variance + epsilon).sqrt();
            expected.extend(x.iter().map(|v| match (f64::from(*v) - mean) * rate {
                p if p > 0.0 => p,
                p => f64::from(slope) * p,
            }));
        }
        let x = tensor::<R, f32>(&x, &[n, c, s], DType::F32, device);
        poison::<R>(n * c * s, device);
        let y = cube::settle(x, float(&[slope], device), epsilon as f32);
        assert_close(&format!("settled {n}×{c}×{s}"), &values::<R>(y), &expected);
    }
}

/// All of the above on one device.
pub fn packed_kernels_match_plain_loops<R: CubeRuntime>(device: &R::Device) {
    settled::<R>(device);
    let software = cube::software();
    for assumed in [false, true] {
        cube::assume_software(assumed);
        transposed::<R>(device);
    }
    cube::assume_software(software);
    any_layout::<R>(device);
    convolutions::<R>(device);
}
