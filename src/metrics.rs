//! How good a segmentation is: NormNet's measures, plain Dice, and in [`toolbox`] the measures
//! of Inf-Net's evaluation.
//!
//! The two papers do not measure alike. NormNet (Yao et al. 2020) counts voxels of a volume and
//! averages over volumes; Inf-Net (Fan et al. 2020) stretches each slice's map to its full range
//! and averages over 256 thresholds. Numbers of one protocol say nothing under the other, so
//! each has its own functions here, and the plain protocol (a fixed threshold, 3D Dice) stands
//! beside them.
//!
//! What the sources leave open is decided once, in [`Confusion`]: a ratio of nothing to nothing
//! is undefined (`None`) and left out of averages, except Dice, which is 1 where neither the
//! prediction nor the truth has anything.

use serde::{Deserialize, Serialize};
use thiserror::Error;

// The explicit path keeps the module loadable from any place that names this file by path.
#[path = "metrics/toolbox.rs"]
pub mod toolbox;

/// Why two maps could not be compared.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricsError {
    /// Prediction, truth and mask must cover the same voxels.
    #[error("{what} has {found} voxels, the truth has {expected}: compare masks of one grid")]
    Length {
        /// The array that differs.
        what: &'static str,
        /// Voxels of the truth.
        expected: usize,
        /// Voxels of that array.
        found: usize,
    },
    /// A volume must be made of whole slices.
    #[error("{len} voxels are not whole slices of {slice_len}")]
    Slices {
        /// Voxels of the volume.
        len: usize,
        /// Voxels of a slice.
        slice_len: usize,
    },
}

/// Fails unless `found` voxels are as many as the truth's.
fn same_length(what: &'static str, expected: usize, found: usize) -> Result<(), MetricsError> {
    if expected == found {
        return Ok(());
    }
    Err(MetricsError::Length {
        what,
        expected,
        found,
    })
}

/// Voxels by what was predicted and what is true.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// True positives: predicted and true.
    pub tp: u64,
    /// False positives: predicted, not true.
    pub fp: u64,
    /// False negatives: not predicted, true.
    pub fn_: u64,
    /// True negatives: neither.
    pub tn: u64,
}

impl Confusion {
    /// Counts two masks; nonzero is set.
    pub fn of(prediction: &[u8], truth: &[u8]) -> Result<Self, MetricsError> {
        same_length("the prediction", truth.len(), prediction.len())?;
        Ok(count(
            prediction
                .iter()
                .zip(truth)
                .map(|(&p, &t)| (p != 0, t != 0)),
        ))
    }

    /// Counts two masks where `within` is nonzero, such as the lungs.
    pub fn within(prediction: &[u8], truth: &[u8], within: &[u8]) -> Result<Self, MetricsError> {
        same_length("the prediction", truth.len(), prediction.len())?;
        same_length("the region", truth.len(), within.len())?;
        let voxels = prediction.iter().zip(truth).zip(within);
        let inside = voxels.filter(|&(_, &w)| w != 0);
        Ok(count(inside.map(|((&p, &t), _)| (p != 0, t != 0))))
    }

    /// Counts one label of two label maps, such as consolidation alone.
    pub fn of_label(prediction: &[u8], truth: &[u8], label: u8) -> Result<Self, MetricsError> {
        same_length("the prediction", truth.len(), prediction.len())?;
        Ok(count(
            prediction
                .iter()
                .zip(truth)
                .map(|(&p, &t)| (p == label, t == label)),
        ))
    }

    /// Counts a probability map at a threshold: p ≥ `threshold` is predicted.
    pub fn at(probability: &[f32], truth: &[u8], threshold: f32) -> Result<Self, MetricsError> {
        same_length("the prediction", truth.len(), probability.len())?;
        let voxels = probability.iter().zip(truth);
        Ok(count(voxels.map(|(&p, &t)| (p >= threshold, t != 0))))
    }

    /// Both counts together, for pooling slices or volumes.
    pub fn plus(self, other: Self) -> Self {
        Self {
            tp: self.tp + other.tp,
            fp: self.fp + other.fp,
            fn_: self.fn_ + other.fn_,
            tn: self.tn + other.tn,
        }
    }

    /// Precision, tp/(tp+fp); `None` where nothing was predicted.
    pub fn psc(&self) -> Option<f64> {
        ratio(self.tp, self.tp + self.fp)
    }

