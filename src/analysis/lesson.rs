//! The steps from a scan to its masks, slice by slice: what a person sees who wants to know how
//! both papers' methods work.
//!
//! A [`Lesson`] looks into a prepared [`Analysis`] whose tiles have been merged as far as a step
//! needs them. Nothing is computed by other means than in the analysis: the steps are what the
//! post-processing hands out on its way, and the last one is the analysis's own mask.

mod ask;
mod normnet;

use super::{Analysis, AnalysisError, InfnetWork, NormnetWork, Scan, Subject};
use super::{Tile, grid as grid_error, order};
use crate::lungs;
use crate::normnet::frame::FrameError;
use crate::plane::{Plane, PlaneError};
use crate::volume::Volume;
use normnet::{Grown, Pasted, Slab, suggested, view};

pub use ask::{
    Ask, Generator, InfnetOutline, NormnetOutline, Outline, Picture, Rect, Shown, Thresholds,
};

/// Looks into an analysis; keeps what was computed for one slice for its neighbours.
#[derive(Default)]
pub struct Lesson {
    lungs: Option<Vec<u8>>,
    dome: Option<Vec<u8>>,
    slab: Option<Slab>,
    pasted: Option<Pasted>,
    grown: Option<Grown>,
}

/// What a step looks into.
struct Subjects<'a> {
    scan: &'a Scan,
    lungs: &'a Volume<u8>,
    file: &'a str,
}

impl Lesson {
    /// What can be shown of a prepared analysis of a volume.
    ///
    /// # Errors
    /// If it is of an image, or has not been prepared.
    pub fn outline(&mut self, analysis: &Analysis) -> Result<Outline, AnalysisError> {
        let at = subjects(analysis)?;
        let dims = at.scan.hu.dims;
        let seen = |k: &usize| at.lungs.slice(*k).iter().any(|&v| v != 0);
        let first = (0..dims[2]).find(seen).unwrap_or(0);
        let last = (0..dims[2]).rfind(seen).unwrap_or(first);
        let mut outline = Outline {
            dims,
            spacing_mm: at.scan.hu.spacing(),
            lungs: [first, last],
            suggested: (first + last) / 2,
            normnet: None,
            infnet: None,
        };
        if let Some(work) = &analysis.normnet {
            let mask = self.mask(&at, work)?;
            let view = view(mask, work);
            outline.suggested = suggested(work, mask, first..last + 1).unwrap_or(outline.suggested);
            let spacing = work.frame.spacing();
            let corner = |i: f64| {
                let place = work.frame.affine().apply([i, i, 0.0]);
                at.scan.hu.affine.inverse().map(|a| a.apply(place))
            };
            let low = corner(-0.5).unwrap_or_default();
            let high = corner(work.frame.dims()[0] as f64 - 0.5).unwrap_or_default();
            outline.normnet = Some(NormnetOutline {
                dims: work.frame.dims(),
                spacing_mm: spacing,
                view,
                // From voxel centres to edges.
                window: [
                    low[0] + 0.5,
                    low[1] + 0.5,
                    high[0] - low[0],
                    high[1] - low[1],
                ],
                models: work.models.iter().map(|(name, _)| name.clone()).collect(),
                post: work.post,
                kernels: [work.post.bright_kernel, work.post.full_kernel]
                    .map(|k| work.post.kernel(k, spacing)),
                tiles: work.models.len() * work.slabs.len(),
            });
        }
        if let Some((work, rect)) = analysis
            .infnet
            .as_ref()
            .and_then(|w| w.rect().map(|r| (w, r)))
        {
            let is_slice = |t: &Tile| matches!(t, Tile::Slice { .. });
            outline.infnet = Some(InfnetOutline {
                crop: rect,
                side: work.side,
                infection: f64::from(work.threshold) / 255.0,
                temperature: work.temperature,
                first_tile: analysis.tiles.iter().position(is_slice).unwrap_or(0),
                reach: work.reach(),
            });
        }
        Ok(outline)
    }

    /// Shows a step.
    ///
    /// # Errors
    /// If the analysis is of an image or not prepared, the slice does not exist or the network was
    /// not planned.
    pub fn show(&mut self, analysis: &Analysis, ask: &Ask) -> Result<Shown, AnalysisError> {
        let at = subjects(analysis)?;
        let (Ask::Scan { k }
        | Ask::Crop { k }
        | Ask::Infnet { k, .. }
        | Ask::Frame { k }
        | Ask::Edges { k }
        | Ask::Lesions { k, .. }
        | Ask::Models { k, .. }
        | Ask::Post { k, .. }
        | Ask::Normnet { k, .. }) = *ask;
        if k >= at.scan.hu.dims[2] {
            return Err(order(at.file, "there is no such slice"));
        }
        let infnet = || {
            let work = analysis.infnet.as_ref();
            work.ok_or_else(|| order(at.file, "Inf-Net has not been planned"))
        };
        let normnet = || {
            let work = analysis.normnet.as_ref();
            work.ok_or_else(|| order(at.file, "NormNet has not been planned"))
        };
        match *ask {
            Ask::Scan { .. } => Ok(scan(&at, k)),
            Ask::Crop { .. } => crop(analysis, infnet()?, k),
            Ask::Infnet { infection, .. } => self.infnet(analysis, infnet()?, k, infection),
            Ask::Frame { .. } => self.frame(&at, normnet()?, k),
            Ask::Edges { .. } => self.edges(&at, normnet()?, k),
            Ask::Lesions { generator, .. } => self.lesions(&at, normnet()?, k, &generator),
            Ask::Models { post, .. } => self.models(&at, normnet()?, k, &post),
            Ask::Post { post, .. } => self.post(&at, normnet()?, k, &post),
            Ask::Normnet { post, .. } => self.normnet(analysis, normnet()?, k, &post),
        }
    }

