//! Heart, great vessels, airways outside the lungs, oesophagus and the root of the neck.

use super::anatomy::Part;
use super::math::Rng;
use super::shapes::Shape;

/// HU without contrast medium.
const BLOOD: f32 = 42.0;
const MYOCARDIUM: f32 = 50.0;
const VESSEL_WALL: f32 = 50.0;
pub const FAT: f32 = -102.0;
const MUSCLE: f32 = 52.0;
const AIRWAY_WALL: f32 = 40.0;
/// Air in the trachea and the main bronchi.
pub const AIRWAY: f32 = -990.0;
const THYROID: f32 = 105.0;
const NODE: f32 = 38.0;
/// Fat and pericardium between the heart's muscle and the lung, in mm.
const PERICARDIUM: f32 = 2.5;

/// Where the lobar bronchi, arteries and veins enter the lungs: (x, y, z, radius).
pub struct Hilum {
    /// Lobar bronchi: right upper, middle, lower; left upper, lower.
    pub bronchi: [[f32; 4]; 5],
    /// Lobar arteries in the same order.
    pub arteries: [[f32; 4]; 5],
    /// Veins in the same order.
    pub veins: [[f32; 4]; 5],
}

pub const HILUM: Hilum = Hilum {
    bronchi: [
        [-42.0, 19.0, 191.0, 4.6],
        [-47.0, 2.0, 148.0, 3.7],
        [-44.0, 33.0, 140.0, 4.6],
        [58.0, 10.0, 181.0, 4.7],
        [54.0, 36.0, 152.0, 4.8],
    ],
    arteries: [
        [-44.0, 8.0, 198.0, 5.2],
        [-52.0, 8.0, 155.0, 4.4],
        [-53.0, 29.0, 144.0, 5.8],
        [57.0, 20.0, 194.0, 5.4],
        [64.0, 38.0, 158.0, 6.0],
    ],
    veins: [
        [-50.0, -12.0, 184.0, 5.4],
        [-48.0, -12.0, 160.0, 4.4],
        [-46.0, 38.0, 140.0, 5.6],
        [54.0, -14.0, 184.0, 5.6],
        [52.0, 40.0, 144.0, 5.6],
    ],
};

/// Everything between the lungs, in painting order.
pub fn parts(rng: &mut Rng) -> Vec<Part> {
    let mut parts = Vec::new();
    fat(&mut parts);
    neck(&mut parts);
    heart(&mut parts, rng.range(0.95, 1.06));
    great_vessels(&mut parts);
    pulmonary_vessels(&mut parts);
    gullet(&mut parts);
    airways(&mut parts);
    parts
}

fn vessel(rows: &[[f32; 4]], margin: f32) -> Part {
    Part::new(Shape::tube(rows), &[(0.0, VESSEL_WALL), (1.2, BLOOD)]).with_pleura(margin)
}

