//! Tasks that may end with an error, and whether anybody takes it.
//!
//! Somebody does who awaits the handle to its end. An error whose handle was dropped, before or after the task ended,
//! reached nobody; while the handle is held it may still be taken.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::atomic::{AtomicU8, AtomicU64};
use std::task::{Context, Poll, ready};

use loopscope_recorder::layout::FactKind;
use loopscope_recorder::writer::{Recording, TaskOutcome};
use tokio::task::{AbortHandle, Id, JoinError, JoinHandle};

use super::{Site, Task};

/// Somebody holds the handle, and the task has not failed.
const HELD: u8 = 0;
/// Nobody does.
const LET_GO: u8 = 1;
/// It has failed, and somebody holds the handle.
const FAILED: u8 = 2;

/// What the task and its handle know of each other.
#[derive(Debug)]
struct Fate {
    site: &'static Site,
    /// Of its failure.
    identity: AtomicU64,
    state: AtomicU8,
}

impl Fate {
    /// The task failed, which was told with this number.
    fn fails(&self, identity: u64) {
        self.identity.store(identity, Relaxed);
        if self.state.swap(FAILED, AcqRel) == LET_GO {
            self.is_lost();
        }
    }

    /// The handle is dropped.
    fn is_let_go(&self) {
        if self.state.swap(LET_GO, AcqRel) == FAILED {
            self.is_lost();
        }
    }

    /// Somebody has awaited the task, or will.
    fn is_taken(&self) {
        if self.state.swap(HELD, AcqRel) == FAILED
            && let Some(recording) = self.site.adapter.recording()
        {
            self.site.writer.retrieved(1);
            self.settle(&recording, FactKind::TaskFailureRetrieved);
        }
    }

    fn is_lost(&self) {
        if let Some(recording) = self.site.adapter.recording() {
            self.site.writer.unretrieved(1);
            self.settle(&recording, FactKind::TaskFailureUnretrieved);
        }
    }

    fn settle(&self, recording: &Recording, kind: FactKind) {
        let identity = self.identity.load(Relaxed);
        self.site.settle(recording, identity, kind);
    }
}

/// The handle of a task that may fail, as [`Scope::spawn_fallible`](crate::Scope::spawn_fallible) gives it: what
/// tokio's is, and it knows whether the error reached anybody.
///
/// Dropping it lets the task go on, and says that nobody will hear of its error.
#[derive(Debug)]
pub struct FallibleHandle<T, E> {
    handle: JoinHandle<Result<T, E>>,
    fate: Option<Arc<Fate>>,
}

impl<T, E> FallibleHandle<T, E> {
    /// As [`JoinHandle::abort`].
    pub fn abort(&self) {
        self.handle.abort();
    }

    /// As [`JoinHandle::abort_handle`].
    pub fn abort_handle(&self) -> AbortHandle {
        self.handle.abort_handle()
    }

    /// As [`JoinHandle::is_finished`].
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// As [`JoinHandle::id`].
    pub fn id(&self) -> Id {
        self.handle.id()
    }
}

impl<T, E> Future for FallibleHandle<T, E> {
    type Output = Result<Result<T, E>, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = ready!(Pin::new(&mut self.handle).poll(context));
        if let Some(fate) = self.fate.take() {
            fate.is_taken();
        }
        Poll::Ready(ended)
    }
}

impl<T, E> Drop for FallibleHandle<T, E> {
    fn drop(&mut self) {
        if let Some(fate) = self.fate.take() {
            fate.is_let_go();
        }
    }
}

/// Spawns a future on the current runtime; counted as this task where there is one.
pub(crate) fn spawn<F, T, E>(task: Option<Task>, future: F) -> FallibleHandle<T, E>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Display + Send + 'static,
{
    let Some(task) = task else {
        return FallibleHandle {
            handle: tokio::spawn(future),
            fate: None,
        };
    };
    let fate = Arc::new(Fate {
        site: task.site,
        identity: AtomicU64::new(0),
        state: AtomicU8::new(HELD),
    });
    let of_task = Arc::clone(&fate);
    let ended = move |task: &mut Task, output: &Result<T, E>| {
        let Err(error) = output else {
            return task.end(TaskOutcome::Done);
        };
        if let Some(identity) = task.failed(std::any::type_name::<E>(), error) {
            of_task.fails(identity);
        }
    };
    FallibleHandle {
        handle: tokio::spawn(task.follow_to(future, ended)),
        fate: Some(fate),
    }
}
