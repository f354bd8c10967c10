#![allow(clippy::unwrap_used)]

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

use super::testing::{Options, enhanced, file, named, series as files_of, slice, text, word};
use super::*;
use crate::io::nifti::{self, write_hu};
use crate::io::testing::{assert_close, mutations};
use crate::io::{Input, open, open_files};
use crate::volume::Affine;

/// Axes as columns in mm, and the first voxel.
fn grid(i: [f64; 3], j: [f64; 3], k: [f64; 3], origin: [f64; 3]) -> Affine {
    Affine([0, 1, 2].map(|r| [i[r], j[r], k[r], origin[r]]))
}

/// An axial grid as scanners make it: i to the left, j to the back, k up.
fn axial() -> Affine {
    grid(
        [-0.75, 0.0, 0.0],
        [0.0, -0.5, 0.0],
        [0.0, 0.0, 1.25],
        [100.5, 80.25, -300.0],
    )
}

/// Axes at right angles, along no axis of the world.
fn oblique() -> Affine {
    let (s, c) = 20_f64.to_radians().sin_cos();
    let (t, d) = (-35_f64).to_radians().sin_cos();
    grid(
        [-0.75 * c, -0.75 * s, 0.0],
        [0.5 * s * d, -0.5 * c * d, 0.5 * t],
        [-2.0 * s * t, 2.0 * c * t, 2.0 * d],
        [10.5, -20.25, 30.125],
    )
}

fn volume(affine: Affine) -> Volume<i16> {
    let data = (0..5 * 4 * 7).map(|n| n * 9 % 1200 - 1000).collect();
    Volume::new(data, [5, 4, 7], affine).unwrap()
}

fn opened(files: &[File]) -> Result<Scan, IoError> {
    read("folder", files, None, &Limits::default())
}

/// The same voxels at the same places, whatever the order of the axes.
#[track_caller]
fn assert_same(found: &Volume<i16>, expected: &Volume<i16>, tolerance: f64) {
    let (found, _) = found.clone().into_lps();
    let (expected, _) = expected.clone().into_lps();
    assert_eq!(found.dims, expected.dims);
    assert_close(&found.affine, &expected.affine, tolerance);
    assert!(found.data == expected.data, "other voxels");
}

fn codes(scan: &Scan) -> Vec<&'static str> {
    scan.warnings.iter().map(Warning::code).collect()
}

#[test]
fn every_orientation_lies_where_its_nifti_does() {
    let coronal = grid(
        [-0.75, 0.0, 0.0],
        [0.0, 0.0, -0.5],
        [0.0, 2.0, 0.0],
        [1.0, 2.0, 3.0],
    );
    let downwards = grid(
        [-0.75, 0.0, 0.0],
        [0.0, -0.5, 0.0],
        [0.0, 0.0, -3.0],
        [1.0, 2.0, 3.0],
    );
    let flipped = grid(
        [0.75, 0.0, 0.0],
        [0.0, 0.5, 0.0],
        [0.0, 0.0, 3.0],
        [1.0, 2.0, 3.0],
    );
    for affine in [axial(), oblique(), coronal, downwards, flipped] {
        let v = volume(affine);
        let scan = opened(&files_of(&v, &Options::default())).unwrap();
        assert_same(&scan.hu, &v, 1e-9);
        let nifti = nifti::read("v.nii", &write_hu(&v, false), &Limits::default()).unwrap();
        assert_same(&scan.hu, &nifti.hu, 1e-4);
        assert!(!codes(&scan).contains(&"gantry_tilt"), "{affine:?}");
    }
}

#[test]
fn every_transfer_syntax_gives_the_same_voxels() {
    let v = volume(oblique());
    for syntax in [
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
        uids::EXPLICIT_VR_LITTLE_ENDIAN,
        "1.2.840.10008.1.2.2",
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        uids::RLE_LOSSLESS,
        uids::JPEG_LOSSLESS_SV1,
    ] {
        let options = Options {
            syntax,
            ..Options::default()
        };
        let scan = opened(&files_of(&v, &options)).unwrap();
        assert_same(&scan.hu, &v, 1e-9);
        let one = named("one", file(enhanced(&v, &options), syntax));
        let scan = opened(&[one]).unwrap_or_else(|e| panic!("{syntax}: {e}"));
        assert_same(&scan.hu, &v, 1e-9);
    }
}

