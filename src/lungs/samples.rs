//! Slices to train the lung network on, none of them with a lesion label: slices with a lung mask,
//! healthy scans with the threshold's mask, and phantoms.
//!
//! Opacities are painted into all of them, up to the pleura and with the mask unchanged, so that
//! the network learns where lung is by its place and shape and not by being dark.

use super::threshold;
use crate::grid::{bounding_box, box_mean};
use crate::infnet::data::{Sample, Warp, jitter, sample};
use crate::infnet::semi::unlabelled;
use crate::infnet::slices::grey;
use crate::io;
use crate::phantom::{self, PhantomConfig};
use crate::plane::Plane;
use crate::training::{TrainError, step_rng};
use crate::volume::Volume;
use rand::Rng;
use rand::rngs::StdRng;
use std::path::Path;

use super::train::TrainConfig;

/// The healthy scans whose threshold masks were looked at and found right. In `lidc0314` half a
/// lung has collapsed, which no threshold sees.
const HEALTHY: [&str; 6] = [
    "normal001",
    "normal002",
    "lidc0001",
    "lidc0002",
    "lidc0003",
    "lowerlungs",
];
/// Distance of the slices taken from a scan, mm.
const EVERY_MM: f64 = 3.0;
/// Thickness that they are averaged to, mm: up to what clinical scans have.
const THICKNESS_MM: [f64; 2] = [2.0, 7.0];
/// Seeds of the phantoms: other patients than the demo case.
const PHANTOMS: [u64; 4] = [101, 102, 103, 104];
/// Lesions of a phantom.
const PHANTOM_LESIONS: usize = 8;
/// A phantom is cropped to its lungs and this much around, mm.
const PHANTOM_MARGIN_MM: f64 = 30.0;

/// Where the slices come from.
pub struct Sources {
    /// `semiseg/unlabelled`, with lung masks; grey levels harmonised patient by patient.
    pub masked: Vec<Sample>,
    /// Healthy scans.
    pub healthy: Vec<Sample>,
    /// Phantoms.
    pub phantoms: Vec<Sample>,
}

/// Reads the slices below `data`, but for those of scans named in `without`.
///
/// # Errors
/// If files are missing or cannot be used.
pub fn read(data: &Path, without: &[String], seed: u64) -> Result<Sources, TrainError> {
    let mut rng = step_rng(seed, 0);
    let mut healthy = Vec::new();
    for name in HEALTHY {
        if without.iter().any(|w| w == name) {
            continue;
        }
        let path = data.join("ct").join(format!("{name}.nii.gz"));
        let bytes = std::fs::read(&path).map_err(TrainError::file(&path))?;
        let wrong = |e: &dyn std::fmt::Display| TrainError::data(&path, e.to_string());
        let scan = io::nifti::read(name, &bytes, &io::Limits::default()).map_err(|e| wrong(&e))?;
        let (hu, _) = scan.hu.into_lps();
        let lungs = threshold(&hu, &mut |_| ()).map_err(|e| wrong(&e))?;
        healthy.extend(slices(name, &hu, &lungs, &mut rng));
    }
    let mut phantoms = Vec::new();
    for seed in PHANTOMS {
        let config = PhantomConfig {
            arms_down: seed % 2 == 0,
            ..PhantomConfig::demo(seed, PHANTOM_LESIONS, None)
        };
        let made = phantom::generate(&config);
        let name = format!("phantom{seed}");
        let (hu, lungs) = around(&made.hu, &made.lungs, &name)?;
        phantoms.extend(slices(&name, &hu, &lungs, &mut rng));
    }
    Ok(Sources {
        masked: unlabelled(&data.join("semiseg/unlabelled"), 1)?,
        healthy,
        phantoms,
    })
}

