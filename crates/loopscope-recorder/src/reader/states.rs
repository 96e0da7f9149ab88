//! Task sites, calls, pools, executors and the collector at one look.

use std::sync::Arc;

use crate::layout::{BUCKETS, CallKind, Coverage, LoopOwner};

/// Everything in the later tables at one look; empty for a recording of version 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableStates {
    /// Who writes them; `None` while nobody does.
    pub adapter: Option<AdapterState>,
    /// Tasks by the place that creates them.
    pub task_sites: Vec<TaskSiteState>,
    /// Tracked calls.
    pub calls: Vec<CallState>,
    /// Pools, and servers connected to without one.
    pub pools: Vec<PoolState>,
    /// Executors.
    pub executors: Vec<ExecutorState>,
    /// The garbage collector.
    pub gc: GcState,
    /// Open connections; none in a recording before version 3.
    pub connections: Vec<ConnectionState>,
    /// What found no room.
    pub dropped: TableDrops,
}

/// Who writes tasks and calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterState {
    /// Its name and version.
    pub name: String,
    /// What it watches.
    pub coverage: Coverage,
    /// Since when.
    pub since_nanos: u64,
    /// What failed inside it and was swallowed there.
    pub faults: u64,
}

/// Requests for slots that found no room, and facts that were given up by their writers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableDrops {
    /// Task sites, counted together with others.
    pub task_sites: u64,
    /// Calls, counted together with others.
    pub calls: u64,
    /// Pools, not counted at all.
    pub pools: u64,
    /// Executors, not counted at all.
    pub executors: u64,
    /// Facts.
    pub facts: u64,
    /// Open connections, counted in their pools alone.
    pub connections: u64,
}

/// A place that creates tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSite {
    /// The loop that runs the tasks.
    pub owner: LoopOwner,
    /// The source file; empty where it is not known, and for the site of all that found no room.
    pub file: String,
    /// The line; 0 where it is not known.
    pub line: u32,
    /// The function that creates the tasks.
    pub function: String,
    /// The coroutine that they run.
    pub coroutine: String,
}

/// A task site as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSiteState {
    /// Its place in the table.
    pub slot: u32,
    /// Which site.
    pub site: Arc<TaskSite>,
    /// Tasks ever created.
    pub spawned: u64,
    /// Tasks that returned.
    pub done: u64,
    /// Tasks that ended with an exception.
    pub failed: u64,
    /// Tasks that were cancelled.
    pub cancelled: u64,
    /// Failures whose exception somebody took.
    pub retrieved: u64,
    /// Failures whose task went away with the exception that nobody took.
    pub unretrieved: u64,
    /// When the oldest of those alive was created; `None` where none is, or it is not known.
    pub oldest_started_nanos: Option<u64>,
    /// The address of the oldest of those alive, in its process; `None` where none is, or it is not known.
    pub oldest_address: Option<u64>,
    /// When the slot was taken.
    pub created_nanos: u64,
}

impl TaskSiteState {
    /// Tasks alive.
    pub fn alive(&self) -> u64 {
        let ended = [self.done, self.failed, self.cancelled];
        ended.into_iter().fold(self.spawned, u64::saturating_sub)
    }
}

/// What a tracked call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallName {
    /// The kind; `None` for one that this version does not know.
    pub kind: Option<CallKind>,
    /// The group.
    pub group: String,
    /// The name.
    pub name: String,
}

/// A tracked call as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallState {
    /// Its place in the table.
    pub slot: u32,
    /// Which call.
    pub call: Arc<CallName>,
    /// Calls ever begun.
    pub started: u64,
    /// Calls that ended.
    pub finished: u64,
    /// Those that ended with an error.
    pub failed: u64,
    /// Those that were cancelled.
    pub cancelled: u64,
    /// Those that ran synchronously on a running loop's thread.
    pub on_loop: u64,
    /// Those of them over the stall threshold.
    pub blocking: u64,
    /// Sum of these.
    pub blocking_nanos: u64,
    /// Those over the slow threshold.
    pub slow: u64,
    /// Sum of the finished calls' times.
    pub total_nanos: u64,
    /// The longest finished call.
    pub longest_nanos: u64,
    /// When one last failed.
    pub last_failed_nanos: Option<u64>,
    /// The type of the last error; `None` where none is known.
    pub last_error: Option<String>,
    /// Failures by the type of the error, as far as types found room; none in a recording before version 3.
    pub errors: Vec<CallErrorState>,
    /// Finished calls by length.
    pub histogram: [u64; BUCKETS],
}

