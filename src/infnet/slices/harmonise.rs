//! Bringing foreign 8-bit images to the grey levels that the network knows.
//!
//! An 8-bit image has lost its HU, and windows differ: lung and soft tissue lie at 45 and 211 in
//! the labelled slices, at 14 and 98 in the Coronacases volumes, and a network trained on one does
//! not see the other. Both tissues leave a peak in the histogram, and two points fix a line.
//!
//! The danger is a lung without a healthy part: its grey peak is disease, and mapping it to where
//! healthy lung belongs would wipe the lesion out. Two peaks imply a window in HU, and
//! no scanner or viewer has one that begins far below air; such an image is left as it is, as is
//! one whose peaks are not clear.

use super::{HU_PER_GREY, WINDOW_LOW_HU};

/// HU of the peak of healthy lung, and of soft tissue.
const LUNG_HU: f32 = -870.0;
const TISSUE_HU: f32 = 44.0;

/// Where the window of an image may begin, in HU, if its dark peak is healthy lung. The 50
/// labelled slices imply −1372 to −980 where lung is visible, and below −1600 where all of it is
/// diseased.
const WINDOW_LOW: std::ops::RangeInclusive<f32> = -1450.0..=-940.0;
/// How wide it may be, in HU.
const WINDOW_WIDTH: std::ops::RangeInclusive<f32> = 900.0..=4200.0;

/// Between two peaks the histogram must fall below this share of the lower one.
const VALLEY: f32 = 0.6;

/// Standard deviation of the histogram's smoothing, in grey levels, and its reach.
const SMOOTHING: f32 = 3.0;
const REACH: usize = 9;

/// Grey levels at both ends that hold what the window clipped, and say nothing.
const CLIPPED: usize = 2;

/// Pixels by grey level. Add up those of all slices of a patient for a steadier estimate.
pub fn histogram(pixels: &[u8]) -> [u64; 256] {
    let mut counts = [0; 256];
    for &v in pixels {
        counts[usize::from(v)] += 1;
    }
    counts
}

/// A linear map of grey levels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Harmonisation {
    scale: f32,
    offset: f32,
}

impl Harmonisation {
    /// Leaves everything as it is.
    pub const IDENTITY: Self = Self {
        scale: 1.0,
        offset: 0.0,
    };

    /// The map that takes the peaks of lung and soft tissue to 45 and 211, or the identity if
    /// the peaks are not clear or cannot be those of healthy lung and soft tissue.
    pub fn estimate(histogram: &[u64; 256]) -> Self {
        peaks(histogram).map_or(Self::IDENTITY, |[lung, tissue]| Self::between(lung, tissue))
    }

    /// The map that takes grey levels `lung` and `tissue` to where they belong.
    fn between(lung: f32, tissue: f32) -> Self {
        let [to_lung, to_tissue] =
            [LUNG_HU, TISSUE_HU].map(|hu| (hu - WINDOW_LOW_HU) / HU_PER_GREY);
        let scale = (to_tissue - to_lung) / (tissue - lung);
        Self {
            scale,
            offset: to_lung - lung * scale,
        }
    }

    /// The mapped grey level, clipped to 0..=255.
    pub fn apply(&self, v: u8) -> u8 {
        // `as` saturates at both ends.
        (f32::from(v) * self.scale + self.offset).round() as u8
    }
}

/// The grey levels of lung and soft tissue, if both are clear and plausible.
fn peaks(histogram: &[u64; 256]) -> Option<[f32; 2]> {
    let mut inner = [0u64; 256];
    let kept = CLIPPED..256 - CLIPPED;
    inner[kept.clone()].copy_from_slice(&histogram[kept.clone()]);
    let split = otsu(&inner)?;
    let smooth = smoothed(&inner);
    let lung = highest(&smooth, kept.start..split + 1)?;
    let tissue = highest(&smooth, split + 1..kept.end)?;

    let valley = smooth[lung..=tissue]
        .iter()
        .copied()
        .fold(f32::INFINITY, f32::min);
    let clear = valley < VALLEY * smooth[lung].min(smooth[tissue]);
    let hu_per_grey = (TISSUE_HU - LUNG_HU) / (tissue - lung) as f32;
    let window_low = LUNG_HU - lung as f32 * hu_per_grey;
    let plausible =
        WINDOW_LOW.contains(&window_low) && WINDOW_WIDTH.contains(&(255.0 * hu_per_grey));
    (clear && plausible).then_some([lung as f32, tissue as f32])
}

