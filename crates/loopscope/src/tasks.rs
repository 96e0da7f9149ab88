//! Tasks that are spawned by name: counted by the place that creates them, and told of when they panic.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::layout::{Coverage, FactKind, LoopOwner};
use loopscope_recorder::writer::{
    FactFrame, FactRecord, TaskOutcome, TaskSiteSpec, TaskSiteWriter,
};

use pin_project_lite::pin_project;

use crate::adapter::Adapter;
use crate::{location, process};

/// Counts tasks.
#[derive(Debug)]
pub(crate) struct Tasks(&'static Adapter);

impl Tasks {
    pub(crate) fn new(adapter: &'static Adapter) -> Self {
        Self(adapter)
    }

    /// A task is created at a place; `None` where this process records nothing.
    pub(crate) fn begin(&self, name: &str, place: &'static Location<'static>) -> Option<Task> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let recording = self.0.recording()?;
        self.0.covers(Coverage::TASKS);
        let site = recording.task_site(&TaskSiteSpec {
            owner: LoopOwner::Nobody,
            file: place.file(),
            line: place.line(),
            function: "",
            coroutine: name,
        })?;
        site.spawned(1);
        Some(Task {
            adapter: self.0,
            site,
            name: name.into(),
            place,
            started_nanos: monotonic_nanos(),
            identity: NEXT.fetch_add(1, Relaxed),
            is_over: false,
        })
    }
}

/// A task that is counted.
pub(crate) struct Task {
    adapter: &'static Adapter,
    site: TaskSiteWriter,
    name: Box<str>,
    place: &'static Location<'static>,
    started_nanos: u64,
    identity: u64,
    is_over: bool,
}

impl Task {
    /// The future that is counted as this task.
    pub(crate) fn follow<F: Future>(self, future: F) -> Followed<F> {
        Followed { future, task: self }
    }

    fn end(&mut self, outcome: TaskOutcome) {
        self.is_over = true;
        if self.adapter.recording().is_some() {
            self.site.ended(outcome);
        }
    }

    fn panicked(&mut self, payload: &(dyn Any + Send)) {
        let Some(recording) = self.adapter.recording() else {
            return;
        };
        self.end(TaskOutcome::Failed);
        // A panic is the program's own fault, whoever looks at it afterwards.
        self.site.unretrieved(1);
        let thread_id = process::thread_id();
        let panic = location::take().map(|panic| (panic.file, panic.line));
        let (file, line) = panic.unwrap_or((self.place.file(), self.place.line()));
        let frames = [FactFrame {
            file,
            line,
            function: &self.name,
        }];
        let now = monotonic_nanos();
        let failed = FactRecord {
            owner: recording
                .loop_on_thread(thread_id)
                .unwrap_or(LoopOwner::Nobody),
            subject: Some(self.site.index()),
            thread_id,
            identity: self.identity,
            started_nanos: self.started_nanos,
            ended_nanos: now,
            name: &self.name,
            error_type: "panic",
            message: message_of(payload),
            frames: &frames,
            ..FactRecord::new(FactKind::TaskFailed)
        };
        recording.push_fact(&failed);
        recording.push_fact(&FactRecord {
            kind: FactKind::TaskFailureUnretrieved,
            ..failed
        });
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(TaskOutcome::Cancelled);
        }
    }
}

fn message_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("")
}

pin_project! {
    /// A future that is counted as a task.
    pub(crate) struct Followed<F> {
        #[pin]
        future: F,
        task: Task,
    }
}

impl<F: Future> Future for Followed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match catch_unwind(AssertUnwindSafe(|| this.future.poll(context))) {
            Ok(Poll::Ready(output)) => {
                this.task.end(TaskOutcome::Done);
                Poll::Ready(output)
            }
            Ok(Poll::Pending) => Poll::Pending,
            Err(payload) => {
                this.task.panicked(&*payload);
                resume_unwind(payload)
            }
        }
    }
}
