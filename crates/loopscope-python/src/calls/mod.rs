//! Tracked calls: how often, how long, with what end, and whether they kept a loop to themselves.
//!
//! [`function`] stands in front of a function, [`followed`] in front of the coroutine or generator that it makes.
//! [`running`] is one run of a block of code.

mod followed;
mod followed_types;
pub(crate) mod function;
pub(crate) mod given;
pub(crate) mod onlooker;
mod raw;
mod resumed;
pub(crate) mod running;
mod shape;
mod steps;
mod tracked_type;

pub(crate) use followed::unwrapped;

use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::layout::{CallKind, FactKind, LoopOwner};
use loopscope_recorder::writer::{
    CallEnd, CallOutcome, CallSpec, CallWriter, Exclusive, FactRecord, Recording,
};
use pyo3::types::{PyAnyMethods, PyTraceback};
use pyo3::{Bound, Py, PyAny, Python};

use crate::gil::GilCell;
use crate::process::{self, Bound as Process};
use crate::tasks::{Effort, Limiter, Told, type_name};
use crate::turn::{Turn, is_loop_running};

/// How often the same noteworthy end of a call is told in full within ten seconds.
const TOLD: u32 = 8;

static LIMITER: GilCell<Limiter> = GilCell::new(Limiter::new(TOLD));

/// A call's name, and its counter in this process's recording.
pub(crate) struct Call {
    kind: CallKind,
    group: String,
    name: String,
    /// What says of an error only what may be written down; without it, the error's own text is.
    describe: Option<Py<PyAny>>,
    bound: GilCell<CallBound>,
}

struct CallBound {
    process: Process,
    writer: Option<CallWriter<Exclusive>>,
}

/// When, and where, a call begins.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) started_nanos: u64,
    turn: Turn,
    /// Whether nothing else can run on the thread's loop before the call ends.
    is_sync: bool,
}

impl Moment {
    #[inline]
    pub(crate) fn now(is_sync: bool) -> Self {
        Self {
            started_nanos: monotonic_nanos(),
            turn: Turn::current(),
            is_sync,
        }
    }
}

/// A call that has begun.
#[derive(Clone, Copy)]
pub(crate) struct Begun {
    epoch: u64,
    moment: Moment,
}

/// The error that a call ended with.
pub(crate) struct Ended<'a, 'py> {
    pub(crate) exception: &'a Bound<'py, PyAny>,
    pub(crate) traceback: Option<Bound<'py, PyTraceback>>,
}

impl Call {
    pub(crate) fn new(kind: CallKind, group: String, name: String) -> Self {
        let bound = CallBound {
            process: Process::NONE,
            writer: None,
        };
        Self {
            kind,
            group,
            name,
            describe: None,
            bound: GilCell::new(bound),
        }
    }

    /// Has errors described by this Python function, and told with who called.
    pub(crate) fn described_by(mut self, describe: Py<PyAny>) -> Self {
        self.describe = Some(describe);
        self
    }

    /// A call begins; `None` where nothing is recorded. `is_sync` says that nothing else can run on the thread's
    /// loop before it ends.
    #[inline]
    pub(crate) fn begin(&self, py: Python<'_>, is_sync: bool) -> Option<Begun> {
        let (epoch, writer) = self.writer(py)?;
        writer.start();
        let moment = Moment::now(is_sync);
        Some(Begun { epoch, moment })
    }

    /// A call that is known only now began at this moment.
    pub(crate) fn begin_at(&self, py: Python<'_>, moment: Moment) -> Option<Begun> {
        let (epoch, writer) = self.writer(py)?;
        writer.start();
        Some(Begun { epoch, moment })
    }

    /// A call that began ended well.
    #[inline]
    pub(crate) fn returned(&self, py: Python<'_>, begun: Begun) {
        self.end(py, begun, CallOutcome::Ok, None);
    }

    /// A call that began was cancelled.
    pub(crate) fn cancelled(&self, py: Python<'_>, begun: Begun) {
        self.end(py, begun, CallOutcome::Cancelled, None);
    }

    /// A call that began ended with an error.
    #[cold]
    pub(crate) fn failed(&self, begun: Begun, ended: &Ended<'_, '_>) {
        let py = ended.exception.py();
        self.end(py, begun, CallOutcome::Failed, Some(ended));
    }

