//! What a convolution reads for each of its positions, plain or transposed: see
//! [`super::canvas`].

use super::Geometry;

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
    pub step_in: usize,
    /// Target values from one position to the next: the number of classes.
    pub step_out: usize,
    /// The source values modulo `step_in` that are read.
    pub phases: Vec<usize>,
    /// Canvas values in front of the first source value.
    pub low: usize,
    /// Canvas values beyond the positions.
    pub reach: usize,
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
    pub(super) fn values(&self, phase: usize) -> usize {
        let first = self.phases[phase];
        self.source.saturating_sub(first).div_ceil(self.step_in)
    }

    /// Width of a canvas row: the zeros in front of a row serve as the zeros behind the last.
    pub(super) fn width(&self) -> usize {
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
    pub(super) fn row(&self, start: usize, row: usize, phase: usize) -> Option<usize> {
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

    /// Block number `index` of `counts[0]·counts[1]` of nearly equal size.
    pub(super) fn part(&self, counts: [usize; 2], index: usize) -> Block {
        let place = [index / counts[1], index % counts[1]];
        let bound = |a: usize, i: usize| {
            let all = self.axes[a].positions(0);
            match (all * i / counts[a], self.is_plain() && i < counts[a]) {
                // Whole vectors.
                (bound, true) => bound & !15,
                (bound, false) => bound,
            }
        };
        let start: [usize; 2] = std::array::from_fn(|a| bound(a, place[a]));
        Block {
            start,
            extent: std::array::from_fn(|a| bound(a, place[a] + 1) - start[a]),
        }
    }

    /// Cuts the positions into blocks whose canvases have about `budget` values, with as little
    /// read twice as possible: depth and height of a block.
    pub(super) fn block(&self, budget: usize) -> [usize; 2] {
        let [z, y, x] = &self.axes;
        let phases: usize = self.axes.iter().map(|a| a.phases.len()).product();
        let row = self.sources * phases * x.width();
        let rows = (budget / row.max(1)).max(1);
        let [depth, height] = [z, y].map(|a| a.positions(0).max(1));
        // Nothing is read twice where there is no padding; a block holds some whole tiles.
        let rows = if self.is_plain() { rows.max(256) } else { rows };
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
