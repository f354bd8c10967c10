//! What the tests of several formats share.
#![allow(clippy::unwrap_used)]

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::volume::{Affine, Volume};

/// A grid that is oblique and anisotropic, with axes in no common order.
pub(super) fn oblique() -> Affine {
    let (s, c) = 30_f64.to_radians().sin_cos();
    Affine([
        [0.0, -0.75 * c, 2.5 * s, 81.25],
        [0.0, 0.75 * s, 2.5 * c, -140.5],
        [-0.8, 0.0, 0.0, 17.125],
    ])
}

pub(super) fn volume(affine: Affine) -> Volume<i16> {
    let data = (0..60).map(|n| n * 70 - 1024).collect();
    Volume::new(data, [5, 4, 3], affine).unwrap()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[track_caller]
pub(super) fn assert_close(a: &Affine, b: &Affine, tolerance: f64) {
    for (x, y) in a.0.iter().flatten().zip(b.0.iter().flatten()) {
        assert!((x - y).abs() < tolerance, "{a:?}\n{b:?}");
    }
}

/// Calls `open` with each byte of `whole` changed in turn, which may fail but not panic.
pub(super) fn mutations(whole: &[u8], mut open: impl FnMut(&[u8])) {
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xFF] {
            let mut broken = whole.to_vec();
            broken[at] ^= flip;
            open(&broken);
        }
    }
}
