//! Processes to dump. Dropping one kills it and its children.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

/// A running process.
pub(crate) struct Target {
    child: Child,
}

impl Target {
    /// A fixture that says `ready` once its tasks stand.
    pub(crate) fn service(arguments: &[&str]) -> Self {
        Self::service_on(&python(), arguments)
    }

    /// The same on an interpreter of choice.
    pub(crate) fn service_on(python: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(python);
        command.arg(fixture()).args(arguments);
        Self::ready(command)
    }

    /// A command that prints one line once it is ready.
    pub(crate) fn ready(command: Command) -> Self {
        Self::ready_or_not(command).unwrap()
    }

    /// The same; `None` for one that says something else.
    pub(crate) fn ready_or_not(command: Command) -> Option<Self> {
        let mut target = Self::started(command);
        let mut line = String::new();
        let stdout = target.child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        (line.trim_end() == "ready").then_some(target)
    }

    /// A command that is ready at once.
    pub(crate) fn started(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        // A group of its own, so that dropping can reach every descendant.
        let child = command.process_group(0).spawn();
        Self {
            child: child.unwrap(),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The id of its only child.
    pub(crate) fn child_pid(&self) -> String {
        let children = format!("/proc/{0}/task/{0}/children", self.id());
        let pids = std::fs::read_to_string(children).unwrap();
        pids.trim().to_owned()
    }

    /// Its id as an argument.
    pub(crate) fn pid(&self) -> String {
        self.id().to_string()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // Failing means that nobody of the group is left, which is what is wanted.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// The service.
pub(crate) fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dump_service.py")
}

/// The line of the service that ends in `# MARK`.
pub(crate) fn marked(mark: &str) -> u32 {
    let source = std::fs::read_to_string(fixture()).unwrap();
    let is_it = |line: &str| line.ends_with(&format!("# {mark}"));
    source.lines().position(is_it).unwrap() as u32 + 1
}

/// The interpreters that `cargo xtask test` prepared, or the `python3` of the `PATH`.
pub(crate) fn pythons() -> Vec<String> {
    let listed = std::env::var("LOOPSCOPE_TEST_PYTHONS").unwrap_or_default();
    let paths = listed.split(':').filter(|path| !path.is_empty());
    let found: Vec<String> = paths.map(str::to_owned).collect();
    if found.is_empty() {
        vec!["python3".to_owned()]
    } else {
        found
    }
}

/// An interpreter that `cargo xtask interpreters` unpacked.
pub(crate) fn unpacked(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::var_os("LOOPSCOPE_INTERPRETERS")
        .map_or_else(|| root.join("target/interpreters"), PathBuf::from);
    Some(folder.join("bin").join(name)).filter(|path| path.exists())
}

/// The newest of them.
pub(crate) fn python() -> String {
    pythons().pop().unwrap()
}
