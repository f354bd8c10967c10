//! `pleura lesions`: a sheet of synthetic lesions, to see what NormNet learns from.

use super::train::normnet::RecipeArgs;
use crate::io::{self, Input, Limits};
use crate::normnet::sheet::{SheetConfig, sheet};
use crate::phantom::{PhantomConfig, generate};
use crate::training::write_atomically;
use crate::{lungs, volume::Volume};
use clap::Args;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `lesions`.
#[derive(Args)]
pub struct LesionsArgs {
    /// The picture, a PNG.
    #[arg(long)]
    out: PathBuf,
    /// A scan of healthy lungs (one file), instead of the phantom.
    #[arg(long)]
    scan: Option<PathBuf>,
    /// Its lung mask on its own grid (NIfTI), instead of finding the lungs.
    #[arg(long, requires = "scan")]
    lungs: Option<PathBuf>,
    /// Seed of the lesions.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rows of slices.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
    rows: u8,
    /// Slices in a row, each twice: as it is, and with the outlines.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=20))]
    columns: u8,
    #[command(flatten)]
    recipe: RecipeArgs,
}

/// Draws the sheet.
pub fn run(args: &LesionsArgs) -> Result<(), Box<dyn Error>> {
    let (hu, mask) = match &args.scan {
        Some(path) => read(path, args.lungs.as_deref())?,
        None => {
            let phantom = generate(&PhantomConfig {
                lesions: 0,
                ..PhantomConfig::default()
            });
            (phantom.hu, phantom.lungs)
        }
    };
    let slabs = args.recipe.config().slabs;
    let config = SheetConfig {
        rows: args.rows.into(),
        columns: args.columns.into(),
        seed: args.seed,
        frame: slabs.frame,
        synth: slabs.synth,
    };
    let mut png = Vec::new();
    // The sheet goes into documentation: a third of the default's size is worth a moment.
    let small = PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive);
    sheet(&hu, &mask, &config)?.write_with_encoder(small)?;
    write_atomically(&args.out, &png)?;
    println!("{}", args.out.display());
    Ok(())
}

/// A scan and its lungs, both in LPS.
fn read(path: &Path, lungs: Option<&Path>) -> Result<(Volume<i16>, Volume<u8>), Box<dyn Error>> {
    let limits = Limits::default();
    let bytes = |path: &Path| fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
    let name = path.to_string_lossy();
    let Input::Volume(scan) = io::open(&name, &bytes(path)?, &limits)? else {
        return Err(format!("{name}: is a single image, and a scan is needed").into());
    };
    let (hu, _) = scan.hu.into_lps();
    let mask = match lungs {
        Some(path) => {
            let name = path.to_string_lossy();
            let mask = io::nifti::read_labels(&name, &bytes(path)?, &limits)?;
            mask.into_lps().0
        }
        None => lungs::threshold(&hu, &mut |_| ()).map_err(|e| format!("{name}: {e}"))?,
    };
    Ok((hu, mask))
}
