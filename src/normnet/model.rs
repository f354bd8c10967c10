//! The 3D U-Net of NormNet (paper §IV-B: "implemented by MONAI"), by the definition of
//! `monai.networks.nets.UNet` at the time: SPEC B.7.
//!
//! Every unit is convolution → instance norm (not affine) → PReLU with one shared slope; with
//! residual units the input is added behind each pair. The first convolution already has stride
//! 2, so nothing but the last step runs at full resolution.

use crate::nn::Builder;
use crate::nn::filter::{Filter, PackedShape};
use crate::nn::kernels::geometry::Geometry;
use crate::nn::kernels::{
    Activation, Kernels, conv_packed, conv_transpose3d, conv3d, instance_normalize, settle,
};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::prelu;
use burn::tensor::backend::Backend;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use serde::{Deserialize, Serialize};

/// What a NormNet is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NormNetConfig {
    /// Channels of the levels, shallow to deep. Every level but the last halves each side.
    pub channels: Vec<usize>,
    /// Convolutions of a residual unit; 0 leaves residual units out.
    pub residual_units: usize,
}

impl NormNetConfig {
    /// MONAI's tutorial network, which the paper most likely used: 4.8 M parameters.
    pub fn paper() -> Self {
        NormNetConfig {
            channels: vec![16, 32, 64, 128, 256],
            residual_units: 2,
        }
    }
    /// The network that ships to the browser: 1.2 M parameters.
    pub fn web() -> Self {
        NormNetConfig {
            channels: vec![8, 16, 32, 64, 128],
            residual_units: 2,
        }
    }
}

/// ε of the instance norm.
const EPSILON: f64 = 1e-5;
/// Where a PReLU's slope starts.
const SLOPE: f32 = 0.25;

/// 3D convolution with bias.
#[derive(Module, Debug)]
struct Conv3d<B: Backend> {
    weight: Filter<B, 5>,
    bias: Param<Tensor<B, 1>>,
    #[module(skip)]
    pattern: Geometry,
}

impl<B: Backend> Conv3d<B> {
    fn new(
        build: &mut Builder<B>,
        [input, output]: [usize; 2],
        kernel: usize,
        stride: usize,
    ) -> Self {
        let bound = 1.0 / ((input * kernel.pow(3)) as f64).sqrt();
        let shape = [output, input, kernel, kernel, kernel];
        let pattern = Geometry::pattern(
            [input, output, 1],
            [kernel; 3],
            [stride; 3],
            [(kernel - 1) / 2; 3],
            [1; 3],
        );
        let packed = PackedShape {
            geometry: pattern.clone(),
            transposed: false,
            shape: shape.to_vec(),
        };
        Conv3d {
            weight: Filter::new(build, packed, |build| build.uniform(shape, bound)),
            bias: build.uniform([output], bound),
            pattern,
        }
    }
}

impl<B: Kernels> Conv3d<B> {
    /// Convolves and adds the residual.
    fn forward(&self, x: Tensor<B, 5>, residual: Option<Tensor<B, 5>>) -> Tensor<B, 5> {
        let (p, bias) = (&self.pattern, self.bias.val());
        match &self.weight {
            Filter::Float(weight) => {
                let options = ConvOptions::new(p.stride, p.padding, p.dilation, 1);
                let y = conv3d(x, weight.val(), Some(bias), options);
                match residual {
                    Some(residual) => residual + y,
                    None => y,
                }
            }
            Filter::Packed(weights) => {
                conv_packed(p, None, x, weights, bias, residual, Activation::None)
            }
        }
    }
}

/// 3×3×3 transposed convolution with bias that doubles every side.
#[derive(Module, Debug)]
struct ConvTransposed3d<B: Backend> {
    weight: Filter<B, 5>,
    bias: Param<Tensor<B, 1>>,
    /// The convolution that goes the other way.
    #[module(skip)]
    pattern: Geometry,
}

impl<B: Backend> ConvTransposed3d<B> {
    fn new(build: &mut Builder<B>, [input, output]: [usize; 2]) -> Self {
        // PyTorch takes the second dimension for the fan of a transposed convolution.
        let bound = 1.0 / ((output * 27) as f64).sqrt();
        let shape = [input, output, 3, 3, 3];
        let pattern = Geometry::pattern([output, input, 1], [3; 3], [2; 3], [1; 3], [1; 3]);
        let packed = PackedShape {
            geometry: pattern.clone(),
            transposed: true,
            shape: shape.to_vec(),
        };
        ConvTransposed3d {
            weight: Filter::new(build, packed, |build| build.uniform(shape, bound)),
            bias: build.uniform([output], bound),
            pattern,
        }
    }
}

impl<B: Kernels> ConvTransposed3d<B> {
    fn forward(&self, x: Tensor<B, 5>) -> Tensor<B, 5> {
        let bias = self.bias.val();
        match &self.weight {
            Filter::Float(weight) => {
                let options = ConvTransposeOptions::new([2; 3], [1; 3], [1; 3], [1; 3], 1);
                conv_transpose3d(x, weight.val(), Some(bias), options)
            }
            Filter::Packed(weights) => {
                let [.., d, h, w] = x.dims();
                let large = Some([2 * d, 2 * h, 2 * w]);
                conv_packed(
                    &self.pattern,
                    large,
                    x,
                    weights,
                    bias,
                    None,
                    Activation::None,
                )
            }
        }
    }
}

/// Instance norm and PReLU.
#[derive(Module, Debug)]
struct Settle<B: Backend> {
    slope: Param<Tensor<B, 1>>,
}

