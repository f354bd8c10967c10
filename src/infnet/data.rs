//! Slices to train on: reading them, grouping them by patient, and the augmentation.
//!
//! One warp does everything geometric at once (orientation, rotation, scale, shift, elastic
//! deformation, resize), so an image is interpolated once.

use super::loss::weight_map;
use super::slices::normalised;
use crate::grid::box_mean;
use crate::plane::Plane;
use crate::training::TrainError;
use rand::Rng;
use rand::rngs::StdRng;
use std::fs;
use std::path::{Path, PathBuf};

/// One slice with its target.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The file's name without its ending.
    pub name: String,
    /// 8-bit grey, as the labelled slices are.
    pub image: Plane<u8>,
    /// Infection probability × 255, on the image's pixels.
    pub target: Plane<u8>,
    /// How far each pixel's target is believed, × 255. Absent: fully.
    pub confidence: Option<Plane<u8>>,
}

/// The images of a folder by name, sorted.
pub fn images(folder: &Path) -> Result<Vec<(String, PathBuf)>, TrainError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(TrainError::file(folder))? {
        let path = entry.map_err(TrainError::file(folder))?.path();
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        if let (Some(stem), "png" | "jpg" | "jpeg") = (
            path.file_stem().and_then(|s| s.to_str()),
            ending.to_ascii_lowercase().as_str(),
        ) {
            found.push((stem.to_string(), path.clone()));
        }
    }
    if found.is_empty() {
        return Err(TrainError::data(folder, "holds no PNG or JPEG images"));
    }
    found.sort_by_key(|(name, _)| (name.parse::<u64>().unwrap_or(u64::MAX), name.clone()));
    Ok(found)
}

/// Reads an image as 8-bit grey.
pub fn grey(path: &Path) -> Result<Plane<u8>, TrainError> {
    let bytes = fs::read(path).map_err(TrainError::file(path))?;
    let name = path.to_string_lossy();
    let image = crate::io::image::read(&name, &bytes, &Default::default())
        .map_err(|e| TrainError::data(path, e.to_string()))?;
    let size = [image.width() as usize, image.height() as usize];
    Plane::new(image.into_raw(), size).map_err(|e| TrainError::data(path, e.to_string()))
}

/// The mask that belongs to an image: the same name as PNG in another folder, the same size.
pub fn mask_of(name: &str, image: &Plane<u8>, folder: &Path) -> Result<Plane<u8>, TrainError> {
    let path = folder.join(format!("{name}.png"));
    let mask = grey(&path)?;
    if mask.size() != image.size() {
        let problem = format!("is {:?} pixels, its image {:?}", mask.size(), image.size());
        return Err(TrainError::data(&path, problem));
    }
    Ok(mask)
}

/// The labelled slices: `images` and `infection` under `folder`.
pub fn labelled(folder: &Path) -> Result<Vec<Sample>, TrainError> {
    images(&folder.join("images"))?
        .into_iter()
        .map(|(name, path)| {
            let image = grey(&path)?;
            let target = mask_of(&name, &image, &folder.join("infection"))?;
            Ok(Sample {
                name,
                image,
                target,
                confidence: None,
            })
        })
        .collect()
}

/// Side of the thumbnails that [`groups`] compares.
const THUMB: usize = 48;
/// Slices more alike than this come from one patient.
const ALIKE: f64 = 0.90;

/// A group number for every sample: slices that correlate strongly are taken for one patient's.
pub fn groups(samples: &[Sample]) -> Vec<usize> {
    let thumbs: Vec<Vec<f64>> = samples
        .iter()
        .map(|s| {
            let small = s.image.resize_bilinear([THUMB, THUMB]);
            let values: Vec<f64> = small.data().iter().map(|&v| f64::from(v)).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let norm = values
                .iter()
                .map(|v| (v - mean).powi(2))
                .sum::<f64>()
                .sqrt()
                .max(1e-9);
            values.iter().map(|v| (v - mean) / norm).collect()
        })
        .collect();
    let mut group: Vec<usize> = (0..samples.len()).collect();
    for i in 0..samples.len() {
        for j in 0..i {
            let r: f64 = thumbs[i].iter().zip(&thumbs[j]).map(|(a, b)| a * b).sum();
            if r > ALIKE {
                let (from, to) = (group[i].max(group[j]), group[i].min(group[j]));
                group
                    .iter_mut()
                    .filter(|g| **g == from)
                    .for_each(|g| *g = to);
            }
        }
    }
    group
}

