//! A runtime's threads for work that blocks: how much is under way, and what waits for one of them.
//!
//! Where tokio is built with `tokio_unstable` it tells that of all such work. Else what is sent by
//! [`Scope::spawn_blocking`](crate::Scope::spawn_blocking) is followed: tokio starts a thread where none is free, so work
//! that waits wants one that may not be started. How many there are is not known then.

use std::sync::{Mutex, PoisonError};

#[cfg(not(tokio_unstable))]
use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::layout::Coverage;
#[cfg(tokio_unstable)]
use loopscope_recorder::writer::ExecutorGauges;
use loopscope_recorder::writer::ExecutorWriter;
use tokio::runtime::{Handle, Id};
use tokio::task::JoinHandle;

use crate::adapter::Adapter;
use crate::tasks::{self, Task};

/// What runtimes are called that are not watched.
#[cfg(not(tokio_unstable))]
const UNWATCHED: &str = "tokio";

/// Sends work to the current runtime's blocking threads, as this task.
#[track_caller]
pub(crate) fn spawn<F, R>(task: Option<Task>, work: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    #[cfg(not(tokio_unstable))]
    let piece = task.as_ref().and_then(|task| Piece::send(task.adapter()));
    tokio::task::spawn_blocking(move || {
        #[cfg(not(tokio_unstable))]
        let _begun = piece.map(Piece::begin);
        tasks::run(task, work)
    })
}

/// The blocking threads of the runtimes that are watched.
#[derive(Debug, Default)]
pub(crate) struct BlockingThreads(Mutex<Vec<Known>>);

#[derive(Debug)]
struct Known {
    runtime: Id,
    name: String,
    /// `None` before there was anything to tell of them.
    writer: Option<ExecutorWriter>,
}

impl BlockingThreads {
    /// A runtime is watched under this name from now on.
    pub(crate) fn add(&self, name: &str, handle: &Handle) {
        let runtime = handle.id();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is watched twice goes by its first name.
        if all.iter().all(|known| known.runtime != runtime) {
            all.push(Known {
                runtime,
                name: name.to_owned(),
                writer: None,
            });
        }
    }

    /// What writes down those of a runtime; `None` where it is not watched.
    fn of(&self, adapter: &Adapter, runtime: Id) -> Option<ExecutorWriter> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.iter_mut().find(|known| known.runtime == runtime)?;
        if known.writer.is_none() {
            known.writer = writer(adapter, &known.name);
        }
        known.writer
    }

    /// Asks tokio how those of a runtime are.
    #[cfg(tokio_unstable)]
    pub(crate) fn ask(&self, adapter: &Adapter, handle: &Handle, now_nanos: u64) {
        let metrics = handle.metrics();
        let workers = metrics.num_blocking_threads() as u64;
        if workers == 0 {
            return;
        }
        let idle = metrics.num_idle_blocking_threads() as u64;
        // While there are others, what is in the queue is on its way to one of them.
        let queued = if idle == 0 {
            metrics.blocking_queue_depth() as u64
        } else {
            0
        };
        if let Some(writer) = self.of(adapter, handle.id()) {
            let gauges = ExecutorGauges {
                max_workers: 0,
                workers,
                busy: workers.saturating_sub(idle),
                queued,
            };
            writer.set_gauges(&gauges, now_nanos);
        }
    }

    /// A runtime is gone.
    pub(crate) fn remove(&self, handle: &Handle, now_nanos: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = all.iter().position(|known| known.runtime == handle.id()) else {
            return;
        };
        if let Some(writer) = all.swap_remove(at).writer {
            writer.shut_down(now_nanos);
        }
    }
}

fn writer(adapter: &Adapter, runtime: &str) -> Option<ExecutorWriter> {
    let writer = adapter
        .recording()?
        .executor(&format!("{runtime} (blocking)"))?;
    writer.set_workers(0, 0);
    adapter.covers(Coverage::EXECUTORS);
    Some(writer)
}

/// A piece of work that waits. One that is dropped was taken back.
#[cfg(not(tokio_unstable))]
struct Piece {
    adapter: &'static Adapter,
    writer: ExecutorWriter,
    since_nanos: u64,
    has_begun: bool,
}

#[cfg(not(tokio_unstable))]
impl Piece {
    fn send(adapter: &'static Adapter) -> Option<Self> {
        adapter.recording()?;
        let runtime = Handle::try_current().ok()?.id();
        let known = adapter.blocking.of(adapter, runtime);
        let writer = known.or_else(|| writer(adapter, UNWATCHED))?;
        let since_nanos = monotonic_nanos();
        writer.submitted(since_nanos);
        Some(Self {
            adapter,
            writer,
            since_nanos,
            has_begun: false,
        })
    }

    /// A thread has taken it.
    fn begin(mut self) -> Begun {
        let now = monotonic_nanos();
        self.has_begun = true;
        if self.adapter.recording().is_some() {
            let waited = now.saturating_sub(self.since_nanos);
            self.writer.begun(now, waited);
        }
        Begun {
            adapter: self.adapter,
            writer: self.writer,
            since_nanos: now,
        }
    }
}

#[cfg(not(tokio_unstable))]
impl Drop for Piece {
    fn drop(&mut self) {
        if !self.has_begun && self.adapter.recording().is_some() {
            self.writer.cancelled(monotonic_nanos());
        }
    }
}

/// A piece of work under way, which ends when this is dropped.
#[cfg(not(tokio_unstable))]
struct Begun {
    adapter: &'static Adapter,
    writer: ExecutorWriter,
    since_nanos: u64,
}

#[cfg(not(tokio_unstable))]
impl Drop for Begun {
    fn drop(&mut self) {
        if self.adapter.recording().is_some() {
            let now = monotonic_nanos();
            let ran = now.saturating_sub(self.since_nanos);
            self.writer.ended(now, ran, !std::thread::panicking());
        }
    }
}
