//! Masks out as DICOM Segmentation (PS3.3 A.51): one object for each mask.
//!
//! BINARY, because every reader of segmentations knows it, and one object for each network, because
//! some readers refuse segments that overlap. A segment's number is its label in the mask. Frames
//! are the layers of the volume that show a segment, each at the place of its slice to the last
//! digit of the file, with a reference to it; a layer that is a mean of two slices lies between
//! them and refers to both. A mask without any voxel has one empty frame: that a network looked and
//! found nothing is a result too, and an object has to have a frame.
//!
//! Nothing comes from a clock or from chance. UIDs are UUIDs under 2.25 (PS3.5 B.2), made of a hash
//! of all else that is in the object (version 8, RFC 9562 section 5.8): objects that differ in a
//! bit have different UIDs, and the same scan, analysed again, gives the same file. For the same
//! reason an object carries the date of its scan.

mod content;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::{tags, uids};
use sha2::{Digest, Sha256};

use super::source::{Place, Source};
use super::write::{self, Elements};
use crate::volume::{Volume, VolumeError};
use content::{Code, NETWORKS, SEGMENTATION, SOURCE_IMAGE, Segment};

pub use content::Segments;

const PROGRAM: &str = "Pleura";
const VERSION: &str = env!("CARGO_PKG_VERSION");
const CAUTION: &str = "Research and teaching, not for diagnosis";

/// A frame: a segment, from 0, on a layer of the volume.
#[derive(Clone, Copy)]
struct Frame {
    segment: usize,
    layer: usize,
}

impl Source {
    /// A mask on the grid that the series was read to, as the file of a segmentation.
    ///
    /// # Errors
    ///
    /// If the mask is on another grid, or has more frames than a file can hold.
    pub fn segmentation(
        &self,
        segments: Segments,
        mask: &Volume<u8>,
    ) -> Result<Vec<u8>, VolumeError> {
        let (columns, rows) = (usize::from(self.columns), usize::from(self.rows));
        let expected = [columns, rows, self.layers.len()];
        if mask.dims != expected {
            return Err(VolumeError::Grid {
                expected,
                found: mask.dims,
            });
        }
        let described = segments.all();
        let frames = frames(described.len(), mask);
        let pixels = bits(&frames, mask)?;
        let mut set = self.elements(segments, &described, &frames);

        let mut header = Vec::new();
        set.encode(&mut header);
        let instance = uid(&["instance".as_bytes(), &header, &pixels]);
        let series = uid(&["series".as_bytes(), instance.as_bytes()]);
        set.text(tags::SOP_INSTANCE_UID, VR::UI, &instance);
        set.text(tags::SERIES_INSTANCE_UID, VR::UI, &series);
        let writer = uid(&["implementation".as_bytes()]);
        let class = uids::SEGMENTATION_STORAGE;
        Ok(write::file(class, &instance, &writer, &set, &pixels))
    }

    /// Everything but the pixels, and the UIDs that are made of the rest.
    fn elements(&self, segments: Segments, described: &[Segment], frames: &[Frame]) -> Elements {
        let mut set = Elements::default();
        for (tag, vr, value) in &self.copied {
            set.raw(*tag, *vr, value);
        }
        self.general(&mut set, segments);
        set.sequence(
            tags::SEGMENT_SEQUENCE,
            described
                .iter()
                .enumerate()
                .map(|(n, segment)| segment_item(n, segment, segments)),
        );
        self.dimensions(&mut set);
        let number = frames.len().to_string();
        set.text(tags::NUMBER_OF_FRAMES, VR::IS, &number);
        self.functional_groups(&mut set, frames);
        set.sequence(tags::REFERENCED_SERIES_SEQUENCE, [self.referenced_series()]);
        set
    }

