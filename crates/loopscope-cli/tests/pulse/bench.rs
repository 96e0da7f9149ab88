//! Compiles the C programs, runs them, and reads what they left behind.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{LazyLock, Mutex};

use loopscope_recorder::environment;
use loopscope_recorder::folder::recordings_in;
use loopscope_recorder::reader::{Counters, Description, LoopState, RecordingReader, StallEvent};
use tempfile::TempDir;

/// The pulse, as it is carried inside the program under test.
pub(crate) const PULSE: &str = env!("LOOPSCOPE_PULSE_OBJECT");

pub(crate) const RUN: u64 = 0x2a;

static COMPILED: LazyLock<Mutex<HashMap<&'static str, Option<PathBuf>>>> =
    LazyLock::new(Mutex::default);

/// A program's exit, and everything that its process and their children recorded, oldest image first.
pub(crate) struct Watched {
    pub(crate) output: Output,
    pub(crate) recordings: Vec<Recorded>,
}

/// One recording, read wholly.
pub(crate) struct Recorded {
    pub(crate) description: Description,
    pub(crate) counters: Counters,
    pub(crate) loops: Vec<LoopState>,
    pub(crate) stalls: Vec<StallEvent>,
}

/// Says on the terminal that a test could not be run: a silent skip would read as a success.
pub(crate) fn skip(reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

/// The compiled program; `None`, and said, where there is no compiler.
pub(crate) fn program(name: &'static str) -> Option<PathBuf> {
    let mut compiled = COMPILED.lock().unwrap();
    let found = compiled.entry(name).or_insert_with(|| compile(name));
    if found.is_none() {
        skip("no C compiler here: install one that is called `cc`");
    }
    found.clone()
}

fn compile(name: &str) -> Option<PathBuf> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pulse/programs");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("pulse-{name}"));
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"]);
    if name == "plugin" {
        compiler.args(["-shared", "-fPIC"]);
    }
    compiler.arg("-o").arg(&target);
    compiler.arg(sources.join(name).with_extension("c"));
    let done = compiler.arg("-ldl").output().ok()?;
    assert!(done.status.success(), "{}", text(&done.stderr));
    Some(target)
}

/// A new private folder for recordings, on a memory file system where there is one.
pub(crate) fn folder() -> TempDir {
    let shared = Path::new("/dev/shm");
    let base = if shared.is_dir() {
        shared.into()
    } else {
        std::env::temp_dir()
    };
    tempfile::Builder::new()
        .prefix("ls-pulse-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(base)
        .unwrap()
}

/// The program as it is without us.
pub(crate) fn bare(program: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(program);
    command
        .args(words)
        .env_remove("LD_PRELOAD")
        .output()
        .unwrap()
}

/// A command with the pulse before everything else, recording into `folder`.
pub(crate) fn preloaded(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env("LD_PRELOAD", PULSE)
        .env(environment::RUNTIME_DIR, folder)
        .env(environment::RUN_ID, format!("{RUN:x}"));
    command
}

/// Runs the program with the pulse.
pub(crate) fn watch(name: &'static str, words: &[&str]) -> Option<Watched> {
    let program = program(name)?;
    let folder = folder();
    let output = preloaded(program, folder.path())
        .args(words)
        .output()
        .unwrap();
    let recordings = recordings_of(folder.path());
    Some(Watched { output, recordings })
}

/// Runs the program both ways: it must say and return the same.
pub(crate) fn watch_unchanged(name: &'static str, words: &[&str]) -> Option<Watched> {
    let watched = watch(name, words)?;
    assert_same(&bare(&program(name)?, words), &watched.output);
    Some(watched)
}

/// Nothing that a person or a parent process could see tells the two runs apart.
pub(crate) fn assert_same(bare: &Output, watched: &Output) {
    assert_eq!(text(&bare.stdout), text(&watched.stdout));
    assert_eq!(text(&bare.stderr), text(&watched.stderr));
    assert_eq!(
        (bare.status.code(), bare.status.signal()),
        (watched.status.code(), watched.status.signal())
    );
}

/// Every recording of a folder; each one must be readable.
pub(crate) fn recordings_of(folder: &Path) -> Vec<Recorded> {
    let mut found: Vec<Recorded> = recordings_in(folder)
        .iter()
        .map(|path| read(path))
        .collect();
    let age = |of: &Recorded| (of.description.created_nanos, of.description.image);
    found.sort_by_key(age);
    for recorded in &found {
        assert_eq!(recorded.description.run_id, RUN);
    }
    found
}

fn read(path: &Path) -> Recorded {
    let mut reader = RecordingReader::open(path).unwrap();
    let (counters, loops) = reader.read_loops().unwrap();
    let stalls = reader.read_stalls().unwrap();
    assert_eq!(stalls.lost, 0);
    Recorded {
        description: reader.description().clone(),
        counters,
        loops,
        stalls: stalls.events,
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Watched {
    /// The one recording of a program that made one.
    pub(crate) fn only(&self) -> &Recorded {
        assert_eq!(self.recordings.len(), 1, "recordings of {:?}", self.output);
        &self.recordings[0]
    }
}

impl Recorded {
    /// The one loop of a program that has one.
    pub(crate) fn only_loop(&self) -> &LoopState {
        assert_eq!(self.loops.len(), 1, "{:?}", self.loops);
        &self.loops[0]
    }
}
