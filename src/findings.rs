//! What was found in a scan, as numbers: the report that page and command line write.
//!
//! Volumes are in ml and percentages are of lung volume, for each network apart, in all, per lung
//! and per third of a lung; every lesion of some size is listed. Nothing is scored or graded.
//! [`findings`] measures, and [`Findings`] is the report, whose JSON keeps its layout as long as
//! `schema_version` stays the same.
//!
//! Only what lies inside the lungs is counted: a mask that reaches over their border cannot affect
//! more than all of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::date::Date;
use crate::io::Warning;
use crate::volume::{Reorientation, Volume};
use crate::weights::{Network, Precision};

// The explicit paths keep the module loadable from any place that names this file by path.
#[path = "findings/border.rs"]
mod border;
#[path = "findings/lesions.rs"]
mod lesions;
#[path = "findings/totals.rs"]
mod totals;

pub use border::lungs_cut;
pub use lesions::MIN_LESION_ML;

/// The layout of the report.
pub const SCHEMA_VERSION: u32 = 1;

/// What every report says first.
pub const DISCLAIMER: &str = "For research and teaching. Not a medical device, not for diagnosis: \
    networks miss lesions and invent others, and no number here replaces a radiologist's reading.";

/// Label of the patient's right lung in a lung mask.
pub const RIGHT: u8 = 1;
/// Label of the patient's left lung in a lung mask.
pub const LEFT: u8 = 2;
/// Label of ground glass in an Inf-Net mask.
pub const GROUND_GLASS: u8 = 1;
/// Label of consolidation in an Inf-Net mask.
pub const CONSOLIDATION: u8 = 2;

/// HU at which the histogram's first bin begins.
pub const HISTOGRAM_START_HU: i16 = -1024;
/// Width of a bin in HU.
pub const HISTOGRAM_BIN_HU: i16 = 20;
/// Number of bins: the last one holds 600 HU.
pub const HISTOGRAM_BINS: usize = 82;

/// Why nothing could be measured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FindingsError {
    /// A mask is not on the scan's grid.
    #[error(
        "the {mask} mask has {found:?} voxels, the scan {expected:?}: they must share one grid"
    )]
    Grid {
        /// Which mask.
        mask: &'static str,
        /// Dims of the scan.
        expected: [usize; 3],
        /// Dims of the mask.
        found: [usize; 3],
    },
    /// The scan's affine cannot be inverted.
    #[error("the scan's voxels have no volume: its affine cannot be inverted")]
    FlatVoxels,
}

/// What is measured: a scan and its masks, all on the scan's LPS grid.
#[derive(Debug, Clone, Copy)]
pub struct Measured<'a> {
    /// The scan in HU.
    pub hu: &'a Volume<i16>,
    /// Lungs: 1 right, 2 left.
    pub lungs: &'a Volume<u8>,
    /// NormNet's lesions, nonzero; absent if it did not run.
    pub normnet: Option<&'a Volume<u8>>,
    /// Inf-Net's lesions; absent if it did not run.
    pub infnet: Option<&'a Volume<u8>>,
    /// Whether Inf-Net's mask tells ground glass (1) from consolidation (2).
    pub infnet_classified: bool,
    /// The way back to the grid that the file had, for slice numbers and voxels in the report.
    pub input: &'a Reorientation,
}

/// The report on one scan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// [`DISCLAIMER`].
    pub disclaimer: String,
    /// What makes the numbers less reliable.
    pub warnings: Vec<WarningEntry>,
    /// The scan's grid, as in its file.
    pub scan: ScanGrid,
    /// The day on which the scan was made, by its DICOM header; absent where that does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// Both lungs together; thirds are the sums of the two lungs' own thirds.
    pub both: LungFindings,
    /// The patient's right lung.
    pub right: LungFindings,
    /// The patient's left lung.
    pub left: LungFindings,
    /// The lesions of NormNet; absent if it did not run.
    pub normnet: Option<Lesions>,
    /// The lesions of Inf-Net; absent if it did not run.
    pub infnet: Option<Lesions>,
    /// Dice between the two networks' lesions, 0..1; absent unless both ran and one found something.
    pub agreement_dice: Option<f64>,
    /// HU of the lung voxels.
    pub hu_histogram: HuHistogram,
    /// The labels in every mask that belongs to the report.
    pub masks: Vec<MaskLegend>,
    /// How the report came about.
    pub provenance: Provenance,
    /// Lesions that a person took away, in their order: masks and measures are without them. Absent
    /// from a report that nobody edited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Removed>,
    /// What a person did with the brush, for each network whose mask they painted on: masks and
    /// measures have it. Absent where nobody painted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub painted: Vec<Painted>,
}

/// A lesion that a person took away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Removed {
    /// The network that had marked it.
    pub network: Network,
    /// As it was.
    pub lesion: Lesion,
}

