//! What the Python package calls. See `_monitor.pyi` for the signatures.

use std::borrow::Cow;

use loopscope_engine::time::Nanos;
use loopscope_recorder::folder::RuntimeFolder;
use loopscope_server::Question;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

use crate::isolation;
use crate::monitor::{self, Settings};

/// A monitor that was started: `loopscope._monitor.Monitor`.
#[pyclass(frozen, module = "loopscope._monitor")]
pub(crate) struct Monitor(monitor::Monitor);

#[pymethods]
impl Monitor {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "keywords, called from one place")]
    #[pyo3(signature = (*, service, run_id, listen, token, stall_threshold_nanos, blocked_threshold_nanos, unwatched))]
    fn new(
        py: Python<'_>,
        service: String,
        run_id: u64,
        listen: Option<String>,
        token: Option<String>,
        stall_threshold_nanos: u64,
        blocked_threshold_nanos: u64,
        unwatched: Option<String>,
    ) -> PyResult<Self> {
        let settings = Settings {
            service,
            run_id,
            listen,
            token,
            stall_threshold: Nanos(stall_threshold_nanos),
            blocked_threshold: Nanos(blocked_threshold_nanos),
            unwatched,
            own_descriptors: true,
            // With the interpreter's lock held, which keeps the program from changing the environment.
            folder: RuntimeFolder::open_default().ok(),
            changes: None,
        };
        let starting = monitor::Monitor::begin(settings);
        let started = py.detach(|| monitor::Monitor::start(starting?));
        started
            .map(Self)
            .map_err(|error| PyOSError::new_err(format!("no thread to watch from: {error}")))
    }

    /// Where it answers.
    #[getter]
    fn address(&self) -> Option<String> {
        self.0.address.map(|address| address.to_string())
    }

    /// What it lacks.
    #[getter]
    fn problems(&self) -> Vec<String> {
        self.0.problems.clone()
    }

    /// Whether its threads are this process's: a forked child has none of them.
    #[getter]
    fn is_here(&self) -> bool {
        self.0.is_here()
    }

    /// The status code, the media type, the age in seconds and the body of an answer.
    fn answer(
        &self,
        question: &str,
        accept: &str,
    ) -> PyResult<(u16, &'static str, f64, Cow<'static, [u8]>)> {
        let question = match question {
            "health" => Question::Health,
            "livez" => Question::Live,
            "readyz" => Question::Ready,
            _ => return Err(PyValueError::new_err("no such question")),
        };
        let answer = self.0.cell.answer(question, accept);
        let age_seconds = answer.age.as_secs_f64();
        let body = answer.body.to_vec().into();
        Ok((answer.code, answer.content_type, age_seconds, body))
    }

    /// Closes the port and ends the threads.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.0.stop());
    }
}

/// An address inside this object, whose own polls are no loops of the program.
#[pyfunction]
pub(crate) fn own_address() -> usize {
    isolation::own_address()
}
