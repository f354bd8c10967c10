//! Volumes, shares and the histogram: everything that is counted voxel by voxel, in one pass.

use super::{
    Affected, Amount, CONSOLIDATION, GROUND_GLASS, HISTOGRAM_BIN_HU, HISTOGRAM_BINS,
    HISTOGRAM_START_HU, HuClasses, HuCounts, HuHistogram, LEFT, LungFindings, Measured, RIGHT,
    Third, Thirds, ml, percent, to_decimals,
};

/// Voxels of a part of the lungs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Tally {
    lung: u64,
    normnet: u64,
    infnet: u64,
    ground_glass: u64,
    consolidation: u64,
    /// In both networks' masks.
    common: u64,
}

impl Tally {
    fn plus(self, other: Self) -> Self {
        Self {
            lung: self.lung + other.lung,
            normnet: self.normnet + other.normnet,
            infnet: self.infnet + other.infnet,
            ground_glass: self.ground_glass + other.ground_glass,
            consolidation: self.consolidation + other.consolidation,
            common: self.common + other.common,
        }
    }

    fn sum<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        parts.into_iter().copied().fold(Self::default(), Self::plus)
    }
}

/// One lung, slice by slice: thirds follow when its extent is known.
struct Lung {
    slices: Vec<Tally>,
    histogram: HuCounts,
}

impl Lung {
    fn new(slices: usize) -> Self {
        Self {
            slices: vec![Tally::default(); slices],
            histogram: no_counts(),
        }
    }

    /// Lower, middle and upper third of the slices from the lung's first to its last. Where
    /// they do not divide by three, a slice belongs to the third that holds its centre.
    fn thirds(&self) -> [Tally; 3] {
        let mut thirds = [Tally::default(); 3];
        let occupied = |t: &Tally| t.lung > 0;
        let Some(first) = self.slices.iter().position(occupied) else {
            return thirds;
        };
        let last = self.slices.iter().rposition(occupied).unwrap_or(first);
        let height = last - first + 1;
        for (at, tally) in self.slices.iter().skip(first).take(height).enumerate() {
            let third = &mut thirds[3 * (2 * at + 1) / (2 * height)];
            *third = third.plus(*tally);
        }
        thirds
    }
}

/// HU of both lungs by the label of a network's mask: none, 1, 2.
type ByLabel = [HuCounts; 3];

/// Counts of the whole scan.
pub(super) struct Totals {
    right: Lung,
    left: Lung,
    normnet_hu: ByLabel,
    infnet_hu: ByLabel,
    voxel_ml: f64,
    has_normnet: bool,
    has_infnet: bool,
    classified: bool,
}

impl Totals {
    /// Counts all voxels; the masks must be on the scan's grid.
    pub(super) fn of(of: &Measured<'_>) -> Self {
        let slices = of.hu.dims[2];
        let mut totals = Self {
            right: Lung::new(slices),
            left: Lung::new(slices),
            normnet_hu: std::array::from_fn(|_| no_counts()),
            infnet_hu: std::array::from_fn(|_| no_counts()),
            voxel_ml: of.hu.voxel_ml(),
            has_normnet: of.normnet.is_some(),
            has_infnet: of.infnet.is_some(),
            classified: of.infnet_classified,
        };
        for k in 0..slices {
            let hu = of.hu.slice(k);
            let normnet = of.normnet.map(|m| m.slice(k));
            let infnet = of.infnet.map(|m| m.slice(k));
            for (at, (&label, &hu)) in of.lungs.slice(k).iter().zip(hu).enumerate() {
                let lung = match label {
                    RIGHT => &mut totals.right,
                    LEFT => &mut totals.left,
                    _ => continue,
                };
                let normal = normnet.map_or(0, |m| m[at]);
                let infected = infnet.map_or(0, |m| m[at]);
                count_hu(&mut lung.histogram, hu);
                count_hu(of_label(&mut totals.normnet_hu, normal), hu);
                count_hu(of_label(&mut totals.infnet_hu, infected), hu);
                let tally = &mut lung.slices[k];
                tally.lung += 1;
                tally.normnet += u64::from(normal != 0);
                tally.infnet += u64::from(infected != 0);
                tally.ground_glass += u64::from(infected == GROUND_GLASS);
                tally.consolidation += u64::from(infected == CONSOLIDATION);
                tally.common += u64::from(normal != 0 && infected != 0);
            }
        }
        totals
    }

