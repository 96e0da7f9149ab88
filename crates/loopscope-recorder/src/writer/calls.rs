//! Counts tracked calls by their name.

use std::marker::PhantomData;
use std::sync::atomic::Ordering::Relaxed;

use super::Recording;
use super::counting::{Exclusive, Shared, Sharing, raise};
use super::interning::{KeyHash, but_overflow, claim, claim_overflow, make_ready};
use super::texts::{head, store_text};
use crate::clock;
use crate::layout::{
    CALL_TEXT_BYTES, CallKind, CallSlot, ERROR_TEXT_BYTES, FactKind, GROUP_TEXT_BYTES, Header,
    OVERFLOW_NAME, Table, bucket_of,
};

/// What a tracked call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallSpec<'a> {
    /// The kind.
    pub kind: CallKind,
    /// The group: `agno`, `httpx`, `psycopg`.
    pub group: &'a str,
    /// The name: a function, a method and its URL's host, a statement with its literals taken out.
    pub name: &'a str,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// It returned.
    Ok,
    /// With an error.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// What is known of a call when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallEnd {
    /// How long it took.
    pub nanos: u64,
    /// How it ended.
    pub outcome: CallOutcome,
    /// Whether it kept a running loop's thread to itself all that time: a synchronous call made on it.
    pub held_loop: bool,
}

/// Counts one tracked call.
///
/// Threads: any; see [`Sharing`] for the two ways of counting. A call that goes well moves three counters:
/// no allocation, no system call. Fork: see [`super`].
#[derive(Clone, Copy)]
pub struct CallWriter<S: Sharing = Shared> {
    slot: &'static CallSlot,
    header: &'static Header,
    index: u32,
    sharing: PhantomData<S>,
}

impl<S: Sharing> std::fmt::Debug for CallWriter<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("CallWriter");
        shown.field("index", &self.index).finish_non_exhaustive()
    }
}

impl Recording {
    /// The counter of a tracked call: the same one for the same group, name and kind. Keep it where the
    /// name is fixed: the call scans the table's keys, less than a microsecond.
    ///
    /// What finds no room is counted together with all others that found none, and as dropped. `None`
    /// never happens with a table of this version.
    pub fn call(&self, spec: &CallSpec<'_>) -> Option<CallWriter> {
        let kept = CallSpec {
            kind: spec.kind,
            group: head(spec.group, GROUP_TEXT_BYTES),
            name: head(spec.name, CALL_TEXT_BYTES),
        };
        let (keys, table) = (self.0.keys.calls, self.head(Table::Calls));
        let (claim, spec) = claim(but_overflow(keys), table, key_of(&kept))
            .map(|found| (found, kept))
            .or_else(|| Some((claim_overflow(keys, table)?, overflow())))?;
        let slot = self.0.calls.get(claim.index)?;
        if claim.is_new {
            describe(slot, &spec);
        }
        Some(CallWriter::new(slot, self.0.header, claim.index))
    }
}

impl Recording {
    /// A call of the counter in this place ended with an error of this type, whose failures are counted apart. Costs
    /// a scan of the table's keys, less than a microsecond.
    pub fn count_call_error(&self, call: u32, error_type: &str) {
        let (keys, table) = (self.0.keys.call_errors, self.head(Table::CallErrors));
        let error_type = head(error_type, ERROR_TEXT_BYTES);
        let key = KeyHash::new().number(call.into()).text(error_type).finish();
        let found = claim(but_overflow(keys), table, key)
            .map(|found| (found, call, error_type))
            .or_else(|| {
                let shared = claim_overflow(keys, table)?;
                Some((shared, u32::MAX, OVERFLOW_NAME))
            });
        let Some((claim, call, error_type)) = found else {
            return;
        };
        let Some(slot) = self.0.call_errors.get(claim.index) else {
            return;
        };
        if claim.is_new {
            slot.call.store(call.into(), Relaxed);
            store_text(&slot.error_type, error_type);
            make_ready(&slot.state);
        }
        slot.failed.fetch_add(1, Relaxed);
    }
}

