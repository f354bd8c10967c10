//! The lesion generator's numbers: the paper's, and those that go beyond it.

use serde::{Deserialize, Serialize};

/// In-plane voxel size of the paper's grid in mm, by which its voxel counts are converted.
pub const PAPER_VOXEL_MM: f32 = 0.8;
/// Slice distance of the paper's grid in mm.
pub const PAPER_SLICE_MM: f32 = 1.0;

/// How many ellipsoids of one size a sample gets, and how large they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ellipsoids {
    /// Least and greatest number; both are multiplied by the sample's λ and rounded.
    pub per_lambda: [f32; 2],
    /// Range of each semi-axis in mm; the three are drawn independently.
    pub radius_mm: [f32; 2],
}

/// The rare large ellipsoid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LargeEllipsoid {
    /// Probability of one, multiplied by the sample's λ.
    pub per_lambda: f32,
    /// Range of each semi-axis in mm.
    pub radius_mm: [f32; 2],
}

/// Elastic deformation of an ellipsoid: displacement = α · Gaussian_σ(U(−1, 1)) along each axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Elastic {
    /// Range of α, in paper voxels.
    pub alpha: [f32; 2],
    /// Range of σ, in paper voxels.
    pub sigma: [f32; 2],
    /// Beyond the paper: standard deviation of the displacement as a share of the ellipsoid's
    /// radius, in place of α, for lobed outlines. `[0, 0]` turns it off.
    pub lobes: [f32; 2],
    /// Scale σ of those lobes as a share of the radius.
    pub lobe_scale: f32,
}

/// Where ellipsoids lie. Both are 0 in the paper: centres are uniform in the lungs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// Share of the ellipsoids that lie at the pleura, behind or beside.
    pub sub_pleural: f32,
    /// Preference for the lower slices: their weight is `1 + lower`, that of the top `1 - lower`.
    pub lower: f32,
}

/// Texture of a blob.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Texture {
    /// Draw salt noise from the probability field and blur it; else the smooth field itself is
    /// the texture.
    pub salt: bool,
    /// Range of the scale σ_a of the probability field, in mm.
    pub sigma_a_mm: [f32; 2],
    /// Range in which the ends a_L and a_U of the probability field are drawn.
    pub density: [f32; 2],
    /// Least difference a_U − a_L.
    pub contrast: f32,
    /// Usual range of the blur σ_b of the speckle, in mm. Reconstruction of the paper's: 1 to 2
    /// voxels, the range next to the wide one.
    pub sigma_b_mm: [f32; 2],
    /// Wide range of σ_b, in mm.
    pub sigma_b_wide_mm: [f32; 2],
    /// Probability of the wide range.
    pub wide: f32,
    /// Range of the mean intensity μ0 of a blob's bright part.
    pub brightness: [f32; 2],
    /// Blurred speckle above this belongs to the bright part. Reconstruction of the paper's.
    pub bright: f32,
}

/// Beyond the paper: ground glass as a partial volume, H + (1 − H)·B·γ in place of max(H, B).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blend {
    /// Share of the blobs that are blended; the others are injected as in the paper.
    pub share: f32,
    /// Range of the mean attenuation (HU) of the blended parenchyma.
    pub hu: [f32; 2],
}

/// Beyond the paper: dense cores, which reach up to the pleura where the blob does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Consolidation {
    /// Share of the blobs that have one.
    pub share: f32,
    /// Range of the share of the blob that it takes.
    pub fill: [f32; 2],
    /// Range of the scale of its outline, in mm.
    pub scale_mm: [f32; 2],
    /// Range of the width of its rim, in deviations of the noise that draws the outline.
    pub rim: [f32; 2],
    /// Range of its attenuation in HU.
    pub hu: [f32; 2],
}

/// Beyond the paper: how a blob fades into the lung around. All zero leaves a hard edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// Range of the Gaussian σ that softens the blob's outline, in mm; the largest that a small
    /// blob gets is [`of_radius`](Self::of_radius) times its radius.
    pub softness_mm: [f32; 2],
    /// Greatest softness as a share of the radius of a ball of the blob's volume.
    pub of_radius: f32,
    /// Range of how strongly noise frays the softened outline: deviations of cover halfway out.
    pub fray: [f32; 2],
}

/// Beyond the paper: fine structure on top of the speckle, relative to its density.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// Range of the amplitude of white noise, as a scan's own noise would show in a lesion.
    pub grain: [f32; 2],
    /// Share of the blobs with thickened septa: thin curved sheets, a net of lines in a slice.
    pub reticular: f32,
    /// Range of the density of those sheets over that of the blob around.
    pub septa: [f32; 2],
    /// Range of the scale of their net, in mm.
    pub septa_scale_mm: [f32; 2],
}

