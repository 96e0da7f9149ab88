//! The loops of one process by their places in the recording, and in what order their ends are told.
//!
//! Reads nothing: a reading of the slots, and of the ring after them, comes in, facts come out. A slot is
//! taken again as soon as its loop has ended, often between two readings; what the ring still says of the
//! earlier loop is told before that loop is given up.

use std::collections::{BTreeMap, BTreeSet};

use loopscope_recorder::layout::PollKind;
use loopscope_recorder::reader::{LoopState, StallEvent};

use super::watched_loop::{Surroundings, WatchedLoop};
use crate::observation::{Fact, LoopKey, LoopRuntime, ProcessKey};
use crate::time::Nanos;

/// A slot, and how often it was taken before.
pub(super) type Place = (u32, u32);

/// The loops of one process.
pub(super) struct WatchedLoops {
    process: ProcessKey,
    by_place: BTreeMap<Place, WatchedLoop>,
}

impl WatchedLoops {
    pub(super) fn new(process: ProcessKey) -> Self {
        Self {
            process,
            by_place: BTreeMap::new(),
        }
    }

    /// When one of them is to be looked at next.
    pub(super) fn due(&self) -> Nanos {
        let due = self.by_place.values().map(WatchedLoop::due).min();
        due.unwrap_or(Nanos(u64::MAX))
    }

    /// From when on one of them may be looked at, where the observer is awake anyhow.
    pub(super) fn due_at_hand(&self, early: Nanos) -> Nanos {
        let loops = self.by_place.values();
        let due = loops.map(|watched| watched.due_at_hand(early)).min();
        due.unwrap_or(Nanos(u64::MAX))
    }

    /// The thread of the loop at a place, where there is one.
    pub(super) fn thread_id(&self, place: Place) -> Option<u32> {
        self.by_place.get(&place).map(WatchedLoop::thread_id)
    }

    /// The kinds of the loops that were told of.
    pub(super) fn runtimes(&self) -> Vec<LoopRuntime> {
        let known = self.by_place.values();
        known.filter_map(WatchedLoop::runtime).collect()
    }

    /// Whether one of them runs in another interpreter than the process's first one.
    pub(super) fn reach_a_subinterpreter(&self) -> bool {
        self.by_place
            .values()
            .any(WatchedLoop::is_in_subinterpreter)
    }

    /// The names of the threads that are workers of a multi-thread tokio runtime.
    pub(super) fn names_of_workers(&self) -> BTreeSet<String> {
        let known = self.by_place.values();
        known
            .filter(|watched| watched.runtime() == Some(LoopRuntime::Tokio))
            .map(|watched| watched.thread_name().to_owned())
            .collect()
    }

    /// Takes in which loops there are, as the slots said, and the ring after them.
    pub(super) fn introduce(
        &mut self,
        states: &[LoopState],
        stalls: &[StallEvent],
        around: &mut Surroundings<'_>,
        now: Nanos,
        out: &mut Vec<Fact>,
    ) {
        self.part_with_replaced(states, stalls, out);
        let has_tokio = self.has_workers();
        for state in states {
            let watched = self.at(state, around, now);
            if states.iter().any(|other| take_turns(state, other)) {
                watched.share(has_tokio, now);
            }
            watched.introduce(state, around, now, out);
        }
    }

    /// Whether stalls of some of them cannot be told from work that goes on, see [`LoopRuntime::SharedEpoll`].
    pub(super) fn has_untold(&self) -> bool {
        self.runtimes().contains(&LoopRuntime::SharedEpoll) && !self.has_workers()
    }

    fn has_workers(&self) -> bool {
        self.runtimes().contains(&LoopRuntime::Tokio)
    }

    /// Takes in what the same reading said of what they do: a stall's exact end comes before the slot that
    /// shows the loop elsewhere.
    pub(super) fn take(
        &mut self,
        states: &[LoopState],
        stalls: &[StallEvent],
        around: &mut Surroundings<'_>,
        now: Nanos,
        out: &mut Vec<Fact>,
    ) {
        for event in stalls {
            if let Some(watched) = self.by_place.get_mut(&place_of(event)) {
                watched.end_busy(event, out);
            }
        }
        for state in states {
            self.at(state, around, now).take(state, around, now, out);
        }
    }

    /// All of them are gone with their process.
    pub(super) fn finish(&mut self, out: &mut Vec<Fact>) {
        for watched in self.by_place.values_mut() {
            watched.finish(out);
        }
    }

    /// Parts with the loops whose slots were taken again: the ends of their busy periods first, and then
    /// that they are gone.
    fn part_with_replaced(
        &mut self,
        states: &[LoopState],
        stalls: &[StallEvent],
        out: &mut Vec<Fact>,
    ) {
        for state in states {
            for (place, mut watched) in self.take_earlier(state) {
                let of_this = stalls.iter().filter(|event| place_of(event) == place);
                of_this.for_each(|event| watched.end_busy(event, out));
                watched.finish(out);
            }
        }
    }

    /// The loop in a slot; begins to watch it where it is new.
    fn at(&mut self, state: &LoopState, around: &Surroundings<'_>, now: Nanos) -> &mut WatchedLoop {
        let place = (state.slot, state.generation);
        let key = self.key(place);
        self.by_place
            .entry(place)
            .or_insert_with(|| WatchedLoop::new(key, state, around, now))
    }

