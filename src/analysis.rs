//! One scan in, masks and findings out, as a machine that can stop and go on.
//!
//! [`Analysis::open`] reads the file, [`Analysis::prepare`] finds the lungs and cuts the work into
//! tiles. Each tile's input is run by an [`Engine`](crate::engine::Engine) and gives bytes; [`Analysis::merge`] takes them, in any
//! order, also bytes from an earlier attempt; [`Analysis::finish`] makes masks and report. The
//! page, several workers, the command line, cancel and resume all drive the same machine.

use crate::engine::{EngineError, Task};
use crate::findings::{
    self, Findings, FindingsError, Measured, ModelUsed, Provenance, Timing, WarningEntry,
};
use crate::infnet::slices::Crop;
use crate::io::dicom::{Segments, Source};
use crate::io::{self, Input, IoError, Limits, Warning};
use crate::lungs::network::LungNetwork;
use crate::lungs::{self, LungError};
use crate::normnet::frame::{Frame, FrameConfig, FrameError};
use crate::normnet::post::{self, PostConfig};
use crate::plane::{Plane, PlaneError};
use crate::volume::{Reorientation, Volume, VolumeError};
use crate::weights::{Entry, Manifest, Network, Precision, WeightsError};
use burn::backend::Flex;
use image::GrayImage;
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
    /// Inf-Net and the class network.
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
    /// Orientations, 1 to 8, that Inf-Net's logits are averaged over; absent: all for an image,
    /// [`VOLUME_LOOKS`] for the slices of a volume.
    pub looks: Option<usize>,
}

/// Orientations of a volume's slice: each costs as much as the first.
pub const VOLUME_LOOKS: usize = 2;
/// Orientations that a single image is seen in: there is time for all.
const IMAGE_LOOKS: usize = 8;

impl Options {
    /// The ending of a model's name.
    fn suffix(&self) -> &'static str {
        match self.precision {
            Weights::Int8 => "int8",
            Weights::F32 => "f16",
        }
    }

    /// The lung network of the manifest, if these options ask for it: it runs in the analysis
    /// itself ([`Analysis::set_lung_network`]), before there are tiles.
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
            found.extend(manifest.of_network(Network::Classes).filter(stored));
        }
        Ok(found)
    }
}

/// What can go wrong with a scan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnalysisError {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] IoError),
    /// No lungs.
    #[error("{file}: {source}")]
    Lungs {
        /// The scan.
        file: String,
        /// Why.
        source: LungError,
    },
    /// The given lung mask does not fit.
    #[error(
        "{mask}: has {found:?} voxels, the scan has {expected:?}; give a mask on the scan's own grid"
    )]
    MaskGrid {
        /// The mask's file.
        mask: String,
        /// Voxels of the scan.
        expected: [usize; 3],
        /// Voxels of the mask.
        found: [usize; 3],
    },
    /// The given lung mask lies elsewhere.
    #[error("{mask}: lies elsewhere than the scan; give a mask with the scan's own affine")]
    MaskPlace {
        /// The mask's file.
        mask: String,
    },
    /// A mask or grid operation failed.
    #[error("{file}: {problem}")]
    Grid {
        /// The scan.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// A network failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The manifest lacks something.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A step was asked for before the one that it needs, or does not exist.
    #[error("{file}: {problem}")]
    Order {
        /// The scan.
        file: String,
        /// What came too early.
        problem: &'static str,
    },
}

/// A piece of work whose result is bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tile {
    /// One NormNet model on the slab that starts at a slice of the network's grid.
    Slab {
        /// First slice.
        start: usize,
        /// Name of the model.
        model: String,
    },
    /// Inf-Net (and classes) on axial slice `k` of the LPS grid, or on the image.
    Slice {
        /// The slice.
        k: usize,
    },
}

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

/// What an analysis gives.
pub struct Outcome {
    /// The measures; none for a 2D image, which has no ml and no lungs.
    pub findings: Option<Findings>,
    /// The masks, and for a volume the report.
    pub files: Vec<OutputFile>,
}

/// NormNet's share of a prepared volume.
struct NormnetWork {
    frame: Frame,
    intensity: Vec<f32>,
    slabs: Vec<usize>,
    /// Name of each model and its healthy probability × 255 on the frame's grid.
    models: Vec<(String, Vec<u8>)>,
    post: PostConfig,
}

