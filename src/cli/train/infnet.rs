//! `pleura train infnet`, and its baseline.

use super::folds::cross_validate;
use super::held_back::{labelled, measure_both, measure_packed};
use super::{Device, infnet_of, save, show};
use crate::infnet::data::{self, Sample};
use crate::infnet::train::{Sources, TrainConfig, fresh, train, train_unet};
use crate::infnet::{Backbone, Head, InfNetConfig, Parts, import, slices};
use crate::nn::kernels::TrainKernels;
use crate::plane::Plane;
use clap::{Args, ValueEnum};
use std::error::Error;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Preset {
    /// As published.
    Paper,
    /// What ships.
    Best,
}

#[derive(Clone, Copy, ValueEnum)]
enum BackboneArg {
    EfficientnetLite0,
    Res2net50,
}

#[derive(Clone, Copy, ValueEnum)]
enum HeadArg {
    Light,
    Paper,
}

/// How an Inf-Net is made.
#[derive(Args)]
pub(super) struct NetArgs {
    /// Encoder.
    #[arg(long, value_enum, default_value = "efficientnet-lite0")]
    backbone: BackboneArg,
    /// Widths behind the encoder.
    #[arg(long, value_enum, default_value = "light")]
    head: HeadArg,
    /// Side of the network's input.
    #[arg(long, default_value_t = 352)]
    side: usize,
}

