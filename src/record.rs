//! The run manifest: all that it takes to do an analysis again, and to say whether it gave the same.
//!
//! Every [`Outcome`] has one as its last file, `<case>_run.json`. It names
//! the input, the weights and the masks by their SHA-256, and has every option with its value.
//! [`Record::parse`] reads one from anywhere; [`Record::same_input`] and [`Record::same_models`] say
//! whether what is at hand is what was used, and [`Record::compare`] whether the masks are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::analysis::{Options, Outcome};
use crate::findings::{Provenance, Timing, WarningEntry};
use crate::io::Fingerprint;
use crate::weights::{Entry, Manifest, Network, Precision, sha256};

/// The layout of the run manifest.
pub const SCHEMA_VERSION: u32 = 1;
/// What follows the case in the file's name.
pub const SUFFIX: &str = "_run.json";
/// Most bytes of a run manifest: those of this program have a few thousand.
pub const MAX_BYTES: usize = 1 << 20;
/// Most looks at a slice.
const MAX_LOOKS: usize = 8;

/// Why a run manifest cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is larger than any that this program writes.
    #[error(
        "{file} has {found} bytes, a run manifest at most {MAX_BYTES}: choose a <case>_run.json"
    )]
    TooLarge {
        /// The file.
        file: String,
        /// Its bytes.
        found: usize,
    },
    /// It is not JSON of the expected form.
    #[error("{file} is not a run manifest, which <case>{SUFFIX} is: {source}")]
    Json {
        /// The file.
        file: String,
        /// What the parser found.
        source: serde_json::Error,
    },
    /// It is of another version of its layout.
    #[error(
        "{file} has schema version {found}, this program reads {SCHEMA_VERSION}: replay it with the version that wrote it"
    )]
    Schema {
        /// The file.
        file: String,
        /// The version that it states.
        found: u32,
    },
    /// A field cannot be right.
    #[error("{file}: {field} {problem}")]
    Field {
        /// The file.
        file: String,
        /// The field at fault.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The input is not the recorded one.
    #[error(
        "{input} is not what was analysed, {name}: SHA-256 {found}, recorded {expected}; give the recorded scan"
    )]
    Input {
        /// The input at hand.
        input: String,
        /// Name of the recorded input.
        name: String,
        /// Hash by the record.
        expected: String,
        /// Hash at hand.
        found: String,
    },
    /// The models at hand lack one that was used.
    #[error(
        "the models have no {model}, which was used: give those of the recorded release, version {version}, with --models"
    )]
    NoModel {
        /// The model.
        model: String,
        /// The recorded program's version.
        version: String,
    },
    /// A model's weights are not those that were used.
    #[error(
        "the weights {model} are not those that were used: SHA-256 {found}, recorded {expected}; give those of the recorded release, version {version}, with --models"
    )]
    Weights {
        /// The model.
        model: String,
        /// The recorded program's version.
        version: String,
        /// Hash by the record.
        expected: String,
        /// Hash at hand.
        found: String,
    },
    /// A model has its weights, and is used in another way.
    #[error(
        "the models have {model} with another {field}: give those of the recorded release, version {version}, with --models"
    )]
    Model {
        /// The model.
        model: String,
        /// The recorded program's version.
        version: String,
        /// The field of its manifest entry.
        field: &'static str,
    },
}

/// Whether an input has voxels or pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A CT volume.
    Volume,
    /// One slice as an image.
    Image,
}

/// What was analysed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRecord {
    /// Name of the file or folder, without the folders that it lies in.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Voxels along the file's own axes; an image has one slice.
    pub dims: [usize; 3],
    /// Files that count, see [`fingerprint`](crate::io::fingerprint).
    pub files: usize,
    /// Their bytes together.
    pub bytes: u64,
    /// SHA-256 of the one file, or of the sorted SHA-256 of the files.
    pub sha256: String,
    /// SeriesInstanceUID of the slices; absent where the input is not DICOM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// Whether that series was asked for by its UID, and not taken for the longest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub series_named: bool,
}

/// A lung mask that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenLungs {
    /// Name of its file.
    pub name: String,
    /// SHA-256 of its voxels in LPS order, labels as they were used.
    pub sha256: String,
}

/// A network that ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// Its name in the manifest.
    pub name: String,
    /// Its weight file.
    pub file: String,
    /// The network it belongs to.
    pub network: Network,
    /// How its weights are stored.
    pub precision: Precision,
    /// SHA-256 of its weight file.
    pub sha256: String,
    /// Voxels or pixels that it takes at once: [z, y, x] or [y, x].
    pub extent: Vec<usize>,
    /// Voxel size in mm along the same axes; absent where the input is scaled to the extent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spacing_mm: Option<Vec<f64>>,
    /// The thresholds of its manifest entry.
    pub thresholds: BTreeMap<String, f64>,
    /// Divisor of its logits.
    pub temperature: f64,
}

