//! A scan on disk: a file, or a folder with the files of a DICOM series.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use super::{File, IoError, Limits};

/// Folders inside folders are searched this deep: exports have patient, study and series.
pub const MAX_DEPTH: usize = 8;
/// Most files of a folder.
const MAX_FILES: usize = 20_000;

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

/// Reads one file.
///
/// # Errors
///
/// If it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, IoError> {
    fs::read(path).map_err(|error| unreadable(path, &error))
}

/// Reads a file, or all files of a folder but the hidden ones, for
/// [`open_files`](super::open_files).
///
/// # Errors
///
/// If one cannot be read, or they are more than the limits allow.
pub fn files(path: &Path, limits: &Limits) -> Result<Vec<File<'static>>, IoError> {
    let too_many = |limit: String| IoError::TooMany {
        file: name(path),
        limit,
    };
    let paths = if path.is_dir() {
        let mut paths = Vec::new();
        collect(path, 0, &mut paths)?;
        paths.sort();
        paths
    } else {
        vec![path.to_path_buf()]
    };
    if paths.len() > MAX_FILES {
        return Err(too_many(format!("{MAX_FILES} files")));
    }
    let mut room = limits.max_bytes as u64;
    let mut files = Vec::new();
    for path in paths {
        let size = fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
        room = room
            .checked_sub(size.len())
            .ok_or_else(|| too_many(format!("{} bytes", limits.max_bytes)))?;
        files.push(File {
            name: path.to_string_lossy().into_owned(),
            bytes: Cow::Owned(read(&path)?),
        });
    }
    Ok(files)
}

/// The files of a folder and of those inside it.
fn collect(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> Result<(), IoError> {
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
///
/// # Errors
///
/// If the folder cannot be read.
pub fn entries(folder: &Path) -> Result<Vec<(PathBuf, bool)>, IoError> {
    let failed = |error| unreadable(folder, &error);
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

fn unreadable(path: &Path, error: &std::io::Error) -> IoError {
    IoError::Unreadable {
        file: path.display().to_string(),
        reason: error.to_string(),
    }
}
