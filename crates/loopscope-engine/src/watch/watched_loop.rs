//! One loop under watch: what was said of it, and when it is looked at next.

use loopscope_recorder::layout::PollKind;
use loopscope_recorder::reader::{LoopState, StallEvent};

use super::sampling::{self, Expected, LoopNature, ThreadView};
use super::schedule::Schedule;
use super::turns::Turns;
use super::watched_loops::Place;
use crate::observation::{
    Fact, InsideLoop, LoopInfo, LoopKey, LoopReading, LoopRuntime, ProcessRuntime, RuntimeTasks,
    Sample,
};
use crate::time::Nanos;

/// A quiet loop is told of this often.
const QUIET_READING: Nanos = Nanos::from_millis(250);

/// A loop whose kind is not known yet is asked again after this, then twice as late each time.
const FIRST_NATURE: Nanos = Nanos::from_millis(250);
const LAST_NATURE: Nanos = Nanos::from_millis(30_000);

/// What polls in a Python process without asyncio is called a loop after some such questions, two seconds.
const BARE_POLLER_IS_A_LOOP: Nanos = Nanos::from_millis(2_000);

/// A loop under watch.
pub(super) struct WatchedLoop {
    key: LoopKey,
    announced: Option<Nanos>,
    /// It polls in a Python process, and no asyncio loop was seen on its thread.
    is_bare: bool,
    thread_id: u32,
    thread_name: String,
    /// The Python loop object behind it, once the thread was seen waiting in this very loop's poll.
    object: Option<u64>,
    kind: Option<PollKind>,
    /// Other threads poll the same set.
    is_shared: bool,
    /// And workers of tokio are among the program's.
    is_beside_workers: bool,
    /// What was last said of it; `None` before it was announced.
    info: Option<LoopInfo>,
    due: Nanos,
    /// The last reading found it idle.
    was_idle: bool,
    /// It is asyncio's or uvloop's, in another interpreter than the process's first one.
    is_in_subinterpreter: bool,
    nature_due: Nanos,
    nature_distance: Nanos,
    told: Nanos,
    /// The busy period that a look was taken of, until its end was told.
    looked_at: Option<Nanos>,
    /// How far a worker was seen to have come, see [`Turns`].
    turns: Turns,
    /// The busy period in which the program was seen importing itself before the loop was announced.
    importing: Option<Nanos>,
    /// Whether its busy periods from before it was announced were all spent inside of it.
    past: Past,
    /// The looks at a busy period from before it was a loop, and the periods that ended since: told once it
    /// is one.
    early_looks: Vec<(Nanos, Sample)>,
    held: Vec<Fact>,
    over: bool,
}

/// What a loop did before anybody looked.
#[derive(Debug)]
enum Past {
    /// Not known yet whether that was inside the loop: the busy periods that nobody looked at.
    Undecided(Vec<Fact>),
    /// All of it was.
    Inside,
    /// Nobody can say: a program may return from its loop, work on, and run it again.
    Unknown,
}

/// Busy periods that are held until it is known whether they were inside the loop.
const MOST_UNDECIDED: usize = 16;

/// Turns that make a loop of a set polled by a program that is not Python. One that polls once or twice
/// and then works on has none.
const TURNS_OF_A_NATIVE_LOOP: u64 = 3;

/// Looks that are kept of one busy period from before it was a loop: the first, and the newest of the
/// others.
const MOST_EARLY_LOOKS: usize = 8;

/// Turns that a program may spend on importing itself from inside its loop, before anybody is served.
const TURNS_OF_A_START: u64 = 3;

/// What a look at a loop needs of its process.
pub(super) struct Surroundings<'a> {
    pub(super) runtime: ProcessRuntime,
    pub(super) schedule: Schedule,
    pub(super) sampler: &'a mut dyn ThreadView,
    /// A thread of the recording as it is known here.
    pub(super) thread_here: &'a dyn Fn(u32) -> Option<u32>,
    /// Reads a loop's busy period anew, to see that it did not change during the look.
    pub(super) reread: &'a mut dyn FnMut(Place) -> Option<Nanos>,
    /// The time at this instant. The observer itself may have been stopped since it began to look.
    pub(super) clock: &'a dyn Fn() -> Nanos,
    /// Whether the program that wrote the recording still runs in the process.
    pub(super) is_current: &'a mut dyn FnMut() -> bool,
}

