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
    Dicom,
    Zip,
    Nrrd,
    MetaImage,
    /// A format that does not open: what it is, and what to do.
    Other(&'static str, &'static str),
}

const FROM_ARCHIVE: &str = "unpack it and open the scan inside";
const TO_NIFTI: &str = "convert it to NIfTI";
const UNKNOWN: Kind = Kind::Other("a file of unknown kind", "choose another file");

/// Formats that open, by their first bytes: an empty zip archive begins with its end.
const OURS: [(&[u8], Kind); 7] = [
    (b"\x1f\x8b", Kind::Gzip),
    (b"\x89PNG\r\n\x1a\n", Kind::Png),
    (b"\xff\xd8\xff", Kind::Jpeg),
    (b"PK\x03\x04", Kind::Zip),
    (b"PK\x05\x06", Kind::Zip),
    (b"NRRD00", Kind::Nrrd),
    (b"ObjectType", Kind::MetaImage),
];

/// Formats that do not open but are worth naming, by their first bytes.
const FOREIGN: [(&[u8], Kind); 10] = [
    (
        b"7z\xbc\xaf\x27\x1c",
        Kind::Other("a 7-Zip archive", FROM_ARCHIVE),
    ),
    (b"Rar!", Kind::Other("a RAR archive", FROM_ARCHIVE)),
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
];

/// The kind of file that `bytes`, or the beginning of one, is.
pub(super) fn kind(bytes: &[u8]) -> Kind {
    if bytes.is_empty() {
        return Kind::Empty;
    }
    let ours = OURS.iter().find(|(magic, _)| bytes.starts_with(magic));
    if let Some((_, kind)) = ours {
        return *kind;
    }
    if let Some(kind) = nifti_family(bytes) {
        return kind;
    }
    if is_dicom(bytes) {
        return Kind::Dicom;
    }
    if bytes.starts_with(b"NDims") || bytes.starts_with(b"Comment =") {
        return Kind::MetaImage;
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

/// A DICOM file has its magic behind a preamble (PS3.10 section 7.1). Without one it begins with
/// the group length or transfer syntax of group 0002, or with one of the first elements of group
/// 0008.
fn is_dicom(bytes: &[u8]) -> bool {
    let behind = bytes.get(DICOM_PREAMBLE..).unwrap_or_default();
    let bare = match bytes {
        [2, 0, element, 0, b'U', ..] => matches!(element, 0 | 2 | 3 | 0x10),
        [8, 0, element, 0, ..] => matches!(element, 0 | 5 | 8 | 0x12 | 0x13 | 0x14 | 0x16 | 0x18),
        _ => false,
    };
    behind.starts_with(b"DICM") || (bare && bytes.len() > DICOM_PREAMBLE)
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
        Kind::Dicom => ("a DICOM file", "open it with the rest of its series"),
        Kind::Zip => ("a zip archive", "unpack it"),
        Kind::Nrrd => ("an NRRD file", "unpack it, or convert it to NIfTI"),
        Kind::MetaImage => ("a MetaImage file", "unpack it, or convert it to NIfTI"),
        Kind::Other(looks_like, advice) => (looks_like, advice),
    };
    IoError::UnknownFormat {
        file: file.to_owned(),
        looks_like: looks_like.to_owned(),
        advice,
    }
}
