//! A whole process at one instant: its threads, its loops and all of their tasks. Plain data.
//!
//! [`crate::Inspector::dump`] returns a [`Dump`]; nothing in it must stay alive. Loops, threads and tasks
//! name each other by their place in the lists of the same dump ([`ThreadIndex`], [`LoopIndex`],
//! [`TaskIndex`]). It says what stands where and carries no judgement about it, but for what can be seen
//! in the graph alone: a cycle of waits, and a task that nothing can finish any more.

mod deadlocks;
mod graph;
mod poll;
mod problems;
mod resolve;
mod take;
mod walk;
mod walked;

pub(crate) use take::take;
pub(crate) use walk::{WalkTarget, Walker};

use std::sync::Arc;
use std::time::Duration;

use crate::kernel::ThreadKernelState;
use crate::layout::PythonVersion;
use crate::sample::Frame;

/// The place of a thread in [`Dump::threads`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadIndex(pub usize);

/// The place of a loop in [`Dump::loops`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoopIndex(pub usize);

/// The place of a task in [`Dump::tasks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskIndex(pub usize);

/// How the target is kept from changing while it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DumpMode {
    /// Every thread is stopped for the time of the reading: exact, and the target stands still for some
    /// milliseconds.
    #[default]
    Stop,
    /// The target is stopped only until the kernel has made a copy-on-write copy of it, and the copy is
    /// read: exact, with a pause that does not grow with the number of tasks but with resident memory.
    Snapshot,
    /// The target runs on: no pause, and what changes meanwhile may be missing or wrong.
    Live,
}

/// Where the offsets that a dump was read with come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutSource {
    /// The interpreter's own table, and tables of its version for what that leaves out.
    OwnTable,
    /// The tables of its version.
    VersionTable,
    /// Some of it was found out from the objects themselves, since the tables did not fit.
    Probed,
}

/// One process at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Dump {
    /// The process.
    pub pid: u32,
    /// Its interpreter's version.
    pub python_version: PythonVersion,
    /// Where the offsets come from.
    pub layout: LayoutSource,
    /// How it was kept from changing.
    pub mode: DumpMode,
    /// How long the target stood still; `None` where it never did.
    pub pause: Option<Duration>,
    /// When it was read: `CLOCK_MONOTONIC` in nanoseconds, the clock of the loops' timers.
    pub taken_nanos: u64,
    /// Every thread that the interpreter knows, oldest first.
    pub threads: Vec<DumpedThread>,
    /// Every loop that runs on a thread or that a task belongs to.
    pub loops: Vec<DumpedLoop>,
    /// Every task that asyncio knows, in no particular order.
    pub tasks: Vec<DumpedTask>,
    /// Tasks that wait for each other in a circle, each circle once.
    pub deadlocks: Vec<Vec<TaskIndex>>,
    /// What could not be read, each a sentence; empty for a whole dump.
    pub problems: Vec<String>,
}

/// A thread of the interpreter.
#[derive(Clone, Debug, PartialEq)]
pub struct DumpedThread {
    /// Its kernel id as the observer sees it; `None` where it could not be told.
    pub tid: Option<u32>,
    /// The number of its interpreter, 0 for the main one.
    pub interpreter: u64,
    /// The name of the `threading.Thread`.
    pub name: Option<String>,
    /// Whether it holds the interpreter's lock; `None` where that could not be read.
    pub holds_gil: Option<bool>,
    /// What the kernel said of it just before it was stopped.
    pub kernel: ThreadKernelState,
    /// Its frames, innermost first.
    pub frames: Vec<Frame>,
    /// The loop that runs on it.
    pub running_loop: Option<LoopIndex>,
    /// Why its frames may be missing or cut short.
    pub problem: Option<String>,
}

/// An event loop.
#[derive(Clone, Debug, PartialEq)]
pub struct DumpedLoop {
    /// Its address in the target, its identity while it lives.
    pub address: u64,
    /// Its type's name: `_UnixSelectorEventLoop`, `uvloop.Loop`.
    pub type_name: Arc<str>,
    /// The thread that it runs on; `None` for a loop that is not running.
    pub thread: Option<ThreadIndex>,
    /// What it is doing.
    pub state: LoopState,
    /// Callbacks that are ready to run.
    pub ready: Option<u64>,
    /// Timers that are set, those cancelled and not yet cleared away included.
    pub timers: Option<u64>,
    /// When its earliest timer is due, counted from [`Dump::taken_nanos`]; negative for one that is
    /// overdue. A loop that turns is never overdue by more than a turn, so this is for how long a blocked
    /// loop has been blocked at least.
    pub next_timer_seconds: Option<f64>,
    /// Why parts of it are missing.
    pub problem: Option<String>,
}

