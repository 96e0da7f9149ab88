//! A virtual environment with pinned packages for each interpreter, made once and kept in `.venv/`.
//!
//! A stamp inside holds everything the environment was made from; it is made anew when that changes. Only the
//! oldest interpreter and one of each minor version get all packages: that is most of the time it takes, and what
//! differs between builds of one minor version, the layout, is asked for by the tests of the reader.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use crate::pythons::{Interpreter, discover};
use crate::suites;

const REQUIREMENTS: &str = "crates/loopscope-cli/tests/fixtures/requirements.txt";

/// What the tests of the reader alone need. An interpreter that is too new for the rest has at least these.
const READER_PACKAGES: &[&str] = &["anyio", "idna", "py-spy", "typing_extensions", "uvloop"];

/// How many environments are made at a time: pip keeps a core busy and waits for the network in between.
const AT_A_TIME: usize = 2;

/// What pip says of a package that has no wheel for the interpreter at hand.
const NO_WHEEL: &str = "No matching distribution found for ";

/// An interpreter's environment.
struct Environment {
    python: PathBuf,
    packages: Packages,
}

/// What an environment has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Packages {
    /// Only [`READER_PACKAGES`].
    Reader,
    All,
}

impl Packages {
    /// As the stamp has it.
    fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Reader => "reader",
        }
    }
}

/// Prepares every interpreter of this machine and returns the executables of the environments that have
/// all packages, oldest first. One that cannot be prepared is left out, and that is said.
pub(crate) fn prepare(shell: &Shell) -> Result<Vec<PathBuf>> {
    suites::prepare(shell)?;
    let interpreters = discover();
    println!("interpreters:");
    let mut whole = Vec::new();
    for (interpreter, prepared) in interpreters.iter().zip(prepare_all(shell, &interpreters)) {
        let version = interpreter.version_text();
        print!("  CPython {version} {}", interpreter.path.display());
        match prepared {
            Ok(environment) if environment.packages == Packages::All => {
                println!();
                whole.push(environment.python);
            }
            Ok(_) => println!(" (only {})", READER_PACKAGES.join(", ")),
            Err(error) => println!("\n    LEFT OUT: {error:#}"),
        }
    }
    if whole.is_empty() {
        bail!("no usable CPython from 3.9 up\nhint: apt-get install python3 python3-venv");
    }
    Ok(whole)
}

/// What came of each interpreter, in their order.
fn prepare_all(shell: &Shell, interpreters: &[Interpreter]) -> Vec<Result<Environment>> {
    let next = AtomicUsize::new(0);
    let work = |shell: Shell| {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = interpreters.get(index) else {
                return done;
            };
            done.push((index, prepare_one(&shell, one, interpreters)));
        }
    };
    let mut done = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME)
            .map(|_| {
                let shell = shell.clone();
                scope.spawn(|| work(shell))
            })
            .collect();
        let joined = workers.into_iter().flat_map(thread::ScopedJoinHandle::join);
        joined.flatten().collect::<Vec<_>>()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, prepared)| prepared).collect()
}

fn prepare_one(shell: &Shell, one: &Interpreter, all: &[Interpreter]) -> Result<Environment> {
    let folder = crate::root().join(".venv").join(folder_name(one, all));
    let python = folder.join("bin/python");
    let stamp = folder.join("made-from");
    let made_from = made_from(one)?;
    let text = |packages: Packages| format!("{made_from}{}\n", packages.word());
    let wanted = wanted(one, all);
    if let Ok(made) = fs::read_to_string(&stamp)
        && python.exists()
        && let Some(packages) = [Packages::All, Packages::Reader]
            .into_iter()
            .find(|packages| text(*packages) == made)
    {
        // One that has more than is wanted serves the same tests as on any other machine.
        let packages = packages.min(wanted);
        return Ok(Environment { python, packages });
    }
    create(shell, one, &folder)?;
    let packages = install(shell, one, &python, wanted)?;
    fs::write(&stamp, text(packages))?;
    Ok(Environment { python, packages })
}

/// All for the oldest, and for one of every other minor version: the newest of those that are programs of their
/// own, or else the newest.
fn wanted(one: &Interpreter, all: &[Interpreter]) -> Packages {
    let is_own = |other: &&Interpreter| is_program(&other.path);
    let minor = |other: &&Interpreter| other.version.1 == one.version.1;
    let oldest = all.first();
    let chosen = if oldest.is_some_and(|oldest| minor(&oldest)) {
        oldest
    } else {
        let of_minor = || all.iter().rev().filter(minor);
        of_minor().find(is_own).or_else(|| of_minor().next())
    };
    if chosen == Some(one) {
        Packages::All
    } else {
        Packages::Reader
    }
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

/// Whether what runs is the interpreter's own program. One that was unpacked is mapped by a loader: py-spy does not
/// look for it there, and it makes no environments by itself.
pub(crate) fn is_program(python: &Path) -> bool {
    let mut start = [0; 2];
    let read = File::open(python).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start != *b"#!"
}

fn made_from(interpreter: &Interpreter) -> Result<String> {
    Ok(format!("{interpreter:?}\n{}", requirements()?))
}

fn requirements() -> Result<String> {
    let path = crate::root().join(REQUIREMENTS);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// Makes an environment. An interpreter that was unpacked has no pip to put into it: see [`pip`].
pub(crate) fn create(shell: &Shell, interpreter: &Interpreter, folder: &Path) -> Result<()> {
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

/// What was installed: `wanted`, or less where there is no wheel of something.
fn install(shell: &Shell, one: &Interpreter, python: &Path, wanted: Packages) -> Result<Packages> {
    let pip = pip(one);
    let all = ["-r".to_owned(), REQUIREMENTS.to_owned()];
    if wanted == Packages::All {
        match run_pip(shell, python, &pip, &all) {
            Err(error) if error.to_string().contains(NO_WHEEL) => {}
            other => return other.map(|()| Packages::All),
        }
    }
    run_pip(shell, python, &pip, &reader_packages()?)?;
    Ok(Packages::Reader)
}

/// What the Python of an environment is given to run pip.
pub(crate) fn pip(one: &Interpreter) -> Vec<String> {
    // A wheel is a folder that Python can run a package from.
    let wheel = match suites::is_unpacked(&one.path) {
        true => suites::pip_wheel(&one.path),
        false => None,
    };
    match wheel {
        Some(wheel) => vec![wheel.join("pip").display().to_string()],
        None => vec!["-m".to_owned(), "pip".to_owned()],
    }
}

/// The pinned versions of [`READER_PACKAGES`].
fn reader_packages() -> Result<Vec<String>> {
    let is_wanted = |line: &&str| {
        line.split_once("==")
            .is_some_and(|(name, _)| READER_PACKAGES.contains(&name))
    };
    let requirements = requirements()?;
    Ok(requirements
        .lines()
        .filter(is_wanted)
        .map(str::to_owned)
        .collect())
}

fn run_pip(shell: &Shell, python: &Path, pip: &[String], packages: &[String]) -> Result<()> {
    let options = [
        "-q",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
    ];
    let output = cmd!(
        shell,
        "{python} {pip...} install {options...} {packages...}"
    )
    .quiet()
    .ignore_status()
    .output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim().lines().last().unwrap_or("pip failed");
    bail!("cannot install the packages of {REQUIREMENTS}: {last}")
}