impl WatchedLoop {
    pub(super) fn new(
        key: LoopKey,
        state: &LoopState,
        around: &Surroundings<'_>,
        now: Nanos,
    ) -> Self {
        Self {
            key,
            announced: None,
            is_bare: false,
            thread_id: (around.thread_here)(state.thread_id).unwrap_or(0),
            thread_name: state.thread_name.clone(),
            object: None,
            kind: state.kind,
            is_shared: is_named_like_worker(&state.thread_name),
            is_beside_workers: false,
            info: None,
            due: now,
            was_idle: false,
            is_in_subinterpreter: false,
            nature_due: now,
            nature_distance: FIRST_NATURE,
            told: Nanos(0),
            looked_at: None,
            turns: Turns::default(),
            importing: None,
            past: Past::Undecided(Vec::new()),
            early_looks: Vec::new(),
            held: Vec::new(),
            over: false,
        }
    }

    /// A busy period is over, by the ring. Before it is a loop, that is held back.
    pub(super) fn end_busy(&mut self, event: &StallEvent, out: &mut Vec<Fact>) {
        let (started, ended) = (Nanos(event.started_nanos), Nanos(event.ended_nanos));
        let key = self.key;
        if !self.can_vouch_for(started) {
            return self.end_unseen(event, out);
        }
        if self.info.is_some() {
            out.push(Fact::BusyEnded {
                key,
                started,
                ended,
            });
        } else if self.held.len() < TURNS_OF_A_NATIVE_LOOP as usize {
            self.held.push(Fact::BusyBefore {
                key,
                started,
                ended,
                looks: std::mem::take(&mut self.early_looks),
            });
        }
    }

    /// A busy period from before the loop was announced is over, and nobody looked at it. It is told where it
    /// was inside the loop for certain and the program was no longer setting itself up.
    fn end_unseen(&mut self, event: &StallEvent, out: &mut Vec<Fact>) {
        if event.iteration <= TURNS_OF_A_START || self.kind != Some(PollKind::Epoll) {
            return;
        }
        let unseen = Fact::BusyBefore {
            key: self.key,
            started: Nanos(event.started_nanos),
            ended: Nanos(event.ended_nanos),
            looks: Vec::new(),
        };
        match &mut self.past {
            Past::Undecided(held) if held.len() < MOST_UNDECIDED => held.push(unseen),
            Past::Inside => out.push(unseen),
            Past::Undecided(_) | Past::Unknown => {}
        }
    }

    /// Decides on the past as soon as the loop's object is known: an epoll set lives and ends with it.
    fn judge_past(&mut self, nature: Option<&LoopNature>, out: &mut Vec<Fact>) {
        let (Past::Undecided(held), Some(nature)) = (&mut self.past, nature) else {
            return;
        };
        let held = std::mem::take(held);
        let is_decided = self.object.is_some() && self.info.is_some() && !self.is_bare;
        self.past = match is_decided {
            false => Past::Undecided(held),
            true if nature.runs_once && nature.object == self.object => {
                out.extend(held);
                Past::Inside
            }
            true => Past::Unknown,
        };
    }

    /// Whether a busy period that is over may be told of.
    ///
    /// Of one that began before the loop was announced nobody can say whether the program was inside its
    /// loop, unless a look was taken of it: a program that starts works on its own between turns. Of what
    /// merely polls in a Python process, and of what polls without an epoll set that ends with its loop, only
    /// a look ever tells.
    fn can_vouch_for(&self, started: Nanos) -> bool {
        let is_known = self.announced.is_some_and(|announced| started >= announced);
        let speaks_for_itself = !self.is_bare && self.kind == Some(PollKind::Epoll);
        self.looked_at == Some(started) || (is_known && speaks_for_itself)
    }

    /// The thread that it runs on, as it is known here.
    pub(super) fn thread_id(&self) -> u32 {
        self.thread_id
    }

    /// What the kernel calls its thread.
    pub(super) fn thread_name(&self) -> &str {
        &self.thread_name
    }

    /// What kind of loop it is; `None` before it was told of.
    pub(super) fn runtime(&self) -> Option<LoopRuntime> {
        self.info.as_ref().map(|info| info.runtime)
    }

    /// Whether it is asyncio's or uvloop's, in another interpreter than the process's first one.
    pub(super) fn is_in_subinterpreter(&self) -> bool {
        self.is_in_subinterpreter
    }

    /// The runtime that a stack of the thread told before.
    fn known_runtime(&self) -> Option<LoopRuntime> {
        self.runtime().filter(|runtime| {
            matches!(
                runtime,
                LoopRuntime::Tokio | LoopRuntime::TokioCurrentThread
            )
        })
    }

    /// When it is to be looked at next.
    pub(super) fn due(&self) -> Nanos {
        self.due
    }

