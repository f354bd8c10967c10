//! `pleura phantom`: the demo case and its truth masks as files.

use crate::io::nifti::{write_hu, write_labels};
use crate::phantom::{PhantomConfig, generate};
use clap::Args;
use std::error::Error;
use std::path::PathBuf;

/// Arguments of `phantom`.
#[derive(Args)]
pub struct PhantomArgs {
    /// The scan's file, .nii or .nii.gz; the masks go beside it as <name>_lungs_truth and
    /// <name>_lesions_truth.
    #[arg(long)]
    out: PathBuf,
    /// Another seed is another patient.
    #[arg(long, default_value_t = PhantomConfig::default().seed)]
    seed: u64,
    /// Lesions.
    #[arg(long, default_value_t = PhantomConfig::default().lesions)]
    lesions: usize,
    /// Only a piece of this height in mm, about the middle of the chest.
    #[arg(long)]
    piece: Option<f64>,
}

/// Makes the phantom and writes its three files.
pub fn run(args: &PhantomArgs) -> Result<(), Box<dyn Error>> {
    let name = args.out.to_string_lossy().into_owned();
    let (stem, ending) = match (name.strip_suffix(".nii.gz"), name.strip_suffix(".nii")) {
        (Some(stem), _) => (stem, ".nii.gz"),
        (_, Some(stem)) => (stem, ".nii"),
        _ => return Err(format!("{name}: should end in .nii or .nii.gz").into()),
    };
    let gz = ending == ".nii.gz";
    if args.piece.is_some_and(|mm| !mm.is_finite() || mm <= 0.0) {
        return Err("--piece should be a positive number of mm".into());
    }
    let phantom = generate(&PhantomConfig::demo(args.seed, args.lesions, args.piece));
    for (path, bytes) in [
        (name.clone(), write_hu(&phantom.hu, gz)),
        (
            format!("{stem}_lungs_truth{ending}"),
            write_labels(&phantom.lungs, gz),
        ),
        (
            format!("{stem}_lesions_truth{ending}"),
            write_labels(&phantom.lesions, gz),
        ),
    ] {
        super::segment::write(&PathBuf::from(&path), &bytes)?;
        println!("{path}");
    }
    Ok(())
}
