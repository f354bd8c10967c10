//! A chest CT that never was: the demo case of the app and the fixture of many tests.
//!
//! No patient's scan may ship with the project, so this module makes one up: a whole chest in
//! HU, with its lung mask and the masks of its lesions.

mod abdomen;
mod anatomy;
mod bones;
mod canvas;
mod lesions;
mod lung;
mod math;
mod mediastinum;
mod noise;
mod shapes;
mod tree;
mod wall;

use crate::volume::{Affine, Volume};
use abdomen::Abdomen;
use anatomy::{Anatomy, DepthMap, HEIGHT, Regions};
use canvas::{Plane, Raster, Warp};
use lesions::Lesion;
use lung::LungFields;
use math::{Rng, smooth, stream};
use noise::Noise;
use tree::Forest;
use wall::{Wall, WallFields};

/// What to make.
#[derive(Clone, Debug, PartialEq)]
pub struct PhantomConfig {
    /// Voxels of the whole scan to the left, to the back and up.
    pub dims: [usize; 3],
    /// Voxel size in mm. The scan's middle is the chest's middle: the chest does not grow or
    /// shrink with the voxels, a smaller scan sees less of it.
    pub spacing: [f64; 3],
    /// Another seed, another patient.
    pub seed: u64,
    /// Number of lesions; beyond some tens they get too small for coarse voxels.
    pub lesions: usize,
    /// HU outside the round field of view.
    pub padding: i16,
    /// Standard deviation of the noise in soft tissue, in HU.
    pub noise_sd: f32,
    /// Arms beside the chest, not above the head.
    pub arms_down: bool,
    /// Only the slices from this height above the scan's lower end on, and for this length,
    /// both in mm. They are the same as in the whole scan.
    pub piece: Option<(f64, f64)>,
}

impl PhantomConfig {
    /// The demo case: the default scan, or `piece_mm` of it about its middle.
    pub fn demo(seed: u64, lesions: usize, piece_mm: Option<f64>) -> Self {
        let mut config = PhantomConfig {
            seed,
            lesions,
            ..Self::default()
        };
        let whole = config.dims[2] as f64 * config.spacing[2];
        config.piece = piece_mm.map(|length| ((whole - length) / 2.0, length));
        config
    }
}

impl Default for PhantomConfig {
    fn default() -> Self {
        Self {
            dims: [320, 320, 128],
            spacing: [1.25, 1.25, 2.5],
            // A patient in whom both networks find lesions, also in a piece of 40 mm.
            seed: 4,
            lesions: 6,
            padding: -2000,
            noise_sd: 12.0,
            arms_down: false,
            piece: None,
        }
    }
}

/// A chest CT with its truth, all three on one grid with LPS voxel axes.
#[derive(Clone, Debug)]
pub struct Phantom {
    /// HU.
    pub hu: Volume<i16>,
    /// 1 right lung, 2 left lung; vessels in the lung are part of it, trachea and main bronchi
    /// are not.
    pub lungs: Volume<u8>,
    /// 1 ground glass, 2 consolidation.
    pub lesions: Volume<u8>,
}

/// Planes are no further apart than this in mm; slices are averages of planes.
const PLANE_STEP: f32 = 1.6;
/// Width of an edge in voxels.
const EDGE: f32 = 1.4;

/// HU that 12-bit scanners can store.
const LOWEST_HU: f32 = -1024.0;
const HIGHEST_HU: f32 = 3071.0;
/// Square of the radius, in mm², at which noise has fallen to its least.
const BODY_RADIUS_2: f32 = 200.0 * 200.0;

