//! Reports of one patient from several days, compared.
//!
//! [`FollowUp::of`] reads reports, orders them by date and says how much of each lung, and of each
//! third of its height, every network marks on each day, and by how many percentage points that
//! differs from the first day and from the day before. Percentages are of each day's own lungs, so
//! nothing has to be registered, and nothing is: two days need not show the same tissue. Nothing
//! is scored or graded. What makes two days hard to compare is said in [`FollowUp::remarks`].
//!
//! Reports come from anywhere: their size, layout and values are checked.

mod chart;
mod remarks;
mod table;

pub use chart::ChartTexts;
pub use remarks::{LUNG_VOLUME_PERCENT, Remark, SLICE_PERCENT};

use crate::date::Date;
use crate::findings::{self, Affected, Findings, LungFindings, Third, WarningEntry};
use crate::weights::Network;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The layout of a follow-up.
pub const SCHEMA_VERSION: u32 = 1;
/// Most bytes of a report: a hundred times what a scan full of small lesions takes.
pub const MAX_REPORT_BYTES: usize = 16 << 20;
/// Most reports of one patient.
pub const MAX_REPORTS: usize = 50;
/// What a picture that goes by itself says at its foot.
const DISCLAIMER_SHORT: &str =
    "Research and teaching, not for diagnosis. Scans are not registered.";
/// What percentages and heights are relative to.
pub const BASIS: &str = "Percentages are of each lung's own volume, and thirds are of its own \
    height, on each day. The scans are not registered to each other.";

/// Why reports cannot be compared.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FollowError {
    /// There are not two.
    #[error("a follow-up needs the reports of two days or more; there are {count}")]
    TooFew {
        /// How many there are.
        count: usize,
    },
    /// There are too many.
    #[error("there are {count} reports, and a follow-up takes {MAX_REPORTS}: leave some out")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// The file is too long for a report.
    #[error(
        "{file}: has {bytes} bytes, and a report has no more than {MAX_REPORT_BYTES}: give the \
         <case>_report.json of an analysis"
    )]
    TooLarge {
        /// The file.
        file: String,
        /// Its size.
        bytes: u64,
    },
    /// The file is no report.
    #[error(
        "{file}: is no report of this program ({source}): give the <case>_report.json of an analysis"
    )]
    NotReport {
        /// The file.
        file: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The report has another layout.
    #[error(
        "{file}: the report has layout {found}, and this version reads {}: analyse the scan again",
        findings::SCHEMA_VERSION
    )]
    Layout {
        /// The file.
        file: String,
        /// Its `schema_version`.
        found: u64,
    },
    /// A measure is none.
    #[error(
        "{file}: {field} is {value}, which no analysis gives: the report has been changed or damaged"
    )]
    Value {
        /// The file.
        file: String,
        /// Which measure.
        field: String,
        /// What it is.
        value: f64,
    },
    /// Nothing says when the scan was made.
    #[error(
        "{file}: neither the report nor its name says when the scan was made: give the date as \
         YYYY-MM-DD"
    )]
    NoDate {
        /// The file.
        file: String,
    },
}

/// A report to compare.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// Its file's name.
    pub name: &'a str,
    /// Its content.
    pub report: &'a [u8],
    /// When the scan was made, by who gives it: goes before what report and name say.
    pub date: Option<Date>,
}

/// Where a date comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DateSource {
    /// A person gave it.
    Given,
    /// The report has it, from the scan's DICOM header.
    Report,
    /// The file's name.
    FileName,
}

/// Reports of several days, compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FollowUp {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// [`findings::DISCLAIMER`].
    pub disclaimer: String,
    /// [`BASIS`].
    pub basis: String,
    /// Version of this program.
    pub version: String,
    /// The scans by date.
    pub scans: Vec<FollowedScan>,
    /// What each network marks, part by part of the lungs.
    pub rows: Vec<Row>,
    /// What makes days hard to compare.
    pub remarks: Vec<Remark>,
}

