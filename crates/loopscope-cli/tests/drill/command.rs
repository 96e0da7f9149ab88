//! Runs the program.

#[path = "../support/listed.rs"]
mod listed;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use loopscope_drill::Fault;
use loopscope_drill::results::{FaultResult, Results};
use tempfile::TempDir;

/// What a drill left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// `loopscope` with default signals, whatever the tests themselves were started to ignore.
pub(crate) fn loopscope() -> Command {
    let mut command = Command::new("/usr/bin/env");
    command
        .args(["--default-signal=INT,TERM", env!("CARGO_BIN_EXE_loopscope")])
        .env("NO_COLOR", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("LOOPSCOPE_TOKEN")
        .env_remove("LOOPSCOPE_ALLOW_DRILL")
        .stdin(Stdio::null());
    command
}

pub(crate) fn finish(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// `loopscope drill` with these words.
pub(crate) fn drill(words: &[&str]) -> Command {
    let mut command = loopscope();
    command.arg("drill").args(words);
    command
}

/// A drill to its end, with its results.
pub(crate) fn results(words: &[&str]) -> (Ran, Results) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("results.json");
    let words = [words, &["--output", file.to_str().unwrap()]].concat();
    let ran = finish(&mut drill(&words));
    let text = std::fs::read(&file).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let results = serde_json::from_slice(&text).unwrap();
    (ran, results)
}

pub(crate) fn result(results: &Results, fault: Fault) -> &FaultResult {
    let found = results.faults.iter().find(|one| one.fault == fault);
    found.unwrap_or_else(|| panic!("{fault:?}: {results:?}"))
}

/// The oldest and the newest interpreter of those that the tests were given.
pub(crate) fn pythons() -> (PathBuf, PathBuf) {
    let listed = listed::listed_pythons();
    let first = listed.first().cloned();
    let first = first.unwrap_or_else(|| "python3".into());
    let last = listed.last().cloned().unwrap_or_else(|| first.clone());
    (first, last)
}

/// A PATH on which this interpreter is `python3`.
pub(crate) fn path_with(python: &Path, folder: &Path) -> String {
    let given = std::env::var("PATH").unwrap();
    if python.is_absolute() {
        symlink(python, folder.join("python3")).unwrap();
    }
    format!("{}:{given}", folder.display())
}
