//! The end of an analysis: masks on the scan's own grid, measures, run manifest.

use super::{Analysis, AnalysisError, InfnetWork, LungsBy, NormnetPath, NormnetWork, Subject};
use super::{grid, order, seconds};
use crate::findings::{self, Findings, FindingsError, Measured, Provenance, Timing};
use crate::io;
use crate::io::dicom::{Segments, Source};
use crate::lungs;
use crate::normnet::frame::FrameError;
use crate::normnet::post;
use crate::record::{MaskRecord, Record};
use crate::volume::{Affine, Volume, VolumeError};
use crate::weights::Network;
use image::GrayImage;

/// A file of the result.
pub struct OutputFile {
    /// `<case>_…`.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A mask on the scan's own grid as NIfTI and, where the scan was a DICOM series, as a segmentation
/// of it.
pub(crate) fn mask_files(
    case: &str,
    suffix: &str,
    mask: &Volume<u8>,
    segments: Option<Segments>,
    source: Option<&Source>,
) -> Result<Vec<OutputFile>, VolumeError> {
    let mut files = vec![OutputFile {
        name: format!("{case}_{suffix}.nii.gz"),
        bytes: io::nifti::write_labels(mask, true),
    }];
    if let (Some(segments), Some(source)) = (segments, source) {
        files.push(OutputFile {
            name: format!("{case}_{suffix}_seg.dcm"),
            bytes: source.segmentation(segments, mask)?,
        });
    }
    Ok(files)
}

/// A mask on the scan's own grid.
pub struct Mask<'a> {
    /// What its files are called by: `lungs`, `normnet`, `normnet_prob`, `infnet`, `infnet_prob`; of
    /// an image `infnet`, a probability, and `classes`.
    pub name: &'static str,
    /// Its labels or probabilities; an image has one slice, and no place in the world.
    pub voxels: Volume<u8>,
    segments: Option<Segments>,
    source: Option<&'a Source>,
}

/// Gets one mask after the other.
pub type EachMask<'a> = dyn FnMut(Mask) -> Result<(), AnalysisError> + 'a;

/// What an analysis gives beside the masks.
pub struct Finished {
    /// The measures; none for a 2D image.
    pub findings: Option<Findings>,
    /// The run manifest.
    pub record: Record,
}

/// What an analysis gives.
pub struct Outcome {
    /// The measures; none for a 2D image, which has no ml and no lungs.
    pub findings: Option<Findings>,
    /// The masks, for a volume the report, and last the run manifest.
    pub files: Vec<OutputFile>,
}

impl Analysis {
    /// Makes masks, report and run manifest out of the merged tiles, as files. `device` is named in
    /// report and run manifest.
    ///
    /// # Errors
    /// If the masks do not fit the scan, which they do after [`Analysis::prepare`].
    pub fn finish(self, device: &str) -> Result<Outcome, AnalysisError> {
        let (case, file, image) = (self.case.clone(), self.file.clone(), self.is_image());
        let mut files = Vec::new();
        let done = self.finish_with(device, &mut |mask| {
            if image {
                let name = mask_name(&case, mask.name, image);
                let bytes = encode(&name, mask.voxels, image)?;
                files.push(OutputFile { name, bytes });
                return Ok(());
            }
            let made = mask_files(&case, mask.name, &mask.voxels, mask.segments, mask.source);
            files.extend(made.map_err(|e| grid(&file, e))?);
            Ok(())
        })?;
        if let Some(findings) = &done.findings {
            files.push(OutputFile {
                name: format!("{case}_report.json"),
                bytes: findings.to_json().map_err(|e| grid(&file, e))?.into_bytes(),
            });
        }
        add_record(done.record, &file, &mut files)?;
        Ok(Outcome {
            findings: done.findings,
            files,
        })
    }

