//! What both networks' training loops share: schedule, averaged weights, checkpoints.
//!
//! A step draws its randomness from `(seed, step)` alone, so a run that was killed goes on exactly
//! as if it had not been: model, optimisers, averages and step number are all the state there is.

use crate::nn::params::{self, Values};
use crate::weights::tensors::{Stored, TensorFile};
use burn::module::{AutodiffModule, Module};
use burn::optim::{GradientsParams, Optimizer};
use burn::record::{FullPrecisionSettings, NamedMpkBytesRecorder, Recorder};
use burn::tensor::backend::AutodiffBackend;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What can go wrong in training, apart from the loss.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The training data is not what it should be.
    #[error("{path}: {problem}")]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A checkpoint cannot be read or written.
    #[error("checkpoint {path}: {problem}; delete it to start over")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The loss is no longer a number.
    #[error(
        "the loss is {loss} at step {step}: lower the learning rate, or resume from an older checkpoint"
    )]
    Diverged {
        /// The step.
        step: usize,
        /// The loss.
        loss: f32,
    },
}

impl TrainError {
    /// A [`TrainError::File`] for a path.
    pub fn file(path: &Path) -> impl FnOnce(std::io::Error) -> TrainError {
        let path = path.to_path_buf();
        move |source| TrainError::File { path, source }
    }
    /// A [`TrainError::Data`] for a path.
    pub fn data(path: &Path, problem: impl Into<String>) -> TrainError {
        TrainError::Data {
            path: path.to_path_buf(),
            problem: problem.into(),
        }
    }
}

/// A loss as a number; not a number if it cannot be read.
pub fn scalar<B: burn::tensor::backend::Backend>(loss: burn::tensor::Tensor<B, 1>) -> f32 {
    let values = loss.into_data().convert::<f32>().to_vec::<f32>();
    values
        .ok()
        .and_then(|v| v.first().copied())
        .unwrap_or(f32::NAN)
}

/// The generator of one step.
pub fn step_rng(seed: u64, step: usize) -> StdRng {
    // SplitMix64's finaliser: neighbouring steps share nothing.
    let mut z = seed
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(step as u64)
        .wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^= z >> 31;
    StdRng::seed_from_u64(z.wrapping_mul(0x94D0_49BB_1331_11EB))
}

/// Linear warm-up over the first 3 % of the steps, then a cosine to 1 % of the rate.
pub fn cosine(step: usize, steps: usize, rate: f64) -> f64 {
    let warm = (steps as f64 * 0.03).max(1.0);
    let at = step as f64;
    if at < warm {
        return rate * (at + 1.0) / warm;
    }
    let part = ((at - warm) / (steps as f64 - warm).max(1.0)).min(1.0);
    rate * (0.01 + 0.99 * 0.5 * (1.0 + (std::f64::consts::PI * part).cos()))
}

/// An exponential moving average of all parameters and running statistics.
#[derive(Clone, Default)]
pub struct Ema {
    values: BTreeMap<String, Values>,
}

impl Ema {
    /// Moves the average towards `model` by 1 − decay; early steps move faster, so that the
    /// start is forgotten.
    pub fn update<B: AutodiffBackend, M: Module<B>>(&mut self, model: &M, decay: f64, step: usize) {
        let now = params::read(model);
        if self.values.is_empty() {
            self.values = now;
            return;
        }
        let decay = decay.min((1.0 + step as f64) / (10.0 + step as f64)) as f32;
        for (name, (_, new)) in now {
            if let Some((_, old)) = self.values.get_mut(&name) {
                for (o, n) in old.iter_mut().zip(new) {
                    *o = *o * decay + n * (1.0 - decay);
                }
            }
        }
    }

    /// The averaged values by path.
    pub fn values(&self) -> &BTreeMap<String, Values> {
        &self.values
    }
}

/// Values by path as a file of f32 tensors.
pub fn to_file(values: &BTreeMap<String, Values>) -> TensorFile {
    let mut file = TensorFile::default();
    for (name, (shape, data)) in values {
        let stored = Stored::F32 {
            shape: shape.clone(),
            data: data.clone(),
        };
        file.tensors.insert(name.clone(), stored);
    }
    file
}

