//! A scan with two lesions of NormNet and one of Inf-Net, on axes that run against LPS.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::findings::{CONSOLIDATION, GROUND_GLASS, LEFT, Provenance, RIGHT};
use crate::io::dicom::testing;
use crate::io::nifti::{read_labels, write_hu, write_labels};
use crate::volume::Affine;
use dicom_dictionary_std::tags;
use dicom_object::{FileDicomObject, InMemDicomObject};

const DIMS: [usize; 3] = [20, 10, 10];

fn fill(v: &mut Volume<u8>, from: [usize; 3], to: [usize; 3], value: u8) {
    for k in from[2]..to[2] {
        for j in from[1]..to[1] {
            for i in from[0]..to[0] {
                let at = v.index(i, j, k);
                v.data[at] = value;
            }
        }
    }
}

/// The scan's file and the files that an analysis would have made of it.
struct Case {
    scan: Vec<u8>,
    lungs: Vec<u8>,
    normnet: Vec<u8>,
    infnet: Vec<u8>,
    report: Vec<u8>,
}

fn case() -> Case {
    let affine = Affine([
        [3.0, 0.0, 0.0, -30.0],
        [0.0, 3.0, 0.0, 20.0],
        [0.0, 0.0, -4.0, 100.0],
    ]);
    let hu = Volume::filled(-850, DIMS, affine);
    let mut lungs = Volume::filled(0, DIMS, affine);
    let (mut normnet, mut infnet) = (lungs.clone(), lungs.clone());
    fill(&mut lungs, [1, 1, 1], [9, 9, 9], LEFT);
    fill(&mut lungs, [11, 1, 1], [19, 9, 9], RIGHT);
    // 27 and 8 voxels of 0.036 ml.
    fill(&mut normnet, [2, 2, 2], [5, 5, 5], 1);
    fill(&mut normnet, [12, 2, 2], [14, 4, 4], 1);
    fill(&mut infnet, [2, 2, 2], [5, 5, 4], GROUND_GLASS);
    fill(&mut infnet, [2, 2, 4], [5, 5, 5], CONSOLIDATION);
    let (hu_lps, input) = hu.clone().into_lps();
    let [lungs_lps, normnet_lps, infnet_lps] =
        [&lungs, &normnet, &infnet].map(|mask| mask.clone().into_lps().0);
    let measured = Measured {
        hu: &hu_lps,
        lungs: &lungs_lps,
        normnet: Some(&normnet_lps),
        infnet: Some(&infnet_lps),
        infnet_classified: true,
        input: &input,
    };
    let findings = findings::findings(&measured, Vec::new(), Provenance::on("test")).unwrap();
    Case {
        scan: write_hu(&hu, false),
        lungs: write_labels(&lungs, true),
        normnet: write_labels(&normnet, true),
        infnet: write_labels(&infnet, true),
        report: findings.to_json().unwrap().into_bytes(),
    }
}

fn opened(case: &Case) -> Result<Correction, CorrectionError> {
    let files = [File {
        name: "scan.nii".into(),
        bytes: case.scan.as_slice().into(),
    }];
    opened_from(&files, case)
}

fn opened_from(files: &[File], case: &Case) -> Result<Correction, CorrectionError> {
    let made = Made {
        lungs: &case.lungs,
        normnet: Some(&case.normnet),
        infnet: Some(&case.infnet),
        report: &case.report,
    };
    Correction::open("scan.nii", files, None, &made, &Limits::default())
}

fn written(correction: &mut Correction, suffix: &str) -> Vec<u8> {
    let files = correction.outcome().unwrap().files;
    let found = files.into_iter().find(|f| f.name.ends_with(suffix));
    found.unwrap().bytes
}

fn voxels(file: &[u8]) -> Vec<u8> {
    read_labels("mask", file, &Limits::default()).unwrap().data
}

