//! Infection: ground glass and consolidation.

use super::anatomy::{Anatomy, DepthMap, HEIGHT, Lobe};
use super::canvas::Warp;
use super::math::{
    Point, Rng, Texture, cube_root, dot, length, lerp, reject, scale, smooth, stream, sub, unit,
};

/// What fills the alveoli.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    GroundGlass,
    /// Ground glass with thickened septa.
    CrazyPaving,
    /// Consolidation with a rim of ground glass.
    Consolidation,
}

/// What a lesion does to the lung at a point.
#[derive(Clone, Copy, Default)]
pub struct Effect {
    /// Share of ground glass, 0 to 1, and the HU that it leads to.
    pub ground_glass: f32,
    pub ground_glass_hu: f32,
    /// Share of consolidation, 0 to 1, and its HU.
    pub consolidation: f32,
    pub consolidation_hu: f32,
}

/// A lesion: an ellipsoid whose radius varies with direction, so that it stays in one piece.
pub struct Lesion {
    kind: Kind,
    /// Middle, in scan coordinates.
    centre: Point,
    lobe: Lobe,
    axes: [Point; 3],
    radii: Point,
    /// Where in the texture the outline is read.
    offset: Point,
    hu: f32,
}

/// Share of the radius by which the outline varies.
const RAGGED: f32 = 0.42;
/// Waviness of the outline: amplitude and length in mm.
const WAVE: f32 = 2.6;
const WAVE_LENGTH: f32 = 10.0;
/// Least distance between two lesions in mm.
const GAP: f32 = 8.0;

/// As many lesions fit at their full size.
const ROOMY: f32 = 8.0;

/// Place `count` lesions: on alternating sides, most in the lower and rear parts of the lungs
/// and near the pleura, none touching another.
pub fn place(
    seed: u64,
    count: usize,
    anatomy: &Anatomy,
    depth: &DepthMap,
    warp: &Warp,
) -> Vec<Lesion> {
    let mut rng = Rng::new(seed, stream::LESIONS);
    let first = if rng.unit() < 0.5 { -1.0 } else { 1.0 };
    // Many lesions have to be small ones.
    let room = cube_root(ROOMY / count.max(1) as f32).min(1.0);
    let mut lesions: Vec<Lesion> = Vec::new();
    for n in 0..count {
        let side = if n % 2 == 0 { first } else { -first };
        let kind = match n % 4 {
            1 => Kind::Consolidation,
            2 => Kind::CrazyPaving,
            _ => Kind::GroundGlass,
        };
        let mut size = room
            * match kind {
                Kind::Consolidation => rng.range(17.0, 27.0),
                Kind::GroundGlass | Kind::CrazyPaving => rng.range(20.0, 36.0),
            };
        // Every failure asks for less room, so that any number finds its place.
        let lesion = loop {
            let at = candidate(&mut rng, side, depth);
            let lesion = Lesion::new(kind, at, size, &mut rng, anatomy, depth, warp);
            if lesions.iter().all(|other| lesion.clear_of(other)) {
                break lesion;
            }
            size *= 0.985;
            if size < 1.0 {
                break lesion;
            }
        };
        lesions.push(lesion);
    }
    lesions
}

/// A place for a lesion's middle in anatomy coordinates.
fn candidate(rng: &mut Rng, side: f32, depth: &DepthMap) -> Point {
    const TRIES: usize = 2000;
    let mut last = [side * 70.0, 20.0, 150.0];
    for _ in 0..TRIES {
        let p = depth.sample(rng, 4.0);
        if p[0] * side <= 0.0 {
            continue;
        }
        last = p;
        let near_pleura = 1.0 - smooth((depth.at(p) - 10.0) / 22.0);
        let low = 1.0 - 0.88 * smooth((p[2] - 130.0) / 110.0);
        let rear = 0.15 + 0.85 * smooth((p[1] + 30.0) / 80.0);
        // The thin recess behind the diaphragm is no place to see a lesion.
        let open = smooth((p[2] - 0.22 * HEIGHT) / 25.0);
        if rng.unit() < near_pleura * low * rear * open {
            break;
        }
    }
    last
}

