//! What a recording must withstand: any order of stamps, any bytes, any death, any place.
//!
//! Wiring, and what the parts share.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod child;
mod corpus;
mod everything;
mod filled;
mod hostile;
mod killed;
mod model;
mod model_tables;
mod places;
mod versions;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use loopscope_recorder::folder::{RuntimeFolder, recordings_in};
use loopscope_recorder::layout::PollKind;
use loopscope_recorder::writer::{LoopSpec, Recording, RecordingSpec};
use tempfile::TempDir;

pub(crate) const MILLIS: u64 = 1_000_000;
pub(crate) const STALL_NANOS: u64 = 100 * MILLIS;

/// A new private folder, on a memory file system where there is one; gone again with the value.
pub(crate) fn scratch() -> TempDir {
    let shared = PathBuf::from("/dev/shm");
    let base = if shared.is_dir() {
        shared
    } else {
        std::env::temp_dir()
    };
    let private = fs::Permissions::from_mode(0o700);
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("ls-proof-").permissions(private);
    builder.tempdir_in(base).unwrap()
}

/// A new recording of this process, and its file.
pub(crate) fn create(folder: &TempDir) -> (Recording, PathBuf) {
    let folder = RuntimeFolder::open(folder.path()).unwrap();
    let recording = Recording::create(&folder, &recording_spec()).unwrap();
    let newest = recordings_in(folder.path()).into_iter().max().unwrap();
    (recording, newest)
}

pub(crate) fn recording_spec() -> RecordingSpec {
    RecordingSpec {
        run_id: 77,
        service: "bots".into(),
        stall_threshold_nanos: STALL_NANOS,
        slow_threshold_nanos: 20 * STALL_NANOS,
    }
}

pub(crate) fn loop_spec(poll_key: u64) -> LoopSpec {
    LoopSpec {
        kind: PollKind::Epoll,
        poll_key,
        thread_id: 9,
        thread_name: "worker".into(),
    }
}

/// Says on the terminal that a test could not be run: a silent skip would read as a success.
pub(crate) fn skip(reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}
