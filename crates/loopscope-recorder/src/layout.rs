//! The recording's bytes: what stands where, and since which version.
//!
//! A recording is one file of fixed size: a header, a table of loop slots, a ring of stalls, the tables of
//! tasks, calls, pools and executors, a ring of facts, the open connections. Everything that changes after creation is an atomic
//! of natural alignment, written by the observed process alone.
//! The structs here are the format; writer and reader both take their offsets from them.
//!
//! Byte order is the host's. A recording does not travel between machines; a reader that meets the other
//! byte order sees a wrong magic and says so.

mod connections;
mod facts;
mod tables;

use std::mem::{offset_of, size_of};
use std::sync::atomic::{AtomicU32, AtomicU64};

pub use connections::{CONNECTION_CAPACITY, ConnectionSlot, HOLDER_WORDS, TASK_NAME_BYTES, WAITS};
pub use facts::{
    FACT_CAPACITY, FACT_NAME_BYTES, FACT_NUMBERS, FACT_TEXT_BYTES, FACT_WORDS, FactKind, FactSlot,
    LoopOwner, MESSAGE_BYTES, SHARED_BY_FORK, SHARED_BY_LOOPS,
};
pub use tables::{
    CALL_CAPACITY, CALL_ERROR_CAPACITY, CALL_TEXT_BYTES, CallErrorSlot, CallKind, CallSlot,
    ERROR_TEXT_BYTES, EXECUTOR_CAPACITY, ErrorText, ExecutorSlot, FILE_TEXT_BYTES,
    FUNCTION_TEXT_BYTES, GROUP_TEXT_BYTES, GcGauges, NAME_TEXT_BYTES, OVERFLOW_NAME, POOL_CAPACITY,
    PoolSlot, RecordState, TABLES, TASK_SITE_CAPACITY, Table, TableHead, TaskSiteSlot,
};

/// First eight bytes of a finished header. Written last, so a header without it was never completed.
pub const MAGIC: u64 = u64::from_ne_bytes(*b"LOOPSCP\n");

/// The format's version. A reader refuses a newer one and reads every older one.
///
/// - 1: header, loop slots with a histogram of busy time, event ring with stalls.
/// - 2: tables of task sites, calls, pools and executors, the collector's gauges, who writes these, a
///   ring of facts with texts. What version 1 had stands where it stood.
/// - 3: the tables of open connections and of the errors of calls behind all the others, how long connections of a
///   pool are used; [`PollKind`]s of loops that an adapter tells of by the loop's own figures, and the tasks of a
///   loop's runtime.
pub const FORMAT_VERSION: u32 = 3;

/// Loops that one process can have recorded at once. Beyond it loops are counted as dropped.
pub const LOOP_CAPACITY: u32 = 256;

/// Events that the ring keeps. A newer event takes the place of the oldest.
pub const EVENT_CAPACITY: u32 = 512;

/// Buckets of the busy-time histogram: bucket 0 is under 1.024 µs, each next one twice as wide, the last
/// one open.
pub const BUCKETS: usize = 32;

/// Longest executable path kept; a longer one keeps its end, which tells more.
pub const EXECUTABLE_BYTES: usize = 256;

/// Longest service name kept.
pub const SERVICE_BYTES: usize = 64;

/// Longest name of an adapter kept.
pub const ADAPTER_BYTES: usize = 64;