impl Lesion {
    fn new(
        kind: Kind,
        at: Point,
        size: f32,
        rng: &mut Rng,
        anatomy: &Anatomy,
        depth: &DepthMap,
        warp: &Warp,
    ) -> Self {
        // Flattened against the pleura where it is near.
        let slope = |axis: usize| {
            let (mut a, mut b) = (at, at);
            a[axis] -= 5.0;
            b[axis] += 5.0;
            depth.at(b) - depth.at(a)
        };
        let inward = unit([slope(0), slope(1), slope(2)]);
        let tangent = unit(reject(rng.direction(), inward));
        let third = super::math::cross(inward, tangent);
        let flat = lerp(0.62, 0.95, smooth(depth.at(at) / 30.0));
        let radii = [
            size * flat * rng.range(0.9, 1.1),
            size * rng.range(0.95, 1.2),
            size * rng.range(0.7, 1.0),
        ];
        let hu = match kind {
            Kind::GroundGlass => rng.range(-660.0, -480.0),
            Kind::CrazyPaving => rng.range(-600.0, -450.0),
            Kind::Consolidation => rng.range(-10.0, 45.0),
        };
        Self {
            kind,
            centre: warp.invert(at),
            lobe: anatomy.lobe(at),
            axes: [inward, tangent, third],
            radii,
            offset: [
                rng.range(0.0, 32.0),
                rng.range(0.0, 32.0),
                rng.range(0.0, 32.0),
            ],
            hu,
        }
    }

    /// The farthest that the lesion can reach from its middle.
    fn extent(&self) -> f32 {
        let r = self.radii[0].max(self.radii[1]).max(self.radii[2]);
        r * (1.0 + RAGGED) + self.softness() + WAVE
    }

    fn clear_of(&self, other: &Lesion) -> bool {
        length(sub(self.centre, other.centre)) > self.extent() + other.extent() + GAP
    }

    /// Whether the plane at `z` can touch the lesion.
    pub fn meets(&self, z: f32) -> bool {
        (z - self.centre[2]).abs() < self.extent()
    }

    /// Width of the outline.
    fn softness(&self) -> f32 {
        match self.kind {
            Kind::GroundGlass => 7.0,
            Kind::CrazyPaving => 5.0,
            Kind::Consolidation => 4.0,
        }
    }

    /// What the lesion does at `p`, given in scan and in anatomy coordinates.
    pub fn effect(&self, p: Point, lobe: impl Fn() -> Lobe, texture: &Texture) -> Option<Effect> {
        let q = sub(p, self.centre);
        let reach = self.extent();
        if dot(q, q) > reach * reach {
            return None;
        }
        let u = [0, 1, 2].map(|a| dot(q, self.axes[a]) / self.radii[a]);
        let level = length(u);
        let inside = self.outline(u, level, texture) - level;
        // mm inside the outline, roughly.
        let scale_mm = (self.radii[0] + self.radii[1] + self.radii[2]) / 3.0;
        // Too gentle a waviness to cut anything off.
        let wave = texture.at([0, 1, 2].map(|a| self.offset[a] + p[a] / WAVE_LENGTH));
        let inside = inside * scale_mm + WAVE * wave;
        let soft = self.softness();
        if inside < -0.5 * soft || lobe() != self.lobe {
            return None;
        }
        Some(self.fill(p, smooth(inside / soft + 0.5), inside, texture))
    }

    /// The outline's radius in the direction of `u`, in units of the ellipsoid's.
    fn outline(&self, u: Point, level: f32, texture: &Texture) -> f32 {
        let d = scale(u, 1.0 / level.max(1e-3));
        let at = |f: f32| texture.at([0, 1, 2].map(|a| self.offset[a] + f * d[a]));
        1.0 + RAGGED * (0.5 * at(1.2) + 0.3 * at(2.6) + 0.2 * at(5.3))
    }

    fn fill(&self, p: Point, share: f32, inside: f32, texture: &Texture) -> Effect {
        let grain = |mm: f32| texture.at([0, 1, 2].map(|a| self.offset[a] + p[a] / mm));
        let patchy = 120.0 * grain(11.0) + 75.0 * grain(5.2);
        match self.kind {
            Kind::GroundGlass => Effect {
                ground_glass: share,
                ground_glass_hu: self.hu + patchy,
                ..Effect::default()
            },
            Kind::CrazyPaving => {
                // Septa lie where a smooth texture changes its sign; a second, turned copy hides
                // the lattice.
                let turned = |mm: f32| {
                    let q = [0, 1, 2].map(|a| dot(p, self.axes[a]) / mm);
                    0.5 * (grain(mm) + texture.at(q))
                };
                let septum = |mm: f32| 1.0 - smooth(turned(mm).abs() / 0.13);
                let net = septum(5.5).max(0.8 * septum(7.7));
                Effect {
                    ground_glass: share,
                    ground_glass_hu: self.hu - 60.0 + 0.6 * patchy + 230.0 * net,
                    ..Effect::default()
                }
            }
            Kind::Consolidation => Effect {
                ground_glass: share,
                ground_glass_hu: -560.0 + 0.6 * patchy,
                consolidation: smooth((inside - 3.0 - 3.0 * grain(7.0)) / 4.0),
                consolidation_hu: self.hu + 0.2 * patchy,
            },
        }
    }
}
