//! What watching costs a program that asks for it itself: bare against `loopscope.install()`.

use std::path::PathBuf;

use anyhow::Result;
use xshell::Shell;

use super::Setting;
use super::child::Running;
use super::overhead::{COMPARISONS, compare};
use crate::wheel;

/// Runs and prints every comparison, once for the recorder alone and once with engine and server inside.
pub(crate) fn run(setting: &Setting) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(crate::root());
    wheel::put_together(&shell, &package())?;
    compare(
        setting,
        "library, recorder alone",
        COMPARISONS,
        |_, command| Running::installed(command, &package(), &["record"]),
    )?;
    println!();
    compare(
        setting,
        "library, with its monitor",
        COMPARISONS,
        |_, command| Running::installed(command, &package(), &["monitor"]),
    )
}

/// The folder that has the package.
fn package() -> PathBuf {
    crate::root().join("target/library")
}
