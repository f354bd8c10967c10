//! What the viewer is given.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::volume::Affine;

fn opened(name: &str, bytes: &[u8]) -> Analysis {
    Analysis::open(name, bytes, Options::default(), &Limits::default()).unwrap()
}

#[test]
fn a_volume_is_shown_on_the_axes_of_its_file() {
    let lps = [
        [-1.0, 0.0, 0.0, 8.0],
        [0.0, -2.0, 0.0, 9.0],
        [0.0, 0.0, 3.0, -7.0],
    ];
    // Along S, R and P: permuted, and one axis against LPS.
    let turned = [
        [0.0, 1.0, 0.0, 8.0],
        [0.0, 0.0, -2.0, 9.0],
        [3.0, 0.0, 0.0, -7.0],
    ];
    for affine in [lps, turned] {
        let data = (0..24).map(|n| n * 40 - 1000).collect();
        let hu = Volume::new(data, [2, 3, 4], Affine(affine)).unwrap();
        let file = io::nifti::write_hu(&hu, true);
        let shown = opened("scan.nii.gz", &file).shown().unwrap();
        let Input::Volume(scan) = io::open("shown", &shown, &Limits::default()).unwrap() else {
            panic!("no volume");
        };
        assert_eq!(scan.hu, hu);
    }
}

#[test]
fn an_image_is_shown_as_it_is() {
    let image = GrayImage::from_fn(7, 5, |x, y| image::Luma([(40 * x + y) as u8]));
    let file = io::image::write_png("slice.png", &image).unwrap();
    let shown = opened("slice.png", &file).shown().unwrap();
    let again = io::open("shown", &shown, &Limits::default()).unwrap();
    assert_eq!(again, Input::Image(image));
}
