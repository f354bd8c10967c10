//! Pleura finds infection in chest CT, in the browser and on the command line.
//!
//! Two networks do it: [NormNet](normnet), which never saw a lesion label, and
//! [Inf-Net](infnet), which learnt from fifty labelled slices. A scan goes
//! bytes → [`io`] → [`volume::Volume`] in HU → [`lungs`] → the networks → masks on the scan's own
//! grid → [`findings`].
//!
//! | module | what it is for |
//! |---|---|
//! | [`volume`], [`grid`], [`plane`] | voxels with an affine; operations on 3D masks; 2D images |
//! | [`io`] | untrusted bytes in, volumes and slices out |
//! | [`nn`] | building blocks and kernels that both networks share |
//! | [`lungs`] | the lung mask |
//! | [`normnet`], [`infnet`] | the networks, what surrounds them, and their training |
//! | [`weights`] | manifest, checksums, weight files |
//! | [`findings`], [`metrics`] | measures of a scan; measures of a segmentation |
//! | [`correction`] | lesions taken away by a person |
//! | [`follow`], [`date`] | reports of one patient from several days, compared |
//! | [`phantom`] | the chest phantom that demos and tests use |
//!
//! Research and teaching, not for diagnosis.

pub mod analysis;
pub mod correction;
pub mod date;
pub mod engine;
pub mod findings;
pub mod follow;
pub mod grid;
pub mod infnet;
pub mod io;
pub mod lungs;
pub mod metrics;
pub mod nn;
pub mod normnet;
pub mod phantom;
pub mod plane;
pub mod quant;
pub mod volume;
pub mod weights;

#[cfg(feature = "wgpu")]
pub mod gpu;

#[cfg(feature = "train")]
pub mod training;

#[cfg(feature = "cli")]
pub mod cli;

#[cfg(all(feature = "web", target_arch = "wasm32"))]
pub mod web;
