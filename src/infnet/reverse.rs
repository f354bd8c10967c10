//! Reverse attention: each branch looks where the coarser map is *not* yet sure of infection,
//! and adds what it finds (Inf-Net §III-D: R_i = C(f_i ⊙ A_i, Down(e_att)), A_i = 1 − σ(Up(S_{i+1})),
//! in the authors' corrected form).

use crate::nn::Builder;
use crate::nn::conv::{ConvShape, ConvUnit};
use crate::nn::kernels::{Activation, Kernels};
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use burn::tensor::backend::Backend;

/// One branch on f3, f4 or f5.
#[derive(Module, Debug)]
pub struct ReverseAttention<B: Backend> {
    convs: Vec<ConvUnit<B>>,
}

/// The shape of a branch.
#[derive(Clone, Copy, Debug)]
pub struct ReverseShape {
    /// Channels of the feature.
    pub input: usize,
    /// Channels inside the branch.
    pub width: usize,
    /// Channels of the edge features; 0 leaves edge attention out.
    pub edge: usize,
    /// Kernel of the inner convolutions.
    pub kernel: usize,
    /// Inner convolutions with ReLU.
    pub layers: usize,
    /// Kernel of the last convolution.
    pub last: usize,
    /// Whether a norm follows the last convolution.
    pub logit_norm: bool,
}

impl<B: Backend> ReverseAttention<B> {
    /// A branch of the given shape: a linear 1×1 reduction, `layers` convolutions with ReLU over
    /// it and the edge features, and one to the map's correction.
    pub fn new(build: &mut Builder<B>, s: ReverseShape) -> Self {
        let mut convs = vec![ConvUnit::new(
            build,
            ConvShape::new(s.input, s.width, 1),
            Activation::None,
        )];
        for layer in 0..s.layers {
            let input = if layer == 0 {
                s.width + s.edge
            } else {
                s.width
            };
            let shape = ConvShape::new(input, s.width, s.kernel);
            convs.push(ConvUnit::new(build, shape, Activation::Relu));
        }
        let last = ConvShape::new(s.width, 1, s.last);
        convs.push(ConvUnit::logits(build, last, s.logit_norm));
        ReverseAttention { convs }
    }
}

impl<B: Kernels> ReverseAttention<B> {
    /// `feature [n, c, h, w]`, the coarser map's logits `[n, 1, h, w]` and the edge features
    /// `[n, e, h, w]`, all of one size → (the branch's correction, the refined logits).
    ///
    /// Without `attention` the feature goes in as it is (the paper's ablation); with it, `tap`
    /// receives the weights A_i.
    pub fn forward(
        &self,
        feature: Tensor<B, 4>,
        coarser: Tensor<B, 4>,
        edge: Option<Tensor<B, 4>>,
        attention: bool,
        tap: impl FnOnce(&Tensor<B, 4>),
    ) -> (Tensor<B, 4>, Tensor<B, 4>) {
        let seen = if attention {
            // 1 − σ(s) = σ(−s)
            let weights = sigmoid(-coarser.clone());
            tap(&weights);
            feature * weights
        } else {
            feature
        };
        let mut units = self.convs.iter();
        let Some(reduce) = units.next() else {
            unreachable!("a branch has at least two units")
        };
        let mut x = reduce.forward(seen);
        if let Some(edge) = edge {
            x = Tensor::cat(vec![x, edge], 1);
        }
        let correction = units.fold(x, |x, unit| unit.forward(x));
        (correction.clone(), correction + coarser)
    }
}
