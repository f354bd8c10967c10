//! Shapes of the anatomy, each with an approximate signed distance (mm, negative inside).

use super::math::{Point, add, cross, dot, length, lerp, mix, reject, scale, spline, sub, unit};

/// One contour of a [`Shape::loft`]: z, centre x and y, extents to the left (+x), right, front
/// (−y) and back, and squareness (0 an ellipse, 1 the fourth-power superellipse).
pub type Contour = [f32; 8];

/// A solid. Distances are exact to first order at the surface, which is what soft edges need.
pub enum Shape {
    /// Superelliptic contours, splined along z; flat at both ends.
    Loft(Vec<Contour>),
    /// A chain of cones around a polyline.
    Tube(Vec<Link>),
    Ellipsoid(Ellipsoid),
}

/// One cone of a tube.
#[derive(Clone, Copy)]
pub struct Link {
    from: Point,
    along: Point,
    /// 1 over the squared length.
    norm: f32,
    radius: [f32; 2],
    /// For flat tubes: the direction in which the tube is thinner, and how much.
    pub flat: Option<(Point, f32)>,
}

/// An ellipsoid with orthonormal axes.
#[derive(Clone, Copy)]
pub struct Ellipsoid {
    centre: Point,
    axes: [Point; 3],
    radii: Point,
}

impl Shape {
    pub fn loft(contours: &[Contour]) -> Self {
        Shape::Loft(contours.to_vec())
    }

    /// A tube with a spline through the rows (x, y, z, radius).
    pub fn tube(rows: &[[f32; 4]]) -> Self {
        Shape::Tube(links(&smooth_path(rows, 4), |_| None))
    }

    /// A tube that is `ratio` times as thick along the in-plane normal of the z axis that
    /// `normal` gives at each point as it is high: a rib.
    pub fn strap(rows: &[[f32; 4]], ratio: f32, normal: impl Fn(Point) -> Point) -> Self {
        Shape::Tube(links(&smooth_path(rows, 2), |p| Some((normal(p), ratio))))
    }

    pub fn ellipsoid(centre: Point, radii: Point) -> Self {
        Self::tilted_ellipsoid(centre, [1.0, 0.0, 0.0], [radii[0], radii[2], radii[1]])
    }

    /// An ellipsoid whose first axis points along `axis` and whose second is as upright as can
    /// be.
    pub fn tilted_ellipsoid(centre: Point, axis: Point, radii: Point) -> Self {
        let a = unit(axis);
        let b = unit(reject([0.0, 0.0, 1.0], a));
        Shape::Ellipsoid(Ellipsoid {
            centre,
            axes: [a, b, cross(a, b)],
            radii,
        })
    }

    /// The shape as the plane at height `z` sees it, with everything that comes within `reach`
    /// of the plane; `None` where nothing does.
    pub fn cut(&self, z: f32, reach: f32) -> Option<Cut> {
        match self {
            Shape::Loft(contours) => {
                let (first, last) = (contours.first()?, contours.last()?);
                (z >= first[0] && z <= last[0]).then(|| Cut::Contour(spline(contours, z)))
            }
            Shape::Tube(links) => {
                let near: Vec<Link> = links
                    .iter()
                    .filter(|l| l.height_range(reach).contains(&z))
                    .copied()
                    .collect();
                (!near.is_empty()).then_some(Cut::Links(near))
            }
            Shape::Ellipsoid(e) => {
                ((z - e.centre[2]).abs() <= e.half_extent(2) + reach).then_some(Cut::Ellipsoid(*e))
            }
        }
    }
}

impl Link {
    fn height_range(&self, reach: f32) -> std::ops::RangeInclusive<f32> {
        let r = self.radius[0].max(self.radius[1]) + reach;
        let (a, b) = (self.from[2], self.from[2] + self.along[2]);
        a.min(b) - r..=a.max(b) + r
    }

    /// The rectangle of the plane at `z` that holds all within `reach` of the cone.
    pub fn rect(&self, z: f32, reach: f32) -> Rect {
        let r = self.radius[0].max(self.radius[1]) + reach;
        let ends = [self.from, add(self.from, self.along)];
        let [from, to] = clip_to_plane(ends[0], ends[1], z, r).unwrap_or(ends);
        // The plane cuts the ball around the nearest point of the axis.
        let (lo, hi) = (ends[0][2].min(ends[1][2]), ends[0][2].max(ends[1][2]));
        let dz = (lo - z).max(z - hi).max(0.0);
        let r = (r * r - dz * dz).max(0.0).sqrt();
        [
            from[0].min(to[0]) - r,
            from[0].max(to[0]) + r,
            from[1].min(to[1]) - r,
            from[1].max(to[1]) + r,
        ]
    }

    /// The way to `p` from the nearest point of the axis, and the radius there.
    #[inline]
    fn nearest(&self, p: Point) -> (Point, f32) {
        let q = sub(p, self.from);
        let t = (dot(q, self.along) * self.norm).clamp(0.0, 1.0);
        let off = sub(q, scale(self.along, t));
        (off, lerp(self.radius[0], self.radius[1], t))
    }

    /// Signed distance to a cone that is not flat.
    #[inline]
    pub fn round_distance(&self, p: Point) -> f32 {
        let (off, radius) = self.nearest(p);
        length(off) - radius
    }

