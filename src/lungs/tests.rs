#![allow(clippy::unwrap_used)]

use super::*;
use crate::volume::{Affine, Volume};

/// A point in mm from the middle of the chest: to the left, to the back, up.
type Point = [f64; 3];

/// HU of what a made-up chest is built of.
mod hu {
    pub const OUTSIDE: i16 = -1000;
    pub const PADDING: i16 = -3024;
    pub const TISSUE: i16 = 40;
    pub const FAT: i16 = -100;
    pub const LUNG: i16 = -850;
    pub const GAS: i16 = -990;
    pub const GROUND_GLASS: i16 = -400;
}

/// Half the size of a lung in mm.
const LUNG_SIZE: Point = [55.0, 75.0, 95.0];
/// Radius of the trachea and of the main bronchi.
const AIRWAY_RADIUS: f64 = 8.0;
/// Height of the carina.
const CARINA: f64 = 20.0;

/// A chest of a few ellipsoids and tubes in a round field of view, on a table.
struct Chest {
    dims: [usize; 3],
    spacing: [f64; 3],
    /// Middle of the left lung; the right one is its mirror image.
    lung: Point,
    /// Balls of another density: centre, radius, HU.
    balls: Vec<(Point, f64, i16)>,
    trachea: bool,
    /// A channel from the left lung through the chest wall into the open.
    wound: bool,
    /// Height of the first slice's edge over the middle of the chest.
    bottom: f64,
}

impl Default for Chest {
    fn default() -> Self {
        Self {
            dims: [176, 176, 90],
            spacing: [2.2, 2.2, 3.0],
            lung: [72.0, 0.0, 0.0],
            balls: Vec::new(),
            trachea: true,
            wound: false,
            bottom: -135.0,
        }
    }
}

impl Chest {
    fn point(&self, index: usize) -> Point {
        let [nx, ny, _] = self.dims;
        let voxel = [index % nx, index / nx % ny, index / (nx * ny)];
        let at = |a: usize| (voxel[a] as f64 + 0.5) * self.spacing[a];
        let middle = |a: usize| at(a) - 0.5 * self.dims[a] as f64 * self.spacing[a];
        [middle(0), middle(1), at(2) + self.bottom]
    }

    /// The lung at a point by shape alone: 1 right, 2 left.
    fn lung_at(&self, p: Point) -> u8 {
        let inside = |side: f64| {
            let centre = [side * self.lung[0], self.lung[1], self.lung[2]];
            (0..3)
                .map(|a| ((p[a] - centre[a]) / LUNG_SIZE[a]).powi(2))
                .sum::<f64>()
                < 1.0
        };
        match (inside(-1.0), inside(1.0)) {
            (true, true) => 1 + u8::from(p[0] > 0.0),
            (right, left) => u8::from(right) + 2 * u8::from(left),
        }
    }

    /// Lumen of the trachea and of the main bronchi, which run outwards and down.
    fn airway_at(&self, [x, y, z]: Point) -> bool {
        if !self.trachea {
            return false;
        }
        let axis_x = if z > CARINA { 0.0 } else { 1.5 * (CARINA - z) };
        z > CARINA - 30.0 && (x.abs() - axis_x).hypot(y) < AIRWAY_RADIUS
    }

    fn hu_at(&self, p: Point) -> i16 {
        let [x, y, z] = p;
        let field = 0.5 * self.dims[0] as f64 * self.spacing[0];
        if x.hypot(y) > field {
            return hu::PADDING;
        }
        for (centre, radius, value) in &self.balls {
            if distance(p, *centre) < *radius {
                return *value;
            }
        }
        let body =
            |margin: f64| (x / (155.0 - margin)).powi(2) + (y / (105.0 - margin)).powi(2) < 1.0;
        let channel = self.wound && x > 80.0 && y.hypot(z) < 4.0;
        if channel {
            hu::OUTSIDE
        } else if self.airway_at(p) {
            hu::GAS
        } else if self.lung_at(p) != 0 {
            hu::LUNG
        } else if body(0.0) {
            if body(15.0) { hu::TISSUE } else { hu::FAT }
        } else if y > 108.0 && y < 160.0 && x.abs() < 140.0 {
            // A hollow table: a shell around foam.
            let shell = !(114.0..154.0).contains(&y) || x.abs() > 134.0;
            if shell { 100 } else { -900 }
        } else {
            hu::OUTSIDE
        }
    }

