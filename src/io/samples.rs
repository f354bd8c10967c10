//! Voxels as a dense array of numbers, which NIfTI, NRRD and MetaImage all hold.

use super::stream::Source;
use super::{IoError, Limits, Scan, Warning, warning};
use crate::volume::{Affine, Volume};

/// HU of voxels that are not a number: air.
pub(super) const NOT_A_NUMBER_HU: i16 = -1024;
/// Most voxels along an axis: what NIfTI-1, in which results are written, can hold.
pub(super) const MAX_DIM: usize = i16::MAX as usize;
/// Deflate packs at most 1032 bytes into one, so a packed file promising more is cut or lying.
pub(super) const DEFLATE_MAX_RATIO: u64 = 1032;

/// The datatypes that hold one real number a voxel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Datatype {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl Datatype {
    /// Bytes of a voxel.
    pub(super) fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

/// What the voxels of a file are and where they begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Layout {
    /// Voxels along i, j, k.
    pub(super) dims: [usize; 3],
    pub(super) datatype: Datatype,
    pub(super) big_endian: bool,
    /// Where the voxels begin in the unpacked source.
    pub(super) offset: u64,
    /// HU = slope · stored + inter.
    pub(super) slope: f64,
    pub(super) inter: f64,
}

/// Rounds half away from zero and clamps; the cast saturates.
pub(super) fn to_hu(value: f64) -> i16 {
    if value.is_nan() {
        NOT_A_NUMBER_HU
    } else {
        (value + 0.5_f64.copysign(value)) as i16
    }
}

/// An empty vector with room for `count` elements, or the error that there is none.
pub(super) fn reserve<O>(name: &str, count: usize) -> Result<Vec<O>, IoError> {
    let mut out = Vec::new();
    out.try_reserve_exact(count)
        .map_err(|_| IoError::OutOfMemory {
            file: name.to_owned(),
            bytes: (count as u64).saturating_mul(size_of::<O>() as u64),
        })?;
    Ok(out)
}

impl Layout {
    /// Number of voxels, `None` if it does not fit the address space.
    fn voxels(&self) -> Option<usize> {
        let [nx, ny, nz] = self.dims;
        nx.checked_mul(ny)?.checked_mul(nz)
    }

    /// Bytes from the beginning of the unpacked source to the end of the voxels.
    fn needed(&self) -> Option<u64> {
        let size = self.datatype.size() as u64;
        let voxels = self.voxels()? as u64;
        voxels.checked_mul(size)?.checked_add(self.offset)
    }

    /// Holds the sizes against the limits and against the `found` bytes of the source, which is
    /// `packed` or not.
    pub(super) fn check(
        &self,
        name: &str,
        found: usize,
        packed: bool,
        limits: &Limits,
    ) -> Result<(), IoError> {
        let [nx, ny, nz] = self.dims;
        if self.voxels().unwrap_or(usize::MAX) > limits.max_voxels {
            return Err(IoError::TooLarge {
                file: name.to_owned(),
                size: format!("{nx} × {ny} × {nz} voxels"),
                limit: format!("{} voxels", limits.max_voxels),
            });
        }
        let needed = self.needed().unwrap_or(u64::MAX);
        if needed > limits.max_bytes as u64 {
            return Err(IoError::TooLarge {
                file: name.to_owned(),
                size: format!("{needed} bytes"),
                limit: format!("{} bytes", limits.max_bytes),
            });
        }
        let ratio = if packed { DEFLATE_MAX_RATIO } else { 1 };
        let found = (found as u64).saturating_mul(ratio);
        if found < needed {
            return Err(truncated(name, needed, found));
        }
        Ok(())
    }

    /// The volume, with what the header, the datatype and the voxels give reason to warn of.
    pub(super) fn scan(&self, data: Vec<i16>, affine: Affine, mut warnings: Vec<Warning>) -> Scan {
        let dims = self.dims;
        let hu = Volume { data, dims, affine };
        if matches!(self.datatype, Datatype::U8 | Datatype::I8) {
            warnings.push(Warning::EightBit);
        }
        warnings.extend(warning::inspect(&hu));
        Scan {
            hu,
            warnings,
            series: None,
            source: None,
            date: None,
        }
    }

    /// Decodes all voxels of a source that [`check`](Self::check) has passed; `convert` gets the
    /// scaled values.
    pub(super) fn decode<O>(
        &self,
        source: &mut Source,
        convert: impl FnMut(f64) -> O,
    ) -> Result<Vec<O>, IoError> {
        match self.datatype {
            Datatype::U8 => self.read(source, u8::from_le_bytes, convert),
            Datatype::I8 => self.read(source, i8::from_le_bytes, convert),
            Datatype::U16 => self.read(source, u16::from_le_bytes, convert),
            Datatype::I16 => self.read(source, i16::from_le_bytes, convert),
            Datatype::U32 => self.read(source, u32::from_le_bytes, convert),
            Datatype::I32 => self.read(source, i32::from_le_bytes, convert),
            Datatype::U64 => self.read(source, |b| u64::from_le_bytes(b) as f64, convert),
            Datatype::I64 => self.read(source, |b| i64::from_le_bytes(b) as f64, convert),
            Datatype::F32 => self.read(source, f32::from_le_bytes, convert),
            Datatype::F64 => self.read(source, f64::from_le_bytes, convert),
        }
    }

    fn read<const N: usize, R: Into<f64>, O>(
        &self,
        source: &mut Source,
        from_le_bytes: impl Fn([u8; N]) -> R,
        mut convert: impl FnMut(f64) -> O,
    ) -> Result<Vec<O>, IoError> {
        let count = self.voxels().unwrap_or(usize::MAX);
        let mut out = reserve(source.name(), count)?;
        source.skip_to(self.offset)?;
        // A multiple of every voxel size, small enough to stay in the cache.
        let mut buffer = [0_u8; 1 << 14];
        while out.len() < count {
            let want = (count - out.len()).saturating_mul(N).min(buffer.len());
            let got = source.fill(&mut buffer[..want])?;
            if got < want {
                let needed = self.needed().unwrap_or(u64::MAX);
                return Err(truncated(source.name(), needed, source.position()));
            }
            let (samples, _) = buffer[..want].as_chunks::<N>();
            out.extend(samples.iter().map(|&sample| {
                let mut sample = sample;
                if self.big_endian {
                    sample.reverse();
                }
                convert(from_le_bytes(sample).into() * self.slope + self.inter)
            }));
        }
        source.check_end()?;
        Ok(out)
    }
}

/// The error for a file that ends before its data does.
pub(super) fn truncated(name: &str, needed: u64, found: u64) -> IoError {
    IoError::Truncated {
        file: name.to_owned(),
        needed,
        found,
    }
}
