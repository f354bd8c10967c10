//! The operations that the networks spend their time in, as one trait over the backends.
//!
//! burn's own operations serve wherever they are good enough. What is here is what they are not:
//! convolutions (on the CPU: image-to-column tiles and matrix products, also backwards, where
//! burn loops over groups) and normalisation with its activation in one pass. Model code calls
//! the functions of this module and has no branch on the backend.

pub mod cpu;
mod flex;
pub mod geometry;
pub mod trace;

#[cfg(feature = "train")]
mod autodiff;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub mod cube;

use burn::tensor::TensorPrimitive;
use burn::tensor::backend::Backend;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, FloatTensor, IntTensor};
use burn::tensor::{Shape, Tensor, TensorData};
use geometry::Geometry;

use super::filter::{Packed, PackedShape};
use super::resize::{self, Align};

/// The activation that follows a normalisation or a folded convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Activation {
    /// None: the output is linear.
    #[default]
    None,
    /// max(x, 0).
    Relu,
    /// min(max(x, 0), 6), as EfficientNet-Lite uses it.
    Relu6,
}

impl Activation {
    /// Applies the activation to a tensor.
    pub fn apply<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Activation::None => x,
            Activation::Relu => burn::tensor::activation::relu(x),
            Activation::Relu6 => x.clamp(0.0, 6.0),
        }
    }
}

/// A normalisation's result: the output and the statistics that it used.
pub struct Normalized<T> {
    /// Normalised, scaled, shifted and activated values, `[n, c, s]`.
    pub output: T,
    /// Mean of each channel, `[c]`.
    pub mean: T,
    /// Biased variance of each channel, `[c]`.
    pub variance: T,
}

/// A convolution with 8-bit weights, and what happens to its sums: scaled, biased, added to the
/// residual, activated.
pub struct PackedConv<B: Backend> {
    /// The convolution; for a transposed one, the convolution whose input gradient it is.
    pub geometry: Geometry,
    /// Whether it is transposed.
    pub transposed: bool,
    /// Input, `[n, ci, h, w]` or `[n, ci, d, h, w]`.
    pub x: FloatTensor<B>,
    /// What [`Kernels::arrange`] made of the weights.
    pub codes: IntTensor<B>,
    /// What each output channel's sums are multiplied by, `[co]`.
    pub scale: FloatTensor<B>,
    /// `[co]`.
    pub bias: FloatTensor<B>,
    /// Of the output's shape.
    pub residual: Option<FloatTensor<B>>,
    /// What follows.
    pub activation: Activation,
    /// The output's shape.
    pub shape: Vec<usize>,
}

/// A backend with Pleura's operations.
///
/// The defaults are burn's own operations; a backend overrides what it has a better kernel for.
pub trait Kernels: Backend {
    /// 2D convolution: `x [n, ci, h, w]`, `weight [co, ci/groups, kh, kw]`, `bias [co]`.
    fn convolve2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        <Self as burn::tensor::ops::ModuleOps<Self>>::conv2d(x, weight, bias, options)
    }

    /// 3D convolution: `x [n, ci, d, h, w]`, `weight [co, ci/groups, kd, kh, kw]`, `bias [co]`.
    fn convolve3d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions<3>,
    ) -> FloatTensor<Self> {
        <Self as burn::tensor::ops::ModuleOps<Self>>::conv3d(x, weight, bias, options)
    }

    /// Transposed 3D convolution: `x [n, ci, d, h, w]`, `weight [ci, co, kd, kh, kw]`, one group.
    fn convolve_transposed3d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvTransposeOptions<3>,
    ) -> FloatTensor<Self> {
        <Self as burn::tensor::ops::ModuleOps<Self>>::conv_transpose3d(x, weight, bias, options)
    }

    /// Row-major 8-bit weights in the order of this backend's kernel, four to a word.
    fn arrange(shape: &PackedShape, codes: &[i8]) -> Vec<i32>;

    /// Convolution with 8-bit weights; inference only.
    fn convolve_packed(work: PackedConv<Self>) -> FloatTensor<Self>;

    /// Instance norm without affine parameters over the planes of `x [1, planes, s]`, then PReLU
    /// with one slope `[1]`; inference only.
    fn settle(x: FloatTensor<Self>, slope: FloatTensor<Self>, epsilon: f32) -> FloatTensor<Self>;

    /// Bilinear resizing of `x [n, c, h, w]`; see [`bilinear`](crate::nn::resize::bilinear).
    ///
    /// The default, two products with small matrices, has gradients on every backend; burn's own
    /// interpolation has none on the CubeCL backends.
    fn resize(x: FloatTensor<Self>, size: [usize; 2], align: Align) -> FloatTensor<Self> {
        resize_by_products::<Self>(x, size, align)
    }

    /// 2 × 2 max pooling of `x [n, c, h, w]`.
    fn halve(x: FloatTensor<Self>) -> FloatTensor<Self> {
        unwrap(max_pool2d(
            wrap::<Self, 4>(x),
            [2, 2],
            [2, 2],
            [0, 0],
            [1, 1],
            false,
        ))
    }

    /// Normalises `x [n, c, s]` over `n` and `s`, scales by `gamma [c]`, shifts by `beta [c]`,
    /// activates: batch norm in training, and instance norm on `[1, n·c, s]`.
    fn normalize(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
        activation: Activation,
    ) -> Normalized<FloatTensor<Self>> {
        normalize_by_parts::<Self>(x, gamma, beta, epsilon, activation)
    }
}

