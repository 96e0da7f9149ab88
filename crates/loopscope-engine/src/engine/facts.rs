//! What each kind of fact does, apart from stalls.

use std::collections::BTreeSet;

use super::Engine;
use crate::{
    diagnosis::{Diagnosis, Subject},
    observation::{AgentlessPart, Ending, Fact, LoopInfo, LoopKey, ProcessInfo, ProcessKey},
    report::{Advice, IncidentKind, ProcessRef, Severity},
    time::Nanos,
};

/// Losses after which something goes unwatched from then on: their incident stays open.
const LASTING_LOSSES: &[&str] = &["processes", "loops"];
/// Kinds of loss that are told apart; what comes beyond counts as `other`.
const MAX_LOSSES: usize = 32;
/// Spans of lateness that are remembered.
const MAX_LATE_SPANS: usize = 16;

impl Engine {
    pub(super) fn take_fact(&mut self, fact: &Fact, at: Nanos) {
        match fact {
            Fact::ProcessSeen { process, info } => self.see_process(*process, info, at),
            Fact::Unwatched { process, reason } => self.leave_unwatched(*process, reason, at),
            Fact::Agentless {
                process,
                part,
                reason,
            } => self.miss_agent(*process, *part, reason, at),
            Fact::ProcessStopped { process, stopped } => self.stop_process(*process, *stopped, at),
            Fact::ProcessResources { process, resources } => {
                if let Some(process) = self.model.processes.get_mut(process) {
                    process.read_resources(at, *resources);
                }
            }
            Fact::ProcessGone { process, ending } => self.end_process(*process, *ending, at),
            Fact::ShuttingDown => self.model.shutting_down = true,
            Fact::Restarting { pid, blocked } => self.restart(*pid, *blocked, at),
            Fact::MainStarted { process } => self.model.main = Some(*process),
            Fact::LoopSeen { key, info } => self.see_loop(*key, info, at),
            Fact::LoopReading { key, reading } => self.read_loop(*key, reading, at),
            Fact::LoopGone { key } => self.end_loop(*key, at),
            Fact::Sampled {
                key,
                busy_since,
                sample,
            } => {
                self.look_at_loop(*key, *busy_since, sample, at);
            }
            Fact::BusyEnded {
                key,
                started,
                ended,
            } => self.end_busy(*key, *started, *ended),
            Fact::Happened { process, event } => self.take_event(*process, event, at),
            Fact::BusyBefore {
                key,
                started,
                ended,
                looks,
            } => self.be_busy_before(*key, (*started, *ended), looks, at),
            Fact::Lost {
                what,
                count,
                detail,
            } => self.lose(what, *count, detail.as_deref(), at),
            Fact::ObserverLate { by } => self.be_late(*by, at),
            Fact::ServerReading { reading } => self.take_server(reading, at),
            Fact::ServerUnreachable {
                server,
                reason,
                is_full,
                was_reached,
            } => self.miss_server(server, reason, (*is_full, *was_reached), at),
            Fact::AdapterSeen { process, .. } => {
                self.miss_agent_no_more(*process, at);
                if let Some(work) = self.work_of(*process) {
                    work.take(fact, at);
                }
            }
            Fact::TaskSiteReading { process, .. }
            | Fact::TaskWaits { process, .. }
            | Fact::CallReading { process, .. }
            | Fact::PoolReading { process, .. }
            | Fact::ConnectionsHeld { process, .. }
            | Fact::ExecutorReading { process, .. }
            | Fact::GcReading { process, .. } => {
                if let Some(work) = self.work_of(*process) {
                    work.take(fact, at);
                }
            }
        }
    }

    fn see_process(&mut self, key: ProcessKey, info: &ProcessInfo, at: Nanos) {
        if !self.model.see_process(key, info, self.config.max_processes) {
            return self.lose("processes", 1, None, at);
        }
        match (&info.uninspectable, self.unseen.contains_key(&key)) {
            (Some(reason), false) => self.open_unseen(key, info, reason, at),
            (None, true) => self.close_unseen(key, at),
            _ => {}
        }
    }

    fn see_loop(&mut self, key: LoopKey, info: &LoopInfo, at: Nanos) {
        if !self.model.processes.contains_key(&key.process) {
            return;
        }
        // A slot holds one loop: a newer one is the proof that those before it are gone.
        for earlier in self.model.living_loops_before(key) {
            self.end_loop(earlier, at);
        }
        if !self.model.see_loop(key, info, at, self.config.max_loops) {
            self.lose("loops", 1, None, at);
        }
    }

    /// Stacks out of reach do not colour the status: stalls are still seen. They are said all the same.
    fn open_unseen(&mut self, key: ProcessKey, info: &ProcessInfo, reason: &str, at: Nanos) {
        let note = format!(
            "the stacks of {} (pid {}) cannot be read: {reason}",
            info.name, key.pid
        );
        self.note_unseen(key, note, at);
    }

