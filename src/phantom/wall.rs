//! What lies outside the thoracic cage: skin, fat and muscle, arms, and the table.

use super::anatomy::Regions;
use super::canvas::{FAR, Plane};
use super::math::{Texture, band, coverage, smooth, smooth_min, spline};
use super::shapes::{Contour, Shape, contour_distance, contour_rect};

const AIR: f32 = -1000.0;
const SKIN: f32 = 10.0;
const SKIN_THICKNESS: f32 = 1.8;
const FAT: f32 = -106.0;
const MUSCLE: f32 = 54.0;

/// The skin of the trunk without shoulders.
const TRUNK: [Contour; 12] = [
    [-40.0, 0.0, 0.0, 168.0, 168.0, 122.0, 116.0, 0.3],
    [0.0, 0.0, 0.0, 171.0, 171.0, 124.0, 121.0, 0.3],
    [60.0, 0.0, 0.0, 174.0, 174.0, 126.0, 126.0, 0.3],
    [120.0, 0.0, 0.0, 174.0, 174.0, 125.0, 129.0, 0.3],
    [170.0, 0.0, 0.0, 174.0, 174.0, 121.0, 131.0, 0.28],
    [210.0, 0.0, 0.0, 173.0, 173.0, 114.0, 130.0, 0.25],
    [240.0, 0.0, 0.0, 170.0, 170.0, 101.0, 128.0, 0.2],
    [265.0, 0.0, 2.0, 162.0, 162.0, 84.0, 124.0, 0.3],
    [285.0, 0.0, 4.0, 146.0, 146.0, 72.0, 117.0, 0.3],
    [305.0, 0.0, 5.0, 118.0, 118.0, 64.0, 108.0, 0.15],
    [325.0, 0.0, 5.0, 82.0, 82.0, 58.0, 98.0, 0.05],
    [350.0, 0.0, 5.0, 68.0, 68.0, 54.0, 86.0, 0.0],
];

/// Arms (raised or lowered) as tubes of the skin's radius; the left one.
const ARM_UP: [[f32; 4]; 5] = [
    [128.0, 34.0, 236.0, 38.0],
    [142.0, 28.0, 264.0, 48.0],
    [158.0, 16.0, 292.0, 54.0],
    [176.0, 2.0, 324.0, 54.0],
    [190.0, -14.0, 380.0, 50.0],
];
const ARM_DOWN: [[f32; 4]; 5] = [
    [128.0, 20.0, 300.0, 40.0],
    [158.0, 14.0, 296.0, 46.0],
    [180.0, 16.0, 262.0, 46.0],
    [200.0, 22.0, 180.0, 43.0],
    [206.0, 28.0, -40.0, 40.0],
];

/// The table's upper face is this far behind the middle of the patient, and sags by its radius.
const TABLE_DEPTH: f32 = 137.0;
const TABLE_RADIUS: f32 = 420.0;
const TABLE_THICKNESS: f32 = 38.0;
const TABLE_HALF_WIDTH: f32 = 205.0;
const CARBON: f32 = -280.0;
const FOAM: f32 = -930.0;
const MATTRESS: f32 = -880.0;

/// Distances to the skin are known this far outside it: enough for a gown over it.
const SKIN_REACH: f32 = 26.0;

/// Skin, fat, muscle, arms and table of a patient.
pub struct Wall {
    arms: Vec<Shape>,
}

/// Distances of one plane that only the wall needs.
pub struct WallFields {
    skin: Vec<f32>,
    arm: Vec<f32>,
    row: [Vec<f32>; 2],
}

impl WallFields {
    pub fn new(voxels: usize, width: usize) -> Self {
        Self {
            skin: vec![FAR; voxels],
            arm: vec![FAR; voxels],
            row: [vec![0.0; width], vec![0.0; width]],
        }
    }
}

impl Wall {
    pub fn new(arms_down: bool) -> Self {
        let arm = if arms_down { &ARM_DOWN } else { &ARM_UP };
        let arms = [-1.0, 1.0]
            .map(|side| Shape::tube(&arm.map(|[x, y, z, r]| [side * x, y, z, r])))
            .into();
        Self { arms }
    }

