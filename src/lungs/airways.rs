//! The trachea and the main bronchi, which are not part of the lungs.

use super::coarse::Coarse;
use crate::grid::{Connectivity, components, dilate_ball, erode_ball, keep_touching};

/// Cross-section of a trachea or a carina in an axial slice.
const SECTION_MM2: std::ops::RangeInclusive<f64> = 50.0..=900.0;
/// How far the trachea may lie from the middle between the lungs.
const OFF_MIDDLE_MM: f64 = 50.0;
/// A trachea is gas: darker than lung by at least this.
const DARKER_HU: i16 = 40;
/// Shortest trachea, unless the scan begins below it.
const LENGTH_MM: f64 = 12.0;
/// Step of the threshold while the tree is grown.
const STEP_HU: i16 = 10;
/// Trachea and bronchi hold less; beyond, the growth has leaked into the lung.
const TREE_ML: f64 = 130.0;
/// A step of the threshold that adds more than this has leaked too.
const LEAK_ML: f64 = 60.0;
/// Bronchi narrower than twice this belong to the lung.
const MAIN_RADIUS_MM: f64 = 3.0;
/// Wall of the main airways, with the blurred rim of the lumen.
const WALL_MM: f64 = 3.0;

/// Main airways with their wall. `air` is the air inside the body, `lung_hu` the typical lung.
pub(super) fn main_airways(scan: &Coarse, air: &[u8], lung_hu: i16) -> Vec<u8> {
    let seeds = trachea(scan, air, lung_hu);
    if !seeds.contains(&1) {
        return seeds;
    }
    let tree = grow(scan, air, &seeds, lung_hu);
    let core = erode_ball(&tree, scan.dims, scan.spacing, MAIN_RADIUS_MM);
    dilate_ball(&core, scan.dims, scan.spacing, MAIN_RADIUS_MM + WALL_MM)
}

/// Gas in small round sections near the middle, over some length: the trachea, or the main bronchi
/// where the field begins below it.
fn trachea(scan: &Coarse, air: &[u8], lung_hu: i16) -> Vec<u8> {
    let sections = sections(scan, air, lung_hu);
    let [nx, ny, nz] = scan.dims;
    let found = components(&sections, scan.dims, Connectivity::TwentySix);
    let mut extent = vec![(usize::MAX, 0usize); found.sizes.len()];
    for (slice, labels) in found.labels.chunks_exact(nx * ny).enumerate() {
        for &label in labels {
            let (low, high) = &mut extent[label as usize];
            *low = (*low).min(slice);
            *high = (*high).max(slice + 1);
        }
    }
    let middle = median_slice(scan, air);
    let best = (1..found.sizes.len())
        .filter(|&label| {
            let (low, high) = extent[label];
            let long = (high - low) as f64 * scan.spacing[2] >= LENGTH_MM;
            high == nz || (long && high > middle)
        })
        .max_by_key(|&label| found.sizes[label]);
    let best = best.map_or(u32::MAX, |label| label as u32);
    found.labels.iter().map(|&l| u8::from(l == best)).collect()
}

/// Axial sections of air that could be a trachea's.
fn sections(scan: &Coarse, air: &[u8], lung_hu: i16) -> Vec<u8> {
    let [nx, ny, _] = scan.dims;
    let cell_mm2 = scan.spacing[0] * scan.spacing[1];
    let middle = mean_i(air, nx) * scan.spacing[0];
    let mut out = vec![0u8; air.len()];
    let slices = air.chunks_exact(nx * ny).zip(scan.hu.chunks_exact(nx * ny));
    for ((air, hu), out) in slices.zip(out.chunks_exact_mut(nx * ny)) {
        let found = components(air, [nx, ny, 1], Connectivity::Six);
        let mut sum_i = vec![0usize; found.sizes.len()];
        let mut dark = vec![0usize; found.sizes.len()];
        for (index, (&label, &hu)) in found.labels.iter().zip(hu).enumerate() {
            sum_i[label as usize] += index % nx;
            dark[label as usize] += usize::from(hu < lung_hu - DARKER_HU);
        }
        let fits: Vec<bool> = (0..found.sizes.len())
            .map(|label| {
                let size = found.sizes[label];
                let x = sum_i[label] as f64 / size.max(1) as f64 * scan.spacing[0];
                label != 0
                    && SECTION_MM2.contains(&(size as f64 * cell_mm2))
                    && (x - middle).abs() < OFF_MIDDLE_MM
                    && dark[label] * 3 > size
            })
            .collect();
        for (out, &label) in out.iter_mut().zip(&found.labels) {
            *out = u8::from(fits[label as usize]);
        }
    }
    out
}

/// Grows the tree at rising thresholds and keeps the last that did not leak.
fn grow(scan: &Coarse, air: &[u8], seeds: &[u8], lung_hu: i16) -> Vec<u8> {
    let mut best = seeds.to_vec();
    let mut volume = volume_ml(scan, &best);
    let start = (lung_hu - 150).max(-1010);
    for limit in (start..lung_hu - STEP_HU).step_by(STEP_HU as usize) {
        let dark: Vec<u8> = air
            .iter()
            .zip(&scan.hu)
            .zip(seeds)
            .map(|((&a, &hu), &s)| s | (a & u8::from(hu < limit)))
            .collect();
        let grown = keep_touching(&dark, seeds, scan.dims, Connectivity::Six);
        let grown_ml = volume_ml(scan, &grown);
        if grown_ml > TREE_ML || grown_ml > volume + LEAK_ML {
            break;
        }
        (best, volume) = (grown, grown_ml);
    }
    best
}

fn volume_ml(scan: &Coarse, mask: &[u8]) -> f64 {
    mask.iter().filter(|&&m| m != 0).count() as f64 * scan.cell_ml()
}

/// Mean i of the set cells.
fn mean_i(mask: &[u8], nx: usize) -> f64 {
    let (mut sum, mut count) = (0usize, 0usize);
    for row in mask.chunks_exact(nx) {
        for (i, &m) in row.iter().enumerate() {
            if m != 0 {
                sum += i;
                count += 1;
            }
        }
    }
    sum as f64 / count.max(1) as f64
}

/// The slice below which half of the set cells lie.
fn median_slice(scan: &Coarse, mask: &[u8]) -> usize {
    let total = mask.iter().filter(|&&m| m != 0).count();
    let mut below = 0;
    for (k, slice) in mask.chunks_exact(scan.dims[0] * scan.dims[1]).enumerate() {
        below += slice.iter().filter(|&&m| m != 0).count();
        if 2 * below >= total {
            return k;
        }
    }
    0
}
