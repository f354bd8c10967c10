//! Ground glass against consolidation: by density, or by the infection-guided U-Net
//! ("Semi-Inf-Net & MC", paper §III-F).
//!
//! Density decides unless the network is asked for: on held-back slices it finds more of the
//! consolidation and as much of the ground glass (`models/RUNS.md`).
//!
//! The network's input is the slice and the infection map, three channels each; the output three logits a
//! pixel, [ground glass, consolidation, background]. (The published helper's one-hot coding is
//! shifted by a channel; this is the order it meant.)

use crate::grid::box_mean;
use crate::nn::Builder;
use crate::nn::unet::{Channels, UNet};
use crate::plane::Plane;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

/// What tells ground glass from consolidation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassesBy {
    /// How dense the infection is.
    #[default]
    Density,
    /// The class network.
    Network,
}

/// What the class network is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassesConfig {
    /// Channels of the first level; the paper's 64 double to 512.
    pub width: usize,
    /// Side of the square input, a multiple of 16.
    pub side: usize,
}

impl ClassesConfig {
    /// The published network.
    pub fn paper() -> Self {
        ClassesConfig {
            width: 64,
            side: 352,
        }
    }
    /// The network that ships to the browser.
    pub fn web() -> Self {
        ClassesConfig {
            width: 12,
            side: 352,
        }
    }
}

/// Channels of the input.
pub const INPUTS: usize = 6;
/// Channels of the output, in this order.
pub const LABELS: [&str; 3] = ["ground glass", "consolidation", "background"];

/// Grey of the colours that classes are painted in: below is ground glass (red), above
/// consolidation (green).
const BETWEEN_CLASSES: u8 = 55;

/// Labels (0 background, 1 ground glass, 2 consolidation) of a picture that holds them as they
/// are, or in the labelled slices' colours turned to grey.
pub fn painted(grey: &Plane<u8>) -> Plane<u8> {
    match grey.data().iter().all(|&v| v <= 2) {
        true => grey.clone(),
        false => grey.map(|v| match v {
            0 => 0,
            v if v < BETWEEN_CLASSES => 1,
            _ => 2,
        }),
    }
}

/// Grey level above which infection is consolidation: −402 HU.
const DENSE: f32 = 130.0;
/// Pixels of the square that a density is the mean of, a side: about a 50th of the lungs' width.
const AROUND: usize = 7;

/// Infection × 255 below which a pixel does not count: where there is next to none, rounding would
/// decide.
const FAINT: f32 = 25.0;

/// The class, 1 or 2, that density gives every pixel of a square of grey levels 0..255.
///
/// A pixel's density is the mean around it, in which each pixel counts as much as Inf-Net's map
/// says: chest wall and vessels beside a lesion do not. Away from infection it is 1.
pub fn by_density(grey: &[f32], map: &[f32], side: usize) -> Vec<u8> {
    let mean = |values: &[f32]| box_mean(values, [side, side, 1], [AROUND, AROUND, 1]);
    let weights: Vec<f32> = map
        .iter()
        .map(|&m| if m < FAINT { 0.0 } else { m })
        .collect();
    let counted: Vec<f32> = grey.iter().zip(&weights).map(|(g, w)| g * w).collect();
    let sums = mean(&counted).into_iter().zip(mean(&weights));
    sums.map(|(sum, weight)| 1 + u8::from(sum > DENSE * weight))
        .collect()
}

/// A network of the given make: `[n, 6, h, w]` → logits `[n, 3, h, w]`.
pub fn network<B: Backend>(build: &mut Builder<B>, config: &ClassesConfig) -> UNet<B> {
    let channels = Channels {
        input: INPUTS,
        width: config.width,
        output: LABELS.len(),
    };
    UNet::new(build, channels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn density_counts_what_is_infected_and_nothing_beside_it() {
        // Columns 0..20 are lesion, its rows from 20 on dense; columns 20.. are chest wall.
        let side = 40;
        let at = |i: usize| (i % side, i / side);
        let grey: Vec<f32> = (0..side * side)
            .map(|i| match at(i) {
                (20.., _) => 210.0,
                (_, 20..) => 150.0,
                _ => 100.0,
            })
            .collect();
        let map: Vec<f32> = (0..side * side)
            .map(|i| if at(i).0 < 20 { 255.0 } else { 0.0 })
            .collect();
        let classes = by_density(&grey, &map, side);
        let of = |x: usize, y: usize| classes[y * side + x];
        for x in 0..20 {
            assert_eq!((of(x, 0), of(x, 16)), (1, 1), "column {x}");
            assert_eq!((of(x, 23), of(x, 39)), (2, 2), "column {x}");
        }
        let wall = (0..side * side).filter(|&i| at(i).0 >= 23);
        assert!(wall.map(|i| classes[i]).all(|c| c == 1));
    }

    #[test]
    fn away_from_infection_rounding_decides_nothing() {
        let side = 40;
        let grey = vec![210.0; side * side];
        for faint in [0.0, 1.0, 24.0] {
            let map = vec![faint; side * side];
            assert!(by_density(&grey, &map, side).iter().all(|&c| c == 1));
        }
    }

    #[test]
    fn a_vessel_of_two_pixels_is_not_consolidation() {
        let side = 40;
        let grey: Vec<f32> = (0..side * side)
            .map(|i| {
                if (19..21).contains(&(i % side)) {
                    200.0
                } else {
                    90.0
                }
            })
            .collect();
        let classes = by_density(&grey, &vec![255.0; side * side], side);
        assert!(classes.iter().all(|&c| c == 1));
    }
}
