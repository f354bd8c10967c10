//! A scan from a path: a file, or a folder with the files of a DICOM series.

use crate::analysis::{Analysis, Options};
use crate::io::{self, File, Fingerprint, IoError, Limits};
use std::error::Error;
use std::path::Path;

/// The files of a scan, or the one that it is.
pub struct Read {
    name: String,
    files: Vec<File<'static>>,
}

impl Read {
    /// Reads a file, or all files of a folder.
    pub fn from(path: &Path) -> Result<Self, IoError> {
        let name = io::path::name(path);
        let files = io::path::files(path, &Limits::default())?;
        Ok(Self { name, files })
    }

    /// What they are, whatever they are called.
    pub fn fingerprint(&self) -> Fingerprint {
        io::fingerprint(&self.files)
    }

    /// Opens what is in them. A choice among several series is told on standard error.
    pub fn open(&self, series: Option<&str>, options: Options) -> Result<Analysis, Box<dyn Error>> {
        let Self { name, files } = self;
        let limits = Limits::default();
        let analysis = Analysis::open_files(name, files, series, options, &limits)?;
        if analysis.warnings().iter().any(|w| w.code == "other_series") {
            eprintln!("pleura: {name} has several series; choose another with --series:");
            for found in io::series(name, files, &limits)? {
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
}
