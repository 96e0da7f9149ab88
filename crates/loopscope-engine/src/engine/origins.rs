//! What comes from what: a fault that others wait for, and what happens to them meanwhile.
//!
//! Two faults at one time are two, unless a dependency between them is known. From the one that comes first: a lock of
//! a database makes statements slow, pools empty and loops stall; an empty pool makes callers give up; a stalled loop
//! makes every call on it slow and lets their limits run out. So it is suspected, and called that.

use std::collections::BTreeSet;

use super::Engine;
use crate::{
    diagnosis::Diagnosis,
    incidents::Stored,
    observation::{LoopKey, ProcessKey},
    report::IncidentKind,
    time::Nanos,
};

/// A limit that ran out while a loop was stalled is heard of this much later at most.
const AFTER_A_STALL: Nanos = Nanos::from_millis(500);

/// A shorter stall makes no limit run out that people set.
const LONG_STALL: Nanos = Nanos::from_millis(1_000);

/// Errors of drivers that a wait for a lock ends with, by their own names.
const ENDS_OF_LOCK_WAITS: &[&str] = &[
    "LockNotAvailable",
    "LockNotAvailableError",
    "QueryCanceled",
    "QueryCanceledError",
];

/// Those that a wait for a pool ends with.
const ENDS_OF_POOL_WAITS: &[&str] = &["PoolTimeout"];

/// Those that any wait ends with.
const TIME_OUTS: &[&str] = &["TimeoutError"];

/// Drivers, and what stands in front of them, by the folders that their code is in.
const DRIVERS: &[&str] = &[
    "/asyncpg/",
    "/psycopg/",
    "/psycopg2/",
    "/psycopg_pool/",
    "/sqlalchemy/",
];

/// Something that others may come from.
struct Origin {
    incident: String,
    since: Nanos,
    until: Nanos,
    reach: Reach,
}

/// Whom it reaches.
enum Reach {
    /// Those who waited for a lock of this server, and the statements that they waited with.
    Lock {
        server: String,
        processes: BTreeSet<ProcessKey>,
        statements: BTreeSet<String>,
    },
    /// Those who wait for a pool.
    Pool(ProcessKey),
    /// All that a loop does.
    Stall(LoopKey),
}

impl Engine {
    /// Says of incidents that may come from another one that they do.
    pub(super) fn link_to_origins(&mut self, now: Nanos) {
        for origin in self.origins(now) {
            let (since, until) = (origin.since, origin.until.plus(AFTER_A_STALL));
            self.book.link(since, until, &origin.incident, |incident| {
                origin.reaches(incident)
            });
        }
    }

    /// The deepest first: what comes from a lock is not put down to the pool that the lock emptied.
    fn origins(&mut self, now: Nanos) -> Vec<Origin> {
        let window = self.config.recent_window;
        let locks = self.servers.recent_locks(now, window).iter();
        let mut origins: Vec<Origin> = locks
            .map(|lock| Origin {
                incident: lock.incident.clone(),
                since: lock.since,
                until: lock.until.unwrap_or(now),
                reach: Reach::Lock {
                    server: lock.server().to_owned(),
                    processes: lock.processes.clone(),
                    statements: lock.statements.clone(),
                },
            })
            .collect();
        for kind in [IncidentKind::PoolExhaustion, IncidentKind::LoopStall] {
            let incidents = self.book.incidents();
            let recent = incidents.filter(|incident| {
                incident.subject.kind == kind && incident.is_recent(now, window)
            });
            origins.extend(recent.filter_map(|incident| Origin::of(incident, now)));
        }
        origins
    }
}

impl Origin {
    fn of(incident: &Stored, now: Nanos) -> Option<Self> {
        let (since, until) = incident.last_time(now)?;
        let subject = &incident.subject;
        let reach = match (subject.kind, &subject.r#loop) {
            (IncidentKind::PoolExhaustion, _) => Reach::Pool(subject.process),
            (IncidentKind::LoopStall, Some((key, _))) if until.since(since) >= LONG_STALL => {
                Reach::Stall(*key)
            }
            _ => return None,
        };
        Some(Self {
            incident: incident.id(),
            since,
            until,
            reach,
        })
    }