    /// From when on it may be looked at, where the observer is awake anyhow: a reading of an idle loop may be
    /// early, a look at a busy one tells what it is meant to tell at its instant.
    pub(super) fn due_at_hand(&self, early: Nanos) -> Nanos {
        if self.was_idle {
            Nanos(self.due.0.saturating_sub(early.0))
        } else {
            self.due
        }
    }

    /// Other threads were seen to poll the same set. In a program that has workers of tokio it is one of them, also
    /// while it blocks for another: between two turns its stack says nothing of that.
    pub(super) fn share(&mut self, has_workers: bool, now: Nanos) {
        let was_shared = std::mem::replace(&mut self.is_shared, true);
        let is_told = std::mem::replace(&mut self.is_beside_workers, has_workers) == has_workers;
        if !(was_shared && is_told) {
            self.nature_due = now;
        }
    }

    /// Finds out what kind of loop it is, and announces it when that is clear or changed.
    ///
    /// A thread that polls descriptors without epoll is mostly no loop at all (a driver that waits for
    /// its sockets), so it is announced only once asyncio runs on it.
    pub(super) fn introduce(
        &mut self,
        state: &LoopState,
        around: &mut Surroundings<'_>,
        now: Nanos,
        out: &mut Vec<Fact>,
    ) {
        if now < self.nature_due || !state.is_live {
            return;
        }
        // One that is seldom met asleep is stopped for it, where much depends on what it is.
        let insists = self.is_shared && self.nature_distance > FIRST_NATURE;
        let nature = around.sampler.nature(self.thread_id, insists);
        let is_importing = nature.as_ref().is_some_and(|nature| nature.is_importing);
        if is_importing && is_first_turn(state) {
            self.importing = state.busy_since_nanos.map(Nanos);
            return;
        }
        let is_runtime = nature
            .as_ref()
            .is_some_and(|nature| nature.runtime.is_some());
        if !is_runtime && !self.is_told_by_adapter() && self.is_too_young(state, around.runtime) {
            return;
        }
        let seen = nature.as_ref().and_then(|nature| nature.runtime);
        let runtime = match (seen, around.runtime, self.kind) {
            (_, _, Some(PollKind::TokioWorker)) => LoopRuntime::Tokio,
            (_, _, Some(PollKind::TokioCurrentThread)) => LoopRuntime::TokioCurrentThread,
            (Some(runtime), _, _) => runtime,
            (None, ProcessRuntime::Node, Some(PollKind::Epoll)) => LoopRuntime::Node,
            (None, ProcessRuntime::Native, Some(PollKind::Epoll)) if self.is_shared => {
                let among_workers = self.is_beside_workers.then_some(LoopRuntime::Tokio);
                let known = self.known_runtime().or(among_workers);
                known.unwrap_or(LoopRuntime::SharedEpoll)
            }
            (None, _, Some(PollKind::Epoll)) => LoopRuntime::Epoll,
            (None, _, _) => LoopRuntime::Poll,
        };
        self.learn_object(state, nature.as_ref(), around);
        self.is_in_subinterpreter = nature
            .as_ref()
            .is_some_and(|nature| nature.runtime.is_some() && nature.is_in_subinterpreter);
        let settled = match around.runtime {
            ProcessRuntime::Python => self.object.is_some(),
            // Of one that runs when it is asked, a native loop's nature is told later.
            ProcessRuntime::Native => nature.is_some() || self.is_told_by_adapter(),
            ProcessRuntime::Node => true,
        };
        self.nature_due = if settled {
            Nanos(u64::MAX)
        } else {
            now.plus(self.nature_distance)
        };
        self.nature_distance = Nanos(self.nature_distance.0 * 2).min(LAST_NATURE);
        let is_unread = self.is_shared && nature.is_none() && runtime == LoopRuntime::SharedEpoll;
        if runtime == LoopRuntime::Poll || is_unread || self.is_doubtful(runtime, around.runtime) {
            return;
        }
        let looked = (around.clock)();
        self.announce(state, runtime, nature.as_ref(), around.runtime, looked, out);
        self.judge_past(nature.as_ref(), out);
    }

    /// Says what kind of loop it is, where that is new.
    fn announce(
        &mut self,
        state: &LoopState,
        runtime: LoopRuntime,
        nature: Option<&LoopNature>,
        process: ProcessRuntime,
        looked: Nanos,
        out: &mut Vec<Fact>,
    ) {
        let info = LoopInfo {
            name: self.name(state, nature),
            runtime,
            thread_id: self.thread_id,
        };
        if self.info.as_ref() != Some(&info) {
            self.info = Some(info.clone());
            self.announced.get_or_insert(looked);
            self.is_bare = is_bare(runtime, process);
            out.push(Fact::LoopSeen {
                key: self.key,
                info,
            });
            out.append(&mut self.held);
        }
    }