/// The gradients that training asks of a backend on top of [`Kernels`].
#[cfg(feature = "train")]
pub trait TrainKernels: Kernels {
    /// Gradients of [`Kernels::convolve2d`] by `x` and `weight`, each only if it is wanted.
    fn convolve2d_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        options: ConvOptions<2>,
        wanted: [bool; 2],
    ) -> [Option<FloatTensor<Self>>; 2] {
        autodiff::conv2d_backward_by_parts::<Self>(x, weight, grad, options, wanted)
    }

    /// Gradients of [`Kernels::convolve3d`] by `x` and `weight`, each only if it is wanted.
    fn convolve3d_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        options: ConvOptions<3>,
        wanted: [bool; 2],
    ) -> [Option<FloatTensor<Self>>; 2] {
        autodiff::conv3d_backward_by_parts::<Self>(x, weight, grad, options, wanted)
    }

    /// Gradients of [`Kernels::convolve_transposed3d`] by `x` and `weight`, each only if it is wanted.
    fn convolve_transposed3d_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        options: ConvTransposeOptions<3>,
        wanted: [bool; 2],
    ) -> [Option<FloatTensor<Self>>; 2] {
        autodiff::conv_transpose3d_backward_by_parts::<Self>(x, weight, grad, options, wanted)
    }

    /// Gradients of [`Kernels::normalize`] by `x`, `gamma` and `beta`.
    ///
    /// `done` is what the forward pass returned.
    fn normalize_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        done: Normalized<FloatTensor<Self>>,
        epsilon: f32,
        activation: Activation,
        grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        autodiff::normalize_backward_by_parts::<Self>(x, gamma, done, epsilon, activation, grad)
    }
}

pub(crate) fn wrap<B: Backend, const D: usize>(x: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

pub(crate) fn unwrap<B: Backend, const D: usize>(x: Tensor<B, D>) -> FloatTensor<B> {
    x.into_primitive().tensor()
}

/// [`Kernels::resize`] as two small matrix products, rows then columns.
fn resize_by_products<B: Backend>(
    x: FloatTensor<B>,
    size: [usize; 2],
    align: Align,
) -> FloatTensor<B> {
    let x: Tensor<B, 4> = wrap::<B, 4>(x);
    let [n, c, h, w] = x.dims();
    let device = x.device();
    let matrix = |input, output| {
        let data = TensorData::new(resize::weights(input, output, align), [output, input]);
        Tensor::<B, 2>::from_data(data, &device)
    };
    // Columns: [n·c·h, w] · [w, w'].
    let x = x
        .reshape([n * c * h, w])
        .matmul(matrix(w, size[1]).transpose());
    // Rows: [h', h] · [n·c, h, w'].
    let rows = matrix(h, size[0])
        .unsqueeze::<3>()
        .expand([n * c, size[0], h]);
    let y = rows.matmul(x.reshape([n * c, h, size[1]]));
    unwrap(y.reshape([n, c, size[0], size[1]]))
}

/// [`Kernels::normalize`] out of burn's elementwise operations, for backends without a kernel.
fn normalize_by_parts<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    epsilon: f32,
    activation: Activation,
) -> Normalized<FloatTensor<B>> {
    let x: Tensor<B, 3> = wrap::<B, 3>(x);
    let [_, c, _] = x.dims();
    let mean = x.clone().mean_dim(2).mean_dim(0);
    let centred = x - mean.clone();
    let variance = centred.clone().powf_scalar(2.0).mean_dim(2).mean_dim(0);
    let scale = wrap::<B, 1>(gamma).reshape([1, c, 1]) / (variance.clone() + epsilon).sqrt();
    let shift = wrap::<B, 1>(beta).reshape([1, c, 1]);
    let output = activation.apply(centred * scale + shift);
    Normalized {
        output: unwrap(output),
        mean: unwrap(mean.reshape([c])),
        variance: unwrap(variance.reshape([c])),
    }
}

/// 2D convolution; see [`Kernels::convolve2d`].
pub fn conv2d<B: Kernels>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Option<Tensor<B, 1>>,
    options: ConvOptions<2>,
) -> Tensor<B, 4> {
    wrap::<B, 4>(B::convolve2d(
        unwrap(x),
        unwrap(weight),
        bias.map(unwrap),
        options,
    ))
}

