//! The CPU backend runs the kernels of [`super::cpu`].

use super::cpu::{self, Finish};
use super::geometry::Geometry;
use super::{Activation, Kernels, Normalized, PackedConv};
use crate::nn::filter::PackedShape;
use crate::nn::resize::Align;
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::TensorData;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

/// A contiguous tensor's shape and values.
struct Dense(FlexTensor);

impl Dense {
    fn new(tensor: FlexTensor) -> Self {
        let contiguous = tensor.is_contiguous() && tensor.as_slice::<f32>().is_some();
        Dense(if contiguous {
            tensor
        } else {
            tensor.to_contiguous()
        })
    }
    fn shape<const D: usize>(&self) -> [usize; D] {
        let shape = self.0.layout().shape();
        std::array::from_fn(|i| shape[i])
    }
    fn values(&self) -> &[f32] {
        match self.0.as_slice::<f32>() {
            Some(values) => values,
            None => self.0.storage::<f32>(),
        }
    }
}

fn tensor(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.to_vec()))
}

/// The 3D form of a 2D quantity: depth 1.
fn flat(plane: [usize; 2], depth: usize) -> [usize; 3] {
    [depth, plane[0], plane[1]]
}

fn geometry2(x: &Dense, weight: &Dense, o: &ConvOptions<2>) -> Geometry {
    let [n, ci, h, w] = x.shape();
    let [co, _, kh, kw] = weight.shape();
    Geometry::new(
        n,
        ci,
        co,
        o.groups,
        flat([h, w], 1),
        flat([kh, kw], 1),
        flat(o.stride, 1),
        flat(o.padding, 0),
        flat(o.dilation, 1),
    )
}

fn geometry3(x: &Dense, weight: &Dense, o: &ConvOptions<3>) -> Geometry {
    let [n, ci, d, h, w] = x.shape();
    let [co, _, kd, kh, kw] = weight.shape();
    Geometry::new(
        n,
        ci,
        co,
        o.groups,
        [d, h, w],
        [kd, kh, kw],
        o.stride,
        o.padding,
        o.dilation,
    )
}

/// The convolution whose input gradient is the transposed convolution `x → y`: it maps `y` to `x`.
fn geometry_transposed(x: &Dense, weight: &Dense, o: &ConvTransposeOptions<3>) -> Geometry {
    let [n, ci, d, h, w] = x.shape();
    let [_, co, kd, kh, kw] = weight.shape();
    let (small, kernel) = ([d, h, w], [kd, kh, kw]);
    let large = std::array::from_fn(|a| {
        (small[a] - 1) * o.stride[a] + o.dilation[a] * (kernel[a] - 1) + 1 + o.padding_out[a]
            - 2 * o.padding[a]
    });
    let mut g = Geometry::new(n, co, ci, 1, large, kernel, o.stride, o.padding, o.dilation);
    // Output padding can leave room for one more step; the transposed input decides.
    g.output = small;
    g
}

impl Kernels for Flex {
    fn arrange(shape: &PackedShape, codes: &[i8]) -> Vec<i32> {
        let mut arranged = match shape.transposed {
            true => cpu::arrange_transposed(&shape.geometry, codes),
            false => cpu::arrange(&shape.geometry, codes),
        };
        arranged.resize(arranged.len().next_multiple_of(4), 0);
        bytemuck::pod_collect_to_vec(&arranged)
    }

    fn convolve_packed(work: PackedConv<Self>) -> FlexTensor {
        let (x, scale, bias) = (
            Dense::new(work.x),
            Dense::new(work.scale),
            Dense::new(work.bias),
        );
        let residual = work.residual.map(Dense::new);
        let codes: &[i8] = bytemuck::cast_slice(work.codes.storage::<i32>());
        let finish = Finish {
            bias: bias.values(),
            residual: residual.as_ref().map(Dense::values),
            activation: work.activation,
        };
        let run = match work.transposed {
            true => cpu::conv_transposed_packed,
            false => cpu::conv_packed,
        };
        let y = run(&work.geometry, x.values(), codes, scale.values(), &finish);
        tensor(y, &work.shape)
    }

    fn resize(x: FlexTensor, size: [usize; 2], align: Align) -> FlexTensor {
        let x = Dense::new(x);
        let [n, c, h, w] = x.shape();
        let resized = cpu::resize(n * c, [h, w], x.values(), size, align);
        tensor(resized, &[n, c, size[0], size[1]])
    }

    fn halve(x: FlexTensor) -> FlexTensor {
        let x = Dense::new(x);
        let [n, c, h, w] = x.shape();
        tensor(cpu::halve(n * c, [h, w], x.values()), &[n, c, h / 2, w / 2])
    }

    fn settle(x: FlexTensor, slope: FlexTensor, epsilon: f32) -> FlexTensor {
        let (x, slope) = (Dense::new(x), Dense::new(slope));
        let shape: [usize; 3] = x.shape();
        let slope = slope.values().first().copied().unwrap_or(1.0);
        let y = cpu::settle(shape[0] * shape[1], shape[2], x.values(), slope, epsilon);
        tensor(y, &shape)
    }

    fn convolve2d(
        x: FlexTensor,
        weight: FlexTensor,
        bias: Option<FlexTensor>,
        options: ConvOptions<2>,
    ) -> FlexTensor {
        let (x, weight, bias) = (Dense::new(x), Dense::new(weight), bias.map(Dense::new));
        let g = geometry2(&x, &weight, &options);
        let y = cpu::conv(
            &g,
            x.values(),
            weight.values(),
            bias.as_ref().map(Dense::values),
        );
        tensor(y, &[g.batch, g.channels_out, g.output[1], g.output[2]])
    }

