//! `pleura train classes`.

use super::held_back::{hold_back, measure_both};
use super::{Device, infnet_of, save, show};
use crate::infnet::InfNetConfig;
use crate::infnet::data::Sample;
use crate::infnet::slices::Orientation;
use crate::infnet::train_classes::{self, ClassSample, Classifier, measure};
use crate::nn::kernels::TrainKernels;
use clap::Args;
use std::error::Error;
use std::path::PathBuf;

/// Arguments of `train classes`.
#[derive(Args)]
pub struct ClassesArgs {
    /// Folder with semiseg/labelled.
    #[arg(long)]
    data: PathBuf,
    /// Where checkpoint and weights go.
    #[arg(long)]
    out: PathBuf,
    /// Instead of the class network, train a head on the features of this infnet.safetensors, to
    /// compare.
    #[arg(long)]
    head_on: Option<PathBuf>,
    /// Train that network further, together with the head, instead of keeping it as it is.
    #[arg(long, requires = "head_on")]
    together: bool,
    /// Share of the Dice term in the loss, instead of the recipe's.
    #[arg(long)]
    dice: Option<f64>,
    /// Side of the slices in training, instead of the recipe's.
    #[arg(long)]
    side: Option<usize>,
    /// Steps, instead of the recipe's.
    #[arg(long)]
    steps: Option<usize>,
    /// Seed of the run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Hold back fold K of N (as K/N, from 0) and measure on it, inside the doctor's outlines.
    #[arg(long)]
    fold: Option<String>,
    /// Where to train.
    #[arg(long, value_enum, default_value = "cpu")]
    pub(super) device: Device,
}

pub(super) fn classes<B: TrainKernels>(
    args: &ClassesArgs,
    device: &B::Device,
) -> Result<(), Box<dyn Error>> {
    let mut config = train_classes::TrainConfig::best();
    config.steps = args.steps.unwrap_or(config.steps);
    config.dice = args.dice.unwrap_or(config.dice);
    config.side = args.side.unwrap_or(config.side);
    config.seed = args.seed;
    let samples = train_classes::read(&args.data.join("semiseg/labelled"))?;
    let (samples, held_back) = hold_back(samples, |s| &s.slice, args.fold.as_deref())?;
    let course = train_classes::Course::<B> {
        config: &config,
        samples: &samples,
        folder: &args.out,
        device,
    };
    match &args.head_on {
        None => {
            let net = course.train(&mut show)?;
            save(&net, &args.out.join("classes.safetensors"))?;
            report(&net, config.net.side, &held_back, device)
        }
        Some(path) => {
            let make = InfNetConfig::web();
            let net = match args.together {
                true => course.train_together(infnet_of(&make, path, device)?, &make, &mut show)?,
                false => course.train_head(infnet_of(&make, path, device)?, &make, &mut show)?,
            };
            save(&net.head, &args.out.join("head.safetensors"))?;
            if args.together {
                save(&net.net, &args.out.join("infnet.safetensors"))?;
                let slices: Vec<Sample> = held_back.iter().map(|s| s.slice.clone()).collect();
                measure_both(&net.net, make.side, &slices, &args.out, device)?;
            }
            report(&net, make.side, &held_back, device)
        }
    }
}

/// Says what held-back slices score, with one look and with all.
fn report<B: TrainKernels>(
    net: &impl Classifier<B>,
    side: usize,
    held_back: &[ClassSample],
    device: &B::Device,
) -> Result<(), Box<dyn Error>> {
    for looks in [1, Orientation::ALL.len()] {
        if held_back.is_empty() {
            continue;
        }
        println!("looks: {looks}");
        let rows = measure(net, side, held_back, &Orientation::ALL[..looks], device)?;
        for row in &rows {
            let shown = row
                .dice
                .map(|d| d.map_or("-".into(), |d| format!("{d:.4}")));
            println!(
                "{}  ground glass {}  consolidation {}",
                row.name, shown[0], shown[1]
            );
        }
        for (i, class) in ["ground glass", "consolidation"].iter().enumerate() {
            let found: Vec<f64> = rows.iter().filter_map(|r| r.dice[i]).collect();
            let mean = found.iter().sum::<f64>() / found.len().max(1) as f64;
            println!(
                "mean {class} over the {} slices that have it: {mean:.4}",
                found.len()
            );
        }
    }
    Ok(())
}
