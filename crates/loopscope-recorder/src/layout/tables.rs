//! The tables behind the loops: task sites, calls, pools, executors, and the gauges of the collector.
//!
//! A slot is taken once for the hash of its key and never given back; from then on only its numbers move.
//! The keys of a table stand in a list of their own, so that a search touches few cache lines. Slots are
//! taken in order: a reader looks no further than [`TableHead::used`]. The last slot of the tables of
//! task sites and calls stands for everything that found no room, so that sums stay true.

use std::sync::atomic::{AtomicU32, AtomicU64};

use super::BUCKETS;

/// Task sites that one process can have recorded, the overflow's included.
pub const TASK_SITE_CAPACITY: u32 = 1024;

/// Calls that one process can have recorded, the overflow's included.
pub const CALL_CAPACITY: u32 = 512;

/// Types of errors that the failures of calls are told apart by, the overflow's included.
pub const CALL_ERROR_CAPACITY: u32 = 256;

/// Pools and databases that one process can have recorded.
pub const POOL_CAPACITY: u32 = 128;

/// Executors that one process can have recorded.
pub const EXECUTOR_CAPACITY: u32 = 64;

/// Longest path of a source file kept; a longer one keeps its end, which tells more.
pub const FILE_TEXT_BYTES: usize = 128;

/// Longest name of a function kept.
pub const FUNCTION_TEXT_BYTES: usize = 96;

/// Longest name of a group of calls, or of a driver, kept.
pub const GROUP_TEXT_BYTES: usize = 32;

/// Longest name of a call kept; a statement's text is one.
pub const CALL_TEXT_BYTES: usize = 256;

/// Longest name of a pool, a server or an executor kept.
pub const NAME_TEXT_BYTES: usize = 64;

/// Longest type of an error kept.
pub const ERROR_TEXT_BYTES: usize = 64;

/// The name of the slot that stands for all that found no room.
pub const OVERFLOW_NAME: &str = "(other)";

/// Where a table stands; in the header.
#[repr(C)]
#[derive(Debug)]
pub struct TableHead {
    /// Where its first record begins.
    pub offset: AtomicU32,
    /// How many records it has.
    pub capacity: AtomicU32,
    /// Size of one; a newer writer's may be larger.
    pub record_bytes: AtomicU32,
    /// Zero.
    pub reserved: AtomicU32,
    /// Records that were ever taken, or facts that were ever begun.
    pub used: AtomicU64,
    /// Requests that found no room, or facts that were given up because another writer held the record.
    pub dropped: AtomicU64,
}

/// The tables that have a [`TableHead`]: those of [`super::Header::tables`] in their order, then those that came
/// later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// [`TaskSiteSlot`]s.
    TaskSites = 0,
    /// [`CallSlot`]s.
    Calls = 1,
    /// [`PoolSlot`]s.
    Pools = 2,
    /// [`ExecutorSlot`]s.
    Executors = 3,
    /// The ring of [`super::FactSlot`]s.
    Facts = 4,
    /// [`super::ConnectionSlot`]s; since version 3.
    Connections = 5,
    /// [`CallErrorSlot`]s; since version 3.
    CallErrors = 6,
}

/// How many tables version 2 brought.
pub const TABLES: usize = 5;

/// What a slot of these tables holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum RecordState {
    /// Nothing yet, or being filled in.
    Unready = 0,
    /// Its texts are complete.
    Ready = 1,
}

/// A text that changes: written by whoever gets hold of it, and not at all by who does not.
#[repr(C)]
#[derive(Debug)]
pub struct ErrorText {
    /// Odd while it is being written.
    pub sequence: AtomicU64,
    /// [`super::checksum`] over the finished sequence and the words.
    pub checksum: AtomicU64,
    /// UTF-8, zero-padded.
    pub words: [AtomicU64; ERROR_TEXT_BYTES / 8],
}