/// Make the phantom. The same configuration gives the same voxels on every platform.
///
/// A voxel size that is not finite counts as 1 mm, others are kept between 0.05 and 100 mm.
///
/// # Panics
///
/// If the voxels do not fit into memory.
pub fn generate(config: &PhantomConfig) -> Phantom {
    let scan = Scan::new(config);
    let slices = scan.slices();
    let dims = [config.dims[0], config.dims[1], slices.len()];
    let affine = scan.affine(slices.start);
    let mut hu = Volume::filled(config.padding, dims, affine);
    let mut lungs = Volume::filled(0u8, dims, affine);
    let mut lesions = Volume::filled(0u8, dims, affine);
    let voxels = scan.raster.len();
    if voxels == 0 || slices.is_empty() {
        return Phantom { hu, lungs, lesions };
    }
    let patient = Patient::new(config, &scan);
    let mut painter = Painter::new(config, &scan, &patient);
    let out = hu
        .data
        .chunks_exact_mut(voxels)
        .zip(lungs.data.chunks_exact_mut(voxels))
        .zip(lesions.data.chunks_exact_mut(voxels));
    for (k, ((hu, lungs), lesions)) in slices.zip(out) {
        painter.slice(k, hu, lungs, lesions);
    }
    Phantom { hu, lungs, lesions }
}

/// The geometry of the scan.
struct Scan {
    spacing: [f64; 3],
    depth: usize,
    raster: Raster,
    piece: Option<(f64, f64)>,
    /// Planes in a slice, and the distance between them.
    planes: usize,
    plane_step: f32,
}

impl Scan {
    fn new(config: &PhantomConfig) -> Self {
        let spacing = config.spacing.map(|s| {
            if s.is_finite() {
                s.clamp(0.05, 100.0)
            } else {
                1.0
            }
        });
        let [sx, sy, sz] = spacing.map(|s| s as f32);
        let planes = (sz / PLANE_STEP).ceil().max(1.0);
        let edge = EDGE * sx.max(sy);
        Self {
            spacing,
            depth: config.dims[2],
            raster: Raster::centred([config.dims[0], config.dims[1]], [sx, sy], edge),
            piece: config.piece,
            planes: planes as usize,
            plane_step: sz / planes,
        }
    }

    /// The slices to make, counted in the whole scan.
    fn slices(&self) -> std::ops::Range<usize> {
        let Some((start, length)) = self.piece else {
            return 0..self.depth;
        };
        let index = |mm: f64| ((mm / self.spacing[2]).round().max(0.0) as usize).min(self.depth);
        index(start)..index(start + length.max(0.0)).max(index(start))
    }

    /// Height of plane `n` of slice `k` in the chest.
    fn height(&self, k: usize, n: usize) -> f32 {
        let slice = k as f32 - 0.5 * (self.depth as f32 - 1.0);
        let plane = n as f32 - 0.5 * (self.planes as f32 - 1.0);
        0.5 * HEIGHT + slice * self.spacing[2] as f32 + plane * self.plane_step
    }

    /// World (RAS) coordinates: the chest's middle line is x = 0.
    fn affine(&self, first: usize) -> Affine {
        let mut affine = Affine::from_spacing(self.spacing);
        affine.0[0][3] = -f64::from(self.raster.x(0));
        affine.0[1][3] = -f64::from(self.raster.y(0));
        affine.0[2][3] = first as f64 * self.spacing[2];
        affine
    }

    /// Radius of the field of view.
    fn field_radius(&self) -> f32 {
        let [w, h] = self.raster.size;
        0.5 * (w as f32 * self.raster.step[0]).min(h as f32 * self.raster.step[1])
    }
}

/// All that is fixed before the first slice is painted.
struct Patient {
    anatomy: Anatomy,
    abdomen: Abdomen,
    wall: Wall,
    warp: Warp,
    forest: Forest,
    lesions: Vec<Lesion>,
}

impl Patient {
    fn new(config: &PhantomConfig, scan: &Scan) -> Self {
        let seed = config.seed;
        let anatomy = Anatomy::new(seed, config.arms_down);
        let warp = Warp::new(&mut Rng::new(seed, stream::WARP));
        let depth = DepthMap::new(&anatomy);
        let forest = Forest::new(seed, &anatomy, &depth, &warp, scan.raster.edge);
        let lesions = lesions::place(seed, config.lesions, &anatomy, &depth, &warp);
        Self {
            anatomy,
            abdomen: Abdomen::new(),
            wall: Wall::new(config.arms_down),
            warp,
            forest,
            lesions,
        }
    }
}