/// A scan and its mask, cropped in-plane to the lungs and a margin.
fn around(
    hu: &Volume<i16>,
    lungs: &Volume<u8>,
    name: &str,
) -> Result<(Volume<i16>, Volume<u8>), TrainError> {
    let wrong = |e: &dyn std::fmt::Display| TrainError::data(Path::new(name), e.to_string());
    let Some((low, high)) = bounding_box(&lungs.data, lungs.dims) else {
        return Err(wrong(&"has no lungs"));
    };
    let spacing = hu.spacing();
    let (mut start, mut size) = ([0; 3], hu.dims);
    for axis in 0..2 {
        let more = (PHANTOM_MARGIN_MM / spacing[axis]).round() as usize;
        start[axis] = low[axis].saturating_sub(more);
        size[axis] = (high[axis] + more).min(hu.dims[axis]) - start[axis];
    }
    let hu = hu.crop(start, size).map_err(|e| wrong(&e))?;
    let lungs = lungs.crop(start, size).map_err(|e| wrong(&e))?;
    Ok((hu, lungs))
}

/// Slices of random thickness all along a scan.
fn slices(name: &str, hu: &Volume<i16>, lungs: &Volume<u8>, rng: &mut StdRng) -> Vec<Sample> {
    let [nx, ny, nz] = hu.dims;
    let distance = hu.spacing()[2];
    let step = (EVERY_MM / distance).round().max(1.0) as usize;
    let take = |k: usize| {
        let thickness = rng.random_range(THICKNESS_MM[0]..=THICKNESS_MM[1]);
        let count = ((thickness / distance).round() as usize).clamp(1, nz - k);
        let mean = |value: &dyn Fn(usize) -> f32| {
            Plane::from_fn([nx, ny], |x, y| {
                let sum: f32 = (k..k + count).map(|k| value(x + nx * (y + ny * k))).sum();
                (sum / count as f32).round() as u8
            })
        };
        Sample {
            name: format!("{name}-{k}"),
            image: mean(&|at| f32::from(grey(hu.data[at]))),
            target: mean(&|at| f32::from(u8::from(lungs.data[at] != 0)) * 255.0),
            confidence: None,
        }
    };
    (0..nz).step_by(step).map(take).collect()
}

/// Share of the slices that get opacities.
const PAINTED: f64 = 0.6;
/// Attempts to find a pixel of lung for the middle of one.
const TRIES: usize = 40;
/// Grey levels of ground glass to consolidation, about −680 to 50 HU, and how much they vary.
const OPACITY: [f32; 2] = [80.0, 212.0];
const SPECKLE: f32 = 14.0;

/// Paints one to five opacities into the lungs of a slice of grey levels. `lungs` is 0…1.
///
/// Each is a round hill on a rough ground, cut off at a level: lobed and frayed, from a few pixels
/// to a whole lung; above the cut it fades in over a rim, sharp or soft.
pub fn paint(image: &mut [f32], lungs: &[f32], side: usize, rng: &mut StdRng) {
    let place = |rng: &mut StdRng| {
        (0..TRIES)
            .map(|_| rng.random_range(0..side * side))
            .find(|&at| lungs[at] > 0.5)
    };
    for _ in 0..rng.random_range(1..=5) {
        let Some(middle) = place(rng) else { return };
        let (x0, y0) = ((middle % side) as f32, (middle / side) as f32);
        let unit = side as f32;
        // Small ones are frequent, a whole lung is rare.
        let radius = unit * 0.02 * 15f32.powf(rng.random_range(0.0f32..=1.0));
        let stretch = rng.random_range(0.5f32..=2.0);
        let (sin, cos) = rng.random_range(0.0..std::f32::consts::PI).sin_cos();
        let rough = rng.random_range(0.1f32..=0.7);
        let ground = noise(side, (radius * rng.random_range(0.2..=0.8)).max(2.0), rng);
        let level = rng.random_range(OPACITY[0]..=OPACITY[1]);
        let rim = rng.random_range(0.03f32..=0.5);
        let speckle = noise(side, rng.random_range(1.0..=4.0), rng);
        for (at, v) in image.iter_mut().enumerate() {
            if lungs[at] <= 0.0 {
                continue;
            }
            let (dx, dy) = ((at % side) as f32 - x0, (at / side) as f32 - y0);
            let (along, across) = (dx * cos + dy * sin, (dy * cos - dx * sin) * stretch);
            let distance = (along * along + across * across).sqrt() / radius;
            let cover = ((1.0 - distance + rough * ground[at]) / rim).clamp(0.0, 1.0);
            let opaque = level + SPECKLE * speckle[at];
            // Denser tissue than the opacity shows through, as vessels do.
            *v += (opaque - *v).max(0.0) * cover * lungs[at];
        }
    }
}

