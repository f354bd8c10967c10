//! Runs a convolution, plain or transposed, over canvases (see [`super::canvas`]) on all threads.
//!
//! The output channels are cut into panels of a tile's rows. A task paints the canvas of a block
//! of positions that stays in the second-level cache and, panel by panel, expands the weights to
//! f32 and runs the tiles over the block's positions.

use super::canvas::Layout;
use super::micro::range;
use super::packed::{Finish, Panels, Weight};
use super::plan::Plan;
use super::simd::{Level, Simd, Work};
use super::strip::{Class, Room, Strip, TILE_POSITIONS};
use super::{Output, parallel_with, threads};

/// Values of a task's canvas: with the weights they stay in the second-level cache.
const CANVAS_FLOATS: usize = 3 << 15;

/// Multiplications that are worth a task.
const TASK_PRODUCTS: usize = 1 << 20;

/// Runs a plan on all threads.
///
/// # Panics
/// If a slice does not have the length that the plan asks for.
pub(super) fn sweep<W: Weight>(
    level: Level,
    plan: &Plan,
    x: &[f32],
    arranged: &[W],
    scale: &[f32],
    finish: &Finish,
) -> Vec<f32> {
    let channels = plan.groups * plan.targets;
    let filters = plan.sources * plan.taps();
    let mut out = Output::new(plan.batch * channels * plan.target_plane());
    let sources = plan.batch * plan.groups * plan.sources * plan.source_plane();
    assert_eq!(x.len(), sources, "input");
    let arranged = &arranged[..channels * filters];
    assert_eq!([scale.len(), finish.bias.len()], [channels; 2], "channels");
    assert!(
        finish.residual.is_none_or(|r| r.len() == out.len()),
        "residual"
    );
    if out.len() == 0 {
        return Vec::new();
    }
    let panels = Panels::new(plan.targets, level.rows());
    let cut = Cut::new(plan, panels.count);
    let to = out.shared();
    parallel_with(cut.tasks(plan), Scratch::default, |scratch, task| {
        level.run(Task {
            plan,
            panels,
            cut: &cut,
            task,
            x,
            arranged,
            scale,
            finish,
            to: to.pointer(),
            scratch,
        });
    });
    // SAFETY: the tasks have written every position of every channel.
    unsafe { out.finish() }
}

/// How a plan is cut into tasks.
struct Cut {
    /// Blocks in depth and height.
    blocks: [usize; 2],
    /// Runs of panels.
    chunks: usize,
    /// Runs of groups.
    runs: usize,
    /// Whether the source serves as its own canvas.
    direct: bool,
}

impl Cut {
    fn new(plan: &Plan, panels: usize) -> Self {
        let extent = [0, 1].map(|a| plan.axes[a].positions(0));
        let direct = plan.is_plain() && extent[1] >= 4 * TILE_POSITIONS;
        let width = plan.axes[2].positions(0);
        let threads = threads();
        // Small groups share a task.
        let products = plan.sources * plan.taps() * plan.targets * plan.target_plane();
        let runs = (plan.groups * products)
            .div_ceil(TASK_PRODUCTS)
            .max((4 * threads).div_ceil(plan.batch))
            .min(plan.groups);
        let wanted = match threads {
            1 => 1,
            _ => (4 * threads).div_ceil(plan.batch * runs),
        };
        let mut budget = CANVAS_FLOATS;
        let blocks = loop {
            let block = plan.block(budget);
            let blocks = [0, 1].map(|a| extent[a].div_ceil(block[a]));
            let positions = block[0] * block[1] * width;
            let small = positions < 8 * TILE_POSITIONS || block == [1, 1];
            if small || blocks[0] * blocks[1] >= wanted {
                break blocks;
            }
            budget /= 2;
        };
        let chunks = wanted.div_ceil(blocks[0] * blocks[1]).clamp(1, panels);
        Cut {
            blocks,
            chunks,
            runs,
            direct,
        }
    }

