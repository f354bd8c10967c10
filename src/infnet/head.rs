//! Ground glass against consolidation by a head on Inf-Net's own features, which the paper names as
//! future work (§V). It is what the [class network](super::classes) is compared with.

use super::{InfNet, InfNetConfig, Maps};
use crate::nn::Builder;
use crate::nn::conv::{Conv2d, ConvShape, ConvUnit, Init};
use crate::nn::kernels::{Activation, Kernels};
use crate::nn::resize::{Align, scale};
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Channels of the hidden layers.
const WIDTH: usize = 32;
/// Features that go in beside f2, with their factors up to its stride of 4, and their channels in
/// the light head.
const BESIDE: [(&str, usize, usize); 3] =
    [("edge_features", 1, 32), ("rfb3", 2, 16), ("rfb5", 8, 16)];

/// The head: two convolutions and the logits, at a quarter of the slice's resolution.
#[derive(Module, Debug)]
pub struct ClassHead<B: Backend> {
    layers: Vec<ConvUnit<B>>,
    out: Conv2d<B>,
}

impl<B: Backend> ClassHead<B> {
    /// A head on a network of the light widths.
    pub fn new(build: &mut Builder<B>, config: &InfNetConfig) -> Self {
        let beside: usize = BESIDE.iter().map(|(.., channels)| channels).sum();
        // And the slice itself and the infection's logits.
        let input = config.backbone.channels()[0] + beside + 2;
        let unit = |build: &mut Builder<B>, input| {
            ConvUnit::new(build, ConvShape::new(input, WIDTH, 3), Activation::Relu)
        };
        ClassHead {
            layers: vec![unit(build, input), unit(build, WIDTH)],
            out: Conv2d::new(build, ConvShape::new(WIDTH, 3, 1), true, Init::Default),
        }
    }
}

impl<B: Kernels> ClassHead<B> {
    /// [Features](features) → logits `[n, 3, h, w]` of [`LABELS`](super::classes::LABELS) at the
    /// slice's size.
    pub fn forward(&self, features: Tensor<B, 4>) -> Tensor<B, 4> {
        let hidden = self
            .layers
            .iter()
            .fold(features, |x, layer| layer.forward(x));
        scale(self.out.forward(hidden), (4, 1), Align::Centers)
    }
}

/// What the head sees of slices `[n, 3, h, w]`, at a stride of 4, and the network's maps of them.
pub fn features<B: Kernels>(net: &InfNet<B>, slices: Tensor<B, 4>) -> (Tensor<B, 4>, Maps<B>) {
    let (mut first, mut beside) = (Vec::new(), Vec::new());
    let maps = net.forward_tapped(slices.clone(), &mut |name, tensor| {
        if name == "f2" {
            first.push(tensor.clone());
        }
        for (_, up, _) in BESIDE.iter().filter(|(known, ..)| *known == name) {
            beside.push(scale(tensor.clone(), (*up, 1), Align::Centers));
        }
    });
    let down = |x: Tensor<B, 4>| scale(x, (1, 4), Align::Centers);
    first.append(&mut beside);
    first.push(down(slices.narrow(1, 0, 1)));
    first.push(down(maps.clone().prediction()));
    (Tensor::cat(first, 1), maps)
}
