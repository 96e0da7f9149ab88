//! What a dump says, as `loopscope dump --json` prints it.
//!
//! `schema/dump.schema.json` is generated from these types. Fields are only ever added;
//! [`DUMP_SCHEMA_VERSION`] says when. A figure that cannot be known is absent, never zero. Lists refer to
//! each other by position: `thread_index` counts in `threads`, `loop_index` in `loops`, `task_index` in
//! `tasks`, from zero.

mod address;
mod tasks;
mod threads;

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use address::Address;
pub use tasks::{
    DumpOrphan, DumpPrimitive, DumpTask, DumpTaskGroup, DumpTaskState, DumpWait, DumpWaitKind,
};
pub use threads::{DumpRunState, DumpThread, DumpThreadState};

/// The schema's version. 1: first release.
pub const DUMP_SCHEMA_VERSION: u32 = 1;

/// A process at one instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DumpReport {
    /// Version of this schema.
    pub schema_version: u32,
    /// Loopscope's own version.
    pub version: String,
    /// When the process was read, RFC 3339 in UTC.
    #[schemars(with = "String")]
    pub timestamp: Timestamp,
    /// The process.
    pub process: DumpProcess,
    /// Why its Python state could not be read; absent where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<DumpFailure>,
    /// How its Python state was read; absent where it could not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reading: Option<DumpReading>,
    /// Flat figures.
    pub counts: DumpCounts,
    /// What is wrong, worst first; empty where nothing is known to be.
    pub findings: Vec<DumpFinding>,
    /// Each event loop.
    pub loops: Vec<DumpLoop>,
    /// The tasks of each loop, put together where they stand at the same place and wait alike; those in
    /// trouble first, then the largest groups.
    pub task_groups: Vec<DumpTaskGroup>,
    /// Each task.
    pub tasks: Vec<DumpTask>,
    /// Each thread that the interpreter knows.
    pub threads: Vec<DumpThread>,
    /// The process's other threads, which run no Python.
    pub native_threads: Vec<super::NativeThread>,
    /// What could not be read, each a sentence; empty for a whole dump.
    pub problems: Vec<String>,
}

/// A process, as the kernel knows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DumpProcess {
    /// Its id here.
    pub pid: u32,
    /// Its id inside its own pid namespace, where that is another one (a container).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaced_pid: Option<u32>,
    /// The program's name as the kernel has it.
    pub name: String,
    /// Its command line; empty where it cannot be read.
    pub command_line: Vec<String>,
    /// Its working folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_folder: Option<String>,
    /// The id of its user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The name of its user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether the user is another one than the observer's.
    pub is_of_other_user: bool,
    /// Whether it was stopped (SIGSTOP, job control, a debugger) before it was read.
    pub is_stopped: bool,
    /// The process that traces it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traced_by: Option<u32>,
    /// Resident memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rss_bytes: Option<u64>,
}

/// Why the Python state could not be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DumpFailure {
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: String,
}

/// How the Python state was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DumpReading {
    /// The interpreter's version: `3.12.1`.
    pub python_version: String,
    /// Where the offsets come from.
    pub layout: DumpLayout,
    /// How the process was kept from changing.
    pub mode: DumpModeName,
    /// How long it stood still; absent where it never did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_seconds: Option<f64>,
    /// Why what was read may be wrong in places, each a sentence; empty for an exact dump.
    pub approximate: Vec<String>,
}

/// Where the offsets come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DumpLayout {
    /// The interpreter's own table.
    OwnTable,
    /// The tables of its version.
    VersionTable,
    /// Found out from the objects themselves.
    Probed,
}

/// How a process is kept from changing while it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DumpModeName {
    /// Every thread is stopped.
    Stop,
    /// A copy-on-write copy is read.
    Snapshot,
    /// It runs on.
    Live,
}