/// Writes `bytes` under a temporary name and renames: the final name never holds half a file.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(TrainError::file(parent))?;
    }
    let partial = path.with_extension("partial");
    fs::write(&partial, bytes).map_err(TrainError::file(&partial))?;
    fs::rename(&partial, path).map_err(TrainError::file(path))
}

type Bytes = NamedMpkBytesRecorder<FullPrecisionSettings>;

/// A checkpoint folder. Each save is one file, so it is whole or absent.
pub struct Checkpoints {
    path: PathBuf,
}

/// Everything that a run needs to go on.
#[derive(serde::Serialize, serde::Deserialize)]
struct Saved {
    step: usize,
    model: Vec<u8>,
    optimizers: Vec<Vec<u8>>,
    ema: Vec<u8>,
    note: String,
}

/// What [`Checkpoints::load`] gives back.
pub struct Resumed<M, O> {
    /// Steps done.
    pub step: usize,
    /// The model.
    pub model: M,
    /// The optimisers, in the order they were saved.
    pub optimizers: Vec<O>,
    /// The averages.
    pub ema: Ema,
    /// The caller's note (the settings), to compare.
    pub note: String,
}

impl Checkpoints {
    /// Checkpoints of the run in `folder`.
    pub fn new(folder: &Path) -> Self {
        Checkpoints {
            path: folder.join("checkpoint.bin"),
        }
    }

    fn bad(&self, problem: impl ToString) -> TrainError {
        TrainError::Checkpoint {
            path: self.path.clone(),
            problem: problem.to_string(),
        }
    }

    /// Saves a run's whole state.
    pub fn save<B, M, O>(
        &self,
        step: usize,
        model: &M,
        optimizers: &[&O],
        ema: &Ema,
        note: &str,
    ) -> Result<(), TrainError>
    where
        B: AutodiffBackend,
        M: AutodiffModule<B>,
        O: Optimizer<M, B>,
    {
        let record = |r: Result<Vec<u8>, burn::record::RecorderError>| r.map_err(|e| self.bad(e));
        let recorder = Bytes::default();
        let saved = Saved {
            step,
            model: record(recorder.record(model.clone().into_record(), ()))?,
            optimizers: optimizers
                .iter()
                .map(|o| record(recorder.record(o.to_record(), ())))
                .collect::<Result<_, _>>()?,
            ema: to_file(ema.values()).to_bytes().map_err(|e| self.bad(e))?,
            note: note.to_string(),
        };
        let bytes = rmp_serde::to_vec(&saved).map_err(|e| self.bad(e))?;
        write_atomically(&self.path, &bytes)
    }

    /// The saved state, if there is one, loaded into a fresh model and fresh optimisers.
    pub fn load<B, M, O>(
        &self,
        model: M,
        optimizers: Vec<O>,
        device: &B::Device,
    ) -> Result<Option<Resumed<M, O>>, TrainError>
    where
        B: AutodiffBackend,
        M: AutodiffModule<B>,
        O: Optimizer<M, B>,
    {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(TrainError::file(&self.path)(e)),
        };
        let saved: Saved = rmp_serde::from_slice(&bytes).map_err(|e| self.bad(e))?;
        let recorder = Bytes::default();
        let record = recorder
            .load(saved.model, device)
            .map_err(|e| self.bad(e))?;
        let model = model.load_record(record);
        let mut restored = Vec::new();
        for (optimizer, bytes) in optimizers.into_iter().zip(saved.optimizers) {
            let record = recorder.load(bytes, device).map_err(|e| self.bad(e))?;
            restored.push(optimizer.load_record(record));
        }
        let file = TensorFile::from_bytes("checkpoint", &saved.ema).map_err(|e| self.bad(e))?;
        let mut ema = Ema::default();
        for (name, stored) in file.tensors {
            ema.values
                .insert(name, (stored.shape().to_vec(), stored.to_f32()));
        }
        Ok(Some(Resumed {
            step: saved.step,
            model,
            optimizers: restored,
            ema,
            note: saved.note,
        }))
    }
}