    /// Study, series, equipment, and what the image is (PS3.3 C.7.2.1, C.7.3.1, C.8.20.1, C.7.5.1,
    /// C.7.5.2, C.7.6.3, C.8.20.2, C.12.1).
    fn general(&self, set: &mut Elements, segments: Segments) {
        let name = segments.name();
        let description = format!("{PROGRAM} {name}: {}", CAUTION.to_lowercase());
        let content = if segments.by_hand() {
            format!("{name}, by hand. {CAUTION}")
        } else {
            format!("{name}. {CAUTION}")
        };
        let [date, time] = &self.made;
        let lossy = if self.lossy { "01" } else { "00" };
        for (tag, vr, value) in [
            (tags::SOP_CLASS_UID, VR::UI, uids::SEGMENTATION_STORAGE),
            (tags::STUDY_INSTANCE_UID, VR::UI, self.study.as_str()),
            (
                tags::FRAME_OF_REFERENCE_UID,
                VR::UI,
                self.frame_of_reference.as_str(),
            ),
            (tags::MODALITY, VR::CS, "SEG"),
            (tags::SERIES_NUMBER, VR::IS, segments.series_number()),
            (tags::SERIES_DESCRIPTION, VR::LO, description.as_str()),
            (tags::INSTANCE_NUMBER, VR::IS, "1"),
            (tags::MANUFACTURER, VR::LO, PROGRAM),
            (tags::MANUFACTURER_MODEL_NAME, VR::LO, PROGRAM),
            // A program has none, and the element may not be empty.
            (tags::DEVICE_SERIAL_NUMBER, VR::LO, "0"),
            (tags::SOFTWARE_VERSIONS, VR::LO, VERSION),
            (tags::CONTENT_DATE, VR::DA, date.as_str()),
            (tags::CONTENT_TIME, VR::TM, time.as_str()),
            (tags::CONTENT_LABEL, VR::CS, segments.content_label()),
            (tags::CONTENT_DESCRIPTION, VR::LO, content.as_str()),
            (tags::CONTENT_CREATOR_NAME, VR::PN, PROGRAM),
            (tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY"),
            (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
            (tags::LOSSY_IMAGE_COMPRESSION, VR::CS, lossy),
            (tags::SEGMENTATION_TYPE, VR::CS, "BINARY"),
            (tags::SEGMENTS_OVERLAP, VR::CS, "NO"),
        ] {
            set.text(tag, vr, value);
        }
        for (tag, value) in [
            (tags::ROWS, self.rows),
            (tags::COLUMNS, self.columns),
            (tags::SAMPLES_PER_PIXEL, 1),
            (tags::BITS_ALLOCATED, 1),
            (tags::BITS_STORED, 1),
            (tags::HIGH_BIT, 0),
            (tags::PIXEL_REPRESENTATION, 0),
        ] {
            set.words(tag, &[value]);
        }
    }

    /// A frame is told by its segment and its place (PS3.3 C.7.6.17).
    fn dimensions(&self, set: &mut Elements) {
        let organization = uid(&["dimensions".as_bytes(), self.series.as_bytes()]);
        let mut named = Elements::default();
        named.text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, &organization);
        set.sequence(tags::DIMENSION_ORGANIZATION_SEQUENCE, [named.clone()]);
        let index = |label: &str, pointer, group| {
            let mut item = named.clone();
            item.pointer(tags::DIMENSION_INDEX_POINTER, pointer);
            item.pointer(tags::FUNCTIONAL_GROUP_POINTER, group);
            item.text(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, label);
            item
        };
        let segment = index(
            "Segment",
            tags::REFERENCED_SEGMENT_NUMBER,
            tags::SEGMENT_IDENTIFICATION_SEQUENCE,
        );
        let place = index(
            "Place",
            tags::IMAGE_POSITION_PATIENT,
            tags::PLANE_POSITION_SEQUENCE,
        );
        set.sequence(tags::DIMENSION_INDEX_SEQUENCE, [segment, place]);
    }

    /// What all frames share, and what each has of its own (PS3.3 C.7.6.16). Slices of a stack may
    /// differ a little in their directions and pixels: then each frame has its slice's.
    fn functional_groups(&self, set: &mut Elements, frames: &[Frame]) {
        let used = || frames.iter().filter_map(|f| self.layers.get(f.layer));
        let Some(first) = used().next() else { return };
        let alike = used()
            .all(|place| place.orientation == first.orientation && place.spacing == first.spacing);
        let mut shared = Elements::default();
        if alike {
            self.plane(&mut shared, first);
        }
        set.sequence(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, [shared]);

        let mut ranks: Vec<usize> = frames.iter().map(|f| f.layer).collect();
        ranks.sort_unstable();
        ranks.dedup();
        let groups = frames.iter().filter_map(|frame| {
            let place = self.layers.get(frame.layer)?;
            let rank = ranks.partition_point(|&layer| layer < frame.layer) + 1;
            let mut item = Elements::default();
            if !alike {
                self.plane(&mut item, place);
            }
            let segment = frame.segment as u32 + 1;
            self.frame_group(&mut item, place, [segment, rank as u32]);
            Some(item)
        });
        set.sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, groups);
    }

