//! How a convolution reads its input: from a canvas, a padded copy of it in which every tap of
//! every position is at a fixed distance from the position itself.
//!
//! A row of the canvas holds a row of the input between zeros; rows follow each other, so that a
//! whole plane of positions is one run of consecutive values for each tap, but for a few between
//! the rows that are computed and thrown away. With a stride the canvas holds the input's phases
//! (for stride 2, its even and its odd values) one after the other, and positions are again
//! consecutive. A transposed convolution is the mirror image: its *output* falls into phases,
//! here classes, each of them a small plain convolution with some of the taps.

use super::plan::Plan;
use super::simd::Simd;

/// Values behind a canvas that the last tile may read.
const SLACK: usize = 256;

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
