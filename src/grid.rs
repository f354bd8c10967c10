//! Operations on voxel grids: connected components, distance, morphology, filters.
//!
//! Arrays are dense with x fastest: `index = i + nx * (j + ny * k)`. A mask is `&[u8]`, nonzero
//! means set; masks that come back hold 0 and 1. Scans reach 512 x 512 x 800 voxels and the browser
//! has about 1 GiB, so passes work on runs or on one plane of scratch and never copy a whole float
//! volume beside the one they return.
//!
//! # Panics
//! Every function panics if a slice's length is not the product of its `dims`: callers own both.

/// Extent of a grid in voxels: `[nx, ny, nz]`.
pub type Dims = [usize; 3];

/// Which neighbours of a voxel count as connected to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connectivity {
    /// The six voxels that share a face.
    Six,
    /// The 26 voxels that share a face, an edge or a corner.
    TwentySix,
}

/// Connected components of a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    /// The component of each voxel, numbered from 1 in scan order; 0 is the background.
    pub labels: Vec<u32>,
    /// Voxels of each component, indexed by label; `sizes[0]` counts the background.
    pub sizes: Vec<usize>,
}

impl Components {
    /// Label of the component with the most voxels (the first such), if there is one.
    pub fn largest(&self) -> Option<u32> {
        let mut best = None;
        let mut most = 0;
        for (label, &size) in self.sizes.iter().enumerate().skip(1) {
            if size > most {
                most = size;
                best = Some(label as u32);
            }
        }
        best
    }
}

/// Labels the connected components of a mask.
pub fn components(mask: &[u8], dims: Dims, connectivity: Connectivity) -> Components {
    let mut runs = Runs::new(mask, dims, |v| v != 0);
    runs.join(connectivity);
    let (label_of_run, count) = runs.number();
    let mut labels = vec![0u32; mask.len()];
    let mut sizes = vec![0usize; count + 1];
    for (row, run, span) in runs.iter() {
        let label = label_of_run[run];
        sizes[label as usize] += span.len();
        let base = row * dims[0];
        labels[base + span.start..base + span.end].fill(label);
    }
    sizes[0] = mask.len() - sizes[1..].iter().sum::<usize>();
    Components { labels, sizes }
}

/// The components of `mask` that hold at least one seed voxel (geodesic reconstruction).
pub fn keep_touching(mask: &[u8], seeds: &[u8], dims: Dims, connectivity: Connectivity) -> Vec<u8> {
    check(seeds.len(), dims);
    let mut runs = Runs::new(mask, dims, |v| v != 0);
    runs.join(connectivity);
    let mut keep = vec![false; runs.spans.len()];
    for (row, run, span) in runs.iter() {
        let base = row * dims[0];
        if seeds[base + span.start..base + span.end]
            .iter()
            .any(|&s| s != 0)
        {
            keep[runs.root(run)] = true;
        }
    }
    let mut out = vec![0u8; mask.len()];
    for (row, run, span) in runs.iter() {
        if keep[runs.root(run)] {
            let base = row * dims[0];
            out[base + span.start..base + span.end].fill(1);
        }
    }
    out
}

/// Fills, in place, background that is not 6-connected to the border of the grid.
pub fn fill_holes(mask: &mut [u8], dims: Dims) {
    check(mask.len(), dims);
    fill_enclosed(mask, dims, true);
}

/// Fills, in place and slice by slice, background that is not 4-connected to the slice's border.
pub fn fill_holes_2d(mask: &mut [u8], dims: Dims) {
    check(mask.len(), dims);
    let area = dims[0] * dims[1];
    if area == 0 {
        return;
    }
    for slice in mask.chunks_exact_mut(area) {
        fill_enclosed(slice, [dims[0], dims[1], 1], false);
    }
}

/// Fills background components that touch no border; `z_is_border` says whether the first and the
/// last slice count as border.
fn fill_enclosed(mask: &mut [u8], dims: Dims, z_is_border: bool) {
    let [nx, ny, nz] = dims;
    let mut runs = Runs::new(mask, dims, |v| v == 0);
    runs.join(Connectivity::Six);
    let mut open = vec![false; runs.spans.len()];
    for (row, run, span) in runs.iter() {
        let (j, k) = (row % ny, row / ny);
        let edge_slice = z_is_border && (k == 0 || k + 1 == nz);
        if edge_slice || j == 0 || j + 1 == ny || span.start == 0 || span.end == nx {
            open[runs.root(run)] = true;
        }
    }
    for (row, run, span) in runs.iter() {
        if !open[runs.root(run)] {
            mask[row * nx + span.start..row * nx + span.end].fill(1);
        }
    }
}

