//! From a trained network to its weight file and back: folding, packing, loading.

use burn::backend::Flex;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Tensor, TensorData};
use pleura::engine::Engine;
use pleura::infnet::{InfNet, InfNetConfig, Maps};
use pleura::nn::params::{Values, fill, load, read};
use pleura::nn::{Builder, Form};
use pleura::normnet::model::{NormNet, NormNetConfig};
use pleura::quant;
use pleura::weights::tensors::TensorFile;
use pleura::weights::{Entry, Input, Manifest, Network, Precision, Training};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::path::Path;

const SIDE: usize = 64;

fn config() -> InfNetConfig {
    InfNetConfig {
        side: SIDE,
        ..InfNetConfig::web()
    }
}

/// Parameters of a network that has been trained for a while, as far as its norms are concerned.
fn trained() -> BTreeMap<String, Values> {
    let mut build = Builder::<Flex>::training(3, &Default::default());
    let mut values = read::<Flex, _>(&InfNet::<Flex>::new(&mut build, &config()));
    let mut rng = StdRng::seed_from_u64(4);
    for (name, (_, values)) in &mut values {
        let (low, high) = match name.rsplit('.').next().unwrap() {
            "gamma" => (0.7, 1.3),
            "beta" => (-0.2, 0.2),
            "running_mean" => (-0.3, 0.3),
            "running_var" => (0.5, 1.5),
            _ => continue,
        };
        values
            .iter_mut()
            .for_each(|v| *v = rng.random_range(low..high));
    }
    values
}

fn network(values: &BTreeMap<String, Values>, form: Form) -> InfNet<Flex> {
    let mut build = Builder::<Flex>::loading(form, &Default::default());
    let source = |name: &str, shape: &[usize]| {
        let found = values
            .get(name)
            .ok_or_else(|| format!("{name} is missing"))?;
        assert_eq!(found.0, shape, "{name}");
        Ok::<_, String>(found.1.clone())
    };
    fill(InfNet::new(&mut build, &config()), source).unwrap()
}

fn maps(net: &InfNet<Flex>) -> Maps<Flex> {
    let mut rng = StdRng::seed_from_u64(5);
    let shape = [2, 3, SIDE, SIDE];
    let count: usize = shape.iter().product();
    let input: Vec<f32> = (0..count).map(|_| rng.random_range(-2.0f32..2.0)).collect();
    net.forward(Tensor::from_data(
        TensorData::new(input, shape),
        &Default::default(),
    ))
}

fn values(map: Tensor<Flex, 4>) -> Vec<f32> {
    map.into_data().to_vec::<f32>().unwrap()
}

/// Relative to a map's largest logit: folding rounds every weight once more, and the hundred
/// layers pass that on.
const FOLDED: f32 = 1e-4;

#[test]
fn folding_the_norms_changes_nothing() {
    let trained = trained();
    let plain = maps(&network(&trained, Form::Trained));
    let folded = maps(&network(
        &quant::fold(&trained, quant::epsilon),
        Form::Folded,
    ));
    for (name, plain, folded) in [
        ("S_g", plain.global, folded.global),
        ("S_5", plain.s5, folded.s5),
        ("S_4", plain.s4, folded.s4),
        ("S_3", plain.s3, folded.s3),
        ("S_e", plain.edge, folded.edge),
    ] {
        let (plain, folded) = (values(plain), values(folded));
        let largest = plain.iter().fold(1.0f32, |m, v| m.max(v.abs()));
        assert!(largest.is_finite(), "{name}");
        for (p, f) in plain.iter().zip(&folded) {
            assert!(
                (p - f).abs() <= FOLDED * largest,
                "{name}: {f}, unfolded {p} of {largest}"
            );
        }
    }
}

fn packed(precision: Precision) -> Vec<u8> {
    let folded = quant::fold(&trained(), quant::epsilon);
    quant::pack("net.safetensors", &folded, precision)
        .unwrap()
        .to_bytes()
        .unwrap()
}

