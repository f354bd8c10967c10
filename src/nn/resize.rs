//! Bilinear resizing, in both of PyTorch's conventions.

use super::kernels::{Kernels, unwrap, wrap};
use burn::tensor::Tensor;

/// Where the samples lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// The corner pixels of input and output coincide (`align_corners = true`).
    Corners,
    /// Pixels are areas: centre o maps to (o + ½)·in/out − ½ (`align_corners = false`, no
    /// antialiasing).
    Centers,
}

/// What one output value of an axis is made of: `(1 − part)·x[low] + part·x[high]`.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// First input value.
    pub low: usize,
    /// Its neighbour, the same at the end.
    pub high: usize,
    /// The neighbour's share.
    pub part: f32,
}

/// The samples of one axis.
pub fn samples(input: usize, output: usize, align: Align) -> Vec<Sample> {
    let place = |o: usize| match align {
        Align::Corners if output > 1 => o as f64 * (input - 1) as f64 / (output - 1) as f64,
        Align::Corners => 0.0,
        Align::Centers => ((o as f64 + 0.5) * input as f64 / output as f64 - 0.5).max(0.0),
    };
    let sample = |o| {
        let at = place(o);
        let low = (at.floor() as usize).min(input - 1);
        Sample {
            low,
            high: (low + 1).min(input - 1),
            part: (at - low as f64) as f32,
        }
    };
    (0..output).map(sample).collect()
}

/// The same as a matrix, row-major `[output, input]`.
pub fn weights(input: usize, output: usize, align: Align) -> Vec<f32> {
    let mut matrix = vec![0.0; input * output];
    let rows = matrix.chunks_exact_mut(input);
    for (row, sample) in rows.zip(samples(input, output, align)) {
        row[sample.low] += 1.0 - sample.part;
        row[sample.high] += sample.part;
    }
    matrix
}

/// Resizes `[n, c, h, w]` to `[n, c, size[0], size[1]]`.
pub fn bilinear<B: Kernels>(x: Tensor<B, 4>, size: [usize; 2], align: Align) -> Tensor<B, 4> {
    let [_, _, h, w] = x.dims();
    if [h, w] == size {
        return x;
    }
    wrap::<B, 4>(B::resize(unwrap(x), size, align))
}

/// Resizes by a whole or inverse-whole factor given as (numerator, denominator).
pub fn scale<B: Kernels>(
    x: Tensor<B, 4>,
    (up, down): (usize, usize),
    align: Align,
) -> Tensor<B, 4> {
    let [_, _, h, w] = x.dims();
    bilinear(x, [h * up / down, w * up / down], align)
}
