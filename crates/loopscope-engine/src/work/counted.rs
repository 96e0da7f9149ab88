//! How often a fault happened by its counter, against how often it was booked.
//!
//! An adapter tells a storm's first occurrences in full and only counts the others, so that a storm costs
//! little. The counter has the last word on how many there were.

use crate::{
    diagnosis::Diagnosis,
    observation::LoopKey,
    report::{IncidentKind, Severity},
    time::Nanos,
};

/// Counters and events come one after the other. What is missing for this long comes no more.
const SETTLED: Nanos = Nanos::from_millis(1_000);

/// What was booked, to be booked again for more of the same.
#[derive(Clone, Debug)]
pub(crate) struct Booked {
    pub(crate) kind: IncidentKind,
    pub(crate) on: Option<LoopKey>,
    pub(crate) severity: Severity,
    pub(crate) diagnosis: Diagnosis,
}

/// One counter's faults.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    booked: u64,
    last: Option<Booked>,
    /// Since when so many have been missing at least.
    missing: Option<(Nanos, u64)>,
}

impl Counted {
    /// So many of them were booked.
    pub(crate) fn book(&mut self, times: u64, booked: Booked) {
        self.booked = self.booked.saturating_add(times);
        self.last = Some(booked);
    }

    /// So many of them were told that are booked later, or not at all.
    pub(crate) fn hold(&mut self, times: u64) {
        self.booked = self.booked.saturating_add(times);
    }

    /// One that was booked counts no more.
    pub(crate) fn take_back(&mut self) {
        self.booked = self.booked.saturating_sub(1);
    }

    /// What is to be booked besides, and how many times, where the counter has been ahead for a while.
    pub(crate) fn untold(&mut self, counter: u64, now: Nanos) -> Option<(Booked, u64)> {
        let ahead = counter.saturating_sub(self.booked);
        if ahead == 0 || self.last.is_none() {
            self.missing = None;
            return None;
        }
        let (since, least) = self.missing.unwrap_or((now, ahead));
        let least = least.min(ahead);
        if now.since(since) < SETTLED {
            self.missing = Some((since, least));
            return None;
        }
        self.missing = None;
        self.take_up(least)
    }

    /// The same at the end, when nothing comes any more.
    pub(crate) fn untold_at_last(&mut self, counter: u64) -> Option<(Booked, u64)> {
        self.take_up(counter.saturating_sub(self.booked))
    }

    fn take_up(&mut self, times: u64) -> Option<(Booked, u64)> {
        let last = self.last.clone().filter(|_| times > 0)?;
        self.booked = self.booked.saturating_add(times);
        Some((last, times))
    }
}
