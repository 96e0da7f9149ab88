//! The engine: takes observations in order and keeps the state from which reports are built.
//!
//! Only wiring: facts go to the model and to each loop's state machine, their steps go through `cause`
//! into the book. Time comes in with each observation; nothing here reads a clock or does I/O.

mod blocking;
mod facts;
mod failures;
mod origins;
pub(crate) mod servers;
mod stalls;
mod work;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    change::{Change, Probes},
    config::Config,
    incidents::{Book, OccurrenceId},
    model::Model,
    observation::{Fact, Observation, ProcessKey},
    probes,
    report::{AgentHealth, Report},
    report_build,
    rules::FindingKey,
    time::{Nanos, WallAnchor},
};

use blocking::HeldCalls;
use servers::Servers;

/// Observations in, incidents and reports out.
///
/// Facts about a process or loop that was never introduced by `ProcessSeen` or `LoopSeen` are ignored.
/// An observation older than the newest one is taken as if it were seen at that one's time.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) service: String,
    pub(crate) version: String,
    pub(crate) anchor: WallAnchor,
    pub(crate) started: Nanos,
    pub(crate) model: Model,
    pub(crate) book: Book,
    pub(crate) agent: AgentHealth,
    pub(crate) total_stalls: u64,
    pub(crate) longest_stall: Option<Nanos>,
    /// The newest observation's time.
    now: Nanos,
    /// When what ended was last cleared away.
    swept_at: Nanos,
    /// Processes that are stopped now.
    stopped: BTreeMap<ProcessKey, Nanos>,
    /// When the observer looked late last: from when until when.
    late: VecDeque<(Nanos, Nanos)>,
    /// Incidents about processes whose stacks cannot be read.
    unseen: BTreeMap<ProcessKey, OccurrenceId>,
    /// Incidents about processes that the agent stayed out of, by program and reason, each with the processes
    /// that it is about.
    agentless: BTreeMap<(String, String), (OccurrenceId, BTreeSet<ProcessKey>)>,
    /// Incidents about losses that last.
    losses: BTreeMap<String, OccurrenceId>,
    /// Incidents about faults that last.
    findings: BTreeMap<FindingKey, OccurrenceId>,
    /// When such faults were last looked for.
    checked_at: Nanos,
    /// Calls that held their loop, until the stalls that they made are known.
    held_calls: HeldCalls,
    /// Processes that are being ended to be started again.
    restarting: BTreeSet<ProcessKey>,
    /// Database servers.
    pub(crate) servers: Servers,
}

impl Engine {
    /// An engine that has seen nothing. `started` is when the watching began, on the clock of the
    /// observations; `version` is Loopscope's own.
    pub fn new(
        config: Config,
        service: String,
        version: &str,
        anchor: WallAnchor,
        started: Nanos,
    ) -> Self {
        Self {
            book: Book::new(&config, anchor),
            model: Model::new(config.trend_pace),
            config,
            service,
            version: version.to_owned(),
            anchor,
            started,
            agent: AgentHealth::default(),
            total_stalls: 0,
            longest_stall: None,
            now: started,
            swept_at: started,
            stopped: BTreeMap::new(),
            late: VecDeque::new(),
            unseen: BTreeMap::new(),
            agentless: BTreeMap::new(),
            losses: BTreeMap::new(),
            findings: BTreeMap::new(),
            checked_at: started,
            held_calls: HeldCalls::default(),
            restarting: BTreeSet::new(),
            servers: Servers::default(),
        }
    }

    /// Takes in one observation. Never panics, whatever the order of facts.
    pub fn observe(&mut self, observation: &Observation) {
        self.now = self.now.max(observation.at);
        self.take_fact(&observation.fact, self.now);
        if let Fact::Happened { .. } | Fact::BusyEnded { .. } = observation.fact {
            // At once: a report may be asked for right after this.
            self.link_to_origins(self.now);
        }
        self.suspend_stopped(self.now);
        self.check_work(self.now);
        self.book.escalate(self.now);
        self.sweep(self.now);
    }

    /// What happened to incidents since the last call, oldest first.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.book.take_changes()
    }

    /// The state at `now`, with the incidents that are open or were closed a short while ago.
    pub fn report(&self, now: Nanos) -> Report {
        report_build::report(self, now, |incident| {
            incident.is_recent(now, self.config.recent_window)
        })
    }

    /// The state at `now`, with every incident of the run.
    pub fn final_report(&self, now: Nanos) -> Report {
        report_build::report(self, now, |_| true)
    }

    /// The answers to `/livez` and `/readyz` at `now`.
    pub fn probes(&self, now: Nanos) -> Probes {
        probes::probes(self, now)
    }

    /// Clears away what ended a while ago; once a second is often enough for that.
    fn sweep(&mut self, at: Nanos) {
        if at.since(self.swept_at) >= Nanos::from_millis(1_000) {
            self.swept_at = at;
            self.model.forget_ended(at, &self.config);
        }
    }
}

#[cfg(test)]
mod tests;
