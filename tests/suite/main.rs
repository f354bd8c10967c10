//! Everything that crosses modules, in one binary so that it links once.
#![allow(clippy::unwrap_used, missing_docs)]

// The parsers' own writer of DICOM files, which `untrusted` has too, names them by the crate.
use pleura::{io, volume};

#[cfg(all(feature = "cli", feature = "train"))]
mod cohort;
#[cfg(all(feature = "cli", feature = "train"))]
mod command;
#[cfg(all(feature = "cli", feature = "train"))]
mod follow;
#[cfg(all(feature = "cli", feature = "train"))]
mod formats;
mod golden;
#[cfg(feature = "train")]
mod gradients;
mod kernels;
mod lesson;
mod lungs;
mod mutations;
mod norms;
#[cfg(feature = "wgpu")]
mod packed_gpu;
mod packing;
mod resize;
#[cfg(feature = "train")]
mod training;
mod untrusted;
