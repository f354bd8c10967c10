//! [`crate::correction`] for the page.

use super::{Outcome, files, thrown};
use crate::correction::{self, Made, Stroke};
use crate::io::Limits;
use crate::weights::Network;
use wasm_bindgen::prelude::*;

/// A scan with its masks, which can be corrected.
#[wasm_bindgen]
pub struct Correction {
    inner: correction::Correction,
}

#[wasm_bindgen]
impl Correction {
    /// Reads a scan, as `Analysis.open_files` does, and the files that were made of it.
    #[allow(clippy::too_many_arguments)]
    pub fn open(
        name: &str,
        names: Vec<String>,
        contents: Vec<js_sys::Uint8Array>,
        series: Option<String>,
        lungs: &[u8],
        normnet: Option<Vec<u8>>,
        infnet: Option<Vec<u8>>,
        report: &[u8],
    ) -> Result<Correction, JsError> {
        let files = files(names, contents)?;
        let made = Made {
            lungs,
            normnet: normnet.as_deref(),
            infnet: infnet.as_deref(),
            report,
        };
        let limits = Limits::default();
        let opened = correction::Correction::open(name, &files, series.as_deref(), &made, &limits);
        Ok(Self {
            inner: opened.map_err(thrown)?,
        })
    }

    /// Erases the lesion at this place, from 0, in the list of `"normnet"` or `"infnet"`.
    pub fn remove(&mut self, network: &str, listed: usize) -> Result<(), JsError> {
        let network = match network {
            "normnet" => Network::Normnet,
            _ => Network::Infnet,
        };
        self.inner.remove(network, listed).map_err(thrown)
    }

    /// Paints; takes a [`Stroke`] as JSON.
    pub fn paint(&mut self, stroke: &str) -> Result<(), JsError> {
        let stroke: Stroke = serde_json::from_str(stroke)
            .map_err(|e| thrown(format!("the stroke is not understood: {e}")))?;
        self.inner.paint(&stroke).map_err(thrown)
    }

    /// Takes back what was done last.
    pub fn undo(&mut self) {
        self.inner.undo();
    }

    /// Masks and report as they are now.
    pub fn outcome(&mut self) -> Result<Outcome, JsError> {
        Outcome::of(self.inner.outcome().map_err(thrown)?)
    }
}
