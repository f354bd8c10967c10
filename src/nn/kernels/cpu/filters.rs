//! The gradient of a convolution by its weights: for each output channel and tap, the sum over
//! all positions of the output's gradient times the input value that the tap reads there.
//!
//! The input is read from a canvas (see [`super::canvas`]), the gradients from rows that are as
//! far apart as the canvas's, with zeros between them. A tile sums the products of a few output
//! channels and taps in registers.

use super::canvas::{Brush, Layout};
use super::plan::{Block, Plan};
use super::simd::{Level, Simd, Work};
use super::{Geometry, Shared, parallel_with, threads};

/// Values of a canvas and its gradients: they stay in the second-level cache.
const BLOCK_FLOATS: usize = 3 << 15;

/// Positions of a tile: a few channels of gradients stay in the first-level cache.
const TILE_POSITIONS: usize = 2048;

/// Gradient of [`super::conv`] by its weight.
pub(super) fn weight_gradient(level: Level, g: &Geometry, x: &[f32], grad: &[f32]) -> Vec<f32> {
    let plan = Plan::forward(g);
    let filter = plan.sources * plan.taps();
    let group = plan.targets * filter;
    assert_eq!(x.len(), g.batch * g.channels_in * g.inputs(), "input");
    assert_eq!(
        grad.len(),
        g.batch * g.channels_out * g.outputs(),
        "gradient"
    );
    let values = plan.sources + plan.targets;
    let block = plan.block(BLOCK_FLOATS * plan.sources / values.max(1));
    let blocks = [0, 1].map(|a: usize| plan.axes[a].positions(0).div_ceil(block[a]));
    // Each run of groups has workers, who share its blocks and add up sums of their own.
    let jobs = plan.batch * blocks[0] * blocks[1];
    let runs = plan.groups.min(4 * threads());
    let workers = threads().div_ceil(runs).min(jobs).max(1);
    let mut sums = vec![0.0; workers * plan.groups * group];
    let shared = Shared::new(&mut sums);
    parallel_with(runs * workers, Scratch::default, |scratch, task| {
        let (run, worker) = (task / workers, task % workers);
        let groups = plan.groups * run / runs..plan.groups * (run + 1) / runs;
        let first = worker * plan.groups + groups.start;
        level.run(Worker {
            plan: &plan,
            blocks,
            jobs: (worker..jobs).step_by(workers),
            x,
            grad,
            scratch,
            // SAFETY: one run of groups and worker a task.
            sums: unsafe { shared.part(first * group, groups.len() * group) },
            groups,
        });
    });
    let (all, rest) = sums.split_at_mut(plan.groups * group);
    for sums in rest.chunks_exact(all.len().max(1)) {
        for (to, from) in all.iter_mut().zip(sums) {
            *to += *from;
        }
    }
    sums.truncate(plan.groups * group);
    sums
}

/// What a thread keeps between tasks.
#[derive(Default)]
struct Scratch {
    canvas: Vec<f32>,
    grads: Vec<f32>,
}

/// Some blocks of some groups.
struct Worker<'a, J> {
    plan: &'a Plan,
    /// Blocks in depth and height.
    blocks: [usize; 2],
    /// Samples and blocks.
    jobs: J,
    x: &'a [f32],
    grad: &'a [f32],
    scratch: &'a mut Scratch,
    groups: std::ops::Range<usize>,
    /// `[groups, targets, sources, taps]`
    sums: &'a mut [f32],
}

impl<J: Iterator<Item = usize>> Work for Worker<'_, J> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let plan = self.plan;
        let (pixels, positions) = (plan.source_plane(), plan.target_plane());
        let size = self.sums.len() / self.groups.len().max(1);
        let mut known: Option<(usize, Layout, Brush, Vec<usize>)> = None;
        for job in self.jobs {
            let blocks = self.blocks[0] * self.blocks[1];
            let (n, index) = (job / blocks, job % blocks);
            let block = plan.part(self.blocks, index);
            let (_, layout, brush, offsets) = match known.take() {
                Some(same) if same.0 == index => known.insert(same),
                _ => {
                    let layout = Layout::new(plan, block.extent);
                    let brush = layout.brush(plan, block.start);
                    known.insert((index, layout, brush, layout.offsets(plan, [0; 3])))
                }
            };
            self.scratch.canvas.resize(layout.len(plan), 0.0);
            for (i, group) in self.groups.clone().enumerate() {
                let at = n * plan.groups + group;
                let x = &self.x[at * plan.sources * pixels..][..plan.sources * pixels];
                let grad = &self.grad[at * plan.targets * positions..];
                layout.paint(s, plan, brush, x, &mut self.scratch.canvas);
                for depth in 0..block.extent[0] {
                    let run = paint_gradients(s, plan, layout, block, depth, grad, self.scratch);
                    let sums = &mut self.sums[i * size..][..size];
                    let canvas = &self.scratch.canvas[depth * layout.plane..];
                    // SAFETY: the canvas was made for these offsets and has room for the vector
                    // in which the run ends.
                    unsafe { add_products(s, run, &self.scratch.grads, canvas, offsets, sums) };
                }
            }
        }
    }
}

