//! How a convolution reads its input: from a canvas, a padded copy of it in which every tap of
//! every position is at a fixed distance from the position itself.
//!
//! A row of the canvas holds a row of the input between zeros; rows follow each other, so that a
//! whole plane of positions is one run of consecutive values for each tap, but for a few between
//! the rows that are computed and thrown away. With a stride the canvas holds the input's phases
//! (for stride 2, its even and its odd values) one after the other, and positions are again
//! consecutive. A transposed convolution is the mirror image: its *output* falls into phases,
//! here classes, each of them a small plain convolution with some of the taps.

use super::Geometry;
use super::simd::Simd;

/// Values behind a canvas that the last tile may read.
const SLACK: usize = 256;

/// A tap that reads, for position q, value `q + shift − low` of phase number `phase`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    /// Its place in the kernel.
    pub index: usize,
    /// Phase, as a place in the list of phases.
    pub phase: usize,
    /// Distance to the position.
    pub shift: usize,
}

/// One axis of a convolution.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// Extent of the source.
    pub source: usize,
    /// Extent of the target.
    pub target: usize,
    /// Source values from one position to the next.
    step_in: usize,
    /// Target values from one position to the next: the number of classes.
    pub step_out: usize,
    /// The source values modulo `step_in` that are read.
    phases: Vec<usize>,
    /// Canvas values in front of the first source value.
    low: usize,
    /// Canvas values beyond the positions.
    reach: usize,
    /// The taps of each class.
    pub classes: Vec<Vec<Tap>>,
}

impl Axis {
    /// From the taps of each class, as (phase, signed shift).
    fn new(
        [source, target, step_in, step_out]: [usize; 4],
        taps: Vec<Vec<(usize, usize, isize)>>,
    ) -> Self {
        let all = || taps.iter().flatten();
        let low = all().map(|t| t.2).min().map_or(0, |m| (-m).max(0));
        let high = all().map(|t| t.2).max().map_or(0, |m| m.max(0));
        let mut phases: Vec<usize> = all().map(|t| t.1).collect();
        phases.sort_unstable();
        phases.dedup();
        let place = |phase| phases.iter().position(|p| *p == phase).unwrap_or(0);
        let classes = taps.iter().map(|class| {
            let taps = class.iter().map(|&(index, phase, shift)| Tap {
                index,
                phase: place(phase),
                shift: (shift + low) as usize,
            });
            taps.collect()
        });
        Axis {
            source,
            target,
            step_in,
            step_out,
            classes: classes.collect(),
            phases,
            low: low as usize,
            reach: (low + high) as usize,
        }
    }

    /// Axis `a` of a convolution.
    fn forward(g: &Geometry, a: usize) -> Self {
        let step = g.stride[a] as isize;
        let taps = (0..g.kernel[a]).map(|t| {
            let at = (t * g.dilation[a]) as isize - g.padding[a] as isize;
            (t, at.rem_euclid(step) as usize, at.div_euclid(step))
        });
        Axis::new(
            [g.input[a], g.output[a], g.stride[a], 1],
            vec![taps.collect()],
        )
    }

    /// Axis `a` of the transpose of a convolution: value o of the target is the sum of the taps t
    /// for which `o = q·stride + t·dilation − padding` has a solution q.
    fn transposed(g: &Geometry, a: usize) -> Self {
        let step = g.stride[a] as isize;
        let classes = (0..step).map(|class| {
            let taps = (0..g.kernel[a]).filter_map(|t| {
                let at = class + g.padding[a] as isize - (t * g.dilation[a]) as isize;
                (at % step == 0).then_some((t, 0, at / step))
            });
            taps.collect()
        });
        Axis::new([g.output[a], g.input[a], 1, g.stride[a]], classes.collect())
    }

    /// Positions of class `class`; class 0 has the most.
    pub(super) fn positions(&self, class: usize) -> usize {
        self.target.saturating_sub(class).div_ceil(self.step_out)
    }

    /// Values of phase `phase` in the source.
    fn values(&self, phase: usize) -> usize {
        let first = self.phases[phase];
        self.source.saturating_sub(first).div_ceil(self.step_in)
    }