    fn volume<T: Copy>(&self, value: impl Fn(Point) -> T) -> Volume<T> {
        let count = self.dims.iter().product();
        let data = (0..count).map(|index| value(self.point(index))).collect();
        Volume::new(data, self.dims, Affine::from_spacing(self.spacing)).unwrap()
    }

    /// The scan, with some noise.
    fn scan(&self) -> Volume<i16> {
        let mut scan = self.volume(|p| self.hu_at(p));
        let mut state = 1u64;
        for v in &mut scan.data {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            if *v != hu::PADDING {
                *v += ((state >> 33) % 41) as i16 - 20;
            }
        }
        scan
    }

    /// The truth: both lungs without the airways.
    fn lungs(&self) -> Volume<u8> {
        self.volume(|p| {
            if self.airway_at(p) {
                0
            } else {
                self.lung_at(p)
            }
        })
    }

    /// Share of a ball's voxels that are in the mask.
    fn share_of_ball(&self, mask: &Volume<u8>, ball: usize) -> f64 {
        let (centre, radius, _) = self.balls[ball];
        let inside: Vec<u8> = (0..mask.data.len())
            .filter(|&n| distance(self.point(n), centre) < radius)
            .map(|n| mask.data[n])
            .collect();
        inside.iter().filter(|&&m| m != 0).count() as f64 / inside.len() as f64
    }
}

fn distance(a: Point, b: Point) -> f64 {
    (0..3).map(|n| (a[n] - b[n]).powi(2)).sum::<f64>().sqrt()
}

fn find(scan: &Volume<i16>) -> Result<Volume<u8>, LungError> {
    threshold(scan, &mut |_| {})
}

fn dice(a: &[u8], b: &[u8], of: impl Fn(u8) -> bool) -> f64 {
    let count = |mask: &[u8]| mask.iter().filter(|&&v| of(v)).count();
    let both = a.iter().zip(b).filter(|(a, b)| of(**a) && of(**b)).count();
    2.0 * both as f64 / (count(a) + count(b)) as f64
}

#[test]
fn a_plain_chest_gives_both_lungs_and_nothing_else() {
    let chest = Chest::default();
    let mask = find(&chest.scan()).unwrap();
    assert_eq!(
        (mask.dims, mask.affine),
        (chest.dims, Affine::from_spacing(chest.spacing))
    );
    let truth = chest.lungs();
    for side in [RIGHT, LEFT] {
        let dice = dice(&mask.data, &truth.data, |v| v == side);
        assert!(dice > 0.97, "side {side}: {dice}");
    }
    for (n, &label) in mask.data.iter().enumerate() {
        let p = chest.point(n);
        if label != 0 {
            assert!(p[1] < 100.0, "table at {p:?}");
            assert_eq!(label == RIGHT, p[0] < 0.0, "wrong side at {p:?}");
            let trachea = p[2] > CARINA && p[0].hypot(p[1]) < AIRWAY_RADIUS;
            assert!(!trachea, "trachea at {p:?}");
        }
    }
}

#[test]
fn progress_rises_to_one() {
    let mut seen = Vec::new();
    threshold(&Chest::default().scan(), &mut |p| seen.push(p)).unwrap();
    assert!(seen.is_sorted() && seen.len() > 3);
    assert_eq!((seen[0], *seen.last().unwrap()), (0.0, 1.0));
}

#[test]
fn voxel_size_does_not_matter() {
    for (dims, spacing) in [
        ([130, 130, 45], [3.0, 3.0, 6.0]),
        ([400, 400, 60], [1.0, 1.0, 4.5]),
        ([176, 176, 270], [2.2, 2.2, 1.0]),
    ] {
        let chest = Chest {
            dims,
            spacing,
            ..Chest::default()
        };
        let mask = find(&chest.scan()).unwrap();
        let dice = dice(&mask.data, &chest.lungs().data, |v| v != 0);
        assert!(dice > 0.96, "{spacing:?}: {dice}");
    }
}

