//! A sheet of slices with synthetic lesions: each slice twice, as it is and with the outlines.

use super::frame::{Frame, FrameConfig, FrameError};
use super::synth::{self, SynthConfig};
use crate::grid;
use crate::training::step_rng;
use crate::volume::{Volume, resample_mean};
use image::{Rgb, RgbImage};

/// What to draw.
#[derive(Clone, Debug)]
pub struct SheetConfig {
    /// Rows of slices.
    pub rows: usize,
    /// Slices in a row.
    pub columns: usize,
    /// Seed of the lesions.
    pub seed: u64,
    /// The grid that lesions are pasted in on, a pixel a voxel.
    pub frame: FrameConfig,
    /// The lesions. No slab is left without.
    pub synth: SynthConfig,
}

/// The window of lung images: black and white in HU.
const WINDOW: [f32; 2] = [-1350.0, 150.0];
/// What is shown around the lungs, mm.
const MARGIN_MM: f64 = 12.0;
/// Between two slices, and twice of it between two of different lesions, pixels.
const GAP: usize = 3;
/// Colour of the outlines: orange, which people who are colour-blind tell from grey.
const OUTLINE: Rgb<u8> = Rgb([230, 159, 0]);

/// Draws slices of a scan from its lowest to its highest, each out of a slab with lesions of its
/// own, of which it is the slice with most.
///
/// `hu` and `lungs` (nonzero = lung) are on one grid with LPS axes.
///
/// # Errors
/// If there are no lungs, or the volumes are not on one grid.
pub fn sheet(
    hu: &Volume<i16>,
    lungs: &Volume<u8>,
    config: &SheetConfig,
) -> Result<RgbImage, FrameError> {
    let frame = Frame::new(lungs, &config.frame)?;
    let h = frame.intensity(hu, lungs)?;
    let mask = frame.lungs(lungs)?;
    let hu = resample_mean(hu, frame.dims(), &frame.affine()).data;
    let (dims, depth, plane) = (frame.dims(), frame.depth(), frame.plane());
    let synth = SynthConfig {
        clean: 0.0,
        ..config.synth.clone()
    };
    let (low, high) = grid::bounding_box(&mask, dims).ok_or(FrameError::NoLungs)?;
    let margin = (MARGIN_MM / config.frame.spacing[0]).round() as usize;
    let low = [0, 1].map(|a| low[a].saturating_sub(margin));
    let high = [0, 1].map(|a| (high[a] + margin).min(dims[a]));
    let size = [0, 1].map(|a| high[a] - low[a]);

    let (pair, tall) = (2 * size[0] + GAP, size[1]);
    let width = config.columns * (pair + 2 * GAP);
    let height = config.rows * (tall + 2 * GAP);
    let mut picture = RgbImage::new(width as u32, height as u32);
    let count = config.rows * config.columns;
    for cell in 0..count {
        let start = (dims[2] - depth) * cell / (count - 1).max(1);
        let range = start * plane..(start + depth) * plane;
        let mut rng = step_rng(config.seed, cell);
        let (h, mask, hu) = (&h[range.clone()], &mask[range.clone()], &hu[range]);
        let slab = [dims[0], dims[1], depth];
        let out = synth::lesions(h, mask, slab, config.frame.spacing, 1.0, &synth, &mut rng);
        let lesion = |k: &usize| {
            let slice = &out.blobs[k * plane..(k + 1) * plane];
            slice.iter().filter(|v| **v != 0).count()
        };
        let at = (0..depth).max_by_key(lesion).unwrap_or(0) * plane;
        let corner = [
            (cell % config.columns) * (pair + 2 * GAP) + GAP,
            (cell / config.columns) * (tall + 2 * GAP) + GAP,
        ];
        for y in 0..size[1] {
            for x in 0..size[0] {
                let voxel = low[0] + x + dims[0] * (low[1] + y);
                let n = at + voxel;
                let grey = grey(pasted(hu[n], h[n], out.image[n]));
                let edge = outlined(&out.blobs[at..at + plane], dims[0], voxel);
                let mut put = |x: usize, colour| {
                    picture.put_pixel((corner[0] + x) as u32, (corner[1] + y) as u32, colour);
                };
                put(x, grey);
                put(size[0] + GAP + x, if edge { OUTLINE } else { grey });
            }
        }
    }
    Ok(picture)
}

