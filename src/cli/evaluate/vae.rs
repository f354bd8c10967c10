//! The reconstruction baseline beside NormNet: what an autoencoder of healthy slices cannot draw.

use super::super::train::filled;
use super::volumes::{self, bright_auc};
use crate::metrics::{Confusion, Scores};
use crate::nn::{Builder, Form};
use crate::normnet::frame::{Frame, FrameConfig};
use crate::normnet::vae::{Vae, VaeConfig, residual};
use burn::backend::Flex;
use serde_json::{Value, json};
use std::error::Error;
use std::path::Path;

/// Scores that a voxel can have: the residual × 255.
const LEVELS: usize = 256;

/// The baseline and what it made of the scans so far.
pub struct Baseline {
    net: Vae<Flex>,
    config: VaeConfig,
    cases: Vec<Scored>,
}

/// One scan.
struct Scored {
    auc: Option<f64>,
    /// Counts with everything from this score on called lesion.
    at: Vec<Confusion>,
}

impl Baseline {
    /// Loads the weights of `train vae`.
    pub fn open(path: &Path) -> Result<Self, Box<dyn Error>> {
        let config = VaeConfig::web();
        let mut build = Builder::loading(Form::Trained, &Default::default());
        let net = filled(Vae::new(&mut build, &config), path)?;
        Ok(Baseline {
            net,
            config,
            cases: Vec::new(),
        })
    }

    /// Scores a scan.
    pub fn add(&mut self, scan: volumes::Case) -> Result<(), Box<dyn Error>> {
        // Slices as they were in training: front up, the patient's left at the right.
        let (hu, _) = scan.hu.into_lps();
        let (lungs, _) = scan.lungs.into_lps();
        let truth = scan.truth.into_lps().0.data;
        let frame = Frame::new(&lungs, &FrameConfig::web())?;
        let h = frame.intensity(&hu, &lungs)?;
        let mask = frame.lungs(&lungs)?;
        let side = self.config.side;
        let score = residual(&self.net, side, &h, &mask, &Default::default())?;
        let score = frame.to_volume(&score, &lungs, |v| (v * 255.0).round() as u8)?;
        self.cases.push(Scored {
            auc: bright_auc(&score.data, &truth, &hu.data, &lungs.data)?,
            at: counts(&score.data, &truth),
        });
        Ok(())
    }

    /// Prints the baseline's lines and puts its columns into the table of the scans.
    pub fn report(&self, table: &mut Value) {
        println!("reconstruction baseline, each threshold chosen on the other scans:");
        let mut scores = Vec::new();
        for (i, case) in self.cases.iter().enumerate() {
            let row = &mut table["cases"][i];
            let name = row["case"].as_str().unwrap_or_default().to_string();
            row["vae_auc"] = json!(case.auc);
            let others = self.cases.iter().enumerate().filter(|(j, _)| *j != i);
            let others: Vec<_> = others.map(|(_, case)| case.at.as_slice()).collect();
            let Some(level) = best(&others) else {
                println!("{name:>16}  no other scan to choose a threshold on");
                continue;
            };
            let threshold = level as f64 / 255.0;
            let found = Scores::new(&case.at[level], case.auc);
            row["vae_dice"] = json!(found.dsc);
            row["vae_threshold"] = json!(threshold);
            println!(
                "{name:>16}  Dice {:.4}  sensitivity {:.4}  precision {:.4}  AUC {}  at {threshold:.3}",
                found.dsc,
                found.sen.unwrap_or(f64::NAN),
                found.psc.unwrap_or(f64::NAN),
                found.auc.map_or("-".into(), |v| format!("{v:.4}")),
            );
            scores.push(found);
        }
        let mean = Scores::mean(&scores);
        if let Some(mean) = &mean {
            println!("mean Dice over {} scans: {:.4}", scores.len(), mean.dsc);
        }
        table["vae_mean"] = json!(mean);
    }
}

/// Counts of lesion voxels at every threshold from 0 on.
fn counts(score: &[u8], truth: &[u8]) -> Vec<Confusion> {
    let mut voxels = vec![[0u64; 2]; LEVELS];
    for (&score, &truth) in score.iter().zip(truth) {
        voxels[usize::from(score)][usize::from(truth != 0)] += 1;
    }
    let sum = |levels: &[[u64; 2]], kind: usize| levels.iter().map(|v| v[kind]).sum();
    let at = |level: usize| {
        let (below, from) = voxels.split_at(level);
        Confusion {
            tp: sum(from, 1),
            fp: sum(from, 0),
            fn_: sum(below, 1),
            tn: sum(below, 0),
        }
    };
    (0..LEVELS).map(at).collect()
}

/// The threshold with the best mean Dice; none for no scans. A score of 0 is never lesion.
fn best(cases: &[&[Confusion]]) -> Option<usize> {
    if cases.is_empty() {
        return None;
    }
    let dice = |level: &usize| cases.iter().map(|at| at[*level].dsc()).sum::<f64>();
    (1..LEVELS).max_by(|a, b| dice(a).total_cmp(&dice(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_agree_with_the_masks_of_each_threshold() {
        let score: Vec<u8> = (0..2000).map(|n| ((n * 37) % 256) as u8).collect();
        let truth: Vec<u8> = (0..2000).map(|n| u8::from(n % 7 < 2)).collect();
        let all = counts(&score, &truth);
        for level in [0, 1, 100, 255] {
            let mask: Vec<u8> = score
                .iter()
                .map(|&s| u8::from(usize::from(s) >= level))
                .collect();
            assert_eq!(Confusion::of(&mask, &truth).ok(), Some(all[level]));
        }
    }

    #[test]
    fn the_threshold_is_the_other_scans_best() {
        // Lesion scores 200, lung 50: anything between does, and it does not do for 20 and 10.
        let one = |lesion: u8, lung: u8| counts(&[lesion, lesion, lung, lung], &[1, 1, 0, 0]);
        let (a, b) = (one(200, 50), one(20, 10));
        let level = best(&[&a]);
        assert!(level.is_some_and(|l| (51..=200).contains(&l)));
        assert_eq!(level.map(|l| b[l].tp), Some(0));
        assert_eq!(best(&[&b]).map(|l| b[l].dsc()), Some(1.0));
        assert_eq!(best(&[]), None);
    }
}
