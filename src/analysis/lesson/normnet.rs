//! NormNet's steps.

use super::ask::{Generator, Rect, Shown, Thresholds};
use super::{Lesson, Subjects, count, floats, framed, masked, scan, subjects};
use crate::analysis::{Analysis, AnalysisError, NormnetPath, NormnetWork};
use crate::grid::{self, Dims};
use crate::normnet::edges::{EdgeConfig, remove_edges};
use crate::normnet::frame::{TAU, normalise};
use crate::normnet::post::{self, PostConfig, Stage};
use crate::normnet::synth;
use crate::volume::{Affine, resample_mean};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::ops::Range;

/// Voxels around the lungs that are shown.
const MARGIN: usize = 6;
/// Bright tissue thicker than this is worth a look.
const THICK_MM: f64 = 3.0;

/// The steps of the post-processing on the part of the grid that is shown.
pub(super) struct Grown {
    config: PostConfig,
    votes: Vec<u8>,
    bright: Vec<u8>,
    bright_mean: Vec<f32>,
    seeds: Vec<u8>,
    full: Vec<u8>,
    full_mean: Vec<f32>,
    region: Vec<u8>,
    /// On the whole grid.
    lesions: Vec<u8>,
}

/// Synthetic lesions in a slab of the part that is shown.
pub(super) struct Pasted {
    start: usize,
    generator: Generator,
    probability: Vec<f32>,
    speckle: Vec<f32>,
    made: synth::Synthetic,
}

/// A slab of the part that is shown.
pub(super) struct Slab {
    start: usize,
    h: Vec<f32>,
    lungs: Vec<u8>,
    /// The lungs without erroneous edges.
    clean: Vec<u8>,
}
impl Lesson {
    pub(super) fn frame(
        &mut self,
        at: &Subjects,
        work: &NormnetWork,
        k: usize,
    ) -> Result<Shown, AnalysisError> {
        let z = work.frame.slice_at(k);
        let mask = self.mask(at, work)?;
        let view = view(mask, work);
        let [width, height, _] = work.frame.dims();
        let shift = Affine::scale_offset([1.0; 3], [0.0, 0.0, z as f64]);
        let affine = work.frame.affine().compose(&shift);
        let hu = resample_mean(&at.scan.hu, [width, height, 1], &affine).data;
        let hu = view.cut(&hu, width);
        let mut shown = Shown::default();
        shown.facts.push(("z", z as f64));
        shown.add(
            "clipped",
            view.size,
            hu.iter().map(|&v| normalise(v)).collect(),
        );
        shown.add("hu", view.size, hu);
        shown.add("h", view.size, cut(&view, work, &work.intensity, z));
        shown.add("lungs", view.size, floats(&cut(&view, work, mask, z)));
        Ok(shown)
    }

    /// The slab that holds the slice closest to slice `k`, as training would cut it.
    fn slab(
        &mut self,
        at: &Subjects,
        work: &NormnetWork,
        k: usize,
    ) -> Result<(&Slab, Rect), AnalysisError> {
        let (z, depth) = (work.frame.slice_at(k), work.frame.depth());
        let start = (z / depth * depth).min(work.frame.dims()[2] - depth);
        let mask = self.mask(at, work)?;
        let view = view(mask, work);
        let slab = match self.slab.take().filter(|s| s.start == start) {
            Some(slab) => slab,
            None => {
                let mask = self.mask(at, work)?;
                let slices = || start..start + depth;
                let h: Vec<f32> = slices()
                    .flat_map(|z| cut(&view, work, &work.intensity, z))
                    .collect();
                let lungs: Vec<u8> = slices().flat_map(|z| cut(&view, work, mask, z)).collect();
                let dims = [view.size[0], view.size[1], depth];
                let spacing = work.frame.spacing();
                let clean = remove_edges(&h, &lungs, dims, spacing, &EdgeConfig::default());
                Slab {
                    start,
                    h,
                    lungs,
                    clean,
                }
            }
        };
        Ok((self.slab.insert(slab), view))
    }

