//! Lesions taken away by a person, and the measures made again.
//!
//! [`Correction::open`] reads the scan and the masks that an analysis gave. [`Correction::remove`]
//! erases a lesion of one network, [`Correction::undo`] brings the last one back, and
//! [`Correction::outcome`] writes what has changed. Nothing is ever added to a mask.

use crate::analysis::{Outcome, OutputFile};
use crate::findings::{self, Findings, FindingsError, Measured, Removed};
use crate::io::{self, File, Input, IoError, Limits};
use crate::volume::{Reorientation, Volume, VolumeError};
use crate::weights::Network;

/// What can go wrong with a correction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorrectionError {
    /// The scan or a mask cannot be read.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A mask is not on the scan's grid.
    #[error("{file}: {problem}; give the masks that were made of this scan")]
    Grid {
        /// The scan.
        file: String,
        /// What does not fit.
        problem: String,
    },
    /// The report is not one of this program's.
    #[error("{file}: the report cannot be read: {source}")]
    Report {
        /// The scan.
        file: String,
        /// Why.
        source: serde_json::Error,
    },
    /// There is no such lesion.
    #[error("{file}: there is no lesion {place} to take away")]
    NoLesion {
        /// The scan.
        file: String,
        /// Its place in the list, from 1.
        place: usize,
    },
}

/// The files of an analysis that a correction begins with.
pub struct Made<'a> {
    /// `<case>_lungs.nii.gz`.
    pub lungs: &'a [u8],
    /// `<case>_normnet.nii.gz`, if NormNet ran.
    pub normnet: Option<&'a [u8]>,
    /// `<case>_infnet.nii.gz`, if Inf-Net ran.
    pub infnet: Option<&'a [u8]>,
    /// `<case>_report.json`.
    pub report: &'a [u8],
}

/// A removal that can be undone.
struct Step {
    removed: Removed,
    /// Its voxels and the labels that they had.
    voxels: Vec<(usize, u8)>,
}

/// A scan with its masks, which can be corrected.
pub struct Correction {
    case: String,
    file: String,
    hu: Volume<i16>,
    way_back: Reorientation,
    lungs: Volume<u8>,
    normnet: Option<Volume<u8>>,
    infnet: Option<Volume<u8>>,
    /// Of the masks as they are now.
    findings: Findings,
    steps: Vec<Step>,
}

impl Correction {
    /// Reads a scan, as [`Analysis::open_files`](crate::analysis::Analysis::open_files) does, and
    /// the files that were made of it.
    ///
    /// # Errors
    /// If the files do not belong together.
    pub fn open(
        name: &str,
        files: &[File],
        series: Option<&str>,
        made: &Made<'_>,
        limits: &Limits,
    ) -> Result<Self, CorrectionError> {
        let grid = |problem: &dyn std::fmt::Display| CorrectionError::Grid {
            file: name.to_owned(),
            problem: problem.to_string(),
        };
        let Input::Volume(scan) = io::open_files(name, files, series, limits)? else {
            return Err(grid(&"a 2D image has no list of lesions"));
        };
        let (hu, way_back) = scan.hu.into_lps();
        let read = |what: &str, bytes: &[u8]| {
            let (mask, _) = io::nifti::read_labels(what, bytes, limits)?.into_lps();
            if mask.dims != hu.dims {
                return Err(grid(&format!("the mask {what} has other voxels")));
            }
            hu.like(mask.data).map_err(|e| grid(&e))
        };
        let lungs = read("lungs", made.lungs)?;
        let normnet = made
            .normnet
            .map(|bytes| read("normnet", bytes))
            .transpose()?;
        let infnet = made.infnet.map(|bytes| read("infnet", bytes)).transpose()?;
        let report = serde_json::from_slice(made.report);
        let findings = report.map_err(|source| CorrectionError::Report {
            file: name.to_owned(),
            source,
        })?;
        Ok(Self {
            case: io::case_name(name),
            file: name.to_owned(),
            hu,
            way_back,
            lungs,
            normnet,
            infnet,
            findings,
            steps: Vec::new(),
        })
    }

