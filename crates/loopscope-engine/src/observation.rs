//! What comes in: facts with the time at which they were seen.
//!
//! The watcher produces these from recordings, from the inspector and from `/proc`; the rules consume
//! them. They serialise, so a run can be written down and its decisions replayed. They carry no
//! judgement: a sample says where a thread stood, never that this is bad.

mod connections;
mod servers;
mod work;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::time::Nanos;

pub use connections::HeldConnection;
pub use servers::{ClientReading, LockReading, ServerReading, SessionReading};
pub use work::{
    AdapterInfo, CallKind, CallName, CallReading, Event, EventFrame, EventKind, ExecutorReading,
    GcReading, Owner, PoolName, PoolReading, TaskSite, TaskSiteReading,
};

/// One fact and when it was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The observer's monotonic clock. Never decreases within a run.
    pub at: Nanos,
    /// What was seen.
    pub fact: Fact,
}

/// A process, told apart from a later one with the same pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessKey {
    /// The process id, in the observer's pid namespace.
    pub pid: u32,
    /// Start time in clock ticks since boot, `/proc/PID/stat` field 22.
    pub start_ticks: u64,
    /// Which program image of that process: 0 for the first, one more after each `exec`.
    pub image: u32,
}

/// A loop, told apart from a later one in the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LoopKey {
    /// The process that the loop runs in.
    pub process: ProcessKey,
    /// Its slot in the recording.
    pub slot: u32,
    /// How often that slot was taken before.
    pub generation: u32,
}

/// The kinds of fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A process was first seen.
    ProcessSeen {
        /// Which.
        process: ProcessKey,
        /// What is known of it.
        info: ProcessInfo,
    },
    /// The pulse is not in a process of the run, and nothing speaks for a loop in it.
    Unwatched {
        /// Which.
        process: ProcessKey,
        /// Why, and the next step.
        reason: String,
    },
    /// A process was stopped (job control, SIGSTOP, a debugger) or runs again.
    ProcessStopped {
        /// Which.
        process: ProcessKey,
        /// Whether it is stopped now.
        stopped: bool,
    },
    /// A process's use of resources.
    ProcessResources {
        /// Which.
        process: ProcessKey,
        /// The figures.
        resources: Resources,
    },
    /// A process is gone.
    ProcessGone {
        /// Which.
        process: ProcessKey,
        /// How it ended.
        ending: Ending,
    },
    /// The supervisor was asked to end the run and passed the request on: processes that end from here
    /// on were told to.
    ShuttingDown,
    /// A process is being ended, since a loop of it has been blocked for too long, so that it can be started again.
    Restarting {
        /// Its id.
        pid: u32,
        /// For how long the loop has been blocked.
        blocked: Nanos,
    },
    /// The program was started again: this is its main process from here on.
    MainStarted {
        /// Which.
        process: ProcessKey,
    },
    /// A loop was first seen, or more is known of it now.
    LoopSeen {
        /// Which.
        key: LoopKey,
        /// What is known of it.
        info: LoopInfo,
    },
    /// A loop's slot was read.
    LoopReading {
        /// Which.
        key: LoopKey,
        /// What it said.
        reading: LoopReading,
    },
    /// A loop ended (closed, or its thread ended).
    LoopGone {
        /// Which.
        key: LoopKey,
    },
    /// The thread of a busy loop was looked at.
    Sampled {
        /// Which loop.
        key: LoopKey,
        /// The busy period that was under way, by its start: the same value before and after the look,
        /// or the sample is not sent.
        busy_since: Nanos,
        /// What the look found.
        sample: Box<Sample>,
    },
    /// A busy period over the stall threshold ended, by the recording's own exact clock.
    BusyEnded {
        /// Which loop.
        key: LoopKey,
        /// When the loop left its poll.
        started: Nanos,
        /// When it entered the next one.
        ended: Nanos,
    },
    /// An adapter writes down tasks and calls of a process, or more of them is known now.
    AdapterSeen {
        /// Which process.
        process: ProcessKey,
        /// What it writes down.
        adapter: AdapterInfo,
    },
    /// A site that creates tasks was read.
    TaskSiteReading {
        /// In which process.
        process: ProcessKey,
        /// Its place in the recording: the same site throughout.
        slot: u32,
        /// What it said.
        reading: TaskSiteReading,
    },
    /// Where the oldest task of a site waits; `None` where it waits no more, or it cannot be read.
    TaskWaits {
        /// In which process.
        process: ProcessKey,
        /// The site's place in the recording.
        slot: u32,
        /// The task, with its way from the first coroutine to the innermost one.
        task: Option<Box<TaskInfo>>,
    },
    /// The agent stayed out of a Python process that has a loop, or of a part of it: its tasks and calls go unseen.
    Agentless {
        /// Which process.
        process: ProcessKey,
        /// How much of it.
        part: AgentlessPart,
        /// Why, and the next step.
        reason: String,
    },
    /// A tracked call was read.
    CallReading {
        /// In which process.
        process: ProcessKey,
        /// Its place in the recording: the same call throughout.
        slot: u32,
        /// What it said.
        reading: CallReading,
    },
    /// A pool was read.
    PoolReading {
        /// In which process.
        process: ProcessKey,
        /// Its place in the recording: the same pool throughout.
        slot: u32,
        /// What it said.
        reading: PoolReading,
    },
    /// Who has the connections of a process that were taken a while ago; all of these.
    ConnectionsHeld {
        /// Which process.
        process: ProcessKey,
        /// The longest taken first.
        connections: Vec<HeldConnection>,
    },
    /// An executor was read.
    ExecutorReading {
        /// In which process.
        process: ProcessKey,
        /// Its place in the recording: the same executor throughout.
        slot: u32,
        /// What it said.
        reading: ExecutorReading,
    },
    /// The garbage collector's gauges were read.
    GcReading {
        /// In which process.
        process: ProcessKey,
        /// What they said.
        reading: GcReading,
    },
    /// Something happened once and was written down with its texts.
    Happened {
        /// In which process.
        process: ProcessKey,
        /// What.
        event: Box<Event>,
    },
    /// A busy period over the stall threshold ended before its thread was known to be a loop; told once it
    /// is known.
    BusyBefore {
        /// Which loop.
        key: LoopKey,
        /// When the loop left its poll.
        started: Nanos,
        /// When it entered the next one.
        ended: Nanos,
        /// The looks that were taken of it, and when.
        looks: Vec<(Nanos, Sample)>,
    },
    /// Something was lost on the way: ring records overwritten unread, tables full, processes out of reach.
    Lost {
        /// What, in words for a surface: `stall records`, `loops`, `processes`.
        what: String,
        /// How many more.
        count: u64,
        /// Why, and the next step, where these are known.
        detail: Option<String>,
    },
    /// A database server was asked how it is doing.
    ServerReading {
        /// What it said.
        reading: Box<ServerReading>,
    },
    /// A database server that is to be watched cannot be asked.
    ServerUnreachable {
        /// Host, port and database.
        server: String,
        /// Why, and the next step.
        reason: String,
        /// Whether it refuses because all its connections are taken.
        is_full: bool,
        /// Whether it was asked before with success.
        was_reached: bool,
    },
    /// The observer itself ran late: it could not look when it meant to.
    ObserverLate {
        /// By how much.
        by: Nanos,
    },
}

