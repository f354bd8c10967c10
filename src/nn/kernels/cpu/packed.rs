//! Convolutions, plain and transposed, over a canvas: see [`super::canvas`].
//!
//! The output channels are cut into panels of a tile's rows. A task paints the canvas of a block
//! of positions that stays in the second-level cache and, panel by panel, expands the weights to
//! f32 and runs the tiles over the block's positions.

use super::canvas::{Block, Layout, Plan};
use super::micro::{Tile, place, place_apart, place_pairs, range};
use super::simd::{Level, Simd, Work};
use super::{Activation, Geometry, Output, parallel_with, threads};

/// Values of a task's canvas: with the weights they stay in the second-level cache.
const CANVAS_FLOATS: usize = 3 << 16;

/// Multiplications that are worth a task.
const TASK_PRODUCTS: usize = 1 << 20;

/// Most values of a row of a tile.
const TILE_POSITIONS: usize = 128;

/// What happens to a convolution's sums before they are stored: + bias, + residual, activation.
#[derive(Clone, Copy, Debug)]
pub struct Finish<'a> {
    /// Added to each output channel.
    pub bias: &'a [f32],
    /// Added to each output value.
    pub residual: Option<&'a [f32]>,
    /// Applied last.
    pub activation: Activation,
}

/// A weight as it is stored.
pub trait Weight: Copy + Send + Sync {
    /// The weights as f32, in `buffer` unless they are f32 already.
    fn expand<'a>(weights: &'a [Self], buffer: &'a mut Vec<f32>) -> &'a [f32];
}

impl Weight for f32 {
    #[inline(always)]
    fn expand<'a>(weights: &'a [f32], _: &'a mut Vec<f32>) -> &'a [f32] {
        weights
    }
}

impl Weight for i8 {
    #[inline(always)]
    fn expand<'a>(weights: &'a [i8], buffer: &'a mut Vec<f32>) -> &'a [f32] {
        buffer.resize(weights.len(), 0.0);
        for (to, from) in buffer.iter_mut().zip(weights) {
            *to = f32::from(*from);
        }
        buffer
    }
}

/// Weights `[co, ci/groups, kd, kh, kw]` in the order in which [`conv_packed`] reads them.
///
/// The order depends on the CPU and on the geometry but for its extents.
pub fn arrange<W: Weight>(g: &Geometry, weights: &[W]) -> Vec<W> {
    arrange_for(Level::best(), g, weights)
}

pub(super) fn arrange_for<W: Weight>(level: Level, g: &Geometry, weights: &[W]) -> Vec<W> {
    let (gi, go, taps) = (g.in_group(), g.out_group(), g.taps());
    order(level, &Plan::forward(g), g, |group, target, source, tap| {
        weights[((group * go + target) * gi + source) * taps + tap]
    })
}

/// Weights `[ci, co/groups, kd, kh, kw]` of a transposed convolution in the order in which
/// [`conv_transposed_packed`] reads them. `g` is the convolution whose input gradient it is.
pub fn arrange_transposed<W: Weight>(g: &Geometry, weights: &[W]) -> Vec<W> {
    arrange_transposed_for(Level::best(), g, weights)
}

pub(super) fn arrange_transposed_for<W: Weight>(
    level: Level,
    g: &Geometry,
    weights: &[W],
) -> Vec<W> {
    let (gi, go, taps) = (g.in_group(), g.out_group(), g.taps());
    order(
        level,
        &Plan::transposed(g),
        g,
        |group, target, source, tap| weights[((group * go + source) * gi + target) * taps + tap],
    )
}