    /// The lung mask on NormNet's grid.
    fn mask(&mut self, at: &Subjects, work: &NormnetWork) -> Result<&[u8], AnalysisError> {
        let mask = match self.lungs.take() {
            Some(mask) => mask,
            None => framed(at.file, work.frame.lungs(at.lungs))?,
        };
        Ok(self.lungs.insert(mask))
    }

    fn infnet(
        &mut self,
        analysis: &Analysis,
        work: &InfnetWork,
        k: usize,
        infection: Option<f64>,
    ) -> Result<Shown, AnalysisError> {
        let at = subjects(analysis)?;
        let wrong = |e: PlaneError| grid_error(at.file, e);
        let nothing = || order(at.file, "this slice shows no lung");
        let crop = work.crop.as_ref().ok_or_else(nothing)?;
        let size = crop.size();
        let count_of = size[0] * size[1];
        let slice = k.checked_sub(work.first).ok_or_else(nothing)?;
        let from = slice * count_of;
        let classes = work.classes.get(from..from + count_of);
        let classes = classes.ok_or_else(nothing)?;
        let probability = work.smoothed(slice);
        let threshold = infection.map_or(work.threshold, |t| (t * 255.0).round() as u8);
        let values: Vec<u8> = probability
            .iter()
            .zip(classes)
            .map(|(&p, &c)| InfnetWork::label(p, c, threshold))
            .collect();
        // By way of the whole slice, as the analysis does it.
        let lungs = at.lungs.slice(k);
        let mut mask = vec![0u8; lungs.len()];
        crop.paste(&values, &mut mask).map_err(wrong)?;
        for (v, &lung) in mask.iter_mut().zip(lungs) {
            *v *= u8::from(lung != 0);
        }
        self.without_dome(&at, k, &mut mask);
        let mut shown = Shown::default();
        shown.facts.push(("voxels", count(&mask)));
        let of = |class: u8| mask.iter().filter(|v| **v == class).count() as f64;
        shown.facts.push(("glass", of(1)));
        shown.facts.push(("consolidation", of(2)));
        let mask = crop.cut(&mask).map_err(wrong)?;
        shown.add("mask", size, floats(mask.data()));
        let p = probability.iter().map(|&p| f32::from(p) / 255.0).collect();
        shown.add("probability", size, p);
        shown.add("classes", size, floats(classes));
        shown.add("grey", size, floats(analysis.grey_slice(k)?.data()));
        Ok(shown)
    }

    /// Takes out of a mask of slice `k` what is diaphragm.
    fn without_dome(&mut self, at: &Subjects, k: usize, mask: &mut [u8]) {
        let dome = self
            .dome
            .get_or_insert_with(|| lungs::diaphragm(&at.scan.hu, at.lungs));
        let first = k * mask.len();
        for (v, dome) in mask.iter_mut().zip(&dome[first..]) {
            *v *= 1 - dome;
        }
    }
}

impl InfnetWork {
    /// Where the crop lies.
    fn rect(&self) -> Option<Rect> {
        let crop = self.crop.as_ref()?;
        Some(Rect {
            start: crop.start(),
            size: crop.size(),
        })
    }
}

fn subjects(analysis: &Analysis) -> Result<Subjects<'_>, AnalysisError> {
    let file = &analysis.file;
    let Subject::Volume(scan) = &analysis.subject else {
        return Err(order(file, "the steps of a 2D image are not shown"));
    };
    let lungs = scan.lungs.as_ref();
    let lungs = lungs.ok_or_else(|| order(file, "the lungs come before the steps"))?;
    Ok(Subjects { scan, lungs, file })
}

fn scan(at: &Subjects, k: usize) -> Shown {
    let size = [at.scan.hu.dims[0], at.scan.hu.dims[1]];
    let mut shown = Shown::default();
    let hu = at.scan.hu.slice(k).iter().map(|&v| f32::from(v)).collect();
    shown.add("hu", size, hu);
    shown.add("lungs", size, floats(at.lungs.slice(k)));
    shown
}

fn crop(analysis: &Analysis, work: &InfnetWork, k: usize) -> Result<Shown, AnalysisError> {
    let grey: Plane<u8> = analysis.grey_slice(k)?;
    let square = grey.resize_bilinear([work.side; 2]);
    let mut shown = Shown::default();
    shown.add("grey", grey.size(), floats(grey.data()));
    shown.add("square", square.size(), floats(square.data()));
    Ok(shown)
}

fn masked(values: &[f32], mask: &[u8]) -> Vec<f32> {
    let voxels = values.iter().zip(mask);
    voxels
        .map(|(&v, &m)| if m != 0 { v } else { 0.0 })
        .collect()
}

fn floats(values: &[u8]) -> Vec<f32> {
    values.iter().map(|&v| f32::from(v)).collect()
}

fn count(mask: &[u8]) -> f64 {
    mask.iter().filter(|v| **v != 0).count() as f64
}

fn framed<T>(file: &str, result: Result<T, FrameError>) -> Result<T, AnalysisError> {
    result.map_err(|e| grid_error(file, e))
}