    /// Nor does a process that the pulse is not in and that has no loop, as far as one can see.
    fn leave_unwatched(&mut self, key: ProcessKey, reason: &str, at: Nanos) {
        let known = self.model.processes.get(&key);
        let Some(process) = known.filter(|_| !self.unseen.contains_key(&key)) else {
            return;
        };
        let name = &process.info.name;
        let note = format!("{name} (pid {}) is not watched: {reason}", key.pid);
        self.note_unseen(key, note, at);
    }

    /// Nor does one that the agent stayed out of, all or in part. Many workers that were started alike are told of once.
    fn miss_agent(&mut self, key: ProcessKey, part: AgentlessPart, reason: &str, at: Nanos) {
        let Some(process) = self.model.processes.get(&key) else {
            return;
        };
        let (name, alike) = (
            process.info.name.clone(),
            (process.info.name.clone(), reason.to_owned()),
        );
        if let Some((_, processes)) = self.agentless.get_mut(&alike) {
            processes.insert(key);
            return;
        }
        let (whose, essence) = match part {
            AgentlessPart::Process => ("", "agent"),
            AgentlessPart::Subinterpreters => ("subinterpreters of ", "subinterpreters"),
        };
        let note = format!(
            "tasks and calls of {whose}{name} (pid {}) are not watched, only its loops: {reason}",
            key.pid
        );
        let subject = self.process_subject(IncidentKind::ObserverDegraded, key);
        let diagnosis = observer_diagnosis(note, essence);
        let occurrence = self.book.open(subject, Severity::Info, diagnosis, at, at);
        self.agentless
            .insert(alike, (occurrence, BTreeSet::from([key])));
    }

    /// A process that has no agent is gone; the last one that was started so takes the note with it.
    fn miss_agent_no_more(&mut self, key: ProcessKey, at: Nanos) {
        for (_, processes) in self.agentless.values_mut() {
            processes.remove(&key);
        }
        let over = self
            .agentless
            .extract_if(.., |_, (_, processes)| processes.is_empty());
        for (_, (occurrence, _)) in over.collect::<Vec<_>>() {
            self.book.close(occurrence, None, at);
        }
    }

    fn note_unseen(&mut self, key: ProcessKey, note: String, at: Nanos) {
        let subject = self.process_subject(IncidentKind::ObserverDegraded, key);
        let diagnosis = observer_diagnosis(note, "uninspectable");
        let occurrence = self.book.open(subject, Severity::Info, diagnosis, at, at);
        self.unseen.insert(key, occurrence);
    }

    fn close_unseen(&mut self, key: ProcessKey, at: Nanos) {
        if let Some(occurrence) = self.unseen.remove(&key) {
            self.book.close(occurrence, None, at);
        }
    }

    fn end_process(&mut self, key: ProcessKey, ending: Ending, at: Nanos) {
        let is_main = self.model.is_main(key);
        let Some(process) = self.model.processes.get_mut(&key) else {
            return;
        };
        if process.ended.is_some() {
            return;
        }
        let was_killed = matches!(ending, Ending::Signaled(_) | Ending::Vanished);
        self.end_work(key, was_killed, at);
        let Some(process) = self.model.processes.get_mut(&key) else {
            return;
        };
        process.ended = Some((at, ending));
        process.stopped_since = None;
        self.stopped.remove(&key);
        for loop_key in self.model.living_loops_of(key) {
            self.end_loop(loop_key, at);
        }
        self.close_unseen(key, at);
        self.miss_agent_no_more(key, at);
        if self.restarting.remove(&key) {
            return;
        }
        if is_main {
            self.leave_servers(at);
        }
        if let Some(how) = self.death(ending, is_main) {
            self.book_death(key, ending, is_main, &how, at);
        }
    }

    /// A process is ended because a loop of it is blocked. The stall is the fault; this says what was done about it.
    fn restart(&mut self, pid: u32, blocked: Nanos, at: Nanos) {
        let Some(key) = self.process_of_pid(pid) else {
            return;
        };
        self.restarting.insert(key);
        let is_stall =
            |subject: &Subject| subject.kind == IncidentKind::LoopStall && subject.process == key;
        let stall = self.book.overlapping(is_stall, at, Nanos(u64::MAX));
        let origin = stall.map(crate::incidents::Stored::id);
        let subject = self.process_subject(IncidentKind::ProcessRestarted, key);
        let name = subject.process_ref.name.clone();
        let note = format!(
            "{name} (pid {pid}) was ended, to be started again: a loop of it had been blocked for {}",
            crate::summary::duration(blocked)
        );
        let steps = [
            "read the stall that this comes from: it names the line to mend",
            "the stacks of all threads stand in the log, right before this",
        ];
        let diagnosis = Diagnosis {
            note: Some(note),
            chain: vec![name],
            origin,
            advice: Advice {
                steps: steps.map(str::to_owned).to_vec(),
                ..Advice::default()
            },
            ..Diagnosis::default()
        };
        let occurrence = self
            .book
            .open(subject, Severity::Degraded, diagnosis, at, at);
        self.book.close(occurrence, None, at);
    }

