//! Tasks that are spawned by name: counted by the place that creates them, and told of when they panic.
//!
//! [`fallible`] has those whose errors matter.

mod counts;
mod fallible;
mod fate;
mod sites;

use std::any::Any;
use std::fmt::Display;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use loopscope_recorder::clock::{coarse_nanos, monotonic_nanos};
use loopscope_recorder::layout::{FactKind, LoopOwner};
use loopscope_recorder::writer::{FactFrame, FactRecord, Recording, TaskOutcome};

use pin_project_lite::pin_project;

use crate::adapter::Adapter;
use crate::{location, process};

pub use fallible::FallibleHandle;
pub(crate) use fallible::spawn as spawn_fallible;
use sites::Site;
pub(crate) use sites::{Origin, Sites};

/// The future that is counted as this task, and ends well when it ends.
pub(crate) fn follow<F: Future>(
    task: Option<Task>,
    future: F,
) -> Followed<F, impl FnMut(&mut Task, &F::Output)> {
    follow_to(task, future, |task, _| task.end(TaskOutcome::Done))
}

/// The same where what it ends with says how it ended.
fn follow_to<F: Future, G: FnMut(&mut Task, &F::Output)>(
    task: Option<Task>,
    future: F,
    ended: G,
) -> Followed<F, G> {
    Followed {
        future,
        task,
        ended,
    }
}

/// Does this work as this task.
pub(crate) fn run<R>(task: Option<Task>, work: impl FnOnce() -> R) -> R {
    let Some(mut task) = task else {
        return work();
    };
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(output) => {
            task.end(TaskOutcome::Done);
            output
        }
        Err(payload) => {
            task.panicked(&*payload);
            resume_unwind(payload)
        }
    }
}

/// A task that is counted.
pub(crate) struct Task {
    site: &'static Site,
    place: &'static Location<'static>,
    started_nanos: u64,
    is_over: bool,
}

impl Task {
    /// A task is created at a place; `None` where this process records nothing.
    #[inline]
    pub(crate) fn begin(adapter: &'static Adapter, origin: &Origin<'_>) -> Option<Self> {
        let site = Site::of(adapter, origin)?;
        let started_nanos = coarse_nanos();
        site.begins(started_nanos);
        Some(Self {
            site,
            place: origin.place,
            started_nanos,
            is_over: false,
        })
    }

    #[cfg(not(tokio_unstable))]
    pub(crate) fn adapter(&self) -> &'static Adapter {
        self.site.adapter
    }

    /// It ended with an error, which somebody may take. By which number; `None` where nothing is recorded.
    fn failed(&mut self, error_type: &str, error: &dyn Display) -> Option<u64> {
        let recording = self.site.adapter.recording()?;
        self.end(TaskOutcome::Failed);
        let at = (self.place.file(), self.place.line());
        Some(self.tell(&recording, at, (error_type, &error.to_string())))
    }

    #[inline]
    fn end(&mut self, outcome: TaskOutcome) {
        self.is_over = true;
        if self.site.adapter.recording().is_some() {
            self.site.ends(outcome, self.started_nanos);
        }
    }

    #[cold]
    fn panicked(&mut self, payload: &(dyn Any + Send)) {
        let Some(recording) = self.site.adapter.recording() else {
            return;
        };
        self.end(TaskOutcome::Failed);
        let panic = location::take().map(|panic| (panic.file, panic.line));
        let at = panic.unwrap_or((self.place.file(), self.place.line()));
        let identity = self.tell(&recording, at, ("panic", message_of(payload)));
        // A panic is the program's own fault, whoever looks at it afterwards.
        self.site.writer.unretrieved(1);
        self.site
            .settle(&recording, identity, FactKind::TaskFailureUnretrieved);
    }

    /// Tells of its failure, at this place and with this type of error and message. The number that it has from now on.
    fn tell(
        &self,
        recording: &Recording,
        (file, line): (&str, u32),
        (error_type, message): (&str, &str),
    ) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let identity = NEXT.fetch_add(1, Relaxed);
        let thread_id = process::thread_id();
        let frames = [FactFrame {
            file,
            line,
            function: &self.site.name,
        }];
        recording.push_fact(&FactRecord {
            owner: recording
                .loop_on_thread(thread_id)
                .unwrap_or(LoopOwner::Nobody),
            subject: Some(self.site.writer.index()),
            thread_id,
            identity,
            started_nanos: self.started_nanos,
            ended_nanos: monotonic_nanos(),
            name: &self.site.name,
            error_type,
            message,
            frames: &frames,
            ..FactRecord::new(FactKind::TaskFailed)
        });
        identity
    }
}

impl Site {
    /// Tells what became of a failure.
    fn settle(&self, recording: &Recording, identity: u64, kind: FactKind) {
        let now = monotonic_nanos();
        recording.push_fact(&FactRecord {
            subject: Some(self.writer.index()),
            identity,
            started_nanos: now,
            ended_nanos: now,
            ..FactRecord::new(kind)
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
    /// A future that is counted as a task, where there is one.
    pub(crate) struct Followed<F, G> {
        #[pin]
        future: F,
        task: Option<Task>,
        ended: G,
    }
}

impl<F: Future, G: FnMut(&mut Task, &F::Output)> Future for Followed<F, G> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Some(task) = this.task else {
            return this.future.poll(context);
        };
        match catch_unwind(AssertUnwindSafe(|| this.future.poll(context))) {
            Ok(Poll::Ready(output)) => {
                (this.ended)(task, &output);
                Poll::Ready(output)
            }
            Ok(Poll::Pending) => Poll::Pending,
            Err(payload) => {
                task.panicked(&*payload);
                resume_unwind(payload)
            }
        }
    }
}
