//! The committed JSON Schema of the report, generated from the types that are serialised.

use std::fs;

use anyhow::{Context, Result, bail};
use loopscope_engine::schema::report_schema_text;

/// Writes the schema, or with `check` fails where the committed one differs.
pub(crate) fn run(check: bool) -> Result<()> {
    let path = crate::root().join("schema/report.schema.json");
    let fresh = report_schema_text();
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
