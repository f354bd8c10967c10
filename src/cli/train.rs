//! `pleura train`: the networks' training runs.

pub mod lungs;
pub mod normnet;
mod vae;

use crate::infnet::data::{self, Sample};
use crate::infnet::slices::Orientation;
use crate::infnet::train::{Sources, TrainConfig, fresh, train};
use crate::infnet::{
    Backbone, Head, InfNet, InfNetConfig, Parts, import, semi, slices, train_classes,
};
use crate::metrics::{Confusion, toolbox};
use crate::nn::kernels::{Kernels, TrainKernels};
use crate::nn::params;
use crate::plane::Plane;
use crate::training::{Progress, TrainError, to_file, write_atomically};
use crate::weights::tensors::TensorFile;
use burn::backend::Flex;
use burn::module::Module;
use burn::tensor::backend::Backend;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::error::Error;
use std::path::{Path, PathBuf};

use self::lungs::{LungsArgs, lungs};
use self::normnet::{NormnetArgs, normnet};
use self::vae::{VaeArgs, vae};

/// What to train.
#[derive(Subcommand)]
pub enum Train {
    /// Inf-Net, from labelled slices.
    Infnet(InfnetArgs),
    /// Semi-Inf-Net: pseudo-labels from a trained Inf-Net, then labels and pseudo-labels by halves.
    Semi(SemiArgs),
    /// The class network: ground glass against consolidation.
    Classes(ClassesArgs),
    /// NormNet, from healthy scans.
    Normnet(NormnetArgs),
    /// The reconstruction baseline that NormNet is compared with, from the same healthy scans.
    Vae(VaeArgs),
    /// The lung network, from lung masks and healthy scans.
    Lungs(LungsArgs),
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
    /// Go on from the infnet.safetensors of an earlier run.
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
    /// Side of the network's input.
    #[arg(long, default_value_t = 352)]
    side: usize,
    /// Seed of the run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// For ablations: leave out a part of the network or of the recipe; can be given repeatedly.
    #[arg(long, value_enum)]
    without: Vec<Without>,
    /// Hold back fold K of N (as K/N, from 0) and measure on it.
    #[arg(long)]
    fold: Option<String>,
    /// Where to train.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Device,
}

/// Calls a function generic over the backend on the device that was asked for.
macro_rules! on_device {
    ($device:expr, $function:ident($args:expr)) => {
        match $device {
            Device::Cpu => $function::<Flex>($args, &Default::default()),
            #[cfg(feature = "cuda")]
            Device::Cuda => $function::<burn::backend::Cuda>($args, &Default::default()),
            #[cfg(not(feature = "cuda"))]
            Device::Cuda => Err(NO_CUDA.into()),
        }
    };
}

/// Runs a training command.
pub fn run(command: &Train) -> Result<(), Box<dyn Error>> {
    match command {
        Train::Infnet(args) => on_device!(args.device, infnet(args)),
        Train::Semi(args) => on_device!(args.device, semi(args)),
        Train::Classes(args) => on_device!(args.device, classes(args)),
        Train::Normnet(args) => on_device!(args.device, normnet(args)),
        Train::Vae(args) => on_device!(args.device, vae(args)),
        Train::Lungs(args) => on_device!(args.device, lungs(args)),
    }
}

#[cfg(not(feature = "cuda"))]
const NO_CUDA: &str = "this build has no CUDA: build with --features cuda";

fn show(p: Progress) {
    let left = p.left.as_secs();
    let (minutes, seconds) = (left / 60, left % 60);
    println!(
        "step {}/{}  loss {:.4}  {minutes}:{seconds:02} left",
        p.step, p.steps, p.loss
    );
}

/// Arguments of `train semi`.
#[derive(Args)]
pub struct SemiArgs {
    /// Folder with semiseg/labelled and semiseg/unlabelled (and ct for lesion-free slices).
    #[arg(long)]
    data: PathBuf,
    /// Where checkpoint and weights go.
    #[arg(long)]
    out: PathBuf,
    /// The teacher, and where the student starts: the infnet.safetensors of `train infnet`.
    #[arg(long)]
    teacher: PathBuf,
    /// Take every nth unlabelled slice.
    #[arg(long, default_value_t = 2)]
    stride: usize,
    /// Steps.
    #[arg(long, default_value_t = 300)]
    steps: usize,
    /// Slices a step.
    #[arg(long, default_value_t = 12)]
    batch: usize,
    /// Side of the network's input.
    #[arg(long, default_value_t = 352)]
    side: usize,
    /// Seed of the run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Hold back fold K of N (as K/N, from 0) of the labelled slices, which the teacher has not
    /// seen either, and measure on it.
    #[arg(long)]
    fold: Option<String>,
    /// Where to train.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Device,
}

