//! `pleura pack`: from a training run's weights to files of the models folder.

use crate::infnet::classes::ClassesConfig;
use crate::infnet::{InfNet, InfNetConfig, data, slices};
use crate::lungs::network::LungsConfig;
use crate::nn::params::{self, Values};
use crate::nn::{Builder, Form, observe};
use crate::normnet::frame::FrameConfig;
use crate::normnet::model::NormNetConfig;
use crate::quant;
use crate::runner::Models;
use crate::training::write_atomically;
use crate::weights::tensors::TensorFile;
use crate::weights::{Entry, Input, Manifest, Network, Precision, SCHEMA_VERSION, Training};
use burn::backend::Flex;
use burn::tensor::{Tensor, TensorData};
use clap::{Args, ValueEnum};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `pack`.
#[derive(Args)]
pub struct PackArgs {
    /// The run's weights (safetensors, f32), or an .f16 file of the models folder.
    weights: PathBuf,
    /// Which network they are of; the shipped configuration of it.
    #[arg(long, value_enum)]
    network: NetworkArg,
    /// Name in the manifest, without the precision: infnet-semi, normnet-1, …
    #[arg(long)]
    name: String,
    /// Models folder.
    #[arg(long, default_value = "models")]
    models: PathBuf,
    /// Where the run is written down.
    #[arg(long, default_value = "RUNS.md")]
    record: String,
    /// The run's seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Side of Inf-Net's or the class network's input.
    #[arg(long, default_value_t = 352)]
    side: usize,
    /// A threshold, name=value; may be repeated.
    #[arg(long = "threshold")]
    thresholds: Vec<String>,
    /// Divisor of the logits.
    #[arg(long, default_value_t = 1.0)]
    temperature: f64,
    /// Folder of slices (PNG, JPEG) on which it is measured what rounding the weights of an Inf-Net
    /// adds to each channel on the mean; the biases of the 8-bit file take it out.
    #[arg(long, value_name = "FOLDER")]
    calibrate: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum NetworkArg {
    Infnet,
    Normnet,
    Classes,
    Lungs,
}

/// Folds, packs in both precisions, and updates the manifest.
pub fn run(args: &PackArgs) -> Result<(), Box<dyn Error>> {
    let path = args.weights.to_string_lossy();
    let bytes = fs::read(&args.weights).map_err(|e| format!("{path}: {e}"))?;
    let file = TensorFile::from_bytes(&path, &bytes)?;
    let values: BTreeMap<_, _> = file
        .tensors
        .into_iter()
        .map(|(name, stored)| (name, (stored.shape().to_vec(), stored.to_f32())))
        .collect();
    let values = quant::fold(&values, quant::epsilon);
    let (network, config, input) = describe(args)?;
    let means = match (&args.calibrate, args.network) {
        (None, _) => BTreeMap::new(),
        (Some(folder), NetworkArg::Infnet) => seen(&values, &infnet(args), folder)?,
        (Some(_), _) => return Err("--calibrate is for --network infnet".into()),
    };
    let thresholds = args
        .thresholds
        .iter()
        .map(|text| threshold(text))
        .collect::<Result<_, _>>()?;
    let mut manifest = match args.models.join("manifest.json").is_file() {
        true => Models::open(&args.models)?.manifest().clone(),
        false => Manifest {
            schema_version: SCHEMA_VERSION,
            models: Vec::new(),
        },
    };
    let template = Entry {
        name: String::new(),
        file: String::new(),
        bytes: 0,
        sha256: String::new(),
        network,
        precision: Precision::Int8,
        config,
        input,
        thresholds,
        temperature: args.temperature,
        training: Training {
            record: args.record.clone(),
            seed: args.seed,
        },
    };
    let mut written = Vec::new();
    for (precision, suffix) in [(Precision::Int8, "int8"), (Precision::F16, "f16")] {
        let name = format!("{}.{suffix}", args.name);
        let file = format!("{name}.safetensors");
        let mut packed = quant::pack(&file, &values, precision)?;
        quant::correct(&values, &mut packed, &means);
        let bytes = packed.to_bytes()?;
        let mut entry = Entry {
            name: name.clone(),
            file: file.clone(),
            precision,
            ..template.clone()
        };
        entry.seal(&bytes);
        super::bench::record_memory(&mut entry, &bytes)?;
        write_atomically(&args.models.join(&file), &bytes)?;
        written.push(format!(
            "{file}: {} bytes, SHA-256 {}",
            entry.bytes, entry.sha256
        ));
        manifest.models.retain(|e| e.name != name);
        manifest.models.push(entry);
    }
    manifest.models.sort_by(|a, b| a.name.cmp(&b.name));
    write_atomically(
        &args.models.join("manifest.json"),
        manifest.to_json()?.as_bytes(),
    )?;
    // Not before: a reader that closes the pipe must not leave files without their entries.
    println!("{}", written.join("\n"));
    Ok(())
}

fn infnet(args: &PackArgs) -> InfNetConfig {
    InfNetConfig {
        side: args.side,
        ..InfNetConfig::web()
    }
}

/// What the convolutions of an Inf-Net of these folded parameters see in slices: the mean of each
/// input channel, by the weight's name.
fn seen(
    values: &BTreeMap<String, Values>,
    config: &InfNetConfig,
    folder: &Path,
) -> Result<BTreeMap<String, Vec<f64>>, Box<dyn Error>> {
    let device = Default::default();
    let net = InfNet::new(&mut Builder::<Flex>::loading(Form::Folded, &device), config);
    let net = params::fill(net, |name, shape| match values.get(name) {
        Some((found, data)) if found == shape => Ok(data.clone()),
        _ => Err(format!("{name} is missing or not of the shape {shape:?}")),
    })?;
    let images = data::images(folder)?;
    let (run, means) = observe::means(|| {
        for (_, path) in &images {
            let input = slices::network_input(&data::grey(path)?, config.side);
            let input = TensorData::new(input, [1, 3, config.side, config.side]);
            net.predict(Tensor::from_data(input, &device));
        }
        Ok::<_, Box<dyn Error>>(())
    });
    run?;
    let names = params::names(&net);
    let named = |(id, means)| Some((names.get(&id)?.clone(), means));
    Ok(means.into_iter().filter_map(named).collect())
}

fn describe(args: &PackArgs) -> Result<(Network, serde_json::Value, Input), Box<dyn Error>> {
    let plane = |side| Input {
        extent: vec![side, side],
        spacing_mm: None,
        overlap: None,
        peak_bytes: None,
        largest_bytes: None,
    };
    Ok(match args.network {
        NetworkArg::Infnet => {
            let config = serde_json::to_value(infnet(args))?;
            (Network::Infnet, config, plane(args.side))
        }
        NetworkArg::Classes => {
            let config = ClassesConfig {
                side: args.side,
                ..ClassesConfig::web()
            };
            (
                Network::Classes,
                serde_json::to_value(&config)?,
                plane(args.side),
            )
        }
        NetworkArg::Lungs => {
            let config = LungsConfig::web();
            let input = plane(config.side);
            (Network::Lungs, serde_json::to_value(&config)?, input)
        }
        NetworkArg::Normnet => {
            let frame = FrameConfig::web();
            let [x, y, z] = frame.spacing;
            let input = Input {
                extent: vec![frame.depth, frame.size, frame.size],
                spacing_mm: Some(vec![z, y, x]),
                overlap: None,
                peak_bytes: None,
                largest_bytes: None,
            };
            (
                Network::Normnet,
                serde_json::to_value(NormNetConfig::web())?,
                input,
            )
        }
    })
}

fn threshold(text: &str) -> Result<(String, f64), String> {
    let parsed = text
        .split_once('=')
        .and_then(|(name, v)| Some((name.to_string(), v.parse().ok()?)));
    parsed
        .ok_or_else(|| format!("--threshold {text}: write name=value, for instance infection=0.5"))
}
