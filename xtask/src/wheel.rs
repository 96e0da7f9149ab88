//! `cargo xtask wheel`: the Python package as people install it, with the `loopscope` command beside it.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::preflight;

/// What the wheel carries besides the package; named in `crates/loopscope-python/pyproject.toml`.
const SCRIPTS: &str = "target/wheel-data/scripts";

/// Builds it.
pub(crate) fn build(shell: &Shell) -> Result<()> {
    if !preflight::is_there("maturin") {
        anyhow::bail!("maturin is not installed\nhint: pip install maturin");
    }
    cmd!(shell, "cargo build --release --package loopscope-cli").run()?;
    shell.create_dir(SCRIPTS)?;
    shell.copy_file("target/release/loopscope", format!("{SCRIPTS}/loopscope"))?;
    let manifest = "crates/loopscope-python/Cargo.toml";
    let folders = [
        "--out",
        "target/wheels",
        "--target-dir",
        "target/wheel-build",
    ];
    // The agent's interface is the stable one: no interpreter has a say in the build.
    cmd!(
        shell,
        "maturin build --manifest-path {manifest} {folders...}"
    )
    .env("PYO3_NO_PYTHON", "1")
    .run()?;
    Ok(())
}
