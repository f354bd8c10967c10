//! Run manifests, and what they are for: an analysis done again, and a cohort that goes on after it was
//! ended in the middle.

use crate::command::{Bench, assert_code, assert_says, labels, names, pleura, text};
use pleura::io::nifti::write_labels;
use pleura::record::{Kind, MaskRecord, Record};
use pleura::weights::{Manifest, sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// One network is enough where the masks themselves are no matter.
const QUICK: [&str; 2] = ["--model", "infnet"];
/// How long a case may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn record(path: &Path) -> Record {
    Record::parse(&text(path), &fs::read(path).unwrap()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn replay(bench: &Bench, run: &Path, input: &Path, options: &[&str]) -> Output {
    let (run, input, models) = (text(run), text(input), text(&bench.path("models")));
    let mut args = vec!["replay", &run, &input, "--models", &models];
    args.extend(options);
    pleura(args)
}

/// Writes another manifest of the models.
fn change_models(bench: &Bench, change: impl FnOnce(&mut Manifest)) {
    let path = bench.path("models/manifest.json");
    let mut manifest = Manifest::parse(&text(&path), &fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(&path, manifest.to_json().unwrap()).unwrap();
}

#[test]
fn a_recorded_run_is_done_again() {
    let bench = Bench::new();
    let chest = bench.phantom();
    let out = bench.path("out");
    assert_code(&bench.segment(&[&chest], &out, &[]), 0);
    let path = out.join("chest_run.json");
    let made = record(&path);
    says_what_was_done(&bench, &made, &chest, &out);

    // By another name, and by the page's or another program's packing, it is the same scan.
    let renamed = bench.path("renamed.nii.gz");
    fs::copy(&chest, &renamed).unwrap();
    let again = bench.path("again");
    let same = replay(&bench, &path, &renamed, &["--out", &text(&again)]);
    assert_code(&same, 0);
    assert!(
        stdout(&same).contains("all 5 masks are as recorded"),
        "{}",
        stdout(&same)
    );
    assert_eq!(names(&again), names(&out));
    assert_eq!(record(&again.join("chest_run.json")).masks, made.masks);

    let other = replay(&bench, &path, &bench.path("chest_lungs_truth.nii.gz"), &[]);
    assert_code(&other, 1);
    assert_says(
        &other,
        &[
            "chest_lungs_truth.nii.gz",
            "chest.nii.gz",
            &made.input.sha256,
        ],
    );
    let lungs = text(&out.join("chest_lungs.nii.gz"));
    let given = replay(&bench, &path, &chest, &["--lungs", &lungs]);
    assert_code(&given, 1);
    assert_says(&given, &["no lung mask was given"]);
    let cut = bench.path("cut_run.json");
    fs::write(&cut, &fs::read(&path).unwrap()[..500]).unwrap();
    let cut = replay(&bench, &cut, &chest, &[]);
    assert_code(&cut, 1);
    assert_says(&cut, &["cut_run.json", "not a run manifest"]);

    a_difference_is_measured(&bench, &out, made, &chest);

    change_models(&bench, |m| {
        let entry = m.models.iter_mut().find(|e| e.name == "infnet-semi.int8");
        entry.unwrap().sha256 = sha256(b"retrained");
    });
    let retrained = replay(&bench, &path, &chest, &[]);
    assert_code(&retrained, 1);
    assert_says(
        &retrained,
        &["infnet-semi.int8", "not those that were used"],
    );
    change_models(&bench, |m| {
        m.models.retain(|e| e.name != "infnet-semi.int8")
    });
    let missing = replay(&bench, &path, &chest, &[]);
    assert_code(&missing, 1);
    assert_says(&missing, &["infnet-semi.int8", "--models"]);
}

fn says_what_was_done(bench: &Bench, made: &Record, chest: &Path, out: &Path) {
    let bytes = fs::read(chest).unwrap();
    assert_eq!(made.input.sha256, sha256(&bytes));
    assert_eq!(made.input.bytes, bytes.len() as u64);
    assert_eq!(
        (made.input.name.as_str(), made.input.kind),
        ("chest.nii.gz", Kind::Volume)
    );
    assert_eq!(
        (made.device.as_str(), made.version.as_str()),
        ("CPU", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(made.options.looks, Some(pleura::analysis::VOLUME_LOOKS));
    assert!(made.thresholds.contains_key("infnet.infection") && made.timings.len() > 2);
    let used: Vec<&str> = made.models.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(used, ["normnet-1.int8", "infnet-semi.int8"]);
    for model in &made.models {
        let weights = fs::read(bench.path("models").join(&model.file)).unwrap();
        assert_eq!(model.sha256, sha256(&weights), "{}", model.name);
        assert!(!model.extent.is_empty(), "{}", model.name);
    }
    let mut all = names(out);
    assert!(all.remove("chest_run.json"));
    assert_eq!(
        made.files
            .iter()
            .cloned()
            .collect::<std::collections::BTreeSet<_>>(),
        all
    );
    assert_eq!(made.masks.len(), 5);
    for mask in &made.masks {
        let file = labels(&out.join(&mask.file));
        assert_eq!(
            *mask,
            MaskRecord::of(&mask.name, &mask.file, file.dims, &file.data)
        );
    }
}

/// A record, and the mask beside it, of a run that gave other voxels.
fn a_difference_is_measured(bench: &Bench, out: &Path, made: Record, chest: &Path) {
    let mut claimed = made;
    let mask = claimed
        .masks
        .iter_mut()
        .find(|m| m.name == "infnet")
        .unwrap();
    let mut voxels = labels(&out.join(&mask.file));
    let marked: Vec<usize> = (0..voxels.len())
        .filter(|&i| voxels.data[i] != 0)
        .take(7)
        .collect();
    for &at in &marked {
        voxels.data[at] = 0;
    }
    assert_eq!(marked.len(), 7, "the untrained network marks too little");
    let folder = bench.path("claimed");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(&mask.file), write_labels(&voxels, true)).unwrap();
    *mask = MaskRecord::of("infnet", &mask.file.clone(), voxels.dims, &voxels.data);
    let run = folder.join("chest_run.json");
    fs::write(&run, claimed.to_json().unwrap()).unwrap();
    let output = replay(bench, &run, chest, &[]);
    assert_code(&output, 1);
    assert_says(&output, &["1 of 5 masks"]);
    let said = stdout(&output);
    let line = said
        .lines()
        .find(|line| line.starts_with("infnet: "))
        .unwrap();
    assert!(
        line.contains("7 of") && line.contains("Dice 0.99"),
        "{line}"
    );
    assert!(said.contains("lungs: the same"), "{said}");
}

/// Scans, a scan in a folder, a truth mask, a broken file, a text.
fn cohort(bench: &Bench) -> std::path::PathBuf {
    let chest = fs::read(bench.phantom()).unwrap();
    let folder = bench.path("cohort");
    fs::create_dir_all(folder.join("d")).unwrap();
    for name in ["=a.nii.gz", "c.nii.gz", "d/scan.nii.gz"] {
        fs::write(folder.join(name), &chest).unwrap();
    }
    fs::write(folder.join("b.nii.gz"), &chest[..chest.len() / 2]).unwrap();
    fs::write(folder.join("notes.txt"), "nothing to see").unwrap();
    let truth = bench.path("chest_lungs_truth.nii.gz");
    fs::copy(truth, folder.join("c_truth.nii.gz")).unwrap();
    folder
}

/// The table's rows by case, each by column. No value here has a comma or a quotation mark inside but
/// the error, which is last.
fn table(out: &Path) -> Vec<BTreeMap<String, String>> {
    let csv = fs::read_to_string(out.join("cohort.csv")).unwrap();
    assert!(csv.ends_with("\r\n"));
    let mut lines = csv.split_terminator("\r\n");
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        let values = line.splitn(columns.len(), ',').map(String::from);
        columns.iter().map(|c| c.to_string()).zip(values).collect()
    };
    lines.map(row).collect()
}

#[test]
fn a_cohort_goes_on_after_it_was_killed() {
    let bench = Bench::new();
    let folder = cohort(&bench);
    // Inside the cohort: results are no scans.
    let out = folder.join("results");
    let mut child = Command::new(env!("CARGO_BIN_EXE_pleura"))
        .args([
            "segment",
            &text(&folder),
            "--out",
            &text(&out),
            "--device",
            "cpu",
        ])
        .args([
            "--models",
            &text(&bench.path("models")),
            "--lungs-by",
            "threshold",
        ])
        .args(QUICK)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !out.join("=a_run.json").exists() {
        assert!(begun.elapsed() < PATIENCE && child.try_wait().unwrap().is_none());
        sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        !out.join("d_run.json").exists(),
        "the cohort was done before it was ended"
    );
    for name in names(&out) {
        // What stands under its own name is whole.
        if name.ends_with(".nii.gz") {
            labels(&out.join(&name));
        } else if name.ends_with(".json") {
            serde_json::from_slice::<serde_json::Value>(&fs::read(out.join(&name)).unwrap())
                .unwrap();
        }
    }
    fs::write(out.join("c_lungs.nii.gz.partial"), "half").unwrap();
    fs::write(out.join("cohort.csv.partial"), "half").unwrap();
    fs::write(out.join("of_another.partial"), "not ours").unwrap();
    let finished = fs::read(out.join("=a_run.json")).unwrap();

    let resume = |options: &[&str]| {
        let all = [&["--resume", "--jobs", "2"], &QUICK[..], options].concat();
        bench.segment(&[&folder], &out, &all)
    };
    let output = resume(&[]);
    assert_code(&output, 1);
    assert_says(&output, &["=a", "complete before"]);
    assert_says(&output, &["b.nii.gz", "/5]"]);
    assert_says(&output, &["c_truth.nii.gz", "is a mask"]);
    assert_says(&output, &["1 of 5 inputs failed"]);
    // This was no further analysis: its times would be others.
    assert_eq!(fs::read(out.join("=a_run.json")).unwrap(), finished);
    let all = names(&out);
    assert!(all.contains("of_another.partial"));
    assert_eq!(
        all.iter().filter(|name| name.ends_with(".partial")).count(),
        1,
        "{all:?}"
    );
    for case in ["=a", "c", "d"] {
        let made = record(&out.join(format!("{case}_run.json")));
        assert!(made.files.iter().all(|name| all.contains(name)), "{case}");
        assert_eq!(made.masks.len(), 3);
    }
    assert!(
        !all.iter()
            .any(|name| name.starts_with("b_") || name.starts_with("c_truth"))
    );

    let rows = table(&out);
    let column = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("case"), ["'=a", "b", "c", "d"]);
    assert_eq!(column("status"), ["done", "failed", "done", "done"]);
    assert!(rows[1]["error"].contains("b.nii.gz"));
    let report = fs::read(out.join("c_report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    for (name, value) in [
        ("lung_ml", &report["both"]["lung_ml"]),
        (
            "infnet_right_ml",
            &report["right"]["infnet"]["lesion"]["ml"],
        ),
        (
            "infnet_left_upper_percent",
            &report["left"]["thirds"]["upper"]["infnet_percent"],
        ),
    ] {
        let written: f64 = rows[2][name].parse().unwrap();
        assert!((written - value.as_f64().unwrap()).abs() < 1e-3, "{name}");
    }
    assert_eq!(
        rows[2]["normnet_ml"], "",
        "a network that did not run has no volume"
    );

    // Nothing is left to do but what failed, and the table stays as it is.
    let before = fs::read(out.join("cohort.csv")).unwrap();
    let again = resume(&[]);
    assert_code(&again, 1);
    for case in ["=a", "c", "d"] {
        assert_says(&again, &[&format!("{case}: complete before")]);
    }
    assert_eq!(fs::read(out.join("cohort.csv")).unwrap(), before);

    // Another input, and a result set of which a file is gone.
    fs::remove_file(folder.join("b.nii.gz")).unwrap();
    fs::copy(folder.join("c_truth.nii.gz"), folder.join("=a.nii.gz")).unwrap();
    fs::remove_file(out.join("c_infnet.nii.gz")).unwrap();
    let changed = resume(&[]);
    assert_code(&changed, 0);
    assert_says(&changed, &["=a.nii.gz", "is a mask"]);
    assert_says(&changed, &["d: complete before"]);
    assert!(out.join("c_infnet.nii.gz").exists());
    assert_eq!(table(&out).len(), 2);
    // Other options, and what the new result has not is gone.
    fs::remove_file(folder.join("d/scan.nii.gz")).unwrap();
    let options = ["--resume", "--model", "normnet"];
    assert_code(&bench.segment(&[&folder], &out, &options), 0);
    let all = names(&out);
    assert!(
        all.contains("c_normnet.nii.gz") && !all.contains("c_infnet.nii.gz"),
        "{all:?}"
    );
}
