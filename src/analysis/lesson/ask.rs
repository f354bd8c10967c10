//! What is asked of a lesson, and what it answers.

use crate::grid::Dims;
use crate::normnet::post::PostConfig;
use crate::normnet::synth::SynthConfig;
use serde::{Deserialize, Serialize};

/// What is to be seen of slice `k` of the scan, along its LPS axes; crosses to the page as JSON.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Ask {
    /// The slice: `hu`, and `lungs` with 1 right, 2 left.
    Scan {
        /// The slice.
        k: usize,
    },
    /// What Inf-Net is given: `grey`, the crop in 256 levels, and `square`, the same at the
    /// network's side.
    Crop {
        /// The slice.
        k: usize,
    },
    /// What Inf-Net's merged tile gave, on the crop: `probability`, `classes`, and the `mask` of
    /// the analysis, at another threshold if one is given.
    Infnet {
        /// The slice.
        k: usize,
        /// Probability from which a pixel is infected.
        infection: Option<f64>,
    },
    /// NormNet's slice closest to this one: `hu`, `clipped`, `h`, `lungs`.
    Frame {
        /// The slice.
        k: usize,
    },
    /// `edges`: 1 lung, 2 erroneous edge.
    Edges {
        /// The slice.
        k: usize,
    },
    /// Synthetic lesions: `h`, `blobs`, `probability`, `speckle`, `image`, `target`.
    Lesions {
        /// The slice.
        k: usize,
        /// The generator's settings.
        #[serde(flatten)]
        generator: Generator,
    },
    /// Each model's probability of being healthy, `model_1`…, and `votes`.
    Models {
        /// The slice.
        k: usize,
        /// The post-processing's settings.
        #[serde(flatten)]
        post: Thresholds,
    },
    /// The post-processing: `bright` and `full` as intensities, `bright_mean`, `seeds`,
    /// `full_mean`, `region`, `lesions`.
    Post {
        /// The slice.
        k: usize,
        /// The post-processing's settings.
        #[serde(flatten)]
        post: Thresholds,
    },
    /// NormNet's `mask` on the scan's own slice, as the analysis saves it, and `hu`.
    Normnet {
        /// The slice.
        k: usize,
        /// The post-processing's settings.
        #[serde(flatten)]
        post: Thresholds,
    },
}

/// Settings of the post-processing that differ from the analysis's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub struct Thresholds {
    /// [`PostConfig::healthy`].
    pub healthy: Option<f32>,
    /// [`PostConfig::votes`].
    pub votes: Option<usize>,
    /// [`PostConfig::bright_threshold`].
    pub bright: Option<f32>,
    /// [`PostConfig::full_threshold`].
    pub full: Option<f32>,
}

impl Thresholds {
    pub(super) fn over(&self, config: &PostConfig) -> PostConfig {
        PostConfig {
            healthy: self.healthy.unwrap_or(config.healthy),
            votes: self.votes.unwrap_or(config.votes),
            bright_threshold: self.bright.unwrap_or(config.bright_threshold),
            full_threshold: self.full.unwrap_or(config.full_threshold),
            ..*config
        }
    }
}

/// Settings of the lesion generator: what is absent is drawn from the generator's own range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub struct Generator {
    /// Fixes everything that is drawn.
    pub seed: u64,
    /// The generator of the shipped weights, with all that goes beyond the paper.
    #[serde(default)]
    pub beyond: bool,
    /// Number of ellipsoids over the usual number, the paper's λ.
    pub amount: Option<f32>,
    /// Radii over the usual radii.
    pub size: Option<f32>,
    /// α of the elastic deformation.
    pub warp: Option<f32>,
    /// Greatest probability of a grain of salt.
    pub density: Option<f32>,
    /// σ_b of the speckle's blur in mm.
    pub blur: Option<f32>,
    /// μ0, the brightness.
    pub brightness: Option<f32>,
}

/// Most that a setting multiplies numbers or radii with: a mistyped address must not run for ever.
const MOST: f32 = 3.0;

impl Generator {
    pub(super) fn lambda(&self) -> f32 {
        self.amount.unwrap_or(1.0).clamp(0.0, MOST)
    }

