//! Bilinear resizing against PyTorch's `interpolate(mode="bilinear")`.

use burn::backend::Flex;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use pleura::nn::resize::{Align, bilinear, scale, weights};

/// f32 keeps seven digits; PyTorch's printed values are given to six.
const TOLERANCE: f32 = 1e-5;

fn assert_close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}: {found:?}");
    let worst = found
        .iter()
        .zip(expected)
        .map(|(f, e)| (f - e).abs())
        .fold(0.0, f32::max);
    assert!(
        worst <= TOLERANCE,
        "{what}: {found:?}, expected {expected:?}"
    );
}

fn plane<B: Backend>(values: Vec<f32>, shape: [usize; 4]) -> Tensor<B, 4> {
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

fn values(tensor: Tensor<Flex, 4>) -> Vec<f32> {
    tensor.into_data().to_vec::<f32>().unwrap()
}

/// Input, output side, values with corners aligned, values with centres aligned.
type Line = (&'static [f32], usize, &'static [f32], &'static [f32]);

const LINES: [Line; 7] = [
    (
        &[0.0, 1.0, 2.0, 3.0],
        8,
        &[
            0.0, 0.428571, 0.857143, 1.285714, 1.714286, 2.142857, 2.571429, 3.0,
        ],
        &[0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0],
    ),
    (
        &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
        4,
        &[0.0, 2.333333, 4.666667, 7.0],
        &[0.5, 2.5, 4.5, 6.5],
    ),
    (&[1.0, 4.0, 2.0, 8.0], 2, &[1.0, 8.0], &[2.5, 5.0]),
    (
        &[1.0, 5.0, 2.0],
        5,
        &[1.0, 3.0, 5.0, 3.5, 2.0],
        &[1.0, 2.6, 5.0, 3.2, 2.0],
    ),
    (
        &[0.0, 10.0, 20.0, 30.0, 40.0],
        3,
        &[0.0, 20.0, 40.0],
        &[3.333333, 20.0, 36.666667],
    ),
    // To one pixel: the first corner, or the two central pixels.
    (&[3.0, 1.0, 2.0, 9.0], 1, &[3.0], &[1.5]),
    (&[7.0], 3, &[7.0, 7.0, 7.0], &[7.0, 7.0, 7.0]),
];

#[test]
fn lines_are_pytorchs() {
    for (input, side, corners, centers) in LINES {
        for (align, expected) in [(Align::Corners, corners), (Align::Centers, centers)] {
            let what = format!("{input:?} to {side}, {align:?}");
            let product = |row: &[f32]| row.iter().zip(input).map(|(w, v)| w * v).sum::<f32>();
            let matrix = weights(input.len(), side, align);
            let found: Vec<f32> = matrix.chunks_exact(input.len()).map(product).collect();
            assert_close(&what, &found, expected);
            // The same through tensors, along either axis.
            let n = input.len();
            let row = bilinear(
                plane::<Flex>(input.to_vec(), [1, 1, 1, n]),
                [1, side],
                align,
            );
            assert_close(&what, &values(row), expected);
            let column = bilinear(
                plane::<Flex>(input.to_vec(), [1, 1, n, 1]),
                [side, 1],
                align,
            );
            assert_close(&what, &values(column), expected);
        }
    }
}

/// The example of PyTorch's documentation of `Upsample`.
#[test]
fn squares_are_pytorchs() {
    let square = || plane::<Flex>(vec![1.0, 2.0, 3.0, 4.0], [1, 1, 2, 2]);
    let centers = [
        [1.0, 1.25, 1.75, 2.0],
        [1.5, 1.75, 2.25, 2.5],
        [2.5, 2.75, 3.25, 3.5],
        [3.0, 3.25, 3.75, 4.0],
    ];
    let corners = [
        [1.0, 1.333333, 1.666667, 2.0],
        [1.666667, 2.0, 2.333333, 2.666667],
        [2.333333, 2.666667, 3.0, 3.333333],
        [3.0, 3.333333, 3.666667, 4.0],
    ];
    assert_close(
        "centres",
        &values(scale(square(), (2, 1), Align::Centers)),
        centers.as_flattened(),
    );
    assert_close(
        "corners",
        &values(scale(square(), (2, 1), Align::Corners)),
        corners.as_flattened(),
    );
}

/// SPEC A.7: D_¼ is the mean of the central 2×2 of each 4×4.
#[test]
fn a_quarter_is_the_mean_of_the_centre() {
    let (h, w) = (8, 12);
    let input: Vec<f32> = (0..h * w).map(|i| ((i * i) % 97) as f32 / 97.0).collect();
    let at = |y: usize, x: usize| input[y * w + x];
    let mut expected = Vec::new();
    for y in (1..h).step_by(4) {
        for x in (1..w).step_by(4) {
            expected.push((at(y, x) + at(y, x + 1) + at(y + 1, x) + at(y + 1, x + 1)) / 4.0);
        }
    }
    let found = scale(
        plane::<Flex>(input.clone(), [1, 1, h, w]),
        (1, 4),
        Align::Centers,
    );
    assert_eq!(found.dims(), [1, 1, 2, 3]);
    assert_close("a quarter", &values(found), &expected);
}

#[test]
fn planes_do_not_mix() {
    let [n, c, h, w] = [2, 3, 5, 7];
    let input: Vec<f32> = (0..n * c * h * w)
        .map(|i| ((i * 37) % 101) as f32 / 101.0)
        .collect();
    for align in [Align::Corners, Align::Centers] {
        let size = [8, 4];
        let found = values(bilinear(
            plane::<Flex>(input.clone(), [n, c, h, w]),
            size,
            align,
        ));
        let planes = found
            .chunks_exact(size[0] * size[1])
            .zip(input.chunks_exact(h * w));
        assert_eq!(planes.len(), n * c);
        for (found, input) in planes {
            let alone = bilinear(plane::<Flex>(input.to_vec(), [1, 1, h, w]), size, align);
            assert_close("one plane alone", found, &values(alone));
        }
    }
}

#[test]
fn every_output_is_a_mean() {
    for (input, output) in [(1, 5), (5, 1), (3, 7), (11, 44), (44, 11), (352, 88)] {
        for align in [Align::Corners, Align::Centers] {
            for row in weights(input, output, align).chunks_exact(input) {
                let sum: f32 = row.iter().sum();
                let what = format!("{input} to {output}, {align:?}");
                assert!((sum - 1.0).abs() <= TOLERANCE, "{what}: {sum}");
                assert!(row.iter().all(|&w| w >= 0.0), "{what}: {row:?}");
            }
        }
    }
}

/// Each output pixel's weights add up to 1, so the gradient of the sum of all outputs adds up to
/// their number.
#[cfg(feature = "train")]
#[test]
fn gradients_flow() {
    type Trained = burn::backend::Autodiff<Flex>;
    let shape = [2, 3, 6, 5];
    for align in [Align::Corners, Align::Centers] {
        for size in [[12, 10], [3, 2], [7, 5]] {
            let x = plane::<Trained>(vec![0.5; shape.iter().product()], shape).require_grad();
            let grads = bilinear(x.clone(), size, align).sum().backward();
            let gradient = values(x.grad(&grads).unwrap());
            let sum: f32 = gradient.iter().sum();
            let pixels = (2 * 3 * size[0] * size[1]) as f32;
            assert!(
                (sum - pixels).abs() <= TOLERANCE * pixels,
                "{size:?} {align:?}: {sum}"
            );
        }
    }
}
