//! The coarse copy of a scan on which the morphology runs, and the way back to its voxels.

use super::LungError;
use crate::grid::Dims;
use crate::volume::Volume;

/// Cells are blocks of whole voxels, as close to this size as they come along each axis.
const CELL_MM: f64 = 2.0;
/// HU are cut to this range before averaging: padding (-2000, -3024) counts as air, and metal
/// does not shine into its neighbours.
const HU_RANGE: (i16, i16) = (-1024, 600);

/// A scan averaged over blocks of whole voxels ("cells").
pub(super) struct Coarse {
    /// Mean HU of each cell.
    pub hu: Vec<i16>,
    /// Cells whose voxels are all at or below the lowest HU: padding, or saturated air.
    pub blank: Vec<u8>,
    /// Cells along each axis.
    pub dims: Dims,
    /// Size of a cell in mm.
    pub spacing: [f64; 3],
    /// Voxels of a cell along each axis.
    pub factor: Dims,
}

impl Coarse {
    /// Averages a scan after checking that it can be worked with.
    pub fn new(scan: &Volume<i16>) -> Result<Self, LungError> {
        let spacing = checked_spacing(scan)?;
        let factor = factor_for(spacing);
        let dims = [0, 1, 2].map(|a| scan.dims[a].div_ceil(factor[a]));
        let mut hu = Vec::with_capacity(dims.iter().product());
        let mut blank = Vec::with_capacity(hu.capacity());
        let mut layer = vec![Sum::default(); dims[0] * dims[1]];
        let plane = scan.dims[0] * scan.dims[1];
        for block in scan.data.chunks(plane * factor[2]) {
            layer.fill(Sum::default());
            for (row, voxels) in block.chunks_exact(scan.dims[0]).enumerate() {
                let j = (row % scan.dims[1]) / factor[1];
                let cells = &mut layer[j * dims[0]..(j + 1) * dims[0]];
                for (cell, group) in cells.iter_mut().zip(voxels.chunks(factor[0])) {
                    group.iter().for_each(|&v| cell.add(v));
                }
            }
            hu.extend(layer.iter().map(|cell| (cell.hu / cell.voxels) as i16));
            blank.extend(
                layer
                    .iter()
                    .map(|cell| u8::from(cell.lowest == cell.voxels)),
            );
        }
        let spacing = [0, 1, 2].map(|a| spacing[a] * factor[a] as f64);
        Ok(Coarse {
            hu,
            blank,
            dims,
            spacing,
            factor,
        })
    }

    /// Volume of a cell in ml.
    pub fn cell_ml(&self) -> f64 {
        cell_ml(self.spacing)
    }

    /// The cells for which `test` holds.
    pub fn select(&self, test: impl Fn(i16) -> bool) -> Vec<u8> {
        self.hu.iter().map(|&hu| u8::from(test(hu))).collect()
    }
}

/// What a cell gathers from its voxels.
#[derive(Clone, Default)]
struct Sum {
    hu: i32,
    lowest: i32,
    voxels: i32,
}

impl Sum {
    fn add(&mut self, hu: i16) {
        let clamped = hu.clamp(HU_RANGE.0, HU_RANGE.1);
        self.hu += i32::from(clamped);
        self.lowest += i32::from(clamped == HU_RANGE.0);
        self.voxels += 1;
    }
}

/// Volume of a cell in ml.
fn cell_ml(spacing: [f64; 3]) -> f64 {
    spacing.iter().product::<f64>() / 1000.0
}

/// Voxels of a cell along each axis.
pub(super) fn factor_for(spacing: [f64; 3]) -> Dims {
    spacing.map(|s| ((CELL_MM / s).round() as usize).max(1))
}

/// The voxel size, if the volume is whole and the size can be used.
pub(super) fn checked_spacing<T: Copy>(v: &Volume<T>) -> Result<[f64; 3], LungError> {
    /// Outside of this range a voxel size is a mistake in the header.
    const PLAUSIBLE_MM: std::ops::RangeInclusive<f64> = 0.01..=100.0;
    let spacing = v.spacing();
    let refuse = |problem| LungError::Volume {
        dims: v.dims,
        spacing,
        problem,
    };
    if v.data.is_empty() {
        return Err(refuse("it is empty"));
    }
    if v.data.len() != v.dims.iter().product::<usize>() {
        return Err(refuse("the number of voxels does not match"));
    }
    if !spacing.iter().all(|s| PLAUSIBLE_MM.contains(s)) {
        return Err(refuse("the voxel size is not plausible"));
    }
    Ok(spacing)
}
