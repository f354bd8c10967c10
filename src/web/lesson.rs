//! [`crate::analysis::lesson`] for the page.

use super::{Analysis, thrown};
use crate::analysis::lesson::{Ask, Shown};
use crate::io::{Limits, nifti};
use serde_json::json;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
impl Analysis {
    /// Takes a lung mask (NIfTI on the scan's grid) instead of making one.
    pub fn set_lungs(&mut self, name: &str, bytes: &[u8]) -> Result<(), JsError> {
        let mask = nifti::read_labels(name, bytes, &Limits::default()).map_err(thrown)?;
        let analysis = self.inner.as_mut();
        let analysis = analysis.ok_or_else(|| thrown("this analysis is finished"))?;
        analysis.set_lungs(name, mask).map_err(thrown)
    }

    /// What can be shown of the steps of a prepared volume, as JSON.
    pub fn lesson_outline(&mut self) -> Result<String, JsError> {
        let analysis = self.inner.as_ref();
        let analysis = analysis.ok_or_else(|| thrown("this analysis is finished"))?;
        let outline = self.lesson.outline(analysis).map_err(thrown)?;
        serde_json::to_string(&outline).map_err(thrown)
    }

    /// Shows a step; takes an [`Ask`] as JSON.
    pub fn lesson(&mut self, ask: &str) -> Result<Pictures, JsError> {
        let ask: Ask = serde_json::from_str(ask)
            .map_err(|e| thrown(format!("the step is not understood: {e}")))?;
        let analysis = self.inner.as_ref();
        let analysis = analysis.ok_or_else(|| thrown("this analysis is finished"))?;
        let shown = self.lesson.show(analysis, &ask).map_err(thrown)?;
        Ok(Pictures { shown })
    }
}

/// The pictures of a step.
#[wasm_bindgen]
pub struct Pictures {
    shown: Shown,
}

#[wasm_bindgen]
impl Pictures {
    /// Numbers that belong to the pictures, by name, as JSON.
    pub fn facts(&self) -> String {
        let facts = self.shown.facts.iter();
        json!(
            facts
                .map(|(k, v)| (*k, *v))
                .collect::<std::collections::BTreeMap<_, _>>()
        )
        .to_string()
    }

    /// Names of the pictures.
    pub fn names(&self) -> Vec<String> {
        self.shown.pictures.iter().map(|p| p.name.clone()).collect()
    }

    /// A picture's columns and rows; empty if there is none of that name.
    pub fn size(&self, name: &str) -> Vec<usize> {
        let found = self.shown.pictures.iter().find(|p| p.name == name);
        found.map(|p| p.size.to_vec()).unwrap_or_default()
    }

    /// A picture's values, row after row; empty if there is none of that name.
    pub fn values(&self, name: &str) -> Vec<f32> {
        self.shown
            .values(name)
            .map(<[f32]>::to_vec)
            .unwrap_or_default()
    }
}
