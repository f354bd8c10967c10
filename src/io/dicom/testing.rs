//! DICOM files for tests: written with dicom-object, packed by encoders of our own.
#![allow(clippy::unwrap_used)]

use std::borrow::Cow;

use dicom_core::value::{DataSetSequence, PixelFragmentSequence};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

use crate::io::File;
use crate::volume::Volume;

pub(crate) const STUDY: &str = "1.2.840.99999.7";
pub(crate) const FRAME_OF_REFERENCE: &str = "1.2.840.99999.8";

/// How the files of a series are written.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) syntax: &'static str,
    pub(crate) signed: bool,
    pub(crate) stored: u16,
    pub(crate) high: u16,
    pub(crate) slope: f64,
    pub(crate) intercept: f64,
    pub(crate) uid: &'static str,
    pub(crate) modality: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            syntax: uids::EXPLICIT_VR_LITTLE_ENDIAN,
            signed: false,
            stored: 12,
            high: 11,
            slope: 1.0,
            intercept: -1024.0,
            uid: "1.2.3.4",
            modality: "CT",
        }
    }
}

impl Options {
    /// The word that stands for a HU.
    fn word(&self, hu: i16) -> u16 {
        let stored = ((f64::from(hu) - self.intercept) / self.slope).round() as i32;
        let mask = (1_u32 << self.stored) - 1;
        let word = (stored as u32 & mask) << (self.high + 1 - self.stored);
        word as u16
    }

    fn words(&self, hu: &[i16]) -> Vec<u16> {
        hu.iter().map(|v| self.word(*v)).collect()
    }

    fn pixels(
        &self,
        frames: &[&[i16]],
        rows: usize,
        columns: usize,
    ) -> DataElement<InMemDicomObject> {
        let packed = |fragments: Vec<Vec<u8>>| {
            let sequence = PixelFragmentSequence::new(Vec::<u32>::new(), fragments);
            DataElement::new(tags::PIXEL_DATA, VR::OB, sequence)
        };
        let words = frames.iter().map(|hu| self.words(hu));
        match self.syntax {
            uids::RLE_LOSSLESS => packed(
                words
                    .map(|w| {
                        rle_frame(
                            &w.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>(),
                            2,
                        )
                    })
                    .collect(),
            ),
            uids::JPEG_LOSSLESS_SV1 => packed(
                words
                    .map(|w| lossless_jpeg(&w, rows, columns, Lossless::default()))
                    .collect(),
            ),
            uids::JPEG2000_LOSSLESS => packed(words.map(|_| vec![0xFF, 0x4F]).collect()),
            _ => DataElement::new(
                tags::PIXEL_DATA,
                VR::OW,
                PrimitiveValue::U16(words.flatten().collect()),
            ),
        }
    }
}

pub(crate) fn text(object: &mut InMemDicomObject, tag: Tag, vr: VR, value: impl Into<String>) {
    object.put(DataElement::new(tag, vr, PrimitiveValue::Str(value.into())));
}

pub(crate) fn word(object: &mut InMemDicomObject, tag: Tag, value: u16) {
    object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
}

fn joined(values: &[f64]) -> String {
    let texts: Vec<String> = values.iter().map(f64::to_string).collect();
    texts.join("\\")
}

fn sequence(object: &mut InMemDicomObject, tag: Tag, items: Vec<InMemDicomObject>) {
    object.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
}

/// Column `c` of a volume's affine in LPS.
fn lps(v: &Volume<i16>, c: usize) -> [f64; 3] {
    let [x, y, z] = v.affine.0.map(|row| row[c]);
    [-x, -y, z]
}

fn position(v: &Volume<i16>, k: usize) -> String {
    let [x, y, z] = v.affine.apply([0.0, 0.0, k as f64]);
    joined(&[-x, -y, z])
}

/// Orientation and pixel spacing.
fn plane(v: &Volume<i16>) -> (String, String) {
    let [i, j, _] = v.spacing();
    let row = lps(v, 0).map(|x| x / i);
    let column = lps(v, 1).map(|x| x / j);
    (joined(&[row, column].concat()), joined(&[j, i]))
}