    pub(super) fn edges(
        &mut self,
        at: &Subjects,
        work: &NormnetWork,
        k: usize,
    ) -> Result<Shown, AnalysisError> {
        let z = work.frame.slice_at(k);
        let (slab, view) = self.slab(at, work, k)?;
        let plane = view.size[0] * view.size[1];
        let range = (z - slab.start) * plane..(z - slab.start + 1) * plane;
        let both = slab.lungs[range.clone()]
            .iter()
            .zip(&slab.clean[range.clone()]);
        let edges: Vec<f32> = both
            .map(|(&lung, &clean)| f32::from(2 * lung.min(1) - clean))
            .collect();
        let all = slab.lungs.iter().filter(|v| **v != 0).count();
        let kept = slab.clean.iter().filter(|v| **v != 0).count();
        let mut shown = Shown::default();
        shown.facts.push(("lungs", all as f64));
        shown.facts.push(("removed", (all - kept) as f64));
        shown.add("h", view.size, slab.h[range].to_vec());
        shown.add("edges", view.size, edges);
        Ok(shown)
    }

    pub(super) fn lesions(
        &mut self,
        at: &Subjects,
        work: &NormnetWork,
        k: usize,
        generator: &Generator,
    ) -> Result<Shown, AnalysisError> {
        let z = work.frame.slice_at(k);
        let (spacing, depth) = (work.frame.spacing(), work.frame.depth());
        let kept = self.pasted.take();
        let (slab, view) = self.slab(at, work, k)?;
        let dims = [view.size[0], view.size[1], depth];
        let plane = dims[0] * dims[1];
        let same = |p: &Pasted| p.start == slab.start && p.generator == *generator;
        let h = masked(&slab.h, &slab.clean);
        let pasted = match kept.filter(same) {
            Some(pasted) => pasted,
            None => paste(slab, &h, dims, spacing, generator),
        };
        let range = (z - slab.start) * plane..(z - slab.start + 1) * plane;
        let target = synth::target(&slab.h[range.clone()], &slab.clean[range.clone()]);
        let mut shown = Shown::default();
        let blobs = &pasted.made.blobs;
        let parts = grid::components(blobs, dims, grid::Connectivity::TwentySix);
        shown
            .facts
            .push(("lesions", (parts.sizes.len() - 1) as f64));
        let ml = spacing.iter().product::<f64>() / 1000.0;
        let voxels = blobs.iter().filter(|v| **v != 0).count();
        shown.facts.push(("ml", voxels as f64 * ml));
        shown.add("h", view.size, h[range.clone()].to_vec());
        shown.add("blobs", view.size, floats(&blobs[range.clone()]));
        shown.add(
            "probability",
            view.size,
            pasted.probability[range.clone()].to_vec(),
        );
        shown.add("speckle", view.size, pasted.speckle[range.clone()].to_vec());
        shown.add("image", view.size, pasted.made.image[range].to_vec());
        shown.add("target", view.size, floats(&target));
        self.pasted = Some(pasted);
        Ok(shown)
    }

    pub(super) fn models(
        &mut self,
        at: &Subjects,
        work: &NormnetWork,
        k: usize,
        thresholds: &Thresholds,
    ) -> Result<Shown, AnalysisError> {
        let z = work.frame.slice_at(k);
        let view = view(self.mask(at, work)?, work);
        let config = thresholds.over(&work.post);
        let planes: Vec<Vec<u8>> = work
            .models
            .iter()
            .map(|(_, p)| cut(&view, work, p, z))
            .collect();
        let networks: Vec<&[u8]> = planes.iter().map(Vec::as_slice).collect();
        let votes = post::votes(&networks, &config);
        let mut shown = Shown::default();
        shown
            .facts
            .push(("needed", config.needed(networks.len()) as f64));
        for (n, plane) in planes.iter().enumerate() {
            let p = plane.iter().map(|&p| f32::from(p) / 255.0).collect();
            shown.add(format!("model_{}", n + 1), view.size, p);
        }
        shown.add("votes", view.size, floats(&votes));
        shown.add("h", view.size, cut(&view, work, &work.intensity, z));
        Ok(shown)
    }

