//! Semi-Inf-Net's course: rounds in which the network labels slices and learns from them, and what
//! follows them (SPEC A.14).

use super::data::{Sample, grey};
use super::semi::{logits, probability, pseudo_label};
use super::slices::{Look, Orientation};
use super::train::{Sources, TrainConfig, train};
use super::{InfNet, InfNetConfig};
use crate::io::image::write_png;
use crate::metrics::toolbox;
use crate::nn::kernels::TrainKernels;
use crate::nn::{Builder, Form, params};
use crate::plane::Plane;
use crate::training::{Progress, TrainError, to_file, write_atomically};
use crate::weights::tensors::TensorFile;
use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use image::GrayImage;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};

/// What a stage learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lesson {
    /// The doctor's labels and this round's: every slice of the round is labelled anew.
    Round(usize),
    /// The doctor's labels and those of this round and all before: no slice is labelled twice.
    Rounds(usize),
    /// The same of all rounds, with a network that starts from ImageNet's weights.
    Afresh,
    /// The doctor's labels.
    Doctor,
}

/// One training of several, each from where the one before ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stage {
    /// What from.
    pub lesson: Lesson,
    /// How.
    pub config: TrainConfig,
    /// Whether the result is averaged with the teacher, weight by weight.
    pub averaged: bool,
}

/// What ships: `rounds` rounds over all slices, `steps` steps together, averaged with the teacher;
/// then `finetune` steps on the doctor's labels.
pub fn best(base: &TrainConfig, rounds: usize, steps: usize, finetune: usize) -> Vec<Stage> {
    let stage = |lesson, steps, shares, averaged| Stage {
        lesson,
        averaged,
        config: TrainConfig {
            steps,
            shares,
            // The student starts where the teacher is: gentler rates.
            rates: [1e-4, 4e-4],
            ..base.clone()
        },
    };
    let mut stages: Vec<Stage> = (0..rounds)
        .map(|round| {
            let last = round + 1 == rounds;
            stage(Lesson::Round(round), steps / rounds, [0.4, 0.4, 0.2], last)
        })
        .collect();
    if finetune > 0 {
        stages.push(stage(Lesson::Doctor, finetune, [0.8, 0.0, 0.2], false));
    }
    stages
}

/// As published: each round fine-tunes for nine epochs on all slices labelled so far; a new network
/// learns from the labels of all rounds, and is fine-tuned on the doctor's.
///
/// `groups`: slices labelled in each round.
pub fn paper(net: &InfNetConfig, doctors: usize, groups: &[usize], seed: u64) -> Vec<Stage> {
    let stage = |lesson, pseudo: usize, batch: usize, rate: f64, epochs: usize| {
        let slices = doctors + pseudo;
        let mut config = TrainConfig::paper(net.clone(), slices);
        config.steps = epochs * config.sides.len() * slices.div_ceil(batch);
        config.batch = batch;
        config.rates = [rate; 2];
        config.shares = [doctors as f64, pseudo as f64, 0.0];
        config.seed = seed;
        Stage {
            lesson,
            config,
            averaged: false,
        }
    };
    let mut pseudo = 0;
    let mut stages = Vec::new();
    for (round, group) in groups.iter().enumerate() {
        pseudo += group;
        stages.push(stage(Lesson::Rounds(round), pseudo, 16, 3e-4, 9));
    }
    stages.push(stage(Lesson::Afresh, pseudo, 24, 1e-4, 100));
    stages.push(stage(Lesson::Doctor, 0, 16, 1e-4, 100));
    stages
}

/// A course of stages and everything it needs.
pub struct Course<'a, B: TrainKernels> {
    /// The stages.
    pub stages: Vec<Stage>,
    /// The unlabelled slices of each round.
    pub groups: Vec<Vec<Sample>>,
    /// The doctor's slices.
    pub labelled: Vec<Sample>,
    /// Slices of healthy scans.
    pub clean: Vec<Sample>,
    /// Where the network with ImageNet's weights starts.
    pub imagenet: InfNet<Autodiff<B>>,
    /// Networks that label together with the teacher and with what follows from it.
    pub colleagues: Vec<InfNet<B>>,
    /// Side of the network's input.
    pub side: usize,
    /// Keeps checkpoint, pseudo-labels and the last stage's weights.
    pub folder: &'a Path,
    /// Device.
    pub device: &'a B::Device,
}