/// Inf-Net's share of a prepared volume or image.
struct InfnetWork {
    /// Absent for an image, which is taken whole.
    crop: Option<Crop>,
    /// First slice of the LPS grid that shows lung.
    first: usize,
    side: usize,
    threshold: u8,
    /// Probability × 255 and class of every slice's crop; of the whole image.
    probability: Vec<u8>,
    classes: Vec<u8>,
    classified: bool,
}

impl InfnetWork {
    /// 0 below the threshold, else the class.
    fn mask(&self) -> Vec<u8> {
        let values = self.probability.iter().zip(&self.classes);
        values
            .map(|(&p, &c)| if p >= self.threshold { c } else { 0 })
            .collect()
    }

    /// A volume on the scan's grid with the crops' values, 0 elsewhere.
    fn spread(&self, crops: &[u8], like: &Volume<u8>) -> Result<Volume<u8>, String> {
        let plane = like.dims[0] * like.dims[1];
        let mut data = vec![0; plane * like.dims[2]];
        if let Some(crop) = &self.crop {
            let size = crop.size()[0] * crop.size()[1];
            let slices = data.chunks_exact_mut(plane).skip(self.first);
            for (values, slice) in crops.chunks_exact(size).zip(slices) {
                crop.paste(values, slice).map_err(|e| e.to_string())?;
            }
        }
        like.like(data).map_err(|e| e.to_string())
    }
}

enum Subject {
    Volume(Box<Scan>),
    Image(GrayImage),
}

struct Scan {
    hu: Volume<i16>,
    way_back: Reorientation,
    source: Option<Box<Source>>,
    lungs: Option<Volume<u8>>,
    /// The user gave the lungs.
    lungs_given: bool,
}

/// Slices that neighbouring slabs share; each slab answers for its middle.
const OVERLAP: usize = 8;
/// Inf-Net's threshold where the manifest records none.
const HALF: f64 = 0.5;

/// The machine.
pub struct Analysis {
    case: String,
    file: String,
    options: Options,
    subject: Subject,
    warnings: Vec<WarningEntry>,
    normnet: Option<NormnetWork>,
    infnet: Option<InfnetWork>,
    tiles: Vec<Tile>,
    models: Vec<ModelUsed>,
    thresholds: Vec<(String, f64)>,
    timings: Vec<Timing>,
    lung_network: Option<(ModelUsed, LungNetwork<Flex>)>,
}

impl Analysis {
    /// Reads a file.
    ///
    /// # Errors
    /// If it is not a scan or an image that can be analysed.
    pub fn open(
        name: &str,
        bytes: &[u8],
        options: Options,
        limits: &Limits,
    ) -> Result<Self, AnalysisError> {
        let input = io::open(name, bytes, limits)?;
        Ok(Self::of(name, input, options))
    }

    /// Reads the files of a folder: a DICOM series, or the one scan or image among them. `name` is
    /// the folder's, `series` a SeriesInstanceUID where the one with most slices is not meant.
    ///
    /// # Errors
    /// If there is no scan or image that can be analysed.
    pub fn open_files(
        name: &str,
        files: &[io::File],
        series: Option<&str>,
        options: Options,
        limits: &Limits,
    ) -> Result<Self, AnalysisError> {
        let input = io::open_files(name, files, series, limits)?;
        Ok(Self::of(name, input, options))
    }

    fn of(name: &str, input: Input, options: Options) -> Self {
        let (subject, warnings) = match input {
            Input::Volume(scan) => {
                let (hu, way_back) = scan.hu.into_lps();
                let warnings = scan.warnings.iter().map(WarningEntry::from).collect();
                let scan = Scan {
                    hu,
                    way_back,
                    source: scan.source,
                    lungs: None,
                    lungs_given: false,
                };
                (Subject::Volume(Box::new(scan)), warnings)
            }
            Input::Image(image) => (Subject::Image(image), Vec::new()),
        };
        Analysis {
            case: io::case_name(name),
            file: name.to_string(),
            options,
            subject,
            warnings,
            normnet: None,
            infnet: None,
            tiles: Vec::new(),
            models: Vec::new(),
            thresholds: Vec::new(),
            timings: Vec::new(),
            lung_network: None,
        }
    }

    /// Name of the case: the file's without its ending, or the folder's.
    pub fn case(&self) -> &str {
        &self.case
    }