    /// Paint everything outside the cage, and fat inside it for the organs to lie in.
    pub fn paint(
        &self,
        plane: &mut Plane,
        regions: &Regions,
        fields: &mut WallFields,
        texture: &Texture,
    ) {
        self.measure(plane, fields);
        let edge = plane.raster.edge;
        let [width, height] = plane.raster.size;
        for j in 0..height {
            let line = width * j..width * (j + 1);
            if fields.skin[line.clone()].iter().all(|d| *d > SKIN_REACH) {
                for (i, hu) in plane.hu[line].iter_mut().enumerate() {
                    *hu = furniture(plane.raster.x(i), plane.raster.y(j), edge);
                }
                continue;
            }
            let start = [plane.raster.x(0), plane.raster.y(j), plane.z];
            let [fine, coarse] = &mut fields.row;
            texture.row(start, plane.raster.step[0], 7.0, fine);
            texture.row(start, plane.raster.step[0], 26.0, coarse);
            for i in 0..width {
                let n = i + width * j;
                let skin = fields.skin[n];
                let mut hu = AIR;
                if skin > -0.5 * edge {
                    hu = furniture(plane.raster.x(i), start[1], edge);
                    let gown = skin - 4.0 - 5.0 * coarse[i] - 3.0 * fine[i];
                    if start[1] < 60.0 && gown.abs() < edge {
                        hu += 110.0 * (1.0 - gown.abs() / edge);
                    }
                }
                if skin < 0.5 * edge {
                    let soft = tissue(
                        plane.at[n],
                        plane.z,
                        [skin, regions.cage[n], fields.arm[n]],
                        [fine[i], coarse[i]],
                        edge,
                    );
                    hu += coverage(skin, edge) * (soft - hu);
                }
                plane.hu[n] = hu;
            }
        }
    }

    /// Distances to the skin and to the nearer arm.
    fn measure(&self, plane: &mut Plane, fields: &mut WallFields) {
        let z = plane.z;
        let trunk = spline(&TRUNK, z);
        let breast = 9.0 * band(z, 140.0, 225.0, 40.0);
        fields.arm.fill(FAR);
        for arm in &self.arms {
            let arm_field = &mut fields.arm;
            plane.scan(arm, 30.0, |hit, _| {
                arm_field[hit.n] = arm_field[hit.n].min(hit.d);
            });
        }
        let [x0, x1, y0, y1] = contour_rect(&trunk, SKIN_REACH);
        for (n, &[x, y]) in plane.at.iter().enumerate() {
            if x < x0 || x > x1 || y < y0 || y > y1 {
                fields.skin[n] = fields.arm[n];
                continue;
            }
            let mut d = contour_distance(&trunk, x, y);
            // Grooves over the spinous processes and, between the breast muscles, the sternum.
            d += if y > 0.0 {
                5.0 * smooth(1.0 - x.abs() / 26.0)
            } else {
                breast * smooth(1.0 - x.abs() / 48.0)
            };
            fields.skin[n] = smooth_min(d, fields.arm[n], 24.0);
        }
    }
}

/// Air, mattress and table outside the patient.
fn furniture(x: f32, y: f32, edge: f32) -> f32 {
    if x.abs() > TABLE_HALF_WIDTH || y < 60.0 {
        return AIR;
    }
    let centre = TABLE_DEPTH - TABLE_RADIUS;
    let d = (x * x + (y - centre) * (y - centre)).sqrt() - TABLE_RADIUS;
    let shell = (d - 1.0).abs().min((d - TABLE_THICKNESS).abs()) - 1.0;
    let mut hu = AIR;
    hu += coverage((d + 6.0).abs() - 5.0, edge) * (MATTRESS - hu);
    hu += coverage(
        (d - 0.5 * TABLE_THICKNESS).abs() - 0.5 * TABLE_THICKNESS,
        edge,
    ) * (FOAM - hu);
    hu + coverage(shell, edge) * (CARBON - hu)
}