/// Mean difference of probability that weights of lower precision may make.
#[test]
fn packed_weights_give_nearly_the_same_map() {
    let plain = values(sigmoid(maps(&network(&trained(), Form::Trained)).s3));
    for (precision, allowed) in [(Precision::Int8, 0.05), (Precision::F16, 0.005)] {
        let file = TensorFile::from_bytes("net.safetensors", &packed(precision)).unwrap();
        let mut build = Builder::<Flex>::loading(Form::Folded, &Default::default());
        let source = |name: &str, shape: &[usize]| file.f32(name, shape);
        let net = fill(InfNet::new(&mut build, &config()), source).unwrap();
        let found = values(sigmoid(maps(&net).s3));
        let off: f32 = plain.iter().zip(&found).map(|(p, f)| (p - f).abs()).sum();
        let off = off / plain.len() as f32;
        assert!(off < allowed, "{precision:?}: {off}");
    }
}

/// The kernels that read 8-bit weights give what the same weights give when they are expanded
/// first: up to the order of summation.
#[test]
fn packed_kernels_agree_with_expanded_weights() {
    let device = Default::default();
    let file = TensorFile::from_bytes("net.safetensors", &packed(Precision::Int8)).unwrap();
    let maps_of = |form| {
        let mut build = Builder::<Flex>::loading(form, &device);
        let net = InfNet::new(&mut build, &config());
        let net = load(net, &build, &file).unwrap();
        maps(&net)
    };
    let (expanded, packed) = (maps_of(Form::Folded), maps_of(Form::Packed));
    for (name, expanded, packed) in [
        ("S_g", expanded.global, packed.global),
        ("S_5", expanded.s5, packed.s5),
        ("S_4", expanded.s4, packed.s4),
        ("S_3", expanded.s3, packed.s3),
        ("S_e", expanded.edge, packed.edge),
    ] {
        same(name, &values(expanded), &values(packed));
    }
}

/// The same for the 3D network, with its transposed convolutions and instance norms.
#[test]
fn packed_norm_net_agrees_with_expanded_weights() {
    let device = Default::default();
    let config = NormNetConfig {
        channels: vec![5, 8, 12],
        residual_units: 2,
    };
    let net = NormNet::<Flex>::new(&mut Builder::training(5, &device), &config);
    let file = quant::pack("net.safetensors", &read(&net), Precision::Int8).unwrap();
    let mut rng = StdRng::seed_from_u64(8);
    let slab: Vec<f32> = (0..8 * 20 * 12).map(|_| rng.random()).collect();
    let slab = Tensor::<Flex, 5>::from_data(TensorData::new(slab, [1, 1, 8, 20, 12]), &device);
    let logits = |form| {
        let mut build = Builder::<Flex>::loading(form, &device);
        let net = NormNet::new(&mut build, &config);
        let net = load(net, &build, &file).unwrap();
        net.forward(slab.clone())
            .into_data()
            .into_vec::<f32>()
            .unwrap()
    };
    same("logits", &logits(Form::Folded), &logits(Form::Packed));
}

/// Equal up to f32 sums in another order, through a hundred layers.
fn same(name: &str, expected: &[f32], found: &[f32]) {
    let largest = expected.iter().fold(0f32, |m, v| m.max(v.abs()));
    assert!(largest > 0.0, "{name}: nothing to compare");
    for (e, f) in expected.iter().zip(found) {
        assert!(
            (e - f).abs() <= 2e-4 * largest,
            "{name}: {f}, expanded {e} of {largest}"
        );
    }
}

fn entry(bytes: &[u8]) -> Entry {
    let mut entry = Entry {
        name: "infnet-semi.int8".into(),
        file: "infnet-semi.int8.safetensors".into(),
        bytes: 0,
        sha256: String::new(),
        network: Network::Infnet,
        precision: Precision::Int8,
        config: serde_json::to_value(config()).unwrap(),
        input: Input {
            extent: vec![SIDE, SIDE],
            spacing_mm: None,
            overlap: None,
            peak_bytes: None,
            largest_bytes: None,
        },
        thresholds: BTreeMap::new(),
        temperature: 1.0,
        training: Training {
            record: "RUNS.md".into(),
            seed: 3,
        },
    };
    entry.seal(bytes);
    entry
}

