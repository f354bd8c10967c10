//! `pleura train`: the networks' training runs.

mod classes;
mod folds;
mod held_back;
mod infnet;
pub mod lungs;
pub mod normnet;
mod semi;
mod vae;

use crate::infnet::{InfNet, InfNetConfig};
use crate::nn::{Builder, Form, params};
use crate::training::{Progress, TrainError, to_file, write_atomically};
use crate::weights::tensors::TensorFile;
use burn::backend::Flex;
use burn::module::Module;
use burn::tensor::backend::Backend;
use clap::{Subcommand, ValueEnum};
use std::error::Error;
use std::path::Path;

use self::classes::{ClassesArgs, classes};
use self::infnet::{InfnetArgs, infnet};
use self::lungs::{LungsArgs, lungs};
use self::normnet::{NormnetArgs, normnet};
use self::semi::{SemiArgs, semi};
use self::vae::{VaeArgs, vae};

/// What to train.
#[derive(Subcommand)]
pub enum Train {
    /// Inf-Net, from labelled slices.
    Infnet(InfnetArgs),
    /// Semi-Inf-Net: pseudo-labels from a trained Inf-Net, then labels and pseudo-labels by halves.
    Semi(SemiArgs),
    /// The class network: ground glass against consolidation.
    Classes(ClassesArgs),
    /// NormNet, from healthy scans.
    Normnet(NormnetArgs),
    /// The reconstruction baseline that NormNet is compared with, from the same healthy scans.
    Vae(VaeArgs),
    /// The lung network, from lung masks and healthy scans.
    Lungs(LungsArgs),
}

/// Where training runs.
#[derive(Clone, Copy, ValueEnum)]
pub enum Device {
    /// All cores.
    Cpu,
    /// An NVIDIA card (needs a build with the feature `cuda`).
    Cuda,
}

/// Calls a function generic over the backend on the device that was asked for.
macro_rules! on_device {
    ($device:expr, $function:ident($args:expr)) => {
        match $device {
            Device::Cpu => $function::<Flex>($args, &Default::default()),
            #[cfg(feature = "cuda")]
            Device::Cuda => $function::<burn::backend::Cuda>($args, &Default::default()),
            #[cfg(not(feature = "cuda"))]
            Device::Cuda => Err(NO_CUDA.into()),
        }
    };
}

/// Runs a training command.
pub fn run(command: &Train) -> Result<(), Box<dyn Error>> {
    match command {
        Train::Infnet(args) => on_device!(args.device, infnet(args)),
        Train::Semi(args) => on_device!(args.device, semi(args)),
        Train::Classes(args) => on_device!(args.device, classes(args)),
        Train::Normnet(args) => on_device!(args.device, normnet(args)),
        Train::Vae(args) => on_device!(args.device, vae(args)),
        Train::Lungs(args) => on_device!(args.device, lungs(args)),
    }
}

#[cfg(not(feature = "cuda"))]
const NO_CUDA: &str = "this build has no CUDA: build with --features cuda";

fn show(p: Progress) {
    let left = p.left.as_secs();
    let (minutes, seconds) = (left / 60, left % 60);
    println!(
        "step {}/{}  loss {:.4}  {minutes}:{seconds:02} left",
        p.step, p.steps, p.loss
    );
}

/// A network with the parameters of a training run's file.
pub(super) fn filled<B: Backend, M: Module<B>>(net: M, path: &Path) -> Result<M, Box<dyn Error>> {
    let file = tensors(path)?;
    Ok(params::fill(net, |name, shape| file.f32(name, shape))?)
}

/// The Inf-Net of a training run's file, or of an .f16 file of the models folder: its batch norms are
/// folded there, and stay so in further training.
pub(super) fn infnet_of<B: Backend>(
    config: &InfNetConfig,
    path: &Path,
    device: &B::Device,
) -> Result<InfNet<B>, Box<dyn Error>> {
    let file = tensors(path)?;
    let form = Form::of(file.tensors.keys());
    let net = InfNet::new(&mut Builder::loading(form, device), config);
    Ok(params::fill(net, |name, shape| file.f32(name, shape))?)
}

fn tensors(path: &Path) -> Result<TensorFile, Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(TrainError::file(path))?;
    Ok(TensorFile::from_bytes(&path.to_string_lossy(), &bytes)?)
}

/// Writes a network's parameters: what [`filled`] and `pleura pack` read.
fn save<B: Backend, M: Module<B>>(net: &M, path: &Path) -> Result<(), Box<dyn Error>> {
    let file = to_file(&params::read(net));
    Ok(write_atomically(path, &file.to_bytes()?)?)
}