    /// Signed distance to a flat cone.
    #[inline]
    pub fn flat_distance(&self, (normal, ratio): (Point, f32), p: Point) -> f32 {
        let (off, radius) = self.nearest(p);
        let thin = dot(off, normal);
        let wide2 = (dot(off, off) - thin * thin).max(0.0);
        let thin2 = thin * thin / (ratio * ratio);
        let f = (thin2 + wide2).sqrt();
        // Divide by the gradient's length, which is 1/ratio across and 1 along.
        let slope = ((thin2 / (ratio * ratio) + wide2) / (f * f).max(1e-9)).sqrt();
        (f - radius) / slope.max(1.0)
    }
}

impl Ellipsoid {
    fn half_extent(&self, along: usize) -> f32 {
        (0..3)
            .map(|a| self.axes[a][along] * self.radii[a])
            .map(|v| v * v)
            .sum::<f32>()
            .sqrt()
    }

    /// The rectangle that holds all within `reach`.
    pub fn rect(&self, reach: f32) -> Rect {
        let [x, y, _] = self.centre;
        let (hx, hy) = (self.half_extent(0) + reach, self.half_extent(1) + reach);
        [x - hx, x + hx, y - hy, y + hy]
    }

    /// Signed distance.
    #[inline]
    pub fn distance(&self, p: Point) -> f32 {
        let q = sub(p, self.centre);
        let (mut f2, mut g2) = (0.0, 0.0);
        for (axis, r) in self.axes.iter().zip(&self.radii) {
            let u = dot(q, *axis) / r;
            f2 += u * u;
            g2 += (u / r) * (u / r);
        }
        let f = f2.sqrt();
        (f - 1.0) * f / g2.sqrt().max(1e-6)
    }
}

/// The part of the segment that lies within `reach` of the plane at `z`.
pub fn clip_to_plane(from: Point, to: Point, z: f32, reach: f32) -> Option<[Point; 2]> {
    let (height, rise) = (from[2] - z, to[2] - from[2]);
    if rise.abs() < 1e-4 {
        return (height.abs() <= reach).then_some([from, to]);
    }
    let (a, b) = ((-reach - height) / rise, (reach - height) / rise);
    let (t0, t1) = (a.min(b).max(0.0), a.max(b).min(1.0));
    (t0 <= t1).then(|| [mix(from, to, t0), mix(from, to, t1)])
}

/// What one plane sees of a [`Shape`].
pub enum Cut {
    Contour(Contour),
    Links(Vec<Link>),
    Ellipsoid(Ellipsoid),
}

/// A rectangle in mm: x from, x to, y from, y to.
pub type Rect = [f32; 4];

/// The rectangle that holds all within `reach` of a contour.
pub fn contour_rect(&[_, x, y, left, right, front, back, _]: &Contour, reach: f32) -> Rect {
    [
        x - right - reach,
        x + left + reach,
        y - front - reach,
        y + back + reach,
    ]
}

/// How far out (1 on the contour) a point lies, and the gradient of that, approximately.
#[inline]
fn contour_level(c: &Contour, x: f32, y: f32) -> (f32, f32) {
    let &[_, cx, cy, left, right, front, back, square] = c;
    let (dx, dy) = (x - cx, y - cy);
    let a = if dx > 0.0 { left } else { right }.max(0.1);
    let b = if dy > 0.0 { back } else { front }.max(0.1);
    let (u, v) = (dx / a, dy / b);
    let (u2, v2) = (u * u, v * v);
    let round = (u2 + v2).sqrt();
    let boxy = (u2 * u2 + v2 * v2).sqrt().sqrt();
    let slope = ((u2 / (a * a) + v2 / (b * b)) / (u2 + v2).max(1e-9)).sqrt();
    (round + (boxy - round) * square, slope)
}

/// Signed distance to a contour in its plane.
#[inline]
pub fn contour_distance(c: &Contour, x: f32, y: f32) -> f32 {
    let (level, slope) = contour_level(c, x, y);
    (level - 1.0) / slope.max(1e-6)
}

/// How far the contour lies from its centre in the direction (ux, uy), a unit vector.
pub fn contour_radius(c: &Contour, ux: f32, uy: f32) -> f32 {
    // The level is homogeneous of degree one in the offset from the centre.
    let (level, _) = contour_level(c, c[1] + ux, c[2] + uy);
    1.0 / level.max(1e-6)
}

/// Rows (x, y, z, radius) with a Catmull-Rom spline drawn through them, `steps` pieces a gap.
pub fn smooth_path(rows: &[[f32; 4]], steps: usize) -> Vec<[f32; 4]> {
    let indexed: Vec<[f32; 5]> = rows
        .iter()
        .enumerate()
        .map(|(i, r)| [i as f32, r[0], r[1], r[2], r[3]])
        .collect();
    let pieces = rows.len().saturating_sub(1) * steps;
    (0..=pieces)
        .map(|i| {
            let [_, x, y, z, r] = spline(&indexed, i as f32 / steps as f32);
            [x, y, z, r]
        })
        .collect()
}

fn links(path: &[[f32; 4]], flat: impl Fn(Point) -> Option<(Point, f32)>) -> Vec<Link> {
    path.windows(2)
        .map(|w| {
            let (from, to) = ([w[0][0], w[0][1], w[0][2]], [w[1][0], w[1][1], w[1][2]]);
            let along = sub(to, from);
            let flat = flat(mix(from, to, 0.5)).map(|(n, r)| (unit(reject(n, unit(along))), r));
            Link {
                from,
                along,
                norm: 1.0 / dot(along, along).max(1e-9),
                radius: [w[0][3], w[1][3]],
                flat,
            }
        })
        .collect()
}
