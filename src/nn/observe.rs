//! What the convolutions of a network see: the mean of every channel of their inputs.
//!
//! Packing needs it to know by how much rounded weights shift a convolution's output.

use crate::nn::kernels::Kernels;
use burn::module::ParamId;
use burn::tensor::Tensor;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Sums of channels' means, and how many there are, by the weight's parameter.
type Sums = BTreeMap<String, (Vec<f64>, usize)>;

thread_local! {
    static SEEN: RefCell<Option<Sums>> = const { RefCell::new(None) };
}

/// Runs some work; returns the mean of each input channel of every float 2D convolution that this
/// thread ran in it, by the weight's parameter. Reads synchronously: native only.
pub fn means<T>(work: impl FnOnce() -> T) -> (T, BTreeMap<String, Vec<f64>>) {
    SEEN.set(Some(Sums::new()));
    let result = work();
    let seen = SEEN.take().unwrap_or_default();
    let mean = |(sums, count): (Vec<f64>, usize)| sums.iter().map(|s| s / count as f64).collect();
    let means = seen.into_iter().map(|(id, sums)| (id, mean(sums)));
    (result, means.collect())
}

/// Adds the input of a convolution, if anybody asks.
pub(super) fn note<B: Kernels>(weight: ParamId, x: &Tensor<B, 4>) {
    if SEEN.with_borrow(Option::is_none) {
        return;
    }
    let mean = x.clone().mean_dim(3).mean_dim(2).mean_dim(0);
    let mean = mean.into_data().convert::<f32>();
    let mean = mean.into_vec::<f32>().unwrap_or_default();
    SEEN.with_borrow_mut(|seen| {
        let Some(seen) = seen else { return };
        let (sums, count) = seen
            .entry(weight.serialize())
            .or_insert_with(|| (vec![0.0; mean.len()], 0));
        for (sum, mean) in sums.iter_mut().zip(&mean) {
            *sum += f64::from(*mean);
        }
        *count += 1;
    });
}
