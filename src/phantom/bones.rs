//! Spine, ribs, sternum and shoulder girdle.

use super::anatomy::{CAGE, Part};
use super::canvas::Coat;
use super::math::{Point, Rng, lerp, sin_cos, smooth, spline};
use super::shapes::{Shape, contour_radius};

/// HU of dense bone, of spongy bone in flat bones and vertebrae, and of cartilage.
const CORTEX: f32 = 820.0;
const THIN_CORTEX: f32 = 520.0;
const MARROW: f32 = 150.0;
const SPONGY: f32 = 175.0;
const CARTILAGE: f32 = 95.0;
const DISC: f32 = 75.0;
const CANAL: f32 = 22.0;
const EPIDURAL_FAT: f32 = -60.0;
/// Soft tissue beside the spine.
const PARASPINAL: f32 = 46.0;

/// Height of the ribs' heads, and so of the vertebral bodies' upper edges, first rib first.
const RIB_HEAD: [f32; 12] = [
    289.0, 270.0, 250.5, 230.5, 210.0, 189.0, 167.5, 145.5, 123.0, 100.0, 76.5, 52.0,
];
/// Height of the ribs' front ends.
const RIB_TIP: [f32; 12] = [
    262.0, 226.0, 198.0, 172.0, 146.0, 121.0, 99.0, 80.0, 62.0, 42.0, 26.0, 22.0,
];
/// Angle of the ribs' front ends, in degrees from the back.
const RIB_END: [f32; 12] = [
    146.0, 140.0, 138.0, 137.0, 134.0, 131.0, 127.0, 123.0, 119.0, 114.0, 88.0, 60.0,
];
/// Where the first seven cartilages meet the sternum: distance from the midline and height.
const STERNAL: [[f32; 2]; 7] = [
    [25.0, 247.0],
    [20.0, 214.0],
    [18.0, 196.0],
    [18.0, 178.0],
    [18.0, 160.0],
    [16.0, 143.0],
    [12.0, 127.0],
];
/// The middle of a rib lies this far outside the pleura.
const RIB_OFFSET: f32 = 5.4;

/// Middle of the vertebral bodies: height, y, half width, half depth.
const SPINE: [[f32; 4]; 8] = [
    [-40.0, 50.0, 21.0, 15.5],
    [0.0, 52.0, 20.5, 15.5],
    [50.0, 56.0, 19.5, 15.5],
    [110.0, 60.0, 18.0, 15.0],
    [170.0, 60.0, 16.5, 14.0],
    [230.0, 52.0, 15.5, 12.5],
    [290.0, 37.0, 15.0, 10.5],
    [345.0, 22.0, 14.0, 9.0],
];

/// Everything bony, in painting order.
pub fn parts(rng: &mut Rng, arms_down: bool) -> Vec<Part> {
    let mut parts = vec![paraspinal()];
    spine(&mut parts);
    for n in 0..RIB_HEAD.len() {
        for side in [-1.0, 1.0] {
            rib(&mut parts, n, side, rng);
        }
    }
    sternum(&mut parts);
    for side in [-1.0, 1.0] {
        clavicle(&mut parts, side);
        scapula(&mut parts, side);
        humerus(&mut parts, side, arms_down);
    }
    parts
}

fn shell(thickness: f32, cortex: f32, inside: f32) -> Vec<Coat> {
    vec![(0.0, cortex), (thickness, inside)]
}

/// The wedge of muscle and ligament on both sides of the vertebrae: it keeps the lungs off the
/// arches and the ribs' necks.
fn paraspinal() -> Part {
    let contours: Vec<_> = SPINE
        .iter()
        .map(|&[z, y, w, _]| [z, 0.0, y + 40.0, w + 19.0, w + 19.0, 24.0, 30.0, 0.0])
        .collect();
    Part::new(Shape::Loft(contours), &[(0.0, PARASPINAL)]).with_pleura(0.5)
}