#[test]
fn a_changed_weight_file_is_refused_by_name() {
    let bytes = packed(Precision::Int8);
    let entry = entry(&bytes);
    let mut engine = Engine::<Flex>::new(Default::default());
    for at in [0, 100, bytes.len() / 2, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let error = engine.load(&entry, &changed).err().unwrap().to_string();
        assert!(
            error.contains(&entry.file) && error.contains("SHA-256"),
            "{error}"
        );
    }
    let error = engine.load(&entry, &bytes[1..]).err().unwrap().to_string();
    assert!(error.contains(&entry.file), "{error}");
    assert!(engine.side().is_err(), "a refused file has been loaded");
    engine.load(&entry, &bytes).unwrap();
    assert_eq!(engine.side().unwrap(), SIDE);
}

#[test]
fn intermediate_tensors_are_read_by_name() {
    let bytes = packed(Precision::Int8);
    let entry = entry(&bytes);
    let mut engine = Engine::<Flex>::new(Default::default());
    engine.load(&entry, &bytes).unwrap();
    let input: Vec<f32> = (0..3 * SIDE * SIDE).map(|i| (i % 7) as f32 - 3.0).collect();
    let read = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
        pollster::block_on(engine.taps(&input, &names))
    };
    let tapped = read(&["S_2", "f2"]).unwrap();
    let names: Vec<&str> = tapped.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["f2", "S_2"], "the order in which they arise");
    assert_eq!(tapped[0].shape[2..], [SIDE / 4; 2]);
    assert_eq!(
        tapped[0].values.len(),
        tapped[0].shape.iter().product::<usize>()
    );
    let logits = pollster::block_on(engine.forward(&entry, &input)).unwrap();
    assert_eq!(tapped[1].values, logits);
    // A_5 = 1 − σ(Down(S_g)), and Down by four is the mean of the middle of each block.
    let attended = read(&["global", "A_5"]).unwrap();
    let (side, [global, weights]) = (SIDE / 32, [0, 1].map(|n| &attended[n].values));
    assert_eq!(weights.len(), side * side);
    for (at, weight) in weights.iter().enumerate() {
        let (x, y) = (4 * (at % side), 4 * (at / side));
        let middle = [(1, 1), (2, 1), (1, 2), (2, 2)];
        let sum: f32 = middle
            .map(|(i, j)| global[x + i + (y + j) * SIDE / 8])
            .iter()
            .sum();
        let want = 1.0 - 1.0 / (1.0 + (-sum / 4.0).exp());
        assert!((weight - want).abs() < 1e-5, "{weight} is not {want}");
    }
    let error = read(&["S_7"]).err().unwrap().to_string();
    assert!(error.contains("S_7") && error.contains("S_3"), "{error}");
}

#[test]
fn weights_of_another_network_are_refused_by_name() {
    let bytes = packed(Precision::Int8);
    let other = Entry {
        config: serde_json::to_value(InfNetConfig::paper()).unwrap(),
        ..entry(&bytes)
    };
    let mut engine = Engine::<Flex>::new(Default::default());
    let error = engine.load(&other, &bytes).err().unwrap().to_string();
    assert!(error.contains(&other.file), "{error}");
}

#[test]
fn every_shipped_weight_file_loads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let path = folder.join("manifest.json");
    if !path.is_file() {
        println!("skipped: {} is not there", path.display());
        return;
    }
    let manifest = Manifest::parse("manifest.json", &std::fs::read(&path).unwrap()).unwrap();
    for entry in &manifest.models {
        let path = folder.join(&entry.file);
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Engine::<Flex>::new(Default::default())
            .load(entry, &bytes)
            .unwrap_or_else(|e| panic!("{e}"));
    }
}
