//! Untrusted bytes in, a volume of HU or a grey slice out.
//!
//! What a file is shows in its content, never in its name. Every size that a header claims is
//! checked against [`Limits`] and against the bytes that are really there before anything is
//! allocated. [`open`] is the door for one file, [`open_files`] for the files of a folder; the
//! formats live in [`dicom`], [`nifti`], [`nrrd`], [`metaimage`] and [`image`]. [`path`] gets the bytes
//! from disk, and [`mod@array`] takes voxels that a program has in memory.

mod archive;
pub mod array;
pub mod dicom;
mod error;
mod fingerprint;
pub mod image;
pub mod metaimage;
pub mod nifti;
pub mod nrrd;
#[cfg(not(target_arch = "wasm32"))]
pub mod path;
mod samples;
mod sniff;
mod stream;
#[cfg(test)]
mod testing;
mod text;
mod warning;

pub use error::IoError;
pub use fingerprint::{Fingerprint, fingerprint};
pub use warning::{Warning, inspect};

use std::borrow::Cow;

use crate::date::Date;
use crate::volume::Volume;
use dicom::Series;
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
    /// SeriesInstanceUID of the slices; only DICOM has one.
    pub series: Option<String>,
    /// What a DICOM segmentation of the scan refers to; absent for other formats, and for DICOM
    /// files that lack what it takes, which is then among the warnings.
    pub source: Option<dicom::Source>,
    /// The day on which it was made, where the file says so, which only DICOM does.
    pub date: Option<Date>,
}

/// What a file turned out to hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A CT volume.
    Volume(Scan),
    /// One slice as an 8-bit grey image, in the file's own orientation.
    Image(::image::GrayImage),
}

/// Bytes from the beginning of a file that show what it is: a NIfTI-1 header has its magic at the
/// end.
pub const HEAD: usize = 352;

/// One of the files of a folder or archive.
#[derive(Clone, Debug)]
pub struct File<'a> {
    /// Its name, for messages only.
    pub name: String,
    /// Its content.
    pub bytes: Cow<'a, [u8]>,
}

/// Opens a file by its content; `name` is for messages only.
///
/// A DICOM file is taken for a whole series, and so is a zip archive of DICOM files.
///
/// # Errors
///
/// An [`IoError`] that names the file, what is wrong with it and what to do.
pub fn open(name: &str, bytes: &[u8], limits: &Limits) -> Result<Input, IoError> {
    open_files(name, &[borrowed(name, bytes)], None, limits)
}

/// Opens the files of a folder, or one file: DICOM files as the series with the given
/// SeriesInstanceUID, or the CT series with most slices; else the one scan or image among them.
/// `name` is for messages only.
///
/// # Errors
///
/// An [`IoError`] that names the file, what is wrong with it and what to do.
pub fn open_files(
    name: &str,
    files: &[File],
    series: Option<&str>,
    limits: &Limits,
) -> Result<Input, IoError> {
    let files = unpacked(files, limits)?;
    if let [file] = files.as_ref()
        && sniff::kind(&file.bytes) != Kind::Dicom
    {
        return open_plain(file, limits);
    }
    if files.iter().any(|f| sniff::kind(&f.bytes) == Kind::Dicom) {
        return dicom::read(name, &files, series, limits).map(Input::Volume);
    }
    let plain: Vec<&File> = files.iter().filter(|f| opens(&f.bytes)).collect();
    match plain.as_slice() {
        [file] => open_plain(file, limits),
        [] => Err(IoError::NoSeries {
            file: name.to_owned(),
            found: "no files that open".to_owned(),
        }),
        several => Err(IoError::Several {
            file: name.to_owned(),
            count: several.len(),
        }),
    }
}

/// The DICOM series among `files`, to choose one for [`open_files`]; none if there are no DICOM
/// files.
///
/// # Errors
///
/// If an archive or a DICOM file is cut or damaged.
pub fn series(name: &str, files: &[File], limits: &Limits) -> Result<Vec<Series>, IoError> {
    let files = unpacked(files, limits)?;
    if !files.iter().any(|f| sniff::kind(&f.bytes) == Kind::Dicom) {
        return Ok(Vec::new());
    }
    dicom::series(name, &files, limits)
}