/// Smallest box that holds all set voxels: inclusive minimum, exclusive maximum; `None` if empty.
pub fn bounding_box(mask: &[u8], dims: Dims) -> Option<([usize; 3], [usize; 3])> {
    check(mask.len(), dims);
    let mut min = [usize::MAX; 3];
    let mut max = [0; 3];
    for (row, voxels) in mask.chunks_exact(dims[0].max(1)).enumerate() {
        let Some(first) = voxels.iter().position(|&v| v != 0) else {
            continue;
        };
        let last = voxels.iter().rposition(|&v| v != 0).unwrap_or(first);
        let [j, k] = [row % dims[1], row / dims[1]];
        for (axis, (low, high)) in [(first, last), (j, j), (k, k)].into_iter().enumerate() {
            min[axis] = min[axis].min(low);
            max[axis] = max[axis].max(high + 1);
        }
    }
    (max[0] > 0).then_some((min, max))
}

/// Mean over a box, zero outside the grid and always divided by the full kernel volume.
///
/// The window of voxel `i` is `i - (n - 1) / 2 ..= i + n / 2`, centred for odd `n`; an extent of 0
/// counts as 1. Cost does not depend on the kernel.
pub fn box_mean(data: &[f32], dims: Dims, kernel: Dims) -> Vec<f32> {
    check(data.len(), dims);
    let mut out = data.to_vec();
    for (axis, &extent) in kernel.iter().enumerate() {
        if extent > 1 {
            let (before, after) = ((extent - 1) / 2, extent / 2);
            let scale = 1.0 / extent as f64;
            for_each_plane(&mut out, dims, axis, |plane, n, width| {
                box_mean_plane(plane, n, width, before, after, scale);
            });
        }
    }
    out
}

/// Running mean down the `n` rows of a plane, all `width` columns at once.
fn box_mean_plane(
    plane: &mut Plane<f32>,
    n: usize,
    width: usize,
    before: usize,
    after: usize,
    scale: f64,
) {
    // f64, or the running sum drifts by one rounding error a step.
    let mut sums = vec![0f64; width];
    for t in 0..after.min(n) {
        for (sum, &v) in sums.iter_mut().zip(plane.source(t)) {
            *sum += f64::from(v);
        }
    }
    for t in 0..n {
        if t + after < n {
            for (sum, &v) in sums.iter_mut().zip(plane.source(t + after)) {
                *sum += f64::from(v);
            }
        }
        for (out, sum) in plane.target(t).iter_mut().zip(&sums) {
            *out = (sum * scale) as f32;
        }
        if t >= before {
            for (sum, &v) in sums.iter_mut().zip(plane.source(t - before)) {
                *sum -= f64::from(v);
            }
        }
    }
}

/// Gaussian blur in place: separable, cut off at 4 sigma, borders mirrored about the voxel edge
/// (`b a | a b`). `sigma` is in voxels; an axis with sigma 0 is left alone.
pub fn gaussian(data: &mut [f32], dims: Dims, sigma: [f32; 3]) {
    check(data.len(), dims);
    for (axis, &s) in sigma.iter().enumerate() {
        if s > 0.0 && dims[axis] > 1 {
            let kernel = gaussian_kernel(s);
            for_each_plane(data, dims, axis, |plane, n, _| {
                convolve_plane(plane, n, &kernel);
            });
        }
    }
}

/// One half of a normalised Gaussian: the centre weight first.
fn gaussian_kernel(sigma: f32) -> Vec<f32> {
    const TRUNCATE: f64 = 4.0;
    let sigma = f64::from(sigma);
    let radius = (TRUNCATE * sigma + 0.5) as usize;
    let half: Vec<f64> = (0..=radius)
        .map(|t| (-0.5 * (t as f64 / sigma).powi(2)).exp())
        .collect();
    let total = half[0] + 2.0 * half[1..].iter().sum::<f64>();
    half.iter().map(|w| (w / total) as f32).collect()
}

/// Convolves the rows of a plane with a symmetric kernel.
fn convolve_plane(plane: &mut Plane<f32>, n: usize, kernel: &[f32]) {
    let mirror = |t: isize| -> usize {
        let period = 2 * n as isize;
        let t = t.rem_euclid(period);
        (if t < n as isize { t } else { period - 1 - t }) as usize
    };
    for t in 0..n {
        let (source, target) = plane.both(t);
        let width = target.len();
        let row = |r: isize| {
            let start = mirror(r) * width;
            &source[start..start + width]
        };
        let t = t as isize;
        for (out, &v) in target.iter_mut().zip(row(t)) {
            *out = kernel[0] * v;
        }
        for (offset, &weight) in (1isize..).zip(&kernel[1..]) {
            for ((out, &a), &b) in target.iter_mut().zip(row(t - offset)).zip(row(t + offset)) {
                *out += weight * (a + b);
            }
        }
    }
}

/// Dilation by a box of `2 * radius + 1` voxels an axis; outside the grid is background.
pub fn dilate(mask: &[u8], dims: Dims, radius: Dims) -> Vec<u8> {
    check(mask.len(), dims);
    let mut out: Vec<u8> = mask.iter().map(|&v| u8::from(v != 0)).collect();
    dilate_in_place(&mut out, dims, radius);
    out
}

/// Erosion by a box of `2 * radius + 1` voxels an axis; outside the grid is foreground.
pub fn erode(mask: &[u8], dims: Dims, radius: Dims) -> Vec<u8> {
    check(mask.len(), dims);
    let mut out: Vec<u8> = mask.iter().map(|&v| u8::from(v == 0)).collect();
    dilate_in_place(&mut out, dims, radius);
    invert(&mut out);
    out
}

