//! Trained weights: the manifest that says what each file is, and the files themselves.
//!
//! `models/manifest.json` lists every model with its size, SHA-256, network, precision, input
//! extent, thresholds and training record. Weights are content-addressed: a file that does not
//! match its entry is refused by name, before anything in it is read. The hash is taken here and
//! not by the browser, whose `crypto.subtle` is missing on pages that are not served securely.
//!
//! [`tensors`] is the container: named tensors as f32, f16 or int8 with one scale an output
//! channel, in the safetensors format.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

// The explicit path keeps the module loadable from any place that names this file by path.
#[path = "weights/tensors.rs"]
pub mod tensors;

/// The manifest layout that this version reads and writes.
pub const SCHEMA_VERSION: u32 = 1;

/// Why weights could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The manifest is not JSON of the expected form.
    #[error("{file} is not a model manifest: {source}")]
    Json {
        /// The manifest's name.
        file: String,
        /// What the parser found.
        source: serde_json::Error,
    },
    /// The manifest is of another version of its layout.
    #[error(
        "{file} has schema version {found}, this program reads {SCHEMA_VERSION}: update both together"
    )]
    Schema {
        /// The manifest's name.
        file: String,
        /// The version that it states.
        found: u32,
    },
    /// A field of an entry cannot be right.
    #[error("{file}: model {model}: {field} {problem}")]
    Entry {
        /// The manifest's name.
        file: String,
        /// The entry's name.
        model: String,
        /// The field at fault.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// No entry has this name.
    #[error("there is no model {model} in the manifest, which has {known}")]
    Unknown {
        /// The name asked for.
        model: String,
        /// The names that exist, separated by commas.
        known: String,
    },
    /// The network's own configuration does not parse.
    #[error("model {model}: its config in the manifest is not one of its network: {source}")]
    Config {
        /// The entry's name.
        model: String,
        /// What the parser found.
        source: serde_json::Error,
    },
    /// A file is shorter or longer than its entry says.
    #[error("{file} has {found} bytes, its manifest entry says {expected}: fetch it again")]
    Size {
        /// The weight file.
        file: String,
        /// Bytes by the manifest.
        expected: u64,
        /// Bytes at hand.
        found: u64,
    },
    /// A file's content is not what its entry says.
    #[error(
        "{file} has SHA-256 {found}, its manifest entry says {expected}: fetch file and manifest again, from one release"
    )]
    Hash {
        /// The weight file.
        file: String,
        /// Hash by the manifest.
        expected: String,
        /// Hash of the bytes at hand.
        found: String,
    },
    /// A file is not a tensor container.
    #[error("{file} is not a weight file: {problem}")]
    Container {
        /// The weight file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A tensor in a file cannot be used.
    #[error("{file}: tensor {tensor}: {problem}")]
    Tensor {
        /// The weight file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A tensor is not of the shape that the network needs.
    #[error(
        "{file}: tensor {tensor} has shape {found:?}, the network needs {expected:?}: the weights are of another configuration"
    )]
    Shape {
        /// The weight file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// The shape that the network needs.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// Values do not fit the shape and axis that they are to be stored with.
    #[error("cannot store {len} values as {shape:?} with scales along axis {axis}: {problem}")]
    Quantize {
        /// The shape asked for.
        shape: Vec<usize>,
        /// The axis of the output channels.
        axis: usize,
        /// Values given.
        len: usize,
        /// What is wrong.
        problem: &'static str,
    },
}

/// Which network a model is a set of weights for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Inf-Net: infection in a slice.
    Infnet,
    /// NormNet: healthy bright tissue in a slab.
    Normnet,
    /// Ground glass and consolidation in an infected slice.
    Classes,
    /// The lung mask.
    Lungs,
}

impl Network {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Network::Infnet => "Inf-Net",
            Network::Normnet => "NormNet",
            Network::Classes => "the class network",
            Network::Lungs => "the lung network",
        }
    }
}

/// How a model's convolution weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 8-bit integers, one scale an output channel.
    Int8,
    /// Half floats.
    F16,
    /// Floats.
    F32,
}

/// What a network takes at once: the same in training and in use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Voxels or pixels of one tile: [z, y, x] or [y, x].
    pub extent: Vec<usize>,
    /// Voxel size in mm along the same axes; absent where the input is scaled to the extent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spacing_mm: Option<Vec<f64>>,
    /// Voxels that neighbouring tiles share, along the same axes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Vec<usize>>,
    /// Bytes of memory at the peak of one tile's run, as measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_bytes: Option<u64>,
    /// Bytes of the largest single buffer of one tile's run, as measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest_bytes: Option<u64>,
}

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Document and anchor of the run's record.
    pub record: String,
    /// Seed of the run.
    pub seed: u64,
}

