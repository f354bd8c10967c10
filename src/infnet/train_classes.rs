//! Training the class network (SPEC A.15): BCE over three sigmoid channels, labels by nearest
//! neighbour, the infection map as the doctor drew it.

use super::classes::{self, ClassesConfig, painted};
use super::data::{Augment, Sample, Warp, grey, jitter, labelled, sample, sample_nearest};
use super::loss::bce;
use super::slices::{network_input, normalised};
use crate::grid::box_mean;
use crate::metrics::Confusion;
use crate::nn::Builder;
use crate::nn::kernels::{Kernels, TrainKernels};
use crate::nn::unet::UNet;
use crate::plane::Plane;
use crate::training::{Progress, Run, TrainError, cosine, scalar, step_rng};
use burn::backend::Autodiff;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Tensor, TensorData};
use rand::Rng;
use rand::rngs::StdRng;
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

/// The labelled slices with their classes, from `images`, `infection` and `classes`.
pub fn read(folder: &Path) -> Result<Vec<ClassSample>, TrainError> {
    labelled(folder)?
        .into_iter()
        .map(|slice| {
            let path = folder.join("classes").join(format!("{}.png", slice.name));
            let grey = grey(&path)?;
            if grey.size() != slice.image.size() {
                return Err(TrainError::data(&path, "is not its image's size"));
            }
            let labels = painted(&grey);
            Ok(ClassSample { slice, labels })
        })
        .collect()
}

/// Largest shift of the map against the image, pixels.
const MAP_SHIFT: f32 = 3.0;
/// Largest radius of the map's blur, pixels.
const MAP_BLUR: usize = 5;

/// The infection map as a network draws it: a little beside the doctor's, with soft borders.
fn roughen(target: &Plane<u8>, positions: &[[f32; 2]], rng: &mut StdRng, side: usize) -> Vec<f32> {
    let mut draw = || rng.random_range(-MAP_SHIFT..=MAP_SHIFT);
    let shift = [draw(), draw()];
    let moved: Vec<[f32; 2]> = positions
        .iter()
        .map(|p| [p[0] + shift[0], p[1] + shift[1]])
        .collect();
    let map = sample(target, &moved);
    match rng.random_range(0..=MAP_BLUR) {
        0 => map,
        radius => box_mean(&map, [side, side, 1], [2 * radius + 1, 2 * radius + 1, 1]),
    }
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
        let map = roughen(&chosen.slice.target, &positions, &mut rng, config.side);
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
) -> Result<UNet<B>, TrainError> {
    let start =
        classes::network::<Autodiff<B>>(&mut Builder::training(config.seed, device), &config.net);
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

/// What a held-back slice scored.
pub struct Measured {
    /// The slice.
    pub name: String,
    /// Dice of ground glass and of consolidation; none where the doctor saw none.
    pub dice: [Option<f64>; 2],
}

/// Dice of both classes on slices with the doctor's infection map as input, counted inside it.
///
/// # Errors
/// If a result does not fit its slice.
pub fn measure<B: Kernels>(
    net: &UNet<B>,
    side: usize,
    samples: &[ClassSample],
    device: &B::Device,
) -> Result<Vec<Measured>, TrainError> {
    let mut rows = Vec::new();
    for sample in samples {
        let mut input = network_input(&sample.slice.image, side);
        input.extend(network_input(&sample.slice.target, side));
        let input = TensorData::new(input, [1, 6, side, side]);
        let logits = net.forward(Tensor::<B, 4>::from_data(input, device));
        let values = logits.into_data().convert::<f32>().to_vec::<f32>();
        let values = values.unwrap_or_default();
        let (glass, solid) = values.split_at(values.len() / 3);
        let labels = Plane::from_fn([side; 2], |x, y| {
            let at = y * side + x;
            1 + u8::from(solid[at] > glass[at])
        });
        let labels = labels.resize_nearest(sample.labels.size());
        let inside = |v: &Plane<u8>| -> Vec<u8> {
            let pixels = v.data().iter().zip(sample.labels.data());
            pixels.map(|(&v, &l)| if l == 0 { 0 } else { v }).collect()
        };
        let (found, truth) = (inside(&labels), inside(&sample.labels));
        let dice = [1u8, 2].map(|label| {
            let seen = truth.contains(&label);
            let counts = Confusion::of_label(&found, &truth, label).ok();
            counts.filter(|_| seen).map(|c| c.dsc())
        });
        rows.push(Measured {
            name: sample.slice.name.clone(),
            dice,
        });
    }
    Ok(rows)
}
