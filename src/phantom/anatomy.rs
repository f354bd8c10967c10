//! Where the thorax, the mediastinum, the diaphragm and the lungs are: everything that decides
//! the shape of the lungs.

use super::bones;
use super::canvas::{Coat, FAR, Plane, Raster};
use super::math::{Point, Rng, Texture, lerp, smooth_max, smooth_min, spline, stream};
use super::mediastinum;
use super::shapes::{Contour, Shape, contour_distance, contour_rect};

/// Height of the modelled chest in mm: from the upper abdomen to the root of the neck.
pub const HEIGHT: f32 = 320.0;

/// The inner surface of the thoracic cage, where the pleura lies.
pub const CAGE: [Contour; 13] = [
    [-30.0, 0.0, 8.0, 139.0, 139.0, 96.0, 76.0, 0.3],
    [0.0, 0.0, 8.0, 142.0, 142.0, 100.0, 81.0, 0.3],
    [40.0, 0.0, 8.0, 144.0, 144.0, 103.0, 87.0, 0.3],
    [80.0, 0.0, 8.0, 143.0, 143.0, 105.0, 91.0, 0.3],
    [120.0, 0.0, 8.0, 140.0, 140.0, 104.0, 93.0, 0.3],
    [160.0, 0.0, 8.0, 135.0, 135.0, 99.0, 93.0, 0.3],
    [200.0, 0.0, 8.0, 125.0, 125.0, 89.0, 90.0, 0.28],
    [230.0, 0.0, 8.0, 110.0, 110.0, 76.0, 83.0, 0.25],
    [250.0, 0.0, 8.0, 96.0, 96.0, 64.0, 74.0, 0.22],
    [270.0, 0.0, 8.0, 79.0, 79.0, 49.0, 60.0, 0.15],
    [288.0, 0.0, 8.0, 62.0, 62.0, 36.0, 50.0, 0.1],
    [305.0, 0.0, 8.0, 50.0, 50.0, 28.0, 46.0, 0.1],
    [330.0, 0.0, 8.0, 46.0, 46.0, 26.0, 44.0, 0.1],
];

/// What rounds the top of the right lung; the left one's is its mirror image. Below the second
/// row it lies outside the cage.
const APEX: [Contour; 7] = [
    [200.0, -66.0, 2.0, 90.0, 80.0, 120.0, 120.0, 0.3],
    [228.0, -62.0, 4.0, 70.0, 58.0, 84.0, 90.0, 0.25],
    [246.0, -57.0, 10.0, 48.0, 42.0, 56.0, 62.0, 0.2],
    [262.0, -52.0, 16.0, 36.0, 32.0, 42.0, 45.0, 0.15],
    [276.0, -48.0, 22.0, 26.0, 22.0, 29.0, 31.0, 0.1],
    [285.0, -46.0, 26.0, 16.0, 13.0, 16.0, 18.0, 0.0],
    [290.0, -45.0, 28.0, 2.0, 2.0, 2.0, 2.0, 0.0],
];

/// Half of the tissue between the two lungs where nothing else parts them.
const SEPTUM: f32 = 1.2;
/// Rounding between neighbouring organs of the mediastinum: pleura does not follow a crevice.
const PLEURAL_ROUNDING: f32 = 9.0;
/// How far from an organ its pull on the pleura is felt: beyond, neither rounding reaches.
const PLEURAL_REACH: f32 = 8.0;

/// Distances outside the cage are known this far: enough for the wall's muscles.
const WALL_REACH: f32 = 80.0;
/// Distances to lung and diaphragm are known this far outside the cage.
const LUNG_REACH: f32 = 16.0;

/// Something to paint, and how the pleura wraps it.
pub struct Part {
    pub shape: Shape,
    pub coats: Vec<Coat>,
    /// The pleura passes this far outside the shape; `None` for parts that never touch the lung.
    pub pleura: Option<f32>,
    /// The part rests on the diaphragm and ends there.
    pub above_diaphragm: bool,
}

impl Part {
    pub fn new(shape: Shape, coats: &[Coat]) -> Self {
        Self {
            shape,
            coats: coats.to_vec(),
            pleura: None,
            above_diaphragm: false,
        }
    }

    pub fn above_diaphragm(mut self) -> Self {
        self.above_diaphragm = true;
        self
    }

    pub fn with_pleura(mut self, margin: f32) -> Self {
        self.pleura = Some(margin);
        self
    }
}

/// One half of the diaphragm: a dome, `drop` mm lower where it meets the wall.
struct Dome {
    centre: [f32; 2],
    top: f32,
    /// Half axes to the left, right, front and back.
    half: [f32; 4],
    /// Depth at the wall to the left, right, front and back.
    drop: [f32; 4],
}

