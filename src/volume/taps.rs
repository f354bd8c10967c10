//! Which source voxels, with which weights, make up the target voxels along one axis.

use std::ops::Range;

/// A centre this little outside the field of view (in voxels) is rounding, not geometry.
const EDGE_TOLERANCE: f64 = 1e-4;
/// Target steps up to this many source voxels are read as equal spacing and are not averaged.
const SAME_STEP: f64 = 1.001;

/// What to do along an axis whose target step is longer than the source's.
#[derive(Clone, Copy)]
pub(super) enum Coarse {
    /// Interpolate at the centre all the same.
    Sample,
    /// Average over the target voxel.
    Average,
}

/// True if the source coordinate lies in the field of view of an axis of `n` voxels.
fn in_view(x: f64, n: usize) -> bool {
    (-0.5 - EDGE_TOLERANCE..=n as f64 - 0.5 + EDGE_TOLERANCE).contains(&x)
}

/// Index of the voxel that holds the source coordinate.
pub(super) fn nearest(x: f64, n: usize) -> Option<usize> {
    in_view(x, n).then(|| ((x + 0.5).floor().max(0.0) as usize).min(n - 1))
}

/// Lower neighbour and weight of the upper one, with the border continued outwards.
pub(super) fn linear(x: f64, n: usize) -> Option<(usize, f64)> {
    in_view(x, n).then(|| {
        let x = x.clamp(0.0, (n - 1) as f64);
        (x.floor() as usize, x.fract())
    })
}

/// Which source voxels make up each target voxel along one axis.
pub(super) struct Taps {
    /// First source voxel and range in `weights`; an empty range lies outside the field of view.
    spans: Vec<(usize, Range<usize>)>,
    weights: Vec<f32>,
}

impl Taps {
    /// Taps of `target` voxels, the n-th at source coordinate `offset + scale · n`, on an axis of
    /// `source` voxels.
    pub(super) fn new(
        source: usize,
        target: usize,
        scale: f64,
        offset: f64,
        coarse: Coarse,
    ) -> Self {
        let average = matches!(coarse, Coarse::Average) && scale.abs() > SAME_STEP;
        let mut taps = Self {
            spans: Vec::with_capacity(target),
            weights: Vec::with_capacity(2 * target),
        };
        for n in 0..target {
            let x = offset + scale * n as f64;
            let begin = taps.weights.len();
            let first = if average {
                taps.push_cell(x, scale.abs(), source)
            } else {
                taps.push_linear(x, source)
            };
            taps.spans.push((first, begin..taps.weights.len()));
        }
        taps
    }

    fn push_linear(&mut self, x: f64, n: usize) -> usize {
        let Some((first, upper)) = linear(x, n) else {
            return 0;
        };
        self.weights.push((1.0 - upper) as f32);
        if upper > 0.0 {
            self.weights.push(upper as f32);
        }
        first
    }

    /// Mean of the linear interpolant over a target voxel of `width` source voxels around `x`: the
    /// weight of a source voxel is the integral of its hat function, so that linear functions
    /// come out exactly.
    fn push_cell(&mut self, x: f64, width: f64, n: usize) -> usize {
        if !in_view(x, n) {
            return 0;
        }
        let last = n - 1;
        if last == 0 {
            self.weights.push(1.0);
            return 0;
        }
        let low = (x - width / 2.0).max(-0.5);
        let high = (x + width / 2.0).min(n as f64 - 0.5);
        let from = low.floor().max(0.0) as usize;
        let to = (high.ceil() as usize).min(last);
        for i in from..=to {
            let mass = if i == 0 {
                border_integral(high) - border_integral(low)
            } else if i == last {
                border_integral(last as f64 - low) - border_integral(last as f64 - high)
            } else {
                hat_integral(high - i as f64) - hat_integral(low - i as f64)
            };
            self.weights.push((mass / (high - low)) as f32);
        }
        from
    }

    /// Number of target voxels.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// First source voxel and weights of target voxel `n`; no weights outside the field of view.
    pub(super) fn at(&self, n: usize) -> (usize, &[f32]) {
        let (first, range) = &self.spans[n];
        (*first, &self.weights[range.clone()])
    }

    /// The source voxels that any target voxel uses.
    pub(super) fn used(&self) -> Range<usize> {
        let spans = || self.spans.iter().filter(|(_, range)| !range.is_empty());
        let from = spans().map(|(first, _)| *first).min().unwrap_or(0);
        let to = spans().map(|(first, range)| first + range.len()).max();
        from..to.unwrap_or(0)
    }
}

/// Integral from -∞ to `t` of the hat function `max(0, 1 - |t|)`.
fn hat_integral(t: f64) -> f64 {
    let t = t.clamp(-1.0, 1.0);
    if t < 0.0 {
        (1.0 + t) * (1.0 + t) / 2.0
    } else {
        1.0 - (1.0 - t) * (1.0 - t) / 2.0
    }
}

/// Antiderivative of a border voxel's weight, 1 up to its centre and falling to 0 one voxel inwards.
fn border_integral(t: f64) -> f64 {
    let inner = t.clamp(0.0, 1.0);
    t.min(0.0) + inner - inner * inner / 2.0
}
