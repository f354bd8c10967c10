//! The steps from a scan to its masks, slice by slice: what a person sees who wants to know how
//! both papers' methods work.
//!
//! A [`Lesson`] looks into a prepared [`Analysis`] whose tiles have been merged as far as a step
//! needs them. Nothing is computed by other means than in the analysis: the steps are what the
//! post-processing hands out on its way, and the last one is the analysis's own mask.

use super::{Analysis, AnalysisError, InfnetWork, NormnetPath, NormnetWork, Scan, Subject};
use super::{Tile, grid as grid_error, order};
use crate::grid::{self, Dims};
use crate::lungs;
use crate::normnet::edges::{EdgeConfig, remove_edges};
use crate::normnet::frame::{FrameError, TAU, normalise};
use crate::normnet::post::{self, PostConfig, Stage};
use crate::normnet::synth::{self, SynthConfig};
use crate::plane::{Plane, PlaneError};
use crate::volume::{Affine, Volume, resample_mean};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

/// What is to be seen of slice `k` of the scan, along its LPS axes; crosses to the page as JSON.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Ask {
    /// The slice: `hu`, and `lungs` with 1 right, 2 left.
    Scan {
        /// The slice.
        k: usize,
    },
    /// What Inf-Net is given: `grey`, the crop in 256 levels, and `square`, the same at the
    /// network's side.
    Crop {
        /// The slice.
        k: usize,
    },
    /// What Inf-Net's merged tile gave, on the crop: `probability`, `classes`, and the `mask` of
    /// the analysis, at another threshold if one is given.
    Infnet {
        /// The slice.
        k: usize,
        /// Probability from which a pixel is infected.
        infection: Option<f64>,
    },
    /// NormNet's slice closest to this one: `hu`, `clipped`, `h`, `lungs`.
    Frame {
        /// The slice.
        k: usize,
    },
    /// `edges`: 1 lung, 2 erroneous edge.
    Edges {
        /// The slice.
        k: usize,
    },
    /// Synthetic lesions: `h`, `blobs`, `probability`, `speckle`, `image`, `target`.
    Lesions {
        /// The slice.
        k: usize,
        /// The generator's settings.
        #[serde(flatten)]
        generator: Generator,
    },
    /// Each model's probability of being healthy, `model_1`…, and `votes`.
    Models {
        /// The slice.
        k: usize,
        /// The post-processing's settings.
        #[serde(flatten)]
        post: Thresholds,
    },
    /// The post-processing: `bright` and `full` as intensities, `bright_mean`, `seeds`,
    /// `full_mean`, `region`, `lesions`.
    Post {
        /// The slice.
        k: usize,
        /// The post-processing's settings.
        #[serde(flatten)]
        post: Thresholds,
    },
    /// NormNet's `mask` on the scan's own slice, as the analysis saves it, and `hu`.
    Normnet {
        /// The slice.
        k: usize,
        /// The post-processing's settings.
        #[serde(flatten)]
        post: Thresholds,
    },
}

/// Settings of the post-processing that differ from the analysis's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub struct Thresholds {
    /// [`PostConfig::healthy`].
    pub healthy: Option<f32>,
    /// [`PostConfig::votes`].
    pub votes: Option<usize>,
    /// [`PostConfig::bright_threshold`].
    pub bright: Option<f32>,
    /// [`PostConfig::full_threshold`].
    pub full: Option<f32>,
}

impl Thresholds {
    fn over(&self, config: &PostConfig) -> PostConfig {
        PostConfig {
            healthy: self.healthy.unwrap_or(config.healthy),
            votes: self.votes.unwrap_or(config.votes),
            bright_threshold: self.bright.unwrap_or(config.bright_threshold),
            full_threshold: self.full.unwrap_or(config.full_threshold),
            ..*config
        }
    }
}

/// Settings of the lesion generator: what is absent is drawn from the generator's own range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub struct Generator {
    /// Fixes everything that is drawn.
    pub seed: u64,
    /// The generator of the shipped weights, with all that goes beyond the paper.
    #[serde(default)]
    pub beyond: bool,
    /// Number of ellipsoids over the usual number, the paper's λ.
    pub amount: Option<f32>,
    /// Radii over the usual radii.
    pub size: Option<f32>,
    /// α of the elastic deformation.
    pub warp: Option<f32>,
    /// Greatest probability of a grain of salt.
    pub density: Option<f32>,
    /// σ_b of the speckle's blur in mm.
    pub blur: Option<f32>,
    /// μ0, the brightness.
    pub brightness: Option<f32>,
}

/// Most that a setting multiplies numbers or radii with: a mistyped address must not run for ever.
const MOST: f32 = 3.0;

impl Generator {
    fn lambda(&self) -> f32 {
        self.amount.unwrap_or(1.0).clamp(0.0, MOST)
    }