    /// Pixel measures and plane orientation (PS3.3 C.7.6.16.2.1, C.7.6.16.2.4).
    fn plane(&self, group: &mut Elements, place: &Place) {
        let mut measures = Elements::default();
        measures.decimals(tags::PIXEL_SPACING, &place.spacing);
        if let Some(mm) = self.between {
            measures.decimals(tags::SPACING_BETWEEN_SLICES, &[mm]);
        }
        if let Some(mm) = self.thickness.or(self.between) {
            measures.decimals(tags::SLICE_THICKNESS, &[mm]);
        }
        group.sequence(tags::PIXEL_MEASURES_SEQUENCE, [measures]);
        let mut axes = Elements::default();
        axes.decimals(tags::IMAGE_ORIENTATION_PATIENT, &place.orientation);
        group.sequence(tags::PLANE_ORIENTATION_SEQUENCE, [axes]);
    }

    /// Frame content, place, segment and source (PS3.3 C.7.6.16.2.2, C.7.6.16.2.3, C.8.20.3.1,
    /// C.7.6.16.2.6).
    fn frame_group(&self, group: &mut Elements, place: &Place, index: [u32; 2]) {
        let mut content = Elements::default();
        content.longs(tags::DIMENSION_INDEX_VALUES, &index);
        group.sequence(tags::FRAME_CONTENT_SEQUENCE, [content]);
        let mut position = Elements::default();
        position.decimals(tags::IMAGE_POSITION_PATIENT, &place.position);
        group.sequence(tags::PLANE_POSITION_SEQUENCE, [position]);
        let mut segment = Elements::default();
        segment.words(tags::REFERENCED_SEGMENT_NUMBER, &[index[0] as u16]);
        group.sequence(tags::SEGMENT_IDENTIFICATION_SEQUENCE, [segment]);

        let preserved = if place.of.len() == 1 { "YES" } else { "NO" };
        let sources = place.of.iter().filter_map(|&(image, frame)| {
            let mut source = self.reference(image)?;
            if let Some(frame) = frame {
                let number = frame.to_string();
                source.text(tags::REFERENCED_FRAME_NUMBER, VR::IS, &number);
            }
            source.text(tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, preserved);
            code(
                &mut source,
                tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
                SOURCE_IMAGE,
            );
            Some(source)
        });
        let mut derivation = Elements::default();
        derivation.sequence(tags::SOURCE_IMAGE_SEQUENCE, sources);
        code(
            &mut derivation,
            tags::DERIVATION_CODE_SEQUENCE,
            SEGMENTATION,
        );
        group.sequence(tags::DERIVATION_IMAGE_SEQUENCE, [derivation]);
    }

    /// Class and UID of a source image.
    fn reference(&self, image: usize) -> Option<Elements> {
        let image = self.images.get(image)?;
        let mut item = Elements::default();
        item.text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, &image.class);
        item.text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, &image.uid);
        Some(item)
    }

    /// All images that the volume was made of (PS3.3 C.12.2).
    fn referenced_series(&self) -> Elements {
        let mut series = Elements::default();
        series.text(tags::SERIES_INSTANCE_UID, VR::UI, &self.series);
        series.sequence(
            tags::REFERENCED_INSTANCE_SEQUENCE,
            (0..self.images.len()).filter_map(|n| self.reference(n)),
        );
        series
    }
}

