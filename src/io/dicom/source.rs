//! What a segmentation has to say of the series that it was made of.
//!
//! A segmentation belongs to the patient and the study of its images (PS3.3 A.51), so these few
//! elements are copied as they are. They go into the segmentation that the user gets, and nowhere
//! else: [`Source`] shows them to nobody, not even when it is printed for debugging.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::element::DataSet;
use super::series::{Collection, Stack};
use super::stack::Plan;

/// What is copied, with its VR; `true` where an element has to be there even if it is empty
/// (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2, C.7.4.1, C.12.1).
pub(super) const COPIED: [(Tag, VR, bool); 20] = [
    (tags::STUDY_DATE, VR::DA, true),
    (tags::STUDY_TIME, VR::TM, true),
    (tags::ACCESSION_NUMBER, VR::SH, true),
    (tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, false),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN, true),
    (tags::STUDY_DESCRIPTION, VR::LO, false),
    (tags::PATIENT_NAME, VR::PN, true),
    (tags::PATIENT_ID, VR::LO, true),
    (tags::ISSUER_OF_PATIENT_ID, VR::LO, false),
    (tags::PATIENT_BIRTH_DATE, VR::DA, true),
    (tags::PATIENT_SEX, VR::CS, true),
    (tags::PATIENT_AGE, VR::AS, false),
    (tags::PATIENT_SIZE, VR::DS, false),
    (tags::PATIENT_WEIGHT, VR::DS, false),
    (tags::PATIENT_IDENTITY_REMOVED, VR::CS, false),
    (tags::DEIDENTIFICATION_METHOD, VR::LO, false),
    (tags::STUDY_ID, VR::SH, true),
    (tags::POSITION_REFERENCE_INDICATOR, VR::LO, true),
    (tags::LOSSY_IMAGE_COMPRESSION_RATIO, VR::DS, false),
    (tags::LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS, false),
];

/// What is read besides: identifiers, and when the image was made.
pub(super) const IDENTIFYING: [Tag; 11] = [
    tags::SPECIFIC_CHARACTER_SET,
    tags::SOP_CLASS_UID,
    tags::SOP_INSTANCE_UID,
    tags::STUDY_INSTANCE_UID,
    tags::FRAME_OF_REFERENCE_UID,
    tags::CONTENT_DATE,
    tags::CONTENT_TIME,
    tags::ACQUISITION_DATE,
    tags::ACQUISITION_TIME,
    tags::SERIES_DATE,
    tags::SERIES_TIME,
];

/// Dates and times that an image may have, the closest to it first.
const MADE: [(Tag, Tag); 4] = [
    (tags::CONTENT_DATE, tags::CONTENT_TIME),
    (tags::ACQUISITION_DATE, tags::ACQUISITION_TIME),
    (tags::SERIES_DATE, tags::SERIES_TIME),
    (tags::STUDY_DATE, tags::STUDY_TIME),
];

/// An element whose value is there has no more bytes: 64 or 3 × 64 characters (PS3.5 section 6.2)
/// of four bytes at most, and the escapes between character sets.
const MOST_BYTES: usize = 1024;
/// Longest UID (PS3.5 section 9.1).
const MOST_UID: usize = 64;
/// Starts an escape between character sets, the one control character of a text (PS3.5 section
/// 6.1.3).
const ESCAPE: u8 = 0x1B;

/// A series and its patient, as a segmentation of it needs them.
#[derive(Clone, PartialEq)]
pub struct Source {
    /// Elements to copy, in their VR and with their bytes.
    pub(super) copied: Vec<(Tag, VR, Vec<u8>)>,
    pub(super) study: String,
    pub(super) series: String,
    pub(super) frame_of_reference: String,
    /// Date and time of the lowest slice.
    pub(super) made: [String; 2],
    pub(super) lossy: bool,
    pub(super) rows: u16,
    pub(super) columns: u16,
    /// Slice thickness in mm.
    pub(super) thickness: Option<f64>,
    /// Distance of the layers along their normal in mm; absent if there is one.
    pub(super) between: Option<f64>,
    pub(super) images: Vec<Image>,
    /// From the lowest to the highest, as in the volume.
    pub(super) layers: Vec<Place>,
}

/// A SOP instance with slices.
#[derive(Clone, PartialEq)]
pub(super) struct Image {
    pub(super) class: String,
    pub(super) uid: String,
}

/// Where a layer of the volume is, and what it was made of.
#[derive(Clone, PartialEq)]
pub(super) struct Place {
    /// Centre of the first pixel, LPS mm: the slice's own, or between the two that it is a mean of.
    pub(super) position: [f64; 3],
    /// Direction of rows and of columns, as in the file.
    pub(super) orientation: [f64; 6],
    /// Between rows, between columns.
    pub(super) spacing: [f64; 2],
    /// One image, or the two that the layer is a mean of, and which of its frames, from 1, where it
    /// has several.
    pub(super) of: Vec<(usize, Option<usize>)>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Source");
        shown.field("layers", &self.layers.len());
        shown.finish_non_exhaustive()
    }
}

