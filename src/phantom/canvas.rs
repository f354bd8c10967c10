//! One axial plane of the phantom while it is painted.

use super::math::{Point, Rng, coverage};
use super::shapes::{Cut, Rect, Shape, contour_distance, contour_rect};

/// Distance of whatever is out of reach, in mm.
pub const FAR: f32 = 1e4;

/// The in-plane raster: voxel (i, j) is at (x0 + i*step[0], y0 + j*step[1]) mm.
#[derive(Clone, Copy)]
pub struct Raster {
    pub size: [usize; 2],
    pub origin: [f32; 2],
    pub step: [f32; 2],
    /// Width of an edge in mm: what the scanner's resolution makes of a sharp border.
    pub edge: f32,
}

impl Raster {
    /// A raster with its middle at (0, 0).
    pub fn centred(size: [usize; 2], step: [f32; 2], edge: f32) -> Self {
        let first = |n: usize, s: f32| -0.5 * (n as f32 - 1.0) * s;
        Self {
            size,
            origin: [first(size[0], step[0]), first(size[1], step[1])],
            step,
            edge,
        }
    }

    pub fn len(&self) -> usize {
        self.size[0] * self.size[1]
    }

    pub fn x(&self, i: usize) -> f32 {
        self.origin[0] + i as f32 * self.step[0]
    }

    pub fn y(&self, j: usize) -> f32 {
        self.origin[1] + j as f32 * self.step[1]
    }

    /// The voxels inside a rectangle, if there are any.
    pub fn window(&self, rect: Rect) -> Option<Window> {
        let range = |lo: f32, hi: f32, a: usize| {
            let first = ((lo - self.origin[a]) / self.step[a]).ceil().max(0.0);
            let end =
                (((hi - self.origin[a]) / self.step[a]).floor() + 1.0).min(self.size[a] as f32);
            (end > first).then_some([first as usize, end as usize])
        };
        Some(Window {
            i: range(rect[0], rect[1], 0)?,
            j: range(rect[2], rect[3], 1)?,
        })
    }
}

/// A block of voxels, ends exclusive.
#[derive(Clone, Copy)]
pub struct Window {
    pub i: [usize; 2],
    pub j: [usize; 2],
}

impl Window {
    fn union(self, other: Window) -> Window {
        let join = |a: [usize; 2], b: [usize; 2]| [a[0].min(b[0]), a[1].max(b[1])];
        Window {
            i: join(self.i, other.i),
            j: join(self.j, other.j),
        }
    }
}

/// Spacing of the warp's control points in mm.
const WARP_STEP: f32 = 50.0;
/// Control points of the warp along x, y and z, and where the first one is.
const WARP_SIZE: [usize; 3] = [13, 13, 13];
const WARP_ORIGIN: Point = [-300.0, -300.0, -130.0];
/// Largest displacement of a control point in mm.
const WARP_AMPLITUDE: f32 = 8.0;

/// How much longer a shape may become through the warp.
const WARP_STRETCH: f32 = 1.12;

/// The smooth in-plane deformation that makes one patient differ from the next: a cubic
/// B-spline displacement, from scan coordinates to the coordinates of the anatomy's tables.
pub struct Warp {
    controls: Vec<[f32; 2]>,
    /// Anatomy mm per scan mm, left-right and front-back.
    scale: [f32; 2],
}

impl Warp {
    pub fn new(rng: &mut Rng) -> Self {
        let mut control = || rng.range(-WARP_AMPLITUDE, WARP_AMPLITUDE);
        let controls = (0..WARP_SIZE.iter().product())
            .map(|_| [control(), control()])
            .collect();
        let scale = [rng.range(0.975, 1.035), rng.range(0.975, 1.035)];
        Self { controls, scale }
    }

    /// The warp's controls in the plane at `z`.
    fn plane(&self, z: f32) -> WarpPlane {
        let (cell, weights) = spline_cell(z, 2);
        let sheet = WARP_SIZE[0] * WARP_SIZE[1];
        let mut controls = vec![[0.0; 2]; sheet];
        for (n, w) in weights.iter().enumerate() {
            let layer = &self.controls[(cell + n) * sheet..(cell + n + 1) * sheet];
            for (c, v) in controls.iter_mut().zip(layer) {
                c[0] += w * v[0];
                c[1] += w * v[1];
            }
        }
        WarpPlane {
            controls,
            scale: self.scale,
        }
    }

