//! Lung masks against drawn ones, and against each other.

use super::super::segment::{NetworkArgs, SegmentArgs, write};
use super::super::session::Session;
use crate::io::{self, Limits};
use crate::lungs::thresholded;
use crate::metrics::Confusion;
use crate::volume::Volume;
use clap::Args;
use serde_json::{Value, json};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `evaluate lungs`.
#[derive(Args)]
pub struct LungsArgs {
    /// Folder of scans: <case>.nii.gz or <case>_ct.nii.gz.
    #[arg(long)]
    images: PathBuf,
    /// Folder of drawn lungs, <case>_lungs.nii.gz, and of lesions, <case>_infection.nii.gz, where
    /// there are any. Without it the network's mask is compared with the threshold's.
    #[arg(long)]
    truth: Option<PathBuf>,
    /// Where the table goes as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    #[command(flatten)]
    run: NetworkArgs,
}

/// Measures both masks of every scan.
pub fn run(args: &LungsArgs) -> Result<(), Box<dyn Error>> {
    let work = SegmentArgs::of(args.run.clone(), "normnet");
    let session = Session::open(work.setup())?;
    let network = session.lung_network()?;
    let mut rows = Vec::new();
    for (case, path) in scans(&args.images)? {
        let name = path.to_string_lossy();
        let scan = io::nifti::read(&name, &read(&path)?, &Limits::default())?;
        let (hu, _) = scan.hu.into_lps();
        let begun = crate::analysis::seconds();
        let found = thresholded(&hu, &mut |_| ()).map_err(|e| format!("{name}: {e}"))?;
        let middle = crate::analysis::seconds();
        let drawn = network
            .refine(&hu, &found, &mut |_| ())
            .map_err(|e| format!("{name}: {e}"))?;
        let seconds = [middle - begun, crate::analysis::seconds() - middle];
        let found = found.lungs;
        let Some(drawn) = drawn else {
            println!("{case:>16}  the network does not see the lungs");
            rows.push(json!({"case": case, "seen": false}));
            continue;
        };
        let ml = [&drawn, &found].map(|m| count(&m.data) as f64 * m.voxel_ml());
        let mut row = json!({"case": case, "seen": true, "ml": ml[0], "threshold_ml": ml[1],
            "seconds": seconds[1], "threshold_seconds": seconds[0]});
        print!("{case:>16}  {:.0} ml, threshold {:.0} ml", ml[0], ml[1]);
        match &args.truth {
            None => {
                let dice = dice(&drawn, &found, &path)?;
                print!("  Dice of the two {dice:.4}");
                row["dice_of_both"] = json!(dice);
            }
            Some(folder) => {
                let truth = labels(&folder.join(format!("{case}_lungs.nii.gz")))?;
                let scores = [&drawn, &found].map(|mask| dice(mask, &truth, &path));
                let [network, simple] = scores;
                let (network, simple) = (network?, simple?);
                print!("  Dice {network:.4}, threshold {simple:.4}");
                row["dice"] = json!(network);
                row["threshold_dice"] = json!(simple);
                let lesions = folder.join(format!("{case}_infection.nii.gz"));
                if lesions.is_file() {
                    let lesions = labels(&lesions)?;
                    let [network, simple] = [&drawn, &found].map(|mask| covered(mask, &lesions));
                    print!("  lesions inside {network:.4}, threshold {simple:.4}");
                    row["lesions_inside"] = json!(network);
                    row["threshold_lesions_inside"] = json!(simple);
                }
            }
        }
        println!("  {:.1} s, threshold {:.1} s", seconds[1], seconds[0]);
        rows.push(row);
    }
    if let Some(path) = &args.json {
        let table: Value = json!({ "cases": rows });
        write(path, serde_json::to_string_pretty(&table)?.as_bytes())?;
    }
    Ok(())
}

/// The scans of a folder with their cases; masks beside them are no scans.
fn scans(folder: &Path) -> Result<Vec<(String, PathBuf)>, Box<dyn Error>> {
    let listing = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut found: Vec<(String, PathBuf)> = listing
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter_map(|path| {
            let name = path.file_name()?.to_string_lossy().into_owned();
            let stem = io::case_name(&name);
            let scan = name.ends_with(".nii") || name.ends_with(".nii.gz");
            let mask = ["_infection", "_lungs"].iter().any(|s| stem.ends_with(s));
            let case = stem.strip_suffix("_ct").unwrap_or(&stem).to_string();
            (scan && !mask).then_some((case, path))
        })
        .collect();
    found.sort();
    match found.is_empty() {
        true => Err(format!("{}: holds no scans", folder.display()).into()),
        false => Ok(found),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn labels(path: &Path) -> Result<Volume<u8>, Box<dyn Error>> {
    let mask = io::nifti::read_labels(&path.to_string_lossy(), &read(path)?, &Limits::default())?;
    Ok(mask.into_lps().0)
}

fn count(mask: &[u8]) -> usize {
    mask.iter().filter(|&&v| v != 0).count()
}

fn dice(a: &Volume<u8>, b: &Volume<u8>, path: &Path) -> Result<f64, Box<dyn Error>> {
    if a.dims != b.dims {
        let (found, expected) = (b.dims, a.dims);
        let path = path.display();
        return Err(format!("{path}: its mask has {found:?} voxels, the scan {expected:?}").into());
    }
    Ok(Confusion::of(&a.data, &b.data)?.dsc())
}

/// Share of the lesions' voxels that lie inside a mask of the same grid.
fn covered(mask: &Volume<u8>, lesions: &Volume<u8>) -> f64 {
    let both = mask.data.iter().zip(&lesions.data);
    let inside = both.filter(|(m, l)| **m != 0 && **l != 0).count();
    inside as f64 / count(&lesions.data).max(1) as f64
}
