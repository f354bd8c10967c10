//! What makes a result less trustworthy, told with the result.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::volume::Volume;

/// Slices further apart than this (mm) count as thick. A little over 5, so that a 5 mm scan whose
/// affine is rounded does not.
const THICK_MM: f64 = 5.01;
/// Pixels whose sides differ by more than this factor count as anisotropic.
const PIXEL_ASPECT: f64 = 1.05;
/// HU of lung and of air; below lies padding outside the field of view (-2000, -3024).
const AIR_HU: std::ops::Range<i16> = -1500..-500;
/// Every chest CT, cropped or not, is air by more than this share.
const LEAST_AIR: f64 = 0.005;

/// Something about a scan that the reader of its results should know.
///
/// Serialises as `{"code": …, "text": …}`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// The values do not look like HU: there is hardly any air.
    NotHu {
        /// Smallest value.
        min: i16,
        /// Largest value.
        max: i16,
    },
    /// The source holds 8 bits a voxel: HU was windowed away.
    EightBit,
    /// Slices are further apart than 5 mm.
    ThickSlices {
        /// Distance of neighbouring slices in mm.
        mm: f64,
    },
    /// Pixels of the axial slices are not square.
    AnisotropicInPlane {
        /// Pixel size left–right and front–back in mm.
        mm: [f64; 2],
    },
    /// The file says neither by sform nor by qform how the patient lies in it.
    NoOrientation,
    /// The file does not say how large its voxels are.
    NoVoxelSize,
    /// The lungs are not wholly inside the scan.
    LungsCut {
        /// They touch the uppermost slice.
        top: bool,
        /// They touch the lowermost slice.
        bottom: bool,
        /// They touch the edge of the field of view.
        sides: bool,
    },
    /// The lung network does not see the lungs that the threshold found: the threshold's are used.
    LungsUnconfirmed,
    /// Every voxel has the same value.
    Empty,
    /// The gantry was tilted: slices do not lie straight above each other.
    GantryTilt {
        /// Angle between the stack and the normal of its slices.
        degrees: f64,
    },
    /// Slices lie beside the line through the stack.
    ShiftedSlices {
        /// Largest distance from that line in mm.
        mm: f64,
    },
    /// Slices are missing, or not equally far apart: some layers are means of their neighbours.
    UnevenSlices {
        /// Smallest and largest distance of neighbours in mm.
        mm: [f64; 2],
        /// Number of layers that are no slice of the scan.
        interpolated: usize,
    },
    /// Slices at the same place: the first of each was taken.
    DuplicateSlices {
        /// Number of slices left out.
        count: usize,
    },
    /// There was more than one series: the one with most slices was taken.
    OtherSeries {
        /// Number of series, or of stacks in the series asked for.
        stacks: usize,
        /// Slices of the one that was taken.
        slices: usize,
    },
    /// The image was compressed with loss before it came here.
    LossyCompression,
    /// The DICOM files lack what a segmentation of them has to refer to.
    NoSegmentation {
        /// What they lack.
        missing: &'static str,
    },
}

impl Warning {
    /// A name that does not change between versions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotHu { .. } => "not_hu",
            Self::EightBit => "eight_bit",
            Self::ThickSlices { .. } => "thick_slices",
            Self::AnisotropicInPlane { .. } => "anisotropic_in_plane",
            Self::NoOrientation => "no_orientation",
            Self::NoVoxelSize => "no_voxel_size",
            Self::LungsCut { .. } => "lungs_cut",
            Self::LungsUnconfirmed => "lungs_unconfirmed",
            Self::Empty => "empty",
            Self::GantryTilt { .. } => "gantry_tilt",
            Self::ShiftedSlices { .. } => "shifted_slices",
            Self::UnevenSlices { .. } => "uneven_slices",
            Self::DuplicateSlices { .. } => "duplicate_slices",
            Self::OtherSeries { .. } => "other_series",
            Self::LossyCompression => "lossy_compression",
            Self::NoSegmentation { .. } => "no_segmentation",
        }
    }

    /// The warning in plain English, one or two sentences.
    pub fn text(&self) -> String {
        match self {
            Self::NotHu { min, max } => format!(
                "The values ({min} to {max}) do not look like Hounsfield units: there is hardly \
                 any air. Results are unreliable."
            ),
            Self::EightBit => "The scan was stored with 8 bits a voxel, so its Hounsfield units \
                               are lost or estimated. Results are less reliable."
                .to_owned(),
            Self::ThickSlices { mm } => format!(
                "Slices are {mm:.1} mm apart. Thick slices blur small lesions and vessels, and \
                 false findings are more likely."
            ),
            Self::AnisotropicInPlane { mm: [x, y] } => format!(
                "The pixels of a slice are not square ({x:.2} × {y:.2} mm). Check that the scan \
                 is axial."
            ),
            Self::NoOrientation => "The file does not say how the patient lies in it. Left and \
                                    right may be exchanged."
                .to_owned(),
            Self::NoVoxelSize => "The file does not say how large its voxels are; 1 mm is \
                                  assumed. Lengths and volumes are meaningless."
                .to_owned(),
            Self::LungsCut { top, bottom, sides } => {
                let named = [
                    (top, "the uppermost slice"),
                    (bottom, "the lowermost slice"),
                    (sides, "the edge of the field of view"),
                ];
                let places: Vec<_> = named
                    .iter()
                    .filter(|(touched, _)| **touched)
                    .map(|(_, place)| *place)
                    .collect();
                format!(
                    "The lungs are cut at {}. Measures hold for the visible part only.",
                    places.join(" and at ")
                )
            }
            Self::LungsUnconfirmed => "The lung network does not see the lungs that were found by \
                                       their density. Check the lung mask before you trust the \
                                       results."
                .to_owned(),
            Self::Empty => "Every voxel has the same value: there is nothing to see.".to_owned(),
            Self::GantryTilt { degrees } => format!(
                "The gantry was tilted by {degrees:.1}°: slices do not lie straight above each \
                 other. Places and volumes are right, but the networks see sheared lungs, and \
                 results are less reliable."
            ),
            Self::ShiftedSlices { mm } => format!(
                "Some slices lie up to {mm:.1} mm beside their stack. Places are wrong by as much."
            ),
            Self::UnevenSlices {
                mm: [least, most],
                interpolated,
            } => format!(
                "Slices are {least:.2} to {most:.2} mm apart: some are missing, or they are not \
                 equally spaced. {interpolated} layers are means of their neighbours."
            ),
            Self::DuplicateSlices { count } => format!(
                "{count} slices lie where others do and were left out. The series may hold \
                 several phases."
            ),
            Self::OtherSeries { stacks, slices } => format!(
                "There are {stacks} CT series or stacks of slices; the one with most slices \
                 ({slices}) was taken."
            ),
            Self::LossyCompression => "The images were compressed with loss. Small lesions and \
                                       noise are blurred."
                .to_owned(),
            Self::NoSegmentation { missing } => format!(
                "The DICOM files do not have {missing}, so the masks come as NIfTI alone, without \
                 DICOM segmentations."
            ),
        }
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_struct("Warning", 2)?;
        record.serialize_field("code", self.code())?;
        record.serialize_field("text", &self.text())?;
        record.end()
    }
}

