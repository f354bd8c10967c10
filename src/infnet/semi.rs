//! Semi-Inf-Net: pseudo-labels for unlabelled slices (paper §III-F, SPEC A.14).
//!
//! A teacher labels every slice, averaged over orientations; its probabilities are sharpened,
//! believed by how sure it is, and 0 outside the lungs. The student learns from doctor and
//! teacher in equal shares.

use super::InfNet;
use super::data::{Sample, grey, images};
use super::slices::{Harmonisation, Look, histogram};
use crate::grid::dilate;
use crate::nn::kernels::Kernels;
use crate::nn::unet::UNet;
use crate::plane::Plane;
use crate::training::TrainError;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use std::collections::BTreeMap;
use std::path::Path;

/// Exponent that sharpens the teacher's odds.
const SHARPEN: f32 = 2.0;
/// A probability this far from ½ or more is believed fully.
const SURE: f32 = 0.35;
/// The least that any pixel is believed.
const LEAST: f32 = 0.1;
/// Pixels around the lung mask that may still be infected: the masks are good to about two.
const MARGIN: usize = 3;

/// The patient of an unlabelled slice: its name without the slice's number.
fn patient(name: &str) -> &str {
    name.rsplit_once('_').map_or(name, |(patient, _)| patient)
}

/// The unlabelled slices under `folder` (`images`, `lungs`), grey levels brought to the labelled
/// ones' patient by patient; every `stride`th slice. The target is the lung mask until the
/// teacher has spoken.
pub fn unlabelled(folder: &Path, stride: usize) -> Result<Vec<Sample>, TrainError> {
    let mut histograms = BTreeMap::new();
    let mut found = Vec::new();
    for (name, path) in images(&folder.join("images"))? {
        let mask = folder.join("lungs").join(format!("{name}.png"));
        if !mask.is_file() {
            continue;
        }
        let image = grey(&path)?;
        let sum = histograms
            .entry(patient(&name).to_string())
            .or_insert([0u64; 256]);
        for (total, count) in sum.iter_mut().zip(histogram(image.data())) {
            *total += count;
        }
        let target = grey(&mask)?;
        if target.size() != image.size() {
            return Err(TrainError::data(&mask, "is not its image's size"));
        }
        found.push(Sample {
            name,
            image,
            target,
            confidence: None,
        });
    }
    let maps: BTreeMap<String, Harmonisation> = histograms
        .into_iter()
        .map(|(p, h)| (p, Harmonisation::estimate(&h)))
        .collect();
    let mut kept = Vec::new();
    for mut sample in found.into_iter().step_by(stride.max(1)) {
        if let Some(map) = maps.get(patient(&sample.name)) {
            sample.image = sample.image.map(|v| map.apply(v));
        }
        kept.push(sample);
    }
    Ok(kept)
}

/// A network from slices `[n, 3, h, w]` to logits of infection `[n, 1, h, w]`.
pub trait Segmenter<B: Backend> {
    /// Its logits.
    fn segment(&self, slices: Tensor<B, 4>) -> Tensor<B, 4>;
}

impl<B: Kernels> Segmenter<B> for InfNet<B> {
    fn segment(&self, slices: Tensor<B, 4>) -> Tensor<B, 4> {
        self.predict(slices)
    }
}

impl<B: Kernels> Segmenter<B> for UNet<B> {
    fn segment(&self, slices: Tensor<B, 4>) -> Tensor<B, 4> {
        self.forward(slices)
    }
}

/// The network's mean logits over the looks: a square of its side, as the image lies.
pub fn logits<B: Kernels>(
    net: &impl Segmenter<B>,
    image: &Plane<u8>,
    side: usize,
    looks: &[Look],
    device: &B::Device,
) -> Plane<f32> {
    let mut sum = Plane::filled(0.0f32, [side; 2]);
    for look in looks {
        let input = TensorData::new(look.input(image), [1, 3, look.side, look.side]);
        let map = net.segment(Tensor::from_data(input, device)).into_data();
        let mut values = map.convert::<f32>().to_vec::<f32>().unwrap_or_default();
        values.resize(look.side * look.side, 0.0);
        let back = look.back(&values, side);
        for (total, value) in sum.data_mut().iter_mut().zip(back.data()) {
            *total += value / looks.len() as f32;
        }
    }
    sum
}

/// The probabilities that logits mean at a temperature, at an image's size.
pub fn probability(logits: &Plane<f32>, temperature: f32, size: [usize; 2]) -> Plane<f32> {
    logits
        .map(|v| 1.0 / (1.0 + (-v / temperature).exp()))
        .resize_bilinear(size)
}

/// Turns a slice with its lung mask as target into one with the teacher's opinion as target.
pub fn pseudo_label(mut sample: Sample, probability: &Plane<f32>) -> Sample {
    let [w, h] = sample.image.size();
    let lungs: Vec<u8> = sample
        .target
        .data()
        .iter()
        .map(|&v| u8::from(v > 127))
        .collect();
    let near = dilate(&lungs, [w, h, 1], [MARGIN, MARGIN, 0]);
    let sharpened = |p: f32| {
        let (yes, no) = (p.powf(SHARPEN), (1.0 - p).powf(SHARPEN));
        yes / (yes + no).max(1e-9)
    };
    let p = probability.data();
    let at = |x: usize, y: usize| y * w + x;
    sample.target = Plane::from_fn([w, h], |x, y| match near[at(x, y)] {
        0 => 0,
        _ => (sharpened(p[at(x, y)]) * 255.0).round() as u8,
    });
    sample.confidence = Some(Plane::from_fn([w, h], |x, y| match near[at(x, y)] {
        0 => 255,
        _ => {
            let sure = ((p[at(x, y)] - 0.5).abs() / SURE).clamp(LEAST, 1.0);
            (sure * 255.0).round() as u8
        }
    }));
    sample
}
