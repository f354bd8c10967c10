//! The inside of the lungs: parenchyma, fissures, lesions, vessels and bronchi.

use super::anatomy::{Anatomy, Regions};
use super::canvas::{FAR, Plane, Raster};
use super::lesions::{Effect, Lesion};
use super::math::{Point, coverage, lerp, smooth};
use super::tree::{Forest, Kind, wall_thickness};

/// HU of aerated lung at the front; the weight of the lung makes the back denser.
const PARENCHYMA: f32 = -898.0;
const GRAVITY: f32 = 44.0;
/// More of it just inside the rear pleura.
const DEPENDENT: f32 = 24.0;
/// Amplitudes of the texture and the grain in mm.
const GRAINS: [(f32, f32); 3] = [(3.1, 24.0), (8.3, 22.0), (37.0, 18.0)];
/// The double layer of pleura between two lobes: HU, and thickness in mm.
const FISSURE: f32 = -100.0;
const FISSURE_THICKNESS: f32 = 0.22;
const BLOOD: f32 = 42.0;
const BRONCHIAL_WALL: f32 = -20.0;
const BRONCHIAL_AIR: f32 = -965.0;
/// Above this HU bone is textured, by this amplitude.
const SPONGY: f32 = 115.0;
const TRABECULAE: f32 = 60.0;
/// Bronchi may be painted this far outside the lung, vessels less.
const HILAR_REACH: f32 = 14.0;

/// Buffers of one plane for the lung's painter.
pub struct LungFields {
    vessel: Vec<f32>,
    wall: Vec<f32>,
    lumen: Vec<f32>,
    bronchiole: Vec<f32>,
    grains: [Vec<f32>; 3],
    /// Share of lung, ground glass and consolidation in each voxel.
    pub lung: Vec<f32>,
    pub ground_glass: Vec<f32>,
    pub consolidation: Vec<f32>,
}

impl LungFields {
    pub fn new(raster: &Raster) -> Self {
        let blank = || vec![0.0; raster.len()];
        let row = || vec![0.0; raster.size[0]];
        Self {
            vessel: blank(),
            wall: blank(),
            lumen: blank(),
            bronchiole: blank(),
            grains: [row(), row(), row()],
            lung: blank(),
            ground_glass: blank(),
            consolidation: blank(),
        }
    }
}

/// Paint the lungs of one plane.
pub fn paint(
    plane: &mut Plane,
    regions: &Regions,
    fields: &mut LungFields,
    anatomy: &Anatomy,
    forest: &Forest,
    lesions: &[Lesion],
) {
    trace(plane, forest, fields);
    let lesions: Vec<&Lesion> = lesions.iter().filter(|l| l.meets(plane.z)).collect();
    let [width, height] = plane.raster.size;
    for j in 0..height {
        let line = width * j..width * (j + 1);
        if plane.hu[line.clone()].iter().all(|hu| *hu < 0.0) {
            // Air above the patient, or the table.
            fields.lung[line.clone()].fill(0.0);
            fields.ground_glass[line.clone()].fill(0.0);
            fields.consolidation[line].fill(0.0);
            continue;
        }
        let start = [plane.raster.x(0), plane.raster.y(j), plane.z];
        for (row, (grain, _)) in fields.grains.iter_mut().zip(GRAINS) {
            anatomy.texture.row(start, plane.raster.step[0], grain, row);
        }
        for i in 0..width {
            let n = i + width * j;
            fields.lung[n] = coverage(regions.lung[n], plane.raster.edge);
            fields.ground_glass[n] = 0.0;
            fields.consolidation[n] = 0.0;
            if fields.lung[n] > 0.0 {
                let texture = fields.grains.iter().zip(GRAINS);
                let place = Place {
                    anatomy: [plane.at[n][0], plane.at[n][1], plane.z],
                    scan: [plane.raster.x(i), start[1], plane.z],
                    depth: -regions.lung[n],
                    texture: texture
                        .map(|(row, (_, amplitude))| amplitude * row[i])
                        .sum(),
                    edge: plane.raster.edge,
                };
                let share = fields.lung[n];
                let mut hu = place.parenchyma(anatomy);
                if let Some(effect) = place.effect(anatomy, &lesions) {
                    hu = infect(hu, &effect);
                    fields.ground_glass[n] = share * effect.ground_glass;
                    fields.consolidation[n] = share * effect.consolidation;
                }
                plane.hu[n] = lerp(plane.hu[n], hu, share);
            }
            let hu = &mut plane.hu[n];
            if *hu > SPONGY {
                *hu += TRABECULAE * fields.grains[0][i];
            }
            if regions.lung[n] < HILAR_REACH {
                paint_branches(&mut plane.hu[n], n, regions, fields);
            }
        }
    }
}