impl CallWriter {
    /// The same counter where something else keeps its writers apart.
    pub fn exclusive(self) -> CallWriter<Exclusive> {
        CallWriter::new(self.slot, self.header, self.index as usize)
    }
}

impl<S: Sharing> CallWriter<S> {
    fn new(slot: &'static CallSlot, header: &'static Header, index: usize) -> Self {
        Self {
            slot,
            header,
            index: index as u32,
            sharing: PhantomData,
        }
    }

    /// Its place in the table: the subject of facts about this call.
    #[inline]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// A call began.
    #[inline]
    pub fn start(&self) {
        S::add(&self.slot.started, 1);
    }

    /// A call that was started ended. Returns the kind of fact that is worth telling of it, if any: the
    /// caller may push one with frames.
    #[inline]
    pub fn finish(&self, end: CallEnd) -> Option<FactKind> {
        let slot = self.slot;
        S::add(&slot.total_nanos, end.nanos);
        S::add(&slot.histogram[bucket_of(end.nanos)], 1);
        raise(&slot.longest_nanos, end.nanos);
        if end.held_loop {
            S::add(&slot.on_loop, 1);
        }
        let is_plain = end.outcome == CallOutcome::Ok
            && end.nanos < self.header.stall_threshold_nanos.load(Relaxed);
        if is_plain {
            None
        } else {
            self.finish_noteworthy(end)
        }
    }

    /// A call that goes on has kept a running loop's thread to itself for so long, over the stall threshold. To be said
    /// once for each call, and not in [`CallEnd::held_loop`] again.
    pub fn held_for(&self, nanos: u64) {
        S::add(&self.slot.on_loop, 1);
        S::add(&self.slot.blocking, 1);
        S::add(&self.slot.blocking_nanos, nanos);
    }

    /// The type of an error that a call ended with. Costs a comparison where it was the last one too.
    pub fn set_last_error(&self, error_type: &str) {
        self.slot.last_error.replace(error_type);
    }

    #[cold]
    fn finish_noteworthy(&self, end: CallEnd) -> Option<FactKind> {
        let slot = self.slot;
        let at_least = |threshold: u64| end.nanos >= threshold;
        let is_blocking =
            end.held_loop && at_least(self.header.stall_threshold_nanos.load(Relaxed));
        let is_slow = at_least(self.header.slow_threshold_nanos.load(Relaxed));
        if is_blocking {
            S::add(&slot.blocking, 1);
            S::add(&slot.blocking_nanos, end.nanos);
        }
        if is_slow {
            S::add(&slot.slow, 1);
        }
        self.count_outcome(end.outcome);
        match end.outcome {
            CallOutcome::Failed => Some(FactKind::CallFailed),
            _ if is_blocking => Some(FactKind::BlockingCall),
            _ if is_slow => Some(FactKind::SlowCall),
            _ => None,
        }
    }

    fn count_outcome(&self, outcome: CallOutcome) {
        let slot = self.slot;
        match outcome {
            CallOutcome::Ok => {}
            CallOutcome::Cancelled => S::add(&slot.cancelled, 1),
            CallOutcome::Failed => {
                S::add(&slot.failed, 1);
                slot.last_failed_nanos
                    .store(clock::monotonic_nanos(), Relaxed);
            }
        }
    }
}

fn key_of(spec: &CallSpec<'_>) -> u64 {
    let hash = KeyHash::new().number(spec.kind as u64);
    hash.text(spec.group).text(spec.name).finish()
}

fn overflow() -> CallSpec<'static> {
    CallSpec {
        kind: CallKind::Call,
        group: OVERFLOW_NAME,
        name: OVERFLOW_NAME,
    }
}

fn describe(slot: &CallSlot, spec: &CallSpec<'_>) {
    slot.kind.store(spec.kind as u64, Relaxed);
    store_text(&slot.group, spec.group);
    store_text(&slot.name, spec.name);
    slot.created_nanos.store(clock::monotonic_nanos(), Relaxed);
    make_ready(&slot.state);
}
