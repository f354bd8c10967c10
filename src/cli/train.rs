//! `pleura train`: the networks' training runs.

use crate::infnet::data::{self, Sample};
use crate::infnet::train::{Sources, TrainConfig, fresh, train};
use crate::infnet::{Backbone, Head, InfNet, InfNetConfig, import, slices};
use crate::metrics::Confusion;
use crate::nn::kernels::{Kernels, TrainKernels};
use crate::nn::params;
use crate::normnet;
use crate::plane::Plane;
use crate::training::{Progress, TrainError, to_file, write_atomically};
use burn::backend::Flex;
use burn::tensor::{Tensor, TensorData};
use clap::{Args, Subcommand, ValueEnum};
use std::error::Error;
use std::path::{Path, PathBuf};

/// What to train.
#[derive(Subcommand)]
pub enum Train {
    /// Inf-Net, from labelled slices.
    Infnet(InfnetArgs),
    /// NormNet, from healthy scans.
    Normnet(NormnetArgs),
}

/// Where training runs.
#[derive(Clone, Copy, ValueEnum)]
pub enum Device {
    /// All cores.
    Cpu,
    /// An NVIDIA card (needs a build with the feature `cuda`).
    Cuda,
}

#[derive(Clone, Copy, ValueEnum)]
enum Preset {
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

/// Arguments of `train infnet`.
#[derive(Args)]
pub struct InfnetArgs {
    /// Folder with semiseg/labelled (and ct for lesion-free slices).
    #[arg(long)]
    data: PathBuf,
    /// Where checkpoint, log and weights go.
    #[arg(long)]
    out: PathBuf,
    /// Encoder.
    #[arg(long, value_enum, default_value = "efficientnet-lite0")]
    backbone: BackboneArg,
    /// Widths behind the encoder.
    #[arg(long, value_enum, default_value = "light")]
    head: HeadArg,
    /// Recipe.
    #[arg(long, value_enum, default_value = "best")]
    preset: Preset,
    /// ImageNet weights of the encoder, a PyTorch state dict.
    #[arg(long)]
    init: Option<PathBuf>,
    /// Steps, instead of the preset's.
    #[arg(long)]
    steps: Option<usize>,
    /// Slices a step, instead of the preset's.
    #[arg(long)]
    batch: Option<usize>,
    /// Side of the network's input.
    #[arg(long, default_value_t = 352)]
    side: usize,
    /// Seed of the run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Hold back fold K of N (as K/N, from 0) and measure on it.
    #[arg(long)]
    fold: Option<String>,
    /// Where to train.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Device,
}

/// Runs a training command.
pub fn run(command: &Train) -> Result<(), Box<dyn Error>> {
    match command {
        Train::Infnet(args) => match args.device {
            Device::Cpu => infnet::<Flex>(args, &Default::default()),
            #[cfg(feature = "cuda")]
            Device::Cuda => infnet::<burn::backend::Cuda>(args, &Default::default()),
            #[cfg(not(feature = "cuda"))]
            Device::Cuda => Err(NO_CUDA.into()),
        },
        Train::Normnet(args) => match args.device {
            Device::Cpu => normnet::<Flex>(args, &Default::default()),
            #[cfg(feature = "cuda")]
            Device::Cuda => normnet::<burn::backend::Cuda>(args, &Default::default()),
            #[cfg(not(feature = "cuda"))]
            Device::Cuda => Err(NO_CUDA.into()),
        },
    }
}

#[cfg(not(feature = "cuda"))]
const NO_CUDA: &str = "this build has no CUDA: build with --features cuda";

fn show(p: Progress) {
    let left = p.left.as_secs();
    let (minutes, seconds) = (left / 60, left % 60);
    println!("step {}/{}  loss {:.4}  {minutes}:{seconds:02} left", p.step, p.steps, p.loss);
}

/// Arguments of `train normnet`.
#[derive(Args)]
pub struct NormnetArgs {
    /// Folder with ct/, the healthy scans.
    #[arg(long)]
    data: PathBuf,
    /// Where checkpoints and weights go.
    #[arg(long)]
    out: PathBuf,
    /// Recipe.
    #[arg(long, value_enum, default_value = "web")]
    preset: NormnetPreset,
    /// Models to train, one after the other; seed s leaves out another scan each.
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// Steps, instead of the preset's.
    #[arg(long)]
    steps: Option<usize>,
    /// Slabs a step, instead of the preset's.
    #[arg(long)]
    batch: Option<usize>,
    /// Where to train.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Device,
}

#[derive(Clone, Copy, ValueEnum)]
enum NormnetPreset {
    /// As published.
    Paper,
    /// What ships.
    Web,
}

fn normnet<B: TrainKernels>(args: &NormnetArgs, device: &B::Device) -> Result<(), Box<dyn Error>> {
    let base = match args.preset {
        NormnetPreset::Paper => normnet::train::TrainConfig::paper(),
        NormnetPreset::Web => normnet::train::TrainConfig::web(),
    };
    let names: Vec<&str> = normnet::data::names().collect();
    for seed in args.first_seed..args.first_seed + args.seeds {
        let left_out = names[(seed as usize - 1) % names.len()].to_string();
        println!("model {seed}, without {left_out}");
        let config = normnet::train::TrainConfig {
            without: vec![left_out],
            steps: args.steps.unwrap_or(base.steps),
            batch: args.batch.unwrap_or(base.batch),
            seed,
            ..base.clone()
        };
        let pixel = config.slabs.frame.spacing[0];
        let scans = normnet::data::read(&args.data.join("ct"), &config.without, pixel)?;
        let folder = args.out.join(format!("seed{seed}"));
        let net = normnet::train::train::<B>(&config, &scans, &folder, device, &mut show)?;
        let file = to_file(&params::read(&net));
        let path = args.out.join(format!("normnet-{seed}.safetensors"));
        write_atomically(&path, &file.to_bytes()?)?;
    }
    Ok(())
}

fn parse_fold(text: &str) -> Result<(usize, usize), String> {
    let parts: Option<(usize, usize)> = text
        .split_once('/')
        .and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    match parts {
        Some((k, n)) if n >= 2 && k < n => Ok((k, n)),
        _ => Err(format!("--fold {text}: write K/N with 0 ≤ K < N, for instance 0/5")),
    }
}

fn infnet<B: TrainKernels>(args: &InfnetArgs, device: &B::Device) -> Result<(), Box<dyn Error>> {
    let net = InfNetConfig {
        backbone: match args.backbone {
            BackboneArg::EfficientnetLite0 => Backbone::EfficientnetLite0,
            BackboneArg::Res2net50 => Backbone::Res2net50,
        },
        head: match args.head {
            HeadArg::Light => Head::Light,
            HeadArg::Paper => Head::Paper,
        },
        side: args.side,
        parts: Default::default(),
    };
    let mut labelled = data::labelled(&args.data.join("semiseg/labelled"))?;
    let mut held_back = Vec::new();
    if let Some(text) = &args.fold {
        let (k, n) = parse_fold(text)?;
        let (_, test) = data::fold(&labelled, k, n);
        for i in test.into_iter().rev() {
            held_back.push(labelled.remove(i));
        }
    }
    let mut config = match args.preset {
        Preset::Paper => TrainConfig::paper(net, labelled.len()),
        Preset::Best => TrainConfig::best(net),
    };
    config.seed = args.seed;
    config.steps = args.steps.unwrap_or(config.steps);
    config.batch = args.batch.unwrap_or(config.batch);
    let sources = Sources {
        labelled,
        ..Sources::default()
    };
    let mut start = fresh::<B>(&config, device);
    if let Some(path) = &args.init {
        start = import::encoder(start, config.net.backbone, path)?;
    }
    let net = train::<B>(&config, &sources, start, &args.out, device, &mut show)?;
    let file = to_file(&params::read(&net));
    write_atomically(&args.out.join("infnet.safetensors"), &file.to_bytes()?)?;
    if !held_back.is_empty() {
        measure(&net, config.net.side, &held_back, &args.out, device)?;
    }
    Ok(())
}

/// Dice at 0.5 of every held-back slice, to standard output and a JSON file.
fn measure<B: Kernels>(
    net: &InfNet<B>,
    side: usize,
    samples: &[Sample],
    out: &Path,
    device: &B::Device,
) -> Result<(), Box<dyn Error>> {
    let mut rows = Vec::new();
    for sample in samples {
        let input = slices::network_input(&sample.image, side);
        let input = Tensor::from_data(TensorData::new(input, [1, 3, side, side]), device);
        let logits = net.forward(input).s3;
        let p = burn::tensor::activation::sigmoid(logits).into_data().convert::<f32>();
        let p = Plane::new(p.to_vec::<f32>().unwrap_or_default(), [side, side])
            .map_err(|e| TrainError::data(out, e.to_string()))?;
        let p = p.resize_bilinear(sample.image.size());
        let truth = sample.target.map(|v| u8::from(v > 128));
        let dice = Confusion::at(p.data(), truth.data(), 0.5)?.dsc();
        println!("{}  Dice {dice:.4}", sample.name);
        rows.push(serde_json::json!({"name": sample.name, "dice": dice}));
    }
    let mean = rows.iter().filter_map(|r| r["dice"].as_f64()).sum::<f64>() / rows.len() as f64;
    println!("mean Dice at 0.5 over {} held-back slices: {mean:.4}", rows.len());
    let json = serde_json::json!({"mean_dice": mean, "cases": rows});
    write_atomically(&out.join("held_back.json"), serde_json::to_string_pretty(&json)?.as_bytes())?;
    Ok(())
}
