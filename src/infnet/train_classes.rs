//! Training the class network (SPEC A.15): BCE over three sigmoid channels and, beyond the paper,
//! Dice of either class; labels by nearest neighbour, the infection map as the doctor drew it,
//! roughened.

use super::classes::{self, ClassesConfig, painted};
use super::data::{Augment, Sample, Warp, grey, jitter, labelled, outline, sample, sample_nearest};
use super::head::{ClassHead, features};
use super::loss::{self, Bce, bce, dice_loss, weight_map};
use super::slices::{Orientation, network_input, normalised};
use super::train::planes;
use super::{InfNet, InfNetConfig};
use crate::grid::box_mean;
use crate::metrics::Confusion;
use crate::nn::Builder;
use crate::nn::kernels::{Kernels, TrainKernels};
use crate::nn::unet::UNet;
use crate::plane::Plane;
use crate::training::{Progress, Run, TrainError, cosine, scalar, step_rng};
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::backend::Backend;
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
    /// Share of the Dice term in the loss.
    pub dice: f64,
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
            steps: 400,
            batch: 8,
            side: 192,
            rate: 2e-3,
            // More than BCE: it counts small consolidations as much as large ones.
            dice: 4.0,
            outside: 0.05,
            // What tells the classes apart is how bright they are.
            augment: Augment {
                window: 8.0,
                noise: 4.0,
                ..Augment::best()
            },
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

/// A batch, row-major `[n, c, side, side]`.
#[derive(Default)]
struct Batch {
    slices: Vec<f32>,
    maps: Vec<f32>,
    target: Vec<f32>,
    weight: Vec<f32>,
    infection: Vec<f32>,
}

fn make_batch(config: &TrainConfig, samples: &[ClassSample], step: usize) -> Batch {
    let mut rng = step_rng(config.seed, step);
    let mut batch = Batch::default();
    for _ in 0..config.batch {
        let chosen = &samples[rng.random_range(0..samples.len())];
        let warp = Warp::draw(&mut rng, &config.augment);
        let positions = warp.positions(config.side, chosen.labels.size());
        let mut image = sample(&chosen.slice.image, &positions);
        jitter(&mut image, &config.augment, &mut rng);
        let map = roughen(&chosen.slice.target, &positions, &mut rng, config.side);
        let labels = sample_nearest(&chosen.labels, &positions);
        batch.slices.extend(normalised(&image));
        batch.maps.extend(normalised(&map));
        for class in [1, 2, 0] {
            let of_class = labels.iter().map(|&l| f32::from(l == class));
            batch.target.extend(of_class);
        }
        let says: Vec<f32> = labels
            .iter()
            .map(|&l| if l == 0 { config.outside } else { 1.0 })
            .collect();
        (0..3).for_each(|_| batch.weight.extend(&says));
        batch
            .infection
            .extend(labels.iter().map(|&l| f32::from(l != 0)));
    }
    batch
}

/// A batch on the device: `[n, 3, h, w]` each, and `[n, 1, h, w]` what Inf-Net's own loss needs.
struct Planes<B: TrainKernels> {
    slices: Tensor<Autodiff<B>, 4>,
    maps: Tensor<Autodiff<B>, 4>,
    target: Tensor<Autodiff<B>, 4>,
    weight: Tensor<Autodiff<B>, 4>,
    infection: Tensor<Autodiff<B>, 4>,
    border: Tensor<Autodiff<B>, 4>,
    edge: Tensor<Autodiff<B>, 4>,
}

impl<B: TrainKernels> Planes<B> {
    fn new(batch: Batch, config: &TrainConfig, device: &B::Device) -> Self {
        let side = config.side;
        let planes = |values| planes(values, config.batch, side, device);
        let each = |of: fn(&[f32], usize) -> Vec<f32>| {
            let infected = batch.infection.chunks(side * side);
            planes(infected.flat_map(|plane| of(plane, side)).collect())
        };
        Planes {
            border: each(weight_map),
            edge: each(outline),
            slices: planes(batch.slices),
            maps: planes(batch.maps),
            target: planes(batch.target),
            weight: planes(batch.weight),
            infection: planes(batch.infection),
        }
    }
}

/// A network that tells the classes of slices `[n, 3, h, w]` with their infection maps of that shape:
/// logits `[n, 3, h, w]` of [`LABELS`](classes::LABELS).
pub trait Classifier<B: Backend> {
    /// Its logits.
    fn classify(&self, slices: Tensor<B, 4>, maps: Tensor<B, 4>) -> Tensor<B, 4>;
}

impl<B: Kernels> Classifier<B> for UNet<B> {
    fn classify(&self, slices: Tensor<B, 4>, maps: Tensor<B, 4>) -> Tensor<B, 4> {
        self.forward(Tensor::cat(vec![slices, maps], 1))
    }
}

/// An Inf-Net with a head for classes.
#[derive(Module, Debug)]
pub struct Headed<B: Backend> {
    /// The network.
    pub net: InfNet<B>,
    /// The head.
    pub head: ClassHead<B>,
}

impl<B: Kernels> Classifier<B> for Headed<B> {
    fn classify(&self, slices: Tensor<B, 4>, _: Tensor<B, 4>) -> Tensor<B, 4> {
        self.head.forward(features(&self.net, slices).0)
    }
}

