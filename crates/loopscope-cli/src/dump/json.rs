//! A report as JSON: pretty for one process, one line each for many.

use loopscope_engine::dump::DumpReport;

use crate::screen::escape_json;

/// Over many lines, with a newline at the end.
pub(super) fn pretty(report: &DumpReport) -> String {
    written(serde_json::to_string_pretty(report))
}

/// On one line, with a newline at the end.
pub(super) fn line(report: &DumpReport) -> String {
    written(serde_json::to_string(report))
}

/// A report has no keys but strings and no numbers but finite ones, so writing it does not fail.
fn written(json: serde_json::Result<String>) -> String {
    let json = json.unwrap_or_default();
    let is_harmless = json
        .bytes()
        .all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte));
    let mut safe = if is_harmless {
        json
    } else {
        escape_json(&json)
    };
    safe.push('\n');
    safe
}
