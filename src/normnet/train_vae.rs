//! Training the reconstruction baseline: healthy slices as NormNet sees them, without lesions.

use super::data::{Scan, SlabConfig, healthy};
use super::vae::{Vae, VaeConfig};
use crate::nn::Builder;
use crate::nn::kernels::TrainKernels;
use crate::training::{Progress, Run, TrainError, cosine, scalar, step_rng};
use burn::backend::Autodiff;
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
    pub net: VaeConfig,
    /// How slabs are drawn that slices are taken from; no lesions are pasted in.
    pub slabs: SlabConfig,
    /// Optimiser steps.
    pub steps: usize,
    /// Slabs a step, each of another scan or place.
    pub batch: usize,
    /// Slices of each slab.
    pub slices: usize,
    /// Learning rate.
    pub rate: f64,
    /// Weight of the latents' divergence beside the squared error summed over a slice.
    pub beta: f64,
    /// Decay of the averaged weights.
    pub ema: f64,
    /// Seed of everything.
    pub seed: u64,
}

impl TrainConfig {
    /// The baseline's recipe. β is twice the variance of what the drawing need not explain
    /// (noise and fine vessels, a deviation of about 0.1), as the evidence bound has it.
    pub fn best() -> Self {
        TrainConfig {
            net: VaeConfig::web(),
            slabs: SlabConfig::best(),
            steps: 600,
            batch: 2,
            slices: 8,
            rate: 1e-3,
            beta: 0.02,
            ema: 0.98,
            seed: 1,
        }
    }
}

/// What one step sees.
struct Batch {
    /// Slices `[n, 1, side, side]`.
    image: Vec<f32>,
    /// Normal numbers `[n, latents, 1, 1]`.
    noise: Vec<f32>,
}

fn make_batch(config: &TrainConfig, scans: &[Scan], step: usize) -> Batch {
    let mut rng = step_rng(config.seed, step);
    let (f, plane) = (&config.slabs.frame, config.slabs.frame.size.pow(2));
    let mut image = Vec::with_capacity(config.batch * config.slices * plane);
    for _ in 0..config.batch {
        let scan = &scans[rng.random_range(0..scans.len())];
        let (h, mask) = healthy(scan, &config.slabs, &mut rng);
        let filled = |k: &usize| mask[k * plane..(k + 1) * plane].iter().any(|&m| m != 0);
        let mut with_lung: Vec<usize> = (0..f.depth).filter(filled).collect();
        if with_lung.is_empty() {
            with_lung.push(0);
        }
        for _ in 0..config.slices {
            let k = with_lung[rng.random_range(0..with_lung.len())];
            image.extend_from_slice(&h[k * plane..(k + 1) * plane]);
        }
    }
    let count = config.batch * config.slices * config.net.latents;
    let noise = (0..count).map(|_| normal(&mut rng)).collect();
    Batch { image, noise }
}

/// A standard normal number (Box and Muller 1958).
fn normal(rng: &mut StdRng) -> f32 {
    let (u, v) = (1.0 - rng.random::<f64>(), rng.random::<f64>());
    ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
}

/// Squared error summed over a slice, plus β times the divergence of the latents from the
/// standard normal distribution, ½ Σ (μ² + σ² − 1 − ln σ²); mean over the batch.
fn loss<B: Backend>(
    x: Tensor<B, 4>,
    drawn: Tensor<B, 4>,
    [mean, log_variance]: [Tensor<B, 4>; 2],
    beta: f64,
) -> Tensor<B, 1> {
    let n = x.dims()[0] as f64;
    let error = (x - drawn).powi_scalar(2).sum();
    let spread = log_variance.clone().exp() - log_variance - 1.0;
    let divergence = (mean.powi_scalar(2) + spread).sum() * 0.5;
    (error + divergence * beta) / n
}

