//! Random grids and brute-force references for the tests of this module.
#![allow(clippy::unwrap_used)]

use super::{Connectivity, Dims};

pub const ALL: [Connectivity; 2] = [Connectivity::Six, Connectivity::TwentySix];
/// Small grids, flat and thin ones among them.
pub const GRIDS: [Dims; 7] = [
    [7, 6, 5],
    [1, 1, 1],
    [9, 1, 1],
    [1, 8, 1],
    [1, 1, 6],
    [17, 9, 1],
    [5, 20, 6],
];

/// A repeatable mask with about `percent` % of the voxels set.
pub fn random_mask(dims: Dims, percent: u64, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..dims.iter().product())
        .map(|_| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            u8::from((state >> 33) % 100 < percent)
        })
        .collect()
}

pub fn random_values(dims: Dims, seed: u64) -> Vec<f32> {
    (0..7u64).fold(vec![0.0; dims.iter().product()], |sum, bit| {
        let bits = random_mask(dims, 50, seed + bit);
        sum.iter()
            .zip(bits)
            .map(|(s, b)| s * 0.5 + f32::from(b))
            .collect()
    })
}

pub fn voxels(dims: Dims) -> Vec<[isize; 3]> {
    let [nx, ny, nz] = dims.map(|n| n as isize);
    (0..nz)
        .flat_map(|k| (0..ny).flat_map(move |j| (0..nx).map(move |i| [i, j, k])))
        .collect()
}

pub fn at<T: Copy>(data: &[T], dims: Dims, [i, j, k]: [isize; 3]) -> Option<T> {
    let [nx, ny, nz] = dims.map(|n| n as isize);
    let inside = (0..nx).contains(&i) && (0..ny).contains(&j) && (0..nz).contains(&k);
    inside.then(|| data[(i + nx * (j + ny * k)) as usize])
}

pub fn connected(a: [isize; 3], b: [isize; 3], connectivity: Connectivity) -> bool {
    let d = [0, 1, 2].map(|axis| (a[axis] - b[axis]).abs());
    match connectivity {
        Connectivity::Six => d.iter().sum::<isize>() == 1,
        Connectivity::TwentySix => a != b && d.iter().all(|&d| d <= 1),
    }
}

/// Labels by repeated flooding over all pairs.
pub fn brute_labels(mask: &[u8], dims: Dims, connectivity: Connectivity) -> Vec<u32> {
    let places = voxels(dims);
    let mut labels = vec![0; mask.len()];
    let mut next = 0;
    for start in 0..mask.len() {
        if mask[start] == 0 || labels[start] != 0 {
            continue;
        }
        next += 1;
        labels[start] = next;
        let mut todo = vec![start];
        while let Some(v) = todo.pop() {
            for w in 0..mask.len() {
                let free = mask[w] != 0 && labels[w] == 0;
                if free && connected(places[v], places[w], connectivity) {
                    labels[w] = next;
                    todo.push(w);
                }
            }
        }
    }
    labels
}

/// Distance in mm from voxel `p` to the nearest voxel of value `wanted`.
pub fn brute_distance(
    mask: &[u8],
    dims: Dims,
    spacing: [f64; 3],
    p: [isize; 3],
    wanted: u8,
) -> f64 {
    voxels(dims)
        .into_iter()
        .zip(mask)
        .filter(|(_, v)| **v == wanted)
        .map(|(q, _)| {
            (0..3)
                .map(|a| (spacing[a] * (p[a] - q[a]) as f64).powi(2))
                .sum::<f64>()
                .sqrt()
        })
        .fold(f64::INFINITY, f64::min)
}