/// Where a run's slices come from and where it is kept.
pub struct Course<'a, B: Backend> {
    /// Settings.
    pub config: &'a TrainConfig,
    /// Slices.
    pub samples: &'a [ClassSample],
    /// Folder of the checkpoint; a run of the same settings found there is resumed.
    pub folder: &'a Path,
    /// Device.
    pub device: &'a B::Device,
}

impl<B: TrainKernels> Course<'_, B> {
    /// Trains the class network and returns it averaged.
    pub fn train(&self, report: &mut dyn FnMut(Progress)) -> Result<UNet<B>, TrainError> {
        let mut build = Builder::training(self.config.seed, self.device);
        let start = classes::network(&mut build, &self.config.net);
        let loss = |model: &UNet<Autodiff<B>>, planes: Planes<B>| {
            let logits = model.classify(planes.slices.clone(), planes.maps.clone());
            self.loss(logits, planes)
        };
        self.run(start, &loss, "", report)
    }

    /// Trains a head on a network, whose own weights stay.
    pub fn train_head(
        &self,
        net: InfNet<B>,
        make: &InfNetConfig,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Headed<B>, TrainError> {
        let start = ClassHead::new(&mut Builder::training(self.config.seed, self.device), make);
        let loss = |model: &ClassHead<Autodiff<B>>, planes: Planes<B>| {
            let (seen, _) = features(&net, planes.slices.clone().inner());
            self.loss(model.forward(Tensor::from_inner(seen)), planes)
        };
        let head = self.run(start, &loss, "head", report)?;
        Ok(Headed { net, head })
    }

    /// Trains a network and a head on it together, end to end: the network's own loss stays in it.
    pub fn train_together(
        &self,
        net: InfNet<Autodiff<B>>,
        make: &InfNetConfig,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Headed<B>, TrainError> {
        let head = ClassHead::new(&mut Builder::training(self.config.seed, self.device), make);
        let loss = |model: &Headed<Autodiff<B>>, planes: Planes<B>| {
            let (seen, maps) = features(&model.net, planes.slices.clone());
            let own = loss::total(
                &maps,
                &planes.infection,
                &planes.border,
                &planes.edge,
                Bce::Weighted,
            );
            own + self.loss(model.head.forward(seen), planes)
        };
        self.run(Headed { net, head }, &loss, "together", report)
    }

    /// What logits of the classes cost.
    fn loss(&self, logits: Tensor<Autodiff<B>, 4>, planes: Planes<B>) -> Tensor<Autodiff<B>, 1> {
        let Planes { target, weight, .. } = planes;
        let cross = bce(logits.clone(), target.clone()) * weight.clone();
        let overlap = dice_loss(logits, target, weight.clone());
        cross.sum() / weight.sum() + overlap * self.config.dice
    }

    fn run<M: AutodiffModule<Autodiff<B>>>(
        &self,
        start: M,
        loss: &Loss<'_, B, M>,
        note: &str,
        report: &mut dyn FnMut(Progress),
    ) -> Result<M::InnerModule, TrainError> {
        let config = self.config;
        let run = Run {
            steps: config.steps,
            ema: config.ema,
            folder: self.folder,
            note: serde_json::to_string(config).unwrap_or_default() + note,
        };
        let adam = || {
            let adam = AdamWConfig::new()
                .with_epsilon(1e-8)
                .with_weight_decay(1e-4);
            vec![adam.init::<Autodiff<B>, M>()]
        };
        run.train(
            start,
            &adam,
            &|step| make_batch(config, self.samples, step),
            &mut |model, batch| {
                let loss = loss(model, Planes::new(batch, config, self.device));
                let value = scalar(loss.clone());
                let gradients = GradientsParams::from_grads(loss.backward(), model);
                (value, vec![gradients])
            },
            &|step| vec![cosine(step, config.steps, config.rate)],
            self.device,
            report,
        )
    }
}

/// What a model's answer to a batch costs.
type Loss<'a, B, M> = dyn Fn(&M, Planes<B>) -> Tensor<Autodiff<B>, 1> + 'a;

/// What a held-back slice scored.
pub struct Measured {
    /// The slice.
    pub name: String,
    /// Dice of ground glass and of consolidation; none where the doctor saw none.
    pub dice: [Option<f64>; 2],
}

/// Dice of both classes on slices with the doctor's infection map as input, counted inside it; logits
/// averaged over the orientations.
///
/// # Errors
/// If a result does not fit its slice.
pub fn measure<B: Kernels>(
    net: &impl Classifier<B>,
    side: usize,
    samples: &[ClassSample],
    looks: &[Orientation],
    device: &B::Device,
) -> Result<Vec<Measured>, TrainError> {
    let mut rows = Vec::new();
    for sample in samples {
        let mut values = vec![0.0; 3 * side * side];
        for look in looks {
            let input = |plane: &Plane<u8>| {
                let input =
                    TensorData::new(network_input(&look.apply(plane), side), [1, 3, side, side]);
                Tensor::<B, 4>::from_data(input, device)
            };
            let logits = net.classify(input(&sample.slice.image), input(&sample.slice.target));
            let found = logits.into_data().convert::<f32>().to_vec::<f32>();
            let found = found.unwrap_or_default();
            for (sums, plane) in values
                .chunks_mut(side * side)
                .zip(found.chunks(side * side))
            {
                let plane = Plane::from_fn([side; 2], |x, y| plane[y * side + x]);
                let back = look.inverse().apply(&plane);
                sums.iter_mut()
                    .zip(back.data())
                    .for_each(|(sum, v)| *sum += v);
            }
        }
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
