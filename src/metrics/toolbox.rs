//! The measures of Inf-Net's evaluation toolbox (Fan et al. 2020, section IV-B), to the letter.
//!
//! An 8-bit map is stretched to its own full range and cut at the 256 thresholds
//! t = (255 − i)/255; Dice, sensitivity, specificity and E-measure are taken at each and then
//! averaged, S-measure and MAE are taken on the stretched map. The stretching gives a map
//! without any lesion its full range too: these numbers compare methods on the papers' test
//! set, and are no way to read a scan.
//!
//! Two of the toolbox's rules surprise, and are kept: where nothing is hit (tp = 0) Dice,
//! sensitivity and also specificity are 0, even if the truth is empty; and the threshold 0,
//! where everything is lesion, counts like any other.
//!
//! The toolbox makes 256 passes over the image. Here the map's grey levels are counted once,
//! apart for lesion and background; every threshold's four counts follow from cumulated
//! histograms, and the E-measure from the counts, as map and truth are binary and only four
//! values occur. Sums are of integers, so thresholds on a grey level never flip by rounding.

use serde::{Deserialize, Serialize};

use super::{Confusion, mean};
use crate::plane::Plane;

/// Thresholds per map, one a grey level.
pub const THRESHOLDS: usize = 256;

/// A truth pixel brighter than this is lesion.
pub const TRUTH_ABOVE: u8 = 128;

/// MATLAB's `eps`.
const EPS: f64 = f64::EPSILON;

/// Weight of the object term in the S-measure.
const ALPHA: f64 = 0.5;

/// The measures of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageMeasures {
    /// Dice at threshold (255 − i)/255, for i = 0..256.
    pub dice: Vec<f64>,
    /// Sensitivity at each threshold.
    pub sen: Vec<f64>,
    /// Specificity at each threshold.
    pub spec: Vec<f64>,
    /// E-measure at each threshold.
    pub e: Vec<f64>,
    /// S-measure.
    pub s: f64,
    /// Mean absolute error.
    pub mae: f64,
}

/// What the papers' tables list: averages over images, and over thresholds where there are any.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Images measured.
    pub images: usize,
    /// Dice, averaged over thresholds.
    pub mean_dice: f64,
    /// Dice at the best threshold for all images together.
    pub max_dice: f64,
    /// Sensitivity, averaged over thresholds.
    pub mean_sen: f64,
    /// Specificity, averaged over thresholds.
    pub mean_spec: f64,
    /// S-measure with α = 0.5.
    pub s: f64,
    /// E-measure, averaged over thresholds.
    pub mean_e: f64,
    /// Mean absolute error.
    pub mae: f64,
}

impl Summary {
    /// Averages over images first and over thresholds second; `None` for no images.
    pub fn of(images: &[ImageMeasures]) -> Option<Self> {
        let curve = |f: fn(&ImageMeasures) -> &[f64]| -> Vec<f64> {
            (0..THRESHOLDS)
                .filter_map(|i| mean(images.iter().filter_map(|m| f(m).get(i).copied())))
                .collect()
        };
        let dice = curve(|m| &m.dice);
        let over = |curve: Vec<f64>| mean(curve.into_iter());
        Some(Self {
            images: images.len(),
            max_dice: dice.iter().copied().fold(0.0, f64::max),
            mean_dice: over(dice)?,
            mean_sen: over(curve(|m| &m.sen))?,
            mean_spec: over(curve(|m| &m.spec))?,
            s: mean(images.iter().map(|m| m.s))?,
            mean_e: over(curve(|m| &m.e))?,
            mae: mean(images.iter().map(|m| m.mae))?,
        })
    }
}

/// The 8-bit map that the published test script writes: the probabilities stretched to
/// 0..=255 by their own minimum and maximum. A constant map is written as 0.
pub fn to_map(probability: &Plane<f32>) -> Plane<u8> {
    let values = || probability.data().iter().copied();
    let (low, high) = values().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    let range = high - low;
    probability.map(|v| {
        if range > 0.0 {
            ((v - low) / range * 255.0 + 0.5) as u8
        } else {
            0
        }
    })
}