fn semi<B: TrainKernels>(args: &SemiArgs, device: &B::Device) -> Result<(), Box<dyn Error>> {
    let net = InfNetConfig {
        side: args.side,
        ..InfNetConfig::web()
    };
    let mut config = TrainConfig::best(net);
    config.steps = args.steps;
    config.batch = args.batch;
    config.seed = args.seed;
    config.shares = [0.4, 0.4, 0.2];
    // The student starts where the teacher is: gentler rates.
    config.rates = [1e-4, 4e-4];
    let start = filled(fresh::<B>(&config, device), &args.teacher)?;
    let teacher = burn::module::AutodiffModule::valid(&start);
    let mut pseudo = semi::unlabelled(&args.data.join("semiseg/unlabelled"), args.stride)?;
    println!("labelling {} slices", pseudo.len());
    // Two of the eight orientations: the file's own and its half turn.
    let looks = [Orientation::ALL[0], Orientation::ALL[3]];
    pseudo = pseudo
        .into_iter()
        .map(|sample| {
            let logits = semi::logits(&teacher, &sample.image, args.side, &looks, device);
            let p = semi::probability(&logits, 1.0, sample.image.size());
            semi::pseudo_label(sample, &p)
        })
        .collect();
    let (labelled, held_back) = hold_back(&args.data, args.fold.as_deref())?;
    let sources = Sources {
        labelled,
        pseudo,
        clean: clean_slices(&args.data.join("ct"))?,
    };
    let student = train::<B>(&config, &sources, start, &args.out, device, &mut show)?;
    let net = mean(&teacher, student);
    save(&net, &args.out.join("infnet.safetensors"))?;
    measure_both(&net, args.side, &held_back, &args.out, device)
}

/// The network whose parameters are the mean of two networks'.
fn mean<B: Backend>(a: &InfNet<B>, b: InfNet<B>) -> InfNet<B> {
    let (of_a, of_b) = (params::read(a), params::read(&b));
    let filled = params::fill(b, |name, _| {
        let [(_, x), (_, y)] = [&of_a[name], &of_b[name]];
        let means = x.iter().zip(y).map(|(x, y)| (x + y) / 2.0);
        Ok::<_, std::convert::Infallible>(means.collect())
    });
    let Ok(net) = filled;
    net
}

/// The labelled slices, and those of the fold that is held back.
fn hold_back(
    data: &Path,
    fold: Option<&str>,
) -> Result<(Vec<Sample>, Vec<Sample>), Box<dyn Error>> {
    let mut labelled = data::labelled(&data.join("semiseg/labelled"))?;
    let mut held_back = Vec::new();
    if let Some(text) = fold {
        let (k, n) = parse_fold(text)?;
        let (_, test) = data::fold(&labelled, k, n);
        for i in test.into_iter().rev() {
            held_back.push(labelled.remove(i));
        }
    }
    Ok((labelled, held_back))
}

/// A network with the parameters of a training run's file.
pub(super) fn filled<B: Backend, M: Module<B>>(net: M, path: &Path) -> Result<M, Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(TrainError::file(path))?;
    let file = TensorFile::from_bytes(&path.to_string_lossy(), &bytes)?;
    Ok(params::fill(net, |name, shape| file.f32(name, shape))?)
}

/// Writes a network's parameters: what [`filled`] and `pleura pack` read.
fn save<B: Backend, M: Module<B>>(net: &M, path: &Path) -> Result<(), Box<dyn Error>> {
    let file = to_file(&params::read(net));
    Ok(write_atomically(path, &file.to_bytes()?)?)
}

/// Every how many mm a lesion-free slice is taken from a healthy scan.
const CLEAN_EVERY_MM: f64 = 12.0;