/// Noise of unit deviation with a grain of some pixels.
fn noise(side: usize, grain: f32, rng: &mut StdRng) -> Vec<f32> {
    let coarse = ((side as f32 / grain) as usize).clamp(2, side);
    let white = Plane::from_fn([coarse; 2], |_, _| rng.random_range(-1.0f32..=1.0));
    let fine = white.resize_bilinear([side; 2]).into_data();
    let smooth = box_mean(&fine, [side, side, 1], [3, 3, 1]);
    let power = smooth.iter().map(|v| v * v).sum::<f32>() / smooth.len() as f32;
    let gain = 1.0 / power.sqrt().max(1e-6);
    smooth.into_iter().map(|v| v * gain).collect()
}

/// A warped, painted and jittered slice: grey levels and lungs 0…1, both `[side, side]`.
pub fn draw(sources: &Sources, config: &TrainConfig, rng: &mut StdRng) -> (Vec<f32>, Vec<f32>) {
    let pools = [&sources.masked, &sources.healthy, &sources.phantoms];
    let total: f64 = config.shares.iter().sum();
    let mut place = rng.random_range(0.0..1.0) * total;
    let mut pool = pools[0];
    for (candidate, share) in pools.into_iter().zip(config.shares) {
        pool = candidate;
        place -= share;
        if place < 0.0 {
            break;
        }
    }
    let chosen = &pool[rng.random_range(0..pool.len())];
    let side = config.net.side;
    let warp = Warp::draw(rng, &config.augment);
    let positions = warp.positions(side, chosen.image.size());
    let mut image = sample(&chosen.image, &positions);
    let lungs: Vec<f32> = sample(&chosen.target, &positions)
        .iter()
        .map(|v| v / 255.0)
        .collect();
    if rng.random_bool(PAINTED) {
        paint(&mut image, &lungs, side, rng);
    }
    jitter(&mut image, &config.augment, rng);
    (image, lungs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opacities_stay_in_the_lungs_and_only_brighten() {
        let side = 64;
        let lungs: Vec<f32> = (0..side * side)
            .map(|at| f32::from(u8::from(at % side < side / 2)))
            .collect();
        let before = vec![40.0; side * side];
        let mut changed = 0;
        for seed in 0..20 {
            let mut image = before.clone();
            paint(&mut image, &lungs, side, &mut step_rng(seed, 1));
            for (at, (&new, &lung)) in image.iter().zip(&lungs).enumerate() {
                assert!(lung > 0.0 || new == 40.0, "pixel {at} outside the lungs");
                assert!((40.0..260.0).contains(&new), "{new}");
            }
            changed += image.iter().filter(|&&v| v > 60.0).count();
        }
        let share = changed as f64 / (20 * side * side / 2) as f64;
        assert!(
            (0.05..0.8).contains(&share),
            "{share} of the lungs is painted"
        );
        let mut same = before.clone();
        paint(
            &mut same,
            &vec![0.0; side * side],
            side,
            &mut step_rng(1, 1),
        );
        assert_eq!(same, before);
    }

    #[test]
    fn slices_average_image_and_mask_alike() {
        let affine = crate::volume::Affine::scale_offset([1.0, 1.0, 1.0], [0.0; 3]);
        let mut hu = Volume::filled(-1117i16, [4, 3, 40], affine);
        let mut lungs = Volume::filled(0u8, [4, 3, 40], affine);
        hu.data[12 * 20..].fill(285);
        lungs.data[12 * 20..].fill(2);
        let made = slices("s", &hu, &lungs, &mut step_rng(3, 0));
        assert_eq!(made.len(), 14);
        for slice in &made {
            assert_eq!(slice.image.data(), slice.target.data(), "{}", slice.name);
        }
        assert!(made.iter().any(|s| (1..255).contains(&s.image.data()[0])));
    }
}
