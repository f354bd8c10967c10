//! Case after case, or several at once: results of each, and a table of all.
//!
//! A case's files are written one by one under temporary names and renamed, its run manifest last: a
//! result set with a run manifest is whole, whatever happened to the program. That is what `--resume`
//! goes by.

use super::cases::Case;
use super::input::Read;
use super::segment::{PARTIAL, write};
use super::session::{Session, Setup};
use super::table::{self, Row};
use crate::analysis::OutputFile;
use crate::findings::Findings;
use crate::io::Fingerprint;
use crate::record::{Kind, MAX_BYTES, Record, SUFFIX};
use crate::weights::WeightsError;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The table's file in the folder of the results.
const TABLE: &str = "cohort.csv";
/// Most bytes of a report that is read again.
const MAX_REPORT: u64 = 64 << 20;
/// The bar of all cases moves at least so often: its clock runs.
const TICK: Duration = Duration::from_secs(1);

/// The cases to analyse, and how.
pub struct Batch {
    /// What is asked of each, and with which networks.
    pub setup: Setup,
    /// The cases.
    pub cases: Vec<Case>,
    /// A lung mask, if there is one case.
    pub lungs: Option<PathBuf>,
    /// Folder for the results.
    pub out: PathBuf,
    /// Cases at once.
    pub jobs: usize,
    /// Whether to leave alone what is complete.
    pub resume: bool,
}

impl Batch {
    /// Analyses them; an error counts those that failed, each of which has said why.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let session = Session::open(self.setup)?;
        fs::create_dir_all(&self.out).map_err(|e| format!("{}: {e}", self.out.display()))?;
        clean(&self.out, &self.cases)?;
        let run = Run {
            session,
            lungs: self.lungs,
            out: self.out,
            resume: self.resume,
            progress: Progress::new(self.cases.len()),
            rows: Mutex::new(BTreeMap::new()),
            cases: self.cases,
        };
        run.all(self.jobs)
    }
}

/// How a case ended that did not fail.
enum End {
    Done,
    /// It was complete before.
    Before,
    /// A mask lay among the scans.
    Mask,
}

struct Run {
    session: Session,
    cases: Vec<Case>,
    lungs: Option<PathBuf>,
    out: PathBuf,
    resume: bool,
    progress: Progress,
    /// By place among the cases.
    rows: Mutex<BTreeMap<usize, Row>>,
}