/// Tasks by the place that creates them.
///
/// Those alive are `spawned - done - failed - cancelled`; failures whose exception may still be taken by
/// somebody are `failed - retrieved - unretrieved`.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct TaskSiteSlot {
    /// [`RecordState`], stored once the texts are complete.
    pub state: AtomicU64,
    /// A packed [`super::LoopOwner`].
    pub owner: AtomicU64,
    /// Tasks ever created.
    pub spawned: AtomicU64,
    /// Tasks that returned.
    pub done: AtomicU64,
    /// Tasks that ended with an exception.
    pub failed: AtomicU64,
    /// Tasks that were cancelled.
    pub cancelled: AtomicU64,
    /// Failures whose exception somebody took.
    pub retrieved: AtomicU64,
    /// Failures whose task went away with the exception that nobody took.
    pub unretrieved: AtomicU64,
    /// When the oldest of those alive was created; 0 while none is, or while it is not known.
    pub oldest_started_nanos: AtomicU64,
    /// When the slot was taken.
    pub created_nanos: AtomicU64,
    /// The source line; 0 where it is not known.
    pub line: AtomicU32,
    /// Zero.
    pub reserved: AtomicU32,
    /// The address of the oldest of those alive, in its process; 0 while none is, or while it is not known.
    pub oldest_address: AtomicU64,
    /// Keeps the texts on lines of their own.
    pub reserved_words: [AtomicU64; 4],
    /// The source file, or its end.
    pub file: [AtomicU64; FILE_TEXT_BYTES / 8],
    /// The function that creates the tasks.
    pub function: [AtomicU64; FUNCTION_TEXT_BYTES / 8],
    /// The coroutine that they run.
    pub coroutine: [AtomicU64; FUNCTION_TEXT_BYTES / 8],
    /// Room, zero in version 2.
    pub reserved_tail: [AtomicU64; 8],
}

/// Tracked calls by group, name and kind.
///
/// Those that ended are the sum of the histogram, those in flight `started` less that sum, those that
/// went well the sum less `failed` and `cancelled`.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct CallSlot {
    /// [`RecordState`], stored once the texts are complete.
    pub state: AtomicU64,
    /// [`CallKind`].
    pub kind: AtomicU64,
    /// Calls ever begun.
    pub started: AtomicU64,
    /// Sum of the finished calls' times.
    pub total_nanos: AtomicU64,
    /// The longest finished call.
    pub longest_nanos: AtomicU64,
    /// Calls that ended with an error.
    pub failed: AtomicU64,
    /// Calls that were cancelled.
    pub cancelled: AtomicU64,
    /// Calls that ran synchronously on a running loop's thread.
    pub on_loop: AtomicU64,
    /// Those of them that ran for longer than the stall threshold.
    pub blocking: AtomicU64,
    /// Sum of these.
    pub blocking_nanos: AtomicU64,
    /// Calls that took longer than the writer's slow threshold.
    pub slow: AtomicU64,
    /// When one last failed; 0 while none has.
    pub last_failed_nanos: AtomicU64,
    /// Zero; nothing was ever written here.
    pub unused: AtomicU64,
    /// When the slot was taken.
    pub created_nanos: AtomicU64,
    /// Room, zero in version 2.
    pub reserved: [AtomicU64; 2],
    /// Finished calls by length, see [`super::bucket_of`].
    pub histogram: [AtomicU64; BUCKETS],
    /// The group: `agno`, `httpx`, `psycopg`.
    pub group: [AtomicU64; GROUP_TEXT_BYTES / 8],
    /// The name: a function, a method and its URL's host, a statement with its literals taken out.
    pub name: [AtomicU64; CALL_TEXT_BYTES / 8],
    /// The type of the last error.
    pub last_error: ErrorText,
    /// Room, zero in version 2.
    pub reserved_tail: [AtomicU64; 2],
}

/// The failures of one call with one type of error; the last slot is that of all which found no room.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct CallErrorSlot {
    /// [`RecordState`], stored once the rest is complete.
    pub state: AtomicU64,
    /// The place of the call among the calls.
    pub call: AtomicU64,
    /// Calls that ended with it.
    pub failed: AtomicU64,
    /// Room, zero in version 3.
    pub reserved: [AtomicU64; 5],
    /// The type.
    pub error_type: [AtomicU64; ERROR_TEXT_BYTES / 8],
}

/// Kinds of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum CallKind {
    /// A function that was asked to be tracked, or a library's.
    Call = 1,
    /// A request to another service.
    Request = 2,
    /// A statement sent to a database.
    Query = 3,
    /// A connection being made.
    Connect = 4,
    /// A connection being taken from a pool.
    Acquire = 5,
}