    /// Sensitivity, tp/(tp+fn); `None` where nothing is true.
    pub fn sen(&self) -> Option<f64> {
        ratio(self.tp, self.tp + self.fn_)
    }

    /// Specificity, tn/(tn+fp); `None` where everything is true.
    pub fn spc(&self) -> Option<f64> {
        ratio(self.tn, self.tn + self.fp)
    }

    /// Dice, 2tp/(2tp+fp+fn); 1 where nothing was predicted and nothing is true.
    pub fn dsc(&self) -> f64 {
        ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn_).unwrap_or(1.0)
    }
}

fn count(voxels: impl Iterator<Item = (bool, bool)>) -> Confusion {
    // Indexed by prediction and truth: no branch in the loop.
    let mut counts = [0u64; 4];
    for (p, t) in voxels {
        counts[usize::from(p) * 2 + usize::from(t)] += 1;
    }
    let [tn, fn_, fp, tp] = counts;
    Confusion { tp, fp, fn_, tn }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// NormNet's measures of one volume, or their average over volumes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Precision, 0..1; absent where nothing was predicted.
    pub psc: Option<f64>,
    /// Sensitivity, 0..1; absent where nothing is true.
    pub sen: Option<f64>,
    /// Dice, 0..1.
    pub dsc: f64,
    /// Specificity, 0..1; absent where everything is true.
    pub spc: Option<f64>,
    /// Area under the ROC curve over the bright voxels, 0..1; absent where it was not taken or
    /// one of the two classes is empty.
    pub auc: Option<f64>,
}

impl Scores {
    /// The scores of one volume from its counts, with its AUC if it was taken.
    pub fn new(counts: &Confusion, auc: Option<f64>) -> Self {
        Self {
            psc: counts.psc(),
            sen: counts.sen(),
            dsc: counts.dsc(),
            spc: counts.spc(),
            auc,
        }
    }

    /// The average over volumes, each measure over those volumes where it is defined.
    /// `None` for no volumes.
    pub fn mean(volumes: &[Self]) -> Option<Self> {
        let over = |f: fn(&Self) -> Option<f64>| mean(volumes.iter().filter_map(f));
        Some(Self {
            psc: over(|s| s.psc),
            sen: over(|s| s.sen),
            dsc: over(|s| Some(s.dsc))?,
            spc: over(|s| s.spc),
            auc: over(|s| s.auc),
        })
    }
}

/// The mean of the values, `None` for no values.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0u64, 0.0), |(n, sum), v| (n + 1, sum + v));
    (n > 0).then(|| sum / n as f64)
}

/// Area under the ROC curve over the voxels where `within` is nonzero: the chance that a voxel
/// of the truth scores higher than another, ties counted half.
///
/// NormNet takes it over the bright voxels of the lungs (H ≥ τ), with 1 minus the mean
/// probability of its networks as score. `None` where the region holds only one of the classes.
pub fn auc(score: &[f32], truth: &[u8], within: &[u8]) -> Result<Option<f64>, MetricsError> {
    same_length("the score", truth.len(), score.len())?;
    same_length("the region", truth.len(), within.len())?;
    let voxels = score.iter().zip(truth).zip(within);
    let inside = voxels.filter(|&(_, &w)| w != 0);
    let mut ranked: Vec<(f32, bool)> = inside.map(|((&s, &t), _)| (s, t != 0)).collect();
    ranked.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));

    // Every positive beats the negatives before its group of equal scores, and half of those in it.
    let (mut negatives, mut positives, mut won) = (0u64, 0u64, 0.0f64);
    for group in ranked.chunk_by(|a, b| a.0 == b.0) {
        let tied_positives = group.iter().filter(|v| v.1).count() as u64;
        let tied_negatives = group.len() as u64 - tied_positives;
        won += tied_positives as f64 * (negatives as f64 + tied_negatives as f64 / 2.0);
        positives += tied_positives;
        negatives += tied_negatives;
    }
    if positives == 0 || negatives == 0 {
        return Ok(None);
    }
    Ok(Some(won / (positives as f64 * negatives as f64)))
}

