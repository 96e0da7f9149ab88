//! Runs programs with the agent, and reads what they left behind.

#[path = "../support/listed.rs"]
mod listed;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;

use loopscope_recorder::environment;
use loopscope_recorder::folder::recordings_in;
use loopscope_recorder::layout::FactKind;
use loopscope_recorder::reader::{
    CallState, Description, FactEvent, RecordingReader, TableStates, TaskSiteState,
};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use listed::listed_pythons;

/// What `loopscope run` gives a target.
static GIVEN: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let run = ["run", "--listen", "off", "--", "env"];
    let output = Command::new(env!("CARGO_BIN_EXE_loopscope"))
        .args(run)
        .env_remove("LD_PRELOAD")
        .output()
        .unwrap();
    let lines = text(&output.stdout);
    let given = lines.lines().filter_map(|line| line.split_once('='));
    given
        .filter(|(name, _)| {
            ["LD_PRELOAD", environment::INTRODUCE, environment::RUN_ID].contains(name)
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
});

/// A program's exit, and everything that its processes recorded, oldest first.
pub(crate) struct Watched {
    pub(crate) output: Output,
    pub(crate) recordings: Vec<Recorded>,
}

/// A process and its descendants, which end with this.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // Failing means that nobody of the group is left, which is what is wanted.
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

/// One recording, read wholly.
pub(crate) struct Recorded {
    pub(crate) description: Description,
    pub(crate) tables: TableStates,
    pub(crate) facts: Vec<FactEvent>,
}

