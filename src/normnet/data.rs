//! Healthy scans to train NormNet on, and the slabs drawn from them.
//!
//! Clinical slices are thicker than the training scans', so every slab is averaged to a random
//! thickness first, then brought to the network's grid with a random scale, flips, an offset in
//! HU and noise; lesions are pasted in last, fresh every time.

use super::edges::{EdgeConfig, remove_edges};
use super::frame::{FrameConfig, normalise};
use super::store;
use super::synth::{self, SynthConfig};
use crate::training::TrainError;
use crate::volume::{Volume, resample_mean, resample_nearest};
use crate::{io, lungs};
use rand::Rng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What of a scan is not healthy, in voxels of the file's own grid (LPS).
#[derive(Clone, Copy, Debug)]
enum Except {
    Nothing,
    /// Slices `first..=last` hold a nodule.
    Slices(usize, usize),
    /// Only the left lung, `i > limit`, is healthy.
    OnlyLeftOf(usize),
}

/// The near-healthy scans, by file name, with what must not be taken for normal tissue.
const HEALTHY: [(&str, Except); 7] = [
    ("normal001", Except::Nothing),
    ("normal002", Except::Nothing),
    ("lidc0001", Except::Slices(66, 84)),
    ("lidc0002", Except::Nothing),
    ("lidc0003", Except::Slices(66, 92)),
    ("lidc0314", Except::OnlyLeftOf(150)),
    ("lowerlungs", Except::Nothing),
];

/// The scan that the model of a seed is not trained on.
pub fn left_out(seed: u64) -> &'static str {
    let at = seed.wrapping_sub(1) % HEALTHY.len() as u64;
    HEALTHY[at as usize].0
}

/// Takes the voxels of a scan's lungs that are not healthy out of its mask; false if the scan is
/// not one of the healthy ones. The mask lies on the whole scan's grid in LPS.
pub fn keep_healthy(name: &str, mask: &mut Volume<u8>) -> bool {
    let Some((_, except)) = HEALTHY.iter().find(|(known, _)| *known == name) else {
        return false;
    };
    let [nx, ny, _] = mask.dims;
    for (at, v) in mask.data.iter_mut().enumerate() {
        let (i, k) = (at % nx, at / (nx * ny));
        let healthy = match *except {
            Except::Nothing => true,
            Except::Slices(first, last) => !(first..=last).contains(&k),
            Except::OnlyLeftOf(limit) => i > limit,
        };
        *v *= u8::from(healthy);
    }
    true
}

/// A scan cropped to its lungs, in-plane on the network's pixels, slices as they were.
pub struct Scan {
    /// Name of the file.
    pub name: String,
    /// HU.
    pub hu: Volume<i16>,
    /// 1 where healthy lung is.
    pub lungs: Vec<u8>,
    /// Lung volume relative to the largest of the set: λ of SPEC B.4.
    pub lambda: f32,
}

/// The healthy scans but those in `without`: from a file of [`store`], or from `ct/` in a folder.
///
/// # Errors
/// If a file is missing or is not what it should be.
pub fn open(data: &Path, without: &[String], pixel: f64) -> Result<Vec<Scan>, TrainError> {
    if !data.is_file() {
        return read(&data.join("ct"), without, pixel);
    }
    let bytes = std::fs::read(data).map_err(TrainError::file(data))?;
    let wrong = |e: store::StoreError| TrainError::data(data, e.to_string());
    let mut scans = store::from_bytes(&bytes, pixel).map_err(wrong)?;
    scans.retain(|scan| !without.contains(&scan.name));
    if scans.is_empty() {
        return Err(TrainError::data(data, "holds no scan to train on"));
    }
    weigh(&mut scans);
    Ok(scans)
}

/// Reads the healthy scans under `folder` but those in `without`, with threshold lung masks.
///
/// # Errors
/// If a file is missing or is not what it should be.
pub fn read(folder: &Path, without: &[String], pixel: f64) -> Result<Vec<Scan>, TrainError> {
    let names = HEALTHY.iter().map(|(name, _)| *name);
    let mut scans = names
        .filter(|name| !without.iter().any(|w| w == name))
        .map(|name| read_one(folder, name, pixel))
        .collect::<Result<Vec<_>, _>>()?;
    weigh(&mut scans);
    Ok(scans)
}