    /// What was asked for.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether this is a 2D image.
    pub fn is_image(&self) -> bool {
        matches!(self.subject, Subject::Image(_))
    }

    /// Voxels along the file's own axes; an image has one slice.
    pub fn dims(&self) -> [usize; 3] {
        match &self.subject {
            Subject::Volume(scan) => scan.way_back.dims(),
            Subject::Image(image) => [image.width() as usize, image.height() as usize, 1],
        }
    }

    /// Voxel size in mm along the file's own axes; an image has none.
    pub fn spacing(&self) -> Option<[f64; 3]> {
        match &self.subject {
            Subject::Volume(scan) => Some(scan.way_back.affine().spacing()),
            Subject::Image(_) => None,
        }
    }

    /// The subject as a file for a viewer: a NIfTI volume of HU on the file's own axes, a PNG for an
    /// image.
    ///
    /// # Errors
    /// If the file cannot be made, which no opened scan brings about.
    pub fn shown(&self) -> Result<Vec<u8>, AnalysisError> {
        let scan = match &self.subject {
            Subject::Volume(scan) => scan,
            Subject::Image(image) => return Ok(io::image::write_png(&self.file, image)?),
        };
        let own_axes = scan.hu.affine == scan.way_back.affine();
        if own_axes {
            // Nearly every CT lies so, and the largest fit a page's memory without another copy.
            return Ok(io::nifti::write_hu(&scan.hu, false));
        }
        let restored = scan.way_back.restore(&scan.hu);
        let restored = restored.map_err(|e| grid(&self.file, e))?;
        Ok(io::nifti::write_hu(&restored, false))
    }

    /// What makes the result less reliable, as far as it is known yet.
    pub fn warnings(&self) -> &[WarningEntry] {
        &self.warnings
    }

    /// Takes a lung mask instead of making one: any nonzero is lung; labels 1 (right) and
    /// 2 (left) are kept if both occur.
    ///
    /// # Errors
    /// If it is not on the scan's grid.
    pub fn set_lungs(&mut self, name: &str, mask: Volume<u8>) -> Result<(), AnalysisError> {
        let Subject::Volume(scan) = &mut self.subject else {
            return Err(order(
                &self.file,
                "a lung mask belongs to a volume, not to a 2D image",
            ));
        };
        let (mask, _) = mask.into_lps();
        if mask.dims != scan.hu.dims {
            return Err(AnalysisError::MaskGrid {
                mask: name.to_string(),
                expected: scan.hu.dims,
                found: mask.dims,
            });
        }
        if !same_place(&mask, &scan.hu) {
            return Err(AnalysisError::MaskPlace {
                mask: name.to_string(),
            });
        }
        let mask = scan.hu.like(mask.data).map_err(|e| grid(&self.file, e))?;
        let sided = mask.data.contains(&lungs::RIGHT) && mask.data.contains(&lungs::LEFT);
        scan.lungs = Some(if sided { mask } else { lungs::split(&mask) });
        scan.lungs_given = true;
        Ok(())
    }

    /// Whether the lungs are still to be found: not in an image, and not where a mask was given.
    pub fn wants_lungs(&self) -> bool {
        matches!(&self.subject, Subject::Volume(scan) if scan.lungs.is_none())
    }

    /// Takes the weights of [`Options::lung_network`], which draws the lungs in
    /// [`prepare`](Self::prepare). Without them the threshold's mask is used.
    ///
    /// # Errors
    /// If the bytes are not the entry's.
    pub fn set_lung_network(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), AnalysisError> {
        let net = LungNetwork::load(entry, bytes, &Default::default())?;
        self.lung_network = Some((used(entry), net));
        Ok(())
    }

