//! A list of the convolutions that a network runs, for benchmarks.

use super::geometry::Geometry;
use std::cell::RefCell;

/// A convolution that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its shapes; for a transposed one, those of the convolution whose input gradient it is.
    pub geometry: Geometry,
    /// Whether it is transposed.
    pub transposed: bool,
}

thread_local! {
    static LAYERS: RefCell<Option<Vec<Layer>>> = const { RefCell::new(None) };
}

/// Runs some work and lists the packed convolutions that this thread ran in it.
pub fn layers<T>(work: impl FnOnce() -> T) -> (T, Vec<Layer>) {
    LAYERS.set(Some(Vec::new()));
    let result = work();
    (result, LAYERS.take().unwrap_or_default())
}

/// Adds a convolution to the list, if one is being made.
pub(super) fn note(geometry: &Geometry, transposed: bool) {
    LAYERS.with_borrow_mut(|layers| {
        if let Some(layers) = layers {
            layers.push(Layer {
                geometry: geometry.clone(),
                transposed,
            });
        }
    });
}

impl Layer {
    /// Multiply-adds of one run.
    pub fn products(&self) -> usize {
        let g = &self.geometry;
        g.batch * g.channels_out * g.outputs() * g.in_group() * g.taps()
    }

    /// Bytes that must move at least: input and output as f32 and the weights as 8-bit integers,
    /// each once.
    pub fn bytes(&self) -> usize {
        let g = &self.geometry;
        let values = g.batch * (g.channels_in * g.inputs() + g.channels_out * g.outputs());
        4 * values + g.channels_out * g.in_group() * g.taps()
    }

    /// In words: channels, kernel, stride, extent.
    pub fn name(&self) -> String {
        let g = &self.geometry;
        let extent = |e: [usize; 3]| match e {
            [1, h, w] => format!("{h}×{w}"),
            [d, h, w] => format!("{d}×{h}×{w}"),
        };
        let (from, to, input) = match self.transposed {
            true => (g.channels_out, g.channels_in, g.output),
            false => (g.channels_in, g.channels_out, g.input),
        };
        let mut name = format!("{from}→{to}, {}", extent(g.kernel));
        if g.groups > 1 {
            name += " depthwise";
        }
        if self.transposed {
            name += " transposed";
        }
        if g.stride[2] > 1 {
            name += &format!(" stride {}", g.stride[2]);
        }
        if g.dilation[2] > 1 {
            name += &format!(" dilation {}", g.dilation[2]);
        }
        name + &format!(" on {}", extent(input))
    }
}
