//! Labelled slices that a run does not train on, and what it scores on them.

use crate::infnet::data::{self, Sample};
use crate::infnet::semi::{self, Segmenter};
use crate::infnet::slices::Look;
use crate::infnet::{InfNet, InfNetConfig};
use crate::metrics::{Confusion, toolbox};
use crate::nn::kernels::Kernels;
use crate::nn::{Builder, Form, params};
use crate::quant;
use crate::training::write_atomically;
use crate::weights::Precision;
use serde_json::json;
use std::error::Error;
use std::path::Path;

/// Splits items that each have a slice into those to train on and those of the fold that is held
/// back.
pub(super) fn hold_back<T>(
    mut items: Vec<T>,
    slice: impl Fn(&T) -> &Sample,
    fold: Option<&str>,
) -> Result<(Vec<T>, Vec<T>), String> {
    let mut held_back = Vec::new();
    if let Some(text) = fold {
        let (k, n) = parse_fold(text)?;
        let slices: Vec<Sample> = items.iter().map(|item| slice(item).clone()).collect();
        let (_, test) = data::fold(&slices, k, n);
        for i in test.into_iter().rev() {
            held_back.push(items.remove(i));
        }
    }
    Ok((items, held_back))
}

/// The labelled slices, and those of the fold that is held back.
pub(super) fn labelled(
    data: &Path,
    fold: Option<&str>,
) -> Result<(Vec<Sample>, Vec<Sample>), Box<dyn Error>> {
    let all = data::labelled(&data.join("semiseg/labelled"))?;
    Ok(hold_back(all, |sample| sample, fold)?)
}

/// [`measure`] with one look, as in volumes, and with all eight, as for pictures.
pub(super) fn measure_both<B: Kernels>(
    net: &impl Segmenter<B>,
    side: usize,
    held_back: &[Sample],
    folder: &Path,
    device: &B::Device,
) -> Result<(), Box<dyn Error>> {
    for (file, looks) in [("held_back.json", 1), ("held_back_8_looks.json", 8)] {
        if !held_back.is_empty() {
            let looks = Look::first(looks, side);
            measure(net, side, held_back, &looks, &folder.join(file), device)?;
        }
    }
    Ok(())
}

/// The file of [`measure_packed`]'s table.
pub(super) const PACKED: &str = "held_back_int8.json";

/// [`measure`] with all eight looks of the network as it ships: batch norms folded, weights of 8
/// bits.
pub(super) fn measure_packed<B: Kernels>(
    net: &InfNet<B>,
    config: &InfNetConfig,
    held_back: &[Sample],
    folder: &Path,
    device: &B::Device,
) -> Result<(), Box<dyn Error>> {
    if held_back.is_empty() {
        return Ok(());
    }
    println!("with 8-bit weights:");
    let values = quant::fold(&params::read(net), quant::epsilon);
    let file = quant::pack("the trained network", &values, Precision::Int8)?;
    let mut build = Builder::<B>::loading(Form::Packed, device);
    let net = InfNet::new(&mut build, config);
    let net = params::load(net, &build, &file)?;
    let looks = Look::first(8, config.side);
    let out = folder.join(PACKED);
    measure(&net, config.side, held_back, &looks, &out, device)
}

/// Temperatures whose toolbox figure is shown: its mean over thresholds rewards hard maps.
const TEMPERATURES: [f32; 8] = [1.0, 0.7, 0.5, 0.35, 0.25, 0.2, 0.15, 0.1];

/// Both Dice figures of every held-back slice, logits averaged over the given looks, and the
/// toolbox's by temperature, to standard output and a JSON file.
fn measure<B: Kernels>(
    net: &impl Segmenter<B>,
    side: usize,
    samples: &[Sample],
    looks: &[Look],
    out: &Path,
    device: &B::Device,
) -> Result<(), Box<dyn Error>> {
    let mut cases = Vec::new();
    let (mut plain, mut curves) = (0.0, [0.0; TEMPERATURES.len()]);
    for sample in samples {
        let logits = semi::logits(net, &sample.image, side, looks, device);
        let truth = sample.target.map(|v| u8::from(v > 128));
        let at = |temperature| semi::probability(&logits, temperature, sample.image.size());
        let dice = Confusion::at(at(1.0).data(), truth.data(), 0.5)?.dsc();
        let by_temperature = TEMPERATURES.map(|temperature| {
            let curve = toolbox::measure(&toolbox::to_map(&at(temperature)), &sample.target).dice;
            curve.iter().sum::<f64>() / curve.len().max(1) as f64
        });
        println!(
            "{}  Dice {dice:.4}  toolbox {:.4}",
            sample.name, by_temperature[0]
        );
        cases.push(
            json!({"name": sample.name, "dice": dice, "toolbox_dice": by_temperature.to_vec()}),
        );
        plain += dice;
        for (sum, value) in curves.iter_mut().zip(by_temperature) {
            *sum += value;
        }
    }
    let count = samples.len().max(1) as f64;
    let (dice, curve) = (plain / count, curves.map(|sum| sum / count));
    println!(
        "mean over {} held-back slices, {} looks: Dice at 0.5 {dice:.4}",
        samples.len(),
        looks.len()
    );
    for (temperature, value) in TEMPERATURES.iter().zip(&curve) {
        println!("  toolbox at temperature {temperature}: {value:.4}");
    }
    let table = json!({
        "mean_dice": dice,
        "temperatures": TEMPERATURES.to_vec(),
        "toolbox_dice": curve.to_vec(),
        "cases": cases,
    });
    write_atomically(out, serde_json::to_string_pretty(&table)?.as_bytes())?;
    Ok(())
}

/// Fold K of N, from K/N.
fn parse_fold(text: &str) -> Result<(usize, usize), String> {
    let parts: Option<(usize, usize)> = text
        .split_once('/')
        .and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    match parts {
        Some((k, n)) if n >= 2 && k < n => Ok((k, n)),
        _ => Err(format!(
            "--fold {text}: write K/N with 0 ≤ K < N, for instance 0/5"
        )),
    }
}
