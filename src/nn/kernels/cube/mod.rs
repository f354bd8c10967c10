//! Kernels of the CubeCL backends (WebGPU, CUDA), from one source.
//!
//! Weights are int8, four to a word, and are unpacked inside the kernels, so that a layer takes a
//! quarter of the memory and of the traffic. Activations are f32; scale, bias, residual and
//! activation are applied at the store.
//!
//! Every kernel is launched unchecked: WebGPU binds all storage read_write, and bounds checks at
//! each access would cost more than the arithmetic. The kernels therefore mask every access
//! themselves, and the functions here check that the buffers are as long as the shapes say.

mod arrange;
mod common;
mod depthwise;
mod launch;
mod norm;
mod plan;
mod rows;
mod tiled;
mod transposed;

pub use arrange::{arrange, arrange_transposed};
pub use launch::{conv_packed, conv_packed_by, conv_transposed_packed};
pub use norm::settle;
pub use plan::{Plan, assume_software, plan, software};

use super::{Kernels, PackedConv};
use crate::nn::filter::PackedShape;
use crate::nn::resize::Align;
use burn::tensor::ops::{FloatTensor, InterpolateMode, InterpolateOptions, ModuleOps};

/// The kernels of this module for a backend; without packed weights it runs burn's own.
macro_rules! run_on {
    ($backend:ty) => {
        impl Kernels for $backend {
            fn arrange(shape: &PackedShape, codes: &[i8]) -> Vec<i32> {
                match shape.transposed {
                    true => arrange_transposed(&shape.geometry, codes),
                    false => arrange(&shape.geometry, codes),
                }
            }

            fn convolve_packed(work: PackedConv<Self>) -> FloatTensor<Self> {
                let run = match work.transposed {
                    true => conv_transposed_packed,
                    false => conv_packed,
                };
                run(
                    &work.geometry,
                    work.x,
                    work.codes,
                    work.scale,
                    work.bias,
                    work.residual,
                    work.activation,
                    &work.shape,
                )
            }

            fn resize(x: FloatTensor<Self>, size: [usize; 2], align: Align) -> FloatTensor<Self> {
                let options = InterpolateOptions::new(InterpolateMode::Bilinear)
                    .with_align_corners(align == Align::Corners);
                <Self as ModuleOps<Self>>::interpolate(x, size, options)
            }

            fn settle(
                x: FloatTensor<Self>,
                slope: FloatTensor<Self>,
                epsilon: f32,
            ) -> FloatTensor<Self> {
                settle(x, slope, epsilon)
            }
        }

        #[cfg(feature = "train")]
        impl super::TrainKernels for $backend {}
    };
}

#[cfg(feature = "wgpu")]
run_on!(burn::backend::Wgpu);

#[cfg(feature = "cuda")]
run_on!(burn::backend::Cuda);
