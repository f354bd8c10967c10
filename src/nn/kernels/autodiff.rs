//! Training: the operations of [`Kernels`] as nodes of burn's automatic differentiation, and the
//! gradients out of burn's own operations for backends that have no kernels for them.

use super::{Activation, Kernels, Normalized, PackedConv, TrainKernels, unwrap, wrap};
use crate::nn::filter::PackedShape;
use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::Backend;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, FloatTensor};
use burn::tensor::{Tensor, s};

/// Registers the gradients that a backward pass has worked out.
fn register<B: Backend>(
    grads: &mut Gradients,
    nodes: impl IntoIterator<Item = Option<NodeId>>,
    values: impl IntoIterator<Item = Option<FloatTensor<B>>>,
) {
    for (node, value) in nodes.into_iter().zip(values) {
        if let (Some(node), Some(value)) = (node, value) {
            grads.register::<B>(node, value);
        }
    }
}

/// Declares the autodiff node of a convolution without its bias: parents x and weight, state
/// their checkpoints and the options.
macro_rules! convolution_node {
    ($node:ident, $options:ty, $forward:ident, $backward:ident) => {
        #[derive(Debug)]
        struct $node;

        impl<B: TrainKernels> Backward<B, 2> for $node {
            type State = (NodeId, NodeId, $options);

            fn backward(
                self,
                ops: Ops<Self::State, 2>,
                grads: &mut Gradients,
                checkpointer: &mut Checkpointer,
            ) {
                let grad = grads.consume::<B>(&ops.node);
                let (x, weight, options) = ops.state;
                let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(x);
                let weight = checkpointer.retrieve_node_output::<FloatTensor<B>>(weight);
                let nodes = ops.parents.map(|p| p.map(|p| p.id));
                let wanted = [nodes[0].is_some(), nodes[1].is_some()];
                let values = B::$backward(x, weight, grad, options, wanted);
                register::<B>(grads, nodes, values);
            }
        }

        impl $node {
            fn record<B: TrainKernels, C: CheckpointStrategy>(
                x: FloatTensor<Autodiff<B, C>>,
                weight: FloatTensor<Autodiff<B, C>>,
                options: $options,
            ) -> FloatTensor<Autodiff<B, C>> {
                match $node
                    .prepare::<C>([x.node.clone(), weight.node.clone()])
                    .compute_bound()
                    .stateful()
                {
                    OpsKind::Tracked(mut prep) => {
                        let state = (
                            prep.checkpoint(&x),
                            prep.checkpoint(&weight),
                            options.clone(),
                        );
                        let y = B::$forward(x.primitive, weight.primitive, None, options);
                        prep.finish(state, y)
                    }
                    OpsKind::UnTracked(prep) => {
                        prep.finish(B::$forward(x.primitive, weight.primitive, None, options))
                    }
                }
            }
        }
    };
}

convolution_node!(Conv2d, ConvOptions<2>, convolve2d, convolve2d_backward);
convolution_node!(Conv3d, ConvOptions<3>, convolve3d, convolve3d_backward);
convolution_node!(
    ConvTransposed3d,
    ConvTransposeOptions<3>,
    convolve_transposed3d,
    convolve_transposed3d_backward
);

/// What the backward pass of the normalisation remembers: the checkpoint of x, gamma, the
/// forward pass's results, epsilon and the activation.
type NormalizeState<T> = (NodeId, T, [T; 3], f32, Activation);

#[derive(Debug)]
struct Normalize;

impl<B: TrainKernels> Backward<B, 3> for Normalize {
    type State = NormalizeState<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let (x, gamma, [output, mean, variance], epsilon, activation) = ops.state;
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(x);
        let done = Normalized {
            output,
            mean,
            variance,
        };
        let values = B::normalize_backward(x, gamma, done, epsilon, activation, grad);
        let nodes = ops.parents.map(|p| p.map(|p| p.id));
        register::<B>(grads, nodes, values.map(Some));
    }
}

/// Adds a bias `[c]` to `[n, c, …]` as an operation of its own, so that its gradient is burn's.
fn add_bias<B: Backend, const D: usize>(
    x: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    match bias {
        None => x,
        Some(bias) => {
            let mut shape = [1; D];
            let bias = wrap::<B, 1>(bias);
            shape[1] = bias.dims()[0];
            unwrap(wrap::<B, D>(x) + bias.reshape(shape))
        }
    }
}

