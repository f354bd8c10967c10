//! The command line from outside: exit codes, messages, and the files that it leaves.
//!
//! The networks here are small and untrained: what they find means nothing, where it is put does.

use burn::backend::Flex;
use burn::module::Module;
use image::GrayImage;
use pleura::infnet::classes::{self, ClassesConfig};
use pleura::infnet::slices::grey;
use pleura::infnet::{InfNet, InfNetConfig};
use pleura::io::nifti::{read, read_labels, write_hu, write_labels};
use pleura::io::{Limits, image as picture};
use pleura::metrics::Confusion;
use pleura::nn::Builder;
use pleura::nn::params;
use pleura::normnet::model::{NormNet, NormNetConfig};
use pleura::quant;
use pleura::training::to_file;
use pleura::volume::Volume;
use pleura::weights::{Entry, Input, Manifest, Network, Precision, Training};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Height of the phantom's piece: eight slices.
const PIECE_MM: &str = "20";
/// Side of Inf-Net's and the class network's input.
const SIDE: &str = "64";

pub(crate) fn pleura<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pleura"));
    command.args(args).env_remove("PLEURA_MODELS");
    command.output().unwrap()
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_string()
}

fn complaints(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
pub(crate) fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", complaints(output));
}

/// Fails unless one line of standard error has all of `parts`.
#[track_caller]
pub(crate) fn assert_says(output: &Output, parts: &[&str]) {
    let said = complaints(output);
    let found = said
        .lines()
        .any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(found, "no line has {parts:?}: {said}");
}

pub(crate) fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect()
}

pub(crate) fn labels(path: &Path) -> Volume<u8> {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    read_labels(&text(path), &bytes, &Limits::default()).unwrap()
}

pub(crate) fn scan(path: &Path) -> Volume<i16> {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    read(&text(path), &bytes, &Limits::default()).unwrap().hu
}

/// Packs untrained weights with `pleura pack`. At threshold 0 every lung voxel counts as
/// infected, so there are masks to look at.
fn pack<M: Module<Flex>>(folder: &Path, net: &M, network: &str, name: &str) {
    let file = folder.join(format!("{name}.trained"));
    let bytes = to_file(&params::read::<Flex, _>(net)).to_bytes().unwrap();
    fs::write(&file, bytes).unwrap();
    let (file, models) = (text(&file), text(&folder.join("models")));
    let mut args = vec!["pack", &file, "--network", network, "--name", name];
    args.extend([
        "--models",
        &models,
        "--side",
        SIDE,
        "--threshold",
        "infection=0",
    ]);
    assert_code(&pleura(args), 0);
}

/// A NormNet of two levels on a coarse grid, which `pack` has no option for.
fn add_normnet(models: &Path) {
    let config = NormNetConfig {
        channels: vec![4, 8, 8],
        residual_units: 1,
    };
    let net = NormNet::<Flex>::new(&mut Builder::training(3, &Default::default()), &config);
    let file = "normnet-1.int8.safetensors";
    let values = params::read::<Flex, _>(&net);
    let bytes = quant::pack(file, &values, Precision::Int8)
        .unwrap()
        .to_bytes()
        .unwrap();
    let mut entry = Entry {
        name: "normnet-1.int8".into(),
        file: file.into(),
        bytes: 0,
        sha256: String::new(),
        network: Network::Normnet,
        precision: Precision::Int8,
        config: serde_json::to_value(&config).unwrap(),
        input: Input {
            extent: vec![16, 128, 128],
            spacing_mm: Some(vec![3.0, 2.5, 2.5]),
            overlap: None,
            peak_bytes: None,
            largest_bytes: None,
        },
        thresholds: BTreeMap::new(),
        temperature: 1.0,
        training: Training {
            record: "none".into(),
            seed: 3,
        },
    };
    entry.seal(&bytes);
    fs::write(models.join(file), bytes).unwrap();
    let path = models.join("manifest.json");
    let mut manifest = Manifest::parse(&text(&path), &fs::read(&path).unwrap()).unwrap();
    manifest.models.push(entry);
    fs::write(&path, manifest.to_json().unwrap()).unwrap();
}

