//! DICOM CT series in: files, in any order and under any name, become one volume.
//!
//! Standard: <https://dicom.nema.org/medical/dicom/current>. CT images (PS3.3 A.3) and enhanced CT
//! images (PS3.3 A.38) open, with pixels that are native, deflated, RLE or JPEG (8 bits, or
//! lossless). Geometry comes from ImagePositionPatient and ImageOrientationPatient alone (PS3.3
//! C.7.6.2.1.1), and goes from DICOM's LPS to RAS here. What says who the patient is goes into no
//! result but a segmentation, which is no segmentation of theirs without it ([`Source`]); the day of
//! the scan leaves this module, which a follow-up is ordered by.
//!
//! dicom-rs decodes the headers of elements; what goes over the values is our own, because a file
//! is not to be trusted: the crate's readers allocate what a length claims, and recurse without end.

mod element;
mod instance;
mod lossless;
mod pixels;
mod rle;
mod seg;
mod series;
mod source;
mod stack;
mod syntax;
#[cfg(test)]
pub(crate) mod testing;
mod thumbnail;
mod write;

pub use seg::Segments;
pub use series::Series;
pub use source::Source;
pub use thumbnail::Thumbnail;

use std::rc::Rc;

use dicom_dictionary_std::tags;
use element::{Fault, Reader};
use series::{Collection, Stack};
use stack::Plan;

use super::samples::{MAX_DIM, reserve, truncated};
use super::{File, IoError, Limits, Scan, Warning, warning};
use crate::volume::Volume;

/// CT stored with this many bits or fewer has lost its HU.
const FEW_BITS: u32 = 8;

/// The stacks of slices in `files`, in the order in which they come; `name` is for messages.
///
/// # Errors
///
/// If a DICOM file is cut or damaged, or no file has slices.
pub fn series(name: &str, files: &[File], limits: &Limits) -> Result<Vec<Series>, IoError> {
    let all = Collection::read(name, files, limits)?;
    let described = all.stacks.iter().map(|stack| Series {
        thumbnail: thumbnail::of(&all, stack, limits),
        ..stack.about.clone()
    });
    Ok(described.collect())
}

/// StudyInstanceUID (0020,000D) of a file, whatever it is of: by it the series of one examination
/// are known. Nothing where it cannot be read.
pub fn study(bytes: &[u8], limits: &Limits) -> Option<String> {
    let opened = syntax::open("", bytes, limits).ok()?;
    let mut reader = Reader::new(&opened.data, opened.at, opened.syntax.coding);
    let (set, _) = reader.image().ok()?;
    set.text(tags::STUDY_INSTANCE_UID)
}

/// Reads the CT series of `files` with most slices, or the series with the given
/// SeriesInstanceUID; `name` is for messages.
///
/// The rows of the slices are the volume's i, the columns its j, and k goes along the normal of
/// the slices. Files that are no DICOM, and DICOM files without slices, are passed over.
///
/// # Errors
///
/// If a DICOM file is cut, damaged or of a transfer syntax that is not decoded; if no file has CT
/// slices; if the slices leave gaps that are too wide to fill.
pub fn read(
    name: &str,
    files: &[File],
    uid: Option<&str>,
    limits: &Limits,
) -> Result<Scan, IoError> {
    let all = Collection::read(name, files, limits)?;
    let (stack, choices) = all.choose(uid)?;
    let mut warnings = Vec::new();
    if choices > 1 {
        let slices = stack.members.len();
        let stacks = choices;
        warnings.push(Warning::OtherSeries { stacks, slices });
    }
    warnings.extend(quality(&all, stack));
    let first = stack.members.first();
    let alone = first
        .and_then(|(i, _)| all.instances.get(*i))
        .and_then(|instance| instance.about.between.or(instance.about.thickness));
    let plan = stack::plan(name, all.slices(stack), alone)?;
    warnings.extend(plan.warnings.iter().cloned());
    let hu = volume(name, &all, stack, &plan, limits)?;
    warnings.extend(warning::inspect(&hu));
    let source = match Source::of(&all, stack, &plan) {
        Ok(source) => Some(source),
        Err(missing) => {
            warnings.push(Warning::NoSegmentation { missing });
            None
        }
    };
    Ok(Scan {
        hu,
        warnings,
        series: Some(stack.about.uid.clone()),
        source,
        date: stack.about.date,
    })
}

