//! Files of every format, spoilt in two thousand ways that are the same in every run. `fuzz/` looks
//! further, with the same functions.

use crate::untrusted::{LIMITS, Seed, TARGETS, dicom, seeds, within_memory};
use pleura::analysis::{Analysis, Options};
use pleura::io::{Limits, open};
use pleura::record::{Comparison, MaskRecord, Record};
use pleura::weights::Manifest;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::panic::{AssertUnwindSafe, catch_unwind};

const CASES: usize = 2000;
/// Values at the ends of ranges, where sums and products go wrong.
const ENDS: [u8; 6] = [0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF];

/// One to eight changes: bytes flipped, set to the end of a range, cut off, or taken from elsewhere
/// in this file or another one.
fn mutate(rng: &mut StdRng, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..rng.random_range(1..=8) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..8) {
            0..=2 => bytes[at] ^= 1 << rng.random_range(0..8),
            3..=4 => {
                let to = bytes.len().min(at + rng.random_range(1..=8));
                let end = *ENDS.choose(rng).unwrap();
                bytes[at..to].fill(end);
            }
            5 => bytes.truncate(at),
            6 => {
                let from = rng.random_range(0..bytes.len());
                let to = bytes.len().min(from + rng.random_range(1..=64));
                let piece = bytes[from..to].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let from = rng.random_range(0..other.len());
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
        }
    }
}

fn of_target(target: &str) -> Vec<Seed> {
    let all = seeds().into_iter();
    all.filter(|seed| seed.target == target).collect()
}

#[test]
fn every_seed_opens() {
    for seed in seeds() {
        let bytes = &seed.bytes;
        let opens = match (seed.target, seed.name.as_str()) {
            (_, "manifest.json") => pleura::weights::Manifest::parse("a", bytes).is_ok(),
            ("manifest", _) => pleura::weights::tensors::TensorFile::from_bytes("a", bytes).is_ok(),
            _ => open(&seed.name, bytes, &LIMITS).is_ok(),
        };
        // Behind one file of DICOM nothing may follow.
        let folder = seed.name == "series.dcm";
        assert!(opens || folder, "{} does not open", seed.name);
    }
}

/// The spoilt files on which `run` panics.
fn failures(target: &str, seeds: &[Seed], run: impl Fn(&[u8])) -> Vec<String> {
    assert!(!seeds.is_empty(), "{target} has no seeds");
    let mut failed = Vec::new();
    let mut rng = StdRng::seed_from_u64(1);
    for case in 0..CASES / TARGETS.len() {
        let seed = &seeds[case % seeds.len()];
        let mut bytes = seed.bytes.clone();
        let other = seeds.choose(&mut rng).unwrap();
        mutate(&mut rng, &mut bytes, &other.bytes);
        if catch_unwind(AssertUnwindSafe(|| run(&bytes))).is_err() {
            failed.push(format!("{target}: case {case}, of {}", seed.name));
        }
    }
    failed
}

#[test]
fn spoilt_files_neither_panic_nor_take_memory() {
    let targets = TARGETS.iter();
    let failed = targets.flat_map(|(target, run)| failures(target, &of_target(target), run));
    let failed: Vec<String> = failed.collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// The run manifest of an analysis that has found nothing. Not among the seeds that `fuzz/` has too,
/// which is built without the networks.
fn run_manifest() -> Seed {
    let of = |name: &str| seeds().into_iter().find(|seed| seed.name == name).unwrap();
    let scan = of("v2-little.nii");
    let opened = Analysis::open("scan.nii", &scan.bytes, Options::default(), &LIMITS);
    let mut record = opened.unwrap().record().clone();
    let manifest = Manifest::parse("manifest.json", &of("manifest.json").bytes).unwrap();
    record.models = manifest.models.iter().map(Into::into).collect();
    let mask = MaskRecord::of("lungs", "scan_lungs.nii.gz", record.input.dims, &[0, 1]);
    record.files.push(mask.file.clone());
    record.masks.push(mask);
    Seed {
        target: "run",
        name: "scan_run.json".into(),
        bytes: record.to_json().unwrap().into_bytes(),
    }
}

#[test]
fn spoilt_run_manifests_neither_panic_nor_take_memory() {
    let seed = run_manifest();
    assert!(Record::parse("a", &seed.bytes).is_ok());
    let failed = failures("run", &[seed], |bytes| {
        within_memory(bytes, || {
            if let Ok(record) = Record::parse("a", bytes) {
                for name in &record.files {
                    assert!(!name.contains(['/', '\\']) && name.starts_with(&record.case));
                }
                let same = record.compare(&record);
                assert!(same.iter().all(|(_, how)| *how == Comparison::Same));
                let json = record.to_json().unwrap();
                assert!(Record::parse("a", json.as_bytes()).is_ok());
            }
        });
    });
    assert!(failed.is_empty(), "{failed:#?}");
}

/// A slice whose headers say that it has `side` rows and columns, with the few bytes of a small one.
fn vast(seed: &Seed, side: u16) -> Vec<u8> {
    let mut bytes = seed.bytes.clone();
    let mut set = |behind: &[u8], value: &[u8]| {
        let found = bytes.windows(behind.len()).position(|w| w == behind);
        if let Some(at) = found {
            let at = at + behind.len();
            bytes[at..at + value.len()].copy_from_slice(value);
        }
        found.is_some()
    };
    let little = side.to_le_bytes();
    assert!(set(b"\x28\0\x10\0US\x02\0", &little), "no rows");
    assert!(set(b"\x28\0\x11\0US\x02\0", &little), "no columns");
    // Where there is a JPEG stream, it has them, too.
    let big = side.to_be_bytes();
    set(b"\xFF\xC3\0\x0B\x0C", &[big, big].concat());
    bytes
}

#[test]
fn slices_that_promise_much_take_nothing() {
    let packed = |name: &str| of_target("dicom").into_iter().find(|s| s.name == name);
    for name in ["rle.dcm", "lossless.dcm"] {
        let seed = packed(name).unwrap();
        dicom(&vast(&seed, u16::MAX));
        // Within the limits on size, but not within the bytes that are there.
        let bytes = vast(&seed, 30_000);
        within_memory(&bytes, || {
            assert!(open(name, &bytes, &Limits::default()).is_err(), "{name}");
        });
    }
}
