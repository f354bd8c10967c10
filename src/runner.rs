//! An analysis from beginning to end on this computer: weights from a folder, tiles on a device,
//! several at once on the CPU. Several analyses can share the networks.
//!
//! The command line, the Python package and programs with this library share it: [`Runner::run`],
//! or [`Runner::compute`] where the masks are wanted otherwise than as files.

use crate::analysis::{Analysis, AnalysisError, Options, Outcome, seconds};
use crate::engine::{Budget, Engine, EngineError, Task};
use crate::io::{self, IoError};
use crate::weights::{Entry, Manifest, WeightsError};
use burn::backend::Flex;
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

#[cfg(feature = "wgpu")]
use crate::gpu::{self, Gpu};
#[cfg(feature = "wgpu")]
use std::sync::Mutex;

mod gate;

use gate::Gate;

/// Why an analysis did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The scan cannot be analysed.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    /// A network does not load or run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The manifest is none, or lacks a model.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A file of the models folder cannot be read.
    #[error(transparent)]
    Models(IoError),
    /// The GPU that was asked for is not there.
    #[cfg(feature = "wgpu")]
    #[error(transparent)]
    Gpu(#[from] gpu::GpuError),
    /// This build does not have the device.
    #[error("this build has no {device}: build with --features {feature}")]
    Missing {
        /// The device.
        device: &'static str,
        /// The feature that brings it.
        feature: &'static str,
    },
    /// Whoever follows the progress wants no more.
    #[error("{file}: stopped before it was done")]
    Stopped {
        /// Name of the case.
        file: String,
    },
}

/// Where networks run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// A GPU where there is a real one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU through Vulkan, Metal or DirectX, also a software one.
    Gpu,
    /// The GPU through CUDA.
    Cuda,
}

/// A folder with a manifest and weight files.
#[derive(Clone, Debug)]
pub struct Models {
    folder: PathBuf,
    manifest: Manifest,
}

impl Models {
    /// Reads the manifest; weights are read when they are needed.
    ///
    /// # Errors
    /// If there is no manifest in the folder, or it is not understood.
    pub fn open(folder: &Path) -> Result<Self, RunError> {
        let path = folder.join("manifest.json");
        let bytes = io::path::read(&path).map_err(RunError::Models)?;
        Ok(Models {
            folder: folder.to_path_buf(),
            manifest: Manifest::parse(&path.to_string_lossy(), &bytes)?,
        })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The bytes of an entry's file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self, entry: &Entry) -> Result<Vec<u8>, RunError> {
        io::path::read(&self.folder.join(&entry.file)).map_err(RunError::Models)
    }
}

/// How far an analysis is.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The part that is done, 0…1.
    pub part: f32,
    /// What comes next, in words.
    pub label: &'a str,
}

/// Gets every step; a break stops the analysis before the next tile.
pub type Progress<'a> = dyn FnMut(Step) -> ControlFlow<()> + 'a;

/// Share of the work before the first tile.
const BEFORE_TILES: f32 = 0.1;
/// Share of the work up to the last tile.
const WITH_TILES: f32 = 0.95;
/// The name of the CPU in reports.
pub const CPU: &str = "CPU";

enum Networks {
    Cpu(Box<Engine<Flex>>),
    #[cfg(feature = "wgpu")]
    Gpu(Box<Engine<burn::backend::Wgpu>>, Gpu),
    #[cfg(feature = "cuda")]
    Cuda(Box<Engine<burn::backend::Cuda>>),
}

impl Networks {
    fn open(device: Device, budget: Budget) -> Result<Self, RunError> {
        let cpu = || Networks::Cpu(Box::new(Engine::new(Default::default()).within(budget)));
        match device {
            Device::Cpu => Ok(cpu()),
            #[cfg(feature = "cuda")]
            Device::Cuda => {
                let engine = Engine::new(Default::default()).within(budget);
                Ok(Networks::Cuda(Box::new(engine)))
            }
            #[cfg(not(feature = "cuda"))]
            Device::Cuda => Err(missing("CUDA", "cuda")),
            #[cfg(feature = "wgpu")]
            Device::Auto | Device::Gpu => {
                let forced = device == Device::Gpu;
                match open_gpu(forced) {
                    Ok(gpu) => {
                        let engine = Engine::new(gpu.device.clone()).within(budget);
                        Ok(Networks::Gpu(Box::new(engine), gpu))
                    }
                    Err(reason) if forced => Err(reason.into()),
                    Err(_) => Ok(cpu()),
                }
            }
            #[cfg(not(feature = "wgpu"))]
            Device::Auto => Ok(cpu()),
            #[cfg(not(feature = "wgpu"))]
            Device::Gpu => Err(missing("GPU support", "wgpu")),
        }
    }

    fn name(&self) -> &str {
        match self {
            Networks::Cpu(_) => CPU,
            #[cfg(feature = "wgpu")]
            Networks::Gpu(_, gpu) => &gpu.name,
            #[cfg(feature = "cuda")]
            Networks::Cuda(_) => "CUDA",
        }
    }

    fn load(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), EngineError> {
        match self {
            Networks::Cpu(engine) => engine.load(entry, bytes),
            #[cfg(feature = "wgpu")]
            Networks::Gpu(engine, _) => engine.load(entry, bytes),
            #[cfg(feature = "cuda")]
            Networks::Cuda(engine) => engine.load(entry, bytes),
        }
    }