/// One model of the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The model's name, unique in the manifest.
    pub name: String,
    /// Its file beside the manifest: a plain name.
    pub file: String,
    /// The file's size.
    pub bytes: u64,
    /// The file's SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// What the weights are for.
    pub network: Network,
    /// How they are stored.
    pub precision: Precision,
    /// The network's configuration; [`Entry::config`] gives it its type.
    pub config: serde_json::Value,
    /// What the network takes at once.
    pub input: Input,
    /// Named thresholds on the network's output, 0..=1.
    #[serde(default)]
    pub thresholds: BTreeMap<String, f64>,
    /// Divisor of the logits that makes the probabilities honest; 1 leaves them alone.
    #[serde(default = "one")]
    pub temperature: f64,
    /// Where the weights come from.
    pub training: Training,
}

fn one() -> f64 {
    1.0
}

/// The list of models, `models/manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The models.
    pub models: Vec<Entry>,
}

impl Manifest {
    /// Reads and checks a manifest; `file` is its name in errors.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, WeightsError> {
        let json = |source| WeightsError::Json {
            file: file.into(),
            source,
        };
        // The version first: another layout would fail on its fields, with a message of no use.
        let version: Version = serde_json::from_slice(bytes).map_err(json)?;
        if version.schema_version != SCHEMA_VERSION {
            return Err(WeightsError::Schema {
                file: file.into(),
                found: version.schema_version,
            });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(json)?;
        let mut names = BTreeSet::new();
        for entry in &manifest.models {
            let checked = entry
                .check()
                .and_then(|()| match names.insert(&entry.name) {
                    true => Ok(()),
                    false => Err(("name", "occurs twice".into())),
                });
            checked.map_err(|(field, problem)| WeightsError::Entry {
                file: file.into(),
                model: entry.name.clone(),
                field,
                problem,
            })?;
        }
        Ok(manifest)
    }

    /// The manifest as it is written to disk.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }

    /// The model of this name.
    pub fn find(&self, model: &str) -> Result<&Entry, WeightsError> {
        let found = self.models.iter().find(|entry| entry.name == model);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.models.iter().map(|e| e.name.as_str()).collect();
            WeightsError::Unknown {
                model: model.into(),
                known: names.join(", "),
            }
        })
    }

    /// The models for one network, in the manifest's order.
    pub fn of_network(&self, network: Network) -> impl Iterator<Item = &Entry> {
        self.models.iter().filter(move |e| e.network == network)
    }
}

/// What every version of the manifest has.
#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

impl Entry {
    /// Refuses bytes that are not the ones this entry describes.
    pub fn verify(&self, bytes: &[u8]) -> Result<(), WeightsError> {
        let found = bytes.len() as u64;
        if found != self.bytes {
            return Err(WeightsError::Size {
                file: self.file.clone(),
                expected: self.bytes,
                found,
            });
        }
        let found = sha256(bytes);
        if found != self.sha256 {
            return Err(WeightsError::Hash {
                file: self.file.clone(),
                expected: self.sha256.clone(),
                found,
            });
        }
        Ok(())
    }

    /// The input's extent as [z, y, x], for a 3D network.
    pub fn extent3(&self) -> Result<[usize; 3], WeightsError> {
        <[usize; 3]>::try_from(self.input.extent.as_slice()).map_err(|_| WeightsError::Entry {
            file: self.file.clone(),
            model: self.name.clone(),
            field: "input.extent",
            problem: "should be three numbers, [z, y, x]".into(),
        })
    }

    /// Makes this entry describe these bytes.
    pub fn seal(&mut self, bytes: &[u8]) {
        self.bytes = bytes.len() as u64;
        self.sha256 = sha256(bytes);
    }

    /// The network's configuration as its type.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T, WeightsError> {
        T::deserialize(&self.config).map_err(|source| WeightsError::Config {
            model: self.name.clone(),
            source,
        })
    }

    /// The threshold of this name.
    pub fn threshold(&self, name: &str) -> Option<f64> {
        self.thresholds.get(name).copied()
    }

    /// The first field that cannot be right, and why.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let fail = |field, problem: &str| Err((field, problem.to_owned()));
        if self.name.is_empty() {
            return fail("name", "is empty");
        }
        // The file name becomes part of a path and of an address.
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if self.file.is_empty() || self.file.starts_with('.') || !self.file.chars().all(plain) {
            return fail(
                "file",
                "is not a plain file name of letters, digits, '.', '_' and '-'",
            );
        }
        if self.bytes == 0 {
            return fail("bytes", "is 0");
        }
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if self.sha256.len() != 64 || !self.sha256.chars().all(hex) {
            return fail("sha256", "is not 64 lower-case hexadecimal digits");
        }
        let axes = self.input.extent.len();
        if !(2..=3).contains(&axes) || self.input.extent.contains(&0) {
            return fail("input.extent", "is not two or three sides above 0");
        }
        let spacing = self.input.spacing_mm.as_deref();
        if spacing.is_some_and(|s| s.len() != axes || !s.iter().all(|&v| v.is_finite() && v > 0.0))
        {
            return fail("input.spacing_mm", "is not a length above 0 for each side");
        }
        let overlaps = self.input.overlap.iter().flatten();
        let too_far = overlaps.zip(&self.input.extent).any(|(o, side)| o >= side);
        if too_far || self.input.overlap.as_ref().is_some_and(|o| o.len() != axes) {
            return fail(
                "input.overlap",
                "is not shorter than the extent for each side",
            );
        }
        if !self.thresholds.values().all(|t| (0.0..=1.0).contains(t)) {
            return fail("thresholds", "are not all from 0 to 1");
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return fail("temperature", "is not above 0");
        }
        Ok(())
    }
}

