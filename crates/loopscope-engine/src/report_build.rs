//! From the engine's state to a report.
//!
//! Reads only. Every figure counts up to the instant asked for, so a loop that has been blocked since
//! the last observation reads as blocked now.

mod details;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    engine::Engine,
    incidents::Stored,
    observation::ProcessKey,
    report::{
        DetailedHealth, Incident, IncidentKind, Monitoring, Report, SCHEMA_VERSION, Severity,
        Status,
    },
    summary,
    time::{Nanos, seconds},
};

/// The report at `now`, with the incidents that `shows` picks.
pub(crate) fn report(engine: &Engine, now: Nanos, shows: impl Fn(&Stored) -> bool) -> Report {
    let components = components(engine, now);
    let blocked = engine.config.blocked_threshold;
    let shown = engine.book.incidents().filter(|incident| shows(incident));
    let incidents: Vec<Incident> = shown
        .map(|incident| incident.render(now, blocked, &engine.anchor))
        .collect();
    Report {
        schema_version: SCHEMA_VERSION,
        status: components
            .values()
            .copied()
            .max()
            .unwrap_or(Status::Healthy),
        service: engine.service.clone(),
        version: engine.version.clone(),
        timestamp: engine.anchor.timestamp(now),
        uptime_seconds: seconds(now.since(engine.started)),
        components,
        monitoring: monitoring(engine, now),
        issues: issues(engine, now),
        incidents,
        detailed_health: DetailedHealth {
            event_loops: details::event_loops(engine, now),
            processes: details::processes(engine),
            tasks: work::tasks(engine, now),
            calls: work::calls(engine, now),
            database: work::database(engine, now),
            database_servers: work::database_servers(engine, now),
            executors: work::executors(engine, now),
            system: work::system(engine),
            agent: details::agent(engine),
        },
    }
}

/// Each part's kinds of incident, and whether the part is watched at all.
type Part = (&'static str, &'static [IncidentKind], fn(&Engine) -> bool);

const PARTS: &[Part] = &[
    ("event_loops", &[IncidentKind::LoopStall], |_| true),
    (
        "tasks",
        &[
            IncidentKind::TaskFailure,
            IncidentKind::TaskLeak,
            IncidentKind::TaskStuck,
            IncidentKind::CallbackFailure,
        ],
        |engine| work::is_watched(engine, |adapter| adapter.tasks),
    ),
    (
        "calls",
        &[
            IncidentKind::BlockingCall,
            IncidentKind::SlowCall,
            IncidentKind::CallFailure,
        ],
        |engine| work::is_watched(engine, |adapter| adapter.calls),
    ),
    (
        "database",
        &[
            IncidentKind::SlowQuery,
            IncidentKind::ConnectionFailure,
            IncidentKind::ConnectionLeak,
            IncidentKind::ConnectionShared,
            IncidentKind::PoolExhaustion,
            IncidentKind::ConnectionGrowth,
            IncidentKind::DatabaseLock,
            IncidentKind::IdleTransaction,
            IncidentKind::ServerConnections,
            IncidentKind::DatabaseDeadlock,
            IncidentKind::ServerUnreachable,
        ],
        |engine| {
            let is_asked = engine.servers.iter().next().is_some();
            is_asked || work::is_watched(engine, |adapter| adapter.databases)
        },
    ),
    ("executors", &[IncidentKind::ExecutorSaturation], |engine| {
        work::is_watched(engine, |adapter| adapter.executors)
    }),
    (
        "resources",
        &[
            IncidentKind::MemoryHigh,
            IncidentKind::MemoryGrowth,
            IncidentKind::DescriptorHigh,
            IncidentKind::DescriptorGrowth,
        ],
        |engine| {
            let mut processes = engine.model.processes.values();
            processes.any(|process| process.resources.is_some())
        },
    ),
    (
        "processes",
        &[IncidentKind::ProcessDied, IncidentKind::ProcessRestarted],
        |_| true,
    ),
    ("agent", &[IncidentKind::ObserverDegraded], |_| true),
];

fn components(engine: &Engine, now: Nanos) -> BTreeMap<String, Status> {
    let mut components = BTreeMap::new();
    for (name, kinds, is_watched) in PARTS {
        let known = status_of(engine, now, kinds);
        if known.is_some() || is_watched(engine) {
            let status = known.unwrap_or(Status::Healthy);
            components.insert((*name).to_owned(), status);
        }
    }
    components
}

/// The worst that the incidents of these kinds make it; `None` where there are none.
fn status_of(engine: &Engine, now: Nanos, kinds: &[IncidentKind]) -> Option<Status> {
    let of_kind = engine
        .book
        .incidents()
        .filter(|incident| kinds.contains(&incident.subject.kind));
    of_kind
        .map(|incident| status_from(engine, incident, now))
        .max()
}

/// Critical is about now: a loop that was blocked and is free again leaves the service degraded, and so
/// does whatever else was critical and is over.
fn status_from(engine: &Engine, incident: &Stored, now: Nanos) -> Status {
    let config = &engine.config;
    let is_critical_now = incident.subject.kind != IncidentKind::LoopStall
        && incident.severity == Severity::Critical
        && incident.is_open();
    if is_critical_now || incident.is_blocked(now, config.blocked_threshold) {
        Status::Critical
    } else if incident.severity > Severity::Info && incident.is_recent(now, config.recent_window) {
        Status::Degraded
    } else {
        Status::Healthy
    }
}