#[test]
fn touching_lungs_are_cut_where_they_touch() {
    let chest = Chest {
        lung: [50.0, 0.0, 0.0],
        trachea: false,
        ..Chest::default()
    };
    let mask = find(&chest.scan()).unwrap();
    let truth = chest.lungs();
    for labels in [&mask, &split(&truth)] {
        for (n, &label) in labels.data.iter().enumerate() {
            let x = chest.point(n)[0];
            let clear = x.abs() > 4.5;
            assert!(
                label == 0 || !clear || (label == RIGHT) == (x < 0.0),
                "{label} at {x}"
            );
        }
    }
    assert!(dice(&mask.data, &truth.data, |v| v != 0) > 0.97);
}

#[test]
fn lesions_stay_inside() {
    let balls = vec![
        // Ground glass at the chest wall, a dense ball in the lung, a dense one at the pleura.
        ([-105.0, 0.0, -20.0], 22.0, hu::GROUND_GLASS),
        ([75.0, -20.0, 10.0], 18.0, hu::TISSUE),
        ([118.0, 0.0, -30.0], 14.0, hu::TISSUE),
    ];
    let chest = Chest {
        balls,
        ..Chest::default()
    };
    let mask = find(&chest.scan()).unwrap();
    let truth = chest.lungs();
    for (ball, least) in [(0, 0.99), (1, 0.99), (2, 0.75)] {
        let (centre, radius, _) = chest.balls[ball];
        let (mut inside, mut all) = (0, 0);
        for (n, (&m, &t)) in mask.data.iter().zip(&truth.data).enumerate() {
            if t != 0 && distance(chest.point(n), centre) < radius {
                all += 1;
                inside += usize::from(m != 0);
            }
        }
        let share = f64::from(inside as u32) / f64::from(all as u32);
        assert!(share > least, "ball {ball}: {share}");
    }
}

#[test]
fn gas_below_the_lungs_is_left_out() {
    // One with a wall of 4 mm between it and the lung, one deeper.
    let balls = vec![
        ([60.0, -20.0, -119.0], 20.0, hu::GAS),
        ([-20.0, -40.0, -118.0], 14.0, hu::GAS),
    ];
    let chest = Chest {
        balls,
        ..Chest::default()
    };
    let mask = find(&chest.scan()).unwrap();
    for ball in [0, 1] {
        assert_eq!(chest.share_of_ball(&mask, ball), 0.0, "ball {ball}");
    }
}

#[test]
fn pieces_and_single_slices_work() {
    for (bottom, slices) in [(-60.0, 13), (-10.0, 13), (30.0, 13), (0.0, 1)] {
        let dims = [176, 176, slices];
        let chest = Chest {
            dims,
            bottom,
            ..Chest::default()
        };
        let mask = find(&chest.scan()).unwrap();
        let truth = chest.lungs();
        for side in [RIGHT, LEFT] {
            let dice = dice(&mask.data, &truth.data, |v| v == side);
            assert!(
                dice > 0.95,
                "{slices} slices from {bottom}, side {side}: {dice}"
            );
        }
    }
}

#[test]
fn cropped_scans_work() {
    let chest = Chest::default();
    let scan = chest.scan();
    // To the lungs with 12 mm around: the body reaches every side, no air around it is left.
    let cropped = scan.crop([25, 48, 8], [126, 80, 74]).unwrap();
    let truth = chest.lungs().crop([25, 48, 8], [126, 80, 74]).unwrap();
    let mask = find(&cropped).unwrap();
    for side in [RIGHT, LEFT] {
        assert!(dice(&mask.data, &truth.data, |v| v == side) > 0.97);
    }
}

