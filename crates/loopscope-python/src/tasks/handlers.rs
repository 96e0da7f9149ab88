//! What loops tell their exception handlers: errors of callbacks, transports and futures.
//!
//! Tasks are left out; [`super::failures`] knows more of them. The exception is going to be turned into text
//! by the handler, or it is not: here nothing of it runs.
//!
//! No counter in the recording knows of these errors, so those of a storm that are not told one by one are told
//! together, within a second or so.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::layout::{FactKind, LoopOwner};
use loopscope_recorder::writer::FactRecord;
use pyo3::types::{PyAnyMethods, PyDict};
use pyo3::{Bound, PyAny, Python};

use super::Limiter;
use super::capture::{Effort, Told};
use super::origin::text;
use super::{TASKS, Tasks};
use crate::calls::given::Given;
use crate::gil::GilCell;
use crate::process;

/// How often errors of one callback are told within ten seconds.
const TOLD: u32 = 8;

/// Errors of different callbacks that wait to be told together.
const MOST_WAITING: usize = 8;

/// How long they wait.
const WAIT_NANOS: u64 = 1_000_000_000;

static LIMITER: GilCell<Limiter> = GilCell::new(Limiter::new(TOLD));

static WAITING: GilCell<Vec<Waiting>> = GilCell::new(Vec::new());

/// Whether any errors wait.
static ANY_WAITS: AtomicBool = AtomicBool::new(false);

/// Errors of one callback that wait to be told together.
struct Waiting {
    what: (u32, usize),
    since_nanos: u64,
    count: u32,
    name: String,
    told: Told,
}

/// The handler of a loop was called, with the loop and what it is told.
#[cold]
pub(crate) fn told(given: &Given<'_>) {
    let Some(context) = given.argument(1, "context") else {
        return;
    };
    let py = context.py();
    let Ok(context) = context.cast::<PyDict>() else {
        return;
    };
    let get = |key: &str| context.get_item(key).ok().filter(|value| !value.is_none());
    let Some(exception) = get("exception") else {
        return;
    };
    if get("task")
        .or_else(|| get("future"))
        .is_some_and(|future| is_task(&future))
    {
        return;
    }
    let callback = get("handle").and_then(|handle| handle.getattr("_callback").ok());
    let message = get("message").and_then(|message| message.extract::<String>().ok());
    let name = callback
        .as_ref()
        .and_then(name_of)
        .or(message)
        .unwrap_or_default();
    tell(py, &exception, &name);
}

fn tell(py: Python<'_>, exception: &Bound<'_, PyAny>, name: &str) {
    let now = monotonic_nanos();
    let what = (name.len() as u32, exception.get_type().as_ptr().addr());
    if LIMITER.with(py, |limiter| limiter.allows(what, now)) == Some(true) {
        let told = Told::of(exception, None, Effort::Safe);
        TASKS.with(py, |tasks| tasks.tell_callback((now, now), 1, name, &told));
    } else if WAITING.with(py, |waiting| count_one(waiting, what)) == Some(false) {
        let told = Told::of(exception, None, Effort::Safe);
        WAITING.with(py, |waiting| wait(waiting, what, now, name, told));
    }
    tell_waiting(py);
}

/// One more of those that wait already. False where none of its kind does.
fn count_one(waiting: &mut [Waiting], what: (u32, usize)) -> bool {
    let known = waiting.iter_mut().find(|one| one.what == what);
    let Some(known) = known else { return false };
    known.count = known.count.saturating_add(1);
    true
}

fn wait(waiting: &mut Vec<Waiting>, what: (u32, usize), now: u64, name: &str, told: Told) {
    if waiting.len() < MOST_WAITING {
        waiting.push(Waiting {
            what,
            since_nanos: now,
            count: 1,
            name: name.to_owned(),
            told,
        });
        ANY_WAITS.store(true, Relaxed);
    }
}

/// Tells those that have waited long enough.
#[inline]
pub(super) fn tell_waiting(py: Python<'_>) {
    if ANY_WAITS.load(Relaxed) {
        tell_due(py);
    }
}

#[cold]
fn tell_due(py: Python<'_>) {
    let now = monotonic_nanos();
    let due = WAITING.with(py, |waiting| {
        let is_due = |one: &mut Waiting| now.saturating_sub(one.since_nanos) >= WAIT_NANOS;
        let due: Vec<_> = waiting.extract_if(.., is_due).collect();
        ANY_WAITS.store(!waiting.is_empty(), Relaxed);
        due
    });
    for one in due.unwrap_or_default() {
        let span = (one.since_nanos, now);
        TASKS.with(py, |tasks| {
            tasks.tell_callback(span, one.count, &one.name, &one.told)
        });
    }
}

/// What has a coroutine is a task.
fn is_task(future: &Bound<'_, PyAny>) -> bool {
    future.hasattr("_coro").unwrap_or(false)
}

/// A callback's name, of what it calls in the end.
fn name_of(callback: &Bound<'_, PyAny>) -> Option<String> {
    let called = callback
        .getattr("func")
        .unwrap_or_else(|_| callback.clone());
    let name = text(&called, "__qualname__");
    (!name.is_empty()).then_some(name)
}

impl Tasks {
    fn tell_callback(&mut self, (started, ended): (u64, u64), count: u32, name: &str, told: &Told) {
        let Some(recording) = self.recording() else {
            return;
        };
        let thread_id = process::thread_id(self.process.epoch);
        recording.push_fact(&FactRecord {
            owner: LoopOwner::Thread(thread_id),
            thread_id,
            count,
            started_nanos: started,
            ended_nanos: ended,
            name,
            error_type: &told.error_type,
            message: &told.message,
            frames: &told.fact_frames(),
            ..FactRecord::new(FactKind::CallbackFailed)
        });
    }
}