    /// The measures of the masks as they are now.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Erases the lesion at this place, from 0, in the network's list.
    ///
    /// # Errors
    /// If there is no such lesion.
    pub fn remove(&mut self, network: Network, listed: usize) -> Result<(), CorrectionError> {
        let missing = || CorrectionError::NoLesion {
            file: self.file.clone(),
            place: listed + 1,
        };
        let lesions = match network {
            Network::Normnet => &self.findings.normnet,
            _ => &self.findings.infnet,
        };
        let lesion = lesions.as_ref().and_then(|l| l.listed.get(listed));
        let (Some(lesion), Some(mask)) = (lesion.cloned(), self.mask(network)) else {
            return Err(missing());
        };
        let voxels = findings::lesion_voxels(&self.measured(), mask, listed);
        let voxels = voxels.ok_or_else(missing)?;
        let voxels = voxels.into_iter().map(|at| (at, mask.data[at])).collect();
        let step = Step {
            removed: Removed { network, lesion },
            voxels,
        };
        self.put(&step, |_| 0);
        self.steps.push(step);
        self.measure()
    }

    /// Brings back what was removed last; says whether there was anything.
    ///
    /// # Errors
    /// If the masks cannot be measured, which could be before.
    pub fn undo(&mut self) -> Result<bool, CorrectionError> {
        let Some(step) = self.steps.pop() else {
            return Ok(false);
        };
        self.put(&step, |label| label);
        self.measure()?;
        Ok(true)
    }

    /// The masks that can be corrected, and the report.
    ///
    /// # Errors
    /// If a file cannot be made, which the analysis could.
    pub fn outcome(&self) -> Result<Outcome, CorrectionError> {
        let mut files = Vec::new();
        for (suffix, mask) in [("normnet", &self.normnet), ("infnet", &self.infnet)] {
            let Some(mask) = mask else { continue };
            let restored = self.way_back.restore(mask);
            let restored = restored.map_err(|e: VolumeError| self.grid(&e))?;
            files.push(OutputFile {
                name: format!("{}_{suffix}.nii.gz", self.case),
                bytes: io::nifti::write_labels(&restored, true),
            });
        }
        let report = self.findings.to_json();
        let report = report.map_err(|source| CorrectionError::Report {
            file: self.file.clone(),
            source,
        })?;
        files.push(OutputFile {
            name: format!("{}_report.json", self.case),
            bytes: report.into_bytes(),
        });
        Ok(Outcome {
            findings: Some(self.findings.clone()),
            files,
        })
    }

    fn mask(&self, network: Network) -> Option<&Volume<u8>> {
        match network {
            Network::Normnet => self.normnet.as_ref(),
            _ => self.infnet.as_ref(),
        }
    }

    /// Sets the voxels of a step to something made of the labels that they had.
    fn put(&mut self, step: &Step, value: impl Fn(u8) -> u8) {
        let mask = match step.removed.network {
            Network::Normnet => &mut self.normnet,
            _ => &mut self.infnet,
        };
        if let Some(mask) = mask {
            for &(at, label) in &step.voxels {
                mask.data[at] = value(label);
            }
        }
    }

    fn measured(&self) -> Measured<'_> {
        let told_apart = |legend: &findings::MaskLegend| {
            legend.name == "infnet" && legend.labels.contains_key(&findings::CONSOLIDATION)
        };
        Measured {
            hu: &self.hu,
            lungs: &self.lungs,
            normnet: self.normnet.as_ref(),
            infnet: self.infnet.as_ref(),
            infnet_classified: self.findings.masks.iter().any(told_apart),
            input: &self.way_back,
        }
    }

    fn measure(&mut self) -> Result<(), CorrectionError> {
        let (warnings, provenance) = (
            self.findings.warnings.clone(),
            self.findings.provenance.clone(),
        );
        let measured = findings::findings(&self.measured(), warnings, provenance);
        let mut findings = measured.map_err(|e: FindingsError| self.grid(&e))?;
        findings.removed = self.steps.iter().map(|step| step.removed.clone()).collect();
        self.findings = findings;
        Ok(())
    }

    fn grid(&self, problem: &dyn std::fmt::Display) -> CorrectionError {
        CorrectionError::Grid {
            file: self.file.clone(),
            problem: problem.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