/// Lung-cropped slices of the healthy scans, with empty targets.
fn clean_slices(folder: &Path) -> Result<Vec<Sample>, Box<dyn Error>> {
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

/// Arguments of `train classes`.
#[derive(Args)]
pub struct ClassesArgs {
    /// Folder with semiseg/labelled.
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
    /// Hold back fold K of N (as K/N, from 0) and measure on it, inside the doctor's outlines.
    #[arg(long)]
    fold: Option<String>,
    /// Where to train.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Device,
}

fn classes<B: TrainKernels>(args: &ClassesArgs, device: &B::Device) -> Result<(), Box<dyn Error>> {
    let mut config = train_classes::TrainConfig::best();
    config.steps = args.steps.unwrap_or(config.steps);
    config.seed = args.seed;
    let mut samples = train_classes::read(&args.data.join("semiseg/labelled"))?;
    let mut held_back = Vec::new();
    if let Some(text) = &args.fold {
        let (k, n) = parse_fold(text)?;
        let slices: Vec<Sample> = samples.iter().map(|s| s.slice.clone()).collect();
        let (_, test) = data::fold(&slices, k, n);
        for i in test.into_iter().rev() {
            held_back.push(samples.remove(i));
        }
    }
    let net = train_classes::train::<B>(&config, &samples, &args.out, device, &mut show)?;
    save(&net, &args.out.join("classes.safetensors"))?;
    if held_back.is_empty() {
        return Ok(());
    }
    let rows = train_classes::measure(&net, config.net.side, &held_back, device)?;
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
    Ok(())
}

fn parse_fold(text: &str) -> Result<(usize, usize), String> {
    let parts: Option<(usize, usize)> = text
        .split_once('/')
        .and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    match parts {
        Some((k, n)) if n >= 2 && k < n => Ok((k, n)),
        _ => Err(format!(
            "--fold {text}: write K/N with 0 ≤ K < N, for instance 0/5"
        )),
    }
}

fn infnet<B: TrainKernels>(args: &InfnetArgs, device: &B::Device) -> Result<(), Box<dyn Error>> {
    let without = |part| args.without.contains(&part);
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
        parts: Parts {
            edge: !without(Without::Edge),
            decoder: !without(Without::Decoder),
            reverse: !without(Without::Reverse),
            logit_norm: matches!(args.preset, Preset::Paper),
            fine: matches!(args.preset, Preset::Best) && !without(Without::Fine),
        },
    };
    let (labelled, held_back) = hold_back(&args.data, args.fold.as_deref())?;
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
    let mut start = fresh::<B>(&config, device);
    if let Some(path) = &args.init {
        start = import::encoder(start, config.net.backbone, path)?;
    }
    if let Some(path) = &args.from {
        start = filled(start, path)?;
    }
    let net = train::<B>(&config, &sources, start, &args.out, device, &mut show)?;
    save(&net, &args.out.join("infnet.safetensors"))?;
    measure_both(&net, config.net.side, &held_back, &args.out, device)
}

/// [`measure`] with one look, as in volumes, and with all eight, as for pictures.
fn measure_both<B: Kernels>(
    net: &InfNet<B>,
    side: usize,
    held_back: &[Sample],
    folder: &Path,
    device: &B::Device,
) -> Result<(), Box<dyn Error>> {
    for (file, looks) in [("held_back.json", 1), ("held_back_8_looks.json", 8)] {
        if !held_back.is_empty() {
            let looks = &Orientation::ALL[..looks];
            measure(net, side, held_back, looks, &folder.join(file), device)?;
        }
    }
    Ok(())
}

/// Temperatures whose toolbox figure is shown: its mean over thresholds rewards hard maps.
const TEMPERATURES: [f32; 7] = [1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1];

/// Both Dice figures of every held-back slice, logits averaged over the given orientations, and
/// the toolbox's by temperature, to standard output and a JSON file.
fn measure<B: Kernels>(
    net: &InfNet<B>,
    side: usize,
    samples: &[Sample],
    looks: &[Orientation],
    out: &Path,
    device: &B::Device,
) -> Result<(), Box<dyn Error>> {
    let mut cases = Vec::new();
    let (mut plain, mut curves) = (0.0, [0.0; TEMPERATURES.len()]);
    for sample in samples {
        let logits = semi::logits(net, &sample.image, side, looks, device);
        let truth = sample.target.map(|v| u8::from(v > 128));
        let at = |temperature| semi::probability(&logits, temperature, sample.image.size());
        let dice = Confusion::at(at(1.0).data(), truth.data(), 0.5)?.dsc();
        let by_temperature = TEMPERATURES.map(|temperature| {
            let curve = toolbox::measure(&toolbox::to_map(&at(temperature)), &sample.target).dice;
            curve.iter().sum::<f64>() / curve.len().max(1) as f64
        });
        println!(
            "{}  Dice {dice:.4}  toolbox {:.4}",
            sample.name, by_temperature[0]
        );
        cases.push(
            json!({"name": sample.name, "dice": dice, "toolbox_dice": by_temperature.to_vec()}),
        );
        plain += dice;
        for (sum, value) in curves.iter_mut().zip(by_temperature) {
            *sum += value;
        }
    }
    let count = samples.len().max(1) as f64;
    let (dice, curve) = (plain / count, curves.map(|sum| sum / count));
    println!(
        "mean over {} held-back slices, {} looks: Dice at 0.5 {dice:.4}",
        samples.len(),
        looks.len()
    );
    for (temperature, value) in TEMPERATURES.iter().zip(&curve) {
        println!("  toolbox at temperature {temperature}: {value:.4}");
    }
    let table = json!({
        "mean_dice": dice,
        "temperatures": TEMPERATURES.to_vec(),
        "toolbox_dice": curve.to_vec(),
        "cases": cases,
    });
    write_atomically(out, serde_json::to_string_pretty(&table)?.as_bytes())?;
    Ok(())
}