#[test]
fn what_is_not_decoded_is_named() {
    let v = volume(axial());
    let options = Options {
        syntax: uids::JPEG2000_LOSSLESS,
        ..Options::default()
    };
    let files = files_of(&v, &options);
    let text = opened(&files).unwrap_err().to_string();
    assert!(text.contains("JPEG 2000 Lossless"), "{text}");
    assert!(
        text.contains("1.2.840.10008.1.2.4.90") && text.contains("IM"),
        "{text}"
    );
    assert_eq!(
        series("folder", &files, &Limits::default()).unwrap().len(),
        1
    );
}

#[test]
fn bits_signs_and_scaling_give_hu() {
    let v = volume(axial());
    for (signed, stored, high, slope, intercept) in [
        (true, 16, 15, 1.0, 0.0),
        (true, 12, 11, 1.0, 0.0),
        (true, 12, 15, 1.0, -24.0),
        (false, 16, 15, 0.5, -1024.0),
        (false, 13, 12, 0.25, -1000.0),
    ] {
        let options = Options {
            signed,
            stored,
            high,
            slope,
            intercept,
            ..Options::default()
        };
        let scan = opened(&files_of(&v, &options)).unwrap();
        assert_same(&scan.hu, &v, 1e-9);
    }
}

#[test]
fn padding_is_air() {
    let v = volume(axial());
    let options = Options {
        signed: true,
        stored: 16,
        high: 15,
        intercept: 0.0,
        ..Options::default()
    };
    let write = |last: Option<i16>| {
        let mut object = slice(&v, 0, &options);
        word(&mut object, tags::PIXEL_PADDING_VALUE, v.data[3] as u16);
        if let Some(last) = last {
            word(&mut object, tags::PIXEL_PADDING_RANGE_LIMIT, last as u16);
        }
        opened(&[named("one", file(object, options.syntax))])
            .unwrap()
            .hu
            .data
    };
    let mut expected = v.slice(0).to_vec();
    expected[3] = -1024;
    assert_eq!(write(None), expected);
    let last = v.data[3] + 20;
    let range = v.data[3]..=last;
    let expected = v.slice(0).iter();
    let expected: Vec<i16> = expected
        .map(|x| if range.contains(x) { -1024 } else { *x })
        .collect();
    assert_eq!(write(Some(last)), expected);
}

#[test]
fn a_tilted_gantry_shears_the_grid() {
    let tilted = grid(
        [-0.75, 0.0, 0.0],
        [0.0, -0.5, 0.0],
        [0.0, 0.4, 2.0],
        [1.0, 2.0, 3.0],
    );
    let v = volume(tilted);
    let scan = opened(&files_of(&v, &Options::default())).unwrap();
    assert_same(&scan.hu, &v, 1e-9);
    let degrees = (0.2_f64).atan().to_degrees();
    assert!(
        scan.warnings
            .iter()
            .any(|w| matches!(w, Warning::GantryTilt { degrees: d } if (d - degrees).abs() < 1e-6))
    );
}

