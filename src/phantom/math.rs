//! Arithmetic that gives the same bits on every platform.
//!
//! The phantom is a fixture: native and wasm builds must agree voxel for voxel. Everything here
//! is built from `+ - * /`, `sqrt` and bit operations, which IEEE 754 fixes; the platform's
//! `sin`, `exp` and `powf` are not used anywhere in the phantom.

/// A point or direction in mm: x to the patient's left, y to the back, z up.
pub type Point = [f32; 3];

pub fn add(a: Point, b: Point) -> Point {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub fn sub(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub fn scale(a: Point, s: f32) -> Point {
    [a[0] * s, a[1] * s, a[2] * s]
}

pub fn dot(a: Point, b: Point) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub fn cross(a: Point, b: Point) -> Point {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

pub fn length(a: Point) -> f32 {
    dot(a, a).sqrt()
}

/// The unit vector along `a`; straight up for a vector without length.
pub fn unit(a: Point) -> Point {
    let l = length(a);
    if l > 1e-6 {
        scale(a, 1.0 / l)
    } else {
        [0.0, 0.0, 1.0]
    }
}

/// The part of `a` that is perpendicular to the unit vector `n`.
pub fn reject(a: Point, n: Point) -> Point {
    sub(a, scale(n, dot(a, n)))
}

pub fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

pub fn mix(a: Point, b: Point, t: f32) -> Point {
    add(a, scale(sub(b, a), t))
}

/// Smoothstep from 0 at `t <= 0` to 1 at `t >= 1`.
pub fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// 1 between `lo` and `hi`, falling smoothly to 0 over `edge` on both sides.
pub fn band(t: f32, lo: f32, hi: f32, edge: f32) -> f32 {
    smooth((t - lo) / edge + 1.0) * smooth((hi - t) / edge + 1.0)
}

/// Minimum with a rounded transition of width `k` (polynomial smooth minimum).
pub fn smooth_min(a: f32, b: f32, k: f32) -> f32 {
    let h = (k - (a - b).abs()).max(0.0) / k;
    a.min(b) - h * h * k * 0.25
}

/// Maximum with a rounded transition of width `k`.
pub fn smooth_max(a: f32, b: f32, k: f32) -> f32 {
    -smooth_min(-a, -b, k)
}

/// The share of a voxel that lies inside a surface at signed distance `d` (negative inside),
/// for an edge that is `width` wide.
pub fn coverage(d: f32, width: f32) -> f32 {
    (0.5 - d / width).clamp(0.0, 1.0)
}

/// Sine and cosine of `angle` in radians, `|angle| <= pi`, by their Taylor series (error < 1e-6).
pub fn sin_cos(angle: f32) -> (f32, f32) {
    let half = f64::from(angle) * 0.5;
    let q = half * half;
    let s = half
        * (1.0
            - q / 6.0 * (1.0 - q / 20.0 * (1.0 - q / 42.0 * (1.0 - q / 72.0 * (1.0 - q / 110.0)))));
    let c = 1.0
        - q / 2.0
            * (1.0
                - q / 12.0
                    * (1.0 - q / 30.0 * (1.0 - q / 56.0 * (1.0 - q / 90.0 * (1.0 - q / 132.0)))));
    ((2.0 * s * c) as f32, (c * c - s * s) as f32)
}

/// Cube root of a non-negative number, by Newton's iteration from a guess on the exponent.
pub fn cube_root(v: f32) -> f32 {
    if v <= 0.0 {
        return 0.0;
    }
    let v = f64::from(v);
    let guess = u64::from((v as f32).to_bits()) / 3 + 709_921_077;
    let mut r = f64::from(f32::from_bits(guess as u32));
    for _ in 0..4 {
        r = (2.0 * r + v / (r * r)) / 3.0;
    }
    r as f32
}

/// The finaliser of SplitMix64: a bijection that scatters all bits.
pub fn scatter(v: u64) -> u64 {
    let v = (v ^ (v >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let v = (v ^ (v >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    v ^ (v >> 31)
}

/// What the seed decides, each with random numbers of its own.
pub mod stream {
    pub const ANATOMY: u64 = 1;
    pub const TREES: u64 = 2;
    pub const LESIONS: u64 = 3;
    pub const WARP: u64 = 4;
    pub const NOISE: u64 = 5;
}

/// SplitMix64 (Steele et al. 2014). The phantom brings its own generator because its voxels
/// must not change when a random number library does.
pub struct Rng(u64);

impl Rng {
    /// A generator for one purpose: the [`stream`]s of a seed are independent.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self(scatter(
            seed ^ scatter(stream.wrapping_add(0x9e37_79b9_7f4a_7c15)),
        ))
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        scatter(self.0)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / 16_777_216.0
    }

    /// Uniform in [lo, hi).
    pub fn range(&mut self, lo: f32, hi: f32) -> f32 {
        lerp(lo, hi, self.unit())
    }

    /// A direction, uniform on the sphere.
    pub fn direction(&mut self) -> Point {
        loop {
            let p = [
                self.range(-1.0, 1.0),
                self.range(-1.0, 1.0),
                self.range(-1.0, 1.0),
            ];
            let l = length(p);
            if l > 0.1 && l <= 1.0 {
                return scale(p, 1.0 / l);
            }
        }
    }
}

/// Cubic Hermite interpolation in a table of rows whose column 0 is the abscissa, ascending;
/// constant beyond the ends. Tangents are central differences (Catmull-Rom).
pub fn spline<const N: usize>(rows: &[[f32; N]], at: f32) -> [f32; N] {
    let Some(last) = rows.len().checked_sub(1) else {
        return [0.0; N];
    };
    let upper = rows.partition_point(|r| r[0] <= at);
    if upper == 0 || upper > last {
        let mut row = rows[upper.min(last)];
        row[0] = at;
        return row;
    }
    let (r1, r2) = (&rows[upper - 1], &rows[upper]);
    let r0 = &rows[upper.saturating_sub(2)];
    let r3 = &rows[(upper + 1).min(last)];
    let h = r2[0] - r1[0];
    let t = (at - r1[0]) / h;
    let (t2, t3) = (t * t, t * t * t);
    let mut out = [at; N];
    for c in 1..N {
        let m1 = (r2[c] - r0[c]) / (r2[0] - r0[0]) * h;
        let m2 = (r3[c] - r1[c]) / (r3[0] - r1[0]) * h;
        out[c] = (2.0 * t3 - 3.0 * t2 + 1.0) * r1[c]
            + (t3 - 2.0 * t2 + t) * m1
            + (3.0 * t2 - 2.0 * t3) * r2[c]
            + (t3 - t2) * m2;
    }
    out
}

/// Smooth random texture: values at the nodes of a periodic lattice, interpolated.
pub struct Texture {
    nodes: Vec<f32>,
}

/// Nodes of a [`Texture`] along one axis, a power of two.
const PERIOD: usize = 32;

impl Texture {
    pub fn new(rng: &mut Rng) -> Self {
        let nodes = (0..PERIOD * PERIOD * PERIOD)
            .map(|_| rng.range(-1.0, 1.0))
            .collect();
        Self { nodes }
    }

    fn node(&self, x: usize, y: usize, z: usize) -> f32 {
        const MASK: usize = PERIOD - 1;
        self.nodes[(x & MASK) + PERIOD * ((y & MASK) + PERIOD * (z & MASK))]
    }

    /// The texture at lattice coordinates `p`, in (-1, 1).
    pub fn at(&self, p: Point) -> f32 {
        let [(x, fx), (y, fy), (z, fz)] = p.map(cell);
        let line = |y, z| lerp(self.node(x, y, z), self.node(x.wrapping_add(1), y, z), fx);
        let y1 = y.wrapping_add(1);
        let z1 = z.wrapping_add(1);
        let near = lerp(line(y, z), line(y1, z), fy);
        let far = lerp(line(y, z1), line(y1, z1), fy);
        lerp(near, far, fz)
    }

    /// The texture of grain `grain` mm along the row of points (x0 + i*step, y, z), i from 0,
    /// written to `out`. Cheap: two of the three interpolations are done once a row.
    pub fn row(&self, [x0, y, z]: Point, step: f32, grain: f32, out: &mut [f32]) {
        let (y, fy) = cell(y / grain);
        let (z, fz) = cell(z / grain);
        let (y1, z1) = (y.wrapping_add(1), z.wrapping_add(1));
        let mut line = [0.0f32; PERIOD];
        for (x, v) in line.iter_mut().enumerate() {
            let near = lerp(self.node(x, y, z), self.node(x, y1, z), fy);
            let far = lerp(self.node(x, y, z1), self.node(x, y1, z1), fy);
            *v = lerp(near, far, fz);
        }
        let (first, step) = (x0 / grain, step / grain);
        for (i, v) in out.iter_mut().enumerate() {
            let (x, fx) = cell(first + i as f32 * step);
            let x1 = x.wrapping_add(1);
            *v = lerp(line[x & (PERIOD - 1)], line[x1 & (PERIOD - 1)], fx);
        }
    }
}

/// The lattice cell of a coordinate and the smoothed position inside it.
fn cell(v: f32) -> (usize, f32) {
    // Rounding down by hand: `floor` is a library call on plain x86-64.
    let near = v as i32;
    let down = near - i32::from((near as f32) > v);
    let t = v - down as f32;
    // Negative cells wrap; only the low bits count, which are the same on 32 and 64 bits.
    (down as usize, t * t * (3.0 - 2.0 * t))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_functions_agree_with_the_library() {
        for i in -100..=100 {
            let a = i as f32 * 0.0314;
            let (s, c) = sin_cos(a);
            assert!((s - a.sin()).abs() < 2e-6, "sin {a}");
            assert!((c - a.cos()).abs() < 2e-6, "cos {a}");
        }
        for v in [1e-3f32, 0.5, 1.0, 7.0, 8.0, 1e4] {
            assert!((cube_root(v) / v.cbrt() - 1.0).abs() < 1e-5, "{v}");
        }
        assert_eq!(cube_root(0.0), 0.0);
    }

    #[test]
    fn spline_meets_its_rows_and_is_constant_outside() {
        let rows = [[0.0, 1.0], [2.0, 3.0], [5.0, -1.0]];
        for r in rows {
            assert!((spline(&rows, r[0])[1] - r[1]).abs() < 1e-6);
        }
        assert_eq!(spline(&rows, -9.0)[1], 1.0);
        assert_eq!(spline(&rows, 9.0)[1], -1.0);
        assert_eq!(spline::<2>(&[], 1.0), [0.0, 0.0]);
    }

    #[test]
    fn a_texture_row_is_the_texture() {
        let texture = Texture::new(&mut Rng::new(3, 0));
        let mut row = [0.0; 40];
        texture.row([-31.0, 7.5, -12.0], 1.3, 4.0, &mut row);
        for (i, v) in row.iter().enumerate() {
            let p = [(-31.0 + i as f32 * 1.3) / 4.0, 7.5 / 4.0, -3.0];
            assert!((v - texture.at(p)).abs() < 1e-4);
        }
    }

    #[test]
    fn smooth_min_is_below_the_minimum_and_near_it() {
        for (a, b) in [(0.0, 0.0), (1.0, 2.0), (-3.0, 9.0)] {
            let m = smooth_min(a, b, 2.0);
            assert!(m <= a.min(b) && m >= a.min(b) - 0.5);
        }
        assert_eq!(smooth_min(0.0, 5.0, 2.0), 0.0);
    }
}
