//! `cohort.csv`: a line for each case, for a spreadsheet or a script (RFC 4180).

use crate::findings::{Affected, Amount, Findings, LungFindings, Third};
use crate::record::Record;

/// Thirds of a lung by height, as in the report.
const THIRDS: [&str; 3] = ["upper", "middle", "lower"];
/// What a spreadsheet takes for the beginning of a formula, wide forms included.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// What is known of a case.
pub enum Row {
    /// It is done.
    Done {
        /// How.
        record: Box<Record>,
        /// The measures; an image has none.
        findings: Option<Box<Findings>>,
    },
    /// It failed.
    Failed {
        /// Why.
        error: String,
        /// SHA-256 of the input, if it could be read.
        sha256: Option<String>,
    },
}

/// A column's name and what is in it for one case.
type Cell = (String, String);

/// The table of these cases, by name, in their order.
pub fn csv<'a>(rows: impl Iterator<Item = (&'a str, &'a Row)>) -> String {
    let mut out = line(cells("", None).into_iter().map(|(name, _)| name));
    for (case, row) in rows {
        out += &line(cells(case, Some(row)).into_iter().map(|(_, value)| value));
    }
    out
}

/// All columns; what does not apply is empty.
fn cells(case: &str, row: Option<&Row>) -> Vec<Cell> {
    let (mut record, mut findings, mut failure) = (None, None, (None, None));
    match row {
        Some(Row::Done {
            record: done,
            findings: found,
        }) => (record, findings) = (Some(done), found.as_deref()),
        Some(Row::Failed { error, sha256 }) => failure = (Some(error), sha256.as_ref()),
        None => {}
    }
    let status = if failure.0.is_some() {
        "failed"
    } else {
        "done"
    };
    let sha256 = record.map(|r| &r.input.sha256).or(failure.1);
    let mut cells = vec![
        text("case", Some(case)),
        text("status", Some(status)),
        text("input_sha256", sha256),
    ];
    let lungs = findings.map(|f| [("", &f.both), ("right_", &f.right), ("left_", &f.left)]);
    let sides = ["", "right_", "left_"];
    let side = |at: usize| lungs.map(|lungs| lungs[at].1);
    for (at, name) in sides.iter().enumerate() {
        cells.push(number(
            &format!("{name}lung_ml"),
            side(at).map(|l| l.lung_ml),
        ));
    }
    for network in ["normnet", "infnet"] {
        let normnet = network == "normnet";
        let affected = |lung: &'_ LungFindings| -> Option<Affected> {
            let of = if normnet { &lung.normnet } else { &lung.infnet };
            of.clone()
        };
        for (at, name) in sides.iter().enumerate() {
            let found = side(at).and_then(affected);
            let prefix = format!("{network}_{name}");
            cells.extend(amount(&prefix, found.as_ref().map(|a| a.lesion)));
            if !normnet {
                let glass = found.as_ref().and_then(|a| a.ground_glass);
                cells.extend(amount(&format!("{prefix}ground_glass_"), glass));
                let dense = found.as_ref().and_then(|a| a.consolidation);
                cells.extend(amount(&format!("{prefix}consolidation_"), dense));
            }
            for (third, height) in THIRDS.iter().enumerate() {
                let part = side(at).map(|lung| {
                    let thirds = &lung.thirds;
                    [thirds.upper, thirds.middle, thirds.lower][third]
                });
                let part = part.and_then(|part| of_third(&part, normnet));
                cells.extend(amount(&format!("{prefix}{height}_"), part));
            }
        }
        let lesions = findings.and_then(|f| match normnet {
            true => f.normnet.as_ref(),
            false => f.infnet.as_ref(),
        });
        let count = lesions.map(|l| l.listed.len().to_string());
        cells.push(text(&format!("{network}_lesions"), count.as_ref()));
    }
    let dice = findings.and_then(|f| f.agreement_dice);
    cells.push(number("agreement_dice", dice));
    let codes = record.map(|r| {
        let codes = r.warnings.iter().map(|w| w.code.as_str());
        codes.collect::<Vec<_>>().join(" ")
    });
    let seconds = record.map(|r| r.timings.iter().map(|t| t.seconds).sum::<f64>());
    cells.extend([
        text("warnings", codes.as_ref()),
        text("device", record.map(|r| &r.device)),
        text("version", record.map(|r| &r.version)),
        (
            "seconds".into(),
            seconds.map_or_else(String::new, |s| format!("{s:.1}")),
        ),
        text("error", failure.0),
    ]);
    cells
}