/// Trains and returns the averaged network; resumes from `folder`'s checkpoint.
///
/// # Errors
/// If the run's folder cannot be written or holds another run, or the loss is no number.
pub fn train<B: TrainKernels>(
    config: &TrainConfig,
    scans: &[Scan],
    folder: &Path,
    device: &B::Device,
    report: &mut dyn FnMut(Progress),
) -> Result<Vae<B>, TrainError> {
    let start = Vae::<Autodiff<B>>::new(&mut Builder::training(config.seed, device), &config.net);
    let run = Run {
        steps: config.steps,
        ema: config.ema,
        folder,
        note: serde_json::to_string(config).unwrap_or_default(),
    };
    let adam = || {
        let adam = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(0.0);
        vec![adam.init::<Autodiff<B>, Vae<Autodiff<B>>>()]
    };
    let (n, side) = (config.batch * config.slices, config.net.side);
    run.train(
        start,
        &adam,
        &|step| make_batch(config, scans, step),
        &mut |model, batch| {
            let tensor = |values: Vec<f32>, shape: [usize; 4]| {
                Tensor::<Autodiff<B>, 4>::from_data(TensorData::new(values, shape), device)
            };
            let x = tensor(batch.image, [n, 1, side, side]);
            let noise = tensor(batch.noise, [n, config.net.latents, 1, 1]);
            let [mean, log_variance] = model.encode(x.clone());
            let deviation = (log_variance.clone() * 0.5).exp();
            let drawn = model.decode(mean.clone() + deviation * noise);
            let loss = loss(x, drawn, [mean, log_variance], config.beta);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::frame::FrameConfig;
    use super::*;
    use crate::volume::{Affine, Volume};
    use burn::backend::Flex;

    #[test]
    fn the_loss_is_the_evidence_bound() {
        let device = Default::default();
        let tensor = |values: [f32; 2]| {
            Tensor::<Flex, 4>::from_data(TensorData::new(values.to_vec(), [1, 2, 1, 1]), &device)
        };
        let found = loss(
            tensor([0.5, 0.25]),
            tensor([0.0, 0.25]),
            [tensor([1.0, 0.0]), tensor([0.0, 2.0])],
            0.1,
        );
        // 0.25, and 0.1 · ½ · (1 + (1 − 1 − 0) + (e² − 1 − 2)).
        let want = 0.25 + 0.05 * (1.0 + 2f32.exp() - 3.0);
        assert!((scalar(found) - want).abs() < 1e-5);
    }

    #[test]
    fn a_short_run_draws_the_lung_brighter_than_the_rest() {
        // Two dim lungs with a bright vessel each, one scan.
        let dims = [60, 60, 40];
        let mut hu = Volume::filled(-1000i16, dims, Affine::from_spacing([1.25, 1.25, 3.0]));
        let mut lungs = vec![0u8; hu.len()];
        for (at, (hu, lung)) in hu.data.iter_mut().zip(&mut lungs).enumerate() {
            let [i, j] = [at % 60, at / 60 % 60];
            if (5..55).contains(&j) && (i % 30) > 4 {
                *lung = 1;
                *hu = -400;
            }
        }
        let scans = [Scan {
            name: "phantom".into(),
            hu,
            lungs,
            lambda: 1.0,
        }];
        let mut config = TrainConfig::best();
        config.net = VaeConfig {
            widths: vec![8, 16, 16],
            latents: 8,
            side: 64,
        };
        config.slabs.frame = FrameConfig {
            size: 64,
            ..FrameConfig::web()
        };
        (config.steps, config.slices, config.rate) = (40, 2, 5e-3);
        let folder = tempfile::tempdir().unwrap();
        let mut losses = Vec::new();
        let mut report = |p: Progress| losses.push(p.loss);
        let device = Default::default();
        let net = train::<Flex>(&config, &scans, folder.path(), &device, &mut report).unwrap();
        assert!(losses[3] < 0.7 * losses[0], "{losses:?}");
        let batch = make_batch(&config, &scans, 99);
        let x = Tensor::<Flex, 4>::from_data(
            TensorData::new(batch.image.clone(), [4, 1, 64, 64]),
            &device,
        );
        let drawn = net.forward(x).into_data().to_vec::<f32>().unwrap();
        let mean = |lung: bool| {
            let own = || {
                batch
                    .image
                    .iter()
                    .zip(&drawn)
                    .filter(|(h, _)| (**h > 0.1) == lung)
            };
            own().map(|(_, r)| r).sum::<f32>() / own().count() as f32
        };
        assert!(
            mean(true) > mean(false) + 0.1,
            "{} {}",
            mean(true),
            mean(false)
        );
    }
}