/// A voxel inside the lung.
struct Place {
    anatomy: Point,
    scan: Point,
    /// Depth below the pleura in mm.
    depth: f32,
    /// HU that the texture adds.
    texture: f32,
    edge: f32,
}

impl Place {
    /// HU of healthy lung between the vessels.
    fn parenchyma(&self, anatomy: &Anatomy) -> f32 {
        let y = self.anatomy[1];
        let rear = smooth((y - 20.0) / 60.0) * (1.0 - smooth(self.depth / 16.0));
        let weight = GRAVITY * smooth((y + 110.0) / 220.0) + DEPENDENT * rear;
        let hu = PARENCHYMA + weight + self.texture;
        let [oblique, horizontal] = anatomy.fissures(self.anatomy);
        // The horizontal fissure ends at the oblique one.
        let horizontal = if oblique > 0.0 { horizontal } else { FAR };
        let near = 1.0 - (oblique.abs().min(horizontal.abs()) / self.edge).min(1.0);
        hu + near * (FISSURE_THICKNESS / self.edge) * (FISSURE - hu)
    }

    fn effect(&self, anatomy: &Anatomy, lesions: &[&Lesion]) -> Option<Effect> {
        lesions
            .iter()
            .find_map(|l| l.effect(self.scan, || anatomy.lobe(self.anatomy), &anatomy.texture))
    }
}

/// Fluid displaces air: a lesion never makes anything darker.
fn infect(hu: f32, e: &Effect) -> f32 {
    let glass = hu + e.ground_glass * (e.ground_glass_hu - hu).max(0.0);
    glass + e.consolidation * (e.consolidation_hu - glass).max(0.0)
}

fn paint_branches(hu: &mut f32, n: usize, regions: &Regions, fields: &LungFields) {
    let near = 1.0 - smooth(regions.lung[n] / HILAR_REACH);
    let solid = fields.consolidation[n];
    *hu += near * fields.wall[n] * (BRONCHIAL_WALL - *hu).max(0.0);
    *hu += near * fields.vessel[n] * (BLOOD - *hu).max(0.0);
    let lumen = fields.lumen[n].max(fields.bronchiole[n] * solid);
    *hu += near * lumen * (BRONCHIAL_AIR - *hu);
}

/// Shares of vessel, bronchial wall and lumen in each voxel.
fn trace(plane: &Plane, forest: &Forest, fields: &mut LungFields) {
    for field in [
        &mut fields.vessel,
        &mut fields.wall,
        &mut fields.lumen,
        &mut fields.bronchiole,
    ] {
        field.fill(0.0);
    }
    let edge = plane.raster.edge;
    let raise = |v: &mut f32, c: f32| *v = v.max(c);
    for branch in forest.near(plane.z) {
        match branch.kind {
            Kind::Vessel => branch.trace(&plane.raster, plane.z, |n, d, r| {
                raise(&mut fields.vessel[n], thread(d, r, edge));
            }),
            Kind::Bronchus => branch.trace(&plane.raster, plane.z, |n, d, r| {
                raise(&mut fields.wall[n], thread(d, r + wall_thickness(r), edge));
                raise(&mut fields.lumen[n], thread(d, r, edge));
            }),
            Kind::Bronchiole => branch.trace(&plane.raster, plane.z, |n, d, r| {
                raise(&mut fields.bronchiole[n], thread(d, r, edge));
            }),
        }
    }
}

/// Share of a voxel that a thread of radius `r` fills at distance `d` from its axis. Threads
/// thinner than an edge are as wide as the edge, and thinner in proportion to their area.
fn thread(d: f32, r: f32, edge: f32) -> f32 {
    let wide = r.max(0.5 * edge);
    let share = r / wide;
    share * share * coverage(d - wide, edge)
}
