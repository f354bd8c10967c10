//! The part of a NIfTI header that reading a scan needs, checked.

use nifti::{Endianness, NiftiHeader};

use crate::io::samples::{Datatype, Layout, MAX_DIM};
use crate::io::sniff::{self, Kind, NIFTI1_HEADER, NIFTI2_HEADER};
use crate::io::stream::Source;
use crate::io::{IoError, Warning};
use crate::volume::Affine;

/// A header whose values have been checked one by one, but not yet against limits.
#[derive(Debug)]
pub(super) struct Header {
    /// Each side is 1 to 32767; the voxels do not begin inside the header.
    pub(super) layout: Layout,
    pub(super) affine: Affine,
    /// What is missing in the header.
    pub(super) warnings: Vec<Warning>,
}

/// The datatype of a code in the header; `Err` is the name of what does not open.
fn datatype(code: i32) -> Result<Datatype, &'static str> {
    Ok(match code {
        2 => Datatype::U8,
        4 => Datatype::I16,
        8 => Datatype::I32,
        16 => Datatype::F32,
        64 => Datatype::F64,
        256 => Datatype::I8,
        512 => Datatype::U16,
        768 => Datatype::U32,
        1024 => Datatype::I64,
        1280 => Datatype::U64,
        1 => return Err("1-bit"),
        32 => return Err("complex64"),
        128 => return Err("RGB colour"),
        1536 => return Err("float128"),
        1792 => return Err("complex128"),
        2048 => return Err("complex256"),
        2304 => return Err("RGBA colour"),
        _ => return Err("unknown"),
    })
}

/// The fields of either version, widened to NIfTI-2's types but not yet believed.
struct Fields {
    dim: [i64; 8],
    datatype: i32,
    pixdim: [f64; 8],
    vox_offset: f64,
    scl_slope: f64,
    scl_inter: f64,
    xyzt_units: i32,
    qform_code: i32,
    sform_code: i32,
    /// b, c, d.
    quaternion: [f64; 3],
    qoffset: [f64; 3],
    srow: [[f64; 4]; 3],
    big_endian: bool,
    /// True for the header of a pair.
    detached: bool,
    /// Bytes of the header itself.
    size: usize,
}

impl Header {
    /// Reads and checks the header at the beginning of `source`.
    pub(super) fn read(name: &str, source: &mut Source) -> Result<Self, IoError> {
        let mut bytes = [0_u8; NIFTI2_HEADER];
        let mut have = source.fill(&mut bytes[..NIFTI1_HEADER])?;
        match sniff::kind(&bytes[..have]) {
            Kind::Nifti => {}
            other => return Err(refuse(name, source, other)),
        }
        let version2 = sniff::is_nifti2(&bytes[..have]);
        let size = if version2 {
            NIFTI2_HEADER
        } else {
            NIFTI1_HEADER
        };
        have += source.fill(&mut bytes[have..size.max(have)])?;
        if have < size {
            return Err(IoError::Truncated {
                file: name.to_owned(),
                needed: size as u64,
                found: have as u64,
            });
        }
        let fields = if version2 {
            Fields::version2(&bytes)
        } else {
            Fields::version1(name, &bytes[..size])?
        };
        fields.check(name)
    }
}

/// The error for a file that is no NIfTI; for a gzip file it speaks of the content.
fn refuse(name: &str, source: &Source, kind: Kind) -> IoError {
    let error = sniff::refuse(name, kind);
    if !source.is_packed() {
        return error;
    }
    match error {
        IoError::UnknownFormat {
            file,
            looks_like,
            advice,
        } if !source.is_cut() => IoError::UnknownFormat {
            file,
            looks_like: format!("gzip data with {looks_like} inside"),
            advice,
        },
        _ => IoError::Truncated {
            file: name.to_owned(),
            needed: NIFTI1_HEADER as u64,
            found: source.position(),
        },
    }
}

fn broken(name: &str, field: &'static str, problem: String) -> IoError {
    IoError::Header {
        file: name.to_owned(),
        format: "NIfTI",
        field,
        problem,
    }
}

