//! The comparison as sentences and as CSV.

use super::{FollowUp, LUNGS, Lung, Part, Row};
use crate::weights::Network;
use std::fmt::Write;

const COLUMNS: &str = "date,days_from_first,case,network,lung,part,lung_ml,lesion_ml,percent,\
    points_from_first,points_from_previous";

impl FollowUp {
    /// From the first day to the last, for each network and lung: `Inf-Net, right lung: 12.30 % →
    /// 8.10 %, −4.20 points in 21 days`.
    pub fn sentences(&self) -> Vec<String> {
        let rows = self.networks().into_iter().flat_map(|network| {
            let row = move |lung| self.row(network, lung, Part::Whole);
            LUNGS.into_iter().filter_map(row)
        });
        rows.filter_map(|row| self.sentence(row)).collect()
    }

    fn sentence(&self, row: &Row) -> Option<String> {
        let lung = match row.lung {
            Lung::Both => "both lungs",
            Lung::Right => "right lung",
            Lung::Left => "left lung",
        };
        let (first, last) = (row.values.first()?, row.values.last()?);
        let days = self.scans.last()?.days_from_first;
        let plural = if days == 1 { "" } else { "s" };
        Some(format!(
            "{}, {lung}: {} % → {} %, {} points in {days} day{plural}",
            row.network.name(),
            hundredths(first.percent?),
            hundredths(last.percent?),
            signed(last.from_first?),
        ))
    }

    /// A line for each day and part of the lungs. English and with points, whoever reads it.
    pub fn to_csv(&self) -> String {
        let mut csv = format!("{COLUMNS}\r\n");
        for row in &self.rows {
            for (scan, value) in self.scans.iter().zip(&row.values) {
                let number = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
                // Writing to a text cannot fail.
                let _ = write!(
                    csv,
                    "{},{},{},{},{},{},{},{},{},{},{}\r\n",
                    scan.date,
                    scan.days_from_first,
                    quoted(&scan.case),
                    network(row),
                    lung(row),
                    part(row),
                    value.lung_ml,
                    number(value.ml),
                    number(value.percent),
                    number(value.from_first),
                    number(value.from_previous),
                );
            }
        }
        csv
    }
}

/// To two decimals, halves away from nought: what is compared has three, which are not all binary.
fn hundredths(value: f64) -> String {
    let thousandths = (value * 1e3).round();
    format!("{:.2}", (thousandths / 10.0).round() / 100.0)
}

/// With a true minus sign, and a plus where it rose.
fn signed(points: f64) -> String {
    // What is shown as nought has no sign.
    let shown = hundredths(points.abs());
    match points {
        _ if shown == "0.00" => shown,
        p if p < 0.0 => format!("−{shown}"),
        _ => format!("+{shown}"),
    }
}

/// A text as a cell, which a comma or a quote in it does not break.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

fn network(row: &Row) -> &'static str {
    match row.network {
        Network::Normnet => "normnet",
        _ => "infnet",
    }
}

fn lung(row: &Row) -> &'static str {
    match row.lung {
        Lung::Both => "both",
        Lung::Right => "right",
        Lung::Left => "left",
    }
}

fn part(row: &Row) -> &'static str {
    match row.part {
        Part::Whole => "whole",
        Part::Upper => "upper",
        Part::Middle => "middle",
        Part::Lower => "lower",
    }
}