    /// Takes in a fresh reading of its slot.
    pub(super) fn take(
        &mut self,
        state: &LoopState,
        around: &mut Surroundings<'_>,
        now: Nanos,
        out: &mut Vec<Fact>,
    ) {
        if self.over {
            return;
        }
        let busy_since = state.busy_since_nanos.map(Nanos);
        self.follow_thread(state, around, out);
        self.tell(state, now, out);
        self.was_idle = busy_since.is_none() && state.is_live;
        self.due = match busy_since {
            _ if !state.is_live => {
                self.finish(out);
                Nanos(u64::MAX)
            }
            None if self.is_worker() => around.schedule.after_idle_worker(now),
            None => around.schedule.after_idle(now),
            Some(since) => {
                let may_be_told = self.info.is_some() || around.runtime != ProcessRuntime::Python;
                if may_be_told && now >= self.due {
                    self.look(state, since, around, now, out);
                }
                self.next_look(since, around, now)
            }
        };
    }

    /// Says what the slot says: at once while a busy period is under suspicion, else now and then.
    fn tell(&mut self, state: &LoopState, now: Nanos, out: &mut Vec<Fact>) {
        let busy_since = state.busy_since_nanos.map(Nanos);
        let suspected = self.looked_at.is_some();
        if self.info.is_none() || !(suspected || now.since(self.told) >= QUIET_READING) {
            return;
        }
        if self.looked_at != busy_since {
            self.looked_at = None;
        }
        self.told = now;
        let reading = LoopReading {
            busy_since,
            iterations: state.iterations,
            last_beat: Nanos(state.last_beat_nanos),
            busy_nanos: state.busy_nanos,
            idle_nanos: state.idle_nanos,
            longest_busy_nanos: state.longest_busy_nanos,
            stalls: state.stalls,
            runtime: state.runtime.map(|tasks| RuntimeTasks {
                alive: tasks.alive,
                queued: tasks.queued,
            }),
        };
        out.push(Fact::LoopReading {
            key: self.key,
            reading,
        });
    }

    /// Looks at the thread, and says what was seen if the busy period is still the same afterwards.
    fn look(
        &mut self,
        state: &LoopState,
        since: Nanos,
        around: &mut Surroundings<'_>,
        now: Nanos,
        out: &mut Vec<Fact>,
    ) {
        if !self.wants_look(since, around, now) {
            return;
        }
        if around.schedule.is_stall(since, now) && !(around.is_current)() {
            return;
        }
        let Some(mut sample) = around.sampler.sample(self.thread_id, self.expected()) else {
            return;
        };
        if (around.reread)(self.place()) != Some(since) {
            return;
        }
        if self.is_poll_of_few() && sample.inside_loop != InsideLoop::Yes {
            return;
        }
        let is_same = self.looked_at.replace(since) == Some(since);
        self.turns.see(&sample, is_same, now);
        let was_importing = self.importing.take() == Some(since);
        if was_importing || (is_first_turn(state) && sampling::is_importing(&sample)) {
            sample.inside_loop = InsideLoop::Starting;
        }
        if self.info.is_none() {
            return self.keep_early_look(is_same, now, sample);
        }
        out.push(Fact::Sampled {
            key: self.key,
            busy_since: since,
            sample: Box::new(sample),
        });
    }

    /// Whether it polls a few descriptors by themselves, as drivers do as well.
    fn is_poll_of_few(&self) -> bool {
        !matches!(
            self.kind,
            Some(PollKind::Epoll | PollKind::TokioWorker | PollKind::TokioCurrentThread)
        )
    }

    fn is_told_by_adapter(&self) -> bool {
        matches!(
            self.kind,
            Some(PollKind::TokioWorker | PollKind::TokioCurrentThread)
        )
    }

    /// A runtime may go on on another thread.
    fn follow_thread(&mut self, state: &LoopState, around: &Surroundings<'_>, out: &mut Vec<Fact>) {
        if !self.is_told_by_adapter() {
            return;
        }
        let thread_id = (around.thread_here)(state.thread_id).unwrap_or(self.thread_id);
        if std::mem::replace(&mut self.thread_id, thread_id) == thread_id {
            return;
        }
        if let Some(info) = &mut self.info {
            info.thread_id = thread_id;
            let info = info.clone();
            out.push(Fact::LoopSeen {
                key: self.key,
                info,
            });
        }
    }

    fn is_worker(&self) -> bool {
        self.runtime() == Some(LoopRuntime::Tokio)
    }

