//! `pleura train vae`.

use super::{Device, save, show};
use crate::nn::kernels::TrainKernels;
use crate::normnet::data;
use crate::normnet::train_vae::{TrainConfig, train};
use clap::Args;
use std::error::Error;
use std::path::PathBuf;

/// Arguments of `train vae`.
#[derive(Args)]
pub struct VaeArgs {
    /// Folder with ct/, the healthy scans, or the file that `pleura prepare` makes of it.
    #[arg(long)]
    data: PathBuf,
    /// Where checkpoint and weights go.
    #[arg(long)]
    out: PathBuf,
    /// Steps, instead of the recipe's.
    #[arg(long)]
    steps: Option<usize>,
    /// Seed of the run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to train.
    #[arg(long, value_enum, default_value = "cpu")]
    pub(super) device: Device,
}

pub(super) fn vae<B: TrainKernels>(
    args: &VaeArgs,
    device: &B::Device,
) -> Result<(), Box<dyn Error>> {
    let mut config = TrainConfig::best();
    config.steps = args.steps.unwrap_or(config.steps);
    config.seed = args.seed;
    let scans = data::open(&args.data, &[], config.slabs.frame.spacing[0])?;
    let net = train::<B>(&config, &scans, &args.out, device, &mut show)?;
    save(&net, &args.out.join("vae.safetensors"))?;
    Ok(())
}
