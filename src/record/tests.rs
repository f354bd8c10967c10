//! Run manifests: read back as they were written, refused where they cannot be right.
#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::{Value, json};

fn model(name: &str) -> ModelRecord {
    ModelRecord {
        name: name.into(),
        file: format!("{name}.safetensors"),
        network: Network::Normnet,
        precision: Precision::Int8,
        sha256: sha256(name.as_bytes()),
        extent: vec![8, 16, 16],
        spacing_mm: None,
        thresholds: [("healthy".to_string(), 0.4)].into(),
        temperature: 1.0,
    }
}

fn record() -> Record {
    let input = InputRecord {
        name: "chest.nii.gz".into(),
        kind: Kind::Volume,
        dims: [2, 2, 2],
        files: 1,
        bytes: 99,
        sha256: sha256(b"chest"),
        series: None,
        series_named: false,
    };
    let options = Options::default().resolved(false);
    let mut record = Record::begun("chest", input, options);
    record.models = vec![model("normnet-1.int8"), model("normnet-2.int8")];
    record.masks = vec![
        MaskRecord::of(
            "lungs",
            "chest_lungs.nii.gz",
            [2, 2, 2],
            &[0, 1, 1, 1, 2, 2, 0, 0],
        ),
        MaskRecord::of("infnet", "chest_infnet.nii.gz", [2, 2, 2], &[0; 8]),
    ];
    record.files = vec!["chest_lungs.nii.gz".into(), "chest_infnet.nii.gz".into()];
    record
}

/// A record's JSON with one thing changed.
fn spoilt(at: &str, value: Value) -> Vec<u8> {
    let mut json = serde_json::to_value(record()).unwrap();
    *json.pointer_mut(at).unwrap() = value;
    serde_json::to_vec(&json).unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    Record::parse("x_run.json", bytes).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read() {
    let record = record();
    assert_eq!(record.file(), "chest_run.json");
    assert_eq!(record.options.looks, Some(crate::analysis::VOLUME_LOOKS));
    assert_eq!(record.masks[0].marked, 5);
    let json = record.to_json().unwrap();
    assert_eq!(Record::parse("x", json.as_bytes()).unwrap(), record);
}

#[test]
fn a_later_program_may_add_fields() {
    let mut json = serde_json::to_value(record()).unwrap();
    json["comment"] = json!("new");
    let bytes = serde_json::to_vec(&json).unwrap();
    assert_eq!(Record::parse("x", &bytes).unwrap(), record());
}

#[test]
fn what_cannot_be_right_is_refused_by_name() {
    for (bytes, says) in [
        (b"no json".to_vec(), "not a run manifest"),
        (br#"{"schema_version": 1}"#.to_vec(), "not a run manifest"),
        (br#"{"models": []}"#.to_vec(), "schema_version"),
        (spoilt("/schema_version", json!(2)), "schema version 2"),
        (spoilt("/input/sha256", json!("ABC")), "64 lower-case"),
        (
            spoilt("/masks/0/sha256", json!("Z".repeat(64))),
            "64 lower-case",
        ),
        (spoilt("/options/looks", json!(9)), "not 1 to 8"),
        (spoilt("/options/model", json!("all")), "not a run manifest"),
        (spoilt("/case", json!("../chest")), "case"),
        (spoilt("/case", json!("..")), "case"),
        (spoilt("/files/0", json!("chest_/../../passwd")), "files"),
        (spoilt("/files/0", json!("/etc/passwd")), "files"),
        (
            spoilt("/masks/1/file", json!("other_lungs.nii.gz")),
            "files",
        ),
        (spoilt("/models/1/name", json!("normnet-1.int8")), "twice"),
        (spoilt("/masks/1/name", json!("lungs")), "twice"),
    ] {
        let text = refusal(&bytes);
        assert!(
            text.contains("x_run.json") && text.contains(says),
            "{says}: {text}"
        );
    }
    let large = vec![b' '; MAX_BYTES + 1];
    assert!(refusal(&large).contains("at most"));
}

#[test]
fn another_input_is_named() {
    let record = record();
    let print = |sha256: &str| Fingerprint {
        files: 1,
        bytes: 99,
        sha256: sha256.into(),
    };
    assert!(record.same_input("a", &print(&record.input.sha256)).is_ok());
    let other = sha256(b"other");
    let text = record
        .same_input("b.nii", &print(&other))
        .unwrap_err()
        .to_string();
    for part in ["b.nii", "chest.nii.gz", &other, &record.input.sha256] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn other_weights_are_named() {
    let entry = |model: &ModelRecord| {
        json!({
            "name": model.name, "file": model.file, "bytes": 1, "sha256": model.sha256,
            "network": "normnet", "precision": "int8", "config": {},
            "input": {"extent": model.extent}, "thresholds": model.thresholds,
            "training": {"record": "none", "seed": 1},
        })
    };
    let manifest = |models: &[ModelRecord]| {
        let json =
            json!({"schema_version": 1, "models": models.iter().map(entry).collect::<Vec<_>>()});
        Manifest::parse("manifest.json", &serde_json::to_vec(&json).unwrap()).unwrap()
    };
    let record = record();
    let [one, two] = [&record.models[0], &record.models[1]].map(Clone::clone);
    // Of more models those that were recorded.
    let more = manifest(&[model("normnet-0.int8"), one.clone(), two.clone()]);
    let part = record.same_models(&more).unwrap();
    let names: Vec<_> = part.models.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["normnet-1.int8", "normnet-2.int8"]);
    let missing = record
        .same_models(&manifest(std::slice::from_ref(&one)))
        .unwrap_err()
        .to_string();
    assert!(missing.contains("normnet-2.int8"), "{missing}");
    let refused = |two: ModelRecord| {
        let manifest = manifest(&[one.clone(), two]);
        record.same_models(&manifest).unwrap_err().to_string()
    };
    let retrained = refused(ModelRecord {
        sha256: sha256(b"retrained"),
        ..two.clone()
    });
    assert!(
        retrained.contains("normnet-2.int8") && !retrained.contains("normnet-1"),
        "{retrained}"
    );
    let tuned = refused(ModelRecord {
        thresholds: [("healthy".to_string(), 0.6)].into(),
        ..two.clone()
    });
    assert!(
        tuned.contains("normnet-2.int8") && tuned.contains("thresholds"),
        "{tuned}"
    );
}

#[test]
fn masks_are_compared_by_their_voxels() {
    let (then, mut now) = (record(), record());
    now.masks[0].file = "renamed_lungs.nii.gz".into();
    let same = then.compare(&now);
    assert!(same.iter().all(|(_, how)| *how == Comparison::Same));
    now.masks[0] = MaskRecord::of("lungs", "chest_lungs.nii.gz", [2, 2, 2], &[1; 8]);
    now.masks[1].name = "normnet".into();
    assert_eq!(
        then.compare(&now),
        [
            ("lungs".to_string(), Comparison::Differs { then: 5, now: 8 }),
            ("infnet".to_string(), Comparison::Missing),
            ("normnet".to_string(), Comparison::New),
        ]
    );
}
