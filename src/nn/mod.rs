//! Building blocks that both networks share.
//!
//! Every layer is a burn module whose parameters exist from the start (burn's lazy initialisation
//! gives two different networks when a module is cloned before its first use): a [`Builder`]
//! draws them from one seeded generator on the host, so that a seed means the same weights on
//! every backend. Loading and saving go by parameter path, see [`params`].

pub mod conv;
pub mod filter;
pub mod kernels;
pub mod norm;
#[cfg(feature = "train")]
pub mod observe;
pub mod params;
pub mod resize;
pub mod unet;

use burn::module::{Param, ParamId};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use filter::{Packed, PackedShape};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;

/// The form in which a network is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Batch norms stand on their own.
    Trained,
    /// Batch norms are part of the convolutions before them, which then have a bias.
    Folded,
    /// Folded, with 8-bit weights.
    Packed,
}

impl Form {
    /// The form of a network whose floats have these names: without a norm's, it is folded.
    pub fn of<'a>(mut names: impl Iterator<Item = &'a String>) -> Form {
        match names.any(|name| name.contains(".norm.")) {
            true => Form::Trained,
            false => Form::Folded,
        }
    }
}

/// How a network is put together: where, from which seed, and in which form.
pub struct Builder<B: Backend> {
    device: B::Device,
    rng: Option<StdRng>,
    form: Form,
    packed: BTreeMap<String, PackedShape>,
}

impl<B: Backend> Builder<B> {
    /// A trainable network with fresh weights: batch norms stand on their own.
    pub fn training(seed: u64, device: &B::Device) -> Self {
        Builder {
            device: device.clone(),
            rng: Some(StdRng::seed_from_u64(seed)),
            form: Form::Trained,
            packed: BTreeMap::new(),
        }
    }

    /// A network with zero weights that are about to be loaded.
    pub fn loading(form: Form, device: &B::Device) -> Self {
        Builder {
            device: device.clone(),
            rng: None,
            form,
            packed: BTreeMap::new(),
        }
    }

    /// Whether batch norms are folded into their convolutions.
    pub fn folded(&self) -> bool {
        self.form != Form::Trained
    }

    /// Whether weights are packed.
    pub fn packs(&self) -> bool {
        self.form == Form::Packed
    }

    /// Packed weights that wait to be loaded.
    fn packed(&mut self, shape: PackedShape) -> Packed<B> {
        let channels = match shape.transposed {
            true => shape.geometry.channels_in,
            false => shape.geometry.channels_out,
        };
        let scale = self.constant([channels], 1.0);
        let packed = Packed::new(vec![0], scale, &self.device);
        self.packed.insert(packed.codes.id.serialize(), shape);
        packed
    }

    /// The shape of the packed weights whose codes are this parameter.
    pub(crate) fn packed_shape(&self, codes: ParamId) -> Option<&PackedShape> {
        self.packed.get(&codes.serialize())
    }

    /// A parameter drawn from U(−bound, bound).
    pub fn uniform<const D: usize>(
        &mut self,
        shape: [usize; D],
        bound: f64,
    ) -> Param<Tensor<B, D>> {
        let count = shape.iter().product();
        let bound = bound as f32;
        let values: Vec<f32> = match &mut self.rng {
            Some(rng) => (0..count)
                .map(|_| rng.random_range(-1.0..=1.0) * bound)
                .collect(),
            None => vec![0.0; count],
        };
        self.param(values, shape)
    }

    /// A parameter drawn from a normal distribution of the given deviation.
    pub fn normal<const D: usize>(
        &mut self,
        shape: [usize; D],
        deviation: f64,
    ) -> Param<Tensor<B, D>> {
        let count = shape.iter().product();
        let values: Vec<f32> = match &mut self.rng {
            Some(rng) => (0..count)
                .map(|_| {
                    // Box–Muller.
                    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
                    let z = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
                    (z * deviation) as f32
                })
                .collect(),
            None => vec![0.0; count],
        };
        self.param(values, shape)
    }

    /// A parameter with one value everywhere.
    pub fn constant<const D: usize>(
        &mut self,
        shape: [usize; D],
        value: f32,
    ) -> Param<Tensor<B, D>> {
        self.param(vec![value; shape.iter().product()], shape)
    }

    /// A tensor with one value everywhere.
    pub fn filled<const D: usize>(&self, shape: [usize; D], value: f32) -> Tensor<B, D> {
        Tensor::full(shape, value, &self.device)
    }

    fn param<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Param<Tensor<B, D>> {
        let data = TensorData::new(values, shape);
        Param::from_tensor(Tensor::from_data(data, &self.device))
    }
}
