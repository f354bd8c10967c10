//! 2D convolution, and the unit of convolution, batch norm and activation.

use super::Builder;
use super::filter::{Filter, PackedShape};
use super::kernels::geometry::Geometry;
use super::kernels::{Activation, Kernels, conv_packed, conv2d};
use super::norm::BatchNorm;
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::ops::ConvOptions;

/// The shape of a 2D convolution. Padding keeps the size at stride 1.
#[derive(Clone, Copy, Debug)]
pub struct ConvShape {
    /// Input channels.
    pub input: usize,
    /// Output channels.
    pub output: usize,
    /// Kernel height and width (odd).
    pub kernel: [usize; 2],
    /// Stride, both ways.
    pub stride: usize,
    /// Dilation, both ways.
    pub dilation: usize,
    /// Groups.
    pub groups: usize,
}

impl ConvShape {
    /// A square kernel, stride 1, no dilation, one group.
    pub fn new(input: usize, output: usize, kernel: usize) -> Self {
        ConvShape {
            input,
            output,
            kernel: [kernel; 2],
            stride: 1,
            dilation: 1,
            groups: 1,
        }
    }
    /// With another stride.
    pub fn stride(self, stride: usize) -> Self {
        ConvShape { stride, ..self }
    }
    /// With a dilation.
    pub fn dilation(self, dilation: usize) -> Self {
        ConvShape { dilation, ..self }
    }
    /// With a kernel of two sides.
    pub fn kernel(self, height: usize, width: usize) -> Self {
        ConvShape {
            kernel: [height, width],
            ..self
        }
    }
    /// One filter a channel.
    pub fn depthwise(self) -> Self {
        ConvShape {
            groups: self.input,
            ..self
        }
    }
    fn padding(&self) -> [usize; 2] {
        self.kernel.map(|k| self.dilation * (k - 1) / 2)
    }
    fn pattern(&self) -> Geometry {
        let ([kh, kw], [ph, pw]) = (self.kernel, self.padding());
        let (stride, dilation) = (self.stride, self.dilation);
        Geometry::pattern(
            [self.input, self.output, self.groups],
            [1, kh, kw],
            [1, stride, stride],
            [0, ph, pw],
            [1, dilation, dilation],
        )
    }
    fn fan_in(&self) -> usize {
        self.input / self.groups * self.kernel[0] * self.kernel[1]
    }
    fn fan_out(&self) -> usize {
        self.output / self.groups * self.kernel[0] * self.kernel[1]
    }
}

/// Where a convolution's weights start.
#[derive(Clone, Copy, Debug)]
pub enum Init {
    /// PyTorch's default: U(±1/√fan_in), for the weight and for the bias.
    Default,
    /// Kaiming normal by fan-out with ReLU gain, as the encoders are initialised.
    FanOut,
}

/// 2D convolution, `[n, ci, h, w]` → `[n, co, h', w']`.
#[derive(Module, Debug)]
pub struct Conv2d<B: Backend> {
    /// `[co, ci/groups, kh, kw]`.
    pub weight: Filter<B, 4>,
    /// `[co]`.
    pub bias: Option<Param<Tensor<B, 1>>>,
    #[module(skip)]
    shape: ConvShape,
}

impl<B: Backend> Conv2d<B> {
    /// A convolution with or without a bias.
    pub fn new(build: &mut Builder<B>, shape: ConvShape, bias: bool, init: Init) -> Self {
        let dims = [
            shape.output,
            shape.input / shape.groups,
            shape.kernel[0],
            shape.kernel[1],
        ];
        let bound = 1.0 / (shape.fan_in() as f64).sqrt();
        let packed = PackedShape {
            geometry: shape.pattern(),
            transposed: false,
            shape: dims.to_vec(),
        };
        let weight = Filter::new(build, packed, |build| match init {
            Init::Default => build.uniform(dims, bound),
            Init::FanOut => build.normal(dims, (2.0 / shape.fan_out() as f64).sqrt()),
        });
        let bias = bias.then(|| build.uniform([shape.output], bound));
        Conv2d {
            weight,
            bias,
            shape,
        }
    }
}

