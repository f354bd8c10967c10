//! Lesion shapes: warped, rotated ellipsoids and where they lie (NormNet, section on lesion shapes).

use std::f32::consts::TAU;

use rand::Rng;

use super::noise::{Field, Noise};
use super::{Block, Elastic, PAPER_VOXEL_MM, Placement, SynthConfig};
use crate::grid::{self, Dims};

/// One ellipsoid on the grid.
pub(super) struct Ellipsoid {
    /// Centre in mm from voxel (0, 0, 0).
    centre: [f32; 3],
    /// Semi-axes in mm.
    radii: [f32; 3],
    /// Columns are the ellipsoid's axes.
    rotation: [[f32; 3]; 3],
}

/// Where ellipsoids may go: the lungs of one sample.
pub(super) struct Site<'a> {
    lungs: &'a [u8],
    dims: Dims,
    spacing: [f32; 3],
    /// Lung voxels of each slice.
    counts: Vec<usize>,
    /// Column that separates the two lungs, roughly.
    midline: f32,
}

impl<'a> Site<'a> {
    /// `None` where there is no lung.
    pub(super) fn new(lungs: &'a [u8], dims: Dims, spacing: [f32; 3]) -> Option<Self> {
        let (low, high) = grid::bounding_box(lungs, dims)?;
        let counts = lungs
            .chunks_exact(dims[0] * dims[1])
            .map(|slice| slice.iter().filter(|&&v| v != 0).count())
            .collect();
        Some(Self {
            lungs,
            dims,
            spacing,
            counts,
            midline: 0.5 * (low[0] + high[0] - 1) as f32,
        })
    }

    /// A random centre (mm) for a blob of about `radius` mm.
    fn centre(&self, radius: f32, placement: &Placement, rng: &mut impl Rng) -> [f32; 3] {
        let k = self.slice(placement.lower, rng);
        let slice = &self.lungs[k * self.dims[0] * self.dims[1]..][..self.dims[0] * self.dims[1]];
        let nth = rng.random_range(0..self.counts[k].max(1));
        let at = slice
            .iter()
            .enumerate()
            .filter(|(_, v)| **v != 0)
            .nth(nth)
            .map_or(0, |(n, _)| n);
        let mut centre = [at % self.dims[0], at / self.dims[0], k].map(|v| v as f32);
        if super::chance(placement.sub_pleural, rng) {
            self.push_outwards(&mut centre, slice, radius, rng);
        }
        [0, 1, 2].map(|a| centre[a] * self.spacing[a])
    }

    /// Draws a slice in proportion to its lung area, tilted towards the feet by `lower`.
    fn slice(&self, lower: f32, rng: &mut impl Rng) -> usize {
        let last = (self.counts.len() - 1).max(1) as f32;
        let weight =
            |k: usize| self.counts[k] as f32 * (1.0 + lower * (1.0 - 2.0 * k as f32 / last));
        let total: f32 = (0..self.counts.len()).map(weight).sum();
        let mut left = rng.random::<f32>() * total;
        let mut chosen = 0;
        for k in 0..self.counts.len() {
            if self.counts[k] > 0 {
                chosen = k;
                left -= weight(k);
                if left < 0.0 {
                    break;
                }
            }
        }
        chosen
    }

    /// Moves a centre, within its slice, to the pleura behind or beside it.
    fn push_outwards(&self, centre: &mut [f32; 3], slice: &[u8], radius: f32, rng: &mut impl Rng) {
        // 0 points to the side, a quarter turn to the back; the mediastinum is left out.
        let angle = rng.random_range(-0.1f32..0.28) * TAU;
        let side = if centre[0] < self.midline { -1.0 } else { 1.0 };
        let direction = [side * angle.cos(), angle.sin()];
        let inside = |steps: f32| {
            let [x, y] = [0, 1].map(|a| (centre[a] + steps * direction[a]).round());
            x >= 0.0
                && y >= 0.0
                && (x as usize) < self.dims[0]
                && (y as usize) < self.dims[1]
                && slice[x as usize + self.dims[0] * y as usize] != 0
        };
        let mut steps = 0.0;
        while inside(steps + 1.0) {
            steps += 1.0;
        }
        // From a crescent along the pleura to a blob that only touches it.
        let back = rng.random_range(-0.3..1.0) * radius / self.spacing[0];
        let steps = (steps - back).max(0.0);
        for (c, d) in centre.iter_mut().zip(direction) {
            *c += steps * d;
        }
    }
}

