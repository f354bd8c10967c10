//! The list of lesions: connected pieces of a network's mask, measured one by one.

use super::{
    CONSOLIDATION, FindingsError, LEFT, Lesion, LesionClass, Lesions, Measured, RIGHT, Side, ml,
    percent, to_decimals,
};
use crate::grid::{Components, Connectivity, bounding_box, components};
use crate::volume::Volume;

/// Lesions below this many ml are counted, not listed: a sphere of 6 mm across, smaller than what a
/// reader would point at, and what noise leaves behind.
pub const MIN_LESION_ML: f64 = 0.1;

/// Sums over the voxels of a lesion, on the LPS grid.
#[derive(Clone)]
struct Piece {
    /// Its number among the [`Labelled`] pieces.
    label: u32,
    voxels: u64,
    left: u64,
    consolidation: u64,
    hu: i64,
    /// Sums of i, j and k.
    position: [u64; 3],
    /// First and last i, j and k.
    low: [usize; 3],
    high: [usize; 3],
}

impl Piece {
    const NONE: Self = Self {
        label: 0,
        voxels: 0,
        left: 0,
        consolidation: 0,
        hu: 0,
        position: [0; 3],
        low: [usize::MAX; 3],
        high: [0; 3],
    };

    fn add(&mut self, at: [usize; 3], lung: u8, label: u8, hu: i16) {
        self.voxels += 1;
        self.left += u64::from(lung == LEFT);
        self.consolidation += u64::from(label == CONSOLIDATION);
        self.hu += i64::from(hu);
        for (axis, &x) in at.iter().enumerate() {
            self.position[axis] += x as u64;
            self.low[axis] = self.low[axis].min(x);
            self.high[axis] = self.high[axis].max(x);
        }
    }
}

/// The lesions of a mask inside the lungs, largest first. The mask must be on the scan's grid.
pub(super) fn lesions(
    of: &Measured<'_>,
    mask: &Volume<u8>,
    classified: bool,
) -> Result<Lesions, FindingsError> {
    let to_file = of.input.affine().inverse();
    let to_file = to_file.ok_or(FindingsError::FlatVoxels)?;
    let voxel_ml = of.hu.voxel_ml();
    let mut lesions = Lesions {
        listed: Vec::new(),
        smaller: 0,
        smaller_ml: 0.0,
    };
    let mut smaller_voxels = 0;
    let pieces = Labelled::of(of, mask).map_or(Vec::new(), |labelled| labelled.pieces(of, mask));
    for piece in &pieces {
        if piece.voxels as f64 * voxel_ml < MIN_LESION_ML {
            lesions.smaller += 1;
            smaller_voxels += piece.voxels;
            continue;
        }
        let file_voxel = |lps: [f64; 3]| to_file.apply(of.hu.affine.apply(lps));
        lesions
            .listed
            .push(report(of, piece, classified, file_voxel));
    }
    lesions.smaller_ml = ml(smaller_voxels as f64 * voxel_ml);
    Ok(lesions)
}

/// Where the voxels of the mask's lesion at this place in [`Lesions::listed`] are; none if there is
/// no such lesion.
pub(super) fn voxels(of: &Measured<'_>, mask: &Volume<u8>, listed: usize) -> Option<Vec<usize>> {
    let labelled = Labelled::of(of, mask)?;
    let label = labelled.pieces(of, mask).get(listed)?.label;
    let found = labelled.rows(mask).flat_map(|(first, _, labels)| {
        let own = labels.iter().enumerate().filter(move |(_, l)| **l == label);
        own.map(move |(x, _)| first + x)
    });
    Some(found.collect())
}

/// The pieces of a mask inside the lungs, in the smallest box that holds it: a label takes four
/// bytes a voxel, and lesions rarely fill the scan.
struct Labelled {
    start: [usize; 3],
    dims: [usize; 3],
    found: Components,
}

impl Labelled {
    /// None where the mask is empty.
    fn of(of: &Measured<'_>, mask: &Volume<u8>) -> Option<Self> {
        let in_lung = |label: u8| label == RIGHT || label == LEFT;
        let (start, end) = bounding_box(&mask.data, mask.dims)?;
        let dims = [0, 1, 2].map(|axis| end[axis] - start[axis]);
        let mut boxed = Vec::with_capacity(dims.iter().product());
        for k in start[2]..end[2] {
            for j in start[1]..end[1] {
                let first = mask.index(start[0], j, k);
                let row = first..first + dims[0];
                let voxels = mask.data[row.clone()].iter().zip(&of.lungs.data[row]);
                boxed.extend(voxels.map(|(&m, &lung)| u8::from(m != 0 && in_lung(lung))));
            }
        }
        let found = components(&boxed, dims, Connectivity::TwentySix);
        Some(Self { start, dims, found })
    }

    /// The box row by row: the mask's voxel at its beginning, its j and k, and its labels.
    fn rows(&self, mask: &Volume<u8>) -> impl Iterator<Item = (usize, [usize; 2], &[u32])> {
        let Self { start, dims, found } = self;
        let rows = found.labels.chunks_exact(dims[0]).enumerate();
        rows.map(move |(row, labels)| {
            let (j, k) = (start[1] + row % dims[1], start[2] + row / dims[1]);
            (mask.index(start[0], j, k), [j, k], labels)
        })
    }

    /// Largest first.
    fn pieces(&self, of: &Measured<'_>, mask: &Volume<u8>) -> Vec<Piece> {
        let mut pieces = vec![Piece::NONE; self.found.sizes.len()];
        for (first, [j, k], labels) in self.rows(mask) {
            for (x, &label) in labels.iter().enumerate().filter(|(_, label)| **label > 0) {
                let at = first + x;
                let place = [self.start[0] + x, j, k];
                let piece = &mut pieces[label as usize];
                piece.label = label;
                piece.add(place, of.lungs.data[at], mask.data[at], of.hu.data[at]);
            }
        }
        pieces.retain(|piece| piece.voxels > 0);
        pieces.sort_by_key(|piece| std::cmp::Reverse(piece.voxels));
        pieces
    }
}

fn report(
    of: &Measured<'_>,
    piece: &Piece,
    classified: bool,
    file_voxel: impl Fn([f64; 3]) -> [f64; 3],
) -> Lesion {
    let n = piece.voxels as f64;
    let centre = piece.position.map(|sum| sum as f64 / n);
    let file_dims = of.input.dims();
    let nearest = |lps: [f64; 3]| {
        let voxel = file_voxel(lps);
        // `as` takes negative rounding errors to 0.
        [0, 1, 2].map(|a| (voxel[a].round() as usize).min(file_dims[a].saturating_sub(1)))
    };
    // Axes of both grids are parallel, so the ends of the box are the ends of the slices.
    let ends = [piece.low, piece.high].map(|end| nearest(end.map(|v| v as f64))[2]);
    let class = if 2 * piece.consolidation > piece.voxels {
        LesionClass::Consolidation
    } else {
        LesionClass::GroundGlass
    };
    Lesion {
        ml: ml(n * of.hu.voxel_ml()),
        side: if 2 * piece.left > piece.voxels {
            Side::Left
        } else {
            Side::Right
        },
        slices: [ends[0].min(ends[1]), ends[0].max(ends[1])],
        centroid_mm: of.hu.affine.apply(centre).map(|v| to_decimals(v, 2)),
        centroid_voxel: nearest(centre),
        mean_hu: to_decimals(piece.hu as f64 / n, 1),
        class: classified.then_some(class),
        consolidation_percent: percent(piece.consolidation, piece.voxels).filter(|_| classified),
    }
}
