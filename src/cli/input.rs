//! A scan from a path: a file, or a folder with the files of a DICOM series.

use crate::analysis::{Analysis, Options};
use crate::io::{self, File, Fingerprint, Limits};
use std::borrow::Cow;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders inside folders are searched this deep: exports have patient, study and series.
pub const MAX_DEPTH: usize = 8;
/// Most files of a folder.
const MAX_FILES: usize = 20_000;

/// The files of a scan, or the one that it is.
pub struct Read {
    name: String,
    files: Vec<File<'static>>,
}

impl Read {
    /// Reads a file, or all files of a folder.
    pub fn from(path: &Path) -> Result<Self, Box<dyn Error>> {
        let name = name(path);
        let files = files(path, &name, &Limits::default())?;
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

/// The path as text; that of a folder is made whole, because its last part names the case.
pub fn name(path: &Path) -> String {
    let whole = if path.is_dir() {
        path.canonicalize().ok()
    } else {
        None
    };
    let whole = whole.as_deref().unwrap_or(path);
    whole.to_string_lossy().into_owned()
}

fn files(path: &Path, name: &str, limits: &Limits) -> Result<Vec<File<'static>>, Box<dyn Error>> {
    let paths = if path.is_dir() {
        let mut paths = Vec::new();
        collect(path, 0, &mut paths)?;
        paths.sort();
        paths
    } else {
        vec![path.to_path_buf()]
    };
    if paths.len() > MAX_FILES {
        return Err(
            format!("{name} has more than {MAX_FILES} files: give the folder of one scan").into(),
        );
    }
    let mut room = limits.max_bytes as u64;
    let mut files = Vec::new();
    for path in paths {
        let at = path.display();
        let failed = |e: std::io::Error| format!("{at}: {e}");
        let size = fs::metadata(&path).map_err(failed)?.len();
        room = room.checked_sub(size).ok_or_else(|| {
            let limit = limits.max_bytes;
            format!("{name} has more than {limit} bytes: give the folder of one scan")
        })?;
        files.push(File {
            name: path.to_string_lossy().into_owned(),
            bytes: Cow::Owned(fs::read(&path).map_err(failed)?),
        });
    }
    Ok(files)
}

/// The files of a folder and of those inside it.
fn collect(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for (path, is_folder) in entries(folder)? {
        if paths.len() > MAX_FILES {
            break;
        }
        if !is_folder {
            paths.push(path);
        } else if depth < MAX_DEPTH {
            collect(&path, depth + 1, paths)?;
        }
    }
    Ok(())
}

/// What lies in a folder, by name, and whether it is a folder; hidden entries are left out. Links are
/// followed to files, never to folders, which could lead back here.
pub fn entries(folder: &Path) -> Result<Vec<(PathBuf, bool)>, Box<dyn Error>> {
    let failed = |e: std::io::Error| format!("{}: {e}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_folder = entry.file_type().map_err(failed)?.is_dir();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && (is_folder || entry.path().is_file()) {
            found.push((entry.path(), is_folder));
        }
    }
    found.sort();
    Ok(found)
}
