//! Tasks that are spawned by name: counted by the place that creates them, and told of when they panic.
//!
//! [`fallible`] has those whose errors matter.

mod ages;
mod fallible;

use std::any::Any;
use std::fmt::Display;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::layout::{Coverage, FactKind, LoopOwner};
use loopscope_recorder::writer::{
    FactFrame, FactRecord, Recording, TaskOutcome, TaskSiteSpec, TaskSiteWriter,
};

use pin_project_lite::pin_project;

use crate::adapter::Adapter;
use crate::{location, process};

pub(crate) use ages::Ages;
pub use fallible::FallibleHandle;
pub(crate) use fallible::spawn as spawn_fallible;

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
        let started_nanos = monotonic_nanos();
        self.0.ages.begin(&site, started_nanos);
        Some(Task {
            adapter: self.0,
            site,
            name: name.into(),
            place,
            started_nanos,
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
    /// The future that is counted as this task, and ends well when it ends.
    pub(crate) fn follow<F: Future>(
        self,
        future: F,
    ) -> Followed<F, impl FnMut(&mut Self, &F::Output)> {
        self.follow_to(future, |task, _| task.end(TaskOutcome::Done))
    }

    /// The same where what it ends with says how it ended.
    fn follow_to<F: Future, G: FnMut(&mut Self, &F::Output)>(
        self,
        future: F,
        ended: G,
    ) -> Followed<F, G> {
        Followed {
            future,
            task: self,
            ended,
        }
    }

    /// It ended with an error, which somebody may take.
    fn failed(&mut self, error_type: &str, error: &dyn Display) {
        let Some(recording) = self.adapter.recording() else {
            return;
        };
        self.end(TaskOutcome::Failed);
        let at = (self.place.file(), self.place.line());
        self.tell(&recording, at, (error_type, &error.to_string()));
    }

    fn end(&mut self, outcome: TaskOutcome) {
        self.is_over = true;
        if self.adapter.recording().is_some() {
            self.site.ended(outcome);
            self.adapter.ages.end(&self.site, self.started_nanos);
        }
    }

    fn panicked(&mut self, payload: &(dyn Any + Send)) {
        let Some(recording) = self.adapter.recording() else {
            return;
        };
        self.end(TaskOutcome::Failed);
        let panic = location::take().map(|panic| (panic.file, panic.line));
        let at = panic.unwrap_or((self.place.file(), self.place.line()));
        self.tell(&recording, at, ("panic", message_of(payload)));
        // A panic is the program's own fault, whoever looks at it afterwards.
        self.site.unretrieved(1);
        settle(
            &recording,
            &self.site,
            self.identity,
            FactKind::TaskFailureUnretrieved,
        );
    }

    /// Tells of its failure, at this place and with this type of error and message.
    fn tell(
        &self,
        recording: &Recording,
        (file, line): (&str, u32),
        (error_type, message): (&str, &str),
    ) {
        let thread_id = process::thread_id();
        let frames = [FactFrame {
            file,
            line,
            function: &self.name,
        }];
        recording.push_fact(&FactRecord {
            owner: recording
                .loop_on_thread(thread_id)
                .unwrap_or(LoopOwner::Nobody),
            subject: Some(self.site.index()),
            thread_id,
            identity: self.identity,
            started_nanos: self.started_nanos,
            ended_nanos: monotonic_nanos(),
            name: &self.name,
            error_type,
            message,
            frames: &frames,
            ..FactRecord::new(FactKind::TaskFailed)
        });
    }
}

/// Tells what became of a failure.
fn settle(recording: &Recording, site: &TaskSiteWriter, identity: u64, kind: FactKind) {
    let now = monotonic_nanos();
    recording.push_fact(&FactRecord {
        subject: Some(site.index()),
        identity,
        started_nanos: now,
        ended_nanos: now,
        ..FactRecord::new(kind)
    });
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
    pub(crate) struct Followed<F, G> {
        #[pin]
        future: F,
        task: Task,
        ended: G,
    }
}

impl<F: Future, G: FnMut(&mut Task, &F::Output)> Future for Followed<F, G> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match catch_unwind(AssertUnwindSafe(|| this.future.poll(context))) {
            Ok(Poll::Ready(output)) => {
                (this.ended)(this.task, &output);
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