impl Source {
    /// What a segmentation of the planned grid refers to; else what the files lack for one.
    pub(super) fn of(all: &Collection, stack: &Stack, plan: &Plan) -> Result<Self, &'static str> {
        let mut found = Images::default();
        let mut layers = Vec::with_capacity(plan.layers.len());
        for layer in &plan.layers {
            let (below, of) = found.slice(all, stack, layer.below)?;
            let mut place = Place {
                position: below.position,
                orientation: below.orientation,
                spacing: below.spacing,
                of: vec![of],
            };
            if layer.weight != 0.0 {
                let (above, of) = found.slice(all, stack, layer.above)?;
                for (x, up) in place.position.iter_mut().zip(above.position) {
                    *x += (up - *x) * layer.weight;
                }
                place.of.push(of);
            }
            layers.push(place);
        }
        let (Some(first), Some(header)) = (layers.first(), found.first) else {
            return Err("slices");
        };
        let reach = along_normal(first, layers.last().unwrap_or(first));
        let between = (layers.len() > 1).then(|| reach / (layers.len() as f64 - 1.0));
        let size = |pixels: usize| u16::try_from(pixels).map_err(|_| "a size that fits");
        Ok(Self {
            copied: header.copied,
            study: header.study,
            frame_of_reference: header.frame_of_reference,
            series: uid_text(&stack.about.uid).ok_or("a SeriesInstanceUID (0020,000E)")?,
            made: header.made,
            lossy: found.lossy,
            rows: size(stack.about.rows)?,
            columns: size(stack.about.columns)?,
            thickness: stack.about.thickness_mm,
            between,
            images: found.images,
            layers,
        })
    }
}

/// Distance of two layers along the normal of the first, in mm.
fn along_normal(a: &Place, b: &Place) -> f64 {
    let [rx, ry, rz, cx, cy, cz] = a.orientation;
    let normal = [ry * cz - rz * cy, rz * cx - rx * cz, rx * cy - ry * cx];
    let length = normal.iter().map(|x| x * x).sum::<f64>().sqrt();
    let way = (0..3).map(|i| (b.position[i] - a.position[i]) * normal[i]);
    (way.sum::<f64>() / length).abs()
}

/// The images that slices were found in.
#[derive(Default)]
struct Images {
    images: Vec<Image>,
    /// Number of each instance of the collection among them.
    numbers: BTreeMap<usize, usize>,
    uids: BTreeSet<String>,
    lossy: bool,
    /// What the first one says of the patient.
    first: Option<Header>,
}

struct Header {
    copied: Vec<(Tag, VR, Vec<u8>)>,
    study: String,
    frame_of_reference: String,
    made: [String; 2],
}

impl Images {
    /// A member of the stack: where it is, its image and its frame there.
    fn slice(
        &mut self,
        all: &Collection,
        stack: &Stack,
        member: usize,
    ) -> Result<(super::instance::Frame, (usize, Option<usize>)), &'static str> {
        const GONE: &str = "a slice";
        let &(at, frame) = stack.members.get(member).ok_or(GONE)?;
        let instance = all.instances.get(at).ok_or(GONE)?;
        let place = *instance.frames.get(frame).ok_or(GONE)?;
        let number = match self.numbers.get(&at) {
            Some(&number) => number,
            None => {
                // Read again: what one use needs is not kept for each slice of each series.
                let header = instance.header().map_err(|_| "a whole header")?;
                self.add(&header)?;
                self.lossy |= instance.about.lossy;
                let number = self.images.len() - 1;
                self.numbers.insert(at, number);
                number
            }
        };
        let several = instance.frames.len() > 1;
        Ok((place, (number, several.then_some(frame + 1))))
    }

    fn add(&mut self, header: &DataSet) -> Result<(), &'static str> {
        let class = uid(header, tags::SOP_CLASS_UID).ok_or("a SOPClassUID (0008,0016)")?;
        let own = uid(header, tags::SOP_INSTANCE_UID);
        let own = own.filter(|uid| self.uids.insert(uid.clone()));
        let own = own.ok_or("a SOPInstanceUID (0008,0018) of its own for every image")?;
        let study = uid(header, tags::STUDY_INSTANCE_UID);
        let study = study.ok_or("a StudyInstanceUID (0020,000D)")?;
        let frame_of_reference = uid(header, tags::FRAME_OF_REFERENCE_UID);
        let frame_of_reference = frame_of_reference.ok_or("a FrameOfReferenceUID (0020,0052)")?;
        match &self.first {
            Some(first) if first.study != study => {
                return Err("one StudyInstanceUID (0020,000D) for all slices");
            }
            Some(first) if first.frame_of_reference != frame_of_reference => {
                return Err("one FrameOfReferenceUID (0020,0052) for all slices");
            }
            Some(_) => {}
            None => {
                self.first = Some(Header {
                    copied: copied(header),
                    study,
                    frame_of_reference,
                    made: made(header),
                });
            }
        }
        self.images.push(Image { class, uid: own });
        Ok(())
    }
}

fn uid(header: &DataSet, tag: Tag) -> Option<String> {
    uid_text(&header.text(tag)?)
}

