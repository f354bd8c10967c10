//! `pleura segment` on the same scan as a folder of DICOM, a zip of it, NRRD and MetaImage: the
//! masks lie where those of the NIfTI file do.

use crate::command::{Bench, assert_code, assert_says, labels, names, scan, text};
use crate::untrusted::{metaimage, nrrd};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use pleura::volume::Volume;
use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use zip::write::{SimpleFileOptions, ZipWriter};

const SERIES: &str = "1.2.840.99999.1";
const STUDY: &str = "1.2.840.99999.7";
const FRAME_OF_REFERENCE: &str = "1.2.840.99999.8";
/// Added to HU in the files, so that stored values are not negative.
const OFFSET: i16 = 1024;

/// Slice `k` as a DICOM file of series `uid`.
fn slice(hu: &Volume<i16>, k: usize, uid: &str) -> Vec<u8> {
    let mut object = InMemDicomObject::new_empty();
    let mut put = |tag: Tag, vr: VR, value: PrimitiveValue| {
        object.put(DataElement::new(tag, vr, value));
    };
    let lps = |v: [f64; 3]| [-v[0], -v[1], v[2]];
    let column = |c: usize, by: f64| lps(hu.affine.0.map(|row| row[c] / by));
    let joined = |values: &[f64]| {
        let texts: Vec<String> = values.iter().map(f64::to_string).collect();
        texts.join("\\")
    };
    let [i, j, _] = hu.spacing();
    let position = lps(hu.affine.apply([0.0, 0.0, k as f64]));
    let axes = [column(0, i), column(1, j)].concat();
    for (tag, vr, value) in [
        (
            tags::SOP_CLASS_UID,
            VR::UI,
            uids::CT_IMAGE_STORAGE.to_owned(),
        ),
        (tags::SOP_INSTANCE_UID, VR::UI, format!("{uid}.{}", k + 1)),
        (tags::STUDY_INSTANCE_UID, VR::UI, STUDY.to_owned()),
        (
            tags::FRAME_OF_REFERENCE_UID,
            VR::UI,
            FRAME_OF_REFERENCE.to_owned(),
        ),
        (tags::MODALITY, VR::CS, "CT".to_owned()),
        (tags::PATIENT_NAME, VR::PN, "Doe^Jane".to_owned()),
        (tags::SERIES_INSTANCE_UID, VR::UI, uid.to_owned()),
        (tags::IMAGE_POSITION_PATIENT, VR::DS, joined(&position)),
        (tags::IMAGE_ORIENTATION_PATIENT, VR::DS, joined(&axes)),
        (tags::PIXEL_SPACING, VR::DS, joined(&[j, i])),
        (tags::RESCALE_SLOPE, VR::DS, "1".to_owned()),
        (tags::RESCALE_INTERCEPT, VR::DS, (-OFFSET).to_string()),
        (
            tags::PHOTOMETRIC_INTERPRETATION,
            VR::CS,
            "MONOCHROME2".to_owned(),
        ),
    ] {
        put(tag, vr, PrimitiveValue::Str(value));
    }
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, hu.dims[1] as u16),
        (tags::COLUMNS, hu.dims[0] as u16),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 16),
        (tags::HIGH_BIT, 15),
        (tags::PIXEL_REPRESENTATION, 1),
    ] {
        put(tag, VR::US, PrimitiveValue::from(value));
    }
    let words = hu.slice(k).iter().map(|v| (v + OFFSET) as u16).collect();
    put(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words));
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
        .media_storage_sop_instance_uid("1.2.3");
    let mut out = Vec::new();
    object.with_meta(meta).unwrap().write_all(&mut out).unwrap();
    out
}

/// A folder as a workstation exports it, with a second, shorter series and a text file.
fn export(hu: &Volume<i16>, folder: &Path) {
    fs::create_dir_all(folder.join("S1")).unwrap();
    fs::create_dir_all(folder.join("S2")).unwrap();
    for k in 0..hu.dims[2] {
        // Names against the order in the patient.
        let name = format!("S1/IM{:03}", 900 - k);
        fs::write(folder.join(name), slice(hu, k, SERIES)).unwrap();
    }
    for k in 0..2 {
        let name = format!("S2/IM{k}");
        fs::write(folder.join(name), slice(hu, k, "1.2.840.99999.2")).unwrap();
    }
    fs::write(folder.join("README.TXT"), "exported").unwrap();
}

