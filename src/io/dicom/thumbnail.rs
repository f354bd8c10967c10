//! A slice made small, so that a person can choose among series.

use serde::Serialize;

use super::series::{Collection, Stack};
use super::stack;
use crate::io::Limits;

/// Most pixels along a side.
const SIDE: usize = 96;
/// The lung window, as the page has it.
const LOW_HU: f32 = -1350.0;
const HIGH_HU: f32 = 150.0;

/// A grey picture in the lung window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Thumbnail {
    /// Pixels of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 0 black, 255 white, row by row.
    pub pixels: Vec<u8>,
}

/// The slice in the middle of a stack. One slice is decoded, whatever the length of the stack.
pub(super) fn of(all: &Collection, stack: &Stack, limits: &Limits) -> Option<Thumbnail> {
    let slices = all.slices(stack);
    let anywhere = slices.len() / 2;
    // Slices that make no grid still show what they are.
    let middle = stack::plan("", slices, None)
        .ok()
        .and_then(|plan| plan.layers.get(plan.layers.len() / 2).map(|l| l.below))
        .unwrap_or(anywhere);
    let &(instance, frame) = stack.members.get(middle)?;
    let hu = all.instances.get(instance)?.hu(frame, limits).ok()?;
    let (rows, columns) = (stack.about.rows, stack.about.columns);
    let step = rows.max(columns).div_ceil(SIDE).max(1);
    let mut pixels = Vec::with_capacity(SIDE * SIDE);
    for row in hu.chunks_exact(columns).step_by(step) {
        pixels.extend(row.iter().step_by(step).map(|&v| grey(v)));
    }
    Some(Thumbnail {
        width: columns.div_ceil(step),
        height: rows.div_ceil(step),
        pixels,
    })
}

fn grey(hu: i16) -> u8 {
    // `as` keeps to 0 and 255 what lies outside the window.
    (255.0 * (f32::from(hu) - LOW_HU) / (HIGH_HU - LOW_HU)) as u8
}