    fn config(&self) -> SynthConfig {
        let mut config = match self.beyond {
            true => SynthConfig::best(),
            false => SynthConfig::paper(),
        };
        // Whoever asks for lesions wants to see some.
        config.clean = 0.0;
        let size = self.size.unwrap_or(1.0).clamp(1.0 / MOST, MOST);
        for radius in [
            &mut config.small.radius_mm,
            &mut config.medium.radius_mm,
            &mut config.large.radius_mm,
        ] {
            *radius = radius.map(|r| r * size);
        }
        if let Some(warp) = self.warp {
            config.elastic.alpha = [warp.clamp(0.0, 2000.0); 2];
        }
        let texture = &mut config.texture;
        if let Some(density) = self.density {
            // Ends as far apart as the paper's, relative to the range.
            let density = density.clamp(0.01, 1.0);
            texture.contrast *= density / texture.density[1];
            texture.density = [0.0, density];
        }
        if let Some(blur) = self.blur {
            texture.sigma_b_mm = [blur.clamp(0.1, 10.0); 2];
            texture.wide = 0.0;
        }
        if let Some(brightness) = self.brightness {
            texture.brightness = [brightness.clamp(0.0, 1.0); 2];
        }
        config
    }
}

/// Values of a slice, row after row.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Its name, as at [`Ask`].
    pub name: String,
    /// Columns and rows.
    pub size: [usize; 2],
    /// Its values.
    pub values: Vec<f32>,
}

/// Pictures, and numbers that belong to them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    /// The pictures.
    pub pictures: Vec<Picture>,
    /// The numbers, by name.
    pub facts: Vec<(&'static str, f64)>,
}

impl Shown {
    fn add(&mut self, name: impl Into<String>, size: [usize; 2], values: Vec<f32>) {
        let name = name.into();
        self.pictures.push(Picture { name, size, values });
    }

    /// A picture's values; none if there is no picture of that name.
    pub fn values(&self, name: &str) -> Option<&[f32]> {
        let found = self.pictures.iter().find(|p| p.name == name);
        found.map(|p| p.values.as_slice())
    }
}

/// A box of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rect {
    /// First column and row.
    pub start: [usize; 2],
    /// Columns and rows.
    pub size: [usize; 2],
}

impl Rect {
    fn cut<T: Copy>(&self, slice: &[T], width: usize) -> Vec<T> {
        let rows = self.start[1]..self.start[1] + self.size[1];
        let row = |y: usize| &slice[y * width + self.start[0]..][..self.size[0]];
        rows.flat_map(|y| row(y).iter().copied()).collect()
    }
}

/// What a lesson can be about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outline {
    /// Columns, rows and slices of the scan along LPS axes.
    pub dims: Dims,
    /// Voxel size in mm along the same axes.
    pub spacing_mm: [f64; 3],
    /// First slice that shows lung, and the last.
    pub lungs: [usize; 2],
    /// A slice where there is something to be seen.
    pub suggested: usize,
    /// NormNet's share.
    pub normnet: Option<NormnetOutline>,
    /// Inf-Net's share.
    pub infnet: Option<InfnetOutline>,
}

/// What NormNet sees of the scan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NormnetOutline {
    /// The network's grid.
    pub dims: Dims,
    /// Its spacing in mm.
    pub spacing_mm: [f64; 3],
    /// The part of its slices that is shown: the lungs and a margin.
    pub view: Rect,
    /// The network's window within the scan's slice, in voxels of the scan; it may reach beyond.
    pub window: [f64; 4],
    /// Names of the models.
    pub models: Vec<String>,
    /// The analysis's post-processing.
    pub post: PostConfig,
    /// Kernels of both means in voxels of the network's grid.
    pub kernels: [Dims; 2],
    /// Tiles that NormNet's steps need, from the first.
    pub tiles: usize,
}

/// What Inf-Net sees of the scan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InfnetOutline {
    /// The part of every slice that the network sees.
    pub crop: Rect,
    /// Its side.
    pub side: usize,
    /// Probability from which a pixel is infected.
    pub infection: f64,
    /// What the logits are divided by before they become a probability.
    pub temperature: f64,
    /// The tile of the first slice that shows lung.
    pub first_tile: usize,
}

/// Voxels around the lungs that are shown.
const MARGIN: usize = 6;
/// Bright tissue thicker than this is worth a look.
const THICK_MM: f64 = 3.0;

/// The steps of the post-processing on the part of the grid that is shown.
struct Grown {
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
struct Pasted {
    start: usize,
    generator: Generator,
    probability: Vec<f32>,
    speckle: Vec<f32>,
    made: synth::Synthetic,
}

/// A slab of the part that is shown.
struct Slab {
    start: usize,
    h: Vec<f32>,
    lungs: Vec<u8>,
    /// The lungs without erroneous edges.
    clean: Vec<u8>,
}

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

    fn frame(
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

    fn edges(
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

    fn lesions(
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

    fn models(
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

    fn post(
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

    fn normnet(
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
        let from = k.checked_sub(work.first).ok_or_else(nothing)? * count_of;
        let range = from..from + count_of;
        let probability = work.probability.get(range.clone()).ok_or_else(nothing)?;
        let classes = work.classes.get(range).ok_or_else(nothing)?;
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

/// The lungs' box over all slices and a margin.
fn view(mask: &[u8], work: &NormnetWork) -> Rect {
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
fn suggested(work: &NormnetWork, mask: &[u8], range: std::ops::Range<usize>) -> Option<usize> {
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
