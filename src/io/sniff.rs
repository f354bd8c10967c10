//! What the first bytes of a file say that it is.

use super::IoError;

/// Bytes of a NIfTI-1 header.
pub(super) const NIFTI1_HEADER: usize = 348;
/// Bytes of a NIfTI-2 header.
pub(super) const NIFTI2_HEADER: usize = 540;
/// Where a NIfTI-1 header keeps its magic.
const NIFTI1_MAGIC_AT: usize = 344;
/// Length of a DICOM file's preamble.
const DICOM_PREAMBLE: usize = 128;

/// A kind of file, told by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Empty,
    Gzip,
    /// NIfTI-1 or NIfTI-2, single file or the header of a pair, either byte order.
    Nifti,
    Png,
    Jpeg,
    /// A format that does not open: what it is, and what to do.
    Other(&'static str, &'static str),
}

const FROM_ARCHIVE: &str = "unpack it and open the scan inside";
const TO_NIFTI: &str = "convert it to NIfTI";
const DICOM: Kind = Kind::Other(
    "a DICOM file",
    "convert the series to NIfTI, for example with dcm2niix",
);
const UNKNOWN: Kind = Kind::Other("a file of unknown kind", "choose another file");

/// Formats that do not open but are worth naming, by their first bytes.
const FOREIGN: [(&[u8], Kind); 16] = [
    (b"PK\x03\x04", Kind::Other("a zip archive", FROM_ARCHIVE)),
    (
        b"7z\xbc\xaf\x27\x1c",
        Kind::Other("a 7-Zip archive", FROM_ARCHIVE),
    ),
    (b"Rar!", Kind::Other("a RAR archive", FROM_ARCHIVE)),
    (b"NRRD", Kind::Other("an NRRD file", TO_NIFTI)),
    (
        b"ObjectType",
        Kind::Other("a MetaImage (.mha, .mhd) file", TO_NIFTI),
    ),
    (
        b"NDims",
        Kind::Other("a MetaImage (.mha, .mhd) file", TO_NIFTI),
    ),
    (b"\x89HDF", Kind::Other("an HDF5 or MINC file", TO_NIFTI)),
    (b"\x93NUMPY", Kind::Other("a NumPy array", TO_NIFTI)),
    (
        b"%PDF",
        Kind::Other("a PDF document", "choose the scan itself"),
    ),
    (b"GIF8", Kind::Other("a GIF image", "save it as PNG")),
    (b"BM", Kind::Other("a BMP image", "save it as PNG")),
    (b"II*\0", Kind::Other("a TIFF image", "save it as PNG")),
    (b"MM\0*", Kind::Other("a TIFF image", "save it as PNG")),
    (
        b"RIFF",
        Kind::Other("a WebP image or other RIFF file", "save it as PNG"),
    ),
    // DICOM without a preamble begins with group 0008.
    (b"\x08\x00\x00\x00", DICOM),
    (b"\x08\x00\x05\x00", DICOM),
];

/// The kind of file that `bytes`, or the beginning of one, is.
pub(super) fn kind(bytes: &[u8]) -> Kind {
    if bytes.is_empty() {
        return Kind::Empty;
    }
    if bytes.starts_with(b"\x1f\x8b") {
        return Kind::Gzip;
    }
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Kind::Png;
    }
    if bytes.starts_with(b"\xff\xd8\xff") {
        return Kind::Jpeg;
    }
    if let Some(kind) = nifti_family(bytes) {
        return kind;
    }
    if bytes
        .get(DICOM_PREAMBLE..)
        .is_some_and(|b| b.starts_with(b"DICM"))
    {
        return DICOM;
    }
    let foreign = FOREIGN.iter().find(|(magic, _)| bytes.starts_with(magic));
    if let Some((_, kind)) = foreign {
        return *kind;
    }
    if looks_like_html(bytes) {
        return Kind::Other(
            "a web page",
            "the download failed, so download the scan again",
        );
    }
    UNKNOWN
}

/// True for the magic of NIfTI-2 (single file or pair) in its place.
pub(super) fn is_nifti2(bytes: &[u8]) -> bool {
    let magic = bytes.get(4..).unwrap_or_default();
    magic.starts_with(b"n+2\0") || magic.starts_with(b"ni2\0")
}

fn nifti_family(bytes: &[u8]) -> Option<Kind> {
    let size = *bytes.first_chunk::<4>()?;
    let claims = |n: usize| {
        let n = n as u32;
        size == n.to_le_bytes() || size == n.to_be_bytes()
    };
    if claims(NIFTI2_HEADER) && is_nifti2(bytes) {
        return Some(Kind::Nifti);
    }
    if !claims(NIFTI1_HEADER) {
        return None;
    }
    match bytes.get(NIFTI1_MAGIC_AT..NIFTI1_HEADER) {
        Some(b"n+1\0" | b"ni1\0") => Some(Kind::Nifti),
        Some(_) => Some(Kind::Other("an ANALYZE 7.5 header", TO_NIFTI)),
        // Too short to tell; the NIfTI reader says that the file is cut.
        None => Some(Kind::Nifti),
    }
}

fn looks_like_html(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    [&b"<!doctype"[..], b"<html"]
        .iter()
        .any(|tag| text.len() >= tag.len() && text[..tag.len()].eq_ignore_ascii_case(tag))
}

/// The error for a file that does not open.
pub(super) fn refuse(file: &str, kind: Kind) -> IoError {
    let (looks_like, advice) = match kind {
        Kind::Empty => {
            return IoError::Empty {
                file: file.to_owned(),
            };
        }
        Kind::Gzip => ("gzip data inside gzip data", "unpack it once"),
        Kind::Nifti => ("a NIfTI volume", "it is no image of a slice"),
        Kind::Png => ("a PNG image", "it is no volume"),
        Kind::Jpeg => ("a JPEG image", "it is no volume"),
        Kind::Other(looks_like, advice) => (looks_like, advice),
    };
    IoError::UnknownFormat {
        file: file.to_owned(),
        looks_like: looks_like.to_owned(),
        advice,
    }
}
