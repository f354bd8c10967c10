//! `pleura train lungs`.

use super::{Device, save, show};
use crate::lungs;
use crate::nn::kernels::TrainKernels;
use clap::Args;
use std::error::Error;
use std::path::PathBuf;

/// Arguments of `train lungs`.
#[derive(Args)]
pub struct LungsArgs {
    /// Folder with semiseg/unlabelled and ct.
    #[arg(long)]
    data: PathBuf,
    /// Where checkpoint and weights go.
    #[arg(long)]
    out: PathBuf,
    /// Steps, instead of the recipe's.
    #[arg(long)]
    steps: Option<usize>,
    /// Leave out a scan of ct, by name; can be given repeatedly.
    #[arg(long)]
    without: Vec<String>,
    /// Seed of the run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to train.
    #[arg(long, value_enum, default_value = "cpu")]
    pub device: Device,
}

pub fn lungs<B: TrainKernels>(args: &LungsArgs, device: &B::Device) -> Result<(), Box<dyn Error>> {
    let mut config = lungs::train::TrainConfig::best();
    config.steps = args.steps.unwrap_or(config.steps);
    config.seed = args.seed;
    config.without = args.without.clone();
    let sources = lungs::samples::read(&args.data, &config.without, config.seed)?;
    let net = lungs::train::train::<B>(&config, &sources, &args.out, device, &mut show)?;
    save(&net, &args.out.join("lungs.safetensors"))?;
    Ok(())
}
