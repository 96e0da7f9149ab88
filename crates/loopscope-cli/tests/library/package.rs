//! The package, put together once for all tests of this file.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::cargo;

/// The folder for PYTHONPATH. Kept until the tests end.
static PACKAGE: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("loopscope");
    fs::create_dir(&package).unwrap();
    let sources = workspace().join("crates/loopscope-python/python/loopscope");
    put_sources(&sources, &package);
    let objects = [
        (
            "_native.abi3.so",
            PathBuf::from(env!("LOOPSCOPE_AGENT_OBJECT")),
        ),
        (
            "libloopscope_pulse.so.1",
            PathBuf::from(env!("LOOPSCOPE_PULSE_OBJECT")),
        ),
        ("_monitor.abi3.so", monitor()),
    ];
    for (name, object) in objects {
        fs::copy(object, package.join(name)).unwrap();
    }
    folder
});

/// The folder for PYTHONPATH.
pub(crate) fn folder() -> &'static Path {
    PACKAGE.path()
}

fn put_sources(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if name.to_string_lossy().contains(".so") || name == "__pycache__" {
            continue;
        }
        symlink(&path, to.join(name)).unwrap();
    }
}

/// Builds the monitor as the tests around it are built.
fn monitor() -> PathBuf {
    cargo::build(&["--package=loopscope-monitor"]);
    cargo::target_folder().join("debug/libloopscope_monitor.so")
}

fn workspace() -> &'static Path {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates.and_then(Path::parent).unwrap()
}
