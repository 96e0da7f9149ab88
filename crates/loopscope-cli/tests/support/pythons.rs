//! Which interpreters a scenario runs on, and how failures on several of them are told together.

use std::path::PathBuf;
use std::process::Command;

/// An interpreter.
#[derive(Clone, Debug)]
pub(crate) struct Python {
    /// The executable.
    pub(crate) path: PathBuf,
}

impl Python {
    /// A name for failure messages: the virtual environment's folder, which carries the version.
    pub(crate) fn label(&self) -> String {
        let folder = self.path.parent().and_then(|bin| bin.parent());
        let name = folder.and_then(|folder| folder.file_name());
        name.map_or_else(
            || self.path.display().to_string(),
            |name| name.to_string_lossy().into(),
        )
    }

    /// An executable installed beside the interpreter, such as `uvicorn`.
    pub(crate) fn module(&self, name: &str) -> Vec<String> {
        vec![self.path.display().to_string(), "-m".into(), name.into()]
    }

    /// Whether its asyncio has something, such as `asyncio.TaskGroup`.
    pub(crate) fn has(&self, name: &str) -> bool {
        let look = format!("import asyncio; {name}");
        let output = Command::new(&self.path).args(["-c", &look]).output();
        output.is_ok_and(|output| output.status.success())
    }

    fn require(&self, packages: &[&str]) {
        for package in packages {
            let import = Command::new(&self.path)
                .args(["-c", &format!("import {package}")])
                .output();
            assert!(
                import.is_ok_and(|output| output.status.success()),
                "{} has no {package}\nhint: run `cargo xtask test`, which prepares the interpreters",
                self.path.display()
            );
        }
    }
}

/// Which event loop a fixture runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventLoop {
    /// Python's own.
    Asyncio,
    /// uvloop.
    Uvloop,
}

impl EventLoop {
    /// Its name in reports and in `TRUTH_LOOP`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Asyncio => "asyncio",
            Self::Uvloop => "uvloop",
        }
    }
}

/// The interpreters that `cargo xtask test` prepared, or the `python3` of the `PATH`.
fn pythons() -> Vec<Python> {
    let listed = std::env::var("LOOPSCOPE_TEST_PYTHONS").unwrap_or_default();
    let paths = listed.split(':').filter(|path| !path.is_empty());
    let found: Vec<_> = paths.map(|path| Python { path: path.into() }).collect();
    if found.is_empty() {
        vec![Python {
            path: "python3".into(),
        }]
    } else {
        found
    }
}

/// Runs a scenario on every interpreter, each needing `packages`, and fails with all that went wrong.
pub(crate) fn on_every_python(packages: &[&str], scenario: impl Fn(&Python) -> Result<(), String>) {
    on_pythons(&pythons(), packages, |python| {
        scenario(python).map_err(|error| format!("on {}:\n{error}", python.label()))
    });
}

/// Runs a scenario on every interpreter with both event loops.
pub(crate) fn on_every_loop(
    packages: &[&str],
    scenario: impl Fn(&Python, EventLoop) -> Result<(), String>,
) {
    let needed: Vec<_> = packages.iter().copied().chain(["uvloop"]).collect();
    on_pythons(&pythons(), &needed, |python| {
        let run = |event_loop: EventLoop| {
            let named =
                |error| format!("on {} with {}:\n{error}", python.label(), event_loop.name());
            scenario(python, event_loop).map_err(named)
        };
        let failures = [run(EventLoop::Asyncio), run(EventLoop::Uvloop)];
        let failures: Vec<_> = failures.into_iter().filter_map(Result::err).collect();
        if failures.is_empty() {
            Ok(())
        } else {
            Err(failures.join("\n"))
        }
    });
}

/// Runs a scenario on one interpreter, the last listed, where the interpreter is not the point.
pub(crate) fn on_newest_python(
    packages: &[&str],
    scenario: impl Fn(&Python) -> Result<(), String>,
) {
    let found = pythons();
    on_pythons(&found[found.len() - 1..], packages, scenario);
}

fn on_pythons(
    pythons: &[Python],
    packages: &[&str],
    scenario: impl Fn(&Python) -> Result<(), String>,
) {
    let _alone = super::alone();
    pythons.iter().for_each(|python| python.require(packages));
    let failures: Vec<_> = pythons
        .iter()
        .filter_map(|python| scenario(python).err())
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
