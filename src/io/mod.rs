//! Untrusted bytes in, a volume of HU or a grey slice out.
//!
//! What a file is shows in its content, never in its name. Every size that a header claims is
//! checked against [`Limits`] and against the bytes that are really there before anything is
//! allocated. [`open`] is the door; the formats live in [`nifti`] and [`image`].

pub mod image;
pub mod nifti;
mod sniff;
mod warning;

pub use warning::{Warning, inspect};

use crate::volume::Volume;
use sniff::Kind;

/// How much a file may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most voxels of a volume, or pixels of an image.
    pub max_voxels: usize,
    /// Most bytes of a file after decompression.
    pub max_bytes: usize,
}

impl Default for Limits {
    /// 2³⁰ voxels; 4 GiB of data, or what a 32-bit address space (wasm) can hold.
    fn default() -> Self {
        #[cfg(target_pointer_width = "64")]
        let max_bytes = 4 << 30;
        #[cfg(not(target_pointer_width = "64"))]
        let max_bytes = (2 << 30) - 1;
        Self {
            max_voxels: 1 << 30,
            max_bytes,
        }
    }
}

/// A CT volume as its file has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// HU on the file's own grid and in its own axis order.
    pub hu: Volume<i16>,
    /// What makes the results less trustworthy.
    pub warnings: Vec<Warning>,
}

/// What a file turned out to hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A CT volume.
    Volume(Scan),
    /// One slice as an 8-bit grey image, in the file's own orientation.
    Image(::image::GrayImage),
}

/// Why a file did not open, or could not be written.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IoError {
    /// There are no bytes at all.
    #[error("{file} is empty: choose or download it again")]
    Empty {
        /// Name of the file.
        file: String,
    },
    /// Not one of the formats that open.
    #[error(
        "{file} looks like {looks_like}, which does not open here: {advice}. What opens: a chest \
         CT as NIfTI (.nii or .nii.gz), or one axial slice as PNG or JPEG"
    )]
    UnknownFormat {
        /// Name of the file.
        file: String,
        /// What the content looks like.
        looks_like: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// The file ends before its data does.
    #[error(
        "{file} ends early: {needed} bytes are needed and {found} are there. It was probably cut \
         while it was copied or downloaded: get it again"
    )]
    Truncated {
        /// Name of the file.
        file: String,
        /// Bytes needed, after decompression.
        needed: u64,
        /// Bytes that are there (at most), after decompression.
        found: u64,
    },
    /// The file asks for more than the limits allow.
    #[error("{file} is too large: {size}, and the limit is {limit}. Crop or downsample it first")]
    TooLarge {
        /// Name of the file.
        file: String,
        /// What the file asks for.
        size: String,
        /// What is allowed.
        limit: String,
    },
    /// The memory for the voxels cannot be had.
    #[error(
        "{file} needs {bytes} bytes of memory, which this machine does not give: close other \
         programs or tabs, or crop the scan first"
    )]
    OutOfMemory {
        /// Name of the file.
        file: String,
        /// Bytes asked for.
        bytes: u64,
    },
    /// The gzip stream is damaged.
    #[error("{file} is damaged, its gzip data does not unpack ({reason}): get it again")]
    Gzip {
        /// Name of the file.
        file: String,
        /// What the decoder says.
        reason: String,
    },
    /// A field of the NIfTI header makes no sense.
    #[error("{file} has a broken NIfTI header: {field} {problem}. Export the file again")]
    Header {
        /// Name of the file.
        file: String,
        /// The field at fault, as the NIfTI standard names it.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The voxels are not real numbers.
    #[error(
        "{file} holds {datatype} voxels (NIfTI datatype {code}), which cannot be HU: export it as \
         int16 or float32"
    )]
    Datatype {
        /// Name of the file.
        file: String,
        /// NIfTI code of the datatype.
        code: i32,
        /// Name of the datatype.
        datatype: &'static str,
    },
    /// More than one volume in the file.
    #[error("{file} holds {volumes} volumes (a 4D series): save the one to analyse as a 3D file")]
    Series {
        /// Name of the file.
        file: String,
        /// Number of volumes.
        volumes: u64,
    },
    /// The header of a pair of files, without its voxels.
    #[error(
        "{file} is the header of an .hdr/.img pair, without the voxels: save the scan as a single \
         .nii or .nii.gz file"
    )]
    DetachedData {
        /// Name of the file.
        file: String,
    },
    /// A file read as a label map has values that are no labels.
    #[error("{file} is not a label map: it has the value {value}, and labels are 0 to 255")]
    NotLabels {
        /// Name of the file.
        file: String,
        /// The first such value.
        value: f64,
    },
    /// A PNG or JPEG that does not decode.
    #[error("{file} does not decode as an image ({reason}): export or download it again")]
    Image {
        /// Name of the file.
        file: String,
        /// What the decoder says.
        reason: String,
    },
    /// A picture could not be encoded.
    #[error("{file} cannot be written as PNG: {reason}")]
    ImageWrite {
        /// Name of the file.
        file: String,
        /// What the encoder says.
        reason: String,
    },
}