    /// Width of a canvas row: the zeros in front of a row serve as the zeros behind the last.
    fn width(&self) -> usize {
        let length = self.positions(0) + self.reach;
        let free = (0..self.phases.len())
            .map(|p| (length - self.low).saturating_sub(self.values(p)))
            .min()
            .unwrap_or(0);
        length - free.min(self.low)
    }

    /// Every position reads its own source value.
    fn is_plain(&self) -> bool {
        self.phases == [0]
            && self.step_in == 1
            && self.step_out == 1
            && self.reach == 0
            && self.source == self.target
    }

    /// The source row behind canvas row `row` of a block that starts at position `start`.
    fn row(&self, start: usize, row: usize, phase: usize) -> Option<usize> {
        let at = (start + row).checked_sub(self.low)? * self.step_in + self.phases[phase];
        (at < self.source).then_some(at)
    }
}

/// A convolution or a transposed one, as the kernels see it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Samples.
    pub batch: usize,
    /// Groups.
    pub groups: usize,
    /// Source channels of a group.
    pub sources: usize,
    /// Target channels of a group.
    pub targets: usize,
    /// Depth, height, width.
    pub axes: [Axis; 3],
}

impl Plan {
    /// The plan of a convolution.
    pub(super) fn forward(g: &Geometry) -> Self {
        let mut plan = Plan {
            batch: g.batch,
            groups: g.groups,
            sources: g.in_group(),
            targets: g.out_group(),
            axes: std::array::from_fn(|a| Axis::forward(g, a)),
        };
        plan.flatten();
        plan
    }

    /// The plan of a convolution's transpose.
    pub(super) fn transposed(g: &Geometry) -> Self {
        let mut plan = Plan {
            batch: g.batch,
            groups: g.groups,
            sources: g.out_group(),
            targets: g.in_group(),
            axes: std::array::from_fn(|a| Axis::transposed(g, a)),
        };
        plan.flatten();
        plan
    }

    /// Without depth, height or padding to mind, all positions are one row.
    fn flatten(&mut self) {
        if self.is_plain() {
            let all = self.source_plane();
            for (axis, extent) in self.axes.iter_mut().zip([1, all, 1]) {
                (axis.source, axis.target) = (extent, extent);
            }
        }
    }

    /// One tap at every pixel.
    pub(super) fn is_plain(&self) -> bool {
        self.taps() == 1 && self.axes.iter().all(Axis::is_plain)
    }

    /// Values of a source plane.
    pub(super) fn source_plane(&self) -> usize {
        self.axes.iter().map(|a| a.source).product()
    }
    /// Values of a target plane.
    pub(super) fn target_plane(&self) -> usize {
        self.axes.iter().map(|a| a.target).product()
    }
    /// Taps of all classes.
    pub(super) fn taps(&self) -> usize {
        let count = |a: &Axis| a.classes.iter().map(Vec::len).sum::<usize>();
        self.axes.iter().map(count).product()
    }

    /// Cuts the positions into blocks of nearly equal size, whose canvases have about `budget`
    /// values.
    pub(super) fn blocks(&self, budget: usize) -> Vec<Block> {
        let extent = [0, 1].map(|a| self.axes[a].positions(0));
        let block = self.block(budget);
        let counts: [usize; 2] = std::array::from_fn(|a| extent[a].div_ceil(block[a]));
        let cut = |a: usize, i: usize| extent[a] * i / counts[a];
        let blocks = (0..counts[0] * counts[1]).map(|index| {
            let place = [index / counts[1], index % counts[1]];
            let start: [usize; 2] = std::array::from_fn(|a| cut(a, place[a]));
            Block {
                start,
                extent: std::array::from_fn(|a| cut(a, place[a] + 1) - start[a]),
            }
        });
        blocks.collect()
    }