/// Draws the ellipsoids of one sample: small and medium ones, and rarely a large one, all in
/// proportion to the share of lung `lambda`.
pub(super) fn draw(
    site: &Site<'_>,
    lambda: f32,
    config: &SynthConfig,
    rng: &mut impl Rng,
) -> Vec<Ellipsoid> {
    let mut out = Vec::new();
    let mut add = |count: usize, radius: [f32; 2], rng: &mut _| {
        for _ in 0..count {
            out.push(Ellipsoid::draw(site, radius, config, rng));
        }
    };
    for size in [&config.small, &config.medium] {
        let [low, high] = size
            .per_lambda
            .map(|n| (n * lambda).round().max(0.0) as usize);
        add(rng.random_range(low..=high.max(low)), size.radius_mm, rng);
    }
    if super::chance(config.large.per_lambda * lambda, rng) {
        add(1, config.large.radius_mm, rng);
    }
    out
}

impl Ellipsoid {
    fn draw(site: &Site<'_>, radius: [f32; 2], config: &SynthConfig, rng: &mut impl Rng) -> Self {
        let radii = [0; 3].map(|_| super::uniform(radius, rng));
        let mean = radii.iter().sum::<f32>() / 3.0;
        let centre = site.centre(mean, &config.placement, rng);
        // Drawn in any case, so that an ablation differs from the whole in nothing else.
        let turned = random_rotation(rng);
        Self {
            centre,
            radii,
            rotation: if config.rotate { turned } else { UPRIGHT },
        }
    }

    /// Sets the voxels of the warped ellipsoid in `mask`, lung or not.
    pub(super) fn paint(
        &self,
        mask: &mut [u8],
        dims: Dims,
        spacing: [f32; 3],
        elastic: &Elastic,
        rng: &mut impl Rng,
    ) {
        let warp = Warp::draw(elastic, self.radii.iter().sum::<f32>() / 3.0, rng);
        let reach = 3.0 * warp.amplitude;
        let half = [0, 1, 2].map(|a| {
            let row = self.rotation[a];
            (0..3)
                .map(|n| (row[n] * self.radii[n]).powi(2))
                .sum::<f32>()
                .sqrt()
                + reach
        });
        let Some(block) = Block::around(self.centre, half, spacing, dims) else {
            return;
        };
        let mut noise = Noise::new(rng);
        let fields = [0; 3].map(|_| Field::new(&block, spacing, warp.sigma, &mut noise));
        // Rows of the matrix that takes an offset in mm to the unit ball.
        let to_ball: [[f32; 3]; 3] =
            [0, 1, 2].map(|n| [0, 1, 2].map(|a| self.rotation[a][n] / self.radii[n]));

        let mut rows = [0; 3].map(|_| vec![0f32; block.dims[0]]);
        let mut scratch = Vec::new();
        for (j, k) in block.rows() {
            let (y, z) = (j as f32 * spacing[1], k as f32 * spacing[2]);
            let x0 = block.start[0] as f32 * spacing[0];
            for (field, row) in fields.iter().zip(&mut rows) {
                field.row(x0, spacing[0], y, z, &mut scratch, row);
            }
            let target = &mut mask[block.row_in(dims, j, k)];
            for (n, voxel) in target.iter_mut().enumerate() {
                let moved = |row: &[f32]| (warp.amplitude * row[n]).clamp(-reach, reach);
                let offset = [
                    x0 + n as f32 * spacing[0] + moved(&rows[0]) - self.centre[0],
                    y + moved(&rows[1]) - self.centre[1],
                    z + moved(&rows[2]) - self.centre[2],
                ];
                let square: f32 = to_ball
                    .iter()
                    .map(|m| (m[0] * offset[0] + m[1] * offset[1] + m[2] * offset[2]).powi(2))
                    .sum();
                if square <= 1.0 {
                    *voxel = 1;
                }
            }
        }
    }
}

/// Scale and strength of one elastic deformation, in mm.
struct Warp {
    sigma: f32,
    /// Standard deviation of the displacement along each axis.
    amplitude: f32,
}

