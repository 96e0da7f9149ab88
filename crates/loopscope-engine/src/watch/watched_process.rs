//! One process under watch: its recording, its interpreter, its loops.

use std::fs::File;
use std::io;
use std::path::Path;

use loopscope_inspect::{ProcessEnding, ProcessHandle, kernel};
use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::identity;
use loopscope_recorder::layout::PollKind;
use loopscope_recorder::reader::{Counters, LoopState, ReadError, RecordingReader, Stalls};

use super::EARLY;
use super::agentless::{Agentless, Suspect};
use super::attach::{Attach, Found};
use super::attach_desk::AttachDesk;
use super::glance::{Glance, Glancer, has_mapped};
use super::held::Held;
use super::limits::Limits;
use super::schedule::Schedule;
use super::tables::{Seen, WatchedTables};
use super::waits::Waits;
use super::watched_loop::Surroundings;
use super::watched_loops::{Place, WatchedLoops};
use super::workers::UnseenWorkers;
use crate::observation::{
    AgentlessPart, Ending, Fact, ProcessInfo, ProcessKey, ProcessRuntime, Resources,
};
use crate::time::Nanos;

/// A stopped process is looked at so often, so that the end of the pause is told when it comes.
const GLANCE_WHEN_STOPPED: Nanos = Nanos::from_millis(10);

/// A glance may come so much late, where a reading of a loop that is due until then takes it along.
const GLANCE_LATE: Nanos = Nanos::from_millis(80);

/// How a process ended is asked for so often and so long, until its parent has collected it. Most say it at
/// once.
const ASK_FOR_ENDING: Nanos = Nanos::from_millis(20);
const MOST_ASKING: Nanos = Nanos::from_millis(5_000);

/// Signals that ask a process to end: hang-up, interrupt, quit, terminate.
pub(super) const ASKED_TO_END: [i32; 4] = [1, 2, 3, 15];

/// A process under watch.
pub(super) struct WatchedProcess {
    key: ProcessKey,
    reader: RecordingReader,
    file: File,
    handle: Option<ProcessHandle>,
    glancer: Glancer,
    schedule: Schedule,
    attach: Attach,
    loops: WatchedLoops,
    counters: Counters,
    tables: WatchedTables,
    waits: Waits,
    held: Held,
    workers: UnseenWorkers,
    agentless: Agentless,
    limits: Limits,
    announced: bool,
    /// It was said that stalls of its workers are not told.
    has_said_untold: bool,
    stopped: bool,
    /// When it was first seen to have ended.
    gone_since: Option<Nanos>,
    glance_due: Nanos,
    resources_due: Nanos,
}

/// How often the slow figures are read; they grow with the number of processes, so that the cost of all
/// of them together does not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) glance: Nanos,
    pub(super) resources: Nanos,
    pub(super) waits: Nanos,
}

impl WatchedProcess {
    /// Begins to watch the process of a recording.
    pub(super) fn open(
        reader: RecordingReader,
        schedule: Schedule,
        desk: &AttachDesk,
        now: Nanos,
    ) -> Result<Self, ReadError> {
        let description = reader.description();
        let path = reader.path();
        let Some(process) = description.process_here() else {
            let source = io::Error::other("its process runs in a pid namespace out of sight");
            return Err(ReadError::File {
                path: path.to_path_buf(),
                source,
            });
        };
        let key = ProcessKey {
            pid: process.pid,
            start_ticks: process.start_ticks,
            image: description.image,
        };
        let attach = Attach::begin(process.pid, &description.executable, desk);
        let file = File::open(path).map_err(|source| ReadError::File {
            path: path.to_path_buf(),
            source,
        })?;
        Ok(Self {
            key,
            reader,
            file,
            handle: ProcessHandle::open(process.pid),
            glancer: Glancer::new(process),
            schedule,
            attach,
            loops: WatchedLoops::new(key),
            counters: Counters::default(),
            tables: WatchedTables::default(),
            waits: Waits::default(),
            held: Held::default(),
            workers: UnseenWorkers::default(),
            agentless: Agentless::default(),
            limits: Limits::default(),
            announced: false,
            has_said_untold: false,
            stopped: false,
            gone_since: None,
            glance_due: now,
            resources_due: now,
        })
    }

