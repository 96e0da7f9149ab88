//! The JSON Schemas of what goes out, generated from its types.
//!
//! The files in `schema/` at the root of the repository hold what is generated here, for people who read
//! reports and dumps with other tools; a test fails when they differ.

use serde_json::Value;

use crate::dump::DumpReport;
use crate::report::Report;

/// The JSON Schema of [`Report`], draft 2020-12.
pub fn report_schema() -> Value {
    schemars::schema_for!(Report).to_value()
}

/// The same as the text of the committed file, with its final line feed.
pub fn report_schema_text() -> String {
    text(&report_schema())
}

/// The JSON Schema of [`DumpReport`], draft 2020-12.
pub fn dump_schema() -> Value {
    schemars::schema_for!(DumpReport).to_value()
}

/// The same as the text of the committed file, with its final line feed.
pub fn dump_schema_text() -> String {
    text(&dump_schema())
}

fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}