/// A folder with models and, once asked for, a phantom.
pub(crate) struct Bench(TempDir);

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let device = Default::default();
        let mut build = Builder::<Flex>::training(1, &device);
        let infnet = InfNet::<Flex>::new(&mut build, &InfNetConfig::web());
        pack(folder.path(), &infnet, "infnet", "infnet-semi");
        let classes = classes::network::<Flex>(&mut build, &ClassesConfig::web());
        pack(folder.path(), &classes, "classes", "classes");
        add_normnet(&folder.path().join("models"));
        Bench(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// chest.nii.gz, chest_lungs_truth.nii.gz and chest_lesions_truth.nii.gz.
    pub(crate) fn phantom(&self) -> PathBuf {
        let path = self.path("chest.nii.gz");
        assert_code(
            &pleura(["phantom", "--out", &text(&path), "--piece", PIECE_MM]),
            0,
        );
        path
    }

    pub(crate) fn segment(&self, inputs: &[&Path], out: &Path, options: &[&str]) -> Output {
        let mut args = vec!["segment".to_string()];
        args.extend(inputs.iter().map(|path| text(path)));
        args.extend(["--out".to_string(), text(out), "--models".to_string()]);
        args.push(text(&self.path("models")));
        args.extend(
            // The lung network has its own tests; these models folders are without it.
            ["--device", "cpu", "--lungs-by", "threshold"]
                .iter()
                .chain(options)
                .map(|s| s.to_string()),
        );
        pleura(args)
    }
}

#[test]
fn usage_errors_exit_with_2() {
    let none: [&str; 0] = [];
    assert_code(&pleura(none), 2);
    assert_code(&pleura(["diagnose"]), 2);
    assert_code(&pleura(["segment"]), 2);
    assert_code(&pleura(["segment", "scan.nii.gz"]), 2);
    let unknown = pleura(["segment", "scan.nii.gz", "--out", "out", "--colour"]);
    assert_code(&unknown, 2);
    assert_says(&unknown, &["--colour"]);
    assert_code(&pleura(["--help"]), 0);
}

#[test]
fn failures_exit_with_1_and_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("models")).unwrap();
    fs::write(
        path("models/manifest.json"),
        r#"{"schema_version": 1, "models": []}"#,
    )
    .unwrap();
    let [models, out] = ["models", "out"].map(|name| text(&path(name)));
    let segment = |inputs: &[&str]| {
        let inputs = inputs.iter().map(|name| text(&path(name)));
        let options = ["--out", &out, "--models", &models, "--device", "cpu"];
        pleura(
            std::iter::once("segment".into())
                .chain(inputs)
                .chain(options.map(String::from)),
        )
    };

    // Two inputs whose results would have the same names.
    fs::create_dir_all(path("a")).unwrap();
    fs::create_dir_all(path("b")).unwrap();
    for name in ["a/scan.nii.gz", "b/scan.nii"] {
        fs::write(path(name), "not read").unwrap();
    }
    let clash = segment(&["a/scan.nii.gz", "b/scan.nii"]);
    assert_code(&clash, 1);
    assert_says(
        &clash,
        &[&text(&path("a/scan.nii.gz")), &text(&path("b/scan.nii"))],
    );
    assert!(!path("out").exists(), "something has been written");

    let missing = segment(&["missing.nii.gz"]);
    assert_code(&missing, 1);
    assert_says(&missing, &[&text(&path("missing.nii.gz"))]);

    let empty = text(&path("a"));
    let args = [
        "segment", "a.nii", "--out", &out, "--models", &empty, "--device", "cpu",
    ];
    let no_models = pleura(args);
    assert_code(&no_models, 1);
    assert_says(&no_models, &["manifest.json"]);

    let phantom = pleura(["phantom", "--out", &text(&path("chest.dcm"))]);
    assert_code(&phantom, 1);
    assert_says(&phantom, &["chest.dcm", ".nii.gz"]);
    assert!(
        names(&path("out")).is_empty(),
        "a failed input has left something"
    );
}

