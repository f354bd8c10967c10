//! Training the class network (SPEC A.15): BCE over three sigmoid channels, labels by nearest
//! neighbour, the infection map as the doctor drew it.

use super::classes::{ClassesConfig, ClassesNet};
use super::data::{Augment, Sample, Warp, grey, jitter, labelled, sample, sample_nearest};
use super::loss::bce;
use super::slices::normalised;
use crate::nn::Builder;
use crate::nn::kernels::TrainKernels;
use crate::plane::Plane;
use crate::training::{Progress, Run, TrainError, cosine, scalar, step_rng};
use burn::backend::Autodiff;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Tensor, TensorData};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A run's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrainConfig {
    /// The network.
    pub net: ClassesConfig,
    /// Optimiser steps.
    pub steps: usize,
    /// Slices a step.
    pub batch: usize,
    /// Side of the training planes.
    pub side: usize,
    /// Learning rate.
    pub rate: f64,
    /// Say of a pixel outside the infection, against 1 inside.
    pub outside: f32,
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
            net: ClassesConfig::web(),
            steps: 300,
            batch: 8,
            side: 256,
            rate: 2e-3,
            outside: 0.05,
            augment: Augment::best(),
            ema: 0.98,
            seed: 1,
        }
    }
}

/// A slice with its classes: 0 background, 1 ground glass, 2 consolidation.
pub struct ClassSample {
    /// Image and infection.
    pub slice: Sample,
    /// Labels on the image's pixels.
    pub labels: Plane<u8>,
}

/// Grey of the palette's colours: below is ground glass (red), above consolidation (green).
const BETWEEN_CLASSES: u8 = 55;

/// The labelled slices with their classes, from `images`, `infection` and `classes`.
pub fn read(folder: &Path) -> Result<Vec<ClassSample>, TrainError> {
    labelled(folder)?
        .into_iter()
        .map(|slice| {
            let path = folder.join("classes").join(format!("{}.png", slice.name));
            let painted = grey(&path)?;
            if painted.size() != slice.image.size() {
                return Err(TrainError::data(&path, "is not its image's size"));
            }
            let labels = painted.map(|v| match v {
                0 => 0,
                v if v < BETWEEN_CLASSES => 1,
                _ => 2,
            });
            Ok(ClassSample { slice, labels })
        })
        .collect()
}

struct Batch {
    input: Vec<f32>,
    target: Vec<f32>,
    weight: Vec<f32>,
}

fn make_batch(config: &TrainConfig, samples: &[ClassSample], step: usize) -> Batch {
    let mut rng = step_rng(config.seed, step);
    let (mut input, mut target, mut weight) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..config.batch {
        let chosen = &samples[rng.random_range(0..samples.len())];
        let warp = Warp::draw(&mut rng, &config.augment);
        let positions = warp.positions(config.side, chosen.labels.size());
        let mut image = sample(&chosen.slice.image, &positions);
        jitter(&mut image, &config.augment, &mut rng);
        let map = sample(&chosen.slice.target, &positions);
        let labels = sample_nearest(&chosen.labels, &positions);
        input.extend(normalised(&image));
        input.extend(normalised(&map));
        for class in [1, 2, 0] {
            target.extend(labels.iter().map(|&l| f32::from(l == class)));
        }
        let says: Vec<f32> = labels
            .iter()
            .map(|&l| if l == 0 { config.outside } else { 1.0 })
            .collect();
        (0..3).for_each(|_| weight.extend(&says));
    }
    Batch {
        input,
        target,
        weight,
    }
}

/// Trains and returns the averaged network; resumes from `folder`'s checkpoint.
pub fn train<B: TrainKernels>(
    config: &TrainConfig,
    samples: &[ClassSample],
    folder: &Path,
    device: &B::Device,
    report: &mut dyn FnMut(Progress),
) -> Result<ClassesNet<B>, TrainError> {
    let start =
        ClassesNet::<Autodiff<B>>::new(&mut Builder::training(config.seed, device), &config.net);
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
        vec![adam.init::<Autodiff<B>, ClassesNet<Autodiff<B>>>()]
    };
    run.train(
        start,
        &adam,
        &|step| make_batch(config, samples, step),
        &mut |model, batch| {
            let planes = |values: Vec<f32>, channels: usize| {
                let shape = [config.batch, channels, config.side, config.side];
                Tensor::<Autodiff<B>, 4>::from_data(TensorData::new(values, shape), device)
            };
            let logits = model.forward(planes(batch.input, 6));
            let weight = planes(batch.weight, 3);
            let cross = bce(logits, planes(batch.target, 3)) * weight.clone();
            let loss = cross.sum() / weight.sum();
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
