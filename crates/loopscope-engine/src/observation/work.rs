//! What adapters tell of a process's work: tasks, calls, pools, executors, the garbage collector.
//!
//! Readings hold counters since the process began; the rules look at how they move. What happened once
//! and comes with texts is an [`Event`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::LoopKey;
use crate::time::Nanos;

/// Who writes down tasks and calls, and what of them. A figure that nobody writes is absent from a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterInfo {
    /// Its name and version.
    pub name: String,
    /// It writes down tasks.
    pub tasks: bool,
    /// It writes down tracked calls.
    pub calls: bool,
    /// It writes down databases.
    pub databases: bool,
    /// It writes down executors.
    pub executors: bool,
    /// It writes down the garbage collector.
    pub gc: bool,
    /// What failed inside it and was swallowed there.
    pub faults: u64,
}

/// Whom tasks and events belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Nobody, or it is not known.
    #[default]
    Nobody,
    /// The loop that runs on this thread.
    Thread(u32),
    /// This loop.
    Loop(LoopKey),
}

/// A place that creates tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSite {
    /// The loop that runs them.
    pub owner: Owner,
    /// The source file; empty where it is not known.
    pub file: String,
    /// The line; 0 where it is not known.
    pub line: u32,
    /// The function that creates them.
    pub function: String,
    /// The coroutine that they run.
    pub coroutine: String,
}

/// The tasks of one site so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskSiteReading {
    /// Which site.
    pub site: Arc<TaskSite>,
    /// Tasks ever created.
    pub spawned: u64,
    /// Those that returned.
    pub done: u64,
    /// Those that ended with an exception.
    pub failed: u64,
    /// Those that were cancelled.
    pub cancelled: u64,
    /// Failures whose exception somebody took.
    pub retrieved: u64,
    /// Failures whose task went away with the exception that nobody took.
    pub unretrieved: u64,
    /// When the oldest task alive was created; `None` where none is alive, or it is not known.
    pub oldest_started: Option<Nanos>,
}

impl TaskSiteReading {
    /// Tasks alive.
    pub fn alive(&self) -> u64 {
        let ended = [self.done, self.failed, self.cancelled];
        ended.into_iter().fold(self.spawned, u64::saturating_sub)
    }

    /// Failures whose exception may still be taken by somebody.
    pub fn unsettled(&self) -> u64 {
        let settled = self.retrieved.saturating_add(self.unretrieved);
        self.failed.saturating_sub(settled)
    }
}

/// Kinds of tracked call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// A function.
    #[default]
    Call,
    /// A request to another service.
    Request,
    /// A statement sent to a database.
    Query,
    /// A connection being made.
    Connect,
    /// A connection being taken from a pool.
    Acquire,
}

/// What a tracked call is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallName {
    /// The kind.
    pub kind: CallKind,
    /// The group: `agno`, `httpx`, `psycopg`.
    pub group: String,
    /// The name.
    pub name: String,
}

/// One tracked call so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallReading {
    /// Which call.
    pub call: Arc<CallName>,
    /// Calls ever begun.
    pub started: u64,
    /// Those that ended.
    pub finished: u64,
    /// Those that ended with an error.
    pub failed: u64,
    /// Those that were cancelled.
    pub cancelled: u64,
    /// Those that ran synchronously on a running loop's thread.
    pub on_loop: u64,
    /// Those of them over the stall threshold.
    pub blocking: u64,
    /// Those over the slow threshold.
    pub slow: u64,
    /// Sum of the finished calls' times.
    pub total_nanos: u64,
    /// The longest finished call.
    pub longest_nanos: u64,
    /// Half of the finished calls took no longer than this.
    pub p50_nanos: Option<u64>,
    /// All but one in a hundred of the finished calls took no longer than this.
    pub p99_nanos: Option<u64>,
    /// The type of the last error.
    pub last_error: Option<String>,
    /// Failures by the type of the error.
    #[serde(default)]
    pub errors: Vec<(Arc<String>, u64)>,
}

impl CallReading {
    /// Calls that began and have not ended.
    pub fn in_flight(&self) -> u64 {
        self.started.saturating_sub(self.finished)
    }
}

/// What a pool is, or a server that is connected to without one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolName {
    /// The pool's name; empty for connections that no pool holds.
    pub name: String,
    /// The driver.
    pub driver: String,
    /// The server.
    pub server: String,
}

