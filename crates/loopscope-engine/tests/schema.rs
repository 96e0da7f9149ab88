//! The committed JSON Schemas are those that the types give.

use std::path::Path;

use loopscope_engine::report_schema;
use loopscope_engine::schema::{dump_schema, dump_schema_text, report_schema_text};

#[test]
fn the_committed_schemas_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema");
    for (name, fresh) in [
        ("report.schema.json", report_schema_text()),
        ("dump.schema.json", dump_schema_text()),
    ] {
        let committed = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            committed == fresh,
            "schema/{name} is stale\nhint: run `cargo xtask schema` and commit it"
        );
    }
}

#[test]
fn the_schema_of_a_dump_describes_its_parts() {
    let definitions = &dump_schema()["$defs"];
    for name in [
        "DumpLoop",
        "DumpTask",
        "DumpTaskGroup",
        "DumpThread",
        "DumpFinding",
    ] {
        assert!(definitions[name]["properties"].is_object(), "{name}");
    }
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