    /// Finds the lungs (unless given) and plans the tiles. `progress` gets 0…1.
    ///
    /// # Errors
    /// If there are no lungs, or the manifest lacks a model.
    pub fn prepare(
        &mut self,
        manifest: &Manifest,
        progress: &mut dyn FnMut(f32),
    ) -> Result<(), AnalysisError> {
        let begun = seconds();
        let image = self.is_image();
        let needs: Vec<Entry> = self
            .options
            .needs(manifest, image)?
            .into_iter()
            .cloned()
            .collect();
        self.models = needs.iter().map(used).collect();
        if let Subject::Volume(scan) = &mut self.subject {
            if scan.lungs.is_none() {
                let failed = |source| AnalysisError::Lungs {
                    file: self.file.clone(),
                    source,
                };
                let share = if self.lung_network.is_some() {
                    0.2
                } else {
                    0.8
                };
                let found = lungs::thresholded(&scan.hu, &mut |p| progress(p * share));
                let found = found.map_err(failed)?;
                let mut lungs = None;
                if let Some((used, net)) = self.lung_network.take() {
                    let drawn = net.refine(&scan.hu, &found, &mut |p| progress(0.2 + p * 0.6));
                    match drawn.map_err(failed)? {
                        Some(drawn) => {
                            lungs = Some(drawn);
                            self.models.insert(0, used);
                        }
                        None => self
                            .warnings
                            .push(WarningEntry::from(&Warning::LungsUnconfirmed)),
                    }
                }
                scan.lungs = Some(lungs.unwrap_or(found.lungs));
            }
            if let Some(lungs) = &scan.lungs
                && let Some(warning) = findings::lungs_cut(lungs)
            {
                self.warnings.push(WarningEntry::from(&warning));
            }
        }
        progress(0.8);
        self.plan_normnet(&needs)?;
        progress(0.95);
        self.plan_infnet(&needs)?;
        self.time("lungs and plan", begun);
        progress(1.0);
        Ok(())
    }

    fn plan_normnet(&mut self, needs: &[Entry]) -> Result<(), AnalysisError> {
        let Subject::Volume(scan) = &self.subject else {
            return Ok(());
        };
        let (models, Some(lungs)) = (of(needs, Network::Normnet), &scan.lungs) else {
            return Ok(());
        };
        let Some(first) = models.first() else {
            return Ok(());
        };
        let wrong = |e: FrameError| grid(&self.file, e);
        let frame = Frame::new(lungs, &frame_config(first)?).map_err(wrong)?;
        let intensity = frame.intensity(&scan.hu, lungs).map_err(wrong)?;
        let slabs = frame.slabs(OVERLAP);
        let post = match self.options.normnet {
            NormnetPath::Paper => PostConfig::default(),
            NormnetPath::Best => post_config(first),
        };
        for (name, value) in [
            ("normnet.healthy", post.healthy),
            ("normnet.bright", post.bright_threshold),
            ("normnet.full", post.full_threshold),
        ] {
            self.thresholds.push((name.into(), value.into()));
        }
        for model in &models {
            self.tiles.extend(slabs.iter().map(|&start| Tile::Slab {
                start,
                model: model.name.clone(),
            }));
        }
        let empty = vec![0; frame.voxels()];
        let models = models
            .iter()
            .map(|m| (m.name.clone(), empty.clone()))
            .collect();
        self.normnet = Some(NormnetWork {
            frame,
            intensity,
            slabs,
            models,
            post,
        });
        Ok(())
    }

    fn plan_infnet(&mut self, needs: &[Entry]) -> Result<(), AnalysisError> {
        let models = of(needs, Network::Infnet);
        let Some(entry) = models.first() else {
            return Ok(());
        };
        let side = entry.input.extent.last().copied().unwrap_or(0);
        let threshold = entry.thresholds.get("infection").copied().unwrap_or(HALF);
        self.thresholds.push(("infnet.infection".into(), threshold));
        let (crop, plane, slices) = match &self.subject {
            Subject::Image(image) => (None, (image.width() * image.height()) as usize, 0..1),
            Subject::Volume(scan) => {
                let Some(lungs) = &scan.lungs else {
                    return Err(order(&self.file, "the lungs come before the plan"));
                };
                let plane = lungs.dims[0] * lungs.dims[1];
                let seen = |k: &usize| {
                    lungs.data[k * plane..(k + 1) * plane]
                        .iter()
                        .any(|&v| v != 0)
                };
                let first = (0..lungs.dims[2]).find(seen).unwrap_or(0);
                let last = (0..lungs.dims[2]).rev().find(seen).map_or(first, |k| k + 1);
                let crop = Crop::of_scan(lungs);
                let size = crop.map_or([0; 2], |c| c.size());
                (crop, size[0] * size[1], first..last)
            }
        };
        let voxels = plane * slices.len();
        let first = slices.start;
        self.tiles.extend(slices.map(|k| Tile::Slice { k }));
        self.infnet = Some(InfnetWork {
            crop,
            first,
            side,
            threshold: (threshold * 255.0).round() as u8,
            probability: vec![0; voxels],
            classes: vec![0; voxels],
            classified: !of(needs, Network::Classes).is_empty(),
        });
        Ok(())
    }

