//! One DICOM file with CT slices: what its header says of them.
//!
//! A single-frame CT image (PS3.3 A.3) has one slice. An enhanced one (PS3.3 A.38) has a slice a
//! frame, whose place and scaling lie in functional groups (PS3.3 C.7.6.16).

use std::borrow::Cow;

use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};

use super::element::{DataSet, Fault, PixelData, Reader};
use super::syntax::{self, Syntax};
use super::{fault, header};
use crate::date::Date;
use crate::io::{IoError, Limits};

/// A direction's length, and the angle between a row and a column, may be off by this much: some
/// scanners write few decimals.
const UNIT_TOLERANCE: f64 = 0.01;

/// How stored values lie in their bits (PS3.5 section 8.1.1), and which of them mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Bytes of a sample: 1 or 2.
    pub(super) bytes: usize,
    /// Bits of a sample that count: 1 to 16, up to `high`.
    pub(super) stored: u32,
    pub(super) high: u32,
    pub(super) signed: bool,
    /// First and last stored value outside the field of view (PS3.3 C.7.5.1.1.2).
    pub(super) padding: Option<(i32, i32)>,
}

/// Where a slice is and what its values mean. LPS millimetres, as in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    /// Centre of the first pixel.
    pub(super) position: [f64; 3],
    /// Directions of rows and of columns, as in the file.
    pub(super) orientation: [f64; 6],
    /// Unit vector along a row: where the column index grows.
    pub(super) along_row: [f64; 3],
    /// Unit vector down a column: where the row index grows.
    pub(super) along_column: [f64; 3],
    /// Between rows, between columns (PS3.3 10.7.1.3).
    pub(super) spacing: [f64; 2],
    /// HU = slope · stored + intercept (PS3.3 C.8.2.1.1.3).
    pub(super) slope: f64,
    pub(super) intercept: f64,
}

/// What the series is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct About {
    pub(super) series: String,
    pub(super) description: String,
    pub(super) modality: String,
    pub(super) kernel: String,
    /// Slice thickness in mm.
    pub(super) thickness: Option<f64>,
    /// Distance of slices in mm, where the file says so.
    pub(super) between: Option<f64>,
    pub(super) number: f64,
    pub(super) lossy: bool,
    /// The day of the acquisition, or else of the study.
    pub(super) date: Option<Date>,
}

/// A file with slices.
pub(super) struct Instance<'a> {
    pub(super) name: &'a str,
    pub(super) syntax: Syntax,
    /// What `pixels` points into.
    pub(super) data: Cow<'a, [u8]>,
    /// Where the data set begins there.
    at: usize,
    pub(super) pixels: PixelData,
    pub(super) format: Format,
    pub(super) about: About,
    pub(super) frames: Vec<Frame>,
}

/// A file's slices, or why it is none's.
pub(super) enum Found<'a> {
    Slices(Box<Instance<'a>>),
    /// A report, a localizer, a colour image, a screenshot: what it is.
    Other(&'static str),
}

/// Reads everything but the pixels of a DICOM file.
///
/// # Errors
///
/// If the file is cut or contradicts itself, or its transfer syntax is unknown.
pub(super) fn read<'a>(
    name: &'a str,
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<Found<'a>, IoError> {
    let opened = syntax::open(name, bytes, limits)?;
    let mut reader = Reader::new(&opened.data, opened.at, opened.syntax.coding);
    let (set, pixels) = reader.image().map_err(|f| fault(name, f))?;
    let Some(pixels) = pixels else {
        return Ok(Found::Other("without pixels"));
    };
    if let Some(what) = other_kind(&set) {
        return Ok(Found::Other(what));
    }
    let frames = frames(name, &set)?;
    if frames.is_empty() {
        return Ok(Found::Other("without a place in the patient"));
    }
    let (format, about) = (format(name, &set)?, about(&set));
    Ok(Found::Slices(Box::new(Instance {
        name,
        syntax: opened.syntax,
        pixels,
        format,
        about,
        frames,
        at: opened.at,
        data: opened.data,
    })))
}

impl Instance<'_> {
    /// The elements up to the pixels, read once more.
    pub(super) fn header(&self) -> Result<DataSet<'_>, Fault> {
        let mut reader = Reader::new(&self.data, self.at, self.syntax.coding);
        reader.image().map(|(set, _)| set)
    }
}