/// Flat figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DumpCounts {
    /// Threads that the interpreter knows.
    pub threads: u64,
    /// Threads that run no Python.
    pub native_threads: u64,
    /// Event loops.
    pub loops: u64,
    /// Tasks.
    pub tasks: u64,
    /// Tasks that have not ended and do not run now.
    pub tasks_pending: u64,
    /// Tasks that their loops step now.
    pub tasks_running: u64,
    /// Tasks that returned and are still kept.
    pub tasks_done: u64,
    /// Tasks that were cancelled and are still kept.
    pub tasks_cancelled: u64,
    /// Tasks that raised and are still kept.
    pub tasks_failed: u64,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DumpFinding {
    /// What it is.
    pub kind: DumpFindingKind,
    /// One sentence, with the line to blame where there is one.
    pub summary: String,
    /// The loop that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loop_index: Option<usize>,
    /// The tasks that it is about; of a deadlock in the order in which each waits for the next, and the
    /// last for the first.
    pub task_indexes: Vec<usize>,
    /// The line to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub culprit: Option<DumpFrame>,
    /// The call on that line, as written there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Who holds the interpreter's lock, of a loop that does not turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gil: Option<DumpGil>,
    /// What to write instead of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
    /// What to do, in order.
    pub steps: Vec<String>,
}

/// Kinds of finding, worst first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DumpFindingKind {
    /// The whole process was stopped from outside.
    ProcessStopped,
    /// A loop has not been back in its poll for longer than the blocked threshold (5 s).
    LoopBlocked,
    /// A loop has not been back in its poll for longer than the stall threshold (100 ms).
    LoopStalled,
    /// Tasks that wait for each other in a circle.
    Deadlock,
    /// Tasks that nothing can finish any more.
    OrphanedTasks,
    /// Tasks that raised, still kept.
    FailedTasks,
}

/// Who holds the interpreter's lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DumpGil {
    /// The loop's own thread.
    Own,
    /// Another thread.
    Thread {
        /// Which.
        thread_index: usize,
        /// Where it stands: its innermost frame of the application's own code, or its innermost frame.
        at: Option<DumpFrame>,
    },
    /// Nobody.
    Free,
}

/// A source line and its function.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct DumpFrame {
    /// The source file, as the interpreter knows it.
    pub file: Arc<str>,
    /// The line, 0 where it is not known.
    pub line: u32,
    /// The function: its qualified name from Python 3.11 on, its bare name before.
    pub function: Arc<str>,
    /// Whether it is the application's own code, not an installed library's or the interpreter's.
    pub in_app: bool,
}

/// An event loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DumpLoop {
    /// Its address in the process, its identity while it lives.
    pub address: Address,
    /// Its type's name: `_UnixSelectorEventLoop`, `uvloop.Loop`.
    pub type_name: Arc<str>,
    /// The thread that it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_index: Option<usize>,
    /// What it is doing.
    pub state: DumpLoopState,
    /// The task that it steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_index: Option<usize>,
    /// For how long it has been away from its poll: exactly from a recording, or else at least so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy_seconds: Option<f64>,
    /// Whether `busy_seconds` comes from a recording and is exact.
    pub busy_is_exact: bool,
    /// Where it stands while it is away from its poll: the line to blame, or its innermost frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<DumpFrame>,
    /// Callbacks that are ready to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<u64>,
    /// Timers that are set, those cancelled and not yet cleared away included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timers: Option<u64>,
    /// When its earliest timer is due; negative for one that is overdue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_timer_seconds: Option<f64>,
    /// Its tasks.
    pub tasks: u64,
    /// Why parts of it are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What a loop is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DumpLoopState {
    /// It waits in its poll.
    Idle,
    /// It runs a task or another callback.
    Running,
    /// It has run one for longer than the stall threshold (100 ms).
    Stalled,
    /// It has run one for longer than the blocked threshold (5 s).
    Blocked,
    /// It is away from its poll, and its whole process is stopped.
    Suspended,
    /// No thread runs it.
    NotRunning,
    /// It was closed.
    Closed,
    /// It could not be told.
    Unknown,
}