impl Fields {
    fn version1(name: &str, bytes: &[u8]) -> Result<Self, IoError> {
        let h = NiftiHeader::from_reader(bytes)
            .map_err(|error| broken(name, "header", format!("cannot be read ({error})")))?;
        if h.sizeof_hdr != NIFTI1_HEADER as i32 {
            let problem = format!("is {}, not {NIFTI1_HEADER}", h.sizeof_hdr);
            return Err(broken(name, "sizeof_hdr", problem));
        }
        Ok(Self {
            // The standard's dims are signed; the reader has them unsigned.
            dim: h.dim.map(|n| i64::from(n as i16)),
            datatype: i32::from(h.datatype),
            pixdim: h.pixdim.map(f64::from),
            vox_offset: f64::from(h.vox_offset),
            scl_slope: f64::from(h.scl_slope),
            scl_inter: f64::from(h.scl_inter),
            xyzt_units: i32::from(h.xyzt_units),
            qform_code: i32::from(h.qform_code),
            sform_code: i32::from(h.sform_code),
            quaternion: [h.quatern_b, h.quatern_c, h.quatern_d].map(f64::from),
            qoffset: [h.quatern_x, h.quatern_y, h.quatern_z].map(f64::from),
            srow: [h.srow_x, h.srow_y, h.srow_z].map(|row| row.map(f64::from)),
            big_endian: h.endianness == Endianness::Big,
            detached: h.magic == *b"ni1\0",
            size: NIFTI1_HEADER,
        })
    }

    /// Offsets from <https://nifti.nimh.nih.gov/pub/dist/doc/nifti2.h>.
    fn version2(bytes: &[u8; NIFTI2_HEADER]) -> Self {
        let big_endian = !bytes.starts_with(&(NIFTI2_HEADER as i32).to_le_bytes());
        fn at<const N: usize>(bytes: &[u8; NIFTI2_HEADER], offset: usize, big: bool) -> [u8; N] {
            let mut field = [0; N];
            field.copy_from_slice(&bytes[offset..offset + N]);
            if big {
                field.reverse();
            }
            field
        }
        let int16 = |offset| i16::from_le_bytes(at(bytes, offset, big_endian));
        let int32 = |offset| i32::from_le_bytes(at(bytes, offset, big_endian));
        let int64 = |offset| i64::from_le_bytes(at(bytes, offset, big_endian));
        let float = |offset| f64::from_le_bytes(at(bytes, offset, big_endian));
        let floats = |offset: usize| move |n: usize| float(offset + 8 * n);
        Self {
            dim: std::array::from_fn(|n| int64(16 + 8 * n)),
            datatype: i32::from(int16(12)),
            pixdim: std::array::from_fn(floats(104)),
            vox_offset: int64(168) as f64,
            scl_slope: float(176),
            scl_inter: float(184),
            xyzt_units: int32(500),
            qform_code: int32(344),
            sform_code: int32(348),
            quaternion: std::array::from_fn(floats(352)),
            qoffset: std::array::from_fn(floats(376)),
            srow: [400, 432, 464].map(|row| std::array::from_fn(floats(row))),
            big_endian,
            detached: bytes[4..].starts_with(b"ni2\0"),
            size: NIFTI2_HEADER,
        }
    }

    fn check(&self, name: &str) -> Result<Header, IoError> {
        if self.detached {
            return Err(IoError::DetachedData {
                file: name.to_owned(),
            });
        }
        let datatype = datatype(self.datatype).map_err(|datatype| IoError::Datatype {
            file: name.to_owned(),
            code: self.datatype,
            datatype,
        })?;
        let (slope, inter) = self.scaling();
        let (affine, warnings) = self.orientation();
        let layout = Layout {
            dims: self.dims(name)?,
            datatype,
            big_endian: self.big_endian,
            offset: self.offset(name)?,
            slope,
            inter,
        };
        Ok(Header {
            layout,
            affine,
            warnings,
        })
    }

    fn dims(&self, name: &str) -> Result<[usize; 3], IoError> {
        let count = self.dim[0];
        if !(1..=7).contains(&count) {
            let problem = format!("says {count} dimensions, not 1 to 7");
            return Err(broken(name, "dim[0]", problem));
        }
        // Dimensions beyond the count are not used, whatever they hold.
        let dim = |n: usize| if n as i64 <= count { self.dim[n] } else { 1 };
        let mut dims = [1; 3];
        for (a, field) in ["dim[1]", "dim[2]", "dim[3]"].into_iter().enumerate() {
            let n = dim(a + 1);
            if !(1..=MAX_DIM as i64).contains(&n) {
                let problem = format!("is {n}, not 1 to {MAX_DIM}");
                return Err(broken(name, field, problem));
            }
            dims[a] = n as usize;
        }
        let mut volumes = 1_u64;
        for (n, field) in [(4, "dim[4]"), (5, "dim[5]"), (6, "dim[6]"), (7, "dim[7]")] {
            // Some programs write 0 for a dimension that is not used.
            let size = u64::try_from(dim(n).max(1)).unwrap_or(1);
            if dim(n) < 0 {
                return Err(broken(name, field, format!("is {}", dim(n))));
            }
            volumes = volumes.saturating_mul(size);
        }
        if volumes > 1 {
            return Err(IoError::Series {
                file: name.to_owned(),
                volumes,
            });
        }
        Ok(dims)
    }

