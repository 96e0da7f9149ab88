//! The connections of databases that are open: each with its pool, its session on the server, and who has it.
//!
//! Slots are taken when a connection is opened and may be taken again once it is closed. Who has a connection
//! changes as a whole: a reader that meets it half-written knows since when it is taken and nothing else.

use std::sync::atomic::{AtomicU32, AtomicU64};

use super::{FILE_TEXT_BYTES, FUNCTION_TEXT_BYTES};

/// Open connections that one process can have recorded. Beyond it they are counted in their pools alone.
pub const CONNECTION_CAPACITY: u32 = 512;

/// Longest name of a task kept.
pub const TASK_NAME_BYTES: usize = 64;

/// Words of a [`ConnectionSlot`] under the checksum: since when, thread with line, task, then the texts.
pub const HOLDER_WORDS: usize = 3 + (FILE_TEXT_BYTES + FUNCTION_TEXT_BYTES + TASK_NAME_BYTES) / 8;

/// In the place of a slot's pool: this is no connection, but somebody who waits for one.
pub const WAITS: u32 = 1 << 31;

/// One connection, or one who waits for one.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct ConnectionSlot {
    /// How often the slot was taken before in the upper 32 bits, [`super::SlotState`] in the lower.
    pub state: AtomicU64,
    /// The place of its pool among the pools, and [`WAITS`].
    pub pool: AtomicU32,
    /// The process id of its session on the server; 0 where that is not known.
    pub backend: AtomicU32,
    /// When it was opened; 0 of one who waits.
    pub opened_nanos: AtomicU64,
    /// Since when somebody has it; 0 while it lies in its pool. Agrees with the first of the words behind it,
    /// or these are another holder's.
    pub taken_nanos: AtomicU64,
    /// Odd while the words are being written.
    pub sequence: AtomicU64,
    /// [`super::checksum`] over the finished sequence and the words.
    pub checksum: AtomicU64,
    /// Since when, native id of the thread in the lower half with the line in the upper, address of the task
    /// or 0, source file, function, name of the task.
    pub holder: [AtomicU64; HOLDER_WORDS],
    /// Room, zero in version 3.
    pub reserved: [AtomicU64; 3],
}