/// The same voxels in another order: the new axes run against old j, along old k, against old i.
fn turned<T: Copy>(v: &Volume<T>) -> Volume<T> {
    let [nx, ny, nz] = v.dims;
    let mut data = Vec::with_capacity(v.len());
    for i in (0..nx).rev() {
        for k in 0..nz {
            data.extend((0..ny).rev().map(|j| v.data[v.index(i, j, k)]));
        }
    }
    let mut affine = v.affine;
    for row in &mut affine.0 {
        let [i, j, k, origin] = *row;
        let origin = origin + i * (nx - 1) as f64 + j * (ny - 1) as f64;
        *row = [-j, k, -i, origin];
    }
    Volume::new(data, [ny, nz, nx], affine).unwrap()
}

/// Writes one slice of a scan as a PNG that is not square.
fn write_slice(hu: &Volume<i16>, path: &Path) -> [u32; 2] {
    let [width, height] = [hu.dims[0], hu.dims[1] - 20];
    let pixels = hu.slice(hu.dims[2] / 2)[..width * height]
        .iter()
        .map(|&v| grey(v))
        .collect();
    let size = [width as u32, height as u32];
    let image = GrayImage::from_raw(size[0], size[1], pixels).unwrap();
    fs::write(path, picture::write_png(&text(path), &image).unwrap()).unwrap();
    size
}

/// A scan, the same scan with other axes, a slice, and a file that was cut in copying, at once.
#[test]
fn a_batch_of_scans_slices_and_a_broken_file() {
    let bench = Bench::new();
    let chest = bench.phantom();
    let hu = scan(&chest);
    let other = bench.path("turned.nii.gz");
    fs::write(&other, write_hu(&turned(&hu), true)).unwrap();
    let slice = bench.path("slice.png");
    let size = write_slice(&hu, &slice);
    let broken = bench.path("broken.nii.gz");
    let bytes = fs::read(&chest).unwrap();
    fs::write(&broken, &bytes[..bytes.len() / 2]).unwrap();

    let out = bench.path("out");
    let output = bench.segment(&[&broken, &chest, &other, &slice], &out, &[]);
    assert_code(&output, 1);
    assert_says(&output, &["broken.nii.gz"]);
    assert_says(&output, &["1 of 4"]);

    // Everything of the good files, nothing of the broken one, nothing half written.
    let mut expected: BTreeSet<String> = ["infnet.png", "classes.png", "run.json"]
        .map(|end| format!("slice_{end}"))
        .into();
    for case in ["chest", "turned"] {
        for mask in ["lungs", "normnet", "normnet_prob", "infnet", "infnet_prob"] {
            expected.insert(format!("{case}_{mask}.nii.gz"));
        }
        expected.insert(format!("{case}_report.json"));
        expected.insert(format!("{case}_run.json"));
    }
    let mut all = names(&out);
    assert!(all.remove("cohort.csv"), "no table of the cases");
    assert_eq!(all, expected);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    for name in &expected {
        assert!(
            stdout.contains(name.as_str()),
            "{name} is not listed: {stdout}"
        );
    }

    for (case, path) in [("chest", &chest), ("turned", &other)] {
        check_scan(&out, case, &scan(path));
    }
    check_turned(&out);
    check_slice(&out, size);

    // The class network runs where it is asked for.
    let by_network = bench.path("by_network");
    let output = bench.segment(&[&slice], &by_network, &["--classes-by", "network"]);
    assert_code(&output, 0);
    check_slice(&by_network, size);
    for (folder, ran) in [(&out, false), (&by_network, true)] {
        let record = fs::read_to_string(folder.join("slice_run.json")).unwrap();
        assert_eq!(record.contains("classes.int8"), ran, "{record}");
    }
}

