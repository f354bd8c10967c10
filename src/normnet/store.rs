//! The healthy scans in one small file, so that training can go where the scans are not.
//!
//! Layout: the magic, the version and the header's length (both u32, little endian), the header as
//! JSON, then for each scan a zlib stream of one byte a voxel and, behind them, one bit a voxel of
//! the lung mask; the header has each stream's length and SHA-256. A voxel's byte is its HU in
//! steps of 5 from −1024 on: 0 is −1024 and 255 is 251, and within these ends the error is at most
//! [`LARGEST_ERROR`] HU. NormNet clips at 100, so what lies above 251 is lost to it anyway.
//!
//! What is further from the lungs than training can look is air: it would be most of the file.

use super::data::Scan;
use crate::grid::{self, Dims};
use crate::volume::{Affine, Volume, VolumeError};
use crate::weights::sha256;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};

/// First bytes of a file.
const MAGIC: &[u8; 8] = b"PLEURAHS";
/// Version of the layout.
const VERSION: u32 = 1;
/// Bytes before the header.
const PREFIX: usize = MAGIC.len() + 8;
/// Longest header that is believed.
const MAX_HEADER: usize = 1 << 16;
/// Most voxels of a scan that are believed: twice what 800 slices of 320 mm have.
const MAX_VOXELS: usize = 1 << 27;

/// HU of byte 0.
const LOWEST: i16 = -1024;
/// HU between two bytes.
const STEP: i16 = 5;
/// Largest error between −1024 and 251 HU.
pub const LARGEST_ERROR: i16 = STEP / 2;

/// What is kept around the lungs: in-plane, more than bilinear interpolation reaches; along z, the
/// thickest slice that training averages over.
const MARGIN_MM: [f64; 3] = [4.0, 4.0, 8.0];