/// Measures one 8-bit map against its truth, of which pixels above 128 are lesion.
///
/// A map of another size is first resized to the truth's, bicubic as MATLAB does it.
pub fn measure(map: &Plane<u8>, truth: &Plane<u8>) -> ImageMeasures {
    let resized;
    let map = if map.size() == truth.size() {
        map
    } else {
        resized = map.resize_bicubic_matlab(truth.size());
        &resized
    };
    let levels = Levels::of(map);
    let lesion = truth.map(|v| v > TRUTH_ABOVE);
    let histograms = Histograms::of(map, &lesion);

    let mut dice = Vec::with_capacity(THRESHOLDS);
    let (mut sen, mut spec, mut e) = (dice.clone(), dice.clone(), dice.clone());
    for counts in histograms.per_threshold(&levels) {
        let hit = counts.tp > 0;
        dice.push(if hit { counts.dsc() } else { 0.0 });
        sen.push(counts.sen().filter(|_| hit).unwrap_or(0.0));
        // With something hit and no background at all MATLAB has 0/0; nothing is false then.
        spec.push(if hit {
            counts.spc().unwrap_or(1.0)
        } else {
            0.0
        });
        e.push(e_measure(&counts));
    }
    ImageMeasures {
        dice,
        sen,
        spec,
        e,
        s: s_measure(map, &lesion, &levels, &histograms),
        mae: histograms.mae(&levels),
    }
}

/// How the map's grey levels are stretched to its full range.
struct Levels {
    low: u8,
    /// Grey levels from the map's minimum to its maximum, at least 1.
    range: u8,
}

impl Levels {
    fn of(map: &Plane<u8>) -> Self {
        let values = || map.data().iter().copied();
        let (low, high) = values().fold((u8::MAX, 0), |(low, high), v| (low.min(v), high.max(v)));
        if low < high {
            Self {
                low,
                range: high - low,
            }
        } else {
            // MATLAB's `mapminmax` leaves a constant alone.
            Self { low: 0, range: 255 }
        }
    }

    /// Stretched grey level, in units of 1/`range`.
    fn steps(&self, v: u8) -> u8 {
        v - self.low
    }

    /// The highest threshold, in units of 1/255, that a grey level still reaches.
    fn reaches(&self, v: u8) -> usize {
        usize::from(self.steps(v)) * 255 / usize::from(self.range)
    }
}

/// Pixels by grey level of the map, apart for lesion and background.
struct Histograms {
    lesion: [u64; 256],
    background: [u64; 256],
}

impl Histograms {
    fn of(map: &Plane<u8>, lesion: &Plane<bool>) -> Self {
        let mut counts = [[0u64; 256]; 2];
        for (&v, &g) in map.data().iter().zip(lesion.data()) {
            counts[usize::from(g)][usize::from(v)] += 1;
        }
        let [background, lesion] = counts;
        Self { lesion, background }
    }

    /// Counts at the thresholds 255/255, 254/255, … 0.
    fn per_threshold(&self, levels: &Levels) -> Vec<Confusion> {
        let mut reached = [Confusion::default(); THRESHOLDS];
        let grey = (0..=u8::MAX).zip(self.lesion.iter().zip(&self.background));
        for (v, (&lesion, &background)) in grey.filter(|(_, (l, b))| **l + **b > 0) {
            let at = &mut reached[levels.reaches(v)];
            at.tp += lesion;
            at.fp += background;
        }
        let (positives, negatives) = (self.lesion.iter().sum(), self.background.iter().sum());
        let mut counts = Confusion {
            fn_: positives,
            tn: negatives,
            ..Confusion::default()
        };
        let step = |at: &Confusion| {
            counts = Confusion {
                tp: counts.tp + at.tp,
                fp: counts.fp + at.fp,
                fn_: counts.fn_ - at.tp,
                tn: counts.tn - at.fp,
            };
            counts
        };
        reached.iter().rev().map(step).collect()
    }

    /// Mean |truth − stretched map|.
    fn mae(&self, levels: &Levels) -> f64 {
        let background = Moments::of(&self.background, levels);
        let lesion = Moments::of(&self.lesion, levels);
        let missing = lesion.n * u64::from(levels.range) - lesion.sum;
        (background.sum + missing) as f64
            / ((background.n + lesion.n) as f64 * f64::from(levels.range))
    }
}

