//! What Inf-Net says of a scan's slices, put together.

use crate::infnet::slices::Crop;
use crate::volume::Volume;

/// Standard deviation, across slices, of the weights by which a slice counts its neighbours'
/// probability: a lesion is seen in more than one, a vessel that is taken for one often is not
/// (`models/RUNS.md`).
const SMOOTHING_MM: f64 = 5.0;
/// Neighbours further away do not count.
const REACH_MM: f64 = 3.0 * SMOOTHING_MM;

/// Inf-Net's share of a prepared volume or image.
pub(super) struct InfnetWork {
    /// Absent for an image, which is taken whole.
    pub(super) crop: Option<Crop>,
    /// First slice of the LPS grid that shows lung.
    pub(super) first: usize,
    pub(super) side: usize,
    pub(super) threshold: u8,
    /// What the logits are divided by.
    pub(super) temperature: f64,
    /// Probability × 255 and class of every slice's crop; of the whole image.
    pub(super) probability: Vec<u8>,
    pub(super) classes: Vec<u8>,
    /// Which slices have their probability.
    pub(super) seen: Vec<bool>,
    /// From one slice to the next.
    pub(super) spacing_mm: f64,
}

impl InfnetWork {
    /// Slices before and after one that count in it.
    pub(super) fn reach(&self) -> usize {
        (REACH_MM / self.spacing_mm) as usize
    }

    /// Slice `at` of the crops: its probability, averaged with those of its neighbours that have one.
    pub(super) fn smoothed(&self, at: usize) -> Vec<u8> {
        let count = self.seen.len().max(1);
        let size = self.probability.len() / count;
        let reach = self.reach();
        let near = at.saturating_sub(reach)
            ..at.saturating_add(reach)
                .saturating_add(1)
                .min(self.seen.len());
        let (mut sum, mut total) = (vec![0.0f32; size], 0.0);
        for k in near.filter(|&k| self.seen[k] || k == at) {
            let away = k.abs_diff(at) as f64 * self.spacing_mm / SMOOTHING_MM;
            let weight = (-0.5 * away * away).exp() as f32;
            total += weight;
            let values = &self.probability[k * size..(k + 1) * size];
            for (sum, &value) in sum.iter_mut().zip(values) {
                *sum += weight * f32::from(value);
            }
        }
        sum.iter().map(|sum| (sum / total).round() as u8).collect()
    }

    /// All slices [smoothed](Self::smoothed).
    pub(super) fn all_smoothed(self) -> Self {
        let mut probability = Vec::with_capacity(self.probability.len());
        for at in 0..self.seen.len() {
            probability.append(&mut self.smoothed(at));
        }
        InfnetWork {
            probability,
            ..self
        }
    }

    /// 0 below the threshold, else the class.
    pub(super) fn mask(&self) -> Vec<u8> {
        let values = self.probability.iter().zip(&self.classes);
        values
            .map(|(&p, &c)| Self::label(p, c, self.threshold))
            .collect()
    }

    pub(super) fn label(probability: u8, class: u8, threshold: u8) -> u8 {
        if probability >= threshold { class } else { 0 }
    }

    /// A volume on the scan's grid with the crops' values, 0 elsewhere.
    pub(super) fn spread(&self, crops: &[u8], like: &Volume<u8>) -> Result<Volume<u8>, String> {
        let plane = like.dims[0] * like.dims[1];
        let mut data = vec![0; plane * like.dims[2]];
        if let Some(crop) = &self.crop {
            let size = crop.size()[0] * crop.size()[1];
            let slices = data.chunks_exact_mut(plane).skip(self.first);
            for (values, slice) in crops.chunks_exact(size).zip(slices) {
                crop.paste(values, slice).map_err(|e| e.to_string())?;
            }
        }
        like.like(data).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slices of one pixel.
    fn work(probability: &[u8], seen: &[bool], spacing_mm: f64) -> InfnetWork {
        InfnetWork {
            crop: None,
            first: 0,
            side: 1,
            threshold: 128,
            temperature: 1.0,
            probability: probability.to_vec(),
            classes: vec![1; probability.len()],
            seen: seen.to_vec(),
            spacing_mm,
        }
    }

    #[test]
    fn what_one_slice_alone_shows_goes_and_a_gap_of_one_slice_closes() {
        let marked = |probability: &[u8]| {
            let all = vec![true; probability.len()];
            work(probability, &all, 6.0).all_smoothed().mask()
        };
        assert_eq!(marked(&[0, 0, 255, 0, 0]), [0; 5]);
        assert_eq!(marked(&[255, 255, 0, 255, 255]), [1; 5]);
        assert_eq!(marked(&[0, 255, 255, 255, 0]), [0, 1, 1, 1, 0]);
        // At the end of the lungs there is one neighbour less.
        assert_eq!(marked(&[255, 255, 0, 0, 0]), [1, 1, 0, 0, 0]);
    }

    #[test]
    fn weights_are_gaussian_in_mm() {
        for spacing in [1.0, 2.5, 6.0] {
            let mut probability = vec![0; 41];
            probability[20] = 255;
            let work = work(&probability, &[true; 41], spacing);
            let weight = |k: f64| (-0.5 * (k * spacing / 5.0).powi(2)).exp();
            let total: f64 = (-15..=15)
                .map(f64::from)
                .filter(|k| k.abs() * spacing <= 15.0)
                .map(weight)
                .sum();
            for away in 0..=(15.0 / spacing) as usize {
                let expected = 255.0 * weight(away as f64) / total;
                for at in [20 - away, 20 + away] {
                    let found = f64::from(work.smoothed(at)[0]);
                    assert!((found - expected).abs() <= 0.51, "{at} at {spacing} mm");
                }
            }
            let beyond = 21 + (15.0 / spacing) as usize;
            assert_eq!(work.smoothed(beyond), [0]);
        }
    }

    #[test]
    fn a_slice_that_was_not_run_does_not_count() {
        let probability = [0, 200, 0];
        let alone = work(&probability, &[false, true, false], 6.0);
        assert_eq!(alone.smoothed(1), [200]);
        let image = work(&[17], &[true], 1.0);
        assert_eq!(image.all_smoothed().probability, [17]);
    }
}
