//! The CubeCL backends (WebGPU, CUDA) run burn's own kernels.

use super::Kernels;

#[cfg(feature = "wgpu")]
impl Kernels for burn::backend::Wgpu {}

#[cfg(feature = "cuda")]
impl Kernels for burn::backend::Cuda {}

#[cfg(all(feature = "wgpu", feature = "train"))]
impl super::TrainKernels for burn::backend::Wgpu {}

#[cfg(all(feature = "cuda", feature = "train"))]
impl super::TrainKernels for burn::backend::Cuda {}