/// The header.
#[repr(C, align(64))]
pub struct Header {
    /// [`MAGIC`], stored last.
    pub magic: AtomicU64,
    /// [`FORMAT_VERSION`] of the writer.
    pub version: AtomicU32,
    /// Size of this header; a newer writer's may be larger.
    pub header_bytes: AtomicU32,
    /// Size of the whole file.
    pub file_bytes: AtomicU64,
    /// The process.
    pub pid: AtomicU32,
    /// Its real user.
    pub uid: AtomicU32,
    /// Its start time in clock ticks since boot, which tells it from a later process with its pid.
    pub start_ticks: AtomicU64,
    /// Which program image of the process, counted up at each `exec`.
    pub image: AtomicU32,
    /// Length of [`Header::executable`].
    pub executable_length: AtomicU32,
    /// `CLOCK_MONOTONIC` at creation, nanoseconds.
    pub created_nanos: AtomicU64,
    /// Wall clock at the same instant, nanoseconds since the Unix epoch.
    pub created_unix_nanos: AtomicU64,
    /// Start ticks and pid repeat after a reboot, this does not.
    pub boot_id: [AtomicU64; 2],
    /// The run that this process belongs to, 0 for none.
    pub run_id: AtomicU64,
    /// Busy periods from this length on are written to the ring.
    pub stall_threshold_nanos: AtomicU64,
    /// Where the loop slots begin.
    pub loops_offset: AtomicU32,
    /// How many there are.
    pub loops_capacity: AtomicU32,
    /// Size of one.
    pub loop_bytes: AtomicU32,
    /// Where the ring begins.
    pub events_offset: AtomicU32,
    /// How many records it has.
    pub events_capacity: AtomicU32,
    /// Size of one.
    pub event_bytes: AtomicU32,
    /// Slots that were ever taken; a reader looks no further.
    pub loops_used: AtomicU64,
    /// Events ever begun: the next one's number.
    pub events_begun: AtomicU64,
    /// Loops that found no free slot.
    pub loops_dropped: AtomicU64,
    /// Events that were given up because another writer held the record.
    pub events_dropped: AtomicU64,
    /// `CLOCK_MONOTONIC` when the process said goodbye in order; 0 while it has not.
    pub ended_nanos: AtomicU64,
    /// Exit status plus one where the process told it; 0 where not.
    pub exit_status: AtomicU64,
    /// Length of [`Header::service`].
    pub service_length: AtomicU64,
    /// The executable's path, UTF-8.
    pub executable: [AtomicU64; EXECUTABLE_BYTES / 8],
    /// The service's name, UTF-8.
    pub service: [AtomicU64; SERVICE_BYTES / 8],
    /// Writer's version, as `0.1.0`, zero-padded.
    pub agent_version: [AtomicU64; 2],
    /// The pid namespace that the ids are told in, by its inode; 0 where it is not known.
    pub pid_namespace: AtomicU64,
    /// Tracked calls from this length on count as slow.
    pub slow_threshold_nanos: AtomicU64,
    /// Where the tables stand that version 1 did not have, see [`Table`].
    pub tables: [TableHead; TABLES],
    /// The garbage collector.
    pub gc: GcGauges,
    /// When an adapter began to write tasks and calls; 0 while there is none. Stored last of its four.
    pub adapter_since_nanos: AtomicU64,
    /// What the adapter watches, see [`Coverage`].
    pub adapter_coverage: AtomicU64,
    /// What failed inside the adapter and was swallowed there.
    pub adapter_faults: AtomicU64,
    /// The adapter's name and version: `asyncio 0.1.0 on CPython 3.12.1`.
    pub adapter: [AtomicU64; ADAPTER_BYTES / 8],
    /// Where the table of open connections stands.
    pub connections: TableHead,
    /// Where the table of the errors of calls stands.
    pub call_errors: TableHead,
}

/// What an adapter watches, as bits of [`Header::adapter_coverage`]. A figure that nobody writes is absent
/// from a report, not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage(pub u64);

impl Coverage {
    /// Tasks.
    pub const TASKS: Self = Self(1);
    /// Tracked calls.
    pub const CALLS: Self = Self(1 << 1);
    /// Databases: connections, pools, queries.
    pub const DATABASES: Self = Self(1 << 2);
    /// Executors.
    pub const EXECUTORS: Self = Self(1 << 3);
    /// The garbage collector.
    pub const GC: Self = Self(1 << 4);