/// The masks lie on the scan's own grid and hold what they should.
fn check_scan(out: &Path, case: &str, hu: &Volume<i16>) {
    let mask = |name: &str| {
        let mask = labels(&out.join(format!("{case}_{name}.nii.gz")));
        assert_eq!(mask.dims, hu.dims, "{case} {name}");
        for (found, expected) in mask
            .affine
            .0
            .iter()
            .flatten()
            .zip(hu.affine.0.iter().flatten())
        {
            assert!(
                (found - expected).abs() < 1e-4,
                "{case} {name}: {:?}",
                mask.affine
            );
        }
        mask.data
    };
    let lungs = mask("lungs");
    assert!(
        lungs.contains(&1) && lungs.contains(&2),
        "{case}: a lung is missing"
    );
    mask("infnet_prob");
    let (normnet, infnet) = (mask("normnet"), mask("infnet"));
    for (name, values, most) in [
        ("lungs", &lungs, 2),
        ("normnet", &normnet, 1),
        ("infnet", &infnet, 2),
    ] {
        assert!(
            values.iter().all(|&v| v <= most),
            "{case} {name}: a label above {most}"
        );
        let inside = values
            .iter()
            .zip(&lungs)
            .all(|(&v, &lung)| v == 0 || lung != 0);
        assert!(inside, "{case} {name}: reaches out of the lungs");
    }
    assert!(
        infnet.iter().any(|&v| v != 0),
        "{case}: at threshold 0 there is infection"
    );

    let report = fs::read(out.join(format!("{case}_report.json"))).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["schema_version"], 1);
    assert_eq!(report["scan"]["dims"], serde_json::json!(hu.dims));
    assert!(
        report["disclaimer"]
            .as_str()
            .unwrap()
            .contains("not for diagnosis")
    );
    assert!(report["normnet"].is_object() && report["infnet"].is_object());
}

/// A file's axis order changes nothing but the order of the results.
fn check_turned(out: &Path) {
    for mask in ["lungs", "normnet", "infnet"] {
        let straight = turned(&labels(&out.join(format!("chest_{mask}.nii.gz"))));
        let found = labels(&out.join(format!("turned_{mask}.nii.gz")));
        assert_eq!(found.dims, straight.dims, "{mask}");
        // Not all: the file's affine is in f32, which can move a border by a rounding.
        let off = found
            .data
            .iter()
            .zip(&straight.data)
            .filter(|(a, b)| a != b)
            .count();
        assert!(off <= found.len() / 1000, "{mask}: {off} voxels differ");
    }
}

fn check_slice(out: &Path, size: [u32; 2]) {
    let image = |name: &str| {
        let bytes = fs::read(out.join(name)).unwrap();
        let image = picture::read(name, &bytes, &Limits::default()).unwrap();
        assert_eq!([image.width(), image.height()], size, "{name}");
        image
    };
    image("slice_infnet.png");
    let classes = image("slice_classes.png");
    assert!(classes.as_raw().iter().all(|&v| v <= 2), "classes above 2");
    assert!(
        classes.as_raw().iter().any(|&v| v != 0),
        "at threshold 0 there is infection"
    );
}