/// One of the scans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FollowedScan {
    /// Name of the case, as in the report's file name.
    pub case: String,
    /// When it was made.
    pub date: Date,
    /// Who says so.
    pub date_from: DateSource,
    /// Days since the first scan.
    pub days_from_first: i64,
    /// Days since the scan before; absent for the first.
    pub days_from_previous: Option<i64>,
    /// Volume of both lungs, of the right and of the left, in ml.
    pub lung_ml: [f64; 3],
    /// Distance of axial slices in mm; absent if the report's grid has no such axis.
    pub slice_mm: Option<f64>,
    /// Version of the program that analysed it.
    pub version: String,
    /// Whether a person took lesions away or painted.
    pub edited: bool,
    /// What makes its own numbers less reliable.
    pub warnings: Vec<WarningEntry>,
}

/// Which lungs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lung {
    /// Both together.
    Both,
    /// The patient's right.
    Right,
    /// The patient's left.
    Left,
}

/// Which part of a lung's height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// All of it.
    Whole,
    /// The upper third.
    Upper,
    /// The middle third.
    Middle,
    /// The lower third.
    Lower,
}

/// The lungs in the order of tables.
pub const LUNGS: [Lung; 3] = [Lung::Both, Lung::Right, Lung::Left];
/// The parts in the order of tables.
const PARTS: [Part; 4] = [Part::Whole, Part::Upper, Part::Middle, Part::Lower];
/// The networks in the order of tables.
const NETWORKS: [Network; 2] = [Network::Normnet, Network::Infnet];

/// What a network marks in a part of the lungs, day by day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The network.
    pub network: Network,
    /// Which lungs.
    pub lung: Lung,
    /// Which part of them.
    pub part: Part,
    /// One for each scan.
    pub values: Vec<Value>,
}

/// What a network marks in a part of the lungs on one day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// Volume of the part in ml.
    pub lung_ml: f64,
    /// Volume marked in ml; absent if the network did not run.
    pub ml: Option<f64>,
    /// Percent of the part that is marked; absent if the network did not run or there is no lung.
    pub percent: Option<f64>,
    /// Percentage points more than on the first day; absent for that one, and where a percentage is.
    pub from_first: Option<f64>,
    /// Percentage points more than on the day before; absent for the first, and where a percentage is.
    pub from_previous: Option<f64>,
}

/// A report that was read, with its date.
struct Dated {
    case: String,
    date: Date,
    date_from: DateSource,
    findings: Findings,
}

/// When the scan of a report was made, and who says so; nothing if neither the report does, nor
/// its name.
///
/// # Errors
///
/// If it is no report that can be compared.
pub fn date_of(name: &str, report: &[u8]) -> Result<Option<(Date, DateSource)>, FollowError> {
    Ok(found_date(name, &read(name, report)?))
}

fn found_date(name: &str, findings: &Findings) -> Option<(Date, DateSource)> {
    let by_report = findings.date.map(|date| (date, DateSource::Report));
    by_report.or_else(|| Some((Date::in_name(base(name))?, DateSource::FileName)))
}