/// A program about to run.
pub(crate) struct Program {
    words: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Program {
    /// A file of `agent/programs`, with its arguments.
    pub(crate) fn new(python: &Path, name: &str, arguments: &[&str]) -> Self {
        let path = programs().join(name).display().to_string();
        let python = python.display().to_string();
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        Self {
            words: [python, path].into_iter().chain(arguments).collect(),
            environment: Vec::new(),
        }
    }

    /// Any other command.
    pub(crate) fn with_words(mut self, words: &[&str]) -> Self {
        self.words = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Gives the interpreter an option of its own.
    pub(crate) fn option(mut self, option: &str) -> Self {
        self.words.insert(1, option.into());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Runs it as it is without us.
    pub(crate) fn bare(&self) -> Output {
        self.command().output().unwrap()
    }

    /// Runs it with the agent.
    pub(crate) fn watched(&self) -> Watched {
        let folder = recordings_folder();
        let output = self
            .command()
            .envs(GIVEN.iter())
            .env(environment::RUNTIME_DIR, folder.path())
            .output()
            .unwrap();
        let recordings = recordings_of(folder.path());
        Watched { output, recordings }
    }

    /// Runs it with the agent, and does something meanwhile that ends it; all of its group are killed afterwards.
    pub(crate) fn watched_while(&self, visit: impl FnOnce(u32)) -> Watched {
        let folder = recordings_folder();
        let child = self
            .command()
            .envs(GIVEN.iter())
            .env(environment::RUNTIME_DIR, folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut group = Group(child);
        visit(group.0.id());
        let status = group.0.wait().unwrap();
        drop(group);
        let output = Output {
            status,
            stdout: Vec::new(),
            stderr: Vec::new(),
        };
        let recordings = recordings_of(folder.path());
        Watched { output, recordings }
    }

    /// Runs it both ways with this folder for its recordings: it must say and return the same.
    pub(crate) fn unchanged_in(&self, folder: &str) -> Vec<Recorded> {
        let bare = self.bare();
        let watched = self
            .command()
            .envs(GIVEN.iter())
            .env(environment::RUNTIME_DIR, folder)
            .output()
            .unwrap();
        assert_eq!(text(&bare.stdout), text(&watched.stdout));
        assert_eq!(text(&bare.stderr), text(&watched.stderr));
        assert_eq!(bare.status, watched.status);
        recordings_of(Path::new(folder))
    }

    /// Runs it both ways: it must say and return the same.
    pub(crate) fn unchanged(&self) -> Watched {
        let (bare, watched) = (self.bare(), self.watched());
        let of = |output: &Output| {
            let status = (output.status.code(), output.status.signal());
            (text(&output.stdout), text(&output.stderr), status)
        };
        assert_eq!(of(&bare), of(&watched.output), "on {}", self.words[0]);
        watched
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command
            .args(&self.words[1..])
            .env_remove("LD_PRELOAD")
            .env_remove("PYTHONPATH")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(
                self.environment
                    .iter()
                    .map(|(name, value)| (OsStr::new(name), value)),
            );
        command
    }
}

pub(crate) fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agent/programs")
}

/// Every interpreter to test with. None, and said, where there is none.
pub(crate) fn pythons() -> Vec<PathBuf> {
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

/// The minor version of an interpreter of Python 3.
pub(crate) fn minor(python: &Path) -> u32 {
    let ask = ["-c", "import sys; print(sys.version_info[1])"];
    let output = Command::new(python).args(ask).output().unwrap();
    text(&output.stdout).trim().parse().unwrap()
}

fn recordings_folder() -> TempDir {
    let shared = Path::new("/dev/shm");
    let base = if shared.is_dir() {
        shared.into()
    } else {
        std::env::temp_dir()
    };
    tempfile::Builder::new()
        .prefix("ls-agent-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(base)
        .unwrap()
}

fn recordings_of(folder: &Path) -> Vec<Recorded> {
    let mut found: Vec<_> = recordings_in(folder)
        .iter()
        .map(|path| read(path))
        .collect();
    found.sort_by_key(|one| (one.description.created_nanos, one.description.image));
    found
}

fn read(path: &Path) -> Recorded {
    let mut reader = RecordingReader::open(path).unwrap();
    let tables = reader.read_tables().unwrap();
    let facts = reader.read_facts().unwrap();
    assert_eq!(facts.lost, 0);
    Recorded {
        description: reader.description().clone(),
        tables,
        facts: facts.events,
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Watched {
    /// The one recording of a program that made one. The program must have ended well.
    pub(crate) fn only(&self) -> &Recorded {
        assert_eq!(text(&self.output.stderr), "");
        assert_eq!(self.recordings.len(), 1, "recordings of {:?}", self.output);
        &self.recordings[0]
    }
}

impl Recorded {
    /// Whether the agent wrote into it.
    pub(crate) fn has_agent(&self) -> bool {
        self.tables.adapter.is_some()
    }

    /// The one site whose tasks run this coroutine.
    pub(crate) fn site(&self, coroutine: &str) -> &TaskSiteState {
        let sites = self.tables.task_sites.iter();
        let found: Vec<_> = sites
            .filter(|one| one.site.coroutine == coroutine)
            .collect();
        assert_eq!(
            found.len(),
            1,
            "sites of {coroutine} in {:#?}",
            self.tables.task_sites
        );
        found[0]
    }

    /// Spawned, done, failed, cancelled, alive.
    pub(crate) fn counts(&self, coroutine: &str) -> [u64; 5] {
        let site = self.site(coroutine);
        [
            site.spawned,
            site.done,
            site.failed,
            site.cancelled,
            site.alive(),
        ]
    }

    /// The one call of this name.
    pub(crate) fn call(&self, name: &str) -> &CallState {
        let found: Vec<_> = self
            .tables
            .calls
            .iter()
            .filter(|one| one.call.name == name)
            .collect();
        assert_eq!(
            found.len(),
            1,
            "calls of {name} in {:#?}",
            self.tables.calls
        );
        found[0]
    }

    /// Facts of a kind.
    pub(crate) fn facts_of(&self, kind: FactKind) -> Vec<&FactEvent> {
        self.facts.iter().filter(|fact| fact.kind == kind).collect()
    }
}
