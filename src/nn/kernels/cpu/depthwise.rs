//! The gradient of a depthwise convolution by its weight.

use super::canvas::{Block, Layout, Plan};
use super::simd::{Level, Simd, Work};
use super::{Geometry, Shared, parallel_with};

/// Gradient of a depthwise convolution by its weight `[c, taps]`.
pub(super) fn weight_gradient(g: &Geometry, x: &[f32], grad: &[f32]) -> Vec<f32> {
    weight_gradient_for(Level::best(), g, x, grad)
}

pub(super) fn weight_gradient_for(level: Level, g: &Geometry, x: &[f32], grad: &[f32]) -> Vec<f32> {
    let plan = Plan::forward(g);
    let taps = g.taps();
    let mut gw = vec![0.0; g.channels_out * taps];
    let shared = Shared::new(&mut gw);
    parallel_with(
        g.channels_in,
        || (Vec::new(), Vec::new()),
        |(canvas, padded), channel| {
            for n in 0..g.batch {
                let plane = n * g.channels_in + channel;
                level.run(Plane {
                    plan: &plan,
                    x: &x[plane * g.inputs()..][..g.inputs()],
                    grad: &grad[plane * g.outputs()..][..g.outputs()],
                    canvas,
                    padded,
                    // SAFETY: one filter a task.
                    to: unsafe { shared.part(channel * taps, taps) },
                });
            }
        },
    );
    gw
}

/// One sample's channel: adds the products of its gradients with the inputs of each tap.
struct Plane<'a> {
    plan: &'a Plan,
    x: &'a [f32],
    grad: &'a [f32],
    canvas: &'a mut Vec<f32>,
    padded: &'a mut Vec<f32>,
    to: &'a mut [f32],
}

impl Work for Plane<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let axes = &self.plan.axes;
        let [depth, height, width] = axes.each_ref().map(|a| a.target);
        let block = Block {
            start: [0, 0],
            extent: [depth, height],
        };
        let layout = Layout::new(self.plan, block.extent);
        self.canvas.resize(layout.len(self.plan), 0.0);
        layout.paint(s, self.plan, block, self.x, self.canvas);
        // The gradients in rows as far apart as those of the canvas, zeros between them.
        let run = ((height - 1) * layout.row + width).next_multiple_of(S::LANES);
        self.padded.resize(run.max(height * layout.row), 0.0);
        let offsets = layout.offsets(self.plan, [0; 3]);
        for z in 0..depth {
            let rows = self.padded.chunks_mut(layout.row);
            let from = self.grad[z * height * width..].chunks_exact(width);
            let mut rows_from = from.take(height);
            for row in rows {
                match rows_from.next() {
                    Some(from) => {
                        row[..width].copy_from_slice(from);
                        row[width..].fill(0.0);
                    }
                    None => row.fill(0.0),
                }
            }
            let source = &self.canvas[z * layout.plane..];
            assert!(source.len() >= run + offsets.iter().max().unwrap_or(&0));
            let mut at = 0;
            while at < offsets.len() {
                // SAFETY: `padded` holds `run` values, `source` as many from every offset on.
                at += unsafe {
                    let (left, to) = (&offsets[at..], &mut self.to[at..]);
                    match left.len() {
                        9.. => products::<S, 9>(s, self.padded, source, left, run, to),
                        5.. => products::<S, 5>(s, self.padded, source, left, run, to),
                        3.. => products::<S, 3>(s, self.padded, source, left, run, to),
                        _ => products::<S, 1>(s, self.padded, source, left, run, to),
                    }
                };
            }
        }
    }
}

/// `to[t] += Σ_i grad[i]·x[offsets[t] + i]` for the first T taps; returns T.
///
/// # Safety
/// `grad` holds `run` values, and `x` from each offset on; `run` is a multiple of the lanes.
#[inline(always)]
unsafe fn products<S: Simd, const T: usize>(
    s: S,
    grad: &[f32],
    x: &[f32],
    offsets: &[usize],
    run: usize,
    to: &mut [f32],
) -> usize {
    let mut sums = [s.splat(0.0); T];
    let mut from = [x.as_ptr(); T];
    for t in 0..T {
        // SAFETY: inside `x` by the caller's promise.
        from[t] = unsafe { x.as_ptr().add(offsets[t]) };
    }
    for i in (0..run).step_by(S::LANES) {
        // SAFETY: i + LANES ≤ run.
        unsafe {
            let g = s.load(grad.as_ptr().add(i));
            for t in 0..T {
                sums[t] = s.fma(g, s.load(from[t].add(i)), sums[t]);
            }
        }
    }
    for t in 0..T {
        to[t] += s.sum(sums[t]);
    }
    T
}