/// Opens a file by its content; `name` is for messages only.
///
/// # Errors
///
/// An [`IoError`] that names the file, what is wrong with it and what to do.
pub fn open(name: &str, bytes: &[u8], limits: &Limits) -> Result<Input, IoError> {
    match sniff::kind(bytes) {
        Kind::Gzip | Kind::Nifti => nifti::read(name, bytes, limits).map(Input::Volume),
        Kind::Png | Kind::Jpeg => image::read(name, bytes, limits).map(Input::Image),
        other => Err(sniff::refuse(name, other)),
    }
}

/// Name of the case in a file name: no directory, no `.nii`, `.nii.gz`, `.png`, `.jpg`, `.jpeg`.
///
/// Results are named after it, as in `<case>_lungs.nii.gz`; a name with nothing left is `case`.
pub fn case_name(name: &str) -> String {
    const ENDINGS: [&str; 5] = [".nii.gz", ".nii", ".png", ".jpg", ".jpeg"];
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name).trim();
    let lower = file.to_ascii_lowercase();
    let stem = ENDINGS
        .iter()
        .find_map(|ending| lower.strip_suffix(ending))
        .map_or(file, |stem| &file[..stem.len()]);
    let stem = if stem.is_empty() { "case" } else { stem };
    stem.to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::volume::Affine;

    #[test]
    fn case_names_lose_directory_and_ending() {
        for (name, case) in [
            ("/data/Scan 1.NII.gz", "Scan 1"),
            ("C:\\scans\\a.b.nii", "a.b"),
            ("slice.JPEG", "slice"),
            ("x/y/slice.png", "slice"),
            ("Zürich.jpg", "Zürich"),
            ("plain", "plain"),
            ("archive.nii.gz.zip", "archive.nii.gz.zip"),
            ("dir/.nii.gz", "case"),
            ("", "case"),
        ] {
            assert_eq!(case_name(name), case);
        }
    }

    #[test]
    fn content_decides_not_the_name() {
        let v = Volume::filled(-1000_i16, [3, 2, 1], Affine::from_spacing([1.0; 3]));
        for gz in [false, true] {
            let bytes = nifti::write_hu(&v, gz);
            let input = open("scan.png", &bytes, &Limits::default()).unwrap();
            assert!(matches!(input, Input::Volume(scan) if scan.hu == v));
        }
        let grey = ::image::GrayImage::from_pixel(4, 3, ::image::Luma([7]));
        let png = image::write_png("slice.png", &grey).unwrap();
        let input = open("scan.nii", &png, &Limits::default()).unwrap();
        assert_eq!(input, Input::Image(grey));
    }

    #[test]
    fn errors_name_the_file_and_what_it_looks_like() {
        let mut dicom = vec![0_u8; 128];
        dicom.extend_from_slice(b"DICM\x02\x00\x00\x00");
        let mut analyze = vec![0_u8; 348];
        analyze[..4].copy_from_slice(&348_i32.to_le_bytes());
        let cases: [(&[u8], &str); 9] = [
            (&dicom, "DICOM"),
            (&analyze, "ANALYZE"),
            (b"PK\x03\x04rest", "zip"),
            (b"NRRD0005\n", "NRRD"),
            (b"ObjectType = Image\n", "MetaImage"),
            (b"%PDF-1.7", "PDF"),
            (b"II*\0....", "TIFF"),
            (b"<!DOCTYPE html><html>", "web page"),
            (b"\x01\x02\x03\x04", "unknown"),
        ];
        for (bytes, expected) in cases {
            let error = open("my scan.nii", bytes, &Limits::default()).unwrap_err();
            let text = error.to_string();
            assert!(matches!(error, IoError::UnknownFormat { .. }), "{text}");
            assert!(
                text.contains("my scan.nii") && text.contains(expected),
                "{text}"
            );
            assert!(text.contains(".nii.gz") && text.contains("PNG"), "{text}");
        }
        let empty = open("my scan.nii", &[], &Limits::default()).unwrap_err();
        assert!(matches!(empty, IoError::Empty { .. }));
    }
}
