//! The Python package's types, checked on the package as it is shipped: `mypy --strict` on what is written in
//! Python, and `stubtest` on whether the stubs say what the native part has.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

const REQUIREMENTS: &str = "crates/loopscope-python/typing-requirements.txt";

/// What stubs may have that the package as the program carries it has not.
const ALLOWED: &str = "crates/loopscope-python/stubtest-allowed.txt";

/// The oldest version that the checker knows. 3.9 differs from it in nothing that the package uses.
const OLDEST: &str = "3.10";

/// Checks both, with this interpreter.
pub(crate) fn check(shell: &Shell, python: &Path) -> Result<()> {
    let python = prepare(shell, python)?;
    let package = unpacked(shell)?;
    let target = crate::target();
    let cache = target.join("mypy");
    let sources = package.join("loopscope");
    cmd!(
        shell,
        "{python} -m mypy --strict --python-version {OLDEST} --cache-dir {cache} {sources}"
    )
    .run()?;
    // Elsewhere, since it leaves a cache behind where it is run.
    let _elsewhere = shell.push_dir(&target);
    let allowed = crate::root().join(ALLOWED);
    cmd!(
        shell,
        "{python} -m mypy.stubtest loopscope --allowlist {allowed}"
    )
    .env("MYPYPATH", &package)
    .env("PYTHONPATH", &package)
    .env("PYTHONDONTWRITEBYTECODE", "1")
    .run()?;
    Ok(())
}

/// An environment with the checker, made once and kept; made anew when what it was made from changes.
fn prepare(shell: &Shell, python: &Path) -> Result<PathBuf> {
    let folder = crate::root().join(".venv/typing");
    let own = folder.join("bin/python");
    let stamp = folder.join("made-from");
    let requirements = crate::root().join(REQUIREMENTS);
    let pinned =
        fs::read_to_string(&requirements).with_context(|| requirements.display().to_string())?;
    let made_from = format!("{}\n{pinned}", python.display());
    if own.exists() && fs::read_to_string(&stamp).is_ok_and(|made| made == made_from) {
        return Ok(own);
    }
    cmd!(shell, "{python} -m venv --clear {folder}")
        .quiet()
        .run()?;
    let options = [
        "-q",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
    ];
    cmd!(shell, "{own} -m pip install {options...} -r {requirements}").run()?;
    fs::write(&stamp, made_from)?;
    Ok(own)
}

/// The package as the program unpacks it: the program is asked where.
fn unpacked(shell: &Shell) -> Result<PathBuf> {
    cmd!(shell, "cargo build -p loopscope-cli").run()?;
    let loopscope = crate::target().join("debug/loopscope");
    let variables = cmd!(shell, "{loopscope} run --listen off -- env")
        .ignore_stderr()
        .quiet()
        .read()?;
    let mut lines = variables.lines();
    let introduced = lines.find_map(|line| line.strip_prefix("LOOPSCOPE_INTRODUCE="));
    let folder = introduced.and_then(|value| value.rsplit(':').next());
    let folder = folder.context("the program names the agent's folder")?;
    Ok(Path::new(folder).with_file_name("package"))
}