    fn reaches(&self, incident: &Stored) -> bool {
        match &self.reach {
            Reach::Lock {
                server,
                processes,
                statements,
            } => {
                processes.contains(&incident.subject.process)
                    && waits_for_lock(incident, server, statements)
            }
            Reach::Pool(process) => {
                *process == incident.subject.process && waits_for_pool(incident)
            }
            Reach::Stall(key) => {
                let on = incident.subject.r#loop.as_ref().map(|(key, _)| *key);
                on == Some(*key) && self.is_kept_by_stall(incident)
            }
        }
    }

    /// A call that took long since its loop did nothing else for the larger part of it, or that had a limit.
    fn is_kept_by_stall(&self, incident: &Stored) -> bool {
        let Some((since, until)) = incident.last_time(self.until) else {
            return false;
        };
        match incident.subject.kind {
            IncidentKind::SlowCall | IncidentKind::SlowQuery => {
                let both = self.until.min(until).since(self.since.max(since));
                both.0.saturating_mul(2) >= until.since(since).0
            }
            IncidentKind::CallFailure | IncidentKind::TaskFailure => {
                let ends_with_it =
                    self.until.since(until) == Nanos(0) && until.since(self.until) <= AFTER_A_STALL;
                ends_with_it && has_ended_with(&incident.diagnosis, TIME_OUTS)
            }
            _ => false,
        }
    }
}

/// It is about one of the statements that waited, a pool of that server, or something that ended inside of a driver.
fn waits_for_lock(incident: &Stored, server: &str, statements: &BTreeSet<String>) -> bool {
    let found = &incident.diagnosis;
    let waited = || found.chain.iter().any(|name| statements.contains(name));
    let gave_up = || {
        has_ended_with(found, ENDS_OF_LOCK_WAITS)
            || has_ended_with(found, ENDS_OF_POOL_WAITS)
            || (has_ended_with(found, TIME_OUTS) && is_in_driver(found))
    };
    match incident.subject.kind {
        IncidentKind::SlowQuery => waited(),
        IncidentKind::CallFailure => waited() || gave_up(),
        IncidentKind::TaskFailure => gave_up(),
        IncidentKind::PoolExhaustion => found.chain.iter().any(|name| is_same_server(name, server)),
        IncidentKind::LoopStall | IncidentKind::SlowCall | IncidentKind::BlockingCall => {
            is_in_driver(found) || waited()
        }
        _ => false,
    }
}

fn waits_for_pool(incident: &Stored) -> bool {
    let found = &incident.diagnosis;
    let is_failure = matches!(
        incident.subject.kind,
        IncidentKind::CallFailure | IncidentKind::TaskFailure
    );
    is_failure
        && (has_ended_with(found, ENDS_OF_POOL_WAITS)
            || (has_ended_with(found, TIME_OUTS) && is_in_driver(found)))
}

/// Whether it ended with one of these errors, named with or without their modules.
fn has_ended_with(found: &Diagnosis, errors: &[&str]) -> bool {
    let mut names = found
        .chain
        .iter()
        .filter_map(|name| name.rsplit('.').next());
    names.any(|name| errors.contains(&name))
}

fn is_in_driver(found: &Diagnosis) -> bool {
    let mut files = found.frames.iter().map(|frame| frame.file.as_str());
    files.any(|file| DRIVERS.iter().any(|driver| file.contains(driver)))
}

/// Whether two addresses are of one database: this host has several names.
fn is_same_server(one: &str, other: &str) -> bool {
    let parts = |text: &str| {
        let (host, rest) = text.rsplit_once(':')?;
        let is_here = ["localhost", "127.0.0.1", "::1", "[::1]"].contains(&host);
        let host = if is_here { "" } else { host };
        Some((host.to_owned(), rest.to_owned()))
    };
    one == other || parts(one).is_some_and(|one| parts(other) == Some(one))
}