/// `[group, class z, class y, panel, class x, source, tap z, tap y, tap x, row]`, all of them
/// ragged, so that nothing is padded. `weight` takes group, target, source and tap.
fn order<W: Weight>(
    level: Level,
    plan: &Plan,
    g: &Geometry,
    weight: impl Fn(usize, usize, usize, usize) -> W,
) -> Vec<W> {
    let [z, y, x] = plan.axes.each_ref().map(|axis| &axis.classes);
    let panels = Panels::new(plan.targets, level.rows());
    let mut out = Vec::with_capacity(plan.groups * plan.targets * plan.sources * g.taps());
    for group in 0..plan.groups {
        for (z, y) in z.iter().flat_map(|z| y.iter().map(move |y| (z, y))) {
            for panel in 0..panels.count {
                for x in x {
                    for source in 0..plan.sources {
                        for z in z {
                            for y in y {
                                for x in x {
                                    let row = z.index * g.kernel[1] + y.index;
                                    let tap = row * g.kernel[2] + x.index;
                                    let rows = panels.rows(panel);
                                    out.extend(rows.map(|t| weight(group, t, source, tap)));
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    out
}

/// The cut of output channels into panels of nearly equal size.
#[derive(Clone, Copy)]
struct Panels {
    targets: usize,
    count: usize,
}

impl Panels {
    fn new(targets: usize, most: usize) -> Self {
        Panels {
            targets,
            count: targets.div_ceil(most),
        }
    }
    /// The channels of a panel.
    fn rows(&self, panel: usize) -> std::ops::Range<usize> {
        self.targets * panel / self.count..self.targets * (panel + 1) / self.count
    }
}

/// Convolution of `x [n, ci, d, h, w]` with arranged weights, each output channel of which is
/// multiplied by `scale`.
pub fn conv_packed<W: Weight>(
    g: &Geometry,
    x: &[f32],
    arranged: &[W],
    scale: &[f32],
    finish: &Finish,
) -> Vec<f32> {
    sweep(Level::best(), &Plan::forward(g), x, arranged, scale, finish)
}

/// Transposed convolution of `x`, which has the output shape of the convolution `g`, to the input
/// shape of `g`, with arranged weights, each output channel of which is multiplied by `scale`.
pub fn conv_transposed_packed<W: Weight>(
    g: &Geometry,
    x: &[f32],
    arranged: &[W],
    scale: &[f32],
    finish: &Finish,
) -> Vec<f32> {
    let plan = Plan::transposed(g);
    sweep(Level::best(), &plan, x, arranged, scale, finish)
}

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
            let mut block = plan.block(budget);
            if plan.is_plain() {
                block[1] = block[1].max(2 * TILE_POSITIONS);
            }
            let blocks = [0, 1].map(|a| extent[a].div_ceil(block[a]));
            let positions = block[0] * block[1] * width;
            if blocks[0] * blocks[1] >= wanted || positions < 8 * TILE_POSITIONS {
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

    /// The block of a task.
    fn block(&self, plan: &Plan, index: usize) -> Block {
        let place = [index / self.blocks[1], index % self.blocks[1]];
        let bounds: [_; 2] = std::array::from_fn(|a| {
            let bound = |i| {
                let all = plan.axes[a].positions(0);
                match (
                    all * i / self.blocks[a],
                    plan.is_plain() && i < self.blocks[a],
                ) {
                    // Whole vectors.
                    (bound, true) => bound & !15,
                    (bound, false) => bound,
                }
            };
            (bound(place[a]), bound(place[a] + 1))
        });
        Block {
            start: bounds.map(|b| b.0),
            extent: bounds.map(|b| b.1 - b.0),
        }
    }
}

/// What a thread keeps between tasks.
#[derive(Default)]
struct Scratch {
    canvas: Vec<f32>,
    weights: Vec<f32>,
    tiles: Vec<f32>,
    segments: Vec<Segment>,
}

/// Positions of a tile that are neighbours in the output too.
#[derive(Clone, Copy)]
struct Segment {
    /// First in the tile.
    from: usize,
    /// Base position in the plane, before the output's step.
    row: usize,
    column: usize,
    count: usize,
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
        let block = cut.block(plan, rest % blocks);
        let (n, run) = (rest / blocks / cut.runs, rest / blocks % cut.runs);
        let panels =
            self.panels.count * chunk / cut.chunks..self.panels.count * (chunk + 1) / cut.chunks;
        let layout = match cut.direct {
            true => Layout::direct(plan),
            false => Layout::new(plan, block.extent),
        };
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
            tiles,
            segments,
        } = self.scratch;
        if !cut.direct {
            canvas.resize(layout.len(plan), 0.0);
        }
        tiles.resize(steps[2] * S::ROWS * TILE_POSITIONS + S::LANES, 0.0);
        let (pixels, positions) = (plan.source_plane(), plan.target_plane());
        for group in plan.groups * run / cut.runs..plan.groups * (run + 1) / cut.runs {
            let sources = &self.x[(n * plan.groups + group) * plan.sources * pixels..]
                [..plan.sources * pixels];
            let source = match cut.direct {
                true => &sources[block.start[1]..],
                false => {
                    layout.paint(s, plan, block, sources, canvas);
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
                    let sweep = Sweep {
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
                        // SAFETY: the channel's planes are inside the output, whose length is
                        // that of the residual.
                        to: unsafe { self.to.add(target) },
                        residual: self.finish.residual.map(|r| &r[target..]),
                        range: range(self.finish.activation),
                    };
                    sweep.run(s, tiles, segments);
                }
            }
        }
    }
}

/// The output values of one phase in depth and height, and where each phase in width reads.
struct Class {
    at: [usize; 2],
    offsets: Vec<Vec<usize>>,
}

/// One panel and class over the positions of a block.
struct Sweep<'a> {
    plan: &'a Plan,
    block: Block,
    layout: Layout,
    direct: bool,
    class: &'a Class,
    rows: usize,
    /// `[class x, source and tap, rows]`
    weights: &'a [f32],
    source: &'a [f32],
    scale: &'a [f32],
    bias: &'a [f32],
    /// The panel's first plane.
    to: *mut f32,
    residual: Option<&'a [f32]>,
    range: (f32, f32),
}

impl Sweep<'_> {
    #[inline(always)]
    fn run<S: Simd>(&self, s: S, tiles: &mut [f32], segments: &mut Vec<Segment>) {
        let [z, y, _] = &self.plan.axes;
        let first = self.block.start[1];
        let last = y
            .positions(self.class.at[1])
            .min(first + self.block.extent[1]);
        for depth in 0..self.block.extent[0] {
            let to = (self.block.start[0] + depth) * z.step_out + self.class.at[0];
            if to < z.target && first < last {
                self.plane(s, [depth, to], first..last, tiles, segments);
            }
        }
    }

    /// The rows of one depth: `from` in the block, `to` in the output.
    #[inline(always)]
    fn plane<S: Simd>(
        &self,
        s: S,
        [from, to]: [usize; 2],
        lines: std::ops::Range<usize>,
        tiles: &mut [f32],
        segments: &mut Vec<Segment>,
    ) {
        let [_, y, x] = &self.plan.axes;
        let target = self.plan.target_plane();
        let (mut width, mut pitch) = (x.positions(0), self.layout.row);
        let run = (lines.len() - 1) * pitch + width;
        if width == pitch && [x.step_out, y.step_out] == [1; 2] {
            // Nothing between the rows: they are one.
            (width, pitch) = (run, run);
        }
        let widths = S::widths(self.rows);
        let start = from * self.layout.plane;
        let (mut row, mut column) = (0, 0);
        let mut at = 0;
        while at < run {
            let needed = (run - at).div_ceil(S::LANES);
            let mut vectors = widths[0];
            for &w in &widths[1..] {
                if w >= needed {
                    vectors = w;
                }
            }
            let count = vectors * S::LANES;
            if self.direct && at + count > run {
                // The source ends here: some positions are computed twice.
                at = run - count;
                column = at;
            }
            let line = (lines.start + row) * y.step_out + self.class.at[1];
            let base = (to * y.target + line) * x.target;
            let mut tile = Tile {
                weights: self.weights.as_ptr(),
                source: self.source[start + at..].as_ptr(),
                scale: self.scale.as_ptr(),
                bias: self.bias.as_ptr(),
                to: tiles.as_mut_ptr(),
                pitch: count,
                residual: std::ptr::null(),
                range: range(Activation::None),
            };
            if x.step_out == 1 && column + count <= width {
                // SAFETY: the tile's positions are inside one row of the output.
                unsafe {
                    tile.to = self.to.add(base + column);
                    tile.pitch = target;
                    tile.range = self.range;
                    if let Some(residual) = self.residual {
                        tile.residual = residual[base + column..].as_ptr();
                    }
                    s.tile(self.rows, vectors, &tile, &self.class.offsets[0]);
                }
            } else {
                for offsets in &self.class.offsets {
                    // SAFETY: the buffer has room for a tile of each class.
                    unsafe {
                        s.tile(self.rows, vectors, &tile, offsets);
                        tile.weights = tile.weights.add(offsets.len() * self.rows);
                        tile.to = tile.to.add(self.rows * count);
                    }
                }
                cut_segments([row, column], [width, pitch], count.min(run - at), segments);
                self.scatter(s, to, lines.start, tiles, count, segments);
            }
            at += count;
            column += count;
            while column >= pitch && at < run {
                column -= pitch;
                row += 1;
            }
        }
    }

    /// Stores a tile whose positions are not neighbours in the output.
    #[inline(always)]
    fn scatter<S: Simd>(
        &self,
        s: S,
        depth: usize,
        line: usize,
        tiles: &[f32],
        count: usize,
        segments: &[Segment],
    ) {
        let [_, y, x] = &self.plan.axes;
        let target = self.plan.target_plane();
        for m in 0..self.rows {
            for segment in segments {
                let line = (line + segment.row) * y.step_out + self.class.at[1];
                let to =
                    m * target + (depth * y.target + line) * x.target + segment.column * x.step_out;
                let residual = match self.residual {
                    Some(residual) => residual[to..].as_ptr(),
                    None => std::ptr::null(),
                };
                let tile =
                    |class: usize| tiles[(class * self.rows + m) * count + segment.from..].as_ptr();
                // A class may have one position less than class 0.
                let most = |class| (x.positions(class) - segment.column).min(segment.count);
                // SAFETY: the positions are inside their row of the output; the buffer has a
                // vector's room behind its tiles.
                unsafe {
                    let to = self.to.add(to);
                    match x.step_out {
                        1 => place(s, tile(0), to, residual, self.range, segment.count),
                        2 => {
                            let pairs = most(1);
                            place_pairs([tile(0), tile(1)], to, residual, self.range, pairs);
                            if pairs < segment.count {
                                let residual = residual.wrapping_add(if residual.is_null() {
                                    0
                                } else {
                                    2 * pairs
                                });
                                place_apart(
                                    tile(0).add(pairs),
                                    to.add(2 * pairs),
                                    residual,
                                    self.range,
                                    1,
                                    2,
                                );
                            }
                        }
                        step => {
                            for class in 0..step {
                                let residual = residual.wrapping_add(if residual.is_null() {
                                    0
                                } else {
                                    class
                                });
                                place_apart(
                                    tile(class),
                                    to.add(class),
                                    residual,
                                    self.range,
                                    most(class),
                                    step,
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The positions of a tile that starts at `[row, column]`, without those between the rows.
fn cut_segments(
    [mut row, mut column]: [usize; 2],
    [width, pitch]: [usize; 2],
    count: usize,
    segments: &mut Vec<Segment>,
) {
    segments.clear();
    let mut from = 0;
    while from < count {
        if column < width {
            let count = (width - column).min(count - from);
            segments.push(Segment {
                from,
                row,
                column,
                count,
            });
        }
        from += pitch - column;
        (row, column) = (row + 1, 0);
    }
}
