//! Writes down open connections, and who has them.

use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::atomic::fence;

use super::Recording;
use super::loops::{claim_slot, pack_state};
use super::texts::{head, tail, word_at};
use crate::layout::{
    ConnectionSlot, FILE_TEXT_BYTES, FUNCTION_TEXT_BYTES, HOLDER_WORDS, SlotState, TASK_NAME_BYTES,
    Table, WAITS, checksum,
};

/// Who has a connection, or waits for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HolderSpec<'a> {
    /// Since when.
    pub since_nanos: u64,
    /// The native id of the thread.
    pub thread_id: u32,
    /// The address of the task; 0 for none.
    pub task: u64,
    /// The task's name; empty where it is not known.
    pub task_name: &'a str,
    /// The source file of the line that asked for it; empty where it is not known.
    pub file: &'a str,
    /// The line; 0 where it is not known.
    pub line: u32,
    /// The function.
    pub function: &'a str,
}

/// Writes down one connection.
///
/// Threads: any, but one at a time for [`Self::taken`], [`Self::returned`] and [`Self::closed`]: whoever has the
/// connection. No allocation, no system call; about 100 ns for a holder. Fork: see [`super`].
#[derive(Clone, Copy, Debug)]
pub struct ConnectionWriter {
    slot: &'static ConnectionSlot,
    generation: u32,
}

impl Recording {
    /// Takes a slot for a connection of the pool in this place, whose session on the server is `backend`, 0 where
    /// that is not known. `None`, and counted, when all are taken. Costs a scan of the table.
    pub fn connection(
        &self,
        pool: u32,
        backend: u32,
        opened_nanos: u64,
    ) -> Option<ConnectionWriter> {
        let taken = self.take_connection(pool, backend, opened_nanos);
        if taken.is_none() {
            self.head(Table::Connections).dropped.fetch_add(1, Relaxed);
        }
        taken
    }

    /// Takes a slot for one who waits for a connection of the pool in this place: [`ConnectionWriter::taken`] says who and
    /// since when. `None` when all are taken, which loses no connection and is not counted.
    pub fn waiter(&self, pool: u32) -> Option<ConnectionWriter> {
        self.take_connection(pool | WAITS, 0, 0)
    }

    fn take_connection(
        &self,
        pool: u32,
        backend: u32,
        opened_nanos: u64,
    ) -> Option<ConnectionWriter> {
        let connections = self.0.connections;
        let states = connections.iter().map(|slot| &slot.state);
        let (index, generation) = claim_slot(states)?;
        let slot = connections.get(index)?;
        slot.pool.store(pool, Relaxed);
        slot.backend.store(backend, Relaxed);
        slot.opened_nanos.store(opened_nanos, Relaxed);
        slot.taken_nanos.store(0, Relaxed);
        slot.state
            .store(pack_state(generation, SlotState::Live), Release);
        self.head(Table::Connections)
            .used
            .fetch_max(index as u64 + 1, Release);
        Some(ConnectionWriter { slot, generation })
    }
}

impl ConnectionWriter {
    /// Somebody has it from now on.
    pub fn taken(&self, holder: &HolderSpec<'_>) {
        let slot = self.slot;
        slot.taken_nanos.store(0, Relaxed);
        let before = slot.sequence.load(Relaxed);
        let writing = before | 1;
        slot.sequence.store(writing, Relaxed);
        fence(Release);
        let words = words_of(holder);
        for (place, word) in slot.holder.iter().zip(words) {
            place.store(word, Relaxed);
        }
        let finished = writing.wrapping_add(1);
        slot.checksum.store(checksum(finished, &words), Relaxed);
        slot.sequence.store(finished, Release);
        slot.taken_nanos.store(holder.since_nanos, Release);
    }

    /// It lies in its pool again. Returns since when it had been taken; `None` where it was not.
    pub fn returned(&self) -> Option<u64> {
        let since = self.slot.taken_nanos.swap(0, Relaxed);
        (since != 0).then_some(since)
    }

    /// It is closed; its slot may be taken again.
    pub fn closed(&self) {
        let live = pack_state(self.generation, SlotState::Live);
        let ended = pack_state(self.generation, SlotState::Ended);
        if self.slot.state.load(Relaxed) == live {
            self.slot.taken_nanos.store(0, Relaxed);
            self.slot.state.store(ended, Release);
        }
    }
}

fn words_of(holder: &HolderSpec<'_>) -> [u64; HOLDER_WORDS] {
    const FILE: usize = 3;
    const FUNCTION: usize = FILE + FILE_TEXT_BYTES / 8;
    const TASK_NAME: usize = FUNCTION + FUNCTION_TEXT_BYTES / 8;
    let file = tail(holder.file, FILE_TEXT_BYTES).as_bytes();
    let function = head(holder.function, FUNCTION_TEXT_BYTES).as_bytes();
    let task_name = head(holder.task_name, TASK_NAME_BYTES).as_bytes();
    std::array::from_fn(|index| match index {
        0 => holder.since_nanos,
        1 => u64::from(holder.thread_id) | u64::from(holder.line) << 32,
        2 => holder.task,
        FILE..FUNCTION => word_at(file, index - FILE),
        FUNCTION..TASK_NAME => word_at(function, index - FUNCTION),
        _ => word_at(task_name, index - TASK_NAME),
    })
}
