//! Stamps loops: the hot path of the pulse.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::Recording;
use super::counting::{Exclusive, Sharing};
use super::ring::take_record;
use super::texts::store_text;
use crate::clock;
use crate::layout::{
    EVENT_CAPACITY, EVENT_WORDS, EventKind, EventSlot, LoopOwner, LoopSlot, PollKind, RuntimeTasks,
    SlotState, bucket_of, checksum,
};

/// What is known of a loop when it is first seen.
#[derive(Clone, Debug)]
pub struct LoopSpec {
    /// How it polls.
    pub kind: PollKind,
    /// The epoll descriptor, or a hash of the polled set.
    pub poll_key: u64,
    /// The thread that runs it.
    pub thread_id: u32,
    /// The kernel's name of that thread.
    pub thread_name: String,
}

/// The figures of a loop that tells them itself; see [`LoopWriter::tell`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToldLoop {
    /// Now.
    pub now_nanos: u64,
    /// Since when it is busy; `None` while it waits.
    pub busy_since_nanos: Option<u64>,
    /// Turns.
    pub iterations: u64,
    /// Time spent busy.
    pub busy_nanos: u64,
    /// Time spent waiting.
    pub idle_nanos: u64,
    /// When it was last seen to turn.
    pub last_beat_nanos: u64,
    /// The tasks of its runtime.
    pub runtime: Option<RuntimeTasks>,
}

impl Recording {
    /// Takes a slot for a loop that the calling thread runs. `None`, and counted, when all are taken.
    ///
    /// May be called from any thread; costs a scan of the table.
    pub fn claim_loop(&self, loop_spec: &LoopSpec) -> Option<LoopWriter> {
        let loops = self.0.loops;
        let Some((index, generation)) = claim_slot(loops.iter().map(|slot| &slot.state)) else {
            self.0.header.loops_dropped.fetch_add(1, Relaxed);
            return None;
        };
        let loop_writer = LoopWriter {
            recording: *self,
            slot: loops.get(index)?,
            index: index as u32,
            generation,
        };
        loop_writer.begin(loop_spec);
        self.0
            .header
            .loops_used
            .fetch_max(index as u64 + 1, Release);
        Some(loop_writer)
    }

    /// The loop that lives on a thread now, as the owner of tasks and facts. Costs a scan of the table.
    pub fn loop_on_thread(&self, thread_id: u32) -> Option<LoopOwner> {
        let used = self.0.header.loops_used.load(Acquire) as usize;
        let mut slots = self.0.loops.iter().enumerate().take(used);
        slots.find_map(|(index, slot)| {
            let state = slot.state.load(Acquire);
            let is_live = state as u32 == SlotState::Live as u32;
            let is_there = is_live && slot.thread_id.load(Relaxed) == thread_id;
            is_there.then(|| LoopOwner::Slot {
                slot: index as u32,
                generation: generation_of(state),
            })
        })
    }

    /// Ends every loop, for good reason: nobody stamps them any more. Any thread may call this.
    pub fn end_loops(&self) {
        let used = self.0.header.loops_used.load(Acquire) as usize;
        for slot in self.0.loops.iter().take(used) {
            let state = slot.state.load(Acquire);
            if state as u32 != SlotState::Live as u32 {
                continue;
            }
            slot.busy_since_nanos.store(0, Relaxed);
            slot.ended_nanos.store(clock::monotonic_nanos(), Relaxed);
            let ended = pack_state(generation_of(state), SlotState::Ended);
            // Where its own thread was faster the slot may be another loop's by now.
            let _ = slot.state.compare_exchange(state, ended, Release, Relaxed);
        }
    }