impl Run {
    fn all(&self, jobs: usize) -> Result<(), Box<dyn Error>> {
        if self.resume {
            // What stands stays in the table until it is looked at again.
            let standing = self.cases.iter().map(|case| self.standing(&case.name));
            let standing = standing.enumerate().filter_map(|(n, row)| Some((n, row?)));
            self.rows().extend(standing);
        }
        let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let unwritten = Mutex::new(None::<String>);
        thread::scope(|scope| {
            for _ in 0..jobs.clamp(1, self.cases.len().max(1)) {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(case) = self.cases.get(at) else {
                            break;
                        };
                        if !self.one(at, case) {
                            failed.fetch_add(1, Ordering::Relaxed);
                        }
                        if let Err(error) = self.tabulate() {
                            let mut slot = unwritten.lock().unwrap_or_else(PoisonError::into_inner);
                            slot.get_or_insert(error.to_string());
                        }
                    }
                });
            }
        });
        self.progress.finish();
        if let Some(error) = unwritten
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
        {
            return Err(error.into());
        }
        match failed.into_inner() {
            0 => Ok(()),
            n => Err(format!("{n} of {} inputs failed", self.cases.len()).into()),
        }
    }

    /// Analyses a case and says how it went; false if it failed.
    fn one(&self, at: usize, case: &Case) -> bool {
        let begun = Instant::now();
        let mut sha256 = None;
        let (name, path) = (&case.name, case.path.display());
        match self.analyse(at, case, &mut sha256) {
            Ok(End::Done) => {
                let seconds = begun.elapsed().as_secs_f64();
                self.progress.ended(&format!("{name}: {seconds:.1} s"));
            }
            Ok(End::Before) => self.progress.ended(&format!("{name}: complete before")),
            Ok(End::Mask) => {
                let text = format!("{path} is a mask, not a scan: left out");
                self.progress.ended(&text);
            }
            Err(error) => {
                let error = error.to_string();
                self.progress.failed(name, &error);
                self.rows().insert(at, Row::Failed { error, sha256 });
                return false;
            }
        }
        true
    }

    fn analyse(
        &self,
        at: usize,
        case: &Case,
        sha256: &mut Option<String>,
    ) -> Result<End, Box<dyn Error>> {
        let read = Read::from(&case.path)?;
        let print = read.fingerprint();
        *sha256 = Some(print.sha256.clone());
        if self.resume {
            if let Some(row) = self.standing(&case.name)
                && self.still_holds(&row, &print)?
            {
                self.rows().insert(at, row);
                return Ok(End::Before);
            }
            self.rows().remove(&at);
        }
        let mut analysis = self.session.opened(&read, self.lungs.as_deref())?;
        drop(read);
        analysis.call(&case.name);
        if case.found && analysis.is_mask() {
            return Ok(End::Mask);
        }
        let bar = self.progress.bar();
        let manifest = self.session.manifest();
        let outcome = self.session.run_showing(analysis, manifest, &bar);
        bar.finish_and_clear();
        let outcome = outcome?;
        let record = Record::of(&outcome)?;
        self.progress
            .wrote(&save(&self.out, &record, &outcome.files)?);
        let row = Row::Done {
            record: Box::new(record),
            findings: outcome.findings.map(Box::new),
        };
        self.rows().insert(at, row);
        Ok(End::Done)
    }

    /// A result set that is whole: as its run manifest, the mark, says.
    fn standing(&self, case: &str) -> Option<Row> {
        let record = recorded(&self.out, case)?;
        let there = |name: &String| self.out.join(name).is_file();
        if !record.files.iter().all(there) {
            return None;
        }
        let findings = match record.input.kind {
            Kind::Image => None,
            Kind::Volume => {
                let report = self.out.join(format!("{case}_report.json"));
                let findings: Findings =
                    serde_json::from_slice(&small(&report, MAX_REPORT)?).ok()?;
                Some(Box::new(findings))
            }
        };
        let record = Box::new(record);
        Some(Row::Done { record, findings })
    }

    /// Whether a result set is of this input, and of the options, weights and version of now.
    fn still_holds(&self, row: &Row, print: &Fingerprint) -> Result<bool, WeightsError> {
        let Row::Done { record, .. } = row else {
            return Ok(false);
        };
        let image = record.input.kind == Kind::Image;
        let options = self.session.options().resolved(image);
        let manifest = self.session.manifest();
        let mut entries = options.needs(manifest, image)?;
        if !image {
            entries.extend(options.lung_network(manifest)?);
        }
        let needed: BTreeSet<_> = entries.iter().map(|e| (&e.name, &e.sha256)).collect();
        let used: BTreeSet<_> = record.models.iter().map(|m| (&m.name, &m.sha256)).collect();
        let series = match self.session.series() {
            Some(uid) => record.input.series.as_deref() == Some(uid),
            None => !record.input.series_named,
        };
        Ok(record.version == env!("CARGO_PKG_VERSION")
            && record.same_input("", print).is_ok()
            && record.lungs.is_none()
            && record.options == options
            && needed == used
            && series)
    }

    /// Writes the table of all cases that have ended.
    fn tabulate(&self) -> Result<(), Box<dyn Error>> {
        if self.cases.len() < 2 {
            return Ok(());
        }
        // Held while it is written: of two tables the later one is the fuller.
        let rows = self.rows();
        let named = rows.iter().filter_map(|(&at, row)| {
            let case = self.cases.get(at)?;
            Some((case.name.as_str(), row))
        });
        write(&self.out.join(TABLE), table::csv(named).as_bytes())
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<usize, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a result set in the place of an earlier one, its run manifest last, and gives the paths. What
/// the earlier one had and the new one has not is removed.
pub fn save(
    out: &Path,
    record: &Record,
    files: &[OutputFile],
) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let before = recorded(out, &record.case);
    // From here to the last file the result set on the disk is not whole.
    remove(&out.join(record.file()))?;
    let stale = before.into_iter().flat_map(|before| before.files);
    for name in stale.filter(|name| !record.files.contains(name)) {
        remove(&out.join(name))?;
    }
    let mut paths = Vec::new();
    for file in files {
        let path = out.join(&file.name);
        write(&path, &file.bytes)?;
        paths.push(path);
    }
    Ok(paths)
}