fn borrowed<'a>(name: &str, bytes: &'a [u8]) -> File<'a> {
    File {
        name: name.to_owned(),
        bytes: Cow::Borrowed(bytes),
    }
}

/// The files themselves, or those inside if there is only an archive.
fn unpacked<'f, 'a>(
    files: &'f [File<'a>],
    limits: &Limits,
) -> Result<Cow<'f, [File<'a>]>, IoError> {
    match files {
        [file] if sniff::kind(&file.bytes) == Kind::Zip => {
            archive::unpack(&file.name, &file.bytes, limits).map(Cow::Owned)
        }
        _ => Ok(Cow::Borrowed(files)),
    }
}

/// True for what a folder or archive is searched for: the first [`HEAD`] bytes of a file say it.
pub fn opens(bytes: &[u8]) -> bool {
    !matches!(
        sniff::kind(bytes),
        Kind::Empty | Kind::Zip | Kind::Other(..)
    )
}

/// What a file is to the folder that it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A part of a series: DICOM.
    Part,
    /// A scan or an image by itself, or an archive of one.
    Whole,
    /// Nothing that opens.
    Other,
}

/// What the first [`HEAD`] bytes of a file say that it is to its folder.
pub fn role(bytes: &[u8]) -> Role {
    match sniff::kind(bytes) {
        Kind::Dicom => Role::Part,
        Kind::Empty | Kind::Other(..) => Role::Other,
        _ => Role::Whole,
    }
}

/// Opens a file that is a scan or an image by itself.
fn open_plain(file: &File, limits: &Limits) -> Result<Input, IoError> {
    let File { name, bytes } = file;
    match sniff::kind(bytes) {
        Kind::Gzip | Kind::Nifti => nifti::read(name, bytes, limits).map(Input::Volume),
        Kind::Nrrd => nrrd::read(name, bytes, limits).map(Input::Volume),
        Kind::MetaImage => metaimage::read(name, bytes, limits).map(Input::Volume),
        Kind::Png | Kind::Jpeg => image::read(name, bytes, limits).map(Input::Image),
        other => Err(sniff::refuse(name, other)),
    }
}

/// Name of the case in the name of a file or folder: no directory, no ending of a format that
/// opens. It never comes from inside a file.
///
/// Results are named after it, as in `<case>_lungs.nii.gz`; a name with nothing left is `case`.
pub fn case_name(name: &str) -> String {
    const ENDINGS: [&str; 9] = [
        ".nii.gz", ".nii", ".png", ".jpg", ".jpeg", ".dcm", ".zip", ".nrrd", ".mha",
    ];
    const SEPARATORS: [char; 2] = ['/', '\\'];
    let name = name.trim_end_matches(SEPARATORS);
    let file = name.rsplit(SEPARATORS).next().unwrap_or(name).trim();
    let lower = file.to_ascii_lowercase();
    let stem = ENDINGS
        .iter()
        .find_map(|ending| lower.strip_suffix(ending))
        .map_or(file, |stem| &file[..stem.len()]);
    let stem = if matches!(stem, "" | "." | "..") {
        "case"
    } else {
        stem
    };
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
            ("archive.nii.gz.zip", "archive.nii.gz"),
            ("CT 1.dcm", "CT 1"),
            ("scan.nrrd", "scan"),
            ("scan.MHA", "scan"),
            ("scan.tar", "scan.tar"),
            ("exports/CT chest/", "CT chest"),
            ("..", "case"),
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
        let mut analyze = vec![0_u8; 348];
        analyze[..4].copy_from_slice(&348_i32.to_le_bytes());
        let cases: [(&[u8], &str); 6] = [
            (&analyze, "ANALYZE"),
            (b"7z\xbc\xaf\x27\x1crest", "7-Zip"),
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