impl<B: TrainKernels, C: CheckpointStrategy> Kernels for Autodiff<B, C> {
    fn convolve2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        add_bias::<Self, 4>(Conv2d::record::<B, C>(x, weight, options), bias)
    }

    fn convolve3d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions<3>,
    ) -> FloatTensor<Self> {
        add_bias::<Self, 5>(Conv3d::record::<B, C>(x, weight, options), bias)
    }

    fn convolve_transposed3d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvTransposeOptions<3>,
    ) -> FloatTensor<Self> {
        add_bias::<Self, 5>(ConvTransposed3d::record::<B, C>(x, weight, options), bias)
    }

    fn arrange(shape: &PackedShape, codes: &[i8]) -> Vec<i32> {
        B::arrange(shape, codes)
    }

    fn convolve_packed(work: PackedConv<Self>) -> FloatTensor<Self> {
        // Inference only: nothing is recorded.
        Self::constant(B::convolve_packed(PackedConv {
            geometry: work.geometry,
            transposed: work.transposed,
            x: work.x.primitive,
            codes: work.codes,
            scale: work.scale.primitive,
            bias: work.bias.primitive,
            residual: work.residual.map(|r| r.primitive),
            activation: work.activation,
            shape: work.shape,
        }))
    }

    fn settle(x: FloatTensor<Self>, slope: FloatTensor<Self>, epsilon: f32) -> FloatTensor<Self> {
        Self::constant(B::settle(x.primitive, slope.primitive, epsilon))
    }

    fn normalize(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
        activation: Activation,
    ) -> Normalized<FloatTensor<Self>> {
        let parents = [x.node.clone(), gamma.node.clone(), beta.node.clone()];
        let done = B::normalize(
            x.primitive.clone(),
            gamma.primitive.clone(),
            beta.primitive,
            epsilon,
            activation,
        );
        let (mean, variance) = (done.mean.clone(), done.variance.clone());
        let output = match Normalize.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let at = prep.checkpoint(&x);
                let kept = [done.output.clone(), done.mean, done.variance];
                let state = (at, gamma.primitive, kept, epsilon, activation);
                prep.finish(state, done.output)
            }
            OpsKind::UnTracked(prep) => prep.finish(done.output),
        };
        Normalized {
            output,
            mean: Self::constant(mean),
            variance: Self::constant(variance),
        }
    }
}

/// An inner tensor as one without a gradient.
trait Constant: Backend {
    type Inner: Backend;
    fn constant(x: FloatTensor<Self::Inner>) -> FloatTensor<Self>;
}

impl<B: Backend, C: CheckpointStrategy> Constant for Autodiff<B, C> {
    type Inner = B;
    fn constant(x: FloatTensor<B>) -> FloatTensor<Self> {
        <Self as burn::tensor::backend::AutodiffBackend>::from_inner(x)
    }
}

/// [`TrainKernels::convolve2d_backward`] out of burn's operations.
///
/// burn loops over the groups of a grouped convolution, a thousand of them for a depthwise one;
/// those go tap by tap instead.
pub(super) fn conv2d_backward_by_parts<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    grad: FloatTensor<B>,
    options: ConvOptions<2>,
    wanted: [bool; 2],
) -> [Option<FloatTensor<B>>; 2] {
    let gx = wanted[0]
        .then(|| B::conv2d_x_backward(x.clone(), weight.clone(), grad.clone(), options.clone()));
    let gw = wanted[1].then(|| {
        let x: Tensor<B, 4> = wrap::<B, 4>(x);
        let weight: Tensor<B, 4> = wrap::<B, 4>(weight);
        if options.groups > 1 && options.groups == x.dims()[1] && weight.dims()[1] == 1 {
            unwrap(depthwise_weight_gradient(
                x,
                weight.dims(),
                wrap::<B, 4>(grad),
                &options,
            ))
        } else {
            B::conv2d_weight_backward(unwrap(x), unwrap(weight), grad, options)
        }
    });
    [gx, gw]
}

