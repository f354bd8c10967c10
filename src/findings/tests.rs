//! A scan of 16 × 10 × 12 voxels of 2 × 3 × 5 mm, measured by hand.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::volume::Affine;

const DIMS: [usize; 3] = [16, 10, 12];
const VOXEL_ML: f64 = 0.03;

/// A file whose axes are R, A, I: i, j and k all run against LPS.
fn file() -> Volume<i16> {
    let affine = Affine([
        [2.0, 0.0, 0.0, -10.0],
        [0.0, 3.0, 0.0, 20.0],
        [0.0, 0.0, -5.0, 100.0],
    ]);
    Volume::filled(-850, DIMS, affine)
}

/// Sets a box of a volume.
fn fill<T: Copy>(v: &mut Volume<T>, from: [usize; 3], to: [usize; 3], value: T) {
    for k in from[2]..to[2] {
        for j in from[1]..to[1] {
            for i in from[0]..to[0] {
                let at = v.index(i, j, k);
                v.data[at] = value;
            }
        }
    }
}

struct Case {
    hu: Volume<i16>,
    input: Reorientation,
    lungs: Volume<u8>,
    normnet: Volume<u8>,
    infnet: Volume<u8>,
}

/// Right lung: 6 × 8 × 9 voxels in slices 1..10. Left lung: 5 × 8 × 3 in slices 6..9.
/// NormNet: a box of 2 × 2 × 3 in the right lung's lowest slices, one voxel in the left.
/// Inf-Net: the lower two of those slices, ground glass and consolidation, and beyond the lung.
fn case() -> Case {
    let (mut hu, input) = file().into_lps();
    let mut lungs = hu.like(vec![0u8; hu.len()]).unwrap();
    fill(&mut lungs, [1, 1, 1], [7, 9, 10], RIGHT);
    fill(&mut lungs, [9, 1, 6], [14, 9, 9], LEFT);
    let mut normnet = lungs.like(vec![0u8; hu.len()]).unwrap();
    let mut infnet = normnet.clone();
    fill(&mut normnet, [2, 3, 1], [4, 5, 4], 1);
    fill(&mut normnet, [10, 4, 7], [11, 5, 8], 1);
    fill(&mut infnet, [2, 3, 0], [4, 5, 2], GROUND_GLASS);
    fill(&mut infnet, [2, 3, 2], [4, 5, 3], CONSOLIDATION);
    fill(&mut hu, [2, 3, 1], [4, 5, 4], -400);
    fill(&mut hu, [2, 3, 1], [4, 5, 2], 50);
    Case {
        hu,
        input,
        lungs,
        normnet,
        infnet,
    }
}

impl Case {
    fn measured(&self) -> Measured<'_> {
        Measured {
            hu: &self.hu,
            lungs: &self.lungs,
            normnet: Some(&self.normnet),
            infnet: Some(&self.infnet),
            infnet_classified: true,
            input: &self.input,
        }
    }
}

fn measure(of: &Measured<'_>) -> Findings {
    findings(of, Vec::new(), Provenance::on("test")).unwrap()
}

#[test]
fn volumes_and_shares() {
    let case = case();
    let found = measure(&case.measured());
    assert_eq!(found.right.lung_ml, ml(432.0 * VOXEL_ML));
    assert_eq!(found.left.lung_ml, ml(120.0 * VOXEL_ML));
    assert_eq!(found.both.lung_ml, ml(552.0 * VOXEL_ML));
    let normnet = found.right.normnet.clone().unwrap();
    assert_eq!(normnet.lesion.ml, ml(12.0 * VOXEL_ML));
    assert_eq!(normnet.lesion.percent, Some(2.778));
    assert_eq!(normnet.ground_glass, None);
    // Slice 0 of Inf-Net's mask lies below the lung and does not count.
    let infnet = found.right.infnet.clone().unwrap();
    assert_eq!(infnet.lesion.ml, ml(8.0 * VOXEL_ML));
    assert_eq!(infnet.ground_glass.unwrap().ml, ml(4.0 * VOXEL_ML));
    assert_eq!(infnet.consolidation.unwrap().ml, ml(4.0 * VOXEL_ML));
    assert_eq!(found.left.infnet.unwrap().lesion.percent, Some(0.0));
    assert_eq!(found.both.normnet.unwrap().lesion.ml, ml(13.0 * VOXEL_ML));
    // 8 voxels are in both masks, of 13 and 8.
    assert_eq!(found.agreement_dice, Some(0.7619));
}

