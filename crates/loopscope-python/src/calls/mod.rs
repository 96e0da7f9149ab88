//! Tracked calls: how often, how long, with what end, and whether they kept a loop to themselves.
//!
//! [`function`] stands in front of a function, [`followed`] in front of the coroutine or generator that it makes.
//! [`running`] is one run of a block of code, [`library`] tracks functions of known libraries under names that
//! their arguments choose.

mod followed;
mod followed_types;
pub(crate) mod function;
pub(crate) mod given;
pub(crate) mod library;
pub(crate) mod onlooker;
mod raw;
mod redaction;
mod resumed;
pub(crate) mod running;
mod shape;
mod steps;
mod tracked_type;

pub(crate) use followed::unwrapped;

use loopscope_recorder::clock::{Ticks, monotonic_nanos};
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
    telling: Telling,
    bound: GilCell<CallBound>,
}

/// What is told of an error beside its type.
enum Telling {
    /// Its own text, and where it came from.
    Plain,
    /// What this Python function says may be written down, and who called.
    By(Py<PyAny>),
    /// Its own text without what may be a secret, where it came from, and who called.
    WithoutSecrets,
}

struct CallBound {
    process: Process,
    writer: Option<CallWriter<Exclusive>>,
}

/// When, and where, a call begins.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    started: Ticks,
    turn: Turn,
    /// Whether nothing else can run on the thread's loop before the call ends.
    is_sync: bool,
}

impl Moment {
    #[inline]
    pub(crate) fn now(is_sync: bool) -> Self {
        Self {
            started: Ticks::now(),
            turn: Turn::current(),
            is_sync,
        }
    }

    /// How long ago it was.
    #[inline]
    pub(crate) fn elapsed_nanos(&self) -> u64 {
        self.started.elapsed_nanos()
    }

    /// When it was, on the recording's clock.
    pub(crate) fn nanos(&self) -> u64 {
        monotonic_nanos().saturating_sub(self.elapsed_nanos())
    }
}

/// A call that has begun.
#[derive(Clone, Copy)]
pub(crate) struct Begun {
    epoch: u64,
    writer: CallWriter<Exclusive>,
    moment: Moment,
}

/// How a call that failed did so.
pub(crate) enum Failure<'a, 'py> {
    /// It ended with this exception, which came this way.
    Raised(&'a Bound<'py, PyAny>, Option<Bound<'py, PyTraceback>>),
    /// It returned an answer that says so.
    Answered(&'a str),
}

impl Failure<'_, '_> {
    fn error_type(&self) -> String {
        match self {
            Self::Raised(exception, _) => type_name(exception),
            Self::Answered(error_type) => (*error_type).to_owned(),
        }
    }
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
            telling: Telling::Plain,
            bound: GilCell::new(bound),
        }
    }

    /// Has errors described by this Python function, and told with who called.
    pub(crate) fn described_by(mut self, describe: Py<PyAny>) -> Self {
        self.telling = Telling::By(describe);
        self
    }

    /// The same for a call of a known library: its failures are told with the line of the program that made it,
    /// and with nothing in their messages that may be a secret.
    pub(crate) fn of_library(mut self) -> Self {
        self.telling = Telling::WithoutSecrets;
        self
    }

    /// A call begins; `None` where nothing is recorded. `is_sync` says that nothing else can run on the thread's
    /// loop before it ends.
    #[inline]
    pub(crate) fn begin(&self, py: Python<'_>, is_sync: bool) -> Option<Begun> {
        let (epoch, writer) = self.writer(py)?;
        writer.start();
        let moment = Moment::now(is_sync);
        Some(Begun {
            epoch,
            writer,
            moment,
        })
    }

    /// A call that is known only now began at this moment.
    pub(crate) fn begin_at(&self, py: Python<'_>, moment: Moment) -> Option<Begun> {
        let (epoch, writer) = self.writer(py)?;
        writer.start();
        Some(Begun {
            epoch,
            writer,
            moment,
        })
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

    /// A call that began failed.
    #[cold]
    pub(crate) fn failed(&self, py: Python<'_>, begun: Begun, failure: &Failure<'_, '_>) {
        self.end(py, begun, CallOutcome::Failed, Some(failure));
    }

    #[inline]
    fn end(
        &self,
        py: Python<'_>,
        begun: Begun,
        outcome: CallOutcome,
        failure: Option<&Failure<'_, '_>>,
    ) {
        let Begun {
            epoch,
            writer,
            moment,
        } = begun;
        // A child that was forked during the call has no such call.
        if epoch != process::epoch() {
            return;
        }
        let nanos = moment.elapsed_nanos();
        let Moment { turn, is_sync, .. } = moment;
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
            self.tell(py, kind, &writer, nanos, failure);
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
        nanos: u64,
        failure: Option<&Failure<'_, '_>>,
    ) {
        let ended_at = monotonic_nanos();
        let started = ended_at.saturating_sub(nanos);
        let process = self.bound.with(py, |bound| bound.process);
        let Some((process, recording)) = process.and_then(|found| Some((found, found.recording?)))
        else {
            return;
        };
        if let Some(failure) = failure {
            let error_type = failure.error_type();
            writer.set_last_error(&error_type);
            recording.count_call_error(writer.index(), &error_type);
        }
        // Of a connection that fails, whoever counts connections tells more.
        let is_told_elsewhere = kind == FactKind::CallFailed && self.kind == CallKind::Connect;
        let length = match kind {
            // Who reads it may find only the longest ones slow: many shorter ones must not crowd these out.
            FactKind::SlowCall => nanos.max(1).ilog2() as usize,
            _ => 0,
        };
        let what = (writer.index() << 4 | kind as u32, length);
        let allows = |limiter: &mut Limiter| limiter.allows(what, ended_at);
        if is_told_elsewhere || LIMITER.with(py, allows) != Some(true) {
            return;
        }
        let told = failure.map_or_else(|| Told::of_callers(py), |failure| self.told(py, failure));
        let thread_id = process::thread_id(process.epoch);
        recording.push_fact(&FactRecord {
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
        });
    }

    fn told(&self, py: Python<'_>, failure: &Failure<'_, '_>) -> Told {
        let mut told = match (failure, &self.telling) {
            (Failure::Raised(exception, _), Telling::By(describe)) => {
                return described(exception, describe);
            }
            (Failure::Raised(exception, traceback), _) => {
                Told::of(exception, traceback.as_ref(), Effort::Safe)
            }
            (Failure::Answered(error_type), _) => Told {
                error_type: (*error_type).to_owned(),
                ..Told::default()
            },
        };
        if matches!(self.telling, Telling::WithoutSecrets) {
            told.message = redaction::without_secrets(&told.message);
            told.add_callers(py);
        }
        told
    }
}

/// An error as a Python function describes it, and who called.
fn described(exception: &Bound<'_, PyAny>, describe: &Py<PyAny>) -> Told {
    let described = describe.bind(exception.py()).call1((exception,));
    Told {
        error_type: type_name(exception),
        message: described
            .and_then(|text| text.extract())
            .unwrap_or_default(),
        ..Told::of_callers(exception.py())
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