/// The run manifest of a case, if there is one that can be read.
fn recorded(out: &Path, case: &str) -> Option<Record> {
    let name = format!("{case}{SUFFIX}");
    let bytes = small(&out.join(&name), MAX_BYTES as u64)?;
    let record = Record::parse(&name, &bytes).ok()?;
    (record.case == case).then_some(record)
}

/// Removes what an earlier run, which was ended in the middle, has left half written.
fn clean(out: &Path, cases: &[Case]) -> Result<(), String> {
    let failed = |e: io::Error| format!("{}: {e}", out.display());
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    for entry in fs::read_dir(out).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(whole) = name.strip_suffix(PARTIAL) else {
            continue;
        };
        let of_case = |(at, _): (usize, &str)| names.contains(&whole[..at]);
        if whole == TABLE || whole.match_indices('_').any(of_case) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), String> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(format!("{}: {e}", path.display())),
        _ => Ok(()),
    }
}

/// A file's bytes, if it can be read and is not larger than it should be.
fn small(path: &Path, most: u64) -> Option<Vec<u8>> {
    let size = fs::metadata(path).ok()?.len();
    (size <= most).then(|| fs::read(path).ok())?
}

/// What a person sees: bars on a terminal, and a line for each of several cases anywhere.
struct Progress {
    bars: MultiProgress,
    /// All cases, where there are several.
    total: Option<ProgressBar>,
    cases: usize,
    ended: AtomicUsize,
}

impl Progress {
    fn new(cases: usize) -> Self {
        let bars = MultiProgress::new();
        let total = (cases > 1).then(|| {
            let bar = bars.add(ProgressBar::new(cases as u64));
            let look = "{pos} of {len} cases  {wide_bar}  {elapsed}, about {eta} left";
            if let Ok(style) = ProgressStyle::with_template(look) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
            bar
        });
        Self {
            bars,
            total,
            cases,
            ended: AtomicUsize::new(0),
        }
    }

    /// A bar for one case, above that of all.
    fn bar(&self) -> ProgressBar {
        self.bars.insert(0, ProgressBar::new(100))
    }

    fn ended(&self, text: &str) {
        let count = self.count();
        if self.cases > 1 {
            let cases = self.cases;
            self.bars.suspend(|| eprintln!("[{count}/{cases}] {text}"));
        }
    }

    fn failed(&self, case: &str, error: &str) {
        let (count, cases) = (self.count(), self.cases);
        self.bars.suspend(|| match cases {
            1 => eprintln!("pleura: {error}"),
            _ => eprintln!("pleura: [{count}/{cases}] {case}: {error}"),
        });
    }

    fn count(&self) -> usize {
        if let Some(total) = &self.total {
            total.inc(1);
        }
        self.ended.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn wrote(&self, paths: &[PathBuf]) {
        self.bars.suspend(|| {
            for path in paths {
                println!("{}", path.display());
            }
        });
    }

    fn finish(&self) {
        if let Some(total) = &self.total {
            total.finish_and_clear();
        }
    }
}