    /// Whether the process is gone, or another one by now.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.glancer.glance(), Glance::Ended(_) | Glance::Gone)
    }

    pub(super) fn key(&self) -> ProcessKey {
        self.key
    }

    /// When the process is to be looked at next.
    pub(super) fn due(&self) -> Nanos {
        self.due_with(self.loops.due())
    }

    /// From when on it may be looked at, where the observer is awake anyhow.
    pub(super) fn due_at_hand(&self) -> Nanos {
        self.due_with(self.loops.due_at_hand(EARLY))
    }

    fn due_with(&self, loops: Nanos) -> Nanos {
        if self.gone_since.is_some() {
            return self.glance_due;
        }
        let glance = if self.stopped {
            self.glance_due
        } else {
            self.glance_due.plus(GLANCE_LATE)
        };
        glance.min(self.attach.due()).min(loops)
    }

    /// Looks at what is due. An ending when the process, or the program in it, is gone.
    pub(super) fn look(&mut self, pace: Pace, now: Nanos, out: &mut Vec<Fact>) -> Option<Ending> {
        if self.gone_since.is_some() || !self.is_attached(now, out) {
            return self.glance(pace, now, out);
        }
        if self.stopped {
            // The end of a pause comes before what the loops did since.
            self.glance_due = now;
            if let Some(ending) = self.glance(pace, now, out) {
                return Some(ending);
            }
        }
        if self.read(false, now, out).is_err() {
            // Cut short under us: nothing can be said any more, as if it had vanished.
            return Some(Ending::Vanished);
        }
        let ending = self.glance(pace, now, out);
        self.look_at_waits(pace, now, out);
        if ending.is_none() && now >= self.resources_due {
            self.resources_due = now.plus(pace.resources);
            if let Some(found) = self.attach.found() {
                found.sampler.rest();
            }
            self.limits.read(self.key.pid, now);
            out.extend(resources_of(self.key, &self.limits));
            self.look_for_agent(now, out);
            out.extend(self.untold());
        }
        ending
    }

    fn look_at_waits(&mut self, pace: Pace, now: Nanos, out: &mut Vec<Fact>) {
        let Some(Found { sampler, .. }) = self.attach.found() else {
            return;
        };
        let oldest = self.tables.oldest_tasks();
        let times = (now, pace.waits);
        self.waits.look(self.key, oldest, sampler, times, out);
        let connections = self.tables.connections();
        self.held.look(self.key, connections, sampler, now, out);
    }

    /// Says once that stalls of its workers are not told, and why.
    fn untold(&mut self) -> Option<Fact> {
        let Found { sampler, .. } = self.attach.found()?;
        if self.has_said_untold || !self.loops.has_untold() {
            return None;
        }
        self.has_said_untold = true;
        let has_names = sampler.native().is_some_and(|native| native.has_names());
        let reason = match has_names {
            true => {
                "its threads take turns at one epoll set, and none of the runtimes that are known is on their stacks"
            }
            false => {
                "its threads take turns at one epoll set, and without names of its functions one that is stuck looks \
                 like one that works; build it with `strip = \"debuginfo\"` instead of `strip = true`, or put the debug \
                 information that was taken out of it beside it"
            }
        };
        Some(Fact::Unwatched {
            process: self.key,
            reason: reason.to_owned(),
        })
    }

    /// Whether the agent stayed out of the process or of a part of it, and why.
    fn look_for_agent(&mut self, now: Nanos, out: &mut Vec<Fact>) {
        let Some(Found {
            sampler, runtime, ..
        }) = self.attach.found()
        else {
            return;
        };
        let suspect = Suspect {
            pid: self.key.pid,
            executable: &self.reader.description().executable,
            runtime: *runtime,
            version: sampler.python_version(),
        };
        let (has_agent, runtimes) = (self.tables.has_adapter(), self.loops.runtimes());
        let process = self.key;
        let found = self.agentless.look(&suspect, has_agent, &runtimes, now);
        out.extend(found.map(|reason| Fact::Agentless {
            process,
            part: AgentlessPart::Process,
            reason,
        }));
        let found = self.loops.reach_a_subinterpreter();
        out.extend(
            self.agentless
                .look_beside(has_agent, found)
                .map(|reason| Fact::Agentless {
                    process,
                    part: AgentlessPart::Subinterpreters,
                    reason,
                }),
        );
    }

    /// Reads what is left after the process ended, and says how it ended as far as that is known by now.
    pub(super) fn last_look(&mut self, now: Nanos, out: &mut Vec<Fact>) -> Ending {
        self.read_the_rest(now, out);
        self.ending(self.glancer.glance())
            .unwrap_or(Ending::Vanished)
    }

    fn read_the_rest(&mut self, now: Nanos, out: &mut Vec<Fact>) {
        if self.gone_since.is_some() {
            return;
        }
        self.gone_since = Some(now);
        self.attach.end();
        let _ = self.is_attached(now, out) && self.read(true, now, out).is_ok();
        self.loops.finish(out);
    }

    /// How it ended: by the kernel's word where it gives one, else by the recording's.
    fn ending(&self, seen: Glance) -> Option<Ending> {
        let told = match seen {
            Glance::Ended(status) if status != 0 => Some(ProcessEnding::of_wait_status(status)),
            _ => self.handle.as_ref().and_then(ProcessHandle::ending),
        };
        match told {
            Some(ProcessEnding::Exited(status)) => Some(Ending::Exited(status)),
            // It was asked to end, and ended: many servers raise the signal again once they are done.
            Some(ProcessEnding::Signaled(signal)) if ASKED_TO_END.contains(&signal) => {
                Some(Ending::Closed)
            }
            Some(ProcessEnding::Signaled(signal)) => Some(Ending::Signaled(signal)),
            None => match (self.counters.exit_status, self.counters.ended_nanos) {
                (Some(status), _) => Some(Ending::Exited(status)),
                (None, Some(_)) => Some(Ending::Closed),
                (None, None) => None,
            },
        }
    }

    /// It has ended. `None` while its parent may yet collect it, after which the kernel tells how.
    fn see_end(&mut self, seen: Glance, now: Nanos, out: &mut Vec<Fact>) -> Option<Ending> {
        self.read_the_rest(now, out);
        let ending = self.ending(seen);
        let since = self.gone_since.unwrap_or(now);
        if ending.is_none() && seen != Glance::Gone && now.since(since) < MOST_ASKING {
            self.glance_due = now.plus(ASK_FOR_ENDING);
            return None;
        }
        Some(ending.unwrap_or(Ending::Vanished))
    }

    fn glance(&mut self, pace: Pace, now: Nanos, out: &mut Vec<Fact>) -> Option<Ending> {
        if now.plus(EARLY) < self.glance_due {
            return None;
        }
        self.glance_due = now.plus(if self.stopped {
            GLANCE_WHEN_STOPPED
        } else {
            pace.glance
        });
        let seen = self.glancer.glance();
        if matches!(seen, Glance::Ended(_) | Glance::Gone) {
            return self.see_end(seen, now, out);
        }
        let stopped = seen == Glance::Stopped;
        if stopped != self.stopped && self.attach.found().is_some() {
            self.stopped = stopped;
            out.push(Fact::ProcessStopped {
                process: self.key,
                stopped,
            });
        }
        None
    }

    fn read(&mut self, is_last: bool, now: Nanos, out: &mut Vec<Fact>) -> Result<(), ReadError> {
        let (counters, mut states) = self.reader.read_loops()?;
        leave_to_adapter(&mut states);
        self.read_workers(now, &mut states);
        // After the slots: whatever a loop did before its slot was taken again is in the ring by now.
        let stalls = self.reader.read_stalls()?;
        self.tell_losses(&counters, &stalls, out);
        self.with_loops(|loops, around| {
            loops.introduce(&states, &stalls.events, around, now, out);
        });
        let has_stalled = counters.events_begun != self.counters.events_begun;
        // What the collector did comes before the stall that it explains.
        self.read_tables(&states, is_last || has_stalled, now, out)?;
        self.counters = counters;
        self.with_loops(|loops, around| {
            loops.take(&states, &stalls.events, around, now, out);
        });
        Ok(())
    }

    /// Workers that have no slot. An adapter tells of all of them.
    fn read_workers(&mut self, now: Nanos, states: &mut Vec<LoopState>) {
        let Some(Found { sampler, .. }) = self.attach.found() else {
            return;
        };
        if let Some(native) = sampler.native()
            && !states.iter().any(is_adapters)
        {
            let names = self.loops.names_of_workers();
            self.workers.read(native, self.key.pid, &names, now, states);
        }
    }

    fn read_tables(
        &mut self,
        states: &[LoopState],
        at_once: bool,
        now: Nanos,
        out: &mut Vec<Fact>,
    ) -> Result<(), ReadError> {
        let is_foreign = self.reader.description().is_foreign;
        let loops = &self.loops;
        let thread_here = |thread_id: u32| {
            let mut told = states.iter().filter(|state| state.thread_id == thread_id);
            let known = told.find_map(|state| loops.thread_id((state.slot, state.generation)));
            known.unwrap_or(0)
        };
        let seen = Seen {
            process: self.key,
            thread: &|thread_id| {
                if is_foreign {
                    thread_here(thread_id)
                } else {
                    thread_id
                }
            },
        };
        self.tables.read(&mut self.reader, &seen, at_once, now, out)
    }

    /// Brings the loops together with what a look at them needs.
    fn with_loops(&mut self, work: impl FnOnce(&mut WatchedLoops, &mut Surroundings<'_>)) {
        let Some(found) = self.attach.found() else {
            return;
        };
        let is_foreign = self.reader.description().is_foreign;
        let reader = &mut self.reader;
        let workers = &self.workers;
        let (file, pid) = (&self.file, self.key.pid);
        let mut around = Surroundings {
            runtime: found.runtime,
            schedule: self.schedule,
            sampler: found.sampler.as_mut(),
            thread_here: &|thread_id| {
                if is_foreign {
                    identity::thread_seen_from_here(pid, thread_id)
                } else {
                    Some(thread_id)
                }
            },
            reread: &mut |place: Place| {
                if UnseenWorkers::has(place.0) {
                    workers.busy_since(pid, place.0)
                } else {
                    busy_since(reader, place)
                }
            },
            clock: &|| Nanos(monotonic_nanos()),
            is_current: &mut || has_mapped(pid, file),
        };
        work(&mut self.loops, &mut around);
    }

    fn tell_losses(&self, counters: &Counters, stalls: &Stalls, out: &mut Vec<Fact>) {
        // Dropped stalls are among the records that the reader counts as lost.
        tell_lost(out, "stall records", stalls.lost, None);
        let loops = counters
            .loops_dropped
            .saturating_sub(self.counters.loops_dropped);
        let detail = format!(
            "process {} runs more loops than its recording has room for",
            self.key.pid
        );
        tell_lost(out, "loops", loops, Some(detail));
    }

    /// Brings the attaching on; announces the process once it is decided.
    fn is_attached(&mut self, now: Nanos, out: &mut Vec<Fact>) -> bool {
        self.attach.go_on(now);
        let Some(found) = self.attach.found() else {
            return false;
        };
        if !std::mem::replace(&mut self.announced, true) {
            let (runtime, uninspectable) = (found.runtime, found.uninspectable.clone());
            self.announce(runtime, uninspectable, out);
        }
        true
    }

    fn announce(
        &self,
        runtime: ProcessRuntime,
        uninspectable: Option<String>,
        out: &mut Vec<Fact>,
    ) {
        let facts = kernel::process_facts(self.key.pid);
        let executable = Path::new(self.attach.executable());
        let own_name = || {
            executable
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        let info = ProcessInfo {
            name: facts
                .as_ref()
                .map_or_else(own_name, |facts| facts.name.clone()),
            runtime,
            parent_pid: facts.map_or(0, |facts| facts.parent_pid),
            started: Nanos(self.reader.description().created_nanos),
            uninspectable,
        };
        out.push(Fact::ProcessSeen {
            process: self.key,
            info,
        });
    }
}

pub(super) fn resources_of(process: ProcessKey, limits: &Limits) -> Option<Fact> {
    let facts = kernel::process_facts(process.pid)?;
    let resources = Resources {
        rss_bytes: facts.rss_bytes?,
        cpu_nanos: facts.cpu_nanos,
        open_fds: facts.open_fds,
        threads: facts.threads,
        memory_limit_bytes: limits.memory_bytes,
        fd_limit: limits.descriptors,
    };
    Some(Fact::ProcessResources { process, resources })
}

pub(super) fn tell_lost(out: &mut Vec<Fact>, what: &str, count: u64, detail: Option<String>) {
    if count > 0 {
        out.push(Fact::Lost {
            what: what.to_owned(),
            count,
            detail,
        });
    }
}

/// A loop that an adapter tells of is seen by the pulse too, which knows less of it.
fn leave_to_adapter(states: &mut [LoopState]) {
    let told: Vec<u32> = states
        .iter()
        .filter(|state| state.is_live && is_adapters(state))
        .map(|state| state.thread_id)
        .collect();
    for state in states {
        if !is_adapters(state) && told.contains(&state.thread_id) {
            state.is_live = false;
        }
    }
}

fn is_adapters(state: &LoopState) -> bool {
    matches!(
        state.kind,
        Some(PollKind::TokioWorker | PollKind::TokioCurrentThread)
    )
}

/// The loop's busy period as it stands now.
fn busy_since(reader: &mut RecordingReader, (slot, generation): Place) -> Option<Nanos> {
    let (_, states) = reader.read_loops().ok()?;
    let state = states
        .iter()
        .find(|state| (state.slot, state.generation) == (slot, generation))?;
    state.busy_since_nanos.map(Nanos)
}