impl<B: Backend> Settle<B> {
    fn new(build: &mut Builder<B>) -> Self {
        Settle {
            slope: build.constant([1], SLOPE),
        }
    }
}

impl<B: Kernels> Settle<B> {
    fn forward(&self, x: Tensor<B, 5>) -> Tensor<B, 5> {
        match B::ad_enabled(&x.device()) {
            true => prelu(instance_normalize(x, EPSILON), self.slope.val()),
            false => settle(x, self.slope.val(), EPSILON),
        }
    }
}

/// A step of one level: units in a row, with a shortcut if residual.
#[derive(Module, Debug)]
struct Step<B: Backend> {
    convs: Vec<Conv3d<B>>,
    /// One behind each convolution; one less where the last convolution stands bare.
    settles: Vec<Settle<B>>,
    /// The shortcut's convolution, where shapes change.
    shortcut: Option<Conv3d<B>>,
    residual: bool,
}

impl<B: Backend> Step<B> {
    fn new(
        build: &mut Builder<B>,
        [input, output]: [usize; 2],
        stride: usize,
        units: usize,
        bare: bool,
    ) -> Self {
        let residual = units > 0;
        let mut convs = vec![Conv3d::new(build, [input, output], 3, stride)];
        convs.extend((1..units).map(|_| Conv3d::new(build, [output, output], 3, 1)));
        let settles = convs.len() - usize::from(bare);
        let settles = (0..settles).map(|_| Settle::new(build)).collect();
        let shortcut = match (residual, stride, input == output) {
            (true, 2.., _) => Some(Conv3d::new(build, [input, output], 3, stride)),
            (true, _, false) => Some(Conv3d::new(build, [input, output], 1, 1)),
            _ => None,
        };
        Step {
            convs,
            settles,
            shortcut,
            residual,
        }
    }
}

impl<B: Kernels> Step<B> {
    fn forward(&self, x: Tensor<B, 5>) -> Tensor<B, 5> {
        let mut y = x.clone();
        for (i, conv) in self.convs.iter().enumerate() {
            y = conv.forward(y, None);
            if let Some(settle) = self.settles.get(i) {
                y = settle.forward(y);
            }
        }
        match (&self.shortcut, self.residual) {
            (Some(conv), _) => conv.forward(x, Some(y)),
            (None, true) => y + x,
            (None, false) => y,
        }
    }
}

/// The way up from one level: transposed unit, then a residual unit of one convolution.
#[derive(Module, Debug)]
struct Rise<B: Backend> {
    conv: ConvTransposed3d<B>,
    settle: Option<Settle<B>>,
    refine: Option<Step<B>>,
}

impl<B: Backend> Rise<B> {
    fn new(build: &mut Builder<B>, channels: [usize; 2], units: usize, top: bool) -> Self {
        let conv = ConvTransposed3d::new(build, channels);
        let bare = top && units == 0;
        Rise {
            conv,
            settle: (!bare).then(|| Settle::new(build)),
            refine: (units > 0).then(|| Step::new(build, [channels[1]; 2], 1, 1, top)),
        }
    }
}

impl<B: Kernels> Rise<B> {
    fn forward(&self, x: Tensor<B, 5>) -> Tensor<B, 5> {
        let mut y = self.conv.forward(x);
        if let Some(settle) = &self.settle {
            y = settle.forward(y);
        }
        match &self.refine {
            Some(step) => step.forward(y),
            None => y,
        }
    }
}

/// The network: one channel of normalised intensity in, one logit "healthy" out.
#[derive(Module, Debug)]
pub struct NormNet<B: Backend> {
    down: Vec<Step<B>>,
    bottom: Step<B>,
    up: Vec<Rise<B>>,
}

impl<B: Backend> NormNet<B> {
    /// A network of the given make.
    ///
    /// # Panics
    /// With fewer than two levels of channels.
    pub fn new(build: &mut Builder<B>, config: &NormNetConfig) -> Self {
        let c = &config.channels;
        let units = config.residual_units;
        assert!(c.len() >= 2, "a U-Net has at least two levels");
        let levels = c.len() - 1;
        let down = (0..levels)
            .map(|k| {
                let input = if k == 0 { 1 } else { c[k - 1] };
                Step::new(build, [input, c[k]], 2, units, false)
            })
            .collect();
        let bottom = Step::new(build, [c[levels - 1], c[levels]], 1, units, false);
        let up = (0..levels)
            .map(|k| {
                // The deepest rise takes c[levels−1] + c[levels], the others twice their level.
                let input = if k == levels - 1 {
                    c[k] + c[k + 1]
                } else {
                    2 * c[k]
                };
                let output = if k == 0 { 1 } else { c[k - 1] };
                Rise::new(build, [input, output], units, k == 0)
            })
            .collect();
        NormNet { down, bottom, up }
    }
}

impl<B: Kernels> NormNet<B> {
    /// `[n, 1, z, y, x]` (r of SPEC B.2, 0 outside the lungs) → logits of the same shape. Every
    /// side must be a multiple of 2^levels.
    pub fn forward(&self, x: Tensor<B, 5>) -> Tensor<B, 5> {
        let mut levels = Vec::with_capacity(self.down.len());
        let mut x = x;
        for step in &self.down {
            x = step.forward(x);
            levels.push(x.clone());
        }
        x = self.bottom.forward(x);
        for rise in self.up.iter().rev() {
            let skip = levels
                .pop()
                .unwrap_or_else(|| unreachable!("a level for each rise"));
            x = rise.forward(Tensor::cat(vec![skip, x], 1));
        }
        x
    }
}
