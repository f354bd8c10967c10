//! Elements written in explicit VR little endian (PS3.5 section 7 and annex A.2).
//!
//! What is written is small and known, so a sorted map of encoded values is enough; dicom-object
//! would bring a second reader of files to the page.

use std::collections::BTreeMap;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::{tags, uids};

use super::syntax::{MAGIC, PREAMBLE};

const ITEM: [u8; 4] = [0xFE, 0xFF, 0x00, 0xE0];
/// Longest decimal string (PS3.5 section 6.2).
const MOST_DECIMAL: usize = 16;

/// A data set or an item: encoded values, in the order of their tags.
#[derive(Clone, Default)]
pub(super) struct Elements(BTreeMap<Tag, (VR, Vec<u8>)>);

impl Elements {
    /// A value as it is; it is filled up to an even length.
    pub(super) fn raw(&mut self, tag: Tag, vr: VR, value: &[u8]) {
        let mut value = value.to_vec();
        if value.len() % 2 == 1 {
            value.push(if matches!(vr, VR::UI | VR::OB) {
                0
            } else {
                b' '
            });
        }
        self.0.insert(tag, (vr, value));
    }

    pub(super) fn text(&mut self, tag: Tag, vr: VR, value: &str) {
        self.raw(tag, vr, value.as_bytes());
    }

    pub(super) fn decimals(&mut self, tag: Tag, values: &[f64]) {
        let texts: Vec<String> = values.iter().copied().map(decimal).collect();
        self.text(tag, VR::DS, &texts.join("\\"));
    }

    pub(super) fn words(&mut self, tag: Tag, values: &[u16]) {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.raw(tag, VR::US, &bytes);
    }

    pub(super) fn longs(&mut self, tag: Tag, values: &[u32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.raw(tag, VR::UL, &bytes);
    }

    /// The tag of another element.
    pub(super) fn pointer(&mut self, tag: Tag, to: Tag) {
        let bytes = [to.0.to_le_bytes(), to.1.to_le_bytes()].concat();
        self.raw(tag, VR::AT, &bytes);
    }

    pub(super) fn sequence(&mut self, tag: Tag, items: impl IntoIterator<Item = Elements>) {
        let mut value = Vec::new();
        for item in items {
            let at = value.len();
            value.extend(ITEM);
            value.extend([0; 4]);
            item.encode(&mut value);
            let length = (value.len() - at - 8) as u32;
            value[at + 4..at + 8].copy_from_slice(&length.to_le_bytes());
        }
        self.0.insert(tag, (VR::SQ, value));
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for (tag, (vr, value)) in &self.0 {
            head(out, *tag, *vr, value.len() as u32);
            out.extend(value);
        }
    }
}

/// Tag, VR and length of an element (PS3.5 section 7.1.2).
fn head(out: &mut Vec<u8>, tag: Tag, vr: VR, length: u32) {
    out.extend(tag.0.to_le_bytes());
    out.extend(tag.1.to_le_bytes());
    out.extend(vr.to_bytes());
    if matches!(vr, VR::OB | VR::SQ) {
        out.extend([0; 2]);
        out.extend(length.to_le_bytes());
    } else {
        out.extend((length as u16).to_le_bytes());
    }
}

/// A file (PS3.10 section 7): its instance's class and UID, its elements, and the pixels behind
/// them.
pub(super) fn file(class: &str, uid: &str, writer: &str, set: &Elements, pixels: &[u8]) -> Vec<u8> {
    let mut meta = Elements::default();
    meta.raw(tags::FILE_META_INFORMATION_VERSION, VR::OB, &[0, 1]);
    meta.text(tags::MEDIA_STORAGE_SOP_CLASS_UID, VR::UI, class);
    meta.text(tags::MEDIA_STORAGE_SOP_INSTANCE_UID, VR::UI, uid);
    let syntax = uids::EXPLICIT_VR_LITTLE_ENDIAN;
    meta.text(tags::TRANSFER_SYNTAX_UID, VR::UI, syntax);
    meta.text(tags::IMPLEMENTATION_CLASS_UID, VR::UI, writer);
    let mut rest = Vec::new();
    meta.encode(&mut rest);
    let mut group = Elements::default();
    let length = rest.len() as u32;
    group.longs(tags::FILE_META_INFORMATION_GROUP_LENGTH, &[length]);

    let mut elements = Vec::new();
    set.encode(&mut elements);
    let most = PREAMBLE + MAGIC.len() + 64 + rest.len() + elements.len() + pixels.len();
    let mut out = Vec::with_capacity(most);
    out.resize(PREAMBLE, 0);
    out.extend(MAGIC);
    group.encode(&mut out);
    out.extend(rest);
    out.extend(elements);
    head(&mut out, tags::PIXEL_DATA, VR::OB, pixels.len() as u32);
    out.extend(pixels);
    out
}

/// A number as a decimal string: exact if that fits, else with as many decimals as do.
fn decimal(value: f64) -> String {
    let exact = value.to_string();
    if exact.len() <= MOST_DECIMAL {
        return exact;
    }
    let places = (0..MOST_DECIMAL).rev();
    let mut fixed = places.map(|places| format!("{value:.places$}"));
    match fixed.find(|text| text.len() <= MOST_DECIMAL) {
        Some(text) if text.contains('.') => {
            let text = text.trim_end_matches('0');
            text.trim_end_matches('.').to_owned()
        }
        Some(text) => text,
        None => format!("{value:.9e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_fit_and_are_exact_where_they_can_be() {
        for (value, text) in [
            (0.0, "0"),
            (-300.0, "-300"),
            (0.703125, "0.703125"),
            (-123.45678901234, "-123.45678901234"),
            (1.0 / 3.0, "0.33333333333333"),
            (-200.0 / 3.0, "-66.666666666667"),
            (6.123233995736766e-17, "0"),
            (10.799999999999999, "10.8"),
            (1234567890123450.5, "1234567890123450"),
            (-f64::MAX, "-1.797693135e308"),
        ] {
            assert_eq!(decimal(value), text);
            assert!(decimal(value).len() <= MOST_DECIMAL);
        }
    }
}