/// What is wrong with a file of healthy scans.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It is something else.
    #[error("is no file of healthy scans: make one with pleura prepare")]
    Magic,
    /// It was made by another version.
    #[error("has version {found} of the layout, and {VERSION} is read: make it again")]
    Version {
        /// Its version.
        found: u32,
    },
    /// It ends too early, or something follows its end.
    #[error("has {found} bytes where {expected} are expected in {place}: copy it again")]
    Length {
        /// Header or scan.
        place: String,
        /// Bytes that there should be.
        expected: usize,
        /// Bytes that there are.
        found: usize,
    },
    /// The header cannot be read.
    #[error("has a header that cannot be read ({source}): copy it again")]
    Header {
        /// What serde says.
        #[from]
        source: serde_json::Error,
    },
    /// A scan's field is impossible.
    #[error("scan {scan} has an impossible {field}: make the file again")]
    Field {
        /// Its name.
        scan: String,
        /// The field.
        field: &'static str,
    },
    /// A scan's stream is not the one that was written.
    #[error("scan {scan} is damaged (its SHA-256 does not match): copy the file again")]
    Checksum {
        /// Its name.
        scan: String,
    },
    /// A scan's stream does not unpack.
    #[error("scan {scan} does not unpack ({source}): copy the file again")]
    Stream {
        /// Its name.
        scan: String,
        /// What the decoder says.
        source: std::io::Error,
    },
    /// Made for networks of another grid.
    #[error("has pixels of {found} mm, and the network's are {expected} mm: make it again")]
    Pixel {
        /// The network's pixel, mm.
        expected: f64,
        /// The file's, mm.
        found: f64,
    },
    /// A scan's grid is no grid.
    #[error(transparent)]
    Volume(#[from] VolumeError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// In-plane voxel size, mm.
    pixel_mm: f64,
    scans: Vec<ScanHeader>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScanHeader {
    name: String,
    dims: Dims,
    /// Rows of the affine to RAS+ mm.
    affine: [[f64; 4]; 3],
    /// Length of the stream.
    bytes: usize,
    /// SHA-256 of the stream.
    sha256: String,
}

/// The file's bytes for scans whose pixels are `pixel` mm.
///
/// # Errors
/// If a scan's mask is not on its grid, or packing fails.
pub fn to_bytes(scans: &[Scan], pixel: f64) -> Result<Vec<u8>, StoreError> {
    let mut header = Header {
        pixel_mm: pixel,
        scans: Vec::new(),
    };
    let mut streams = Vec::new();
    for scan in scans {
        let stream = pack(scan)?;
        header.scans.push(ScanHeader {
            name: scan.name.clone(),
            dims: scan.hu.dims,
            affine: scan.hu.affine.0,
            bytes: stream.len(),
            sha256: sha256(&stream),
        });
        streams.push(stream);
    }
    let header = serde_json::to_vec(&header)?;
    let mut out = MAGIC.to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend((header.len() as u32).to_le_bytes());
    out.extend(header);
    out.extend(streams.concat());
    Ok(out)
}

/// The scans of a file for networks whose pixels are `pixel` mm; λ is 1 in all of them.
///
/// # Errors
/// If the bytes are not such a file, or it was made for another grid.
pub fn from_bytes(bytes: &[u8], pixel: f64) -> Result<Vec<Scan>, StoreError> {
    let prefix = bytes.get(..PREFIX).ok_or(StoreError::Magic)?;
    if !prefix.starts_with(MAGIC) {
        return Err(StoreError::Magic);
    }
    let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| prefix[at + i]));
    let (version, length) = (word(MAGIC.len()), word(MAGIC.len() + 4) as usize);
    if version != VERSION {
        return Err(StoreError::Version { found: version });
    }
    let rest = &bytes[PREFIX..];
    let short = |place: &str, expected: usize, found: usize| StoreError::Length {
        place: place.to_string(),
        expected,
        found,
    };
    if length > MAX_HEADER {
        return Err(short("the header", MAX_HEADER, length));
    }
    let (head, mut rest) = rest
        .split_at_checked(length)
        .ok_or_else(|| short("the header", length, rest.len()))?;
    let header: Header = serde_json::from_slice(head)?;
    // Never equal by rounding alone: both come from one constant.
    if (header.pixel_mm - pixel).abs() > 1e-9 {
        return Err(StoreError::Pixel {
            expected: pixel,
            found: header.pixel_mm,
        });
    }
    let mut scans = Vec::new();
    for scan in header.scans {
        let (stream, after) = rest
            .split_at_checked(scan.bytes)
            .ok_or_else(|| short(&scan.name, scan.bytes, rest.len()))?;
        rest = after;
        if sha256(stream) != scan.sha256 {
            return Err(StoreError::Checksum { scan: scan.name });
        }
        scans.push(unpack(scan, stream, pixel)?);
    }
    match rest.len() {
        0 => Ok(scans),
        found => Err(short("what follows the last scan", 0, found)),
    }
}

/// Bytes of a bit for each voxel.
fn bits(voxels: usize) -> usize {
    voxels.div_ceil(8)
}

fn pack(scan: &Scan) -> Result<Vec<u8>, StoreError> {
    let dims = scan.hu.dims;
    let stream = |source| StoreError::Stream {
        scan: scan.name.clone(),
        source,
    };
    let mask = scan.hu.like(scan.lungs.clone())?.data;
    let spacing = scan.hu.spacing();
    let reach = [0, 1, 2].map(|a| (MARGIN_MM[a] / spacing[a]).ceil() as usize);
    let near = grid::dilate(&mask, dims, reach);
    let code = |(&hu, &near): (&i16, &u8)| match near {
        0 => 0,
        _ => {
            let above = i32::from(hu) - i32::from(LOWEST) + i32::from(LARGEST_ERROR);
            (above / i32::from(STEP)).clamp(0, 255) as u8
        }
    };
    let codes: Vec<u8> = scan.hu.data.iter().zip(&near).map(code).collect();
    let mut lungs = vec![0u8; bits(mask.len())];
    for (at, _) in mask.iter().enumerate().filter(|(_, m)| **m != 0) {
        lungs[at / 8] |= 1 << (at % 8);
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&codes).map_err(stream)?;
    encoder.write_all(&lungs).map_err(stream)?;
    encoder.finish().map_err(stream)
}

