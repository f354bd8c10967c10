//! A convolution's weights: floats to train, or 8-bit integers to infer.
//!
//! Packed weights stay integers in memory, four to a word, in the order in which the backend's
//! kernel reads them; each kernel expands them as it goes and scales its sums once an output
//! channel.

use super::Builder;
use super::kernels::geometry::Geometry;
use burn::module::{Module, Param, ParamId};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Int, Tensor, TensorData};

/// The weights of a convolution, `[co, ci/groups, …]`, or of a transposed one, `[ci, co, …]`.
#[derive(Module, Debug)]
pub enum Filter<B: Backend, const D: usize> {
    /// Floats, row-major.
    Float(Param<Tensor<B, D>>),
    /// Integers.
    Packed(Packed<B>),
}

/// Integers with one scale an output channel.
#[derive(Module, Debug)]
pub struct Packed<B: Backend> {
    /// Words of four integers, see [`Kernels::arrange`](super::kernels::Kernels::arrange).
    pub codes: Param<Tensor<B, 1, Int>>,
    /// What an output channel's sums are multiplied by, `[co]`.
    pub scale: Param<Tensor<B, 1>>,
}

impl<B: Backend> Packed<B> {
    /// Packed weights of words that a backend has arranged.
    pub fn new(words: Vec<i32>, scale: Param<Tensor<B, 1>>, device: &B::Device) -> Self {
        let codes = Param::initialized(ParamId::new(), Self::words(words, device));
        Packed { codes, scale }
    }

    /// Words as a tensor.
    pub(crate) fn words(words: Vec<i32>, device: &B::Device) -> Tensor<B, 1, Int> {
        let count = words.len();
        Tensor::from_data(TensorData::new(words, [count]), (device, DType::I32))
    }
}

/// What packed weights must be known by before they can be arranged.
#[derive(Clone, Debug)]
pub struct PackedShape {
    /// The convolution, of whatever extent; for a transposed one, the convolution whose input
    /// gradient it is.
    pub geometry: Geometry,
    /// Whether it is transposed.
    pub transposed: bool,
    /// Shape of the weights in their file.
    pub shape: Vec<usize>,
}

impl<B: Backend, const D: usize> Filter<B, D> {
    /// Weights in the form that the builder builds: `float` draws them, or they wait to be loaded.
    pub fn new(
        build: &mut Builder<B>,
        shape: PackedShape,
        float: impl FnOnce(&mut Builder<B>) -> Param<Tensor<B, D>>,
    ) -> Self {
        match build.packs() {
            true => Filter::Packed(build.packed(shape)),
            false => Filter::Float(float(build)),
        }
    }
}

/// The part of a parameter's path that names the form of its weights, which files do not know.
pub(crate) fn names_form(part: &str) -> bool {
    matches!(part, "Float" | "Packed")
}
