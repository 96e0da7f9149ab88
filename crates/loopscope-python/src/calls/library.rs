//! A known library's function: which name a call counts under, its arguments choose, and where the call goes on
//! after it has returned, as a stream's does, what follows that stands in the result.
//!
//! Both are decided by the Python package, before and after the call. While the function runs, no frame of ours is
//! on the stack: what looks for its caller there, as a warning does, finds the caller.
#![expect(unsafe_code, reason = "takes what a function returned")]

use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::Arc;

use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::ffi::PyObject;
use pyo3::prelude::*;

use super::function::new_tracked;
use super::given::Given;
use super::onlooker::{Onlooker, raised};
use super::running::{CallSite, RunningCall};
use super::{Begun, Call};
use crate::{coverage, quietly};

thread_local! {
    /// The families of the calls that the thread is in.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
}

/// What tracks a library's function.
pub(crate) struct Library {
    /// Takes the function's arguments; returns a [`CallSite`], or None for a call that does not count.
    choose: Py<PyAny>,
    /// Takes the result and the [`RunningCall`], which it ends or keeps; returns what the caller is to have.
    end: Option<Py<PyAny>>,
    /// Of calls within one another that share a bit of this, the outermost counts.
    family: u32,
}

/// A function that stands in front of a library's.
#[pyfunction]
#[pyo3(signature = (function, choose, end=None, family=0))]
pub(crate) fn track_library(
    function: &Bound<'_, PyAny>,
    choose: Py<PyAny>,
    end: Option<Py<PyAny>>,
    family: u32,
) -> PyResult<Py<PyAny>> {
    let library = Library {
        choose,
        end,
        family,
    };
    new_tracked(function, Onlooker::Library(library))
}

impl Library {
    /// Runs the function with its caller's arguments, which are these.
    pub(super) fn around(
        &self,
        py: Python<'_>,
        given: &Given<'_>,
        run: impl FnOnce() -> *mut PyObject,
    ) -> *mut PyObject {
        let outside = INSIDE.get();
        if outside & self.family != 0 {
            return run();
        }
        let call = match self.chosen(py, given) {
            Ok(call) => call,
            Err(error) => {
                error.restore(py);
                return null_mut();
            }
        };
        let mut begun = None;
        quietly(|| begun = call.as_ref().and_then(|call| call.begin(py, true)));
        INSIDE.set(outside | self.family);
        let result = run();
        INSIDE.set(outside);
        match (call, begun) {
            (Some(call), Some(begun)) if result.is_null() => {
                quietly(|| raised(py, &call, begun));
                result
            }
            (Some(call), Some(begun)) => self.returned(py, &call, begun, result),
            _ => result,
        }
    }

    /// The call to count it as. An error is one that must reach the program.
    fn chosen(&self, py: Python<'_>, given: &Given<'_>) -> PyResult<Option<Arc<Call>>> {
        let site = given.hand_to(self.choose.bind(py));
        let Some(site) = swallowed(py, site)? else {
            return Ok(None);
        };
        Ok(site
            .cast::<CallSite>()
            .ok()
            .map(|site| Arc::clone(site.get().call())))
    }

    /// The call returned this; what the caller gets.
    fn returned(
        &self,
        py: Python<'_>,
        call: &Arc<Call>,
        begun: Begun,
        result: *mut PyObject,
    ) -> *mut PyObject {
        let Some(end) = &self.end else {
            quietly(|| call.returned(py, begun));
            return result;
        };
        // SAFETY: a new reference, and no null.
        let Ok(result) = (unsafe { Bound::from_owned_ptr_or_err(py, result) }) else {
            return null_mut();
        };
        let running = RunningCall::new(Arc::clone(call), Some(begun));
        let ended = end.bind(py).call1((&result, running));
        match swallowed(py, ended) {
            Ok(given) => given.unwrap_or(result).into_ptr(),
            Err(error) => {
                error.restore(py);
                null_mut()
            }
        }
    }
}

/// What code of ours returned, `None` where it failed. What is no fault, as the exception by which a person
/// interrupts a program, may come at any time and is passed on.
fn swallowed<'py>(
    py: Python<'py>,
    result: PyResult<Bound<'py, PyAny>>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_instance_of::<PyException>(py) => {
            // A function that is called wrongly says so itself.
            if !error.is_instance_of::<PyTypeError>(py) {
                coverage::count_fault();
            }
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