#[test]
fn thirds_are_of_each_lungs_own_height() {
    let case = case();
    let found = measure(&case.measured());
    let right = &found.right.thirds;
    for third in [right.upper, right.middle, right.lower] {
        assert_eq!(third.lung_ml, ml(144.0 * VOXEL_ML));
    }
    assert_eq!(right.lower.normnet_percent, Some(8.333));
    assert_eq!(right.upper.normnet_percent, Some(0.0));
    assert_eq!(found.left.thirds.middle.normnet_percent, Some(2.5));
    let both = &found.both.thirds;
    assert_eq!(both.middle.lung_ml, ml(184.0 * VOXEL_ML));
    assert_eq!(both.middle.normnet_percent, percent(1, 184));
}

#[test]
fn lists_lesions_on_the_files_own_grid() {
    let case = case();
    let found = measure(&case.measured());
    let normnet = found.normnet.unwrap();
    assert_eq!((normnet.listed.len(), normnet.smaller), (1, 1));
    assert_eq!(normnet.smaller_ml, VOXEL_ML);
    let lesion = &normnet.listed[0];
    assert_eq!((lesion.ml, lesion.side), (0.36, Side::Right));
    // LPS slices 1..=3 of 12 are the file's 8..=10.
    assert_eq!(lesion.slices, [8, 10]);
    // LPS (2.5, 3.5, 2) is the file's (12.5, 5.5, 9), which its affine takes to RAS.
    assert_eq!(lesion.centroid_mm, [15.0, 36.5, 55.0]);
    assert_eq!(lesion.centroid_voxel[2], 9);
    assert!([12, 13].contains(&lesion.centroid_voxel[0]));
    assert_eq!(lesion.mean_hu, -250.0);
    assert_eq!(lesion.class, None);

    let infnet = found.infnet.unwrap();
    let lesion = &infnet.listed[0];
    assert_eq!(lesion.slices, [9, 10]);
    assert_eq!(lesion.class, Some(LesionClass::GroundGlass));
    assert_eq!(lesion.consolidation_percent, Some(50.0));
}

#[test]
fn corners_connect_and_the_largest_comes_first() {
    let mut case = case();
    case.normnet.data.fill(0);
    fill(&mut case.normnet, [1, 1, 1], [3, 3, 2], 1);
    fill(&mut case.normnet, [3, 3, 2], [5, 5, 3], 1);
    fill(&mut case.normnet, [9, 1, 6], [14, 9, 9], 1);
    let found = measure(&case.measured()).normnet.unwrap();
    let sizes: Vec<f64> = found.listed.iter().map(|l| l.ml).collect();
    assert_eq!(sizes, [ml(120.0 * VOXEL_ML), ml(8.0 * VOXEL_ML)]);
    assert_eq!(found.listed[0].side, Side::Left);
}

#[test]
fn histogram_counts_every_lung_voxel_once() {
    let mut case = case();
    let ends = [(1, -1025), (2, -1024), (3, -1005), (4, 600), (5, i16::MAX)];
    for (i, hu) in ends {
        fill(&mut case.hu, [i, 1, 9], [i + 1, 2, 10], hu);
    }
    let found = measure(&case.measured()).hu_histogram;
    let right = &found.right;
    assert_eq!((right.below, right.above), (1, 1));
    assert_eq!(right.bins.len(), HISTOGRAM_BINS);
    assert_eq!((right.bins[0], right.bins[HISTOGRAM_BINS - 1]), (2, 1));
    // −850 lies in the bin from −864 up.
    assert_eq!(right.bins[8], 432 - 12 - 5);
    assert_eq!(right.bins.iter().sum::<u64>(), 430);
    assert_eq!(found.left.bins.iter().sum::<u64>(), 120);
}

