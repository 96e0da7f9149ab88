//! The report's JSON Schema, generated from its types.
//!
//! `schema/report.schema.json` at the root of the repository holds what is generated here, for people
//! who read reports with other tools; a test fails when the two differ.

use serde_json::Value;

use crate::report::Report;

/// The JSON Schema of [`Report`], draft 2020-12.
pub fn report_schema() -> Value {
    schemars::schema_for!(Report).to_value()
}

/// The same as the text of the committed file, with its final line feed.
pub fn report_schema_text() -> String {
    format!("{:#}\n", report_schema())
}
