//! A scan with two lesions of NormNet and one of Inf-Net, on axes that run against LPS.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::findings::{CONSOLIDATION, GROUND_GLASS, LEFT, Provenance, RIGHT};
use crate::io::nifti::{read_labels, write_hu, write_labels};
use crate::volume::Affine;

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
    let made = Made {
        lungs: &case.lungs,
        normnet: Some(&case.normnet),
        infnet: Some(&case.infnet),
        report: &case.report,
    };
    Correction::open("scan.nii", &files, None, &made, &Limits::default())
}

fn written(correction: &Correction, suffix: &str) -> Vec<u8> {
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
    let before = correction.findings().clone();
    assert_eq!(before.normnet.as_ref().unwrap().listed.len(), 2);

    correction.remove(Network::Normnet, 0).unwrap();
    let after = correction.findings().clone();
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
    let mask = voxels(&written(&correction, "_normnet.nii.gz"));
    assert_eq!(mask.iter().filter(|&&v| v != 0).count(), 8);
    let report: Findings = serde_json::from_slice(&written(&correction, "_report.json")).unwrap();
    assert_eq!(report, after);

    // A second, of the other network and with two labels, and both come back in turn.
    correction.remove(Network::Infnet, 0).unwrap();
    assert!(
        voxels(&written(&correction, "_infnet.nii.gz"))
            .iter()
            .all(|&v| v == 0)
    );
    assert!(correction.undo().unwrap());
    assert_eq!(*correction.findings(), after);
    assert!(correction.undo().unwrap());
    assert!(!correction.undo().unwrap());
    assert_eq!(*correction.findings(), before);
    assert_eq!(written(&correction, "_report.json"), case.report);
    for (suffix, file) in [
        ("_normnet.nii.gz", &case.normnet),
        ("_infnet.nii.gz", &case.infnet),
    ] {
        assert_eq!(voxels(&written(&correction, suffix)), voxels(file));
    }
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
