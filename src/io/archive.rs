//! The files in a zip archive, as far as they are scans.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::read::ZipFile;

use super::samples::DEFLATE_MAX_RATIO;
use super::{File, IoError, Limits, opens};

/// Most entries of an archive: a chest CT has up to about two thousand slices.
const MAX_ENTRIES: usize = 20_000;
/// Bytes of an entry that show what it is: a NIfTI-1 header has its magic at the end.
const HEAD: usize = 352;

/// Unpacks the entries that open, with their names as far as these can be printed.
///
/// All entries together may unpack to `limits.max_bytes`, and each to what deflate can pack into
/// its bytes, whatever the archive claims. Folders, archives inside and what is no scan are passed
/// over.
///
/// # Errors
///
/// If the archive is cut, damaged, encrypted or too large.
pub(super) fn unpack<'a>(
    name: &str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Vec<File<'a>>, IoError> {
    let failed = |file: &str, reason: String| IoError::Archive {
        file: file.to_owned(),
        reason,
    };
    let mut archive =
        ZipArchive::new(Cursor::new(bytes)).map_err(|e| failed(name, e.to_string()))?;
    if archive.len() > MAX_ENTRIES {
        return Err(IoError::TooLarge {
            file: name.to_owned(),
            size: format!("{} files", archive.len()),
            limit: format!("{MAX_ENTRIES} files"),
        });
    }
    let mut files = Vec::new();
    let mut room = limits.max_bytes as u64;
    for index in 0..archive.len() {
        let mut entry = archive
            .by_index(index)
            .map_err(|e| failed(name, e.to_string()))?;
        if entry.is_dir() {
            continue;
        }
        let inside: String = entry.name().chars().filter(|c| !c.is_control()).collect();
        let inside = format!("{name}: {inside}");
        let content = content(&mut entry, room).map_err(|e| failed(&inside, e.to_string()))?;
        match content {
            Content::Scan(bytes) => {
                room = room.saturating_sub(bytes.len() as u64);
                files.push(File {
                    name: inside,
                    bytes: Cow::Owned(bytes),
                });
            }
            Content::Other => {}
            Content::TooLarge => {
                return Err(IoError::TooLarge {
                    file: inside,
                    size: "it unpacks to more than it can".to_owned(),
                    limit: format!("{} bytes for the whole archive", limits.max_bytes),
                });
            }
        }
    }
    Ok(files)
}

enum Content {
    Scan(Vec<u8>),
    Other,
    TooLarge,
}

fn content<R: Read>(entry: &mut ZipFile<'_, R>, room: u64) -> std::io::Result<Content> {
    let possible = entry.compressed_size().saturating_mul(DEFLATE_MAX_RATIO);
    let most = room.min(possible);
    let mut out = Vec::new();
    entry.by_ref().take(HEAD as u64).read_to_end(&mut out)?;
    if !opens(&out) {
        return Ok(Content::Other);
    }
    // One byte more than there may be shows that there is more.
    let rest = most.saturating_sub(out.len() as u64).saturating_add(1);
    entry.by_ref().take(rest).read_to_end(&mut out)?;
    if out.len() as u64 > most {
        return Ok(Content::TooLarge);
    }
    Ok(Content::Scan(out))
}