#[test]
fn lungs_cut_by_the_field_are_found() {
    let chest = Chest {
        dims: [104, 104, 90],
        ..Chest::default()
    };
    let scan = chest.scan();
    let in_field = chest.volume(|p| chest.lung_at(p) * u8::from(chest.hu_at(p) > -2000));
    let mask = find(&scan).unwrap();
    let dice = dice(&mask.data, &in_field.data, |v| v != 0);
    assert!(dice > 0.93, "{dice}");
}

#[test]
fn lungs_open_to_the_outside_are_sealed() {
    let chest = Chest {
        wound: true,
        ..Chest::default()
    };
    let mask = find(&chest.scan()).unwrap();
    for side in [RIGHT, LEFT] {
        let dice = dice(&mask.data, &chest.lungs().data, |v| v == side);
        assert!(dice > 0.97, "side {side}: {dice}");
    }
}

#[test]
fn one_lung_alone_keeps_its_side() {
    for (x, side) in [(-72.0, RIGHT), (72.0, LEFT)] {
        // The other lung is full of water.
        let balls = vec![([-x, 0.0, 0.0], 120.0, hu::TISSUE)];
        let chest = Chest {
            balls,
            trachea: false,
            ..Chest::default()
        };
        let mask = find(&chest.scan()).unwrap();
        let right = mask.data.iter().filter(|&&v| v == RIGHT).count();
        let left = mask.data.iter().filter(|&&v| v == LEFT).count();
        let (most, other) = if side == RIGHT {
            (right, left)
        } else {
            (left, right)
        };
        assert!(most > 10_000 && other == 0, "right {right}, left {left}");
    }
}

#[test]
fn a_scan_without_lungs_is_refused_in_words() {
    let chest = Chest {
        lung: [0.0, 0.0, 5000.0],
        trachea: false,
        ..Chest::default()
    };
    let error = find(&chest.scan()).unwrap_err();
    assert!(matches!(error, LungError::NoLungs { .. }));
    assert!(error.to_string().contains("no lungs found"), "{error}");
}

#[test]
fn hostile_volumes_are_refused() {
    let affine = Affine::from_spacing([1.0, 1.0, 2.0]);
    let grids = [
        [1, 1, 1],
        [40, 1, 1],
        [1, 40, 1],
        [1, 1, 40],
        [40, 40, 1],
        [40, 40, 20],
    ];
    for dims in grids {
        for value in [i16::MIN, -3024, -1024, -850, 0, 40, i16::MAX] {
            let scan = Volume::filled(value, dims, affine);
            let found = find(&scan);
            assert!(
                matches!(found, Err(LungError::NoLungs { .. })),
                "{dims:?} of {value}"
            );
        }
    }
    for dims in [[0, 0, 0], [0, 5, 5], [5, 0, 5], [5, 5, 0]] {
        let scan = Volume::filled(0i16, dims, affine);
        assert!(matches!(find(&scan), Err(LungError::Volume { .. })));
    }
    for spacing in [0.0, f64::NAN, f64::INFINITY, 1e9] {
        let scan = Volume::filled(0i16, [4, 4, 4], Affine::from_spacing([spacing, 1.0, 1.0]));
        assert!(
            matches!(find(&scan), Err(LungError::Volume { .. })),
            "{spacing}"
        );
    }
    let broken = Volume {
        data: vec![0i16; 7],
        dims: [2, 2, 2],
        affine,
    };
    assert!(matches!(find(&broken), Err(LungError::Volume { .. })));
}

#[test]
fn noise_never_panics() {
    let mut state = 7u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as i64
    };
    for dims in [
        [30, 30, 30],
        [64, 3, 5],
        [5, 64, 3],
        [33, 47, 2],
        [9, 8, 60],
    ] {
        for range in [2000, 60000] {
            let count = dims.iter().product();
            let data = (0..count)
                .map(|_| (random() % range - range / 2 - 200) as i16)
                .collect();
            let scan = Volume::new(data, dims, Affine::from_spacing([2.0, 2.0, 2.0])).unwrap();
            if let Ok(mask) = find(&scan) {
                assert!(mask.data.iter().all(|&v| v <= LEFT));
            }
            let mask = scan
                .like(scan.data.iter().map(|v| u8::from(*v > 0)).collect())
                .unwrap();
            let sides = split(&mask);
            assert!(
                sides
                    .data
                    .iter()
                    .zip(&mask.data)
                    .all(|(&s, &m)| (s != 0) == (m != 0))
            );
        }
    }
}