/// Sets each scan's λ among these.
fn weigh(scans: &mut [Scan]) {
    let volume = |s: &Scan| s.lungs.iter().filter(|&&v| v != 0).count() as f64 * s.hu.voxel_ml();
    let largest = scans.iter().map(volume).fold(f64::MIN_POSITIVE, f64::max);
    for scan in scans {
        scan.lambda = (volume(scan) / largest) as f32;
    }
}

fn read_one(folder: &Path, name: &str, pixel: f64) -> Result<Scan, TrainError> {
    let path = folder.join(format!("{name}.nii.gz"));
    let bytes = std::fs::read(&path).map_err(TrainError::file(&path))?;
    let wrong = |e: &dyn std::fmt::Display| TrainError::data(&path, e.to_string());
    let scan = io::nifti::read(name, &bytes, &io::Limits::default()).map_err(|e| wrong(&e))?;
    let (hu, _) = scan.hu.into_lps();
    let mut mask = lungs::threshold(&hu, &mut |_| ()).map_err(|e| wrong(&e))?;
    for v in &mut mask.data {
        *v = u8::from(*v != 0);
    }
    keep_healthy(name, &mut mask);
    let Some((low, high)) = crate::grid::bounding_box(&mask.data, mask.dims) else {
        return Err(wrong(&"no healthy lung is left"));
    };
    let extent = [0, 1, 2].map(|a| high[a] - low[a]);
    let hu = hu.crop(low, extent).map_err(|e| wrong(&e))?;
    let mask = mask.crop(low, extent).map_err(|e| wrong(&e))?;
    // In-plane onto the network's pixels; slices stay as they are.
    let spacing = hu.spacing();
    let dims = [0, 1].map(|a| ((extent[a] as f64 * spacing[a] / pixel).round() as usize).max(1));
    let dims = [dims[0], dims[1], extent[2]];
    let mut affine = hu.affine;
    for row in &mut affine.0 {
        for a in 0..2 {
            let ratio = extent[a] as f64 / dims[a] as f64;
            // Cell borders stay: the first centre moves by half the difference of the cells.
            row[3] += row[a] * (ratio - 1.0) / 2.0;
            row[a] *= ratio;
        }
    }
    let fine = resample_mean(&hu, dims, &affine);
    let lungs = resample_nearest(&mask, dims, &affine, 0).data;
    let data = fine.data.iter().map(|v| v.round() as i16).collect();
    Ok(Scan {
        name: name.to_string(),
        hu: Volume::new(data, dims, affine).map_err(|e| wrong(&e))?,
        lungs,
        lambda: 1.0,
    })
}

/// How slabs are drawn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SlabConfig {
    /// The network's grid.
    pub frame: FrameConfig,
    /// Slice thickness to imitate, mm.
    pub thickness: [f64; 2],
    /// In-plane scale.
    pub scale: [f64; 2],
    /// Scale of the lungs' width on top of it.
    pub stretch: [f64; 2],
    /// Largest shift in-plane, in voxels of the frame.
    pub shift: f64,
    /// Mirror along any axis.
    pub flips: bool,
    /// Largest offset, HU.
    pub offset: f32,
    /// Largest noise deviation, HU.
    pub noise: f32,
    /// Removal of erroneous edges from the lung mask; absent, they stay.
    pub edges: Option<EdgeConfig>,
    /// The lesions.
    pub synth: SynthConfig,
}

impl SlabConfig {
    /// What ships.
    pub fn best() -> Self {
        SlabConfig {
            frame: FrameConfig::web(),
            thickness: [2.0, 7.0],
            scale: [0.75, 1.3],
            stretch: [0.93, 1.07],
            shift: 8.0,
            flips: true,
            offset: 40.0,
            noise: 40.0,
            edges: Some(EdgeConfig::default()),
            synth: SynthConfig::best(),
        }
    }
}

