//! Every kernel, for every instruction set of this CPU, against plain loops in f64.

use super::packed::{arrange_for, arrange_transposed_for};
use super::plan::Plan;
use super::simd::{Level, Plain};
use super::sweep::sweep;
use super::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Of Σ|w·x|: some thousand f32 roundings that do not all point the same way.
const TOLERANCE: f64 = 2e-6;

/// Cases with more multiplications are drawn again.
const MOST_PRODUCTS: usize = 400_000;

fn levels() -> Vec<Level> {
    let mut levels = vec![Level::Plain(Plain), Level::best()];
    #[cfg(target_arch = "x86_64")]
    levels.extend(simd::Avx2::detect().map(Level::Avx2));
    levels
}

fn random(rng: &mut StdRng, count: usize) -> Vec<f32> {
    (0..count).map(|_| rng.random_range(-1.0f32..1.0)).collect()
}

fn random_codes(rng: &mut StdRng, count: usize) -> Vec<i8> {
    (0..count).map(|_| rng.random_range(-127..=127)).collect()
}

/// A sum and the sum of its summands' magnitudes.
#[derive(Clone, Copy, Default)]
struct Sum(f64, f64);

impl Sum {
    fn add(&mut self, v: f64) {
        self.0 += v;
        self.1 += v.abs();
    }
}

fn assert_close(what: &str, found: &[f32], expected: &[Sum]) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    for (i, (&f, e)) in found.iter().zip(expected).enumerate() {
        let off = (f64::from(f) - e.0).abs();
        assert!(
            off <= TOLERANCE * (e.1 + 1e-3),
            "{what}: [{i}] is {f}, expected {}",
            e.0
        );
    }
}

fn split(index: usize, [_, h, w]: [usize; 3]) -> [usize; 3] {
    [index / (h * w), index / w % h, index % w]
}

/// Calls `each` with (weight, input value, output value) of every product of a convolution.
fn products(g: &Geometry, mut each: impl FnMut(usize, usize, usize)) {
    let (gi, go, taps) = (g.in_group(), g.out_group(), g.taps());
    for tap in 0..taps {
        let t = split(tap, g.kernel);
        for at in 0..g.outputs() {
            let o = split(at, g.output);
            let from = (0..3).try_fold(0, |index, a| {
                let p = (o[a] * g.stride[a] + t[a] * g.dilation[a]).checked_sub(g.padding[a])?;
                (p < g.input[a]).then_some(index * g.input[a] + p)
            });
            let Some(from) = from else { continue };
            for n in 0..g.batch {
                for co in 0..g.channels_out {
                    for c in 0..gi {
                        let ci = n * g.channels_in + co / go * gi + c;
                        each(
                            (co * gi + c) * taps + tap,
                            ci * g.inputs() + from,
                            (n * g.channels_out + co) * g.outputs() + at,
                        );
                    }
                }
            }
        }
    }
}

const KERNELS: [[usize; 3]; 14] = [
    [1, 1, 1],
    [1, 3, 3],
    [1, 5, 5],
    [1, 1, 3],
    [1, 7, 1],
    [1, 1, 7],
    [1, 5, 1],
    [1, 2, 4],
    [1, 3, 3],
    [1, 1, 1],
    [3, 3, 3],
    [3, 1, 1],
    [2, 2, 2],
    [3, 3, 3],
];

/// A random case; `kind` goes through the sorts of groups.
fn random_geometry(rng: &mut StdRng, kind: usize) -> Geometry {
    loop {
        let kernel = KERNELS[rng.random_range(0..KERNELS.len())];
        let deep = kernel[0] > 1 || rng.random_bool(0.2);
        let longest = if rng.random_bool(0.3) { 70 } else { 20 };
        let mut input: [usize; 3] = [
            if deep { rng.random_range(1..=6) } else { 1 },
            rng.random_range(1..=longest),
            rng.random_range(1..=longest),
        ];
        let mut stride = [rng.random_range(1..=2); 3];
        let mut dilation = [if stride[0] == 1 {
            rng.random_range(1..=7)
        } else {
            1
        }; 3];
        if !deep {
            (stride[0], dilation[0]) = (1, 1);
        }
        match rng.random_range(0..8) {
            0..4 => (stride, dilation) = ([1; 3], [1; 3]),
            4 => {
                // Nothing the same along two axes.
                stride = std::array::from_fn(|_| rng.random_range(1..=3));
                dilation = std::array::from_fn(|_| rng.random_range(1..=3));
            }
            _ => {}
        }
        let same = rng.random_bool(0.7);
        let padding: [usize; 3] = std::array::from_fn(|a| {
            let most = dilation[a] * (kernel[a] - 1) / 2;
            if same {
                most
            } else {
                rng.random_range(0..=most + usize::from(kind == 0))
            }
        });
        let most = [40, 300][usize::from(rng.random_bool(0.2))];
        let (groups, ci, co) = match kind {
            0 => (1, rng.random_range(1..=most), rng.random_range(1..=most)),
            1 => {
                let c: usize = rng.random_range(1..=most);
                (c, c, c)
            }
            2 => (1, rng.random_range(1..=3), rng.random_range(1..=20)),
            3 => (1, rng.random_range(1..=20), rng.random_range(1..=3)),
            // One input channel a group, several outputs: not quite depthwise.
            4 => {
                let c: usize = rng.random_range(2..=12);
                (c, c, c * rng.random_range(2..=3))
            }
            _ => {
                let groups: usize = rng.random_range(2..=4);
                (
                    groups,
                    groups * rng.random_range(2..=12),
                    groups * rng.random_range(1..=12),
                )
            }
        };
        if most > 40 || rng.random_bool(0.2) {
            // Channels instead of pixels.
            input = input.map(|e| e.min(9));
        }
        if !(0..3).all(|a| input[a] + 2 * padding[a] > dilation[a] * (kernel[a] - 1)) {
            continue;
        }
        let batch = rng.random_range(1..=3);
        let g = Geometry::new(
            batch, ci, co, groups, input, kernel, stride, padding, dilation,
        );
        if batch * co * g.in_group() * g.taps() * g.outputs() <= MOST_PRODUCTS {
            return g;
        }
    }
}