/// Splits samples into (training, held back) for fold `k` of `n`, whole groups at a time.
pub fn fold(samples: &[Sample], k: usize, n: usize) -> (Vec<usize>, Vec<usize>) {
    let group = groups(samples);
    let mut sizes: Vec<(usize, usize)> = Vec::new();
    for &g in &group {
        match sizes.iter_mut().find(|(id, _)| *id == g) {
            Some((_, size)) => *size += 1,
            None => sizes.push((g, 1)),
        }
    }
    // The largest groups first, each to the fold that has the fewest slices.
    sizes.sort_by_key(|&(g, size)| (std::cmp::Reverse(size), g));
    let mut load = vec![0; n];
    let mut place = std::collections::BTreeMap::new();
    for (g, size) in sizes {
        let target = (0..n).min_by_key(|&f| (load[f], f)).unwrap_or(0);
        load[target] += size;
        place.insert(g, target);
    }
    (0..samples.len()).partition(|&i| place.get(&group[i]) != Some(&k))
}

/// Strength of the augmentation.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Augment {
    /// All eight flips and quarter turns.
    pub orientations: bool,
    /// Largest rotation, degrees.
    pub rotation: f32,
    /// Smallest and largest scale, by axis and in common.
    pub scale: [f32; 2],
    /// Largest shift, share of the side.
    pub shift: f32,
    /// Deviation of the elastic displacement, share of the side.
    pub elastic: f32,
    /// Largest jitter of the grey window's ends, grey levels (5.5 HU each).
    pub window: f32,
    /// Largest deviation of added noise, grey levels.
    pub noise: f32,
}

impl Augment {
    /// As published: none.
    pub fn none() -> Self {
        Augment {
            orientations: false,
            rotation: 0.0,
            scale: [1.0, 1.0],
            shift: 0.0,
            elastic: 0.0,
            window: 0.0,
            noise: 0.0,
        }
    }
    /// The preset `best`.
    pub fn best() -> Self {
        Augment {
            orientations: true,
            rotation: 20.0,
            scale: [0.75, 1.3],
            shift: 0.08,
            elastic: 0.02,
            window: 18.0,
            noise: 6.0,
        }
    }
}

/// Control points of the elastic deformation, each way.
const CONTROL: usize = 5;

/// A random map from output to source coordinates, both −½…½ over the image.
pub(crate) struct Warp {
    matrix: [f32; 4],
    shift: [f32; 2],
    controls: [[f32; 2]; CONTROL * CONTROL],
}

fn gaussian(rng: &mut StdRng) -> f32 {
    (0..4).map(|_| rng.random_range(-1.0f32..1.0)).sum::<f32>() * 0.866
}

impl Warp {
    pub(crate) fn draw(rng: &mut StdRng, a: &Augment) -> Self {
        let mut scale = || {
            let (low, high) = (a.scale[0].ln(), a.scale[1].ln());
            // Half of the spread in common, a third by axis.
            rng.random_range(-1.0f32..=1.0) * 0.5 * (high - low)
        };
        let (common, x, y) = (
            scale() + 0.5 * (a.scale[0] * a.scale[1]).ln(),
            scale() / 3.0,
            scale() / 3.0,
        );
        let (sx, sy) = ((-common - x).exp(), (-common - y).exp());
        let angle = rng.random_range(-1.0f32..=1.0) * a.rotation.to_radians();
        let (sin, cos) = angle.sin_cos();
        let mut matrix = [cos * sx, -sin * sx, sin * sy, cos * sy];
        if a.orientations {
            let turn: u8 = rng.random_range(0..8);
            if turn & 1 != 0 {
                matrix = [matrix[2], matrix[3], matrix[0], matrix[1]];
            }
            if turn & 2 != 0 {
                matrix[0] = -matrix[0];
                matrix[1] = -matrix[1];
            }
            if turn & 4 != 0 {
                matrix[2] = -matrix[2];
                matrix[3] = -matrix[3];
            }
        }
        let shift = [0, 1].map(|_| rng.random_range(-1.0f32..=1.0) * a.shift);
        let controls =
            std::array::from_fn(|_| [gaussian(rng) * a.elastic, gaussian(rng) * a.elastic]);
        Warp {
            matrix,
            shift,
            controls,
        }
    }

