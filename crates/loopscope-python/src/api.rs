//! What the Python package calls. See `_native.pyi` for the signatures.

use loopscope_recorder::layout::Coverage;
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::calls::function::new_tracked;
use crate::calls::onlooker::Onlooker;
use crate::{calls, coverage, process, tasks, turn};

/// Finds the process's recording. False where there is none to write to, and in other interpreters than the
/// main one.
#[pyfunction]
pub(crate) fn begin(py: Python<'_>) -> bool {
    if !process::is_main_interpreter(py) {
        return false;
    }
    let version = py.version_info();
    coverage::name_after(&format!(
        "{}.{}.{}",
        version.major, version.minor, version.patch
    ));
    process::find_pulse()
}

/// Watches the tasks of the C implementation. `samples` are futures: pending, cancelled, returned, failed;
/// the exception of the last; and a coroutine that has begun.
#[pyfunction]
pub(crate) fn watch_tasks<'py>(
    task: &Bound<'py, PyType>,
    step: &Bound<'py, PyAny>,
    wake: &Bound<'py, PyAny>,
    samples: [Bound<'py, PyAny>; 6],
    folder: &Bound<'py, PyAny>,
) -> PyResult<bool> {
    let [pending, cancelled, returned, failed, exception, coroutine] = samples;
    tasks::calibrate(&tasks::Samples {
        pending,
        cancelled,
        returned,
        failed,
        exception,
        coroutine,
    })?;
    tasks::begin(task.py(), folder, &task.getattr("get_name")?);
    let is_watching = tasks::hooks::install(task, step, wake);
    if is_watching {
        watch(Coverage::TASKS);
    }
    Ok(is_watching)
}

/// Gives the set of all tasks an `add` of ours, which costs less than its own.
#[pyfunction]
pub(crate) fn quicken_registry(set: &Bound<'_, PyAny>) -> PyResult<()> {
    tasks::registry::install(set)
}

/// Calls are tracked from now on. With asyncio imported, these are its `_get_running_loop`, its
/// `current_task` and its `CancelledError`.
#[pyfunction]
#[pyo3(signature = (running_loop=None, current_task=None, cancelled=None))]
pub(crate) fn watch_calls(
    running_loop: Option<&Bound<'_, PyAny>>,
    current_task: Option<&Bound<'_, PyAny>>,
    cancelled: Option<&Bound<'_, PyAny>>,
) {
    if let (Some(running_loop), Some(current_task)) = (running_loop, current_task) {
        turn::ask(running_loop, current_task);
    }
    if let Some(cancelled) = cancelled {
        calls::function::know_cancellation(cancelled);
    }
    watch(Coverage::CALLS);
}

/// Sees what is told to a loop's exception handler: a function that stands in front of the handler's caller.
#[pyfunction]
pub(crate) fn watch_handler(function: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    new_tracked(function, Onlooker::Arguments(tasks::handlers::told))
}

/// The collector's pauses are told from now on.
#[pyfunction]
pub(crate) fn watch_collector() {
    watch(Coverage::GC);
}

/// Executors are followed from now on.
#[pyfunction]
pub(crate) fn watch_executors() {
    watch(Coverage::EXECUTORS);
}

/// Something failed in the agent and was swallowed there.
#[pyfunction]
pub(crate) fn count_fault() {
    coverage::count_fault();
}

fn watch(what: Coverage) {
    coverage::add(what);
    // Begins the process, and tells its recording.
    process::bind();
}