/// The strokes of a brush on a network's mask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Painted {
    /// Whose mask.
    pub network: Network,
    /// Strokes that changed it.
    pub strokes: usize,
    /// Voxels that they marked.
    pub voxels_added: usize,
    /// Voxels that they cleared.
    pub voxels_removed: usize,
}

/// A scan's grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScanGrid {
    /// Voxels along the file's own axes.
    pub dims: [usize; 3],
    /// Voxel size in mm along the same axes.
    pub spacing_mm: [f64; 3],
    /// The directions in which they grow, such as "LPS".
    pub orientation: String,
}

/// Something that the reader of a report should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarningEntry {
    /// Stable name, for programs.
    pub code: String,
    /// What it means, for people.
    pub text: String,
}

impl From<&Warning> for WarningEntry {
    fn from(warning: &Warning) -> Self {
        Self {
            code: warning.code().into(),
            text: warning.text(),
        }
    }
}

/// One lung, or both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LungFindings {
    /// Lung volume in ml.
    pub lung_ml: f64,
    /// NormNet's lesions; absent if it did not run.
    pub normnet: Option<Affected>,
    /// Inf-Net's lesions; absent if it did not run.
    pub infnet: Option<Affected>,
    /// The upper, middle and lower third of the lung's height.
    pub thirds: Thirds,
}

/// How much is affected by a network's lesions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Affected {
    /// All lesions.
    pub lesion: Amount,
    /// Ground glass alone; absent if classes were not told apart.
    pub ground_glass: Option<Amount>,
    /// Consolidation alone; absent if classes were not told apart.
    pub consolidation: Option<Amount>,
}

/// A volume of lesion.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Amount {
    /// Volume in ml.
    pub ml: f64,
    /// Percent of the lung volume, 0..100; absent where there is no lung.
    pub percent: Option<f64>,
}

/// A lung by height.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thirds {
    /// Towards the head.
    pub upper: Third,
    /// Between.
    pub middle: Third,
    /// Towards the feet.
    pub lower: Third,
}

/// A third of a lung.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Third {
    /// Lung volume in ml.
    pub lung_ml: f64,
    /// Percent of it that NormNet marks; absent if it did not run or there is no lung.
    pub normnet_percent: Option<f64>,
    /// Percent of it that Inf-Net marks; absent if it did not run or there is no lung.
    pub infnet_percent: Option<f64>,
}

/// The lesions of one network: pieces of its mask whose voxels touch, corners included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lesions {
    /// Lesions of [`MIN_LESION_ML`] and more, largest first.
    pub listed: Vec<Lesion>,
    /// Number of smaller ones.
    pub smaller: usize,
    /// Their volume together, in ml.
    pub smaller_ml: f64,
}

/// One lesion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lesion {
    /// Volume in ml.
    pub ml: f64,
    /// The lung that holds most of it.
    pub side: Side,
    /// First and last slice, both included, counted from 0 along the file's third axis.
    pub slices: [usize; 2],
    /// Centre of mass in mm: right, anterior and superior are positive.
    pub centroid_mm: [f64; 3],
    /// The voxel nearest to it, counted from 0 along the file's own axes.
    pub centroid_voxel: [usize; 3],
    /// Mean HU.
    pub mean_hu: f64,
    /// What most of it is; absent if classes were not told apart.
    pub class: Option<LesionClass>,
    /// Percent of it that is consolidation, 0..100; absent if classes were not told apart.
    pub consolidation_percent: Option<f64>,
}

/// The patient's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The patient's right.
    Right,
    /// The patient's left.
    Left,
}

/// What a lesion looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LesionClass {
    /// Hazy: vessels show through.
    GroundGlass,
    /// Dense: vessels are hidden.
    Consolidation,
}

/// Lung voxels by HU: bin b counts HU from `start_hu + b * bin_hu` up to the next bin's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HuHistogram {
    /// HU at which the first bin begins.
    pub start_hu: i16,
    /// Width of a bin in HU.
    pub bin_hu: i16,
    /// The right lung.
    pub right: HuCounts,
    /// The left lung.
    pub left: HuCounts,
    /// Both lungs by what NormNet says of them; absent if it did not run.
    pub normnet: Option<HuClasses>,
    /// Both lungs by what Inf-Net says of them; absent if it did not run.
    pub infnet: Option<HuClasses>,
}

/// HU of the lung voxels of each class: together they are those of both lungs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HuClasses {
    /// What the network does not mark.
    pub healthy: HuCounts,
    /// All lesions; absent where they are told apart.
    pub lesion: Option<HuCounts>,
    /// Ground glass; absent if classes were not told apart.
    pub ground_glass: Option<HuCounts>,
    /// Consolidation; absent if classes were not told apart.
    pub consolidation: Option<HuCounts>,
}

/// Lung voxels by HU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HuCounts {
    /// Voxels below the first bin.
    pub below: u64,
    /// Voxels in each bin.
    pub bins: Vec<u64>,
    /// Voxels above the last bin.
    pub above: u64,
}