impl From<&Entry> for ModelRecord {
    fn from(entry: &Entry) -> Self {
        Self {
            name: entry.name.clone(),
            file: entry.file.clone(),
            network: entry.network,
            precision: entry.precision,
            sha256: entry.sha256.clone(),
            extent: entry.input.extent.clone(),
            spacing_mm: entry.input.spacing_mm.clone(),
            thresholds: entry.thresholds.clone(),
            temperature: entry.temperature,
        }
    }
}

/// A mask that came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskRecord {
    /// What it is of: its file is `<case>_<name>` with an ending.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Voxels along the file's own axes; an image has one slice.
    pub dims: [usize; 3],
    /// Voxels that are not 0.
    pub marked: u64,
    /// SHA-256 of the voxels, a byte each, in the order of the file: x first, then y, then z. How the
    /// file is packed does not matter.
    pub sha256: String,
}

impl MaskRecord {
    /// The record of a mask's voxels.
    pub fn of(name: &str, file: &str, dims: [usize; 3], voxels: &[u8]) -> Self {
        Self {
            name: name.into(),
            file: file.into(),
            dims,
            marked: voxels.iter().filter(|&&v| v != 0).count() as u64,
            sha256: sha256(voxels),
        }
    }
}

/// How a mask stands to the recorded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// Every voxel is the same.
    Same,
    /// Not every voxel is.
    Differs {
        /// Voxels that were marked.
        then: u64,
        /// Voxels that are marked.
        now: u64,
    },
    /// The record has it, this run has not.
    Missing,
    /// This run has it, the record has not.
    New,
}

/// The run manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of the program.
    pub version: String,
    /// Name of the case, with which the names of its files begin.
    pub case: String,
    /// What was analysed.
    pub input: InputRecord,
    /// What was asked for, with the defaults that were taken.
    pub options: Options,
    /// The lung mask that was given; absent where the lungs were looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lungs: Option<GivenLungs>,
    /// The networks that ran.
    pub models: Vec<ModelRecord>,
    /// What they ran on, by name.
    pub device: String,
    /// Processor and system of the program itself.
    pub platform: String,
    /// Thresholds that were applied, by name.
    pub thresholds: BTreeMap<String, f64>,
    /// Time taken by each stage, in seconds and in their order.
    pub timings: Vec<Timing>,
    /// What makes the result less reliable.
    pub warnings: Vec<WarningEntry>,
    /// The masks, before anything was changed by hand.
    pub masks: Vec<MaskRecord>,
    /// Names of all files of the result but this one.
    pub files: Vec<String>,
}

/// What every version of the run manifest has.
#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