    /// From the anatomy to the scan.
    pub fn invert(&self, p: Point) -> Point {
        let [x, y] = self.plane(p[2]).invert(p[0], p[1]);
        [x, y, p[2]]
    }
}

struct WarpPlane {
    controls: Vec<[f32; 2]>,
    scale: [f32; 2],
}

impl WarpPlane {
    fn row(&self, y: f32) -> WarpRow {
        let (cell, weights) = spline_cell(y, 1);
        let mut row = [[0.0; 2]; WARP_SIZE[0]];
        for (n, w) in weights.iter().enumerate() {
            for (i, r) in row.iter_mut().enumerate() {
                let c = self.controls[(cell + n) * WARP_SIZE[0] + i];
                r[0] += w * c[0];
                r[1] += w * c[1];
            }
        }
        row
    }

    /// By fixed-point iteration: the warp is close to the identity.
    fn invert(&self, x: f32, y: f32) -> [f32; 2] {
        let mut guess = [x, y];
        for _ in 0..4 {
            let [ax, ay] = self.apply(&self.row(guess[1]), guess[0], guess[1]);
            guess = [guess[0] + x - ax, guess[1] + y - ay];
        }
        guess
    }

    fn apply(&self, row: &WarpRow, x: f32, y: f32) -> [f32; 2] {
        self.apply_at(row, &spline_cell(x, 0), x, y)
    }

    fn apply_at(&self, row: &WarpRow, column: &SplineCell, x: f32, y: f32) -> [f32; 2] {
        let (cell, weights) = *column;
        let mut at = [x * self.scale[0], y * self.scale[1]];
        for (n, w) in weights.iter().enumerate() {
            at[0] += w * row[cell + n][0];
            at[1] += w * row[cell + n][1];
        }
        at
    }
}

/// A warp's controls along one row of voxels.
type WarpRow = [[f32; 2]; WARP_SIZE[0]];

/// First of the four control points that a coordinate sees, and their weights.
type SplineCell = (usize, [f32; 4]);

