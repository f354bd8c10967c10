//! Golden values: both networks, layer by layer, against figures measured in PyTorch and MONAI
//! with weights that a formula fills in, so that every language gets the same network.

use burn::backend::Flex;
use burn::tensor::{Tensor, TensorData};
use pleura::infnet::{Backbone, Head, InfNet, InfNetConfig, import};
use pleura::nn::kernels::Kernels;
use pleura::nn::params::fill;
use pleura::nn::{Builder, Form};
use pleura::normnet::model::{NormNet, NormNetConfig};
use std::collections::BTreeMap;

/// u(i) = frac(sin(i·12.9898 + 78.233)·43758.5453)
fn u(i: usize) -> f64 {
    let x = (i as f64 * 12.9898 + 78.233).sin() * 43758.5453;
    x - x.floor()
}

/// The golden rule: weights from u, scaled by √(gain/fan); everything else constant.
fn golden(name: &str, shape: &[usize], gain: f64) -> Vec<f32> {
    let count: usize = shape.iter().product();
    if name.ends_with("weight") {
        let fan: usize = shape[1..].iter().product();
        let scale = 2.0 * (gain / fan as f64).sqrt();
        return (0..count).map(|i| ((u(i) - 0.5) * scale) as f32).collect();
    }
    let value = match name.rsplit('.').next().unwrap() {
        "gamma" => 0.7,
        "running_var" => 1.0,
        "slope" => 0.25,
        "beta" | "running_mean" | "bias" => 0.0,
        other => panic!("no rule for {other}"),
    };
    vec![value; count]
}

/// Mean, deviation, first, middle and last element.
fn summary(values: &[f32]) -> [f64; 5] {
    let n = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let squares = values
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>();
    let std = (squares / (n - 1.0).max(1.0)).sqrt();
    [
        mean,
        std,
        values[0].into(),
        values[values.len() / 2].into(),
        values[values.len() - 1].into(),
    ]
}

fn assert_close(name: &str, found: [f64; 5], expected: [f64; 5], tolerance: f64) {
    for (what, (f, e)) in ["mean", "std", "first", "mid", "last"]
        .iter()
        .zip(found.iter().zip(expected))
    {
        let allowed = tolerance * e.abs().max(0.1);
        assert!(
            (f - e).abs() <= allowed,
            "{name}: {what} is {f}, expected {e} (± {allowed:.1e}); all: {found:?}"
        );
    }
}

/// Relative to the value (at least 0.1): the table has six digits, f32 sums over a hundred
/// layers keep about four of them.
const TOLERANCE: f64 = 5e-4;

const INF_NET: [(&str, [f64; 5]); 16] = [
    ("f2", [0.353208, 0.447425, 0.29304, 0.290231, 0.14084]),
    ("f3", [0.598095, 0.801044, 0.531023, 0.172346, 0.840493]),
    ("f4", [1.74328, 2.30757, 4.27437, 0.0, 1.9931]),
    ("f5", [1.88813, 2.37338, 2.80254, 0.0, 2.45455]),
    ("rfb3", [0.450387, 0.638548, 0.697724, 0.0, 0.949855]),
    ("rfb5", [1.28804, 1.64542, 5.32843, 0.326778, 0.0]),
    (
        "edge_features",
        [-0.000874, 0.568105, 0.191955, -0.179664, -0.240142],
    ),
    ("global", [-1.95648, 2.20865, -0.438189, -3.10484, 1.83573]),
    (
        "ra5",
        [0.0392105, 0.0200718, 0.0582633, 0.0360717, 0.0124234],
    ),
    ("ra4", [0.439948, 0.510086, 1.22029, 1.06083, 0.114352]),
    ("ra3", [0.187688, 0.167868, 0.337345, 0.439491, -0.0648553]),
    ("S_g", [-1.95648, 2.04588, -0.438189, -3.09585, 1.83573]),
    ("S_5", [-2.0418, 1.59237, -2.11158, -3.6072, -1.48212]),
    ("S_4", [-1.60186, 1.2968, -0.891291, -2.22581, -1.36777]),
    ("S_3", [-1.41417, 1.24113, -0.553946, -1.76002, -1.43262]),
    ("S_e", [-0.409822, 0.199288, -0.0209622, -0.507083, 0.16101]),
];

fn inf_net<B: Kernels>(device: &B::Device) {
    let config = InfNetConfig::paper();
    assert_eq!(
        (config.backbone, config.head),
        (Backbone::Res2net50, Head::Paper)
    );
    let net = InfNet::<B>::new(&mut Builder::loading(Form::Trained, device), &config);
    let net = fill(net, |name, shape| Ok::<_, ()>(golden(name, shape, 6.0))).unwrap();
    let input: Vec<f32> = (0..3 * 64 * 64)
        .map(|i| (2.0 * (u(i) - 0.5)) as f32)
        .collect();
    let input = Tensor::from_data(TensorData::new(input, [1, 3, 64, 64]), device);
    let mut seen = BTreeMap::new();
    net.forward_tapped(input, &mut |name, tensor| {
        let values = tensor.clone().into_data().into_vec::<f32>().unwrap();
        seen.insert(name.to_string(), summary(&values));
    });
    for (name, expected) in INF_NET {
        assert_close(name, seen[name], expected, TOLERANCE);
    }
}

