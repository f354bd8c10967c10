//! `pleura segment`: scans and slices in, masks and reports out.

use super::input;
use crate::analysis::{
    Analysis, InfnetWeights, LungsBy, NormnetPath, Options, Outcome, Weights, Which,
};
use crate::engine::{Budget, Engine};
use crate::io::{self, Limits};
use crate::lungs::network::LungNetwork;
use crate::nn::kernels::Kernels;
use crate::weights::{Entry, Manifest};
use burn::backend::Flex;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
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

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
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

/// Reads the manifest of a models folder.
pub fn read_manifest(folder: &Path) -> Result<Manifest, Box<dyn Error>> {
    let path = folder.join("manifest.json");
    let bytes = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(Manifest::parse(&path.to_string_lossy(), &bytes)?)
}

/// Analyses every input; the error counts those that failed, each of which has said why.
pub fn run(args: &SegmentArgs) -> Result<(), Box<dyn Error>> {
    let mut cases = BTreeMap::new();
    for input in &args.inputs {
        let case = io::case_name(&input::name(input));
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
    match args.device {
        DeviceArg::Cpu => all::<Flex>(args, Default::default(), CPU),
        #[cfg(feature = "cuda")]
        DeviceArg::Cuda => all::<burn::backend::Cuda>(args, Default::default(), "CUDA"),
        #[cfg(not(feature = "cuda"))]
        DeviceArg::Cuda => Err("this build has no CUDA: build with --features cuda".into()),
        #[cfg(feature = "wgpu")]
        DeviceArg::Auto | DeviceArg::Gpu => {
            let forced = args.device == DeviceArg::Gpu;
            match pollster::block_on(crate::gpu::open(forced, 0)) {
                Ok(gpu) => all::<burn::backend::Wgpu>(args, gpu.device, &gpu.name),
                Err(reason) if forced => Err(reason.into()),
                Err(_) => all::<Flex>(args, Default::default(), CPU),
            }
        }
        #[cfg(not(feature = "wgpu"))]
        DeviceArg::Auto => all::<Flex>(args, Default::default(), CPU),
        #[cfg(not(feature = "wgpu"))]
        DeviceArg::Gpu => Err("this build has no GPU support: build with --features wgpu".into()),
    }
}

fn all<B: Kernels>(
    args: &SegmentArgs,
    device: B::Device,
    name: &str,
) -> Result<(), Box<dyn Error>> {
    let mut session = Session::<B>::open(args, device, name)?;
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

/// The name of the CPU in reports.
pub const CPU: &str = "CPU";

/// Networks on a device, for one input after the other.
pub struct Session<'a, B: Kernels> {
    args: &'a SegmentArgs,
    folder: PathBuf,
    manifest: Manifest,
    engine: Engine<B>,
    loaded: Vec<String>,
    device: String,
    /// Tiles that run at once: on the CPU as many as there are threads, if memory allows it.
    workers: usize,
}

impl<'a, B: Kernels> Session<'a, B> {
    /// Reads the manifest; weights are loaded when they are needed.
    pub fn open(
        args: &'a SegmentArgs,
        device: B::Device,
        name: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let folder = models_folder(args.networks.models.as_deref())?;
        let manifest = read_manifest(&folder)?;
        let budget = match args.networks.max_memory {
            Some(mb) => Budget {
                total: mb.saturating_mul(1 << 20),
                ..Budget::default()
            },
            None => Budget::default(),
        };
        let largest = manifest
            .models
            .iter()
            .filter_map(|e| e.input.peak_bytes)
            .max();
        let workers = match name {
            CPU => {
                let room = largest.map_or(usize::MAX, |peak| (budget.total / peak.max(1)) as usize);
                rayon::current_num_threads().min(room).max(1)
            }
            _ => 1,
        };
        Ok(Session {
            args,
            folder,
            manifest,
            engine: Engine::new(device).within(budget),
            loaded: Vec::new(),
            device: name.to_string(),
            workers,
        })
    }

    /// The manifest of the models folder.
    #[cfg(feature = "train")]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
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
        let manifest = self.manifest.clone();
        self.run(analysis, &manifest)
    }

    /// Runs an opened analysis with the networks of a manifest, which can be a part of this
    /// session's.
    pub fn run(
        &mut self,
        mut analysis: Analysis,
        manifest: &Manifest,
    ) -> Result<Outcome, Box<dyn Error>> {
        self.load(manifest, analysis.is_image())?;
        if analysis.wants_lungs()
            && let Some(entry) = self.args.options().lung_network(manifest)?
        {
            analysis.set_lung_network(entry, &self.read(entry)?)?;
        }
        let bar = ProgressBar::new(100);
        if let Ok(style) = ProgressStyle::with_template("{prefix}  {wide_bar} {percent}%  {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(analysis.case().to_string());
        bar.set_message("looking for the lungs");
        analysis.prepare(manifest, &mut |p| bar.set_position((p * 10.0) as u64))?;
        let tiles = analysis.tiles().len();
        let begun = crate::analysis::seconds();
        let all: Vec<usize> = (0..tiles).collect();
        for batch in all.chunks(self.workers) {
            bar.set_message(analysis.label(batch[0]));
            let inputs = batch.iter().map(|&tile| analysis.input(tile));
            let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
            let engine = &self.engine;
            let results: Vec<_> = inputs
                .into_par_iter()
                .map(|(task, input)| pollster::block_on(engine.compute(&task, &input)))
                .collect();
            for (&tile, bytes) in batch.iter().zip(results) {
                analysis.merge(tile, &bytes?)?;
            }
            bar.set_position((10 + 85 * (batch[batch.len() - 1] + 1) / tiles) as u64);
        }
        analysis.time("networks", begun);
        bar.set_message("masks and report");
        let outcome = analysis.finish(&self.device)?;
        bar.finish_and_clear();
        Ok(outcome)
    }

    /// The lung network, whatever draws the lungs otherwise.
    pub fn lung_network(&self) -> Result<LungNetwork<Flex>, Box<dyn Error>> {
        let options = Options {
            lungs: LungsBy::Network,
            ..self.args.options()
        };
        let entry = options.lung_network(&self.manifest)?;
        let entry = entry.ok_or("the manifest has no lung network")?;
        Ok(LungNetwork::load(
            entry,
            &self.read(entry)?,
            &Default::default(),
        )?)
    }

    fn read(&self, entry: &Entry) -> Result<Vec<u8>, Box<dyn Error>> {
        let path = self.folder.join(&entry.file);
        Ok(fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?)
    }

    fn load(&mut self, manifest: &Manifest, image: bool) -> Result<(), Box<dyn Error>> {
        for entry in self.args.options().needs(manifest, image)? {
            if self.loaded.contains(&entry.name) {
                continue;
            }
            self.engine.load(entry, &self.read(entry)?)?;
            self.loaded.push(entry.name.clone());
        }
        Ok(())
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