/// The failures of a call with one type of error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallErrorState {
    /// The type.
    pub error_type: Arc<String>,
    /// Calls that ended with it.
    pub failed: u64,
}

impl CallState {
    /// Calls that began and have not ended.
    pub fn in_flight(&self) -> u64 {
        self.started.saturating_sub(self.finished)
    }
}

/// What a pool is, or a server that is connected to without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolName {
    /// The pool's name; empty for connections that no pool holds.
    pub name: String,
    /// The driver.
    pub driver: String,
    /// The server.
    pub server: String,
}

/// A pool as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolState {
    /// Its place in the table.
    pub slot: u32,
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
    pub waiting_since_nanos: Option<u64>,
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
    /// Sum of the lives of those closed or leaked.
    pub lifetime_nanos: u64,
    /// Connections given back whose time in use is known.
    pub releases: u64,
    /// Sum of the time that these were in use.
    pub use_nanos: u64,
    /// The longest such use.
    pub longest_use_nanos: u64,
    /// The type of the last error; `None` where none is known.
    pub last_error: Option<String>,
}

impl PoolState {
    /// Connections that are open.
    pub fn open(&self) -> u64 {
        let ended = self.closed.saturating_add(self.leaked);
        self.opened.saturating_sub(ended)
    }
}

/// An open connection as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionState {
    /// Its place in the table.
    pub slot: u32,
    /// How often that place was taken before.
    pub generation: u32,
    /// The place of its pool among the pools.
    pub pool: u32,
    /// It is no connection, but somebody who waits for one since `taken_nanos`.
    pub waits: bool,
    /// The process id of its session on the server, where that is known.
    pub backend: Option<u32>,
    /// When it was opened.
    pub opened_nanos: u64,
    /// Since when somebody has it.
    pub taken_nanos: Option<u64>,
    /// Who; `None` where nobody has it, and while that changes.
    pub holder: Option<HolderState>,
}

/// Who has a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HolderState {
    /// The native id of the thread; 0 where it is not known.
    pub thread_id: u32,
    /// The address of the task in its process; `None` for none.
    pub task: Option<u64>,
    /// The task's name; empty where it is not known.
    pub task_name: String,
    /// The source file of the line that asked for it; empty where it is not known.
    pub file: String,
    /// The line; 0 where it is not known.
    pub line: u32,
    /// The function.
    pub function: String,
}

/// An executor as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutorState {
    /// Its place in the table.
    pub slot: u32,
    /// Its name.
    pub name: Arc<String>,
    /// Most threads that it may have.
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
    /// Those that were taken back before they began.
    pub cancelled: u64,
    /// Sum of the time that begun work had waited.
    pub wait_nanos: u64,
    /// The longest such wait.
    pub longest_wait_nanos: u64,
    /// Since when the oldest queued piece has been waiting; `None` where none is, or it is not known.
    pub oldest_queued_nanos: Option<u64>,
    /// Since when all threads have been at work and something has been waiting.
    pub saturated_since_nanos: Option<u64>,
    /// Sum of the time that ended work took.
    pub run_nanos: u64,
    /// When it was shut down.
    pub ended_nanos: Option<u64>,
}

/// The garbage collector as it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcState {
    /// Collections ever finished.
    pub collections: u64,
    /// Sum of their pauses.
    pub pause_nanos: u64,
    /// The longest one.
    pub longest_pause_nanos: u64,
    /// Since when the pause under way lasts.
    pub pause_since_nanos: Option<u64>,
    /// The generation of the pause under way, or of the last one.
    pub generation: u32,
    /// The thread of the pause under way, or of the last one.
    pub thread_id: u32,
    /// Objects collected so far.
    pub collected: u64,
    /// Objects that the collector tracks.
    pub tracked: Option<u64>,
}