/// The lesion generator's numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SynthConfig {
    /// Small ellipsoids.
    pub small: Ellipsoids,
    /// Medium ellipsoids.
    pub medium: Ellipsoids,
    /// The large ellipsoid.
    pub large: LargeEllipsoid,
    /// Elastic deformation.
    pub elastic: Elastic,
    /// Turn ellipsoids about all axes; else their axes are the grid's.
    pub rotate: bool,
    /// Ellipsoids that touch are one lesion, with one texture; else each has its own.
    pub merge: bool,
    /// Where ellipsoids lie.
    pub placement: Placement,
    /// Texture.
    pub texture: Texture,
    /// Beyond the paper: ground glass as a partial volume.
    pub blend: Blend,
    /// Beyond the paper: dense cores.
    pub consolidation: Consolidation,
    /// Beyond the paper: soft and frayed edges.
    pub edge: Edge,
    /// Beyond the paper: fine structure.
    pub detail: Detail,
    /// Beyond the paper: probability of a sample without any lesion.
    pub clean: f32,
}

impl Default for SynthConfig {
    fn default() -> Self {
        Self::paper()
    }
}

/// A range that the paper gives in voxels, in mm.
pub const fn voxels([low, high]: [f32; 2]) -> [f32; 2] {
    [low * PAPER_VOXEL_MM, high * PAPER_VOXEL_MM]
}

impl SynthConfig {
    /// The paper's generator, with reconstructions where its numbers are lost.
    pub fn paper() -> Self {
        Self {
            // Reconstructed: three sizes in ascending order of which the third starts at 32, and
            // the counts of the follow-up work's tumour generator.
            small: Ellipsoids {
                per_lambda: [5.0, 10.0],
                radius_mm: voxels([3.0, 10.0]),
            },
            // Reconstructed, as above.
            medium: Ellipsoids {
                per_lambda: [2.0, 5.0],
                radius_mm: voxels([10.0, 32.0]),
            },
            large: LargeEllipsoid {
                per_lambda: 0.2,
                radius_mm: voxels([32.0, 64.0]),
            },
            elastic: Elastic {
                // Reconstructed from the usage examples of the first author's deformation tool.
                alpha: [0.0, 1000.0],
                sigma: [10.0, 13.0],
                lobes: [0.0, 0.0],
                lobe_scale: 0.0,
            },
            rotate: true,
            merge: true,
            placement: Placement {
                sub_pleural: 0.0,
                lower: 0.0,
            },
            texture: Texture {
                salt: true,
                sigma_a_mm: voxels([2.0, 20.0]),
                density: [0.0, 0.3],
                contrast: 0.15,
                sigma_b_mm: voxels([1.0, 2.0]),
                sigma_b_wide_mm: voxels([2.0, 5.0]),
                wide: 0.3,
                brightness: [0.4, 0.8],
                bright: 0.2,
            },
            blend: Blend {
                share: 0.0,
                hu: [-750.0, -350.0],
            },
            consolidation: Consolidation {
                share: 0.0,
                fill: [0.0, 0.0],
                scale_mm: [3.0, 9.0],
                rim: [0.3, 2.0],
                hu: [-150.0, 60.0],
            },
            edge: Edge {
                softness_mm: [0.0, 0.0],
                of_radius: 0.35,
                fray: [0.0, 0.0],
            },
            detail: Detail {
                grain: [0.0, 0.0],
                reticular: 0.0,
                septa: [0.3, 1.5],
                septa_scale_mm: [2.5, 7.0],
            },
            clean: 0.0,
        }
    }

    /// The paper's generator with everything beyond it turned on; the shipped weights use it.
    pub fn best() -> Self {
        let paper = Self::paper();
        Self {
            large: LargeEllipsoid {
                per_lambda: 0.5,
                ..paper.large
            },
            elastic: Elastic {
                lobes: [0.1, 0.35],
                lobe_scale: 0.5,
                ..paper.elastic
            },
            placement: Placement {
                sub_pleural: 0.6,
                lower: 0.5,
            },
            blend: Blend {
                share: 0.6,
                ..paper.blend
            },
            consolidation: Consolidation {
                share: 0.25,
                fill: [0.1, 0.9],
                ..paper.consolidation
            },
            edge: Edge {
                softness_mm: [0.8, 6.0],
                fray: [0.0, 0.8],
                ..paper.edge
            },
            detail: Detail {
                grain: [0.0, 0.5],
                reticular: 0.4,
                ..paper.detail
            },
            clean: 0.3,
            ..paper
        }
    }
}