#[test]
fn split_keeps_every_voxel_of_a_mask() {
    let chest = Chest::default();
    let truth = chest.lungs();
    let whole = truth
        .like(truth.data.iter().map(|&v| 7 * u8::from(v != 0)).collect())
        .unwrap();
    assert_eq!(split(&whole), truth);
    let empty = Volume::filled(0u8, [20, 20, 20], truth.affine);
    assert_eq!(split(&empty), empty);
    let none = Volume::filled(1u8, [0, 20, 20], truth.affine);
    assert_eq!(split(&none), none);
    let unusable = Volume::filled(1u8, [8, 2, 2], Affine::from_spacing([0.0; 3]));
    assert!(
        split(&unusable)
            .data
            .iter()
            .all(|&v| v == RIGHT || v == LEFT)
    );
}

const SKIPPED: &str = "skipped: PLEURA_DATA is not set";

/// The published scans, where the environment says they are.
fn data(name: &str) -> Option<Vec<u8>> {
    let path = std::path::PathBuf::from(std::env::var_os("PLEURA_DATA")?).join(name);
    Some(std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

#[test]
fn labelled_scans_agree_with_the_radiologist() {
    use crate::io::{Limits, nifti};
    let limits = Limits::default();
    for (case, least_dice, least_inside) in [("case1", 0.98, 0.94), ("case5", 0.97, 0.98)] {
        let file = |part: &str| {
            let name = format!("ct_labelled/{case}_{part}.nii.gz");
            data(&name).map(|bytes| (name, bytes))
        };
        let (Some(ct), Some(lungs), Some(infection)) =
            (file("ct"), file("lungs"), file("infection"))
        else {
            println!("{SKIPPED}");
            return;
        };
        let hu = nifti::read(&ct.0, &ct.1, &limits).unwrap().hu;
        let lungs = nifti::read_labels(&lungs.0, &lungs.1, &limits).unwrap();
        let infection = nifti::read_labels(&infection.0, &infection.1, &limits).unwrap();
        let mask = find(&hu).unwrap();
        let dice = dice(&mask.data, &lungs.data, |v| v != 0);
        assert!(dice > least_dice, "{case}: Dice {dice}");
        let infected: Vec<u8> = mask
            .data
            .iter()
            .zip(&infection.data)
            .filter(|(_, i)| **i != 0)
            .map(|(m, _)| *m)
            .collect();
        let inside = infected.iter().filter(|&&m| m != 0).count() as f64 / infected.len() as f64;
        assert!(
            inside > least_inside,
            "{case}: {inside} of the infection is inside"
        );
    }
}

#[test]
fn real_scans_have_two_lungs_of_a_plausible_size() {
    use crate::io::{Limits, nifti};
    // Millilitres of the right and the left lung, as seen when the outlines were checked by eye.
    let scans = [
        ("normal001", 1877.0, 1622.0),
        ("lidc0314", 952.0, 1929.0),
        ("lowerlungs", 1380.0, 1369.0),
        ("cap002", 2358.0, 1684.0),
    ];
    for (name, right, left) in scans {
        let Some(bytes) = data(&format!("ct/{name}.nii.gz")) else {
            println!("{SKIPPED}");
            return;
        };
        let hu = nifti::read(name, &bytes, &Limits::default()).unwrap().hu;
        let mask = find(&hu).unwrap();
        for (side, expected) in [(RIGHT, right), (LEFT, left)] {
            let count = mask.data.iter().filter(|&&v| v == side).count();
            let ml = count as f64 * mask.voxel_ml();
            assert!(
                (ml / expected - 1.0).abs() < 0.03,
                "{name}, side {side}: {ml} ml"
            );
        }
    }
}