/// What is known of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessInfo {
    /// The program's name, short.
    pub name: String,
    /// What runs in it.
    pub runtime: ProcessRuntime,
    /// Its parent's pid.
    pub parent_pid: u32,
    /// When it started.
    pub started: Nanos,
    /// Why its stacks cannot be read, or `None` where they can.
    pub uninspectable: Option<String>,
}

/// What the agent stayed out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentlessPart {
    /// The whole process.
    Process,
    /// Its other interpreters; the agent is in the first one.
    Subinterpreters,
}

/// What runs in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessRuntime {
    /// CPython.
    Python,
    /// Node.js.
    Node,
    /// Anything else.
    Native,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// With this exit code.
    Exited(i32),
    /// Killed by this signal.
    Signaled(i32),
    /// Its recording was closed in order, the status is not known.
    Closed,
    /// It vanished and left its recording open.
    Vanished,
}

/// A process's use of resources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// Processor time used since its start, user and system.
    pub cpu_nanos: u64,
    /// Open file descriptors, where they can be counted.
    pub open_fds: Option<u64>,
    /// Threads.
    pub threads: u64,
    /// The most resident memory that it may have, by its control group or the host.
    #[serde(default)]
    pub memory_limit_bytes: Option<u64>,
    /// The most file descriptors that it may have open.
    #[serde(default)]
    pub fd_limit: Option<u64>,
}

/// What is known of a loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoopInfo {
    /// A name for people: `main`, or the thread's.
    pub name: String,
    /// What kind of loop it is.
    pub runtime: LoopRuntime,
    /// The thread that it runs on.
    pub thread_id: u32,
}

/// The kinds of loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoopRuntime {
    /// Python's own asyncio loops.
    Asyncio,
    /// uvloop.
    Uvloop,
    /// Node.js.
    Node,
    /// A worker of tokio's multi-thread runtime.
    Tokio,
    /// tokio's current-thread runtime.
    TokioCurrentThread,
    /// Any other loop that polls with epoll.
    Epoll,
    /// One of several threads that take turns at one epoll set, with nothing on their stacks that tells a runtime.
    SharedEpoll,
    /// A loop that polls with `poll` or `select`.
    Poll,
}