    /// Makes masks, measures and run manifest out of the merged tiles. `each` gets the masks one after
    /// the other, for whoever wants them otherwise than as files.
    ///
    /// # Errors
    /// If the masks do not fit the scan, which they do after [`Analysis::prepare`]; what `each` says.
    pub fn finish_with(
        mut self,
        device: &str,
        each: &mut EachMask,
    ) -> Result<Finished, AnalysisError> {
        let begun = seconds();
        let image = self.is_image();
        self.record.options = self.options.resolved(image);
        let networks = &self.record.models;
        if !image
            && self.record.lungs.is_none()
            && !networks.iter().any(|m| m.network == Network::Lungs)
        {
            // Nobody gave the lung network's weights.
            self.record.options.lungs = LungsBy::Threshold;
        }
        match image {
            true => self.finish_image(device, each),
            false => self.finish_volume(device, begun, each),
        }
    }

    fn finish_image(self, device: &str, each: &mut EachMask) -> Result<Finished, AnalysisError> {
        let (Subject::Image(image), Some(work)) = (&self.subject, &self.infnet) else {
            return Err(order(&self.file, "the image has not been planned"));
        };
        let mut provenance = Provenance::on(device);
        provenance.thresholds = self.thresholds.iter().cloned().collect();
        provenance.timings = self.timings.clone();
        let mut record = self.record.finished(&provenance, &self.warnings);
        let dims = [image.width() as usize, image.height() as usize, 1];
        for (name, data) in [
            ("infnet", work.probability.clone()),
            ("classes", work.mask()),
        ] {
            let to = mask_name(&self.case, name, true);
            record.masks.push(MaskRecord::of(name, &to, dims, &data));
            let voxels = Volume::new(data, dims, Affine::from_spacing([1.0; 3]));
            each(Mask {
                name,
                voxels: voxels.map_err(|e| grid(&self.file, e))?,
                segments: None,
                source: None,
            })?;
        }
        Ok(Finished {
            findings: None,
            record,
        })
    }

    fn finish_volume(
        mut self,
        device: &str,
        begun: f64,
        each: &mut EachMask,
    ) -> Result<Finished, AnalysisError> {
        let file = self.file.clone();
        let Subject::Volume(scan) = &mut self.subject else {
            return Err(order(&file, "only a volume has masks"));
        };
        let Some(lungs) = scan.lungs.take() else {
            return Err(order(&file, "the lungs come before the masks"));
        };
        // The networks' own grids are given up as soon as their masks are made: a scan of
        // 800 slices fits a page's memory that way.
        let (mut normnet, mut doubt) = (None, None);
        if let Some(work) = self.normnet.take() {
            normnet = Some(normnet_mask(&work, &lungs).map_err(|e| grid(&file, e))?);
            doubt = Some(normnet_doubt(&work, &lungs).map_err(|e| grid(&file, e))?);
        }
        let infection = self.infnet.take().map(InfnetWork::all_smoothed);
        let mut infnet = match &infection {
            Some(work) => {
                let mut mask = work
                    .spread(&work.mask(), &lungs)
                    .map_err(|e| grid(&file, e))?;
                for (v, lung) in mask.data.iter_mut().zip(&lungs.data) {
                    *v *= u8::from(*lung != 0);
                }
                Some(mask)
            }
            None => None,
        };
        let scan = match self.subject {
            Subject::Volume(scan) => scan,
            Subject::Image(_) => return Err(order(&file, "only a volume has masks")),
        };
        // What the slices below and above show to be diaphragm is no lesion. The paper's path is
        // left as published.
        let published = self.options.normnet == NormnetPath::Paper;
        let dome = lungs::diaphragm(&scan.hu, &lungs);
        let masks = normnet.iter_mut().filter(|_| !published).chain(&mut infnet);
        for mask in masks {
            for (v, dome) in mask.data.iter_mut().zip(&dome) {
                *v *= 1 - dome;
            }
        }
        drop(dome);
        let mut provenance = Provenance::on(device);
        provenance.models = self.models;
        provenance.thresholds = self.thresholds.into_iter().collect();
        provenance.timings = self.timings;
        provenance.timings.push(Timing {
            stage: "masks".into(),
            seconds: seconds() - begun,
        });
        let measured = Measured {
            hu: &scan.hu,
            lungs: &lungs,
            normnet: normnet.as_ref(),
            infnet: infnet.as_ref(),
            infnet_classified: infection.is_some(),
            input: &scan.way_back,
        };
        let mut findings = findings::findings(&measured, self.warnings, provenance)
            .map_err(|e: FindingsError| grid(&file, e))?;
        findings.date = scan.date;
        let (way_back, source) = (scan.way_back, scan.source);
        let given = scan.lungs_given;
        drop(scan.hu);
        let mut record = self
            .record
            .finished(&findings.provenance, &findings.warnings);
        let mut give = |name: &'static str, mask: Volume<u8>, segments: Option<Segments>| {
            let voxels = way_back
                .restore(&mask)
                .map_err(|e: VolumeError| grid(&file, e))?;
            drop(mask);
            let to = mask_name(&self.case, name, false);
            let mask = MaskRecord::of(name, &to, voxels.dims, &voxels.data);
            record.masks.push(mask);
            each(Mask {
                name,
                voxels,
                segments,
                source: source.as_deref(),
            })
        };
        let corrected = false;
        if let Some(mask) = normnet {
            give("normnet", mask, Some(Segments::Normnet { corrected }))?;
        }
        if let Some(doubt) = doubt {
            give("normnet_prob", doubt, None)?;
        }
        if let Some(mask) = infnet {
            let segments = Segments::Infnet {
                classified: true,
                corrected,
            };
            give("infnet", mask, Some(segments))?;
        }
        if let Some(work) = infection {
            let probability = work.spread(&work.probability, &lungs);
            drop(work);
            let probability = probability.map_err(|e| grid(&file, e))?;
            give("infnet_prob", probability, None)?;
        }
        give("lungs", lungs, Some(Segments::Lungs { given }))?;
        Ok(Finished {
            findings: Some(findings),
            record,
        })
    }
}

