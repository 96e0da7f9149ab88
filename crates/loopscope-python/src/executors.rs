//! Thread pools: their threads, their queue, and how long work waits in it.
//!
//! The Python package follows each piece of work; this counts.

use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::writer::ExecutorWriter;
use pyo3::prelude::*;

use crate::gil::GilCell;
use crate::process::{self, Bound as Process};

/// An executor, by its name.
#[pyclass(frozen, module = "loopscope._native")]
pub(crate) struct ExecutorSite {
    name: String,
    bound: GilCell<(Process, Option<ExecutorWriter>)>,
}

#[pymethods]
impl ExecutorSite {
    #[new]
    fn new(name: String) -> Self {
        let bound = GilCell::new((Process::NONE, None));
        Self { name, bound }
    }

    /// A piece of work is put into the queue. Returns when.
    fn submitted(&self, py: Python<'_>, workers: u64, max_workers: u64) -> u64 {
        let now = monotonic_nanos();
        self.with(py, |writer| {
            writer.set_workers(workers, max_workers);
            writer.submitted(now);
        });
        now
    }

    /// A thread takes a piece of work that was put there at that time. Returns when.
    fn begun(&self, py: Python<'_>, submitted_nanos: u64, workers: u64, max_workers: u64) -> u64 {
        let now = monotonic_nanos();
        self.with(py, |writer| {
            writer.set_workers(workers, max_workers);
            writer.begun(now, now.saturating_sub(submitted_nanos));
        });
        now
    }

    /// A piece of work that was begun at that time ended.
    fn ended(&self, py: Python<'_>, begun_nanos: u64, is_ok: bool) {
        let now = monotonic_nanos();
        self.with(py, |writer| {
            writer.ended(now, now.saturating_sub(begun_nanos), is_ok)
        });
    }

    /// A piece of work was taken back before it began.
    fn cancelled(&self, py: Python<'_>) {
        self.with(py, |writer| writer.cancelled(monotonic_nanos()));
    }

    /// The executor was shut down.
    fn shut_down(&self, py: Python<'_>) {
        self.with(py, |writer| writer.shut_down(monotonic_nanos()));
    }
}

impl ExecutorSite {
    fn with(&self, py: Python<'_>, write: impl FnOnce(&ExecutorWriter)) {
        let writer = self.bound.with(py, |(process, writer)| {
            if process.epoch == 0 || process.epoch != process::epoch() {
                *process = process::bind();
                *writer = process
                    .recording
                    .and_then(|recording| recording.executor(&self.name));
            }
            *writer
        });
        if let Some(writer) = writer.flatten() {
            write(&writer);
        }
    }
}