/// E-measure of a binary map (Fan et al. 2018, enhanced alignment).
fn e_measure(c: &Confusion) -> f64 {
    let n = (c.tp + c.fp + c.fn_ + c.tn) as f64;
    let sum = if c.tp + c.fn_ == 0 {
        c.tn as f64
    } else if c.tn + c.fp == 0 {
        c.tp as f64
    } else {
        let mean_b = (c.tp + c.fp) as f64 / n;
        let mean_g = (c.tp + c.fn_) as f64 / n;
        let aligned = |b: f64, g: f64| {
            let (b, g) = (b - mean_b, g - mean_g);
            let xi = 2.0 * b * g / (b * b + g * g + EPS);
            (1.0 + xi) * (1.0 + xi) / 4.0
        };
        c.tp as f64 * aligned(1.0, 1.0)
            + c.fp as f64 * aligned(1.0, 0.0)
            + c.fn_ as f64 * aligned(0.0, 1.0)
            + c.tn as f64 * aligned(0.0, 0.0)
    };
    sum / (n - 1.0 + EPS)
}

/// Count, sum and sum of squares of stretched grey levels, in units of 1/range: exact.
#[derive(Clone, Copy, Default)]
struct Moments {
    n: u64,
    sum: u64,
    squares: u64,
}

impl Moments {
    fn of(histogram: &[u64; 256], levels: &Levels) -> Self {
        let mut m = Self::default();
        for (v, &n) in (0..=u8::MAX).zip(histogram).filter(|(_, n)| **n > 0) {
            let u = u64::from(levels.steps(v));
            m.n += n;
            m.sum += n * u;
            m.squares += n * u * u;
        }
        m
    }

    /// Σ(v − mean)² in units of 1/range².
    fn spread(&self) -> f64 {
        scatter(self.n, self.squares, self.sum, self.sum)
    }
}

/// Σ(x − mean x)(y − mean y) of `n` pairs from Σxy, Σx and Σy. The difference is taken in
/// integers, so what does not vary gives 0 and not a rounding error.
fn scatter(n: u64, xy: u64, x: u64, y: u64) -> f64 {
    if n == 0 {
        return 0.0;
    }
    let difference = i128::from(n) * i128::from(xy) - i128::from(x) * i128::from(y);
    difference as f64 / n as f64
}

/// S-measure (Fan et al. 2017, structure measure) of the stretched map.
fn s_measure(
    map: &Plane<u8>,
    lesion: &Plane<bool>,
    levels: &Levels,
    histograms: &Histograms,
) -> f64 {
    let inside = Moments::of(&histograms.lesion, levels);
    let outside = Moments::of(&histograms.background, levels);
    let range = f64::from(levels.range);
    let mean_p = (inside.sum + outside.sum) as f64 / (range * (inside.n + outside.n) as f64);
    if inside.n == 0 {
        return 1.0 - mean_p;
    }
    if outside.n == 0 {
        return mean_p;
    }
    let s_o = object_term(&inside, &outside, range);
    let s_r = region_term(map, lesion, levels);
    (ALPHA * s_o + (1.0 - ALPHA) * s_r).max(0.0)
}

/// S_o: how evenly bright the lesion is, and how evenly dark the background.
fn object_term(inside: &Moments, outside: &Moments, range: f64) -> f64 {
    let score = |mean: f64, m: &Moments| {
        let sd = if m.n > 1 {
            (m.spread() / (m.n - 1) as f64).sqrt() / range
        } else {
            0.0
        };
        2.0 * mean / (mean * mean + 1.0 + sd + EPS)
    };
    let mean = |m: &Moments| m.sum as f64 / (m.n as f64 * range);
    let u = inside.n as f64 / (inside.n + outside.n) as f64;
    u * score(mean(inside), inside) + (1.0 - u) * score(1.0 - mean(outside), outside)
}

/// Joint sums of one block of map (u, in units of 1/range) and truth (g, 0 or 1).
#[derive(Clone, Copy, Default)]
struct Block {
    map: Moments,
    g: u64,
    ug: u64,
}

