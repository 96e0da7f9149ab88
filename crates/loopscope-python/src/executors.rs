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

    /// A piece of work is put into the queue.
    fn submitted(this: Py<Self>, py: Python<'_>, workers: u64, max_workers: u64) -> Piece {
        let now = monotonic_nanos();
        let epoch = this.get().with(py, |writer| {
            writer.set_workers(workers, max_workers);
            writer.submitted(now);
        });
        Piece {
            executor: this,
            stage: GilCell::new(Stage::Queued { epoch, since: now }),
        }
    }

    /// The executor was shut down.
    fn shut_down(&self, py: Python<'_>) {
        self.with(py, |writer| writer.shut_down(monotonic_nanos()));
    }
}

/// A piece of work. One that goes away before it began was taken back: by an executor that is shut down with
/// everything in its queue, for one.
#[pyclass(frozen, module = "loopscope._native")]
pub(crate) struct Piece {
    executor: Py<ExecutorSite>,
    stage: GilCell<Stage>,
}

/// How far a piece of work is, since when, and in which process it got there.
#[derive(Clone, Copy)]
enum Stage {
    Queued { epoch: u64, since: u64 },
    Begun { epoch: u64, since: u64 },
    Over,
}

#[pymethods]
impl Piece {
    /// A thread takes it.
    fn begun(&self, py: Python<'_>, workers: u64, max_workers: u64) {
        let now = monotonic_nanos();
        let Some(Stage::Queued { epoch, since }) = self.replace(py, Stage::Over) else {
            return;
        };
        // A child that was forked meanwhile has no such piece in its queue.
        let current = self.executor.get().with(py, |writer| {
            if epoch == process::epoch() {
                writer.set_workers(workers, max_workers);
                writer.begun(now, now.saturating_sub(since));
            }
        });
        if epoch == current {
            self.replace(py, Stage::Begun { epoch, since: now });
        }
    }

    /// It ended.
    fn ended(&self, py: Python<'_>, is_ok: bool) {
        let now = monotonic_nanos();
        let Some(Stage::Begun { epoch, since }) = self.replace(py, Stage::Over) else {
            return;
        };
        self.executor.get().with(py, |writer| {
            if epoch == process::epoch() {
                writer.ended(now, now.saturating_sub(since), is_ok);
            }
        });
    }

    /// It was taken back before it began.
    fn cancelled(&self, py: Python<'_>) {
        let Some(Stage::Queued { epoch, .. }) = self.replace(py, Stage::Over) else {
            return;
        };
        self.executor.get().with(py, |writer| {
            if epoch == process::epoch() {
                writer.cancelled(monotonic_nanos());
            }
        });
    }
}

impl Piece {
    fn replace(&self, py: Python<'_>, stage: Stage) -> Option<Stage> {
        self.stage
            .with(py, |current| std::mem::replace(current, stage))
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        Python::try_attach(|py| self.cancelled(py));
    }
}

impl ExecutorSite {
    /// Writes, and returns the process's number.
    fn with(&self, py: Python<'_>, write: impl FnOnce(&ExecutorWriter)) -> u64 {
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
        process::epoch()
    }
}
