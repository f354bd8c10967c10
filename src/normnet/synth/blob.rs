//! Blobs: ellipsoids that touch are one lesion, with one texture and one way into the image.

use std::f32::consts::PI;

use rand::Rng;

use super::noise::Noise;
use super::texture::{self, Speckle};
use super::{Block, Consolidation, Edge, Made, SynthConfig, chance, uniform};
use crate::grid::{self, Connectivity, Dims};
use crate::normnet::frame::{TAU, normalise};

/// The sample that blobs are cut from and pasted into.
pub(super) struct Sample<'a> {
    /// Lung mask.
    pub(super) lungs: &'a [u8],
    /// All ellipsoids, before they are cut at the lungs.
    pub(super) shapes: &'a [u8],
    /// Extent of the grid.
    pub(super) dims: Dims,
    /// Voxel size in mm.
    pub(super) spacing: [f32; 3],
}

/// One connected lesion G_j.
pub(super) struct Blob {
    /// Its bounding box, grown by the softness of its edge.
    block: Block,
    /// Its voxels within the block.
    inside: Vec<u8>,
    /// How much of each voxel of the block it takes, 0 outside the lungs.
    cover: Vec<f32>,
}

/// Splits a mask into its 26-connected blobs.
pub(super) fn split(
    sample: &Sample<'_>,
    blobs: &[u8],
    edge: &Edge,
    rng: &mut impl Rng,
) -> Vec<Blob> {
    let parts = grid::components(blobs, sample.dims, Connectivity::TwentySix);
    let voxel: f32 = sample.spacing.iter().product();
    blocks(&parts, sample.dims)
        .into_iter()
        .zip(1..)
        .zip(&parts.sizes[1..])
        .map(|((block, label), &size)| {
            // Radius of a ball of the same volume.
            let radius = (size as f32 * voxel * 3.0 / (4.0 * PI)).cbrt();
            let softness = uniform(edge.softness_mm, rng).min(edge.of_radius * radius);
            let reach = sample.spacing.map(|s| (2.0 * softness / s).ceil() as usize);
            let block = block.grown(reach, sample.dims);
            let inside: Vec<u8> = block
                .cut(&parts.labels, sample.dims)
                .iter()
                .map(|&l| u8::from(l == label))
                .collect();
            let cover = if softness > 0.0 {
                let fray = uniform(edge.fray, rng);
                soft_cover(sample, &block, &inside, softness, fray, rng)
            } else {
                inside.iter().map(|&v| f32::from(v)).collect()
            };
            Blob {
                block,
                inside,
                cover,
            }
        })
        .collect()
}

/// Bounding box of each component, in the order of the labels.
fn blocks(parts: &grid::Components, dims: Dims) -> Vec<Block> {
    let mut bounds = vec![([usize::MAX; 3], [0; 3]); parts.sizes.len() - 1];
    for (row, labels) in parts.labels.chunks_exact(dims[0]).enumerate() {
        let (j, k) = (row % dims[1], row / dims[1]);
        for (i, &label) in labels.iter().enumerate().filter(|(_, l)| **l != 0) {
            let (low, high) = &mut bounds[label as usize - 1];
            for (a, v) in [i, j, k].into_iter().enumerate() {
                low[a] = low[a].min(v);
                high[a] = high[a].max(v + 1);
            }
        }
    }
    bounds
        .into_iter()
        .map(|(low, high)| Block {
            start: low,
            dims: [0, 1, 2].map(|a| high[a] - low[a]),
        })
        .collect()
}

/// The blob's softened and frayed indicator, in [0, 1] and 0 outside the lungs.
///
/// It fades into the lung but not at the pleura, where the shape goes on.
fn soft_cover(
    sample: &Sample<'_>,
    block: &Block,
    inside: &[u8],
    softness: f32,
    fray: f32,
    rng: &mut impl Rng,
) -> Vec<f32> {
    let lungs = block.cut(sample.lungs, sample.dims);
    let mut cover: Vec<f32> = inside
        .iter()
        .zip(block.cut(sample.shapes, sample.dims))
        .zip(&lungs)
        .map(|((&blob, shape), &lung)| f32::from(u8::from(blob != 0 || (shape != 0 && lung == 0))))
        .collect();
    grid::gaussian(&mut cover, block.dims, sample.spacing.map(|s| softness / s));
    let wisps = texture::smooth(block, sample.spacing, softness, &mut Noise::new(rng));
    for ((c, &lung), wisp) in cover.iter_mut().zip(&lungs).zip(wisps) {
        *c = if lung == 0 {
            0.0
        } else {
            // 4c(1 − c) is 1 on the outline and 0 away from it.
            (*c + fray * wisp * 4.0 * *c * (1.0 - *c)).clamp(0.0, 1.0)
        };
    }
    cover
}

impl Blob {
    /// Cover of a voxel of the grid, if it lies in the blob's block.
    #[cfg(test)]
    pub(super) fn cover_at(&self, voxel: [usize; 3]) -> Option<f32> {
        let Block { start, dims } = self.block;
        let at = [0, 1, 2].map(|a| voxel[a].wrapping_sub(start[a]));
        let inside = (0..3).all(|a| at[a] < dims[a]);
        inside.then(|| self.cover[at[0] + dims[0] * (at[1] + dims[1] * at[2])])
    }