/// Fat that shapes the pleura where no organ does, and the lymph nodes in it.
fn fat(parts: &mut Vec<Part>) {
    let mut pad = |shape: Shape, hu: f32| {
        let part = Part::new(shape, &[(0.0, hu)]);
        parts.push(part.with_pleura(0.0).above_diaphragm());
    };
    // Between heart and sternum, and further up the thymic bed behind the manubrium.
    let front = [
        [60.0, 8.0, -70.0, 44.0, 34.0, 44.0, 40.0, 0.0],
        [90.0, 8.0, -70.0, 42.0, 32.0, 44.0, 40.0, 0.0],
        [120.0, 6.0, -70.0, 32.0, 26.0, 44.0, 40.0, 0.0],
        [150.0, 2.0, -68.0, 20.0, 18.0, 42.0, 38.0, 0.0],
        [180.0, 0.0, -62.0, 7.0, 7.0, 40.0, 36.0, 0.0],
        [205.0, 0.0, -56.0, 9.0, 9.0, 32.0, 32.0, 0.0],
        [228.0, 0.0, -48.0, 15.0, 15.0, 28.0, 28.0, 0.0],
        [255.0, 0.0, -34.0, 24.0, 24.0, 24.0, 24.0, 0.0],
        [275.0, 0.0, -26.0, 30.0, 30.0, 18.0, 18.0, 0.0],
    ];
    pad(Shape::loft(&front), FAT);
    // Around the trachea and the arch's branches, below the heart and below the carina.
    pad(Shape::ellipsoid([0.0, 8.0, 250.0], [22.0, 34.0, 40.0]), FAT);
    pad(
        Shape::ellipsoid([8.0, -22.0, 96.0], [50.0, 50.0, 22.0]),
        FAT,
    );
    pad(
        Shape::ellipsoid([0.0, 28.0, 178.0], [20.0, 14.0, 26.0]),
        FAT,
    );
    let nodes = [
        ([4.0, 26.0, 188.0], [11.0, 7.0, 11.0]),
        ([-15.0, 1.0, 218.0], [4.0, 3.5, 6.0]),
        ([-12.0, 8.0, 208.0], [4.0, 5.0, 5.0]),
        ([12.0, 2.0, 206.0], [5.0, 4.0, 6.0]),
        ([-45.0, 18.0, 178.0], [7.0, 6.0, 9.0]),
        ([54.0, 26.0, 172.0], [6.0, 6.0, 9.0]),
    ];
    for (centre, radii) in nodes {
        pad(Shape::ellipsoid(centre, radii), NODE);
    }
}

fn heart(parts: &mut Vec<Part>, size: f32) {
    let mut chamber = |centre, axis, radii: [f32; 3], wall: f32| {
        let part = Part::new(
            Shape::tilted_ellipsoid(centre, axis, radii.map(|r| r * size)),
            &[(0.0, MYOCARDIUM), (wall, BLOOD)],
        );
        parts.push(part.with_pleura(PERICARDIUM).above_diaphragm());
    };
    // Septum and fibrous ring fill the middle; then both atria, then both ventricles.
    chamber(
        [14.0, -22.0, 136.0],
        [0.8, -0.4, -0.3],
        [44.0, 36.0, 34.0],
        60.0,
    );
    chamber(
        [2.0, 16.0, 158.0],
        [1.0, 0.0, 0.05],
        [35.0, 20.0, 20.0],
        2.0,
    );
    chamber(
        [-26.0, -16.0, 134.0],
        [0.3, -0.2, 1.0],
        [36.0, 25.0, 28.0],
        2.0,
    );
    chamber(
        [14.0, -53.0, 122.0],
        [0.85, -0.2, -0.4],
        [48.0, 34.0, 29.0],
        3.0,
    );
    chamber(
        [44.0, -26.0, 120.0],
        [0.74, -0.56, -0.36],
        [53.0, 35.0, 35.0],
        9.0,
    );
    let outflow = [
        [14.0, -52.0, 140.0, 17.0],
        [15.0, -48.0, 160.0, 15.0],
        [20.0, -40.0, 174.0, 13.5],
    ];
    let outflow = Part::new(Shape::tube(&outflow), &[(0.0, MYOCARDIUM), (2.0, BLOOD)]);
    parts.push(outflow.with_pleura(PERICARDIUM));
    // Fat and coronary vessels in the grooves between the chambers.
    let grooves: [&[[f32; 4]]; 3] = [
        &[
            [-12.0, -60.0, 156.0, 5.0],
            [-14.0, -58.0, 128.0, 5.5],
            [-6.0, -48.0, 104.0, 5.0],
        ],
        &[
            [34.0, 4.0, 160.0, 5.0],
            [54.0, 11.0, 140.0, 5.0],
            [52.0, 12.0, 112.0, 5.0],
        ],
        &[
            [34.0, -52.0, 158.0, 4.5],
            [54.0, -64.0, 132.0, 4.5],
            [72.0, -68.0, 108.0, 4.0],
        ],
    ];
    for rows in grooves {
        parts.push(Part::new(Shape::tube(rows), &[(0.0, -85.0)]).above_diaphragm());
        let coronary: Vec<[f32; 4]> = rows.iter().map(|&[x, y, z, _]| [x, y, z, 1.7]).collect();
        parts.push(Part::new(Shape::tube(&coronary), &[(0.0, BLOOD)]).above_diaphragm());
    }
}