    fn source(&self, x: f32, y: f32) -> [f32; 2] {
        let m = &self.matrix;
        let grid = (CONTROL - 1) as f32;
        let (gx, gy) = (
            ((x + 0.5) * grid).clamp(0.0, grid),
            ((y + 0.5) * grid).clamp(0.0, grid),
        );
        let (ix, iy) = (
            (gx as usize).min(CONTROL - 2),
            (gy as usize).min(CONTROL - 2),
        );
        let (fx, fy) = (gx - ix as f32, gy - iy as f32);
        std::array::from_fn(|axis| {
            let at = |dx: usize, dy: usize| self.controls[(iy + dy) * CONTROL + ix + dx][axis];
            let bend = (at(0, 0) * (1.0 - fx) + at(1, 0) * fx) * (1.0 - fy)
                + (at(0, 1) * (1.0 - fx) + at(1, 1) * fx) * fy;
            m[2 * axis] * x + m[2 * axis + 1] * y + self.shift[axis] + bend
        })
    }

    /// The positions `[side · side]` in the pixels of an image of the given size.
    pub(crate) fn positions(&self, side: usize, [width, height]: [usize; 2]) -> Vec<[f32; 2]> {
        let unit = |i: usize| (i as f32 + 0.5) / side as f32 - 0.5;
        (0..side * side)
            .map(|i| {
                let [x, y] = self.source(unit(i % side), unit(i / side));
                [
                    (x + 0.5) * width as f32 - 0.5,
                    (y + 0.5) * height as f32 - 0.5,
                ]
            })
            .collect()
    }
}

/// Bilinear samples; black outside.
pub(crate) fn sample(plane: &Plane<u8>, positions: &[[f32; 2]]) -> Vec<f32> {
    let [w, h] = plane.size().map(|v| v as i32);
    let data = plane.data();
    let at = |x: i32, y: i32| {
        if x < 0 || y < 0 || x >= w || y >= h {
            0.0
        } else {
            f32::from(data[(y * w + x) as usize])
        }
    };
    positions
        .iter()
        .map(|&[x, y]| {
            let (fx, fy) = (x.floor(), y.floor());
            let (ix, iy, dx, dy) = (fx as i32, fy as i32, x - fx, y - fy);
            (at(ix, iy) * (1.0 - dx) + at(ix + 1, iy) * dx) * (1.0 - dy)
                + (at(ix, iy + 1) * (1.0 - dx) + at(ix + 1, iy + 1) * dx) * dy
        })
        .collect()
}

/// Nearest labels; 0 outside.
pub(crate) fn sample_nearest(plane: &Plane<u8>, positions: &[[f32; 2]]) -> Vec<u8> {
    let [w, h] = plane.size().map(|v| v as i32);
    let at = |&[x, y]: &[f32; 2]| {
        let (x, y) = (x.round() as i32, y.round() as i32);
        let inside = x >= 0 && y >= 0 && x < w && y < h;
        if inside {
            plane.data()[(y * w + x) as usize]
        } else {
            0
        }
    };
    positions.iter().map(at).collect()
}

/// One-pixel outline of a target: lesion pixels with a neighbour outside (SPEC A.11).
pub fn outline(target: &[f32], side: usize) -> Vec<f32> {
    let inside = |x: usize, y: usize| target[y * side + x] > 0.5;
    (0..side * side)
        .map(|i| {
            let (x, y) = (i % side, i / side);
            let open = (x > 0 && !inside(x - 1, y))
                || (x + 1 < side && !inside(x + 1, y))
                || (y > 0 && !inside(x, y - 1))
                || (y + 1 < side && !inside(x, y + 1));
            f32::from(inside(x, y) && open)
        })
        .collect()
}

/// A batch's planes, row-major `[n, c, side, side]`.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Samples.
    pub count: usize,
    /// Side of the planes.
    pub side: usize,
    /// Normalised image, three channels.
    pub image: Vec<f32>,
    /// Target, 0…1.
    pub target: Vec<f32>,
    /// The structure loss's weight map times the confidence.
    pub weight: Vec<f32>,
    /// Outline, 0 or 1.
    pub edge: Vec<f32>,
}

impl Batch {
    /// An empty batch of planes of the given side.
    pub fn new(side: usize) -> Self {
        Batch {
            side,
            ..Batch::default()
        }
    }

    /// Adds a sample, warped and jittered.
    pub fn push(&mut self, sample_: &Sample, augment: &Augment, rng: &mut StdRng) {
        let positions = Warp::draw(rng, augment).positions(self.side, sample_.image.size());
        let mut image = sample(&sample_.image, &positions);
        jitter(&mut image, augment, rng);
        let target = shares(&sample_.target, &positions);
        let mut weight = weight_map(&target, self.side);
        if let Some(confidence) = &sample_.confidence {
            let belief = shares(confidence, &positions);
            weight.iter_mut().zip(belief).for_each(|(w, b)| *w *= b);
        }
        self.add(&image, target, weight);
    }