/// The name of a mask's file.
fn mask_name(case: &str, mask: &str, image: bool) -> String {
    let ending = if image { "png" } else { "nii.gz" };
    format!("{case}_{mask}.{ending}")
}

/// A mask as the file that it is saved in: NIfTI, or PNG for an image.
///
/// # Errors
/// If it has no voxels.
pub fn encode(name: &str, mask: Volume<u8>, image: bool) -> Result<Vec<u8>, AnalysisError> {
    if !image {
        return Ok(io::nifti::write_labels(&mask, true));
    }
    let [width, height, _] = mask.dims.map(|side| side as u32);
    let picture = GrayImage::from_raw(width, height, mask.data)
        .ok_or_else(|| order(name, "the result is not the image's size"))?;
    Ok(io::image::write_png(name, &picture)?)
}

/// The run manifest goes last: it names all other files.
fn add_record(
    mut record: Record,
    file: &str,
    files: &mut Vec<OutputFile>,
) -> Result<(), AnalysisError> {
    record.files = files.iter().map(|f| f.name.clone()).collect();
    let json = record.to_json().map_err(|e| grid(file, e))?;
    files.push(OutputFile {
        name: record.file(),
        bytes: json.into_bytes(),
    });
    Ok(())
}

/// Votes and post-processing on the network's grid, then the scan's.
fn normnet_mask(work: &NormnetWork, lungs: &Volume<u8>) -> Result<Volume<u8>, FrameError> {
    let votes: Vec<&[u8]> = work.models.iter().map(|(_, p)| p.as_slice()).collect();
    let healthy = post::vote(&votes, &work.post);
    let mask = work.frame.lungs(lungs)?;
    let (dims, spacing) = (work.frame.dims(), work.frame.spacing());
    let lesions = post::lesions(&work.intensity, &mask, &healthy, dims, spacing, &work.post);
    work.frame.mask_to_volume(&lesions, lungs)
}

/// What the models together say against a voxel's being healthy: 1 minus their mean probability,
/// × 255. It means something in bright tissue alone, which is all that they were taught.
fn normnet_doubt(work: &NormnetWork, lungs: &Volume<u8>) -> Result<Volume<u8>, FrameError> {
    let mut sum = vec![0u16; work.frame.voxels()];
    for (_, healthy) in &work.models {
        for (sum, &p) in sum.iter_mut().zip(healthy) {
            *sum += u16::from(p);
        }
    }
    let count = work.models.len().max(1) as f32;
    let doubt = |sum: &u16| 255.0 - f32::from(*sum) / count;
    let doubt: Vec<f32> = sum.iter().map(doubt).collect();
    let value = |v: f32| v.round() as u8;
    work.frame.to_volume(&doubt, lungs, value)
}
