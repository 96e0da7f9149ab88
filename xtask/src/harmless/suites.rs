//! The suites: where each comes from, and how it is run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use super::runners;
use crate::pythons::Interpreter;
use crate::venv;

/// What all suites that pytest runs need.
const PYTEST: &[&str] = &["pytest==8.4.2"];

/// Tests to run, both ways.
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    /// The source package that has them, with its version; `None` where the interpreter has them.
    source: Option<(&'static str, &'static str)>,
    /// What they need besides the package itself.
    needs: &'static [&'static str],
    runner: Runner,
}

enum Runner {
    /// unittest, with the names of modules.
    Unittest(&'static [&'static str]),
    /// pytest, with its arguments.
    Pytest(&'static [&'static str]),
}

/// Every suite, the quickest first.
pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "anyio",
        source: Some(("anyio", "4.12.1")),
        needs: &[
            "trio==0.32.0",
            "psutil==7.1.3",
            "uvloop==0.23.0",
            "pytest-mock==3.15.1",
            "exceptiongroup==1.3.1",
            "trustme==1.2.1",
        ],
        // What it asks of an interpreter's own processes and of name servers is not ours.
        runner: Runner::Pytest(&["-k", "asyncio", "tests"]),
    },
    Suite {
        name: "asyncio",
        source: None,
        needs: &[],
        runner: Runner::Unittest(&["test.test_asyncio"]),
    },
    Suite {
        name: "uvloop",
        source: Some(("uvloop", "0.23.0")),
        needs: &["aiohttp==3.13.5", "psutil==7.1.3", "pyOpenSSL==25.3.0"],
        runner: Runner::Pytest(&["tests"]),
    },
    Suite {
        name: "aiohttp",
        source: Some(("aiohttp", "3.13.5")),
        needs: &[
            "pytest-mock==3.15.1",
            "re-assert==1.1.0",
            "freezegun==1.5.5",
            "proxy.py==2.4.10",
            "trustme==1.2.1",
            "blockbuster==1.5.25",
            "brotli==1.2.1",
        ],
        runner: Runner::Pytest(&[
            "-o",
            "addopts=",
            "tests/test_client_functional.py",
            "tests/test_web_functional.py",
            "tests/test_connector.py",
            "tests/test_client_ws_functional.py",
            "tests/test_web_sendfile_functional.py",
            "tests/test_web_websocket_functional.py",
        ]),
    },
];

/// Where a suite runs.
pub(crate) struct Setting {
    python: PathBuf,
    pub(crate) sources: PathBuf,
    pub(crate) folder: PathBuf,
}

impl Suite {
    /// The command line. `names` are the tests to run, all where there are none.
    pub(crate) fn words(
        &self,
        setting: &Setting,
        outcomes: &Path,
        names: &[String],
    ) -> Vec<String> {
        let mut words = vec![setting.python.display().to_string()];
        let own = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        match &self.runner {
            Runner::Unittest(modules) => {
                let script = runners().join("outcomes.py");
                words.extend([script.display().to_string(), outcomes.display().to_string()]);
                words.extend(if names.is_empty() {
                    own(modules)
                } else {
                    names.to_vec()
                });
            }
            Runner::Pytest(arguments) => {
                let options = [
                    "-m",
                    "pytest",
                    "-q",
                    "-p",
                    "pytest_outcomes",
                    "-p",
                    "no:cacheprovider",
                ];
                words.extend(own(&options));
                words.extend(if names.is_empty() {
                    own(arguments)
                } else {
                    names.to_vec()
                });
            }
        }
        words
    }
}

/// Brings a suite to an interpreter; `None` where it cannot be had for it.
pub(crate) fn prepare(
    shell: &Shell,
    interpreter: &Interpreter,
    suite: &Suite,
) -> Result<Option<Setting>> {
    let version = interpreter.version_text();
    let folder = crate::target()
        .join("harmless")
        .join(format!("{version}-{}", suite.name));
    fs::create_dir_all(&folder)?;
    let Some((package, release)) = suite.source else {
        let own = Setting {
            python: interpreter.path.clone(),
            sources: folder.clone(),
            folder,
        };
        let import = Command::new(&own.python)
            .args(["-c", "import test.test_asyncio"])
            .output();
        let is_there = import.is_ok_and(|output| output.status.success());
        return Ok(is_there.then_some(own));
    };
    let python = folder.join("venv/bin/python");
    if !python.exists() {
        venv::create(shell, interpreter, &folder.join("venv"))?;
    }
    let pip = &venv::pip(interpreter);
    let wheel = format!("{package}=={release}");
    let needs = suite.needs.iter().chain(PYTEST);
    let quiet = ["-q", "--disable-pip-version-check"];
    // The package itself as people have it; of what its tests need, some is only there as source.
    let installed = cmd!(
        shell,
        "{python} {pip...} install {quiet...} --only-binary {package} {wheel} {needs...}"
    )
    .quiet()
    .ignore_stderr()
    .run();
    if installed.is_err() {
        return Ok(None);
    }
    let sources = unpack(shell, &python, pip, &folder, package, release)?;
    Ok(Some(Setting {
        python,
        sources,
        folder,
    }))
}

/// The tests of a source package with what pytest is told of them, and nothing else of it: what they test is the
/// installed package.
fn unpack(
    shell: &Shell,
    python: &Path,
    pip: &[String],
    folder: &Path,
    package: &str,
    release: &str,
) -> Result<PathBuf> {
    let sources = folder.join("sources");
    if sources.join("tests").is_dir() {
        return Ok(sources);
    }
    let wanted = format!("{package}=={release}");
    let quiet = [
        "-q",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-binary",
        package,
    ];
    cmd!(
        shell,
        "{python} {pip...} download {quiet...} -d {folder} {wanted}"
    )
    .quiet()
    .run()?;
    let archive = folder.join(format!("{package}-{release}.tar.gz"));
    fs::create_dir_all(&sources)?;
    let inside = |name: &str| format!("{package}-{release}/{name}");
    let unpack = |name: String| {
        let options = [
            "-C",
            &sources.display().to_string(),
            "--strip-components",
            "1",
        ]
        .map(str::to_owned);
        cmd!(shell, "tar -xzf {archive} {options...} {name}")
            .quiet()
            .ignore_stderr()
            .run()
    };
    for settings in ["pyproject.toml", "setup.cfg"] {
        // Not every package has both.
        let _ = unpack(inside(settings));
    }
    unpack(inside("tests")).context("the source package has its tests")?;
    Ok(sources)
}