/// Otsu's threshold: the last grey level of the darker of the two classes whose means differ most
/// for their sizes. `None` if there are no two classes.
fn otsu(histogram: &[u64; 256]) -> Option<usize> {
    let total: u64 = histogram.iter().sum();
    let moment = |(v, &n): (usize, &u64)| v as f64 * n as f64;
    let all: f64 = histogram.iter().enumerate().map(moment).sum();
    let (mut below, mut below_moment) = (0u64, 0.0);
    let mut best = None;
    let mut best_variance = 0.0;
    for (v, n) in histogram.iter().enumerate() {
        below += n;
        below_moment += moment((v, n));
        let above = total - below;
        if below == 0 || above == 0 {
            continue;
        }
        let difference = below_moment / below as f64 - (all - below_moment) / above as f64;
        let variance = below as f64 * above as f64 * difference * difference;
        if variance > best_variance {
            best_variance = variance;
            best = Some(v);
        }
    }
    best
}

/// The histogram under a Gaussian, nothing beyond its ends.
fn smoothed(histogram: &[u64; 256]) -> [f32; 256] {
    let weight = |d: usize| (-0.5 * (d as f32 / SMOOTHING).powi(2)).exp();
    let mut smooth = [0.0; 256];
    for (v, out) in smooth.iter_mut().enumerate() {
        let near = v.saturating_sub(REACH)..=(v + REACH).min(255);
        *out = near
            .map(|u| histogram[u] as f32 * weight(u.abs_diff(v)))
            .sum();
    }
    smooth
}

/// The grey level of the highest value in a range.
fn highest(smooth: &[f32; 256], range: std::ops::Range<usize>) -> Option<usize> {
    range.max_by(|&a, &b| smooth[a].total_cmp(&smooth[b]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two bells of tissue in a noise floor, as (grey level, deviation, pixels).
    fn bells(bells: [(f32, f32, f32); 2]) -> [u64; 256] {
        let mut counts = [3u64; 256];
        for (v, count) in counts.iter_mut().enumerate() {
            for (at, deviation, pixels) in bells {
                let z = (v as f32 - at) / deviation;
                *count += (pixels / deviation * (-0.5 * z * z).exp()) as u64;
            }
        }
        counts
    }

    #[test]
    fn known_windows_reach_the_labelled_grey_levels() {
        // Coronacases, radiopaedia, the labelled slices themselves, window 1500/−600.
        for [lung, tissue] in [[14.0, 98.0], [48.0, 222.0], [45.0, 211.0], [82.0, 236.0]] {
            let counts = bells([(lung, 5.0, 5e4), (tissue, 6.0, 4e4)]);
            let map = Harmonisation::estimate(&counts);
            let reached = [lung, tissue].map(|v| map.apply(v as u8));
            assert!(reached[0].abs_diff(45) <= 2, "{lung}: {reached:?}");
            assert!(reached[1].abs_diff(211) <= 2, "{tissue}: {reached:?}");
        }
    }

    #[test]
    fn a_lung_that_is_all_grey_is_not_darkened() {
        let diseased = bells([(114.0, 8.0, 3e4), (226.0, 6.0, 4e4)]);
        assert_eq!(Harmonisation::estimate(&diseased), Harmonisation::IDENTITY);
    }

    #[test]
    fn unclear_histograms_are_left_alone() {
        let one = bells([(200.0, 6.0, 4e4), (200.0, 6.0, 1.0)]);
        let blurred = bells([(90.0, 60.0, 4e4), (150.0, 60.0, 4e4)]);
        let mut constant = [0; 256];
        constant[128] = 1000;
        let mut clipped = [0; 256];
        (clipped[0], clipped[255]) = (500, 500);
        for counts in [one, blurred, constant, clipped, [0; 256], [7; 256]] {
            assert_eq!(Harmonisation::estimate(&counts), Harmonisation::IDENTITY);
        }
    }

    #[test]
    fn clipped_pixels_do_not_count() {
        let mut counts = bells([(14.0, 5.0, 5e4), (98.0, 6.0, 4e4)]);
        let before = Harmonisation::estimate(&counts);
        counts[0] += 1_000_000;
        counts[255] += 1_000_000;
        assert_eq!(Harmonisation::estimate(&counts), before);
    }

    #[test]
    fn maps_saturate() {
        let map = Harmonisation::between(14.0, 98.0);
        assert_eq!((map.apply(14), map.apply(98)), (45, 211));
        assert_eq!((map.apply(0), map.apply(255)), (17, 255));
        let narrow = Harmonisation::between(60.0, 200.0);
        assert_eq!(narrow.apply(0), 0);
        assert_eq!(Harmonisation::IDENTITY.apply(77), 77);
        assert_eq!(histogram(&[3, 3, 255])[3], 2);
    }
}