/// A loop's slot as it was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoopReading {
    /// Since when it has been busy; `None` while it waits in its poll.
    pub busy_since: Option<Nanos>,
    /// Turns so far.
    pub iterations: u64,
    /// When it last entered or left its poll.
    pub last_beat: Nanos,
    /// Time spent busy, finished periods only.
    pub busy_nanos: u64,
    /// Time spent in the poll, finished waits only.
    pub idle_nanos: u64,
    /// The longest finished busy period.
    pub longest_busy_nanos: u64,
    /// Finished busy periods over the stall threshold.
    pub stalls: u64,
    /// The tasks of the runtime that it is a worker of, where that is known.
    #[serde(default)]
    pub runtime: Option<RuntimeTasks>,
}

/// The tasks of a runtime with one or more workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeTasks {
    /// Tasks alive.
    pub alive: u64,
    /// Those of them that wait in the queue that all workers take from.
    pub queued: u64,
}

/// What one look at a busy loop's thread found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Whether the thread is inside its loop at all. A program that runs a loop, returns from it and
    /// then works on without one is not stalled.
    pub inside_loop: InsideLoop,
    /// The thread's frames, innermost first; empty where they could not be read.
    pub frames: Vec<Frame>,
    /// The task that the loop is running.
    pub task: Option<TaskInfo>,
    /// Which callback of this turn is running, as an opaque value: equal in two samples of one busy
    /// period means the very same callback is still on. `None` where the loop does not tell.
    pub callback: Option<u64>,
    /// Who holds the interpreter's lock.
    pub gil: Gil,
    /// What the kernel says of the thread.
    pub thread: ThreadState,
    /// Why the frames could not be read, where they could not.
    pub error: Option<String>,
}

impl Sample {
    /// Whether the loop was not inside of anything that keeps others waiting.
    pub(crate) fn is_out_of_callbacks(&self) -> bool {
        matches!(self.inside_loop, InsideLoop::Starting | InsideLoop::Between)
    }
}

/// Whether a thread is inside its loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InsideLoop {
    /// It is.
    Yes,
    /// It is not: no loop runs on this thread now.
    No,
    /// It is, and the program has not begun to serve: it imports itself from within its loop. What it
    /// does until then keeps nobody waiting.
    Starting,
    /// It is, between two callbacks: it waits for work or takes some up, or another thread does its work
    /// meanwhile. What was busy until then is over.
    Between,
    /// The runtime does not tell.
    Unknown,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Frame {
    /// The source file, as the runtime knows it.
    pub file: Arc<str>,
    /// The line, 0 where it is not known.
    pub line: u32,
    /// The function, qualified where the runtime tells.
    pub function: Arc<str>,
    /// Whether this is a coroutine's or an asynchronous generator's frame.
    pub is_coroutine: bool,
    /// The functions that the source line calls, as written there (`time.sleep`), outermost first. Only
    /// names: no arguments and no literals ever leave the source line.
    pub calls: Vec<Arc<str>>,
}

/// The task that a loop is running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Its identity within the process while it lives.
    pub address: u64,
    /// From the task's first coroutine to the innermost one.
    pub await_chain: Vec<Frame>,
    /// The tasks that wait for it, those that wait for these, and so on, the nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaited_by: Vec<AwaitingTask>,
}

/// A task that waits for another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitingTask {
    /// Its name.
    pub name: Arc<str>,
    /// How many waits it is away: 1 where it waits for the task that the loop is running.
    pub level: u32,
    /// From its first coroutine to the one that waits.
    pub await_chain: Vec<Frame>,
}

/// Who holds the interpreter's lock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gil {
    /// The sampled thread itself.
    Own,
    /// Another thread.
    Other {
        /// Which.
        thread_id: u32,
        /// Its frames, innermost first.
        frames: Vec<Frame>,
    },
    /// Nobody.
    Free,
    /// There is none, or it cannot be read.
    Unknown,
}

/// What the kernel says of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThreadState {
    /// The scheduler's view.
    pub run_state: RunState,
    /// The number of the system call that it is in, `None` while it runs user code or cannot be told.
    pub syscall: Option<u32>,
    /// Whether it is known to sleep until it gets the interpreter's lock.
    #[serde(default)]
    pub awaits_gil: bool,
    /// Time on a processor since the thread's start (`schedstat`).
    pub cpu_nanos: u64,
    /// Time spent ready to run without a processor since the thread's start (`schedstat`).
    pub runqueue_nanos: u64,
}

/// The scheduler's view of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// On a processor, or waiting for one.
    Runnable,
    /// Asleep, interruptible.
    Sleeping,
    /// Asleep in the kernel, uninterruptible: disk, a page fault.
    DiskSleep,
    /// Stopped by a signal or a tracer.
    Stopped,
    /// Anything else, or not readable.
    Unknown,
}