/// Copies one depth of a block's gradients into rows as far apart as those of the canvas, with
/// zeros between them and up to whole vectors: `[targets, run]`; returns the run.
#[inline(always)]
fn paint_gradients<S: Simd>(
    s: S,
    plan: &Plan,
    layout: &Layout,
    block: Block,
    depth: usize,
    grad: &[f32],
    scratch: &mut Scratch,
) -> usize {
    let [_, y, x] = &plan.axes;
    let first = (block.start[0] + depth) * y.target + block.start[1];
    let (mut rows, mut width, mut pitch) = (block.extent[1], x.target, layout.row);
    if width == pitch {
        (rows, width, pitch) = (1, rows * width, rows * width);
    }
    let run = ((rows - 1) * pitch + width).next_multiple_of(S::LANES);
    // A row may be followed by a vector of zeros.
    scratch
        .grads
        .resize(plan.targets * run + pitch + S::LANES, 0.0);
    for target in 0..plan.targets {
        let from = &grad[target * plan.target_plane() + first * x.target..];
        for row in 0..rows {
            let from = &from[row * width..][..width];
            let to = &mut scratch.grads[target * run + row * pitch..];
            copy_and_clear(s, from, to, pitch);
        }
    }
    run
}

/// Copies `from` to the front of `to`, and zeros behind it up to `pitch` values and a vector.
#[inline(always)]
fn copy_and_clear<S: Simd>(s: S, from: &[f32], to: &mut [f32], pitch: usize) {
    let n = from.len();
    assert!(to.len() >= pitch.max(n) + S::LANES);
    // SAFETY: i < pitch, with room for a vector.
    unsafe {
        let mut i = 0;
        while i + S::LANES <= n {
            s.store(to.as_mut_ptr().add(i), s.load(from.as_ptr().add(i)));
            i += S::LANES;
        }
        s.store(
            to.as_mut_ptr().add(i),
            s.load_first(from.as_ptr().add(i), n - i),
        );
        while i + S::LANES < pitch {
            i += S::LANES;
            s.store(to.as_mut_ptr().add(i), s.splat(0.0));
        }
    }
}

/// `sums[m, k] += Σ_i grads[m, i]·x[offsets[k] + i]` over `run` positions.
///
/// # Safety
/// `x` has `run` values from each offset on; `run` is a multiple of the lanes.
#[inline(always)]
unsafe fn add_products<S: Simd>(
    s: S,
    run: usize,
    grads: &[f32],
    x: &[f32],
    offsets: &[usize],
    sums: &mut [f32],
) {
    let targets = sums.len() / offsets.len();
    assert!(grads.len() >= targets * run);
    for start in (0..run).step_by(TILE_POSITIONS) {
        let count = TILE_POSITIONS.min(run - start);
        let mut m = 0;
        while m < targets {
            let rows = (targets - m).min(3);
            let grads = grads[m * run + start..].as_ptr();
            let mut k = 0;
            while k < offsets.len() {
                let p = Products {
                    grads,
                    run,
                    x: x[start..].as_ptr(),
                    count,
                    offsets: &offsets[k..],
                    stride: offsets.len(),
                    sums: &mut sums[m * offsets.len() + k..],
                };
                let taps = match offsets.len() - k {
                    9.. => 9.min(S::TAPS),
                    5.. => 5.min(S::TAPS),
                    3.. => 3,
                    _ => 1,
                };
                // SAFETY: passed on to the caller.
                unsafe {
                    match (rows, taps) {
                        (3, 9) => p.add::<S, 3, 9>(s),
                        (3, 5) => p.add::<S, 3, 5>(s),
                        (3, 3) => p.add::<S, 3, 3>(s),
                        (3, _) => p.add::<S, 3, 1>(s),
                        (2, 9) => p.add::<S, 2, 9>(s),
                        (2, 5) => p.add::<S, 2, 5>(s),
                        (2, 3) => p.add::<S, 2, 3>(s),
                        (2, _) => p.add::<S, 2, 1>(s),
                        (_, 9) => p.add::<S, 1, 9>(s),
                        (_, 5) => p.add::<S, 1, 5>(s),
                        (_, 3) => p.add::<S, 1, 3>(s),
                        (_, _) => p.add::<S, 1, 1>(s),
                    }
                }
                k += taps;
            }
            m += rows;
        }
    }
}

/// A tile of [`add_products`].
struct Products<'a> {
    grads: *const f32,
    run: usize,
    x: *const f32,
    count: usize,
    offsets: &'a [usize],
    stride: usize,
    sums: &'a mut [f32],
}

impl Products<'_> {
    /// Adds the products of M output channels and T taps.
    ///
    /// # Safety
    /// As for [`add_products`].
    #[inline(always)]
    #[allow(
        clippy::needless_range_loop,
        reason = "loops of constant length, unrolled"
    )]
    unsafe fn add<S: Simd, const M: usize, const T: usize>(self, s: S) {
        let mut sums = [[s.splat(0.0); T]; M];
        let mut from = [self.x; T];
        for t in 0..T {
            from[t] = self.x.wrapping_add(self.offsets[t]);
        }
        for i in (0..self.count).step_by(S::LANES) {
            // SAFETY: by the caller's promise.
            unsafe {
                let mut grads = [s.splat(0.0); M];
                for m in 0..M {
                    grads[m] = s.load(self.grads.add(m * self.run + i));
                }
                for t in 0..T {
                    let x = s.load(from[t].add(i));
                    for m in 0..M {
                        sums[m][t] = s.fma(grads[m], x, sums[m][t]);
                    }
                }
            }
        }
        for m in 0..M {
            for t in 0..T {
                self.sums[m * self.stride + t] += s.sum(sums[m][t]);
            }
        }
    }
}
