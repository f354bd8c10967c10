//! Slices in the patient become one grid.
//!
//! Only the position and orientation of a slice (PS3.3 C.7.6.2.1.1) say where it goes: neither its
//! number nor its file's name does.

use super::instance::{Frame, dot, scaled};
use crate::io::{IoError, Warning};
use crate::volume::Affine;

/// Slices closer than this (mm) lie at the same place.
const SAME_PLACE_MM: f64 = 0.01;
/// A slice may be off its place on the grid by this part of the spacing: positions are rounded.
const UNEVEN: f64 = 0.1;
/// The grid may have this many times the slices that there are, to fill gaps.
const MOST_FILLED: usize = 2;
/// A stack that leans by less (degrees) is straight.
const STRAIGHT_DEGREES: f64 = 0.5;
/// Slices may be off the line through the stack by this part of a pixel.
const SHIFTED: f64 = 0.5;

/// A slice of a stack before it is sorted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slice {
    /// Its place in the list of its stack.
    pub(super) index: usize,
    pub(super) frame: Frame,
    /// The instance number, which decides between slices at one place.
    pub(super) number: f64,
}

/// A layer of the grid: a slice, or a mean of two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Layer {
    pub(super) below: usize,
    pub(super) above: usize,
    /// Share of the slice above.
    pub(super) weight: f64,
}

/// How slices make up a grid.
#[derive(Debug)]
pub(super) struct Plan {
    /// RAS, with i along the rows, j down the columns and k along the normal.
    pub(super) affine: Affine,
    pub(super) layers: Vec<Layer>,
    pub(super) warnings: Vec<Warning>,
}

/// Plans the grid of slices that share their orientation and pixel size. `alone` is the thickness
/// in mm of a slice that has no neighbour.
///
/// # Errors
///
/// [`IoError::Spacing`] if the gaps between the slices are too wide to fill.
pub(super) fn plan(
    name: &str,
    mut slices: Vec<Slice>,
    alone: Option<f64>,
) -> Result<Plan, IoError> {
    let Some(first) = slices.first().map(|s| s.frame) else {
        return Err(spacing(name, "there are no slices".to_owned()));
    };
    let normal = cross(first.along_row, first.along_column);
    let height = |s: &Slice| dot(s.frame.position, normal);
    slices.sort_by(|a, b| {
        let place = height(a).total_cmp(&height(b));
        place.then(a.number.total_cmp(&b.number))
    });
    let before = slices.len();
    slices.dedup_by(|next, kept| height(next) - height(kept) < SAME_PLACE_MM);
    let mut warnings = Vec::new();
    if slices.len() < before {
        let count = before - slices.len();
        warnings.push(Warning::DuplicateSlices { count });
    }
    let heights: Vec<f64> = slices.iter().map(height).collect();
    let (Some(bottom), Some(top)) = (slices.first(), slices.last()) else {
        return Err(spacing(name, "there are no slices".to_owned()));
    };
    let (origin, end) = (bottom.frame.position, top.frame.position);
    let reach = heights.last().unwrap_or(&0.0) - heights.first().unwrap_or(&0.0);
    if slices.len() == 1 {
        let thickness = alone.unwrap_or_else(|| {
            warnings.push(Warning::NoVoxelSize);
            1.0
        });
        let affine = affine(&first, origin, scaled(normal, thickness));
        let layers = vec![whole(bottom.index)];
        return Ok(Plan {
            affine,
            layers,
            warnings,
        });
    }

    // From the lowest to the highest slice; with a tilted gantry it leans.
    let rise = scaled(minus(end, origin), 1.0 / reach);
    lean(&first, normal, rise, &slices, &mut warnings);
    let (step, layers) = layers(name, &slices, &heights, &mut warnings)?;
    Ok(Plan {
        affine: affine(&first, origin, scaled(rise, step)),
        layers,
        warnings,
    })
}