fn zipped(hu: &Volume<i16>) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for k in 0..hu.dims[2] {
        writer.start_file(format!("DICOM/{k}"), options).unwrap();
        writer.write_all(&slice(hu, k, SERIES)).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Voxels that a DICOM segmentation marks. The parser's own tests look at the rest.
fn segmented(path: &Path) -> usize {
    let object = dicom_object::open_file(path).unwrap();
    let text = |tag| object.element(tag).unwrap().to_str().unwrap();
    assert_eq!(text(tags::SOP_CLASS_UID), uids::SEGMENTATION_STORAGE);
    assert_eq!(text(tags::STUDY_INSTANCE_UID), STUDY);
    assert_eq!(text(tags::PATIENT_NAME), "Doe^Jane");
    let pixels = object.element(tags::PIXEL_DATA).unwrap();
    let bytes = pixels.to_bytes().unwrap();
    bytes.iter().map(|byte| byte.count_ones() as usize).sum()
}

#[test]
fn one_scan_in_every_format_gives_the_same_masks() {
    let bench = Bench::new();
    let chest = bench.phantom();
    let hu = scan(&chest);
    let [folder, archive, nrrd_path, mha] =
        ["export", "packed.zip", "scan.nrrd", "other.mha"].map(|name| bench.path(name));
    export(&hu, &folder);
    fs::write(&archive, zipped(&hu)).unwrap();
    fs::write(&nrrd_path, nrrd(&hu, false)).unwrap();
    fs::write(&mha, metaimage(&hu, true)).unwrap();

    let out = bench.path("out");
    let inputs = [chest.as_path(), &folder, &archive, &nrrd_path, &mha];
    let output = bench.segment(&inputs, &out, &["--model", "infnet"]);
    assert_code(&output, 0);
    assert_says(&output, &["export", "several series", "--series"]);
    assert_says(&output, &["1.2.840.99999.2", "2 slices"]);
    for case in ["export", "packed", "scan", "other"] {
        for mask in ["lungs", "infnet"] {
            let straight = labels(&out.join(format!("chest_{mask}.nii.gz")))
                .into_lps()
                .0;
            let found = labels(&out.join(format!("{case}_{mask}.nii.gz")))
                .into_lps()
                .0;
            assert_eq!(found.dims, straight.dims, "{case} {mask}");
            let (a, b) = (found.affine.0, straight.affine.0);
            let off = a.iter().flatten().zip(b.iter().flatten());
            let off = off.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off < 1e-3, "{case} {mask}: {off} mm");
            // A border may move by the rounding of an affine in f32.
            let pairs = found.data.iter().zip(&straight.data);
            let differ = pairs.filter(|(a, b)| a != b).count();
            assert!(
                differ <= found.len() / 1000,
                "{case} {mask}: {differ} voxels differ"
            );
        }
    }
    for case in ["export", "packed"] {
        for mask in ["lungs", "infnet"] {
            let marked = labels(&out.join(format!("{case}_{mask}.nii.gz"))).data;
            let marked = marked.iter().filter(|label| **label != 0).count();
            let file = out.join(format!("{case}_{mask}_seg.dcm"));
            assert_eq!(segmented(&file), marked, "{case} {mask}");
        }
    }
    let segmentations = names(&out).into_iter().filter(|n| n.ends_with(".dcm"));
    assert_eq!(segmentations.count(), 4, "what is no DICOM has none");
    let report = fs::read_to_string(out.join("export_report.json")).unwrap();
    assert!(
        report.contains("other_series"),
        "the choice is not in the report"
    );
    for secret in ["Doe", SERIES] {
        assert!(!report.contains(secret), "the report has {secret}");
    }
    assert!(names(&out).iter().all(|name| !name.contains("Doe")));
}

#[test]
fn a_series_is_chosen_by_its_uid() {
    let bench = Bench::new();
    let hu = scan(&bench.phantom());
    let folder = bench.path("export");
    export(&hu, &folder);
    let out = bench.path("out");
    let unknown = bench.segment(&[&folder], &out, &["--series", "7.7"]);
    assert_code(&unknown, 1);
    assert_says(&unknown, &[&text(&folder), "7.7", SERIES]);
    let two = bench.segment(
        &[&folder, &bench.path("chest.nii.gz")],
        &out,
        &["--series", "7.7"],
    );
    assert_code(&two, 1);
    assert_says(&two, &["--series", "one input"]);
    let empty = bench.path("empty");
    fs::create_dir(&empty).unwrap();
    let none = bench.segment(&[&empty], &out, &[]);
    assert_code(&none, 1);
    assert_says(&none, &[&text(&empty), "no files that open"]);
}
