//! The interpreters that tests run: every CPython from 3.9 on that this machine has.
//!
//! `LOOPSCOPE_TEST_PYTHONS`, a colon-separated list of programs, replaces the search.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// One interpreter.
#[derive(Clone, Debug)]
pub(crate) struct Python {
    /// The program.
    pub(crate) path: PathBuf,
    /// Major, minor, patch.
    pub(crate) version: (u8, u8, u8),
    /// Whether it can import uvloop.
    pub(crate) has_uvloop: bool,
}

const DESCRIBE: &str = "
import importlib.util, platform, sys
known = importlib.util.find_spec('uvloop') is not None
print(platform.python_implementation(), *sys.version_info[:3], int(known))
print(sys.executable)
print(sys.prefix)
";

/// All interpreters; says which on the first call. At least one must be there.
pub(crate) fn all() -> &'static [Python] {
    static PYTHONS: OnceLock<Vec<Python>> = OnceLock::new();
    PYTHONS.get_or_init(|| {
        let mut seen = BTreeSet::new();
        let pythons: Vec<Python> = candidates()
            .iter()
            .filter_map(|path| describe(path))
            .filter(|(_, identity)| seen.insert(identity.clone()))
            .map(|(python, _)| python)
            .collect();
        for Python {
            path,
            version: (major, minor, patch),
            has_uvloop,
        } in &pythons
        {
            let uvloop = if *has_uvloop { ", uvloop" } else { "" };
            println!(
                "testing Python {major}.{minor}.{patch}{uvloop}: {}",
                path.display()
            );
        }
        assert!(!pythons.is_empty(), "no CPython from 3.9 on was found");
        pythons
    })
}

fn candidates() -> Vec<PathBuf> {
    if let Some(listed) = std::env::var_os("LOOPSCOPE_TEST_PYTHONS") {
        return std::env::split_paths(&listed).collect();
    }
    let home = std::env::var("HOME").unwrap_or_default();
    let mut found: Vec<PathBuf> = entries(&Path::new(&home).join(".pyenv/versions"))
        .into_iter()
        .map(|version| version.join("bin/python3"))
        .collect();
    for folder in ["/usr/bin", "/usr/local/bin"] {
        let is_python = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.strip_prefix("python3")
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') && !rest.contains('-'))
        };
        found.extend(entries(Path::new(folder)).into_iter().filter(is_python));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.extend(std::env::split_paths(&path).map(|folder| folder.join("python3")));
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}

/// An interpreter, and what tells it from another path to the same one: its file and its environment.
/// The program asked may be a script that starts the interpreter; what runs is what it names itself.
fn describe(path: &Path) -> Option<(Python, (PathBuf, String))> {
    let output = Command::new(path).args(["-c", DESCRIBE]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut lines = text.lines();
    let mut words = lines.next()?.split_ascii_whitespace();
    if words.next()? != "CPython" {
        return None;
    }
    let mut number = || words.next()?.parse::<u8>().ok();
    let version = (number()?, number()?, number()?);
    let has_uvloop = number()? == 1;
    let path = PathBuf::from(lines.next()?);
    let identity = (path.canonicalize().ok()?, lines.next()?.to_owned());
    (version >= (3, 9, 0)).then_some((
        Python {
            path,
            version,
            has_uvloop,
        },
        identity,
    ))
}