fn dilate_in_place(mask: &mut [u8], dims: Dims, radius: Dims) {
    for (axis, &r) in radius.iter().enumerate() {
        if r > 0 {
            for_each_plane(mask, dims, axis, |plane, n, width| {
                dilate_plane(plane, n, width, r);
            });
        }
    }
}

/// Dilates down the rows of a plane by counting the set voxels of each column's window.
fn dilate_plane(plane: &mut Plane<u8>, n: usize, width: usize, radius: usize) {
    let mut counts = vec![0u32; width];
    for t in 0..radius.min(n) {
        for (count, &v) in counts.iter_mut().zip(plane.source(t)) {
            *count += u32::from(v);
        }
    }
    for t in 0..n {
        if t + radius < n {
            for (count, &v) in counts.iter_mut().zip(plane.source(t + radius)) {
                *count += u32::from(v);
            }
        }
        for (out, &count) in plane.target(t).iter_mut().zip(&counts) {
            *out = u8::from(count > 0);
        }
        if t >= radius {
            for (count, &v) in counts.iter_mut().zip(plane.source(t - radius)) {
                *count -= u32::from(v);
            }
        }
    }
}

/// Dilation by a ball: voxels whose centre is at most `radius_mm` from a set voxel's centre.
pub fn dilate_ball(mask: &[u8], dims: Dims, spacing_mm: [f64; 3], radius_mm: f64) -> Vec<u8> {
    check(mask.len(), dims);
    let [nx, ny, nz] = dims;
    let area = nx * ny;
    let mut out: Vec<u8> = mask.iter().map(|&v| u8::from(v != 0)).collect();
    let Some((low, high)) = bounding_box(mask, dims) else {
        return out;
    };
    // Slabs with a halo of one radius are exact and keep the float distances to a few slices.
    let halo = (radius_mm / spacing_mm[2]) as usize + 1;
    let slab = (4 * halo).max(16);
    let limit = radius_mm as f32;
    let (first, end) = (low[2].saturating_sub(halo), (high[2] + halo).min(nz));
    for start in (first..end).step_by(slab) {
        let stop = (start + slab).min(end);
        let (from, to) = (start.saturating_sub(halo), (stop + halo).min(nz));
        let distance = distance_mm(
            &mask[from * area..to * area],
            [nx, ny, to - from],
            spacing_mm,
        );
        let inner = &distance[(start - from) * area..(stop - from) * area];
        for (voxel, &d) in out[start * area..stop * area].iter_mut().zip(inner) {
            *voxel = u8::from(d <= limit);
        }
    }
    out
}

/// Erosion by a ball; outside the grid is foreground.
pub fn erode_ball(mask: &[u8], dims: Dims, spacing_mm: [f64; 3], radius_mm: f64) -> Vec<u8> {
    let inverse: Vec<u8> = mask.iter().map(|&v| u8::from(v == 0)).collect();
    let mut out = dilate_ball(&inverse, dims, spacing_mm, radius_mm);
    invert(&mut out);
    out
}

/// Closing by a ball: dilation, then erosion. Set voxels stay set.
pub fn close_ball(mask: &[u8], dims: Dims, spacing_mm: [f64; 3], radius_mm: f64) -> Vec<u8> {
    let dilated = dilate_ball(mask, dims, spacing_mm, radius_mm);
    erode_ball(&dilated, dims, spacing_mm, radius_mm)
}

fn invert(mask: &mut [u8]) {
    for v in mask {
        *v = u8::from(*v == 0);
    }
}

/// Exact Euclidean distance in mm from each voxel's centre to the nearest set voxel's centre;
/// infinite everywhere if nothing is set.
///
/// Separable lower envelope of parabolas (Felzenszwalb and Huttenlocher 2012).
pub fn distance_mm(mask: &[u8], dims: Dims, spacing: [f64; 3]) -> Vec<f32> {
    check(mask.len(), dims);
    let mut out = squared_distance_along_x(mask, dims, spacing[0]);
    for axis in [1, 2] {
        if dims[axis] > 1 {
            let mut envelope = Envelope::new(dims[axis], spacing[axis]);
            for_each_plane(&mut out, dims, axis, |plane, n, width| {
                envelope_plane(plane, n, width, &mut envelope);
            });
        }
    }
    for v in &mut out {
        *v = v.sqrt();
    }
    out
}

/// Squared distance to the nearest set voxel of the same row.
fn squared_distance_along_x(mask: &[u8], dims: Dims, spacing: f64) -> Vec<f32> {
    let mut out = vec![f32::INFINITY; mask.len()];
    let nx = dims[0].max(1);
    let step = spacing as f32;
    for (row, target) in mask.chunks_exact(nx).zip(out.chunks_exact_mut(nx)) {
        let mut steps = f32::INFINITY;
        for (&v, out) in row.iter().zip(target.iter_mut()) {
            steps = if v != 0 { 0.0 } else { steps + 1.0 };
            *out = steps;
        }
        steps = f32::INFINITY;
        for (&v, out) in row.iter().zip(target.iter_mut()).rev() {
            steps = if v != 0 { 0.0 } else { steps + 1.0 };
            let mm = out.min(steps) * step;
            *out = mm * mm;
        }
    }
    out
}

