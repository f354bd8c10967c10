//! `pleura replay`: an analysis done again from its run manifest, and whether it gave the same.

use super::batch::save;
use super::device::DeviceArg;
use super::input::Read as Input;
use super::session::{Session, Setup};
use crate::analysis::OutputFile;
use crate::io::{self, Limits};
use crate::metrics::Confusion;
use crate::record::{Comparison, Kind, MAX_BYTES, MaskRecord, Record};
use crate::runner::CPU;
use crate::weights::sha256;
use clap::Args;
use std::error::Error;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Arguments of `replay`.
#[derive(Args)]
pub struct ReplayArgs {
    /// The run manifest, <case>_run.json.
    run: PathBuf,
    /// The scan or slice that was analysed.
    input: PathBuf,
    /// Folder for the results, if they are wanted; made if it is missing.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Where to run. [default: the CPU if that was recorded, else auto]
    #[arg(long, value_enum)]
    device: Option<DeviceArg>,
    /// The lung mask that was given then.
    #[arg(long)]
    lungs: Option<PathBuf>,
    /// Folder with manifest.json and the weights. Default: models beside the program or here.
    #[arg(long, env = "PLEURA_MODELS")]
    models: Option<PathBuf>,
    /// Most memory, in MB, that a network may take while it runs; a larger one is refused.
    #[arg(long, value_name = "MB")]
    max_memory: Option<u64>,
}

/// Does the recorded analysis again; an error says how many masks are not the same.
pub fn run(args: &ReplayArgs) -> Result<(), Box<dyn Error>> {
    let record = read(&args.run)?;
    let input = Input::from(&args.input)?;
    record.same_input(&args.input.to_string_lossy(), &input.fingerprint())?;
    match (&record.lungs, &args.lungs) {
        (Some(given), None) => {
            let name = &given.name;
            return Err(format!("the lung mask {name} was given: give it with --lungs").into());
        }
        (None, Some(_)) => {
            return Err("no lung mask was given: leave out --lungs".into());
        }
        _ => {}
    }
    // The page names its CPU with an addition.
    let usual = match record.device.starts_with(CPU) {
        true => DeviceArg::Cpu,
        false => DeviceArg::Auto,
    };
    again(args, &record, input, args.device.unwrap_or(usual))
}

fn read(path: &Path) -> Result<Record, Box<dyn Error>> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    // One byte more shows that it is too large.
    let mut file = file.take(MAX_BYTES as u64 + 1);
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(Record::parse(&path.to_string_lossy(), &bytes)?)
}

fn again(
    args: &ReplayArgs,
    record: &Record,
    input: Input,
    device: DeviceArg,
) -> Result<(), Box<dyn Error>> {
    let named = record.input.series_named;
    let setup = Setup {
        options: record.options,
        series: record.input.series.clone().filter(|_| named),
        models: args.models.clone(),
        max_memory: args.max_memory,
        device,
    };
    let session = Session::open(setup)?;
    let models = record.same_models(session.manifest())?;
    let mut analysis = session.opened(&input, args.lungs.as_deref())?;
    drop(input);
    let given = |record: &Record| record.lungs.as_ref().map(|lungs| lungs.sha256.clone());
    if given(analysis.record()) != given(record) {
        let name = args.lungs.as_deref().unwrap_or(Path::new("")).display();
        return Err(format!("{name} is not the lung mask that was given then").into());
    }
    analysis.call(&record.case);
    let outcome = session.run(analysis, &models)?;
    let now = Record::of(&outcome)?;
    let beside = args.run.parent().unwrap_or(Path::new(""));
    let compared = record.compare(&now);
    let mut differ = 0;
    for (mask, how) in &compared {
        differ += usize::from(*how != Comparison::Same);
        let text = match how {
            Comparison::Same => "the same".to_string(),
            Comparison::Missing => "was recorded, and has not come out".to_string(),
            Comparison::New => "was not recorded".to_string(),
            Comparison::Differs { then, now: marked } => {
                difference(record, &now, mask, beside, &outcome.files).unwrap_or_else(|| {
                    format!(
                        "differs: {marked} voxels are marked, {then} were; the recorded file \
                             does not lie beside {}, so they cannot be compared",
                        args.run.display()
                    )
                })
            }
        };
        println!("{mask}: {text}");
    }
    if let Some(out) = &args.out {
        fs::create_dir_all(out).map_err(|e| format!("{}: {e}", out.display()))?;
        for path in save(out, &now, &outcome.files)? {
            println!("{}", path.display());
        }
    }
    let all = compared.len();
    if differ > 0 {
        let text = format!(
            "{differ} of {all} masks are not as recorded{}",
            why(record, &now)
        );
        return Err(text.into());
    }
    println!("all {all} masks are as recorded");
    Ok(())
}

/// What else is not as it was.
fn why(then: &Record, now: &Record) -> String {
    let on = |record: &Record| format!("{} ({})", record.device, record.platform);
    let mut reasons = Vec::new();
    if on(then) != on(now) {
        reasons.push(format!("recorded on {}, replayed on {}", on(then), on(now)));
    }
    if then.version != now.version {
        let (a, b) = (&then.version, &now.version);
        reasons.push(format!("recorded by version {a}, replayed by {b}"));
    }
    match reasons.is_empty() {
        true => String::new(),
        false => format!(": {}", reasons.join("; ")),
    }
}

/// How far a mask is from the recorded one, if its file lies in this folder.
fn difference(
    then: &Record,
    now: &Record,
    name: &str,
    folder: &Path,
    files: &[OutputFile],
) -> Option<String> {
    let find = |record: &Record| record.masks.iter().find(|m| m.name == name).cloned();
    let (then_mask, now_mask) = (find(then)?, find(now)?);
    let before = fs::read(folder.join(&then_mask.file)).ok()?;
    let before = voxels(then.input.kind, &then_mask, &before)?;
    let after = files.iter().find(|f| f.name == now_mask.file)?;
    let after = voxels(now.input.kind, &now_mask, &after.bytes)?;
    if before.len() != after.len() {
        return None;
    }
    let pairs = || before.iter().zip(&after);
    let differ = pairs().filter(|(a, b)| a != b).count();
    let most = pairs().map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
    let dice = Confusion::of(&after, &before).ok()?.dsc();
    let all = before.len();
    Some(format!(
        "{differ} of {all} voxels differ, by {most} at most; Dice {dice:.6}"
    ))
}

/// The voxels of a mask's file, if they are those of its record.
fn voxels(kind: Kind, mask: &MaskRecord, bytes: &[u8]) -> Option<Vec<u8>> {
    let limits = Limits::default();
    let data = match kind {
        Kind::Volume => {
            io::nifti::read_labels(&mask.file, bytes, &limits)
                .ok()?
                .data
        }
        Kind::Image => io::image::read(&mask.file, bytes, &limits).ok()?.into_raw(),
    };
    (sha256(&data) == mask.sha256).then_some(data)
}