impl<B: TrainKernels> Course<'_, B> {
    /// Goes through the stages, on from the last one that the folder has the weights of.
    ///
    /// # Errors
    /// If a file can't be read or written, or the folder is another run's.
    pub fn run(
        &self,
        teacher: &InfNet<B>,
        report: &mut dyn FnMut(Progress),
    ) -> Result<InfNet<B>, TrainError> {
        self.claim(teacher)?;
        let done = |at: &usize| self.weights(*at).is_file();
        let done = (0..self.stages.len()).rev().find(done);
        let mut net = match done {
            Some(at) => self.load(teacher, at)?,
            None => teacher.clone(),
        };
        let first = done.map_or(0, |at| at + 1);
        for (at, stage) in self.stages.iter().enumerate().skip(first) {
            let sources = self.sources(stage.lesson, &net)?;
            let start = match stage.lesson {
                Lesson::Afresh => self.imagenet.clone(),
                _ => copy(&stage.config.net, &net, self.device),
            };
            let folder = self.stage(at);
            net = train::<B>(&stage.config, &sources, start, &folder, self.device, report)?;
            if stage.averaged {
                net = mean(teacher, net);
            }
            let bytes = to_file(&params::read(&net)).to_bytes();
            let bytes = bytes.map_err(|e| TrainError::data(&self.weights(at), e.to_string()))?;
            write_atomically(&self.weights(at), &bytes)?;
            // What a later start needs is in this stage's file.
            let _ = fs::remove_file(folder.join("checkpoint.bin"));
            if let Some(before) = at.checked_sub(1) {
                let _ = fs::remove_dir_all(self.stage(before));
            }
        }
        Ok(net)
    }

    fn stage(&self, stage: usize) -> PathBuf {
        self.folder.join(format!("stage-{stage}"))
    }

    fn weights(&self, stage: usize) -> PathBuf {
        self.stage(stage).join("infnet.safetensors")
    }

    fn load(&self, like: &InfNet<B>, stage: usize) -> Result<InfNet<B>, TrainError> {
        let path = self.weights(stage);
        let bytes = fs::read(&path).map_err(TrainError::file(&path))?;
        let wrong = |e: &dyn std::fmt::Display| TrainError::data(&path, e.to_string());
        let file =
            TensorFile::from_bytes(&path.to_string_lossy(), &bytes).map_err(|e| wrong(&e))?;
        params::fill(like.clone(), |name, shape| file.f32(name, shape)).map_err(|e| wrong(&e))
    }

    /// The folder is this run's: it is new, or what makes a run is the same.
    fn claim(&self, teacher: &InfNet<B>) -> Result<(), TrainError> {
        let named = |group: &Vec<Sample>| group.iter().map(|s| s.name.clone()).collect();
        let groups: Vec<Vec<String>> = self.groups.iter().map(named).collect();
        let first: Vec<f32> = params::read(teacher)
            .into_values()
            .filter_map(|(_, v)| v.first().copied())
            .collect();
        let path = self.folder.join("settings.json");
        let settings = serde_json::to_vec(&(&self.stages, groups, first));
        let settings = settings.map_err(|e| TrainError::data(&path, e.to_string()))?;
        match fs::read(&path) {
            Ok(found) if found == settings => Ok(()),
            Ok(_) => Err(TrainError::data(
                self.folder,
                "holds a run of other settings: choose another folder, or delete it",
            )),
            Err(_) => write_atomically(&path, &settings),
        }
    }

    fn sources(&self, lesson: Lesson, net: &InfNet<B>) -> Result<Sources, TrainError> {
        let rounds = match lesson {
            Lesson::Round(round) => round..round + 1,
            Lesson::Rounds(round) => 0..round + 1,
            Lesson::Afresh => 0..self.groups.len(),
            Lesson::Doctor => 0..0,
        };
        let mut pseudo = Vec::new();
        for round in rounds {
            for sample in &self.groups[round] {
                pseudo.push(self.labelled_by(net, round, lesson, sample)?);
            }
        }
        Ok(Sources {
            labelled: self.labelled.clone(),
            pseudo,
            clean: self.clean.clone(),
        })
    }

    /// A slice with its pseudo-label: the one in the folder, or else the network's. As published it is
    /// the stretched map; else it is sharpened, believed as far as it is sure, and 0 outside the lungs.
    fn labelled_by(
        &self,
        net: &InfNet<B>,
        round: usize,
        lesson: Lesson,
        sample: &Sample,
    ) -> Result<Sample, TrainError> {
        let published = !matches!(lesson, Lesson::Round(_));
        let path = self
            .folder
            .join(format!("labels-{round}/{}.png", sample.name));
        let size = sample.image.size();
        if !path.is_file() {
            // Two of the eight orientations: the file's own and its half turn.
            let looks = [Orientation::ALL[0], Orientation::ALL[3]].map(|orientation| Look {
                orientation,
                side: self.side,
            });
            let looks = if published { &looks[..1] } else { &looks };
            let mut sum = Plane::filled(0.0, [self.side; 2]);
            let nets = [net].into_iter().chain(&self.colleagues);
            for net in nets {
                let logits = logits(net, &sample.image, self.side, looks, self.device);
                for (sum, logit) in sum.data_mut().iter_mut().zip(logits.data()) {
                    *sum += logit;
                }
            }
            let count = 1 + self.colleagues.len();
            let p = probability(&sum, count as f32, size);
            let map = match published {
                true => toolbox::to_map(&p),
                false => p.map(|v| (v * 255.0).round() as u8),
            };
            write_plane(&path, map)?;
        }
        let map = grey(&path)?;
        if map.size() != size {
            let wrong = "is not its slice's size: delete it, and it is made anew";
            return Err(TrainError::data(&path, wrong));
        }
        Ok(match published {
            true => Sample {
                target: map,
                ..sample.clone()
            },
            false => pseudo_label(sample.clone(), &map.map(|v| f32::from(v) / 255.0)),
        })
    }
}

