//! `pleura train semi`: rounds of labelling and training (SPEC A.14).

use super::held_back::{labelled, measure_both};
use super::infnet::{NetArgs, Preset, clean_slices};
use super::{Device, infnet_of, save, show};
use crate::infnet::data::Sample;
use crate::infnet::rounds::{Course, best, paper};
use crate::infnet::train::{TrainConfig, fresh};
use crate::infnet::{import, semi};
use crate::nn::kernels::TrainKernels;
use crate::training::step_rng;
use clap::Args;
use rand::seq::SliceRandom;
use std::error::Error;
use std::path::PathBuf;

/// Arguments of `train semi`.
#[derive(Args)]
pub struct SemiArgs {
    /// Folder with semiseg/labelled and semiseg/unlabelled (and ct for lesion-free slices).
    #[arg(long)]
    data: PathBuf,
    /// Where checkpoints, pseudo-labels and weights go.
    #[arg(long)]
    out: PathBuf,
    /// The teacher, and where the student starts: the infnet.safetensors of `train infnet`, or an
    /// infnet .f16 file of the models folder. Where several are given, the student starts at the
    /// first, and they label together.
    #[arg(long, required = true)]
    teacher: Vec<PathBuf>,
    #[command(flatten)]
    net: NetArgs,
    /// Recipe. `paper`: every slice is labelled once, a few a round, and a new network learns from
    /// the labels.
    #[arg(long, value_enum, default_value = "best")]
    preset: Preset,
    /// ImageNet weights of the encoder, where the preset `paper` starts a new network.
    #[arg(long)]
    init: Option<PathBuf>,
    /// Take every nth unlabelled slice.
    #[arg(long, default_value_t = 2)]
    stride: usize,
    /// Rounds, instead of the preset's: 1, or as many as it takes to label all slices.
    #[arg(long)]
    rounds: Option<usize>,
    /// Slices that are labelled in a round, instead of the preset's: all, or 5.
    #[arg(long)]
    select: Option<usize>,
    /// Steps of all rounds together, of the preset `best`.
    #[arg(long, default_value_t = 260)]
    steps: usize,
    /// Steps on the labelled slices alone at the end, of the preset `best`.
    #[arg(long, default_value_t = 0)]
    finetune: usize,
    /// Slices a step, of the preset `best`.
    #[arg(long, default_value_t = 12)]
    batch: usize,
    /// Seed of the run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Hold back fold K of N (as K/N, from 0) of the labelled slices, which the teacher has not
    /// seen either, and measure on it.
    #[arg(long)]
    fold: Option<String>,
    /// Where to train.
    #[arg(long, value_enum, default_value = "cpu")]
    pub(super) device: Device,
}

/// Slices that the paper labels in a round: its K.
const PAPER_SELECT: usize = 5;

pub(super) fn semi<B: TrainKernels>(
    args: &SemiArgs,
    device: &B::Device,
) -> Result<(), Box<dyn Error>> {
    let net = args.net.config(args.preset);
    let side = net.side;
    let (labelled, held_back) = labelled(&args.data, args.fold.as_deref())?;
    let mut slices = semi::unlabelled(&args.data.join("semiseg/unlabelled"), args.stride)?;
    slices.shuffle(&mut step_rng(args.seed, 0));
    let config = TrainConfig {
        batch: args.batch,
        seed: args.seed,
        ..TrainConfig::best(net.clone())
    };
    let (groups, stages, clean) = match args.preset {
        Preset::Paper => {
            let select = args.select.unwrap_or(PAPER_SELECT).max(1);
            let rounds = args.rounds.unwrap_or(usize::MAX);
            let groups = slices.chunks(select).take(rounds).map(<[Sample]>::to_vec);
            let groups: Vec<Vec<Sample>> = groups.collect();
            let sizes: Vec<usize> = groups.iter().map(Vec::len).collect();
            let stages = paper(&net, labelled.len(), &sizes, args.seed);
            (groups, stages, Vec::new())
        }
        Preset::Best => {
            slices.truncate(args.select.unwrap_or(usize::MAX).max(1));
            let rounds = args.rounds.unwrap_or(1).max(1);
            let stages = best(&config, rounds, args.steps, args.finetune);
            let clean = clean_slices(&args.data.join("ct"))?;
            (vec![slices; rounds], stages, clean)
        }
    };
    let mut imagenet = fresh::<B>(&config, device);
    if let Some(path) = &args.init {
        imagenet = import::encoder(imagenet, net.backbone, path)?;
    }
    let teachers = args.teacher.iter();
    let teachers: Vec<_> = teachers
        .map(|path| infnet_of::<B>(&net, path, device))
        .collect::<Result<_, _>>()?;
    let (doctors, pseudo) = (labelled.len(), groups.iter().map(Vec::len).max());
    println!(
        "{} stages, {doctors} labelled slices, {} labelled anew in a round",
        stages.len(),
        pseudo.unwrap_or(0)
    );
    let course = Course::<B> {
        stages,
        groups,
        labelled,
        clean,
        imagenet,
        colleagues: teachers[1..].to_vec(),
        side,
        folder: &args.out,
        device,
    };
    let net = course.run(&teachers[0], &mut show)?;
    save(&net, &args.out.join("infnet.safetensors"))?;
    measure_both(&net, side, &held_back, &args.out, device)
}