/// What every image has.
fn common(v: &Volume<i16>, options: &Options) -> InMemDicomObject {
    let mut object = InMemDicomObject::new_empty();
    text(
        &mut object,
        tags::SOP_CLASS_UID,
        VR::UI,
        uids::CT_IMAGE_STORAGE,
    );
    text(&mut object, tags::PATIENT_NAME, VR::PN, "Doe^Jane");
    text(&mut object, tags::PATIENT_ID, VR::LO, "0815");
    text(&mut object, tags::STUDY_DATE, VR::DA, "20200331");
    text(&mut object, tags::STUDY_INSTANCE_UID, VR::UI, STUDY);
    text(
        &mut object,
        tags::FRAME_OF_REFERENCE_UID,
        VR::UI,
        FRAME_OF_REFERENCE,
    );
    text(&mut object, tags::MODALITY, VR::CS, options.modality);
    text(
        &mut object,
        tags::IMAGE_TYPE,
        VR::CS,
        "ORIGINAL\\PRIMARY\\AXIAL",
    );
    text(
        &mut object,
        tags::SERIES_DESCRIPTION,
        VR::LO,
        "Thorax \x1b[31m1.0 B70f",
    );
    text(&mut object, tags::SERIES_INSTANCE_UID, VR::UI, options.uid);
    text(&mut object, tags::CONVOLUTION_KERNEL, VR::SH, "B70f");
    text(
        &mut object,
        tags::PHOTOMETRIC_INTERPRETATION,
        VR::CS,
        "MONOCHROME2",
    );
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, v.dims[1] as u16),
        (tags::COLUMNS, v.dims[0] as u16),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, options.stored),
        (tags::HIGH_BIT, options.high),
        (tags::PIXEL_REPRESENTATION, u16::from(options.signed)),
    ] {
        word(&mut object, tag, value);
    }
    object
}

/// The data set of slice `k`.
pub(crate) fn slice(v: &Volume<i16>, k: usize, options: &Options) -> InMemDicomObject {
    let mut object = common(v, options);
    let (orientation, spacing) = plane(v);
    for (tag, vr, value) in [
        (tags::IMAGE_POSITION_PATIENT, VR::DS, position(v, k)),
        (tags::IMAGE_ORIENTATION_PATIENT, VR::DS, orientation),
        (tags::PIXEL_SPACING, VR::DS, spacing),
        (tags::SLICE_THICKNESS, VR::DS, "1.25".to_owned()),
        (tags::RESCALE_SLOPE, VR::DS, options.slope.to_string()),
        (
            tags::RESCALE_INTERCEPT,
            VR::DS,
            options.intercept.to_string(),
        ),
        // Numbers that go against the order in the patient.
        (tags::INSTANCE_NUMBER, VR::IS, (900 - k).to_string()),
        (
            tags::SOP_INSTANCE_UID,
            VR::UI,
            format!("{}.{}", options.uid, k + 1),
        ),
    ] {
        text(&mut object, tag, vr, value);
    }
    object.put(options.pixels(&[v.slice(k)], v.dims[1], v.dims[0]));
    object
}

/// The file of a data set.
pub(crate) fn file(object: InMemDicomObject, syntax: &str) -> Vec<u8> {
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(syntax)
        .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
        .media_storage_sop_instance_uid("1.2.3");
    let mut out = Vec::new();
    object.with_meta(meta).unwrap().write_all(&mut out).unwrap();
    out
}

pub(crate) fn named(name: impl Into<String>, bytes: Vec<u8>) -> File<'static> {
    File {
        name: name.into(),
        bytes: Cow::Owned(bytes),
    }
}

