//! The lung mask: by threshold and morphology first, then by a network.
//!
//! Air inside the body is found, bronchi and bowel gas are taken out, what remains is split into
//! the right and the left lung, and dense lesions at the pleura are closed in. All of that happens
//! on a grid of about 2 mm; only the border is drawn at full resolution.
//!
//! Volumes are on LPS axes (i to the patient's left), so the right lung has the smaller i.

mod airways;
mod base;
mod body;
mod border;
mod closing;
mod coarse;
mod holes;
pub mod network;
#[cfg(feature = "train")]
pub mod samples;
mod sides;
#[cfg(test)]
mod tests;
mod threshold;
#[cfg(feature = "train")]
pub mod train;

pub use base::diaphragm;
pub use sides::split;
pub use threshold::{Thresholded, threshold, thresholded};

/// Label of the patient's right lung.
pub const RIGHT: u8 = 1;
/// Label of the patient's left lung.
pub const LEFT: u8 = 2;

/// Why no lung mask could be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LungError {
    /// The volume has no voxels, a length that does not match its dims, or a useless voxel size.
    #[error("cannot look for lungs in a volume of {dims:?} voxels of {spacing:?} mm: {problem}")]
    Volume {
        /// Voxels along i, j and k.
        dims: [usize; 3],
        /// Voxel size in mm.
        spacing: [f64; 3],
        /// What is wrong with them.
        problem: &'static str,
    },
    /// Nothing in the scan looks like a lung.
    #[error(
        "no lungs found: {found_ml:.0} ml of lung-like air inside the body, at least \
         {needed_ml:.0} ml expected in a scan of this size; check that this is a chest CT in \
         Hounsfield units"
    )]
    NoLungs {
        /// Volume of air inside the body with the density of lung.
        found_ml: f64,
        /// Volume below which the scan counts as having no lungs.
        needed_ml: f64,
    },
}
