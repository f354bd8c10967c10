//! Ground glass against consolidation: the infection-guided U-Net ("Semi-Inf-Net & MC", paper
//! §III-F).
//!
//! The input is the slice and the infection map, three channels each; the output three logits a
//! pixel, [ground glass, consolidation, background]. (The published helper's one-hot coding is
//! shifted by a channel; this is the order it meant.)

use crate::nn::Builder;
use crate::nn::conv::{Conv2d, ConvShape, ConvUnit, Init};
use crate::nn::kernels::{Activation, Kernels, halve};
use crate::nn::resize::{Align, scale};
use crate::plane::Plane;
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

/// What the class network is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassesConfig {
    /// Channels of the first level; the paper's 64 double to 512.
    pub width: usize,
    /// Side of the square input, a multiple of 16.
    pub side: usize,
}

impl ClassesConfig {
    /// The published network.
    pub fn paper() -> Self {
        ClassesConfig {
            width: 64,
            side: 352,
        }
    }
    /// The network that ships to the browser.
    pub fn web() -> Self {
        ClassesConfig {
            width: 12,
            side: 352,
        }
    }
}

/// Channels of the input.
pub const INPUTS: usize = 6;
/// Channels of the output, in this order.
pub const LABELS: [&str; 3] = ["ground glass", "consolidation", "background"];

/// Grey of the colours that classes are painted in: below is ground glass (red), above
/// consolidation (green).
const BETWEEN_CLASSES: u8 = 55;

/// Labels (0 background, 1 ground glass, 2 consolidation) of a picture that holds them as they
/// are, or in the labelled slices' colours turned to grey.
pub fn painted(grey: &Plane<u8>) -> Plane<u8> {
    match grey.data().iter().all(|&v| v <= 2) {
        true => grey.clone(),
        false => grey.map(|v| match v {
            0 => 0,
            v if v < BETWEEN_CLASSES => 1,
            _ => 2,
        }),
    }
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

/// The U-Net: widths w, 2w, 4w, 8w, 8w; bilinear upsampling with aligned corners.
#[derive(Module, Debug)]
pub struct ClassesNet<B: Backend> {
    inc: Double<B>,
    down: Vec<Double<B>>,
    up: Vec<Double<B>>,
    outc: Conv2d<B>,
}

impl<B: Backend> ClassesNet<B> {
    /// A network of the given make.
    pub fn new(build: &mut Builder<B>, config: &ClassesConfig) -> Self {
        let w = config.width;
        let down = [[w, 2 * w], [2 * w, 4 * w], [4 * w, 8 * w], [8 * w, 8 * w]];
        let up = [[16 * w, 4 * w], [8 * w, 2 * w], [4 * w, w], [2 * w, w]];
        ClassesNet {
            inc: Double::new(build, [INPUTS, w, w]),
            down: down
                .map(|[input, output]| Double::new(build, [input, output, output]))
                .into(),
            up: up
                .map(|[input, output]| Double::new(build, [input, input / 2, output]))
                .into(),
            outc: Conv2d::new(
                build,
                ConvShape::new(w, LABELS.len(), 1),
                true,
                Init::Default,
            ),
        }
    }
}

impl<B: Kernels> ClassesNet<B> {
    /// `[n, 6, h, w]` → logits `[n, 3, h, w]`; h and w multiples of 16.
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