    /// Draws the blob's texture and brings it into the image; `tap` receives the texture.
    pub(super) fn inject(
        &self,
        image: &mut [f32],
        dims: Dims,
        spacing: [f32; 3],
        config: &SynthConfig,
        rng: &mut impl Rng,
        tap: &mut dyn FnMut(Made<'_>),
    ) {
        let Speckle { probability, mut f } =
            texture::speckle(&self.block, spacing, &config.texture, rng);
        texture::add_detail(&mut f, &self.block, spacing, &config.detail, rng);
        tap(Made {
            start: self.block.start,
            dims: self.block.dims,
            inside: &self.inside,
            probability: &probability,
            speckle: &f,
        });
        drop(probability);
        let mut local = self.block.cut(image, dims);
        if chance(config.blend.share, rng) {
            let level = normalise(uniform(config.blend.hu, rng));
            self.blend(&mut local, &f, level);
        } else {
            let brightness = uniform(config.texture.brightness, rng);
            self.paste(&mut local, &f, brightness, config.texture.bright);
        }
        if chance(config.consolidation.share, rng) {
            self.consolidate(&mut local, &f, spacing, &config.consolidation, rng);
        }
        for ((j, k), row) in self
            .block
            .rows()
            .zip(local.chunks_exact(self.block.dims[0]))
        {
            image[self.block.row_in(dims, j, k)].copy_from_slice(row);
        }
    }

    /// The paper's injection: A = max(H, B) with B = clip(β f).
    fn paste(&self, local: &mut [f32], f: &[f32], brightness: f32, bright: f32) {
        let beta = texture::brightness(f, &self.inside, brightness, bright);
        for ((a, &f), &cover) in local.iter_mut().zip(f).zip(&self.cover) {
            *a = a.max((beta * f).clamp(0.0, 1.0) * cover);
        }
    }

    /// Partial-volume injection A = H + (1 − H) γ f, γ chosen so that the blob's parenchyma (what
    /// was not bright before) reaches the mean intensity `level`.
    fn blend(&self, local: &mut [f32], f: &[f32], level: f32) {
        let (mut missing, mut reach) = (0.0, 0.0);
        let voxels = local.iter().zip(f).zip(&self.inside);
        for ((&h, &f), _) in voxels.filter(|((h, _), m)| **m != 0 && **h < TAU) {
            missing += level - h;
            reach += (1.0 - h) * f;
        }
        let gamma = if reach > 0.0 {
            (missing / reach).max(0.0)
        } else {
            0.0
        };
        for ((a, &f), &cover) in local.iter_mut().zip(f).zip(&self.cover) {
            *a += (1.0 - *a) * (gamma * f).min(1.0) * cover;
        }
    }

    /// Gives the blob a dense core where a smooth field is high.
    fn consolidate(
        &self,
        local: &mut [f32],
        f: &[f32],
        spacing: [f32; 3],
        config: &Consolidation,
        rng: &mut impl Rng,
    ) {
        /// Finer noise on the core's outline: share of its scale, and share of its strength.
        const FINE: [f32; 2] = [0.35, 0.5];
        /// How much of the speckle's contrast shows inside the core.
        const CONTRAST: f32 = 0.2;
        let scale = uniform(config.scale_mm, rng);
        let level = normalise(uniform(config.hu, rng));
        let fill = uniform(config.fill, rng);
        let rim = uniform(config.rim, rng).max(0.01);
        let mut noise = Noise::new(rng);
        let mut field = texture::smooth(&self.block, spacing, scale, &mut noise);
        let fine = texture::smooth(&self.block, spacing, FINE[0] * scale, &mut noise);
        for (v, fine) in field.iter_mut().zip(fine) {
            *v += FINE[1] * fine;
        }
        let Some(threshold) = self.upper_quantile(&field, fill) else {
            return;
        };
        let mean = self.mean(f).max(f32::MIN_POSITIVE);
        for (n, a) in local.iter_mut().enumerate() {
            let core = ((field[n] - threshold) / rim + 0.5).clamp(0.0, 1.0) * self.cover[n];
            let dense = level * (1.0 + CONTRAST * (f[n] / mean - 1.0));
            *a = a.max(dense.clamp(0.0, 1.0) * core);
        }
    }

    /// Value that `share` of the blob's voxels exceed.
    fn upper_quantile(&self, values: &[f32], share: f32) -> Option<f32> {
        let mut own: Vec<f32> = self.own(values).collect();
        let at = ((1.0 - share.clamp(0.0, 1.0)) * own.len() as f32) as usize;
        let at = at.min(own.len().checked_sub(1)?);
        let (_, value, _) = own.select_nth_unstable_by(at, f32::total_cmp);
        Some(*value)
    }

    /// Mean of `values` over the blob.
    fn mean(&self, values: &[f32]) -> f32 {
        let (sum, n) = self
            .own(values)
            .fold((0.0, 0usize), |(s, n), v| (s + v, n + 1));
        sum / n.max(1) as f32
    }

    /// The values at the blob's own voxels.
    fn own<'a>(&'a self, values: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        values
            .iter()
            .zip(&self.inside)
            .filter(|(_, m)| **m != 0)
            .map(|(v, _)| *v)
    }
}
