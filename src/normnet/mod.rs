//! NormNet (Yao et al. 2020, "Label-Free Segmentation of COVID-19 Lesions in Lung CT").
//!
//! A [3D U-Net](model) learns what bright tissue in healthy lungs looks like, from healthy scans
//! with [synthetic lesions](synth) pasted in. What is bright and what it does not confidently
//! call healthy is lesion: [post-processing](post) grows it to dimmer voxels. No lesion label is
//! ever seen. [`frame`] brings a scan to the network's grid and back.

pub mod edges;
pub mod frame;
pub mod model;
pub mod post;
pub mod synth;

#[cfg(feature = "train")]
pub mod ablation;
#[cfg(feature = "train")]
pub mod data;
#[cfg(feature = "train")]
pub mod sheet;
#[cfg(feature = "train")]
pub mod store;
#[cfg(feature = "train")]
pub mod train;
#[cfg(feature = "train")]
pub mod train_vae;
#[cfg(feature = "train")]
pub mod vae;