#[test]
fn missing_slices_are_filled_and_told() {
    // A ramp along k, so that a mean is what was there.
    let data = (0..5 * 4 * 9).map(|n| (n / 20) * 100 - 900).collect();
    let v = Volume::new(data, [5, 4, 9], axial()).unwrap();
    let options = Options::default();
    let without = |gone: &[usize]| {
        let kept = (0..9).filter(|k| !gone.contains(k));
        let files: Vec<_> = kept
            .map(|k| named(format!("{k}"), file(slice(&v, k, &options), options.syntax)))
            .collect();
        opened(&files)
    };
    let scan = without(&[3, 4]).unwrap();
    assert_same(&scan.hu, &v, 1e-9);
    assert!(scan.warnings.contains(&Warning::UnevenSlices {
        mm: [1.25, 3.75],
        interpolated: 2
    }));
    let error = without(&[2, 3, 4, 5, 6, 7]).unwrap_err();
    assert!(matches!(error, IoError::Spacing { .. }), "{error}");
    assert!(error.to_string().contains("8.75 mm"), "{error}");
    assert!(!codes(&without(&[]).unwrap()).contains(&"uneven_slices"));
}

#[test]
fn duplicates_are_left_out_and_told() {
    let v = volume(axial());
    let mut files = files_of(&v, &Options::default());
    let mut copies: Vec<File> = files.iter().take(2).cloned().collect();
    files.append(&mut copies);
    let scan = opened(&files).unwrap();
    assert_same(&scan.hu, &v, 1e-9);
    assert!(
        scan.warnings
            .contains(&Warning::DuplicateSlices { count: 2 })
    );
}

#[test]
fn series_are_told_apart() {
    let (thin, thick) = (
        volume(axial()),
        volume(axial()).crop([0; 3], [5, 4, 3]).unwrap(),
    );
    let other = Options {
        uid: "1.2.3.9",
        ..Options::default()
    };
    let mut files = files_of(&thick, &other);
    files.extend(files_of(&thin, &Options::default()));
    // A localizer, a report and a text file.
    let mut scout = slice(&thin, 0, &Options::default());
    text(
        &mut scout,
        tags::IMAGE_TYPE,
        VR::CS,
        "ORIGINAL\\PRIMARY\\LOCALIZER",
    );
    files.push(named("scout", file(scout, other.syntax)));
    let mut report = InMemDicomObject::new_empty();
    text(&mut report, tags::MODALITY, VR::CS, "SR");
    files.push(named("report", file(report, other.syntax)));
    files.push(named("README", b"read me".to_vec()));

    let found = series("folder", &files, &Limits::default()).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].uid.as_str(), found[0].slices), ("1.2.3.9", 3));
    assert_eq!((found[1].uid.as_str(), found[1].slices), ("1.2.3.4", 7));
    assert_eq!((found[1].rows, found[1].columns), (4, 5));
    assert_eq!(
        (found[1].thickness_mm, found[1].kernel.as_str()),
        (Some(1.25), "B70f")
    );
    assert_eq!(found[1].description, "Thorax [31m1.0 B70f");
    let small = found[1].thumbnail.as_ref().unwrap();
    assert_eq!((small.width, small.height), (5, 4));
    // Of 7 slices the fourth, whatever the order of the files; -600 HU is the window's middle.
    let grey = |hu: i16| ((f32::from(hu) + 1350.0) / 1500.0 * 255.0) as u8;
    let expected: Vec<u8> = thin.slice(3).iter().map(|&hu| grey(hu)).collect();
    assert_eq!(small.pixels, expected);

    let scan = opened(&files).unwrap();
    assert_same(&scan.hu, &thin, 1e-9);
    assert!(scan.warnings.contains(&Warning::OtherSeries {
        stacks: 2,
        slices: 7
    }));
    let limits = Limits::default();
    let scan = read("folder", &files, Some("1.2.3.9"), &limits).unwrap();
    assert_same(&scan.hu, &thick, 1e-9);
    assert!(!codes(&scan).contains(&"other_series"));
    let text = read("folder", &files, Some("7.7"), &limits)
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("7.7") && text.contains("1.2.3.9 (3 slices)"),
        "{text}"
    );
}

#[test]
fn what_is_no_ct_is_refused() {
    let options = Options {
        modality: "MR",
        ..Options::default()
    };
    let text = opened(&files_of(&volume(axial()), &options))
        .unwrap_err()
        .to_string();
    assert!(text.contains("MR"), "{text}");
    let text = opened(&[named("a", b"no DICOM".to_vec())])
        .unwrap_err()
        .to_string();
    assert!(text.contains("no DICOM files"), "{text}");
}

