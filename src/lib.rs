//! Pleura finds infection in chest CT, in the browser and on the command line, from Rust and from
//! Python.
//!
//! Two networks do it: [NormNet](normnet), which never saw a lesion label, and
//! [Inf-Net](infnet), which learnt from fifty labelled slices. A scan goes
//! bytes → [`io`] → [`volume::Volume`] in HU → [`lungs`] → the networks → masks on the scan's own
//! grid → [`findings`].
//!
//! Research and teaching, not for diagnosis.
//!
//! # A scan from beginning to end
//!
//! ```no_run
//! use pleura::analysis::{Analysis, Options};
//! use pleura::engine::Budget;
//! use pleura::io::Limits;
//! use pleura::runner::{Device, Models, Runner};
//! use std::{fs, ops::ControlFlow, path::Path};
//!
//! let models = Models::open(Path::new("models"))?;
//! let runner = Runner::open(models, Device::Auto, Budget::default())?;
//! let scan = Path::new("scan.nii.gz"); // or a folder of DICOM files, .nrrd, .mha, .png …
//! let analysis = Analysis::open_path(scan, None, Options::default(), &Limits::default())?;
//! let outcome = runner.run(analysis, &mut |step| {
//!     println!("{:3.0} %  {}", step.part * 100.0, step.label);
//!     ControlFlow::Continue(())
//! })?;
//! if let Some(Some(infnet)) = outcome.findings.map(|found| found.both.infnet) {
//!     println!("infected: {:.1} ml", infnet.lesion.ml);
//! }
//! for file in outcome.files {
//!     fs::write(file.name, file.bytes)?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `models` is the folder of that name in the repository. [`runner`] drives an
//! [`Analysis`](analysis::Analysis) on this computer; whoever wants other threads, machines or
//! resumption drives the analysis and an [`Engine`](engine::Engine) tile by tile, as the page does.
//! `examples/segment.rs` is a whole program.
//!
//! # Modules
//!
//! | module | what it is for |
//! |---|---|
//! | [`runner`] | a scan from its path to findings, natively |
//! | [`analysis`], [`engine`] | the same as a machine that can stop and go on; networks on a device |
//! | [`io`] | untrusted bytes in, volumes and slices out |
//! | [`volume`], [`grid`], [`plane`] | voxels with an affine; operations on 3D masks; 2D images |
//! | [`lungs`] | the lung mask |
//! | [`normnet`], [`infnet`] | the networks, what surrounds them, and their training |
//! | [`findings`], [`metrics`] | measures of a scan; measures of a segmentation |
//! | [`correction`] | lesions taken away by a person |
//! | [`record`] | the run manifest: what was done, to do it again |
//! | [`weights`], [`quant`] | manifest, checksums, weight files; packing to 8 bits |
//! | [`nn`] | building blocks and kernels that both networks share |
//! | [`follow`], [`date`] | reports of one patient from several days, compared |
//! | [`phantom`] | the chest phantom that demos and tests use |
//!
//! # Features
//!
//! | feature | brings | default |
//! |---|---|---|
//! | `wgpu` | the GPU through Vulkan, Metal, DirectX or WebGPU | yes |
//! | `train` | training and packing of weights | yes |
//! | `cli` | the command line | yes |
//! | `cuda` | the GPU through CUDA | |
//! | `web` | the browser's surface, on wasm32 | |
//!
//! A library user needs none of them: `default-features = false` runs on the CPU, with `wgpu` on the
//! GPU too.

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
pub mod record;
pub mod volume;
pub mod weights;

#[cfg(feature = "wgpu")]
pub mod gpu;

#[cfg(not(target_arch = "wasm32"))]
pub mod runner;

#[cfg(feature = "train")]
pub mod training;

#[cfg(feature = "cli")]
pub mod cli;

#[cfg(all(feature = "web", target_arch = "wasm32"))]
pub mod web;
