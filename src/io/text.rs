//! What the headers of NRRD and MetaImage share: lines of text before the voxels.

use std::str::FromStr;

use super::samples::MAX_DIM;
use super::{IoError, Warning};
use crate::volume::Affine;

/// A header longer than this is none.
const MAX_HEADER: usize = 1 << 20;

/// The lines at the beginning of a file.
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    /// Where the next line begins.
    pub(super) at: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a str;

    /// The next line without its end; `None` where no whole line of text follows.
    fn next(&mut self) -> Option<&'a str> {
        let header = &self.bytes[..self.bytes.len().min(MAX_HEADER)];
        let rest = header.get(self.at..)?;
        let length = rest.iter().position(|byte| *byte == b'\n')?;
        self.at += length + 1;
        let line = std::str::from_utf8(rest.get(..length)?).ok()?;
        Some(line.trim_end())
    }
}

/// A header of which `format` names the standard in errors.
pub(super) struct Text<'a> {
    pub(super) file: &'a str,
    pub(super) format: &'static str,
}

impl Text<'_> {
    pub(super) fn wrong(&self, field: &'static str, problem: impl Into<String>) -> IoError {
        IoError::Header {
            file: self.file.to_owned(),
            format: self.format,
            field,
            problem: problem.into(),
        }
    }

    /// As many values as `text` has.
    pub(super) fn values<T: FromStr>(
        &self,
        field: &'static str,
        text: &str,
    ) -> Result<Vec<T>, IoError> {
        let parts = text.split([' ', '\t', ',', '(', ')']);
        let values = parts.filter(|part| !part.is_empty()).map(str::parse);
        values
            .collect::<Result<_, _>>()
            .map_err(|_| self.wrong(field, format!("is \"{}\"", shortened(text))))
    }

    /// `N` finite numbers.
    pub(super) fn numbers<const N: usize>(
        &self,
        field: &'static str,
        text: &str,
    ) -> Result<[f64; N], IoError> {
        let values = self.values::<f64>(field, text)?;
        let finite = values.iter().all(|v| v.is_finite());
        let all = <[f64; N]>::try_from(values).ok().filter(|_| finite);
        all.ok_or_else(|| {
            let problem = format!("is \"{}\", not {N} numbers", shortened(text));
            self.wrong(field, problem)
        })
    }

    /// Dims of a volume; a plane is one of a single slice.
    pub(super) fn dims(&self, field: &'static str, text: &str) -> Result<[usize; 3], IoError> {
        let sizes = self.values::<usize>(field, text)?;
        let mut dims = [1; 3];
        if sizes.len() < 2 {
            return Err(self.wrong(field, "has fewer than two values"));
        }
        for (n, size) in sizes.iter().copied().enumerate() {
            match dims.get_mut(n) {
                Some(dim) if (1..=MAX_DIM).contains(&size) => *dim = size,
                Some(_) => {
                    return Err(self.wrong(field, format!("has {size}, not 1 to {MAX_DIM}")));
                }
                None if size == 1 => {}
                None => {
                    return Err(IoError::Series {
                        file: self.file.to_owned(),
                        volumes: size as u64,
                    });
                }
            }
        }
        Ok(dims)
    }
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    text.chars()
        .filter(|c| !c.is_control())
        .take(SHOWN)
        .collect()
}

/// The affine of three voxel axes (as vectors in mm) and the first voxel, in a world whose axes
/// run with (1) or against (-1) RAS. `world` is absent where the header does not say, and the
/// voxel axes are then taken for those of the world, as NIfTI does.
pub(super) fn place(
    world: Option<[f64; 3]>,
    axes: Option<[[f64; 3]; 3]>,
    origin: [f64; 3],
    sizes: Option<[f64; 3]>,
) -> (Affine, Vec<Warning>) {
    if let (Some(signs), Some([i, j, k])) = (world, axes) {
        let row = |r: usize| [i[r], j[r], k[r], origin[r]].map(|x| x * signs[r]);
        let affine = Affine([row(0), row(1), row(2)]);
        if affine.inverse().is_some() {
            return (affine, Vec::new());
        }
    }
    let mut warnings = Vec::new();
    let length = |v: [f64; 3]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let sizes = sizes.or_else(|| axes.map(|axes| axes.map(length)));
    let known = |s: &[f64; 3]| s.iter().all(|mm| mm.is_finite() && *mm != 0.0);
    let sizes = sizes.filter(known).unwrap_or_else(|| {
        warnings.push(Warning::NoVoxelSize);
        [1.0; 3]
    });
    warnings.push(Warning::NoOrientation);
    let plain = Affine::scale_offset(sizes.map(f64::abs), [0.0; 3]);
    (plain, warnings)
}