    /// Cuts the positions into blocks whose canvases have about `budget` values, with as little
    /// read twice as possible: depth and height of a block.
    pub(super) fn block(&self, budget: usize) -> [usize; 2] {
        let [z, y, x] = &self.axes;
        let phases: usize = self.axes.iter().map(|a| a.phases.len()).product();
        let row = self.sources * phases * x.width();
        let rows = (budget / row.max(1)).max(1);
        let [depth, height] = [z, y].map(|a| a.positions(0).max(1));
        let most = |d: usize| {
            (rows / (d + z.reach))
                .saturating_sub(y.reach)
                .clamp(1, height)
        };
        let cost = |d: usize| {
            let h = most(d);
            let outer = (d + z.reach) * (h + y.reach);
            (outer.max(rows), outer as f64 / (d * h) as f64)
        };
        let mut best = 1;
        for d in 2..=depth {
            if cost(d) < cost(best) {
                best = d;
            }
        }
        [best, most(best)]
    }
}

/// Positions `start .. start + extent` in depth and height, and all of their width.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// First depth and height.
    pub start: [usize; 2],
    /// Depth and height.
    pub extent: [usize; 2],
}

/// The distances within a canvas.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// From channel to channel.
    pub channel: usize,
    /// From plane to plane.
    pub plane: usize,
    /// From row to row.
    pub row: usize,
    /// From phase to phase.
    phase: usize,
}

impl Layout {
    /// The canvas of blocks of `extent` positions.
    pub(super) fn new(plan: &Plan, extent: [usize; 2]) -> Self {
        let [z, y, x] = &plan.axes;
        let row = x.width();
        let plane = (extent[1] + y.reach) * row;
        let phase = (extent[0] + z.reach) * plane;
        let phases: usize = plan.axes.iter().map(|a| a.phases.len()).product();
        Layout {
            channel: phases * phase,
            plane,
            row,
            phase,
        }
    }

    /// The source itself as the canvas of a plain plan.
    pub(super) fn direct(plan: &Plan) -> Self {
        let all = plan.source_plane();
        Layout {
            channel: all,
            plane: all,
            row: 1,
            phase: all,
        }
    }

    /// Where the taps of class `[z, y, x]` read, for every channel: `[channels, taps]`.
    pub(super) fn offsets(&self, plan: &Plan, class: [usize; 3]) -> Vec<usize> {
        let [z, y, x] = std::array::from_fn(|a| &plan.axes[a].classes[class[a]]);
        let mut offsets = Vec::with_capacity(plan.sources * z.len() * y.len() * x.len());
        for channel in 0..plan.sources {
            for z in z {
                for y in y {
                    for x in x {
                        let phase = (z.phase * plan.axes[1].phases.len() + y.phase)
                            * plan.axes[2].phases.len()
                            + x.phase;
                        offsets.push(
                            channel * self.channel
                                + phase * self.phase
                                + z.shift * self.plane
                                + y.shift * self.row
                                + x.shift,
                        );
                    }
                }
            }
        }
        offsets
    }

    /// Values to allocate for the canvas.
    pub(super) fn len(&self, plan: &Plan) -> usize {
        plan.sources * self.channel + self.row + SLACK
    }

    /// How the canvas of the block that starts at `start` is painted.
    pub(super) fn brush(&self, plan: &Plan, start: [usize; 2]) -> Brush {
        let [z, y, x] = &plan.axes;
        let mut rows = Vec::new();
        // A plain canvas is copied at once.
        for phase in phases(plan).filter(|_| !plan.is_plain()) {
            for depth in 0..self.phase / self.plane {
                let depth = z.row(start[0], depth, phase[0]);
                for height in 0..self.plane / self.row {
                    let height = y.row(start[1], height, phase[1]);
                    rows.push(depth.zip(height).map(|(depth, height)| Stroke {
                        from: (depth * y.source + height) * x.source + x.phases[phase[2]],
                        count: x.values(phase[2]).min(self.row - x.low),
                    }));
                }
            }
        }
        Brush {
            rows,
            step: x.step_in,
            low: x.low,
            start: start[1],
        }
    }