/// What the labels of a mask mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskLegend {
    /// The mask's file is `<case>_<name>.nii.gz`.
    pub name: String,
    /// Meaning of each label; 0 is none of them.
    pub labels: BTreeMap<u8, String>,
}

/// How a report came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of this program.
    pub version: String,
    /// The models that ran.
    pub models: Vec<ModelUsed>,
    /// What they ran on, by name.
    pub device: String,
    /// Thresholds that were applied, by name.
    pub thresholds: BTreeMap<String, f64>,
    /// Time taken by each stage, in seconds and in their order.
    pub timings: Vec<Timing>,
}

/// A model that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelUsed {
    /// Its name in the manifest.
    pub name: String,
    /// The network it belongs to.
    pub network: Network,
    /// How its weights are stored.
    pub precision: Precision,
    /// SHA-256 of its weights.
    pub sha256: String,
}

/// The time that a stage took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The stage's name.
    pub stage: String,
    /// Seconds.
    pub seconds: f64,
}

impl Provenance {
    /// A record of this version of the program, on a device, with nothing run yet.
    pub fn on(device: &str) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            models: Vec::new(),
            device: device.into(),
            thresholds: BTreeMap::new(),
            timings: Vec::new(),
        }
    }
}

impl Findings {
    /// The report as indented JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }
}

/// Measures a scan and its masks.
///
/// # Errors
///
/// If a mask is not on the scan's grid, or its voxels have no volume.
pub fn findings(
    of: &Measured<'_>,
    warnings: Vec<WarningEntry>,
    provenance: Provenance,
) -> Result<Findings, FindingsError> {
    check_grids(of)?;
    let totals = totals::Totals::of(of);
    let listed = |mask: Option<&Volume<u8>>, classified| {
        mask.map(|mask| lesions::lesions(of, mask, classified))
            .transpose()
    };
    Ok(Findings {
        schema_version: SCHEMA_VERSION,
        disclaimer: DISCLAIMER.into(),
        warnings,
        scan: ScanGrid {
            dims: of.input.dims(),
            spacing_mm: of.input.affine().spacing(),
            orientation: of.input.affine().orientation(),
        },
        date: None,
        both: totals.both(),
        right: totals.lung(RIGHT),
        left: totals.lung(LEFT),
        normnet: listed(of.normnet, false)?,
        infnet: listed(of.infnet, of.infnet_classified)?,
        agreement_dice: totals.agreement(),
        hu_histogram: totals.histogram(),
        masks: legends(of),
        provenance,
        removed: Vec::new(),
        painted: Vec::new(),
    })
}

/// Where the voxels of the mask's lesion at this place in [`Lesions::listed`] are; none if there is
/// no such lesion. The mask must be on the scan's grid.
pub fn lesion_voxels(of: &Measured<'_>, mask: &Volume<u8>, listed: usize) -> Option<Vec<usize>> {
    lesions::voxels(of, mask, listed)
}

fn check_grids(of: &Measured<'_>) -> Result<(), FindingsError> {
    let masks = [
        ("lung", Some(of.lungs)),
        ("NormNet", of.normnet),
        ("Inf-Net", of.infnet),
    ];
    for (mask, volume) in masks {
        if let Some(volume) = volume.filter(|v| v.dims != of.hu.dims || v.len() != of.hu.len()) {
            return Err(FindingsError::Grid {
                mask,
                expected: of.hu.dims,
                found: volume.dims,
            });
        }
    }
    Ok(())
}

/// What the labels of the masks mean that belong to a report.
fn legends(of: &Measured<'_>) -> Vec<MaskLegend> {
    let legend = |name: &str, labels: &[(u8, &str)]| MaskLegend {
        name: name.into(),
        labels: labels.iter().map(|&(l, text)| (l, text.into())).collect(),
    };
    let mut legends = vec![legend(
        "lungs",
        &[(RIGHT, "right lung"), (LEFT, "left lung")],
    )];
    if of.normnet.is_some() {
        legends.push(legend("normnet", &[(1, "lesion")]));
    }
    if of.infnet.is_some() {
        legends.push(if of.infnet_classified {
            let labels = [
                (GROUND_GLASS, "ground glass"),
                (CONSOLIDATION, "consolidation"),
            ];
            legend("infnet", &labels)
        } else {
            legend("infnet", &[(1, "infection")])
        });
    }
    legends
}

/// A value to so many decimals: what is beyond them is not measured.
fn to_decimals(value: f64, decimals: i32) -> f64 {
    let unit = 10f64.powi(decimals);
    (value * unit).round() / unit
}

/// A volume as reported, to 0.001 ml.
fn ml(value: f64) -> f64 {
    to_decimals(value, 3)
}

/// A share as reported, to 0.001 %; `None` of nothing.
fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| to_decimals(100.0 * part as f64 / whole as f64, 3))
}

#[cfg(test)]
#[path = "findings/tests.rs"]
mod tests;