    fn tasks(&self, plan: &Plan) -> usize {
        plan.batch * self.runs * self.blocks[0] * self.blocks[1] * self.chunks
    }
}

/// What a thread keeps between tasks.
#[derive(Default)]
struct Scratch {
    canvas: Vec<f32>,
    weights: Vec<f32>,
    room: Room,
}

/// One task of [`sweep`]: a block of positions for some groups and panels.
struct Task<'a, W> {
    plan: &'a Plan,
    panels: Panels,
    cut: &'a Cut,
    task: usize,
    x: &'a [f32],
    arranged: &'a [W],
    scale: &'a [f32],
    finish: &'a Finish<'a>,
    to: *mut f32,
    scratch: &'a mut Scratch,
}

impl<W: Weight> Work for Task<'_, W> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (plan, cut) = (self.plan, self.cut);
        let (rest, chunk) = (self.task / cut.chunks, self.task % cut.chunks);
        let blocks = cut.blocks[0] * cut.blocks[1];
        let block = plan.part(cut.blocks, rest % blocks);
        let (n, run) = (rest / blocks / cut.runs, rest / blocks % cut.runs);
        let panels =
            self.panels.count * chunk / cut.chunks..self.panels.count * (chunk + 1) / cut.chunks;
        let layout = match cut.direct {
            true => Layout::direct(plan),
            false => Layout::new(plan, block.extent),
        };
        let brush = layout.brush(plan, block.start);
        let steps = plan.axes.each_ref().map(|a| a.step_out);
        let classes: Vec<Class> = (0..steps[0] * steps[1])
            .map(|c| [c / steps[1], c % steps[1]])
            .map(|at| Class {
                at,
                offsets: (0..steps[2])
                    .map(|x| layout.offsets(plan, [at[0], at[1], x]))
                    .collect(),
            })
            .collect();
        let Scratch {
            canvas,
            weights: buffer,
            room,
        } = self.scratch;
        if !cut.direct {
            canvas.resize(layout.len(plan), 0.0);
        }
        let (pixels, positions) = (plan.source_plane(), plan.target_plane());
        for group in plan.groups * run / cut.runs..plan.groups * (run + 1) / cut.runs {
            let sources = &self.x[(n * plan.groups + group) * plan.sources * pixels..]
                [..plan.sources * pixels];
            let source = match cut.direct {
                true => &sources[block.start[1]..],
                false => {
                    layout.paint(s, plan, &brush, sources, canvas);
                    &canvas[..]
                }
            };
            let filters = plan.targets * plan.sources * plan.taps();
            let mut weights = &self.arranged[group * filters..][..filters];
            for class in &classes {
                let filter: usize = class.offsets.iter().map(Vec::len).sum();
                let (own, rest) = weights.split_at(plan.targets * filter);
                weights = rest;
                for panel in panels.clone() {
                    let rows = self.panels.rows(panel);
                    let codes = &own[rows.start * filter..rows.end * filter];
                    let channel = group * plan.targets + rows.start;
                    let target = (n * plan.groups * plan.targets + channel) * positions;
                    let strip = Strip {
                        plan,
                        block,
                        layout,
                        direct: cut.direct,
                        class,
                        rows: rows.len(),
                        weights: W::expand(codes, buffer),
                        source,
                        scale: &self.scale[channel..][..rows.len()],
                        bias: &self.finish.bias[channel..][..rows.len()],
                        to: self.to.wrapping_add(target),
                        residual: match self.finish.residual {
                            Some(residual) => residual[target..].as_ptr(),
                            None => std::ptr::null(),
                        },
                        range: range(self.finish.activation),
                    };
                    // SAFETY: the panel's planes are inside the output, which has the length of
                    // the residual; no other task has this block of them.
                    unsafe { strip.run(s, room) };
                }
            }
        }
    }
}