    fn compute(&self, task: &Task, input: &[u8]) -> Result<Vec<u8>, EngineError> {
        match self {
            Networks::Cpu(engine) => pollster::block_on(engine.compute(task, input)),
            #[cfg(feature = "wgpu")]
            Networks::Gpu(engine, gpu) => {
                let bytes = pollster::block_on(engine.compute(task, input));
                // What came from a device that has failed in the meantime is refused.
                let trouble = gpu.trouble.lock().unwrap_or_else(PoisonError::into_inner);
                match &*trouble {
                    Some(problem) => Err(EngineError::Device {
                        problem: problem.clone(),
                    }),
                    None => bytes,
                }
            }
            #[cfg(feature = "cuda")]
            Networks::Cuda(engine) => pollster::block_on(engine.compute(task, input)),
        }
    }
}

#[cfg(not(all(feature = "cuda", feature = "wgpu")))]
fn missing(device: &'static str, feature: &'static str) -> RunError {
    RunError::Missing { device, feature }
}

/// The GPU, which can be registered once in a process.
#[cfg(feature = "wgpu")]
fn open_gpu(forced: bool) -> Result<Gpu, gpu::GpuError> {
    static OPENED: Mutex<Option<Gpu>> = Mutex::new(None);
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(gpu) = &*opened {
        return match gpu.software && !forced {
            true => Err(gpu::GpuError::Software(gpu.name.clone())),
            false => Ok(gpu.clone()),
        };
    }
    let gpu = pollster::block_on(gpu::open(forced, 0))?;
    *opened = Some(gpu.clone());
    Ok(gpu)
}

/// Networks on a device, for one scan after the other or for several at once.
pub struct Runner {
    models: Models,
    device: String,
    /// Networks are loaded when they are needed, and shared by all analyses.
    loaded: RwLock<Loaded>,
    /// Tiles that run at once: on the CPU as many as there are threads, if memory allows it.
    gate: Gate,
}

struct Loaded {
    networks: Networks,
    names: Vec<String>,
}

impl Runner {
    /// Opens the device; weights are loaded when they are needed.
    ///
    /// # Errors
    /// If the device is not there.
    pub fn open(models: Models, device: Device, budget: Budget) -> Result<Self, RunError> {
        let networks = Networks::open(device, budget)?;
        let entries = models.manifest.models.iter();
        let largest = entries.filter_map(|e| e.input.peak_bytes).max();
        let places = match networks {
            Networks::Cpu(_) => {
                let room = largest.map_or(usize::MAX, |peak| (budget.total / peak.max(1)) as usize);
                rayon::current_num_threads().min(room)
            }
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            _ => 1,
        };
        Ok(Runner {
            models,
            device: networks.name().to_string(),
            loaded: RwLock::new(Loaded {
                networks,
                names: Vec::new(),
            }),
            gate: Gate::new(places),
        })
    }

    /// The models folder.
    pub fn models(&self) -> &Models {
        &self.models
    }

    /// The name of the device, as reports have it.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Runs an opened analysis to its end.
    ///
    /// # Errors
    /// If a network is missing or fails, there are no lungs, or `progress` breaks.
    pub fn run(
        &self,
        mut analysis: Analysis,
        progress: &mut Progress,
    ) -> Result<Outcome, RunError> {
        self.compute(&mut analysis, self.models.manifest(), progress)?;
        Ok(analysis.finish(self.device())?)
    }

    /// Loads the networks that an opened analysis needs, prepares it and merges all of its tiles:
    /// it can be finished then. `manifest` can be a part of this runner's.
    ///
    /// # Errors
    /// If a network is missing or fails, there are no lungs, or `progress` breaks.
    pub fn compute(
        &self,
        analysis: &mut Analysis,
        manifest: &Manifest,
        progress: &mut Progress,
    ) -> Result<(), RunError> {
        let mut stopped = false;
        let mut tell = |part, label: &str| {
            stopped = stopped || progress(Step { part, label }).is_break();
            stopped
        };
        let case = analysis.case().to_string();
        let stop = || RunError::Stopped { file: case.clone() };
        let looking = "looking for the lungs";
        if tell(0.0, looking) {
            return Err(stop());
        }
        self.load(analysis.options(), manifest, analysis.is_image())?;
        if analysis.wants_lungs()
            && let Some(entry) = analysis.options().lung_network(manifest)?
        {
            analysis.set_lung_network(entry, &self.models.read(entry)?)?;
        }
        analysis.prepare(manifest, &mut |part| {
            tell(part * BEFORE_TILES, looking);
        })?;
        let tiles = analysis.tiles().len();
        let begun = seconds();
        let mut done = 0;
        while done < tiles {
            let part = BEFORE_TILES + (WITH_TILES - BEFORE_TILES) * done as f32 / tiles as f32;
            if tell(part, &analysis.label(done)) {
                return Err(stop());
            }
            let places = self.gate.take(tiles - done);
            let batch = done..done + places.count;
            let inputs = batch.clone().map(|tile| analysis.input(tile));
            let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
            let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
            let networks = &loaded.networks;
            let results: Vec<_> = inputs
                .into_par_iter()
                .map(|(task, input)| networks.compute(&task, &input))
                .collect();
            drop(loaded);
            drop(places);
            for (tile, bytes) in batch.zip(results) {
                analysis.merge(tile, &bytes?)?;
                done += 1;
            }
        }
        analysis.time("networks", begun);
        match tell(WITH_TILES, "masks and report") {
            true => Err(stop()),
            false => Ok(()),
        }
    }

    fn load(&self, options: &Options, manifest: &Manifest, image: bool) -> Result<(), RunError> {
        let needs = options.needs(manifest, image)?;
        let missing = |loaded: &Loaded| needs.iter().any(|e| !loaded.names.contains(&e.name));
        if !missing(&self.loaded.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        for entry in needs {
            if !loaded.names.contains(&entry.name) {
                loaded.networks.load(entry, &self.models.read(entry)?)?;
                loaded.names.push(entry.name.clone());
            }
        }
        Ok(())
    }
}
