//! Transfer syntaxes, and the part of a DICOM file before its data set (PS3.10 section 7).

use std::borrow::Cow;
use std::io::Read;

use dicom_dictionary_std::{tags, uids};
use flate2::bufread::DeflateDecoder;

use super::element::{Coding, Fault, Reader};
use super::fault;
use crate::io::samples::DEFLATE_MAX_RATIO;
use crate::io::{IoError, Limits};

/// Bytes before the magic of a file (PS3.10 section 7.1).
pub(super) const PREAMBLE: usize = 128;
pub(super) const MAGIC: &[u8] = b"DICM";

/// How the pixels are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Native,
    Rle,
    /// JPEG with 8 bits a sample (processes 1 and 2).
    Jpeg,
    JpegLossless,
    /// Known by name, but not decoded here.
    Unsupported,
}

/// A transfer syntax (PS3.6 table A-1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Syntax {
    pub(super) uid: &'static str,
    pub(super) name: &'static str,
    pub(super) coding: Coding,
    pub(super) packing: Packing,
    /// The data set itself is deflated.
    deflated: bool,
}

const fn packed(uid: &'static str, name: &'static str, packing: Packing) -> Syntax {
    Syntax {
        uid,
        name,
        coding: Coding::ExplicitLittle,
        packing,
        deflated: false,
    }
}

const IMPLICIT: Syntax = Syntax {
    coding: Coding::ImplicitLittle,
    ..packed(
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
        "Implicit VR Little Endian",
        Packing::Native,
    )
};
const EXPLICIT: Syntax = packed(
    uids::EXPLICIT_VR_LITTLE_ENDIAN,
    "Explicit VR Little Endian",
    Packing::Native,
);
const BIG_ENDIAN: Syntax = Syntax {
    coding: Coding::ExplicitBig,
    ..packed(
        RETIRED_BIG_ENDIAN,
        "Explicit VR Big Endian",
        Packing::Native,
    )
};
const DEFLATED: Syntax = Syntax {
    deflated: true,
    ..packed(
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        "Deflated Explicit VR Little Endian",
        Packing::Native,
    )
};

/// Explicit VR Big Endian, which old files have.
const RETIRED_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

const KNOWN: [Syntax; 19] = [
    IMPLICIT,
    EXPLICIT,
    BIG_ENDIAN,
    DEFLATED,
    packed(uids::RLE_LOSSLESS, "RLE Lossless", Packing::Rle),
    packed(uids::JPEG_BASELINE8_BIT, "JPEG Baseline", Packing::Jpeg),
    packed(uids::JPEG_EXTENDED12_BIT, "JPEG Extended", Packing::Jpeg),
    packed(
        uids::JPEG_LOSSLESS,
        "JPEG Lossless, Process 14",
        Packing::JpegLossless,
    ),
    packed(
        uids::JPEG_LOSSLESS_SV1,
        "JPEG Lossless, Selection Value 1",
        Packing::JpegLossless,
    ),
    packed(
        uids::JPEGLS_LOSSLESS,
        "JPEG-LS Lossless",
        Packing::Unsupported,
    ),
    packed(
        uids::JPEGLS_NEAR_LOSSLESS,
        "JPEG-LS Near-Lossless",
        Packing::Unsupported,
    ),
    packed(
        uids::JPEG2000_LOSSLESS,
        "JPEG 2000 Lossless",
        Packing::Unsupported,
    ),
    packed(uids::JPEG2000, "JPEG 2000", Packing::Unsupported),
    packed(
        uids::HTJ2K_LOSSLESS,
        "High-Throughput JPEG 2000 Lossless",
        Packing::Unsupported,
    ),
    packed(
        uids::HTJ2K_LOSSLESS_RPCL,
        "High-Throughput JPEG 2000 Lossless with RPCL",
        Packing::Unsupported,
    ),
    packed(
        uids::HTJ2K,
        "High-Throughput JPEG 2000",
        Packing::Unsupported,
    ),
    packed(
        uids::JPEGXL_LOSSLESS,
        "JPEG XL Lossless",
        Packing::Unsupported,
    ),
    packed(
        uids::JPEGXLJPEG_RECOMPRESSION,
        "JPEG XL JPEG Recompression",
        Packing::Unsupported,
    ),
    packed(uids::JPEGXL, "JPEG XL", Packing::Unsupported),
];

/// Where the data set begins and how it is written.
pub(super) struct Opened<'a> {
    pub(super) syntax: Syntax,
    /// The file, or its data set if that had to be unpacked.
    pub(super) data: Cow<'a, [u8]>,
    /// Where the data set begins in `data`.
    pub(super) at: usize,
}

/// Reads the file meta information; a file without it is taken for what its first element says.
pub(super) fn open<'a>(
    name: &str,
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<Opened<'a>, IoError> {
    let magic = bytes.get(PREAMBLE..).unwrap_or_default();
    let start = if magic.starts_with(MAGIC) {
        PREAMBLE + MAGIC.len()
    } else {
        0
    };
    let mut reader = Reader::new(bytes, start, Coding::ExplicitLittle);
    let meta = reader.meta().map_err(|f| fault(name, f))?;
    let at = reader.position();
    let syntax = match meta.text(tags::TRANSFER_SYNTAX_UID) {
        Some(uid) => known(name, &uid)?,
        None => guess(bytes.get(at..).unwrap_or_default()),
    };
    if syntax.deflated {
        let rest = bytes.get(at..).unwrap_or_default();
        return Ok(Opened {
            syntax,
            data: Cow::Owned(inflate(name, rest, limits)?),
            at: 0,
        });
    }
    Ok(Opened {
        syntax,
        data: Cow::Borrowed(bytes),
        at,
    })
}

fn known(name: &str, uid: &str) -> Result<Syntax, IoError> {
    let found = KNOWN.iter().find(|syntax| syntax.uid == uid);
    found.cloned().ok_or_else(|| IoError::TransferSyntax {
        file: name.to_owned(),
        name: "not a public one of a still image".to_owned(),
        uid: uid.to_owned(),
    })
}

/// Explicit if the first tag is followed by two capitals, which a length never is.
fn guess(data: &[u8]) -> Syntax {
    match data.get(4..6) {
        Some([a, b]) if a.is_ascii_uppercase() && b.is_ascii_uppercase() => EXPLICIT,
        _ => IMPLICIT,
    }
}

/// Unpacks a deflated data set (PS3.5 section A.5).
fn inflate(name: &str, packed: &[u8], limits: &Limits) -> Result<Vec<u8>, IoError> {
    let most = (packed.len() as u64)
        .saturating_mul(DEFLATE_MAX_RATIO)
        .min(limits.max_bytes as u64);
    let mut out = Vec::new();
    DeflateDecoder::new(packed)
        .take(most.saturating_add(1))
        .read_to_end(&mut out)
        .map_err(|error| IoError::Unpack {
            file: name.to_owned(),
            reason: error.to_string(),
        })?;
    if out.len() as u64 > most {
        return Err(IoError::TooLarge {
            file: name.to_owned(),
            size: format!("more than {most} bytes unpacked"),
            limit: format!("{} bytes", limits.max_bytes),
        });
    }
    if out.is_empty() {
        return Err(fault(name, Fault::Broken("is empty")));
    }
    Ok(out)
}
