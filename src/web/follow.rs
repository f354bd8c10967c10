//! [`crate::follow`] for the page.

use super::thrown;
use crate::date::Date;
use crate::follow::{self, ChartTexts, Given};
use wasm_bindgen::prelude::*;

/// When the scan of a report was made, as JSON: date and `date_from`; `null` if neither the report
/// nor its name says. Throws if it is no report that can be compared.
#[wasm_bindgen]
pub fn report_date(name: &str, report: &[u8]) -> Result<String, JsError> {
    let found = follow::date_of(name, report).map_err(thrown)?;
    let found = found.map(|(date, from)| serde_json::json!({"date": date, "date_from": from}));
    serde_json::to_string(&found).map_err(thrown)
}

/// Reports of one patient, compared.
#[wasm_bindgen]
pub struct FollowUp {
    inner: follow::FollowUp,
}

#[wasm_bindgen]
impl FollowUp {
    /// Compares reports. Of `dates`, as YYYY-MM-DD, each goes with a report; an empty one leaves it
    /// to report and name.
    pub fn of(
        names: Vec<String>,
        reports: Vec<js_sys::Uint8Array>,
        dates: Vec<String>,
    ) -> Result<FollowUp, JsError> {
        for (name, report) in names.iter().zip(&reports) {
            follow::admit(name, u64::from(report.length())).map_err(thrown)?;
        }
        let reports: Vec<Vec<u8>> = reports.iter().map(js_sys::Uint8Array::to_vec).collect();
        let given: Vec<Given> = names
            .iter()
            .zip(&reports)
            .zip(&dates)
            .map(|((name, report), date)| Given {
                name,
                report,
                date: Date::iso(date),
            })
            .collect();
        let inner = follow::FollowUp::of(&given).map_err(thrown)?;
        Ok(Self { inner })
    }

    /// The comparison as JSON.
    pub fn json(&self) -> Result<String, JsError> {
        self.inner.to_json().map_err(thrown)
    }

    /// As a table.
    pub fn csv(&self) -> String {
        self.inner.to_csv()
    }

    /// The trend as SVG; takes [`ChartTexts`] as JSON.
    pub fn svg(&self, texts: &str) -> Result<String, JsError> {
        let texts: ChartTexts = serde_json::from_str(texts)
            .map_err(|e| thrown(format!("the words of the chart are not understood: {e}")))?;
        Ok(self.inner.svg(&texts))
    }
}
