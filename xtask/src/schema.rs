//! The committed JSON Schemas of reports, dumps, and results of stress runs and drills, generated from the types that are serialised.

use std::fs;

use anyhow::{Context, Result, bail};
use loopscope_engine::schema::{dump_schema_text, report_schema_text};
use loopscope_load::results::schema_text;

/// Writes the schemas, or with `check` fails where a committed one differs.
pub(crate) fn run(check: bool) -> Result<()> {
    one("schema/report.schema.json", &report_schema_text(), check)?;
    one("schema/dump.schema.json", &dump_schema_text(), check)?;
    one("schema/stress.schema.json", &schema_text(), check)?;
    let drill = loopscope_drill::results::schema_text();
    one("schema/drill.schema.json", &drill, check)
}

fn one(name: &str, fresh: &str, check: bool) -> Result<()> {
    let path = crate::root().join(name);
    if check {
        let committed = fs::read_to_string(&path).unwrap_or_default();
        if committed != fresh {
            bail!(
                "stale: {}\nhint: run `cargo xtask schema` and commit it",
                path.display()
            );
        }
        return Ok(());
    }
    fs::create_dir_all(path.parent().context("the schema has a folder")?)?;
    fs::write(&path, fresh).with_context(|| format!("cannot write {}", path.display()))
}
