//! Training Inf-Net from labelled slices (paper §III-E, §IV-A; SPEC A.11–A.12).

use super::data::{Augment, Batch, Sample};
use super::loss::{self, Bce};
use super::{InfNet, InfNetConfig};
use crate::nn::Builder;
use crate::nn::kernels::TrainKernels;
use crate::nn::unet::{Channels, UNet};
use crate::training::{Progress, Run, TrainError, cosine, scalar, step_rng};
use burn::backend::Autodiff;
use burn::grad_clipping::GradientClippingConfig;
use burn::module::{AutodiffModule, list_param_ids};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A run's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrainConfig {
    /// The network.
    pub net: InfNetConfig,
    /// Optimiser steps.
    pub steps: usize,
    /// Slices a step.
    pub batch: usize,
    /// Share of a batch taken from each source: labelled, pseudo-labelled, lesion-free.
    pub shares: [f64; 3],
    /// Share of the lesion-free slices that get lesions grafted into their lungs.
    pub grafts: f64,
    /// Learning rates of the encoder and of the rest.
    pub rates: [f64; 2],
    /// Sides of the input that the steps cycle through.
    pub sides: Vec<usize>,
    /// Share of the steps after which only the network's own side is used.
    pub settle: f64,
    /// Augmentation.
    pub augment: Augment,
    /// Weighted BCE (else plain).
    pub weighted: bool,
    /// Cosine schedule (else the published one).
    pub cosine: bool,
    /// Decay of the averaged weights; 0 keeps the last weights.
    pub ema: f64,
    /// Seed of everything.
    pub seed: u64,
}

impl TrainConfig {
    /// As published (SPEC A.12): three scales, Adam 1e-4, elements of the gradient clamped to
    /// ±0.5, plain BCE, no augmentation; `labelled` slices make the epochs.
    pub fn paper(net: InfNetConfig, labelled: usize) -> Self {
        let batch = 24;
        let epoch = 3 * labelled.div_ceil(batch);
        TrainConfig {
            net,
            steps: 52 * epoch,
            batch,
            shares: [1.0, 0.0, 0.0],
            grafts: 0.0,
            rates: [1e-4, 1e-4],
            sides: vec![256, 352, 448],
            settle: 1.0,
            augment: Augment::none(),
            weighted: false,
            cosine: false,
            ema: 0.0,
            seed: 1,
        }
    }

    /// What ships: augmentation, weighted BCE, AdamW with a cosine, averaged weights, a fifth
    /// of each batch from lesion-free slices where there are any.
    pub fn best(net: InfNetConfig) -> Self {
        let side = net.side;
        TrainConfig {
            net,
            steps: 700,
            batch: 12,
            shares: [0.8, 0.0, 0.2],
            grafts: 0.5,
            rates: [5e-4, 2e-3],
            sides: vec![(side * 8 / 11).next_multiple_of(32)],
            settle: 0.7,
            augment: Augment::best(),
            weighted: true,
            cosine: true,
            ema: 0.99,
            seed: 1,
        }
    }

    fn side(&self, step: usize) -> usize {
        if step as f64 >= self.settle * self.steps as f64 {
            return self.net.side;
        }
        self.sides[step % self.sides.len()]
    }

    /// The factor on the rates. Published: 1 for 49 of 52 epochs, then a tenth more each
    /// (SPEC A.12, with the vanishing tail left out).
    fn decay(&self, step: usize) -> f64 {
        if self.cosine {
            return cosine(step, self.steps, 1.0);
        }
        let epoch = step * 52 / self.steps.max(1);
        0.1f64.powi(epoch as i32 - 48).min(1.0)
    }
}

/// Where the slices come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Labelled by a doctor.
    pub labelled: Vec<Sample>,
    /// Labelled by a network.
    pub pseudo: Vec<Sample>,
    /// Known to be free of lesions.
    pub clean: Vec<Sample>,
}

fn make_batch(config: &TrainConfig, sources: &Sources, step: usize) -> Batch {
    let mut rng = step_rng(config.seed, step);
    let mut batch = Batch::new(config.side(step));
    let pools = [&sources.labelled, &sources.pseudo, &sources.clean];
    let total: f64 = pools
        .iter()
        .zip(config.shares)
        .map(|(pool, share)| if pool.is_empty() { 0.0 } else { share })
        .sum();
    if total <= 0.0 {
        return batch;
    }
    for slot in 0..config.batch {
        // The slot's place in 0…total picks the pool, so each step has its share of each.
        let mut place = (slot as f64 + 0.5) / config.batch as f64 * total;
        for (pool, share) in pools.iter().zip(config.shares) {
            if pool.is_empty() {
                continue;
            }
            place -= share;
            if place <= 0.0 {
                let sample = &pool[rng.random_range(0..pool.len())];
                let clean = std::ptr::eq(*pool, &sources.clean);
                let graft = clean && rng.random_bool(config.grafts) && !sources.labelled.is_empty();
                match graft {
                    true => {
                        let donor = rng.random_range(0..sources.labelled.len());
                        let donor = &sources.labelled[donor];
                        batch.push_grafted(sample, donor, &config.augment, &mut rng);
                    }
                    false => batch.push(sample, &config.augment, &mut rng),
                }
                break;
            }
        }
    }
    batch
}