#[test]
fn histogram_has_the_voxels_of_each_class() {
    let case = case();
    let all = |counts: &HuCounts| counts.below + counts.bins.iter().sum::<u64>() + counts.above;
    let bin = |hu: i16| ((hu - HISTOGRAM_START_HU) / HISTOGRAM_BIN_HU) as usize;
    let mut of = case.measured();
    let found = measure(&of).hu_histogram;
    let (normnet, infnet) = (found.normnet.unwrap(), found.infnet.unwrap());
    // NormNet: 4 voxels of 50 HU, 8 of −400 and one of −850.
    let lesion = normnet.lesion.unwrap();
    assert_eq!([50, -400, -850].map(|hu| lesion.bins[bin(hu)]), [4, 8, 1]);
    assert_eq!((all(&lesion), all(&normnet.healthy)), (13, 552 - 13));
    assert_eq!((normnet.ground_glass, normnet.consolidation), (None, None));
    // Inf-Net: the slice at 50 HU is ground glass, the one above consolidation.
    let [glass, dense] = [infnet.ground_glass, infnet.consolidation].map(Option::unwrap);
    assert_eq!((glass.bins[bin(50)], all(&glass)), (4, 4));
    assert_eq!((dense.bins[bin(-400)], all(&dense)), (4, 4));
    assert_eq!((infnet.lesion, all(&infnet.healthy)), (None, 552 - 8));

    of.infnet_classified = false;
    of.normnet = None;
    let found = measure(&of).hu_histogram;
    assert_eq!(found.normnet, None);
    assert_eq!(all(&found.infnet.unwrap().lesion.unwrap()), 8);
}

#[test]
fn absent_networks_leave_their_fields_absent() {
    let case = case();
    let mut of = case.measured();
    of.infnet = None;
    let found = measure(&of);
    assert_eq!(
        (found.infnet.is_some(), found.agreement_dice),
        (false, None)
    );
    assert_eq!(found.both.thirds.upper.infnet_percent, None);
    assert_eq!(found.masks.len(), 2);
    of.infnet = Some(&case.infnet);
    of.infnet_classified = false;
    let found = measure(&of);
    assert_eq!(found.infnet.unwrap().listed[0].class, None);
    assert_eq!(found.both.infnet.unwrap().ground_glass, None);
    assert_eq!(found.masks[2].labels[&1], "infection");
}

#[test]
fn nothing_found_is_reported_as_nothing() {
    let case = case();
    let empty = case.lungs.like(vec![0; case.lungs.len()]).unwrap();
    let mut of = case.measured();
    (of.normnet, of.infnet) = (Some(&empty), Some(&empty));
    let found = measure(&of);
    assert_eq!(found.agreement_dice, None);
    assert!(found.normnet.unwrap().listed.is_empty());
    of.lungs = &empty;
    let found = measure(&of);
    assert_eq!(found.both.normnet.unwrap().lesion.percent, None);
    assert_eq!(found.both.thirds.upper.normnet_percent, None);
}

#[test]
fn refuses_other_grids() {
    let case = case();
    let other = Volume::filled(0u8, [16, 12, 10], case.hu.affine);
    let mut of = case.measured();
    of.infnet = Some(&other);
    let error = findings(&of, Vec::new(), Provenance::on("test")).unwrap_err();
    assert!(matches!(
        error,
        FindingsError::Grid {
            mask: "Inf-Net",
            ..
        }
    ));
}

#[test]
fn json_reads_back_and_says_what_it_is() {
    let case = case();
    let mut provenance = Provenance::on("test");
    provenance.models.push(ModelUsed {
        name: "normnet-0".into(),
        network: Network::Normnet,
        precision: Precision::Int8,
        sha256: "0".repeat(64),
    });
    let warning = WarningEntry::from(&Warning::EightBit);
    let found = findings(&case.measured(), vec![warning], provenance).unwrap();
    let json = found.to_json().unwrap();
    assert_eq!(serde_json::from_str::<Findings>(&json).unwrap(), found);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["schema_version"], 1);
    assert_eq!(value["scan"]["orientation"], "RAI");
    assert_eq!(value["warnings"][0]["code"], "eight_bit");
    assert_eq!(value["masks"][2]["labels"]["2"], "consolidation");
    assert_eq!(value["provenance"]["models"][0]["precision"], "int8");
    assert!(
        value["disclaimer"]
            .as_str()
            .unwrap()
            .contains("not for diagnosis")
    );
}
