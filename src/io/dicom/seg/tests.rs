//! Segmentations written, and read back with dicom-object.
#![allow(clippy::unwrap_used)]

use dicom_core::VR;
use dicom_core::value::Value;
use dicom_object::{FileDicomObject, InMemDicomObject};

use super::super::read;
use super::super::testing::{
    FRAME_OF_REFERENCE, Options, STUDY, enhanced, file, named, series as files_of, slice, text,
};
use super::*;
use crate::io::{File, Limits, Scan, Warning};
use crate::volume::Affine;

const DIMS: [usize; 3] = [5, 4, 7];
const LUNGS: Segments = Segments::Lungs { given: false };
const NORMNET: Segments = Segments::Normnet { corrected: false };

/// Axes as columns in mm, and the first voxel, in RAS.
fn grid(i: [f64; 3], j: [f64; 3], k: [f64; 3], origin: [f64; 3]) -> Affine {
    Affine([0, 1, 2].map(|r| [i[r], j[r], k[r], origin[r]]))
}

/// Axial as scanners make it, and in every other way that a series may lie.
fn grids() -> Vec<(&'static str, Affine)> {
    let (s, c) = 20_f64.to_radians().sin_cos();
    let (t, d) = (-35_f64).to_radians().sin_cos();
    let (x, y) = ([-0.75, 0.0, 0.0], [0.0, -0.5, 0.0]);
    let origin = [100.5, 80.25, -300.0];
    vec![
        ("axial", grid(x, y, [0.0, 0.0, 1.25], origin)),
        ("downwards", grid(x, y, [0.0, 0.0, -3.0], origin)),
        (
            "flipped",
            grid([0.75, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 3.0], origin),
        ),
        (
            "coronal",
            grid(x, [0.0, 0.0, -0.5], [0.0, 2.0, 0.0], origin),
        ),
        (
            "oblique",
            grid(
                [-0.75 * c, -0.75 * s, 0.0],
                [0.5 * s * d, -0.5 * c * d, 0.5 * t],
                [-2.0 * s * t, 2.0 * c * t, 2.0 * d],
                origin,
            ),
        ),
        ("tilted", grid(x, y, [0.0, 0.4, 2.0], origin)),
    ]
}

fn volume(affine: Affine) -> Volume<i16> {
    let data = (0..DIMS.iter().product()).map(|n: usize| (n * 9 % 1200) as i16 - 1000);
    Volume::new(data.collect(), DIMS, affine).unwrap()
}

fn opened(files: &[File]) -> Scan {
    read("folder", files, None, &Limits::default()).unwrap()
}

/// Labels 0 to 2 in no pattern; the third layer has none, the last one no 2.
fn labels(hu: &Volume<i16>) -> Volume<u8> {
    let plane = hu.dims[0] * hu.dims[1];
    let last = hu.dims[2] - 1;
    let data = (0..hu.data.len()).map(|n| match n / plane {
        2 => 0,
        k if k == last => (n % 3 % 2) as u8,
        _ => (n * 7 % 13 % 3) as u8,
    });
    hu.like(data.collect()).unwrap()
}

fn written(scan: &Scan, segments: Segments, mask: &Volume<u8>) -> Vec<u8> {
    let source = scan.source.as_ref().unwrap();
    source.segmentation(segments, mask).unwrap()
}

fn parsed(file: &[u8]) -> FileDicomObject<InMemDicomObject> {
    FileDicomObject::from_reader(file).unwrap()
}

fn string(object: &InMemDicomObject, tag: Tag) -> String {
    object.element(tag).unwrap().to_str().unwrap().into_owned()
}

fn numbers(object: &InMemDicomObject, tag: Tag) -> Vec<f64> {
    object.element(tag).unwrap().to_multi_float64().unwrap()
}

fn items(object: &InMemDicomObject, tag: Tag) -> Vec<InMemDicomObject> {
    match object.element(tag).unwrap().value() {
        Value::Sequence(sequence) => sequence.items().to_vec(),
        _ => panic!("{tag} is no sequence"),
    }
}

fn item(object: &InMemDicomObject, tag: Tag) -> InMemDicomObject {
    let all = items(object, tag);
    assert_eq!(all.len(), 1, "{tag}");
    all.into_iter().next().unwrap()
}