/// What a loop is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopState {
    /// It waits in its poll.
    Idle,
    /// It runs a task, or a callback that belongs to none.
    Running {
        /// The task.
        task: Option<TaskIndex>,
    },
    /// No thread runs it.
    NotRunning,
    /// It was closed.
    Closed,
    /// It could not be told.
    Unknown,
}

/// A task.
#[derive(Clone, Debug, PartialEq)]
pub struct DumpedTask {
    /// Its address in the target, its identity while it lives.
    pub address: u64,
    /// Its name; `None` where it could not be read.
    pub name: Option<String>,
    /// Its type's name: `_asyncio.Task`, or that of a subclass.
    pub type_name: Arc<str>,
    /// The loop that it belongs to.
    pub event_loop: Option<LoopIndex>,
    /// Where it is in its life.
    pub state: TaskState,
    /// Whether its cancellation was asked for and has not taken effect yet.
    pub is_cancelling: bool,
    /// From its first coroutine to the innermost one that runs or waits; empty for one that ended.
    pub await_chain: Vec<Frame>,
    /// What it waits for; `None` for one that runs or has ended.
    pub waits_for: Option<Wait>,
    /// The tasks that wait for it: directly, or through `gather`, `wait`, `shield`, `TaskGroup`.
    pub awaited_by: Vec<TaskIndex>,
    /// Why nothing can finish it any more.
    pub orphan: Option<Orphan>,
    /// Why parts of it are missing.
    pub problem: Option<String>,
}

/// Where a task is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// It has not ended, and is not the one that its loop steps now.
    Pending,
    /// Its loop steps it now.
    Running,
    /// It returned.
    Done,
    /// It was cancelled.
    Cancelled,
    /// It raised.
    Failed {
        /// The exception's type, with its module unless that is `builtins`.
        exception: Arc<str>,
        /// The exception's message, where its first argument is a string.
        message: Option<String>,
    },
}

/// What a task waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    /// The thing itself.
    pub target: WaitTarget,
    /// The primitive that made it wait, where one did.
    pub primitive: Option<Primitive>,
    /// When a timer will end the wait, counted from [`Dump::taken_nanos`]; negative for one that is
    /// overdue.
    pub due_seconds: Option<f64>,
}

/// The thing that a task waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum WaitTarget {
    /// Its first step has not run yet.
    FirstStep,
    /// Nothing any more: its next step is scheduled.
    NextStep,
    /// One other task.
    Task(TaskIndex),
    /// Several tasks, through `gather`, `wait` or `TaskGroup`.
    Tasks(Vec<TaskIndex>),
    /// A future that is no task.
    Future {
        /// Its address in the target.
        address: u64,
        /// Its type's name.
        type_name: Arc<str>,
    },
    /// It could not be read.
    Unknown,
}

/// What made a task wait, besides a bare future.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Primitive {
    /// What it is, as people name it: `Lock`, `Semaphore`, `Event`, `Condition`, `Queue.get`, `sleep`,
    /// `executor`, `stream read`; of other libraries the type's name with its module.
    pub kind: Arc<str>,
    /// The object in the target, where there is one: the same for all who wait for the same lock.
    pub address: Option<u64>,
    /// What else it says of itself: `locked, 3 waiting`, `value 0`, `maxsize 1`.
    pub detail: Option<String>,
}

/// Why nothing can finish a task any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphan {
    /// Its loop was closed while it was pending.
    LoopClosed,
    /// No thread runs its loop.
    LoopNotRunning,
    /// It waits for a task or future of a loop that was closed.
    WaitsOnClosedLoop,
}

impl Dump {
    /// A loop of this dump.
    pub fn event_loop(&self, index: LoopIndex) -> Option<&DumpedLoop> {
        self.loops.get(index.0)
    }

    /// A task of this dump.
    pub fn task(&self, index: TaskIndex) -> Option<&DumpedTask> {
        self.tasks.get(index.0)
    }

    /// A thread of this dump.
    pub fn thread(&self, index: ThreadIndex) -> Option<&DumpedThread> {
        self.threads.get(index.0)
    }
}