impl Warp {
    fn draw(elastic: &Elastic, radius: f32, rng: &mut impl Rng) -> Self {
        let sigma = super::uniform(elastic.sigma, rng);
        let alpha = super::uniform(elastic.alpha, rng);
        let lobes = super::uniform(elastic.lobes, rng);
        if lobes > 0.0 {
            return Self {
                sigma: elastic.lobe_scale * radius,
                amplitude: lobes * radius,
            };
        }
        // Displacement = α · Gaussian_σ(U(−1, 1)) in voxels: U has deviation 1/√3, and a 3D
        // Gaussian keeps (2√π σ)^(−3/2) of the deviation of white noise.
        let kept = (2.0 * std::f32::consts::PI.sqrt() * sigma).powf(-1.5);
        Self {
            sigma: sigma * PAPER_VOXEL_MM,
            amplitude: alpha * kept / 3f32.sqrt() * PAPER_VOXEL_MM,
        }
    }
}

/// No rotation.
const UPRIGHT: [[f32; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// Rotation about x, then y, then z by angles uniform in [0, 2π).
fn random_rotation(rng: &mut impl Rng) -> [[f32; 3]; 3] {
    let [(sa, ca), (sb, cb), (sc, cc)] = [0; 3].map(|_| (rng.random::<f32>() * TAU).sin_cos());
    [
        [cb * cc, sa * sb * cc - ca * sc, ca * sb * cc + sa * sc],
        [cb * sc, sa * sb * sc + ca * cc, ca * sb * sc - sa * cc],
        [-sb, sa * cb, ca * cb],
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rand::{SeedableRng, rngs::StdRng};

    use super::super::noise::gain;
    use super::*;

    const UNIFORM: Placement = Placement {
        sub_pleural: 0.0,
        lower: 0.0,
    };

    fn counts(lambda: f32, seeds: u64) -> Vec<usize> {
        let (dims, lungs) = ([20, 20, 20], vec![1u8; 8000]);
        let site = Site::new(&lungs, dims, [1.0; 3]).unwrap();
        let config = SynthConfig::paper();
        (0..seeds)
            .map(|seed| draw(&site, lambda, &config, &mut StdRng::seed_from_u64(seed)).len())
            .collect()
    }

    #[test]
    fn lambda_scales_the_counts() {
        let (full, fifth) = (counts(1.0, 200), counts(0.2, 200));
        assert!(full.iter().all(|n| (7..=16).contains(n)));
        // 1 to 2 small, 0 to 1 medium, rarely a large one.
        assert!(fifth.iter().all(|n| (1..=4).contains(n)));
        let mean = |n: &[usize]| n.iter().sum::<usize>() as f32 / n.len() as f32;
        assert!((mean(&full) - 11.2).abs() < 0.6, "{}", mean(&full));
        assert!((mean(&fifth) - 2.04).abs() < 0.3, "{}", mean(&fifth));
        assert!(counts(0.0, 20).iter().all(|&n| n == 0));
    }

    #[test]
    fn rotations_are_rotations() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..20 {
            let m = random_rotation(&mut rng);
            for a in 0..3 {
                for b in 0..3 {
                    let dot: f32 = (0..3).map(|n| m[a][n] * m[b][n]).sum();
                    assert!((dot - f32::from(u8::from(a == b))).abs() < 1e-5);
                }
            }
        }
    }

    #[test]
    fn without_rotation_only_the_rotation_is_gone() {
        let (dims, lungs) = ([20, 20, 20], vec![1u8; 8000]);
        let site = Site::new(&lungs, dims, [1.0; 3]).unwrap();
        let all = |rotate: bool| {
            let config = SynthConfig {
                rotate,
                ..SynthConfig::paper()
            };
            draw(&site, 1.0, &config, &mut StdRng::seed_from_u64(8))
        };
        for (turned, upright) in all(true).iter().zip(&all(false)) {
            assert_eq!(
                (turned.centre, turned.radii),
                (upright.centre, upright.radii)
            );
            assert_eq!(upright.rotation, UPRIGHT);
            assert_ne!(turned.rotation, UPRIGHT);
        }
    }

    #[test]
    fn an_ellipsoid_has_its_volume_on_any_grid() {
        let rigid = Elastic {
            alpha: [0.0, 0.0],
            ..SynthConfig::paper().elastic
        };
        let mut rng = StdRng::seed_from_u64(2);
        let ellipsoid = Ellipsoid {
            centre: [50.0, 45.0, 60.0],
            radii: [12.0, 20.0, 30.0],
            rotation: random_rotation(&mut rng),
        };
        let want = 4.0 / 3.0 * std::f32::consts::PI * 12.0 * 20.0 * 30.0;
        for (dims, spacing) in [
            ([80, 80, 40], [1.25, 1.25, 3.0]),
            ([125, 125, 120], [0.8, 0.8, 1.0]),
        ] {
            let mut mask = vec![0u8; dims.iter().product()];
            ellipsoid.paint(&mut mask, dims, spacing, &rigid, &mut rng);
            let voxels = mask.iter().filter(|v| **v != 0).count() as f32;
            let volume = voxels * spacing.iter().product::<f32>();
            assert!((volume / want - 1.0).abs() < 0.02, "{volume} {want}");
        }
    }

    #[test]
    fn deformation_changes_the_shape_but_hardly_the_volume() {
        let elastic = Elastic {
            alpha: [1000.0, 1000.0],
            ..SynthConfig::paper().elastic
        };
        let (dims, spacing) = ([100, 100, 80], [0.8, 0.8, 1.0]);
        let ball = Ellipsoid {
            centre: [40.0; 3],
            radii: [20.0; 3],
            rotation: UPRIGHT,
        };
        let mut rng = StdRng::seed_from_u64(3);
        let (mut rigid, mut warped) = (vec![0u8; 800_000], vec![0u8; 800_000]);
        let none = Elastic {
            alpha: [0.0; 2],
            ..elastic.clone()
        };
        ball.paint(&mut rigid, dims, spacing, &none, &mut rng);
        ball.paint(&mut warped, dims, spacing, &elastic, &mut rng);
        let count = |m: &[u8]| m.iter().filter(|v| **v != 0).count() as f32;
        let moved = rigid.iter().zip(&warped).filter(|(a, b)| a != b).count() as f32;
        assert!((count(&warped) / count(&rigid) - 1.0).abs() < 0.25);
        assert!(moved > 0.05 * count(&rigid), "{moved}");
    }

    #[test]
    fn the_displacement_is_alpha_times_filtered_noise() {
        // A voxel-wise Gaussian of σ 11 along three axes, and noise of deviation 1/√3.
        let elastic = Elastic {
            alpha: [600.0, 600.0],
            sigma: [11.0, 11.0],
            ..SynthConfig::paper().elastic
        };
        let warp = Warp::draw(&elastic, 10.0, &mut StdRng::seed_from_u64(4));
        let want = 600.0 * gain(11.0).powi(3) / 3f32.sqrt() * PAPER_VOXEL_MM;
        assert!(
            (warp.amplitude / want - 1.0).abs() < 0.01,
            "{} {want}",
            warp.amplitude
        );
        assert!((warp.sigma - 8.8).abs() < 1e-5);
    }

    #[test]
    fn sub_pleural_centres_lie_at_the_wall() {
        let (dims, spacing) = ([60, 60, 10], [1.0, 1.0, 3.0]);
        let lungs = vec![1u8; 36_000];
        let site = Site::new(&lungs, dims, spacing).unwrap();
        let mut rng = StdRng::seed_from_u64(5);
        let mut near = |sub_pleural: f32| {
            let placement = Placement {
                sub_pleural,
                ..UNIFORM
            };
            let at_wall = |c: [f32; 3]| c[0] < 8.0 || c[0] > 51.0 || c[1] > 51.0 || c[1] < 8.0;
            (0..400)
                .filter(|_| at_wall(site.centre(6.0, &placement, &mut rng)))
                .count()
        };
        let (anywhere, pleural) = (near(0.0), near(1.0));
        assert!(pleural > 390, "{pleural}");
        assert!(anywhere < 260, "{anywhere}");
    }

    #[test]
    fn lower_slices_can_be_preferred() {
        let lungs = vec![1u8; 36_000];
        let site = Site::new(&lungs, [60, 60, 10], [1.0, 1.0, 3.0]).unwrap();
        let mut rng = StdRng::seed_from_u64(6);
        let mut lower_half = |lower: f32| {
            let placement = Placement { lower, ..UNIFORM };
            let draws = (0..1000).map(|_| site.centre(5.0, &placement, &mut rng)[2]);
            draws.filter(|z| *z < 15.0).count()
        };
        let (even, tilted) = (lower_half(0.0), lower_half(0.8));
        assert!((430..570).contains(&even), "{even}");
        assert!(tilted > 630, "{tilted}");
    }
}