fn great_vessels(parts: &mut Vec<Part>) {
    let aorta = [
        [6.0, -22.0, 150.0, 15.0],
        [2.0, -26.0, 164.0, 16.5],
        [-12.0, -30.0, 182.0, 16.0],
        [-13.0, -27.0, 202.0, 15.5],
        [-4.0, -16.0, 219.0, 14.5],
        [10.0, 2.0, 226.0, 13.5],
        [22.0, 22.0, 222.0, 13.0],
        [29.0, 38.0, 206.0, 12.8],
        [29.0, 43.0, 180.0, 12.5],
        [25.0, 43.0, 140.0, 12.3],
        [16.0, 40.0, 90.0, 12.0],
        [7.0, 33.0, 40.0, 11.0],
        [4.0, 26.0, -30.0, 10.5],
    ];
    parts.push(vessel(&aorta, 1.5));
    let branches: [(&[[f32; 4]], f32); 8] = [
        // Brachiocephalic trunk and right subclavian artery.
        (
            &[
                [-4.0, -8.0, 224.0, 7.0],
                [-14.0, -4.0, 248.0, 6.5],
                [-26.0, 2.0, 274.0, 6.0],
                [-42.0, 2.0, 291.0, 5.0],
                [-72.0, -8.0, 292.0, 4.6],
                [-115.0, -4.0, 290.0, 4.2],
            ],
            3.0,
        ),
        // Right and left carotid arteries.
        (
            &[
                [-24.0, 4.0, 276.0, 4.0],
                [-26.0, 4.0, 300.0, 3.6],
                [-28.0, 0.0, 345.0, 3.6],
            ],
            3.0,
        ),
        (
            &[
                [8.0, 0.0, 230.0, 4.4],
                [16.0, 2.0, 260.0, 4.0],
                [26.0, 2.0, 300.0, 3.6],
                [28.0, -2.0, 345.0, 3.6],
            ],
            3.0,
        ),
        // Left subclavian artery.
        (
            &[
                [20.0, 16.0, 228.0, 5.4],
                [26.0, 20.0, 256.0, 5.2],
                [34.0, 14.0, 284.0, 5.0],
                [48.0, 2.0, 293.0, 4.8],
                [76.0, -8.0, 292.0, 4.4],
                [118.0, -4.0, 290.0, 4.2],
            ],
            3.0,
        ),
        // Superior vena cava with the right brachiocephalic and jugular veins.
        (
            &[
                [-27.0, -12.0, 150.0, 11.0],
                [-31.0, -10.0, 172.0, 9.5],
                [-31.0, -13.0, 206.0, 9.0],
                [-29.0, -19.0, 236.0, 8.5],
                [-32.0, -22.0, 262.0, 7.0],
                [-38.0, -18.0, 290.0, 6.5],
                [-38.0, -10.0, 345.0, 6.5],
            ],
            2.0,
        ),
        // Left brachiocephalic vein.
        (
            &[
                [-27.0, -21.0, 236.0, 6.5],
                [-6.0, -36.0, 243.0, 6.5],
                [18.0, -34.0, 254.0, 6.5],
                [36.0, -26.0, 274.0, 6.5],
                [39.0, -16.0, 300.0, 6.2],
                [39.0, -10.0, 345.0, 6.0],
            ],
            2.5,
        ),
        // Inferior vena cava.
        (
            &[
                [-22.0, 14.0, -30.0, 11.0],
                [-24.0, 12.0, 50.0, 12.0],
                [-26.0, 4.0, 90.0, 12.5],
                [-26.0, -8.0, 116.0, 12.0],
            ],
            2.0,
        ),
        // Azygos vein and its arch.
        (
            &[
                [-6.0, 40.0, -10.0, 2.5],
                [-7.0, 44.0, 90.0, 3.2],
                [-9.0, 42.0, 170.0, 3.8],
                [-13.0, 36.0, 204.0, 4.6],
                [-26.0, 20.0, 212.0, 5.0],
                [-31.0, -4.0, 208.0, 5.0],
            ],
            1.5,
        ),
    ];
    for (rows, margin) in branches {
        parts.push(vessel(rows, margin));
    }
    for side in [-1.0, 1.0] {
        let subclavian_vein = [
            [side * 36.0, -24.0, 272.0, 6.0],
            [side * 62.0, -34.0, 278.0, 6.0],
            [side * 100.0, -16.0, 284.0, 5.5],
            [side * 130.0, -2.0, 280.0, 5.0],
        ];
        parts.push(vessel(&subclavian_vein, 3.0));
    }
}