    /// The findings of the lung with this label.
    pub(super) fn lung(&self, label: u8) -> LungFindings {
        let lung = if label == RIGHT {
            &self.right
        } else {
            &self.left
        };
        self.findings(Tally::sum(&lung.slices), lung.thirds())
    }

    /// The findings of both lungs together.
    pub(super) fn both(&self) -> LungFindings {
        let (right, left) = (self.right.thirds(), self.left.thirds());
        let all = Tally::sum(self.right.slices.iter().chain(&self.left.slices));
        self.findings(all, [0, 1, 2].map(|third| right[third].plus(left[third])))
    }

    /// Dice between the networks.
    pub(super) fn agreement(&self) -> Option<f64> {
        let all = Tally::sum(self.right.slices.iter().chain(&self.left.slices));
        let marked = all.normnet + all.infnet;
        let defined = self.has_normnet && self.has_infnet && marked > 0;
        defined.then(|| to_decimals(2.0 * all.common as f64 / marked as f64, 4))
    }

    /// HU of the lungs, by side and by class.
    pub(super) fn histogram(&self) -> HuHistogram {
        HuHistogram {
            start_hu: HISTOGRAM_START_HU,
            bin_hu: HISTOGRAM_BIN_HU,
            right: self.right.histogram.clone(),
            left: self.left.histogram.clone(),
            normnet: self.has_normnet.then(|| classes(&self.normnet_hu, false)),
            infnet: (self.has_infnet).then(|| classes(&self.infnet_hu, self.classified)),
        }
    }

    fn findings(&self, all: Tally, [lower, middle, upper]: [Tally; 3]) -> LungFindings {
        let amount = |voxels: u64| Amount {
            ml: ml(voxels as f64 * self.voxel_ml),
            percent: percent(voxels, all.lung),
        };
        LungFindings {
            lung_ml: ml(all.lung as f64 * self.voxel_ml),
            normnet: self.has_normnet.then(|| Affected {
                lesion: amount(all.normnet),
                ground_glass: None,
                consolidation: None,
            }),
            infnet: self.has_infnet.then(|| Affected {
                lesion: amount(all.infnet),
                ground_glass: self.classified.then(|| amount(all.ground_glass)),
                consolidation: self.classified.then(|| amount(all.consolidation)),
            }),
            thirds: Thirds {
                upper: self.third(upper),
                middle: self.third(middle),
                lower: self.third(lower),
            },
        }
    }

    fn third(&self, tally: Tally) -> Third {
        let share = |ran: bool, voxels| percent(voxels, tally.lung).filter(|_| ran);
        Third {
            lung_ml: ml(tally.lung as f64 * self.voxel_ml),
            normnet_percent: share(self.has_normnet, tally.normnet),
            infnet_percent: share(self.has_infnet, tally.infnet),
        }
    }
}

fn no_counts() -> HuCounts {
    HuCounts {
        below: 0,
        bins: vec![0; HISTOGRAM_BINS],
        above: 0,
    }
}

/// Labels that have no meaning of their own are the first.
fn of_label(counts: &mut ByLabel, label: u8) -> &mut HuCounts {
    &mut counts[match label {
        0 => 0,
        CONSOLIDATION => 2,
        _ => 1,
    }]
}

fn classes([healthy, first, second]: &ByLabel, told_apart: bool) -> HuClasses {
    let lesion = HuCounts {
        below: first.below + second.below,
        bins: first
            .bins
            .iter()
            .zip(&second.bins)
            .map(|(a, b)| a + b)
            .collect(),
        above: first.above + second.above,
    };
    HuClasses {
        healthy: healthy.clone(),
        lesion: (!told_apart).then_some(lesion),
        ground_glass: told_apart.then(|| first.clone()),
        consolidation: told_apart.then(|| second.clone()),
    }
}

fn count_hu(counts: &mut HuCounts, hu: i16) {
    let above_start = i32::from(hu) - i32::from(HISTOGRAM_START_HU);
    match usize::try_from(above_start.div_euclid(i32::from(HISTOGRAM_BIN_HU))) {
        Err(_) => counts.below += 1,
        Ok(bin) => match counts.bins.get_mut(bin) {
            Some(count) => *count += 1,
            None => counts.above += 1,
        },
    }
}
