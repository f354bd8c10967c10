//! Res2Net-50 v1b 26w4s, the paper's encoder (Gao et al. 2019; Inf-Net §III-B).
//!
//! A deep stem, then four stages of bottlenecks whose 3×3 convolution is split into four channel
//! groups, each taking in the result of the one before: several receptive fields in one block.

use crate::nn::Builder;
use crate::nn::conv::{ConvShape, ConvUnit};
use crate::nn::kernels::{Activation, Kernels};
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::module::{avg_pool2d, max_pool2d};

/// Channel groups of a block's 3×3 convolution.
const SCALE: usize = 4;
/// Blocks of the four stages.
const BLOCKS: [usize; 4] = [3, 4, 6, 3];
/// Base planes of the four stages; the outputs are four times as wide.
const PLANES: [usize; 4] = [64, 128, 256, 512];

/// The encoder. Its features f2…f5 have 256, 512, 1024 and 2048 channels at strides 4, 8, 16, 32.
#[derive(Module, Debug)]
pub struct Res2Net<B: Backend> {
    stem: Vec<ConvUnit<B>>,
    stages: Vec<Vec<Block<B>>>,
}

/// Channels of f2…f5.
pub const CHANNELS: [usize; 4] = [256, 512, 1024, 2048];

impl<B: Backend> Res2Net<B> {
    /// An encoder with Kaiming-normal weights.
    pub fn new(build: &mut Builder<B>) -> Self {
        let relu = Activation::Relu;
        let stem = vec![
            ConvUnit::encoder(build, ConvShape::new(3, 32, 3).stride(2), relu),
            ConvUnit::encoder(build, ConvShape::new(32, 32, 3), relu),
            ConvUnit::encoder(build, ConvShape::new(32, 64, 3), relu),
        ];
        let mut input = 64;
        let mut stages = Vec::new();
        for (stage, (&planes, &blocks)) in PLANES.iter().zip(&BLOCKS).enumerate() {
            let stride = if stage == 0 { 1 } else { 2 };
            let mut list = vec![Block::new(build, input, planes, Some(stride))];
            input = planes * 4;
            list.extend((1..blocks).map(|_| Block::new(build, input, planes, None)));
            stages.push(list);
        }
        Res2Net { stem, stages }
    }
}

impl<B: Kernels> Res2Net<B> {
    /// `[n, 3, h, w]` → f2…f5.
    pub fn forward(&self, mut x: Tensor<B, 4>) -> [Tensor<B, 4>; 4] {
        for unit in &self.stem {
            x = unit.forward(x);
        }
        x = max_pool2d(x, [3, 3], [2, 2], [1, 1], [1, 1], false);
        let mut stages = self.stages.iter().map(|blocks| {
            let y = blocks.iter().fold(x.clone(), |x, block| block.forward(x));
            x = y.clone();
            y
        });
        // Four stages by construction.
        std::array::from_fn(|_| stages.next().unwrap_or_else(|| unreachable!("four stages")))
    }
}

/// One bottleneck.
#[derive(Module, Debug)]
struct Block<B: Backend> {
    conv1: ConvUnit<B>,
    convs: Vec<ConvUnit<B>>,
    conv3: ConvUnit<B>,
    shortcut: Option<ConvUnit<B>>,
    /// The stride of a stage's first block, which has a shortcut convolution and no sums between
    /// the groups.
    #[module(skip)]
    first: Option<usize>,
    width: usize,
}

impl<B: Backend> Block<B> {
    fn new(build: &mut Builder<B>, input: usize, planes: usize, first: Option<usize>) -> Self {
        let width = planes * 26 / 64;
        let output = planes * 4;
        let stride = first.unwrap_or(1);
        let (relu, linear) = (Activation::Relu, Activation::None);
        Block {
            conv1: ConvUnit::encoder(build, ConvShape::new(input, width * SCALE, 1), relu),
            convs: (1..SCALE)
                .map(|_| {
                    ConvUnit::encoder(build, ConvShape::new(width, width, 3).stride(stride), relu)
                })
                .collect(),
            conv3: ConvUnit::encoder(build, ConvShape::new(width * SCALE, output, 1), linear),
            shortcut: first
                .map(|_| ConvUnit::encoder(build, ConvShape::new(input, output, 1), linear)),
            first,
            width,
        }
    }
}

impl<B: Kernels> Block<B> {
    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let y = self.conv1.forward(x.clone());
        let part = |i: usize| y.clone().narrow(1, i * self.width, self.width);
        let mut parts: Vec<Tensor<B, 4>> = Vec::with_capacity(SCALE);
        for (i, conv) in self.convs.iter().enumerate() {
            let input = match (self.first, parts.last()) {
                (None, Some(before)) => before.clone() + part(i),
                _ => part(i),
            };
            parts.push(conv.forward(input));
        }
        let rest = part(SCALE - 1);
        parts.push(match self.first {
            Some(s) => avg_pool2d(rest, [3, 3], [s, s], [1, 1], true, false),
            None => rest,
        });
        let y = self.conv3.forward(Tensor::cat(parts, 1));
        let skip = match (&self.shortcut, self.first) {
            (Some(unit), Some(s)) if s > 1 => {
                unit.forward(avg_pool2d(x, [s, s], [s, s], [0, 0], false, true))
            }
            (Some(unit), _) => unit.forward(x),
            (None, _) => x,
        };
        Activation::Relu.apply(y + skip)
    }
}
