//! Batch normalisation with its activation in the same pass.

use super::Builder;
use super::kernels::{Activation, Kernels, batch_normalize};
use burn::module::{Module, Param, RunningState};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Batch norm over `[n, c, …]`: γ·(x − μ)/√(σ² + ε) + β.
///
/// With automatic differentiation on, μ and σ² are the batch's own (and move the running
/// averages); otherwise the running averages serve.
#[derive(Module, Debug)]
pub struct BatchNorm<B: Backend> {
    /// Scale γ, `[c]`.
    pub gamma: Param<Tensor<B, 1>>,
    /// Shift β, `[c]`.
    pub beta: Param<Tensor<B, 1>>,
    /// Running mean, `[c]`.
    pub running_mean: RunningState<Tensor<B, 1>>,
    /// Running variance (unbiased, as PyTorch keeps it), `[c]`.
    pub running_var: RunningState<Tensor<B, 1>>,
    epsilon: f64,
    momentum: f64,
}

impl<B: Backend> BatchNorm<B> {
    /// γ = 1, β = 0, running statistics of a standard normal.
    pub fn new(build: &mut Builder<B>, channels: usize, epsilon: f64, momentum: f64) -> Self {
        BatchNorm {
            gamma: build.constant([channels], 1.0),
            beta: build.constant([channels], 0.0),
            running_mean: RunningState::new(build.filled([channels], 0.0)),
            running_var: RunningState::new(build.filled([channels], 1.0)),
            epsilon,
            momentum,
        }
    }

    /// The ε of the denominator.
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }
}

impl<B: Kernels> BatchNorm<B> {
    /// Normalises and activates.
    pub fn forward<const D: usize>(&self, x: Tensor<B, D>, activation: Activation) -> Tensor<B, D> {
        if !B::ad_enabled(&x.device()) {
            return self.infer(x, activation);
        }
        let shape = x.shape();
        let count: usize = shape.num_elements() / shape[1].max(1);
        let (y, mean, variance) = batch_normalize(
            x,
            self.gamma.val(),
            self.beta.val(),
            self.epsilon,
            activation,
        );
        let unbiased = variance.mul_scalar(count as f64 / (count.max(2) - 1) as f64);
        let blend = |old: Tensor<B, 1>, new: Tensor<B, 1>| {
            (old.mul_scalar(1.0 - self.momentum) + new.detach().mul_scalar(self.momentum)).detach()
        };
        self.running_mean
            .update(blend(self.running_mean.value_sync(), mean));
        self.running_var
            .update(blend(self.running_var.value_sync(), unbiased));
        y
    }

    fn infer<const D: usize>(&self, x: Tensor<B, D>, activation: Activation) -> Tensor<B, D> {
        let mut shape = [1; D];
        shape[1] = x.dims()[1];
        let rate = (self.running_var.value() + self.epsilon).sqrt().recip();
        let scale = self.gamma.val() * rate;
        let shift = self.beta.val() - self.running_mean.value() * scale.clone();
        activation.apply(x * scale.reshape(shape) + shift.reshape(shape))
    }
}