    /// Adds a lesion-free sample with the lesions of a labelled one grafted into its lungs, both warped,
    /// together jittered: a network that saw no lesion in such scans would learn to know the scanner.
    pub fn push_grafted(
        &mut self,
        clean: &Sample,
        labelled: &Sample,
        augment: &Augment,
        rng: &mut StdRng,
    ) {
        let side = self.side;
        let mut draw = |plane: &Plane<u8>| {
            let warp = Warp::draw(rng, augment);
            warp.positions(side, plane.size())
        };
        let host = draw(&clean.image);
        let positions = draw(&labelled.image);
        let mut image = sample(&clean.image, &host);
        let lesions = sample(&labelled.image, &positions);
        let mut target = shares(&labelled.target, &positions);
        let around = box_mean(&image, [side, side, 1], [LUNG_WINDOW, LUNG_WINDOW, 1]);
        for (at, share) in target.iter_mut().enumerate() {
            if around[at] > LUNG_GREY {
                *share = 0.0;
            }
            // Vessels stay to be seen in ground glass.
            let bright = image[at].max(lesions[at]);
            image[at] += *share * (bright - image[at]);
        }
        jitter(&mut image, augment, rng);
        let weight = weight_map(&target, side);
        self.add(&image, target, weight);
    }

    fn add(&mut self, image: &[f32], target: Vec<f32>, weight: Vec<f32>) {
        self.image.extend(normalised(image));
        self.edge.extend(outline(&target, self.side));
        self.target.extend(target);
        self.weight.extend(weight);
        self.count += 1;
    }
}

/// A grey level on the mean of this window, in pixels of the network's input, below which a healthy
/// slice shows lung and not what lies around it.
const LUNG_GREY: f32 = 125.0;
const LUNG_WINDOW: usize = 7;

/// A plane of 0…255 at the positions, as shares.
fn shares(plane: &Plane<u8>, positions: &[[f32; 2]]) -> Vec<f32> {
    let values = sample(plane, positions);
    values.iter().map(|v| v / 255.0).collect()
}

/// Moves both ends of the grey window and adds noise.
pub(crate) fn jitter(image: &mut [f32], a: &Augment, rng: &mut StdRng) {
    let low = rng.random_range(-1.0f32..=1.0) * a.window;
    let high = 255.0 + rng.random_range(-1.0f32..=1.0) * a.window;
    let noise = rng.random_range(0.0f32..=1.0) * a.noise;
    let gain = 255.0 / (high - low);
    for v in image.iter_mut() {
        let grain = if noise > 0.0 {
            noise * gaussian(rng)
        } else {
            0.0
        };
        *v = ((*v - low) * gain + grain).clamp(0.0, 255.0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rand::SeedableRng;

    fn slice(image: impl Fn(usize, usize) -> u8, target: impl Fn(usize, usize) -> u8) -> Sample {
        Sample {
            name: String::new(),
            image: Plane::from_fn([32, 32], image),
            target: Plane::from_fn([32, 32], target),
            confidence: None,
        }
    }

    #[test]
    fn grafted_lesions_stay_in_the_lungs_and_leave_vessels() {
        // Lung at the left with a vessel in row 20, soft tissue from column 16 on.
        let clean = slice(
            |x, y| match (x, y) {
                (16.., _) => 210,
                (_, 20) => 180,
                _ => 45,
            },
            |_, _| 0,
        );
        // A lesion over both, below row 8.
        let lesion = |y: usize| if y >= 8 { 255 } else { 0 };
        let labelled = slice(|_, y| if y >= 8 { 130 } else { 45 }, |_, y| lesion(y));
        let mut batch = Batch::new(32);
        let mut rng = StdRng::seed_from_u64(1);
        batch.push_grafted(&clean, &labelled, &Augment::none(), &mut rng);
        batch.push(&clean, &Augment::none(), &mut rng);
        let (grafted, before) = batch.image.split_at(3 * 32 * 32);
        let at = |x: usize, y: usize| y * 32 + x;
        assert_eq!(batch.target[at(4, 12)], 1.0);
        assert!(grafted[at(4, 12)] > before[at(4, 12)] + 1.0);
        for (what, x, y) in [("soft tissue", 24, 12), ("lung without a lesion", 4, 2)] {
            assert_eq!(batch.target[at(x, y)], 0.0, "{what}");
            assert_eq!(grafted[at(x, y)], before[at(x, y)], "{what}");
        }
        assert_eq!(grafted[at(4, 20)], before[at(4, 20)], "a vessel");
        assert_eq!(batch.count, 2);
    }
}
