//! Calls that held their loop's thread, held back until it is known what they did to the loop.
//!
//! Such a call makes a stall, and the stall is the fault: it is found while it lasts and has the line to blame. What
//! the call adds is its name. So the call is booked once the stall that it made can be known, as information that
//! names it as its origin; it is a fault of its own only where no stall shows, as on a loop that is not watched. Of
//! calls within one another the outermost is booked: an agent's run, and not the request inside.

use std::collections::VecDeque;

use super::Engine;
use crate::{
    observation::{Event, ProcessKey},
    time::Nanos,
};

/// How long a call waits for the stall that it made. The end of a busy period is read a dozen times a second, and
/// an observer that is kept from looking for longer than four of these looks says so.
const WAIT: Nanos = Nanos::from_millis(400);
/// Calls that wait at once; the oldest goes first.
const MAX_HELD: usize = 256;

/// The calls that wait, oldest first.
pub(super) type HeldCalls = VecDeque<HeldCall>;

/// A call that waits.
#[derive(Debug)]
pub(super) struct HeldCall {
    process: ProcessKey,
    event: Event,
    heard: Nanos,
}

impl HeldCall {
    /// Whether it was made by this call: both held the same thread, one all the time that the other did.
    fn is_within(&self, process: ProcessKey, outer: &Event) -> bool {
        let inner = &self.event;
        self.process == process
            && inner.thread_id.is_some()
            && inner.thread_id == outer.thread_id
            && outer.started <= inner.started
            && inner.until() <= outer.until()
    }
}

impl Engine {
    /// A call held its loop.
    pub(super) fn hold_call(&mut self, process: ProcessKey, event: &Event, at: Nanos) {
        if let Some(work) = self.work_of(process) {
            work.hold_call(event);
        }
        self.held_calls
            .retain(|held| !held.is_within(process, event));
        if self.held_calls.len() >= MAX_HELD
            && let Some(oldest) = self.held_calls.pop_front()
        {
            self.book_happening(oldest.process, &oldest.event, at);
        }
        self.held_calls.push_back(HeldCall {
            process,
            event: event.clone(),
            heard: at,
        });
    }

    /// Books the calls that have waited for long enough.
    pub(super) fn release_calls(&mut self, now: Nanos) {
        let held = std::mem::take(&mut self.held_calls);
        let is_due = |held: &HeldCall| now.since(held.heard) >= WAIT && !self.is_stalled_yet(held);
        let (due, waiting) = held.into_iter().partition(is_due);
        self.held_calls = waiting;
        self.book_calls(due, now);
    }

    /// Books all calls of a process that ended.
    pub(super) fn release_calls_of(&mut self, process: ProcessKey, at: Nanos) {
        let held = std::mem::take(&mut self.held_calls);
        let (due, waiting) = held.into_iter().partition(|held| held.process == process);
        self.held_calls = waiting;
        self.book_calls(due, at);
    }

    fn book_calls(&mut self, calls: HeldCalls, at: Nanos) {
        for call in calls {
            self.book_happening(call.process, &call.event, at);
        }
    }

    /// Whether the stall that the call was a part of still lasts: a call around this one may be told of yet.
    fn is_stalled_yet(&self, held: &HeldCall) -> bool {
        let on = self.loop_of_event(held.process, &held.event);
        let stall = on.and_then(|on| self.model.loops.get(&on)?.stalls.open_stall());
        stall.is_some_and(|(since, _)| since <= held.event.started)
    }
}
