//! The parallel partial decoder: the global map S_g out of the three high-level features
//! (Inf-Net §III-B; Wu et al. 2019).

use crate::nn::Builder;
use crate::nn::conv::{Conv2d, ConvShape, ConvUnit, Init};
use crate::nn::kernels::{Activation, Kernels};
use crate::nn::resize::{Align, scale};
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Features `a` (stride 32), `b` (16) and `d` (8), all `width` channels → S_g logits
/// `[n, 1, h/8, w/8]`. Linear but for the products: the decoder has no ReLU.
#[derive(Module, Debug)]
pub struct PartialDecoder<B: Backend> {
    conv_upsample: Vec<ConvUnit<B>>,
    conv_concat2: ConvUnit<B>,
    conv_concat3: ConvUnit<B>,
    conv4: ConvUnit<B>,
    conv5: Conv2d<B>,
}

impl<B: Backend> PartialDecoder<B> {
    /// A decoder over features of `width` channels.
    pub fn new(build: &mut Builder<B>, width: usize) -> Self {
        let (two, three) = (2 * width, 3 * width);
        let mut unit = |c| ConvUnit::new(build, ConvShape::new(c, c, 3), Activation::None);
        PartialDecoder {
            conv_upsample: [width, width, width, width, two].map(&mut unit).into(),
            conv_concat2: unit(two),
            conv_concat3: unit(three),
            conv4: unit(three),
            conv5: Conv2d::new(build, ConvShape::new(three, 1, 1), true, Init::Default),
        }
    }
}

impl<B: Kernels> PartialDecoder<B> {
    /// SPEC A.5; `U` is ×2 bilinear with aligned corners.
    pub fn forward(&self, a: Tensor<B, 4>, b: Tensor<B, 4>, d: Tensor<B, 4>) -> Tensor<B, 4> {
        let up = |x: Tensor<B, 4>| scale(x, (2, 1), Align::Corners);
        let conv = |i: usize, x| self.conv_upsample[i].forward(x);
        let a2 = up(a);
        let b1 = conv(0, a2.clone()) * b.clone();
        let d1 = conv(1, up(a2.clone())) * conv(2, up(b)) * d;
        let b2 = Tensor::cat(vec![b1, conv(3, a2)], 1);
        let b2 = self.conv_concat2.forward(b2);
        let d2 = Tensor::cat(vec![d1, conv(4, up(b2))], 1);
        let d2 = self.conv_concat3.forward(d2);
        self.conv5.forward(self.conv4.forward(d2))
    }
}