/// A volume as a series, in an order that means nothing.
pub(crate) fn series(v: &Volume<i16>, options: &Options) -> Vec<File<'static>> {
    let mut order: Vec<usize> = (0..v.dims[2]).collect();
    order.sort_by_key(|k| k * 7 % 5);
    let files = order.into_iter().enumerate();
    files
        .map(|(n, k)| named(format!("IM{n}"), file(slice(v, k, options), options.syntax)))
        .collect()
}

/// A volume as one enhanced image, its frames in reverse.
pub(crate) fn enhanced(v: &Volume<i16>, options: &Options) -> InMemDicomObject {
    let mut object = common(v, options);
    for (tag, value) in [
        (
            tags::SOP_CLASS_UID,
            uids::ENHANCED_CT_IMAGE_STORAGE.to_owned(),
        ),
        (tags::SOP_INSTANCE_UID, format!("{}.900", options.uid)),
    ] {
        text(&mut object, tag, VR::UI, value);
    }
    let item = |elements: &[(Tag, String)]| {
        let mut item = InMemDicomObject::new_empty();
        for (tag, value) in elements {
            text(&mut item, *tag, VR::DS, value.clone());
        }
        item
    };
    let (orientation, spacing) = plane(v);
    let mut shared = InMemDicomObject::new_empty();
    let scaling = item(&[
        (tags::RESCALE_INTERCEPT, options.intercept.to_string()),
        (tags::RESCALE_SLOPE, options.slope.to_string()),
    ]);
    let measures = item(&[
        (tags::PIXEL_SPACING, spacing),
        (tags::SLICE_THICKNESS, "2".to_owned()),
    ]);
    let axes = item(&[(tags::IMAGE_ORIENTATION_PATIENT, orientation)]);
    sequence(&mut shared, tags::PLANE_ORIENTATION_SEQUENCE, vec![axes]);
    sequence(&mut shared, tags::PIXEL_MEASURES_SEQUENCE, vec![measures]);
    sequence(
        &mut shared,
        tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
        vec![scaling],
    );
    let order: Vec<usize> = (0..v.dims[2]).rev().collect();
    let groups = order.iter().map(|&k| {
        let mut group = InMemDicomObject::new_empty();
        let place = item(&[(tags::IMAGE_POSITION_PATIENT, position(v, k))]);
        sequence(&mut group, tags::PLANE_POSITION_SEQUENCE, vec![place]);
        group
    });
    let groups = groups.collect();
    sequence(
        &mut object,
        tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
        vec![shared],
    );
    sequence(
        &mut object,
        tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
        groups,
    );
    text(
        &mut object,
        tags::NUMBER_OF_FRAMES,
        VR::IS,
        order.len().to_string(),
    );
    let frames: Vec<&[i16]> = order.iter().map(|&k| v.slice(k)).collect();
    object.put(options.pixels(&frames, v.dims[1], v.dims[0]));
    object
}

/// One frame of little endian samples in RLE (PS3.5 annex G).
pub(crate) fn rle_frame(plain: &[u8], bytes: usize) -> Vec<u8> {
    let mut header = vec![bytes as u32];
    let mut body: Vec<u8> = Vec::new();
    for segment in 0..bytes {
        header.push(64 + body.len() as u32);
        let values = plain.iter().skip(bytes - 1 - segment).step_by(bytes);
        body.extend(pack_bits(&values.copied().collect::<Vec<_>>()));
        body.resize(body.len().next_multiple_of(2), 0x80);
    }
    header.resize(16, 0);
    let header = header.into_iter().flat_map(u32::to_le_bytes);
    header.chain(body).collect()
}

fn pack_bits(values: &[u8]) -> Vec<u8> {
    const MOST: usize = 128;
    let mut out = Vec::new();
    let mut rest = values;
    while let Some(&first) = rest.first() {
        let run = rest.iter().take(MOST).take_while(|v| **v == first).count();
        if run > 1 {
            out.extend([(1 - run as i32) as u8, first]);
            rest = &rest[run..];
            continue;
        }
        let pairs = rest.windows(2).take(MOST - 1);
        let literals = pairs.take_while(|pair| pair[0] != pair[1]).count().max(1);
        out.push((literals - 1) as u8);
        out.extend(&rest[..literals]);
        rest = &rest[literals..];
    }
    out
}

