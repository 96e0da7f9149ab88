//! Counts an executor's threads and its queue.

use std::sync::atomic::Ordering::Relaxed;

use super::Recording;
use super::counting::{lower, note_since, raise};
use super::interning::{KeyHash, claim, make_ready};
use super::texts::{head, store_text};
use crate::clock;
use crate::layout::{ExecutorSlot, NAME_TEXT_BYTES, Table};

/// An executor's state at one instant, for executors that are asked rather than followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExecutorGauges {
    /// Most threads that it may have; 0 where that is not known.
    pub max_workers: u64,
    /// Threads that it has.
    pub workers: u64,
    /// Threads at work.
    pub busy: u64,
    /// Pieces of work that wait.
    pub queued: u64,
}

/// Writes down one executor.
///
/// One whose work can be followed is told by [`Self::submitted`], [`Self::begun`] and [`Self::ended`], its
/// sizes by [`Self::set_workers`]; one that can only be asked by [`Self::set_gauges`]. Not both.
///
/// Threads: any. No allocation, no system call. Fork: see [`super`].
#[derive(Clone, Copy, Debug)]
pub struct ExecutorWriter {
    slot: &'static ExecutorSlot,
    index: u32,
}

impl Recording {
    /// The record of an executor: the same one for the same name. `None`, and counted, where there is no
    /// room.
    pub fn executor(&self, name: &str) -> Option<ExecutorWriter> {
        let kept = head(name, NAME_TEXT_BYTES);
        let table = self.head(Table::Executors);
        let key = KeyHash::new().text(kept).finish();
        let Some(claim) = claim(self.0.keys.executors, table, key) else {
            table.dropped.fetch_add(1, Relaxed);
            return None;
        };
        let slot = self.0.executors.get(claim.index)?;
        if claim.is_new {
            store_text(&slot.name, kept);
            slot.created_nanos.store(clock::monotonic_nanos(), Relaxed);
            make_ready(&slot.state);
        }
        let index = claim.index as u32;
        Some(ExecutorWriter { slot, index })
    }
}

impl ExecutorWriter {
    /// Its place in the table.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// How many threads it has and may have; 0 where that is not known. An executor of this name that was shut down has
    /// a successor.
    pub fn set_workers(&self, workers: u64, max_workers: u64) {
        if self.slot.ended_nanos.load(Relaxed) != 0 {
            self.slot.ended_nanos.store(0, Relaxed);
        }
        self.slot.workers.store(workers, Relaxed);
        self.slot.max_workers.store(max_workers, Relaxed);
    }

    /// A piece of work was put into the queue.
    pub fn submitted(&self, now_nanos: u64) {
        self.slot.submitted.fetch_add(1, Relaxed);
        self.slot.queued.fetch_add(1, Relaxed);
        self.note_saturation(now_nanos);
    }

    /// A thread took a piece of work that had waited so long.
    pub fn begun(&self, now_nanos: u64, waited_nanos: u64) {
        let slot = self.slot;
        lower(&slot.queued);
        slot.busy.fetch_add(1, Relaxed);
        slot.wait_nanos.fetch_add(waited_nanos, Relaxed);
        raise(&slot.longest_wait_nanos, waited_nanos);
        self.note_saturation(now_nanos);
    }

    /// A piece of work that had begun ended after so long.
    pub fn ended(&self, now_nanos: u64, run_nanos: u64, is_ok: bool) {
        let slot = self.slot;
        lower(&slot.busy);
        slot.run_nanos.fetch_add(run_nanos, Relaxed);
        let counter = if is_ok { &slot.completed } else { &slot.failed };
        counter.fetch_add(1, Relaxed);
        self.note_saturation(now_nanos);
    }

    /// A piece of work was taken back before it began.
    pub fn cancelled(&self, now_nanos: u64) {
        lower(&self.slot.queued);
        self.slot.cancelled.fetch_add(1, Relaxed);
        self.note_saturation(now_nanos);
    }

    /// Since when the oldest queued piece waits; `None` where none does, or it is not known.
    pub fn set_oldest_queued(&self, since_nanos: Option<u64>) {
        let nanos = since_nanos.unwrap_or(0);
        self.slot.oldest_queued_nanos.store(nanos, Relaxed);
    }

    /// The whole state, for an executor that was asked.
    pub fn set_gauges(&self, gauges: &ExecutorGauges, now_nanos: u64) {
        self.set_workers(gauges.workers, gauges.max_workers);
        self.slot.busy.store(gauges.busy, Relaxed);
        self.slot.queued.store(gauges.queued, Relaxed);
        self.note_saturation(now_nanos);
    }

    /// The executor was shut down; another one of the name may follow and tells its threads then.
    pub fn shut_down(&self, now_nanos: u64) {
        self.slot.saturated_since_nanos.store(0, Relaxed);
        self.slot.ended_nanos.store(now_nanos, Relaxed);
    }

    /// Between one piece of work and the next a thread is free for a moment while something waits. That is
    /// no break: saturation ends when the queue is empty, and begins when it is not and no thread is free.
    /// Where it is not known how many there may be, what waits is taken for want of one.
    fn note_saturation(&self, now_nanos: u64) {
        let slot = self.slot;
        note_since(&slot.saturated_since_nanos, now_nanos, || {
            let is_waiting = slot.queued.load(Relaxed) > 0;
            let is_full = slot.busy.load(Relaxed) >= slot.max_workers.load(Relaxed);
            (!is_waiting || is_full).then_some(is_waiting)
        });
    }
}
