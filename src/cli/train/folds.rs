//! Cross-validation: one run for each fold, and a table of all.

use super::held_back::PACKED;
use crate::training::{TrainError, write_atomically};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// What a run wrote about its held-back slices.
#[derive(Deserialize)]
struct HeldBack {
    temperatures: Vec<f64>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    dice: f64,
    toolbox_dice: Vec<f64>,
}

/// A figure of every held-back slice.
#[derive(Serialize)]
struct Row {
    fold: String,
    slice: String,
    /// Dice at 0.5: one look, eight looks, eight looks with 8-bit weights.
    dice: [f64; 3],
    /// The toolbox's Dice with 8-bit weights at [`TEMPERATURE`].
    toolbox: f64,
}

/// The temperature that ships.
const TEMPERATURE: f64 = 0.2;

/// Folder of a fold's run, K/N.
fn folder(out: &Path, fold: &str) -> PathBuf {
    out.join(format!("fold-{}", fold.replace('/', "-of-")))
}

/// Runs each fold in a folder of its own below `out`, but for those that are done, and writes the
/// table of all to `crossval.json` there.
///
/// # Errors
/// If a run fails, or the table of one cannot be read.
pub(super) fn cross_validate(
    folds: &[String],
    out: &Path,
    mut run: impl FnMut(&str, &Path) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut rows = Vec::new();
    for fold in folds {
        let folder = folder(out, fold);
        // The last that a run writes.
        if !folder.join(PACKED).is_file() {
            println!("fold {fold}");
            run(fold, &folder)?;
        }
        rows.extend(table(fold, &folder)?);
    }
    for fold in folds {
        let of_fold: Vec<&Row> = rows.iter().filter(|r| r.fold == *fold).collect();
        show(&format!("fold {fold}"), &of_fold);
    }
    show("all", &rows.iter().collect::<Vec<_>>());
    let json = serde_json::to_vec_pretty(&rows)?;
    Ok(write_atomically(&out.join("crossval.json"), &json)?)
}

fn show(name: &str, rows: &[&Row]) {
    let count = rows.len().max(1) as f64;
    let mean = |f: &dyn Fn(&Row) -> f64| rows.iter().map(|r| f(r)).sum::<f64>() / count;
    println!(
        "{name}: {} slices, Dice at 0.5 {:.4}, eight looks {:.4}, as int8 {:.4}, toolbox {:.4}",
        rows.len(),
        mean(&|r| r.dice[0]),
        mean(&|r| r.dice[1]),
        mean(&|r| r.dice[2]),
        mean(&|r| r.toolbox),
    );
}

fn table(fold: &str, folder: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    let read = |name: &str| {
        let path = folder.join(name);
        let bytes = fs::read(&path).map_err(TrainError::file(&path))?;
        serde_json::from_slice::<HeldBack>(&bytes)
            .map_err(|e| TrainError::data(&path, format!("is not a run's table: {e}")))
    };
    let one = read("held_back.json")?;
    let eight = read("held_back_8_looks.json")?;
    let packed = read(PACKED)?;
    let near = |t: &&f64| (**t - TEMPERATURE).abs();
    let at = packed.temperatures.iter().enumerate();
    let at = at.min_by(|a, b| near(&a.1).total_cmp(&near(&b.1)));
    let at = at.map_or(0, |(at, _)| at);
    let cases = one.cases.iter().zip(&eight.cases).zip(&packed.cases);
    let row = |((one, eight), packed): ((&Case, &Case), &Case)| Row {
        fold: fold.to_string(),
        slice: one.name.clone(),
        dice: [one.dice, eight.dice, packed.dice],
        toolbox: packed.toolbox_dice.get(at).copied().unwrap_or(f64::NAN),
    };
    Ok(cases.map(row).collect())
}