/// HU under the skin.
fn tissue(
    [x, y]: [f32; 2],
    z: f32,
    [skin, cage, arm]: [f32; 3],
    [fine, coarse]: [f32; 2],
    edge: f32,
) -> f32 {
    if skin > -SKIN_THICKNESS - edge {
        let c = coverage(-skin - SKIN_THICKNESS, edge);
        return FAT + c * (SKIN - FAT);
    }
    // Septa and small vessels make fat uneven.
    let fat = FAT + 10.0 * fine + 45.0 * smooth((fine.abs() - 0.52) * 6.0);
    let cleft = 0.8 + 1.4 * fine - 11.0 * (coarse + 0.3 * fine).abs();
    let muscle = if cage > 0.0 {
        let wall = muscles(x, y, z, cage + 2.5 * coarse, 0.8 * coarse + fine);
        let limb = (arm + 13.0 + 4.0 * coarse).max(cleft);
        let girdle = (skin + 13.0 + 5.0 * coarse)
            .max(cleft)
            .max(girdle(y, z - 24.0 * coarse));
        wall.min(limb).min(girdle).max(skin + 5.0)
    } else {
        // The muscles at the root of the neck, on both sides of gullet and windpipe.
        let visceral = 30.0 - (x * x + 0.6 * (y - 2.0) * (y - 2.0)).sqrt() + 5.0 * coarse;
        (272.0 - z).max(visceral).max(cleft)
    };
    fat + coverage(muscle, edge) * (MUSCLE + 8.0 * fine - fat)
}

/// Distance to the region in which muscles of the shoulder girdle fill the wall.
fn girdle(y: f32, z: f32) -> f32 {
    let front = -20.0 - 45.0 * smooth((z - 240.0) / 40.0);
    (0.5 * (228.0 - z)).max(0.6 * (front - y))
}

/// Distance to the muscles of the chest wall, as sheets `d` mm outside the pleura. The planes of
/// fat between them open and close with `gap`, a texture.
fn muscles(x: f32, y: f32, z: f32, d: f32, gap: f32) -> f32 {
    let rho = (x * x + y * y).sqrt().max(1.0);
    let (side, back) = ((x / rho).abs(), y / rho);
    let sheet = |lo: f32, thickness: f32| {
        if thickness < 0.8 {
            FAR
        } else {
            (lo - 0.6 + 0.9 * gap - d).max(d - lo - thickness)
        }
    };
    let lateral = smooth((side - 0.5) / 0.3);
    let front = smooth((-back - 0.15) / 0.3);
    let intercostal = sheet(1.4, 8.0);
    let serratus = sheet(10.6, 7.5 * lateral * band(z, 110.0, 250.0, 40.0));
    let latissimus = {
        let spread = band(back, 0.0, 0.75, 0.35) * lateral.max(0.5);
        sheet(19.5, 11.0 * spread * band(z, 40.0, 235.0, 50.0))
    };
    let pectoral = {
        let spread = front * smooth((side - 0.1) / 0.15) * band(back, -1.0, -0.35, 0.4);
        let thickness = 17.0 * spread * band(z, 195.0, 262.0, 45.0);
        let cleft = 0.6 + 0.9 * gap - (d - 10.6 - 0.42 * thickness).abs();
        sheet(10.6, thickness).max(if thickness > 9.0 { cleft } else { -FAR })
    };
    let trapezius = sheet(
        18.0,
        8.0 * smooth((back - 0.55) / 0.2) * band(z, 120.0, 340.0, 60.0),
    );
    let rhomboid = sheet(
        10.8,
        6.0 * smooth((back - 0.5) / 0.2) * band(z, 190.0, 280.0, 30.0),
    );
    let subscapular = {
        let spread = band(back, 0.2, 0.8, 0.2) * lateral;
        sheet(10.6, 12.0 * spread * band(z, 175.0, 285.0, 25.0))
    };
    let oblique = {
        let thickness = 13.0 * lateral.max(front) * smooth((95.0 - z) / 60.0);
        let cleft = 0.5 + 0.6 * gap - (d - 10.4 - 0.5 * thickness).abs();
        sheet(10.4, thickness).max(if thickness > 6.0 { cleft } else { -FAR })
    };
    let erector = {
        let u = (x.abs() - 27.0) / 25.0;
        let middle = 100.0 - 0.1 * (z - 200.0).max(0.0);
        let v = (y - middle) / 20.0;
        ((u * u + v * v).sqrt() - 1.0) * 20.0
    };
    [
        intercostal,
        serratus,
        latissimus,
        pectoral,
        trapezius,
        rhomboid,
        subscapular,
        oblique,
        erector,
    ]
    .into_iter()
    .fold(FAR, f32::min)
}
