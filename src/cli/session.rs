//! Networks on a device, and scans that go through them.

use super::device::CPU;
use super::gate::Gate;
use super::input::Read;
use super::segment::{models_folder, read_manifest};
use crate::analysis::{Analysis, LungsBy, Options, Outcome, seconds};
use crate::engine::{Budget, Engine};
use crate::io::{self, Limits};
use crate::lungs::network::LungNetwork;
use crate::nn::kernels::Kernels;
use crate::weights::{Entry, Manifest};
use burn::backend::Flex;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// What a session is to do, and with what.
pub struct Setup {
    /// What is asked of each analysis.
    pub options: Options,
    /// The SeriesInstanceUID to take.
    pub series: Option<String>,
    /// The folder of the models, if it was given.
    pub models: Option<PathBuf>,
    /// Most memory in MB that networks may take, if it was given.
    pub max_memory: Option<u64>,
}

/// Networks on a device, for one input after the other or for several at once.
pub struct Session<B: Kernels> {
    setup: Setup,
    folder: PathBuf,
    manifest: Manifest,
    /// Its networks are loaded when they are needed, and computed with by all cases.
    engine: RwLock<Loaded<B>>,
    device: String,
    /// Tiles that run at once: on the CPU as many as there are threads, if memory allows it.
    gate: Gate,
}

struct Loaded<B: Kernels> {
    engine: Engine<B>,
    names: Vec<String>,
}

impl<B: Kernels> Session<B> {
    /// Reads the manifest; weights are loaded when they are needed.
    pub fn open(setup: Setup, device: B::Device, name: &str) -> Result<Self, Box<dyn Error>> {
        let folder = models_folder(setup.models.as_deref())?;
        let manifest = read_manifest(&folder)?;
        let budget = match setup.max_memory {
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
        let places = match name {
            CPU => {
                let room = largest.map_or(usize::MAX, |peak| (budget.total / peak.max(1)) as usize);
                rayon::current_num_threads().min(room)
            }
            _ => 1,
        };
        Ok(Session {
            setup,
            folder,
            manifest,
            engine: RwLock::new(Loaded {
                engine: Engine::new(device).within(budget),
                names: Vec::new(),
            }),
            device: name.to_string(),
            gate: Gate::new(places),
        })
    }

    /// The manifest of the models folder.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What is asked of each analysis.
    pub fn options(&self) -> Options {
        self.setup.options
    }

    /// The SeriesInstanceUID to take, if one was named.
    pub fn series(&self) -> Option<&str> {
        self.setup.series.as_deref()
    }

    /// Analyses one file or folder, with progress on a terminal.
    pub fn analyse(&self, input: &Path, lungs: Option<&Path>) -> Result<Outcome, Box<dyn Error>> {
        let analysis = self.opened(&Read::from(input)?, lungs)?;
        self.run(analysis, &self.manifest)
    }

    /// Opens what was read, with the lung mask that is given.
    pub fn opened(&self, read: &Read, lungs: Option<&Path>) -> Result<Analysis, Box<dyn Error>> {
        let mut analysis = read.open(self.setup.series.as_deref(), self.options())?;
        if let Some(path) = lungs {
            let name = path.to_string_lossy();
            let bytes = fs::read(path).map_err(|e| format!("{name}: {e}"))?;
            let mask = io::nifti::read_labels(&name, &bytes, &Limits::default())?;
            analysis.set_lungs(&name, mask)?;
        }
        Ok(analysis)
    }

    /// Runs an opened analysis with the networks of a manifest, which can be a part of this
    /// session's, with progress on a terminal.
    pub fn run(&self, analysis: Analysis, manifest: &Manifest) -> Result<Outcome, Box<dyn Error>> {
        let bar = ProgressBar::new(100);
        let outcome = self.run_showing(analysis, manifest, &bar);
        bar.finish_and_clear();
        outcome
    }

    /// The same, with progress on a bar of 100.
    pub fn run_showing(
        &self,
        mut analysis: Analysis,
        manifest: &Manifest,
        bar: &ProgressBar,
    ) -> Result<Outcome, Box<dyn Error>> {
        if let Ok(style) = ProgressStyle::with_template("{prefix}  {wide_bar} {percent}%  {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(analysis.case().to_string());
        self.load(manifest, analysis.is_image())?;
        if analysis.wants_lungs()
            && let Some(entry) = self.options().lung_network(manifest)?
        {
            analysis.set_lung_network(entry, &self.read(entry)?)?;
        }
        bar.set_message("looking for the lungs");
        analysis.prepare(manifest, &mut |p| bar.set_position((p * 10.0) as u64))?;
        let tiles = analysis.tiles().len();
        let begun = seconds();
        let mut done = 0;
        while done < tiles {
            let places = self.gate.take(tiles - done);
            let batch = done..done + places.count;
            bar.set_message(analysis.label(done));
            let inputs = batch.clone().map(|tile| analysis.input(tile));
            let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
            let loaded = self.engine.read().unwrap_or_else(PoisonError::into_inner);
            let results: Vec<_> = inputs
                .into_par_iter()
                .map(|(task, input)| pollster::block_on(loaded.engine.compute(&task, &input)))
                .collect();
            drop(loaded);
            drop(places);
            for (tile, bytes) in batch.zip(results) {
                analysis.merge(tile, &bytes?)?;
                done += 1;
            }
            bar.set_position((10 + 85 * done / tiles) as u64);
        }
        analysis.time("networks", begun);
        bar.set_message("masks and report");
        Ok(analysis.finish(&self.device)?)
    }

    /// The lung network, whatever draws the lungs otherwise.
    pub fn lung_network(&self) -> Result<LungNetwork<Flex>, Box<dyn Error>> {
        let options = Options {
            lungs: LungsBy::Network,
            ..self.options()
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

    fn load(&self, manifest: &Manifest, image: bool) -> Result<(), Box<dyn Error>> {
        let needs = self.options().needs(manifest, image)?;
        let missing = |loaded: &Loaded<B>| needs.iter().any(|e| !loaded.names.contains(&e.name));
        if !missing(&self.engine.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let mut loaded = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        for entry in needs {
            if !loaded.names.contains(&entry.name) {
                loaded.engine.load(entry, &self.read(entry)?)?;
                loaded.names.push(entry.name.clone());
            }
        }
        Ok(())
    }
}
