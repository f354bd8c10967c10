//! Everything that crosses modules, in one binary so that it links once.
#![allow(clippy::unwrap_used, missing_docs)]

mod golden;