#[test]
fn a_lesion_goes_and_comes_back() {
    let case = case();
    let mut correction = opened(&case).unwrap();
    let before = correction.findings().unwrap().clone();
    assert_eq!(before.normnet.as_ref().unwrap().listed.len(), 2);

    correction.remove(Network::Normnet, 0).unwrap();
    let after = correction.findings().unwrap().clone();
    let left = after.normnet.clone().unwrap();
    assert_eq!(left.listed, before.normnet.as_ref().unwrap().listed[1..]);
    let amount = after.both.normnet.clone().unwrap().lesion;
    assert_eq!(amount.ml, 0.288);
    assert_eq!(after.agreement_dice, Some(0.0));
    assert_eq!(
        (after.infnet.clone(), after.removed.len()),
        (before.infnet.clone(), 1)
    );
    assert_eq!(
        after.removed[0].lesion,
        before.normnet.clone().unwrap().listed[0]
    );
    let mask = voxels(&written(&mut correction, "_normnet.nii.gz"));
    assert_eq!(mask.iter().filter(|&&v| v != 0).count(), 8);
    let report: Findings =
        serde_json::from_slice(&written(&mut correction, "_report.json")).unwrap();
    assert_eq!(report, after);

    // A second, of the other network and with two labels, and both come back in turn.
    correction.remove(Network::Infnet, 0).unwrap();
    assert!(
        voxels(&written(&mut correction, "_infnet.nii.gz"))
            .iter()
            .all(|&v| v == 0)
    );
    assert!(correction.undo());
    assert_eq!(*correction.findings().unwrap(), after);
    assert!(correction.undo());
    assert!(!correction.undo());
    assert_eq!(*correction.findings().unwrap(), before);
    assert_eq!(written(&mut correction, "_report.json"), case.report);
    for (suffix, file) in [
        ("_normnet.nii.gz", &case.normnet),
        ("_infnet.nii.gz", &case.infnet),
    ] {
        assert_eq!(voxels(&written(&mut correction, suffix)), voxels(file));
    }
}

/// Who drew a segmentation's first segment, and its voxels.
fn segmented(file: &[u8]) -> (String, u32) {
    let object = FileDicomObject::<InMemDicomObject>::from_reader(file).unwrap();
    let segments = object.element(tags::SEGMENT_SEQUENCE).unwrap();
    let first = &segments.items().unwrap()[0];
    let by = first.element(tags::SEGMENT_ALGORITHM_TYPE).unwrap();
    let pixels = object.element(tags::PIXEL_DATA).unwrap();
    let pixels = pixels.to_bytes().unwrap();
    let voxels = pixels.iter().map(|byte| byte.count_ones()).sum();
    (by.to_str().unwrap().into_owned(), voxels)
}

#[test]
fn the_segmentation_of_a_dicom_series_follows() {
    let case = case();
    let scan = io::nifti::read("scan", &case.scan, &Limits::default()).unwrap();
    let files = testing::series(&scan.hu, &testing::Options::default());
    let mut correction = opened_from(&files, &case).unwrap();
    let names = |correction: &mut Correction| -> Vec<String> {
        let files = correction.outcome().unwrap().files;
        files.into_iter().map(|f| f.name).collect()
    };
    let expected = [
        "scan_normnet.nii.gz",
        "scan_normnet_seg.dcm",
        "scan_infnet.nii.gz",
        "scan_infnet_seg.dcm",
        "scan_report.json",
    ];
    assert_eq!(names(&mut correction), expected);
    let before = written(&mut correction, "normnet_seg.dcm");
    assert_eq!(segmented(&before), ("AUTOMATIC".to_owned(), 27 + 8));

    correction.remove(Network::Normnet, 0).unwrap();
    let after = written(&mut correction, "normnet_seg.dcm");
    assert_eq!(segmented(&after), ("SEMIAUTOMATIC".to_owned(), 8));
    let other = written(&mut correction, "infnet_seg.dcm");
    assert_eq!(segmented(&other), ("AUTOMATIC".to_owned(), 27));
    correction.undo();
    assert_eq!(written(&mut correction, "normnet_seg.dcm"), before);

    let mut plain = opened(&case).unwrap();
    assert!(names(&mut plain).iter().all(|name| !name.ends_with(".dcm")));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let mut case = case();
    let mut correction = opened(&case).unwrap();
    let error = correction.remove(Network::Infnet, 1).unwrap_err();
    assert!(
        matches!(error, CorrectionError::NoLesion { place: 2, .. }),
        "{error}"
    );

    let affine = Affine::from_spacing([1.0; 3]);
    let small = write_labels(&Volume::filled(1, [2, 2, 2], affine), true);
    case.infnet = small;
    let error = opened(&case).err().unwrap().to_string();
    assert!(
        error.contains("infnet") && error.contains("scan.nii"),
        "{error}"
    );
    case.report = b"{}".to_vec();
    assert!(opened(&case).is_err());
}

/// A voxel of the file in RAS mm.
fn mm([i, j, k]: [usize; 3]) -> [f64; 3] {
    [
        3.0 * i as f64 - 30.0,
        3.0 * j as f64 + 20.0,
        100.0 - 4.0 * k as f64,
    ]
}

fn stroke(erase: bool, diameter_mm: f64, voxels: &[[usize; 3]]) -> Stroke {
    Stroke {
        network: Network::Infnet,
        erase,
        diameter_mm,
        points_mm: voxels.iter().copied().map(mm).collect(),
    }
}

