//! Tasks that may end with an error, and whether anybody takes it.
//!
//! Somebody does who awaits the handle to its end. An error whose handle was dropped, before or after the task ended,
//! reached nobody; while the handle is held it may still be taken.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use loopscope_recorder::layout::FactKind;
use loopscope_recorder::writer::TaskOutcome;
use tokio::task::{AbortHandle, Id, JoinError, JoinHandle};

use super::fate::Fate;
use super::{Site, Task};

/// What the task and its handle share.
#[derive(Debug)]
struct Shared {
    site: &'static Site,
    fate: Fate,
}

impl Shared {
    /// The error of this failure reached nobody.
    fn is_lost(&self, failure: u64) {
        if let Some(recording) = self.site.adapter.recording() {
            self.site.writer.unretrieved(1);
            let kind = FactKind::TaskFailureUnretrieved;
            self.site.settle(&recording, failure, kind);
        }
    }

    fn is_taken(&self, failure: u64) {
        if let Some(recording) = self.site.adapter.recording() {
            self.site.writer.retrieved(1);
            let kind = FactKind::TaskFailureRetrieved;
            self.site.settle(&recording, failure, kind);
        }
    }
}

/// The handle of a task that may fail, as [`Scope::spawn_fallible`](crate::Scope::spawn_fallible) gives it: what
/// tokio's is, and it knows whether the error reached anybody.
///
/// Dropping it lets the task go on, and says that nobody will hear of its error.
#[derive(Debug)]
pub struct FallibleHandle<T, E> {
    handle: JoinHandle<Result<T, E>>,
    shared: Option<Arc<Shared>>,
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
        if let Some(shared) = self.shared.take()
            && let Some(failure) = shared.fate.is_taken()
        {
            shared.is_taken(failure);
        }
        Poll::Ready(ended)
    }
}

impl<T, E> Drop for FallibleHandle<T, E> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take()
            && let Some(failure) = shared.fate.is_let_go()
        {
            shared.is_lost(failure);
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
            shared: None,
        };
    };
    let shared = Arc::new(Shared {
        site: task.site,
        fate: Fate::new(),
    });
    let of_task = Arc::clone(&shared);
    let ended = move |task: &mut Task, output: &Result<T, E>| {
        let Err(error) = output else {
            return task.end(TaskOutcome::Done);
        };
        let failure = task.failed(std::any::type_name::<E>(), error);
        if let Some(lost) = failure.and_then(|failure| of_task.fate.fails(failure)) {
            of_task.is_lost(lost);
        }
    };
    FallibleHandle {
        handle: tokio::spawn(super::follow_to(Some(task), future, ended)),
        shared: Some(shared),
    }
}