/// EfficientNet-Lite0's features of `2 (u − ½)` with ImageNet's weights, by a reference of its own in numpy
/// that follows the file's strides and TensorFlow's padding. That reference calls scikit-image's pictures
/// "coffee" an espresso (class 967, 0.94), "chelsea" an Egyptian cat (285, 0.41), "motorcycle" a moped (665, 0.68)
/// and "rocket" a missile (657, 0.30).
const LITE0: [(&str, [f64; 5]); 4] = [
    ("f2", [-0.338464, 11.105898, 1.272242, -20.408177, 6.060193]),
    ("f3", [-1.463654, 7.500514, -2.484227, 6.367441, -11.908119]),
    ("f4", [-0.292196, 4.694895, -2.038615, 3.971731, 11.689296]),
    ("f5", [-0.097650, 1.851181, 0.434846, -2.407874, 0.904614]),
];

#[test]
fn imagenet_weights_give_imagenet_features() {
    let Some(path) = std::env::var_os("PLEURA_LITE0") else {
        println!("skipped: PLEURA_LITE0 is not set");
        return;
    };
    let config = InfNetConfig::web();
    assert_eq!(config.backbone, Backbone::EfficientnetLite0);
    let device = Default::default();
    let net = InfNet::<Flex>::new(&mut Builder::loading(Form::Trained, &device), &config);
    let net = import::encoder(net, config.backbone, path.as_ref()).unwrap();
    // The encoder sees images turned by 180°.
    let turned = |mut values: Vec<f32>, planes: usize| {
        let size = values.len() / planes;
        values.chunks_exact_mut(size).for_each(<[f32]>::reverse);
        values
    };
    let input = (0..3 * 64 * 64).map(|i| (2.0 * (u(i) - 0.5)) as f32);
    let input = TensorData::new(turned(input.collect(), 3), [1, 3, 64, 64]);
    let mut seen = BTreeMap::new();
    net.forward_tapped(Tensor::from_data(input, &device), &mut |name, tensor| {
        let planes = tensor.dims()[1];
        let values = tensor.clone().into_data().into_vec::<f32>().unwrap();
        seen.insert(name.to_string(), summary(&turned(values, planes)));
    });
    for (name, expected) in LITE0 {
        assert_close(name, seen[name], expected, TOLERANCE);
    }
}

#[test]
fn other_lite0_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resaved.pth");
    std::fs::write(&path, b"a state dict in an order of its own").unwrap();
    let config = InfNetConfig::web();
    let build = &mut Builder::loading(Form::Trained, &Default::default());
    let error = import::encoder(InfNet::<Flex>::new(build, &config), config.backbone, &path);
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("resaved.pth") && text.contains("PyPI"),
        "{text}"
    );
}

fn norm_net<B: Kernels>(device: &B::Device, units: usize, expected: [f64; 5]) {
    let config = NormNetConfig {
        residual_units: units,
        ..NormNetConfig::paper()
    };
    let net = NormNet::<B>::new(&mut Builder::loading(Form::Trained, device), &config);
    let net = fill(net, |name, shape| Ok::<_, ()>(golden(name, shape, 3.0))).unwrap();
    let input: Vec<f32> = (0..32 * 32 * 32).map(|i| u(i) as f32).collect();
    let input = Tensor::from_data(TensorData::new(input, [1, 1, 32, 32, 32]), device);
    let values = net.forward(input).into_data().into_vec::<f32>().unwrap();
    assert_close(
        &format!("res {units}"),
        summary(&values),
        expected,
        TOLERANCE,
    );
}

const RES_0: [f64; 5] = [0.376357, 1.9344, -0.910787, -0.951751, 0.146093];
const RES_2: [f64; 5] = [0.515723, 1.12898, -0.163413, -0.0679113, -0.0961239];

#[test]
fn inf_net_matches_pytorch_on_the_cpu() {
    inf_net::<Flex>(&Default::default());
}

#[test]
fn norm_net_matches_monai_on_the_cpu() {
    norm_net::<Flex>(&Default::default(), 0, RES_0);
    norm_net::<Flex>(&Default::default(), 2, RES_2);
}

#[test]
fn parameter_counts_are_the_published_ones() {
    let count = |values: BTreeMap<String, (Vec<usize>, Vec<f32>)>| -> usize {
        values
            .iter()
            .filter(|(name, _)| !name.contains("running"))
            .map(|(_, (_, v))| v.len())
            .sum()
    };
    let device = Default::default();
    let net = InfNet::<Flex>::new(
        &mut Builder::loading(Form::Trained, &device),
        &InfNetConfig::paper(),
    );
    assert_eq!(count(pleura::nn::params::read(&net)), 31_072_721);
    for (units, expected) in [(0, 1_978_745), (1, 2_448_041), (2, 4_805_534)] {
        let config = NormNetConfig {
            residual_units: units,
            ..NormNetConfig::paper()
        };
        let net = NormNet::<Flex>::new(&mut Builder::loading(Form::Trained, &device), &config);
        assert_eq!(
            count(pleura::nn::params::read(&net)),
            expected,
            "res {units}"
        );
    }
}

/// The GPU kernels, natively: on a real adapter, or on a software Vulkan driver named by
/// VK_DRIVER_FILES. One test, because a device can be registered once in a process.
#[cfg(feature = "wgpu")]
#[test]
fn both_networks_match_on_the_gpu() {
    let gpu = match pollster::block_on(pleura::gpu::open(true, 0)) {
        Ok(gpu) => gpu,
        Err(reason) => {
            println!("skipped: {reason}");
            return;
        }
    };
    println!("on {}", gpu.name);
    inf_net::<burn::backend::Wgpu>(&gpu.device);
    norm_net::<burn::backend::Wgpu>(&gpu.device, 0, RES_0);
    norm_net::<burn::backend::Wgpu>(&gpu.device, 2, RES_2);
    crate::packed_gpu::packed_kernels_match_plain_loops::<burn::backend::wgpu::WgpuRuntime>(
        &gpu.device,
    );
}