/// SHA-256 of some bytes, as 64 lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const WEIGHTS: &[u8] = b"abc";
    /// SHA-256 of "abc", from FIPS 180-2.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn json() -> String {
        format!(
            r#"{{ "schema_version": 1, "models": [ {{
                "name": "infnet-semi", "file": "infnet-semi.int8.safetensors",
                "bytes": 3, "sha256": "{ABC}", "network": "infnet", "precision": "int8",
                "config": {{"width": 16}}, "input": {{"extent": [352, 352]}},
                "thresholds": {{"lesion": 0.5}},
                "training": {{"record": "models/RUNS.md#infnet-semi", "seed": 7}} }} ] }}"#
        )
    }

    fn parse(json: &str) -> Result<Manifest, WeightsError> {
        Manifest::parse("manifest.json", json.as_bytes())
    }

    #[test]
    fn reads_what_it_writes() {
        let manifest = parse(&json()).unwrap();
        let entry = manifest.find("infnet-semi").unwrap();
        assert_eq!(
            (entry.network, entry.precision),
            (Network::Infnet, Precision::Int8)
        );
        assert_eq!(
            (entry.temperature, entry.threshold("lesion")),
            (1.0, Some(0.5))
        );
        assert_eq!(parse(&manifest.to_json().unwrap()).unwrap(), manifest);
        assert_eq!(manifest.of_network(Network::Infnet).count(), 1);
        assert_eq!(manifest.of_network(Network::Lungs).count(), 0);
    }

    #[test]
    fn verifies_size_and_hash() {
        let mut entry = parse(&json()).unwrap().models.remove(0);
        entry.verify(WEIGHTS).unwrap();
        let short = entry.verify(b"ab").unwrap_err();
        assert!(matches!(
            short,
            WeightsError::Size {
                expected: 3,
                found: 2,
                ..
            }
        ));
        let other = entry.verify(b"abd").unwrap_err();
        assert!(matches!(other, WeightsError::Hash { .. }));
        assert!(other.to_string().contains("infnet-semi.int8.safetensors"));
        entry.seal(b"abd");
        entry.verify(b"abd").unwrap();
    }

    #[test]
    fn configuration_takes_the_networks_type() {
        #[derive(Debug, Deserialize)]
        struct Config {
            width: usize,
        }
        let manifest = parse(&json()).unwrap();
        let entry = manifest.find("infnet-semi").unwrap();
        assert_eq!(entry.config::<Config>().unwrap().width, 16);
        let error = entry.config::<Vec<u8>>().unwrap_err();
        assert!(error.to_string().contains("infnet-semi"));
    }

    #[test]
    fn unknown_models_are_refused_with_the_known_ones() {
        let error = parse(&json()).unwrap().find("unet").unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no model unet in the manifest, which has infnet-semi"
        );
    }

    #[test]
    fn refuses_entries_that_cannot_be_right() {
        let cases = [
            ("infnet-semi.int8.safetensors\"", "../semi\"", "file"),
            ("\"bytes\": 3", "\"bytes\": 0", "bytes"),
            (ABC, "BA78", "sha256"),
            ("[352, 352]", "[352, 0]", "input.extent"),
            ("[352, 352]", "[352]", "input.extent"),
            (
                "[352, 352]",
                "[352, 352], \"spacing_mm\": [1.0]",
                "input.spacing_mm",
            ),
            (
                "[352, 352]",
                "[352, 352], \"overlap\": [352, 0]",
                "input.overlap",
            ),
            ("\"lesion\": 0.5", "\"lesion\": 1.5", "thresholds"),
            (
                "\"config\"",
                "\"temperature\": 0.0, \"config\"",
                "temperature",
            ),
            ("\"infnet-semi\"", "\"\"", "name"),
        ];
        for (from, to, field) in cases {
            let text = json().replace(from, to);
            match parse(&text) {
                Err(WeightsError::Entry { field: found, .. }) => assert_eq!(found, field),
                other => panic!("{to}: {other:?}"),
            }
        }
        let mut twice = parse(&json()).unwrap();
        twice.models.push(twice.models[0].clone());
        let error = parse(&twice.to_json().unwrap()).unwrap_err();
        assert!(error.to_string().contains("name occurs twice"));
    }

    #[test]
    fn refuses_other_layouts() {
        let newer = parse(r#"{"schema_version": 2, "models": {}}"#).unwrap_err();
        assert!(matches!(newer, WeightsError::Schema { found: 2, .. }));
        assert!(matches!(parse("[]"), Err(WeightsError::Json { .. })));
        let typo = json().replace("\"thresholds\"", "\"treshold\"");
        assert!(matches!(parse(&typo), Err(WeightsError::Json { .. })));
    }
}