/// An item of the segment sequence (PS3.3 C.8.20.2, table C.8.20-4).
fn segment_item(n: usize, segment: &Segment, segments: Segments) -> Elements {
    let mut item = Elements::default();
    let number = n as u16 + 1;
    item.words(tags::SEGMENT_NUMBER, &[number]);
    item.text(tags::SEGMENT_LABEL, VR::LO, segment.label);
    item.words(tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE, &segment.colour);
    code(
        &mut item,
        tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE,
        segment.category,
    );
    let mut kind = coded(segment.kind);
    if let Some(side) = segment.side {
        code(
            &mut kind,
            tags::SEGMENTED_PROPERTY_TYPE_MODIFIER_CODE_SEQUENCE,
            side,
        );
    }
    item.sequence(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, [kind]);
    if let Some(region) = segment.region {
        code(&mut item, tags::ANATOMIC_REGION_SEQUENCE, region);
    }
    let name = format!("{PROGRAM} {}", segments.name());
    let (kind, full) = match segments {
        Segments::Lungs { given: true } => ("SEMIAUTOMATIC", "Lung mask of the user's".to_owned()),
        _ if segments.by_hand() => (
            "SEMIAUTOMATIC",
            format!("{name} {VERSION}, corrected by hand"),
        ),
        _ => ("AUTOMATIC", format!("{name} {VERSION}")),
    };
    item.text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, kind);
    item.text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, &full);
    if !matches!(segments, Segments::Lungs { given: true }) {
        let mut algorithm = Elements::default();
        code(
            &mut algorithm,
            tags::ALGORITHM_FAMILY_CODE_SEQUENCE,
            NETWORKS,
        );
        algorithm.text(tags::ALGORITHM_NAME, VR::LO, &name);
        algorithm.text(tags::ALGORITHM_VERSION, VR::LO, VERSION);
        item.sequence(
            tags::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE,
            [algorithm],
        );
    }
    item
}

/// A sequence with one coded concept.
fn code(item: &mut Elements, tag: Tag, concept: Code) {
    item.sequence(tag, [coded(concept)]);
}

fn coded(Code(value, scheme, meaning): Code) -> Elements {
    let mut item = Elements::default();
    item.text(tags::CODE_VALUE, VR::SH, value);
    item.text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme);
    item.text(tags::CODE_MEANING, VR::LO, meaning);
    item
}

/// The layers that show each segment; one that shows nothing if there is none.
fn frames(segments: usize, mask: &Volume<u8>) -> Vec<Frame> {
    let layers = mask.dims[2];
    let mut found = Vec::new();
    for segment in 0..segments {
        let label = segment as u8 + 1;
        let shown = (0..layers).filter(|&layer| mask.slice(layer).contains(&label));
        found.extend(shown.map(|layer| Frame { segment, layer }));
    }
    if found.is_empty() {
        found.push(Frame {
            segment: 0,
            layer: layers / 2,
        });
    }
    found
}

/// A bit for each pixel, the first in the lowest, with no gap between frames (PS3.5 section 8.1.1,
/// annex D).
fn bits(frames: &[Frame], mask: &Volume<u8>) -> Result<Vec<u8>, VolumeError> {
    let plane = mask.dims[0] * mask.dims[1];
    let bytes = plane.checked_mul(frames.len()).map(|n| n.div_ceil(8));
    let fits = |n: &usize| u32::try_from(n.next_multiple_of(2)).is_ok();
    let bytes = bytes.filter(fits);
    let bytes = bytes.ok_or(VolumeError::TooLarge { dims: mask.dims })?;
    let mut out = vec![0_u8; bytes.next_multiple_of(2)];
    for (n, frame) in frames.iter().enumerate() {
        let label = frame.segment as u8 + 1;
        for (i, &value) in mask.slice(frame.layer).iter().enumerate() {
            if value == label {
                let at = n * plane + i;
                out[at / 8] |= 1 << (at % 8);
            }
        }
    }
    Ok(out)
}

/// A UID of a hash: a UUID of version 8 below 2.25.
fn uid(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    hash.update(b"pleura dicom");
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let hash = hash.finalize();
    let mut uuid = 0_u128;
    for byte in hash.iter().take(16) {
        uuid = uuid << 8 | u128::from(*byte);
    }
    const VERSION_BITS: u128 = 0xF << 76;
    const VARIANT_BITS: u128 = 0b11 << 62;
    uuid = uuid & !VERSION_BITS | 8 << 76;
    uuid = uuid & !VARIANT_BITS | 0b10 << 62;
    format!("2.25.{uuid}")
}

#[cfg(test)]
mod tests;
