//! `pleura follow`: reports of one patient from several days, compared.

use super::segment::write;
use crate::date::Date;
use crate::follow::{self, ChartTexts, FollowUp, Given};
use clap::Args;
use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Arguments of `follow`.
#[derive(Args)]
pub struct FollowArgs {
    /// Reports of one patient: the <case>_report.json of two scans or more, in any order.
    #[arg(required = true)]
    reports: Vec<PathBuf>,
    /// When each scan was made, as YYYY-MM-DD, in the order of the reports and with commas between;
    /// - where the report or its name says it.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "DATES",
        allow_hyphen_values = true
    )]
    dates: Vec<String>,
    /// The file for the comparison, in JSON.
    #[arg(long)]
    out: PathBuf,
    /// A file for it as a table, in CSV.
    #[arg(long)]
    csv: Option<PathBuf>,
    /// A file for the trend as a picture, in SVG.
    #[arg(long)]
    svg: Option<PathBuf>,
}

/// Compares the reports, says what changed, and writes the files.
pub fn run(args: &FollowArgs) -> Result<(), Box<dyn Error>> {
    let dates = dates(args)?;
    let read = args.reports.iter().map(|path| read(path));
    let reports = read.collect::<Result<Vec<_>, _>>()?;
    let given: Vec<Given> = reports
        .iter()
        .zip(dates)
        .map(|((name, report), date)| Given { name, report, date })
        .collect();
    let compared = FollowUp::of(&given)?;
    let mut files = vec![(&args.out, compared.to_json()?)];
    files.extend(args.csv.iter().map(|path| (path, compared.to_csv())));
    let svg = || compared.svg(&ChartTexts::english(&compared));
    files.extend(args.svg.iter().map(|path| (path, svg())));
    for (path, content) in &files {
        write(path, content.as_bytes())?;
    }
    for line in compared.sentences() {
        println!("{line}");
    }
    for remark in &compared.remarks {
        println!("note: {}", remark.text);
    }
    for (path, _) in &files {
        println!("{}", path.display());
    }
    Ok(())
}

/// One for each report, where it is given.
fn dates(args: &FollowArgs) -> Result<Vec<Option<Date>>, String> {
    let reports = args.reports.len();
    if args.dates.is_empty() {
        return Ok(vec![None; reports]);
    }
    if args.dates.len() != reports {
        let dates = args.dates.len();
        return Err(format!(
            "--dates has {dates} and there are {reports} reports: give one for each, and - where \
             the report says it"
        ));
    }
    let read = |text: &String| match text.trim() {
        "-" => Ok(None),
        text => Date::iso(text)
            .map(Some)
            .ok_or_else(|| format!("--dates: \"{text}\" is no date as YYYY-MM-DD")),
    };
    args.dates.iter().map(read).collect()
}

/// A report's name and content; no more is read than a report may have.
fn read(path: &Path) -> Result<(String, Vec<u8>), Box<dyn Error>> {
    let name = path.display().to_string();
    let failed = |e: std::io::Error| format!("{name}: {e}");
    let file = File::open(path).map_err(failed)?;
    follow::admit(&name, file.metadata().map_err(failed)?.len())?;
    let mut content = Vec::new();
    let most = follow::MAX_REPORT_BYTES as u64 + 1;
    file.take(most).read_to_end(&mut content).map_err(failed)?;
    Ok((name, content))
}
