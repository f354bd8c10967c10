//! A plain 2D U-Net: double convolutions, max pooling, bilinear upsampling with aligned corners.
//!
//! The class network is one (paper's `unet_model`), and so is the lung network.

use super::Builder;
use super::conv::{Conv2d, ConvShape, ConvUnit, Init};
use super::kernels::{Activation, Kernels, halve};
use super::resize::{Align, scale};
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Channels of a U-Net.
#[derive(Clone, Copy, Debug)]
pub struct Channels {
    /// Of the input.
    pub input: usize,
    /// Of the first level, w: the five levels have w, 2w, 4w, 8w, 8w.
    pub width: usize,
    /// Of the output.
    pub output: usize,
}

#[derive(Module, Debug)]
struct Double<B: Backend> {
    first: ConvUnit<B>,
    second: ConvUnit<B>,
}

impl<B: Backend> Double<B> {
    fn new(build: &mut Builder<B>, [input, middle, output]: [usize; 3]) -> Self {
        Double {
            first: ConvUnit::new(build, ConvShape::new(input, middle, 3), Activation::Relu),
            second: ConvUnit::new(build, ConvShape::new(middle, output, 3), Activation::Relu),
        }
    }
}

impl<B: Kernels> Double<B> {
    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.second.forward(self.first.forward(x))
    }
}

/// The U-Net.
#[derive(Module, Debug)]
pub struct UNet<B: Backend> {
    inc: Double<B>,
    down: Vec<Double<B>>,
    up: Vec<Double<B>>,
    outc: Conv2d<B>,
}

impl<B: Backend> UNet<B> {
    /// A network with the given channels.
    pub fn new(build: &mut Builder<B>, channels: Channels) -> Self {
        let w = channels.width;
        let down = [[w, 2 * w], [2 * w, 4 * w], [4 * w, 8 * w], [8 * w, 8 * w]];
        let up = [[16 * w, 4 * w], [8 * w, 2 * w], [4 * w, w], [2 * w, w]];
        UNet {
            inc: Double::new(build, [channels.input, w, w]),
            down: down
                .map(|[input, output]| Double::new(build, [input, output, output]))
                .into(),
            up: up
                .map(|[input, output]| Double::new(build, [input, input / 2, output]))
                .into(),
            outc: Conv2d::new(
                build,
                ConvShape::new(w, channels.output, 1),
                true,
                Init::Default,
            ),
        }
    }
}

impl<B: Kernels> UNet<B> {
    /// `[n, input, h, w]` → logits `[n, output, h, w]`; h and w multiples of 16.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut levels = vec![self.inc.forward(x.clone())];
        let mut x = levels[0].clone();
        for down in &self.down {
            x = down.forward(halve(x));
            levels.push(x.clone());
        }
        levels.pop();
        for up in &self.up {
            let risen = scale(x, (2, 1), Align::Corners);
            let skip = levels
                .pop()
                .unwrap_or_else(|| unreachable!("a level for each step up"));
            x = up.forward(Tensor::cat(vec![skip, risen], 1));
        }
        self.outc.forward(x)
    }
}