    /// The post-processing of the whole grid with these settings.
    fn grow(
        &mut self,
        at: &Subjects,
        work: &NormnetWork,
        thresholds: &Thresholds,
    ) -> Result<&Grown, AnalysisError> {
        let config = thresholds.over(&work.post);
        let kept = self.grown.take().filter(|g| g.config == config);
        let grown = match kept {
            Some(grown) => grown,
            None => grown(self.mask(at, work)?, work, config),
        };
        Ok(self.grown.insert(grown))
    }

    pub(super) fn post(
        &mut self,
        at: &Subjects,
        work: &NormnetWork,
        k: usize,
        thresholds: &Thresholds,
    ) -> Result<Shown, AnalysisError> {
        let z = work.frame.slice_at(k);
        let view = view(self.mask(at, work)?, work);
        let plane = view.size[0] * view.size[1];
        let voxel_ml = work.frame.spacing().iter().product::<f64>() / 1000.0;
        let grown = self.grow(at, work, thresholds)?;
        let range = z * plane..(z + 1) * plane;
        let h = cut(&view, work, &work.intensity, z);
        let mut shown = Shown::default();
        let ml = |mask: &[u8]| mask.iter().filter(|v| **v != 0).count() as f64 * voxel_ml;
        shown.facts.push(("seeds_ml", ml(&grown.seeds)));
        shown.facts.push(("region_ml", ml(&grown.region)));
        shown.facts.push(("lesions_ml", ml(&grown.lesions)));
        let under = |mask: &[u8]| masked(&h, mask);
        shown.add("bright", view.size, under(&grown.bright[range.clone()]));
        shown.add("full", view.size, under(&grown.full[range.clone()]));
        shown.add(
            "bright_mean",
            view.size,
            grown.bright_mean[range.clone()].to_vec(),
        );
        shown.add(
            "full_mean",
            view.size,
            grown.full_mean[range.clone()].to_vec(),
        );
        shown.add("seeds", view.size, floats(&grown.seeds[range.clone()]));
        shown.add("region", view.size, floats(&grown.region[range.clone()]));
        shown.add("votes", view.size, floats(&grown.votes[range]));
        let lesions = cut(&view, work, &grown.lesions, z);
        shown.add("lesions", view.size, floats(&lesions));
        shown.add("h", view.size, h);
        Ok(shown)
    }

    pub(super) fn normnet(
        &mut self,
        analysis: &Analysis,
        work: &NormnetWork,
        k: usize,
        thresholds: &Thresholds,
    ) -> Result<Shown, AnalysisError> {
        let at = subjects(analysis)?;
        let grown = self.grow(&at, work, thresholds)?;
        let value = |v: f32| u8::from(v >= 0.5);
        let slices = work
            .frame
            .to_slices(&grown.lesions, at.lungs, k..k + 1, value);
        let mut mask = framed(at.file, slices)?;
        if analysis.options.normnet != NormnetPath::Paper {
            self.without_dome(&at, k, &mut mask);
        }
        let size = [at.lungs.dims[0], at.lungs.dims[1]];
        let mut shown = scan(&at, k);
        shown.facts.push(("voxels", count(&mask)));
        shown.add("mask", size, floats(&mask));
        Ok(shown)
    }
}

/// The lungs' box over all slices and a margin.
pub(super) fn view(mask: &[u8], work: &NormnetWork) -> Rect {
    let dims = work.frame.dims();
    let (low, high) = grid::bounding_box(mask, dims).unwrap_or(([0; 3], dims));
    let start = [0, 1].map(|a| low[a].saturating_sub(MARGIN));
    Rect {
        start,
        size: [0, 1].map(|a| (high[a] + MARGIN).min(dims[a]) - start[a]),
    }
}