    /// These and those.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of these are watched.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// One loop. The first cache line is all that the hot path touches, with one bucket of the histogram.
#[repr(C, align(64))]
pub struct LoopSlot {
    /// Generation in the upper 32 bits, [`SlotState`] in the lower.
    pub state: AtomicU64,
    /// When the loop left its poll; 0 while it is in it.
    pub busy_since_nanos: AtomicU64,
    /// Turns.
    pub iterations: AtomicU64,
    /// When the loop last entered or left its poll.
    pub last_beat_nanos: AtomicU64,
    /// Sum of finished busy periods.
    pub busy_nanos: AtomicU64,
    /// Sum of finished waits.
    pub idle_nanos: AtomicU64,
    /// Longest finished busy period.
    pub longest_busy_nanos: AtomicU64,
    /// Finished busy periods over the stall threshold.
    pub stalls: AtomicU64,
    /// Sum of these.
    pub stall_nanos: AtomicU64,
    /// Native id of the thread.
    pub thread_id: AtomicU32,
    /// [`PollKind`].
    pub kind: AtomicU32,
    /// The polled epoll descriptor, or a hash of the polled set.
    pub poll_key: AtomicU64,
    /// When the slot was taken.
    pub created_nanos: AtomicU64,
    /// When the loop ended; 0 while it lives.
    pub ended_nanos: AtomicU64,
    /// The kernel's name of the thread, zero-padded.
    pub thread_name: [AtomicU64; 2],
    /// Keeps the histogram on a line of its own.
    pub reserved: AtomicU64,
    /// Finished busy periods by length, see [`bucket_of`].
    pub histogram: [AtomicU64; BUCKETS],
    /// One more than the tasks alive in the runtime that this is a worker of; 0 where that is not known. Since version 3.
    pub runtime_tasks: AtomicU64,
    /// Those of them in the runtime's shared queue. Since version 3.
    pub runtime_queued: AtomicU64,
    /// Room, zero in version 3.
    pub reserved_tail: [AtomicU64; 14],
}

/// One record of the ring.
#[repr(C, align(64))]
pub struct EventSlot {
    /// `2n + 1` while event `n` is being written, `2n + 2` once it is complete.
    pub sequence: AtomicU64,
    /// [`checksum`] over the finished sequence and the words below.
    pub checksum: AtomicU64,
    /// [`EventKind`] in the lower, slot of the loop in the upper 32 bits.
    pub kind_and_slot: AtomicU64,
    /// Generation of the slot in the lower, thread id in the upper 32 bits.
    pub generation_and_thread: AtomicU64,
    /// When it began.
    pub started_nanos: AtomicU64,
    /// When it ended.
    pub ended_nanos: AtomicU64,
    /// The loop's turn.
    pub iteration: AtomicU64,
    /// Room for other kinds, zero in version 1.
    pub reserved: [AtomicU64; 9],
}

/// Words of an [`EventSlot`] under the checksum.
pub const EVENT_WORDS: usize = 5;

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum SlotState {
    /// Nothing yet.
    Free = 0,
    /// Being filled in.
    Claimed = 1,
    /// A living loop.
    Live = 2,
    /// A loop that ended. The slot may be taken again.
    Ended = 3,
}

/// The tasks of a runtime with one or more workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuntimeTasks {
    /// Tasks alive.
    pub alive: u64,
    /// Those of them that wait in the queue that all workers take from.
    pub queued: u64,
}

/// How a loop polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum PollKind {
    /// `epoll_wait` and its sisters.
    Epoll = 1,
    /// `poll` and `ppoll`.
    Poll = 2,
    /// `select` and `pselect`.
    Select = 3,
    /// A worker of tokio's multi-thread runtime, by its own metrics. Told by an adapter.
    TokioWorker = 4,
    /// tokio's current-thread runtime, by its own metrics. Told by an adapter.
    TokioCurrentThread = 5,
}

/// Kinds of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum EventKind {
    /// A busy period over the stall threshold ended.
    Stall = 1,
}

/// Where the loop slots begin in a file of this version.
pub const LOOPS_OFFSET: usize = 4096;

/// Where the ring begins in a file of this version.
pub const EVENTS_OFFSET: usize = LOOPS_OFFSET + LOOP_CAPACITY as usize * size_of::<LoopSlot>();

/// Where the keys of the task sites begin; those of calls, pools, executors and errors of calls follow. Writers alone
/// use them.
pub const KEYS_OFFSET: usize = EVENTS_OFFSET + EVENT_CAPACITY as usize * size_of::<EventSlot>();

/// How many keys there are.
pub const KEYS: usize =
    (TASK_SITE_CAPACITY + CALL_CAPACITY + POOL_CAPACITY + EXECUTOR_CAPACITY + CALL_ERROR_CAPACITY)
        as usize;

/// Where the task sites begin in a file of this version.
pub const TASK_SITES_OFFSET: usize = (KEYS_OFFSET + KEYS * 8).next_multiple_of(4096);

/// Where the calls begin in a file of this version.
pub const CALLS_OFFSET: usize =
    TASK_SITES_OFFSET + TASK_SITE_CAPACITY as usize * size_of::<TaskSiteSlot>();

/// Where the pools begin in a file of this version.
pub const POOLS_OFFSET: usize = CALLS_OFFSET + CALL_CAPACITY as usize * size_of::<CallSlot>();

