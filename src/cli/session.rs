//! Networks on a device, and scans that go through them with progress on a terminal.

use super::device::DeviceArg;
use super::input::Read;
use super::segment::models_folder;
use crate::analysis::{Analysis, LungsBy, Options, Outcome};
use crate::engine::Budget;
use crate::io::{self, Limits};
use crate::lungs::network::LungNetwork;
use crate::runner::{Models, Runner};
use crate::weights::Manifest;
use burn::backend::Flex;
use indicatif::{ProgressBar, ProgressStyle};
use std::error::Error;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

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
    /// Where to run.
    pub device: DeviceArg,
}

/// Networks on a device, for one input after the other or for several at once.
pub struct Session {
    setup: Setup,
    runner: Runner,
}

impl Session {
    /// Reads the manifest and opens the device; weights are loaded when they are needed.
    pub fn open(setup: Setup) -> Result<Self, Box<dyn Error>> {
        let models = Models::open(&models_folder(setup.models.as_deref())?)?;
        let budget = match setup.max_memory {
            Some(mb) => Budget {
                total: mb.saturating_mul(1 << 20),
                ..Budget::default()
            },
            None => Budget::default(),
        };
        let runner = Runner::open(models, setup.device.into(), budget)?;
        Ok(Session { setup, runner })
    }

    /// The manifest of the models folder.
    pub fn manifest(&self) -> &Manifest {
        self.runner.models().manifest()
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
        self.run(analysis, self.manifest())
    }

    /// Opens what was read, with the lung mask that is given.
    pub fn opened(&self, read: &Read, lungs: Option<&Path>) -> Result<Analysis, Box<dyn Error>> {
        let mut analysis = read.open(self.setup.series.as_deref(), self.options())?;
        if let Some(path) = lungs {
            let name = path.to_string_lossy();
            let bytes = io::path::read(path)?;
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
        self.runner.compute(&mut analysis, manifest, &mut |step| {
            bar.set_message(step.label.to_string());
            bar.set_position((step.part * 100.0) as u64);
            ControlFlow::Continue(())
        })?;
        Ok(analysis.finish(self.runner.device())?)
    }

    /// The lung network, whatever draws the lungs otherwise.
    pub fn lung_network(&self) -> Result<LungNetwork<Flex>, Box<dyn Error>> {
        let options = Options {
            lungs: LungsBy::Network,
            ..self.options()
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