    /// How a process died, in words; `None` where it ended in order or was told to.
    fn death(&self, ending: Ending, is_main: bool) -> Option<String> {
        match ending {
            _ if self.model.shutting_down => None,
            Ending::Signaled(signal) => Some(format!("was killed by signal {signal}")),
            Ending::Vanished => Some("vanished without a word".to_owned()),
            Ending::Exited(code) if is_main && code != 0 => {
                Some(format!("exited with code {code}"))
            }
            Ending::Exited(_) | Ending::Closed => None,
        }
    }

    /// A death is over at once, except the service's own: that lasts.
    fn book_death(&mut self, key: ProcessKey, ending: Ending, is_main: bool, how: &str, at: Nanos) {
        let subject = self.process_subject(IncidentKind::ProcessDied, key);
        let name = subject.process_ref.name.clone();
        let which = if is_main {
            "the main process"
        } else {
            "process"
        };
        let is_clean = matches!(ending, Ending::Exited(_));
        let severity = if is_main && !is_clean {
            Severity::Critical
        } else {
            Severity::Degraded
        };
        let diagnosis = Diagnosis {
            note: Some(format!("{which} {name} (pid {}) {how}", key.pid)),
            chain: vec![name, how.to_owned()],
            advice: death_advice(key.pid, ending),
            ..Diagnosis::default()
        };
        let occurrence = self.book.open(subject, severity, diagnosis, at, at);
        if !is_main {
            self.book.close(occurrence, None, at);
        }
    }

    pub(super) fn lose(&mut self, what: &str, count: u64, detail: Option<&str>, at: Nanos) {
        let has_room = self.agent.dropped.len() < MAX_LOSSES;
        let what = if has_room || self.agent.dropped.contains_key(what) {
            what
        } else {
            "other"
        };
        let lost = self.agent.dropped.entry(what.to_owned()).or_default();
        *lost = lost.saturating_add(count);
        let note = loss_note(what, *lost, detail);
        let diagnosis = observer_diagnosis(note, what);
        if let Some(occurrence) = self.losses.get(what).copied() {
            return self.book.refine(occurrence, diagnosis, at);
        }
        let subject = self.observer_subject();
        let occurrence = self
            .book
            .open(subject, Severity::Degraded, diagnosis, at, at);
        if LASTING_LOSSES.contains(&what) {
            self.losses.insert(what.to_owned(), occurrence);
        } else {
            self.book.close(occurrence, None, at);
        }
    }

    fn be_late(&mut self, by: Nanos, at: Nanos) {
        let late = crate::time::seconds(by);
        self.agent.worst_lateness_seconds = self.agent.worst_lateness_seconds.max(late);
        self.late.push_back((Nanos(at.0.saturating_sub(by.0)), at));
        if self.late.len() > MAX_LATE_SPANS {
            self.late.pop_front();
        }
    }

    pub(super) fn process_subject(&self, kind: IncidentKind, key: ProcessKey) -> Subject {
        let known = self.model.processes.get(&key);
        let name = known.map_or_else(|| self.service.clone(), |process| process.info.name.clone());
        Subject {
            kind,
            process: key,
            process_ref: ProcessRef { pid: key.pid, name },
            r#loop: None,
        }
    }

    /// The observer has no process of its own in the report: it speaks about the service.
    pub(super) fn observer_subject(&self) -> Subject {
        let none = ProcessKey {
            pid: 0,
            start_ticks: 0,
            image: 0,
        };
        self.process_subject(
            IncidentKind::ObserverDegraded,
            self.model.main.unwrap_or(none),
        )
    }

    fn end_loop(&mut self, key: LoopKey, at: Nanos) {
        let Some(known) = self.model.loops.get_mut(&key) else {
            return;
        };
        if known.ended.is_some() {
            return;
        }
        known.ended = Some(at);
        let suspension = known.stalls.resume(at);
        let step = known.stalls.gone(at);
        if let Some(suspension) = suspension {
            self.end_suspension(suspension, at);
        }
        self.take_steps(key, step.into_iter().collect(), at);
    }
}

fn observer_diagnosis(note: String, what: &str) -> Diagnosis {
    let steps = vec![
        "read the sentence: what it names is not watched, or not wholly".to_owned(),
        "`loopscope health --json` counts it in `detailed_health.agent`".to_owned(),
    ];
    Diagnosis {
        note: Some(note),
        chain: vec![what.to_owned()],
        advice: Advice {
            steps,
            ..Advice::default()
        },
        ..Diagnosis::default()
    }
}

fn loss_note(what: &str, count: u64, detail: Option<&str>) -> String {
    let detail = detail.map_or_else(String::new, |detail| format!(": {detail}"));
    format!("lost to the watching: {count} {what}{detail}")
}

fn death_advice(pid: u32, ending: Ending) -> Advice {
    let mut steps = vec![format!(
        "see what its loops did last: `loopscope postmortem {pid}`"
    )];
    if matches!(ending, Ending::Signaled(9) | Ending::Vanished) {
        steps.push(
            "look for the out-of-memory killer: `dmesg | grep -i oom`, or `oom_kill` in the \
                    cgroup's `memory.events`"
                .to_owned(),
        );
    }
    Advice {
        steps,
        ..Advice::default()
    }
}
