//! `pleura prepare`: the healthy scans in one file.

use crate::normnet::frame::FrameConfig;
use crate::normnet::{data, store};
use crate::training::write_atomically;
use clap::Args;
use std::error::Error;
use std::path::PathBuf;

/// Arguments of `prepare`.
#[derive(Args)]
pub struct PrepareArgs {
    /// Folder with ct/, the healthy scans.
    #[arg(long)]
    data: PathBuf,
    /// The file; `train normnet --data` and `train vae --data` take it in place of the folder.
    #[arg(long)]
    out: PathBuf,
}

/// Reads the scans, finds their lungs, brings them to the shipped networks' pixels, and packs them.
pub fn run(args: &PrepareArgs) -> Result<(), Box<dyn Error>> {
    let pixel = FrameConfig::web().spacing[0];
    let scans = data::open(&args.data, &[], pixel)?;
    let bytes = store::to_bytes(&scans, pixel)?;
    write_atomically(&args.out, &bytes)?;
    let (count, mb) = (scans.len(), bytes.len() as f64 / 1e6);
    println!("{}: {count} scans, {mb:.1} MB", args.out.display());
    Ok(())
}