/// Warns of slices that do not lie straight above each other. `rise` is the way of the stack for
/// each mm along the normal.
fn lean(
    first: &Frame,
    normal: [f64; 3],
    rise: [f64; 3],
    slices: &[Slice],
    warnings: &mut Vec<Warning>,
) {
    let aside = minus(rise, normal);
    let degrees = dot(aside, aside).sqrt().atan().to_degrees();
    if degrees > STRAIGHT_DEGREES {
        warnings.push(Warning::GantryTilt { degrees });
    }
    let off_line = |slice: &Slice| {
        let way = minus(slice.frame.position, first_position(slices));
        let off = minus(way, scaled(rise, dot(way, normal)));
        dot(off, off).sqrt()
    };
    let mm = slices.iter().map(off_line).fold(0.0, f64::max);
    if mm > SHIFTED * first.spacing[0].min(first.spacing[1]) {
        warnings.push(Warning::ShiftedSlices { mm });
    }
}

fn first_position(slices: &[Slice]) -> [f64; 3] {
    slices.first().map_or([0.0; 3], |s| s.frame.position)
}

/// The distance of the grid's layers along the normal, and what they are made of.
fn layers(
    name: &str,
    slices: &[Slice],
    heights: &[f64],
    warnings: &mut Vec<Warning>,
) -> Result<(f64, Vec<Layer>), IoError> {
    let (low, high) = (
        heights.first().copied().unwrap_or(0.0),
        heights.last().copied().unwrap_or(0.0),
    );
    let mean = (high - low) / (heights.len() as f64 - 1.0);
    let on_grid = |step: f64| {
        let mut places = heights.iter().enumerate();
        places.all(|(n, h)| (h - low - n as f64 * step).abs() <= UNEVEN * step)
    };
    if on_grid(mean) {
        return Ok((mean, slices.iter().map(|s| whole(s.index)).collect()));
    }

    let mut gaps: Vec<f64> = heights.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_by(f64::total_cmp);
    let middle = gaps.get((gaps.len() - 1) / 2).copied().unwrap_or(mean);
    let (least, most) = (
        gaps.first().copied().unwrap_or(mean),
        gaps.last().copied().unwrap_or(mean),
    );
    // The highest layer lies on the highest slice, and no slice is lost to a coarser grid.
    let least_count = slices.len() as f64 - 1.0;
    let count = ((high - low) / middle).round().max(least_count);
    if count + 1.0 > (MOST_FILLED * slices.len()) as f64 {
        return Err(spacing(
            name,
            format!("neighbours are {least:.2} to {most:.2} mm apart, most of them {middle:.2}"),
        ));
    }
    let step = (high - low) / count;
    let layers: Vec<Layer> = (0..=count as usize)
        .map(|k| layer(low + k as f64 * step, step, slices, heights))
        .collect();
    warnings.push(Warning::UnevenSlices {
        mm: [least, most],
        interpolated: layers.iter().filter(|layer| layer.weight != 0.0).count(),
    });
    Ok((step, layers))
}

/// The layer at `height`: a slice that lies there, else the mean of its neighbours.
fn layer(height: f64, step: f64, slices: &[Slice], heights: &[f64]) -> Layer {
    let above = heights.partition_point(|h| *h < height);
    let above = above.clamp(1, heights.len() - 1);
    let below = above - 1;
    let at = |n: usize| heights.get(n).copied().unwrap_or(height);
    let index = |n: usize| slices.get(n).map_or(0, |s| s.index);
    if (height - at(below)).abs() <= UNEVEN * step {
        return whole(index(below));
    }
    if (at(above) - height).abs() <= UNEVEN * step {
        return whole(index(above));
    }
    Layer {
        below: index(below),
        above: index(above),
        weight: (height - at(below)) / (at(above) - at(below)),
    }
}

fn whole(index: usize) -> Layer {
    Layer {
        below: index,
        above: index,
        weight: 0.0,
    }
}

/// Equation C.7.6.2.1-1 with a third column, and from LPS to RAS.
fn affine(frame: &Frame, origin: [f64; 3], step: [f64; 3]) -> Affine {
    let [between_rows, between_columns] = frame.spacing;
    let i = scaled(frame.along_row, between_columns);
    let j = scaled(frame.along_column, between_rows);
    const RAS: [f64; 3] = [-1.0, -1.0, 1.0];
    Affine([0, 1, 2].map(|r| [i[r], j[r], step[r], origin[r]].map(|x| x * RAS[r])))
}

fn spacing(name: &str, problem: String) -> IoError {
    IoError::Spacing {
        file: name.to_owned(),
        problem,
    }
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

fn minus(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}
