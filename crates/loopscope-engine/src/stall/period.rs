//! One busy period, and what makes it count as a stall.
//!
//! The rules that keep false alarms out are here: a thread that left its loop, a server that polls in a
//! loop of its own, a worker that is parked.

use super::{Amendable, Step};
use crate::{
    incidents::OccurrenceId,
    looks::{Look, Looks},
    observation::{InsideLoop, LoopRuntime, ProcessRuntime, RunState, Sample},
    syscalls,
    time::Nanos,
};

/// A worker's busy period is looked at for the first time after this part of the threshold; see the watcher's
/// schedule.
pub(crate) const FIRST_LOOK_PART: u64 = 8;

/// A time away from the poll.
#[derive(Clone, Debug)]
pub(crate) struct Period {
    /// When the loop left its poll: the period's identity.
    pub(crate) started: Nanos,
    /// From when it counts: its start, or the moment at which the thread was last parked or stopped.
    pub(crate) counted_from: Nanos,
    /// What was seen of it.
    pub(crate) looks: Looks,
    /// The occurrence that it made, once it is a stall.
    pub(crate) occurrence: Option<OccurrenceId>,
}

/// What holds for one loop, put together from its process, its kind and the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) stall_threshold: Nanos,
    pub(crate) max_looks: usize,
    pub(crate) process_runtime: ProcessRuntime,
    pub(crate) loop_runtime: LoopRuntime,
    /// The process's stacks cannot be read, so no looks will come.
    pub(crate) is_uninspectable: bool,
}

impl Rules {
    /// Whether a look shows a thread that waits for work on a futex, as a worker of a multi-thread
    /// runtime does while another one waits in epoll. Threads with Python frames are no such workers.
    pub(super) fn is_parked(&self, sample: &Sample) -> bool {
        let asleep_in_futex = sample.thread.run_state == RunState::Sleeping
            && sample.thread.syscall.is_some_and(syscalls::is_futex);
        let may_park = self.process_runtime == ProcessRuntime::Native
            || (self.is_bare_poller() && sample.frames.is_empty());
        asleep_in_futex && may_park && sample.inside_loop != InsideLoop::Yes
    }

    /// Whether a worker of a runtime with several has gone on to another poll since the look before.
    ///
    /// Only one of these waits for events at a time, so one that works on without ever doing so is no fault: it
    /// keeps nobody waiting, since the tasks behind the one that it polls can be taken from it. One long poll is.
    pub(super) fn has_turned(&self, before: Option<&Look>, sample: &Sample) -> bool {
        let is_worker = self.loop_runtime == LoopRuntime::Tokio;
        is_worker && before.is_some_and(|before| before.callback != sample.callback)
    }

    /// Whether a look says nothing: what tokio does is known from a stack of it only, and of threads that take turns at
    /// one epoll set one that does not poll may work on from callback to callback, or have handed its turn over.
    pub(super) fn is_unproved(&self, sample: &Sample) -> bool {
        let takes_proof = matches!(
            self.loop_runtime,
            LoopRuntime::Tokio | LoopRuntime::TokioCurrentThread | LoopRuntime::SharedEpoll
        );
        takes_proof && sample.inside_loop == InsideLoop::Unknown
    }

    /// From when on a worker's period counts at the earliest whose first look comes now. What it polls may have begun
    /// just before, however long ago it last waited for events.
    pub(super) fn counts_from_first_look(&self, at: Nanos) -> Option<Nanos> {
        let before = Nanos(self.stall_threshold.0 / FIRST_LOOK_PART);
        (self.loop_runtime == LoopRuntime::Tokio).then(|| Nanos(at.0.saturating_sub(before.0)))
    }

    /// Whether readings alone may open a stall. A native process gives no sign that it is not parked,
    /// and a loop of kind `poll` none that it is a loop.
    pub(super) fn opens_unseen(&self) -> bool {
        self.is_uninspectable && self.counts_unseen()
    }

    fn counts_unseen(&self) -> bool {
        self.process_runtime != ProcessRuntime::Native && self.loop_runtime != LoopRuntime::Poll
    }

    fn is_bare_poller(&self) -> bool {
        matches!(self.loop_runtime, LoopRuntime::Epoll | LoopRuntime::Poll)
    }
}

impl Period {
    pub(super) fn new(started: Nanos, counted_from: Nanos) -> Self {
        Self {
            started,
            counted_from,
            looks: Looks::default(),
            occurrence: None,
        }
    }

    /// Whether a look at `at`, already taken in, makes this a stall.
    pub(super) fn opens_at(&self, at: Nanos, rules: &Rules) -> bool {
        let is_loop = rules.loop_runtime != LoopRuntime::Poll || self.looks.seen_inside();
        is_loop && at.since(self.counted_from) >= rules.stall_threshold
    }

    /// Whether it counts as a stall once it is over, long enough as it was.
    pub(super) fn counts_when_ended(&self, rules: &Rules) -> bool {
        match rules.loop_runtime {
            LoopRuntime::Poll => self.looks.seen_inside(),
            // What it did after the last look may have been another poll.
            LoopRuntime::Tokio => false,
            LoopRuntime::TokioCurrentThread | LoopRuntime::SharedEpoll => self.looks.seen_inside(),
            _ => !self.looks.is_empty() || (rules.counts_unseen() && !self.was_interrupted()),
        }
    }

    /// The thread is parked at `at`, or the program still starts: what it does from here on is counted
    /// anew. Ends an open stall.
    pub(super) fn park(&mut self, at: Nanos) -> Option<Step> {
        let ended = self.clone();
        self.occurrence = None;
        self.count_from(at);
        let is_open = ended.occurrence.is_some();
        is_open.then(|| Step::Close {
            period: Box::new(ended),
            ended: at,
        })
    }

    /// Counts from `at` on, unless the period is an open stall.
    pub(super) fn count_from(&mut self, at: Nanos) {
        if self.occurrence.is_none() {
            self.counted_from = self.counted_from.max(at);
            self.looks.clear();
        }
    }

    pub(super) fn amendable(&self) -> Option<Amendable> {
        let occurrence = self.occurrence?;
        Some(Amendable {
            started: self.started,
            occurrence,
        })
    }

    fn was_interrupted(&self) -> bool {
        self.counted_from != self.started
    }
}
