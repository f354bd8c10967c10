//! From trained parameters to weight files: folding batch norms, packing to 8 bits.
//!
//! int8 files keep a convolution's weights as integers with one scale an output channel; biases,
//! slopes and norms stay f32. The kernels read the integers and sum in f32.

use crate::nn::params::Values;
use crate::weights::tensors::{Int8, Stored, TensorFile};
use crate::weights::{Precision, WeightsError};
use std::collections::BTreeMap;

/// Folds every batch norm into the convolution of its unit: w' = w·γ/√(σ² + ε),
/// b' = β − μ·γ/√(σ² + ε).
///
/// `epsilon(path)` gives the ε of the norm at a path. Parameters outside such units stay.
pub fn fold(
    values: &BTreeMap<String, Values>,
    epsilon: impl Fn(&str) -> f64,
) -> BTreeMap<String, Values> {
    let mut folded = BTreeMap::new();
    for (name, (shape, data)) in values {
        if name.contains(".norm.") {
            continue;
        }
        let unit = name.strip_suffix(".conv.weight").unwrap_or("");
        let part = |p: &str| values.get(&format!("{unit}.norm.{p}")).map(|(_, v)| v);
        let parts = (
            part("gamma"),
            part("beta"),
            part("running_mean"),
            part("running_var"),
        );
        let (Some(gamma), Some(beta), Some(mean), Some(variance)) = parts else {
            folded.insert(name.clone(), (shape.clone(), data.clone()));
            continue;
        };
        let channels = shape.first().copied().unwrap_or(0);
        let epsilon = epsilon(unit);
        let rate: Vec<f32> = (0..channels)
            .map(|c| (f64::from(gamma[c]) / (f64::from(variance[c]) + epsilon).sqrt()) as f32)
            .collect();
        let each = (data.len() / channels.max(1)).max(1);
        let weight = data
            .iter()
            .enumerate()
            .map(|(i, w)| w * rate[i / each])
            .collect();
        let bias = (0..channels).map(|c| beta[c] - mean[c] * rate[c]).collect();
        folded.insert(name.clone(), (shape.clone(), weight));
        folded.insert(format!("{unit}.conv.bias"), (vec![channels], bias));
    }
    folded
}

/// The ε of Inf-Net's batch norms by path: EfficientNet's own in its encoder.
pub fn epsilon(path: &str) -> f64 {
    if path.starts_with("encoder.Lite0") {
        crate::infnet::lite0::NORM.0
    } else {
        crate::nn::conv::TORCH_NORM.0
    }
}

/// The axis of a weight's output channels: transposed convolutions keep them second.
fn output_axis(name: &str) -> usize {
    // NormNet's way up is the only place with transposed convolutions: `up.<level>.conv.weight`.
    let parts: Vec<&str> = name.split('.').collect();
    usize::from(matches!(parts[..], ["up", _, "conv", "weight"]))
}

/// Packs parameters for a file of the given precision; vectors stay f32.
pub fn pack(
    file: &str,
    values: &BTreeMap<String, Values>,
    precision: Precision,
) -> Result<TensorFile, WeightsError> {
    let mut packed = TensorFile::new(file);
    for (name, (shape, data)) in values {
        let stored = match precision {
            Precision::Int8 if shape.len() > 1 => {
                Stored::Int8(Int8::quantize(shape, data, output_axis(name))?)
            }
            Precision::F16 if shape.len() > 1 => Stored::to_f16(shape, data),
            _ => Stored::F32 {
                shape: shape.clone(),
                data: data.clone(),
            },
        };
        packed.tensors.insert(name.clone(), stored);
    }
    Ok(packed)
}
