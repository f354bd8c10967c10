//! Which of the files belong together, and which of them to take.

use std::borrow::Cow;

use serde::Serialize;

use super::instance::{self, Found, Instance};
use super::stack::Slice;
use super::thumbnail::Thumbnail;
use crate::date::Date;
use crate::io::sniff::{self, Kind};
use crate::io::{File, IoError, Limits};

/// Slices whose directions differ by less (cosines) lie in parallel.
const PARALLEL: f64 = 1e-3;
/// Slices whose pixels differ by less (mm) have the same.
const SAME_PIXEL_MM: f64 = 1e-3;
/// Nobody's folder has more stacks; each new slice is held against all of them.
const MAX_STACKS: usize = 1000;

/// Slices of one series with the same orientation, matrix and pixel size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// SeriesInstanceUID (0020,000E).
    pub uid: String,
    /// SeriesDescription (0008,103E): for choosing, it is no part of any result.
    pub description: String,
    /// Modality (0008,0060).
    pub modality: String,
    /// Number of slices.
    pub slices: usize,
    /// SliceThickness (0018,0050) in mm.
    pub thickness_mm: Option<f64>,
    /// ConvolutionKernel (0018,1210).
    pub kernel: String,
    /// Rows of a slice.
    pub rows: usize,
    /// Columns of a slice.
    pub columns: usize,
    /// The day on which its first file was acquired, or else that of the study; absent if the
    /// header has neither.
    pub date: Option<Date>,
    /// A slice from the middle, made small; absent if it cannot be decoded.
    pub thumbnail: Option<Thumbnail>,
}

/// The slices of a stack, as numbers of instance and frame.
pub(super) struct Stack {
    pub(super) about: Series,
    pub(super) members: Vec<(usize, usize)>,
}

/// All that a list of files has.
pub(super) struct Collection<'a> {
    name: &'a str,
    pub(super) instances: Vec<Instance<'a>>,
    pub(super) stacks: Vec<Stack>,
}

impl<'a> Collection<'a> {
    /// Reads the headers. Files that are no DICOM, and DICOM files without slices, are passed over.
    ///
    /// # Errors
    ///
    /// If a DICOM file is cut or damaged, or no file has slices.
    pub(super) fn read(name: &'a str, files: &'a [File], limits: &Limits) -> Result<Self, IoError> {
        let mut all = Self {
            name,
            instances: Vec::new(),
            stacks: Vec::new(),
        };
        let mut reason = None;
        // What is unpacked is kept, so all files share the limit.
        let mut limits = *limits;
        for file in files {
            if sniff::kind(&file.bytes) != Kind::Dicom {
                continue;
            }
            match instance::read(&file.name, &file.bytes, &limits) {
                Ok(Found::Slices(found)) => {
                    if let Cow::Owned(unpacked) = &found.data {
                        limits.max_bytes = limits.max_bytes.saturating_sub(unpacked.len());
                    }
                    all.add(*found)?;
                }
                Ok(Found::Other(what)) => {
                    reason.get_or_insert_with(|| all.none(format!("only files {what}")));
                }
                // One foreign file, a film for instance, does not spoil a folder.
                Err(error @ IoError::TransferSyntax { .. }) => {
                    reason.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        if all.stacks.is_empty() {
            let nothing = || all.none("no DICOM files".to_owned());
            return Err(reason.unwrap_or_else(nothing));
        }
        Ok(all)
    }

    fn none(&self, found: String) -> IoError {
        IoError::NoSeries {
            file: self.name.to_owned(),
            found,
        }
    }

    fn add(&mut self, instance: Instance<'a>) -> Result<(), IoError> {
        let at = self.instances.len();
        for frame in 0..instance.frames.len() {
            let found = self.stacks.iter().position(|stack| {
                let member = stack.members.first().copied();
                member.is_some_and(|(i, f)| {
                    let first = if i == at {
                        Some(&instance)
                    } else {
                        self.instances.get(i)
                    };
                    first.is_some_and(|first| same_stack((first, f), (&instance, frame)))
                })
            });
            if let Some(stack) = found.and_then(|n| self.stacks.get_mut(n)) {
                stack.members.push((at, frame));
                stack.about.slices += 1;
                continue;
            }
            if self.stacks.len() == MAX_STACKS {
                return Err(IoError::TooLarge {
                    file: self.name.to_owned(),
                    size: format!("more than {MAX_STACKS} stacks of slices"),
                    limit: format!("{MAX_STACKS} stacks"),
                });
            }
            self.stacks.push(Stack {
                about: describe(&instance),
                members: vec![(at, frame)],
            });
        }
        self.instances.push(instance);
        Ok(())
    }

    /// The stack to analyse: the one with most slices of the series asked for, or of all CT
    /// series. With it goes the number of stacks that there were to choose from.
    ///
    /// # Errors
    ///
    /// If there is no such series, or no CT.
    pub(super) fn choose(&self, uid: Option<&str>) -> Result<(&Stack, usize), IoError> {
        let wanted = |stack: &&Stack| match uid {
            Some(uid) => stack.about.uid == uid,
            None => stack.about.modality == "CT",
        };
        let candidates: Vec<&Stack> = self.stacks.iter().filter(wanted).collect();
        // Of equals the first, and `max_by_key` gives the last.
        let longest = candidates.iter().rev().max_by_key(|s| s.members.len());
        match (longest, uid) {
            (Some(stack), _) => Ok((stack, candidates.len())),
            (None, Some(uid)) => Err(IoError::UnknownSeries {
                file: self.name.to_owned(),
                uid: uid.to_owned(),
                available: self.listing(),
            }),
            (None, None) => {
                let modality = self.stacks.first().map_or("", |s| &s.about.modality);
                Err(self.none(format!("slices of modality \"{modality}\"")))
            }
        }
    }

    fn listing(&self) -> String {
        let all = self.stacks.iter().map(|stack| {
            let about = &stack.about;
            format!("{} ({} slices)", about.uid, about.slices)
        });
        all.collect::<Vec<_>>().join(", ")
    }

    /// The slices of a stack, to be put in order.
    pub(super) fn slices(&self, stack: &Stack) -> Vec<Slice> {
        let members = stack.members.iter().enumerate();
        members
            .filter_map(|(index, &(i, f))| {
                let instance = self.instances.get(i)?;
                Some(Slice {
                    index,
                    frame: *instance.frames.get(f)?,
                    number: instance.about.number,
                })
            })
            .collect()
    }
}

fn same_stack((a, i): (&Instance, usize), (b, j): (&Instance, usize)) -> bool {
    let (Some(one), Some(other)) = (a.frames.get(i), b.frames.get(j)) else {
        return false;
    };
    fn close<const N: usize>(a: [f64; N], b: [f64; N], by: f64) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < by)
    }
    a.about.series == b.about.series
        && (a.format.rows, a.format.columns) == (b.format.rows, b.format.columns)
        && close(one.along_row, other.along_row, PARALLEL)
        && close(one.along_column, other.along_column, PARALLEL)
        && close(one.spacing, other.spacing, SAME_PIXEL_MM)
}

fn describe(instance: &Instance) -> Series {
    let about = &instance.about;
    Series {
        uid: about.series.clone(),
        description: about.description.clone(),
        modality: about.modality.clone(),
        slices: 1,
        thickness_mm: about.thickness,
        kernel: about.kernel.clone(),
        rows: instance.format.rows,
        columns: instance.format.columns,
        date: about.date,
        thumbnail: None,
    }
}
