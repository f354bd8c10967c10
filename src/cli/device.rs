//! The device that a command asks for.

use crate::nn::kernels::Kernels;
use burn::backend::Flex;
use clap::ValueEnum;
use std::error::Error;

/// The name of the CPU in reports.
pub const CPU: &str = "CPU";

/// Where to run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeviceArg {
    /// A GPU where there is a real one, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU through Vulkan, Metal or DirectX, also a software one.
    Gpu,
    /// The GPU through CUDA.
    Cuda,
}

/// Work for a device of whatever backend.
pub trait OnDevice {
    /// Does it; `name` is the device's.
    fn run<B: Kernels>(self, device: B::Device, name: &str) -> Result<(), Box<dyn Error>>;
}

/// Opens the device and does the work there.
pub fn on_device(wish: DeviceArg, work: impl OnDevice) -> Result<(), Box<dyn Error>> {
    match wish {
        DeviceArg::Cpu => work.run::<Flex>(Default::default(), CPU),
        #[cfg(feature = "cuda")]
        DeviceArg::Cuda => work.run::<burn::backend::Cuda>(Default::default(), "CUDA"),
        #[cfg(not(feature = "cuda"))]
        DeviceArg::Cuda => Err("this build has no CUDA: build with --features cuda".into()),
        #[cfg(feature = "wgpu")]
        DeviceArg::Auto | DeviceArg::Gpu => {
            let forced = wish == DeviceArg::Gpu;
            match pollster::block_on(crate::gpu::open(forced, 0)) {
                Ok(gpu) => work.run::<burn::backend::Wgpu>(gpu.device, &gpu.name),
                Err(reason) if forced => Err(reason.into()),
                Err(_) => work.run::<Flex>(Default::default(), CPU),
            }
        }
        #[cfg(not(feature = "wgpu"))]
        DeviceArg::Auto => work.run::<Flex>(Default::default(), CPU),
        #[cfg(not(feature = "wgpu"))]
        DeviceArg::Gpu => Err("this build has no GPU support: build with --features wgpu".into()),
    }
}