fn write_plane(path: &Path, plane: Plane<u8>) -> Result<(), TrainError> {
    let [w, h] = plane.size().map(|side| side as u32);
    let picture = GrayImage::from_raw(w, h, plane.into_data()).unwrap_or_default();
    let bytes = write_png(&path.to_string_lossy(), &picture);
    let bytes = bytes.map_err(|e| TrainError::data(path, e.to_string()))?;
    write_atomically(path, &bytes)
}

/// A network with another's parameters, for training.
fn copy<B: TrainKernels>(
    config: &InfNetConfig,
    from: &InfNet<B>,
    device: &B::Device,
) -> InfNet<Autodiff<B>> {
    let values = params::read(from);
    let form = Form::of(values.keys());
    let net = InfNet::new(&mut Builder::loading(form, device), config);
    let filled = params::fill(net, |name, _| Ok::<_, Infallible>(values[name].1.clone()));
    let Ok(net) = filled;
    net
}

/// The network whose parameters are the mean of two networks'.
fn mean<B: Backend>(a: &InfNet<B>, b: InfNet<B>) -> InfNet<B> {
    let (of_a, of_b) = (params::read(a), params::read(&b));
    let filled = params::fill(b, |name, _| {
        let [(_, x), (_, y)] = [&of_a[name], &of_b[name]];
        let means = x.iter().zip(y).map(|(x, y)| (x + y) / 2.0);
        Ok::<_, Infallible>(means.collect())
    });
    let Ok(net) = filled;
    net
}
