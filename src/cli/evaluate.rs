//! `pleura evaluate`: a network against truth, case by case.

use super::segment::{CPU, SegmentArgs, Session, write};
use crate::io::{self, Limits};
use crate::metrics::toolbox::{self, Summary};
use crate::metrics::{Confusion, Scores, slice_dice};
use crate::nn::kernels::Kernels;
use crate::normnet::post::threshold_baseline;
use crate::plane::Plane;
use crate::volume::Volume;
use burn::backend::Flex;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// What to evaluate.
#[derive(Subcommand)]
pub enum Evaluate {
    /// Inf-Net: slices (PNG, JPEG) by both protocols, scans (NIfTI) by 3D Dice.
    Infnet(EvaluateArgs),
    /// NormNet: scans (NIfTI), beside a threshold at −500 HU.
    Normnet(EvaluateArgs),
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
    /// Where the table goes as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    #[command(flatten)]
    run: super::segment::NetworkArgs,
}

/// Runs an evaluation.
pub fn run(command: &Evaluate) -> Result<(), Box<dyn Error>> {
    let (args, network) = match command {
        Evaluate::Infnet(args) => (args, "infnet"),
        Evaluate::Normnet(args) => (args, "normnet"),
    };
    let pairs = pairs(&args.images, &args.truth)?;
    let work = SegmentArgs::of(args.run.clone(), network);
    let mut session = Session::<Flex>::open(&work, Default::default(), CPU)?;
    let scans = pairs.iter().any(|p| p.case.is_some());
    let table = match scans {
        true => volumes(&mut session, args, network, &pairs)?,
        false => slices(&mut session, &pairs)?,
    };
    if let Some(path) = &args.json {
        write(path, serde_json::to_string_pretty(&table)?.as_bytes())?;
    }
    Ok(())
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

fn labels(path: &Path) -> Result<Volume<u8>, Box<dyn Error>> {
    let name = path.to_string_lossy();
    let bytes = fs::read(path).map_err(|e| format!("{name}: {e}"))?;
    Ok(io::nifti::read_labels(&name, &bytes, &Limits::default())?)
}

fn picture(name: &str, bytes: &[u8]) -> Result<Plane<u8>, Box<dyn Error>> {
    let image = io::image::read(name, bytes, &Limits::default())?;
    let size = [image.width() as usize, image.height() as usize];
    Ok(Plane::new(image.into_raw(), size)?)
}

/// Both protocols on slices: the toolbox of SPEC C.2, and Dice at 0.5.
fn slices<B: Kernels>(session: &mut Session<B>, pairs: &[Pair]) -> Result<Value, Box<dyn Error>> {
    let (mut measures, mut plain, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for pair in pairs {
        let outcome = session.analyse(&pair.input, None)?;
        let Some(file) = outcome
            .files
            .iter()
            .find(|f| f.name.ends_with("_infnet.png"))
        else {
            continue;
        };
        let map = picture(&file.name, &file.bytes)?;
        let name = pair.truth.to_string_lossy();
        let truth = picture(
            &name,
            &fs::read(&pair.truth).map_err(|e| format!("{name}: {e}"))?,
        )?;
        if truth.size() != map.size() {
            let (found, expected) = (truth.size(), map.size());
            return Err(format!("{name}: is {found:?} pixels, its slice {expected:?}").into());
        }
        let predicted: Vec<u8> = map.data().iter().map(|&v| u8::from(v >= 128)).collect();
        let true_: Vec<u8> = truth
            .data()
            .iter()
            .map(|&v| u8::from(v > toolbox::TRUTH_ABOVE))
            .collect();
        let dice = Confusion::of(&predicted, &true_)?.dsc();
        let stretched = toolbox::to_map(&map.map(f32::from));
        let measured = toolbox::measure(&stretched, &truth);
        let mean = measured.dice.iter().sum::<f64>() / measured.dice.len().max(1) as f64;
        let case = io::case_name(&pair.input.to_string_lossy());
        println!("{case:>24}  Dice at 0.5 {dice:.4}  toolbox {mean:.4}");
        rows.push(json!({"case": case, "dice": dice, "toolbox_dice": mean}));
        measures.push(measured);
        plain.push(dice);
    }
    let mean = plain.iter().sum::<f64>() / plain.len().max(1) as f64;
    let summary = Summary::of(&measures);
    println!("mean Dice at 0.5 over {} slices: {mean:.4}", plain.len());
    if let Some(s) = &summary {
        println!("toolbox: {}", serde_json::to_string(s)?);
    }
    Ok(json!({"mean_dice": mean, "toolbox": summary, "cases": rows}))
}

/// 3D scores of the network's mask, and of the threshold at −500 HU inside the same lungs.
fn volumes<B: Kernels>(
    session: &mut Session<B>,
    args: &EvaluateArgs,
    network: &str,
    pairs: &[Pair],
) -> Result<Value, Box<dyn Error>> {
    let (mut ours, mut baseline, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for pair in pairs {
        let Some(case) = &pair.case else {
            return Err(format!("{}: slices and scans in one folder", pair.input.display()).into());
        };
        let lungs = args
            .lungs_dir
            .as_ref()
            .map(|d| d.join(format!("{case}_lungs.nii.gz")));
        let outcome = session.analyse(&pair.input, lungs.as_deref())?;
        let file = |suffix: &str| -> Result<Volume<u8>, Box<dyn Error>> {
            let found = outcome.files.iter().find(|f| f.name.ends_with(suffix));
            let found = found.ok_or_else(|| format!("{case}: the analysis gave no {suffix}"))?;
            Ok(io::nifti::read_labels(
                &found.name,
                &found.bytes,
                &Limits::default(),
            )?)
        };
        let truth = labels(&pair.truth)?;
        let mask = file(&format!("_{network}.nii.gz"))?;
        if truth.dims != mask.dims {
            let (found, expected) = (truth.dims, mask.dims);
            return Err(format!(
                "{}: {found:?} voxels, the scan {expected:?}",
                pair.truth.display()
            )
            .into());
        }
        let counts = Confusion::of(&mask.data, &truth.data)?;
        let by_slice = slice_dice(&mask.data, &truth.data, mask.dims[0] * mask.dims[1])?;
        let per_slice = by_slice.iter().sum::<f64>() / by_slice.len().max(1) as f64;
        let name = pair.input.to_string_lossy();
        let scan = io::nifti::read(&name, &fs::read(&pair.input)?, &Limits::default())?;
        let lung = file("_lungs.nii.gz")?;
        let bright = threshold_baseline(
            &scan.hu.data,
            &lung.data,
            scan.hu.dims,
            scan.hu.spacing(),
            OPENING_MM,
        );
        let simple = Confusion::of(&bright, &truth.data)?;
        let inside = lung.data.iter().filter(|&&v| v != 0).count().max(1) as f64;
        let share = (counts.tp + counts.fp) as f64 / inside * 100.0;
        println!(
            "{case:>16}  Dice {:.4}  sensitivity {:.4}  precision {:.4}  by slice {per_slice:.4}  \
             {share:.2} % of lung  | −500 HU: Dice {:.4}",
            counts.dsc(),
            counts.sen().unwrap_or(f64::NAN),
            counts.psc().unwrap_or(f64::NAN),
            simple.dsc(),
        );
        rows.push(
            json!({"case": case, "dice": counts.dsc(), "sensitivity": counts.sen(),
            "precision": counts.psc(), "specificity": counts.spc(), "slice_dice": per_slice,
            "percent_of_lung": share, "threshold_dice": simple.dsc()}),
        );
        ours.push(Scores::new(&counts, None));
        baseline.push(Scores::new(&simple, None));
    }
    let (mean, simple) = (Scores::mean(&ours), Scores::mean(&baseline));
    if let (Some(m), Some(s)) = (&mean, &simple) {
        println!(
            "mean Dice over {} scans: {:.4}  | −500 HU: {:.4}",
            ours.len(),
            m.dsc,
            s.dsc
        );
    }
    Ok(json!({"mean": mean, "threshold_mean": simple, "cases": rows}))
}

/// Radius of the opening behind the threshold baseline.
const OPENING_MM: f64 = 1.5;