fn depthwise_weight_gradient<B: Backend>(
    x: Tensor<B, 4>,
    [c, _, kh, kw]: [usize; 4],
    grad: Tensor<B, 4>,
    o: &ConvOptions<2>,
) -> Tensor<B, 4> {
    let [n, _, h, w] = x.dims();
    let [_, _, oh, ow] = grad.dims();
    let [ph, pw] = o.padding;
    let padded = Tensor::<B, 4>::zeros([n, c, h + 2 * ph, w + 2 * pw], &x.device())
        .slice_assign(s![.., .., ph..ph + h, pw..pw + w], x);
    let [sy, sx] = o.stride.map(|v| v as isize);
    let mut taps = Vec::with_capacity(kh * kw);
    for a in 0..kh {
        for b in 0..kw {
            let (top, left) = (a * o.dilation[0], b * o.dilation[1]);
            let bottom = top + (oh - 1) * o.stride[0] + 1;
            let right = left + (ow - 1) * o.stride[1] + 1;
            let window = padded
                .clone()
                .slice(s![.., .., top..bottom; sy, left..right; sx]);
            let product = window * grad.clone();
            taps.push(product.sum_dim(3).sum_dim(2).sum_dim(0).reshape([c, 1]));
        }
    }
    Tensor::cat(taps, 1).reshape([c, 1, kh, kw])
}

/// [`TrainKernels::convolve3d_backward`] out of burn's operations.
pub(super) fn conv3d_backward_by_parts<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    grad: FloatTensor<B>,
    options: ConvOptions<3>,
    wanted: [bool; 2],
) -> [Option<FloatTensor<B>>; 2] {
    let gx = wanted[0]
        .then(|| B::conv3d_x_backward(x.clone(), weight.clone(), grad.clone(), options.clone()));
    let gw = wanted[1].then(|| B::conv3d_weight_backward(x, weight, grad, options));
    [gx, gw]
}

/// [`TrainKernels::convolve_transposed3d_backward`] out of burn's operations.
pub(super) fn conv_transpose3d_backward_by_parts<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    grad: FloatTensor<B>,
    options: ConvTransposeOptions<3>,
    wanted: [bool; 2],
) -> [Option<FloatTensor<B>>; 2] {
    let gx = wanted[0]
        .then(|| B::conv_transpose3d_x_backward(weight.clone(), grad.clone(), options.clone()));
    let gw = wanted[1].then(|| B::conv_transpose3d_weight_backward(x, weight, grad, options));
    [gx, gw]
}

/// [`TrainKernels::normalize_backward`] out of burn's operations; the formula is in
/// [`super::cpu::normalize_gradient`].
pub(super) fn normalize_backward_by_parts<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    done: Normalized<FloatTensor<B>>,
    epsilon: f32,
    activation: Activation,
    grad: FloatTensor<B>,
) -> [FloatTensor<B>; 3] {
    let x: Tensor<B, 3> = wrap::<B, 3>(x);
    let y: Tensor<B, 3> = wrap::<B, 3>(done.output);
    let mut grad: Tensor<B, 3> = wrap::<B, 3>(grad);
    let [n, c, s] = x.dims();
    if activation != Activation::None {
        let blocked = y.clone().lower_equal_elem(0.0);
        grad = grad.mask_fill(blocked, 0.0);
    }
    if activation == Activation::Relu6 {
        grad = grad.mask_fill(y.greater_equal_elem(6.0), 0.0);
    }
    let channel = |t: FloatTensor<B>| wrap::<B, 1>(t).reshape([1, c, 1]);
    let rate = (channel(done.variance) + epsilon).sqrt().recip();
    let normal = (x - channel(done.mean)) * rate.clone();
    let sum = |t: Tensor<B, 3>| t.sum_dim(2).sum_dim(0);
    let gbeta = sum(grad.clone());
    let ggamma = sum(grad.clone() * normal.clone());
    let count = (n * s) as f32;
    let inner = grad - gbeta.clone() / count - normal * (ggamma.clone() / count);
    let gx = inner * (channel(gamma) * rate);
    [
        unwrap(gx),
        unwrap(ggamma.reshape([c])),
        unwrap(gbeta.reshape([c])),
    ]
}