fn spine(parts: &mut Vec<Part>) {
    let column: Vec<_> = SPINE
        .iter()
        .map(|&[z, y, w, d]| [z, 0.0, y, w, w, d, d, 0.25])
        .collect();
    parts.push(Part::new(Shape::Loft(column), &[(0.0, DISC)]).with_pleura(3.0));
    // Vertebrae above the first and below the twelfth rib continue at the same pace.
    let mut tops: Vec<f32> = vec![344.0, 326.0, 307.5];
    tops.extend(RIB_HEAD);
    tops.extend([26.5, 0.0, -27.0]);
    for pair in tops.windows(2) {
        vertebra(parts, pair[0] - 1.0, pair[1] + 3.0);
    }
    let canal: Vec<_> = SPINE
        .iter()
        .map(|&[z, y, _, d]| [z, 0.0, y + d + 8.0, 9.0, 9.0, 7.5, 8.0, 0.0])
        .collect();
    parts.push(Part::new(
        Shape::Loft(canal),
        &[(0.0, EPIDURAL_FAT), (1.8, CANAL)],
    ));
}

/// One vertebra whose body reaches from `bottom` to `top`.
fn vertebra(parts: &mut Vec<Part>, top: f32, bottom: f32) {
    let middle = 0.5 * (top + bottom);
    let [_, y, w, d] = spline(&SPINE, middle);
    let contour = |z: f32, grow: f32| [z, 0.0, y, w * grow, w * grow, d * grow, d * grow, 0.25];
    let body = [
        contour(bottom, 1.07),
        contour(middle, 0.94),
        contour(top, 1.07),
    ];
    let plates = [
        [contour(bottom, 1.07), contour(bottom + 1.3, 1.06)],
        [contour(top - 1.3, 1.06), contour(top, 1.07)],
    ];
    parts.push(Part::new(Shape::loft(&body), &shell(1.1, 430.0, SPONGY)).with_pleura(2.5));
    for plate in &plates {
        parts.push(Part::new(Shape::loft(plate), &[(0.0, 380.0)]));
    }
    let back = y + d;
    let arch = shell(1.3, 560.0, 240.0);
    for side in [-1.0, 1.0] {
        let pedicle = [
            [side * 10.5, back - 3.0, middle + 3.0, 4.2],
            [side * 12.5, back + 9.0, middle + 2.0, 4.0],
            [side * 11.0, back + 15.0, middle - 2.0, 4.0],
            [side * 1.5, back + 20.0, middle - 6.0, 3.6],
        ];
        let transverse = [
            [side * 13.0, back + 8.0, middle + 3.0, 4.2],
            [side * 25.0, back + 14.0, middle + 5.0, 4.0],
            [side * 33.0, back + 18.0, middle + 6.0, 5.0],
        ];
        let facet = [
            [side * 13.0, back + 9.0, middle + 11.0, 4.0],
            [side * 12.0, back + 14.0, middle - 11.0, 4.0],
        ];
        for rows in [&pedicle[..], &transverse[..], &facet[..]] {
            parts.push(Part::new(Shape::tube(rows), &arch));
        }
    }
    let spinous = [
        [0.0, back + 19.0, middle - 5.0, 3.6],
        [0.0, back + 32.0, middle - 13.0, 3.0],
        [0.0, back + 44.0, middle - 19.0, 4.2],
    ];
    parts.push(Part::new(Shape::tube(&spinous), &arch));
}

/// The point `offset` mm outside the pleura, at `degrees` from the back.
fn on_cage(degrees: f32, z: f32, side: f32, offset: f32) -> Point {
    let (s, c) = sin_cos(degrees.to_radians());
    let cage = spline(&CAGE, z);
    let r = contour_radius(&cage, s, c) + offset;
    [side * s * r, cage[2] + c * r, z]
}

/// Which way is out of the thorax at `p`.
fn outwards(p: Point) -> Point {
    let cage = spline(&CAGE, p[2]);
    // The normal of an ellipse of the contour's extents.
    let b = if p[1] > cage[2] { cage[6] } else { cage[5] };
    [p[0] / (cage[3] * cage[3]), (p[1] - cage[2]) / (b * b), 0.0]
}