/// Dice of every slice of two volumes; 1 where a slice is empty in both.
pub fn slice_dice(
    prediction: &[u8],
    truth: &[u8],
    slice_len: usize,
) -> Result<Vec<f64>, MetricsError> {
    same_length("the prediction", truth.len(), prediction.len())?;
    if slice_len == 0 || !truth.len().is_multiple_of(slice_len) {
        return Err(MetricsError::Slices {
            len: truth.len(),
            slice_len,
        });
    }
    let slices = prediction
        .chunks_exact(slice_len)
        .zip(truth.chunks_exact(slice_len));
    slices
        .map(|(p, t)| Confusion::of(p, t).map(|c| c.dsc()))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn counts_and_ratios() {
        let c = Confusion::of(&[1, 1, 0, 0, 9], &[1, 0, 1, 0, 2]).unwrap();
        assert_eq!((c.tp, c.fp, c.fn_, c.tn), (2, 1, 1, 1));
        assert_eq!(c.psc(), Some(2.0 / 3.0));
        assert_eq!(c.sen(), Some(2.0 / 3.0));
        assert_eq!(c.spc(), Some(0.5));
        assert_eq!(c.dsc(), 4.0 / 6.0);
        let one = Confusion::within(&[1, 1, 0], &[1, 0, 1], &[1, 1, 0]).unwrap();
        assert_eq!(one.sen(), Some(1.0));
        let label = Confusion::of_label(&[2, 1, 2, 0], &[2, 2, 1, 0], 2).unwrap();
        assert_eq!((label.tp, label.fp, label.fn_, label.tn), (1, 1, 1, 1));
        assert_eq!(one.plus(label).tp, 2);
    }

    #[test]
    fn nothing_of_nothing() {
        let empty = Confusion::of(&[0, 0], &[0, 0]).unwrap();
        assert_eq!((empty.psc(), empty.sen()), (None, None));
        assert_eq!((empty.dsc(), empty.spc()), (1.0, Some(1.0)));
        let missed = Confusion::of(&[0, 0], &[1, 1]).unwrap();
        assert_eq!(missed.psc(), None);
        assert_eq!(
            (missed.sen(), missed.dsc(), missed.spc()),
            (Some(0.0), 0.0, None)
        );
        let invented = Confusion::of(&[1, 0], &[0, 0]).unwrap();
        assert_eq!((invented.sen(), invented.dsc()), (None, 0.0));
    }

    #[test]
    fn threshold_belongs_to_the_lesion() {
        let c = Confusion::at(&[0.5, 0.499, f32::NAN], &[1, 1, 0], 0.5).unwrap();
        assert_eq!((c.tp, c.fn_, c.tn), (1, 1, 1));
    }

    #[test]
    fn lengths_must_agree() {
        assert!(Confusion::of(&[0], &[0, 0]).is_err());
        assert!(Confusion::within(&[0, 0], &[0, 0], &[0]).is_err());
        assert!(auc(&[0.0], &[0, 0], &[0, 0]).is_err());
        assert!(slice_dice(&[0; 6], &[0; 6], 4).is_err());
        assert!(slice_dice(&[0; 6], &[0; 6], 0).is_err());
    }

    #[test]
    fn auc_counts_ties_half() {
        let all = |s: &[f32], t: &[u8]| auc(s, t, &vec![1; t.len()]).unwrap();
        assert_eq!(all(&[0.1, 0.4, 0.35, 0.8], &[0, 0, 1, 1]), Some(0.75));
        assert_eq!(all(&[0.5, 0.5, 0.5], &[0, 1, 0]), Some(0.5));
        assert_eq!(all(&[0.2, 0.2, 0.9], &[0, 1, 1]), Some(0.75));
        assert_eq!(all(&[0.2, 0.3], &[1, 1]), None);
        // The dim voxel that would lower it is outside the region.
        let bright = auc(&[0.9, 0.1, 0.99], &[1, 0, 0], &[1, 1, 0]).unwrap();
        assert_eq!(bright, Some(1.0));
    }

    #[test]
    fn averages_skip_what_is_undefined() {
        let a = Scores::new(&Confusion::of(&[1, 0], &[1, 0]).unwrap(), Some(0.8));
        let b = Scores::new(&Confusion::of(&[0, 0], &[0, 0]).unwrap(), None);
        let mean = Scores::mean(&[a, b]).unwrap();
        assert_eq!((mean.sen, mean.dsc, mean.auc), (Some(1.0), 1.0, Some(0.8)));
        assert_eq!(Scores::mean(&[]), None);
    }

    #[test]
    fn slices_empty_in_both_count_as_found() {
        let dice = slice_dice(&[0, 0, 1, 0, 1, 1], &[0, 0, 0, 0, 1, 0], 2).unwrap();
        assert_eq!(dice, [1.0, 0.0, 2.0 / 3.0]);
    }
}