/// A UID, if it is one by its characters and length.
fn uid_text(text: &str) -> Option<String> {
    let whole = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let fits = text.len() <= MOST_UID && text.split('.').all(whole);
    fits.then(|| text.to_owned())
}

/// The elements of [`COPIED`], with the character set that their texts are written in. What is not
/// what its VR promises is left out, or empty where it has to be there.
fn copied(header: &DataSet) -> Vec<(Tag, VR, Vec<u8>)> {
    let named = header.raw(tags::SPECIFIC_CHARACTER_SET).map(trimmed);
    let characters = named.filter(|names| known_characters(names));
    // Without its character set a text that needs one would become another text.
    let plain = named.is_some() && characters.is_none();
    let mut out: Vec<_> = characters
        .map(|names| (tags::SPECIFIC_CHARACTER_SET, VR::CS, names.to_vec()))
        .into_iter()
        .collect();
    for (tag, vr, always) in COPIED {
        let value = header.raw(tag).map(trimmed);
        let value = value.filter(|v| valid(vr, v) && (!plain || v.iter().all(is_plain)));
        match value {
            Some(value) => out.push((tag, vr, value.to_vec())),
            None if always => out.push((tag, vr, Vec::new())),
            None => {}
        }
    }
    // One says how the other came about (PS3.3 C.7.1.1): without it, neither.
    let has = |tag: Tag| out.iter().any(|(t, ..)| *t == tag);
    if !has(tags::DEIDENTIFICATION_METHOD) {
        out.retain(|(tag, ..)| *tag != tags::PATIENT_IDENTITY_REMOVED);
    }
    out
}

/// Date and time of an image. It is the segmentation's too, which is of the same day and knows no
/// clock: the same scan gives the same bytes. 1900 where the files do not say.
fn made(header: &DataSet) -> [String; 2] {
    let text = |tag, vr| {
        let value = header.raw(tag).map(trimmed).filter(|v| valid(vr, v));
        value.map(|v| String::from_utf8_lossy(v).into_owned())
    };
    let found = MADE.iter().find_map(|&(date, time)| {
        let time = text(time, VR::TM).unwrap_or_else(|| "000000".to_owned());
        Some([text(date, VR::DA)?, time])
    });
    found.unwrap_or_else(|| ["19000101".to_owned(), "000000".to_owned()])
}

/// A value without its padding.
fn trimmed(value: &[u8]) -> &[u8] {
    let padding = |b: &u8| *b == b' ' || *b == 0;
    let end = value.iter().rposition(|b| !padding(b)).map_or(0, |n| n + 1);
    &value[..end]
}

fn is_plain(byte: &u8) -> bool {
    (b' '..0x7F).contains(byte)
}

/// Whether these are names of character sets (PS3.3 C.12.1.1.2); the first of several may be empty.
fn known_characters(names: &[u8]) -> bool {
    const MOST_SETS: usize = 9;
    let known = |(n, name): (usize, &[u8])| {
        let Ok(name) = std::str::from_utf8(name) else {
            return false;
        };
        let name = name.trim();
        let numbered = ["ISO_IR ", "ISO 2022 IR "]
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix))
            .is_some_and(|n| (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()));
        numbered || ["GB18030", "GBK"].contains(&name) || (name.is_empty() && n == 0)
    };
    let all = names.split(|b| *b == b'\\').enumerate();
    names.len() <= MOST_BYTES && all.clone().count() <= MOST_SETS && all.into_iter().all(known)
}

/// Whether a value is what its VR promises (PS3.5 section 6.2), as far as a reader would stumble.
fn valid(vr: VR, value: &[u8]) -> bool {
    let digits = |v: &[u8]| v.iter().all(u8::is_ascii_digit);
    let each = |test: &dyn Fn(&[u8]) -> bool| value.split(|b| *b == b'\\').all(test);
    let ascii = |v: &[u8]| {
        std::str::from_utf8(v)
            .ok()
            .map(str::trim)
            .map(str::to_owned)
    };
    if value.is_empty() || value.len() > MOST_BYTES {
        return false;
    }
    match vr {
        VR::DA => value.len() == 8 && digits(value),
        VR::TM => {
            let whole = value.split(|b| *b == b'.').next().unwrap_or_default();
            let rest = value.get(whole.len() + 1..).unwrap_or_default();
            [2, 4, 6].contains(&whole.len()) && digits(whole) && rest.len() <= 6 && digits(rest)
        }
        VR::CS => each(&|v| {
            let allowed =
                |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b" _".contains(b);
            v.len() <= 16 && v.iter().all(allowed)
        }),
        VR::AS => matches!(value, [n @ .., b'D' | b'W' | b'M' | b'Y'] if n.len() == 3 && digits(n)),
        VR::DS => each(&|v| {
            let number = ascii(v).and_then(|text| text.parse::<f64>().ok());
            v.len() <= 16 && number.is_some_and(f64::is_finite)
        }),
        _ => !value
            .iter()
            .any(|b| (*b < b' ' && *b != ESCAPE) || *b == 0x7F),
    }
}
