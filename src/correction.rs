//! Masks corrected by a person, and the measures made again.
//!
//! [`Correction::open`] reads the scan and the masks that an analysis gave. [`Correction::remove`]
//! erases a lesion of one network, [`Correction::paint`] adds to its mask or takes away with a brush,
//! [`Correction::undo`] takes the last of these back, and [`Correction::outcome`] measures and writes
//! what has changed. Nothing is ever added outside the lungs.

mod brush;

use crate::analysis::{self, Outcome, OutputFile};
use crate::findings::{self, Findings, FindingsError, Lesion, Measured, Painted, Removed};
use crate::io::dicom::{Segments, Source};
use crate::io::{self, File, Input, IoError, Limits};
use crate::volume::{Reorientation, Volume, VolumeError};
use crate::weights::Network;

pub use brush::Stroke;

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
    /// The brush has no extent, or was nowhere.
    #[error("{file}: a stroke needs a diameter above 0 mm, and points in mm")]
    Stroke {
        /// The scan.
        file: String,
    },
    /// There is no mask to paint on.
    #[error("{file}: {} has no mask of this scan, so there is nothing to paint on", network.name())]
    NoMask {
        /// The scan.
        file: String,
        /// The network that did not run.
        network: Network,
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

/// A change that can be undone.
struct Step {
    network: Network,
    /// What its voxels became.
    label: u8,
    /// The voxels that changed, and the labels that they had.
    voxels: Vec<(usize, u8)>,
    /// What went, if it was a whole lesion; else the brush was at work.
    lesion: Option<Lesion>,
}

impl Step {
    fn removed(&self) -> Option<Removed> {
        let (network, lesion) = (self.network, self.lesion.clone()?);
        Some(Removed { network, lesion })
    }
}

/// A scan with its masks, which can be corrected.
pub struct Correction {
    case: String,
    file: String,
    hu: Volume<i16>,
    way_back: Reorientation,
    source: Option<Source>,
    lungs: Volume<u8>,
    normnet: Option<Volume<u8>>,
    infnet: Option<Volume<u8>>,
    /// Of the masks as they are now, unless they are `stale`.
    findings: Findings,
    /// The masks have changed since they were measured, which takes long: once for many strokes.
    stale: bool,
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
        let source = scan.source;
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
            source,
            lungs,
            normnet,
            infnet,
            findings,
            stale: false,
            steps: Vec::new(),
        })
    }

    /// The measures of the masks as they are now.
    ///
    /// # Errors
    /// If the masks cannot be measured, which could be before.
    pub fn findings(&mut self) -> Result<&Findings, CorrectionError> {
        if self.stale {
            self.measure()?;
        }
        Ok(&self.findings)
    }

    /// Erases the lesion at this place, from 0, in the network's list.
    ///
    /// # Errors
    /// If there is no such lesion.
    pub fn remove(&mut self, network: Network, listed: usize) -> Result<(), CorrectionError> {
        let file = self.file.clone();
        let missing = || CorrectionError::NoLesion {
            file: file.clone(),
            place: listed + 1,
        };
        let findings = self.findings()?;
        let lesions = match network {
            Network::Normnet => &findings.normnet,
            _ => &findings.infnet,
        };
        let lesion = lesions.as_ref().and_then(|l| l.listed.get(listed));
        let lesion = lesion.cloned().ok_or_else(missing)?;
        let mask = self.mask(network)?;
        let voxels = findings::lesion_voxels(&self.measured(), mask, listed);
        let voxels = voxels.ok_or_else(missing)?;
        self.set(network, 0, voxels, Some(lesion));
        Ok(())
    }

    /// Paints on a network's mask: what is added becomes ground glass where the network has classes,
    /// and lies inside the lungs; a voxel that was marked before keeps its label.
    ///
    /// # Errors
    /// If the network did not run, or the stroke is none.
    pub fn paint(&mut self, stroke: &Stroke) -> Result<(), CorrectionError> {
        let covered = brush::covered(stroke, &self.hu);
        let mut voxels = covered.ok_or_else(|| CorrectionError::Stroke {
            file: self.file.clone(),
        })?;
        let mask = self.mask(stroke.network)?;
        let label = if stroke.erase {
            voxels.retain(|&at| mask.data[at] != 0);
            0
        } else {
            voxels.retain(|&at| mask.data[at] == 0 && self.lungs.data[at] != 0);
            findings::GROUND_GLASS
        };
        self.set(stroke.network, label, voxels, None);
        Ok(())
    }

    /// Takes back what was done last; says whether there was anything.
    pub fn undo(&mut self) -> bool {
        let Some(step) = self.steps.pop() else {
            return false;
        };
        if let Some(mask) = self.mask_mut(step.network) {
            for (at, label) in step.voxels {
                mask.data[at] = label;
            }
        }
        self.stale = true;
        true
    }

    /// The masks that can be corrected, and the report.
    ///
    /// # Errors
    /// If a file cannot be made, which the analysis could.
    pub fn outcome(&mut self) -> Result<Outcome, CorrectionError> {
        let findings = self.findings()?.clone();
        let mut files = Vec::new();
        let corrected = |network| self.steps.iter().any(|step| step.network == network);
        let normnet = Segments::Normnet {
            corrected: corrected(Network::Normnet),
        };
        let infnet = Segments::Infnet {
            classified: self.classified(),
            corrected: corrected(Network::Infnet),
        };
        for (suffix, mask, segments) in [
            ("normnet", &self.normnet, normnet),
            ("infnet", &self.infnet, infnet),
        ] {
            let Some(mask) = mask else { continue };
            let wrong = |e: VolumeError| self.grid(&e);
            let restored = self.way_back.restore(mask).map_err(wrong)?;
            let source = self.source.as_ref();
            let made = analysis::mask_files(&self.case, suffix, &restored, Some(segments), source);
            files.extend(made.map_err(wrong)?);
        }
        let report = findings.to_json();
        let report = report.map_err(|source| CorrectionError::Report {
            file: self.file.clone(),
            source,
        })?;
        files.push(OutputFile {
            name: format!("{}_report.json", self.case),
            bytes: report.into_bytes(),
        });
        Ok(Outcome {
            findings: Some(findings),
            files,
        })
    }

    fn mask(&self, network: Network) -> Result<&Volume<u8>, CorrectionError> {
        let mask = match network {
            Network::Normnet => self.normnet.as_ref(),
            _ => self.infnet.as_ref(),
        };
        mask.ok_or_else(|| CorrectionError::NoMask {
            file: self.file.clone(),
            network,
        })
    }

    fn mask_mut(&mut self, network: Network) -> Option<&mut Volume<u8>> {
        match network {
            Network::Normnet => self.normnet.as_mut(),
            _ => self.infnet.as_mut(),
        }
    }

    /// Gives voxels of a mask a label. Where there are none, nothing has happened that could be undone.
    fn set(&mut self, network: Network, label: u8, voxels: Vec<usize>, lesion: Option<Lesion>) {
        let put = |mask: &mut Volume<u8>| -> Vec<(usize, u8)> {
            let put = |at| (at, std::mem::replace(&mut mask.data[at], label));
            voxels.into_iter().map(put).collect()
        };
        let voxels = self.mask_mut(network).map(put).unwrap_or_default();
        if voxels.is_empty() {
            return;
        }
        self.steps.push(Step {
            network,
            label,
            voxels,
            lesion,
        });
        self.stale = true;
    }

    /// Whether Inf-Net's mask tells ground glass from consolidation.
    fn classified(&self) -> bool {
        let told_apart = |legend: &findings::MaskLegend| {
            legend.name == "infnet" && legend.labels.contains_key(&findings::CONSOLIDATION)
        };
        self.findings.masks.iter().any(told_apart)
    }

    fn measured(&self) -> Measured<'_> {
        Measured {
            hu: &self.hu,
            lungs: &self.lungs,
            normnet: self.normnet.as_ref(),
            infnet: self.infnet.as_ref(),
            infnet_classified: self.classified(),
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
        findings.date = self.findings.date;
        findings.removed = self.steps.iter().filter_map(Step::removed).collect();
        findings.painted = [Network::Normnet, Network::Infnet]
            .into_iter()
            .filter_map(|network| self.painted(network))
            .collect();
        self.findings = findings;
        self.stale = false;
        Ok(())
    }

    /// What the brush has done to a network's mask.
    fn painted(&self, network: Network) -> Option<Painted> {
        let by_brush = |step: &&Step| step.network == network && step.lesion.is_none();
        let strokes: Vec<&Step> = self.steps.iter().filter(by_brush).collect();
        let voxels = |erased: bool| {
            let of_kind = strokes.iter().filter(|step| (step.label == 0) == erased);
            of_kind.map(|step| step.voxels.len()).sum()
        };
        (!strokes.is_empty()).then(|| Painted {
            network,
            strokes: strokes.len(),
            voxels_added: voxels(false),
            voxels_removed: voxels(true),
        })
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