/// One training slab, `[z, y, x]`.
pub struct Slab {
    /// What the network sees.
    pub image: Vec<f32>,
    /// Healthy bright tissue, 0 or 1.
    pub target: Vec<f32>,
    /// Lung without erroneous edges, 0 or 1: where the loss looks.
    pub lungs: Vec<f32>,
}

/// Healthy lungs on the network's grid, augmented: H and the lung mask without erroneous edges, `[z, y, x]`.
pub(super) fn healthy(scan: &Scan, config: &SlabConfig, rng: &mut StdRng) -> (Vec<f32>, Vec<u8>) {
    let (mut hu, mut mask) = window(scan, config, rng);
    disturb(&mut hu, config, rng);
    let f = &config.frame;
    let inside = |mask: &[u8], value: &dyn Fn(usize) -> f32| -> Vec<f32> {
        let voxels = mask.iter().enumerate();
        voxels
            .map(|(at, &m)| if m != 0 { value(at) } else { 0.0 })
            .collect()
    };
    let mut h = inside(&mask, &|at| normalise(hu[at]));
    if let Some(edges) = &config.edges {
        mask = remove_edges(&h, &mask, [f.size, f.size, f.depth], f.spacing, edges);
        h = inside(&mask, &|at| h[at]);
    }
    (h, mask)
}

/// Draws a slab.
pub fn draw(scans: &[Scan], config: &SlabConfig, rng: &mut StdRng) -> Slab {
    let scan = &scans[rng.random_range(0..scans.len())];
    let (h, mask) = healthy(scan, config, rng);
    let f = &config.frame;
    let dims = [f.size, f.size, f.depth];
    let image = synth::lesions(&h, &mask, dims, f.spacing, scan.lambda, &config.synth, rng).image;
    let target = synth::target(&h, &mask);
    Slab {
        image,
        target: target.into_iter().map(f32::from).collect(),
        lungs: mask.into_iter().map(f32::from).collect(),
    }
}

/// A window of the scan on the network's grid: HU and mask.
fn window(scan: &Scan, config: &SlabConfig, rng: &mut StdRng) -> (Vec<f32>, Vec<u8>) {
    let f = &config.frame;
    let [nx, ny, nz] = scan.hu.dims;
    let native = scan.hu.spacing()[2];
    let [low, high] = config.thickness;
    let thickness = rng.random_range(low..=high).max(native);
    let zoom = rng
        .random_range(config.scale[0].ln()..=config.scale[1].ln())
        .exp();
    let [low, high] = config.stretch;
    let stretch = zoom * rng.random_range(low..=high);
    let flips: [bool; 3] = std::array::from_fn(|_| rng.random::<bool>() && config.flips);
    // Slab start in mm: anywhere that keeps at least half of the slab, or the whole scan, inside.
    let (have, want) = (nz as f64 * native, f.depth as f64 * f.spacing[2]);
    let slack = (have - want).abs() / 2.0 + want.min(have) / 4.0;
    let start = (have - want) / 2.0 + rng.random_range(-slack..=slack);
    let shift: [f64; 2] = std::array::from_fn(|_| rng.random_range(-1.0..=1.0) * config.shift);

    // Thick slices that cover the slab, each the mean of the native slices in it.
    let phase = rng.random_range(0.0..1.0) * thickness;
    let count = (want / thickness).ceil() as usize + 2;
    let plane = f.size * f.size;
    let columns = taps(f.size, nx, stretch, shift[0]);
    let rows = taps(f.size, ny, zoom, shift[1]);
    let mut thick = Vec::with_capacity(count);
    for n in 0..count {
        let centre = start - phase + (n as f64 + 0.5) * thickness;
        let first = ((centre - thickness / 2.0) / native).round() as i64;
        let last = (((centre + thickness / 2.0) / native).round() as i64).max(first + 1);
        let (mut hu, mut mask, mut seen) = (vec![0.0f32; plane], vec![0.0f32; plane], 0);
        for k in first.max(0)..last.min(nz as i64) {
            let at = k as usize * nx * ny;
            let slice = &scan.hu.data[at..at + nx * ny];
            add_plane(
                &mut hu,
                slice,
                [nx, f.size],
                &columns,
                &rows,
                -1000.0,
                |v| f32::from(*v),
            );
            let slice = &scan.lungs[at..at + nx * ny];
            add_plane(&mut mask, slice, [nx, f.size], &columns, &rows, 0.0, |v| {
                f32::from(*v)
            });
            seen += 1;
        }
        let scale = 1.0 / seen.max(1) as f32;
        hu.iter_mut().for_each(|v| *v *= scale);
        mask.iter_mut().for_each(|v| *v *= scale);
        thick.push((hu, mask));
    }
    // Between neighbouring thick slices, linearly.
    let mut hu = vec![0.0; plane * f.depth];
    let mut lungs = vec![0; plane * f.depth];
    for z in 0..f.depth {
        let at = ((z as f64 + 0.5) * f.spacing[2] + phase) / thickness - 0.5;
        let low = (at.max(0.0) as usize).min(count - 2);
        let part = (at - low as f64).clamp(0.0, 1.0) as f32;
        let z = if flips[2] { f.depth - 1 - z } else { z };
        let (a, b) = (&thick[low], &thick[low + 1]);
        for y in 0..f.size {
            for x in 0..f.size {
                let from = y * f.size + x;
                let x = if flips[0] { f.size - 1 - x } else { x };
                let y = if flips[1] { f.size - 1 - y } else { y };
                let to = (z * f.size + y) * f.size + x;
                let mix = |p: &[f32], q: &[f32]| p[from] + (q[from] - p[from]) * part;
                hu[to] = mix(&a.0, &b.0);
                lungs[to] = u8::from(mix(&a.1, &b.1) > 0.5);
            }
        }
    }
    (hu, lungs)
}