    /// The tiles, in a good order to run them.
    pub fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// A tile in words.
    pub fn label(&self, tile: usize) -> String {
        let slices = || {
            self.tiles
                .iter()
                .filter(|t| matches!(t, Tile::Slice { .. }))
                .count()
        };
        match self.tiles.get(tile) {
            Some(Tile::Slab { start, model }) => {
                let Some(work) = &self.normnet else {
                    return String::new();
                };
                let slab = work.slabs.iter().position(|s| s == start).unwrap_or(0) + 1;
                let at = work
                    .models
                    .iter()
                    .position(|(m, _)| m == model)
                    .unwrap_or(0)
                    + 1;
                let (slabs, models) = (work.slabs.len(), work.models.len());
                format!("NormNet model {at}/{models}, slab {slab}/{slabs}")
            }
            Some(Tile::Slice { .. }) => {
                let slices = slices();
                let at = tile + 1 - (self.tiles.len() - slices);
                format!("Inf-Net slice {at}/{slices}")
            }
            None => String::new(),
        }
    }

    /// What a tile is, and its input's bytes: all that an [`Engine`](crate::engine::Engine) needs to run it, here or in
    /// another worker. The analysis itself does not change.
    ///
    /// # Errors
    /// If the tile does not exist.
    pub fn input(&self, tile: usize) -> Result<(Task, Vec<u8>), AnalysisError> {
        match self.tiles.get(tile) {
            Some(Tile::Slab { start, model }) => {
                let Some(work) = &self.normnet else {
                    return Err(order(&self.file, "NormNet has not been planned"));
                };
                let plane = work.frame.plane();
                let depth = work.intensity.len() / plane - start;
                let depth = depth.min(slab_depth(work));
                let slab = &work.intensity[start * plane..(start + depth) * plane];
                let model = model.clone();
                Ok((Task::Slab { model }, bytemuck::cast_slice(slab).to_vec()))
            }
            Some(&Tile::Slice { k }) => {
                let grey = self.grey_slice(k)?;
                let size = grey.size();
                let usual = if self.is_image() {
                    IMAGE_LOOKS
                } else {
                    VOLUME_LOOKS
                };
                let looks = self.options.looks.unwrap_or(usual);
                Ok((Task::Slice { size, looks }, grey.into_data()))
            }
            None => Err(order(&self.file, "there is no such tile")),
        }
    }

    fn grey_slice(&self, k: usize) -> Result<Plane<u8>, AnalysisError> {
        let wrong = |e: PlaneError| grid(&self.file, e);
        match (
            &self.subject,
            self.infnet.as_ref().and_then(|w| w.crop.as_ref()),
        ) {
            (Subject::Image(image), _) => {
                let size = [image.width() as usize, image.height() as usize];
                Plane::new(image.as_raw().clone(), size).map_err(wrong)
            }
            (Subject::Volume(scan), Some(crop)) => crop.cut_grey(scan.hu.slice(k)).map_err(wrong),
            (Subject::Volume(_), None) => Err(order(&self.file, "Inf-Net has not been planned")),
        }
    }

    /// Takes a tile's bytes. Merging the same tile again changes nothing.
    ///
    /// # Errors
    /// If the bytes cannot be that tile's.
    pub fn merge(&mut self, tile: usize, bytes: &[u8]) -> Result<(), AnalysisError> {
        match self.tiles.get(tile).cloned() {
            Some(Tile::Slab { start, model }) => self.merge_slab(start, &model, bytes),
            Some(Tile::Slice { k }) => self.merge_slice(k, bytes),
            None => Err(order(&self.file, "there is no such tile")),
        }
    }

    fn merge_slab(&mut self, start: usize, model: &str, bytes: &[u8]) -> Result<(), AnalysisError> {
        let foreign = order(&self.file, "these bytes are not this slab's");
        let Some(work) = &mut self.normnet else {
            return Err(foreign);
        };
        let (plane, depth) = (work.frame.plane(), slab_depth(work));
        let at = work.slabs.iter().position(|&s| s == start);
        let target = work.models.iter_mut().find(|(name, _)| name == model);
        let (Some(at), Some((_, target))) = (at, target) else {
            return Err(foreign);
        };
        if bytes.len() != depth * plane {
            return Err(foreign);
        }
        // Each slab answers up to the middle of what it shares with its neighbours.
        let middle = |a: usize, b: usize| (a + depth + b) / 2;
        let from = match at.checked_sub(1) {
            Some(before) => middle(work.slabs[before], start),
            None => start,
        };
        let to = match work.slabs.get(at + 1) {
            Some(&after) => middle(start, after),
            None => start + depth,
        };
        let source = &bytes[(from - start) * plane..(to - start) * plane];
        target[from * plane..to * plane].copy_from_slice(source);
        Ok(())
    }