/// A frame as a reader sees it.
struct Read {
    segment: u16,
    index: Vec<u32>,
    position: Vec<f64>,
    sources: Vec<InMemDicomObject>,
    pixels: Vec<bool>,
}

fn frames_of(object: &InMemDicomObject) -> Vec<Read> {
    let groups = items(object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    let count: usize = string(object, tags::NUMBER_OF_FRAMES).parse().unwrap();
    assert_eq!(count, groups.len());
    let bytes = object
        .element(tags::PIXEL_DATA)
        .unwrap()
        .to_bytes()
        .unwrap();
    let plane = DIMS[0] * DIMS[1];
    assert_eq!(bytes.len(), (plane * count).div_ceil(8).next_multiple_of(2));
    let groups = groups.iter().enumerate().map(|(n, group)| {
        let segment = item(group, tags::SEGMENT_IDENTIFICATION_SEQUENCE);
        let content = item(group, tags::FRAME_CONTENT_SEQUENCE);
        let place = item(group, tags::PLANE_POSITION_SEQUENCE);
        let derived = item(group, tags::DERIVATION_IMAGE_SEQUENCE);
        let bit = |at: usize| bytes[at / 8] >> (at % 8) & 1 == 1;
        let index = content.element(tags::DIMENSION_INDEX_VALUES).unwrap();
        let number = segment.element(tags::REFERENCED_SEGMENT_NUMBER).unwrap();
        Read {
            segment: number.to_int().unwrap(),
            index: index.to_multi_int().unwrap(),
            position: numbers(&place, tags::IMAGE_POSITION_PATIENT),
            sources: items(&derived, tags::SOURCE_IMAGE_SEQUENCE),
            pixels: (n * plane..(n + 1) * plane).map(bit).collect(),
        }
    });
    groups.collect()
}

/// Every voxel of the mask is in one frame, where it is in mm, and no other is.
#[track_caller]
fn assert_in_place(object: &InMemDicomObject, mask: &Volume<u8>, tolerance: f64) {
    let shared = item(object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    let axes = item(&shared, tags::PLANE_ORIENTATION_SEQUENCE);
    let axes = numbers(&axes, tags::IMAGE_ORIENTATION_PATIENT);
    let measures = item(&shared, tags::PIXEL_MEASURES_SEQUENCE);
    let spacing = numbers(&measures, tags::PIXEL_SPACING);
    let mut found = vec![0_u8; mask.data.len()];
    for frame in frames_of(object) {
        let near = |k: &usize| {
            let [x, y, z] = mask.affine.apply([0.0, 0.0, *k as f64]);
            let off = frame.position.iter().zip([-x, -y, z]);
            off.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) <= tolerance
        };
        let k = (0..mask.dims[2])
            .find(near)
            .expect("a frame lies elsewhere");
        for (n, _) in frame.pixels.iter().enumerate().filter(|(_, on)| **on) {
            let (i, j) = (n % DIMS[0], n / DIMS[0]);
            let [x, y, z] = mask.affine.apply([i as f64, j as f64, k as f64]);
            for (axis, expected) in [-x, -y, z].into_iter().enumerate() {
                let place = frame.position[axis]
                    + axes[axis] * spacing[1] * i as f64
                    + axes[3 + axis] * spacing[0] * j as f64;
                assert!((place - expected).abs() <= tolerance, "{place} {expected}");
            }
            let at = mask.index(i, j, k);
            assert_eq!(found[at], 0, "segments overlap");
            found[at] = frame.segment as u8;
        }
    }
    assert!(found == mask.data, "other voxels");
}

#[test]
fn every_orientation_comes_back_in_place_and_says_its_slice() {
    for (name, affine) in grids() {
        let v = volume(affine);
        let options = Options::default();
        let scan = opened(&files_of(&v, &options));
        let mask = labels(&scan.hu);
        let object = parsed(&written(&scan, LUNGS, &mask));
        assert_in_place(&object, &mask, 1e-9);
        let frames = frames_of(&object);
        // Seven layers, one of them empty, and one without the second segment.
        assert_eq!(frames.len(), 6 + 5, "{name}");
        for frame in &frames {
            let [source] = frame.sources.as_slice() else {
                panic!("{name}: several sources");
            };
            let uid = string(source, tags::REFERENCED_SOP_INSTANCE_UID);
            let k: f64 = uid.rsplit('.').next().unwrap().parse().unwrap();
            let [x, y, z] = v.affine.apply([0.0, 0.0, k - 1.0]);
            let off = frame.position.iter().zip([-x, -y, z]);
            assert!(off.into_iter().all(|(a, b)| (a - b).abs() < 1e-9), "{name}");
            assert!(source.element(tags::REFERENCED_FRAME_NUMBER).is_err());
            assert_eq!(string(source, tags::SPATIAL_LOCATIONS_PRESERVED), "YES");
        }
        let indices: Vec<&[u32]> = frames.iter().map(|f| f.index.as_slice()).collect();
        assert!(indices.is_sorted());
        assert_eq!(indices[0], [1, 1]);
        assert_eq!(indices[10], [2, 5]);
        let measures = item(&object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
        let measures = item(&measures, tags::PIXEL_MEASURES_SEQUENCE);
        let between = numbers(&measures, tags::SPACING_BETWEEN_SLICES)[0];
        let step = match name {
            "axial" => 1.25,
            "downwards" | "flipped" => 3.0,
            _ => 2.0,
        };
        assert!((between - step).abs() < 1e-9, "{name}: {between}");
        assert_eq!(numbers(&measures, tags::SLICE_THICKNESS), [1.25]);
    }
}

#[test]
fn places_are_those_of_the_file_to_the_last_digit() {
    let v = volume(grids()[0].1);
    let options = Options::default();
    let (orientation, spacing) = ("0.9986\\0.0523\\0\\-0.0523\\0.9986\\0", "0.5\\0.7421875");
    let files: Vec<File> = (0..3)
        .map(|k| {
            let mut object = slice(&v, k, &options);
            let place = format!("-123.456789012{k}\\-0.1\\1{k}.8");
            text(&mut object, tags::IMAGE_POSITION_PATIENT, VR::DS, place);
            text(
                &mut object,
                tags::IMAGE_ORIENTATION_PATIENT,
                VR::DS,
                orientation,
            );
            text(&mut object, tags::PIXEL_SPACING, VR::DS, spacing);
            named(format!("{k}"), file(object, options.syntax))
        })
        .collect();
    let scan = opened(&files);
    let object = parsed(&written(&scan, LUNGS, &labels(&scan.hu)));
    let shared = item(&object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    let axes = item(&shared, tags::PLANE_ORIENTATION_SEQUENCE);
    assert_eq!(string(&axes, tags::IMAGE_ORIENTATION_PATIENT), orientation);
    let measures = item(&shared, tags::PIXEL_MEASURES_SEQUENCE);
    assert_eq!(string(&measures, tags::PIXEL_SPACING), spacing);
    let groups = items(&object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    let place = item(&groups[1], tags::PLANE_POSITION_SEQUENCE);
    let place = string(&place, tags::IMAGE_POSITION_PATIENT);
    assert_eq!(place, "-123.4567890121\\-0.1\\11.8");
}

/// Slices may differ a little in what they could share.
#[test]
fn slices_that_differ_keep_their_own_planes() {
    let v = volume(grids()[0].1);
    let options = Options::default();
    let files: Vec<File> = (0..3)
        .map(|k| {
            let mut object = slice(&v, k, &options);
            let axes = format!("1\\0.000{k}\\0\\-0.000{k}\\1\\0");
            text(&mut object, tags::IMAGE_ORIENTATION_PATIENT, VR::DS, axes);
            named(format!("{k}"), file(object, options.syntax))
        })
        .collect();
    let scan = opened(&files);
    let mask = scan.hu.like(vec![1; scan.hu.data.len()]).unwrap();
    let object = parsed(&written(&scan, NORMNET, &mask));
    let shared = item(&object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    assert!(shared.element(tags::PLANE_ORIENTATION_SEQUENCE).is_err());
    let groups = items(&object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    for (k, group) in groups.iter().enumerate() {
        let axes = item(group, tags::PLANE_ORIENTATION_SEQUENCE);
        let axes = numbers(&axes, tags::IMAGE_ORIENTATION_PATIENT);
        assert_eq!(axes[1], k as f64 * 1e-4);
        assert!(group.element(tags::PIXEL_MEASURES_SEQUENCE).is_ok());
    }
}

#[test]
fn frames_of_one_image_are_told_by_their_number() {
    let v = volume(grids()[4].1);
    let options = Options::default();
    let scan = opened(&[named("one", file(enhanced(&v, &options), options.syntax))]);
    let mask = labels(&scan.hu);
    let object = parsed(&written(&scan, LUNGS, &mask));
    assert_in_place(&object, &mask, 1e-9);
    for frame in frames_of(&object) {
        let source = &frame.sources[0];
        let uid = string(source, tags::REFERENCED_SOP_INSTANCE_UID);
        assert_eq!(uid, "1.2.3.4.900");
        let class = string(source, tags::REFERENCED_SOP_CLASS_UID);
        assert_eq!(class, uids::ENHANCED_CT_IMAGE_STORAGE);
        // The frames of the image go from the last slice to the first.
        let number = numbers(source, tags::REFERENCED_FRAME_NUMBER)[0];
        let [x, y, z] = v.affine.apply([0.0, 0.0, DIMS[2] as f64 - number]);
        let off = frame.position.iter().zip([-x, -y, z]);
        assert!(off.into_iter().all(|(a, b)| (a - b).abs() < 1e-9));
    }
    let series = item(&object, tags::REFERENCED_SERIES_SEQUENCE);
    assert_eq!(items(&series, tags::REFERENCED_INSTANCE_SEQUENCE).len(), 1);
}

#[test]
fn a_mean_of_two_slices_names_both() {
    let v = volume(grids()[0].1);
    let options = Options::default();
    let kept = (0..DIMS[2]).filter(|k| *k != 3);
    let files: Vec<File> = kept
        .map(|k| named(format!("{k}"), file(slice(&v, k, &options), options.syntax)))
        .collect();
    let scan = opened(&files);
    let mask = scan.hu.like(vec![1; scan.hu.data.len()]).unwrap();
    let object = parsed(&written(&scan, NORMNET, &mask));
    assert_in_place(&object, &mask, 1e-9);
    for (k, frame) in frames_of(&object).iter().enumerate() {
        let uid = |n: usize| string(&frame.sources[n], tags::REFERENCED_SOP_INSTANCE_UID);
        if k != 3 {
            assert_eq!(frame.sources.len(), 1);
            assert_eq!(uid(0), format!("1.2.3.4.{}", k + 1));
            continue;
        }
        assert_eq!([uid(0), uid(1)], ["1.2.3.4.3", "1.2.3.4.5"]);
        for source in &frame.sources {
            assert_eq!(string(source, tags::SPATIAL_LOCATIONS_PRESERVED), "NO");
        }
    }
    let series = item(&object, tags::REFERENCED_SERIES_SEQUENCE);
    assert_eq!(string(&series, tags::SERIES_INSTANCE_UID), "1.2.3.4");
    assert_eq!(items(&series, tags::REFERENCED_INSTANCE_SEQUENCE).len(), 6);
}

#[test]
fn nothing_found_is_one_empty_frame() {
    let v = volume(grids()[0].1);
    let scan = opened(&files_of(&v, &Options::default()));
    let mask = scan.hu.like(vec![0; scan.hu.data.len()]).unwrap();
    let infnet = Segments::Infnet {
        classified: true,
        corrected: false,
    };
    let object = parsed(&written(&scan, infnet, &mask));
    let frames = frames_of(&object);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].segment, 1);
    assert!(frames[0].pixels.iter().all(|on| !on));
    assert_eq!(items(&object, tags::SEGMENT_SEQUENCE).len(), 2);
}

#[test]
fn segments_say_what_they_are_and_who_drew_them() {
    let v = volume(grids()[0].1);
    let scan = opened(&files_of(&v, &Options::default()));
    let mask = labels(&scan.hu);
    let infnet = |classified| Segments::Infnet {
        classified,
        corrected: false,
    };
    for (segments, types, kind) in [
        (LUNGS, &["39607008", "39607008"][..], "AUTOMATIC"),
        (
            Segments::Lungs { given: true },
            &["39607008", "39607008"],
            "SEMIAUTOMATIC",
        ),
        (NORMNET, &["52988006"], "AUTOMATIC"),
        (
            Segments::Normnet { corrected: true },
            &["52988006"],
            "SEMIAUTOMATIC",
        ),
        (infnet(true), &["112120", "RID43255"], "AUTOMATIC"),
        (infnet(false), &["52988006"], "AUTOMATIC"),
    ] {
        let object = parsed(&written(&scan, segments, &mask));
        let described = items(&object, tags::SEGMENT_SEQUENCE);
        let found: Vec<String> = described
            .iter()
            .map(|segment| item(segment, tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE))
            .map(|code| string(&code, tags::CODE_VALUE))
            .collect();
        assert_eq!(found, types);
        for (n, segment) in described.iter().enumerate() {
            assert_eq!(numbers(segment, tags::SEGMENT_NUMBER), [n as f64 + 1.0]);
            assert_eq!(string(segment, tags::SEGMENT_ALGORITHM_TYPE), kind);
        }
        // 64 characters fit, and every reader of the text is told.
        for tag in [tags::SERIES_DESCRIPTION, tags::CONTENT_DESCRIPTION] {
            let text = string(&object, tag);
            assert!(
                text.len() <= 64 && text.contains("not for diagnosis"),
                "{text}"
            );
        }
    }
}

#[test]
fn the_same_gives_the_same_and_anything_else_another_uid() {
    let v = volume(grids()[0].1);
    let scan = opened(&files_of(&v, &Options::default()));
    let mut mask = labels(&scan.hu);
    let uid = |bytes: &[u8]| string(&parsed(bytes), tags::SOP_INSTANCE_UID);
    let first = written(&scan, LUNGS, &mask);
    assert_eq!(first, written(&scan, LUNGS, &mask));
    let given = written(&scan, Segments::Lungs { given: true }, &mask);
    assert_ne!(uid(&first), uid(&given));
    mask.data[0] = 1 - mask.data[0].min(1);
    let other = written(&scan, LUNGS, &mask);
    assert_ne!(uid(&first), uid(&other));
    let object = parsed(&first);
    let series = string(&object, tags::SERIES_INSTANCE_UID);
    assert_ne!(series, string(&parsed(&other), tags::SERIES_INSTANCE_UID));
    for uid in [uid(&first), series] {
        let number: u128 = uid.strip_prefix("2.25.").unwrap().parse().unwrap();
        assert_eq!((number >> 76 & 0xF, number >> 62 & 0b11), (8, 0b10));
        assert!(uid.len() <= 64);
    }
}

#[test]
fn patient_and_study_are_those_of_the_scan() {
    let v = volume(grids()[0].1);
    let options = Options::default();
    // Yamada^Tarou=山田^太郎 in ISO 2022 IR 87, and a name in a set that is not known.
    let name = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B";
    let with = |characters: &str, name: &[u8], id: &str, birth: &str| {
        let mut object = slice(&v, 0, &options);
        text(
            &mut object,
            tags::SPECIFIC_CHARACTER_SET,
            VR::CS,
            characters,
        );
        text(&mut object, tags::PATIENT_ID, VR::LO, id);
        text(&mut object, tags::PATIENT_BIRTH_DATE, VR::DA, birth);
        text(
            &mut object,
            tags::PATIENT_NAME,
            VR::PN,
            "X".repeat(name.len()),
        );
        // dicom-object would write the name in the character set that it is asked for.
        let mut bytes = file(object, options.syntax);
        let marker = "X".repeat(name.len());
        let at = bytes
            .windows(name.len())
            .position(|w| w == marker.as_bytes());
        bytes[at.unwrap()..][..name.len()].copy_from_slice(name);
        let scan = opened(&[named("one", bytes)]);
        written(&scan, LUNGS, &labels(&scan.hu.clone()))
    };
    let has = |file: &[u8], bytes: &[u8]| file.windows(bytes.len()).any(|w| w == bytes);

    let japanese = with("\\ISO 2022 IR 87", name, "0815", "19500101");
    assert!(has(&japanese, name), "the name is not as it was");
    let object = parsed(&japanese);
    for (tag, value) in [
        (tags::SPECIFIC_CHARACTER_SET, "\\ISO 2022 IR 87"),
        (tags::PATIENT_ID, "0815"),
        (tags::PATIENT_BIRTH_DATE, "19500101"),
        (tags::STUDY_INSTANCE_UID, STUDY),
        (tags::FRAME_OF_REFERENCE_UID, FRAME_OF_REFERENCE),
        (tags::STUDY_DATE, "20200331"),
        (tags::CONTENT_DATE, "20200331"),
        (tags::MODALITY, "SEG"),
    ] {
        assert_eq!(string(&object, tag).trim_end_matches(['\0', ' ']), value);
    }
    // There, though the scan does not have them.
    for tag in [tags::PATIENT_SEX, tags::ACCESSION_NUMBER, tags::STUDY_ID] {
        assert_eq!(string(&object, tag), "");
    }

    // What is not what it should be does not go on.
    let hostile = with("WINGDINGS", name, "a\x1b[31mb\nc", "1950-1-1");
    assert!(!has(&hostile, name) && !has(&hostile, b"WINGDINGS"));
    let object = parsed(&hostile);
    assert!(object.element(tags::SPECIFIC_CHARACTER_SET).is_err());
    for tag in [
        tags::PATIENT_NAME,
        tags::PATIENT_ID,
        tags::PATIENT_BIRTH_DATE,
    ] {
        assert_eq!(string(&object, tag), "");
    }
    let long = with("ISO_IR 100", b"Doe", &"8".repeat(1025), "19500101");
    assert_eq!(string(&parsed(&long), tags::PATIENT_ID), "");
}

#[test]
fn who_it_is_shows_nowhere_else() {
    let scan = opened(&files_of(&volume(grids()[0].1), &Options::default()));
    let printed = format!("{scan:?}");
    for secret in ["Doe", "0815", STUDY] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[test]
fn what_cannot_be_referred_to_has_no_segmentation_and_says_why() {
    let v = volume(grids()[0].1);
    let options = Options::default();
    let with = |change: &dyn Fn(usize, &mut InMemDicomObject)| {
        let files: Vec<File> = (0..3)
            .map(|k| {
                let mut object = slice(&v, k, &options);
                change(k, &mut object);
                named(format!("{k}"), file(object, options.syntax))
            })
            .collect();
        opened(&files)
    };
    assert!(with(&|_, _| {}).source.is_some());
    type Change<'a> = &'a dyn Fn(usize, &mut InMemDicomObject);
    let cases: [(&str, Change); 6] = [
        ("StudyInstanceUID", &|_, o| {
            o.remove_element(tags::STUDY_INSTANCE_UID);
        }),
        ("FrameOfReferenceUID", &|_, o| {
            o.remove_element(tags::FRAME_OF_REFERENCE_UID);
        }),
        ("SOPInstanceUID", &|_, o| {
            text(o, tags::SOP_INSTANCE_UID, VR::UI, "1.2.3")
        }),
        ("SOPClassUID", &|_, o| {
            text(o, tags::SOP_CLASS_UID, VR::UI, "CT Image")
        }),
        ("one StudyInstanceUID", &|k, o| {
            text(o, tags::STUDY_INSTANCE_UID, VR::UI, format!("1.{k}"))
        }),
        ("SeriesInstanceUID", &|_, o| {
            text(o, tags::SERIES_INSTANCE_UID, VR::UI, "1..2")
        }),
    ];
    for (says, change) in cases {
        let scan = with(change);
        assert!(scan.source.is_none(), "{says}");
        let told = scan.warnings.iter().find_map(|w| match w {
            Warning::NoSegmentation { .. } => Some(w.text()),
            _ => None,
        });
        assert!(told.unwrap().contains(says), "{says}");
    }
}

#[test]
fn a_segmentation_in_the_folder_is_passed_over() {
    let v = volume(grids()[0].1);
    let mut files = files_of(&v, &Options::default());
    let scan = opened(&files);
    let own = written(&scan, LUNGS, &labels(&scan.hu));
    files.insert(0, named("seg.dcm", own.clone()));
    assert!(opened(&files).hu == scan.hu);
    let alone = read("seg.dcm", &files[..1], None, &Limits::default());
    let text = alone.unwrap_err().to_string();
    assert!(text.contains("segmentations"), "{text}");
}

#[test]
fn a_mask_on_another_grid_is_refused() {
    let v = volume(grids()[0].1);
    let scan = opened(&files_of(&v, &Options::default()));
    let mask = labels(&scan.hu).crop([0; 3], [5, 4, 6]).unwrap();
    let source = scan.source.as_ref().unwrap();
    let error = source.segmentation(LUNGS, &mask).unwrap_err();
    assert!(matches!(error, VolumeError::Grid { .. }));
}
