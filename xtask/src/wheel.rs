//! `cargo xtask wheel`: the Python package as people install it, with the `loopscope` command beside it.

use std::path::Path;

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
    cmd!(
        shell,
        "maturin build --manifest-path {manifest} {folders...}"
    )
    .run()?;
    Ok(())
}

/// Puts the objects that are loaded beside the agent into the package's sources.
fn put_objects(shell: &Shell) -> Result<()> {
    for (package, name) in OBJECTS {
        let built = build_object(shell, package)?;
        shell.copy_file(built, format!("{PACKAGE}/{name}"))?;
    }
    Ok(())
}

/// Builds one object, by itself so that it does not get another's features; says where it is.
fn build_object(shell: &Shell, package: &str) -> Result<String> {
    let folders = ["--target-dir", "target/wheel-build"];
    cmd!(
        shell,
        "cargo build --locked --profile pulse --package {package} {folders...}"
    )
    .run()?;
    let built = package.replace('-', "_");
    Ok(format!("target/wheel-build/pulse/lib{built}.so"))
}

/// Puts the package together in a folder for PYTHONPATH, as the wheel has it.
pub(crate) fn put_together(shell: &Shell, folder: &Path) -> Result<()> {
    let package = folder.join("loopscope");
    shell.remove_path(&package)?;
    shell.create_dir(&package)?;
    for source in shell.read_dir(PACKAGE)? {
        // What is built, now or earlier, comes below.
        if source.extension().is_some_and(|end| end == "py") {
            shell.copy_file(&source, &package)?;
        } else if source.is_dir() && !source.ends_with("__pycache__") {
            cmd!(shell, "cp -r {source} {package}").run()?;
        }
    }
    let agent = ("loopscope-python", "_native.abi3.so");
    for (name, placed) in OBJECTS.into_iter().chain([agent]) {
        let built = build_object(shell, name)?;
        shell.copy_file(built, package.join(placed))?;
    }
    Ok(())
}
