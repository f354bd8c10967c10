//! Bilinear resizing as two small matrix products, rows then columns.
//!
//! burn's own bilinear interpolation has no backward pass on the CubeCL backends. A product with
//! a constant matrix trains everywhere, and gives both of PyTorch's conventions exactly.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

/// Where the samples lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// The corner pixels of input and output coincide (`align_corners = true`).
    Corners,
    /// Pixels are areas: centre o maps to (o + ½)·in/out − ½ (`align_corners = false`, no
    /// antialiasing).
    Centers,
}

/// The interpolation weights of one axis, row-major `[output, input]`.
pub fn weights(input: usize, output: usize, align: Align) -> Vec<f32> {
    let mut matrix = vec![0.0; input * output];
    for (o, row) in matrix.chunks_exact_mut(input).enumerate() {
        let at = match align {
            Align::Corners if output > 1 => o as f64 * (input - 1) as f64 / (output - 1) as f64,
            Align::Corners => 0.0,
            Align::Centers => ((o as f64 + 0.5) * input as f64 / output as f64 - 0.5).max(0.0),
        };
        let low = (at.floor() as usize).min(input - 1);
        let high = (low + 1).min(input - 1);
        let part = at - low as f64;
        row[low] += (1.0 - part) as f32;
        row[high] += part as f32;
    }
    matrix
}

/// Resizes `[n, c, h, w]` to `[n, c, size[0], size[1]]`.
pub fn bilinear<B: Backend>(x: Tensor<B, 4>, size: [usize; 2], align: Align) -> Tensor<B, 4> {
    let [n, c, h, w] = x.dims();
    if [h, w] == size {
        return x;
    }
    let device = x.device();
    let matrix = |input, output| {
        let data = TensorData::new(weights(input, output, align), [output, input]);
        Tensor::<B, 2>::from_data(data, &device)
    };
    // Columns: [n·c·h, w] · [w, w'].
    let x = x
        .reshape([n * c * h, w])
        .matmul(matrix(w, size[1]).transpose());
    // Rows: [h', h] · [n·c, h, w'].
    let rows = matrix(h, size[0])
        .unsqueeze::<3>()
        .expand([n * c, size[0], h]);
    rows.matmul(x.reshape([n * c, h, size[1]]))
        .reshape([n, c, size[0], size[1]])
}

/// Resizes by a whole or inverse-whole factor given as (numerator, denominator).
pub fn scale<B: Backend>(
    x: Tensor<B, 4>,
    (up, down): (usize, usize),
    align: Align,
) -> Tensor<B, 4> {
    let [_, _, h, w] = x.dims();
    bilinear(x, [h * up / down, w * up / down], align)
}
