//! The elements of a DICOM data set, found in place (PS3.5 section 7).
//!
//! A data set comes from outside: every length is held against the bytes that are there before
//! its value is touched, nesting is capped, and nothing is copied. Only the elements that a volume and
//! a segmentation of it need are kept; what says who the patient is goes to the segmentation alone.

use std::borrow::Cow;
use std::ops::Range;

use dicom_core::dictionary::stub::StubDataDictionary;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_encoding::decode::Decode;
use dicom_encoding::decode::explicit_be::ExplicitVRBigEndianDecoder;
use dicom_encoding::decode::explicit_le::ExplicitVRLittleEndianDecoder;
use dicom_encoding::decode::implicit_le::ImplicitVRLittleEndianDecoder;

use super::source::{COPIED, IDENTIFYING};

/// Sequences deeper than this are no CT's: an enhanced CT has two.
const MAX_DEPTH: usize = 16;
/// The length that says "until a delimiter" (PS3.5 section 7.1.1).
const UNDEFINED: u32 = u32::MAX;

const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

/// The elements that are kept.
const KEPT: [Tag; 30] = [
    tags::IMAGE_TYPE,
    tags::FRAME_TYPE,
    tags::STUDY_DATE,
    tags::ACQUISITION_DATE,
    tags::ACQUISITION_DATE_TIME,
    tags::MODALITY,
    tags::SERIES_DESCRIPTION,
    tags::SERIES_INSTANCE_UID,
    tags::INSTANCE_NUMBER,
    tags::SLICE_THICKNESS,
    tags::SPACING_BETWEEN_SLICES,
    tags::CONVOLUTION_KERNEL,
    tags::IMAGE_POSITION_PATIENT,
    tags::IMAGE_ORIENTATION_PATIENT,
    tags::PIXEL_SPACING,
    tags::SAMPLES_PER_PIXEL,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::NUMBER_OF_FRAMES,
    tags::ROWS,
    tags::COLUMNS,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::HIGH_BIT,
    tags::PIXEL_REPRESENTATION,
    tags::PIXEL_PADDING_VALUE,
    tags::PIXEL_PADDING_RANGE_LIMIT,
    tags::RESCALE_INTERCEPT,
    tags::RESCALE_SLOPE,
    tags::LOSSY_IMAGE_COMPRESSION,
    tags::TRANSFER_SYNTAX_UID,
];

/// The sequences whose items are kept: the functional groups of multi-frame images (PS3.3
/// C.7.6.16).
const KEPT_SEQUENCES: [Tag; 8] = [
    tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::PLANE_POSITION_SEQUENCE,
    tags::PLANE_ORIENTATION_SEQUENCE,
    tags::PIXEL_MEASURES_SEQUENCE,
    tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
    tags::CT_IMAGE_FRAME_TYPE_SEQUENCE,
    tags::CT_RECONSTRUCTION_SEQUENCE,
];

fn is_kept(tag: Tag) -> bool {
    KEPT.contains(&tag) || IDENTIFYING.contains(&tag) || COPIED.iter().any(|(t, ..)| *t == tag)
}

/// How the elements are written (PS3.5 annex A).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    ImplicitLittle,
    ExplicitLittle,
    ExplicitBig,
}

/// What is wrong with a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Bytes needed, bytes there.
    Truncated(u64, u64),
    /// What does not fit together.
    Broken(&'static str),
}

/// Where the pixels are, as ranges of the data set's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PixelData {
    /// As they are.
    Native(Range<usize>),
    /// Packed: the offset table, then the fragments (PS3.5 section A.4).
    Fragments(Vec<Range<usize>>),
}