/// A file's name without its folders: that they are named after a day says nothing of the scan.
fn base(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

/// The case in a report's file name.
fn case_of(name: &str) -> String {
    let name = base(name);
    let stem = name.strip_suffix(".json").unwrap_or(name);
    let stem = stem.strip_suffix("_report").unwrap_or(stem);
    if stem.is_empty() { "case" } else { stem }.to_owned()
}

/// Refuses a file of so many bytes before it is read.
///
/// # Errors
///
/// If no report is as long.
pub fn admit(name: &str, bytes: u64) -> Result<(), FollowError> {
    if bytes > MAX_REPORT_BYTES as u64 {
        return Err(FollowError::TooLarge {
            file: name.to_owned(),
            bytes,
        });
    }
    Ok(())
}

fn read(name: &str, report: &[u8]) -> Result<Findings, FollowError> {
    /// What every layout has.
    #[derive(Deserialize)]
    struct Layout {
        schema_version: u64,
    }
    admit(name, report.len() as u64)?;
    let not_report = |source| FollowError::NotReport {
        file: name.to_owned(),
        source,
    };
    // The layout first: of another one it is said what to do.
    let layout: Layout = serde_json::from_slice(report).map_err(not_report)?;
    if layout.schema_version != u64::from(findings::SCHEMA_VERSION) {
        return Err(FollowError::Layout {
            file: name.to_owned(),
            found: layout.schema_version,
        });
    }
    let findings: Findings = serde_json::from_slice(report).map_err(not_report)?;
    check(name, &findings)?;
    Ok(findings)
}

/// Refuses measures that are none.
fn check(name: &str, findings: &Findings) -> Result<(), FollowError> {
    /// More than an elephant's lungs.
    const MOST_ML: f64 = 1e6;
    let within = |field: &str, value: f64, most: f64| {
        if (0.0..=most).contains(&value) {
            return Ok(());
        }
        Err(FollowError::Value {
            file: name.to_owned(),
            field: field.to_owned(),
            value,
        })
    };
    for lung in LUNGS {
        let found = lung_of(findings, lung);
        within("lung_ml", found.lung_ml, MOST_ML)?;
        for affected in [&found.normnet, &found.infnet].into_iter().flatten() {
            within("lesion.ml", affected.lesion.ml, MOST_ML)?;
            within(
                "lesion.percent",
                affected.lesion.percent.unwrap_or(0.0),
                100.0,
            )?;
        }
        let thirds = &found.thirds;
        for third in [thirds.upper, thirds.middle, thirds.lower] {
            within("thirds.lung_ml", third.lung_ml, MOST_ML)?;
            for network in NETWORKS {
                let percent = third_percent(&third, network).unwrap_or(0.0);
                within("thirds.percent", percent, 100.0)?;
            }
        }
    }
    for mm in findings.scan.spacing_mm {
        within("spacing_mm", mm, MOST_ML)?;
    }
    Ok(())
}

fn lung_of(findings: &Findings, lung: Lung) -> &LungFindings {
    match lung {
        Lung::Both => &findings.both,
        Lung::Right => &findings.right,
        Lung::Left => &findings.left,
    }
}

fn affected(lung: &LungFindings, network: Network) -> Option<&Affected> {
    match network {
        Network::Normnet => lung.normnet.as_ref(),
        _ => lung.infnet.as_ref(),
    }
}

fn third_percent(third: &Third, network: Network) -> Option<f64> {
    match network {
        Network::Normnet => third.normnet_percent,
        _ => third.infnet_percent,
    }
}

/// Lung volume, marked volume, percent.
fn measure(findings: &Findings, network: Network, lung: Lung, part: Part) -> Value {
    let found = lung_of(findings, lung);
    let third = match part {
        Part::Whole => {
            let lesion = affected(found, network).map(|a| a.lesion);
            return Value::of(
                found.lung_ml,
                lesion.map(|l| l.ml),
                lesion.and_then(|l| l.percent),
            );
        }
        Part::Upper => &found.thirds.upper,
        Part::Middle => &found.thirds.middle,
        Part::Lower => &found.thirds.lower,
    };
    let percent = third_percent(third, network);
    // The report has no volume of what is marked in a third.
    let ml = percent.map(|percent| thousandths(third.lung_ml * percent / 100.0));
    Value::of(third.lung_ml, ml, percent)
}

impl Value {
    fn of(lung_ml: f64, ml: Option<f64>, percent: Option<f64>) -> Self {
        Self {
            lung_ml,
            ml,
            percent,
            from_first: None,
            from_previous: None,
        }
    }
}

/// As reports have it: what is beyond is not measured.
fn thousandths(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

impl FollowUp {
    /// Compares reports, in whatever order they come.
    ///
    /// # Errors
    ///
    /// If there are not at least two; if one is no report, has another layout or values that are
    /// none; if nothing says when its scan was made.
    pub fn of(given: &[Given<'_>]) -> Result<Self, FollowError> {
        let count = given.len();
        if count > MAX_REPORTS {
            return Err(FollowError::TooMany { count });
        }
        let mut dated = given
            .iter()
            .map(read_dated)
            .collect::<Result<Vec<_>, _>>()?;
        if count < 2 {
            return Err(FollowError::TooFew { count });
        }
        // Of one day they stay in the order in which they were given.
        dated.sort_by_key(|scan| scan.date);
        Ok(Self {
            schema_version: SCHEMA_VERSION,
            disclaimer: findings::DISCLAIMER.into(),
            basis: BASIS.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            scans: scans(&dated),
            rows: rows(&dated),
            remarks: remarks::remarks(&dated),
        })
    }

    /// As indented JSON.
    ///
    /// # Errors
    ///
    /// None is known.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }

    /// The networks that ran on any day.
    pub fn networks(&self) -> Vec<Network> {
        let ran = |network: &Network| self.rows.iter().any(|row| row.network == *network);
        NETWORKS.into_iter().filter(ran).collect()
    }

    /// The row of a part of the lungs.
    pub fn row(&self, network: Network, lung: Lung, part: Part) -> Option<&Row> {
        let wanted = (network, lung, part);
        let mut rows = self.rows.iter();
        rows.find(|row| (row.network, row.lung, row.part) == wanted)
    }
}

fn read_dated(given: &Given<'_>) -> Result<Dated, FollowError> {
    let findings = read(given.name, given.report)?;
    let by_hand = given.date.map(|date| (date, DateSource::Given));
    let (date, date_from) = by_hand
        .or_else(|| found_date(given.name, &findings))
        .ok_or_else(|| FollowError::NoDate {
            file: given.name.to_owned(),
        })?;
    Ok(Dated {
        case: case_of(given.name),
        date,
        date_from,
        findings,
    })
}

fn scans(dated: &[Dated]) -> Vec<FollowedScan> {
    let described = dated.iter().enumerate().map(|(at, scan)| {
        let found = &scan.findings;
        let previous = at.checked_sub(1).and_then(|before| dated.get(before));
        FollowedScan {
            case: scan.case.clone(),
            date: scan.date,
            date_from: scan.date_from,
            days_from_first: dated.first().map_or(0, |d| scan.date.days_since(d.date)),
            days_from_previous: previous.map(|d| scan.date.days_since(d.date)),
            lung_ml: LUNGS.map(|lung| lung_of(found, lung).lung_ml),
            slice_mm: remarks::slice_mm(found),
            version: found.provenance.version.clone(),
            edited: remarks::edited(found),
            warnings: found.warnings.clone(),
        }
    });
    described.collect()
}

fn rows(dated: &[Dated]) -> Vec<Row> {
    let ran = |network: &Network| {
        let mut all = dated.iter();
        all.any(|scan| affected(&scan.findings.both, *network).is_some())
    };
    let mut rows = Vec::new();
    for network in NETWORKS.into_iter().filter(ran) {
        for lung in LUNGS {
            for part in PARTS {
                let values = dated.iter();
                let values = values.map(|scan| measure(&scan.findings, network, lung, part));
                rows.push(Row {
                    network,
                    lung,
                    part,
                    values: changes(values.collect()),
                });
            }
        }
    }
    rows
}

/// With the changes in percentage points.
fn changes(mut values: Vec<Value>) -> Vec<Value> {
    let percents: Vec<Option<f64>> = values.iter().map(|v| v.percent).collect();
    let points = |at: usize, before: usize| Some(thousandths(percents[at]? - percents[before]?));
    for (at, value) in values.iter_mut().enumerate().skip(1) {
        value.from_first = points(at, 0);
        value.from_previous = points(at, at - 1);
    }
    values
}

#[cfg(test)]
mod tests;
