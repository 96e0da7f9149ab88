//! Tasks, what they wait for, and groups of them.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Address, DumpFrame};

/// Tasks of one loop that stand at the same place, in the same state, and wait for the same kind of thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DumpTaskGroup {
    /// Their loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loop_index: Option<usize>,
    /// Their state.
    pub state: DumpTaskState,
    /// How many they are.
    pub count: u64,
    /// Where they stand: their innermost frame of the application's own code, or their innermost frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<DumpFrame>,
    /// What they wait for, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Which they are.
    pub task_indexes: Vec<usize>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DumpTask {
    /// Its address in the process, its identity while it lives.
    pub address: Address,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its type's name.
    pub type_name: Arc<str>,
    /// Its loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loop_index: Option<usize>,
    /// Where it is in its life.
    pub state: DumpTaskState,
    /// The type of the exception that it raised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<Arc<str>>,
    /// That exception's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception_message: Option<String>,
    /// Whether its cancellation was asked for and has not taken effect yet.
    pub is_cancelling: bool,
    /// From its first coroutine to the innermost one that runs or waits; empty for one that ended.
    pub await_chain: Vec<DumpFrame>,
    /// What it waits for; absent for one that runs or has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<DumpWait>,
    /// The tasks that wait for it.
    pub awaited_by: Vec<usize>,
    /// Why nothing can finish it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphan: Option<DumpOrphan>,
    /// Why parts of it are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Where a task is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DumpTaskState {
    /// It has not ended and does not run now.
    Pending,
    /// Its loop steps it now.
    Running,
    /// It returned.
    Done,
    /// It was cancelled.
    Cancelled,
    /// It raised.
    Failed,
}

/// What a task waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DumpWait {
    /// The kind of thing.
    pub kind: DumpWaitKind,
    /// The tasks, where it waits for some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub task_indexes: Vec<usize>,
    /// The future's address, where it waits for one that is no task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub future_address: Option<Address>,
    /// The future's type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub future_type: Option<Arc<str>>,
    /// The primitive that made it wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primitive: Option<DumpPrimitive>,
    /// When a timer will end the wait; negative for one that is overdue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_seconds: Option<f64>,
}

/// The kinds of thing that a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DumpWaitKind {
    /// Its first step has not run yet.
    FirstStep,
    /// Nothing any more: its next step is scheduled.
    NextStep,
    /// One other task.
    Task,
    /// Several tasks.
    Tasks,
    /// A future that is no task.
    Future,
    /// It could not be read.
    Unknown,
}

/// What made a task wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DumpPrimitive {
    /// What it is: `Lock`, `Queue.get`, `sleep`.
    pub kind: Arc<str>,
    /// The object in the process: the same for all who wait for the same lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// What else it says of itself: `locked, 3 waiting`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Why nothing can finish a task any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DumpOrphan {
    /// Its loop was closed while it was pending.
    LoopClosed,
    /// No thread runs its loop.
    LoopNotRunning,
    /// It waits for a task or future of a loop that was closed.
    WaitsOnClosedLoop,
}
