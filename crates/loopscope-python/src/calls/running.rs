//! One call that is under way: of a block of code, and before 3.10 of a coroutine or a generator.
//!
//! The Python package begins it, and says how it ended. One that is thrown away half done ends as cancelled.

use std::sync::Arc;

use loopscope_recorder::layout::CallKind;
use pyo3::exceptions::{PyGeneratorExit, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTraceback;

use super::followed_types::{Kind, prepare};
use super::function::{is_cancellation, new_tracked};
use super::onlooker::Onlooker;
use super::{Begun, Call, Failure};
use crate::gil::GilCell;

/// What a code object says of its function, as the `inspect` module knows it.
const GENERATOR: u32 = 0x20;
const COROUTINE: u32 = 0x80;
const ITERABLE_COROUTINE: u32 = 0x100;
const ASYNC_GENERATOR: u32 = 0x200;

/// A name that calls are counted under.
#[pyclass(frozen, module = "loopscope._native")]
pub(crate) struct CallSite(Arc<Call>);

#[pymethods]
impl CallSite {
    #[new]
    #[pyo3(signature = (group, name, kind, is_library=false))]
    fn new(group: String, name: String, kind: u32, is_library: bool) -> PyResult<Self> {
        let kind = kind_of(kind).ok_or_else(|| PyValueError::new_err("no such kind of call"))?;
        let call = Call::new(kind, group, name);
        Ok(Self(Arc::new(if is_library {
            call.of_library()
        } else {
            call
        })))
    }

    /// A call begins.
    fn begin(&self, py: Python<'_>) -> RunningCall {
        RunningCall::new(Arc::clone(&self.0), self.0.begin(py, false))
    }

    /// A function that is counted here; `flags` are those of its code. Errors where the interpreter lacks what
    /// that needs.
    #[pyo3(signature = (function, flags=0))]
    fn track(&self, function: &Bound<'_, PyAny>, flags: u32) -> PyResult<Py<PyAny>> {
        let call = Arc::clone(&self.0);
        let onlooker = match kind_made(flags) {
            Some(kind) => {
                prepare(function.py())?;
                Onlooker::Following(kind, call)
            }
            None => Onlooker::Call(call),
        };
        new_tracked(function, onlooker)
    }
}

impl CallSite {
    pub(super) fn call(&self) -> &Arc<Call> {
        &self.0
    }
}

/// A call that has begun.
#[pyclass(frozen, module = "loopscope._native")]
pub(crate) struct RunningCall {
    call: Arc<Call>,
    begun: GilCell<Option<Begun>>,
}

#[pymethods]
impl RunningCall {
    /// It ended well.
    fn returned(&self, py: Python<'_>) {
        if let Some(begun) = self.take(py) {
            self.call.returned(py, begun);
        }
    }

    /// It ended with this exception.
    fn raised(&self, exception: &Bound<'_, PyAny>) {
        let py = exception.py();
        let Some(begun) = self.take(py) else { return };
        if exception.is_instance_of::<PyGeneratorExit>() || is_cancellation(exception) {
            self.call.cancelled(py, begun);
            return;
        }
        let traceback = exception.getattr("__traceback__").ok();
        let traceback = traceback.and_then(|found| found.cast_into::<PyTraceback>().ok());
        let failure = Failure::Raised(exception, traceback);
        self.call.failed(py, begun, &failure);
    }

    /// It ended with an answer that says that it failed, and how.
    fn failed(&self, py: Python<'_>, error_type: &str) {
        if let Some(begun) = self.take(py) {
            self.call.failed(py, begun, &Failure::Answered(error_type));
        }
    }

    /// It goes on after the function that began it has returned: its time is no longer one of the thread alone.
    fn lasts(&self, py: Python<'_>) {
        let outlive = |begun: &mut Option<Begun>| {
            if let Some(begun) = begun {
                begun.moment.is_sync = false;
            }
        };
        self.begun.with(py, outlive);
    }
}

impl RunningCall {
    pub(crate) fn new(call: Arc<Call>, begun: Option<Begun>) -> Self {
        let begun = GilCell::new(begun);
        Self { call, begun }
    }

    fn take(&self, py: Python<'_>) -> Option<Begun> {
        self.begun.with(py, Option::take).flatten()
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        let end = |py: Python<'_>| {
            if let Some(begun) = self.take(py) {
                self.call.cancelled(py, begun);
            }
        };
        Python::try_attach(end);
    }
}

/// What a function with these flags makes; `None` for one that runs when it is called, and for a generator that
/// is awaited as a coroutine, which is left as it is.
fn kind_made(flags: u32) -> Option<Kind> {
    match flags {
        _ if flags & ITERABLE_COROUTINE != 0 => None,
        _ if flags & COROUTINE != 0 => Some(Kind::Coroutine),
        _ if flags & ASYNC_GENERATOR != 0 => Some(Kind::AsyncGenerator),
        _ if flags & GENERATOR != 0 => Some(Kind::Generator),
        _ => None,
    }
}

fn kind_of(number: u32) -> Option<CallKind> {
    let kinds = [
        CallKind::Call,
        CallKind::Request,
        CallKind::Query,
        CallKind::Connect,
        CallKind::Acquire,
    ];
    kinds.into_iter().find(|kind| *kind as u32 == number)
}
