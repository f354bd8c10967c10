//! The shipped lung network, on phantoms and on labelled scans.

use burn::backend::Flex;
use pleura::io::{self, Limits};
use pleura::lungs::network::LungNetwork;
use pleura::lungs::thresholded;
use pleura::metrics::Confusion;
use pleura::phantom::{self, PhantomConfig};
use pleura::volume::Volume;
use pleura::weights::Manifest;
use std::path::{Path, PathBuf};

fn shipped(name: &str) -> LungNetwork<Flex> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let manifest = std::fs::read(folder.join("manifest.json")).unwrap();
    let manifest = Manifest::parse("manifest.json", &manifest).unwrap();
    let entry = manifest.find(name).unwrap();
    let bytes = std::fs::read(folder.join(&entry.file)).unwrap();
    LungNetwork::load(entry, &bytes, &Default::default()).unwrap()
}

fn dice(a: &Volume<u8>, b: &Volume<u8>) -> f64 {
    Confusion::of(&a.data, &b.data).unwrap().dsc()
}

/// Share of what is set in `part` that is set in `whole` too.
fn inside(part: &Volume<u8>, whole: &Volume<u8>) -> f64 {
    let set = part.data.iter().zip(&whole.data).filter(|(p, _)| **p != 0);
    let (count, both) = set.fold((0, 0), |(n, both), (_, w)| {
        (n + 1, both + usize::from(*w != 0))
    });
    both as f64 / f64::from(count).max(1.0)
}

#[test]
fn draws_the_lungs_of_a_phantom_with_its_lesions() {
    let config = PhantomConfig {
        dims: [200, 200, 80],
        spacing: [2.0, 2.0, 4.0],
        ..PhantomConfig::demo(5, 8, None)
    };
    let made = phantom::generate(&config);
    let found = thresholded(&made.hu, &mut |_| ()).unwrap();
    let drawn = |name: &str| {
        let drawn = shipped(name).refine(&made.hu, &found, &mut |_| ());
        drawn.unwrap().unwrap()
    };
    let (packed, floats) = (drawn("lungs.int8"), drawn("lungs.f16"));
    let score = dice(&packed, &made.lungs);
    assert!(score > 0.96, "Dice {score}");
    let lesions = inside(&made.lesions, &packed);
    assert!(lesions > 0.95, "{lesions} of the lesions");
    let same = dice(&packed, &floats);
    assert!(same > 0.997, "8 bits against floats: {same}");
    // Right and left, as the phantom has them.
    let sides = packed.data.iter().zip(&made.lungs.data);
    let swapped = sides
        .filter(|(a, b)| **a != 0 && **b != 0 && a != b)
        .count();
    // A few voxels where the two nearly touch.
    assert!(swapped < 200, "{swapped} voxels are on the other side");
}

#[test]
fn thin_slices_give_the_same_lungs() {
    let lungs = |distance: f64, slices: usize| {
        let config = PhantomConfig {
            dims: [160, 160, slices],
            spacing: [2.5, 2.5, distance],
            ..PhantomConfig::demo(5, 4, None)
        };
        let made = phantom::generate(&config);
        let found = thresholded(&made.hu, &mut |_| ()).unwrap();
        let drawn = shipped("lungs.int8").refine(&made.hu, &found, &mut |_| ());
        let drawn = drawn.unwrap().unwrap();
        drawn.data.iter().filter(|&&v| v != 0).count() as f64 * drawn.voxel_ml()
    };
    let (thin, thick) = (lungs(1.0, 280), lungs(4.0, 70));
    assert!((thin / thick - 1.0).abs() < 0.015, "{thin} ml, {thick} ml");
}

#[test]
fn labelled_scans_have_their_lungs_and_pneumonia_loses_none() {
    let Some(root) = std::env::var_os("PLEURA_DATA").map(PathBuf::from) else {
        println!("skipped: PLEURA_DATA is not set");
        return;
    };
    let bytes = |name: &str| {
        let path = root.join(format!("{name}.nii.gz"));
        std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let network = shipped("lungs.int8");
    let both = |name: &str| {
        let scan = io::nifti::read(name, &bytes(name), &Limits::default()).unwrap();
        let (hu, _) = scan.hu.into_lps();
        let found = thresholded(&hu, &mut |_| ()).unwrap();
        let drawn = network.refine(&hu, &found, &mut |_| ()).unwrap().unwrap();
        (found, drawn)
    };
    for case in ["case1", "case5"] {
        let (_, drawn) = both(&format!("ct_labelled/{case}_ct"));
        let labels = |kind: &str| {
            let name = format!("ct_labelled/{case}_{kind}");
            let mask = io::nifti::read_labels(&name, &bytes(&name), &Limits::default());
            mask.unwrap().into_lps().0
        };
        let score = dice(&drawn, &labels("lungs"));
        assert!(score > 0.975, "{case}: Dice {score}");
        let lesions = inside(&labels("infection"), &drawn);
        assert!(lesions > 0.93, "{case}: {lesions} of the lesions");
    }
    let (found, drawn) = both("ct/cap002");
    let kept = inside(&found.lungs, &drawn);
    assert!(
        kept > 0.97,
        "pneumonia: {kept} of the lungs found by threshold"
    );
}
