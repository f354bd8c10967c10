//! MetaImage files with their voxels attached (.mha), raw or zlib-compressed, in.
//!
//! Format: <https://itk.org/Wiki/ITK/MetaIO/Documentation>. The header is lines of `Key = Value`
//! up to `ElementDataFile`. World space is LPS, as ITK's is, and RAS here.

use super::samples::{Datatype, Layout, to_hu, truncated};
use super::stream::{Packing, Source};
use super::text::{Lines, Text, place};
use super::{IoError, Limits, Scan};

const FORMAT: &str = "MetaImage";
/// Signs of LPS against RAS.
const LPS: [f64; 3] = [-1.0, -1.0, 1.0];

/// The fields that a scan needs, as text.
#[derive(Default)]
struct Fields<'a> {
    sizes: Option<&'a str>,
    datatype: Option<&'a str>,
    channels: Option<&'a str>,
    binary: Option<&'a str>,
    big_endian: Option<&'a str>,
    compressed: Option<&'a str>,
    compressed_size: Option<&'a str>,
    header_size: Option<&'a str>,
    directions: Option<&'a str>,
    origin: Option<&'a str>,
    spacing: Option<&'a str>,
    /// Where the voxels begin in the file.
    data_at: usize,
}

/// Reads a CT volume.
///
/// Values are rounded and clamped to `i16`; NaN becomes -1024. The place in the world comes from
/// `TransformMatrix`, `Offset` and `ElementSpacing`; without the first there is
/// [`Warning::NoOrientation`](super::Warning::NoOrientation).
///
/// # Errors
///
/// An [`IoError`] for whatever is not a whole MetaImage file of one 2D or 3D volume of numbers,
/// with the voxels in the same file.
pub fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<Scan, IoError> {
    let text = Text {
        file: name,
        format: FORMAT,
    };
    let fields = Fields::read(&text, bytes)?;
    let (layout, packing) = fields.layout(&text)?;
    let sizes = fields.spacing.map(|s| text.values("ElementSpacing", s));
    let sizes = sizes.transpose()?;
    let sizes = sizes.as_deref().and_then(|s| s.first_chunk::<3>()).copied();
    let axes = fields.axes(&text, sizes.unwrap_or([1.0; 3]))?;
    let origin = match fields.origin {
        Some(origin) if axes.is_some() => text.numbers("Offset", origin)?,
        _ => [0.0; 3],
    };
    // Without a spacing nobody knows the size of what is turned.
    let (affine, warnings) = place(sizes.map(|_| LPS), axes, origin, sizes);
    let data = fields.data(&text, bytes)?;
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
            let Some((key, value)) = line.split_once('=') else {
                return Err(text.wrong("header", "has a line without ="));
            };
            let value = value.trim();
            if key.trim() == "ElementDataFile" {
                if !value.eq_ignore_ascii_case("LOCAL") {
                    return Err(IoError::DetachedData {
                        file: text.file.to_owned(),
                    });
                }
                fields.data_at = lines.at;
                return Ok(fields);
            }
            if let Some(place) = fields.place(key.trim()) {
                *place = Some(value);
            }
        }
    }

    fn place(&mut self, key: &str) -> Option<&mut Option<&'a str>> {
        Some(match key {
            "DimSize" => &mut self.sizes,
            "ElementType" => &mut self.datatype,
            "ElementNumberOfChannels" => &mut self.channels,
            "BinaryData" => &mut self.binary,
            "BinaryDataByteOrderMSB" | "ElementByteOrderMSB" => &mut self.big_endian,
            "CompressedData" => &mut self.compressed,
            "CompressedDataSize" => &mut self.compressed_size,
            "HeaderSize" => &mut self.header_size,
            "TransformMatrix" | "Rotation" | "Orientation" => &mut self.directions,
            "Offset" | "Position" | "Origin" => &mut self.origin,
            "ElementSpacing" => &mut self.spacing,
            _ => return None,
        })
    }

    fn layout(&self, text: &Text) -> Result<(Layout, Packing), IoError> {
        let flag = |value: Option<&str>, or| value.map_or(or, |v| v.eq_ignore_ascii_case("true"));
        if !flag(self.binary, true) {
            return Err(text.wrong("BinaryData", "is not True"));
        }
        if self.channels.is_some_and(|n| n != "1") {
            return Err(text.wrong("ElementNumberOfChannels", "is not 1"));
        }
        if self.header_size.is_some_and(|n| n != "0") {
            return Err(text.wrong("HeaderSize", "is not 0"));
        }
        let datatype = self.datatype.and_then(datatype_of);
        let datatype = datatype
            .ok_or_else(|| text.wrong("ElementType", "is not that of one real number a voxel"))?;
        let sizes = self
            .sizes
            .ok_or_else(|| text.wrong("DimSize", "is missing"))?;
        let packing = if flag(self.compressed, false) {
            Packing::Zlib
        } else {
            Packing::Plain
        };
        let layout = Layout {
            dims: text.dims("DimSize", sizes)?,
            datatype,
            big_endian: flag(self.big_endian, false),
            offset: 0,
            slope: 1.0,
            inter: 0.0,
        };
        Ok((layout, packing))
    }

    /// The directions of the voxel axes one after the other, times the spacing.
    fn axes(&self, text: &Text, sizes: [f64; 3]) -> Result<Option<[[f64; 3]; 3]>, IoError> {
        let Some(directions) = self.directions else {
            return Ok(None);
        };
        let values = text.values::<f64>("TransformMatrix", directions)?;
        let &[a, b, c, d, e, f, g, h, i] = values.as_slice() else {
            // A plane has two axes, which do not say where it lies.
            return Ok(None);
        };
        let [x, y, z] = sizes;
        Ok(Some([
            [a * x, b * x, c * x],
            [d * y, e * y, f * y],
            [g * z, h * z, i * z],
        ]))
    }

    /// The bytes of the voxels: as many as the header says, if they are compressed.
    fn data(&self, text: &Text, bytes: &'a [u8]) -> Result<&'a [u8], IoError> {
        let rest = bytes.get(self.data_at..).unwrap_or_default();
        let Some(size) = self.compressed_size else {
            return Ok(rest);
        };
        let size = text.values::<usize>("CompressedDataSize", size)?;
        let size = size.first().copied().unwrap_or(rest.len());
        rest.get(..size).ok_or_else(|| {
            let needed = (self.data_at as u64).saturating_add(size as u64);
            truncated(text.file, needed, bytes.len() as u64)
        })
    }
}

/// The type of a name in the header. A long has four bytes, as MetaIO has it.
fn datatype_of(name: &str) -> Option<Datatype> {
    Some(match name {
        "MET_CHAR" => Datatype::I8,
        "MET_UCHAR" => Datatype::U8,
        "MET_SHORT" => Datatype::I16,
        "MET_USHORT" => Datatype::U16,
        "MET_INT" | "MET_LONG" => Datatype::I32,
        "MET_UINT" | "MET_ULONG" => Datatype::U32,
        "MET_LONG_LONG" => Datatype::I64,
        "MET_ULONG_LONG" => Datatype::U64,
        "MET_FLOAT" => Datatype::F32,
        "MET_DOUBLE" => Datatype::F64,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
