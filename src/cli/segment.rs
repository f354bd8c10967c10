//! `pleura segment`: scans and slices in, masks and reports out.

use super::input;
use crate::analysis::{
    Analysis, InfnetWeights, LungsBy, NormnetPath, Options, Outcome, Weights, Which,
};
use crate::engine::Budget;
use crate::io::{self, Limits};
use crate::lungs::network::LungNetwork;
use crate::runner::{Device, Models, Runner};
use crate::weights::Manifest;
use burn::backend::Flex;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Arguments of `segment`.
#[derive(Args)]
pub struct SegmentArgs {
    /// Scans (a folder or .zip of DICOM files, NIfTI, NRRD, MetaImage) and slices (PNG, JPEG).
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
    /// Orientations of each slice, 1 to 8, that Inf-Net's opinion is averaged over: more is better
    /// and slower. [default: 8 for an image, 2 for the slices of a scan]
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
enum DeviceArg {
    /// A GPU where there is a real one, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU through Vulkan, Metal or DirectX, also a software one.
    Gpu,
    /// The GPU through CUDA.
    Cuda,
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
            networks,
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
    let mut cases = BTreeMap::new();
    for input in &args.inputs {
        let case = io::case_name(&io::path::name(input));
        if let Some(before) = cases.insert(case.clone(), input) {
            let (a, b) = (before.display(), input.display());
            return Err(format!("{a} and {b} would both be called {case}: rename one").into());
        }
    }
    if args.lungs.is_some() && args.inputs.len() > 1 {
        return Err("--lungs belongs to one scan: give one input".into());
    }
    if args.series.is_some() && args.inputs.len() > 1 {
        return Err("--series belongs to one scan: give one input".into());
    }
    let mut session = Session::open(args)?;
    fs::create_dir_all(&args.out).map_err(|e| format!("{}: {e}", args.out.display()))?;
    let mut failed = 0;
    for input in &args.inputs {
        if let Err(error) = session.one(input) {
            eprintln!("pleura: {error}");
            failed += 1;
        }
    }
    match failed {
        0 => Ok(()),
        n => Err(format!("{n} of {} inputs failed", args.inputs.len()).into()),
    }
}

/// Networks on a device, for one input after the other.
pub struct Session<'a> {
    args: &'a SegmentArgs,
    runner: Runner,
}

impl<'a> Session<'a> {
    /// Reads the manifest and opens the device; weights are loaded when they are needed.
    pub fn open(args: &'a SegmentArgs) -> Result<Self, Box<dyn Error>> {
        let models = Models::open(&models_folder(args.networks.models.as_deref())?)?;
        let budget = match args.networks.max_memory {
            Some(mb) => Budget {
                total: mb.saturating_mul(1 << 20),
                ..Budget::default()
            },
            None => Budget::default(),
        };
        let device = match args.device {
            DeviceArg::Auto => Device::Auto,
            DeviceArg::Cpu => Device::Cpu,
            DeviceArg::Gpu => Device::Gpu,
            DeviceArg::Cuda => Device::Cuda,
        };
        let runner = Runner::open(models, device, budget)?;
        Ok(Session { args, runner })
    }

    /// The manifest of the models folder.
    #[cfg(feature = "train")]
    pub fn manifest(&self) -> &Manifest {
        self.runner.models().manifest()
    }

    /// What is asked of each analysis.
    #[cfg(feature = "train")]
    pub fn options(&self) -> Options {
        self.args.options()
    }

    fn one(&mut self, input: &Path) -> Result<(), Box<dyn Error>> {
        let outcome = self.analyse(input, self.args.lungs.as_deref())?;
        for file in &outcome.files {
            write(&self.args.out.join(&file.name), &file.bytes)?;
        }
        for file in &outcome.files {
            println!("{}", self.args.out.join(&file.name).display());
        }
        Ok(())
    }

    /// Analyses one file or folder, with progress on a terminal.
    pub fn analyse(
        &mut self,
        input: &Path,
        lungs: Option<&Path>,
    ) -> Result<Outcome, Box<dyn Error>> {
        let limits = Limits::default();
        let series = self.args.series.as_deref();
        let mut analysis = input::open(input, series, self.args.options(), &limits)?;
        if let Some(path) = lungs {
            let name = path.to_string_lossy();
            let bytes = fs::read(path).map_err(|e| format!("{name}: {e}"))?;
            analysis.set_lungs(&name, io::nifti::read_labels(&name, &bytes, &limits)?)?;
        }
        let manifest = self.runner.models().manifest().clone();
        self.run(analysis, &manifest)
    }

    /// Runs an opened analysis with the networks of a manifest, which can be a part of this
    /// session's.
    pub fn run(
        &mut self,
        mut analysis: Analysis,
        manifest: &Manifest,
    ) -> Result<Outcome, Box<dyn Error>> {
        let bar = ProgressBar::new(100);
        if let Ok(style) = ProgressStyle::with_template("{prefix}  {wide_bar} {percent}%  {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(analysis.case().to_string());
        self.runner.compute(&mut analysis, manifest, &mut |step| {
            bar.set_message(step.label.to_string());
            bar.set_position((step.part * 100.0) as u64);
            ControlFlow::Continue(())
        })?;
        let outcome = analysis.finish(self.runner.device())?;
        bar.finish_and_clear();
        Ok(outcome)
    }

    /// The lung network, whatever draws the lungs otherwise.
    pub fn lung_network(&self) -> Result<LungNetwork<Flex>, Box<dyn Error>> {
        let options = Options {
            lungs: LungsBy::Network,
            ..self.args.options()
        };
        let models = self.runner.models();
        let entry = options.lung_network(models.manifest())?;
        let entry = entry.ok_or("the manifest has no lung network")?;
        Ok(LungNetwork::load(
            entry,
            &models.read(entry)?,
            &Default::default(),
        )?)
    }
}

/// Writes under a temporary name in the same folder, then renames.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let written = fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, path));
    written.map_err(|e| {
        // The first error is the one to tell; what is left over is removed if it can be.
        let _ = fs::remove_file(&partial);
        format!("{}: {e}", path.display()).into()
    })
}