/// Planes of `count` samples, row-major, as a tensor `[count, channels, side, side]`.
pub(super) fn planes<B: Backend>(
    values: Vec<f32>,
    count: usize,
    side: usize,
    device: &B::Device,
) -> Tensor<B, 4> {
    let shape = [count, values.len() / (count * side * side), side, side];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A batch on the device: image `[n, 3, h, w]`, the others `[n, 1, h, w]`.
struct Planes<B: TrainKernels> {
    image: Tensor<Autodiff<B>, 4>,
    target: Tensor<Autodiff<B>, 4>,
    weight: Tensor<Autodiff<B>, 4>,
    edge: Tensor<Autodiff<B>, 4>,
}

impl<B: TrainKernels> Planes<B> {
    fn new(batch: Batch, device: &B::Device) -> Self {
        let planes = |values| planes(values, batch.count, batch.side, device);
        Planes {
            image: planes(batch.image),
            target: planes(batch.target),
            weight: planes(batch.weight),
            edge: planes(batch.edge),
        }
    }
}

type Gradients<B> = <Autodiff<B> as AutodiffBackend>::Gradients;

/// What a network is trained with, whatever it is.
struct Recipe<'a, B: TrainKernels> {
    config: &'a TrainConfig,
    sources: &'a Sources,
    folder: &'a Path,
    device: &'a B::Device,
}

impl<B: TrainKernels> Recipe<'_, B> {
    fn mode(&self) -> Bce {
        match self.config.weighted {
            true => Bce::Weighted,
            false => Bce::Plain,
        }
    }

    /// Trains with an optimiser for each part of the gradients that `gradients` gives of a loss.
    fn train<M, const N: usize>(
        &self,
        start: M,
        loss: impl Fn(&M, Planes<B>) -> Tensor<Autodiff<B>, 1>,
        gradients: impl Fn(Gradients<B>, &M) -> [GradientsParams; N],
        rates: impl Fn(usize) -> [f64; N],
        report: &mut dyn FnMut(Progress),
    ) -> Result<M::InnerModule, TrainError>
    where
        M: AutodiffModule<Autodiff<B>>,
    {
        let config = self.config;
        let make = || {
            let adam = AdamWConfig::new().with_epsilon(1e-8);
            let adam = match config.cosine {
                true => adam.with_weight_decay(1e-4),
                false => adam
                    .with_weight_decay(0.0)
                    .with_grad_clipping(Some(GradientClippingConfig::Value(0.5))),
            };
            adam.init::<Autodiff<B>, M>()
        };
        let run = Run {
            steps: config.steps,
            ema: config.ema,
            folder: self.folder,
            note: serde_json::to_string(config).unwrap_or_default(),
        };
        run.train(
            start,
            &|| (0..N).map(|_| make()).collect(),
            &|step| make_batch(config, self.sources, step),
            &mut |model, batch| {
                let loss = loss(model, Planes::new(batch, self.device));
                let value = scalar(loss.clone());
                (value, gradients(loss.backward(), model).into())
            },
            &|step| rates(step).map(|rate| rate * config.decay(step)).to_vec(),
            self.device,
            report,
        )
    }
}

/// Trains and returns the (averaged) network on the inner backend. `folder` keeps the
/// checkpoint; a run of the same settings found there is resumed.
pub fn train<B: TrainKernels>(
    config: &TrainConfig,
    sources: &Sources,
    start: InfNet<Autodiff<B>>,
    folder: &Path,
    device: &B::Device,
    report: &mut dyn FnMut(Progress),
) -> Result<InfNet<B>, TrainError> {
    let recipe = Recipe::<B> {
        config,
        sources,
        folder,
        device,
    };
    let loss = |model: &InfNet<Autodiff<B>>, planes: Planes<B>| {
        let maps = model.forward(planes.image);
        let Planes { target, weight, .. } = planes;
        loss::total(&maps, &target, &weight, &planes.edge, recipe.mode())
    };
    recipe.train(
        start,
        loss,
        |mut grads, model| {
            // The model's own: a resumed one has the parameter ids of its checkpoint.
            let encoder = list_param_ids(&model.encoder);
            let of_encoder = GradientsParams::from_params(&mut grads, model, &encoder);
            [of_encoder, GradientsParams::from_grads(grads, model)]
        },
        |_| config.rates,
        report,
    )
}

/// Channels of the first level of the plain U-Net that Inf-Net is compared with.
const UNET_WIDTH: usize = 16;

/// Trains the baseline, a plain U-Net from slice to logits, by the same recipe: the same batches, the
/// structure loss on its one map, the head's rate throughout.
pub fn train_unet<B: TrainKernels>(
    config: &TrainConfig,
    sources: &Sources,
    folder: &Path,
    device: &B::Device,
    report: &mut dyn FnMut(Progress),
) -> Result<UNet<B>, TrainError> {
    let channels = Channels {
        input: 3,
        width: UNET_WIDTH,
        output: 1,
    };
    let start = UNet::new(&mut Builder::training(config.seed, device), channels);
    let recipe = Recipe::<B> {
        config,
        sources,
        folder,
        device,
    };
    let loss = |model: &UNet<Autodiff<B>>, planes: Planes<B>| {
        let logits = model.forward(planes.image);
        loss::structure(logits, planes.target, planes.weight, recipe.mode())
    };
    recipe.train(
        start,
        loss,
        |grads, model| [GradientsParams::from_grads(grads, model)],
        |_| [config.rates[1]],
        report,
    )
}

/// A fresh network for training.
pub fn fresh<B: TrainKernels>(config: &TrainConfig, device: &B::Device) -> InfNet<Autodiff<B>> {
    InfNet::new(&mut Builder::training(config.seed, device), &config.net)
}