fn unpack(header: ScanHeader, stream: &[u8], pixel: f64) -> Result<Scan, StoreError> {
    let name = header.name;
    let field = |field| StoreError::Field {
        scan: name.clone(),
        field,
    };
    let voxels = header.dims.iter().try_fold(1usize, |n, &d| {
        n.checked_mul(d).filter(|n| (1..=MAX_VOXELS).contains(n))
    });
    let voxels = voxels.ok_or_else(|| field("size"))?;
    let affine = Affine(header.affine);
    let spacing = affine.spacing();
    // Pixels are rounded to whole ones along each side of the crop.
    let sound = [0, 1].map(|a| (spacing[a] / pixel - 1.0).abs() < 0.1);
    let thick = spacing[2].is_finite() && spacing[2] > 0.0;
    if sound != [true; 2] || !thick || affine.inverse().is_none() {
        return Err(field("affine"));
    }
    let expected = voxels + bits(voxels);
    // One byte more than there should be: enough to see that there is more.
    let mut values = Vec::new();
    ZlibDecoder::new(stream)
        .take(expected as u64 + 1)
        .read_to_end(&mut values)
        .map_err(|source| StoreError::Stream {
            scan: name.clone(),
            source,
        })?;
    if values.len() != expected {
        return Err(StoreError::Length {
            place: name,
            expected,
            found: values.len(),
        });
    }
    let (codes, bits) = values.split_at(voxels);
    let hu = codes.iter().map(|&c| LOWEST + STEP * i16::from(c));
    let lungs: Vec<u8> = (0..voxels).map(|at| bits[at / 8] >> (at % 8) & 1).collect();
    if lungs.iter().all(|&v| v == 0) {
        return Err(field("lung mask"));
    }
    Ok(Scan {
        hu: Volume::new(hu.collect(), header.dims, affine)?,
        lungs,
        lambda: 1.0,
        name,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const PIXEL: f64 = 1.25;

    fn scan(name: &str) -> Scan {
        let dims = [40, 32, 20];
        let mut affine = Affine::from_spacing([1.25, 1.25, 2.0]);
        affine.0[2][3] = -312.5;
        let mut hu = Volume::filled(0i16, dims, affine);
        let mut lungs = vec![0u8; hu.len()];
        for (at, (hu, lung)) in hu.data.iter_mut().zip(&mut lungs).enumerate() {
            // Every value from −1100 on, in no order.
            *hu = ((at * 7919) % 1600) as i16 - 1100;
            let [i, j] = [at % 40, at / 40 % 32];
            *lung = u8::from((10..20).contains(&i) && (8..20).contains(&j));
        }
        Scan {
            name: name.into(),
            hu,
            lungs,
            lambda: 1.0,
        }
    }

    #[test]
    fn scans_come_back_within_the_stated_error() {
        let scans = [scan("a"), scan("b")];
        let bytes = to_bytes(&scans, PIXEL).unwrap();
        let back = from_bytes(&bytes, PIXEL).unwrap();
        assert_eq!(back.len(), 2);
        for (a, b) in scans.iter().zip(&back) {
            assert_eq!((&a.name, &a.lungs), (&b.name, &b.lungs));
            assert_eq!((a.hu.dims, a.hu.affine), (b.hu.dims, b.hu.affine));
            let mut largest = 0;
            for at in 0..a.hu.len() {
                let (was, is) = (a.hu.data[at], b.hu.data[at]);
                // The mask's neighbours are kept, a far corner is not.
                if a.lungs[at] != 0 || (at > 0 && a.lungs[at - 1] != 0) {
                    largest = largest.max((was.clamp(-1024, 251) - is).abs());
                } else if at % 40 > 30 {
                    assert_eq!(is, -1024);
                }
            }
            assert_eq!(largest, LARGEST_ERROR);
        }
    }

    #[test]
    fn every_truncation_and_anything_behind_the_end_is_refused() {
        let bytes = to_bytes(&[scan("a")], PIXEL).unwrap();
        let step = 1 + bytes.len() / 200;
        for end in (0..bytes.len()).step_by(step).chain([bytes.len() - 1]) {
            assert!(from_bytes(&bytes[..end], PIXEL).is_err(), "{end}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(matches!(
            from_bytes(&longer, PIXEL),
            Err(StoreError::Length { found: 1, .. })
        ));
    }

    #[test]
    fn a_flipped_bit_never_panics_and_never_passes_in_a_stream() {
        let good = to_bytes(&[scan("a")], PIXEL).unwrap();
        let header = u32::from_le_bytes(good[12..16].try_into().unwrap()) as usize;
        for at in (0..good.len()).step_by(1 + good.len() / 300) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            let read = from_bytes(&bad, PIXEL);
            if at >= PREFIX + header {
                let seen = matches!(read, Err(StoreError::Checksum { .. }));
                assert!(seen, "{at}");
            }
        }
    }

    /// A file with the header changed.
    fn with_header(change: impl Fn(&mut serde_json::Value)) -> Result<Vec<Scan>, StoreError> {
        let good = to_bytes(&[scan("a")], PIXEL).unwrap();
        let length = u32::from_le_bytes(good[12..16].try_into().unwrap()) as usize;
        let mut header = serde_json::from_slice(&good[PREFIX..PREFIX + length]).unwrap();
        change(&mut header);
        let header = serde_json::to_vec(&header).unwrap();
        let mut bad = good[..12].to_vec();
        bad.extend((header.len() as u32).to_le_bytes());
        bad.extend(header);
        bad.extend(&good[PREFIX + length..]);
        from_bytes(&bad, PIXEL)
    }

    #[test]
    fn hostile_headers_are_refused_by_field() {
        type Change = fn(&mut serde_json::Value);
        assert_eq!(with_header(|_| ()).unwrap().len(), 1);
        let size: [Change; 4] = [
            |h| h["scans"][0]["dims"] = [0, 32, 20].into(),
            |h| h["scans"][0]["dims"] = [u64::MAX, 2, 2].into(),
            |h| h["scans"][0]["dims"] = [1 << 20, 1 << 20, 1].into(),
            // Zero after an overflow is still an overflow.
            |h| h["scans"][0]["dims"] = [u64::MAX, u64::MAX, 0].into(),
        ];
        for change in size {
            let found = with_header(change);
            assert!(matches!(
                found,
                Err(StoreError::Field { field: "size", .. })
            ));
        }
        let place: [Change; 2] = [
            |h| h["scans"][0]["affine"][0][0] = 0.0.into(),
            |h| h["scans"][0]["affine"][2][2] = 0.0.into(),
        ];
        for change in place {
            let found = with_header(change);
            assert!(matches!(
                found,
                Err(StoreError::Field {
                    field: "affine",
                    ..
                })
            ));
        }
        // Sizes that are possible but not the stream's.
        for dims in [[40, 32, 21], [40, 32, 19], [500, 500, 500]] {
            let found = with_header(|h| h["scans"][0]["dims"] = dims.to_vec().into());
            assert!(matches!(found, Err(StoreError::Length { .. })), "{dims:?}");
        }
        let found = with_header(|h| h["scans"][0]["bytes"] = u64::MAX.into());
        assert!(matches!(found, Err(StoreError::Length { .. })));
        let found = with_header(|h| h["more"] = 1.into());
        assert!(matches!(found, Err(StoreError::Header { .. })));
        let found = with_header(|h| h["pixel_mm"] = 0.8.into());
        assert!(matches!(found, Err(StoreError::Pixel { .. })));
    }

    #[test]
    fn other_files_and_versions_are_named() {
        assert!(matches!(from_bytes(b"", PIXEL), Err(StoreError::Magic)));
        let mut bytes = to_bytes(&[scan("a")], PIXEL).unwrap();
        bytes[8] = 2;
        assert!(matches!(
            from_bytes(&bytes, PIXEL),
            Err(StoreError::Version { found: 2 })
        ));
        bytes[8] = 1;
        bytes[12..16].fill(255);
        assert!(matches!(
            from_bytes(&bytes, PIXEL),
            Err(StoreError::Length { .. })
        ));
        let mut empty = scan("a");
        empty.lungs.fill(0);
        let bytes = to_bytes(&[empty], PIXEL).unwrap();
        assert!(matches!(
            from_bytes(&bytes, PIXEL),
            Err(StoreError::Field { .. })
        ));
    }
}
