//! What a user's bytes go through, for any bytes: the fuzz targets of `fuzz/` and the ordinary test
//! `mutations` both run these functions.
//!
//! Each ends without a panic, holds what came out against what the interface promises, and takes
//! no more memory than [`LIMITS`] and the length of its input allow.

mod meter;
mod seeds;

pub use seeds::{Seed, metaimage, nrrd, seeds};

use pleura::io::dicom::{Segments, Source};
use pleura::io::{self, File, Input, IoError, Limits};
use pleura::volume::Volume;
use pleura::weights::Manifest;
use pleura::weights::tensors::TensorFile;
use serde_json::Value;
use std::borrow::Cow;

/// Small, so that a file of some kilobytes can go beyond them.
pub const LIMITS: Limits = Limits {
    max_voxels: 1 << 16,
    max_bytes: 1 << 20,
};
/// Bytes that any input may take: some copies of all that [`LIMITS`] allow, and the fixed tables of
/// the decoders.
const MOST: usize = 12 << 20;
/// Bytes that each byte of an input may take besides: lists of the small things found in it.
const MOST_A_BYTE: usize = 128;

/// A target's name, and what it does with its input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 6] = [
    ("nifti", nifti),
    ("nrrd_metaimage", nrrd_metaimage),
    ("dicom", dicom),
    ("image", image),
    ("zip", zip),
    ("manifest", manifest),
];

/// A scan or a mask in NIfTI.
pub fn nifti(bytes: &[u8]) {
    within_memory(bytes, || {
        opened(io::open("a", bytes, &LIMITS));
        if let Ok(labels) = io::nifti::read_labels("a", bytes, &LIMITS) {
            let voxels: usize = labels.dims.iter().product();
            assert_eq!(labels.data.len(), voxels);
            labels.into_lps();
        }
    });
}

/// A scan in NRRD or MetaImage: the first bytes say which.
pub fn nrrd_metaimage(bytes: &[u8]) {
    within_memory(bytes, || opened(io::open("a", bytes, &LIMITS)));
}

/// One DICOM file, and the folder of files that lie one behind the other in the input.
pub fn dicom(bytes: &[u8]) {
    within_memory(bytes, || opened(io::open("a", bytes, &LIMITS)));
    let files = folder(bytes);
    within_memory(bytes, || {
        opened(io::open_files("a", &files, None, &LIMITS));
    });
    let mut found = Vec::new();
    within_memory(bytes, || match io::series("a", &files, &LIMITS) {
        Ok(series) => found = series,
        Err(error) => assert!(!error.to_string().is_empty()),
    });
    for one in &found {
        if let Some(small) = &one.thumbnail {
            assert_eq!(small.pixels.len(), small.width * small.height);
        }
    }
    // A stack more would run the same code.
    for one in found.iter().take(2) {
        within_memory(bytes, || {
            opened(io::open_files("a", &files, Some(&one.uid), &LIMITS));
        });
    }
}

/// A slice as PNG or JPEG.
pub fn image(bytes: &[u8]) {
    within_memory(bytes, || opened(io::open("a", bytes, &LIMITS)));
}

/// An archive of any of these.
pub fn zip(bytes: &[u8]) {
    within_memory(bytes, || opened(io::open("a", bytes, &LIMITS)));
    let archive = [file(0, bytes)];
    within_memory(bytes, || {
        let _ = io::series("a", &archive, &LIMITS);
    });
}