impl Dome {
    fn height(&self, x: f32, y: f32) -> f32 {
        let (dx, dy) = (x - self.centre[0], y - self.centre[1]);
        let (h, v) = (usize::from(dx <= 0.0), 2 + usize::from(dy > 0.0));
        let (u, w) = (dx / self.half[h], dy / self.half[v]);
        let (u2, w2) = (u * u, w * w);
        let q2 = (u2 + w2).min(4.0);
        let drop = (u2 * self.drop[h] + w2 * self.drop[v]) / (u2 + w2).max(1e-6);
        self.top - drop * q2 * (0.75 + 0.25 * q2 * q2.sqrt())
    }
}

/// The patient.
pub struct Anatomy {
    /// Bones and organs, in painting order.
    pub bones: Vec<Part>,
    pub mediastinum: Vec<Part>,
    domes: [Dome; 2],
    /// Shifts of the fissures along z: right oblique, right horizontal, left oblique.
    fissures: [f32; 3],
    pub texture: Texture,
}

/// Distances (mm) that the painters share, voxel by voxel of a plane.
pub struct Regions {
    /// To the inner surface of the cage, negative inside.
    pub cage: Vec<f32>,
    /// Above the diaphragm, negative below it.
    pub above: Vec<f32>,
    /// To the lung, negative inside.
    pub lung: Vec<f32>,
}

impl Regions {
    pub fn new(raster: &Raster) -> Self {
        let blank = || vec![FAR; raster.len()];
        Self {
            cage: blank(),
            above: blank(),
            lung: blank(),
        }
    }
}

/// Lobes of the lungs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lobe {
    RightUpper,
    RightMiddle,
    RightLower,
    LeftUpper,
    LeftLower,
}

impl Anatomy {
    pub fn new(seed: u64, arms_down: bool) -> Self {
        let mut rng = Rng::new(seed, stream::ANATOMY);
        let breath = rng.range(-5.0, 5.0);
        let domes = [
            Dome {
                centre: [-66.0, -8.0],
                top: 106.0 + breath,
                half: [72.0, 76.0, 92.0, 102.0],
                drop: [16.0, 62.0, 40.0, 86.0],
            },
            Dome {
                centre: [66.0, -4.0],
                top: 95.0 + breath + rng.range(-4.0, 4.0),
                half: [76.0, 70.0, 94.0, 98.0],
                drop: [57.0, 10.0, 34.0, 78.0],
            },
        ];
        let fissures = [
            rng.range(-8.0, 8.0),
            rng.range(-8.0, 8.0),
            rng.range(-8.0, 8.0),
        ];
        Self {
            bones: bones::parts(&mut rng, arms_down),
            mediastinum: mediastinum::parts(&mut rng),
            domes,
            fissures,
            texture: Texture::new(&mut rng),
        }
    }

    /// Height of the diaphragm's upper surface.
    fn diaphragm(&self, x: f32, y: f32) -> f32 {
        let [right, left] = &self.domes;
        smooth_max(right.height(x, y), left.height(x, y), 14.0)
    }

    /// Fill `regions` for the plane.
    pub fn regions(&self, plane: &mut Plane, regions: &mut Regions) {
        let z = plane.z;
        let cage = spline(&CAGE, z);
        let apex = (z > APEX[0][0]).then(|| spline(&APEX, z));
        let [x0, x1, y0, y1] = contour_rect(&cage, WALL_REACH);
        for (n, &[x, y]) in plane.at.iter().enumerate() {
            regions.lung[n] = FAR;
            regions.above[n] = FAR;
            regions.cage[n] = FAR;
            if x < x0 || x > x1 || y < y0 || y > y1 {
                continue;
            }
            regions.cage[n] = contour_distance(&cage, x, y);
            if regions.cage[n] < LUNG_REACH {
                regions.above[n] = self.above(x, y, z);
            }
        }
        // `lung` holds the distance to the mediastinum first.
        for part in self.bones.iter().chain(&self.mediastinum) {
            let Some(margin) = part.pleura else { continue };
            let field = &mut regions.lung;
            plane.scan(&part.shape, margin + PLEURAL_REACH, |hit, _| {
                field[hit.n] = smooth_min(field[hit.n], hit.d - margin, PLEURAL_ROUNDING);
            });
        }
        for (n, &[x, y]) in plane.at.iter().enumerate() {
            if regions.cage[n] > LUNG_REACH {
                regions.lung[n] = FAR;
                continue;
            }
            let mediastinum = smooth_min(regions.lung[n], x.abs() - SEPTUM, 4.0);
            let mut outer = regions.cage[n];
            if let Some(apex) = &apex {
                let mirrored = if x > 0.0 { -x } else { x };
                outer = smooth_max(outer, contour_distance(apex, mirrored, y), 8.0);
            }
            if z > APEX[APEX.len() - 1][0] {
                outer = FAR;
            }
            regions.lung[n] = smooth_max(outer, -mediastinum, 6.0).max(-regions.above[n]);
        }
    }

