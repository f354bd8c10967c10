//! The pipeline from HU to the lung mask.

use super::LungError;
use super::airways::main_airways;
use super::body::inside;
use super::border::{Cells, draw};
use super::closing::include_lesions;
use super::coarse::Coarse;
use super::sides::sides;
use crate::grid::{Components, Connectivity, Dims, components, dilate_ball, erode};
use crate::volume::Volume;

/// Cells below are air: gas or aerated lung.
const AIR_HU: i16 = -500;
/// Denser than the typical lung by this: perhaps the membrane between lungs that touch.
const MEMBRANE_HU: i16 = 80;
/// Darker than the typical lung by this in the median: gas in the bowel.
const GAS_DARKER_HU: i16 = 70;
/// Smaller bubbles of gas may be bronchi in a consolidation.
const GAS_ML: f64 = 0.5;
/// Nothing grows closer to gas than this: the wall of the bowel.
const BOWEL_WALL_MM: f64 = 2.5;
/// A piece of lung on its own has at least this share of the largest ...
const PIECE_SHARE: f64 = 0.15;
/// ... or at least this volume and lies this close to the others.
const PIECE_ML: f64 = 3.0;
/// See [`PIECE_ML`].
const PIECE_NEAR_MM: f64 = 15.0;
/// Lung-like air below which a full chest counts as having no lungs.
const NEEDED_ML: f64 = 300.0;
/// Height of a full chest; shorter scans need less in proportion.
const CHEST_MM: f64 = 200.0;
/// A small field of view needs this share of its own volume instead.
const NEEDED_SHARE: f64 = 0.02;
/// Width of the seal for the second attempt, see [`inside`].
const SEAL_MM: f64 = 5.0;

/// What the threshold knows of a scan.
pub struct Thresholded {
    /// 1 = right lung, 2 = left lung, on the grid of the scan.
    pub lungs: Volume<u8>,
    /// Cells where no lung can be: airways, bowel, and everything outside the body.
    barred: Vec<u8>,
    /// Cells along each axis.
    cells: Dims,
    /// Voxels of a cell along each axis.
    factor: Dims,
}

impl Thresholded {
    /// A mask with a value a voxel that says where no lung can be.
    #[cfg(test)]
    pub(super) fn of(lungs: Volume<u8>, barred: Vec<u8>) -> Self {
        Thresholded {
            cells: lungs.dims,
            factor: [1; 3],
            lungs,
            barred,
        }
    }

    /// Whether a voxel lies in an airway, in the bowel or outside the body.
    pub fn bars(&self, [i, j, k]: [usize; 3]) -> bool {
        let [x, y, z] = [i / self.factor[0], j / self.factor[1], k / self.factor[2]];
        self.barred[x + self.cells[0] * (y + self.cells[1] * z)] != 0
    }
}

/// Lung mask of a scan on LPS axes: 1 = right lung, 2 = left lung, on the grid of the scan.
///
/// Trachea and main bronchi are left out, vessels and lesions are meant to be in: infiltrates as
/// far as they are less dense than muscle, solid ones as far as the surrounding lung closes over
/// them. `progress` is called with rising values up to 1.
///
/// # Errors
/// [`LungError::Volume`] for an empty or broken volume, [`LungError::NoLungs`] if there is not
/// enough lung-like air inside the body; short scans need less.
pub fn threshold(hu: &Volume<i16>, progress: &mut dyn FnMut(f32)) -> Result<Volume<u8>, LungError> {
    Ok(thresholded(hu, progress)?.lungs)
}

/// The same, and what else is known then.
///
/// # Errors
/// As [`threshold`].
pub fn thresholded(
    hu: &Volume<i16>,
    progress: &mut dyn FnMut(f32),
) -> Result<Thresholded, LungError> {
    progress(0.0);
    let scan = Coarse::new(hu)?;
    progress(0.1);
    let found = match find(&scan, 0.0) {
        // A mouth or a wound may join the lungs to the air outside.
        Err(error) => find(&scan, SEAL_MM).map_err(|_| error)?,
        Ok(found) => found,
    };
    progress(0.4);
    let firm: Vec<u8> = found
        .lungs
        .iter()
        .zip(&scan.hu)
        .map(|(&l, &hu)| l & u8::from(hu < found.lung_hu + MEMBRANE_HU))
        .collect();
    let sides = sides(&found.lungs, &firm, scan.dims, scan.spacing);
    progress(0.55);
    let closed = include_lesions(&scan, &sides, &found.barred);
    progress(0.85);
    let labels = draw(
        hu,
        &scan,
        &Cells {
            aerated: &sides,
            labels: &closed,
            barred: &found.barred,
        },
    );
    progress(1.0);
    Ok(Thresholded {
        lungs: Volume {
            data: labels,
            dims: hu.dims,
            affine: hu.affine,
        },
        barred: found.barred,
        cells: scan.dims,
        factor: scan.factor,
    })
}

/// Cells of a scan by what they are.
struct Found {
    /// Aerated lung, airways taken out.
    lungs: Vec<u8>,
    /// Typical HU of the air inside the body.
    lung_hu: i16,
    /// Where no lung can be: airways, bowel, and everything outside the body.
    barred: Vec<u8>,
}

