//! What lies under the diaphragm.

use super::anatomy::Regions;
use super::canvas::Plane;
use super::math::{Point, Texture, coverage};
use super::shapes::Shape;

const MUSCLE: f32 = 50.0;
const FAT: f32 = -104.0;
const LIVER: f32 = 60.0;
const LIVER_VEIN: f32 = 44.0;
const SPLEEN: f32 = 50.0;
const KIDNEY: f32 = 33.0;
const STOMACH_WALL: f32 = 40.0;
const GAS: f32 = -985.0;
/// Thickness of the diaphragm, and of the abdominal wall inside the ribs.
const DIAPHRAGM: f32 = 3.0;
const LINING: f32 = 2.5;

/// The organs under the diaphragm. Each is clipped by it, which gives liver and spleen their
/// domes.
pub struct Abdomen {
    liver: [Shape; 2],
    liver_veins: Vec<Shape>,
    spleen: Shape,
    kidneys: [Shape; 2],
    stomach: Shape,
    colon: Shape,
}

/// In front of this the stomach and the colon hold gas: the patient lies on the back.
const STOMACH_LEVEL: f32 = -28.0;
const COLON_LEVEL: f32 = -58.0;

impl Abdomen {
    pub fn new() -> Self {
        let liver_veins = [
            [
                [-24.0, 6.0, 84.0, 5.5],
                [-52.0, -4.0, 72.0, 4.5],
                [-88.0, -18.0, 52.0, 3.0],
            ],
            [
                [-24.0, 2.0, 84.0, 5.0],
                [-34.0, -34.0, 74.0, 4.0],
                [-44.0, -66.0, 56.0, 2.5],
            ],
            [
                [-24.0, 10.0, 80.0, 5.0],
                [-60.0, 34.0, 66.0, 4.0],
                [-96.0, 46.0, 46.0, 2.5],
            ],
        ]
        .iter()
        .map(|rows| Shape::tube(rows))
        .collect();
        Self {
            liver: [
                Shape::ellipsoid([-72.0, -2.0, 44.0], [84.0, 98.0, 92.0]),
                Shape::tilted_ellipsoid([-4.0, -46.0, 62.0], [1.0, -0.1, 0.1], [66.0, 34.0, 42.0]),
            ],
            liver_veins,
            spleen: Shape::tilted_ellipsoid(
                [98.0, 46.0, 44.0],
                [0.3, -0.3, 0.9],
                [66.0, 40.0, 46.0],
            ),
            kidneys: [
                Shape::ellipsoid([-58.0, 52.0, -34.0], [28.0, 25.0, 50.0]),
                Shape::ellipsoid([56.0, 54.0, -18.0], [28.0, 25.0, 50.0]),
            ],
            stomach: Shape::tilted_ellipsoid(
                [58.0, -6.0, 58.0],
                [0.2, 0.3, 0.9],
                [66.0, 52.0, 50.0],
            ),
            colon: Shape::tilted_ellipsoid(
                [98.0, -52.0, 30.0],
                [0.2, 0.1, 1.0],
                [44.0, 26.0, 25.0],
            ),
        }
    }

    /// Paint the space under the diaphragm.
    pub fn paint(&self, plane: &mut Plane, regions: &Regions, texture: &Texture) {
        let edge = plane.raster.edge;
        // Distance to the space inside the diaphragm and the abdominal wall.
        let cavity = |n: usize| (regions.above[n] + DIAPHRAGM).max(regions.cage[n] + LINING);
        for n in 0..plane.hu.len() {
            let below = regions.above[n].max(regions.cage[n]);
            if below > edge {
                continue;
            }
            let hu = &mut plane.hu[n];
            *hu += coverage(below, edge) * (MUSCLE - *hu);
            *hu += coverage(cavity(n), edge) * (FAT - *hu);
        }
        let z = plane.z;
        for part in &self.liver {
            fill(plane, part, cavity, |_, _| LIVER);
        }
        for vein in &self.liver_veins {
            fill(plane, vein, cavity, |_, _| LIVER_VEIN);
        }
        fill(plane, &self.spleen, cavity, |_, _| SPLEEN);
        for kidney in &self.kidneys {
            fill(plane, kidney, cavity, |_, _| KIDNEY);
        }
        fill(plane, &self.colon, cavity, |d, [x, y]| {
            content([x, y, z], d, COLON_LEVEL, 3.0, texture)
        });
        fill(plane, &self.stomach, cavity, |d, [x, y]| {
            content([x, y, z], d, STOMACH_LEVEL, 4.5, texture)
        });
    }
}

/// Paint a shape as far as the cavity reaches; `hu` takes the depth under the shape's surface
/// (negative) and the place.
fn fill(
    plane: &mut Plane,
    shape: &Shape,
    cavity: impl Fn(usize) -> f32,
    hu: impl Fn(f32, [f32; 2]) -> f32,
) {
    let edge = plane.raster.edge;
    plane.scan(shape, edge, |hit, value| {
        let d = hit.d.max(cavity(hit.n));
        let c = coverage(d, edge);
        if c > 0.0 {
            *value += c * (hu(d, hit.at) - *value);
        }
    });
}

/// The wall of a hollow organ, gas in front and what was eaten behind.
fn content(p: Point, depth: f32, level: f32, wall: f32, texture: &Texture) -> f32 {
    if depth > -wall {
        return STOMACH_WALL;
    }
    if p[1] < level {
        return GAS;
    }
    let grain = texture.at([p[0] / 6.0, p[1] / 6.0, p[2] / 6.0]);
    18.0 + 40.0 * grain - 260.0 * (grain - 0.45).max(0.0)
}
