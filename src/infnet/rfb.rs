//! The receptive-field block: one feature seen at four widths (Liu et al. 2018, as Inf-Net's
//! published implementation modifies it).

use crate::nn::Builder;
use crate::nn::conv::{ConvShape, ConvUnit};
use crate::nn::kernels::{Activation, Kernels};
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// `[n, input, h, w]` → `[n, width, h, w]`. The branches are linear (convolution and norm); the
/// only ReLU is behind the final sum.
#[derive(Module, Debug)]
pub struct Rfb<B: Backend> {
    branch0: ConvUnit<B>,
    branches: Vec<Vec<ConvUnit<B>>>,
    conv_cat: ConvUnit<B>,
    conv_res: ConvUnit<B>,
}

impl<B: Backend> Rfb<B> {
    /// A block from `input` to `width` channels.
    pub fn new(build: &mut Builder<B>, input: usize, width: usize) -> Self {
        let mut unit = |shape| ConvUnit::new(build, shape, Activation::None);
        let reduce = ConvShape::new(input, width, 1);
        let square = ConvShape::new(width, width, 1);
        Rfb {
            branch0: unit(reduce),
            branches: [3, 5, 7]
                .map(|k| {
                    vec![
                        unit(reduce),
                        unit(square.kernel(1, k)),
                        unit(square.kernel(k, 1)),
                        unit(square.kernel(3, 3).dilation(k)),
                    ]
                })
                .into(),
            conv_cat: unit(ConvShape::new(4 * width, width, 3)),
            conv_res: unit(reduce),
        }
    }
}

impl<B: Kernels> Rfb<B> {
    /// Runs the four branches and sums them with the shortcut.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut views = vec![self.branch0.forward(x.clone())];
        for branch in &self.branches {
            views.push(branch.iter().fold(x.clone(), |x, unit| unit.forward(x)));
        }
        let shortcut = self.conv_res.forward(x);
        let views = Tensor::cat(views, 1);
        self.conv_cat
            .forward_onto(views, shortcut, Activation::Relu)
    }
}
