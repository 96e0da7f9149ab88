//! What a dump is joined with: facts from `/proc` and from a recording, gathered by the caller.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::report::{DumpProcess, DumpThreadState};

/// What is known of a process besides its memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Surroundings {
    /// Loopscope's own version.
    pub version: String,
    /// When the process was read, by the wall clock.
    pub timestamp: Timestamp,
    /// The process.
    pub process: DumpProcess,
    /// All of its threads as the kernel knows them.
    pub threads: Vec<NativeThread>,
    /// Its loops as its recording has them, read just after the dump; empty where it has none.
    pub recorded: Vec<RecordedLoop>,
}

/// A thread as the kernel knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NativeThread {
    /// Its kernel id.
    pub thread_id: u32,
    /// Its name, at most 15 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the kernel says of it.
    pub kernel: DumpThreadState,
}

/// A loop's slot of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedLoop {
    /// The thread that it runs on.
    pub thread_id: u32,
    /// When it left its poll; `None` while it waits in it. `CLOCK_MONOTONIC` in nanoseconds.
    pub busy_since_nanos: Option<u64>,
    /// When it last entered or left its poll.
    pub last_beat_nanos: u64,
}