    pub(super) fn config(&self) -> SynthConfig {
        let mut config = match self.beyond {
            true => SynthConfig::best(),
            false => SynthConfig::paper(),
        };
        // Whoever asks for lesions wants to see some.
        config.clean = 0.0;
        let size = self.size.unwrap_or(1.0).clamp(1.0 / MOST, MOST);
        for radius in [
            &mut config.small.radius_mm,
            &mut config.medium.radius_mm,
            &mut config.large.radius_mm,
        ] {
            *radius = radius.map(|r| r * size);
        }
        if let Some(warp) = self.warp {
            config.elastic.alpha = [warp.clamp(0.0, 2000.0); 2];
        }
        let texture = &mut config.texture;
        if let Some(density) = self.density {
            // Ends as far apart as the paper's, relative to the range.
            let density = density.clamp(0.01, 1.0);
            texture.contrast *= density / texture.density[1];
            texture.density = [0.0, density];
        }
        if let Some(blur) = self.blur {
            texture.sigma_b_mm = [blur.clamp(0.1, 10.0); 2];
            texture.wide = 0.0;
        }
        if let Some(brightness) = self.brightness {
            texture.brightness = [brightness.clamp(0.0, 1.0); 2];
        }
        config
    }
}

/// Values of a slice, row after row.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Its name, as at [`Ask`].
    pub name: String,
    /// Columns and rows.
    pub size: [usize; 2],
    /// Its values.
    pub values: Vec<f32>,
}

/// Pictures, and numbers that belong to them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    /// The pictures.
    pub pictures: Vec<Picture>,
    /// The numbers, by name.
    pub facts: Vec<(&'static str, f64)>,
}

impl Shown {
    pub(super) fn add(&mut self, name: impl Into<String>, size: [usize; 2], values: Vec<f32>) {
        let name = name.into();
        self.pictures.push(Picture { name, size, values });
    }

    /// A picture's values; none if there is no picture of that name.
    pub fn values(&self, name: &str) -> Option<&[f32]> {
        let found = self.pictures.iter().find(|p| p.name == name);
        found.map(|p| p.values.as_slice())
    }
}

/// A box of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rect {
    /// First column and row.
    pub start: [usize; 2],
    /// Columns and rows.
    pub size: [usize; 2],
}

impl Rect {
    pub(super) fn cut<T: Copy>(&self, slice: &[T], width: usize) -> Vec<T> {
        let rows = self.start[1]..self.start[1] + self.size[1];
        let row = |y: usize| &slice[y * width + self.start[0]..][..self.size[0]];
        rows.flat_map(|y| row(y).iter().copied()).collect()
    }
}

/// What a lesson can be about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outline {
    /// Columns, rows and slices of the scan along LPS axes.
    pub dims: Dims,
    /// Voxel size in mm along the same axes.
    pub spacing_mm: [f64; 3],
    /// First slice that shows lung, and the last.
    pub lungs: [usize; 2],
    /// A slice where there is something to be seen.
    pub suggested: usize,
    /// NormNet's share.
    pub normnet: Option<NormnetOutline>,
    /// Inf-Net's share.
    pub infnet: Option<InfnetOutline>,
}

/// What NormNet sees of the scan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NormnetOutline {
    /// The network's grid.
    pub dims: Dims,
    /// Its spacing in mm.
    pub spacing_mm: [f64; 3],
    /// The part of its slices that is shown: the lungs and a margin.
    pub view: Rect,
    /// The network's window within the scan's slice, in voxels of the scan; it may reach beyond.
    pub window: [f64; 4],
    /// Names of the models.
    pub models: Vec<String>,
    /// The analysis's post-processing.
    pub post: PostConfig,
    /// Kernels of both means in voxels of the network's grid.
    pub kernels: [Dims; 2],
    /// Tiles that NormNet's steps need, from the first.
    pub tiles: usize,
}

/// What Inf-Net sees of the scan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InfnetOutline {
    /// The part of every slice that the network sees.
    pub crop: Rect,
    /// Its side.
    pub side: usize,
    /// Probability from which a pixel is infected.
    pub infection: f64,
    /// What the logits are divided by before they become a probability.
    pub temperature: f64,
    /// The tile of the first slice that shows lung.
    pub first_tile: usize,
    /// Slices before and after one that its probability is averaged with.
    pub reach: usize,
}
