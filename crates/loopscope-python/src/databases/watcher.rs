//! Functions of Python that are told when another function is called.
#![expect(unsafe_code, reason = "takes living objects by their addresses")]

use pyo3::ffi::PyObject;
use pyo3::prelude::*;

use crate::calls::Moment;
use crate::calls::given::Given;
use crate::calls::onlooker::Outcome;

/// When something began, for Python.
#[pyclass(frozen, module = "loopscope._native", name = "Moment")]
pub(crate) struct PyMoment(pub(crate) Moment);

/// Who is told.
pub(crate) struct Watcher {
    /// `begun(args, kwargs)`.
    begun: Option<Py<PyAny>>,
    /// `ended(moment, result, error, args, kwargs)`.
    ended: Py<PyAny>,
}

impl Watcher {
    pub(super) fn new(begun: Option<Py<PyAny>>, ended: Py<PyAny>) -> Self {
        Self { begun, ended }
    }

    pub(crate) fn begins(&self, py: Python<'_>, given: &Given<'_>) {
        if let Some(begun) = &self.begun {
            let told = given.to_python();
            let told = told.and_then(|given| begun.bind(py).call1(given));
            count_if_failed(told);
        }
    }

    pub(crate) fn ends(&self, moment: Moment, given: &Given<'_>, outcome: &Outcome<'_>) {
        match outcome {
            Outcome::Returned(result) => {
                let none = result.py().None().into_bound(result.py());
                count_if_failed(self.tell(moment, result, &none, given));
            }
            Outcome::Raised(py) => {
                let Some(error) = PyErr::take(*py) else {
                    return;
                };
                let none = py.None().into_bound(*py);
                count_if_failed(self.tell(moment, &none, error.value(*py).as_any(), given));
                error.restore(*py);
            }
        }
    }

    fn tell<'py>(
        &self,
        moment: Moment,
        result: &Bound<'py, PyAny>,
        error: &Bound<'py, PyAny>,
        given: &Given<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (args, named) = given.to_python()?;
        let ended = self.ended.bind(result.py());
        ended.call1((PyMoment(moment), result, error, args, named))
    }
}

fn count_if_failed(told: PyResult<Bound<'_, PyAny>>) {
    if told.is_err() {
        crate::coverage::count_fault();
    }
}

/// An object that somebody holds.
pub(super) fn living(py: Python<'_>, object: *mut PyObject) -> Option<Bound<'_, PyAny>> {
    // SAFETY: the caller of the function that we look on holds its arguments.
    unsafe { Bound::from_borrowed_ptr_or_opt(py, object) }
}
