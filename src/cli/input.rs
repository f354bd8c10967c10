//! A scan from a path, with the other series of its folder told on standard error.

use crate::analysis::{Analysis, Options};
use crate::io::{self, Limits};
use std::error::Error;
use std::path::Path;

/// Reads a file, or all files of a folder, and opens what is in them. A choice among several
/// series is told on standard error.
pub fn open(
    path: &Path,
    series: Option<&str>,
    options: Options,
    limits: &Limits,
) -> Result<Analysis, Box<dyn Error>> {
    let name = io::path::name(path);
    let files = io::path::files(path, limits)?;
    let analysis = Analysis::open_files(&name, &files, series, options, limits)?;
    if analysis.warnings().iter().any(|w| w.code == "other_series") {
        eprintln!("pleura: {name} has several series; choose another with --series:");
        for found in io::series(&name, &files, limits)? {
            let thickness = found.thickness_mm.map(|mm| format!(", {mm} mm"));
            eprintln!(
                "pleura:   {} {} slices of {} x {}{} {} {}",
                found.uid,
                found.slices,
                found.rows,
                found.columns,
                thickness.unwrap_or_default(),
                found.kernel,
                found.description
            );
        }
    }
    Ok(analysis)
}