/// How a lossless JPEG is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lossless {
    pub(crate) predictor: u8,
    pub(crate) precision: u8,
    pub(crate) point_transform: u8,
    /// Lines between restart markers; 0 is none.
    pub(crate) restart_lines: usize,
}

impl Default for Lossless {
    fn default() -> Self {
        Self {
            predictor: 1,
            precision: 12,
            point_transform: 0,
            restart_lines: 0,
        }
    }
}

/// A lossless JPEG with one table, in which all codes have five bits (ITU-T T.81 annex H).
pub(crate) fn lossless_jpeg(plain: &[u16], rows: usize, columns: usize, o: Lossless) -> Vec<u8> {
    let [y1, y0] = (rows as u16).to_be_bytes();
    let [x1, x0] = (columns as u16).to_be_bytes();
    let mut out = vec![
        0xFF,
        0xD8,
        0xFF,
        0xC3,
        0,
        11,
        o.precision,
        y1,
        y0,
        x1,
        x0,
        1,
        1,
        0x11,
        0,
    ];
    out.extend([0xFF, 0xC4, 0, 2 + 17 + 17, 0, 0, 0, 0, 0, 17]);
    out.extend([0; 11]);
    out.extend(0..17);
    if o.restart_lines > 0 {
        let [i1, i0] = ((o.restart_lines * columns) as u16).to_be_bytes();
        out.extend([0xFF, 0xDD, 0, 4, i1, i0]);
    }
    out.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, o.predictor, 0, o.point_transform]);

    let at = |y: usize, x: usize| i32::from(plain[y * columns + x] >> o.point_transform);
    let mut bits: Vec<bool> = Vec::new();
    let put = |bits: &mut Vec<bool>, value: u32, count: u32| {
        bits.extend((0..count).rev().map(|n| value >> n & 1 == 1));
    };
    let flush = |bits: &mut Vec<bool>, out: &mut Vec<u8>| {
        bits.resize(bits.len().next_multiple_of(8), true);
        for byte in bits.chunks(8) {
            let byte = byte.iter().fold(0_u8, |b, bit| b << 1 | u8::from(*bit));
            out.push(byte);
            if byte == 0xFF {
                out.push(0);
            }
        }
        bits.clear();
    };
    for y in 0..rows {
        let fresh = y == 0 || (o.restart_lines > 0 && y % o.restart_lines == 0);
        if fresh && y > 0 {
            flush(&mut bits, &mut out);
            out.extend([0xFF, 0xD0 + ((y / o.restart_lines - 1) % 8) as u8]);
        }
        for x in 0..columns {
            let prediction = match (fresh, x) {
                (true, 0) => 1 << (o.precision - o.point_transform - 1),
                (true, _) => at(y, x - 1),
                (false, 0) => at(y - 1, 0),
                _ => {
                    let (a, b, c) = (at(y, x - 1), at(y - 1, x), at(y - 1, x - 1));
                    match o.predictor {
                        1 => a,
                        2 => b,
                        3 => c,
                        4 => a + b - c,
                        5 => a + ((b - c) >> 1),
                        6 => b + ((a - c) >> 1),
                        _ => (a + b) >> 1,
                    }
                }
            };
            // Modulo 2^16, from -32767 to 32768.
            let difference = match (at(y, x) - prediction) & 0xFFFF {
                d if d > 1 << 15 => d - (1 << 16),
                d => d,
            };
            let category = 32 - difference.unsigned_abs().leading_zeros();
            put(&mut bits, category, 5);
            if category < 16 {
                let value = if difference < 0 {
                    difference - 1
                } else {
                    difference
                };
                put(&mut bits, value as u32 & ((1 << category) - 1), category);
            }
        }
    }
    flush(&mut bits, &mut out);
    out.extend([0xFF, 0xD9]);
    out
}