fn rib(parts: &mut Vec<Part>, n: usize, side: f32, rng: &mut Rng) {
    let head = RIB_HEAD[n];
    let tip = RIB_TIP[n] + rng.range(-2.0, 2.0);
    let [_, spine_y, spine_w, spine_d] = spline(&SPINE, head);
    let half_height = if n == 0 { 7.5 } else { 6.6 };
    let start = [side * (spine_w + 3.0), spine_y + spine_d - 4.0, head];
    let neck = [side * 33.0, spine_y + spine_d + 13.0, head + 3.0];
    let mut rows = vec![[neck[0], neck[1], neck[2], 5.0]];
    // The head and neck lie beside the spine; the shaft follows the cage from its angle on.
    let first = if n == 0 { 52.0 } else { 32.0 };
    let last = RIB_END[n];
    const STEPS: usize = 14;
    for i in 0..=STEPS {
        let t = i as f32 / STEPS as f32;
        // Ribs fall fastest on the side.
        let fall = lerp(t, smooth(t), 0.6);
        let p = on_cage(
            lerp(first, last, t),
            lerp(head + 1.0, tip, fall),
            side,
            RIB_OFFSET,
        );
        rows.push([p[0], p[1], p[2], half_height]);
    }
    let mut beside = vec![
        [start[0], start[1], start[2], 4.8],
        [neck[0], neck[1], neck[2], 4.6],
    ];
    beside.extend(rows.get(1).map(|r| [r[0], r[1], r[2], 4.2]));
    let beside = Shape::tube(&beside);
    parts.push(Part::new(beside, &shell(1.15, THIN_CORTEX, MARROW)).with_pleura(3.0));
    let shaft = Shape::strap(&rows, 0.55, outwards);
    parts.push(Part::new(shaft, &shell(1.15, CORTEX, MARROW)));
    cartilage(parts, n, side, tip, rng);
}

/// The cartilage from a rib's front end to the sternum or to the cartilage above.
fn cartilage(parts: &mut Vec<Part>, n: usize, side: f32, tip: f32, rng: &mut Rng) {
    if n >= 10 {
        return;
    }
    let from = RIB_END[n];
    let (to, height) = match STERNAL.get(n) {
        Some(&[x, z]) => {
            // The direction in which the sternum's edge is seen from the middle of the cage.
            let front = spline(&CAGE, z)[5];
            (180.0 - (x / front) * 57.3, z)
        }
        None => (from + 14.0, 0.5 * (tip + RIB_TIP[n - 1])),
    };
    const STEPS: usize = 6;
    let rows: Vec<[f32; 4]> = (0..=STEPS)
        .map(|i| {
            let t = i as f32 / STEPS as f32;
            let sag = if n >= 4 { 5.0 * t * (1.0 - t) } else { 0.0 };
            let z = lerp(tip, height, t) - 4.0 * sag;
            let p = on_cage(lerp(from, to, t), z, side, RIB_OFFSET + 0.6);
            [p[0], p[1], p[2], 6.8]
        })
        .collect();
    let rim = rng.range(110.0, 260.0);
    parts.push(Part::new(
        Shape::strap(&rows, 0.62, outwards),
        &[(0.0, rim), (1.6, CARTILAGE)],
    ));
}

fn sternum(parts: &mut Vec<Part>) {
    let at = |z: f32, half: f32, thick: f32| {
        let cage = spline(&CAGE, z);
        let y = cage[2] - cage[5] - 1.5 - thick;
        [z, 0.0, y, half, half, thick, thick, 0.6]
    };
    let manubrium = [
        at(213.0, 15.0, 5.5),
        at(228.0, 20.0, 6.5),
        at(246.0, 27.0, 7.0),
        at(256.0, 21.0, 6.0),
        at(259.0, 16.0, 4.0),
    ];
    let body = [
        at(106.0, 4.0, 3.0),
        at(119.0, 8.0, 4.5),
        at(127.0, 16.0, 5.5),
        at(150.0, 19.0, 5.8),
        at(180.0, 16.5, 5.6),
        at(211.0, 14.0, 5.4),
    ];
    for contours in [&manubrium[..], &body[..]] {
        parts.push(Part::new(
            Shape::loft(contours),
            &shell(1.2, THIN_CORTEX, MARROW - 30.0),
        ));
    }
}

