//! Finds every CPython from 3.9 up that this machine has, those unpacked from other suites included.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest minor version of Python 3 that Loopscope watches.
const OLDEST_MINOR: u32 = 9;

/// Asked of each candidate: implementation, version, whether it has the lock, where it really is.
const IDENTIFY: &str = "import sys, platform, sysconfig, os; print(platform.python_implementation(), \
    *sys.version_info[:3], int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))), \
    os.path.realpath(sys.executable))";

/// An interpreter, ordered by version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Interpreter {
    /// Major, minor, patch.
    pub(crate) version: (u32, u32, u32),
    /// The executable itself, no link to it.
    pub(crate) path: PathBuf,
}

impl Interpreter {
    /// The version as people write it.
    pub(crate) fn version_text(&self) -> String {
        let (major, minor, patch) = self.version;
        format!("{major}.{minor}.{patch}")
    }
}

/// Every usable interpreter, oldest first, each once.
pub(crate) fn discover() -> Vec<Interpreter> {
    let found: BTreeSet<_> = candidates()
        .iter()
        .filter_map(|path| identify(path))
        .collect();
    found.into_iter().collect()
}

fn candidates() -> Vec<PathBuf> {
    let mut folders = pyenv_folders();
    folders.extend(crate::suites::program_folders());
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    folders.extend(["/usr/bin".into(), "/usr/local/bin".into()]);
    // pyenv's shims are scripts that choose an interpreter by folder; the real ones are listed above.
    folders.retain(|folder| !folder.ends_with("shims"));
    folders
        .iter()
        .flat_map(|folder| pythons_in(folder))
        .collect()
}

fn pyenv_folders() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    let root = std::env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from);
    let versions = fs::read_dir(root.join("versions"));
    versions
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect()
}

/// `python3` and `python3.N` in a folder.
fn pythons_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_python = |name: &str| {
        let rest = name.strip_prefix("python3");
        rest.is_some_and(|rest| {
            rest.trim_start_matches('.')
                .chars()
                .all(|c| c.is_ascii_digit())
        })
    };
    let named = entries.filter(|entry| is_python(&entry.file_name().to_string_lossy()));
    named.map(|entry| entry.path()).collect()
}

/// `None` for what is no CPython, is too old, or has no lock whose holder could be found.
fn identify(path: &Path) -> Option<Interpreter> {
    // -I: nothing of the environment may change the answer.
    let output = Command::new(path)
        .args(["-I", "-c", IDENTIFY])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut words = text.trim_end().splitn(6, ' ');
    let implementation = words.next()?;
    let mut number = || words.next()?.parse::<u32>().ok();
    let version = (number()?, number()?, number()?);
    let has_lock = number()? == 0;
    let path = PathBuf::from(words.next()?);
    let usable = implementation == "CPython" && version >= (3, OLDEST_MINOR, 0) && has_lock;
    usable.then_some(Interpreter { version, path })
}
