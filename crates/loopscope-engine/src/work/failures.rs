//! Failed tasks of one process: those that may still be taken by somebody, and those that nobody took.
//!
//! A failure waits for its grace time. Whoever takes the exception within it handles it; then nothing ever
//! happened. The tables' counters have the last word, since the event that says so may be lost.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    incidents::OccurrenceId,
    observation::{Event, LoopKey},
    time::Nanos,
};

/// Failures that wait at once; the oldest gives way.
const MAX_WAITING: usize = 1_024;
/// Failures of one fault that may still be taken; more than these only count.
const MAX_UNTAKEN: usize = 1_024;
/// Failures that are remembered for the number of a loop's late ones.
const MAX_REPORTED: usize = 256;

/// A failed task.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) event: Event,
    /// When it was heard of.
    pub(crate) heard: Nanos,
}

/// What groups failures of one fault: the loop, and the fingerprint's chain.
pub(crate) type FaultKey = (Option<LoopKey>, Vec<String>);

/// An incident about failures of one fault that lasts: somebody may still take their exceptions.
#[derive(Debug)]
pub(crate) struct Untaken {
    pub(crate) occurrence: OccurrenceId,
    /// By identity: when, and at which site.
    pub(crate) failures: BTreeMap<u64, (Nanos, Option<u32>)>,
}

/// The failed tasks of one process.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    waiting: BTreeMap<u64, Failure>,
    pub(crate) untaken: BTreeMap<FaultKey, Untaken>,
    reported: VecDeque<(Nanos, Option<LoopKey>)>,
}

impl Failures {
    /// A task failed. Gives the oldest one back where there is no room for both.
    pub(crate) fn wait(&mut self, event: &Event, heard: Nanos) -> Option<Failure> {
        let event = event.clone();
        self.waiting
            .insert(event.identity, Failure { event, heard });
        if self.waiting.len() <= MAX_WAITING {
            return None;
        }
        let oldest = self.waiting.iter().min_by_key(|(_, failure)| failure.heard);
        let identity = *oldest?.0;
        self.waiting.remove(&identity)
    }

    /// Takes a failure that still waits.
    pub(crate) fn take(&mut self, identity: u64) -> Option<Failure> {
        self.waiting.remove(&identity)
    }

    /// Takes all that have waited for so long.
    pub(crate) fn take_due(&mut self, now: Nanos, grace: Nanos) -> Vec<Failure> {
        let due = |failure: &Failure| now.since(failure.heard) >= grace;
        let identities: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(_, failure)| due(failure))
            .map(|(identity, _)| *identity)
            .collect();
        let taken = identities.iter();
        taken
            .filter_map(|identity| self.waiting.remove(identity))
            .collect()
    }

    /// Failures at a site that wait, or were reported and may still be taken.
    pub(crate) fn unsettled_at(&self, slot: u32) -> u64 {
        let waiting = self.waiting.values().map(|failure| failure.event.slot);
        let untaken = self.untaken.values().flat_map(|untaken| &untaken.failures);
        let untaken = untaken.map(|(_, (_, slot))| *slot);
        waiting
            .chain(untaken)
            .filter(|at| *at == Some(slot))
            .count() as u64
    }

    /// Notes that a failure was reported, and says how many were on that loop within the window, those
    /// included that may still be taken.
    pub(crate) fn count_reported(
        &mut self,
        on: Option<LoopKey>,
        count: u64,
        at: Nanos,
        window: Nanos,
    ) -> u64 {
        for _ in 0..count.min(MAX_REPORTED as u64) {
            self.reported.push_back((at, on));
        }
        while self.reported.len() > MAX_REPORTED
            || self
                .reported
                .front()
                .is_some_and(|(then, _)| at.since(*then) > window)
        {
            self.reported.pop_front();
        }
        let late = self
            .reported
            .iter()
            .filter(|(_, other)| *other == on)
            .count();
        let lasting = self.untaken.iter().filter(|((other, _), _)| *other == on);
        let lasting: usize = lasting.map(|(_, untaken)| untaken.failures.len()).sum();
        late.max(lasting) as u64
    }

    /// The fault that a reported failure belongs to.
    pub(crate) fn fault_of(&self, identity: u64) -> Option<FaultKey> {
        let mut faults = self.untaken.iter();
        let found = faults.find(|(_, untaken)| untaken.failures.contains_key(&identity));
        found.map(|(key, _)| key.clone())
    }
}

impl Untaken {
    pub(crate) fn new(occurrence: OccurrenceId) -> Self {
        Self {
            occurrence,
            failures: BTreeMap::new(),
        }
    }

    /// Adds a failure that may still be taken.
    pub(crate) fn add(&mut self, failure: &Failure) {
        let event = &failure.event;
        if self.failures.len() < MAX_UNTAKEN {
            self.failures
                .insert(event.identity, (event.until(), event.slot));
        }
    }
}