fn pulmonary_vessels(parts: &mut Vec<Part>) {
    let h = &HILUM;
    let trunk = [
        [20.0, -40.0, 172.0, 13.5],
        [24.0, -26.0, 186.0, 13.5],
        [22.0, -12.0, 192.0, 12.5],
        [14.0, -5.0, 190.0, 11.0],
    ];
    let right = [
        [18.0, -8.0, 190.0, 11.0],
        [-4.0, -3.0, 184.0, 10.5],
        [-26.0, 1.0, 180.0, 9.8],
        [-43.0, 8.0, 172.0, 8.2],
        [-51.0, 19.0, 158.0, 7.0],
        h.arteries[2],
    ];
    let left = [
        [22.0, -14.0, 192.0, 12.0],
        [38.0, -2.0, 197.0, 10.5],
        [52.0, 16.0, 192.0, 9.4],
        [60.0, 30.0, 178.0, 8.0],
        h.arteries[4],
    ];
    let right_upper = [
        [-24.0, -1.0, 183.0, 6.5],
        [-36.0, 2.0, 192.0, 6.0],
        h.arteries[0],
    ];
    let middle = [[-49.0, 14.0, 164.0, 4.8], h.arteries[1]];
    let left_upper = [[50.0, 14.0, 193.0, 6.0], h.arteries[3]];
    let veins = [
        vec![
            [-22.0, 4.0, 164.0, 8.0],
            [-38.0, -6.0, 172.0, 6.8],
            h.veins[0],
        ],
        vec![[-30.0, 0.0, 164.0, 6.0], h.veins[1]],
        vec![
            [-22.0, 24.0, 152.0, 8.0],
            [-36.0, 33.0, 146.0, 6.8],
            h.veins[2],
        ],
        vec![
            [24.0, 6.0, 168.0, 8.0],
            [42.0, -6.0, 176.0, 6.8],
            h.veins[3],
        ],
        vec![
            [26.0, 26.0, 156.0, 8.0],
            [42.0, 35.0, 149.0, 6.8],
            h.veins[4],
        ],
    ];
    for rows in [
        &trunk[..],
        &right,
        &left,
        &right_upper,
        &middle,
        &left_upper,
    ] {
        parts.push(vessel(rows, 1.5));
    }
    for rows in &veins {
        parts.push(vessel(rows, 1.5));
    }
}

fn gullet(parts: &mut Vec<Part>) {
    let oesophagus = [
        [4.0, 20.0, 345.0, 7.0],
        [6.0, 26.0, 290.0, 7.0],
        [6.0, 32.0, 230.0, 7.0],
        [3.0, 34.0, 190.0, 7.5],
        [4.0, 36.0, 150.0, 8.0],
        [12.0, 24.0, 110.0, 8.5],
        [24.0, 12.0, 88.0, 9.0],
        [36.0, 6.0, 72.0, 9.0],
    ];
    parts.push(Part::new(Shape::tube(&oesophagus), &[(0.0, 38.0)]).with_pleura(1.5));
    // A little swallowed air.
    let air = [
        [6.0, 29.0, 250.0, 1.6],
        [5.0, 32.0, 215.0, 2.4],
        [3.0, 33.0, 186.0, 1.8],
    ];
    parts.push(Part::new(Shape::tube(&air), &[(0.0, -750.0)]));
    // Crura of the diaphragm.
    for side in [-1.0, 1.0] {
        let crus = [
            [side * 11.0, 30.0, -30.0, 7.0],
            [side * 15.0, 30.0, 40.0, 6.0],
            [side * 13.0, 18.0, 78.0, 4.5],
        ];
        parts.push(Part::new(Shape::tube(&crus), &[(0.0, MUSCLE)]).with_pleura(1.0));
    }
}