/// `pack` notes what memory a network takes; a budget below that refuses it, and one that leaves
/// room for a single tile at a time gives the same masks.
#[test]
fn memory_is_recorded_and_kept_to() {
    let bench = Bench::new();
    let (models, scan) = (bench.path("models"), bench.phantom());
    let manifest = || {
        let path = models.join("manifest.json");
        Manifest::parse(&text(&path), &fs::read(&path).unwrap()).unwrap()
    };
    assert!(
        manifest()
            .find("infnet-semi.int8")
            .unwrap()
            .input
            .peak_bytes
            > Some(1 << 20)
    );
    let memory = |options: &[&str]| {
        let models = text(&models);
        let args = ["bench", "memory", "--models", &models];
        pleura(args.iter().chain(options))
    };
    assert_code(&memory(&[]), 0);
    assert_code(&memory(&["--check"]), 0);
    let recorded = manifest();
    let peaks = recorded.models.iter().map(|e| e.input.peak_bytes.unwrap());
    let most = peaks.max().unwrap();

    let out = |name: &str| bench.path(name);
    assert_code(&bench.segment(&[&scan], &out("free"), &[]), 0);
    let mb = most.div_ceil(1 << 20).to_string();
    let tight = bench.segment(&[&scan], &out("tight"), &["--max-memory", &mb]);
    assert_code(&tight, 0);
    for mask in ["normnet", "infnet", "infnet_prob"] {
        let file = format!("chest_{mask}.nii.gz");
        let [free, tight] = ["free", "tight"].map(|name| labels(&out(name).join(&file)));
        assert_eq!(free, tight, "{mask}");
    }
    let refused = bench.segment(&[&scan], &out("refused"), &["--max-memory", "1"]);
    assert_code(&refused, 1);
    assert_says(
        &refused,
        &["normnet-1.int8", "MB at its peak", "1 MB are allowed"],
    );

    let mut wrong = recorded;
    wrong.models[0].input.peak_bytes = Some(1 << 30);
    let name = wrong.models[0].name.clone();
    fs::write(models.join("manifest.json"), wrong.to_json().unwrap()).unwrap();
    let checked = memory(&["--check"]);
    assert_code(&checked, 1);
    assert_says(&checked, &["off for", &name, "pleura bench memory"]);
}

/// The figures of the weights that ship are this build's.
#[test]
fn the_shipped_manifest_knows_what_memory_is_taken() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    assert_code(
        &pleura(["bench", "memory", "--check", "--models", &text(&models)]),
        0,
    );
}