/// Paints slices, one after the other.
struct Painter<'a> {
    scan: &'a Scan,
    patient: &'a Patient,
    noise_sd: f32,
    plane: Plane,
    regions: Regions,
    wall: WallFields,
    lung: LungFields,
    noise: Noise,
    /// Sums over the planes of a slice.
    sums: [Vec<f32>; 4],
}

impl<'a> Painter<'a> {
    fn new(config: &PhantomConfig, scan: &'a Scan, patient: &'a Patient) -> Self {
        let raster = scan.raster;
        Self {
            scan,
            patient,
            noise_sd: config.noise_sd,
            plane: Plane::new(raster),
            regions: Regions::new(&raster),
            wall: WallFields::new(raster.len(), raster.size[0]),
            lung: LungFields::new(&raster),
            noise: Noise::new(raster.size, config.seed),
            sums: [0; 4].map(|_| vec![0.0; raster.len()]),
        }
    }

    fn slice(&mut self, k: usize, hu: &mut [i16], lungs: &mut [u8], lesions: &mut [u8]) {
        for sum in &mut self.sums {
            sum.fill(0.0);
        }
        for n in 0..self.scan.planes {
            self.paint_plane(self.scan.height(k, n));
            let fields = [
                &self.plane.hu,
                &self.lung.lung,
                &self.lung.ground_glass,
                &self.lung.consolidation,
            ];
            for (sum, field) in self.sums.iter_mut().zip(fields) {
                for (s, v) in sum.iter_mut().zip(field) {
                    *s += v;
                }
            }
        }
        let noise = self.noise.slice(k as i64);
        self.expose(k, &noise, hu);
        let half = 0.5 * self.scan.planes as f32;
        for n in 0..lungs.len() {
            if self.sums[1][n] > half {
                lungs[n] = if self.plane.at[n][0] < 0.0 { 1 } else { 2 };
                if self.sums[3][n] > half {
                    lesions[n] = 2;
                } else if self.sums[2][n] > half {
                    lesions[n] = 1;
                }
            }
        }
    }

    fn paint_plane(&mut self, z: f32) {
        let Patient {
            anatomy,
            abdomen,
            wall,
            warp,
            forest,
            lesions,
        } = self.patient;
        let plane = &mut self.plane;
        plane.move_to(z, Some(warp));
        anatomy.regions(plane, &mut self.regions);
        wall.paint(plane, &self.regions, &mut self.wall, &anatomy.texture);
        abdomen.paint(plane, &self.regions, &anatomy.texture);
        for part in anatomy.mediastinum.iter().chain(&anatomy.bones) {
            let above = part.above_diaphragm.then_some(&self.regions.above[..]);
            plane.paint(&part.shape, &part.coats, above);
        }
        lung::paint(
            plane,
            &self.regions,
            &mut self.lung,
            anatomy,
            forest,
            lesions,
        );
    }

    /// Averages, noise, field of view.
    fn expose(&self, k: usize, noise: &[f32], hu: &mut [i16]) {
        let raster = &self.scan.raster;
        let radius = self.scan.field_radius();
        // The shoulders stop many photons, most of all from side to side.
        let shoulders = smooth((self.scan.height(k, 0) - 240.0) / 45.0);
        let streaks = noise::streaks(noise, raster.size[0]);
        for j in 0..raster.size[1] {
            for i in 0..raster.size[0] {
                let n = i + raster.size[0] * j;
                let (x, y) = (raster.x(i), raster.y(j));
                let r2 = x * x + y * y;
                if r2 > radius * radius {
                    continue;
                }
                // Noise is strongest in the middle of the body.
                let place = self.noise_sd * (1.08 - 0.35 * (r2 / BODY_RADIUS_2).min(1.0));
                let grain = noise[n] + shoulders * (0.4 * noise[n] + 0.7 * streaks[n]);
                let mean = self.sums[0][n] / self.scan.planes as f32;
                let value = (mean + place * grain).round();
                hu[n] = value.clamp(LOWEST_HU, HIGHEST_HU) as i16;
            }
        }
    }
}

#[cfg(test)]
mod tests;
