//! NRRD files with their voxels attached, raw or gzipped, in.
//!
//! Format: <https://teem.sourceforge.net/nrrd/format.html>. The header is lines of text up to an
//! empty one. World space is what `space` says, and RAS here.

use super::samples::{Datatype, Layout, to_hu, truncated};
use super::stream::{Packing, Source};
use super::text::{Lines, Text, place};
use super::{IoError, Limits, Scan};

const FORMAT: &str = "NRRD";

/// The fields that a scan needs, as text.
#[derive(Default)]
struct Fields<'a> {
    datatype: Option<&'a str>,
    sizes: Option<&'a str>,
    encoding: Option<&'a str>,
    endian: Option<&'a str>,
    space: Option<&'a str>,
    directions: Option<&'a str>,
    origin: Option<&'a str>,
    spacings: Option<&'a str>,
    /// Where the voxels begin in the file.
    data_at: usize,
}

/// Reads a CT volume.
///
/// Values are rounded and clamped to `i16`; NaN becomes -1024. The place in the world comes from
/// `space`, `space directions` and `space origin`; without them there is
/// [`Warning::NoOrientation`](super::Warning::NoOrientation).
///
/// # Errors
///
/// An [`IoError`] for whatever is not a whole NRRD file of one 2D or 3D volume of numbers, with
/// the voxels in the same file and raw or gzipped.
pub fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<Scan, IoError> {
    let text = Text {
        file: name,
        format: FORMAT,
    };
    let fields = Fields::read(&text, bytes)?;
    let (layout, packing) = fields.layout(&text)?;
    let (axes, origin) = (fields.axes(&text)?, fields.origin(&text)?);
    let sizes = fields.spacings(&text)?;
    let (affine, warnings) = place(fields.world(), axes, origin, sizes);
    let data = bytes.get(fields.data_at..).unwrap_or_default();
    layout.check(name, data.len(), packing != Packing::Plain, limits)?;
    let voxels = layout.decode(&mut Source::packed(name, data, packing), to_hu)?;
    Ok(layout.scan(voxels, affine, warnings))
}

impl<'a> Fields<'a> {
    fn read(text: &Text, bytes: &'a [u8]) -> Result<Self, IoError> {
        let mut fields = Self::default();
        let mut lines = Lines::new(bytes);
        loop {
            let Some(line) = lines.next() else {
                let found = bytes.len() as u64;
                return Err(truncated(text.file, found + 1, found));
            };
            if line.is_empty() {
                fields.data_at = lines.at;
                return Ok(fields);
            }
            // Other lines are the magic, comments, and key/value pairs with `:=`.
            if let Some((field, value)) = line.split_once(": ") {
                fields.set(text, field, value.trim())?;
            }
        }
    }

    fn set(&mut self, text: &Text, field: &str, value: &'a str) -> Result<(), IoError> {
        let place = match field.to_ascii_lowercase().as_str() {
            "type" => &mut self.datatype,
            "sizes" => &mut self.sizes,
            "encoding" => &mut self.encoding,
            "endian" => &mut self.endian,
            "space" => &mut self.space,
            "space directions" => &mut self.directions,
            "space origin" => &mut self.origin,
            "spacings" => &mut self.spacings,
            "data file" | "datafile" => {
                return Err(IoError::DetachedData {
                    file: text.file.to_owned(),
                });
            }
            "line skip" | "lineskip" | "byte skip" | "byteskip" if value != "0" => {
                return Err(text.wrong("line skip or byte skip", "is not 0"));
            }
            _ => return Ok(()),
        };
        *place = Some(value);
        Ok(())
    }

    fn layout(&self, text: &Text) -> Result<(Layout, Packing), IoError> {
        let need =
            |field, value: Option<&'a str>| value.ok_or_else(|| text.wrong(field, "is missing"));
        let datatype = need("type", self.datatype)?;
        let datatype = datatype_of(datatype)
            .ok_or_else(|| text.wrong("type", "is not that of one real number a voxel"))?;
        let packing = match need("encoding", self.encoding)?
            .to_ascii_lowercase()
            .as_str()
        {
            "raw" => Packing::Plain,
            "gzip" | "gz" => Packing::Gzip,
            _ => return Err(text.wrong("encoding", "is neither raw nor gzip")),
        };
        let big_endian = match self.endian.map(str::to_ascii_lowercase).as_deref() {
            Some("big") => true,
            Some("little") => false,
            None if datatype.size() == 1 => false,
            _ => return Err(text.wrong("endian", "is neither little nor big")),
        };
        let layout = Layout {
            dims: text.dims("sizes", need("sizes", self.sizes)?)?,
            datatype,
            big_endian,
            offset: 0,
            slope: 1.0,
            inter: 0.0,
        };
        Ok((layout, packing))
    }

    /// Signs of the world's axes against RAS.
    fn world(&self) -> Option<[f64; 3]> {
        match self.space?.to_ascii_lowercase().as_str() {
            "right-anterior-superior" | "ras" => Some([1.0, 1.0, 1.0]),
            "left-anterior-superior" | "las" => Some([-1.0, 1.0, 1.0]),
            "left-posterior-superior" | "lps" => Some([-1.0, -1.0, 1.0]),
            _ => None,
        }
    }

    fn axes(&self, text: &Text) -> Result<Option<[[f64; 3]; 3]>, IoError> {
        let Some(directions) = self.directions else {
            return Ok(None);
        };
        // Axes beyond the third, which have one sample, may have `none`.
        let spatial = directions.trim_end_matches("none").trim_end();
        let [a, b, c, d, e, f, g, h, i] = text.numbers("space directions", spatial)?;
        Ok(Some([[a, b, c], [d, e, f], [g, h, i]]))
    }

    fn origin(&self, text: &Text) -> Result<[f64; 3], IoError> {
        match self.origin {
            Some(origin) => text.numbers("space origin", origin),
            None => Ok([0.0; 3]),
        }
    }

    /// Voxel sizes, where there are three: a size may be unknown, which is NaN.
    fn spacings(&self, text: &Text) -> Result<Option<[f64; 3]>, IoError> {
        let Some(spacings) = self.spacings else {
            return Ok(None);
        };
        let values = text.values::<f64>("spacings", spacings)?;
        Ok(values.first_chunk::<3>().copied())
    }
}

/// The type of a name in the header.
fn datatype_of(name: &str) -> Option<Datatype> {
    Some(match name.to_ascii_lowercase().as_str() {
        "signed char" | "int8" | "int8_t" => Datatype::I8,
        "uchar" | "unsigned char" | "uint8" | "uint8_t" => Datatype::U8,
        "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => {
            Datatype::I16
        }
        "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => Datatype::U16,
        "int" | "signed int" | "int32" | "int32_t" => Datatype::I32,
        "uint" | "unsigned int" | "uint32" | "uint32_t" => Datatype::U32,
        "longlong"
        | "long long"
        | "long long int"
        | "signed long long"
        | "signed long long int"
        | "int64"
        | "int64_t" => Datatype::I64,
        "ulonglong" | "unsigned long long" | "unsigned long long int" | "uint64" | "uint64_t" => {
            Datatype::U64
        }
        "float" => Datatype::F32,
        "double" => Datatype::F64,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