/// Finds the aerated lungs.
fn find(scan: &Coarse, seal_mm: f64) -> Result<Found, LungError> {
    let inside = inside(scan, seal_mm);
    let air: Vec<u8> = scan
        .hu
        .iter()
        .zip(&inside)
        .map(|(&hu, &i)| i & u8::from(hu < AIR_HU))
        .collect();
    let lung_hu = median(scan, &air).unwrap_or(AIR_HU);
    let airways = main_airways(scan, &air, lung_hu);
    let rest: Vec<u8> = air
        .iter()
        .zip(&airways)
        .map(|(&a, &w)| a & (1 - w))
        .collect();
    let (lungs, gas) = choose(scan, &rest, lung_hu);
    let found_ml = lungs.iter().filter(|&&l| l != 0).count() as f64 * scan.cell_ml();
    let needed_ml = needed_ml(scan);
    if found_ml < needed_ml {
        return Err(LungError::NoLungs {
            found_ml,
            needed_ml,
        });
    }
    let bowel = dilate_ball(&gas, scan.dims, scan.spacing, BOWEL_WALL_MM);
    let barred = (0..inside.len())
        .map(|c| (1 - inside[c]) | airways[c] | bowel[c])
        .collect();
    Ok(Found {
        lungs,
        lung_hu,
        barred,
    })
}

fn needed_ml(scan: &Coarse) -> f64 {
    let height = scan.dims[2] as f64 * scan.spacing[2];
    let field_ml = scan.hu.len() as f64 * scan.cell_ml();
    (NEEDED_ML * (height / CHEST_MM).min(1.0)).min(NEEDED_SHARE * field_ml)
}

/// Median HU of the set cells.
fn median(scan: &Coarse, mask: &[u8]) -> Option<i16> {
    let mut values: Vec<i16> = scan
        .hu
        .iter()
        .zip(mask)
        .filter(|(_, m)| **m != 0)
        .map(|(hu, _)| *hu)
        .collect();
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable(middle).1)
}

/// The components of air that are lung (large ones and smaller ones near them), and those that are
/// gas.
fn choose(scan: &Coarse, air: &[u8], lung_hu: i16) -> (Vec<u8>, Vec<u8>) {
    let found = components(air, scan.dims, Connectivity::Six);
    let smallest = (PIECE_ML / scan.cell_ml()) as usize;
    let gas = gas_like(scan, air, &found, lung_hu);
    let lung: Vec<usize> = (1..found.sizes.len())
        .filter(|&label| !gas[label] && found.sizes[label] > smallest)
        .collect();
    let largest = lung
        .iter()
        .map(|&label| found.sizes[label])
        .max()
        .unwrap_or(0) as f64;
    let mut keep = vec![false; found.sizes.len()];
    for &label in &lung {
        keep[label] = found.sizes[label] as f64 > PIECE_SHARE * largest;
    }
    let near = dilate_ball(&pick(&found, &keep), scan.dims, scan.spacing, PIECE_NEAR_MM);
    let mut is_near = vec![false; found.sizes.len()];
    for (&label, &near) in found.labels.iter().zip(&near) {
        is_near[label as usize] |= near != 0;
    }
    for &label in &lung {
        keep[label] |= is_near[label];
    }
    (pick(&found, &keep), pick(&found, &gas))
}

/// The cells of the chosen components.
fn pick(found: &Components, chosen: &[bool]) -> Vec<u8> {
    found
        .labels
        .iter()
        .map(|&l| u8::from(chosen[l as usize]))
        .collect()
}

/// For each component of air whether it is gas, in the bowel or the oesophagus.
///
/// The inner cells are free of blur: gas is darker than lung in their median. A component that
/// hardly has any is gas if its darkest quarter is.
fn gas_like(scan: &Coarse, air: &[u8], found: &Components, lung_hu: i16) -> Vec<bool> {
    let inner = erode(air, scan.dims, [1, 1, 0]);
    let smallest = GAS_ML / scan.cell_ml();
    let mut inside = vec![Tally::default(); found.sizes.len()];
    let mut all = inside.clone();
    for ((&label, &hu), &inner) in found.labels.iter().zip(&scan.hu).zip(&inner) {
        let dark = usize::from(hu < lung_hu - GAS_DARKER_HU);
        all[label as usize].add(dark);
        if inner != 0 {
            inside[label as usize].add(dark);
        }
    }
    (0..found.sizes.len())
        .map(|label| {
            let (inside, all) = (&inside[label], &all[label]);
            let blurred = inside.cells * 5 < all.cells;
            let gas = if blurred {
                all.dark * 4 > all.cells
            } else {
                inside.dark * 2 > inside.cells
            };
            label != 0 && gas && all.cells as f64 > smallest
        })
        .collect()
}

/// Cells of a component and how many of them are darker than lung.
#[derive(Clone, Default)]
struct Tally {
    cells: usize,
    dark: usize,
}

impl Tally {
    fn add(&mut self, dark: usize) {
        self.cells += 1;
        self.dark += dark;
    }
}