enum Value<'a> {
    Bytes(&'a [u8]),
    Items(Vec<DataSet<'a>>),
}

/// The kept elements of a data set or of an item.
pub(super) struct DataSet<'a> {
    elements: Vec<(Tag, Value<'a>)>,
    big_endian: bool,
}

impl<'a> DataSet<'a> {
    /// A value as it is, unless it is empty.
    pub(super) fn raw(&self, tag: Tag) -> Option<&'a [u8]> {
        self.elements.iter().find_map(|(t, value)| match value {
            Value::Bytes(bytes) if *t == tag && !bytes.is_empty() => Some(*bytes),
            _ => None,
        })
    }

    /// A text without its padding; control characters, which a terminal would obey, are dropped.
    pub(super) fn text(&self, tag: Tag) -> Option<String> {
        let text: Cow<str> = String::from_utf8_lossy(self.raw(tag)?);
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// One of the values of a text, counted from 0.
    pub(super) fn text_at(&self, tag: Tag, n: usize) -> Option<String> {
        let all = self.text(tag)?;
        all.split('\\').nth(n).map(|part| part.trim().to_owned())
    }

    /// The first `N` values of a decimal string, if there are as many and all are finite.
    pub(super) fn decimals<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        let all = self.text(tag)?;
        let mut parts = all.split('\\').map(|part| part.trim().parse::<f64>().ok());
        let mut out = [0.0; N];
        for value in &mut out {
            *value = parts.next()??;
        }
        out.iter().all(|v| v.is_finite()).then_some(out)
    }

    /// A decimal string.
    pub(super) fn decimal(&self, tag: Tag) -> Option<f64> {
        self.decimals::<1>(tag).map(|[value]| value)
    }

    /// A 16-bit number.
    pub(super) fn word(&self, tag: Tag) -> Option<u16> {
        let bytes = *self.raw(tag)?.first_chunk::<2>()?;
        Some(if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }

    /// The items of a sequence; none if it is not there.
    pub(super) fn items(&self, tag: Tag) -> &[DataSet<'a>] {
        let found = self.elements.iter().find_map(|(t, value)| match value {
            Value::Items(items) if *t == tag => Some(items.as_slice()),
            _ => None,
        });
        found.unwrap_or_default()
    }
}

/// Reads elements from `at` on.
pub(super) struct Reader<'a> {
    data: &'a [u8],
    at: usize,
    coding: Coding,
}

struct Header {
    tag: Tag,
    vr: VR,
    /// Absent where a delimiter ends the value.
    length: Option<usize>,
}

/// Where a data set ends: at the end of its bytes, or at a delimiter before that.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Length(usize),
    Delimiter(usize),
}

impl End {
    /// No value reaches beyond this.
    fn limit(self) -> usize {
        match self {
            Self::Length(n) | Self::Delimiter(n) => n,
        }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a [u8], at: usize, coding: Coding) -> Self {
        Self { data, at, coding }
    }

