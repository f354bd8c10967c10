//! Convolutions, plain and transposed, whose weights have been arranged before.

use super::plan::Plan;
use super::simd::Level;
use super::sweep::sweep;
use super::{Activation, Geometry};

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
pub(super) struct Panels {
    targets: usize,
    /// Panels.
    pub count: usize,
}

impl Panels {
    pub(super) fn new(targets: usize, most: usize) -> Self {
        Panels {
            targets,
            count: targets.div_ceil(most),
        }
    }
    /// The channels of a panel.
    pub(super) fn rows(&self, panel: usize) -> std::ops::Range<usize> {
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
