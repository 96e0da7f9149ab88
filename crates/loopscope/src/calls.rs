//! Tracked calls: how often, how long, with what end, and whether one kept a worker to itself.
//!
//! [`Call`] is one that is under way; [`site`] is a function that makes them, [`output`] tells a failure from what a
//! function returned.

mod following;
mod output;
mod site;
mod telling;

use std::borrow::Cow;
use std::fmt::Display;
use std::panic::Location;

use loopscope_recorder::clock::Ticks;
use loopscope_recorder::layout::{CallKind, Coverage};
use loopscope_recorder::writer::{CallEnd, CallOutcome, CallSpec, CallWriter};

use crate::adapter::Adapter;
use crate::location;
use crate::runtime::Held;
use telling::Told;

use following::Follow;
pub use output::{Failure, OfAny, OfDisplay, OfResult, Output};
pub use site::{CallSite, Name};

/// What a call is counted under, and where it is made.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) name: Cow<'static, str>,
}

/// A tracked call that is under way, see [`Scope::call`](crate::Scope::call). It ends when this is dropped.
///
/// Where code panics that the call is in, it has failed. For a call that is awaited use
/// [`Scope::track_call`](crate::Scope::track_call) or `#[track_call]`: this one cannot tell an end from a
/// cancellation.
#[derive(Debug)]
#[must_use = "the call ends when this is dropped"]
pub struct Call(Option<Begun>);

#[derive(Debug)]
struct Begun {
    adapter: &'static Adapter,
    writer: CallWriter,
    place: Place,
    started: Ticks,
    /// Nothing else can run on the thread before it ends.
    is_sync: bool,
    /// It began while its thread was on its way out of a panic.
    began_panicking: bool,
    is_in_poll: bool,
    polls: u32,
    /// It was told that one poll of it kept its worker.
    has_held: bool,
}

impl Call {
    pub(crate) const fn untracked() -> Self {
        Self(None)
    }

    pub(crate) fn begin(
        adapter: Option<&'static Adapter>,
        group: &str,
        place: Place,
        is_sync: bool,
    ) -> Self {
        let begin = |adapter: &'static Adapter| {
            adapter.covers(Coverage::CALLS);
            let spec = CallSpec {
                kind: CallKind::Call,
                group,
                name: &place.name,
            };
            let writer = adapter.recording()?.call(&spec)?;
            Some((adapter, writer))
        };
        match adapter.and_then(begin) {
            Some((adapter, writer)) => Self::begun(adapter, writer, place, is_sync),
            None => Self::untracked(),
        }
    }

    #[inline]
    fn begun(adapter: &'static Adapter, writer: CallWriter, place: Place, is_sync: bool) -> Self {
        writer.start();
        Self(Some(Begun {
            adapter,
            writer,
            place,
            started: Ticks::now(),
            is_sync,
            began_panicking: is_sync && std::thread::panicking(),
            is_in_poll: false,
            polls: 0,
            has_held: false,
        }))
    }

    /// It ends with this result: failed where that is an error, whose type it is counted under.
    pub fn end<T, E: Display>(mut self, result: &Result<T, E>) {
        self.ended((&&&Output(result)).failure());
    }

    /// How it ended, by what `#[track_call]` found out.
    #[doc(hidden)]
    #[inline]
    pub fn ended(&mut self, failure: Option<Failure<'_>>) {
        let Some(begun) = self.0.take() else { return };
        match failure {
            None => begun.finish(CallOutcome::Ok, None),
            Some(failure) => begun.finish(CallOutcome::Failed, Some(&Told::of_failure(&failure))),
        }
    }

    /// Polls a future as this call.
    #[doc(hidden)]
    pub fn follow<F: Future>(&mut self, future: F) -> Follow<'_, F> {
        Follow::new(self, future)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let Some(begun) = self.0.take() else { return };
        let is_inside = begun.is_in_poll || begun.is_sync && !begun.began_panicking;
        if is_inside && std::thread::panicking() {
            begun.finish(CallOutcome::Failed, Some(&Told::of_panic(location::last())));
        } else if begun.is_sync {
            begun.finish(CallOutcome::Ok, None);
        } else {
            begun.finish(CallOutcome::Cancelled, None);
        }
    }
}

impl Begun {
    /// A poll of it that began then is over.
    #[inline]
    fn polled(&mut self, began: Ticks, is_ready: bool) {
        self.is_in_poll = false;
        self.polls = self.polls.saturating_add(1);
        // One that is over in its first poll counts as a synchronous one does.
        if is_ready && self.polls == 1 || self.has_held {
            return;
        }
        let nanos = began.elapsed_nanos();
        if nanos >= self.stall_threshold_nanos() {
            self.poll_was_long(nanos);
        }
    }

    #[cold]
    fn poll_was_long(&mut self, nanos: u64) {
        if Held::now().is_for(nanos) {
            self.has_held = true;
            self.writer.held_for(nanos);
            telling::held(self, nanos);
        }
    }

    #[inline]
    fn stall_threshold_nanos(&self) -> u64 {
        let recording = self.adapter.recording();
        recording.map_or(u64::MAX, |recording| recording.stall_threshold_nanos())
    }

    #[inline]
    fn finish(self, outcome: CallOutcome, told: Option<&Told<'_>>) {
        // A child that was forked during the call has no such call.
        if self.adapter.recording().is_none() {
            return;
        }
        let nanos = self.started.elapsed_nanos();
        let noteworthy = self.writer.finish(CallEnd {
            nanos,
            outcome,
            held_loop: self.held_loop(nanos),
        });
        if let Some(kind) = noteworthy {
            telling::ended(&self, kind, nanos, told);
        }
    }

    /// Whether all of it was one stretch on a worker. How long a stretch was matters only where it may be a stall.
    #[inline]
    fn held_loop(&self, nanos: u64) -> bool {
        (self.is_sync || self.polls == 1 && !self.has_held)
            && tokio::runtime::worker_index().is_some()
            && (nanos < self.stall_threshold_nanos() || Held::now().is_for(nanos))
    }
}

impl Place {
    pub(crate) fn new(name: Cow<'static, str>, caller: &'static Location<'static>) -> Self {
        Self {
            file: caller.file(),
            line: caller.line(),
            name,
        }
    }
}