    /// Paints a canvas from the planes of a group's channels.
    #[inline(always)]
    pub(super) fn paint<S: Simd>(
        &self,
        s: S,
        plan: &Plan,
        brush: &Brush,
        source: &[f32],
        canvas: &mut [f32],
    ) {
        let pixels = plan.source_plane();
        // A vector may end behind its row: what it overwrites is painted later.
        assert!(canvas.len() >= plan.sources * self.channel + self.row + S::LANES);
        for channel in 0..plan.sources {
            let source = &source[channel * pixels..][..pixels];
            let to = &mut canvas[channel * self.channel..];
            if plan.is_plain() {
                let rows = &source[brush.start..][..self.channel];
                // SAFETY: as long as each other, with room behind the canvas.
                unsafe { copy(s, rows.as_ptr(), to.as_mut_ptr(), rows.len(), 1, false) };
                continue;
            }
            let mut to = to.as_mut_ptr();
            for stroke in &brush.rows {
                let drawn = stroke.as_ref().filter(|stroke| stroke.count > 0);
                // SAFETY: the row and a vector behind it are inside the canvas; the strokes are
                // inside the source, which the slice makes sure of.
                unsafe {
                    match drawn {
                        None => clear(s, to, self.row),
                        Some(&Stroke { from, count }) => {
                            let more = from + (count - 1) * brush.step + 1 < source.len();
                            let from = &source[from..][..(count - 1) * brush.step + 1];
                            clear(s, to, brush.low);
                            copy(s, from.as_ptr(), to.add(brush.low), count, brush.step, more);
                            let end = brush.low + count;
                            clear(s, to.add(end), self.row - end);
                        }
                    }
                    to = to.add(self.row);
                }
            }
        }
        // The zeros behind the last row are otherwise those in front of the next.
        canvas[plan.sources * self.channel..][..self.row].fill(0.0);
    }
}

/// What is on each row of a canvas, the same for every channel.
pub(super) struct Brush {
    rows: Vec<Option<Stroke>>,
    step: usize,
    low: usize,
    /// Where a plain canvas starts in the source.
    start: usize,
}

/// Source values on a row.
struct Stroke {
    from: usize,
    count: usize,
}

/// Every phase of a plan, in the order of the canvas.
fn phases(plan: &Plan) -> impl Iterator<Item = [usize; 3]> {
    let [d, h, w] = [0, 1, 2].map(|a| plan.axes[a].phases.len());
    (0..d * h * w).map(move |p| [p / (h * w), p / w % h, p % w])
}

/// Zeros from `to` on, `n` of them or up to a vector more.
///
/// # Safety
/// `n` values and a vector are writable.
#[inline(always)]
unsafe fn clear<S: Simd>(s: S, to: *mut f32, n: usize) {
    for i in (0..n).step_by(S::LANES) {
        // SAFETY: i < n.
        unsafe { s.store(to.add(i), s.splat(0.0)) };
    }
}

/// Copies every `step`-th value, `n` of them, and perhaps a vector of anything behind them;
/// `more` tells whether the value behind the last can be read too.
///
/// # Safety
/// `(n − 1)·step + 1` values are readable, and `n` and a vector writable.
#[inline(always)]
unsafe fn copy<S: Simd>(s: S, from: *const f32, to: *mut f32, n: usize, step: usize, more: bool) {
    let last = n.saturating_sub(S::LANES);
    let whole = n >= S::LANES;
    // SAFETY: whole vectors end at n at the latest: the last overlaps the one before.
    unsafe {
        match step {
            1 if whole => {
                for i in (0..n).step_by(S::LANES) {
                    let i = i.min(last);
                    s.store(to.add(i), s.load(from.add(i)));
                }
            }
            1 => s.store(to, s.load_first(from, n)),
            2 if whole && more => {
                for i in (0..n).step_by(S::LANES) {
                    let i = i.min(last);
                    let halves = [0, S::LANES].map(|half| from.add(2 * i + half));
                    let halves = halves.map(|from| s.load(from));
                    s.store(to.add(i), s.evens(halves[0], halves[1]));
                }
            }
            _ => {
                for i in 0..n {
                    *to.add(i) = *from.add(i * step);
                }
            }
        }
    }
}
