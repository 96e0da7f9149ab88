//! Threads, as the interpreter and the kernel know them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DumpFrame;

/// A thread that the interpreter knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DumpThread {
    /// Its kernel id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<u32>,
    /// The number of its interpreter, 0 for the main one.
    pub interpreter: u64,
    /// The name of the `threading.Thread`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it holds the interpreter's lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds_gil: Option<bool>,
    /// What the kernel says of it.
    pub kernel: DumpThreadState,
    /// Its frames, innermost first.
    pub frames: Vec<DumpFrame>,
    /// The loop that runs on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loop_index: Option<usize>,
    /// Why its frames may be missing or cut short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What the kernel says of a thread.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct DumpThreadState {
    /// The scheduler's view.
    pub run_state: DumpRunState,
    /// The system call that it is in: its name, or its number where the name is not known; absent while
    /// it runs its own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syscall: Option<String>,
}

/// The scheduler's view of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DumpRunState {
    /// On a processor, or waiting for one.
    Runnable,
    /// Asleep.
    Sleeping,
    /// Asleep in the kernel, uninterruptible: disk, a page fault.
    DiskSleep,
    /// Stopped by a signal or a tracer.
    Stopped,
    /// Ended, and not yet collected.
    Ended,
    /// It could not be told.
    Unknown,
}
