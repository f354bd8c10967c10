//! Training NormNet (paper §IV-B; SPEC B.8): Dice and cross-entropy on the healthy bright tissue
//! of slabs with synthetic lesions.

use super::data::{Scan, Slab, SlabConfig, draw};
use super::model::{NormNet, NormNetConfig};
use crate::infnet::loss::bce;
use crate::nn::Builder;
use crate::nn::kernels::TrainKernels;
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
    pub net: NormNetConfig,
    /// How slabs are drawn.
    pub slabs: SlabConfig,
    /// Scans left out of training, by name.
    pub without: Vec<String>,
    /// Optimiser steps.
    pub steps: usize,
    /// Slabs a step.
    pub batch: usize,
    /// Learning rate.
    pub rate: f64,
    /// Cosine schedule (else constant).
    pub cosine: bool,
    /// Decay of the averaged weights.
    pub ema: f64,
    /// Seed of everything.
    pub seed: u64,
}

impl TrainConfig {
    /// What ships: the small network on thick slices.
    pub fn web() -> Self {
        TrainConfig {
            net: NormNetConfig::web(),
            slabs: SlabConfig::best(),
            without: Vec::new(),
            steps: 500,
            batch: 1,
            rate: 2e-3,
            cosine: true,
            ema: 0.98,
            seed: 1,
        }
    }

    /// The paper's setting: 32 × 512 × 512 at 0.8 × 0.8 × 1 mm, batch 8, 3500 iterations,
    /// Adam 3e-4, its own lesions and no augmentation.
    pub fn paper() -> Self {
        use super::frame::FrameConfig;
        use super::synth::SynthConfig;
        TrainConfig {
            net: NormNetConfig::paper(),
            slabs: SlabConfig {
                frame: FrameConfig::paper(),
                thickness: [1.0, 1.0],
                scale: [1.0, 1.0],
                stretch: [1.0, 1.0],
                shift: 0.0,
                flips: false,
                offset: 0.0,
                noise: 0.0,
                synth: SynthConfig::paper(),
                ..SlabConfig::best()
            },
            steps: 3500,
            batch: 8,
            rate: 3e-4,
            cosine: false,
            ema: 0.0,
            ..Self::web()
        }
    }
}

/// Smoothing of the Dice loss, as MONAI has it.
const SMOOTH: f64 = 1e-5;

/// Soft Dice plus cross-entropy inside the lungs, equal weights; mean over the batch.
///
/// All `[n, 1, z, y, x]`; `lungs` is 1 where the loss looks.
fn loss<B: burn::tensor::backend::Backend>(
    logits: Tensor<B, 5>,
    target: Tensor<B, 5>,
    lungs: Tensor<B, 5>,
) -> Tensor<B, 1> {
    let n = logits.dims()[0];
    let sum = |t: Tensor<B, 5>| t.reshape([n as i32, -1]).sum_dim(1);
    let cross = sum(bce(logits.clone(), target.clone()) * lungs.clone());
    let cross = cross / (sum(lungs.clone()) + 1.0);
    let p = sigmoid(logits) * lungs;
    let both = sum(p.clone() * target.clone());
    let dice = (both * 2.0 + SMOOTH) / (sum(p) + sum(target) + SMOOTH);
    (cross - dice + 1.0).mean()
}

/// A fresh network for training.
pub fn fresh<B: TrainKernels>(config: &TrainConfig, device: &B::Device) -> NormNet<Autodiff<B>> {
    NormNet::new(&mut Builder::training(config.seed, device), &config.net)
}

/// Trains one model and returns its averaged weights; resumes from `folder`'s checkpoint.
pub fn train<B: TrainKernels>(
    config: &TrainConfig,
    scans: &[Scan],
    start: NormNet<Autodiff<B>>,
    folder: &Path,
    device: &B::Device,
    report: &mut dyn FnMut(Progress),
) -> Result<NormNet<B>, TrainError> {
    let run = Run {
        steps: config.steps,
        ema: config.ema,
        folder,
        note: serde_json::to_string(config).unwrap_or_default(),
    };
    let f = &config.slabs.frame;
    let adam = || {
        let adam = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(0.0);
        vec![adam.init::<Autodiff<B>, NormNet<Autodiff<B>>>()]
    };
    run.train(
        start,
        &adam,
        &|step| -> Vec<Slab> {
            let mut rng = step_rng(config.seed, step);
            (0..config.batch)
                .map(|_| draw(scans, &config.slabs, &mut rng))
                .collect()
        },
        &mut |model, slabs| {
            let stack = |part: fn(&Slab) -> &[f32]| {
                let values: Vec<f32> = slabs.iter().flat_map(|s| part(s).iter().copied()).collect();
                let shape = [slabs.len(), 1, f.depth, f.size, f.size];
                Tensor::<Autodiff<B>, 5>::from_data(TensorData::new(values, shape), device)
            };
            let logits = model.forward(stack(|s| &s.image));
            let loss = loss(logits, stack(|s| &s.target), stack(|s| &s.lungs));
            let value = scalar(loss.clone());
            (
                value,
                vec![GradientsParams::from_grads(loss.backward(), model)],
            )
        },
        &|step| {
            vec![match config.cosine {
                true => cosine(step, config.steps, config.rate),
                false => config.rate,
            }]
        },
        device,
        report,
    )
}