/// The report has percents of a third's lung; their volume follows.
fn of_third(part: &Third, normnet: bool) -> Option<Amount> {
    let percent = match normnet {
        true => part.normnet_percent,
        false => part.infnet_percent,
    }?;
    Some(Amount {
        ml: part.lung_ml * percent / 100.0,
        percent: Some(percent),
    })
}

fn amount(prefix: &str, amount: Option<Amount>) -> [Cell; 2] {
    [
        number(&format!("{prefix}ml"), amount.map(|a| a.ml)),
        number(&format!("{prefix}percent"), amount.and_then(|a| a.percent)),
    ]
}

fn number(name: &str, value: Option<f64>) -> Cell {
    let value = value.map_or_else(String::new, |v| format!("{v:.4}"));
    (name.into(), value)
}

/// Text that came from outside must not be run as a formula: an apostrophe makes it text.
fn text(name: &str, value: Option<impl AsRef<str>>) -> Cell {
    let value = value.as_ref().map_or("", |v| v.as_ref());
    let guard = if value.trim_start_matches(' ').starts_with(FORMULA) {
        "'"
    } else {
        ""
    };
    (name.into(), format!("{guard}{value}"))
}

fn line(values: impl Iterator<Item = String>) -> String {
    let quoted = values.map(|value| match value.contains(['"', ',', '\r', '\n']) {
        true => format!("\"{}\"", value.replace('"', "\"\"")),
        false => value,
    });
    quoted.collect::<Vec<_>>().join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(error: &str) -> Row {
        Row::Failed {
            error: error.into(),
            sha256: None,
        }
    }

    #[test]
    fn formulas_and_separators_stay_text() {
        let rows = [
            ("plain", failed("no lungs")),
            ("=HYPERLINK(\"http://x\",\"y\")", failed("a, \"b\"\nc")),
            (" +1", failed("@SUM(A1)")),
            ("-1", failed("－1")),
        ];
        let table = csv(rows.iter().map(|(name, row)| (*name, row)));
        let lines: Vec<&str> = table.split("\r\n").collect();
        assert_eq!(lines.len(), rows.len() + 2, "{table}");
        assert!(lines[0].starts_with("case,status,input_sha256,lung_ml,right_lung_ml,"));
        assert!(lines[0].ends_with(",warnings,device,version,seconds,error"));
        assert!(lines[1].starts_with("plain,failed,,") && lines[1].ends_with(",no lungs"));
        let quoted = "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\",failed,";
        assert!(lines[2].starts_with(quoted), "{}", lines[2]);
        assert!(lines[2].ends_with(",\"a, \"\"b\"\"\nc\""), "{}", lines[2]);
        assert!(lines[3].starts_with("' +1,") && lines[3].ends_with(",'@SUM(A1)"));
        assert!(lines[4].starts_with("'-1,") && lines[4].ends_with(",'－1"));
    }

    #[test]
    fn every_line_has_every_column() {
        let names: Vec<String> = cells("", None).into_iter().map(|(name, _)| name).collect();
        let unique: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
        for name in [
            "normnet_ml",
            "normnet_percent",
            "infnet_left_consolidation_percent",
            "infnet_right_upper_ml",
            "normnet_lower_percent",
            "infnet_lesions",
        ] {
            assert!(names.iter().any(|n| n == name), "{name}");
        }
        assert_eq!(cells("a", Some(&failed("x"))).len(), names.len());
    }
}
