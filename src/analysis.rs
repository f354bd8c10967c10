//! One scan in, masks and findings out, as a machine that can stop and go on.
//!
//! [`Analysis::open`] reads the file, [`Analysis::prepare`] finds the lungs and cuts the work into
//! tiles. Each tile's input is run by an [`Engine`](crate::engine::Engine) and gives bytes; [`Analysis::merge`] takes them, in any
//! order, also bytes from an earlier attempt; [`Analysis::finish`] makes masks and report. The
//! page, several workers, the command line, cancel and resume all drive the same machine.

use crate::date::Date;
use crate::engine::{EngineError, Task};
use crate::findings::{self, ModelUsed, Timing, WarningEntry};
use crate::infnet::slices::Crop;
use crate::io::dicom::Source;
use crate::io::{self, Fingerprint, Input, IoError, Limits, Warning};
use crate::lungs::network::LungNetwork;
use crate::lungs::{self, LungError};
use crate::normnet::frame::{Frame, FrameConfig, FrameError};
use crate::normnet::post::PostConfig;
use crate::plane::{Plane, PlaneError};
use crate::record::{GivenLungs, InputRecord, Kind, Record};
use crate::volume::{Affine, Reorientation, Volume};
use crate::weights::{Entry, Manifest, Network, WeightsError, sha256};
use burn::backend::Flex;
use image::GrayImage;
use infection::InfnetWork;

mod finish;
mod infection;
pub mod lesson;
mod options;

pub(crate) use finish::mask_files;
pub use finish::{EachMask, Finished, Mask, Outcome, OutputFile, encode};
pub use options::{InfnetWeights, LungsBy, NormnetPath, Options, VOLUME_LOOKS, Weights, Which};

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
    /// Inf-Net, with its classes, on axial slice `k` of the LPS grid, or on the image.
    Slice {
        /// The slice.
        k: usize,
    },
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
    date: Option<Date>,
}

/// Slices that neighbouring slabs share; each slab answers for its middle.
const OVERLAP: usize = 8;
/// Masks have no larger label: three kinds of lesion are told apart at most.
pub const MAX_LABEL: i16 = 3;
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
    record: Record,
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
        let file = io::File {
            name: name.to_owned(),
            bytes: bytes.into(),
        };
        Self::open_files(name, &[file], None, options, limits)
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
        let mut analysis = Self::new(name, input, io::fingerprint(files), options);
        analysis.record.input.series_named = series.is_some();
        Ok(analysis)
    }

    /// Reads a file, or the files of a folder as [`open_files`](Self::open_files) does.
    ///
    /// # Errors
    /// If there is no scan or image that can be analysed.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open_path(
        path: &std::path::Path,
        series: Option<&str>,
        options: Options,
        limits: &Limits,
    ) -> Result<Self, AnalysisError> {
        let files = io::path::files(path, limits)?;
        Self::open_files(&io::path::name(path), &files, series, options, limits)
    }

    /// Takes what is read already, and the fingerprint of what it was read from. `name` gives the
    /// case its name, as a file's would.
    pub fn new(name: &str, input: Input, print: Fingerprint, options: Options) -> Self {
        let case = io::case_name(name);
        let record = Record::begun(&case, input_record(name, &input, print), options);
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
                    date: scan.date,
                };
                (Subject::Volume(Box::new(scan)), warnings)
            }
            Input::Image(image) => (Subject::Image(image), Vec::new()),
        };
        Analysis {
            case,
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
            record,
        }
    }

    /// Name of the case: the file's without its ending, or the folder's.
    pub fn case(&self) -> &str {
        &self.case
    }

    /// Gives the case another name than the file's.
    pub fn call(&mut self, case: &str) {
        self.case = case.into();
        self.record.case = case.into();
    }

    /// What the run manifest has by now: the input, before anything is done with it.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Whether every voxel is a label, 0 to [`MAX_LABEL`]: a mask that lies beside a scan.
    pub fn is_mask(&self) -> bool {
        matches!(&self.subject, Subject::Volume(scan)
            if scan.hu.data.iter().all(|v| (0..=MAX_LABEL).contains(v)))
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

    /// Affine of the file's own axes; an image has none.
    pub fn affine(&self) -> Option<Affine> {
        match &self.subject {
            Subject::Volume(scan) => Some(scan.way_back.affine()),
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
        let mask = if sided { mask } else { lungs::split(&mask) };
        self.record.lungs = Some(GivenLungs {
            name: last_part(name).to_owned(),
            sha256: sha256(&mask.data),
        });
        scan.lungs = Some(mask);
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
        self.record.models.push(entry.into());
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
        self.record.models.extend(needs.iter().map(Into::into));
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
        let (crop, plane, slices, spacing_mm) = match &self.subject {
            Subject::Image(image) => (None, (image.width() * image.height()) as usize, 0..1, 1.0),
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
                (crop, size[0] * size[1], first..last, scan.hu.spacing()[2])
            }
        };
        let count = slices.len();
        let voxels = plane * count;
        let first = slices.start;
        self.tiles.extend(slices.map(|k| Tile::Slice { k }));
        self.infnet = Some(InfnetWork {
            crop,
            first,
            side,
            threshold: (threshold * 255.0).round() as u8,
            temperature: entry.temperature,
            probability: vec![0; voxels],
            classes: vec![0; voxels],
            seen: vec![false; count],
            spacing_mm,
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
                let Options { looks, classes, .. } = self.options.resolved(self.is_image());
                let looks = looks.unwrap_or(VOLUME_LOOKS);
                let task = Task::Slice {
                    size,
                    looks,
                    classes,
                };
                Ok((task, grey.into_data()))
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
        let (values, labels, slice) = match (&self.subject, &work.crop) {
            (Subject::Volume(scan), Some(crop)) => {
                let Some(lungs) = &scan.lungs else {
                    return Err(order(file, "the lungs come before the slices"));
                };
                let values = crop.confine(&map, lungs.slice(k)).map_err(wrong)?;
                let labels = labels.resize_nearest(crop.size());
                (values.into_data(), labels.into_data(), k - work.first)
            }
            (Subject::Image(image), _) => {
                let size = [image.width() as usize, image.height() as usize];
                let values = map.resize_bilinear(size).into_data();
                (values, labels.resize_nearest(size).into_data(), 0)
            }
            _ => return Err(order(file, "Inf-Net has not been planned")),
        };
        work.seen[slice] = true;
        let at = slice * values.len();
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
}

/// What is known of an input before anything is done with it.
fn input_record(name: &str, input: &Input, print: Fingerprint) -> InputRecord {
    let (kind, dims, series) = match input {
        Input::Volume(scan) => (Kind::Volume, scan.hu.dims, scan.series.clone()),
        Input::Image(image) => {
            let [width, height] = [image.width(), image.height()].map(|side| side as usize);
            (Kind::Image, [width, height, 1], None)
        }
    };
    InputRecord {
        name: last_part(name).to_owned(),
        kind,
        dims,
        files: print.files,
        bytes: print.bytes,
        sha256: print.sha256,
        series: series.filter(|uid| !uid.is_empty()),
        series_named: false,
    }
}

/// A path without the folders that it lies in.
fn last_part(name: &str) -> &str {
    let name = name.trim_end_matches(['/', '\\']);
    name.rsplit(['/', '\\']).next().unwrap_or(name)
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
