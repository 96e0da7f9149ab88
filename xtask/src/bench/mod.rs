//! `cargo xtask bench`: what watching costs and how fast it tells.
//!
//! Every comparison is interleaved, round by round, on one machine: bare, watched, bare again. The ratio
//! of the two bare runs of each round is printed beside the result as the noise, since a ratio without
//! it says nothing. Absolute times are of the machine at hand; compare ratios.

mod agent;
mod child;
mod contest;
mod detection;
mod dump;
mod health;
mod library;
mod load;
mod observer;
mod overhead;
mod sender;
mod stats;
mod tokio;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::venv;

/// What every benchmark needs to know.
pub(crate) struct Setting {
    /// The interpreter, the newest that was prepared. Empty where no benchmark needs one.
    pub(crate) python: PathBuf,
    /// Those that dumps are measured on: the newest, and the newest that is a program of its own.
    pub(crate) dump_pythons: Vec<PathBuf>,
    /// All that were prepared, oldest first.
    pub(crate) pythons: Vec<PathBuf>,
    /// The release build of `loopscope`.
    pub(crate) loopscope: PathBuf,
    /// Fewer and shorter rounds.
    pub(crate) quick: bool,
}

impl Setting {
    /// A program of `bench/` on the interpreter.
    pub(crate) fn program(&self, name: &str, arguments: &[&str]) -> Vec<String> {
        let program = crate::root().join("bench").join(name);
        let mut command = vec![
            self.python.display().to_string(),
            program.display().to_string(),
        ];
        command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        command
    }

    /// A count for a thorough run, and the one for a quick look.
    pub(crate) fn choose<T>(&self, thorough: T, quick: T) -> T {
        if self.quick { quick } else { thorough }
    }
}

type Benchmark = fn(&Setting) -> Result<()>;

/// What a benchmark needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// The release build of `loopscope`.
    Program,
    /// Interpreters.
    Python,
}

use Need::{Program, Python};

/// Every benchmark.
const ALL: [(&str, Benchmark, &[Need]); 9] = [
    ("overhead", overhead::run, &[Program, Python]),
    ("library", library::run, &[Python]),
    ("detection", detection::run, &[Program, Python]),
    ("health", health::run, &[Program, Python]),
    ("observer", observer::run, &[Program, Python]),
    ("dump", dump::run, &[Program, Python]),
    ("agent", agent::run, &[Program, Python]),
    ("load", sender::run, &[]),
    ("tokio", tokio::run, &[Program]),
];

/// Runs the benchmarks whose name contains `only`, on the interpreters whose version begins with `version`.
pub(crate) fn run(shell: &Shell, quick: bool, only: &str, version: &str) -> Result<()> {
    let wanted: Vec<_> = ALL.iter().filter(|one| one.0.contains(only)).collect();
    let needs = |need| wanted.iter().any(|(.., needs)| needs.contains(&need));
    if needs(Program) {
        cmd!(shell, "cargo build --release -p loopscope-cli").run()?;
    }
    let pythons = if needs(Python) {
        pythons(shell, version)?
    } else {
        Vec::new()
    };
    let setting = prepare(pythons, quick);
    let outcome = wanted.into_iter().map(|(name, benchmark, _)| {
        benchmark(&setting).with_context(|| format!("benchmark {name}"))?;
        println!();
        Ok(())
    });
    let outcome: Result<()> = outcome.collect();
    // There are none where nothing was watched.
    for folder in [child::recordings(), child::traces()] {
        let _ = std::fs::remove_dir_all(folder);
    }
    outcome
}

/// The interpreters that begin so, of which there is one.
fn pythons(shell: &Shell, version: &str) -> Result<Vec<PathBuf>> {
    let begins = format!("Python {version}");
    let mut pythons = venv::prepare(shell)?;
    pythons.retain(|python| version_of(python).starts_with(&begins));
    ensure!(!pythons.is_empty(), "no interpreter is {begins}");
    Ok(pythons)
}

fn prepare(pythons: Vec<PathBuf>, quick: bool) -> Setting {
    let python = pythons.last().cloned().unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("interpreter: {}; load before: {load}", python.display());
    let mut dump_pythons: Vec<PathBuf> = pythons.last().cloned().into_iter().collect();
    dump_pythons.extend(pythons.iter().rfind(|one| venv::is_program(one)).cloned());
    dump_pythons.dedup();
    Setting {
        python,
        dump_pythons,
        pythons,
        loopscope: crate::target().join("release/loopscope"),
        quick,
    }
}

/// What an interpreter says of itself: `Python 3.12.1`.
fn version_of(python: &Path) -> String {
    let said = Command::new(python).arg("--version").output();
    said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned())
        .unwrap_or_default()
}
