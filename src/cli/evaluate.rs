//! `pleura evaluate`: a network against truth, case by case.

mod curve;
#[cfg(feature = "train")]
mod healthy;
mod lungs;
mod slices;
#[cfg(feature = "train")]
mod vae;
mod volumes;

use super::segment::{SegmentArgs, write};
use super::session::Session;
use crate::io;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// What to evaluate.
#[derive(Subcommand)]
pub enum Evaluate {
    /// Inf-Net: slices (PNG, JPEG) by both protocols, scans (NIfTI) by 3D Dice.
    Infnet(EvaluateArgs),
    /// NormNet: scans (NIfTI), beside a threshold at −500 HU.
    Normnet(NormnetArgs),
    /// NormNet on healthy scans: how much of the lung each model marks in the scan that it was not
    /// trained on, and how much the vote of all.
    #[cfg(feature = "train")]
    Healthy(healthy::HealthyArgs),
    /// The lung masks of scans (NIfTI): the network's and the threshold's.
    Lungs(lungs::LungsArgs),
}

/// Arguments of `evaluate normnet`.
#[derive(Args)]
pub struct NormnetArgs {
    #[command(flatten)]
    common: EvaluateArgs,
    /// Measure the reconstruction baseline beside it: the vae.safetensors of `train vae`.
    #[cfg(feature = "train")]
    #[arg(long)]
    vae: Option<PathBuf>,
}

/// Arguments of `evaluate`.
#[derive(Args)]
pub struct EvaluateArgs {
    /// Folder of slices, or of scans.
    #[arg(long)]
    images: PathBuf,
    /// Folder of the truth: a file of the slice's name; for a scan <case>.nii.gz, or
    /// <case>_infection.nii.gz where the scan is <case>_ct.nii.gz. Any label is lesion.
    #[arg(long)]
    truth: PathBuf,
    /// Folder of lung masks, <case>_lungs.nii.gz, instead of finding the lungs.
    #[arg(long)]
    lungs_dir: Option<PathBuf>,
    /// How slices are measured.
    #[arg(long, value_enum, default_value = "both")]
    protocol: Protocol,
    /// The truth of slices has classes, 1 (or red) ground glass and 2 (or green) consolidation:
    /// measure those too.
    #[arg(long)]
    classes: bool,
    /// Where the table goes as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where the curves over the toolbox's thresholds go as SVG; slices only.
    #[arg(long)]
    svg: Option<PathBuf>,
    #[command(flatten)]
    run: super::segment::NetworkArgs,
}

/// How slices are measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Protocol {
    /// The papers' toolbox: each map stretched to its full range, averages over 256 thresholds.
    Paper,
    /// The map as it is, at 0.5; empty against empty is a Dice of 1.
    Plain,
    /// One after the other.
    Both,
}

/// Runs an evaluation.
pub fn run(command: &Evaluate) -> Result<(), Box<dyn Error>> {
    match command {
        Evaluate::Infnet(args) => save(args, &network(args, "infnet", &mut |_| Ok(()))?),
        Evaluate::Normnet(args) => normnet(args),
        #[cfg(feature = "train")]
        Evaluate::Healthy(args) => healthy::run(args),
        Evaluate::Lungs(args) => lungs::run(args),
    }
}

#[cfg(feature = "train")]
fn normnet(args: &NormnetArgs) -> Result<(), Box<dyn Error>> {
    let mut baseline = args.vae.as_deref().map(vae::Baseline::open).transpose()?;
    let mut table = network(&args.common, "normnet", &mut |scan| match &mut baseline {
        Some(baseline) => baseline.add(scan),
        None => Ok(()),
    })?;
    if let Some(baseline) = &baseline {
        baseline.report(&mut table);
    }
    save(&args.common, &table)
}

#[cfg(not(feature = "train"))]
fn normnet(args: &NormnetArgs) -> Result<(), Box<dyn Error>> {
    let table = network(&args.common, "normnet", &mut |_| Ok(()))?;
    save(&args.common, &table)
}

/// Evaluates one network; `next` gets every scan when it is done.
fn network(
    args: &EvaluateArgs,
    network: &str,
    next: &mut dyn FnMut(volumes::Case) -> Result<(), Box<dyn Error>>,
) -> Result<Value, Box<dyn Error>> {
    let pairs = pairs(&args.images, &args.truth)?;
    let work = SegmentArgs::of(args.run.clone(), network);
    let session = Session::open(work.setup())?;
    match pairs.iter().any(|p| p.case.is_some()) {
        true => volumes::evaluate(&session, args, network, &pairs, next),
        false => slices::evaluate(&session, args, &pairs),
    }
}

/// Writes the table where it was asked for.
fn save(args: &EvaluateArgs, table: &Value) -> Result<(), Box<dyn Error>> {
    match &args.json {
        Some(path) => write(path, serde_json::to_string_pretty(table)?.as_bytes()),
        None => Ok(()),
    }
}

/// An input with its truth; `case` is set for a scan.
struct Pair {
    input: PathBuf,
    truth: PathBuf,
    case: Option<String>,
}

fn pairs(images: &Path, truth: &Path) -> Result<Vec<Pair>, Box<dyn Error>> {
    let listing = fs::read_dir(images).map_err(|e| format!("{}: {e}", images.display()))?;
    let mut inputs: Vec<PathBuf> = listing
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    inputs.sort();
    let mut found = Vec::new();
    for input in inputs {
        let name = input
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let stem = io::case_name(&name);
        if name.ends_with(".nii") || name.ends_with(".nii.gz") {
            // Masks may lie beside the scans.
            if ["_infection", "_lungs"].iter().any(|s| stem.ends_with(s)) {
                continue;
            }
            let case = stem.strip_suffix("_ct").unwrap_or(&stem).to_string();
            let names = [format!("{case}_infection"), stem.clone()];
            let endings = [".nii.gz", ".nii"];
            let options = names
                .iter()
                .flat_map(|n| endings.map(|e| truth.join(format!("{n}{e}"))));
            let file = options.into_iter().find(|p| p.is_file() && *p != input);
            let truth = file.ok_or_else(|| format!("{}: no truth for {case}", truth.display()))?;
            found.push(Pair {
                input,
                truth,
                case: Some(case),
            });
        } else if [".png", ".jpg", ".jpeg"].iter().any(|e| name.ends_with(e)) {
            let file = truth.join(format!("{stem}.png"));
            if !file.is_file() {
                return Err(format!("{}: the truth of {name} is missing", file.display()).into());
            }
            found.push(Pair {
                input,
                truth: file,
                case: None,
            });
        }
    }
    if found.is_empty() {
        return Err(format!("{}: holds no slices and no scans", images.display()).into());
    }
    Ok(found)
}