impl NetArgs {
    /// The network under a preset: the published parts, or those that ship.
    pub(super) fn config(&self, preset: Preset) -> InfNetConfig {
        InfNetConfig {
            backbone: match self.backbone {
                BackboneArg::EfficientnetLite0 => Backbone::EfficientnetLite0,
                BackboneArg::Res2net50 => Backbone::Res2net50,
            },
            head: match self.head {
                HeadArg::Light => Head::Light,
                HeadArg::Paper => Head::Paper,
            },
            side: self.side,
            parts: match preset {
                Preset::Paper => Parts::default(),
                Preset::Best => InfNetConfig::web().parts,
            },
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Network {
    Infnet,
    Unet,
}

/// What an ablation leaves out.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Without {
    /// Edge attention.
    Edge,
    /// The parallel partial decoder.
    Decoder,
    /// Reverse attention.
    Reverse,
    /// The branch on f2.
    Fine,
    /// Orientations, warps and jitter.
    Augment,
    /// The weight of boundary pixels in the BCE.
    Weighting,
    /// Slices of healthy scans.
    Clean,
    /// Lesions grafted into those.
    Grafts,
    /// The averaged weights.
    Ema,
}

/// Arguments of `train infnet`.
#[derive(Args)]
pub struct InfnetArgs {
    /// Folder with semiseg/labelled (and ct for lesion-free slices).
    #[arg(long)]
    data: PathBuf,
    /// Where checkpoint, log and weights go.
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    net: NetArgs,
    /// Inf-Net, or the plain U-Net that it is compared with.
    #[arg(long, value_enum, default_value = "infnet", conflicts_with_all = ["init", "from"])]
    network: Network,
    /// Recipe.
    #[arg(long, value_enum, default_value = "best")]
    preset: Preset,
    /// ImageNet weights of the encoder, a PyTorch state dict.
    #[arg(long)]
    init: Option<PathBuf>,
    /// Go on from the infnet.safetensors of an earlier run, or from an infnet .f16 file of the models
    /// folder.
    #[arg(long, conflicts_with = "init")]
    from: Option<PathBuf>,
    /// Factor on the recipe's learning rates.
    #[arg(long, default_value_t = 1.0)]
    rate_scale: f64,
    /// Steps, instead of the preset's.
    #[arg(long)]
    steps: Option<usize>,
    /// Slices a step, instead of the preset's.
    #[arg(long)]
    batch: Option<usize>,
    /// Seed of the run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// For ablations: leave out a part of the network or of the recipe; can be given repeatedly.
    #[arg(long, value_enum)]
    without: Vec<Without>,
    /// Hold back fold K of N (as K/N, from 0) and measure on it. Given repeatedly: cross-validation,
    /// a run a fold, each in its own folder below --out.
    #[arg(long)]
    fold: Vec<String>,
    /// Where to train.
    #[arg(long, value_enum, default_value = "cpu")]
    pub(super) device: Device,
}

pub(super) fn infnet<B: TrainKernels>(
    args: &InfnetArgs,
    device: &B::Device,
) -> Result<(), Box<dyn Error>> {
    match &args.fold[..] {
        [] => run::<B>(args, None, &args.out, device),
        [fold] => run::<B>(args, Some(fold), &args.out, device),
        folds if args.network == Network::Infnet => {
            cross_validate(folds, &args.out, |fold, out| {
                run::<B>(args, Some(fold), out, device)
            })
        }
        _ => Err("several folds are for --network infnet: give one --fold at a time".into()),
    }
}

/// Trains, without the slices of `fold`, in the folder `out`.
fn run<B: TrainKernels>(
    args: &InfnetArgs,
    fold: Option<&str>,
    out: &Path,
    device: &B::Device,
) -> Result<(), Box<dyn Error>> {
    let without = |part| args.without.contains(&part);
    let mut net = args.net.config(args.preset);
    net.parts = Parts {
        edge: !without(Without::Edge),
        decoder: !without(Without::Decoder),
        reverse: !without(Without::Reverse),
        fine: net.parts.fine && !without(Without::Fine),
        ..net.parts
    };
    let (labelled, held_back) = labelled(&args.data, fold)?;
    let mut config = match args.preset {
        Preset::Paper => TrainConfig::paper(net, labelled.len()),
        Preset::Best => TrainConfig::best(net),
    };
    config.seed = args.seed;
    config.steps = args.steps.unwrap_or(config.steps);
    config.batch = args.batch.unwrap_or(config.batch);
    config.rates = config.rates.map(|rate| rate * args.rate_scale);
    if without(Without::Augment) {
        config.augment = data::Augment::none();
    }
    if without(Without::Grafts) {
        config.grafts = 0.0;
    }
    config.weighted &= !without(Without::Weighting);
    if without(Without::Ema) {
        config.ema = 0.0;
    }
    let clean = match args.preset {
        Preset::Best if !without(Without::Clean) => clean_slices(&args.data.join("ct"))?,
        _ => Vec::new(),
    };
    let sources = Sources {
        labelled,
        clean,
        ..Sources::default()
    };
    let side = config.net.side;
    if args.network == Network::Unet {
        let net = train_unet::<B>(&config, &sources, out, device, &mut show)?;
        save(&net, &out.join("unet.safetensors"))?;
        return measure_both(&net, side, &held_back, out, device);
    }
    let mut start = fresh::<B>(&config, device);
    if let Some(path) = &args.init {
        start = import::encoder(start, config.net.backbone, path)?;
    }
    if let Some(path) = &args.from {
        start = infnet_of(&config.net, path, device)?;
    }
    let net = train::<B>(&config, &sources, start, out, device, &mut show)?;
    save(&net, &out.join("infnet.safetensors"))?;
    measure_both(&net, side, &held_back, out, device)?;
    measure_packed(&net, &config.net, &held_back, out, device)
}

/// Every how many mm a lesion-free slice is taken from a healthy scan.
const CLEAN_EVERY_MM: f64 = 12.0;

/// Lung-cropped slices of the healthy scans, with empty targets.
pub(super) fn clean_slices(folder: &Path) -> Result<Vec<Sample>, Box<dyn Error>> {
    let mut found = Vec::new();
    // The scan's own pixels: 0.75 mm is what the healthy scans have on average.
    for scan in crate::normnet::data::read(folder, &[], 0.75)? {
        let Some(crop) = slices::Crop::around(&scan.lungs, scan.hu.dims) else {
            continue;
        };
        let step = (CLEAN_EVERY_MM / scan.hu.spacing()[2]).round().max(1.0) as usize;
        let plane = scan.hu.dims[0] * scan.hu.dims[1];
        for k in (0..scan.hu.dims[2]).step_by(step) {
            let lungs = &scan.lungs[k * plane..(k + 1) * plane];
            if lungs.iter().all(|&v| v == 0) {
                continue;
            }
            let image = crop.cut_grey(scan.hu.slice(k))?;
            let target = Plane::filled(0, image.size());
            found.push(Sample {
                name: format!("{}-{k}", scan.name),
                image,
                target,
                confidence: None,
            });
        }
    }
    Ok(found)
}