/// One sentence each, the worst and then the newest first. What comes from another fault is told with that, and one
/// fault of several processes once.
fn issues(engine: &Engine, now: Nanos) -> Vec<String> {
    let config = &engine.config;
    let recent = engine.book.incidents();
    let mut recent: Vec<&Stored> = recent
        .filter(|incident| incident.is_recent(now, config.recent_window))
        .collect();
    recent.sort_by_key(|incident| {
        let status = status_from(engine, incident, now);
        let severity = incident.severity_at(now, config.blocked_threshold);
        std::cmp::Reverse((status, severity, incident.is_open(), incident.number))
    });
    let open: BTreeMap<String, bool> = recent
        .iter()
        .map(|incident| (incident.id(), incident.is_open()))
        .collect();
    // What lasts longer than what it came from is told by itself again.
    let (from_others, own): (Vec<&Stored>, Vec<&Stored>) = recent.iter().partition(|incident| {
        let origin = incident.diagnosis.origin.as_ref();
        let is_open = origin.and_then(|origin| open.get(origin));
        let lasts = incident.is_open() && incident.subject.kind.lasts();
        is_open.is_some_and(|is_open| *is_open || !lasts)
    });
    let mut told: Vec<Issue<'_>> = Vec::new();
    for incident in own {
        match told.iter_mut().find(|issue| issue.is_same(incident)) {
            Some(issue) => issue.processes.extend([incident.subject.process]),
            None => told.push(Issue::new(incident)),
        }
    }
    let told = told.iter();
    told.map(|issue| issue.sentence(&from_others, now, config.blocked_threshold))
        .collect()
}

/// What one sentence tells.
struct Issue<'a> {
    incident: &'a Stored,
    processes: BTreeSet<ProcessKey>,
}

impl<'a> Issue<'a> {
    fn new(incident: &'a Stored) -> Self {
        Self {
            incident,
            processes: BTreeSet::from([incident.subject.process]),
        }
    }

    /// Whether an incident is the same fault in another process, and no better.
    fn is_same(&self, other: &Stored) -> bool {
        let own = self.incident;
        own.fingerprint == other.fingerprint
            && own.subject.kind == other.subject.kind
            && own.severity >= other.severity
            && !self.processes.contains(&other.subject.process)
    }

    fn sentence(&self, from_others: &[&Stored], now: Nanos, blocked: Nanos) -> String {
        let mut sentence = summary::issue(self.incident, now, blocked);
        let others = self.processes.len() - 1;
        if others > 0 {
            let processes = if others == 1 { "process" } else { "processes" };
            sentence.push_str(&format!("; the same in {others} more {processes}"));
        }
        let id = self.incident.id();
        // A call that held its loop is the stall by another name.
        let is_from_it = |other: &&&Stored| {
            other.diagnosis.origin.as_ref() == Some(&id)
                && other.subject.kind != IncidentKind::BlockingCall
        };
        match from_others.iter().filter(is_from_it).count() {
            0 => {}
            1 => sentence.push_str("; suspected origin of 1 more incident"),
            more => sentence.push_str(&format!("; suspected origin of {more} more incidents")),
        }
        sentence
    }
}

fn monitoring(engine: &Engine, now: Nanos) -> Monitoring {
    let threshold = engine.config.blocked_threshold;
    let incidents = || engine.book.incidents();
    let lasting = incidents().filter(|incident| incident.subject.kind == IncidentKind::LoopStall);
    let longest_open = lasting
        .filter(|i| i.is_open())
        .map(|incident| incident.lasting_at(now))
        .max();
    let alive = || {
        engine
            .model
            .processes
            .values()
            .filter(|process| process.is_alive())
    };
    let resources = || alive().filter_map(|process| process.resources);
    let blocked = incidents()
        .filter(|incident| incident.is_blocked(now, threshold))
        .count();
    let loops = engine
        .model
        .loops
        .values()
        .filter(|known| known.ended.is_none())
        .count();
    let mut monitoring = Monitoring {
        processes_count: alive().count() as u64,
        event_loops_count: loops as u64,
        blocked_loops: blocked as u64,
        total_stalls: engine.total_stalls,
        longest_stall_seconds: engine.longest_stall.max(longest_open).map(seconds),
        memory_mb: sum(resources().map(|r| r.rss_bytes)).map(details::mebibytes),
        cpu_percent: alive()
            .filter_map(|process| process.cpu_percent)
            .reduce(|a, b| a + b)
            .map(details::percent),
        open_fds: sum(resources().filter_map(|resources| resources.open_fds)),
        ..Monitoring::default()
    };
    work::monitor(engine, &mut monitoring, now);
    monitoring
}

/// The sum, or nothing where there is nothing to add up.
fn sum(mut figures: impl Iterator<Item = u64>) -> Option<u64> {
    let first = figures.next()?;
    Some(figures.fold(first, u64::saturating_add))
}