    #[inline]
    fn end(
        &self,
        py: Python<'_>,
        begun: Begun,
        outcome: CallOutcome,
        ended: Option<&Ended<'_, '_>>,
    ) {
        let Some((epoch, writer)) = self.writer(py) else {
            return;
        };
        // A child that was forked during the call has no such call.
        if epoch != begun.epoch {
            return;
        }
        let now = monotonic_nanos();
        let Moment {
            started_nanos,
            turn,
            is_sync,
        } = begun.moment;
        let nanos = now.saturating_sub(started_nanos);
        let held_loop = if turn.is_step() {
            turn == Turn::current()
        } else {
            is_sync && self.may_have_held(py, nanos)
        };
        let noteworthy = writer.finish(CallEnd {
            nanos,
            outcome,
            held_loop,
        });
        if let Some(kind) = noteworthy {
            self.tell(py, kind, &writer, (started_nanos, now), ended);
        }
    }

    /// Whether a call that was in no step kept a loop to itself. Asked only where that would matter.
    #[inline]
    fn may_have_held(&self, py: Python<'_>, nanos: u64) -> bool {
        nanos >= self.stall_threshold_nanos(py) && is_loop_running(py)
    }

    #[inline]
    fn stall_threshold_nanos(&self, py: Python<'_>) -> u64 {
        let recording = self.bound.with(py, |bound| bound.process.recording);
        recording
            .flatten()
            .map_or(u64::MAX, |recording| recording.stall_threshold_nanos())
    }

    #[inline]
    fn writer(&self, py: Python<'_>) -> Option<(u64, CallWriter<Exclusive>)> {
        let current = self.bound.with(py, |bound| {
            if bound.process.epoch == 0 || bound.process.epoch != process::epoch() {
                bound.follow(self);
            }
            Some((bound.process.epoch, bound.writer?))
        });
        current.flatten()
    }

    fn spec(&self) -> CallSpec<'_> {
        CallSpec {
            kind: self.kind,
            group: &self.group,
            name: &self.name,
        }
    }

    /// Tells of a noteworthy end, with where it came from.
    #[cold]
    fn tell(
        &self,
        py: Python<'_>,
        kind: FactKind,
        writer: &CallWriter<Exclusive>,
        (started, ended_at): (u64, u64),
        ended: Option<&Ended<'_, '_>>,
    ) {
        if let Some(ended) = ended {
            writer.set_last_error(&type_name(ended.exception));
        }
        // Of a connection that fails, whoever counts connections tells more.
        let is_told_elsewhere = kind == FactKind::CallFailed && self.kind == CallKind::Connect;
        let what = (writer.index() << 4 | kind as u32, 0);
        let allows = |limiter: &mut Limiter| limiter.allows(what, ended_at);
        if is_told_elsewhere || LIMITER.with(py, allows) != Some(true) {
            return;
        }
        let told = ended.map_or_else(|| Told::of_callers(py), |ended| self.told(ended));
        let Some(process) = self.bound.with(py, |bound| bound.process) else {
            return;
        };
        let thread_id = process::thread_id(process.epoch);
        let fact = FactRecord {
            owner: LoopOwner::Thread(thread_id),
            subject: Some(writer.index()),
            thread_id,
            started_nanos: started,
            ended_nanos: ended_at,
            name: &self.name,
            error_type: &told.error_type,
            message: &told.message,
            frames: &told.fact_frames(),
            ..FactRecord::new(kind)
        };
        if let Some(recording) = process.recording {
            recording.push_fact(&fact);
        }
    }

    fn told(&self, ended: &Ended<'_, '_>) -> Told {
        let exception = ended.exception;
        let Some(describe) = &self.describe else {
            return Told::of(exception, ended.traceback.as_ref(), Effort::Safe);
        };
        let described = describe.bind(exception.py()).call1((exception,));
        Told {
            error_type: type_name(exception),
            message: described
                .and_then(|text| text.extract())
                .unwrap_or_default(),
            ..Told::of_callers(exception.py())
        }
    }
}

impl CallBound {
    #[cold]
    fn follow(&mut self, call: &Call) {
        self.process = process::bind();
        let recording: Option<&Recording> = self.process.recording.as_ref();
        let writer = recording.and_then(|recording| recording.call(&call.spec()));
        self.writer = writer.map(CallWriter::exclusive);
    }
}
