//! `cargo xtask wheel`: the Python package as people install it, with the `loopscope` command beside it.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::preflight;

/// Where the package's own objects go, beside its sources; listed in `pyproject.toml` and ignored by git.
const PACKAGE: &str = "crates/loopscope-python/python/loopscope";

/// The packages that they are built from, and their names in the Python package.
const OBJECTS: [(&str, &str); 2] = [
    ("loopscope-pulse", "libloopscope_pulse.so.1"),
    ("loopscope-monitor", "_monitor.abi3.so"),
];

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
    put_objects(shell)?;
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

/// Builds the objects that are loaded beside the agent, each by itself so that none gets another's features.
fn put_objects(shell: &Shell) -> Result<()> {
    for (package, name) in OBJECTS {
        let folders = ["--target-dir", "target/wheel-build"];
        cmd!(
            shell,
            "cargo build --locked --profile pulse --package {package} {folders...}"
        )
        .env("PYO3_NO_PYTHON", "1")
        .run()?;
        let built = package.replace('-', "_");
        shell.copy_file(
            format!("target/wheel-build/pulse/lib{built}.so"),
            format!("{PACKAGE}/{name}"),
        )?;
    }
    Ok(())
}
