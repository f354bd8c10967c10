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

/// Takes out of the biases what rounded weights add to a convolution's output on the mean.
///
/// A weight's rounding error w − ŵ, times the mean m of the channel that it is multiplied with, is
/// missing from the output channel: b̂ = b + Σ (w − ŵ)·m. `means` has m for each input channel, by
/// the weight's name; what it does not name stays. Padding is taken for more of the same.
pub fn correct(
    values: &BTreeMap<String, Values>,
    packed: &mut TensorFile,
    means: &BTreeMap<String, Vec<f64>>,
) {
    for (name, means) in means {
        let bias = name
            .strip_suffix("weight")
            .map(|unit| format!("{unit}bias"))
            .unwrap_or_default();
        let (Some((shape, exact)), Some(Stored::Int8(rounded))) =
            (values.get(name), packed.tensors.get(name))
        else {
            continue;
        };
        let rounded = rounded.dequantize();
        let (outputs, inputs) = (shape[0].max(1), shape[1].max(1));
        let taps = exact.len() / (outputs * inputs);
        // Output channel c of group g sees the channels from g · inputs on.
        let per_group = (outputs * inputs / means.len().max(1)).max(1);
        let Some(Stored::F32 { data, .. }) = packed.tensors.get_mut(&bias) else {
            continue;
        };
        let errors = exact.iter().zip(&rounded).map(|(w, r)| f64::from(w - r));
        let mut shift = vec![0.0; outputs];
        for (at, error) in errors.enumerate() {
            let (output, input) = (at / (inputs * taps), at / taps % inputs);
            let channel = output / per_group * inputs + input;
            shift[output] += error * means.get(channel).copied().unwrap_or(0.0);
        }
        for (bias, shift) in data.iter_mut().zip(shift) {
            *bias += shift as f32;
        }
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Two groups of two input channels with two output channels each, 3 × 1 taps.
    fn grouped() -> BTreeMap<String, Values> {
        let weight = (0..24).map(|i| ((i * i) as f32 * 0.37).sin()).collect();
        let bias = vec![0.5, -0.25, 0.0, 1.0];
        BTreeMap::from([
            ("a.conv.weight".into(), (vec![4, 2, 3, 1], weight)),
            ("a.conv.bias".into(), (vec![4], bias)),
        ])
    }

    /// What the convolution gives where every channel has its mean everywhere.
    fn outputs(weight: &[f32], bias: &[f32], means: &[f64]) -> Vec<f64> {
        (0..4)
            .map(|output| {
                let sum: f64 = (0..2)
                    .flat_map(|input| (0..3).map(move |tap| (input, tap)))
                    .map(|(input, tap)| {
                        let channel = output / 2 * 2 + input;
                        f64::from(weight[(output * 2 + input) * 3 + tap]) * means[channel]
                    })
                    .sum();
                f64::from(bias[output]) + sum
            })
            .collect()
    }

    #[test]
    fn corrected_biases_take_the_rounding_out_of_the_mean() {
        let values = grouped();
        let means = BTreeMap::from([("a.conv.weight".into(), vec![3.0, -20.0, 7.5, 100.0])]);
        let mut packed = pack("a", &values, Precision::Int8).unwrap();
        let found = |packed: &TensorFile| {
            let get = |name: &str| packed.tensors[name].to_f32();
            outputs(
                &get("a.conv.weight"),
                &get("a.conv.bias"),
                &means["a.conv.weight"],
            )
        };
        let exact = |name: &str| values[name].1.clone();
        let wanted = outputs(
            &exact("a.conv.weight"),
            &exact("a.conv.bias"),
            &means["a.conv.weight"],
        );
        let apart = |a: &[f64]| {
            let pairs = a.iter().zip(&wanted);
            pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        let before = apart(&found(&packed));
        assert!(before > 0.01, "rounding alone shifts by {before}");
        correct(&values, &mut packed, &means);
        let after = apart(&found(&packed));
        assert!(after < 1e-4, "still {after}, {before} before");
    }
}