fn spline_cell(v: f32, axis: usize) -> SplineCell {
    let u = ((v - WARP_ORIGIN[axis]) / WARP_STEP).clamp(1.0, WARP_SIZE[axis] as f32 - 2.001);
    let cell = u.floor();
    let t = u - cell;
    let s = 1.0 - t;
    let weights = [
        s * s * s / 6.0,
        (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0,
        (3.0 * s * s * s - 6.0 * s * s + 4.0) / 6.0,
        t * t * t / 6.0,
    ];
    (cell as usize - 1, weights)
}

/// What a [`Shape`] is painted with: from the outside in, HU from this signed distance inwards.
pub type Coat = (f32, f32);

/// A voxel that [`Plane::scan`] found near a shape.
pub struct Hit {
    /// Index in the plane.
    pub n: usize,
    /// Signed distance to the shape.
    pub d: f32,
    /// The voxel's place in the anatomy.
    pub at: [f32; 2],
}

/// One plane: HU under way and the distances that shapes leave behind.
pub struct Plane {
    pub raster: Raster,
    /// Height of the plane in mm.
    pub z: f32,
    /// Anatomy coordinates of the voxels.
    pub at: Vec<[f32; 2]>,
    /// HU painted so far.
    pub hu: Vec<f32>,
    scratch: Vec<f32>,
    warp: Option<WarpPlane>,
    columns: Vec<SplineCell>,
}

impl Plane {
    /// A plane for `raster`; [`Plane::move_to`] gives it its height.
    pub fn new(raster: Raster) -> Self {
        Self {
            raster,
            z: 0.0,
            at: vec![[0.0; 2]; raster.len()],
            hu: vec![0.0; raster.len()],
            scratch: vec![FAR; raster.len()],
            warp: None,
            columns: (0..raster.size[0])
                .map(|i| spline_cell(raster.x(i), 0))
                .collect(),
        }
    }

    /// Go to the height `z`: with a warp the raster is the scan's, without it the anatomy's.
    pub fn move_to(&mut self, z: f32, warp: Option<&Warp>) {
        self.z = z;
        let raster = self.raster;
        self.warp = warp.map(|w| w.plane(z));
        for j in 0..raster.size[1] {
            let y = raster.y(j);
            let row = self.warp.as_ref().map(|w| w.row(y));
            let at = &mut self.at[j * raster.size[0]..(j + 1) * raster.size[0]];
            for (i, at) in at.iter_mut().enumerate() {
                let x = raster.x(i);
                *at = match (&self.warp, &row) {
                    (Some(w), Some(r)) => w.apply_at(r, &self.columns[i], x, y),
                    _ => [x, y],
                };
            }
        }
    }

    /// Call `each` for every voxel less than `reach` from `shape`, with the voxel's HU.
    pub fn scan(&mut self, shape: &Shape, reach: f32, mut each: impl FnMut(Hit, &mut f32)) {
        let Some(cut) = shape.cut(self.z, reach) else {
            return;
        };
        let Some(window) = self.measure(&cut, reach) else {
            return;
        };
        for j in window.j[0]..window.j[1] {
            let row = j * self.raster.size[0];
            for n in row + window.i[0]..row + window.i[1] {
                let d = self.scratch[n];
                self.scratch[n] = FAR;
                if d < reach {
                    let at = self.at[n];
                    each(Hit { n, d, at }, &mut self.hu[n]);
                }
            }
        }
    }

    /// The voxels that hold a rectangle of the anatomy.
    fn window(&self, rect: Rect) -> Option<Window> {
        let Some(warp) = &self.warp else {
            return self.raster.window(rect);
        };
        let (hx, hy) = (0.5 * (rect[1] - rect[0]), 0.5 * (rect[3] - rect[2]));
        let [x, y] = warp.invert(rect[0] + hx, rect[2] + hy);
        // Shift and size change little across a shape: its gradient is below `WARP_STRETCH`.
        let (hx, hy) = (hx * WARP_STRETCH, hy * WARP_STRETCH);
        self.raster.window([x - hx, x + hx, y - hy, y + hy])
    }

    /// Least distance to the pieces of `cut` into `scratch`; the window that was touched.
    fn measure(&mut self, cut: &Cut, reach: f32) -> Option<Window> {
        match cut {
            Cut::Contour(c) => self.least(contour_rect(c, reach), |x, y| contour_distance(c, x, y)),
            Cut::Ellipsoid(e) => {
                let z = self.z;
                self.least(e.rect(reach), |x, y| e.distance([x, y, z]))
            }
            Cut::Links(links) => {
                let mut touched: Option<Window> = None;
                for link in links {
                    let z = self.z;
                    let rect = link.rect(z, reach);
                    let window = match link.flat {
                        None => self.least(rect, |x, y| link.round_distance([x, y, z])),
                        Some(flat) => self.least(rect, |x, y| link.flat_distance(flat, [x, y, z])),
                    };
                    touched = match (touched, window) {
                        (Some(a), Some(b)) => Some(a.union(b)),
                        (a, b) => a.or(b),
                    };
                }
                touched
            }
        }
    }

    /// Lower `scratch` to `distance` inside a rectangle of the anatomy.
    fn least(&mut self, rect: Rect, distance: impl Fn(f32, f32) -> f32) -> Option<Window> {
        let window = self.window(rect)?;
        for j in window.j[0]..window.j[1] {
            let row = j * self.raster.size[0];
            let range = row + window.i[0]..row + window.i[1];
            for (v, &[x, y]) in self.scratch[range.clone()].iter_mut().zip(&self.at[range]) {
                *v = v.min(distance(x, y));
            }
        }
        Some(window)
    }

    /// Paint `shape`, one coat over the other, as far as it lies above the surface that `above`
    /// gives the signed height over.
    pub fn paint(&mut self, shape: &Shape, coats: &[Coat], above: Option<&[f32]>) {
        let edge = self.raster.edge;
        let outset = coats.first().map_or(0.0, |c| -c.0);
        self.scan(shape, outset.max(0.0) + edge, |hit, hu| {
            let floor = above.map_or(-FAR, |a| -a[hit.n]);
            for (inset, value) in coats {
                *hu += coverage((hit.d + inset).max(floor), edge) * (value - *hu);
            }
        });
    }
}