#[test]
fn one_slice_takes_its_thickness() {
    let v = volume(axial()).crop([0; 3], [5, 4, 1]).unwrap();
    let files = files_of(&v, &Options::default());
    let scan = opened(&files).unwrap();
    assert_same(&scan.hu, &v, 1e-9);
    let input = open("one.dcm", &files[0].bytes, &Limits::default()).unwrap();
    assert!(matches!(input, Input::Volume(s) if s.hu == scan.hu));
}

#[test]
fn files_without_preamble_or_meta_open() {
    let v = volume(axial());
    for syntax in [
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
        uids::EXPLICIT_VR_LITTLE_ENDIAN,
    ] {
        let options = Options {
            syntax,
            ..Options::default()
        };
        let mut files = files_of(&v, &options);
        for one in &mut files {
            // Group length: the meta group goes on for so many bytes behind this element.
            let length: [u8; 4] = one.bytes[140..144].try_into().unwrap();
            let data_set = 144 + u32::from_le_bytes(length) as usize;
            one.bytes.to_mut().drain(..data_set);
        }
        let input = open_files("folder", &files, None, &Limits::default()).unwrap();
        let Input::Volume(scan) = input else { panic!() };
        assert_same(&scan.hu, &v, 1e-9);
    }
}

#[test]
fn broken_headers_name_the_field() {
    let v = volume(axial());
    let options = Options::default();
    let with = |change: &dyn Fn(&mut InMemDicomObject)| {
        let mut object = slice(&v, 0, &options);
        change(&mut object);
        opened(&[named("one.dcm", file(object, options.syntax))])
            .unwrap_err()
            .to_string()
    };
    type Change<'a> = &'a dyn Fn(&mut InMemDicomObject);
    let cases: [(&str, Change); 8] = [
        ("Rows", &|o| word(o, tags::ROWS, 0)),
        ("ends early", &|o| word(o, tags::ROWS, 30_000)),
        ("BitsAllocated", &|o| word(o, tags::BITS_ALLOCATED, 32)),
        ("BitsStored", &|o| word(o, tags::BITS_STORED, 17)),
        ("PixelSpacing", &|o| {
            text(o, tags::PIXEL_SPACING, VR::DS, "0\\-1")
        }),
        ("ImageOrientationPatient", &|o| {
            text(
                o,
                tags::IMAGE_ORIENTATION_PATIENT,
                VR::DS,
                "1\\0\\0\\1\\0\\0",
            );
        }),
        ("NumberOfFrames", &|o| {
            text(o, tags::NUMBER_OF_FRAMES, VR::IS, "4000000000")
        }),
        ("without a place", &|o| {
            o.remove_element(tags::IMAGE_POSITION_PATIENT);
        }),
    ];
    for (says, change) in cases {
        let text = with(change);
        assert!(text.contains(says), "{says}: {text}");
    }
}

#[test]
fn large_grids_are_refused_before_memory_is_taken() {
    let v = volume(axial());
    let few = Limits {
        max_voxels: 139,
        ..Limits::default()
    };
    let error = read("folder", &files_of(&v, &Options::default()), None, &few).unwrap_err();
    assert!(matches!(error, IoError::TooLarge { .. }), "{error}");
}

/// Series are described before one is opened, and each description has a picture.
#[test]
fn a_picture_of_a_series_keeps_to_the_limits() {
    let v = volume(axial());
    let few = Limits {
        max_voxels: 19,
        ..Limits::default()
    };
    let found = series("folder", &files_of(&v, &Options::default()), &few).unwrap();
    assert!(found[0].thumbnail.is_none());
}

