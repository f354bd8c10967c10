//! What the segments of a mask are, in the codes of PS3.16.

/// A coded concept: value, scheme, meaning.
#[derive(Clone, Copy)]
pub(super) struct Code(
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) &'static str,
);

// CID 7150, categories of segments.
const ANATOMY: Code = Code("91723000", "SCT", "Anatomical Structure");
const ABNORMAL: Code = Code("49755003", "SCT", "Morphologically Abnormal Structure");
// CID 7151 and the groups in it, types of segments; CID 244, laterality.
const LUNG: Code = Code("39607008", "SCT", "Lung");
const RIGHT: Code = Code("24028007", "SCT", "Right");
const LEFT: Code = Code("7771000", "SCT", "Left");
const LESION: Code = Code("52988006", "SCT", "Lesion");
// CID 6104, opacities of the chest. It has no consolidation, RadLex has.
const GROUND_GLASS: Code = Code("112120", "DCM", "Ground glass opacity");
const CONSOLIDATION: Code = Code("RID43255", "RADLEX", "Consolidation");
/// CID 7203, how an image is derived.
pub(super) const SEGMENTATION: Code = Code("113076", "DCM", "Segmentation");
/// CID 7202, what a source image was for.
pub(super) const SOURCE_IMAGE: Code = Code(
    "121322",
    "DCM",
    "Source image for image processing operation",
);
/// CID 7162, families of algorithms.
pub(super) const NETWORKS: Code = Code("123110", "DCM", "Artificial Intelligence");

/// A mask of an analysis. Its labels, from 1, are the numbers of its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segments {
    /// 1 right lung, 2 left lung.
    Lungs {
        /// The user gave the mask.
        given: bool,
    },
    /// 1 lesion.
    Normnet {
        /// A person has changed it.
        corrected: bool,
    },
    /// 1 ground glass, 2 consolidation; or 1 infection.
    Infnet {
        /// Whether the two were told apart.
        classified: bool,
        /// A person has changed it.
        corrected: bool,
    },
}

/// A label of a mask.
pub(super) struct Segment {
    pub(super) label: &'static str,
    pub(super) category: Code,
    pub(super) kind: Code,
    pub(super) side: Option<Code>,
    /// Where an abnormality is.
    pub(super) region: Option<Code>,
    /// The page's colour in CIELab as DICOM has it (PS3.3 C.10.7.1.1).
    pub(super) colour: [u16; 3],
}

impl Segment {
    fn lung(label: &'static str, side: Code, colour: [u16; 3]) -> Self {
        Self {
            label,
            category: ANATOMY,
            kind: LUNG,
            side: Some(side),
            region: None,
            colour,
        }
    }

    fn lesion(label: &'static str, kind: Code, colour: [u16; 3]) -> Self {
        Self {
            label,
            category: ABNORMAL,
            kind,
            side: None,
            region: Some(LUNG),
            colour,
        }
    }
}

impl Segments {
    /// In the order of their labels.
    pub(super) fn all(self) -> Vec<Segment> {
        const GROUND_GLASS_COLOUR: [u16; 3] = [58401, 29471, 52288];
        match self {
            Self::Lungs { .. } => vec![
                Segment::lung("Right lung", RIGHT, [45761, 29808, 23959]),
                Segment::lung("Left lung", LEFT, [37842, 21141, 36174]),
            ],
            Self::Normnet { .. } => {
                vec![Segment::lesion("Lesion", LESION, [37641, 45294, 49995])]
            }
            Self::Infnet {
                classified: true, ..
            } => vec![
                Segment::lesion("Ground glass", GROUND_GLASS, GROUND_GLASS_COLOUR),
                Segment::lesion("Consolidation", CONSOLIDATION, [40007, 42800, 30170]),
            ],
            Self::Infnet { .. } => {
                vec![Segment::lesion("Infection", LESION, GROUND_GLASS_COLOUR)]
            }
        }
    }

    /// Who drew it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lungs { .. } => "Lungs",
            Self::Normnet { .. } => "NormNet",
            Self::Infnet { .. } => "Inf-Net",
        }
    }

    /// A name in capitals.
    pub(super) fn content_label(self) -> &'static str {
        match self {
            Self::Lungs { .. } => "LUNGS",
            Self::Normnet { .. } => "NORMNET",
            Self::Infnet { .. } => "INFNET",
        }
    }

    /// High, so that a list of series has it behind the scanner's.
    pub(super) fn series_number(self) -> &'static str {
        match self {
            Self::Lungs { .. } => "9001",
            Self::Normnet { .. } => "9002",
            Self::Infnet { .. } => "9003",
        }
    }

    /// Whether a person had a hand in it.
    pub(super) fn by_hand(self) -> bool {
        match self {
            Self::Lungs { given: by_hand }
            | Self::Normnet { corrected: by_hand }
            | Self::Infnet {
                corrected: by_hand, ..
            } => by_hand,
        }
    }
}