/// What the headers give reason to warn of.
fn quality(all: &Collection, stack: &Stack) -> Vec<Warning> {
    let members = || {
        let numbers = stack.members.iter();
        numbers.filter_map(|(i, _)| all.instances.get(*i))
    };
    let lossy = members()
        .any(|m| m.about.lossy)
        .then_some(Warning::LossyCompression);
    let few = members()
        .any(|m| m.format.stored <= FEW_BITS)
        .then_some(Warning::EightBit);
    lossy.into_iter().chain(few).collect()
}

/// Decodes the slices into the grid that was planned.
fn volume(
    name: &str,
    all: &Collection,
    stack: &Stack,
    plan: &Plan,
    limits: &Limits,
) -> Result<Volume<i16>, IoError> {
    let dims = [stack.about.columns, stack.about.rows, plan.layers.len()];
    let [nx, ny, nz] = dims;
    let voxels = nx.checked_mul(ny).and_then(|n| n.checked_mul(nz));
    let fits = |n: &usize| *n <= limits.max_voxels && dims.iter().all(|side| *side <= MAX_DIM);
    let voxels = voxels.filter(fits);
    let voxels = voxels.ok_or_else(|| IoError::TooLarge {
        file: name.to_owned(),
        size: format!("{nx} × {ny} × {nz} voxels"),
        limit: format!("{} voxels, {MAX_DIM} along a side", limits.max_voxels),
    })?;
    let mut decoder = Decoder {
        all,
        stack,
        limits,
        recent: [None, None],
    };
    // One slice first: what cannot be decoded takes no memory then.
    if let Some(layer) = plan.layers.first() {
        decoder.slice(name, layer.below)?;
    }
    let mut data: Vec<i16> = reserve(name, voxels)?;
    for layer in &plan.layers {
        let below = decoder.slice(name, layer.below)?;
        if layer.weight == 0.0 {
            data.extend_from_slice(&below);
        } else {
            let above = decoder.slice(name, layer.above)?;
            let mean = |a: i16, b: i16| {
                let (a, b) = (f64::from(a), f64::from(b));
                (a + (b - a) * layer.weight).round() as i16
            };
            data.extend(below.iter().zip(above.iter()).map(|(a, b)| mean(*a, *b)));
        }
    }
    Volume::new(data, dims, plan.affine).map_err(|error| IoError::Pixels {
        file: name.to_owned(),
        reason: error.to_string(),
    })
}

/// Slices of a stack; the last two are kept, because layers between them need both.
struct Decoder<'c, 'a> {
    all: &'c Collection<'a>,
    stack: &'c Stack,
    limits: &'c Limits,
    recent: [Option<(usize, Rc<[i16]>)>; 2],
}

impl Decoder<'_, '_> {
    fn slice(&mut self, name: &str, index: usize) -> Result<Rc<[i16]>, IoError> {
        let kept = self.recent.iter().flatten().find(|(n, _)| *n == index);
        if let Some((_, hu)) = kept {
            return Ok(hu.clone());
        }
        let member = self.stack.members.get(index);
        let found = member.and_then(|&(i, f)| Some((self.all.instances.get(i)?, f)));
        let Some((instance, frame)) = found else {
            return Err(IoError::Pixels {
                file: name.to_owned(),
                reason: "a slice is missing".to_owned(),
            });
        };
        let hu: Rc<[i16]> = instance.hu(frame, self.limits)?.into();
        self.recent.swap(0, 1);
        self.recent[0] = Some((index, hu.clone()));
        Ok(hu)
    }
}

fn fault(name: &str, fault: Fault) -> IoError {
    match fault {
        Fault::Truncated(needed, found) => truncated(name, needed, found),
        Fault::Broken(problem) => header(name, "data set", problem.to_owned()),
    }
}

fn header(name: &str, field: &'static str, problem: String) -> IoError {
    IoError::Header {
        file: name.to_owned(),
        format: "DICOM",
        field,
        problem,
    }
}

#[cfg(test)]
mod tests;
