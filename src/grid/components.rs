//! Connected components, reconstruction and holes, on runs of voxels along x.

use super::{Connectivity, Dims, check};

/// Connected components of a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    /// The component of each voxel, numbered from 1 in scan order; 0 is the background.
    pub labels: Vec<u32>,
    /// Voxels of each component, indexed by label; `sizes[0]` counts the background.
    pub sizes: Vec<usize>,
}

impl Components {
    /// Label of the component with the most voxels (the first such), if there is one.
    pub fn largest(&self) -> Option<u32> {
        let mut best = None;
        let mut most = 0;
        for (label, &size) in self.sizes.iter().enumerate().skip(1) {
            if size > most {
                most = size;
                best = Some(label as u32);
            }
        }
        best
    }
}

/// Labels the connected components of a mask.
pub fn components(mask: &[u8], dims: Dims, connectivity: Connectivity) -> Components {
    let mut runs = Runs::new(mask, dims, |v| v != 0);
    runs.join(connectivity);
    let (label_of_run, count) = runs.number();
    let mut labels = vec![0u32; mask.len()];
    let mut sizes = vec![0usize; count + 1];
    for (row, run, span) in runs.iter() {
        let label = label_of_run[run];
        sizes[label as usize] += span.len();
        let base = row * dims[0];
        labels[base + span.start..base + span.end].fill(label);
    }
    sizes[0] = mask.len() - sizes[1..].iter().sum::<usize>();
    Components { labels, sizes }
}

/// The components of `mask` that hold at least one seed voxel (geodesic reconstruction).
pub fn keep_touching(mask: &[u8], seeds: &[u8], dims: Dims, connectivity: Connectivity) -> Vec<u8> {
    check(seeds.len(), dims);
    let mut runs = Runs::new(mask, dims, |v| v != 0);
    runs.join(connectivity);
    let mut keep = vec![false; runs.spans.len()];
    for (row, run, span) in runs.iter() {
        let base = row * dims[0];
        if seeds[base + span.start..base + span.end]
            .iter()
            .any(|&s| s != 0)
        {
            keep[runs.root(run)] = true;
        }
    }
    let mut out = vec![0u8; mask.len()];
    for (row, run, span) in runs.iter() {
        if keep[runs.root(run)] {
            let base = row * dims[0];
            out[base + span.start..base + span.end].fill(1);
        }
    }
    out
}

/// Fills, in place, background that is not 6-connected to the border of the grid.
pub fn fill_holes(mask: &mut [u8], dims: Dims) {
    check(mask.len(), dims);
    fill_enclosed(mask, dims, true);
}

/// Fills, in place and slice by slice, background that is not 4-connected to the slice's border.
pub fn fill_holes_2d(mask: &mut [u8], dims: Dims) {
    check(mask.len(), dims);
    let area = dims[0] * dims[1];
    if area == 0 {
        return;
    }
    for slice in mask.chunks_exact_mut(area) {
        fill_enclosed(slice, [dims[0], dims[1], 1], false);
    }
}

/// Fills background components that touch no border; `z_is_border` says whether the first and the
/// last slice count as border.
fn fill_enclosed(mask: &mut [u8], dims: Dims, z_is_border: bool) {
    let [nx, ny, nz] = dims;
    let mut runs = Runs::new(mask, dims, |v| v == 0);
    runs.join(Connectivity::Six);
    let mut open = vec![false; runs.spans.len()];
    for (row, run, span) in runs.iter() {
        let (j, k) = (row % ny, row / ny);
        let edge_slice = z_is_border && (k == 0 || k + 1 == nz);
        if edge_slice || j == 0 || j + 1 == ny || span.start == 0 || span.end == nx {
            open[runs.root(run)] = true;
        }
    }
    for (row, run, span) in runs.iter() {
        if !open[runs.root(run)] {
            mask[row * nx + span.start..row * nx + span.end].fill(1);
        }
    }
}

/// A stretch of set voxels `start..end` in one row.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

/// The set voxels of a mask as runs along x, joined by union-find.
struct Runs {
    dims: Dims,
    spans: Vec<Span>,
    /// `rows[r]..rows[r + 1]` are the runs of row `r = j + ny * k`.
    rows: Vec<usize>,
    parent: Vec<u32>,
}

impl Runs {
    fn new(mask: &[u8], dims: Dims, set: impl Fn(u8) -> bool) -> Self {
        check(mask.len(), dims);
        let mut spans = Vec::new();
        let mut rows = Vec::with_capacity(dims[1] * dims[2] + 1);
        rows.push(0);
        for voxels in mask.chunks_exact(dims[0].max(1)) {
            let mut i = 0;
            while let Some(skip) = voxels[i..].iter().position(|&v| set(v)) {
                let start = i + skip;
                let length = voxels[start..].iter().position(|&v| !set(v));
                i = length.map_or(voxels.len(), |length| start + length);
                spans.push(Span {
                    start: start as u32,
                    end: i as u32,
                });
            }
            rows.push(spans.len());
        }
        let parent = (0..spans.len() as u32).collect();
        Runs {
            dims,
            spans,
            rows,
            parent,
        }
    }

    /// Joins all runs that are neighbours.
    fn join(&mut self, connectivity: Connectivity) {
        let [_, ny, _] = self.dims;
        for row in 0..self.rows.len().saturating_sub(1) {
            let (j, k) = (row % ny, row / ny);
            if j > 0 {
                self.join_rows(row, row - 1, connectivity);
            }
            if k > 0 {
                let below = row - ny;
                self.join_rows(row, below, connectivity);
                if connectivity == Connectivity::TwentySix {
                    if j > 0 {
                        self.join_rows(row, below - 1, connectivity);
                    }
                    if j + 1 < ny {
                        self.join_rows(row, below + 1, connectivity);
                    }
                }
            }
        }
    }

