//! Training the lung network: cross-entropy and Dice on slices with painted opacities.

use super::network::{LungsConfig, network, network_input, to_blocks};
use super::samples::{Sources, draw};
use crate::infnet::data::Augment;
use crate::infnet::loss::bce;
use crate::nn::Builder;
use crate::nn::kernels::TrainKernels;
use crate::nn::unet::UNet;
use crate::training::{Progress, Run, TrainError, cosine, scalar, step_rng};
use burn::backend::Autodiff;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A run's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrainConfig {
    /// The network.
    pub net: LungsConfig,
    /// Optimiser steps.
    pub steps: usize,
    /// Slices a step.
    pub batch: usize,
    /// Share of slices with a mask, of healthy scans and of phantoms.
    pub shares: [f64; 3],
    /// Scans left out of training, by name.
    pub without: Vec<String>,
    /// Learning rate.
    pub rate: f64,
    /// Augmentation.
    pub augment: Augment,
    /// Decay of the averaged weights.
    pub ema: f64,
    /// Seed of everything.
    pub seed: u64,
}

impl TrainConfig {
    /// What ships.
    pub fn best() -> Self {
        TrainConfig {
            net: LungsConfig::web(),
            steps: 1200,
            batch: 8,
            shares: [0.4, 0.45, 0.15],
            without: Vec::new(),
            rate: 3e-3,
            augment: Augment {
                rotation: 15.0,
                scale: [0.7, 1.3],
                noise: 10.0,
                ..Augment::best()
            },
            ema: 0.99,
            seed: 1,
        }
    }
}

/// Smoothing of the Dice loss.
const SMOOTH: f64 = 1.0;

/// Trains and returns the averaged network; resumes from `folder`'s checkpoint.
///
/// # Errors
/// If the checkpoint is of another run, a file cannot be written, or the loss diverges.
pub fn train<B: TrainKernels>(
    config: &TrainConfig,
    sources: &Sources,
    folder: &Path,
    device: &B::Device,
    report: &mut dyn FnMut(Progress),
) -> Result<UNet<B>, TrainError> {
    let mut build = Builder::training(config.seed, device);
    let start = network::<Autodiff<B>>(&mut build, &config.net);
    let run = Run {
        steps: config.steps,
        ema: config.ema,
        folder,
        note: serde_json::to_string(config).unwrap_or_default(),
    };
    let adam = || {
        let adam = AdamWConfig::new()
            .with_epsilon(1e-8)
            .with_weight_decay(1e-4);
        vec![adam.init::<Autodiff<B>, UNet<Autodiff<B>>>()]
    };
    let side = config.net.side;
    run.train(
        start,
        &adam,
        &|step| {
            let mut rng = step_rng(config.seed, step);
            let (mut input, mut target) = (Vec::new(), Vec::new());
            for _ in 0..config.batch {
                let (image, lungs) = draw(sources, config, &mut rng);
                input.extend(network_input(&image, side));
                target.extend(to_blocks(&lungs, side));
            }
            (input, target)
        },
        &mut |model, (input, target)| {
            let blocks = |values: Vec<f32>| {
                let shape = [config.batch, 4, side / 2, side / 2];
                Tensor::<Autodiff<B>, 4>::from_data(TensorData::new(values, shape), device)
            };
            let (logits, target) = (model.forward(blocks(input)), blocks(target));
            let sum = |t: Tensor<Autodiff<B>, 4>| t.reshape([config.batch as i32, -1]).sum_dim(1);
            let p = sigmoid(logits.clone());
            let both = sum(p.clone() * target.clone());
            let dice = (both * 2.0 + SMOOTH) / (sum(p) + sum(target.clone()) + SMOOTH);
            let loss = bce(logits, target).mean() - dice.mean() + 1.0;
            let value = scalar(loss.clone());
            (
                value,
                vec![GradientsParams::from_grads(loss.backward(), model)],
            )
        },
        &|step| vec![cosine(step, config.steps, config.rate)],
        device,
        report,
    )
}
