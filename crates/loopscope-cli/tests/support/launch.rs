//! How a program is started: the command line, the environment, and what becomes of it at the end.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

/// The built program.
pub(crate) fn loopscope() -> &'static str {
    env!("CARGO_BIN_EXE_loopscope")
}

/// A file of `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// A program to start, under Loopscope or bare.
pub(crate) struct Launch {
    target: Vec<String>,
    environment: Vec<(String, String)>,
    listen: bool,
}

/// A started program. Dropping it kills its whole process group: no test leaves anything running.
pub(crate) struct Launched {
    /// The supervisor, or the target itself where it runs bare.
    pub(crate) child: Child,
    /// Where `--report` was told to write.
    pub(crate) report: PathBuf,
    _folder: TempDir,
}

impl Launch {
    /// A target's command line.
    pub(crate) fn new(target: Vec<String>) -> Self {
        Self {
            target,
            environment: Vec::new(),
            listen: true,
        }
    }

    /// Sets a variable for supervisor and target.
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Serves no `/health`.
    pub(crate) fn without_health(mut self) -> Self {
        self.listen = false;
        self
    }

    /// Starts it with all three streams piped.
    pub(crate) fn start(self) -> Launched {
        let folder = TempDir::new().expect("a temporary folder");
        let report = folder.path().join("report.json");
        let mut command = self.command(&report);
        command
            .envs(self.environment)
            .env("LOOPSCOPE_RUNTIME_DIR", folder.path().join("runtime"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, so that dropping can reach every descendant.
            .process_group(0);
        let child = command.spawn().expect("the program starts");
        Launched {
            child,
            report,
            _folder: folder,
        }
    }

    fn command(&self, report: &Path) -> Command {
        if super::is_bare() {
            let mut command = with_default_signals();
            command.args(&self.target);
            return command;
        }
        let mut command = with_default_signals();
        command.arg(loopscope()).args([
            "run",
            "--listen",
            if self.listen { "127.0.0.1:0" } else { "off" },
        ]);
        command.arg("--report").arg(report);
        command.arg("--").args(&self.target);
        command
    }
}

/// Starts what its arguments say, whatever signals the tests themselves were started to ignore.
fn with_default_signals() -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP,INT,QUIT,PIPE,TERM");
    command
}

impl Launched {
    /// Its pid.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        // Failing means that nobody of the group is left, which is what is wanted.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.wait();
    }
}
