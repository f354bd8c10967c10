//! False positives of each NormNet on the healthy scan that it was not trained on.

use super::super::segment::{NetworkArgs, SegmentArgs, write};
use super::super::session::Session;
use crate::analysis::{Analysis, Outcome};
use crate::io::{self, Limits};
use crate::normnet::data::{keep_healthy, left_out};
use crate::volume::{Volume, average_slices};
use crate::weights::{Manifest, Network};
use clap::Args;
use serde_json::{Value, json};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `evaluate healthy`.
#[derive(Args)]
pub struct HealthyArgs {
    /// Folder with ct/, the healthy scans.
    #[arg(long)]
    data: PathBuf,
    /// Measure again with slices averaged to about this thickness, mm.
    #[arg(long, value_name = "MM")]
    thick: Option<f64>,
    /// Where the table goes as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    #[command(flatten)]
    run: NetworkArgs,
}

/// Percent of the healthy lung that a model marks.
#[derive(Clone, Copy)]
struct Marked {
    alone: f64,
    votes: f64,
}

/// Measures every model and prints the table.
pub fn run(args: &HealthyArgs) -> Result<(), Box<dyn Error>> {
    if args.thick.is_some_and(|mm| !mm.is_finite() || mm <= 0.0) {
        return Err("--thick should be a positive number of mm".into());
    }
    let work = SegmentArgs::of(args.run.clone(), "normnet");
    let session = Session::open(work.setup())?;
    let all = session.manifest().clone();
    let mut seeds: Vec<u64> = all
        .of_network(Network::Normnet)
        .map(|entry| entry.training.seed)
        .collect();
    seeds.sort_unstable();
    seeds.dedup();
    let mut rows: Vec<Value> = Vec::new();
    let mut sums: Vec<(Marked, usize)> = Vec::new();
    for seed in seeds {
        let name = left_out(seed);
        let scan = Unseen::read(&args.data.join("ct"), name)?;
        let alone = only(&all, seed);
        let thin = scan.hu.spacing()[2];
        let factors = args.thick.map(|mm| (mm / thin).round().max(1.0) as usize);
        for (at, factor) in std::iter::once(1).chain(factors).enumerate() {
            let measure = |models: &Manifest| scan.marked(&session, models, factor);
            let marked = Marked {
                alone: measure(&alone)?,
                votes: measure(&all)?,
            };
            let mm = thin * factor as f64;
            println!(
                "{name:>12}  slices of {mm:.1} mm  model {seed}, which has not seen it: {:.3} % \
                 of lung  | vote of all: {:.3} %",
                marked.alone, marked.votes
            );
            rows.push(
                json!({"case": name, "seed": seed, "slice_mm": mm, "averaged": factor > 1,
                "percent_alone": marked.alone, "percent_votes": marked.votes}),
            );
            if sums.len() == at {
                let none = Marked {
                    alone: 0.0,
                    votes: 0.0,
                };
                sums.push((none, 0));
            }
            let (sum, count) = &mut sums[at];
            sum.alone += marked.alone;
            sum.votes += marked.votes;
            *count += 1;
        }
    }
    let mut means = Vec::new();
    for (at, (sum, count)) in sums.iter().enumerate() {
        let [alone, votes] = [sum.alone, sum.votes].map(|v| v / (*count).max(1) as f64);
        let which = if at == 0 { "as they are" } else { "averaged" };
        println!(
            "mean over {count} scans, slices {which}: {alone:.3} %  | vote of all: {votes:.3} %"
        );
        means.push(json!({"slices": which, "percent_alone": alone, "percent_votes": votes}));
    }
    if let Some(path) = &args.json {
        let table = json!({"means": means, "cases": rows});
        write(path, serde_json::to_string_pretty(&table)?.as_bytes())?;
    }
    Ok(())
}

/// The manifest with no other NormNet than that of a seed.
fn only(all: &Manifest, seed: u64) -> Manifest {
    let mut few = all.clone();
    few.models
        .retain(|e| e.network != Network::Normnet || e.training.seed == seed);
    few
}