#[test]
fn deflated_files_share_the_limit() {
    let v = volume(axial());
    let options = Options {
        syntax: uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        ..Options::default()
    };
    let files = files_of(&v, &options);
    // Each file unpacks to some hundred bytes.
    let limits = Limits {
        max_bytes: 2000,
        ..Limits::default()
    };
    assert!(read("folder", &files[..1], None, &limits).is_ok());
    let error = read("folder", &files, None, &limits).unwrap_err();
    assert!(matches!(error, IoError::TooLarge { .. }), "{error}");
}

#[test]
fn hostile_lengths_and_nesting_give_errors() {
    let v = volume(axial());
    let whole = file(
        slice(&v, 0, &Options::default()),
        uids::EXPLICIT_VR_LITTLE_ENDIAN,
    );
    let one = |bytes: &[u8]| opened(&[named("one", bytes.to_vec())]);
    for cut in 132..whole.len() - 1 {
        assert!(one(&whole[..cut]).is_err(), "cut at {cut}");
    }
    // A text of 4 GiB, and sequences in sequences without end.
    let meta = &whole[..144 + u32::from_le_bytes(whole[140..144].try_into().unwrap()) as usize];
    let long = [
        meta,
        &[
            0x08, 0, 0x16, 0, b'U', b'T', 0, 0, 0xFE, 0xFF, 0xFF, 0xFF, 1, 2,
        ],
    ]
    .concat();
    assert!(matches!(one(&long), Err(IoError::Truncated { .. })));
    let nested: Vec<u8> = [
        [
            0x08, 0, 0x40, 0x11, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF,
        ]
        .as_slice(),
        &[0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF],
    ]
    .concat();
    let deep = [meta, &nested.repeat(100_000)].concat();
    let text = one(&deep).unwrap_err().to_string();
    assert!(text.contains("too deeply"), "{text}");
    // An item without a sequence, which ends a reader's stack too early.
    let stray = [meta, &[0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0]].concat();
    assert!(one(&stray).is_err());
}

#[test]
fn changed_bytes_never_panic() {
    let v = volume(axial()).crop([0; 3], [3, 2, 2]).unwrap();
    for syntax in [
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
        uids::RLE_LOSSLESS,
        uids::JPEG_LOSSLESS_SV1,
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    ] {
        let options = Options {
            syntax,
            ..Options::default()
        };
        let limits = Limits {
            max_voxels: 1 << 16,
            max_bytes: 1 << 20,
        };
        for object in [slice(&v, 0, &options), enhanced(&v, &options)] {
            mutations(&file(object, syntax), |bytes| {
                let _ = open("one", bytes, &limits);
            });
        }
    }
}

#[test]
fn the_day_is_the_acquisitions_or_else_the_studys() {
    let v = volume(axial());
    let dated = |dates: &[(dicom_core::Tag, VR, &str)]| {
        let options = Options::default();
        let files = (0..v.dims[2]).map(|k| {
            let mut object = slice(&v, k, &options);
            for &(tag, vr, date) in dates {
                text(&mut object, tag, vr, date);
            }
            named(k.to_string(), file(object, options.syntax))
        });
        let files: Vec<File> = files.collect();
        let scan = opened(&files).unwrap();
        let found = series("folder", &files, &Limits::default()).unwrap();
        assert_eq!(found[0].date, scan.date);
        scan.date.map(|date| date.to_string())
    };
    let study = (tags::STUDY_DATE, VR::DA, "20260131");
    let acquisition = (tags::ACQUISITION_DATE, VR::DA, "20260201");
    let with_time = (tags::ACQUISITION_DATE_TIME, VR::DT, "20260202093000");
    assert_eq!(dated(&[(tags::STUDY_DATE, VR::DA, "")]), None);
    assert_eq!(dated(&[study]).as_deref(), Some("2026-01-31"));
    assert_eq!(dated(&[study, with_time]).as_deref(), Some("2026-02-02"));
    assert_eq!(dated(&[study, acquisition]).as_deref(), Some("2026-02-01"));
    // What stands for a date that was taken out is none.
    let blank = (tags::STUDY_DATE, VR::DA, "00010101");
    assert_eq!(dated(&[blank]), None);
}