/// A manifest of models, or a file of weights.
pub fn manifest(bytes: &[u8]) {
    within_memory(bytes, || {
        if let Ok(manifest) = Manifest::parse("a", bytes) {
            for entry in &manifest.models {
                assert!(manifest.find(&entry.name).is_ok());
                let _ = (entry.extent3(), entry.verify(bytes));
                assert!(entry.config::<Value>().is_ok());
            }
            let json = manifest.to_json().unwrap();
            let again = Manifest::parse("a", json.as_bytes()).unwrap();
            assert_eq!(again.models.len(), manifest.models.len());
        }
    });
    within_memory(bytes, || {
        if let Ok(file) = TensorFile::from_bytes("a", bytes) {
            for tensor in file.tensors.values() {
                let elements: usize = tensor.shape().iter().product();
                assert_eq!(tensor.to_f32().len(), elements);
            }
            let written = file.to_bytes().unwrap();
            let again = TensorFile::from_bytes("a", &written).unwrap();
            assert_eq!(again.tensors.len(), file.tensors.len());
        }
    });
}

/// Holds a volume against the limits, and takes it the next step on its way.
fn opened(result: Result<Input, IoError>) {
    match result {
        Ok(Input::Volume(scan)) => {
            let voxels: usize = scan.hu.dims.iter().product();
            assert_eq!(scan.hu.data.len(), voxels);
            assert!((1..=LIMITS.max_voxels).contains(&voxels));
            for warning in &scan.warnings {
                assert!(!warning.text().is_empty());
            }
            if let Some(source) = &scan.source {
                segmented(source, &scan.hu);
            }
            scan.hu.into_lps();
        }
        Ok(Input::Image(grey)) => {
            let pixels = grey.width() as usize * grey.height() as usize;
            assert!(pixels <= LIMITS.max_voxels);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Writes a mask of the lowest layers, with all that comes from the tags of the files.
fn segmented(source: &Source, hu: &Volume<i16>) {
    let plane = hu.dims[0] * hu.dims[1];
    let labels = (0..hu.data.len()).map(|n| if n < 2 * plane { (n % 3) as u8 } else { 0 });
    let mask = hu.like(labels.collect()).unwrap();
    let lungs = Segments::Lungs { given: false };
    let file = source.segmentation(lungs, &mask).unwrap();
    assert!(file.len() > 132 && file[128..132] == *b"DICM");
    // It is no scan, and does not spoil a folder that holds one.
    let again = io::open("a", &file, &LIMITS);
    assert!(matches!(again, Err(IoError::NoSeries { .. })));
}

/// Runs some work on an input, and holds its memory against what the input may take.
pub fn within_memory(bytes: &[u8], work: impl FnOnce()) {
    let peak = meter::peak(work);
    let most = MOST + MOST_A_BYTE * bytes.len();
    assert!(
        peak <= most,
        "{peak} bytes of memory for {} bytes of input, {most} at most",
        bytes.len()
    );
}

fn file(n: usize, bytes: &[u8]) -> File<'_> {
    File {
        name: format!("{n}"),
        bytes: Cow::Borrowed(bytes),
    }
}

/// Splits an input before each preamble of a DICOM file, so that files put together are a folder.
fn folder(bytes: &[u8]) -> Vec<File<'_>> {
    const PREAMBLE: usize = 128;
    let magic = bytes.windows(4).enumerate().skip(PREAMBLE + 1);
    let mut cuts: Vec<usize> = magic
        .filter(|(_, four)| four == b"DICM")
        .map(|(at, _)| at - PREAMBLE)
        .collect();
    cuts.push(bytes.len());
    let mut from = 0;
    let pieces = cuts.iter().enumerate().map(|(n, &to)| {
        let piece = file(n, bytes.get(from..to).unwrap_or_default());
        from = from.max(to);
        piece
    });
    pieces.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_much_is_caught() {
        let greedy = std::panic::catch_unwind(|| {
            within_memory(b"", || drop(std::hint::black_box(vec![1_u8; MOST + 1])));
        });
        assert!(greedy.is_err());
        within_memory(b"", || drop(std::hint::black_box(vec![1_u8; MOST])));
    }

    #[test]
    fn files_put_together_are_a_folder() {
        let series = seeds().into_iter().find(|s| s.name == "series.dcm");
        assert_eq!(folder(&series.unwrap().bytes).len(), seeds::SLICES);
        assert_eq!(folder(b"none").len(), 1);
    }
}
