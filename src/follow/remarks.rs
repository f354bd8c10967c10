//! What makes two days hard to compare.

use super::{Dated, Lung, lung_of};
use crate::findings::Findings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Lungs that differ by more, in percent of the earlier day's, were hardly scanned in the same
/// breath-hold.
pub const LUNG_VOLUME_PERCENT: f64 = 20.0;
/// Slices whose distance differs by more, in percent, are not of one protocol; less is rounding.
pub const SLICE_PERCENT: f64 = 5.0;

/// Something that the reader of a follow-up should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Stable name, for programs.
    pub code: String,
    /// The scans that it is about, by their place from 0: all of which it holds, or two that differ.
    pub scans: Vec<usize>,
    /// What it means, for people.
    pub text: String,
}

/// A difference between two days, if there is one.
type Differs = fn(&Findings, &Findings) -> Option<String>;

/// By the code of the remark.
const DIFFERENCES: [(&str, Differs); 6] = [
    ("slice_thickness", slices),
    ("lung_volume", lung_volume),
    ("networks", networks),
    ("weights", weights),
    ("thresholds", thresholds),
    ("version", version),
];

/// Something about a day by itself, and whether it holds.
type Holds = fn(&Findings) -> bool;

/// By the code of the remark, with its text.
const ALONE: [(&str, Holds, &str); 2] = [
    ("edited", edited, "masks were corrected by hand."),
    (
        CUT,
        cut,
        "not all of the lungs was scanned: percentages, thirds and heights are those of the part \
         that was.",
    ),
];

/// What holds of days, and in what every day differs from the day before and from the first.
pub(super) fn remarks(dated: &[Dated]) -> Vec<Remark> {
    let mut found = Vec::new();
    for (code, holds, text) in ALONE {
        let of = |(at, scan): (usize, &Dated)| holds(&scan.findings).then_some((at, scan.date));
        let (scans, dates): (Vec<_>, Vec<_>) = dated.iter().enumerate().filter_map(of).unzip();
        if scans.is_empty() {
            continue;
        }
        let dates: Vec<String> = dates.iter().map(ToString::to_string).collect();
        found.push(Remark {
            code: code.into(),
            scans,
            text: format!("{}: {text}", dates.join(", ")),
        });
    }
    for (at, scan) in dated.iter().enumerate().skip(1) {
        for before in BTreeSet::from([0, at - 1]) {
            let Some(other) = dated.get(before) else {
                continue;
            };
            for (code, differs) in DIFFERENCES {
                if let Some(text) = differs(&other.findings, &scan.findings) {
                    found.push(Remark {
                        code: code.into(),
                        scans: vec![before, at],
                        text: format!("{} and {}: {text}", other.date, scan.date),
                    });
                }
            }
        }
    }
    found
}

/// The code of the warning that lungs reach beyond the scan.
const CUT: &str = "lungs_cut";

/// Distance of axial slices: the report counts along the file's axes, one of which goes to the head
/// or to the feet.
pub(super) fn slice_mm(findings: &Findings) -> Option<f64> {
    let scan = &findings.scan;
    let axis = scan.orientation.find(['S', 'I'])?;
    scan.spacing_mm.get(axis).copied()
}

fn cut(findings: &Findings) -> bool {
    findings.warnings.iter().any(|w| w.code == CUT)
}

pub(super) fn edited(findings: &Findings) -> bool {
    !findings.removed.is_empty() || !findings.painted.is_empty()
}

/// How far two lengths or volumes are apart, in percent of the first.
fn percent_apart(a: f64, b: f64) -> f64 {
    if a == b {
        0.0
    } else {
        100.0 * (b - a).abs() / a
    }
}

fn slices(a: &Findings, b: &Findings) -> Option<String> {
    let (a, b) = (slice_mm(a)?, slice_mm(b)?);
    (percent_apart(a, b) > SLICE_PERCENT).then(|| {
        format!(
            "slices of {a:.2} mm and of {b:.2} mm. Networks mark thick and thin slices differently."
        )
    })
}

fn lung_volume(a: &Findings, b: &Findings) -> Option<String> {
    let [a, b] = [a, b].map(|f| lung_of(f, Lung::Both).lung_ml);
    (percent_apart(a, b) > LUNG_VOLUME_PERCENT).then(|| {
        format!(
            "lung volumes of {a:.0} ml and of {b:.0} ml differ by more than \
             {LUNG_VOLUME_PERCENT:.0} %, as by another breath-hold. A percentage can change \
             although the lesions do not."
        )
    })
}

fn networks(a: &Findings, b: &Findings) -> Option<String> {
    let ran = |f: &Findings| (f.normnet.is_some(), f.infnet.is_some());
    (ran(a) != ran(b)).then(|| "not the same networks ran.".to_owned())
}

/// Of the networks that both days have: that one is missing is said apart.
fn weights(a: &Findings, b: &Findings) -> Option<String> {
    let used = |f: &Findings| -> Vec<(String, String)> {
        let models = f.provenance.models.iter();
        models
            .map(|m| (format!("{:?}", m.network), m.sha256.clone()))
            .collect()
    };
    let (a, b) = (used(a), used(b));
    let differ = |one: &[(String, String)], other: &[(String, String)]| {
        let mut weights = one.iter();
        weights.any(|used| {
            let ran = other.iter().any(|(network, _)| *network == used.0);
            ran && !other.contains(used)
        })
    };
    (differ(&a, &b) || differ(&b, &a))
        .then(|| "other weights were used. A change can come from them.".to_owned())
}

/// Likewise.
fn thresholds(a: &Findings, b: &Findings) -> Option<String> {
    let (a, b) = (&a.provenance.thresholds, &b.provenance.thresholds);
    let differ = a
        .iter()
        .any(|(name, value)| b.get(name).is_some_and(|other| other != value));
    differ.then(|| "other thresholds were used. A change can come from them.".to_owned())
}

fn version(a: &Findings, b: &Findings) -> Option<String> {
    let (a, b) = (&a.provenance.version, &b.provenance.version);
    (a != b).then(|| format!("versions {a} and {b} of the program analysed them."))
}