    fn offset(&self, name: &str) -> Result<u64, IoError> {
        // The voxels of a single file follow the header and four bytes that announce extensions.
        const EXTENSION_FLAG: usize = 4;
        let offset = self.vox_offset;
        if offset == 0.0 {
            return Ok((self.size + EXTENSION_FLAG) as u64);
        }
        let valid = offset >= self.size as f64 && offset.fract() == 0.0 && offset < 2_f64.powi(53);
        if !valid {
            let problem = format!("is {offset}, which lies inside the header or nowhere");
            return Err(broken(name, "vox_offset", problem));
        }
        Ok(offset as u64)
    }

    /// Slope and intercept; a slope of 0 (or one that is no number) means unscaled.
    fn scaling(&self) -> (f64, f64) {
        if self.scl_slope == 0.0 || !self.scl_slope.is_finite() {
            (1.0, 0.0)
        } else if self.scl_inter.is_finite() {
            (self.scl_slope, self.scl_inter)
        } else {
            (self.scl_slope, 0.0)
        }
    }

    /// Millimetres of the header's unit of length.
    fn unit_mm(&self) -> f64 {
        const SPACE_UNITS: i32 = 0b111;
        match self.xyzt_units & SPACE_UNITS {
            1 => 1000.0,
            3 => 0.001,
            // 2 is mm; 0, unknown, is mm in practice.
            _ => 1.0,
        }
    }

    /// The affine, and warnings where the header does not say.
    fn orientation(&self) -> (Affine, Vec<Warning>) {
        let in_mm = |affine: Affine| {
            let unit = self.unit_mm();
            let affine = Affine(affine.0.map(|row| row.map(|x| x * unit)));
            affine.inverse().map(|_| affine)
        };
        let sform = (self.sform_code > 0).then_some(Affine(self.srow));
        if let Some(affine) = sform.and_then(in_mm) {
            return (affine, Vec::new());
        }
        let mut warnings = Vec::new();
        let sizes = [1, 2, 3].map(|a| self.pixdim[a].abs());
        let known = sizes.iter().all(|s| s.is_finite() && *s > 0.0);
        if !known {
            warnings.push(Warning::NoVoxelSize);
        }
        let sizes = if known { sizes } else { [1.0; 3] };
        let qform = (self.qform_code > 0).then(|| self.qform(sizes));
        if let Some(affine) = qform.and_then(in_mm) {
            return (affine, warnings);
        }
        warnings.push(Warning::NoOrientation);
        // Method 1 of the standard: the axes of the array are those of the world.
        let plain = Affine::scale_offset(sizes, [0.0; 3]);
        (in_mm(plain).unwrap_or(plain), warnings)
    }

    /// Method 2 of the standard: rotation from the unit quaternion (a, b, c, d), then `sizes`,
    /// with the third axis turned round if `pixdim[0]` (qfac) is negative.
    fn qform(&self, sizes: [f64; 3]) -> Affine {
        // Below this a² is rounding of b, c, d, and the rotation a half turn: the rule and the
        // number of the reference implementation (nifti_quatern_to_mat44).
        const HALF_TURN: f64 = 1e-7;
        let norm = self.quaternion.iter().map(|x| x * x).sum::<f64>();
        let ([b, c, d], a) = if 1.0 - norm < HALF_TURN {
            (self.quaternion.map(|x| x / norm.sqrt()), 0.0)
        } else {
            (self.quaternion, (1.0 - norm).sqrt())
        };
        let qfac = if self.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
        let [i, j, k] = [sizes[0], sizes[1], sizes[2] * qfac];
        let [x, y, z] = self.qoffset;
        Affine([
            [
                (a * a + b * b - c * c - d * d) * i,
                2.0 * (b * c - a * d) * j,
                2.0 * (b * d + a * c) * k,
                x,
            ],
            [
                2.0 * (b * c + a * d) * i,
                (a * a + c * c - b * b - d * d) * j,
                2.0 * (c * d - a * b) * k,
                y,
            ],
            [
                2.0 * (b * d - a * c) * i,
                2.0 * (c * d + a * b) * j,
                (a * a + d * d - b * b - c * c) * k,
                z,
            ],
        ])
    }
}