#[test]
fn a_given_lung_mask_is_taken() {
    let bench = Bench::new();
    let chest = bench.phantom();
    let truth_path = bench.path("chest_lungs_truth.nii.gz");
    let truth = labels(&truth_path);
    let out = bench.path("out");
    let given = text(&truth_path);
    let output = bench.segment(&[&chest], &out, &["--model", "infnet", "--lungs", &given]);
    assert_code(&output, 0);
    let lungs = labels(&out.join("chest_lungs.nii.gz"));
    assert_eq!(lungs.dims, truth.dims);
    assert!(lungs.data == truth.data, "the lungs are not those given");
    let files = [
        "lungs.nii.gz",
        "infnet.nii.gz",
        "infnet_prob.nii.gz",
        "report.json",
        "run.json",
    ];
    assert_eq!(
        names(&out),
        BTreeSet::from(files.map(|f| format!("chest_{f}")))
    );
    let report = fs::read(out.join("chest_report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert!(report["normnet"].is_null() && report["infnet"].is_object());

    let [nx, ny, nz] = truth.dims;
    let small = bench.path("small.nii.gz");
    let cut = truth.crop([0; 3], [nx, ny, nz - 1]).unwrap();
    fs::write(&small, write_labels(&cut, true)).unwrap();
    let out = bench.path("refused");
    let small = text(&small);
    let output = bench.segment(&[&chest], &out, &["--lungs", &small]);
    assert_code(&output, 1);
    assert_says(&output, &["small.nii.gz", "grid"]);
    assert!(names(&out).is_empty(), "a refused scan has left something");
}

/// Dice of the lung mask that a published scan must reach.
const LUNG_DICE: f64 = 0.95;

#[test]
fn a_published_scan_gets_files_on_its_grid() {
    let Some(root) = std::env::var_os("PLEURA_DATA") else {
        println!("skipped: PLEURA_DATA is not set");
        return;
    };
    let folder = Path::new(&root).join("ct_labelled");
    let path = folder.join("case1_ct.nii.gz");
    let (hu, truth) = (scan(&path), labels(&folder.join("case1_lungs.nii.gz")));
    let bench = Bench::new();
    let out = bench.path("out");
    assert_code(&bench.segment(&[&path], &out, &["--model", "infnet"]), 0);
    for name in ["lungs", "infnet", "infnet_prob"] {
        let mask = labels(&out.join(format!("case1_ct_{name}.nii.gz")));
        assert_eq!(mask.dims, hu.dims, "{name}");
        for (found, expected) in mask
            .affine
            .0
            .iter()
            .flatten()
            .zip(hu.affine.0.iter().flatten())
        {
            assert!((found - expected).abs() < 1e-3, "{name}: {:?}", mask.affine);
        }
        if name == "lungs" {
            let dice = Confusion::of(&mask.data, &truth.data).unwrap().dsc();
            assert!(dice >= LUNG_DICE, "the lungs' Dice is {dice}");
        }
    }
}

/// Slices against truth made of the network's own masks: perfect as they are, hopeless inverted.
#[test]
fn slices_are_evaluated() {
    let bench = Bench::new();
    let hu = scan(&bench.phantom());
    let [images, out, truth] = ["images", "out", "truth"].map(|n| bench.path(n));
    fs::create_dir(&images).unwrap();
    fs::create_dir(&truth).unwrap();
    let slice = images.join("slice.png");
    write_slice(&hu, &slice);
    assert_code(&bench.segment(&[&slice], &out, &[]), 0);
    let read = |name: &str| {
        let bytes = fs::read(out.join(name)).unwrap();
        picture::read(name, &bytes, &Limits::default()).unwrap()
    };
    let write = |image: &GrayImage| {
        let path = truth.join("slice.png");
        fs::write(&path, picture::write_png(&text(&path), image).unwrap()).unwrap();
    };
    let json = bench.path("table.json");
    let svg = bench.path("curve.svg");
    let evaluate = |options: &[&str]| {
        let mut args = vec!["evaluate".to_string(), "infnet".into()];
        let paths = [
            ("--images", &images),
            ("--truth", &truth),
            ("--models", &bench.path("models")),
            ("--json", &json),
            ("--svg", &svg),
        ];
        for (name, path) in paths {
            args.extend([name.to_string(), text(path)]);
        }
        args.extend(options.iter().map(|s| s.to_string()));
        pleura(args)
    };
    let dice = |lesion: &str| {
        let table: serde_json::Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
        table[lesion]["plain"]["dsc"].as_f64()
    };

    let map = read("slice_infnet.png");
    let mask = |set: u8, other: u8| {
        let mut image = map.clone();
        image
            .pixels_mut()
            .for_each(|p| p.0[0] = if p.0[0] >= 128 { set } else { other });
        image
    };
    write(&mask(255, 0));
    assert_code(&evaluate(&[]), 0);
    assert_eq!(dice("infection"), Some(1.0));
    assert_eq!(dice("consolidation"), None, "not asked for");
    assert!(text_of(&svg).contains("<polyline"));
    write(&mask(0, 255));
    assert_code(&evaluate(&["--protocol", "plain"]), 0);
    assert_eq!(dice("infection"), Some(0.0));

    write(&read("slice_classes.png"));
    assert_code(&evaluate(&["--classes"]), 0);
    assert_eq!(dice("ground_glass"), Some(1.0));
    assert_eq!(dice("consolidation"), Some(1.0));

    write(&GrayImage::new(7, 9));
    let output = evaluate(&[]);
    assert_code(&output, 1);
    assert_says(&output, &["slice.png", "[7, 9]"]);
    fs::remove_file(truth.join("slice.png")).unwrap();
    let output = evaluate(&[]);
    assert_code(&output, 1);
    assert_says(&output, &["slice.png", "missing"]);
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}