#[test]
fn the_brush_adds_and_erases_what_lies_under_it() {
    let case = case();
    let mut correction = opened(&case).unwrap();
    let before = correction.findings().unwrap().clone();

    // From inside the lung over its border: of the stroke, i from 9 on is outside.
    let adding = stroke(false, 7.0, &[[6, 6, 5], [9, 6, 5]]);
    correction.paint(&adding).unwrap();
    let mask = voxels(&written(&mut correction, "_infnet.nii.gz"));
    let at = |i: usize, j: usize, k: usize| mask[i + DIMS[0] * (j + DIMS[1] * k)];
    // 3.5 mm reach the neighbours at 3 mm and not those at 4.2 mm.
    let expected = [[6, 5], [7, 5], [8, 5], [5, 6], [6, 6], [7, 6], [8, 6]];
    let expected = [&expected[..], &[[6, 7], [7, 7], [8, 7]]].concat();
    let painted: Vec<[usize; 2]> = (0..DIMS[1])
        .flat_map(|j| (0..DIMS[0]).map(move |i| [i, j]))
        .filter(|&[i, j]| at(i, j, 5) != 0)
        .collect();
    assert_eq!(painted, expected);
    assert!(painted.iter().all(|&[i, j]| at(i, j, 5) == GROUND_GLASS));
    assert_eq!(mask.iter().filter(|&&v| v != 0).count(), 27 + 10);
    let after = correction.findings().unwrap().clone();
    let [was, is] = [&before, &after].map(|f| f.both.infnet.clone().unwrap().lesion.ml);
    assert!(
        (is - was - 10.0 * 0.036).abs() < 1e-9,
        "{was} ml, then {is}"
    );
    assert_eq!(after.infnet.as_ref().unwrap().listed.len(), 2);
    assert_eq!(
        (&after.normnet, &after.removed),
        (&before.normnet, &before.removed)
    );

    // Both labels go, and voxels that were free before are not counted.
    correction
        .paint(&stroke(true, 1.0, &[[0, 3, 4], [4, 3, 4]]))
        .unwrap();
    correction.paint(&stroke(true, 1.0, &[[3, 3, 3]])).unwrap();
    // What is marked already stays as it is, and is no stroke.
    correction.paint(&stroke(false, 1.0, &[[2, 2, 4]])).unwrap();
    let mask = voxels(&written(&mut correction, "_infnet.nii.gz"));
    assert_eq!(mask[2 + DIMS[0] * (2 + DIMS[1] * 4)], CONSOLIDATION);
    let report: Findings =
        serde_json::from_slice(&written(&mut correction, "_report.json")).unwrap();
    let expected = findings::Painted {
        network: Network::Infnet,
        strokes: 3,
        voxels_added: 10,
        voxels_removed: 4,
    };
    assert_eq!(report.painted, [expected]);

    assert!(correction.undo() && correction.undo());
    assert_eq!(*correction.findings().unwrap(), after);
    assert!(correction.undo() && !correction.undo());
    assert_eq!(*correction.findings().unwrap(), before);
    assert_eq!(written(&mut correction, "_report.json"), case.report);
    assert_eq!(
        voxels(&written(&mut correction, "_infnet.nii.gz")),
        voxels(&case.infnet)
    );
}

#[test]
fn strokes_that_are_none_are_refused() {
    let mut case = case();
    let mut correction = opened(&case).unwrap();
    let none = [
        stroke(false, 0.0, &[[3, 3, 3]]),
        stroke(false, f64::NAN, &[[3, 3, 3]]),
        stroke(false, 5.0, &[]),
        Stroke {
            points_mm: vec![[0.0, f64::INFINITY, 0.0]],
            ..stroke(false, 5.0, &[])
        },
    ];
    for stroke in none {
        let error = correction.paint(&stroke).unwrap_err();
        assert!(matches!(error, CorrectionError::Stroke { .. }), "{error}");
    }
    // Beside the scan is a place, but there is nothing to paint.
    correction
        .paint(&stroke(false, 5.0, &[[3, 3, 90]]))
        .unwrap();
    correction
        .paint(&stroke(false, 5.0, &[[900, 3, 3]]))
        .unwrap();
    assert!(!correction.undo());

    case.infnet.clear();
    let made = Made {
        lungs: &case.lungs,
        normnet: Some(&case.normnet),
        infnet: None,
        report: &case.report,
    };
    let files = [File {
        name: "scan.nii".into(),
        bytes: case.scan.as_slice().into(),
    }];
    let opened = Correction::open("scan.nii", &files, None, &made, &Limits::default());
    let error = opened.unwrap().paint(&stroke(true, 5.0, &[[3, 3, 3]]));
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("Inf-Net") && error.contains("scan.nii"),
        "{error}"
    );
}
