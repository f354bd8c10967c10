//! Inf-Net's losses (paper §III-E; SPEC A.10): deep supervision by weighted IoU and BCE on four
//! maps, BCE on the edge.

use super::Maps;
use burn::tensor::Tensor;
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::backend::Backend;

/// Radius of the 31×31 window of the weight map.
const RADIUS: usize = 15;
/// How much more a boundary pixel weighs than one inside.
const BOUNDARY: f32 = 5.0;

/// The weight map of one target plane, w = 1 + 5·|AvgPool31×31(g) − g|, zero-padded and always
/// divided by 961.
///
/// `target`: row-major `[h, w]`, 0..1.
pub fn weight_map(target: &[f32], width: usize) -> Vec<f32> {
    let height = target.len() / width.max(1);
    // Summed-area table with a zero row and column in front.
    let stride = width + 1;
    let mut sums = vec![0.0f64; stride * (height + 1)];
    for y in 0..height {
        let mut row = 0.0;
        for x in 0..width {
            row += f64::from(target[y * width + x]);
            sums[(y + 1) * stride + x + 1] = sums[y * stride + x + 1] + row;
        }
    }
    let area = ((2 * RADIUS + 1) * (2 * RADIUS + 1)) as f64;
    let mut weights = Vec::with_capacity(target.len());
    for y in 0..height {
        let (top, bottom) = (y.saturating_sub(RADIUS), (y + RADIUS + 1).min(height));
        for x in 0..width {
            let (left, right) = (x.saturating_sub(RADIUS), (x + RADIUS + 1).min(width));
            let total = sums[bottom * stride + right] + sums[top * stride + left]
                - sums[top * stride + right]
                - sums[bottom * stride + left];
            let mean = (total / area) as f32;
            weights.push(1.0 + BOUNDARY * (mean - target[y * width + x]).abs());
        }
    }
    weights
}

/// Elementwise binary cross-entropy of logits: softplus(x) − x·g, in the stable form.
pub fn bce<B: Backend, const D: usize>(logits: Tensor<B, D>, target: Tensor<B, D>) -> Tensor<B, D> {
    let softplus = relu(logits.clone()) + logits.clone().abs().neg().exp().log1p();
    softplus - logits * target
}

/// Which BCE stands beside the IoU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bce {
    /// Σ w·bce / Σ w, as the paper writes it.
    Weighted,
    /// The plain mean over the batch, as the published weights were trained.
    Plain,
}

/// The structure loss of one map: weighted IoU plus BCE.
///
/// `logits`, `target`, `weight`: `[n, 1, h, w]`. `confidence` `[n, 1, h, w]` scales each pixel's
/// say (1 for a doctor's label); the weight map is multiplied by it.
pub fn structure<B: Backend>(
    logits: Tensor<B, 4>,
    target: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    mode: Bce,
) -> Tensor<B, 1> {
    let sum = |t: Tensor<B, 4>| t.sum_dim(3).sum_dim(2);
    let cross = bce(logits.clone(), target.clone());
    let cross = match mode {
        Bce::Weighted => (sum(weight.clone() * cross) / (sum(weight.clone()) + 1e-6)).mean(),
        Bce::Plain => cross.mean(),
    };
    let p = sigmoid(logits);
    let inter = sum(weight.clone() * p.clone() * target.clone());
    let union = sum(weight * (p + target)) - inter.clone();
    let iou = (inter + 1.0) / (union + 1.0);
    cross + (iou.neg() + 1.0).mean()
}

/// Pixels of either side that the Dice of a plane is softened by.
const SOFTENED: f32 = 30.0;

/// One minus the soft Dice of each plane, on the mean of those with a target. A plane whose target is
/// empty has no Dice to gain; BCE speaks for it.
///
/// `logits`, `target`, `weight`: `[n, c, h, w]`.
pub fn dice_loss<B: Backend>(
    logits: Tensor<B, 4>,
    target: Tensor<B, 4>,
    weight: Tensor<B, 4>,
) -> Tensor<B, 1> {
    let sum = |t: Tensor<B, 4>| t.sum_dim(3).sum_dim(2);
    let present = sum(target.clone()).greater_elem(0.5).float();
    let p = sigmoid(logits);
    let inter = sum(weight.clone() * p.clone() * target.clone());
    let both = sum(weight * (p + target));
    let dice = (inter * 2.0 + SOFTENED) / (both + SOFTENED);
    let count = present.clone().sum().clamp_min(1.0);
    ((dice.neg() + 1.0) * present).sum() / count
}

/// The whole loss: S_g, S_5, S_4, S_3 (and S_2) by structure, S_e by BCE; all weights 1.
pub fn total<B: Backend>(
    maps: &Maps<B>,
    target: &Tensor<B, 4>,
    weight: &Tensor<B, 4>,
    edge: &Tensor<B, 4>,
    mode: Bce,
) -> Tensor<B, 1> {
    let coarse = [&maps.global, &maps.s5, &maps.s4, &maps.s3];
    let outline = bce(maps.edge.clone(), edge.clone()).mean();
    coarse
        .into_iter()
        .chain(&maps.s2)
        .fold(outline, |sum, map| {
            sum + structure(map.clone(), target.clone(), weight.clone(), mode)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;
    use burn::tensor::TensorData;

    fn plane(values: Vec<f32>) -> Tensor<Flex, 4> {
        Tensor::from_data(TensorData::new(values, [1, 1, 4, 4]), &Default::default())
    }

    #[test]
    fn dice_counts_planes_that_have_something() {
        let half = |inside: f32| (0..16).map(|i| if i < 8 { inside } else { 0.0 }).collect();
        let of = |logits: f32, target: Vec<f32>| {
            let logits = plane(
                (0..16)
                    .map(|i| if i < 8 { logits } else { -logits })
                    .collect(),
            );
            dice_loss(logits, plane(target), plane(vec![1000.0; 16])).into_scalar()
        };
        assert!(of(20.0, half(1.0)) < 1e-3, "right everywhere");
        assert!(of(-20.0, half(1.0)) > 0.99, "wrong everywhere");
        assert!(
            (of(0.0, half(1.0)) - 0.5).abs() < 2e-3,
            "8 of 16 half believed"
        );
        assert_eq!(of(20.0, half(0.0)), 0.0, "nothing to find");
    }

    /// The 4×4 case of SPEC A.10, measured in PyTorch.
    #[test]
    fn losses_match_pytorch() {
        let logits: Vec<f32> = (0..16).map(|i| -2.0 + 4.0 * i as f32 / 15.0).collect();
        let target: Vec<f32> = (0..16)
            .map(|i| f32::from((1..3).contains(&(i / 4)) && (1..3).contains(&(i % 4))))
            .collect();
        let weight = plane(weight_map(&target, 4));
        let value = |mode| {
            structure(
                plane(logits.clone()),
                plane(target.clone()),
                weight.clone(),
                mode,
            )
            .into_scalar()
        };
        let iou = 0.582548;
        assert!((value(Bce::Weighted) - iou - 0.790875).abs() < 2e-6);
        assert!((value(Bce::Plain) - iou - 0.864360).abs() < 2e-6);
    }
}