/// HU of a voxel whose intensity rose from `h` to `a`. Intensities end at −800 and 100 HU: what
/// was darker rises by the same share of its way to 100, so that no step shows where a lesion ends.
fn pasted(hu: f32, h: f32, a: f32) -> f32 {
    const HIGHEST: f32 = 100.0;
    if a <= h || h >= 1.0 {
        return hu;
    }
    hu + (a - h) / (1.0 - h) * (HIGHEST - hu)
}

fn grey(hu: f32) -> Rgb<u8> {
    let [black, white] = WINDOW;
    Rgb([((hu - black) / (white - black) * 255.0).round() as u8; 3])
}

/// Whether a voxel of a slice is the mask's and has a neighbour that is not.
fn outlined(mask: &[u8], width: usize, at: usize) -> bool {
    let neighbours = [
        at.checked_sub(1),
        Some(at + 1),
        at.checked_sub(width),
        Some(at + width),
    ];
    let outside = |n: Option<usize>| n.and_then(|n| mask.get(n)).is_none_or(|&v| v == 0);
    mask[at] != 0 && neighbours.into_iter().any(outside)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::volume::Affine;

    fn scan() -> (Volume<i16>, Volume<u8>) {
        let affine = Affine::from_spacing([1.25, 1.25, 3.0]);
        let mut lungs = Volume::filled(0u8, [100, 80, 50], affine);
        let mut hu = Volume::filled(40i16, [100, 80, 50], affine);
        for at in 0..hu.len() {
            let [i, j] = [at % 100, at / 100 % 80];
            if (20..80).contains(&i) && (20..60).contains(&j) {
                (hu.data[at], lungs.data[at]) = (-870, 1);
            }
        }
        (hu, lungs)
    }

    fn config(seed: u64) -> SheetConfig {
        SheetConfig {
            rows: 2,
            columns: 1,
            seed,
            frame: FrameConfig::web(),
            synth: SynthConfig::best(),
        }
    }

    #[test]
    fn both_halves_show_one_slice_and_only_the_right_one_outlines() {
        let (hu, lungs) = scan();
        let picture = sheet(&hu, &lungs, &config(1)).unwrap();
        let margin = 10;
        let (pair, tall) = (2 * (60 + 2 * margin) + 3, 40 + 2 * margin);
        assert_eq!(picture.dimensions(), (pair + 6, 2 * (tall + 6)));
        let (mut outline, mut lesion) = (0, 0);
        for y in 3..3 + tall {
            for x in 3..3 + 60 + 2 * margin {
                let left = *picture.get_pixel(x, y);
                let right = *picture.get_pixel(x + 60 + 2 * margin + 3, y);
                assert_ne!(left, OUTLINE);
                if right == OUTLINE {
                    outline += 1;
                    // Only lung gets lesions.
                    assert!((3 + margin..3 + margin + 60).contains(&x));
                } else {
                    assert_eq!(left, right);
                }
                lesion += usize::from(left != grey(-870.0) && left != grey(40.0));
            }
        }
        assert!(outline > 10 && lesion > outline, "{outline} {lesion}");
        assert_ne!(picture, sheet(&hu, &lungs, &config(2)).unwrap());
        assert_eq!(picture, sheet(&hu, &lungs, &config(1)).unwrap());
    }

    #[test]
    fn dark_lung_rises_without_a_step() {
        assert_eq!(pasted(-870.0, 0.0, 0.0), -870.0);
        assert!(pasted(-870.0, 0.0, 0.001) < -868.0);
        assert_eq!(pasted(-870.0, 0.0, 1.0), 100.0);
        // Inside the network's range the intensity says it exactly.
        assert!((pasted(-350.0, 0.5, 0.75) + 125.0).abs() < 1e-3);
        assert_eq!(pasted(600.0, 1.0, 1.0), 600.0);
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let (hu, lungs) = scan();
        let empty = Volume::filled(0u8, lungs.dims, lungs.affine);
        assert!(matches!(
            sheet(&hu, &empty, &config(1)),
            Err(FrameError::NoLungs)
        ));
        let other = hu.crop([0; 3], [50, 50, 50]).unwrap();
        assert!(matches!(
            sheet(&other, &lungs, &config(1)),
            Err(FrameError::OtherScan { .. })
        ));
    }
}