/// What an image is that is no slice.
fn other_kind(set: &DataSet) -> Option<&'static str> {
    let class = set.text(tags::SOP_CLASS_UID).unwrap_or_default();
    if [
        uids::SEGMENTATION_STORAGE,
        uids::LABEL_MAP_SEGMENTATION_STORAGE,
    ]
    .contains(&class.as_str())
    {
        return Some("of segmentations");
    }
    // Value 3 of CT's image type (PS3.3 C.8.2.1.1.1).
    const ROLE: usize = 2;
    let groups = set.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    let frame_type = nested(groups.first(), tags::CT_IMAGE_FRAME_TYPE_SEQUENCE);
    let roles = [
        set.text_at(tags::IMAGE_TYPE, ROLE),
        frame_type.and_then(|group| group.text_at(tags::FRAME_TYPE, ROLE)),
    ];
    if roles.iter().flatten().any(|role| role == "LOCALIZER") {
        return Some("localizers");
    }
    let photometric = set.text(tags::PHOTOMETRIC_INTERPRETATION);
    let grey = photometric.as_deref().is_none_or(|p| p == "MONOCHROME2");
    if !grey || set.word(tags::SAMPLES_PER_PIXEL).unwrap_or(1) != 1 {
        return Some("in colour or inverted");
    }
    None
}

fn about(set: &DataSet) -> About {
    let text = |tag| set.text(tag).unwrap_or_default();
    let group = set.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
    let measures = nested(group, tags::PIXEL_MEASURES_SEQUENCE);
    let reconstruction = nested(group, tags::CT_RECONSTRUCTION_SEQUENCE);
    let length = |tag| {
        let found = set
            .decimal(tag)
            .or_else(|| measures.and_then(|m| m.decimal(tag)));
        found.map(f64::abs).filter(|mm| *mm > 0.0)
    };
    About {
        series: text(tags::SERIES_INSTANCE_UID),
        description: text(tags::SERIES_DESCRIPTION),
        modality: text(tags::MODALITY),
        kernel: set
            .text(tags::CONVOLUTION_KERNEL)
            .or_else(|| reconstruction.and_then(|r| r.text(tags::CONVOLUTION_KERNEL)))
            .unwrap_or_default(),
        thickness: length(tags::SLICE_THICKNESS),
        between: length(tags::SPACING_BETWEEN_SLICES),
        number: set.decimal(tags::INSTANCE_NUMBER).unwrap_or(0.0),
        lossy: set.text(tags::LOSSY_IMAGE_COMPRESSION).as_deref() == Some("01"),
        date: [
            tags::ACQUISITION_DATE,
            tags::ACQUISITION_DATE_TIME,
            tags::STUDY_DATE,
        ]
        .into_iter()
        .find_map(|tag| Date::dicom(&set.text(tag)?)),
    }
}

fn format(name: &str, set: &DataSet) -> Result<Format, IoError> {
    let wrong = |field, problem: String| Err(header(name, field, problem));
    let word = |tag: Tag, field: &'static str| {
        set.word(tag)
            .ok_or_else(|| header(name, field, "is missing".to_owned()))
    };
    let rows = word(tags::ROWS, "Rows (0028,0010)")?;
    let columns = word(tags::COLUMNS, "Columns (0028,0011)")?;
    if rows == 0 || columns == 0 {
        return wrong("Rows (0028,0010) or Columns (0028,0011)", "is 0".to_owned());
    }
    let allocated = word(tags::BITS_ALLOCATED, "BitsAllocated (0028,0100)")?;
    if allocated != 8 && allocated != 16 {
        let problem = format!("is {allocated}, and CT has 8 or 16");
        return wrong("BitsAllocated (0028,0100)", problem);
    }
    let stored = set.word(tags::BITS_STORED).unwrap_or(allocated);
    let high = set.word(tags::HIGH_BIT).unwrap_or(stored.saturating_sub(1));
    if stored == 0 || high >= allocated || high + 1 < stored {
        let problem = format!("{stored} with high bit {high} does not fit {allocated} bits");
        return wrong("BitsStored (0028,0101)", problem);
    }
    let signed = set.word(tags::PIXEL_REPRESENTATION) == Some(1);
    // Written with the sign of the pixels (PS3.5 section 8.1.1).
    let value = |tag| {
        let word = set.word(tag)?;
        Some(if signed {
            i32::from(word as i16)
        } else {
            i32::from(word)
        })
    };
    let padding = value(tags::PIXEL_PADDING_VALUE).map(|first| {
        let last = value(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(first);
        (first.min(last), first.max(last))
    });
    Ok(Format {
        rows: usize::from(rows),
        columns: usize::from(columns),
        bytes: usize::from(allocated / 8),
        stored: u32::from(stored),
        high: u32::from(high),
        signed,
        padding,
    })
}