    fn wants_look(&self, since: Nanos, around: &Surroundings<'_>, now: Nanos) -> bool {
        if self.is_worker() {
            return around.schedule.wants_worker_sample(since, now);
        }
        around.schedule.wants_sample(since, now)
    }

    fn next_look(&self, since: Nanos, around: &Surroundings<'_>, now: Nanos) -> Nanos {
        match self.turns.seen_since(since) {
            _ if !self.is_worker() => around.schedule.after_busy(since, now),
            None => around.schedule.after_busy_worker(since, now),
            Some(turned) if turned == now => around.schedule.after_turn(now),
            Some(turned) => around.schedule.after_busy(turned, now),
        }
    }

    fn keep_early_look(&mut self, is_same_period: bool, now: Nanos, sample: Sample) {
        if !is_same_period {
            self.early_looks.clear();
        } else if self.early_looks.len() >= MOST_EARLY_LOOKS {
            self.early_looks.remove(1);
        }
        self.early_looks.push((now, sample));
    }

    /// Whether it is no loop yet.
    ///
    /// All of a Node.js program runs inside its main thread's loop, so that is one as soon as it has waited
    /// for something. Another native program may wait once or twice and never again: its set has to be
    /// polled a few times. In a Python process it is for the interpreter to say.
    fn is_too_young(&self, state: &LoopState, process: ProcessRuntime) -> bool {
        let is_main_of_node = process == ProcessRuntime::Node
            && self.kind == Some(PollKind::Epoll)
            && self.thread_id == self.key.process.pid;
        let has_waited = state.busy_since_nanos.is_none() || state.idle_nanos > 0;
        process != ProcessRuntime::Python
            && state.iterations < TURNS_OF_A_NATIVE_LOOP
            && !(is_main_of_node && has_waited)
    }

    fn place(&self) -> Place {
        (self.key.slot, self.key.generation)
    }

    fn expected(&self) -> Expected {
        let runtime = self.info.as_ref().map(|info| info.runtime);
        Expected {
            is_python: matches!(runtime, Some(LoopRuntime::Asyncio | LoopRuntime::Uvloop)),
            is_tokio: matches!(
                runtime,
                Some(LoopRuntime::Tokio | LoopRuntime::TokioCurrentThread)
            ),
            object: self.object,
        }
    }

    /// It is gone; says so once.
    pub(super) fn finish(&mut self, out: &mut Vec<Fact>) {
        if !std::mem::replace(&mut self.over, true) && self.info.is_some() {
            out.push(Fact::LoopGone { key: self.key });
        }
    }

    /// Whether to wait before calling it a loop, or to leave what was said of it before. In a Python
    /// process a set that is polled without asyncio is mostly a driver's that waits for its socket.
    fn is_doubtful(&self, runtime: LoopRuntime, process: ProcessRuntime) -> bool {
        is_bare(runtime, process)
            && (self.info.is_some() || self.nature_distance < BARE_POLLER_IS_A_LOOP)
    }

    /// A thread that waits in this loop's poll, before and after the look, runs this loop and no other.
    fn learn_object(
        &mut self,
        state: &LoopState,
        nature: Option<&LoopNature>,
        around: &mut Surroundings<'_>,
    ) {
        // Loops without an epoll set leave no sign when they end: the next one takes their place.
        let waited = self.kind == Some(PollKind::Epoll)
            && state.busy_since_nanos.is_none()
            && (around.reread)(self.place()).is_none();
        if waited && self.object.is_none() {
            self.object = nature.and_then(|nature| nature.object);
        }
    }

    /// As an adapter calls it; else `main` on the process's first thread, else what the program calls the thread, else
    /// what the kernel calls it.
    fn name(&self, state: &LoopState, nature: Option<&LoopNature>) -> String {
        if self.is_told_by_adapter() {
            return state.thread_name.clone();
        }
        if self.thread_id == self.key.process.pid {
            return "main".to_owned();
        }
        let given = nature.and_then(|nature| nature.thread_name.clone());
        given.unwrap_or_else(|| state.thread_name.clone())
    }
}

/// Whether a thread has the name that tokio gives to its workers, and to the threads that block for them.
fn is_named_like_worker(thread_name: &str) -> bool {
    // The kernel keeps 15 letters.
    ["tokio-rt-worker", "tokio-runtime-w"].contains(&thread_name)
}

/// Whether a program may still be importing itself.
fn is_first_turn(state: &LoopState) -> bool {
    state.iterations < TURNS_OF_A_START
}

fn is_bare(runtime: LoopRuntime, process: ProcessRuntime) -> bool {
    runtime == LoopRuntime::Epoll && process == ProcessRuntime::Python
}

#[cfg(test)]
mod tests;
