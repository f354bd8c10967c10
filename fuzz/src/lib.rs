//! What the fuzz targets share with the tests of the crate: the targets themselves, and their seeds.
//!
//! The parsers are compiled from their sources, without the networks beside them: these would take
//! most of the time of a build with sanitizers, and no target runs one.
#![allow(clippy::unwrap_used, dead_code)]

// `pleura` is what the tests call the crate.
extern crate self as pleura;

#[path = "../../src"]
mod source {
    pub mod date;
    pub mod io;
    pub mod phantom;
    pub mod volume;
    pub mod weights;
}
pub use source::{date, io, phantom, volume, weights};

#[path = "../../tests/suite/untrusted/mod.rs"]
pub mod untrusted;