/// Scratch of the lower envelope of the parabolas `f(q) + (spacing * (x - q))^2`.
struct Envelope {
    spacing2: f64,
    /// `1 / (2 d)` for a difference `d` of positions: a product is cheaper than a division.
    half_inverse: Vec<f64>,
    apex: Vec<usize>,
    height: Vec<f64>,
    starts: Vec<f64>,
}

impl Envelope {
    fn new(n: usize, spacing: f64) -> Self {
        let spacing2 = spacing * spacing;
        Envelope {
            spacing2,
            half_inverse: (0..n).map(|d| 0.5 / d.max(1) as f64).collect(),
            apex: Vec::with_capacity(n),
            height: Vec::with_capacity(n),
            starts: Vec::with_capacity(n),
        }
    }

    /// Replaces a column of squared distances by their lower envelope.
    fn apply(&mut self, column: &mut [f32]) {
        self.apex.clear();
        self.height.clear();
        self.starts.clear();
        let per_mm2 = 1.0 / self.spacing2;
        for (q, &f) in column.iter().enumerate() {
            if f.is_finite() {
                self.push(q, f64::from(f) * per_mm2);
            }
        }
        if self.apex.is_empty() {
            return;
        }
        let mut v = 0;
        for (x, out) in column.iter_mut().enumerate() {
            let position = x as f64;
            while v + 1 < self.apex.len() && self.starts[v + 1] < position {
                v += 1;
            }
            let delta = position - self.apex[v] as f64;
            *out = ((delta * delta + self.height[v]) * self.spacing2) as f32;
        }
    }

    /// Adds the parabola at `q`, dropping those that it hides. Heights are in squared voxels.
    fn push(&mut self, q: usize, height: f64) {
        let position = q as f64;
        let mut start = f64::NEG_INFINITY;
        while let (Some(&p), Some(&h), Some(&s)) =
            (self.apex.last(), self.height.last(), self.starts.last())
        {
            let last = p as f64;
            let meet = (height - h + position * position - last * last) * self.half_inverse[q - p];
            if meet > s {
                start = meet;
                break;
            }
            self.apex.pop();
            self.height.pop();
            self.starts.pop();
        }
        self.apex.push(q);
        self.height.push(height);
        self.starts.push(start);
    }
}

/// Lower envelope down every column of a plane, gathering a cache line of columns at a time.
fn envelope_plane(plane: &mut Plane<f32>, n: usize, width: usize, envelope: &mut Envelope) {
    const COLUMNS: usize = 16;
    let mut columns = vec![0f32; n * COLUMNS];
    for x in (0..width).step_by(COLUMNS) {
        let count = COLUMNS.min(width - x);
        for (t, row) in plane.rows.iter().enumerate() {
            for (c, &value) in row[x..x + count].iter().enumerate() {
                columns[c * n + t] = value;
            }
        }
        for column in columns.chunks_exact_mut(n).take(count) {
            // A column inside the mask is all zeros already.
            if column.iter().any(|&v| v > 0.0) {
                envelope.apply(column);
            }
        }
        for (t, row) in plane.rows.iter_mut().enumerate() {
            for (c, value) in row[x..x + count].iter_mut().enumerate() {
                *value = columns[c * n + t];
            }
        }
    }
}

/// `n` rows across one axis of a volume: a copy to read and the rows themselves to write.
struct Plane<'a, T> {
    source: &'a [T],
    rows: Vec<&'a mut [T]>,
}

impl<T> Plane<'_, T> {
    fn source(&self, t: usize) -> &[T] {
        let width = self.rows[t].len();
        &self.source[t * width..(t + 1) * width]
    }

    fn target(&mut self, t: usize) -> &mut [T] {
        self.rows[t]
    }

    fn both(&mut self, t: usize) -> (&[T], &mut [T]) {
        (self.source, self.rows[t])
    }
}

