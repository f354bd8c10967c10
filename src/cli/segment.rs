//! `pleura segment`: scans and slices in, masks and reports out.

use super::batch::Batch;
use super::cases;
use super::device::DeviceArg;
use super::session::Setup;
use crate::analysis::{InfnetWeights, LungsBy, NormnetPath, Options, Weights, Which};
use crate::infnet::classes::ClassesBy;
use clap::{Args, ValueEnum};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `segment`.
#[derive(Args)]
pub struct SegmentArgs {
    /// Scans (a folder or .zip of DICOM files, NIfTI, NRRD, MetaImage) and slices (PNG, JPEG), or
    /// folders of them.
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// Folder for the results; made if it is missing.
    #[arg(long)]
    out: PathBuf,
    /// Networks to run.
    #[arg(long, value_enum, default_value = "both")]
    model: ModelArg,
    /// Where to run.
    #[arg(long, value_enum, default_value = "auto")]
    device: DeviceArg,
    /// A lung mask on the scan's grid (NIfTI), instead of finding the lungs.
    #[arg(long)]
    lungs: Option<PathBuf>,
    /// SeriesInstanceUID of the DICOM series to take, instead of the one with most slices.
    #[arg(long, value_name = "UID")]
    series: Option<String>,
    /// Cases at once.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
    /// Leaves alone what is complete in the folder of the results, of the same input, weights and
    /// options.
    #[arg(long, conflicts_with = "lungs")]
    resume: bool,
    #[command(flatten)]
    networks: NetworkArgs,
}

/// Which weights and post-processing.
#[derive(Args, Clone)]
pub struct NetworkArgs {
    /// Weights: 8-bit, or unquantized.
    #[arg(long, value_enum, default_value = "int8")]
    precision: PrecisionArg,
    /// NormNet's post-processing: the paper's numbers, or the ones found best.
    #[arg(long, value_enum, default_value = "best")]
    normnet: NormnetArg,
    /// Inf-Net's weights: semi-supervised, or from the labelled slices alone.
    #[arg(long, value_enum, default_value = "semi")]
    infnet: InfnetArg,
    /// What draws the lungs where no mask is given: the lung network on what a threshold finds, or
    /// the threshold alone.
    #[arg(long, value_enum, default_value = "network")]
    lungs_by: LungsArg,
    /// What tells ground glass from consolidation where Inf-Net finds infection: how dense it is, or
    /// the class network, which finds less of the consolidation.
    #[arg(long, value_enum, default_value = "density")]
    classes_by: ClassesArg,
    /// Looks at each slice, 1 to 8, that Inf-Net's opinion is averaged over, each in another orientation
    /// and every second one in a smaller square: more is better and slower. [default: 8 for an
    /// image, 2 for the slices of a scan]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=8))]
    looks: Option<u8>,
    /// Folder with manifest.json and the weights. Default: models beside the program or here.
    #[arg(long, env = "PLEURA_MODELS")]
    models: Option<PathBuf>,
    /// Most memory, in MB, that a network may take while it runs; a larger one is refused.
    #[arg(long, value_name = "MB")]
    max_memory: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ModelArg {
    Both,
    Normnet,
    Infnet,
}

#[derive(Clone, Copy, ValueEnum)]
enum PrecisionArg {
    Int8,
    F32,
}

#[derive(Clone, Copy, ValueEnum)]
enum NormnetArg {
    Paper,
    Best,
}

#[derive(Clone, Copy, ValueEnum)]
enum InfnetArg {
    Semi,
    Labelled,
}

#[derive(Clone, Copy, ValueEnum)]
enum LungsArg {
    Network,
    Threshold,
}

#[derive(Clone, Copy, ValueEnum)]
enum ClassesArg {
    Density,
    Network,
}

impl SegmentArgs {
    /// One network, on the CPU, without files.
    pub fn of(networks: NetworkArgs, network: &str) -> Self {
        SegmentArgs {
            inputs: Vec::new(),
            out: PathBuf::new(),
            model: match network {
                "normnet" => ModelArg::Normnet,
                _ => ModelArg::Infnet,
            },
            device: DeviceArg::Cpu,
            lungs: None,
            series: None,
            jobs: 1,
            resume: false,
            networks,
        }
    }

    /// What a session has to know.
    pub fn setup(&self) -> Setup {
        Setup {
            options: self.options(),
            series: self.series.clone(),
            models: self.networks.models.clone(),
            max_memory: self.networks.max_memory,
            device: self.device,
        }
    }

    fn options(&self) -> Options {
        Options {
            model: match self.model {
                ModelArg::Both => Which::Both,
                ModelArg::Normnet => Which::Normnet,
                ModelArg::Infnet => Which::Infnet,
            },
            normnet: match self.networks.normnet {
                NormnetArg::Paper => NormnetPath::Paper,
                NormnetArg::Best => NormnetPath::Best,
            },
            infnet: match self.networks.infnet {
                InfnetArg::Semi => InfnetWeights::Semi,
                InfnetArg::Labelled => InfnetWeights::Labelled,
            },
            precision: match self.networks.precision {
                PrecisionArg::Int8 => Weights::Int8,
                PrecisionArg::F32 => Weights::F32,
            },
            lungs: match self.networks.lungs_by {
                LungsArg::Network => LungsBy::Network,
                LungsArg::Threshold => LungsBy::Threshold,
            },
            classes: match self.networks.classes_by {
                ClassesArg::Density => ClassesBy::Density,
                ClassesArg::Network => ClassesBy::Network,
            },
            looks: self.networks.looks.map(usize::from),
        }
    }
}

/// The folder of the models: as given, `models` in the working folder, beside the program, or
/// where the crate was built.
pub fn models_folder(given: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(folder) = given {
        return Ok(folder.to_path_buf());
    }
    let mut places = vec![PathBuf::from("models")];
    if let Ok(program) = std::env::current_exe() {
        places.extend(
            program
                .ancestors()
                .skip(1)
                .take(4)
                .map(|f| f.join("models")),
        );
    }
    places.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("models"));
    let found = places
        .into_iter()
        .find(|f| f.join("manifest.json").is_file());
    found.ok_or_else(|| "no models folder found: give one with --models".to_string())
}

/// Analyses every input; the error counts those that failed, each of which has said why.
pub fn run(args: &SegmentArgs) -> Result<(), Box<dyn Error>> {
    // A series is chosen inside one scan's folder.
    let whole = args.series.is_some();
    let cases = cases::find(&args.inputs, whole, &args.out)?;
    if args.lungs.is_some() && cases.len() > 1 {
        return Err("--lungs belongs to one scan: give one input".into());
    }
    if whole && cases.len() > 1 {
        return Err("--series belongs to one scan: give one input".into());
    }
    let batch = Batch {
        setup: args.setup(),
        cases,
        lungs: args.lungs.clone(),
        out: args.out.clone(),
        jobs: args.jobs.into(),
        resume: args.resume,
    };
    batch.run()
}

/// What follows a file's name while it is written.
pub const PARTIAL: &str = ".partial";

/// Writes under a temporary name in the same folder, then renames.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(PARTIAL);
    let partial = path.with_file_name(name);
    let written = fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, path));
    written.map_err(|e| {
        // The first error is the one to tell; what is left over is removed if it can be.
        let _ = fs::remove_file(&partial);
        format!("{}: {e}", path.display()).into()
    })
}
