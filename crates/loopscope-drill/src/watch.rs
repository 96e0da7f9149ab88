//! What is seen while a fault lasts: which findings are news, and what the surfaces answer.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::report::{Incident, Report};
use crate::results::{Found, Health, Probes};

/// One look at the surfaces.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// When the answer had come, on the monotonic clock.
    pub at_nanos: u64,
    /// What `/health` answered; `None` where it did not.
    pub health: Option<Answer>,
    /// The status of `/readyz`; `None` where there was no answer.
    pub ready: Option<u16>,
    /// The status of `/livez`.
    pub live: Option<u16>,
}

/// An answer of `/health`.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Its HTTP status.
    pub code: u16,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// What it said.
    pub report: Report,
}

/// Looks on while one fault lasts.
#[derive(Debug)]
pub struct Watch {
    fault: Fault,
    pid: u32,
    /// Occurrences of each incident by now, and whether it is open.
    known: BTreeMap<String, (u64, bool)>,
    /// When each finding was first seen as it is.
    first_seen: BTreeMap<String, u64>,
    watched: Watched,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// The finding that the fault led to, as it was last seen, and when it was first.
    pub found: Option<(Incident, u64)>,
    /// Findings that name the drill where nothing is to be found, by their identity.
    pub false_alarms: BTreeMap<String, String>,
    /// What `/health` answered.
    pub health: Health,
    /// What the probes answered.
    pub probes: Probes,
}

impl Watch {
    /// What `before` has is no news.
    pub fn new(fault: Fault, pid: u32, before: &Report) -> Self {
        let known = before.incidents.iter();
        let known = known.map(|one| (one.id.clone(), (one.count, one.closed_at.is_none())));
        Self {
            fault,
            pid,
            known: known.collect(),
            first_seen: BTreeMap::new(),
            watched: Watched::default(),
        }
    }

    /// What is found already that the fault would be found by: it could not be told from that.
    pub fn said_before<'a>(&self, before: &'a Report) -> Option<&'a str> {
        let mut open = before
            .incidents
            .iter()
            .filter(|one| one.closed_at.is_none());
        let found = open.find(|one| self.is_looked_for(one))?;
        Some(&found.summary)
    }

    /// Takes in what the surfaces answer while the fault lasts.
    pub fn look(&mut self, look: &Look) {
        self.watched.probes.take(look.ready, look.live);
        match &look.health {
            Some(answer) => {
                self.watched.health.take(answer);
                self.look_for_findings(&answer.report, look.at_nanos);
            }
            None => self.watched.health.unanswered += 1,
        }
    }

    /// Takes in findings alone, once the fault is over: they may still come or end, and the probes turn back.
    pub fn look_after(&mut self, look: &Look) {
        let health = &self.watched.health;
        if health.answers + health.unanswered == 0 {
            // It was over before anybody could look.
            return self.look(look);
        }
        self.watched.probes.take_after(look.ready, look.live);
        if let Some(answer) = &look.health {
            self.look_for_findings(&answer.report, look.at_nanos);
        }
    }

    /// Whether the fault was found.
    pub fn is_found(&self) -> bool {
        self.watched.found.is_some()
    }

    /// Whether there is nothing to wait for any more once the fault is over.
    pub fn is_settled(&self) -> bool {
        let is_over = |(incident, _): &(Incident, u64)| incident.closed_at.is_some();
        self.watched.found.as_ref().is_some_and(is_over) && !self.watched.probes.is_failing
    }

    /// What was seen.
    pub fn watched(self) -> Watched {
        self.watched
    }

    fn look_for_findings(&mut self, report: &Report, at_nanos: u64) {
        let news = report.incidents.iter().filter(|one| self.is_news(one));
        let news: Vec<&Incident> = news.collect();
        if self.fault == Fault::Healthy {
            let blamed = news.into_iter().filter(|one| is_blamed(one));
            let alarms = blamed.map(|one| (one.id.clone(), one.summary.clone()));
            self.watched.false_alarms.extend(alarms);
            return;
        }
        let looked_for = news.into_iter().filter(|one| self.is_looked_for(one));
        // A stall is explained better with each look at it, and may become another incident by that.
        let best = looked_for.max_by_key(|one| is_blamed(one)).cloned();
        if let Some(best) = best {
            let since = *self.first_seen.entry(best.id.clone()).or_insert(at_nanos);
            self.watched.found = Some((best, since));
        }
    }

    fn is_news(&self, incident: &Incident) -> bool {
        let is_open = incident.closed_at.is_none();
        let known = self.known.get(&incident.id);
        known.is_none_or(|(count, was_open)| incident.count > *count || (is_open && !was_open))
    }

    fn is_looked_for(&self, incident: &Incident) -> bool {
        let is_of_process = incident.process.pid == self.pid;
        let is_of_drill = incident.is_of_drill();
        match self.fault {
            Fault::Healthy => false,
            // Nothing in a process's memory says who took it.
            Fault::Memory => is_of_process && self.fault.kinds().contains(&incident.kind.as_str()),
            _ => {
                is_of_process && is_of_drill && self.fault.kinds().contains(&incident.kind.as_str())
            }
        }
    }
}

/// Whether the drill's code is blamed. For want of a processor, or in a process that is stopped, no code is.
fn is_blamed(incident: &Incident) -> bool {
    let cause = incident.cause.as_deref();
    incident.is_of_drill() && !matches!(cause, Some("cpu_starved" | "suspended"))
}

impl Fault {
    /// The kinds of findings that it may lead to.
    pub fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Healthy => &[],
            Self::Sleep | Self::Block | Self::Gil => &["loop_stall"],
            Self::TaskFailure => &["task_failure"],
            Self::Executor => &["executor_saturation"],
            Self::Database => &["slow_query", "pool_exhaustion"],
            Self::TaskLeak => &["task_leak"],
            Self::Memory => &["memory_growth", "memory_high"],
        }
    }
}

impl Health {
    fn take(&mut self, answer: &Answer) {
        self.answers += 1;
        self.slowest_ms = self.slowest_ms.max(answer.took_ms);
        self.worst_code = self.worst_code.max(answer.code);
        if rank(&answer.report.status) >= rank(&self.worst_status) {
            self.worst_status.clone_from(&answer.report.status);
        }
    }
}

fn rank(status: &str) -> u8 {
    match status {
        "critical" => 3,
        "degraded" => 2,
        "healthy" => 1,
        _ => 0,
    }
}

impl Probes {
    fn take(&mut self, ready: Option<u16>, live: Option<u16>) {
        self.ready_failed |= ready.is_some_and(is_failure);
        self.live_failed |= live.is_some_and(is_failure);
        self.take_after(ready, live);
    }

    fn take_after(&mut self, ready: Option<u16>, live: Option<u16>) {
        if let (Some(ready), Some(live)) = (ready, live) {
            self.is_failing = is_failure(ready) || is_failure(live);
        }
    }
}

fn is_failure(code: u16) -> bool {
    !(200..300).contains(&code)
}

impl Found {
    /// The finding as results have it.
    pub fn of(incident: &Incident, after_seconds: f64) -> Self {
        Self {
            id: incident.id.clone(),
            kind: incident.kind.clone(),
            severity: incident.severity.clone(),
            cause: incident.cause.clone(),
            gil_held: incident.gil_held,
            summary: incident.summary.clone(),
            culprit: incident.culprit.as_ref().map(crate::report::Place::words),
            after_seconds,
            is_closed: incident.closed_at.is_some(),
        }
    }
}