/// The first item of a sequence inside an item.
fn nested<'s, 'a>(group: Option<&'s DataSet<'a>>, tag: Tag) -> Option<&'s DataSet<'a>> {
    group?.items(tag).first()
}

/// The slices of a file; none if it does not say where they are.
fn frames(name: &str, set: &DataSet) -> Result<Vec<Frame>, IoError> {
    let per_frame = set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    let count = set.decimal(tags::NUMBER_OF_FRAMES).unwrap_or(1.0);
    if per_frame.is_empty() {
        if count > 1.0 {
            return Err(header(
                name,
                "NumberOfFrames (0028,0008)",
                format!("is {count}, but nothing says where each frame is in the patient"),
            ));
        }
        return Ok(frame(name, &[set])?.into_iter().collect());
    }
    if count != per_frame.len() as f64 {
        return Err(header(
            name,
            "NumberOfFrames (0028,0008)",
            format!("is {count}, but {} frames are described", per_frame.len()),
        ));
    }
    let shared = set.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
    let mut frames = Vec::new();
    for group in per_frame {
        // What holds for one frame goes before what is shared by all.
        let groups = [Some(group), shared];
        let sequences = [
            tags::PLANE_POSITION_SEQUENCE,
            tags::PLANE_ORIENTATION_SEQUENCE,
            tags::PIXEL_MEASURES_SEQUENCE,
            tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
        ];
        let places = groups
            .iter()
            .flat_map(|group| sequences.iter().filter_map(|&tag| nested(*group, tag)));
        frames.extend(frame(name, &places.collect::<Vec<_>>())?);
    }
    if frames.len() != per_frame.len() && !frames.is_empty() {
        return Err(header(
            name,
            "ImagePositionPatient (0020,0032)",
            "is missing in some frames".to_owned(),
        ));
    }
    Ok(frames)
}

/// A slice from the first of `places` that has each element (PS3.3 C.7.6.2, C.8.2.1).
fn frame(name: &str, places: &[&DataSet]) -> Result<Option<Frame>, IoError> {
    fn first<const N: usize>(places: &[&DataSet], tag: Tag) -> Option<[f64; N]> {
        places.iter().find_map(|set| set.decimals::<N>(tag))
    }
    let (Some(position), Some(axes)) = (
        first::<3>(places, tags::IMAGE_POSITION_PATIENT),
        first::<6>(places, tags::IMAGE_ORIENTATION_PATIENT),
    ) else {
        return Ok(None);
    };
    let [a, b, c, d, e, f] = axes;
    let (row, column) = ([a, b, c], [d, e, f]);
    let unit = |v: [f64; 3]| (dot(v, v).sqrt() - 1.0).abs() <= UNIT_TOLERANCE;
    if !unit(row) || !unit(column) || dot(row, column).abs() > UNIT_TOLERANCE {
        let problem = format!("{axes:?} is no pair of perpendicular directions");
        return Err(header(name, "ImageOrientationPatient (0020,0037)", problem));
    }
    let spacing = first::<2>(places, tags::PIXEL_SPACING);
    let spacing = spacing.filter(|s| s.iter().all(|mm| *mm > 0.0));
    let spacing = spacing.ok_or_else(|| {
        let problem = "is missing or not above 0".to_owned();
        header(name, "PixelSpacing (0028,0030)", problem)
    })?;
    let number = |tag, or| first::<1>(places, tag).map_or(or, |[value]| value);
    Ok(Some(Frame {
        position,
        orientation: axes,
        along_row: scaled(row, 1.0 / dot(row, row).sqrt()),
        along_column: scaled(column, 1.0 / dot(column, column).sqrt()),
        spacing,
        slope: number(tags::RESCALE_SLOPE, 1.0),
        intercept: number(tags::RESCALE_INTERCEPT, 0.0),
    }))
}

pub(super) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(super) fn scaled(v: [f64; 3], by: f64) -> [f64; 3] {
    v.map(|x| x * by)
}
