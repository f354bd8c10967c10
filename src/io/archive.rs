//! The files in a zip archive, as far as they are scans.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::read::ZipFile;

use super::samples::DEFLATE_MAX_RATIO;
use super::{File, HEAD, IoError, Limits, opens};

/// Most entries of an archive: a chest CT has up to about two thousand slices.
const MAX_ENTRIES: usize = 20_000;

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
    if let Some(promised) = empty_promise(bytes) {
        let reason =
            format!("it promises {promised} files that are not in it; it may be cut or damaged");
        return Err(failed(name, reason));
    }
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

/// How many files an archive promises, if it does not have the headers of so many: memory is taken for
/// a promise before the headers are read.
fn empty_promise(bytes: &[u8]) -> Option<u64> {
    /// The longest comment, behind the end record.
    const COMMENT: usize = u16::MAX as usize;
    const END: usize = 22;
    const LOCATOR: usize = 20;
    let all = |kind: [u8; 2]| {
        let windows = bytes.windows(4).enumerate();
        windows.filter(move |(_, w)| *w == [b'P', b'K', kind[0], kind[1]])
    };
    let number = |at: usize, len: usize| {
        let le = bytes.get(at..at + len)?.iter().rev();
        Some(le.fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    };
    let headers = all([1, 2]).count() as u64;
    let ends: Vec<usize> = all([5, 6]).map(|(at, _)| at).collect();
    let located = |at: usize| at >= LOCATOR && bytes[at - LOCATOR..].starts_with(b"PK\x06\x07");
    let is_large = ends.iter().any(|&at| located(at));
    let tail = bytes.len().saturating_sub(END + COMMENT);
    let near = ends.into_iter().filter(|&at| at >= tail);
    let small = near.flat_map(|at| [number(at + 8, 2), number(at + 10, 2)]);
    // Where there is a large record, the small one may say so by its largest number.
    let small = small.filter(|&n| !is_large || n != Some(u64::from(u16::MAX)));
    let large = all([6, 6]).filter(|_| is_large);
    let large = large.flat_map(|(at, _)| [number(at + 24, 8), number(at + 32, 8)]);
    let promised = small.chain(large).flatten().max()?;
    (promised > headers).then_some(promised)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;
    use crate::io::dicom::testing::{Options, series};
    use crate::io::nifti::write_hu;
    use crate::io::testing::{mutations, volume};
    use crate::io::{Input, open};
    use crate::volume::Affine;

    fn zipped(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let options =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        writer.add_directory("study", options).unwrap();
        for (name, bytes) in files {
            writer.start_file(name.as_str(), options).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn one(name: &str, bytes: Vec<u8>) -> Vec<u8> {
        zipped(&[(name.to_owned(), bytes)])
    }

    #[test]
    fn a_zipped_series_and_a_zipped_nifti_open() {
        let v = volume(Affine::from_spacing([0.7, 0.8, 1.5]));
        let whole = Options {
            stored: 16,
            high: 15,
            ..Options::default()
        };
        let slices = series(&v, &whole).into_iter();
        let mut files: Vec<_> = slices
            .map(|file| (format!("study/{}", file.name), file.bytes.into_owned()))
            .collect();
        files.push(("study/README.txt".to_owned(), b"read me".to_vec()));
        let packed = [zipped(&files), one("scan.nii", write_hu(&v, true))];
        for bytes in packed {
            let input = open("chest.zip", &bytes, &Limits::default()).unwrap();
            let Input::Volume(scan) = input else { panic!() };
            assert_eq!((scan.hu.dims, &scan.hu.data), (v.dims, &v.data));
        }
    }

    #[test]
    fn several_scans_and_none_are_refused() {
        let v = volume(Affine::from_spacing([1.0; 3]));
        let nifti = write_hu(&v, false);
        let two = zipped(&[
            ("a.nii".to_owned(), nifti.clone()),
            ("b.nii".to_owned(), nifti),
        ]);
        let error = open("two.zip", &two, &Limits::default()).unwrap_err();
        assert!(
            matches!(error, IoError::Several { count: 2, .. }),
            "{error}"
        );
        let none = one("README", b"read me".to_vec());
        let error = open("none.zip", &none, &Limits::default()).unwrap_err();
        assert!(matches!(error, IoError::NoSeries { .. }), "{error}");
        let nested = one("inner.zip", one("a.nii", vec![1]));
        assert!(open("nested.zip", &nested, &Limits::default()).is_err());
    }

    #[test]
    fn bombs_stay_packed() {
        let mut bomb = write_hu(&volume(Affine::from_spacing([1.0; 3])), false);
        bomb.resize(8 << 20, 0);
        let bytes = one("bomb.nii", bomb);
        assert!(bytes.len() < 1 << 17);
        let limits = Limits {
            max_bytes: 1 << 20,
            ..Limits::default()
        };
        let error = unpack("bomb.zip", &bytes, &limits).unwrap_err();
        assert!(matches!(error, IoError::TooLarge { .. }), "{error}");
        assert!(error.to_string().contains("bomb.nii"), "{error}");
    }

    /// An archive may promise files by the thousand million.
    #[test]
    fn promises_are_counted_before_memory_is_taken() {
        let refused = |bytes: &[u8], promised: &str| {
            let error = open("a.zip", bytes, &Limits::default()).unwrap_err();
            assert!(error.to_string().contains(promised), "{error}");
        };
        let honest = one("README", b"read me".to_vec());
        let end = honest.len() - 22;
        assert_eq!(empty_promise(&honest), None);
        for field in [8, 10] {
            let mut bytes = honest.clone();
            bytes[end + field + 1] = 0xf7;
            refused(&bytes, "63234 files");
        }
        // The same in the record for large archives, with its locator before the small record.
        let mut bytes = honest[..end].to_vec();
        bytes.extend(b"PK\x06\x06");
        bytes.extend([0; 28]);
        bytes.extend(1_000_000_000_000_u64.to_le_bytes());
        bytes.extend([0; 16]);
        bytes.extend(b"PK\x06\x07");
        bytes.extend([0; 16]);
        bytes.extend(&honest[end..]);
        refused(&bytes, "1000000000000 files");
    }

    #[test]
    fn damage_gives_errors_but_no_panic() {
        let bytes = one(
            "a.nii",
            write_hu(&volume(Affine::from_spacing([1.0; 3])), false),
        );
        for cut in 4..bytes.len() {
            assert!(
                open("a.zip", &bytes[..cut], &Limits::default()).is_err(),
                "{cut}"
            );
        }
        let limits = Limits {
            max_bytes: 1 << 20,
            ..Limits::default()
        };
        mutations(&bytes, |bytes| {
            let _ = open("a.zip", bytes, &limits);
        });
    }
}