    fn join_rows(&mut self, a: usize, b: usize, connectivity: Connectivity) {
        let reach = u32::from(connectivity == Connectivity::TwentySix);
        let (mut p, end_p) = (self.rows[a], self.rows[a + 1]);
        let (mut q, end_q) = (self.rows[b], self.rows[b + 1]);
        while p < end_p && q < end_q {
            let (s, t) = (self.spans[p], self.spans[q]);
            if s.start < t.end + reach && t.start < s.end + reach {
                self.union(p, q);
            }
            if s.end < t.end {
                p += 1;
            } else {
                q += 1;
            }
        }
    }

    fn union(&mut self, a: usize, b: usize) {
        let (a, b) = (self.compress(a), self.compress(b));
        // The smaller index becomes the root, so that components are numbered in scan order.
        let (low, high) = (a.min(b), a.max(b));
        self.parent[high] = low as u32;
    }

    fn compress(&mut self, mut run: usize) -> usize {
        while self.parent[run] as usize != run {
            let above = self.parent[self.parent[run] as usize];
            self.parent[run] = above;
            run = above as usize;
        }
        run
    }

    fn root(&self, mut run: usize) -> usize {
        while self.parent[run] as usize != run {
            run = self.parent[run] as usize;
        }
        run
    }

    /// The component number of each run, from 1, and how many components there are.
    fn number(&self) -> (Vec<u32>, usize) {
        let mut labels = vec![0u32; self.spans.len()];
        let mut count = 0;
        for run in 0..labels.len() {
            let parent = self.parent[run] as usize;
            labels[run] = if parent == run {
                count += 1;
                count
            } else {
                // A parent has a smaller index than its child, so it is numbered already.
                labels[parent]
            };
        }
        (labels, count as usize)
    }

    /// All runs in scan order as `(row, run, span)`.
    fn iter(&self) -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> + '_ {
        self.rows
            .windows(2)
            .enumerate()
            .flat_map(move |(row, bounds)| {
                (bounds[0]..bounds[1]).map(move |run| {
                    let Span { start, end } = self.spans[run];
                    (row, run, start as usize..end as usize)
                })
            })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::grid::testing::{ALL, GRIDS, brute_labels, random_mask, voxels};

    #[test]
    fn components_match_brute_force() {
        for (seed, dims) in (1..).zip(GRIDS) {
            for percent in [20, 45, 80, 100] {
                let mask = random_mask(dims, percent, seed);
                for connectivity in ALL {
                    let found = components(&mask, dims, connectivity);
                    let expected = brute_labels(&mask, dims, connectivity);
                    assert_eq!(
                        found.labels, expected,
                        "{dims:?} {percent} {connectivity:?}"
                    );
                    for (label, &size) in found.sizes.iter().enumerate() {
                        let count = expected.iter().filter(|&&l| l as usize == label).count();
                        assert_eq!(size, count);
                    }
                }
            }
        }
    }

    #[test]
    fn largest_component_ignores_the_background() {
        let found = components(&[1, 0, 0, 0, 0, 1, 1], [7, 1, 1], Connectivity::Six);
        assert_eq!(found.largest(), Some(2));
        assert_eq!(
            components(&[0; 4], [4, 1, 1], Connectivity::Six).largest(),
            None
        );
    }

    #[test]
    fn keep_touching_matches_labels() {
        for (seed, dims) in (10..).zip(GRIDS) {
            let mask = random_mask(dims, 35, seed);
            let seeds = random_mask(dims, 5, seed + 100);
            for connectivity in ALL {
                let labels = brute_labels(&mask, dims, connectivity);
                let hit: Vec<u32> = labels
                    .iter()
                    .zip(&seeds)
                    .filter(|(_, s)| **s != 0)
                    .map(|(l, _)| *l)
                    .collect();
                let expected: Vec<u8> = labels
                    .iter()
                    .map(|l| u8::from(*l != 0 && hit.contains(l)))
                    .collect();
                assert_eq!(keep_touching(&mask, &seeds, dims, connectivity), expected);
            }
        }
    }

    #[test]
    fn holes_match_brute_force() {
        for (seed, dims) in (20..).zip(GRIDS) {
            let mask = random_mask(dims, 60, seed);
            let inverse: Vec<u8> = mask.iter().map(|v| 1 - v).collect();
            let labels = brute_labels(&inverse, dims, Connectivity::Six);
            let on_border = |p: &[isize; 3]| {
                (0..3).any(|axis| p[axis] == 0 || p[axis] + 1 == dims[axis] as isize)
            };
            let open: Vec<u32> = voxels(dims)
                .iter()
                .zip(&labels)
                .filter(|(p, _)| on_border(p))
                .map(|(_, l)| *l)
                .collect();
            let expected: Vec<u8> = labels
                .iter()
                .map(|l| u8::from(*l == 0 || !open.contains(l)))
                .collect();
            let mut filled = mask.clone();
            fill_holes(&mut filled, dims);
            assert_eq!(filled, expected, "{dims:?}");
        }
    }

    #[test]
    fn holes_in_2d_close_rings_but_not_cups() {
        let ring = [0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1, 1, 0];
        let cup = [1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1];
        let dims = [4, 4, 2];
        let mut mask: Vec<u8> = ring.into_iter().chain(cup).collect();
        fill_holes_2d(&mut mask, dims);
        let full_ring = [0, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 0];
        assert_eq!(mask[..16], full_ring);
        assert_eq!(mask[16..], cup);
    }

    #[test]
    #[should_panic(expected = "array length")]
    fn wrong_length_is_refused() {
        components(&[1, 1], [3, 1, 1], Connectivity::Six);
    }
}
