//! Runs programs that import the package.

#[path = "../support/listed.rs"]
mod listed;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use crate::package;
use listed::listed_pythons;

/// A file of `library/programs`.
pub(crate) fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/library/programs")
        .join(name)
}

/// Far beyond what any program takes: one that hangs is to fail its test, not to hang it.
const LONGEST: Duration = Duration::from_secs(120);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs a test on every interpreter, and one test at a time: several at once would starve each other of
/// processor time, and that is a stall, and the report would be right to have it.
pub(crate) fn on_every_python(test: impl Fn(&Path)) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for python in pythons() {
        test(&python);
    }
}

/// Every interpreter to test with. None, and said, where there is none.
fn pythons() -> Vec<PathBuf> {
    let listed = listed_pythons();
    if !listed.is_empty() {
        return listed;
    }
    if Command::new("python3").arg("--version").output().is_err() {
        let _ = writeln!(std::io::stderr(), "skipped: no python3 here");
        return Vec::new();
    }
    vec!["python3".into()]
}

/// Whether an interpreter has a package; said where it has not.
pub(crate) fn has(python: &Path, package: &str) -> bool {
    let import = Command::new(python)
        .args(["-c", &format!("import {package}")])
        .output();
    let found = import.is_ok_and(|output| output.status.success());
    if !found {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: {} has no {package}",
            python.display()
        );
    }
    found
}

/// A command with the package in reach, and a folder for recordings of its own.
pub(crate) fn command(words: &[&str], folder: &TempDir) -> Command {
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .env_remove("LD_PRELOAD")
        .env("PYTHONPATH", package::folder())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("LOOPSCOPE_RUNTIME_DIR", runtime(folder));
    command
}

/// Where the recordings go.
pub(crate) fn runtime(folder: &TempDir) -> PathBuf {
    folder.path().join("runtime")
}

/// Runs a program to its end: it must say nothing on stderr, and end well.
pub(crate) fn passes(python: &Path, name: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = program(name).display().to_string();
    let python = python.display().to_string();
    let mut words = vec![python.as_str(), path.as_str()];
    words.extend(arguments);
    let output = output_in_time(command(&words, &folder));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (said(&output.stdout), said(&output.stderr));
    assert!(
        output.status.success() && error.is_empty(),
        "{words:?}: {}\n{out}\n{error}",
        output.status
    );
    let left: Vec<_> = fs::read_dir(runtime(&folder))
        .into_iter()
        .flatten()
        .collect();
    assert!(left.is_empty(), "{words:?} left {left:?}");
    out
}

/// What a program says until it ends; one that does not end is killed.
fn output_in_time(mut command: Command) -> Output {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&child);
    let (ended, ends) = mpsc::channel::<()>();
    let limit = thread::spawn(move || {
        if ends.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout) {
            let _ = kill_process(pid, Signal::KILL);
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    limit.join().unwrap();
    output
}

/// A program that runs, and is told and tells things by lines. Dropping it kills its whole process group.
pub(crate) struct Talking {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    _folder: TempDir,
}

impl Talking {
    pub(crate) fn start(words: &[&str]) -> Self {
        Self::with_environment(words, &[])
    }

    pub(crate) fn with_environment(words: &[&str], environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = command(words, &folder)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take(), child.stdout.take().unwrap());
        Self {
            child,
            to,
            from: BufReader::new(from),
            _folder: folder,
        }
    }

    /// The rest of the next line that begins so; fails where the program ends before.
    pub(crate) fn told(&mut self, beginning: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(
                self.from.read_line(&mut line).unwrap() > 0,
                "it ended before `{beginning}`"
            );
            if let Some(rest) = line.strip_prefix(beginning) {
                return rest.trim().to_owned();
            }
        }
    }

    /// An address that it tells.
    pub(crate) fn address(&mut self, beginning: &str) -> SocketAddr {
        self.told(beginning).parse().unwrap()
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.to.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Closes its input, and returns how it ended and what else it said.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        self.to = None;
        let mut rest = String::new();
        self.from.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        // Failing means that nobody of the group is left, which is what is wanted.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}