/// The part of slice `z` of NormNet's grid that is shown.
fn cut<T: Copy>(view: &Rect, work: &NormnetWork, values: &[T], z: usize) -> Vec<T> {
    let plane = work.frame.plane();
    view.cut(&values[z * plane..(z + 1) * plane], work.frame.dims()[0])
}

/// The slice of the scan with most bright tissue that is thicker than vessels.
pub(super) fn suggested(work: &NormnetWork, mask: &[u8], range: Range<usize>) -> Option<usize> {
    let bright: Vec<u8> = work
        .intensity
        .iter()
        .zip(mask)
        .map(|(&h, &lung)| u8::from(lung != 0 && h >= TAU))
        .collect();
    let thick = grid::erode_ball(&bright, work.frame.dims(), work.frame.spacing(), THICK_MM);
    let plane = work.frame.plane();
    let of = |z: usize| count(&thick[z * plane..(z + 1) * plane]) as usize;
    let best = (0..work.frame.dims()[2]).max_by_key(|&z| of(z))?;
    let mut closest: Vec<usize> = range.filter(|&k| work.frame.slice_at(k) == best).collect();
    let middle = closest.len() / 2;
    (middle < closest.len()).then(|| closest.swap_remove(middle))
}

fn paste(slab: &Slab, h: &[f32], dims: Dims, spacing: [f64; 3], generator: &Generator) -> Pasted {
    let mut fields = [vec![0f32; h.len()], vec![0f32; h.len()]];
    let config = generator.config();
    let mut rng = StdRng::seed_from_u64(generator.seed);
    let tap = &mut |made: synth::Made<'_>| {
        let [nx, ny, _] = made.dims;
        for (at, _) in made.inside.iter().enumerate().filter(|(_, i)| **i != 0) {
            let place = [at % nx, at / nx % ny, at / (nx * ny)];
            let [i, j, k] = [0, 1, 2].map(|a| made.start[a] + place[a]);
            let voxel = i + dims[0] * (j + dims[1] * k);
            fields[0][voxel] = made.probability[at];
            fields[1][voxel] = made.speckle[at];
        }
    };
    let lambda = generator.lambda();
    let made = synth::lesions_tapped(
        h,
        &slab.clean,
        dims,
        spacing,
        lambda,
        &config,
        &mut rng,
        tap,
    );
    let [probability, speckle] = fields;
    Pasted {
        start: slab.start,
        generator: *generator,
        probability,
        speckle,
        made,
    }
}

fn grown(mask: &[u8], work: &NormnetWork, config: PostConfig) -> Grown {
    let networks: Vec<&[u8]> = work.models.iter().map(|(_, p)| p.as_slice()).collect();
    let (dims, spacing) = (work.frame.dims(), work.frame.spacing());
    let view = view(mask, work);
    fn part<T: Copy>(view: &Rect, work: &NormnetWork, values: &[T]) -> Vec<T> {
        let slices = 0..work.frame.dims()[2];
        slices.flat_map(|z| cut(view, work, values, z)).collect()
    }
    let mut out = Grown {
        config,
        votes: part(&view, work, &post::votes(&networks, &config)),
        bright: Vec::new(),
        bright_mean: Vec::new(),
        seeds: Vec::new(),
        full: Vec::new(),
        full_mean: Vec::new(),
        region: Vec::new(),
        lesions: Vec::new(),
    };
    let tap = &mut |stage: Stage<'_>| match stage {
        Stage::Bright(v) => out.bright = part(&view, work, v),
        Stage::BrightMean(v) => out.bright_mean = part(&view, work, v),
        Stage::Seeds(v) => out.seeds = part(&view, work, v),
        Stage::Full(v) => out.full = part(&view, work, v),
        Stage::FullMean(v) => out.full_mean = part(&view, work, v),
        Stage::Region(v) => out.region = part(&view, work, v),
    };
    let healthy = post::vote(&networks, &config);
    let h = &work.intensity;
    let lesions = post::lesions_tapped(h, mask, &healthy, dims, spacing, &config, tap);
    out.lesions = lesions;
    out
}