    fn push_event(&self, kind_and_slot: u64, generation_and_thread: u64, times: [u64; 3]) {
        let number = self.0.header.events_begun.fetch_add(1, Relaxed);
        let place = (number % u64::from(EVENT_CAPACITY)) as usize;
        let Some(record) = self.0.events.get(place) else {
            return;
        };
        let Some(finished) = take_record(&record.sequence, number) else {
            self.0.header.events_dropped.fetch_add(1, Relaxed);
            return;
        };
        let words = [
            kind_and_slot,
            generation_and_thread,
            times[0],
            times[1],
            times[2],
        ];
        record.store_words(words);
        record.checksum.store(checksum(finished, &words), Relaxed);
        record.sequence.store(finished, Release);
    }
}

impl EventSlot {
    fn store_words(&self, words: [u64; EVENT_WORDS]) {
        self.kind_and_slot.store(words[0], Relaxed);
        self.generation_and_thread.store(words[1], Relaxed);
        self.started_nanos.store(words[2], Relaxed);
        self.ended_nanos.store(words[3], Relaxed);
        self.iteration.store(words[4], Relaxed);
    }
}

/// Stamps one loop. Only the loop's own thread may call the stamping methods.
#[derive(Clone, Copy)]
pub struct LoopWriter {
    recording: Recording,
    slot: &'static LoopSlot,
    index: u32,
    generation: u32,
}

impl LoopWriter {
    /// The loop is about to poll.
    ///
    /// Ends the busy period. A poll that cannot wait (`waits` false: time-out zero) begins the next
    /// period at once: the call itself is then work, not rest, and the second look at the clock is saved.
    #[inline]
    pub fn enter_poll(&self, now_nanos: u64, waits: bool) {
        let slot = self.slot;
        let busy_since = slot.busy_since_nanos.load(Relaxed);
        if busy_since != 0 {
            self.end_busy_period(busy_since, now_nanos);
        }
        slot.last_beat_nanos.store(now_nanos, Relaxed);
        slot.busy_since_nanos
            .store(if waits { 0 } else { now_nanos }, Release);
    }

    /// The poll returned.
    #[inline]
    pub fn leave_poll(&self, entered_nanos: u64, now_nanos: u64) {
        let slot = self.slot;
        add(&slot.idle_nanos, now_nanos.wrapping_sub(entered_nanos));
        slot.last_beat_nanos.store(now_nanos, Relaxed);
        slot.busy_since_nanos.store(now_nanos, Release);
    }

    /// What an adapter knows of its loop from figures of the loop's own. Ends the busy period that was told before,
    /// where another one is told now or none.
    ///
    /// Threads: one, the adapter's; none of the stamping methods may be called besides.
    pub fn tell(&self, told: &ToldLoop) {
        let slot = self.slot;
        let before = slot.busy_since_nanos.load(Relaxed);
        if before != 0 && told.busy_since_nanos != Some(before) {
            self.end_busy_period(before, told.now_nanos);
        }
        slot.iterations.store(told.iterations, Relaxed);
        slot.busy_nanos.store(told.busy_nanos, Relaxed);
        slot.idle_nanos.store(told.idle_nanos, Relaxed);
        slot.last_beat_nanos.store(told.last_beat_nanos, Relaxed);
        let runtime = told.runtime;
        let alive = runtime.map_or(0, |tasks| tasks.alive.saturating_add(1));
        slot.runtime_tasks.store(alive, Relaxed);
        let queued = runtime.map_or(0, |tasks| tasks.queued);
        slot.runtime_queued.store(queued, Relaxed);
        slot.busy_since_nanos
            .store(told.busy_since_nanos.unwrap_or(0), Release);
    }

    /// The loop runs on this thread from now on.
    pub fn move_to(&self, thread_id: u32) {
        self.slot.thread_id.store(thread_id, Relaxed);
    }

    /// The loop is over; its slot may be taken again.
    pub fn end(&self) {
        if self.slot.state.load(Relaxed) != pack_state(self.generation, SlotState::Live) {
            return;
        }
        self.slot.busy_since_nanos.store(0, Relaxed);
        self.slot
            .ended_nanos
            .store(clock::monotonic_nanos(), Relaxed);
        self.slot
            .state
            .store(pack_state(self.generation, SlotState::Ended), Release);
    }