/// One pool now and so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolReading {
    /// Which pool.
    pub pool: Arc<PoolName>,
    /// Connections that it has.
    pub size: u64,
    /// Fewest connections that it keeps.
    pub smallest: u64,
    /// Most connections that it may have; 0 where there is no pool.
    pub largest: u64,
    /// Connections taken from it.
    pub in_use: u64,
    /// Connections that lie ready.
    pub idle: u64,
    /// Who waits for one.
    pub waiting: u64,
    /// Since when somebody has been waiting without a break.
    pub waiting_since: Option<Nanos>,
    /// Connections handed out.
    pub acquires: u64,
    /// Sum of the time waited for these.
    pub acquire_nanos: u64,
    /// The longest wait that got one.
    pub longest_acquire_nanos: u64,
    /// Waits that were given up.
    pub timeouts: u64,
    /// Connections ever opened.
    pub opened: u64,
    /// Attempts to open one that failed.
    pub open_failed: u64,
    /// Connections closed in order.
    pub closed: u64,
    /// Connections that were collected without having been closed.
    pub leaked: u64,
    /// Sum of the lives of those that are closed or leaked.
    #[serde(default)]
    pub lifetime_nanos: u64,
    /// Connections given back whose time in use is known.
    #[serde(default)]
    pub releases: u64,
    /// Sum of the time that these were in use.
    #[serde(default)]
    pub use_nanos: u64,
    /// The longest such use.
    #[serde(default)]
    pub longest_use_nanos: u64,
    /// The type of the last error.
    pub last_error: Option<String>,
}

impl PoolReading {
    /// Connections that are open. Of a pool that nobody followed but by asking for its size, that.
    pub fn open(&self) -> u64 {
        if self.opened == 0 {
            return self.size;
        }
        self.opened.saturating_sub(self.ended())
    }

    /// Connections that are gone, in order or not.
    pub fn ended(&self) -> u64 {
        self.closed.saturating_add(self.leaked)
    }
}

/// One executor now and so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExecutorReading {
    /// Its name.
    pub name: Arc<String>,
    /// Most threads that it may have; 0 where that is not known.
    pub max_workers: u64,
    /// Threads that it has.
    pub workers: u64,
    /// Threads at work.
    pub busy: u64,
    /// Pieces of work that wait.
    pub queued: u64,
    /// Pieces of work ever given to it.
    pub submitted: u64,
    /// Those that ended well.
    pub completed: u64,
    /// Those that ended with an error.
    pub failed: u64,
    /// Sum of the time that begun work had waited.
    pub wait_nanos: u64,
    /// The longest such wait.
    pub longest_wait_nanos: u64,
    /// Since when all threads have been at work and something has been waiting.
    pub saturated_since: Option<Nanos>,
    /// It was shut down.
    pub ended: bool,
}

/// The garbage collector now and so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcReading {
    /// Collections ever finished.
    pub collections: u64,
    /// Sum of their pauses.
    pub pause_nanos: u64,
    /// The longest one.
    pub longest_pause_nanos: u64,
    /// Since when the pause under way lasts.
    pub pause_since: Option<Nanos>,
    /// The generation of the pause under way, or of the last one.
    pub generation: u32,
    /// Objects that the collector tracks, where it is known.
    pub tracked: Option<u64>,
}

/// Something that happened once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// The loop that it happened on.
    pub owner: Owner,
    /// The slot that it is about, in the table that goes with the kind.
    pub slot: Option<u32>,
    /// The thread, where it is known.
    pub thread_id: Option<u32>,
    /// What joins events about one thing.
    pub identity: u64,
    /// How many such things this stands for.
    pub count: u32,
    /// When it began.
    pub started: Nanos,
    /// When it ended, or was seen; `None` while it lasts.
    pub ended: Option<Nanos>,
    /// The name that goes with the kind.
    pub name: String,
    /// The type of the error; empty where there is none.
    pub error_type: String,
    /// The error's message.
    pub message: String,
    /// Where, innermost first.
    pub frames: Vec<EventFrame>,
}

/// Kinds of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A task ended with an exception. The slot is its site's, the name the task's.
    TaskFailed,
    /// Somebody took the exception of a failed task.
    TaskFailureRetrieved,
    /// A failed task went away and nobody had taken its exception.
    TaskFailureUnretrieved,
    /// A loop's exception handler was called for a callback.
    CallbackFailed,
    /// A tracked call ended with an error. The slot is the call's.
    CallFailed,
    /// A tracked call took longer than the slow threshold. The slot is the call's.
    SlowCall,
    /// A tracked call kept a loop's thread for longer than the stall threshold. The slot is the call's.
    BlockingCall,
    /// A connection could not be made. The slot is the pool's.
    ConnectionFailed,
    /// A connection was collected without having been closed. The slot is the pool's, the frames say where
    /// it was made.
    ConnectionLeaked,
    /// A wait for a connection was given up. The slot is the pool's.
    AcquireTimedOut,
    /// The collector paused a thread. The identity is the generation.
    GcPause,
    /// A connection was given out where it does not belong. The slot is the pool's, the message says how.
    ConnectionShared,
}

/// One frame of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFrame {
    /// The source file.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The function.
    pub function: String,
}

impl Event {
    /// An event of this kind of which nothing is known yet, to be filled in by `..`.
    pub fn new(kind: EventKind) -> Self {
        Self {
            kind,
            owner: Owner::Nobody,
            slot: None,
            thread_id: None,
            identity: 0,
            count: 1,
            started: Nanos(0),
            ended: None,
            name: String::new(),
            error_type: String::new(),
            message: String::new(),
            frames: Vec::new(),
        }
    }

    /// When it was over, as far as that is known.
    pub fn until(&self) -> Nanos {
        self.ended.unwrap_or(self.started).max(self.started)
    }
}