/// 3D convolution; see [`Kernels::convolve3d`].
pub fn conv3d<B: Kernels>(
    x: Tensor<B, 5>,
    weight: Tensor<B, 5>,
    bias: Option<Tensor<B, 1>>,
    options: ConvOptions<3>,
) -> Tensor<B, 5> {
    wrap::<B, 5>(B::convolve3d(
        unwrap(x),
        unwrap(weight),
        bias.map(unwrap),
        options,
    ))
}

/// Transposed 3D convolution; see [`Kernels::convolve_transposed3d`].
pub fn conv_transpose3d<B: Kernels>(
    x: Tensor<B, 5>,
    weight: Tensor<B, 5>,
    bias: Option<Tensor<B, 1>>,
    options: ConvTransposeOptions<3>,
) -> Tensor<B, 5> {
    wrap::<B, 5>(B::convolve_transposed3d(
        unwrap(x),
        unwrap(weight),
        bias.map(unwrap),
        options,
    ))
}

/// 2 × 2 max pooling of `[n, c, h, w]`.
pub fn halve<B: Kernels>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    wrap::<B, 4>(B::halve(unwrap(x)))
}

/// Convolution with 8-bit weights; see [`PackedConv`]. `x`, `residual` and the result are
/// `[n, c, h, w]` or `[n, c, d, h, w]`.
pub fn conv_packed<B: Kernels, const D: usize>(
    pattern: &Geometry,
    transposed: Option<[usize; 3]>,
    x: Tensor<B, D>,
    weights: &Packed<B>,
    bias: Tensor<B, 1>,
    residual: Option<Tensor<B, D>>,
    activation: Activation,
) -> Tensor<B, D> {
    let dims = x.dims();
    let extent = std::array::from_fn(|a| match (D + a).checked_sub(3) {
        Some(at) if at >= 2 => dims[at],
        _ => 1,
    });
    // A transposed convolution is described from its large output to its small input.
    let geometry = match transposed {
        Some(large) => Geometry {
            output: extent,
            ..pattern.on(dims[0], large)
        },
        None => pattern.on(dims[0], extent),
    };
    let (channels, extent) = match transposed {
        Some(large) => (geometry.channels_in, large),
        None => (geometry.channels_out, geometry.output),
    };
    trace::note(&geometry, transposed.is_some());
    let mut shape = vec![dims[0], channels];
    shape.extend(&extent[5 - D..]);
    wrap::<B, D>(B::convolve_packed(PackedConv {
        geometry,
        transposed: transposed.is_some(),
        x: unwrap(x),
        codes: weights.codes.val().into_primitive(),
        scale: unwrap(weights.scale.val()),
        bias: unwrap(bias),
        residual: residual.map(unwrap),
        activation,
        shape,
    }))
}

/// Instance norm and PReLU with one slope; see [`Kernels::settle`].
pub fn settle<B: Kernels, const D: usize>(
    x: Tensor<B, D>,
    slope: Tensor<B, 1>,
    epsilon: f64,
) -> Tensor<B, D> {
    let shape: Shape = x.shape();
    let planes = (shape[0] * shape[1]) as i32;
    let x = x.reshape([1, planes, -1]);
    wrap::<B, 3>(B::settle(unwrap(x), unwrap(slope), epsilon as f32)).reshape(shape)
}

/// Batch norm in training mode on `[n, c, …]`: the output, and each channel's mean and biased
/// variance for the running averages.
pub fn batch_normalize<B: Kernels, const D: usize>(
    x: Tensor<B, D>,
    gamma: Tensor<B, 1>,
    beta: Tensor<B, 1>,
    epsilon: f64,
    activation: Activation,
) -> (Tensor<B, D>, Tensor<B, 1>, Tensor<B, 1>) {
    let shape: Shape = x.shape();
    let [n, c] = [shape[0], shape[1]];
    let done = B::normalize(
        unwrap(x.reshape([n as i32, c as i32, -1])),
        unwrap(gamma),
        unwrap(beta),
        epsilon as f32,
        activation,
    );
    (
        wrap::<B, 3>(done.output).reshape(shape),
        wrap::<B, 1>(done.mean),
        wrap::<B, 1>(done.variance),
    )
}

/// Instance norm without affine parameters on `[n, c, …]`: each channel of each sample is brought
/// to mean 0 and (biased) variance 1.
pub fn instance_normalize<B: Kernels, const D: usize>(
    x: Tensor<B, D>,
    epsilon: f64,
) -> Tensor<B, D> {
    let shape: Shape = x.shape();
    let planes = shape[0] * shape[1];
    let device = x.device();
    let done = B::normalize(
        unwrap(x.reshape([1, planes as i32, -1])),
        unwrap(Tensor::<B, 1>::ones([planes], &device)),
        unwrap(Tensor::<B, 1>::zeros([planes], &device)),
        epsilon as f32,
        Activation::None,
    );
    wrap::<B, 3>(done.output).reshape(shape)
}