/// What the voxels and the grid of a scan give reason to warn of.
pub fn inspect(hu: &Volume<i16>) -> Vec<Warning> {
    let mut warnings: Vec<_> = inspect_values(&hu.data).into_iter().collect();
    let [x, y, z] = patient_spacing(hu);
    if z > THICK_MM {
        warnings.push(Warning::ThickSlices { mm: z });
    }
    if x > y * PIXEL_ASPECT || y > x * PIXEL_ASPECT {
        warnings.push(Warning::AnisotropicInPlane { mm: [x, y] });
    }
    warnings
}

fn inspect_values(values: &[i16]) -> Option<Warning> {
    let (min, max) = (*values.iter().min()?, *values.iter().max()?);
    if min == max {
        return Some(Warning::Empty);
    }
    let air = values.iter().filter(|hu| AIR_HU.contains(hu)).count();
    (air as f64 <= LEAST_AIR * values.len() as f64).then_some(Warning::NotHu { min, max })
}

/// Voxel size left–right, front–back and head–foot, whatever the order of the axes.
fn patient_spacing(hu: &Volume<i16>) -> [f64; 3] {
    let mut out = [0.0; 3];
    for (letter, mm) in hu.affine.orientation().chars().zip(hu.spacing()) {
        let world = match letter {
            'L' | 'R' => 0,
            'P' | 'A' => 1,
            _ => 2,
        };
        out[world] = mm;
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::volume::Affine;

    /// A volume of 100 voxels: the given values, the rest soft tissue.
    fn with(values: &[i16], affine: Affine) -> Volume<i16> {
        let mut data = values.to_vec();
        data.resize(100, 40);
        Volume::new(data, [10, 5, 2], affine).unwrap()
    }

    fn codes(hu: &Volume<i16>) -> Vec<&'static str> {
        inspect(hu).iter().map(Warning::code).collect()
    }

    #[test]
    fn hu_is_told_by_its_air() {
        let affine = Affine::from_spacing([0.7, 0.7, 1.0]);
        assert!(codes(&with(&[-850, -850, 300], affine)).is_empty());
        assert!(codes(&with(&[-850, -850, -3024], affine)).is_empty());
        // Padding alone is no air; neither is an image of 0 to 255 or a scan without its offset.
        assert_eq!(codes(&with(&[-2000, -3024], affine)), ["not_hu"]);
        assert_eq!(codes(&with(&[0, 255], affine)), ["not_hu"]);
        assert_eq!(codes(&with(&[0, 200, 4095], affine)), ["not_hu"]);
        assert_eq!(codes(&with(&[], affine)), ["empty"]);
    }

    #[test]
    fn spacing_is_judged_in_the_patient() {
        let axial = with(&[-850; 9], Affine::from_spacing([0.7, 0.7, 6.0]));
        assert_eq!(inspect(&axial), [Warning::ThickSlices { mm: 6.0 }]);
        assert!(inspect(&axial)[0].text().contains("6.0 mm"));
        let five = with(&[-850; 9], Affine::from_spacing([0.7, 0.7, 5.0 + 1e-6]));
        assert!(codes(&five).is_empty());
        // A coronal stack with slices 4 mm apart has pixels of 0.7 × 4 mm in axial view.
        let coronal = Affine([
            [-0.7, 0.0, 0.0, 0.0],
            [0.0, 0.0, -4.0, 0.0],
            [0.0, 0.7, 0.0, 0.0],
        ]);
        assert_eq!(codes(&with(&[-850; 9], coronal)), ["anisotropic_in_plane"]);
    }

    #[test]
    fn warnings_serialise_with_code_and_text() {
        let cut = Warning::LungsCut {
            top: true,
            bottom: false,
            sides: true,
        };
        let json = serde_json::to_value(&cut).unwrap();
        assert_eq!(json["code"], "lungs_cut");
        assert_eq!(
            json["text"],
            "The lungs are cut at the uppermost slice and at the edge of the field of view. \
             Measures hold for the visible part only."
        );
    }
}
