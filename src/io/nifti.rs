//! NIfTI-1 and NIfTI-2 single files, plain or gzipped, in; NIfTI-1 out.
//!
//! Format: <https://nifti.nimh.nih.gov/nifti-1/documentation>. Reading is one pass: the header
//! first, then every size in it is checked, then exactly the voxels that it names are decoded in
//! chunks straight into the result. A gzip stream is never unpacked beyond that.

mod header;
mod stream;
mod write;

pub use write::{write_hu, write_labels};

use header::{Datatype, Header};
use stream::Source;

use super::{IoError, Limits, Scan, Warning, warning};
use crate::volume::{Affine, Volume};

/// HU of voxels that are not a number: air.
const NOT_A_NUMBER_HU: i16 = -1024;
/// Deflate packs at most 1032 bytes into one, so a gzip file promising more is cut or lying.
const DEFLATE_MAX_RATIO: u64 = 1032;

/// Reads a CT volume.
///
/// The content decides between plain and gzip, NIfTI-1 and NIfTI-2, and the byte order. Values are
/// scaled by `scl_slope` and `scl_inter`, rounded and clamped to `i16`; NaN becomes -1024. The
/// place in the world comes from the sform, else the qform, else from `pixdim` alone with
/// [`Warning::NoOrientation`].
///
/// # Errors
///
/// An [`IoError`] for whatever is not a whole NIfTI file of one 2D or 3D volume of real numbers.
pub fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<Scan, IoError> {
    let mut file = Opened::new(name, bytes, limits)?;
    let data = file.voxels(to_hu)?;
    let Header {
        dims,
        affine,
        datatype,
        ..
    } = file.header;
    let hu = Volume { data, dims, affine };
    let mut warnings = file.header.warnings;
    if matches!(datatype, Datatype::U8 | Datatype::I8) {
        warnings.push(Warning::EightBit);
    }
    warnings.extend(warning::inspect(&hu));
    Ok(Scan { hu, warnings })
}

/// Reads a mask or label map: as [`read`], but the values, rounded, have to lie in 0 to 255.
///
/// # Errors
///
/// As [`read`], and [`IoError::NotLabels`].
pub fn read_labels(name: &str, bytes: &[u8], limits: &Limits) -> Result<Volume<u8>, IoError> {
    let mut file = Opened::new(name, bytes, limits)?;
    let mut stray = None;
    let data = file.voxels(|value| {
        let label = value.round();
        if !(0.0..=255.0).contains(&label) {
            stray.get_or_insert(value);
        }
        label as u8
    })?;
    if let Some(value) = stray {
        return Err(IoError::NotLabels {
            file: name.to_owned(),
            value,
        });
    }
    let Header { dims, affine, .. } = file.header;
    Ok(Volume { data, dims, affine })
}

/// Rounds half away from zero and clamps; the cast saturates.
fn to_hu(value: f64) -> i16 {
    if value.is_nan() {
        NOT_A_NUMBER_HU
    } else {
        (value + 0.5_f64.copysign(value)) as i16
    }
}

/// A file whose header is read and whose sizes are checked.
struct Opened<'a> {
    name: &'a str,
    header: Header,
    /// The bytes after the header.
    source: Source<'a>,
}

impl<'a> Opened<'a> {
    fn new(name: &'a str, bytes: &'a [u8], limits: &Limits) -> Result<Self, IoError> {
        let mut source = Source::new(name, bytes)?;
        let header = Header::read(name, &mut source)?;
        let file = Self {
            name,
            header,
            source,
        };
        file.check_size(bytes.len(), limits)?;
        Ok(file)
    }

    /// Bytes from the beginning of the (unpacked) file to the end of the voxels.
    fn needed(&self) -> Option<u64> {
        let size = self.header.datatype.size() as u64;
        let voxels = self.header.voxels()? as u64;
        voxels.checked_mul(size)?.checked_add(self.header.offset)
    }

    fn check_size(&self, file_bytes: usize, limits: &Limits) -> Result<(), IoError> {
        let voxels = self.header.voxels().unwrap_or(usize::MAX);
        let [nx, ny, nz] = self.header.dims;
        if voxels > limits.max_voxels {
            return Err(IoError::TooLarge {
                file: self.name.to_owned(),
                size: format!("{nx} × {ny} × {nz} voxels"),
                limit: format!("{} voxels", limits.max_voxels),
            });
        }
        let needed = self.needed().unwrap_or(u64::MAX);
        if needed > limits.max_bytes as u64 {
            return Err(IoError::TooLarge {
                file: self.name.to_owned(),
                size: format!("{needed} bytes"),
                limit: format!("{} bytes", limits.max_bytes),
            });
        }
        let found = if self.source.is_gzip() {
            (file_bytes as u64).saturating_mul(DEFLATE_MAX_RATIO)
        } else {
            file_bytes as u64
        };
        if found < needed {
            return Err(self.truncated(needed, found));
        }
        Ok(())
    }

    fn truncated(&self, needed: u64, found: u64) -> IoError {
        IoError::Truncated {
            file: self.name.to_owned(),
            needed,
            found,
        }
    }

    /// Decodes all voxels; `convert` gets the scaled values.
    fn voxels<O>(&mut self, convert: impl FnMut(f64) -> O) -> Result<Vec<O>, IoError> {
        match self.header.datatype {
            Datatype::U8 => self.decode(u8::from_le_bytes, convert),
            Datatype::I8 => self.decode(i8::from_le_bytes, convert),
            Datatype::U16 => self.decode(u16::from_le_bytes, convert),
            Datatype::I16 => self.decode(i16::from_le_bytes, convert),
            Datatype::U32 => self.decode(u32::from_le_bytes, convert),
            Datatype::I32 => self.decode(i32::from_le_bytes, convert),
            Datatype::U64 => self.decode(|b| u64::from_le_bytes(b) as f64, convert),
            Datatype::I64 => self.decode(|b| i64::from_le_bytes(b) as f64, convert),
            Datatype::F32 => self.decode(f32::from_le_bytes, convert),
            Datatype::F64 => self.decode(f64::from_le_bytes, convert),
        }
    }

    fn decode<const N: usize, R: Into<f64>, O>(
        &mut self,
        from_le_bytes: impl Fn([u8; N]) -> R,
        mut convert: impl FnMut(f64) -> O,
    ) -> Result<Vec<O>, IoError> {
        let count = self.header.voxels().unwrap_or(usize::MAX);
        let needed = self.needed().unwrap_or(u64::MAX);
        let Header {
            slope,
            inter,
            big_endian,
            offset,
            ..
        } = self.header;

        let mut out = Vec::new();
        out.try_reserve_exact(count)
            .map_err(|_| IoError::OutOfMemory {
                file: self.name.to_owned(),
                bytes: (count as u64).saturating_mul(size_of::<O>() as u64),
            })?;
        self.source.skip_to(offset)?;
        // A multiple of every voxel size, small enough to stay in the cache.
        let mut buffer = [0_u8; 1 << 14];
        while out.len() < count {
            let want = (count - out.len()).saturating_mul(N).min(buffer.len());
            let got = self.source.fill(&mut buffer[..want])?;
            if got < want {
                return Err(self.truncated(needed, self.source.position()));
            }
            let (samples, _) = buffer[..want].as_chunks::<N>();
            out.extend(samples.iter().map(|&sample| {
                let mut sample = sample;
                if big_endian {
                    sample.reverse();
                }
                convert(from_le_bytes(sample).into() * slope + inter)
            }));
        }
        self.source.check_end()?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
