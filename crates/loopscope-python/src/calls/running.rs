//! One call that is under way: of a coroutine, a generator, or a block of code.
//!
//! The Python package begins it, and says how it ended. One that is thrown away half done, as a generator that
//! nobody finishes, ends as cancelled.

use std::sync::Arc;

use loopscope_recorder::layout::CallKind;
use pyo3::exceptions::{PyGeneratorExit, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTraceback;

use super::function::{is_cancellation, new_tracked};
use super::onlooker::Onlooker;
use super::{Begun, Call, Ended};
use crate::gil::GilCell;

/// A name that calls are counted under.
#[pyclass(frozen, module = "loopscope._native")]
pub(crate) struct CallSite(Arc<Call>);

#[pymethods]
impl CallSite {
    #[new]
    fn new(group: String, name: String, kind: u32) -> PyResult<Self> {
        let kind = kind_of(kind).ok_or_else(|| PyValueError::new_err("no such kind of call"))?;
        Ok(Self(Arc::new(Call::new(kind, group, name))))
    }

    /// A call begins.
    fn begin(&self, py: Python<'_>) -> RunningCall {
        RunningCall::new(Arc::clone(&self.0), self.0.begin(py, false))
    }

    /// A synchronous function that is counted here.
    fn track(&self, function: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        new_tracked(function, Onlooker::Call(Arc::clone(&self.0)))
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
        self.call.failed(
            begun,
            &Ended {
                exception,
                traceback,
            },
        );
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
