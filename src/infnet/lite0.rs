//! EfficientNet-Lite0, the small encoder that ships to the browser (Tan & Le 2019, without
//! squeeze-and-excitation and with ReLU6).
//!
//! TensorFlow pads a stride-2 convolution at the far side only. With even extents that is what
//! symmetric padding does for an image and kernels turned by 180°, so the importer turns the
//! ImageNet kernels, and the network sees the image upside down: no padding operation is needed,
//! and the features are exactly ImageNet's of the turned image.

use crate::nn::Builder;
use crate::nn::conv::{ConvShape, ConvUnit, Init};
use crate::nn::kernels::{Activation, Kernels};
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A stage: kernel, stride of its first block, expansion, output channels, blocks.
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
];
/// After which stages f2…f5 are taken.
const TAPS: [usize; 4] = [1, 2, 4, 6];
/// ε of EfficientNet's batch norms, and the momentum of their running averages: PyTorch's 0.1,
/// because EfficientNet's own 0.01 lags behind in runs of some hundred steps.
pub(crate) const NORM: (f64, f64) = (1e-3, 0.1);

/// Channels of f2…f5.
pub const CHANNELS: [usize; 4] = [24, 40, 112, 320];

/// The encoder. Its features f2…f5 have 24, 40, 112 and 320 channels at strides 4, 8, 16, 32.
#[derive(Module, Debug)]
pub struct Lite0<B: Backend> {
    stem: ConvUnit<B>,
    blocks: Vec<Block<B>>,
    #[module(skip)]
    taps: [usize; 4],
}

impl<B: Backend> Lite0<B> {
    /// An encoder with Kaiming-normal weights.
    pub fn new(build: &mut Builder<B>) -> Self {
        let stem = unit(build, ConvShape::new(3, 32, 3).stride(2), Activation::Relu6);
        let mut blocks = Vec::new();
        let mut taps = [0; 4];
        let mut input = 32;
        for (stage, &(kernel, stride, expand, output, count)) in STAGES.iter().enumerate() {
            for i in 0..count {
                let stride = if i == 0 { stride } else { 1 };
                blocks.push(Block::new(build, [input, output], kernel, stride, expand));
                input = output;
            }
            for (tap, &at) in taps.iter_mut().zip(&TAPS) {
                if at == stage {
                    *tap = blocks.len() - 1;
                }
            }
        }
        Lite0 { stem, blocks, taps }
    }
}

impl<B: Kernels> Lite0<B> {
    /// `[n, 3, h, w]` → f2…f5.
    pub fn forward(&self, x: Tensor<B, 4>) -> [Tensor<B, 4>; 4] {
        let mut x = self.stem.forward(x);
        let mut outputs = self.blocks.iter().map(|block| {
            let y = block.forward(x.clone());
            x = y.clone();
            y
        });
        let mut done = 0;
        self.taps.map(|tap| {
            let y = outputs
                .nth(tap - done)
                .unwrap_or_else(|| unreachable!("taps are blocks"));
            done = tap + 1;
            y
        })
    }
}

fn unit<B: Backend>(
    build: &mut Builder<B>,
    shape: ConvShape,
    activation: Activation,
) -> ConvUnit<B> {
    ConvUnit::with(build, shape, activation, Init::FanOut, NORM)
}

/// An inverted bottleneck: 1×1 expansion, depthwise convolution, 1×1 projection.
#[derive(Module, Debug)]
struct Block<B: Backend> {
    expand: Option<ConvUnit<B>>,
    depthwise: ConvUnit<B>,
    project: ConvUnit<B>,
    residual: bool,
}

impl<B: Backend> Block<B> {
    fn new(
        build: &mut Builder<B>,
        [input, output]: [usize; 2],
        kernel: usize,
        stride: usize,
        expand: usize,
    ) -> Self {
        let wide = input * expand;
        let depthwise = ConvShape::new(wide, wide, kernel)
            .stride(stride)
            .depthwise();
        Block {
            expand: (expand > 1)
                .then(|| unit(build, ConvShape::new(input, wide, 1), Activation::Relu6)),
            depthwise: unit(build, depthwise, Activation::Relu6),
            project: unit(build, ConvShape::new(wide, output, 1), Activation::None),
            residual: stride == 1 && input == output,
        }
    }
}

impl<B: Kernels> Block<B> {
    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let y = match &self.expand {
            Some(unit) => unit.forward(x.clone()),
            None => x.clone(),
        };
        let y = self.depthwise.forward(y);
        match self.residual {
            true => self.project.forward_onto(y, x, Activation::None),
            false => self.project.forward(y),
        }
    }
}