/// Where the executors begin in a file of this version.
pub const EXECUTORS_OFFSET: usize = POOLS_OFFSET + POOL_CAPACITY as usize * size_of::<PoolSlot>();

/// Where the ring of facts begins in a file of this version.
pub const FACTS_OFFSET: usize =
    EXECUTORS_OFFSET + EXECUTOR_CAPACITY as usize * size_of::<ExecutorSlot>();

/// Where the open connections begin in a file of this version.
pub const CONNECTIONS_OFFSET: usize = FACTS_OFFSET + FACT_CAPACITY as usize * size_of::<FactSlot>();

/// Where the errors of calls begin in a file of this version.
pub const CALL_ERRORS_OFFSET: usize =
    CONNECTIONS_OFFSET + CONNECTION_CAPACITY as usize * size_of::<ConnectionSlot>();

/// The size of a file of this version.
pub const FILE_BYTES: usize =
    CALL_ERRORS_OFFSET + CALL_ERROR_CAPACITY as usize * size_of::<CallErrorSlot>();

const _: () = {
    assert!(size_of::<Header>() <= LOOPS_OFFSET);
    assert!(offset_of!(Header, tables).is_multiple_of(8));
    assert!(size_of::<TableHead>() == 32);
    assert!(size_of::<TaskSiteSlot>() == 512);
    assert!(size_of::<CallSlot>() == 768);
    assert!(offset_of!(CallSlot, histogram) == 128);
    assert!(size_of::<PoolSlot>() == 512);
    assert!(size_of::<ExecutorSlot>() == 256);
    assert!(size_of::<FactSlot>() == 2048);
    assert!(size_of::<ConnectionSlot>() == 384);
    assert!(CONNECTIONS_OFFSET.is_multiple_of(64));
    assert!(size_of::<CallErrorSlot>() == 128);
    assert!(CALL_ERRORS_OFFSET.is_multiple_of(64));
    assert!(FACTS_OFFSET.is_multiple_of(64));
    assert!(FILE_BYTES <= 4 << 20);
    assert!(size_of::<LoopSlot>() == 512);
    assert!(offset_of!(LoopSlot, stall_nanos) == 64);
    assert!(offset_of!(LoopSlot, histogram) == 128);
    assert!(size_of::<EventSlot>() == 128);
    assert!(EVENTS_OFFSET.is_multiple_of(64));
};

/// The histogram bucket of a busy period.
#[inline]
pub const fn bucket_of(busy_nanos: u64) -> usize {
    let width = 64 - (busy_nanos >> 10).leading_zeros() as usize;
    if width < BUCKETS { width } else { BUCKETS - 1 }
}

/// The smallest length that no longer falls into a bucket; `None` for the last, open one.
pub const fn bucket_limit_nanos(bucket: usize) -> Option<u64> {
    if bucket + 1 < BUCKETS {
        Some(1u64 << (10 + bucket))
    } else {
        None
    }
}

/// Checks a record. It tells a torn record from a whole one; it is no defence against malice.
pub fn checksum<const WORDS: usize>(sequence: u64, words: &[u64; WORDS]) -> u64 {
    words
        .iter()
        .fold(sequence ^ 0x9e37_79b9_7f4a_7c15, |sum, word| {
            (sum ^ word)
                .wrapping_mul(0x0000_0100_0000_01b3)
                .rotate_left(29)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_falls_into_the_bucket_whose_limits_hold_it() {
        for nanos in [
            0,
            1,
            1023,
            1024,
            2047,
            2048,
            100_000_000,
            5_000_000_000,
            u64::MAX,
        ] {
            let bucket = bucket_of(nanos);
            let below = bucket
                .checked_sub(1)
                .and_then(bucket_limit_nanos)
                .unwrap_or(0);
            assert!(nanos >= below, "{nanos} lies under bucket {bucket}");
            assert!(bucket_limit_nanos(bucket).is_none_or(|limit| nanos < limit));
        }
    }

    #[test]
    fn a_changed_word_changes_the_checksum() {
        let words = [1, 2, 3, 4, 5];
        let whole = checksum(8, &words);
        assert_ne!(whole, checksum(10, &words));
        for index in 0..EVENT_WORDS {
            let mut torn = words;
            torn[index] ^= 1;
            assert_ne!(whole, checksum(8, &torn));
        }
    }
}