/// A case of [`sweep`]: `expected` are its sums without scale and finish.
fn check_packed(
    what: &str,
    level: Level,
    plan: &Plan,
    x: &[f32],
    arranged: &[i8],
    expected: &[Sum],
    rng: &mut StdRng,
) {
    let channels = plan.groups * plan.targets;
    let (scale, bias) = (random(rng, channels), random(rng, channels));
    let residual = rng.random_bool(0.5).then(|| random(rng, expected.len()));
    let activation =
        [Activation::None, Activation::Relu, Activation::Relu6][rng.random_range(0..3)];
    let finish = Finish {
        bias: &bias,
        residual: residual.as_deref(),
        activation,
    };
    let plane = plan.target_plane();
    let finished: Vec<Sum> = expected
        .iter()
        .enumerate()
        .map(|(i, sum)| {
            let channel = i / plane % channels;
            let scale = f64::from(scale[channel]);
            let mut sum = Sum(sum.0 * scale, sum.1 * scale.abs());
            sum.add(f64::from(bias[channel]));
            sum.add(residual.as_ref().map_or(0.0, |r| f64::from(r[i])));
            sum.0 = match activation {
                Activation::None => sum.0,
                Activation::Relu => sum.0.max(0.0),
                Activation::Relu6 => sum.0.clamp(0.0, 6.0),
            };
            sum
        })
        .collect();
    let found = sweep(level, plan, x, arranged, &scale, &finish);
    let residual = residual.is_some();
    assert_close(
        &format!("{what}, {activation:?}, residual {residual}"),
        &found,
        &finished,
    );
}

#[test]
fn convolutions_match_plain_loops() {
    let mut rng = StdRng::seed_from_u64(1);
    for case in 0..240 {
        let g = random_geometry(&mut rng, case % 6);
        let x = random(&mut rng, g.batch * g.channels_in * g.inputs());
        let codes = random_codes(&mut rng, g.channels_out * g.in_group() * g.taps());
        let mut expected = vec![Sum::default(); g.batch * g.channels_out * g.outputs()];
        products(&g, |w, from, to| {
            expected[to].add(f64::from(codes[w]) * f64::from(x[from]));
        });
        for level in levels() {
            let arranged = arrange_for(level, &g, &codes);
            let plan = Plan::forward(&g);
            check_packed(
                &format!("{g:?}"),
                level,
                &plan,
                &x,
                &arranged,
                &expected,
                &mut rng,
            );
        }
        let weights: Vec<f32> = codes.iter().map(|c| f32::from(*c)).collect();
        assert_close(
            &format!("{g:?} in f32"),
            &conv(&g, &x, &weights, None),
            &expected,
        );
    }
}

#[test]
fn transposed_convolutions_match_plain_loops() {
    let mut rng = StdRng::seed_from_u64(2);
    for case in 0..160 {
        let g = random_geometry(&mut rng, case % 6);
        let x = random(&mut rng, g.batch * g.channels_out * g.outputs());
        let codes = random_codes(&mut rng, g.channels_out * g.in_group() * g.taps());
        let mut expected = vec![Sum::default(); g.batch * g.channels_in * g.inputs()];
        products(&g, |w, to, from| {
            expected[to].add(f64::from(codes[w]) * f64::from(x[from]));
        });
        for level in levels() {
            let arranged = arrange_transposed_for(level, &g, &codes);
            let what = format!("{g:?} transposed");
            let plan = Plan::transposed(&g);
            check_packed(&what, level, &plan, &x, &arranged, &expected, &mut rng);
        }
        let weights: Vec<f32> = codes.iter().map(|c| f32::from(*c)).collect();
        let found = conv_input_gradient(&g, &weights, &x);
        assert_close(&format!("{g:?} transposed in f32"), &found, &expected);
    }
}

