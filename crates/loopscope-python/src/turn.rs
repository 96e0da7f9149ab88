//! Whether the calling thread is inside a task's step, and in which one.
//!
//! A synchronous call that begins and ends in one step kept the loop to itself. Callbacks that are no steps are
//! not seen here: for those the loop is asked, where it matters.

use std::cell::Cell;

use pyo3::types::PyAnyMethods;
use pyo3::{Bound, Py, PyAny, Python};

use crate::gil::GilCell;

thread_local! {
    static CURRENT: Cell<Turn> = const { Cell::new(Turn { number: 0 }) };
    static LAST: Cell<u64> = const { Cell::new(0) };
}

/// `asyncio._get_running_loop`; `None` before asyncio was imported.
static RUNNING_LOOP: GilCell<Option<Py<PyAny>>> = GilCell::new(None);

/// `asyncio.current_task`; `None` before asyncio was imported.
static CURRENT_TASK: GilCell<Option<Py<PyAny>>> = GilCell::new(None);

/// A step of a task on the calling thread, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    number: u64,
}

impl Turn {
    /// The one that the thread is in.
    #[inline]
    pub(crate) fn current() -> Self {
        CURRENT.with(Cell::get)
    }

    /// Whether it is a step at all.
    #[inline]
    pub(crate) fn is_step(self) -> bool {
        self.number != 0
    }

    /// Begins a step; to be ended by [`Self::end`] of what was there before.
    #[inline]
    pub(crate) fn begin() -> Self {
        let number = LAST.with(|last| {
            last.set(last.get() + 1);
            last.get()
        });
        CURRENT.with(|current| current.replace(Self { number }))
    }

    /// Goes back to this one.
    #[inline]
    pub(crate) fn resume(self) {
        CURRENT.with(|current| current.set(self));
    }
}

/// Asks asyncio from now on, by its `_get_running_loop` and its `current_task`.
pub(crate) fn ask(running_loop: &Bound<'_, PyAny>, current_task: &Bound<'_, PyAny>) {
    let py = running_loop.py();
    RUNNING_LOOP.with(py, |known| *known = Some(running_loop.clone().unbind()));
    CURRENT_TASK.with(py, |known| *known = Some(current_task.clone().unbind()));
}

fn asked<'py>(py: Python<'py>, what: &GilCell<Option<Py<PyAny>>>) -> Option<Bound<'py, PyAny>> {
    let ask = what.with(py, |known| Some(known.as_ref()?.clone_ref(py)));
    let answer = ask.flatten()?.bind(py).call0().ok()?;
    (!answer.is_none()).then_some(answer)
}

/// The address of the loop that runs on the calling thread.
pub(crate) fn running_loop(py: Python<'_>) -> Option<usize> {
    asked(py, &RUNNING_LOOP).map(|running| running.as_ptr().addr())
}

/// The task that runs on the calling thread.
pub(crate) fn current_task(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    // Without a loop it is an error to ask.
    running_loop(py)?;
    asked(py, &CURRENT_TASK)
}

/// Whether a loop runs on the calling thread.
pub(crate) fn is_loop_running(py: Python<'_>) -> bool {
    running_loop(py).is_some()
}