/// A scan of healthy lungs, on LPS axes.
struct Unseen {
    name: &'static str,
    hu: Volume<i16>,
    /// 0 where there may be more than healthy lung.
    healthy: Volume<u8>,
}

impl Unseen {
    fn read(folder: &Path, name: &'static str) -> Result<Self, Box<dyn Error>> {
        let path = folder.join(format!("{name}.nii.gz"));
        let file = path.to_string_lossy();
        let bytes = fs::read(&path).map_err(|e| format!("{file}: {e}"))?;
        let scan = io::nifti::read(&file, &bytes, &Limits::default())?;
        let (hu, _) = scan.hu.into_lps();
        let mut healthy = Volume::filled(1, hu.dims, hu.affine);
        keep_healthy(name, &mut healthy);
        Ok(Unseen { name, hu, healthy })
    }

    /// Percent of the healthy lung that the models mark, with `factor` slices averaged.
    fn marked(
        &self,
        session: &Session,
        models: &Manifest,
        factor: usize,
    ) -> Result<f64, Box<dyn Error>> {
        let thick = average_slices(&self.hu, factor);
        let file = format!("{}.nii", self.name);
        let bytes = io::nifti::write_hu(&thick, false);
        let analysis = Analysis::open(&file, &bytes, session.options(), &Limits::default())?;
        drop((thick, bytes));
        let outcome = session.run(analysis, models)?;
        let (mask, lungs) = (labels(&outcome, "_normnet")?, labels(&outcome, "_lungs")?);
        let healthy = averaged(&self.healthy, factor);
        Ok(percent(&mask.data, &lungs.data, &healthy))
    }
}

/// A mask of the outcome.
fn labels(outcome: &Outcome, suffix: &str) -> Result<Volume<u8>, Box<dyn Error>> {
    let ending = format!("{suffix}.nii.gz");
    let file = outcome.files.iter().find(|f| f.name.ends_with(&ending));
    let file = file.ok_or_else(|| format!("the analysis gave no {suffix}"))?;
    let mask = io::nifti::read_labels(&file.name, &file.bytes, &Limits::default())?;
    Ok(mask)
}

/// The mask on averaged slices: 1 where all slices of the group have it.
fn averaged(mask: &Volume<u8>, factor: usize) -> Vec<u8> {
    let plane = mask.dims[0] * mask.dims[1];
    let groups = mask.data.chunks(plane * factor.max(1));
    groups
        .flat_map(|group| {
            (0..plane)
                .map(move |at| u8::from(group.iter().skip(at).step_by(plane).all(|&v| v != 0)))
        })
        .collect()
}

/// Percent of `within` and `lungs` together that the mask takes.
fn percent(mask: &[u8], lungs: &[u8], within: &[u8]) -> f64 {
    let voxels = mask.iter().zip(lungs).zip(within);
    let (mut marked, mut all) = (0u64, 0u64);
    for ((&mask, &lung), &within) in voxels {
        let inside = lung != 0 && within != 0;
        all += u64::from(inside);
        marked += u64::from(inside && mask != 0);
    }
    100.0 * marked as f64 / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Affine;

    #[test]
    fn only_healthy_lung_counts() {
        let mask = [1, 1, 1, 0, 0, 0];
        let lungs = [1, 2, 0, 1, 2, 2];
        let within = [1, 0, 1, 1, 1, 1];
        assert_eq!(percent(&mask, &lungs, &within), 25.0);
        assert_eq!(percent(&mask, &[0; 6], &within), 0.0);
    }

    #[test]
    fn averaged_slices_are_healthy_if_all_of_them_are() {
        let mut mask = Volume::filled(1u8, [2, 1, 5], Affine::from_spacing([1.0; 3]));
        // Voxel 0 of slice 1.
        mask.data[2] = 0;
        assert_eq!(averaged(&mask, 2), [0, 1, 1, 1, 1, 1]);
        assert_eq!(averaged(&mask, 1), mask.data);
    }
}