#[test]
fn gradients_by_the_weight_match_plain_loops() {
    let mut rng = StdRng::seed_from_u64(3);
    for case in 0..120 {
        let g = random_geometry(&mut rng, case % 6);
        let x = random(&mut rng, g.batch * g.channels_in * g.inputs());
        let grad = random(&mut rng, g.batch * g.channels_out * g.outputs());
        let mut expected = vec![Sum::default(); g.channels_out * g.in_group() * g.taps()];
        products(&g, |w, from, at| {
            expected[w].add(f64::from(grad[at]) * f64::from(x[from]));
        });
        let what = format!("{g:?} by weight");
        assert_close(&what, &conv_weight_gradient(&g, &x, &grad), &expected);
        for level in levels() {
            let found = filters::weight_gradient(level, &g, &x, &grad);
            assert_close(&what, &found, &expected);
        }
    }
}

/// Layers that are cut into blocks, whose source is read in place or whose rows are long.
#[test]
fn large_layers_match_plain_loops() {
    let mut rng = StdRng::seed_from_u64(4);
    for (channels, groups, input, kernel, stride, dilation) in [
        ([5, 9], 1, [1, 41, 45], [1, 1, 1], 1, 1),
        ([2, 1], 1, [1, 512, 1], [1, 1, 1], 1, 1),
        ([40, 3], 1, [1, 75, 78], [1, 3, 3], 1, 1),
        ([3, 8], 1, [1, 131, 140], [1, 3, 3], 2, 1),
        ([1, 1], 1, [5, 66, 150], [3, 3, 3], 1, 1),
        ([2, 4], 1, [8, 40, 40], [3, 3, 3], 2, 1),
        ([2, 2], 2, [1, 200, 260], [1, 5, 5], 1, 1),
        ([12, 2], 1, [1, 90, 80], [1, 3, 3], 1, 5),
        // One row.
        ([3, 2], 1, [1, 1, 9000], [1, 1, 3], 1, 1),
        ([3, 2], 1, [1, 1, 9000], [1, 1, 1], 2, 1),
    ] {
        let padding: [usize; 3] = std::array::from_fn(|a| dilation * (kernel[a] - 1) / 2);
        let [ci, co] = channels;
        let (stride, dilation) = ([1, stride, stride], [1, dilation, dilation]);
        let g = Geometry::new(1, ci, co, groups, input, kernel, stride, padding, dilation);
        let x = random(&mut rng, ci * g.inputs());
        let grad = random(&mut rng, co * g.outputs());
        let codes = random_codes(&mut rng, co * g.in_group() * g.taps());
        let mut forward = vec![Sum::default(); grad.len()];
        let mut backward = vec![Sum::default(); x.len()];
        products(&g, |w, from, to| {
            forward[to].add(f64::from(codes[w]) * f64::from(x[from]));
            backward[from].add(f64::from(codes[w]) * f64::from(grad[to]));
        });
        let what = format!("{g:?}");
        for level in levels() {
            let arranged = arrange_for(level, &g, &codes);
            let plan = Plan::forward(&g);
            check_packed(&what, level, &plan, &x, &arranged, &forward, &mut rng);
            let arranged = arrange_transposed_for(level, &g, &codes);
            let plan = Plan::transposed(&g);
            check_packed(&what, level, &plan, &grad, &arranged, &backward, &mut rng);
        }
    }
}

#[test]
fn settling_matches_plain_loops() {
    let mut rng = StdRng::seed_from_u64(5);
    for (planes, s) in [(1, 1), (3, 17), (5, 5000), (1, 200_001), (9, 70_000)] {
        let (offset, slope, epsilon) = (rng.random_range(-20.0f32..20.0), 0.25, 1e-5);
        let x: Vec<f32> = random(&mut rng, planes * s)
            .iter()
            .map(|x| x + offset)
            .collect();
        let found = settle(planes, s, &x, slope, epsilon);
        for (x, y) in x.chunks(s).zip(found.chunks(s)) {
            let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / s as f64;
            let squares = x
                .iter()
                .map(|x| (f64::from(*x) - mean).powi(2))
                .sum::<f64>();
            let rate = 1.0 / (squares / s as f64 + f64::from(epsilon)).sqrt();
            for (x, y) in x.iter().zip(y) {
                let e = (f64::from(*x) - mean) * rate;
                let e = if e < 0.0 { e * f64::from(slope) } else { e };
                let off = (f64::from(*y) - e).abs();
                assert!(off < 2e-4, "{planes} × {s}: {y} instead of {e}");
            }
        }
    }
}

/// NaN and infinity stay: a broken input must not look like a sound one.
#[test]
fn what_is_not_a_number_stays() {
    let g = Geometry::new(1, 1, 1, 1, [1, 1, 40], [1; 3], [1; 3], [0; 3], [1; 3]);
    let mut x = vec![1.0; 40];
    (x[3], x[5]) = (f32::NAN, f32::INFINITY);
    let finish = Finish {
        bias: &[0.0],
        residual: None,
        activation: Activation::None,
    };
    for level in levels() {
        let y = sweep(level, &Plan::forward(&g), &x, &[1i8], &[1.0], &finish);
        assert!(
            y[3].is_nan() && y[5] == f32::INFINITY && y[39] == 1.0,
            "{y:?}"
        );
    }
}