    fn merge_slice(&mut self, k: usize, bytes: &[u8]) -> Result<(), AnalysisError> {
        let file = &self.file;
        let wrong = |e: PlaneError| grid(file, e);
        let Some(work) = &mut self.infnet else {
            return Err(order(file, "these bytes are not this slice's"));
        };
        let square = work.side * work.side;
        if bytes.len() != square && bytes.len() != 2 * square {
            return Err(order(file, "these bytes are not this slice's"));
        }
        let (probability, classes) = bytes.split_at(square);
        let square = |values: &[u8]| Plane::new(values.to_vec(), [work.side; 2]).map_err(wrong);
        let map = square(probability)?.map(f32::from);
        let labels = match classes.is_empty() {
            true => Plane::filled(1, [work.side; 2]),
            false => square(classes)?,
        };
        let (values, labels, at) = match (&self.subject, &work.crop) {
            (Subject::Volume(scan), Some(crop)) => {
                let Some(lungs) = &scan.lungs else {
                    return Err(order(file, "the lungs come before the slices"));
                };
                let values = crop.confine(&map, lungs.slice(k)).map_err(wrong)?;
                let labels = labels.resize_nearest(crop.size());
                let at = (k - work.first) * values.data().len();
                (values.into_data(), labels.into_data(), at)
            }
            (Subject::Image(image), _) => {
                let size = [image.width() as usize, image.height() as usize];
                let values = map.resize_bilinear(size).into_data();
                (values, labels.resize_nearest(size).into_data(), 0)
            }
            _ => return Err(order(file, "Inf-Net has not been planned")),
        };
        for (i, (value, label)) in values.into_iter().zip(labels).enumerate() {
            work.probability[at + i] = value.round() as u8;
            work.classes[at + i] = label;
        }
        Ok(())
    }

    /// Adds a stage's duration to the report.
    pub fn time(&mut self, stage: &str, begun: f64) {
        self.timings.push(Timing {
            stage: stage.into(),
            seconds: seconds() - begun,
        });
    }

    /// Makes masks and report out of the merged tiles. `device` is named in the report.
    ///
    /// # Errors
    /// If the masks do not fit the scan, which they do after [`Analysis::prepare`].
    pub fn finish(self, device: &str) -> Result<Outcome, AnalysisError> {
        let begun = seconds();
        match &self.subject {
            Subject::Image(image) => {
                let Some(work) = &self.infnet else {
                    return Err(order(&self.file, "the image has not been planned"));
                };
                let (probability, classes) = (work.probability.clone(), work.mask());
                let png = |suffix: &str, data: Vec<u8>| {
                    let name = format!("{}_{suffix}.png", self.case);
                    let picture = GrayImage::from_raw(image.width(), image.height(), data)
                        .ok_or_else(|| order(&self.file, "the result is not the image's size"))?;
                    let bytes = io::image::write_png(&name, &picture)?;
                    Ok::<_, AnalysisError>(OutputFile { name, bytes })
                };
                Ok(Outcome {
                    findings: None,
                    files: vec![png("infnet", probability)?, png("classes", classes)?],
                })
            }
            Subject::Volume(_) => self.finish_volume(device, begun),
        }
    }