/// S_r: structural similarity of the four blocks around the truth's centroid, by area.
fn region_term(map: &Plane<u8>, lesion: &Plane<bool>, levels: &Levels) -> f64 {
    let [split_x, split_y] = centroid(lesion);
    let width = map.width();
    let mut blocks = [Block::default(); 4];
    let rows = map
        .data()
        .chunks_exact(width)
        .zip(lesion.data().chunks_exact(width));
    for (y, (map_row, lesion_row)) in rows.enumerate() {
        for (x, (&v, &g)) in map_row.iter().zip(lesion_row).enumerate() {
            let u = u64::from(levels.steps(v));
            let block = &mut blocks[usize::from(y >= split_y) * 2 + usize::from(x >= split_x)];
            block.map.n += 1;
            block.map.sum += u;
            block.map.squares += u * u;
            block.g += u64::from(g);
            block.ug += u * u64::from(g);
        }
    }
    let area = map.data().len() as f64;
    let occupied = blocks.iter().filter(|b| b.map.n > 0);
    occupied
        .map(|b| b.map.n as f64 / area * block_score(b, f64::from(levels.range)))
        .sum()
}

/// Columns and rows before the split: the 1-based mean column and row, rounded half up.
fn centroid(lesion: &Plane<bool>) -> [usize; 2] {
    let (mut n, mut sum_x, mut sum_y) = (0usize, 0usize, 0usize);
    for (i, _) in lesion.data().iter().enumerate().filter(|(_, g)| **g) {
        n += 1;
        sum_x += i % lesion.width() + 1;
        sum_y += i / lesion.width() + 1;
    }
    let rounded = |sum: usize| (2 * sum + n).checked_div(2 * n).unwrap_or(0);
    [rounded(sum_x), rounded(sum_y)]
}

