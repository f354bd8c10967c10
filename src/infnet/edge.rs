//! Edge attention: a low-level branch that learns the lesions' outline (Inf-Net §III-C).

use crate::nn::Builder;
use crate::nn::conv::{ConvShape, ConvUnit};
use crate::nn::kernels::{Activation, Kernels};
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// f2 → the edge features e_att `[n, width, h/4, w/4]` and the edge logits `[n, 1, h/4, w/4]`.
/// All linear.
#[derive(Module, Debug)]
pub struct EdgeBranch<B: Backend> {
    convs: Vec<ConvUnit<B>>,
}

impl<B: Backend> EdgeBranch<B> {
    /// A branch over f2 of `input` channels, with or without a norm on the logits.
    pub fn new(build: &mut Builder<B>, input: usize, width: usize, logit_norm: bool) -> Self {
        let mut unit = |shape| ConvUnit::new(build, shape, Activation::None);
        let mut convs = vec![
            unit(ConvShape::new(input, width, 1)),
            unit(ConvShape::new(width, width, 3)),
            unit(ConvShape::new(width, width, 3)),
        ];
        let last = ConvShape::new(width, 1, 3);
        convs.push(ConvUnit::logits(build, last, logit_norm));
        EdgeBranch { convs }
    }
}

impl<B: Kernels> EdgeBranch<B> {
    /// Returns (e_att, logits).
    pub fn forward(&self, f2: Tensor<B, 4>) -> (Tensor<B, 4>, Tensor<B, 4>) {
        let (last, body) = match self.convs.split_last() {
            Some(parts) => parts,
            None => unreachable!("the branch has four units"),
        };
        let features = body.iter().fold(f2, |x, unit| unit.forward(x));
        (features.clone(), last.forward(features))
    }
}