    /// Signed height above the diaphragm, measured perpendicular to it.
    fn above(&self, x: f32, y: f32, z: f32) -> f32 {
        let h = self.diaphragm(x, y);
        if (z - h).abs() > 60.0 {
            return z - h;
        }
        let sx = self.diaphragm(x + 1.0, y) - h;
        let sy = self.diaphragm(x, y + 1.0) - h;
        (z - h) / (1.0 + sx * sx + sy * sy).sqrt()
    }

    /// Signed distances to the fissures at `p`: the oblique one, positive above it, and, in the
    /// right lung, the horizontal one.
    pub fn fissures(&self, p: Point) -> [f32; 2] {
        let [x, y, z] = p;
        let lateral = (x.abs() - 60.0) / 60.0;
        let wave = 5.0 * self.texture.at([x / 45.0, y / 45.0, z / 60.0]);
        let (slope, foot) = if x < 0.0 {
            (1.02, 146.0 + self.fissures[0])
        } else {
            (1.1, 150.0 + self.fissures[2])
        };
        let oblique = z - (foot + slope * (y + 4.0) - 9.0 * lateral + wave);
        let horizontal = if x < 0.0 {
            let sag = (y + 30.0) / 60.0;
            z - (160.0 + self.fissures[1] - 8.0 * lateral - 8.0 * sag * sag + 0.8 * wave)
        } else {
            FAR
        };
        [oblique / (1.0f32 + slope * slope).sqrt(), horizontal]
    }

    pub fn lobe(&self, p: Point) -> Lobe {
        let [oblique, horizontal] = self.fissures(p);
        match (p[0] < 0.0, oblique > 0.0) {
            (true, true) if horizontal > 0.0 => Lobe::RightUpper,
            (true, true) => Lobe::RightMiddle,
            (true, false) => Lobe::RightLower,
            (false, true) => Lobe::LeftUpper,
            (false, false) => Lobe::LeftLower,
        }
    }
}

/// How deep points lie in the lung, sampled on a lattice in anatomy coordinates.
pub struct DepthMap {
    depth: Vec<f32>,
    raster: Raster,
    layers: usize,
}

/// Node spacing of the [`DepthMap`] in mm.
const DEPTH_STEP: f32 = 5.0;

impl DepthMap {
    pub fn new(anatomy: &Anatomy) -> Self {
        let raster = Raster::centred([60, 44], [DEPTH_STEP; 2], DEPTH_STEP);
        let layers = (HEIGHT / DEPTH_STEP) as usize + 1;
        let mut plane = Plane::new(raster);
        let mut regions = Regions::new(&raster);
        let mut depth = Vec::with_capacity(raster.len() * layers);
        for k in 0..layers {
            plane.move_to(k as f32 * DEPTH_STEP, None);
            anatomy.regions(&mut plane, &mut regions);
            depth.extend(regions.lung.iter().map(|d| -d));
        }
        Self {
            depth,
            raster,
            layers,
        }
    }

    /// Depth below the pleura in mm, negative outside the lung.
    pub fn at(&self, p: Point) -> f32 {
        let cell = |v: f32, size: usize| {
            let v = v.clamp(0.0, size as f32 - 1.001);
            (v as usize, v - v.floor())
        };
        let [w, h] = self.raster.size;
        let (i, fx) = cell((p[0] - self.raster.origin[0]) / DEPTH_STEP, w);
        let (j, fy) = cell((p[1] - self.raster.origin[1]) / DEPTH_STEP, h);
        let (k, fz) = cell(p[2] / DEPTH_STEP, self.layers);
        let line = |j: usize, k: usize| {
            let n = i + w * (j + h * k);
            lerp(self.depth[n], self.depth[n + 1], fx)
        };
        let near = lerp(line(j, k), line(j + 1, k), fy);
        let far = lerp(line(j, k + 1), line(j + 1, k + 1), fy);
        lerp(near, far, fz)
    }

    /// A random point at least `margin` mm deep.
    pub fn sample(&self, rng: &mut Rng, margin: f32) -> Point {
        const TRIES: usize = 100_000;
        for _ in 0..TRIES {
            let p = [
                rng.range(-145.0, 145.0),
                rng.range(-105.0, 105.0),
                rng.range(15.0, 292.0),
            ];
            if self.at(p) >= margin {
                return p;
            }
        }
        [-70.0, 0.0, 170.0]
    }
}