fn airways(parts: &mut Vec<Part>) {
    let h = &HILUM;
    let trachea = [
        [0.0, -2.0, 345.0, 8.8],
        [0.0, 6.0, 290.0, 8.8],
        [0.0, 13.0, 245.0, 8.8],
        [1.0, 18.0, 214.0, 9.2],
        [2.0, 20.0, 203.0, 9.0],
    ];
    let right = [
        [1.0, 20.0, 204.0, 7.6],
        [-12.0, 20.0, 195.0, 7.2],
        [-22.0, 21.0, 186.0, 6.8],
        [-32.0, 23.0, 168.0, 5.7],
        [-37.0, 25.0, 154.0, 5.4],
        h.bronchi[2],
    ];
    let left = [
        [3.0, 20.0, 204.0, 7.0],
        [18.0, 21.0, 193.0, 6.4],
        [34.0, 23.0, 182.0, 6.2],
        [46.0, 26.0, 170.0, 5.8],
        h.bronchi[4],
    ];
    let right_upper = [
        [-20.0, 20.0, 188.0, 5.0],
        [-30.0, 19.5, 190.0, 4.8],
        h.bronchi[0],
    ];
    let middle = [[-36.0, 22.0, 157.0, 4.0], h.bronchi[1]];
    let left_upper = [[42.0, 23.0, 176.0, 5.2], h.bronchi[3]];
    let tubes: [(&[[f32; 4]], f32); 6] = [
        (&trachea, 1.7),
        (&right, 1.5),
        (&left, 1.5),
        (&right_upper, 1.2),
        (&middle, 1.0),
        (&left_upper, 1.2),
    ];
    // All walls before all air, so that no wall closes the next tube's mouth.
    for (rows, wall) in tubes {
        parts.push(Part::new(Shape::tube(rows), &[(-wall, AIRWAY_WALL)]).with_pleura(wall + 1.0));
    }
    for (rows, _) in tubes {
        parts.push(Part::new(Shape::tube(rows), &[(0.0, AIRWAY)]));
    }
}

fn neck(parts: &mut Vec<Part>) {
    for side in [-1.0, 1.0] {
        let muscles: [&[[f32; 4]]; 5] = [
            // Sternocleidomastoid.
            &[
                [20.0, -56.0, 264.0, 6.0],
                [30.0, -44.0, 295.0, 9.0],
                [42.0, -26.0, 345.0, 10.0],
            ],
            // Scalene muscles, from the spine to the first rib.
            &[
                [24.0, 18.0, 345.0, 9.0],
                [38.0, 16.0, 312.0, 11.0],
                [58.0, 6.0, 288.0, 9.0],
            ],
            // Longus colli.
            &[
                [10.0, 14.0, 345.0, 6.0],
                [11.0, 24.0, 300.0, 6.0],
                [11.0, 34.0, 262.0, 4.0],
            ],
            // Levator scapulae and trapezius.
            &[
                [34.0, 42.0, 345.0, 14.0],
                [56.0, 62.0, 300.0, 13.0],
                [84.0, 88.0, 262.0, 9.0],
            ],
            &[
                [24.0, 74.0, 345.0, 13.0],
                [60.0, 78.0, 305.0, 12.0],
                [110.0, 62.0, 296.0, 12.0],
            ],
        ];
        for rows in muscles {
            let rows: Vec<[f32; 4]> = rows
                .iter()
                .map(|&[x, y, z, r]| [side * x, y, z, r])
                .collect();
            parts.push(Part::new(Shape::tube(&rows), &[(0.0, MUSCLE)]));
        }
        parts.push(Part::new(
            Shape::ellipsoid([side * 17.0, -6.0, 314.0], [9.0, 11.0, 20.0]),
            &[(0.0, THYROID)],
        ));
    }
}
