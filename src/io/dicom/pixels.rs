//! The pixels of a slice, unpacked and scaled to HU.

use std::borrow::Cow;

use super::element::{Coding, PixelData};
use super::instance::{Format, Frame, Instance};
use super::syntax::Packing;
use super::{lossless, rle};
use crate::io::samples::{NOT_A_NUMBER_HU, to_hu, truncated};
use crate::io::{IoError, Limits, image};

impl Instance<'_> {
    /// HU of one frame, row by row.
    ///
    /// # Errors
    ///
    /// If the transfer syntax is not one that is decoded here, or the pixels are cut or damaged.
    pub(super) fn hu(&self, frame: usize, limits: &Limits) -> Result<Vec<i16>, IoError> {
        let Some(scaling) = self.frames.get(frame) else {
            return Err(self.damaged("a frame is missing"));
        };
        let samples = self.samples(frame, limits)?;
        Ok(samples.map_to_hu(&self.format, scaling))
    }

    fn damaged(&self, reason: &str) -> IoError {
        IoError::Pixels {
            file: self.name.to_owned(),
            reason: reason.to_owned(),
        }
    }

    fn samples(&self, frame: usize, limits: &Limits) -> Result<Samples<'_>, IoError> {
        let Format {
            rows,
            columns,
            bytes,
            ..
        } = self.format;
        let pixels = rows * columns;
        // Slices are also decoded on their own, for pictures, before a volume is held to this.
        if pixels > limits.max_voxels {
            return Err(IoError::TooLarge {
                file: self.name.to_owned(),
                size: format!("{columns} × {rows} pixels"),
                limit: format!("{} pixels", limits.max_voxels),
            });
        }
        match self.syntax.packing {
            Packing::Native => self.native(frame, pixels * bytes),
            Packing::Rle => {
                let stream = self.stream(frame)?;
                let plain = rle::unpack(&stream, pixels, bytes);
                let plain = plain.map_err(|reason| self.damaged(reason))?;
                Ok(Samples::bytes(Cow::Owned(plain), bytes, false))
            }
            Packing::JpegLossless => {
                let stream = self.stream(frame)?;
                let words = lossless::unpack(&stream, rows, columns);
                Ok(Samples::Words(
                    words.map_err(|reason| self.damaged(reason))?,
                ))
            }
            Packing::Jpeg => {
                let picture = image::read(self.name, &self.stream(frame)?, limits);
                let picture = picture.map_err(|error| self.damaged(&error.to_string()))?;
                if (picture.height() as usize, picture.width() as usize) != (rows, columns) {
                    return Err(self.damaged("the JPEG stream has another size than the image"));
                }
                Ok(Samples::Bytes(Cow::Owned(picture.into_raw())))
            }
            Packing::Unsupported => Err(IoError::TransferSyntax {
                file: self.name.to_owned(),
                name: self.syntax.name.to_owned(),
                uid: self.syntax.uid.to_owned(),
            }),
        }
    }

    /// A frame of pixels that are not packed (PS3.5 section 8.1).
    fn native(&self, frame: usize, size: usize) -> Result<Samples<'_>, IoError> {
        let PixelData::Native(range) = &self.pixels else {
            return Err(self.damaged("they are packed, and the transfer syntax says they are not"));
        };
        let value = self.data.get(range.clone()).unwrap_or_default();
        let from = frame.checked_mul(size);
        let bytes = from.and_then(|from| value.get(from..)?.get(..size));
        let Some(bytes) = bytes else {
            let frames = self.frames.len() as u64;
            let needed = (range.start as u64).saturating_add(frames.saturating_mul(size as u64));
            return Err(truncated(self.name, needed, range.end as u64));
        };
        let big_endian = self.syntax.coding == Coding::ExplicitBig;
        Ok(Samples::bytes(
            Cow::Borrowed(bytes),
            self.format.bytes,
            big_endian,
        ))
    }

    /// The packed bytes of a frame: its fragments, joined (PS3.5 section A.4).
    fn stream(&self, frame: usize) -> Result<Cow<'_, [u8]>, IoError> {
        let PixelData::Fragments(all) = &self.pixels else {
            return Err(self.damaged("they are not packed, and the transfer syntax says they are"));
        };
        let (Some(table), Some(fragments)) = (all.first(), all.get(1..)) else {
            return Err(self.damaged("there are none"));
        };
        let bytes = |n: usize| {
            let range = fragments.get(n)?.clone();
            self.data.get(range)
        };
        let wanted: Vec<&[u8]> = if self.frames.len() == 1 {
            (0..fragments.len()).filter_map(bytes).collect()
        } else if self.frames.len() == fragments.len() {
            bytes(frame).into_iter().collect()
        } else {
            let table = self.data.get(table.clone()).unwrap_or_default();
            let (offsets, _) = table.as_chunks::<4>();
            let offset = |n: usize| {
                let bytes = offsets.get(n)?;
                Some(u32::from_le_bytes(*bytes) as usize)
            };
            let first = fragments.first().map_or(0, |range| range.start);
            let Some(from) = offset(frame) else {
                return Err(self.damaged("which fragment belongs to which frame is not said"));
            };
            let to = offset(frame + 1).unwrap_or(usize::MAX);
            // Offsets count from the first fragment's item to a frame's first item.
            let inside = |n: &usize| {
                let start = fragments.get(*n).map_or(0, |range| range.start);
                (from..to).contains(&start.saturating_sub(first))
            };
            (0..fragments.len())
                .filter(inside)
                .filter_map(bytes)
                .collect()
        };
        match wanted.as_slice() {
            [] => Err(self.damaged("a frame has no fragment")),
            [one] => Ok(Cow::Borrowed(one)),
            many => Ok(Cow::Owned(many.concat())),
        }
    }
}

