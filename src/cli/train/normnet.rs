//! `pleura train normnet`.

use super::{Device, filled, save, show};
use crate::nn::kernels::TrainKernels;
use crate::normnet::ablation::{PARTS, Part, part};
use crate::normnet::data;
use crate::normnet::train::{TrainConfig, fresh, train};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use std::error::Error;
use std::path::PathBuf;

/// Arguments of `train normnet`.
#[derive(Args)]
pub struct NormnetArgs {
    /// Folder with ct/, the healthy scans, or the file that `pleura prepare` makes of it.
    #[arg(long)]
    data: PathBuf,
    /// Where checkpoints and weights go.
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    recipe: RecipeArgs,
    /// Models to train, one after the other; seed s leaves out another scan each.
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// Steps, instead of the preset's.
    #[arg(long)]
    steps: Option<usize>,
    /// Slabs a step, instead of the preset's.
    #[arg(long)]
    batch: Option<usize>,
    /// Learning rate at the top of the schedule, instead of the preset's.
    #[arg(long)]
    rate: Option<f64>,
    /// Start from the normnet-S.safetensors of this folder instead of from nothing.
    #[arg(long)]
    from: Option<PathBuf>,
    /// Where to train.
    #[arg(long, value_enum, default_value = "cpu")]
    pub(super) device: Device,
}

/// Which recipe, and what of it.
#[derive(Args)]
pub struct RecipeArgs {
    /// Recipe.
    #[arg(long, value_enum, default_value = "web")]
    preset: Preset,
    /// For ablations: leave out a part of the recipe; can be given repeatedly.
    #[arg(long, value_name = "PART", value_parser = parts())]
    without: Vec<&'static Part>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Preset {
    /// As published.
    Paper,
    /// What ships.
    Web,
}

/// The names of the parts, each with what leaving it out does.
fn parts() -> impl TypedValueParser<Value = &'static Part> {
    let names = PARTS
        .iter()
        .map(|part| PossibleValue::new(part.name).help(part.meaning));
    PossibleValuesParser::new(names)
        .try_map(|name| part(&name).ok_or_else(|| format!("{name} is no part of the recipe")))
}

impl RecipeArgs {
    /// The preset without what is left out.
    pub fn config(&self) -> TrainConfig {
        let mut config = match self.preset {
            Preset::Paper => TrainConfig::paper(),
            Preset::Web => TrainConfig::web(),
        };
        for part in &self.without {
            (part.remove)(&mut config);
        }
        config
    }
}

pub(super) fn normnet<B: TrainKernels>(
    args: &NormnetArgs,
    device: &B::Device,
) -> Result<(), Box<dyn Error>> {
    let base = args.recipe.config();
    for seed in args.first_seed..args.first_seed.saturating_add(args.seeds) {
        let left_out = data::left_out(seed).to_string();
        println!("model {seed}, without {left_out}");
        let config = TrainConfig {
            without: vec![left_out],
            steps: args.steps.unwrap_or(base.steps),
            batch: args.batch.unwrap_or(base.batch),
            rate: args.rate.unwrap_or(base.rate),
            seed,
            ..base.clone()
        };
        let weights = format!("normnet-{seed}.safetensors");
        let mut start = fresh::<B>(&config, device);
        if let Some(folder) = &args.from {
            start = filled(start, &folder.join(&weights))?;
        }
        let pixel = config.slabs.frame.spacing[0];
        let scans = data::open(&args.data, &config.without, pixel)?;
        let folder = args.out.join(format!("seed{seed}"));
        let net = train::<B>(&config, &scans, start, &folder, device, &mut show)?;
        save(&net, &args.out.join(&weights))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        recipe: RecipeArgs,
    }

    #[test]
    fn parts_are_left_out_by_name() {
        let parse = |args: &[&str]| Cli::try_parse_from([&["x"], args].concat());
        for part in &PARTS {
            assert!(parse(&["--without", part.name]).is_ok(), "{}", part.name);
        }
        let both = parse(&[
            "--preset",
            "paper",
            "--without",
            "salt",
            "--without",
            "shape",
        ]);
        let config = both.map(|cli| cli.recipe.config());
        let synth = config.as_ref().map(|config| &config.slabs.synth).ok();
        assert_eq!(synth.map(|s| s.texture.salt), Some(false));
        assert_eq!(synth.map(|s| s.small.per_lambda), Some([0.0; 2]));
        assert_eq!(synth.map(|s| s.blend.share), Some(0.0));
        let unknown = parse(&["--without", "vessels"]).map(|_| ());
        let text = unknown.map_err(|e| e.to_string());
        // The message lists what there is.
        assert!(text.is_err_and(|text| text.contains("consolidation")));
    }
}