/// Calls `work(plane, n, width)` for planes whose rows follow each other along `axis`.
///
/// Along y a plane is a slice; along z it is the rows of one y. Along x, where neighbours are
/// adjacent in memory, a slice is transposed so that the work is the same.
fn for_each_plane<T: Copy + Default>(
    data: &mut [T],
    dims: Dims,
    axis: usize,
    mut work: impl FnMut(&mut Plane<T>, usize, usize),
) {
    let [nx, ny, nz] = dims;
    if data.is_empty() {
        return;
    }
    match axis {
        0 => {
            let mut turned = vec![T::default(); nx * ny];
            let mut scratch = turned.clone();
            for slice in data.chunks_exact_mut(nx * ny) {
                transpose(slice, &mut scratch, nx, ny);
                turned.copy_from_slice(&scratch);
                let rows = turned.chunks_exact_mut(ny).collect();
                work(
                    &mut Plane {
                        source: &scratch,
                        rows,
                    },
                    nx,
                    ny,
                );
                transpose(&turned, slice, ny, nx);
            }
        }
        1 => {
            let mut scratch = vec![T::default(); nx * ny];
            for slice in data.chunks_exact_mut(nx * ny) {
                scratch.copy_from_slice(slice);
                let rows = slice.chunks_exact_mut(nx).collect();
                work(
                    &mut Plane {
                        source: &scratch,
                        rows,
                    },
                    ny,
                    nx,
                );
            }
        }
        _ => {
            let mut scratch = vec![T::default(); nx * nz];
            for j in 0..ny {
                let rows: Vec<&mut [T]> = data
                    .chunks_exact_mut(nx * ny)
                    .map(|slice| &mut slice[j * nx..(j + 1) * nx])
                    .collect();
                for (copy, row) in scratch.chunks_exact_mut(nx).zip(&rows) {
                    copy.copy_from_slice(row);
                }
                work(
                    &mut Plane {
                        source: &scratch,
                        rows,
                    },
                    nz,
                    nx,
                );
            }
        }
    }
}

/// Writes the transpose of a `rows` x `width` matrix, tile by tile.
fn transpose<T: Copy>(from: &[T], to: &mut [T], width: usize, rows: usize) {
    const TILE: usize = 16;
    for r0 in (0..rows).step_by(TILE) {
        for c0 in (0..width).step_by(TILE) {
            for r in r0..(r0 + TILE).min(rows) {
                for c in c0..(c0 + TILE).min(width) {
                    to[c * rows + r] = from[r * width + c];
                }
            }
        }
    }
}

/// A stretch of set voxels `start..end` in one row.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

/// The set voxels of a mask as runs along x, joined by union-find.
struct Runs {
    dims: Dims,
    spans: Vec<Span>,
    /// `rows[r]..rows[r + 1]` are the runs of row `r = j + ny * k`.
    rows: Vec<usize>,
    parent: Vec<u32>,
}

impl Runs {
    fn new(mask: &[u8], dims: Dims, set: impl Fn(u8) -> bool) -> Self {
        check(mask.len(), dims);
        let mut spans = Vec::new();
        let mut rows = Vec::with_capacity(dims[1] * dims[2] + 1);
        rows.push(0);
        for voxels in mask.chunks_exact(dims[0].max(1)) {
            let mut i = 0;
            while let Some(skip) = voxels[i..].iter().position(|&v| set(v)) {
                let start = i + skip;
                let length = voxels[start..].iter().position(|&v| !set(v));
                i = length.map_or(voxels.len(), |length| start + length);
                spans.push(Span {
                    start: start as u32,
                    end: i as u32,
                });
            }
            rows.push(spans.len());
        }
        let parent = (0..spans.len() as u32).collect();
        Runs {
            dims,
            spans,
            rows,
            parent,
        }
    }

    /// Joins all runs that are neighbours.
    fn join(&mut self, connectivity: Connectivity) {
        let [_, ny, _] = self.dims;
        for row in 0..self.rows.len().saturating_sub(1) {
            let (j, k) = (row % ny, row / ny);
            if j > 0 {
                self.join_rows(row, row - 1, connectivity);
            }
            if k > 0 {
                let below = row - ny;
                self.join_rows(row, below, connectivity);
                if connectivity == Connectivity::TwentySix {
                    if j > 0 {
                        self.join_rows(row, below - 1, connectivity);
                    }
                    if j + 1 < ny {
                        self.join_rows(row, below + 1, connectivity);
                    }
                }
            }
        }
    }

    fn join_rows(&mut self, a: usize, b: usize, connectivity: Connectivity) {
        let reach = u32::from(connectivity == Connectivity::TwentySix);
        let (mut p, end_p) = (self.rows[a], self.rows[a + 1]);
        let (mut q, end_q) = (self.rows[b], self.rows[b + 1]);
        while p < end_p && q < end_q {
            let (s, t) = (self.spans[p], self.spans[q]);
            if s.start < t.end + reach && t.start < s.end + reach {
                self.union(p, q);
            }
            if s.end < t.end {
                p += 1;
            } else {
                q += 1;
            }
        }
    }

    fn union(&mut self, a: usize, b: usize) {
        let (a, b) = (self.compress(a), self.compress(b));
        // The smaller index becomes the root, so that components are numbered in scan order.
        let (low, high) = (a.min(b), a.max(b));
        self.parent[high] = low as u32;
    }

    fn compress(&mut self, mut run: usize) -> usize {
        while self.parent[run] as usize != run {
            let above = self.parent[self.parent[run] as usize];
            self.parent[run] = above;
            run = above as usize;
        }
        run
    }

    fn root(&self, mut run: usize) -> usize {
        while self.parent[run] as usize != run {
            run = self.parent[run] as usize;
        }
        run
    }