    fn finish_volume(mut self, device: &str, begun: f64) -> Result<Outcome, AnalysisError> {
        let file = self.file.clone();
        let infection = self.infnet.take();
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
            infnet_classified: infection.as_ref().is_some_and(|work| work.classified),
            input: &scan.way_back,
        };
        let findings = findings::findings(&measured, self.warnings, provenance)
            .map_err(|e: FindingsError| grid(&file, e))?;
        let (way_back, source) = (scan.way_back, scan.source);
        let given = scan.lungs_given;
        drop(scan.hu);
        let mut files = Vec::new();
        let mut write = |suffix: &str, mask: Volume<u8>, segments: Option<Segments>| {
            let wrong = |e: VolumeError| grid(&file, e);
            let restored = way_back.restore(&mask).map_err(wrong)?;
            drop(mask);
            let made = mask_files(&self.case, suffix, &restored, segments, source.as_deref());
            files.extend(made.map_err(wrong)?);
            Ok::<_, AnalysisError>(())
        };
        let corrected = false;
        if let Some(mask) = normnet {
            write("normnet", mask, Some(Segments::Normnet { corrected }))?;
        }
        if let Some(doubt) = doubt {
            write("normnet_prob", doubt, None)?;
        }
        let classified = infection.as_ref().is_some_and(|work| work.classified);
        if let Some(mask) = infnet {
            let segments = Segments::Infnet {
                classified,
                corrected,
            };
            write("infnet", mask, Some(segments))?;
        }
        if let Some(work) = infection {
            let probability = work.spread(&work.probability, &lungs);
            drop(work);
            let probability = probability.map_err(|e| grid(&file, e))?;
            write("infnet_prob", probability, None)?;
        }
        write("lungs", lungs, Some(Segments::Lungs { given }))?;
        let report = findings.to_json().map_err(|e| grid(&file, e))?;
        files.push(OutputFile {
            name: format!("{}_report.json", self.case),
            bytes: report.into_bytes(),
        });
        Ok(Outcome {
            findings: Some(findings),
            files,
        })
    }
}

/// Whether two volumes of the same dims have their corners within half a voxel.
fn same_place<T, U>(a: &Volume<T>, b: &Volume<U>) -> bool {
    let reach = b
        .affine
        .spacing()
        .iter()
        .fold(f64::INFINITY, |m, &s| m.min(s))
        / 2.0;
    (0..8).all(|corner| {
        let at: [f64; 3] = std::array::from_fn(|i| {
            if corner >> i & 1 == 1 {
                b.dims[i] as f64
            } else {
                0.0
            }
        });
        let (p, q) = (a.affine.apply(at), b.affine.apply(at));
        (0..3).all(|i| (p[i] - q[i]).abs() <= reach)
    })
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

fn slab_depth(work: &NormnetWork) -> usize {
    work.frame.depth()
}

fn of(entries: &[Entry], network: Network) -> Vec<&Entry> {
    entries.iter().filter(|e| e.network == network).collect()
}

fn used(entry: &Entry) -> ModelUsed {
    ModelUsed {
        name: entry.name.clone(),
        network: entry.network,
        precision: entry.precision,
        sha256: entry.sha256.clone(),
    }
}

/// The grid that a NormNet entry was trained on: extent and spacing are [z, y, x] there.
fn frame_config(entry: &Entry) -> Result<FrameConfig, WeightsError> {
    let [z, _, x] = entry.extent3()?;
    let web = FrameConfig::web();
    let spacing = match entry.input.spacing_mm.as_deref() {
        Some(&[z, y, x]) => [x, y, z],
        _ => web.spacing,
    };
    Ok(FrameConfig {
        spacing,
        size: x,
        depth: z,
    })
}

/// The post-processing that a NormNet entry records; the paper's where it is silent.
fn post_config(entry: &Entry) -> PostConfig {
    let paper = PostConfig::default();
    let value = |name: &str, or: f32| entry.thresholds.get(name).map_or(or, |&v| v as f32);
    PostConfig {
        healthy: value("healthy", paper.healthy),
        bright_threshold: value("bright", paper.bright_threshold),
        full_threshold: value("full", paper.full_threshold),
        ..paper
    }
}

fn order(file: &str, problem: &'static str) -> AnalysisError {
    AnalysisError::Order {
        file: file.to_string(),
        problem,
    }
}

fn grid(file: &str, problem: impl ToString) -> AnalysisError {
    AnalysisError::Grid {
        file: file.to_string(),
        problem: problem.to_string(),
    }
}

/// Seconds on a clock that only goes forward natively, and is the browser's on wasm.
pub fn seconds() -> f64 {
    #[cfg(target_arch = "wasm32")]
    return js_sys::Date::now() / 1000.0;
    #[cfg(not(target_arch = "wasm32"))]
    {
        use std::sync::OnceLock;
        use std::time::Instant;
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed().as_secs_f64()
    }
}

#[cfg(test)]
mod tests;