/// A pool of connections; or, with a limit of 0, all the connections to one server that no pool holds.
///
/// Those open are `opened - closed - leaked`.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct PoolSlot {
    /// [`RecordState`], stored once the texts are complete.
    pub state: AtomicU64,
    /// Connections that it has.
    pub size: AtomicU64,
    /// Fewest connections that it keeps.
    pub smallest: AtomicU64,
    /// Most connections that it may have; 0 where there is no pool.
    pub largest: AtomicU64,
    /// Connections taken from it.
    pub in_use: AtomicU64,
    /// Connections that lie ready.
    pub idle: AtomicU64,
    /// Who waits for one.
    pub waiting: AtomicU64,
    /// Since when somebody has been waiting without a break; 0 while nobody is.
    pub waiting_since_nanos: AtomicU64,
    /// Connections handed out.
    pub acquires: AtomicU64,
    /// Sum of the time waited for these.
    pub acquire_nanos: AtomicU64,
    /// The longest wait that got one.
    pub longest_acquire_nanos: AtomicU64,
    /// Waits that were given up.
    pub timeouts: AtomicU64,
    /// Connections ever opened.
    pub opened: AtomicU64,
    /// Attempts to open one that failed.
    pub open_failed: AtomicU64,
    /// Connections closed in order.
    pub closed: AtomicU64,
    /// Connections that were collected without having been closed.
    pub leaked: AtomicU64,
    /// Sum of the lives of those that are closed or leaked.
    pub lifetime_nanos: AtomicU64,
    /// When the slot was taken.
    pub created_nanos: AtomicU64,
    /// Connections given back; since version 3.
    pub releases: AtomicU64,
    /// Sum of the time that these were in use; since version 3.
    pub use_nanos: AtomicU64,
    /// The longest such use; since version 3.
    pub longest_use_nanos: AtomicU64,
    /// Room, zero in version 3.
    pub reserved: [AtomicU64; 3],
    /// The pool's name.
    pub name: [AtomicU64; NAME_TEXT_BYTES / 8],
    /// The driver.
    pub driver: [AtomicU64; GROUP_TEXT_BYTES / 8],
    /// The server: host, port and database, never a password.
    pub server: [AtomicU64; NAME_TEXT_BYTES / 8],
    /// The type of the last error.
    pub last_error: ErrorText,
    /// Room, zero in version 2.
    pub reserved_tail: [AtomicU64; 10],
}

/// An executor: threads that take work from a queue.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct ExecutorSlot {
    /// [`RecordState`], stored once the texts are complete.
    pub state: AtomicU64,
    /// Most threads that it may have.
    pub max_workers: AtomicU64,
    /// Threads that it has.
    pub workers: AtomicU64,
    /// Threads at work.
    pub busy: AtomicU64,
    /// Pieces of work that wait.
    pub queued: AtomicU64,
    /// Pieces of work ever given to it.
    pub submitted: AtomicU64,
    /// Those that ended well.
    pub completed: AtomicU64,
    /// Those that ended with an error.
    pub failed: AtomicU64,
    /// Those that were taken back before they began.
    pub cancelled: AtomicU64,
    /// Sum of the time that begun work had waited.
    pub wait_nanos: AtomicU64,
    /// The longest such wait.
    pub longest_wait_nanos: AtomicU64,
    /// Since when the oldest queued piece has been waiting; 0 while none is, or while it is not known.
    pub oldest_queued_nanos: AtomicU64,
    /// Since when all threads have been at work and something has been waiting; 0 while that is not so.
    pub saturated_since_nanos: AtomicU64,
    /// Sum of the time that ended work took.
    pub run_nanos: AtomicU64,
    /// When the slot was taken.
    pub created_nanos: AtomicU64,
    /// When the executor was shut down; 0 while it lives.
    pub ended_nanos: AtomicU64,
    /// The executor's name.
    pub name: [AtomicU64; NAME_TEXT_BYTES / 8],
    /// Room, zero in version 2.
    pub reserved_tail: [AtomicU64; 8],
}

/// The runtime's garbage collector; in the header.
#[repr(C)]
#[derive(Debug)]
pub struct GcGauges {
    /// Collections ever finished.
    pub collections: AtomicU64,
    /// Sum of their pauses.
    pub pause_nanos: AtomicU64,
    /// The longest one.
    pub longest_pause_nanos: AtomicU64,
    /// Since when the pause that is under way lasts; 0 while there is none.
    pub pause_since_nanos: AtomicU64,
    /// The generation of the pause under way, or of the last one.
    pub generation: AtomicU64,
    /// The thread of the pause under way, or of the last one.
    pub thread_id: AtomicU64,
    /// Objects collected so far.
    pub collected: AtomicU64,
    /// Objects that the collector tracks; 0 where it is not known.
    pub tracked: AtomicU64,
}
