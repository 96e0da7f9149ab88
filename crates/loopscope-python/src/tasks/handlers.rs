//! What loops tell their exception handlers: errors of callbacks, transports and futures.
//!
//! Tasks are left out; [`super::failures`] knows more of them. The exception is going to be turned into text
//! by the handler, or it is not: here nothing of it runs.

use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::layout::{FactKind, LoopOwner};
use loopscope_recorder::writer::FactRecord;
use pyo3::types::{PyAnyMethods, PyDict};
use pyo3::{Bound, PyAny, Python};

use super::capture::{Effort, Limiter, Told};
use super::origin::text;
use super::{TASKS, Tasks};
use crate::calls::given::Given;
use crate::gil::GilCell;
use crate::process;

/// How often errors of one callback are told within ten seconds.
const TOLD: u32 = 8;

static LIMITER: GilCell<Limiter> = GilCell::new(Limiter::new(TOLD));

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
    if LIMITER.with(py, |limiter| limiter.allows(what, now)) != Some(true) {
        return;
    }
    let told = Told::of(exception, None, Effort::Safe);
    TASKS.with(py, |tasks| tasks.tell_callback(now, name, &told));
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
    fn tell_callback(&mut self, now: u64, name: &str, told: &Told) {
        let Some(recording) = self.recording() else {
            return;
        };
        let thread_id = process::thread_id(self.process.epoch);
        recording.push_fact(&FactRecord {
            owner: LoopOwner::Thread(thread_id),
            thread_id,
            started_nanos: now,
            ended_nanos: now,
            name,
            error_type: &told.error_type,
            message: &told.message,
            frames: &told.fact_frames(),
            ..FactRecord::new(FactKind::CallbackFailed)
        });
    }
}
