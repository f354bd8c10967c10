//! What can be asked of an analysis.

use crate::infnet::classes::ClassesBy;
use crate::weights::{Entry, Manifest, Network, Precision, WeightsError};
use serde::{Deserialize, Serialize};

/// Which networks run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// NormNet and Inf-Net.
    #[default]
    Both,
    /// NormNet alone.
    Normnet,
    /// Inf-Net.
    Infnet,
}

/// Which NormNet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormnetPath {
    /// Five votes and the paper's post-processing, number for number.
    Paper,
    /// Five votes and the post-processing that the manifest records.
    #[default]
    Best,
}

/// Which Inf-Net.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InfnetWeights {
    /// Trained on pseudo-labels, then on the fifty labels.
    #[default]
    Semi,
    /// Trained on the fifty labels.
    Labelled,
}

/// Which weight files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// 8-bit integers.
    #[default]
    Int8,
    /// Unquantized: f32 arithmetic on weights stored as half floats.
    F32,
}

/// What draws the lungs, unless a mask is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LungsBy {
    /// A threshold finds them, the lung network draws them.
    #[default]
    Network,
    /// Threshold and morphology alone.
    Threshold,
}

/// What is asked of an analysis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Networks.
    pub model: Which,
    /// NormNet's post-processing.
    pub normnet: NormnetPath,
    /// Inf-Net's weights.
    pub infnet: InfnetWeights,
    /// Weight files.
    pub precision: Weights,
    /// Lung mask.
    pub lungs: LungsBy,
    /// Inf-Net's classes.
    pub classes: ClassesBy,
    /// Looks, 1 to 8, that Inf-Net's logits are averaged over; absent: all for an image,
    /// [`VOLUME_LOOKS`] for the slices of a volume.
    pub looks: Option<usize>,
}

/// Looks at a volume's slice: the second costs about half as much as the first.
pub const VOLUME_LOOKS: usize = 2;
/// Looks at a single image: there is time for all.
const IMAGE_LOOKS: usize = 8;

impl Options {
    /// These options with the defaults that are taken for an image or a volume.
    #[must_use]
    pub fn resolved(mut self, image: bool) -> Self {
        let usual = if image { IMAGE_LOOKS } else { VOLUME_LOOKS };
        self.looks = self.looks.or(Some(usual));
        self
    }

    /// The ending of a model's name.
    fn suffix(&self) -> &'static str {
        match self.precision {
            Weights::Int8 => "int8",
            Weights::F32 => "f16",
        }
    }

    /// The lung network of the manifest, if these options ask for it: it runs in the analysis
    /// itself ([`Analysis::set_lung_network`](super::Analysis::set_lung_network)), before there are tiles.
    ///
    /// # Errors
    /// If the manifest lacks it.
    pub fn lung_network<'m>(
        &self,
        manifest: &'m Manifest,
    ) -> Result<Option<&'m Entry>, WeightsError> {
        match self.lungs {
            LungsBy::Network => Ok(Some(manifest.find(&format!("lungs.{}", self.suffix()))?)),
            LungsBy::Threshold => Ok(None),
        }
    }

    /// The models of the manifest whose tiles these options need, for a volume or for an image.
    ///
    /// # Errors
    /// If the manifest lacks one.
    pub fn needs<'m>(
        &self,
        manifest: &'m Manifest,
        image: bool,
    ) -> Result<Vec<&'m Entry>, WeightsError> {
        let stored = |e: &&Entry| match self.precision {
            Weights::Int8 => e.precision == Precision::Int8,
            Weights::F32 => e.precision != Precision::Int8,
        };
        let suffix = self.suffix();
        let mut found = Vec::new();
        if self.model != Which::Infnet && !image {
            let models: Vec<_> = manifest
                .of_network(Network::Normnet)
                .filter(stored)
                .collect();
            if models.is_empty() {
                manifest.find(&format!("normnet-1.{suffix}"))?;
            }
            found.extend(models);
        }
        if self.model != Which::Normnet || image {
            let base = match self.infnet {
                InfnetWeights::Semi => "infnet-semi",
                InfnetWeights::Labelled => "infnet-labelled",
            };
            found.push(manifest.find(&format!("{base}.{suffix}"))?);
            if self.classes == ClassesBy::Network {
                found.push(manifest.find(&format!("classes.{suffix}"))?);
            }
        }
        Ok(found)
    }
}