impl<B: Kernels> Conv2d<B> {
    /// Convolves.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.finish(x, None, Activation::None)
    }

    /// Convolves, adds the residual, activates.
    pub fn finish(
        &self,
        x: Tensor<B, 4>,
        residual: Option<Tensor<B, 4>>,
        activation: Activation,
    ) -> Tensor<B, 4> {
        let bias = self.bias.as_ref().map(Param::val);
        match &self.weight {
            Filter::Float(weight) => {
                #[cfg(feature = "train")]
                super::observe::note(weight.id, &x);
                let s = &self.shape;
                let padding = s.padding();
                let options = ConvOptions::new([s.stride; 2], padding, [s.dilation; 2], s.groups);
                let y = conv2d(x, weight.val(), bias, options);
                activation.apply(match residual {
                    Some(residual) => y + residual,
                    None => y,
                })
            }
            Filter::Packed(weights) => {
                let bias = bias.unwrap_or_else(|| weights.scale.val().zeros_like());
                let pattern = self.shape.pattern();
                conv_packed(&pattern, None, x, weights, bias, residual, activation)
            }
        }
    }
}

/// Convolution → batch norm → activation. Folded, the norm is part of the convolution.
#[derive(Module, Debug)]
pub struct ConvUnit<B: Backend> {
    /// The convolution; it has a bias only when the norm is folded into it.
    pub conv: Conv2d<B>,
    /// The batch norm, unless folded.
    pub norm: Option<BatchNorm<B>>,
    #[module(skip)]
    activation: Activation,
}

/// ε and momentum of PyTorch's batch norm.
pub(crate) const TORCH_NORM: (f64, f64) = (1e-5, 0.1);

impl<B: Backend> ConvUnit<B> {
    /// A unit with PyTorch's defaults; SPEC's `BasicConv2d` is the one without activation.
    pub fn new(build: &mut Builder<B>, shape: ConvShape, activation: Activation) -> Self {
        Self::with(build, shape, activation, Init::Default, TORCH_NORM)
    }

    /// A unit of the Res2Net encoder.
    pub fn encoder(build: &mut Builder<B>, shape: ConvShape, activation: Activation) -> Self {
        Self::with(build, shape, activation, Init::FanOut, TORCH_NORM)
    }

    /// A unit with its own initialisation and norm constants `(ε, momentum)`.
    pub fn with(
        build: &mut Builder<B>,
        shape: ConvShape,
        activation: Activation,
        init: Init,
        (epsilon, momentum): (f64, f64),
    ) -> Self {
        let folded = build.folded();
        ConvUnit {
            conv: Conv2d::new(build, shape, folded, init),
            norm: (!folded).then(|| BatchNorm::new(build, shape.output, epsilon, momentum)),
            activation,
        }
    }

    /// A unit that ends in logits: with PyTorch's norm as the paper has it, or with a bias alone.
    /// A norm on a single channel of logits holds their spread to γ, which starts at 1 and moves
    /// by a rate a step: the maps stay soft.
    pub fn logits(build: &mut Builder<B>, shape: ConvShape, norm: bool) -> Self {
        if norm {
            return Self::new(build, shape, Activation::None);
        }
        ConvUnit {
            conv: Conv2d::new(build, shape, true, Init::Default),
            norm: None,
            activation: Activation::None,
        }
    }
}

impl<B: Kernels> ConvUnit<B> {
    /// Convolves, normalises, activates.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        match &self.norm {
            Some(norm) => norm.forward(self.conv.forward(x), self.activation),
            None => self.conv.finish(x, None, self.activation),
        }
    }

    /// Convolves, normalises, adds the residual, and then applies `activation`; for a unit
    /// without an activation of its own.
    pub fn forward_onto(
        &self,
        x: Tensor<B, 4>,
        residual: Tensor<B, 4>,
        activation: Activation,
    ) -> Tensor<B, 4> {
        match &self.norm {
            Some(norm) => {
                let y = norm.forward(self.conv.forward(x), self.activation);
                activation.apply(y + residual)
            }
            None => self.conv.finish(x, Some(residual), activation),
        }
    }
}