fn block_score(block: &Block, range: f64) -> f64 {
    let n = block.map.n as f64;
    let x = block.map.sum as f64 / (n * range);
    let y = block.g as f64 / n;
    let by = n - 1.0 + EPS;
    let var_x = block.map.spread() / (range * range) / by;
    let var_y = scatter(block.map.n, block.g, block.g, block.g) / by;
    let covariance = scatter(block.map.n, block.ug, block.map.sum, block.g) / range / by;
    let a = 4.0 * x * y * covariance;
    let b = (x * x + y * y) * (var_x + var_y);
    if a != 0.0 {
        a / (b + EPS)
    } else if b == 0.0 {
        1.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SIZE: [usize; 2] = [16, 12];

    /// The map of SPEC C.2: a Gaussian bump beside an ellipse of 35 pixels.
    fn golden_map() -> Plane<u8> {
        let raw: Vec<f32> = pixels()
            .map(|(x, y)| (-((y - 6.0).powi(2) / 14.0 + (x - 7.0).powi(2) / 20.0)).exp() as f32)
            .collect();
        to_map(&Plane::new(raw, SIZE).unwrap())
    }

    fn golden_truth() -> Plane<u8> {
        let inside = |x: f64, y: f64| (y - 5.0).powi(2) / 9.0 + (x - 6.0).powi(2) / 16.0 <= 1.0;
        let data = pixels().map(|(x, y)| if inside(x, y) { 255 } else { 0 });
        Plane::new(data.collect(), SIZE).unwrap()
    }

    fn pixels() -> impl Iterator<Item = (f64, f64)> {
        (0..SIZE[1]).flat_map(|y| (0..SIZE[0]).map(move |x| (x as f64, y as f64)))
    }

    /// The golden values have six decimals.
    fn assert_close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }

    #[test]
    fn golden_values() {
        let (map, truth) = (golden_map(), golden_truth());
        assert_eq!(truth.data().iter().filter(|&&v| v > 0).count(), 35);
        let measures = measure(&map, &truth);
        let levels = Levels::of(&map);
        let lesion = truth.map(|v| v > TRUTH_ABOVE);
        let h = Histograms::of(&map, &lesion);
        let inside = Moments::of(&h.lesion, &levels);
        let outside = Moments::of(&h.background, &levels);
        assert_close(object_term(&inside, &outside, 255.0), 0.876954);
        assert_close(region_term(&map, &lesion, &levels), 0.606420);

        let summary = Summary::of(&[measures]).unwrap();
        assert_close(summary.s, 0.741687);
        assert_close(summary.mean_dice, 0.544256);
        assert_close(summary.max_dice, 0.750000);
        assert_close(summary.mean_sen, 0.666741);
        assert_close(summary.mean_spec, 0.825338);
        assert_close(summary.mean_e, 0.637233);
        assert_close(summary.mae, 0.201164);
    }

    #[test]
    fn golden_values_without_lesion() {
        let summary = Summary::of(&[measure(&golden_map(), &Plane::filled(0, SIZE))]).unwrap();
        assert_close(summary.s, 0.738521);
        assert_close(summary.mean_e, 0.739488);
        assert_close(summary.mae, 0.261479);
        assert_eq!((summary.mean_dice, summary.max_dice), (0.0, 0.0));
        assert_eq!((summary.mean_sen, summary.mean_spec), (0.0, 0.0));
    }

    /// Every threshold of the golden case, pixel by pixel as the toolbox does it.
    #[test]
    fn histograms_agree_with_256_passes() {
        let (map, truth) = (golden_map(), golden_truth());
        let measures = measure(&map, &truth);
        let g: Vec<f64> = truth
            .data()
            .iter()
            .map(|&v| f64::from(u8::from(v > 128)))
            .collect();
        let n = g.len() as f64;
        for i in 0..THRESHOLDS {
            let t = (255 - i) as f64 / 255.0;
            let above = |&v: &u8| f64::from(u8::from(f64::from(v) / 255.0 >= t));
            let b: Vec<f64> = map.data().iter().map(above).collect();
            let tp: f64 = b.iter().zip(&g).map(|(b, g)| b * g).sum();
            let (area_b, area_g) = (b.iter().sum::<f64>(), g.iter().sum::<f64>());
            assert_close(measures.dice[i], 2.0 * tp / (area_b + area_g));
            let aligned = |(b, g): (&f64, &f64)| {
                let (b, g) = (b - area_b / n, g - area_g / n);
                (1.0 + 2.0 * b * g / (b * b + g * g + EPS)).powi(2) / 4.0
            };
            let e = b.iter().zip(&g).map(aligned).sum::<f64>() / (n - 1.0 + EPS);
            assert_close(measures.e[i], e);
        }
    }

    #[test]
    fn stretching_makes_contrast_irrelevant() {
        let truth = golden_truth();
        let full = Plane::new((0..192).map(|i| (i % 4) * 85).collect(), SIZE).unwrap();
        let pale = full.map(|v| 100 + v / 85);
        assert_eq!(measure(&full, &truth), measure(&pale, &truth));
    }

    #[test]
    fn constant_maps_are_left_alone() {
        let truth = golden_truth();
        let grey = measure(&Plane::filled(51, SIZE), &truth);
        // 51/255 = 0.2: nothing above the threshold 0.2, everything from there.
        assert_eq!(grey.dice[203], 0.0);
        assert!(grey.dice[204] > 0.0);
        assert_close(grey.mae, (35.0 * 0.8 + 157.0 * 0.2) / 192.0);
        assert_eq!(to_map(&Plane::filled(0.7, SIZE)), Plane::filled(0, SIZE));
    }

    #[test]
    fn full_truth_and_a_single_pixel() {
        let full = measure(&golden_map(), &Plane::filled(255, SIZE));
        assert_close(full.s, 1.0 - full.mae);
        assert!(full.spec.iter().chain(&full.e).all(|v| v.is_finite()));
        let mut corner = Plane::filled(0u8, SIZE);
        corner.data_mut()[191] = 255;
        assert!(measure(&golden_map(), &corner).s.is_finite());
    }

    #[test]
    fn other_sizes_are_resized_to_the_truth() {
        let (map, truth) = (golden_map(), golden_truth());
        let twice = map.resize_bicubic_matlab([32, 24]);
        let there_and_back = measure(&twice, &truth);
        assert!((there_and_back.s - measure(&map, &truth).s).abs() < 0.01);
        assert_eq!(
            there_and_back,
            measure(&twice.resize_bicubic_matlab(SIZE), &truth)
        );
    }

    #[test]
    fn summary_averages_images_before_it_takes_the_maximum() {
        let truth = golden_truth();
        let exact = measure(&truth, &truth);
        let shifted = measure(&golden_map(), &truth);
        let both = Summary::of(&[exact.clone(), shifted.clone()]).unwrap();
        let best = (0..THRESHOLDS)
            .map(|i| (exact.dice[i] + shifted.dice[i]) / 2.0)
            .fold(0.0, f64::max);
        assert_close(both.max_dice, best);
        assert_eq!(both.images, 2);
        assert_eq!(Summary::of(&[]), None);
    }
}
