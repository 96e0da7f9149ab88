//! The ring of facts: what happened once and comes with texts.
//!
//! A record is a few numbers and then texts, one after the other, each behind its length in two bytes:
//! name, type of the error, message, and of each frame the file and the function. Who finds a record held
//! by another writer gives up and counts.

use std::sync::atomic::AtomicU64;

/// Facts that the ring keeps. A newer one takes the place of the oldest.
pub const FACT_CAPACITY: u32 = 256;

/// Bytes of a record that hold texts.
pub const FACT_TEXT_BYTES: usize = 1968;

/// Longest message kept.
pub const MESSAGE_BYTES: usize = 512;

/// Longest name, and longest type of an error, kept.
pub const FACT_NAME_BYTES: usize = 128;

/// Words of a [`FactSlot`] under the checksum.
pub const FACT_WORDS: usize = FACT_NUMBERS + FACT_TEXT_BYTES / 8;

/// Words of a [`FactSlot`] before its texts: kind with count, owner, subject with thread, identity, begin,
/// end, frames with those left out, and bytes of text.
pub const FACT_NUMBERS: usize = 8;

/// One record of the ring of facts.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct FactSlot {
    /// `2n + 1` while fact `n` is being written, `2n + 2` once it is complete.
    pub sequence: AtomicU64,
    /// [`super::checksum`] over the finished sequence and the words below.
    pub checksum: AtomicU64,
    /// [`FACT_NUMBERS`] numbers, then the texts.
    pub words: [AtomicU64; FACT_WORDS],
}

/// Kinds of fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum FactKind {
    /// A task ended with an exception. The subject is its site, the name the task's.
    TaskFailed = 1,
    /// Somebody took the exception of a failed task; it has the identity of the failure.
    TaskFailureRetrieved = 2,
    /// A failed task went away and nobody had taken its exception; it has the identity of the failure.
    TaskFailureUnretrieved = 3,
    /// A loop's exception handler was called for a callback. The name is the callback's.
    CallbackFailed = 4,
    /// A tracked call ended with an error. The subject is the call.
    CallFailed = 5,
    /// A tracked call took longer than the writer's slow threshold. The subject is the call.
    SlowCall = 6,
    /// A tracked call ran synchronously on a running loop's thread for longer than the stall threshold. The
    /// subject is the call.
    BlockingCall = 7,
    /// A connection could not be made. The subject is the pool.
    ConnectionFailed = 8,
    /// A connection was collected without having been closed; the frames say where it was made. The
    /// subject is the pool.
    ConnectionLeaked = 9,
    /// A wait for a connection was given up. The subject is the pool.
    AcquireTimedOut = 10,
    /// The collector paused a thread for longer than the writer's threshold. The identity is the
    /// generation.
    GcPause = 11,
    /// A connection was given out where it does not belong. The subject is the pool, the message says how:
    /// [`SHARED_BY_FORK`] or [`SHARED_BY_LOOPS`].
    ConnectionShared = 12,
}

/// It was opened before a fork and is used behind it.
pub const SHARED_BY_FORK: &str = "fork";

/// It belongs to another loop.
pub const SHARED_BY_LOOPS: &str = "loops";

impl FactKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::TaskFailed,
        Self::TaskFailureRetrieved,
        Self::TaskFailureUnretrieved,
        Self::CallbackFailed,
        Self::CallFailed,
        Self::SlowCall,
        Self::BlockingCall,
        Self::ConnectionFailed,
        Self::ConnectionLeaked,
        Self::AcquireTimedOut,
        Self::GcPause,
        Self::ConnectionShared,
    ];
}

/// Whom tasks and facts belong to.
///
/// A thread stands for the loop that runs on it: a task may be created before its loop has ever polled,
/// and repeated runs on one thread then share their sites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LoopOwner {
    /// Nobody, or it is not known.
    #[default]
    Nobody,
    /// The loop that runs on the thread with this native id.
    Thread(u32),
    /// The loop in this slot.
    Slot {
        /// Its place in the table.
        slot: u32,
        /// How often that place was taken before.
        generation: u32,
    },
}

const OWNER_THREAD: u64 = 1 << 56;
const OWNER_SLOT: u64 = 2 << 56;

impl LoopOwner {
    /// One word for the file.
    pub const fn packed(self) -> u64 {
        match self {
            Self::Nobody => 0,
            Self::Thread(thread_id) => OWNER_THREAD | thread_id as u64,
            Self::Slot { slot, generation } => {
                OWNER_SLOT | ((slot & 0xff_ffff) as u64) << 32 | generation as u64
            }
        }
    }

    /// From the file; what is not known is nobody's.
    pub const fn unpacked(word: u64) -> Self {
        match word >> 56 {
            1 => Self::Thread(word as u32),
            2 => Self::Slot {
                slot: (word >> 32) as u32 & 0xff_ffff,
                generation: word as u32,
            },
            _ => Self::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_survives_its_word() {
        let slot = LoopOwner::Slot {
            slot: 255,
            generation: u32::MAX,
        };
        for owner in [
            LoopOwner::Nobody,
            LoopOwner::Thread(u32::MAX),
            LoopOwner::Thread(0),
            slot,
        ] {
            assert_eq!(LoopOwner::unpacked(owner.packed()), owner);
        }
        assert_eq!(LoopOwner::unpacked(u64::MAX), LoopOwner::Nobody);
    }

    #[test]
    fn each_kind_stands_in_the_list_under_its_number() {
        for (index, kind) in FactKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index + 1);
        }
    }
}
