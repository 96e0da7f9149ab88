//! The rules on tasks, calls, pools, executors and resources: one a file.
//!
//! A rule is a pure function of what is known of a process at an instant. Those on faults that last are
//! asked again and again and answer with a [`Finding`] while their fault does; those on what happened once
//! put an event into words. Who opens and closes incidents is the engine.

mod blocking_call;
mod call_failure;
mod callback_failure;
mod connection_failure;
mod connection_growth;
mod connection_leak;
mod connection_shared;
mod descriptors;
mod executor_saturation;
pub(crate) mod holders;
mod memory;
mod pool_exhaustion;
pub(crate) mod servers;
mod slow_call;
mod task_failure;
mod task_leak;
mod task_stuck;
mod words;

use std::collections::BTreeMap;

use crate::{
    config::Config,
    diagnosis::Diagnosis,
    incidents::OccurrenceId,
    model::Process,
    observation::{Event, EventKind, Owner, ProcessKey},
    report::{IncidentKind, Severity},
    time::Nanos,
    trend::TrendRule,
};

pub(crate) use task_failure::{describe as describe_task_failure, taken_late};

/// A fault that lasts.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// When it began.
    pub(crate) since: Nanos,
    /// The loop that it is about, where it is about one.
    pub(crate) owner: Owner,
    pub(crate) diagnosis: Diagnosis,
}

/// Which fault: at most one of a kind lasts at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FindingKey {
    pub(crate) process: ProcessKey,
    pub(crate) kind: IncidentKind,
    /// The slot that it is about, 0 where it is about the process.
    pub(crate) slot: u32,
}

/// Something that happened, put into words.
#[derive(Debug)]
pub(crate) struct Happening {
    pub(crate) kind: IncidentKind,
    pub(crate) severity: Severity,
    pub(crate) diagnosis: Diagnosis,
}

/// What a rule is told.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) key: ProcessKey,
    pub(crate) process: &'a Process,
    pub(crate) config: &'a Config,
    pub(crate) now: Nanos,
    /// Faults that are known to last.
    pub(crate) open: &'a BTreeMap<FindingKey, OccurrenceId>,
}

impl Case<'_> {
    /// For how long something has been so, the time left out in which the process was stopped.
    fn lasted(&self, since: Nanos) -> Nanos {
        let stopped = self.process.stopped_within(since, self.now);
        Nanos(self.now.since(since).0.saturating_sub(stopped.0))
    }

    fn is_open(&self, kind: IncidentKind, slot: u32) -> bool {
        let process = self.key;
        self.open.contains_key(&FindingKey {
            process,
            kind,
            slot,
        })
    }

    /// A rule on growth, laxer while its fault is known to last: what is half as fast is still growth, and
    /// the window's begin, which slides along with it, is no measure any more.
    fn trend_rule(&self, kind: IncidentKind, slot: u32, rule: &TrendRule) -> TrendRule {
        if !self.is_open(kind, slot) {
            return *rule;
        }
        TrendRule {
            min_growth: rule.min_growth / 2.0,
            min_share: 0.0,
            ..*rule
        }
    }

    /// Whether what writes the recording is the crate of a service in Rust.
    fn is_rust(&self) -> bool {
        let adapter = self.process.work.adapter.as_ref();
        adapter.is_some_and(|adapter| adapter.name.starts_with("tokio "))
    }

    /// `python3 (pid 41)`.
    fn who(&self) -> String {
        format!("{} (pid {})", self.process.info.name, self.key.pid)
    }
}

/// Every fault that lasts in a process.
pub(crate) fn lasting(case: &Case<'_>) -> Vec<(FindingKey, Finding)> {
    let work = &case.process.work;
    let mut found = Vec::new();
    let mut note = |kind, slot, finding: Option<Finding>| {
        let process = case.key;
        let key = FindingKey {
            process,
            kind,
            slot,
        };
        found.extend(finding.map(|finding| (key, finding)));
    };
    for (slot, site) in &work.sites {
        let leak = task_leak::check(case, *slot, site);
        let is_leak = leak.is_some();
        note(IncidentKind::TaskLeak, *slot, leak);
        // A site that leaks has old tasks by its nature: one finding says it.
        let stuck = (!is_leak).then(|| task_stuck::check(case, site)).flatten();
        note(IncidentKind::TaskStuck, *slot, stuck);
    }
    for (slot, pool) in &work.pools {
        let exhausted = pool_exhaustion::check(case, *slot, pool);
        note(IncidentKind::PoolExhaustion, *slot, exhausted);
        let growth = connection_growth::check(case, *slot, pool);
        note(IncidentKind::ConnectionGrowth, *slot, growth);
    }
    for (slot, executor) in &work.executors {
        let saturated = executor_saturation::check(case, executor);
        note(IncidentKind::ExecutorSaturation, *slot, saturated);
    }
    note(IncidentKind::MemoryHigh, 0, memory::high(case));
    note(IncidentKind::MemoryGrowth, 0, memory::growth(case));
    note(IncidentKind::DescriptorHigh, 0, descriptors::high(case));
    note(IncidentKind::DescriptorGrowth, 0, descriptors::growth(case));
    found
}

/// What an event says at once; `None` for one that only counts, or that has to wait.
pub(crate) fn happening(case: &Case<'_>, event: &Event) -> Option<Happening> {
    let work = &case.process.work;
    let call = || event.slot.and_then(|slot| work.calls.get(&slot));
    let pool = || event.slot.and_then(|slot| work.pools.get(&slot));
    match event.kind {
        EventKind::CallbackFailed => Some(callback_failure::describe(event)),
        EventKind::BlockingCall => Some(blocking_call::describe(event, call())),
        EventKind::SlowCall => slow_call::describe(case, event, call()),
        EventKind::CallFailed => Some(call_failure::describe(event, call(), case.config)),
        EventKind::ConnectionFailed => Some(connection_failure::describe(event, pool())),
        EventKind::ConnectionLeaked => Some(connection_leak::describe(event, pool())),
        EventKind::ConnectionShared => Some(connection_shared::describe(event, pool())),
        EventKind::TaskFailed
        | EventKind::TaskFailureRetrieved
        | EventKind::TaskFailureUnretrieved
        | EventKind::AcquireTimedOut
        | EventKind::GcPause => None,
    }
}
