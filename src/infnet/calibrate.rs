//! What Inf-Net's convolutions see on the mean, for the biases of 8-bit weights
//! ([`quant::correct`](crate::quant::correct)).

use super::{InfNet, InfNetConfig, slices};
use crate::nn::params::{self, Values};
use crate::nn::{Builder, Form, observe};
use crate::plane::Plane;
use burn::backend::Flex;
use burn::tensor::{Tensor, TensorData};
use std::collections::BTreeMap;

/// What the convolutions of an Inf-Net of these folded parameters see in grey slices: the mean of each
/// input channel, by the weight's name.
///
/// # Errors
/// If a parameter is missing or of another shape; the text names it.
pub fn channel_means<'a>(
    values: &BTreeMap<String, Values>,
    config: &InfNetConfig,
    images: impl Iterator<Item = &'a Plane<u8>>,
) -> Result<BTreeMap<String, Vec<f64>>, String> {
    let device = Default::default();
    let net = InfNet::new(&mut Builder::<Flex>::loading(Form::Folded, &device), config);
    let net = params::fill(net, |name, shape| match values.get(name) {
        Some((found, data)) if found == shape => Ok(data.clone()),
        _ => Err(format!("{name} is missing or not of the shape {shape:?}")),
    })?;
    let ((), means) = observe::means(|| {
        for image in images {
            let input = slices::network_input(image, config.side);
            let input = TensorData::new(input, [1, 3, config.side, config.side]);
            net.predict(Tensor::from_data(input, &device));
        }
    });
    let names = params::names(&net);
    let named = |(id, means)| Some((names.get(&id)?.clone(), means));
    Ok(means.into_iter().filter_map(named).collect())
}
