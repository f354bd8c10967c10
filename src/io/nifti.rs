//! NIfTI-1 and NIfTI-2 single files, plain or gzipped, in; NIfTI-1 out.
//!
//! Format: <https://nifti.nimh.nih.gov/nifti-1/documentation>. Reading is one pass: the header
//! first, then every size in it is checked, then exactly the voxels that it names are decoded in
//! chunks straight into the result. A gzip stream is never unpacked beyond that.

mod header;
mod write;

pub use write::{write_hu, write_labels};

use header::Header;

use super::samples::to_hu;
use super::stream::Source;
use super::{IoError, Limits, Scan};
use crate::volume::Volume;

/// Reads a CT volume.
///
/// The content decides between plain and gzip, NIfTI-1 and NIfTI-2, and the byte order. Values are
/// scaled by `scl_slope` and `scl_inter`, rounded and clamped to `i16`; NaN becomes -1024. The
/// place in the world comes from the sform, else the qform, else from `pixdim` alone with
/// [`Warning::NoOrientation`](super::Warning::NoOrientation).
///
/// # Errors
///
/// An [`IoError`] for whatever is not a whole NIfTI file of one 2D or 3D volume of real numbers.
pub fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<Scan, IoError> {
    let mut file = Opened::new(name, bytes, limits)?;
    let data = file.voxels(to_hu)?;
    let Header {
        layout,
        affine,
        warnings,
    } = file.header;
    Ok(layout.scan(data, affine, warnings))
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
    let Header { layout, affine, .. } = file.header;
    let dims = layout.dims;
    Ok(Volume { data, dims, affine })
}

/// A file whose header is read and whose sizes are checked.
struct Opened<'a> {
    header: Header,
    /// The bytes after the header.
    source: Source<'a>,
}

impl<'a> Opened<'a> {
    fn new(name: &'a str, bytes: &'a [u8], limits: &Limits) -> Result<Self, IoError> {
        let mut source = Source::new(name, bytes)?;
        let header = Header::read(name, &mut source)?;
        header
            .layout
            .check(name, bytes.len(), source.is_packed(), limits)?;
        Ok(Self { header, source })
    }

    /// Decodes all voxels; `convert` gets the scaled values.
    fn voxels<O>(&mut self, convert: impl FnMut(f64) -> O) -> Result<Vec<O>, IoError> {
        self.header.layout.decode(&mut self.source, convert)
    }
}

#[cfg(test)]
mod tests;