    /// The loop, as the owner of tasks and facts.
    pub fn owner(&self) -> LoopOwner {
        let (slot, generation) = (self.index, self.generation);
        LoopOwner::Slot { slot, generation }
    }

    /// When the loop last touched its poll.
    pub fn last_beat_nanos(&self) -> u64 {
        self.slot.last_beat_nanos.load(Relaxed)
    }

    #[inline]
    fn end_busy_period(&self, busy_since: u64, now_nanos: u64) {
        let slot = self.slot;
        let busy = now_nanos.wrapping_sub(busy_since);
        add(&slot.iterations, 1);
        add(&slot.busy_nanos, busy);
        add(&slot.histogram[bucket_of(busy)], 1);
        if busy > slot.longest_busy_nanos.load(Relaxed) {
            slot.longest_busy_nanos.store(busy, Relaxed);
        }
        if busy >= self.recording.0.header.stall_threshold_nanos.load(Relaxed) {
            self.record_stall(busy_since, now_nanos);
        }
    }

    #[cold]
    fn record_stall(&self, started: u64, ended: u64) {
        let slot = self.slot;
        add(&slot.stalls, 1);
        add(&slot.stall_nanos, ended.wrapping_sub(started));
        let thread = slot.thread_id.load(Relaxed);
        self.recording.push_event(
            pack(EventKind::Stall as u32, self.index),
            pack(self.generation, thread),
            [started, ended, slot.iterations.load(Relaxed)],
        );
    }

    fn begin(&self, spec: &LoopSpec) {
        let slot = self.slot;
        let zeroed = [
            &slot.busy_since_nanos,
            &slot.iterations,
            &slot.last_beat_nanos,
            &slot.busy_nanos,
            &slot.idle_nanos,
            &slot.longest_busy_nanos,
            &slot.stalls,
            &slot.stall_nanos,
            &slot.ended_nanos,
            &slot.runtime_tasks,
            &slot.runtime_queued,
        ];
        for word in zeroed.into_iter().chain(&slot.histogram) {
            word.store(0, Relaxed);
        }
        slot.thread_id.store(spec.thread_id, Relaxed);
        slot.kind.store(spec.kind as u32, Relaxed);
        slot.poll_key.store(spec.poll_key, Relaxed);
        store_text(&slot.thread_name, &spec.thread_name);
        slot.created_nanos.store(clock::monotonic_nanos(), Relaxed);
        slot.state
            .store(pack_state(self.generation, SlotState::Live), Release);
    }
}

/// Adds to a counter that only the loop's thread writes.
#[inline]
fn add(counter: &AtomicU64, amount: u64) {
    Exclusive::add(counter, amount);
}

/// Takes a slot that is free among those with these states: its place, and how often it was taken before. Nobody
/// else has it from then on, and no reader sees it before it is [`SlotState::Live`].
pub(super) fn claim_slot<'a>(states: impl Iterator<Item = &'a AtomicU64>) -> Option<(usize, u32)> {
    for (index, place) in states.enumerate() {
        let state = place.load(Relaxed);
        if !is_takeable(state) {
            continue;
        }
        let generation = generation_of(state).wrapping_add(u32::from(state != 0));
        let claimed = pack_state(generation, SlotState::Claimed);
        let taken = place.compare_exchange(state, claimed, Acquire, Relaxed);
        if taken.is_ok() {
            return Some((index, generation));
        }
    }
    None
}

fn is_takeable(state: u64) -> bool {
    let low = state as u32;
    low == SlotState::Free as u32 || low == SlotState::Ended as u32
}

fn generation_of(state: u64) -> u32 {
    (state >> 32) as u32
}

pub(super) fn pack_state(generation: u32, state: SlotState) -> u64 {
    pack(state as u32, generation)
}

fn pack(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}
