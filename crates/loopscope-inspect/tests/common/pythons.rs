//! The interpreters that tests run: every CPython from 3.9 on that this machine has, each once.
//!
//! `LOOPSCOPE_TEST_PYTHONS`, a colon-separated list of programs, replaces the search. `cargo xtask
//! interpreters` unpacks further ones into `target/interpreters`, or where `LOOPSCOPE_INTERPRETERS` says,
//! and gives each of all an environment with uvloop and anyio in `.venv`, which is preferred here.

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

impl Python {
    /// Whether it can import a package.
    #[allow(dead_code, reason = "only some of the test binaries ask")]
    pub(crate) fn has_package(&self, name: &str) -> bool {
        let script = format!("import importlib.util as u; assert u.find_spec({name:?})");
        let output = Command::new(&self.path).args(["-c", &script]).output();
        output.is_ok_and(|output| output.status.success())
    }
}

const DESCRIBE: &str = "
import importlib.util, platform, sys
known = importlib.util.find_spec('uvloop') is not None
print(platform.python_implementation(), *sys.version_info[:3], int(known))
print(sys.executable)
";

/// The workspace's folder.
fn root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    crates.parent().unwrap().to_path_buf()
}

/// All interpreters; says which on the first call. At least one must be there.
pub(crate) fn all() -> &'static [Python] {
    static PYTHONS: OnceLock<Vec<Python>> = OnceLock::new();
    PYTHONS.get_or_init(|| {
        let mut seen = BTreeSet::new();
        let mut pythons: Vec<Python> = candidates()
            .iter()
            .filter_map(|path| describe(path))
            .filter(|(_, file)| seen.insert(file.clone()))
            .map(|(python, _)| python)
            .collect();
        pythons.sort_by_key(|python| python.version);
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
    let inside = |folder: PathBuf, program: &str| {
        let folders = entries(&folder).into_iter();
        folders.map(|folder| folder.join(program)).collect()
    };
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let mut found: Vec<PathBuf> = inside(root().join(".venv"), "bin/python");
    found.extend(inside(home.join(".pyenv/versions"), "bin/python3"));
    let folders = ["/usr/bin".into(), "/usr/local/bin".into()];
    for folder in inside(unpacked_suites(), "usr/bin")
        .into_iter()
        .chain(folders)
    {
        found.extend(entries(&folder).into_iter().filter(|path| is_python(path)));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.extend(std::env::split_paths(&path).map(|folder| folder.join("python3")));
    found
}

/// The folder that has the suites whose interpreters were unpacked.
fn unpacked_suites() -> PathBuf {
    std::env::var_os("LOOPSCOPE_INTERPRETERS")
        .map_or_else(|| root().join("target/interpreters"), PathBuf::from)
}

/// An interpreter that was unpacked, by its name.
#[allow(dead_code, reason = "not every test program asks for one")]
pub(crate) fn unpacked(name: &str) -> Option<PathBuf> {
    Some(unpacked_suites().join("bin").join(name)).filter(|path| path.exists())
}

/// `python3`, `python3.12`; not `python3-config`.
fn is_python(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_prefix("python3")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') && !rest.contains('-'))
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

/// An interpreter, and its file, which tells it from another path to the same one. The program asked may be a script that starts the interpreter; what runs is what it names itself.
fn describe(path: &Path) -> Option<(Python, PathBuf)> {
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
    let file = path.canonicalize().ok()?;
    (version >= (3, 9, 0)).then_some((
        Python {
            path,
            version,
            has_uvloop,
        },
        file,
    ))
}