    /// Position in the data.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The elements of the file meta group (PS3.10 section 7.1), which ends where the group does.
    pub(super) fn meta(&mut self) -> Result<DataSet<'a>, Fault> {
        let mut set = self.empty();
        const GROUP: [u8; 2] = [0x02, 0x00];
        while self
            .data
            .get(self.at..)
            .unwrap_or_default()
            .starts_with(&GROUP)
        {
            let end = End::Length(self.data.len());
            let header = self.header(end)?;
            self.value(&header, end, 0, &mut set)?;
        }
        Ok(set)
    }

    /// The elements up to the pixels, and where those are.
    pub(super) fn image(&mut self) -> Result<(DataSet<'a>, Option<PixelData>), Fault> {
        /// Fewer bytes than an element's header takes are padding.
        const LEAST: usize = 8;
        let end = End::Length(self.data.len());
        let mut set = self.empty();
        while self.data.len().saturating_sub(self.at) >= LEAST {
            let header = self.header(end)?;
            if header.tag == tags::PIXEL_DATA {
                return Ok((set, Some(self.pixels(&header, end)?)));
            }
            self.value(&header, end, 0, &mut set)?;
        }
        Ok((set, None))
    }

    fn empty(&self) -> DataSet<'a> {
        DataSet {
            elements: Vec::new(),
            big_endian: self.coding == Coding::ExplicitBig,
        }
    }

    fn header(&mut self, end: End) -> Result<Header, Fault> {
        let rest = self.data.get(self.at..end.limit()).unwrap_or_default();
        let mut source = rest;
        let decoded = match self.coding {
            Coding::ImplicitLittle => ImplicitVRLittleEndianDecoder::with_dict(StubDataDictionary)
                .decode_header(&mut source),
            Coding::ExplicitLittle => {
                ExplicitVRLittleEndianDecoder::default().decode_header(&mut source)
            }
            Coding::ExplicitBig => ExplicitVRBigEndianDecoder::default().decode_header(&mut source),
        };
        // From a slice the only thing that can fail is that there is too little of it.
        let (header, _) = decoded.map_err(|_| {
            let found = self.data.len() as u64;
            Fault::Truncated(found + 1, found)
        })?;
        self.at += rest.len() - source.len();
        let length = (header.len.0 != UNDEFINED).then_some(header.len.0 as usize);
        Ok(Header {
            tag: header.tag,
            vr: header.vr,
            length,
        })
    }

    /// The range of a value of `length` bytes; the reader goes behind it.
    fn take(&mut self, length: usize, end: End) -> Result<Range<usize>, Fault> {
        let from = self.at;
        let to = from.checked_add(length);
        match to {
            Some(to) if to <= end.limit() => {
                self.at = to;
                Ok(from..to)
            }
            Some(to) if to <= self.data.len() => Err(Fault::Broken(
                "holds an element that reaches out of its item",
            )),
            _ => Err(Fault::Truncated(
                (from as u64).saturating_add(length as u64),
                self.data.len() as u64,
            )),
        }
    }

    /// Reads over an element's value, and puts it into `set` if it is to be kept.
    fn value(
        &mut self,
        header: &Header,
        end: End,
        depth: usize,
        set: &mut DataSet<'a>,
    ) -> Result<(), Fault> {
        if header.tag.0 == ITEM.0 {
            return Err(Fault::Broken("has an item outside of any sequence"));
        }
        let keep = KEPT_SEQUENCES.contains(&header.tag);
        if keep || header.length.is_none() {
            let items = self.sequence(header, end, depth)?;
            if keep {
                set.elements.push((header.tag, Value::Items(items)));
            }
            return Ok(());
        }
        let range = self.take(header.length.unwrap_or(0), end)?;
        if is_kept(header.tag) {
            let bytes = self.data.get(range).unwrap_or_default();
            set.elements.push((header.tag, Value::Bytes(bytes)));
        }
        Ok(())
    }

    /// The items of a sequence (PS3.5 section 7.5).
    fn sequence(
        &mut self,
        header: &Header,
        end: End,
        depth: usize,
    ) -> Result<Vec<DataSet<'a>>, Fault> {
        if depth >= MAX_DEPTH {
            return Err(Fault::Broken("nests sequences too deeply"));
        }
        let outer = self.coding;
        // Unknown and of undefined length: implicit inside (PS3.5 section 6.2.2, note 4).
        if header.vr == VR::UN && header.length.is_none() && outer == Coding::ExplicitLittle {
            self.coding = Coding::ImplicitLittle;
        }
        let end = match header.length {
            Some(length) => {
                let range = self.take(length, end)?;
                self.at = range.start;
                End::Length(range.end)
            }
            None => End::Delimiter(end.limit()),
        };
        let mut items = Vec::new();
        while end != End::Length(self.at) {
            let item = self.header(end)?;
            match (item.tag, item.length) {
                (ITEM, Some(length)) => {
                    let range = self.take(length, end)?;
                    self.at = range.start;
                    items.push(self.item(End::Length(range.end), depth + 1)?);
                }
                (ITEM, None) => items.push(self.item(End::Delimiter(end.limit()), depth + 1)?),
                (SEQUENCE_END, _) if matches!(end, End::Delimiter(_)) => break,
                _ => {
                    return Err(Fault::Broken(
                        "has a sequence with something else than items",
                    ));
                }
            }
        }
        self.coding = outer;
        Ok(items)
    }

    fn item(&mut self, end: End, depth: usize) -> Result<DataSet<'a>, Fault> {
        let mut set = self.empty();
        while end != End::Length(self.at) {
            let header = self.header(end)?;
            if header.tag == ITEM_END && matches!(end, End::Delimiter(_)) {
                break;
            }
            self.value(&header, end, depth, &mut set)?;
        }
        Ok(set)
    }

    fn pixels(&mut self, header: &Header, end: End) -> Result<PixelData, Fault> {
        if let Some(length) = header.length {
            return Ok(PixelData::Native(self.take(length, end)?));
        }
        let mut fragments = Vec::new();
        // Some writers leave out the last delimiter.
        while self.at < end.limit() {
            let item = self.header(end)?;
            match (item.tag, item.length) {
                (ITEM, Some(length)) => fragments.push(self.take(length, end)?),
                (SEQUENCE_END, _) => break,
                _ => return Err(Fault::Broken("has packed pixels that are no fragments")),
            }
        }
        Ok(PixelData::Fragments(fragments))
    }
}
