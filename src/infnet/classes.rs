//! Ground glass against consolidation: the infection-guided U-Net ("Semi-Inf-Net & MC", paper
//! §III-F).
//!
//! The input is the slice and the infection map, three channels each; the output three logits a
//! pixel, [ground glass, consolidation, background]. (The published helper's one-hot coding is
//! shifted by a channel; this is the order it meant.)

use crate::nn::Builder;
use crate::nn::unet::{Channels, UNet};
use crate::plane::Plane;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

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

/// A network of the given make: `[n, 6, h, w]` → logits `[n, 3, h, w]`.
pub fn network<B: Backend>(build: &mut Builder<B>, config: &ClassesConfig) -> UNet<B> {
    let channels = Channels {
        input: INPUTS,
        width: config.width,
        output: LABELS.len(),
    };
    UNet::new(build, channels)
}