/// Stored values as they lie in their bits.
enum Samples<'a> {
    Bytes(Cow<'a, [u8]>),
    Pairs(Cow<'a, [u8]>, fn([u8; 2]) -> u16),
    Words(Vec<u16>),
}

impl<'a> Samples<'a> {
    fn bytes(bytes: Cow<'a, [u8]>, size: usize, big_endian: bool) -> Self {
        match (size, big_endian) {
            (1, _) => Self::Bytes(bytes),
            (_, false) => Self::Pairs(bytes, u16::from_le_bytes),
            (_, true) => Self::Pairs(bytes, u16::from_be_bytes),
        }
    }

    fn map_to_hu(&self, format: &Format, frame: &Frame) -> Vec<i16> {
        let hu = |word: u16| format.hu(word, frame);
        match self {
            Self::Bytes(bytes) => bytes.iter().map(|&b| hu(u16::from(b))).collect(),
            Self::Pairs(bytes, word) => {
                let (pairs, _) = bytes.as_chunks::<2>();
                pairs.iter().map(|&pair| hu(word(pair))).collect()
            }
            Self::Words(words) => words.iter().map(|&word| hu(word)).collect(),
        }
    }
}

impl Format {
    /// The stored value in a word: the bits up to the high bit, with their sign (PS3.5 section
    /// 8.1.1). The bits above can hold overlays.
    fn stored(&self, word: u16) -> i32 {
        let below = self.high + 1 - self.stored;
        let value = (u32::from(word) >> below) & ((1 << self.stored) - 1);
        if self.signed {
            let above = u32::BITS - self.stored;
            (value << above) as i32 >> above
        } else {
            value as i32
        }
    }

    fn hu(&self, word: u16, frame: &Frame) -> i16 {
        let stored = self.stored(word);
        match self.padding {
            Some((first, last)) if (first..=last).contains(&stored) => NOT_A_NUMBER_HU,
            _ => to_hu(f64::from(stored) * frame.slope + frame.intercept),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(stored: u32, high: u32, signed: bool) -> Format {
        Format {
            rows: 1,
            columns: 1,
            bytes: 2,
            stored,
            high,
            signed,
            padding: None,
        }
    }

    #[test]
    fn only_the_stored_bits_count() {
        assert_eq!(format(12, 11, false).stored(0xF123), 0x123);
        assert_eq!(format(12, 15, false).stored(0x1234), 0x123);
        assert_eq!(format(12, 11, true).stored(0x0FFF), -1);
        assert_eq!(format(12, 11, true).stored(0x07FF), 2047);
        assert_eq!(format(16, 15, true).stored(0x8000), -32768);
        assert_eq!(format(16, 15, false).stored(0x8000), 32768);
        assert_eq!(format(1, 0, false).stored(0xFFFF), 1);
    }
}
