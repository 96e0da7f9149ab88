//! Loops and their stalls, as they stand in the file.

use std::mem::offset_of;

use super::bytes::{text_at, u32_at, u64_at};
use super::ring::RingRead;
use crate::layout::{
    BUCKETS, EVENT_WORDS, EventKind, EventSlot, Header, LoopSlot, PollKind, RuntimeTasks,
    SlotState, checksum,
};

/// What changes in the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Loops that found no free slot.
    pub loops_dropped: u64,
    /// Events given up by the writer.
    pub events_dropped: u64,
    /// Events ever begun.
    pub events_begun: u64,
    /// Monotonic nanoseconds of an orderly end; `None` while there was none.
    pub ended_nanos: Option<u64>,
    /// The exit status that the process told.
    pub exit_status: Option<i32>,
}

/// A loop's slot as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopState {
    /// Its place in the table.
    pub slot: u32,
    /// How often that place was taken before.
    pub generation: u32,
    /// Whether the loop still lives.
    pub is_live: bool,
    /// How it polls; `None` for a kind this version does not know.
    pub kind: Option<PollKind>,
    /// The polled descriptor, or a hash of the polled set.
    pub poll_key: u64,
    /// The thread.
    pub thread_id: u32,
    /// The kernel's name of the thread.
    pub thread_name: String,
    /// When it was first seen.
    pub created_nanos: u64,
    /// Since when it is busy; `None` while it polls.
    pub busy_since_nanos: Option<u64>,
    /// Turns.
    pub iterations: u64,
    /// When it last touched its poll.
    pub last_beat_nanos: u64,
    /// Sum of finished busy periods.
    pub busy_nanos: u64,
    /// Sum of finished waits.
    pub idle_nanos: u64,
    /// Longest finished busy period.
    pub longest_busy_nanos: u64,
    /// Finished busy periods over the threshold.
    pub stalls: u64,
    /// Sum of these.
    pub stall_nanos: u64,
    /// Finished busy periods by length.
    pub histogram: [u64; BUCKETS],
    /// The tasks of the runtime that it is a worker of, where that is known.
    pub runtime: Option<RuntimeTasks>,
}

/// A stall from the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StallEvent {
    /// The loop's place in the table.
    pub slot: u32,
    /// The generation of that place.
    pub generation: u32,
    /// The thread.
    pub thread_id: u32,
    /// When the loop left its poll.
    pub started_nanos: u64,
    /// When it entered the next one.
    pub ended_nanos: u64,
    /// The loop's turn.
    pub iteration: u64,
}

/// What [`RecordingReader::read_stalls`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stalls {
    /// Whole records in the order of their numbers.
    pub events: Vec<StallEvent>,
    /// Records overwritten before they were read, or torn.
    pub lost: u64,
}

/// The header's counters and the slots ever taken, from bytes that begin at `first` in the header.
pub(super) fn decode_counters(bytes: &[u8], first: usize) -> (Counters, u64) {
    let at = |offset: usize| u64_at(bytes, offset - first).unwrap_or(0);
    let status = at(offset_of!(Header, exit_status));
    let counters = Counters {
        loops_dropped: at(offset_of!(Header, loops_dropped)),
        events_dropped: at(offset_of!(Header, events_dropped)),
        events_begun: at(offset_of!(Header, events_begun)),
        ended_nanos: Some(at(offset_of!(Header, ended_nanos))).filter(|nanos| *nanos != 0),
        exit_status: status
            .checked_sub(1)
            .and_then(|code| i32::try_from(code).ok()),
    };
    (counters, at(offset_of!(Header, loops_used)))
}

pub(super) fn decode_loop(bytes: &[u8], slot: u32) -> Option<LoopState> {
    let word = |offset| u64_at(bytes, offset);
    let state = word(offset_of!(LoopSlot, state))?;
    let low = state as u32;
    if low != SlotState::Live as u32 && low != SlotState::Ended as u32 {
        return None;
    }
    let mut histogram = [0; BUCKETS];
    for (index, count) in histogram.iter_mut().enumerate() {
        *count = word(offset_of!(LoopSlot, histogram) + index * 8)?;
    }
    let busy_since = word(offset_of!(LoopSlot, busy_since_nanos))?;
    Some(LoopState {
        slot,
        generation: (state >> 32) as u32,
        is_live: low == SlotState::Live as u32,
        kind: kind_of(u32_at(bytes, offset_of!(LoopSlot, kind))?),
        poll_key: word(offset_of!(LoopSlot, poll_key))?,
        thread_id: u32_at(bytes, offset_of!(LoopSlot, thread_id))?,
        thread_name: text_at(bytes, offset_of!(LoopSlot, thread_name), 16)?,
        created_nanos: word(offset_of!(LoopSlot, created_nanos))?,
        busy_since_nanos: Some(busy_since).filter(|nanos| *nanos != 0),
        iterations: word(offset_of!(LoopSlot, iterations))?,
        last_beat_nanos: word(offset_of!(LoopSlot, last_beat_nanos))?,
        busy_nanos: word(offset_of!(LoopSlot, busy_nanos))?,
        idle_nanos: word(offset_of!(LoopSlot, idle_nanos))?,
        longest_busy_nanos: word(offset_of!(LoopSlot, longest_busy_nanos))?,
        stalls: word(offset_of!(LoopSlot, stalls))?,
        stall_nanos: word(offset_of!(LoopSlot, stall_nanos))?,
        histogram,
        runtime: runtime_of(bytes),
    })
}

fn runtime_of(bytes: &[u8]) -> Option<RuntimeTasks> {
    let alive = u64_at(bytes, offset_of!(LoopSlot, runtime_tasks))?.checked_sub(1)?;
    let queued = u64_at(bytes, offset_of!(LoopSlot, runtime_queued))?;
    Some(RuntimeTasks { alive, queued })
}

pub(super) fn decode_event(bytes: &[u8], number: u64) -> RingRead<StallEvent> {
    let word = |offset| u64_at(bytes, offset).unwrap_or(0);
    let finished = number.wrapping_mul(2).wrapping_add(2);
    let sequence = word(offset_of!(EventSlot, sequence));
    if sequence < finished {
        return RingRead::Pending;
    }
    let first = offset_of!(EventSlot, kind_and_slot);
    let words: [u64; EVENT_WORDS] = std::array::from_fn(|index| word(first + index * 8));
    let whole = word(offset_of!(EventSlot, checksum)) == checksum(finished, &words);
    if sequence > finished || !whole {
        return RingRead::Lost;
    }
    if words[0] as u32 != EventKind::Stall as u32 {
        return RingRead::OtherKind;
    }
    RingRead::Whole(StallEvent {
        slot: (words[0] >> 32) as u32,
        generation: words[1] as u32,
        thread_id: (words[1] >> 32) as u32,
        started_nanos: words[2],
        ended_nanos: words[3],
        iteration: words[4],
    })
}

fn kind_of(value: u32) -> Option<PollKind> {
    let known = [
        PollKind::Epoll,
        PollKind::Poll,
        PollKind::Select,
        PollKind::TokioWorker,
        PollKind::TokioCurrentThread,
    ];
    known.into_iter().find(|kind| *kind as u32 == value)
}
