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

/// Asks asyncio from now on, by its `_get_running_loop`.
pub(crate) fn ask(running_loop: &Bound<'_, PyAny>) {
    RUNNING_LOOP.with(running_loop.py(), |known| {
        *known = Some(running_loop.clone().unbind());
    });
}

/// Whether a loop runs on the calling thread.
pub(crate) fn is_loop_running(py: Python<'_>) -> bool {
    let running_loop = RUNNING_LOOP.with(py, |known| Some(known.as_ref()?.clone_ref(py)));
    let running = running_loop
        .flatten()
        .and_then(|ask| ask.bind(py).call0().ok());
    running.is_some_and(|running| !running.is_none())
}
