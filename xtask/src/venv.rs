//! A virtual environment with pinned packages for each interpreter, made once and kept in `.venv/`.
//!
//! A stamp inside holds everything the environment was made from; it is made anew when that changes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use crate::pythons::{Interpreter, discover};
use crate::suites;

const REQUIREMENTS: &str = "crates/loopscope-cli/tests/fixtures/requirements.txt";

/// Prepares every interpreter of this machine and returns the environments' executables, oldest first.
/// One that cannot be prepared for want of a system package is left out, and that is said.
pub(crate) fn prepare(shell: &Shell) -> Result<Vec<PathBuf>> {
    suites::prepare(shell)?;
    let interpreters = discover();
    println!("interpreters:");
    let mut prepared = Vec::new();
    for interpreter in &interpreters {
        print!(
            "  CPython {} {}",
            interpreter.version_text(),
            interpreter.path.display()
        );
        match prepare_one(shell, interpreter, &interpreters) {
            Ok(python) => {
                println!();
                prepared.push(python);
            }
            Err(error) => println!("\n    LEFT OUT: {error:#}"),
        }
    }
    if prepared.is_empty() {
        bail!("no usable CPython from 3.9 up\nhint: apt-get install python3 python3-venv");
    }
    Ok(prepared)
}

fn prepare_one(shell: &Shell, one: &Interpreter, all: &[Interpreter]) -> Result<PathBuf> {
    let folder = crate::root().join(".venv").join(folder_name(one, all));
    let python = folder.join("bin/python");
    let stamp = folder.join("made-from");
    let made_from = made_from(one)?;
    if fs::read_to_string(&stamp).is_ok_and(|made| made == made_from) && python.exists() {
        return Ok(python);
    }
    create(shell, one, &folder)?;
    install(shell, one, &python)?;
    fs::write(&stamp, made_from)?;
    Ok(python)
}

/// The version; where two interpreters share one, the later of them by path carries a number.
fn folder_name(one: &Interpreter, all: &[Interpreter]) -> String {
    let earlier = all
        .iter()
        .filter(|other| other.version == one.version && *other < one)
        .count();
    let version = one.version_text();
    if earlier == 0 {
        version
    } else {
        format!("{version}-{}", earlier + 1)
    }
}

fn made_from(interpreter: &Interpreter) -> Result<String> {
    let path = crate::root().join(REQUIREMENTS);
    let requirements = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(format!("{interpreter:?}\n{requirements}"))
}

/// An interpreter that was unpacked has no pip to put into its environment; it gets one below.
fn create(shell: &Shell, interpreter: &Interpreter, folder: &Path) -> Result<()> {
    let python = &interpreter.path;
    let without_pip = suites::is_unpacked(python).then_some("--without-pip");
    let made = cmd!(shell, "{python} -m venv --clear {without_pip...} {folder}")
        .quiet()
        .ignore_status()
        .output()?;
    if made.status.success() {
        return Ok(());
    }
    let (major, minor, _) = interpreter.version;
    let said = String::from_utf8_lossy(&made.stdout);
    bail!(
        "cannot make a virtual environment: {}\nhint: apt-get install python{major}.{minor}-venv",
        said.trim()
    )
}

fn install(shell: &Shell, one: &Interpreter, python: &Path) -> Result<()> {
    // A wheel is a folder that Python can run a package from.
    let wheel = match suites::is_unpacked(&one.path) {
        true => suites::pip_wheel(&one.path),
        false => None,
    };
    let pip = match wheel {
        Some(wheel) => vec![wheel.join("pip").display().to_string()],
        None => vec!["-m".to_owned(), "pip".to_owned()],
    };
    let arguments = [
        "-q",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        "-r",
        REQUIREMENTS,
    ];
    let installed = cmd!(shell, "{python} {pip...} install {arguments...}")
        .quiet()
        .run();
    installed.with_context(|| format!("cannot install the packages of {REQUIREMENTS}"))
}
