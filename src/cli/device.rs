//! The device that a command asks for.

use crate::runner::Device;
use clap::ValueEnum;

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

impl From<DeviceArg> for Device {
    fn from(wish: DeviceArg) -> Self {
        match wish {
            DeviceArg::Auto => Device::Auto,
            DeviceArg::Cpu => Device::Cpu,
            DeviceArg::Gpu => Device::Gpu,
            DeviceArg::Cuda => Device::Cuda,
        }
    }
}