/// For each output position the two source positions and the second one's weight; none outside.
fn taps(size: usize, source: usize, zoom: f64, shift: f64) -> Vec<Option<(usize, usize, f32)>> {
    let centre = |n: usize| (n as f64 - 1.0) / 2.0;
    (0..size)
        .map(|o| {
            let at = (o as f64 - centre(size)) / zoom + centre(source) + shift;
            if at < -0.5 || at > source as f64 - 0.5 {
                return None;
            }
            let at = at.clamp(0.0, (source - 1) as f64);
            let low = at as usize;
            Some((low, (low + 1).min(source - 1), (at - low as f64) as f32))
        })
        .collect()
}

type Taps = [Option<(usize, usize, f32)>];

/// Adds a bilinearly resampled plane to `out`.
fn add_plane<T>(
    out: &mut [f32],
    slice: &[T],
    [width, size]: [usize; 2],
    columns: &Taps,
    rows: &Taps,
    outside: f32,
    value: impl Fn(&T) -> f32,
) {
    for (line, row) in out.chunks_exact_mut(size).zip(rows) {
        let Some((top, bottom, v)) = *row else {
            line.iter_mut().for_each(|o| *o += outside);
            continue;
        };
        for (o, column) in line.iter_mut().zip(columns) {
            *o += match *column {
                None => outside,
                Some((left, right, u)) => {
                    let at = |y: usize, x: usize| value(&slice[y * width + x]);
                    let upper = at(top, left) + (at(top, right) - at(top, left)) * u;
                    let lower = at(bottom, left) + (at(bottom, right) - at(bottom, left)) * u;
                    upper + (lower - upper) * v
                }
            };
        }
    }
}

/// An offset and noise with a grain of about two pixels.
fn disturb(hu: &mut [f32], config: &SlabConfig, rng: &mut StdRng) {
    let offset = rng.random_range(-1.0f32..=1.0) * config.offset;
    let sd = rng.random_range(0.0f32..=1.0).powi(2) * config.noise;
    let size = config.frame.size;
    // The sum of four uniform numbers of a 2×2 neighbourhood: nearly normal, correlated.
    let mut before = vec![0.0f32; size];
    let gain = sd * 3f32.sqrt() / 2.0;
    for line in hu.chunks_exact_mut(size) {
        let mut left = 0.0;
        for (v, above) in line.iter_mut().zip(&mut before) {
            let fresh = rng.random_range(-1.0f32..1.0);
            *v += offset + gain * (fresh + left + *above);
            left = fresh;
            *above = fresh;
        }
    }
}