    /// Takes out the earlier loops of a slot.
    fn take_earlier(&mut self, state: &LoopState) -> BTreeMap<Place, WatchedLoop> {
        let in_slot = (state.slot, 0)..=(state.slot, u32::MAX);
        self.by_place
            .extract_if(in_slot, |place, _| place.1 != state.generation)
            .collect()
    }

    fn key(&self, (slot, generation): Place) -> LoopKey {
        LoopKey {
            process: self.process,
            slot,
            generation,
        }
    }
}

/// Whether two threads poll the same epoll set. A number that was given to another set meanwhile is none of both.
fn take_turns(one: &LoopState, other: &LoopState) -> bool {
    let is_set = |state: &LoopState| state.is_live && state.kind == Some(PollKind::Epoll);
    let is_later = |one: &LoopState, other: &LoopState| one.last_beat_nanos > other.created_nanos;
    one.thread_id != other.thread_id
        && one.poll_key == other.poll_key
        && is_set(one)
        && is_set(other)
        && is_later(one, other)
        && is_later(other, one)
}

fn place_of(event: &StallEvent) -> Place {
    (event.slot, event.generation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::ProcessRuntime;
    use crate::watch::testing::{Bench, busy, idle, stall};

    /// What was told of the ends of loops and of their busy periods, as `GENERATION what`.
    fn endings(facts: &[Fact]) -> Vec<String> {
        let ending = |fact: &Fact| match fact {
            Fact::BusyEnded { key, ended, .. } => Some(format!(
                "{} free at {}",
                key.generation,
                ended.0 / 1_000_000
            )),
            Fact::LoopGone { key } => Some(format!("{} gone", key.generation)),
            Fact::LoopSeen { key, .. } => Some(format!("{} seen", key.generation)),
            _ => None,
        };
        facts.iter().filter_map(ending).collect()
    }

    #[test]
    fn a_stall_of_a_loop_whose_slot_was_taken_again_is_over_when_the_ring_says_so() {
        let mut bench = Bench::new(ProcessRuntime::Node);
        bench.read(100, &[idle(0, 0)], &[]);
        bench.read(180, &[busy(0, 0, 150)], &[]);
        let facts = bench.read(340, &[idle(0, 1)], &[stall(0, 0, 150, 310)]);
        assert_eq!(endings(&facts), ["0 free at 310", "0 gone", "1 seen"]);
    }

    #[test]
    fn a_loop_whose_slot_was_taken_again_is_gone_without_a_stall_too() {
        let mut bench = Bench::new(ProcessRuntime::Node);
        bench.read(100, &[idle(0, 0), idle(1, 0)], &[]);
        let facts = bench.read(200, &[idle(0, 7), idle(1, 0)], &[]);
        assert_eq!(endings(&facts), ["0 gone", "7 seen"]);
        let facts = bench.read(300, &[idle(0, 7), idle(1, 0)], &[]);
        assert_eq!(endings(&facts), [""; 0]);
    }

    #[test]
    fn a_loop_that_was_said_to_be_gone_is_not_gone_again_when_its_slot_is_taken() {
        let mut bench = Bench::new(ProcessRuntime::Node);
        bench.read(100, &[idle(0, 0)], &[]);
        let mut over = idle(0, 0);
        over.is_live = false;
        assert_eq!(endings(&bench.read(200, &[over], &[])), ["0 gone"]);
        assert_eq!(endings(&bench.read(300, &[idle(0, 1)], &[])), ["1 seen"]);
    }

    /// Two threads, and what the kinds of their loops are said to be, the last word on each.
    fn said_of(states: &[LoopState]) -> Vec<LoopRuntime> {
        let mut bench = Bench::new(ProcessRuntime::Native);
        bench.run_loop(None);
        let mut said = BTreeMap::new();
        for round in 1..4 {
            for fact in bench.read(round * 100, states, &[]) {
                if let Fact::LoopSeen { key, info } = fact {
                    said.insert(key.slot, info.runtime);
                }
            }
        }
        said.into_values().collect()
    }

    #[test]
    fn threads_that_take_turns_at_one_epoll_set_are_told_apart_from_loops() {
        let thread = |slot: u32, poll_key: u64, created: u64, beat: u64| LoopState {
            thread_id: 700 + slot,
            poll_key,
            created_nanos: created,
            last_beat_nanos: beat,
            iterations: 100,
            ..idle(slot, 0)
        };
        assert_eq!(
            said_of(&[thread(0, 3, 10, 900), thread(1, 3, 20, 800)]),
            [LoopRuntime::SharedEpoll, LoopRuntime::SharedEpoll]
        );
        assert_eq!(
            said_of(&[thread(0, 3, 10, 900), thread(1, 4, 20, 800)]),
            [LoopRuntime::Epoll, LoopRuntime::Epoll],
            "each its own"
        );
        assert_eq!(
            said_of(&[thread(0, 3, 10, 15), thread(1, 3, 20, 800)]),
            [LoopRuntime::Epoll, LoopRuntime::Epoll],
            "one after the other"
        );
    }

    #[test]
    fn a_loop_that_lives_on_tells_its_stalls_and_stays() {
        let mut bench = Bench::new(ProcessRuntime::Node);
        bench.read(100, &[idle(0, 0)], &[]);
        let facts = bench.read(400, &[idle(0, 0)], &[stall(0, 0, 150, 310)]);
        assert_eq!(endings(&facts), ["0 free at 310"]);
    }
}