    /// The component number of each run, from 1, and how many components there are.
    fn number(&self) -> (Vec<u32>, usize) {
        let mut labels = vec![0u32; self.spans.len()];
        let mut count = 0;
        for run in 0..labels.len() {
            let parent = self.parent[run] as usize;
            labels[run] = if parent == run {
                count += 1;
                count
            } else {
                // A parent has a smaller index than its child, so it is numbered already.
                labels[parent]
            };
        }
        (labels, count as usize)
    }

    /// All runs in scan order as `(row, run, span)`.
    fn iter(&self) -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> + '_ {
        self.rows
            .windows(2)
            .enumerate()
            .flat_map(move |(row, bounds)| {
                (bounds[0]..bounds[1]).map(move |run| {
                    let Span { start, end } = self.spans[run];
                    (row, run, start as usize..end as usize)
                })
            })
    }
}

fn check(len: usize, dims: Dims) {
    assert_eq!(
        len,
        dims[0] * dims[1] * dims[2],
        "array length does not match {dims:?}"
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ALL: [Connectivity; 2] = [Connectivity::Six, Connectivity::TwentySix];
    /// Small grids, flat and thin ones among them.
    const GRIDS: [Dims; 7] = [
        [7, 6, 5],
        [1, 1, 1],
        [9, 1, 1],
        [1, 8, 1],
        [1, 1, 6],
        [17, 9, 1],
        [5, 20, 6],
    ];

    /// A repeatable mask with about `percent` % of the voxels set.
    fn random_mask(dims: Dims, percent: u64, seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        (0..dims.iter().product())
            .map(|_| {
                state = state
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                u8::from((state >> 33) % 100 < percent)
            })
            .collect()
    }

    fn random_values(dims: Dims, seed: u64) -> Vec<f32> {
        (0..7u64).fold(vec![0.0; dims.iter().product()], |sum, bit| {
            let bits = random_mask(dims, 50, seed + bit);
            sum.iter()
                .zip(bits)
                .map(|(s, b)| s * 0.5 + f32::from(b))
                .collect()
        })
    }

    fn voxels(dims: Dims) -> Vec<[isize; 3]> {
        let [nx, ny, nz] = dims.map(|n| n as isize);
        (0..nz)
            .flat_map(|k| (0..ny).flat_map(move |j| (0..nx).map(move |i| [i, j, k])))
            .collect()
    }

    fn at<T: Copy>(data: &[T], dims: Dims, [i, j, k]: [isize; 3]) -> Option<T> {
        let [nx, ny, nz] = dims.map(|n| n as isize);
        let inside = (0..nx).contains(&i) && (0..ny).contains(&j) && (0..nz).contains(&k);
        inside.then(|| data[(i + nx * (j + ny * k)) as usize])
    }

    fn connected(a: [isize; 3], b: [isize; 3], connectivity: Connectivity) -> bool {
        let d = [0, 1, 2].map(|axis| (a[axis] - b[axis]).abs());
        match connectivity {
            Connectivity::Six => d.iter().sum::<isize>() == 1,
            Connectivity::TwentySix => a != b && d.iter().all(|&d| d <= 1),
        }
    }

    /// Labels by repeated flooding over all pairs.
    fn brute_labels(mask: &[u8], dims: Dims, connectivity: Connectivity) -> Vec<u32> {
        let places = voxels(dims);
        let mut labels = vec![0; mask.len()];
        let mut next = 0;
        for start in 0..mask.len() {
            if mask[start] == 0 || labels[start] != 0 {
                continue;
            }
            next += 1;
            labels[start] = next;
            let mut todo = vec![start];
            while let Some(v) = todo.pop() {
                for w in 0..mask.len() {
                    let free = mask[w] != 0 && labels[w] == 0;
                    if free && connected(places[v], places[w], connectivity) {
                        labels[w] = next;
                        todo.push(w);
                    }
                }
            }
        }
        labels
    }

    #[test]
    fn components_match_brute_force() {
        for (seed, dims) in (1..).zip(GRIDS) {
            for percent in [20, 45, 80, 100] {
                let mask = random_mask(dims, percent, seed);
                for connectivity in ALL {
                    let found = components(&mask, dims, connectivity);
                    let expected = brute_labels(&mask, dims, connectivity);
                    assert_eq!(
                        found.labels, expected,
                        "{dims:?} {percent} {connectivity:?}"
                    );
                    for (label, &size) in found.sizes.iter().enumerate() {
                        let count = expected.iter().filter(|&&l| l as usize == label).count();
                        assert_eq!(size, count);
                    }
                }
            }
        }
    }

    #[test]
    fn largest_component_ignores_the_background() {
        let found = components(&[1, 0, 0, 0, 0, 1, 1], [7, 1, 1], Connectivity::Six);
        assert_eq!(found.largest(), Some(2));
        assert_eq!(
            components(&[0; 4], [4, 1, 1], Connectivity::Six).largest(),
            None
        );
    }

    #[test]
    fn keep_touching_matches_labels() {
        for (seed, dims) in (10..).zip(GRIDS) {
            let mask = random_mask(dims, 35, seed);
            let seeds = random_mask(dims, 5, seed + 100);
            for connectivity in ALL {
                let labels = brute_labels(&mask, dims, connectivity);
                let hit: Vec<u32> = labels
                    .iter()
                    .zip(&seeds)
                    .filter(|(_, s)| **s != 0)
                    .map(|(l, _)| *l)
                    .collect();
                let expected: Vec<u8> = labels
                    .iter()
                    .map(|l| u8::from(*l != 0 && hit.contains(l)))
                    .collect();
                assert_eq!(keep_touching(&mask, &seeds, dims, connectivity), expected);
            }
        }
    }

    #[test]
    fn holes_match_brute_force() {
        for (seed, dims) in (20..).zip(GRIDS) {
            let mask = random_mask(dims, 60, seed);
            let inverse: Vec<u8> = mask.iter().map(|v| 1 - v).collect();
            let labels = brute_labels(&inverse, dims, Connectivity::Six);
            let on_border = |p: &[isize; 3]| {
                (0..3).any(|axis| p[axis] == 0 || p[axis] + 1 == dims[axis] as isize)
            };
            let open: Vec<u32> = voxels(dims)
                .iter()
                .zip(&labels)
                .filter(|(p, _)| on_border(p))
                .map(|(_, l)| *l)
                .collect();
            let expected: Vec<u8> = labels
                .iter()
                .map(|l| u8::from(*l == 0 || !open.contains(l)))
                .collect();
            let mut filled = mask.clone();
            fill_holes(&mut filled, dims);
            assert_eq!(filled, expected, "{dims:?}");
        }
    }

    #[test]
    fn holes_in_2d_close_rings_but_not_cups() {
        let ring = [0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1, 1, 0];
        let cup = [1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1];
        let dims = [4, 4, 2];
        let mut mask: Vec<u8> = ring.into_iter().chain(cup).collect();
        fill_holes_2d(&mut mask, dims);
        let full_ring = [0, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 0];
        assert_eq!(mask[..16], full_ring);
        assert_eq!(mask[16..], cup);
    }

    #[test]
    fn box_mean_matches_brute_force() {
        for (seed, dims) in (30..).zip(GRIDS) {
            let data = random_values(dims, seed);
            for kernel in [[3, 3, 3], [7, 5, 1], [1, 1, 9], [2, 4, 3], [0, 1, 1]] {
                let found = box_mean(&data, dims, kernel);
                let window = |axis: usize| {
                    let n = kernel[axis].max(1) as isize;
                    -((n - 1) / 2)..=n / 2
                };
                let volume: usize = kernel.iter().map(|&n| n.max(1)).product();
                for (p, found) in voxels(dims).into_iter().zip(found) {
                    let mut sum = 0.0;
                    for dk in window(2) {
                        for dj in window(1) {
                            for di in window(0) {
                                let q = [p[0] + di, p[1] + dj, p[2] + dk];
                                sum += at(&data, dims, q).unwrap_or(0.0);
                            }
                        }
                    }
                    let expected = sum / volume as f32;
                    assert!((found - expected).abs() < 1e-5, "{dims:?} {kernel:?} {p:?}");
                }
            }
        }
    }

    #[test]
    fn gaussian_matches_direct_sum() {
        let dims = [6, 1, 4];
        let sigma = [1.2f32, 2.0, 0.7];
        let data = random_values(dims, 40);
        let mut found = data.clone();
        gaussian(&mut found, dims, sigma);
        let mirror = |mut t: isize, n: usize| {
            let n = n as isize;
            while !(0..n).contains(&t) {
                t = if t < 0 { -1 - t } else { 2 * n - 1 - t };
            }
            t
        };
        let weight = |axis: usize, t: isize| (-0.5 * (t as f32 / sigma[axis]).powi(2)).exp();
        let reach = |axis: usize| (4.0 * sigma[axis] + 0.5) as isize;
        for (p, found) in voxels(dims).into_iter().zip(found) {
            let (mut sum, mut total) = (0.0, 0.0);
            for dk in -reach(2)..=reach(2) {
                for di in -reach(0)..=reach(0) {
                    let w = weight(0, di) * weight(2, dk);
                    let q = [mirror(p[0] + di, dims[0]), 0, mirror(p[2] + dk, dims[2])];
                    sum += w * at(&data, dims, q).unwrap();
                    total += w;
                }
            }
            assert!((found - sum / total).abs() < 1e-5, "{p:?}");
        }
    }

    #[test]
    fn gaussian_keeps_constants_and_skips_zero_sigma() {
        let dims = [9, 8, 7];
        let mut constant = vec![3.0f32; 504];
        gaussian(&mut constant, dims, [2.0, 0.5, 4.0]);
        assert!(constant.iter().all(|v| (v - 3.0).abs() < 1e-5));
        let data = random_values(dims, 41);
        let mut same = data.clone();
        gaussian(&mut same, dims, [0.0; 3]);
        assert_eq!(same, data);
    }

    #[test]
    fn box_morphology_matches_brute_force() {
        for (seed, dims) in (50..).zip(GRIDS) {
            let mask = random_mask(dims, 40, seed);
            for radius in [[1, 1, 1], [2, 0, 1], [0, 0, 0], [9, 3, 0]] {
                let near = |p: [isize; 3], q: [isize; 3]| {
                    (0..3).all(|axis| (p[axis] - q[axis]).unsigned_abs() <= radius[axis])
                };
                let any = |p: [isize; 3], wanted: u8| {
                    let found = voxels(dims)
                        .into_iter()
                        .zip(&mask)
                        .any(|(q, &v)| v == wanted && near(p, q));
                    u8::from(found)
                };
                let places = voxels(dims);
                let dilated: Vec<u8> = places.iter().map(|&p| any(p, 1)).collect();
                let eroded: Vec<u8> = places.iter().map(|&p| 1 - any(p, 0)).collect();
                assert_eq!(dilate(&mask, dims, radius), dilated, "{dims:?} {radius:?}");
                assert_eq!(erode(&mask, dims, radius), eroded, "{dims:?} {radius:?}");
            }
        }
    }

    /// Distance in mm from voxel `p` to the nearest voxel of value `wanted`.
    fn brute_distance(
        mask: &[u8],
        dims: Dims,
        spacing: [f64; 3],
        p: [isize; 3],
        wanted: u8,
    ) -> f64 {
        voxels(dims)
            .into_iter()
            .zip(mask)
            .filter(|(_, v)| **v == wanted)
            .map(|(q, _)| {
                (0..3)
                    .map(|a| (spacing[a] * (p[a] - q[a]) as f64).powi(2))
                    .sum::<f64>()
                    .sqrt()
            })
            .fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn distance_matches_brute_force() {
        for (seed, dims) in (60..).zip(GRIDS) {
            for (percent, spacing) in [(2, [0.7, 0.8, 2.5]), (30, [1.0, 1.0, 1.0])] {
                let mask = random_mask(dims, percent, seed);
                let found = distance_mm(&mask, dims, spacing);
                for (p, found) in voxels(dims).into_iter().zip(found) {
                    let expected = brute_distance(&mask, dims, spacing, p, 1);
                    let same = f64::from(found) == expected;
                    assert!(
                        same || (f64::from(found) - expected).abs() < 1e-4,
                        "{dims:?} {p:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn ball_morphology_matches_brute_force() {
        // Long in z, so that several slabs of the dilation meet.
        for (seed, dims) in (70..).zip([[6, 5, 4], [3, 2, 70], [12, 11, 1]]) {
            let mask = random_mask(dims, 6, seed);
            let inverse: Vec<u8> = mask.iter().map(|v| 1 - v).collect();
            let spacing = [0.7, 0.9, 1.3];
            for radius in [0.0, 1.0, 3.1, 50.0] {
                let places = voxels(dims);
                let within = |p: &[isize; 3]| {
                    u8::from(brute_distance(&mask, dims, spacing, *p, 1) <= radius)
                };
                let dilated: Vec<u8> = places.iter().map(within).collect();
                assert_eq!(dilate_ball(&mask, dims, spacing, radius), dilated);
                let eroded: Vec<u8> = dilated.iter().map(|v| 1 - v).collect();
                assert_eq!(erode_ball(&inverse, dims, spacing, radius), eroded);
            }
        }
    }

    #[test]
    fn closing_bridges_small_gaps_only() {
        let mut mask = vec![0u8; 40];
        mask[5..10].fill(1);
        mask[13..20].fill(1);
        mask[30..35].fill(1);
        let closed = close_ball(&mask, [40, 1, 1], [1.0; 3], 2.0);
        assert!(closed[5..20].iter().all(|&v| v == 1));
        assert_eq!(closed[20..30], [0; 10]);
        assert_eq!(closed[..5], [0; 5]);
    }

    #[test]
    fn bounding_box_is_tight() {
        let dims = [8, 7, 6];
        let mut mask = vec![0u8; 8 * 7 * 6];
        assert_eq!(bounding_box(&mask, dims), None);
        for [i, j, k] in [[2, 5, 1], [6, 3, 4]] {
            mask[i + 8 * (j + 7 * k)] = 7;
        }
        assert_eq!(bounding_box(&mask, dims), Some(([2, 3, 1], [7, 6, 5])));
    }

    #[test]
    fn empty_grids_are_fine() {
        for dims in [[0, 0, 0], [0, 3, 2], [3, 0, 2], [3, 2, 0]] {
            assert_eq!(components(&[], dims, Connectivity::Six).sizes, [0]);
            assert_eq!(bounding_box(&[], dims), None);
            assert!(distance_mm(&[], dims, [1.0; 3]).is_empty());
            assert!(box_mean(&[], dims, [3; 3]).is_empty());
            assert!(dilate(&[], dims, [1; 3]).is_empty());
            assert!(close_ball(&[], dims, [1.0; 3], 3.0).is_empty());
            fill_holes(&mut [], dims);
            fill_holes_2d(&mut [], dims);
            gaussian(&mut [], dims, [1.0; 3]);
        }
    }

    #[test]
    #[should_panic(expected = "array length")]
    fn wrong_length_is_refused() {
        components(&[1, 1], [3, 1, 1], Connectivity::Six);
    }
}