    fn convolve3d(
        x: FlexTensor,
        weight: FlexTensor,
        bias: Option<FlexTensor>,
        options: ConvOptions<3>,
    ) -> FlexTensor {
        let (x, weight, bias) = (Dense::new(x), Dense::new(weight), bias.map(Dense::new));
        let g = geometry3(&x, &weight, &options);
        let y = cpu::conv(
            &g,
            x.values(),
            weight.values(),
            bias.as_ref().map(Dense::values),
        );
        let [d, h, w] = g.output;
        tensor(y, &[g.batch, g.channels_out, d, h, w])
    }

    fn convolve_transposed3d(
        x: FlexTensor,
        weight: FlexTensor,
        bias: Option<FlexTensor>,
        options: ConvTransposeOptions<3>,
    ) -> FlexTensor {
        let (x, weight, bias) = (Dense::new(x), Dense::new(weight), bias.map(Dense::new));
        let g = geometry_transposed(&x, &weight, &options);
        let mut y = cpu::conv_input_gradient(&g, weight.values(), x.values());
        let [d, h, w] = g.input;
        if let Some(bias) = bias {
            for (plane, b) in y
                .chunks_exact_mut(d * h * w)
                .zip(bias.values().iter().cycle())
            {
                plane.iter_mut().for_each(|v| *v += b);
            }
        }
        tensor(y, &[g.batch, g.channels_in, d, h, w])
    }

    fn normalize(
        x: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        epsilon: f32,
        activation: Activation,
    ) -> Normalized<FlexTensor> {
        let (x, gamma, beta) = (Dense::new(x), Dense::new(gamma), Dense::new(beta));
        let shape: [usize; 3] = x.shape();
        let (output, mean, variance) = cpu::normalize(
            shape,
            x.values(),
            gamma.values(),
            beta.values(),
            epsilon,
            activation,
        );
        Normalized {
            output: tensor(output, &shape),
            mean: tensor(mean, &shape[1..2]),
            variance: tensor(variance, &shape[1..2]),
        }
    }
}

#[cfg(feature = "train")]
impl super::TrainKernels for Flex {
    fn convolve2d_backward(
        x: FlexTensor,
        weight: FlexTensor,
        grad: FlexTensor,
        options: ConvOptions<2>,
        wanted: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let (x, weight) = (Dense::new(x), Dense::new(weight));
        let g = geometry2(&x, &weight, &options);
        backward(&g, &x, &weight, &Dense::new(grad), wanted)
    }

    fn convolve3d_backward(
        x: FlexTensor,
        weight: FlexTensor,
        grad: FlexTensor,
        options: ConvOptions<3>,
        wanted: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let (x, weight) = (Dense::new(x), Dense::new(weight));
        let g = geometry3(&x, &weight, &options);
        backward(&g, &x, &weight, &Dense::new(grad), wanted)
    }

    fn convolve_transposed3d_backward(
        x: FlexTensor,
        weight: FlexTensor,
        grad: FlexTensor,
        options: ConvTransposeOptions<3>,
        wanted: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let (x, weight, grad) = (Dense::new(x), Dense::new(weight), Dense::new(grad));
        let g = geometry_transposed(&x, &weight, &options);
        let shape = |t: &Dense| t.0.layout().shape().to_vec();
        let gx = wanted[0].then(|| cpu::conv(&g, grad.values(), weight.values(), None));
        let gw = wanted[1].then(|| cpu::conv_weight_gradient(&g, grad.values(), x.values()));
        [
            gx.map(|v| tensor(v, &shape(&x))),
            gw.map(|v| tensor(v, &shape(&weight))),
        ]
    }

    fn normalize_backward(
        x: FlexTensor,
        gamma: FlexTensor,
        done: Normalized<FlexTensor>,
        epsilon: f32,
        activation: Activation,
        grad: FlexTensor,
    ) -> [FlexTensor; 3] {
        let (x, gamma, grad) = (Dense::new(x), Dense::new(gamma), Dense::new(grad));
        let shape: [usize; 3] = x.shape();
        let [gx, ggamma, gbeta] = cpu::normalize_gradient(
            shape,
            x.values(),
            Dense::new(done.output).values(),
            gamma.values(),
            Dense::new(done.mean).values(),
            Dense::new(done.variance).values(),
            epsilon,
            activation,
            grad.values(),
        );
        [
            tensor(gx, &shape),
            tensor(ggamma, &shape[1..2]),
            tensor(gbeta, &shape[1..2]),
        ]
    }
}

#[cfg(feature = "train")]
fn backward(
    g: &Geometry,
    x: &Dense,
    weight: &Dense,
    grad: &Dense,
    wanted: [bool; 2],
) -> [Option<FlexTensor>; 2] {
    let shape = |t: &Dense| t.0.layout().shape().to_vec();
    let gx = wanted[0].then(|| cpu::conv_input_gradient(g, weight.values(), grad.values()));
    let gw = wanted[1].then(|| cpu::conv_weight_gradient(g, x.values(), grad.values()));
    [
        gx.map(|v| tensor(v, &shape(x))),
        gw.map(|v| tensor(v, &shape(weight))),
    ]
}
