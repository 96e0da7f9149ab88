//! What is told of a call beyond its counters: of those that failed, took long or kept their worker.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Mutex;

use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::layout::{FactKind, LoopOwner, MESSAGE_BYTES};
use loopscope_recorder::writer::{FactFrame, FactRecord, Limiter};

use super::{Begun, Failure};
use crate::location::LastPanic;
use crate::process;

/// How often the same noteworthy end of a call is told in full within ten seconds.
const TOLD: u32 = 8;

static LIMITER: Mutex<Limiter> = Mutex::new(Limiter::new(TOLD));

/// How a call failed.
pub(super) struct Told<'a> {
    error_type: Cow<'a, str>,
    message: Message<'a>,
    /// Where, if that is known better than by the call's own line.
    at: Option<(&'static str, u32)>,
}

enum Message<'a> {
    Text(String),
    Shown(&'a dyn std::fmt::Display),
}

impl<'a> Told<'a> {
    pub(super) fn of_failure(failure: &Failure<'a>) -> Self {
        Self {
            error_type: Cow::Borrowed(failure.error_type),
            message: failure
                .message
                .map_or(Message::Text(String::new()), Message::Shown),
            at: None,
        }
    }

    pub(super) fn of_panic(panic: Option<LastPanic>) -> Self {
        let (at, message) = panic.map_or((None, String::new()), |panic| {
            (Some((panic.file, panic.line)), panic.message)
        });
        Self {
            error_type: Cow::Borrowed("panic"),
            message: Message::Text(message),
            at,
        }
    }

    /// No longer than it is kept.
    fn message(&self) -> Cow<'_, str> {
        match &self.message {
            Message::Text(text) => Cow::Borrowed(text),
            Message::Shown(error) => {
                let mut bounded = Bounded(String::new());
                // Ends where there is no more room.
                let _ = write!(bounded, "{error}");
                Cow::Owned(bounded.0)
            }
        }
    }
}

/// A text that takes as much as a fact has room for.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.push_str(text);
        if self.0.len() < MESSAGE_BYTES {
            Ok(())
        } else {
            Err(std::fmt::Error)
        }
    }
}

/// A call ended in a noteworthy way.
#[cold]
pub(super) fn ended(call: &Begun, kind: FactKind, nanos: u64, told: Option<&Told<'_>>) {
    let Some(recording) = call.adapter.recording() else {
        return;
    };
    if let Some(told) = told {
        call.writer.set_last_error(&told.error_type);
        recording.count_call_error(call.writer.index(), &told.error_type);
    }
    push(call, kind, nanos, told);
}

/// A poll of a call kept its worker for so long until now.
#[cold]
pub(super) fn held(call: &Begun, nanos: u64) {
    push(call, FactKind::BlockingCall, nanos, None);
}

fn push(call: &Begun, kind: FactKind, nanos: u64, told: Option<&Told<'_>>) {
    let (index, place) = (call.writer.index(), &call.place);
    let now = monotonic_nanos();
    let length = match kind {
        // Who reads it may find only the longest ones slow: many shorter ones must not crowd these out.
        FactKind::SlowCall => nanos.max(1).ilog2() as usize,
        _ => 0,
    };
    let what = (index << 4 | kind as u32, length);
    // Whoever meets another one here is counted, and not told.
    let is_told = LIMITER
        .try_lock()
        .is_ok_and(|mut limiter| limiter.allows(what, now));
    let (Some(recording), true) = (call.adapter.recording(), is_told) else {
        return;
    };
    let (file, line) = told
        .and_then(|told| told.at)
        .unwrap_or((place.file, place.line));
    let frames = [FactFrame {
        file,
        line,
        function: &place.name,
    }];
    let thread_id = process::thread_id();
    let message = told.map(Told::message);
    recording.push_fact(&FactRecord {
        owner: LoopOwner::Thread(thread_id),
        subject: Some(index),
        thread_id,
        started_nanos: now.saturating_sub(nanos),
        ended_nanos: now,
        name: &place.name,
        error_type: told.map_or("", |told| &told.error_type),
        message: message.as_deref().unwrap_or_default(),
        frames: &frames,
        ..FactRecord::new(kind)
    });
}