/// What a run reports as it goes.
pub struct Progress {
    /// Steps done.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// Mean loss since the last report.
    pub loss: f32,
    /// Time left at the present pace.
    pub left: Duration,
}

/// Time between two checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(150);
/// Steps between two reports.
const REPORT_EVERY: usize = 10;

/// A run: how long, where its checkpoint lies, and what makes it this run and no other.
pub struct Run<'a> {
    /// Steps.
    pub steps: usize,
    /// Decay of the averaged weights; 0 keeps the last weights.
    pub ema: f64,
    /// Folder of the checkpoint.
    pub folder: &'a Path,
    /// All settings as text; a checkpoint of other settings is refused.
    pub note: String,
}

/// One training step's outcome: the loss and the gradients of each optimiser.
pub type Step = (f32, Vec<GradientsParams>);

impl Run<'_> {
    /// Trains `start`, or what the checkpoint holds, and returns the averaged network.
    ///
    /// `batch(step)` must depend on the step alone; it runs on another thread, ahead of the
    /// training. `rates(step)` gives each optimiser's learning rate.
    #[allow(clippy::too_many_arguments)]
    pub fn train<B, M, O, T>(
        &self,
        start: M,
        optimizers: &dyn Fn() -> Vec<O>,
        batch: &(dyn Fn(usize) -> T + Sync),
        step: &mut dyn FnMut(&M, T) -> Step,
        rates: &dyn Fn(usize) -> Vec<f64>,
        device: &B::Device,
        report: &mut dyn FnMut(Progress),
    ) -> Result<M::InnerModule, TrainError>
    where
        B: AutodiffBackend,
        M: AutodiffModule<B>,
        O: Optimizer<M, B>,
        T: Send,
    {
        let checkpoints = Checkpoints::new(self.folder);
        let resumed = checkpoints.load(start.clone(), optimizers(), device)?;
        let (first, mut model, mut optimizers, mut ema) = match resumed {
            Some(run) if run.note == self.note => (run.step, run.model, run.optimizers, run.ema),
            Some(_) => {
                return Err(TrainError::data(
                    self.folder,
                    "holds a checkpoint of other settings: choose another folder, or delete it",
                ));
            }
            None => (0, start, optimizers(), Ema::default()),
        };
        std::thread::scope(|scope| {
            // The receiver lives in here: an early return drops it, and the maker stops.
            let (send, receive) = std::sync::mpsc::sync_channel(2);
            let steps = self.steps;
            scope.spawn(move || (first..steps).all(|step| send.send(batch(step)).is_ok()));
            let begun = Instant::now();
            let mut saved = Instant::now();
            let (mut sum, mut count) = (0.0, 0);
            for (at, batch) in (first..self.steps).zip(receive) {
                let (loss, grads) = step(&model, batch);
                if !loss.is_finite() {
                    return Err(TrainError::Diverged { step: at, loss });
                }
                for ((optimizer, rate), grads) in optimizers.iter_mut().zip(rates(at)).zip(grads) {
                    model = optimizer.step(rate, model, grads);
                }
                ema.update(&model, self.ema, at);
                sum += loss;
                count += 1;
                let done = at + 1;
                if done % REPORT_EVERY == 0 || done == self.steps {
                    let pace = begun.elapsed().div_f64((done - first) as f64);
                    report(Progress {
                        step: done,
                        steps: self.steps,
                        loss: sum / count as f32,
                        left: pace.mul_f64((self.steps - done) as f64),
                    });
                    (sum, count) = (0.0, 0);
                }
                if saved.elapsed() > CHECKPOINT_EVERY || done == self.steps {
                    let all: Vec<&O> = optimizers.iter().collect();
                    checkpoints.save(done, &model, &all, &ema, &self.note)?;
                    saved = Instant::now();
                }
            }
            params::fill(model.valid(), |name, _| {
                let value = ema.values().get(name).map(|(_, v)| v.clone());
                value.ok_or_else(|| TrainError::data(self.folder, format!("{name} has no average")))
            })
        })
    }
}