impl Record {
    /// The record of an analysis that has just been opened.
    pub fn begun(case: &str, input: InputRecord, options: Options) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION").into(),
            case: case.into(),
            input,
            options,
            lungs: None,
            models: Vec::new(),
            device: String::new(),
            platform: platform(),
            thresholds: BTreeMap::new(),
            timings: Vec::new(),
            warnings: Vec::new(),
            masks: Vec::new(),
            files: Vec::new(),
        }
    }

    /// The record in an analysis's files.
    ///
    /// # Errors
    /// If they have none.
    pub fn of(outcome: &Outcome) -> Result<Self, RecordError> {
        let file = outcome.files.iter().find(|f| f.name.ends_with(SUFFIX));
        let (name, bytes) = file.map_or(("", &[][..]), |f| (f.name.as_str(), &f.bytes[..]));
        Self::parse(name, bytes)
    }

    /// Takes over how the result came about.
    #[must_use]
    pub fn finished(mut self, provenance: &Provenance, warnings: &[WarningEntry]) -> Self {
        self.device = provenance.device.clone();
        self.thresholds = provenance.thresholds.clone();
        self.timings = provenance.timings.clone();
        self.warnings = warnings.to_vec();
        self
    }

    /// The run manifest's own file name.
    pub fn file(&self) -> String {
        format!("{}{SUFFIX}", self.case)
    }

    /// The run manifest as indented JSON.
    ///
    /// # Errors
    /// If a number is none, which nothing here brings about.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }

    /// Reads and checks a run manifest; `file` is its name in errors.
    ///
    /// # Errors
    /// If it is none, or of another layout.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > MAX_BYTES {
            return Err(RecordError::TooLarge {
                file: file.into(),
                found: bytes.len(),
            });
        }
        let json = |source| RecordError::Json {
            file: file.into(),
            source,
        };
        // The version first: another layout would fail on its fields, with a message of no use.
        let version: Version = serde_json::from_slice(bytes).map_err(json)?;
        if version.schema_version != SCHEMA_VERSION {
            return Err(RecordError::Schema {
                file: file.into(),
                found: version.schema_version,
            });
        }
        let record: Self = serde_json::from_slice(bytes).map_err(json)?;
        record
            .check()
            .map_err(|(field, problem)| RecordError::Field {
                file: file.into(),
                field,
                problem,
            })?;
        Ok(record)
    }

    /// Names become paths, and hashes are compared as text: neither is taken as it comes.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let plain = |name: &str| {
            let mut parts = Path::new(name).components();
            matches!(
                (parts.next(), parts.next()),
                (Some(Component::Normal(_)), None)
            ) && !name.contains(['/', '\\'])
        };
        if !plain(&self.case) {
            return Err(("case", "is no plain name".into()));
        }
        let begins = format!("{}_", self.case);
        let masks = self.masks.iter().map(|mask| &mask.file);
        if let Some(name) = self
            .files
            .iter()
            .chain(masks)
            .find(|name| !plain(name) || !name.starts_with(&begins))
        {
            return Err(("files", format!("has {name:?}, which is none of the case")));
        }
        let hashes = std::iter::once(&self.input.sha256)
            .chain(self.lungs.iter().map(|lungs| &lungs.sha256))
            .chain(self.models.iter().map(|model| &model.sha256))
            .chain(self.masks.iter().map(|mask| &mask.sha256));
        let digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        for hash in hashes {
            if hash.len() != 64 || !hash.bytes().all(digit) {
                let problem =
                    format!("is {hash:?}: 64 lower-case hexadecimal digits were expected");
                return Err(("sha256", problem));
            }
        }
        let looks = self.options.looks.unwrap_or(1);
        if !(1..=MAX_LOOKS).contains(&looks) {
            return Err(("options.looks", format!("is {looks}, not 1 to {MAX_LOOKS}")));
        }
        for (field, names) in [
            ("models", self.models.iter().map(|m| &m.name).collect()),
            (
                "masks",
                self.masks.iter().map(|m| &m.name).collect::<Vec<_>>(),
            ),
        ] {
            let unique: BTreeSet<_> = names.iter().collect();
            if unique.len() != names.len() {
                return Err((field, "has a name twice".into()));
            }
        }
        Ok(())
    }

    /// Refuses an input that is not the recorded one; `input` is its name in errors.
    ///
    /// # Errors
    /// If the hashes differ.
    pub fn same_input(&self, input: &str, found: &Fingerprint) -> Result<(), RecordError> {
        if found.sha256 == self.input.sha256 {
            return Ok(());
        }
        Err(RecordError::Input {
            input: input.into(),
            name: self.input.name.clone(),
            expected: self.input.sha256.clone(),
            found: found.sha256.clone(),
        })
    }

    /// The recorded models of a manifest, in its order; another model of a network that votes is
    /// left out.
    ///
    /// # Errors
    /// If one is missing, or has other weights or thresholds.
    pub fn same_models(&self, manifest: &Manifest) -> Result<Manifest, RecordError> {
        for model in &self.models {
            let entry = manifest.models.iter().find(|e| e.name == model.name);
            let entry = entry.ok_or_else(|| RecordError::NoModel {
                model: model.name.clone(),
                version: self.version.clone(),
            })?;
            if entry.sha256 != model.sha256 {
                return Err(RecordError::Weights {
                    model: model.name.clone(),
                    version: self.version.clone(),
                    expected: model.sha256.clone(),
                    found: entry.sha256.clone(),
                });
            }
            let now = ModelRecord::from(entry);
            let differs = [
                ("input extent", now.extent != model.extent),
                ("voxel size", now.spacing_mm != model.spacing_mm),
                ("set of thresholds", now.thresholds != model.thresholds),
                ("temperature", now.temperature != model.temperature),
            ];
            if let Some((field, _)) = differs.into_iter().find(|(_, differs)| *differs) {
                return Err(RecordError::Model {
                    model: model.name.clone(),
                    version: self.version.clone(),
                    field,
                });
            }
        }
        let recorded = |entry: &&Entry| self.models.iter().any(|m| m.name == entry.name);
        Ok(Manifest {
            schema_version: manifest.schema_version,
            models: manifest.models.iter().filter(recorded).cloned().collect(),
        })
    }

    /// How the masks of another run stand to those of this one, by name.
    pub fn compare(&self, now: &Record) -> Vec<(String, Comparison)> {
        let find = |of: &Record, name: &str| of.masks.iter().find(|m| m.name == name).cloned();
        let mut all = Vec::new();
        for then in &self.masks {
            let how = match find(now, &then.name) {
                None => Comparison::Missing,
                Some(mask) if mask.dims == then.dims && mask.sha256 == then.sha256 => {
                    Comparison::Same
                }
                Some(mask) => Comparison::Differs {
                    then: then.marked,
                    now: mask.marked,
                },
            };
            all.push((then.name.clone(), how));
        }
        for mask in &now.masks {
            if find(self, &mask.name).is_none() {
                all.push((mask.name.clone(), Comparison::New));
            }
        }
        all
    }
}

/// Processor and system, such as `x86_64-linux`; a browser does not say on what it runs.
fn platform() -> String {
    format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
}

#[cfg(test)]
mod tests;
