//! The committed JSON Schema is the one that the types give.

use std::path::Path;

use loopscope_engine::{report_schema, schema::report_schema_text};

#[test]
fn the_committed_schema_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/report.schema.json");
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == report_schema_text(),
        "schema/report.schema.json is stale\nhint: run `cargo xtask schema` and commit it"
    );
}

#[test]
fn the_schema_says_what_a_report_must_have() {
    let schema = report_schema();
    let required: Vec<&str> = schema["required"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|name| name.as_str())
        .collect();
    for name in [
        "schema_version",
        "status",
        "components",
        "monitoring",
        "issues",
        "incidents",
    ] {
        assert!(required.contains(&name), "{name} in {required:?}");
    }
    assert!(schema["$defs"]["Incident"]["properties"]["culprit"].is_object());
}