fn sided(rows: &[[f32; 4]], side: f32) -> Vec<[f32; 4]> {
    rows.iter()
        .map(|&[x, y, z, r]| [side * x, y, z, r])
        .collect()
}

fn clavicle(parts: &mut Vec<Part>, side: f32) {
    let rows = [
        [17.0, -64.0, 258.0, 9.5],
        [30.0, -61.0, 264.0, 7.5],
        [55.0, -50.0, 275.0, 6.2],
        [85.0, -26.0, 289.0, 6.0],
        [115.0, 2.0, 303.0, 6.2],
        [140.0, 16.0, 314.0, 6.5],
    ];
    parts.push(Part::new(
        Shape::tube(&sided(&rows, side)),
        &shell(1.8, CORTEX, 280.0),
    ));
}

fn scapula(parts: &mut Vec<Part>, side: f32) {
    // The blade is a thin sheet between its borders: straps side by side.
    let medial = [
        [103.0, 92.0, 158.0],
        [92.0, 100.0, 185.0],
        [84.0, 103.0, 215.0],
        [84.0, 97.0, 245.0],
        [98.0, 84.0, 268.0],
    ];
    let lateral = [
        [112.0, 87.0, 160.0],
        [128.0, 68.0, 190.0],
        [138.0, 52.0, 220.0],
        [142.0, 38.0, 250.0],
        [134.0, 34.0, 282.0],
    ];
    let blade_shell = shell(1.2, 480.0, 330.0);
    const SHEETS: usize = 7;
    for s in 0..=SHEETS {
        let t = s as f32 / SHEETS as f32;
        let rows: Vec<[f32; 4]> = medial
            .iter()
            .zip(&lateral)
            .map(|(m, l)| {
                let bow = 5.0 * t * (1.0 - t);
                let edge = if s == SHEETS { 5.5 } else { 5.2 };
                [
                    side * lerp(m[0], l[0], t),
                    lerp(m[1], l[1], t) + bow,
                    lerp(m[2], l[2], t),
                    edge,
                ]
            })
            .collect();
        let ratio = if s == SHEETS { 0.8 } else { 0.3 };
        // The blade's normal points backwards and out.
        let shape = Shape::strap(&rows, ratio, |_| [side * 0.62, 0.78, 0.0]);
        parts.push(Part::new(shape, &blade_shell));
    }
    let spine = [
        [88.0, 104.0, 246.0, 3.0],
        [108.0, 92.0, 256.0, 4.0],
        [128.0, 64.0, 274.0, 5.5],
        [145.0, 44.0, 296.0, 6.5],
        [152.0, 30.0, 312.0, 6.0],
    ];
    let glenoid = [
        [126.0, 36.0, 276.0, 7.0],
        [136.0, 26.0, 286.0, 10.5],
        [142.0, 21.0, 291.0, 11.5],
    ];
    let coracoid = [
        [132.0, 24.0, 292.0, 6.0],
        [124.0, 2.0, 300.0, 5.5],
        [128.0, -14.0, 297.0, 5.0],
    ];
    for rows in [&spine[..], &glenoid[..], &coracoid[..]] {
        parts.push(Part::new(
            Shape::tube(&sided(rows, side)),
            &shell(1.5, 620.0, 260.0),
        ));
    }
}

fn humerus(parts: &mut Vec<Part>, side: f32, arms_down: bool) {
    let head = [side * 165.0, 14.0, 300.0];
    let elbow = if arms_down {
        [side * 196.0, 24.0, 20.0]
    } else {
        [side * 192.0, -24.0, 420.0]
    };
    let neck = super::math::mix(head, elbow, if arms_down { 0.1 } else { 0.25 });
    let shaft = [
        [head[0], head[1], head[2], 15.0],
        [neck[0], neck[1], neck[2], 12.0],
        [elbow[0], elbow[1], elbow[2], 11.0],
    ];
    parts.push(Part::new(
        Shape::tube(&shaft),
        &[(0.0, 1100.0), (4.0, 40.0)],
    ));
    parts.push(Part::new(
        Shape::ellipsoid(head, [24.0, 23.0, 24.0]),
        &shell(1.6, 560.0, 210.0),
    ));
}
