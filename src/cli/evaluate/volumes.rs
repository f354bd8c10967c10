//! Scans against their truth, voxel by voxel.

use super::super::session::Session;
use super::{EvaluateArgs, Pair};
use crate::io::{self, Limits};
use crate::metrics::{self, Confusion, MetricsError, Scores, slice_dice};
use crate::normnet::post::{BRIGHT_HU, threshold_baseline};
use crate::volume::Volume;
use serde_json::{Value, json};
use std::error::Error;
use std::fs;
use std::path::Path;

fn labels(path: &Path) -> Result<Volume<u8>, Box<dyn Error>> {
    let name = path.to_string_lossy();
    let bytes = fs::read(path).map_err(|e| format!("{name}: {e}"))?;
    Ok(io::nifti::read_labels(&name, &bytes, &Limits::default())?)
}

/// A scan that has been measured, on its own grid.
#[cfg_attr(
    not(feature = "train"),
    expect(dead_code, reason = "only the reconstruction baseline reads it")
)]
pub struct Case {
    /// HU.
    pub hu: Volume<i16>,
    /// The lungs that were used.
    pub lungs: Volume<u8>,
    /// The truth.
    pub truth: Volume<u8>,
}

/// 3D scores of the network's mask, and of the threshold at −500 HU inside the same lungs. `next`
/// gets every scan when it is done.
pub fn evaluate(
    session: &Session,
    args: &EvaluateArgs,
    network: &str,
    pairs: &[Pair],
    next: &mut dyn FnMut(Case) -> Result<(), Box<dyn Error>>,
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
        let auc = match network {
            "normnet" => {
                let doubt = file("_normnet_prob.nii.gz")?;
                bright_auc(&doubt.data, &truth.data, &scan.hu.data, &lung.data)?
            }
            _ => None,
        };
        println!(
            "{case:>16}  Dice {:.4}  sensitivity {:.4}  precision {:.4}  specificity {:.4}  \
             AUC {}  by slice {per_slice:.4}  {share:.2} % of lung  | −500 HU: Dice {:.4}",
            counts.dsc(),
            counts.sen().unwrap_or(f64::NAN),
            counts.psc().unwrap_or(f64::NAN),
            counts.spc().unwrap_or(f64::NAN),
            auc.map_or("-".into(), |v| format!("{v:.4}")),
            simple.dsc(),
        );
        rows.push(
            json!({"case": case, "dice": counts.dsc(), "sensitivity": counts.sen(),
            "precision": counts.psc(), "specificity": counts.spc(), "auc": auc, "slice_dice": per_slice,
            "percent_of_lung": share, "threshold_dice": simple.dsc()}),
        );
        ours.push(Scores::new(&counts, auc));
        baseline.push(Scores::new(&simple, None));
        next(Case {
            hu: scan.hu,
            lungs: lung,
            truth,
        })?;
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

/// AUC of NormNet's doubt over the bright voxels of the lungs (SPEC C.1).
pub(super) fn bright_auc(
    doubt: &[u8],
    truth: &[u8],
    hu: &[i16],
    lungs: &[u8],
) -> Result<Option<f64>, MetricsError> {
    let score: Vec<f32> = doubt.iter().map(|&v| f32::from(v)).collect();
    let bright = hu.iter().zip(lungs);
    let bright: Vec<u8> = bright
        .map(|(&hu, &lung)| u8::from(lung != 0 && hu >= BRIGHT_HU))
        .collect();
    metrics::auc(&score, truth, &bright)
}

/// Radius of the opening behind the threshold baseline.
const OPENING_MM: f64 = 1.5;
