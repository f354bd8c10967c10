#![allow(clippy::unwrap_used)]

use super::*;
use crate::grid::{Connectivity, components};

/// The whole chest in coarse voxels.
fn coarse() -> PhantomConfig {
    PhantomConfig {
        dims: [100, 100, 54],
        spacing: [4.0, 4.0, 6.0],
        ..PhantomConfig::default()
    }
}

/// A few slices in fine voxels.
fn fine() -> PhantomConfig {
    PhantomConfig {
        piece: Some((150.0, 10.0)),
        ..PhantomConfig::default()
    }
}

/// FNV-1a, for comparing builds.
fn hash(p: &Phantom) -> u64 {
    let hu = p.hu.data.iter().flat_map(|v| v.to_le_bytes());
    let labels = p.lungs.data.iter().chain(&p.lesions.data).copied();
    hu.chain(labels).fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn a_seed_gives_the_same_patient_and_another_seed_another() {
    let first = generate(&coarse());
    assert_eq!(hash(&first), hash(&generate(&coarse())));
    let other = generate(&PhantomConfig {
        seed: 2,
        ..coarse()
    });
    assert_ne!(first.hu.data, other.hu.data);
    assert_ne!(first.lungs.data, other.lungs.data);
    assert_ne!(first.lesions.data, other.lesions.data);
}

/// Guards the promise that platforms, optimisation and refactoring leave the voxels alone: a
/// change of the phantom has to change this number on purpose.
#[test]
fn voxels_are_the_same_on_every_platform() {
    let config = PhantomConfig {
        seed: 10,
        ..coarse()
    };
    assert_eq!(hash(&generate(&config)), 1_246_171_472_922_939_338);
}

#[test]
fn grid_is_as_configured() {
    let p = generate(&fine());
    assert_eq!(p.hu.dims, [320, 320, 4]);
    assert_eq!(p.hu.affine.orientation(), "LPS");
    assert_eq!(p.hu.spacing(), [1.25, 1.25, 2.5]);
    // The middle of the raster is the middle of the world, left to right and front to back.
    let middle = p.hu.affine.apply([159.5, 159.5, 0.0]);
    assert!(middle[0].abs() < 1e-3 && middle[1].abs() < 1e-3);
    assert_eq!(middle[2], 150.0);
    for labels in [&p.lungs, &p.lesions] {
        assert_eq!((labels.dims, labels.affine), (p.hu.dims, p.hu.affine));
    }
}

#[test]
fn field_of_view_is_round_and_padded() {
    let p = generate(&PhantomConfig {
        padding: -3024,
        ..fine()
    });
    let [w, h, _] = p.hu.dims;
    for (n, v) in p.hu.data.iter().enumerate() {
        let (i, j) = ((n % w) as f64, (n / w % h) as f64);
        let r = (i - 159.5).hypot(j - 159.5);
        assert_eq!(*v == -3024, r > 160.0, "voxel {i} {j}");
        assert!(*v == -3024 || (-1024..=3071).contains(v));
    }
}

#[test]
fn lungs_have_the_size_and_the_density_of_lungs() {
    for seed in 0..3 {
        let p = generate(&PhantomConfig {
            seed,
            lesions: 0,
            ..coarse()
        });
        for (label, side) in [(1, 1.0), (2, -1.0)] {
            let voxels: Vec<usize> = (0..p.hu.len())
                .filter(|n| p.lungs.data[*n] == label)
                .collect();
            let ml = voxels.len() as f64 * p.hu.voxel_ml();
            assert!((1500.0..4000.0).contains(&ml), "lung {label}: {ml} ml");
            let mean =
                voxels.iter().map(|n| f64::from(p.hu.data[*n])).sum::<f64>() / voxels.len() as f64;
            assert!((-870.0..-770.0).contains(&mean), "lung {label}: {mean} HU");
            // Columns grow to the patient's left.
            let i = voxels.iter().map(|n| (n % 100) as f64).sum::<f64>() / voxels.len() as f64;
            assert!((49.5 - i) * side > 10.0, "lung {label} at column {i}");
        }
        assert_eq!(p.lungs.data.iter().filter(|l| **l > 2).count(), 0);
    }
}

#[test]
fn vessels_make_a_plausible_share_of_the_lung_bright() {
    let p = generate(&PhantomConfig {
        lesions: 0,
        ..fine()
    });
    let lung: Vec<i16> =
        p.hu.data
            .iter()
            .zip(&p.lungs.data)
            .filter(|(_, l)| **l > 0)
            .map(|(v, _)| *v)
            .collect();
    let share = |above: i16| lung.iter().filter(|v| **v > above).count() as f64 / lung.len() as f64;
    assert!((0.02..0.08).contains(&share(-500)), "{}", share(-500));
    assert!((0.05..0.20).contains(&share(-700)), "{}", share(-700));
}

#[test]
fn body_has_air_fat_soft_tissue_and_bone() {
    let p = generate(&fine());
    let share = |lo: i16, hi: i16| {
        p.hu.data.iter().filter(|v| (lo..hi).contains(v)).count() as f64 / p.hu.len() as f64
    };
    assert!(share(-1024, -960) > 0.15, "air");
    assert!(share(-140, -60) > 0.03, "fat");
    assert!(share(10, 90) > 0.10, "soft tissue");
    assert!(share(300, 1500) > 0.005, "bone");
}

#[test]
fn lesions_are_as_many_as_asked_for_in_the_lungs_and_on_both_sides() {
    for (seed, count) in [(1, 1), (1, 2), (2, 5), (3, 6)] {
        let p = generate(&PhantomConfig {
            seed,
            lesions: count,
            dims: [160, 160, 80],
            spacing: [2.5, 2.5, 4.0],
            ..PhantomConfig::default()
        });
        let found = components(&p.lesions.data, p.lesions.dims, Connectivity::TwentySix);
        assert_eq!(
            found.sizes.len() - 1,
            count,
            "seed {seed}: {:?}",
            found.sizes
        );
        let mut sides = [0usize; 3];
        for (lesion, lung) in p.lesions.data.iter().zip(&p.lungs.data) {
            if *lesion > 0 {
                assert!(*lesion <= 2);
                sides[usize::from(*lung)] += 1;
            }
        }
        assert_eq!(sides[0], 0, "lesion outside the lungs");
        assert!(count < 2 || (sides[1] > 0 && sides[2] > 0), "{sides:?}");
    }
}

#[test]
fn lesions_brighten_the_lung_by_their_class() {
    let p = generate(&PhantomConfig {
        lesions: 6,
        ..coarse()
    });
    let mean = |label: u8| {
        let v: Vec<f64> = (0..p.hu.len())
            .filter(|n| p.lesions.data[*n] == label)
            .map(|n| f64::from(p.hu.data[n]))
            .collect();
        assert!(v.len() > 20, "class {label} has {} voxels", v.len());
        v.iter().sum::<f64>() / v.len() as f64
    };
    let (glass, solid) = (mean(1), mean(2));
    assert!((-720.0..-380.0).contains(&glass), "ground glass {glass} HU");
    assert!((-200.0..60.0).contains(&solid), "consolidation {solid} HU");
}

#[test]
fn no_lesions_leave_an_empty_mask_and_the_same_patient() {
    let healthy = generate(&PhantomConfig {
        lesions: 0,
        ..coarse()
    });
    assert!(healthy.lesions.data.iter().all(|v| *v == 0));
    let ill = generate(&coarse());
    assert_eq!(healthy.lungs, ill.lungs);
    for n in 0..ill.hu.len() {
        if ill.lungs.data[n] == 0 {
            let edge = (healthy.hu.data[n] - ill.hu.data[n]).abs();
            assert!(edge < 500, "a lesion reaches out of the lung");
        }
    }
}

#[test]
fn a_piece_is_that_part_of_the_whole() {
    let whole = generate(&coarse());
    let piece = generate(&PhantomConfig {
        piece: Some((120.0, 42.0)),
        ..coarse()
    });
    assert_eq!(piece.hu, whole.hu.crop([0, 0, 20], [100, 100, 7]).unwrap());
    assert_eq!(
        piece.lungs,
        whole.lungs.crop([0, 0, 20], [100, 100, 7]).unwrap()
    );
    assert_eq!(
        piece.lesions,
        whole.lesions.crop([0, 0, 20], [100, 100, 7]).unwrap()
    );
}

#[test]
fn arms_hang_where_they_are_told_to() {
    let bone = |arms_down: bool| {
        let p = generate(&PhantomConfig {
            arms_down,
            piece: Some((100.0, 12.0)),
            ..coarse()
        });
        (0..p.hu.len())
            .filter(|n| p.hu.data[*n] > 300 && !(6..94).contains(&(n % 100)))
            .count()
    };
    assert_eq!(bone(false), 0);
    assert!(bone(true) > 0);
}

#[test]
fn odd_configurations_do_not_panic() {
    let tiny = |dims, spacing, piece| {
        let p = generate(&PhantomConfig {
            dims,
            spacing,
            piece,
            ..PhantomConfig::default()
        });
        p.hu.dims
    };
    assert_eq!(tiny([1, 1, 1], [1.0; 3], None), [1, 1, 1]);
    assert_eq!(tiny([0, 4, 3], [1.0; 3], None), [0, 4, 3]);
    assert_eq!(tiny([3, 2, 2], [200.0, 90.0, 150.0], None), [3, 2, 2]);
    assert_eq!(tiny([3, 2, 2], [f64::NAN, -1.0, 0.0], None), [3, 2, 2]);
    assert_eq!(tiny([4, 4, 9], [50.0; 3], Some((9000.0, 10.0))), [4, 4, 0]);
    assert_eq!(tiny([4, 4, 9], [50.0; 3], Some((-50.0, 100.0))), [4, 4, 1]);
    assert_eq!(
        tiny([4, 4, 9], [50.0; 3], Some((f64::NAN, 100.0))),
        [4, 4, 0]
    );
}

#[test]
fn many_lesions_find_their_place() {
    let p = generate(&PhantomConfig {
        lesions: 40,
        ..coarse()
    });
    let found = components(&p.lesions.data, p.lesions.dims, Connectivity::TwentySix);
    assert!(found.sizes.len() > 25, "{}", found.sizes.len());
}
