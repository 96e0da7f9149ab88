//! Facts about database servers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Engine;
use crate::{
    diagnosis::Subject,
    incidents::{OccurrenceId, Stored},
    observation::{ProcessKey, ServerReading},
    report::{IncidentKind, Severity},
    rules::servers::{self, HeldSession, ServerCase, ServerFinding},
    time::Nanos,
};

/// Servers that are kept: a run is told of one or a few.
const MAX_SERVERS: usize = 16;

/// Locks that are remembered as possible origins.
const MAX_LOCKS: usize = 64;

/// Database servers that were asked.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    known: BTreeMap<String, Server>,
    findings: BTreeMap<ServerKey, OccurrenceId>,
    /// Those that cannot be asked.
    unreachable: BTreeMap<String, OccurrenceId>,
    /// Locks that others waited for, oldest first.
    locks: VecDeque<Lock>,
}

/// A server as it was seen last.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) reading: ServerReading,
    pub(crate) at: Nanos,
}

/// Which fault of which server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ServerKey {
    server: String,
    kind: IncidentKind,
    which: i64,
}

/// A lock that somebody waited for, and whom it kept.
#[derive(Debug)]
pub(super) struct Lock {
    key: ServerKey,
    pub(super) incident: String,
    pub(super) since: Nanos,
    /// `None` while it lasts.
    pub(super) until: Option<Nanos>,
    /// The processes of the run that waited.
    pub(super) processes: BTreeSet<ProcessKey>,
    /// What they waited with, literals taken out.
    pub(super) statements: BTreeSet<String>,
}

impl Lock {
    pub(super) fn server(&self) -> &str {
        &self.key.server
    }
}

impl Servers {
    /// The servers, as they were seen last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Server> {
        self.known.values()
    }

    /// The locks that lasted until `window` before `now`, or last; older ones are forgotten.
    pub(super) fn recent_locks(&mut self, now: Nanos, window: Nanos) -> &VecDeque<Lock> {
        self.locks
            .retain(|lock| lock.until.is_none_or(|until| now.since(until) < window));
        &self.locks
    }
}

impl Engine {
    /// A server said how it is doing.
    pub(super) fn take_server(&mut self, reading: &ServerReading, at: Nanos) {
        let server = &reading.server;
        let is_new = !self.servers.known.contains_key(server);
        if is_new && self.servers.known.len() >= MAX_SERVERS {
            return self.lose("database servers", 1, None, at);
        }
        if let Some(occurrence) = self.servers.unreachable.remove(server) {
            self.book.close(occurrence, None, at);
        }
        self.count_deadlocks(reading, at);
        let full = ServerKey {
            server: server.clone(),
            kind: IncidentKind::ServerConnections,
            which: 0,
        };
        let names = self.names();
        let is_lock =
            |key: &&ServerKey| key.server == *server && key.kind == IncidentKind::DatabaseLock;
        let locks = self.servers.findings.keys().filter(is_lock);
        let known_holders = locks.map(|key| key.which).collect();
        let held = self.held_sessions();
        let found = servers::lasting(&ServerCase {
            held: &held,
            reading,
            at,
            config: &self.config,
            names: &names,
            is_known_full: self.servers.findings.contains_key(&full),
            known_holders: &known_holders,
        });
        let mut lasting = BTreeSet::new();
        for finding in found {
            let key = ServerKey {
                server: server.clone(),
                kind: finding.kind,
                which: finding.which,
            };
            lasting.insert(key.clone());
            self.hold_server(key, finding, reading, at);
        }
        self.close_server(server, &lasting, at);
        let reading = reading.clone();
        self.servers
            .known
            .insert(reading.server.clone(), Server { reading, at });
        self.link_to_origins(at);
    }

    /// A server cannot be asked. What lasted there may last on, but nobody can tell.
    pub(super) fn miss_server(
        &mut self,
        server: &str,
        reason: &str,
        (is_full, was_reached): (bool, bool),
        at: Nanos,
    ) {
        self.close_server(server, &BTreeSet::new(), at);
        let (kind, severity, diagnosis) = if is_full {
            let diagnosis = servers::refuses(server, reason);
            (
                IncidentKind::ServerConnections,
                Severity::Critical,
                diagnosis,
            )
        } else if was_reached {
            let note = format!("{server} cannot be asked any more: {reason}");
            let diagnosis = servers::unreachable(server, note);
            (
                IncidentKind::ServerUnreachable,
                Severity::Degraded,
                diagnosis,
            )
        } else {
            let note = format!("{server} is not watched: {reason}");
            let diagnosis = servers::unreachable(server, note);
            (IncidentKind::ObserverDegraded, Severity::Info, diagnosis)
        };
        if let Some(occurrence) = self.servers.unreachable.get(server).copied() {
            let is_same = self
                .book
                .incident_of(occurrence)
                .is_some_and(|incident| incident.subject.kind == kind);
            if is_same {
                return self.book.refine(occurrence, diagnosis, at);
            }
            self.book.close(occurrence, None, at);
        }
        let subject = self.server_subject(kind, None);
        let occurrence = self.book.open(subject, severity, diagnosis, at, at);
        self.servers
            .unreachable
            .insert(server.to_owned(), occurrence);
    }

    fn count_deadlocks(&mut self, reading: &ServerReading, at: Nanos) {
        let before = self.servers.known.get(&reading.server);
        let Some(before) = before.map(|server| server.reading.deadlocks) else {
            return;
        };
        let more = u32::try_from(reading.deadlocks.saturating_sub(before)).unwrap_or(u32::MAX);
        if more > 0 {
            let subject = self.server_subject(IncidentKind::DatabaseDeadlock, None);
            let diagnosis = servers::deadlock(&reading.server);
            let occurrence = self.open_times(subject, Severity::Degraded, diagnosis, at, at, more);
            self.book.close(occurrence, None, at);
        }
    }

    fn hold_server(
        &mut self,
        key: ServerKey,
        finding: ServerFinding,
        reading: &ServerReading,
        at: Nanos,
    ) {
        let ServerFinding {
            severity,
            since,
            pid,
            diagnosis,
            ..
        } = finding;
        let occurrence = if let Some(occurrence) = self.servers.findings.get(&key).copied() {
            self.book.refine(occurrence, diagnosis, at);
            self.book.raise(occurrence, severity, at);
            occurrence
        } else {
            let subject = self.server_subject(key.kind, pid);
            let occurrence = self.book.open(subject, severity, diagnosis, since, at);
            self.servers.findings.insert(key.clone(), occurrence);
            occurrence
        };
        if key.kind == IncidentKind::DatabaseLock {
            self.remember_lock(key, occurrence, reading);
        }
    }

    fn remember_lock(&mut self, key: ServerKey, occurrence: OccurrenceId, reading: &ServerReading) {
        let of_holder =
            |lock: &&crate::observation::LockReading| i64::from(lock.holder.backend) == key.which;
        let Some(lock) = reading.locks.iter().find(of_holder) else {
            return;
        };
        let Some(incident) = self.book.incident_of(occurrence).map(Stored::id) else {
            return;
        };
        let processes: Vec<ProcessKey> = lock
            .waiters
            .iter()
            .filter_map(|waiter| self.process_of_pid(waiter.pid?))
            .collect();
        let statements = lock.waiters.iter().map(|waiter| waiter.statement.clone());
        let statements: Vec<String> = statements.filter(|text| !text.is_empty()).collect();
        let locks = &mut self.servers.locks;
        let known = locks
            .iter()
            .position(|known| known.key == key && known.until.is_none());
        if known.is_none() {
            if locks.len() >= MAX_LOCKS {
                locks.pop_front();
            }
            locks.push_back(Lock {
                key,
                incident,
                since: lock.since,
                until: None,
                processes: BTreeSet::new(),
                statements: BTreeSet::new(),
            });
        }
        let newest = locks.len().saturating_sub(1);
        if let Some(lock) = locks.get_mut(known.unwrap_or(newest)) {
            lock.processes.extend(processes);
            lock.statements.extend(statements);
        }
    }

    /// Closes what no longer lasts at a server.
    fn close_server(&mut self, server: &str, lasting: &BTreeSet<ServerKey>, at: Nanos) {
        let is_over = |key: &&ServerKey| key.server == server && !lasting.contains(*key);
        let over: Vec<ServerKey> = self
            .servers
            .findings
            .keys()
            .filter(is_over)
            .cloned()
            .collect();
        for key in over {
            if let Some(occurrence) = self.servers.findings.remove(&key) {
                self.book.close(occurrence, None, at);
            }
            for lock in &mut self.servers.locks {
                if lock.key == key {
                    lock.until.get_or_insert(at);
                }
            }
        }
    }

    /// The service has ended, and with it the asking: what lasted is not known to last on.
    pub(super) fn leave_servers(&mut self, at: Nanos) {
        let servers: BTreeSet<String> = self
            .servers
            .findings
            .keys()
            .map(|key| key.server.clone())
            .collect();
        for server in servers {
            self.close_server(&server, &BTreeSet::new(), at);
        }
        for (_, occurrence) in std::mem::take(&mut self.servers.unreachable) {
            self.book.close(occurrence, None, at);
        }
    }

    fn server_subject(&self, kind: IncidentKind, pid: Option<u32>) -> Subject {
        let process = pid.and_then(|pid| self.process_of_pid(pid));
        match process {
            Some(process) => self.process_subject(kind, process),
            None => Subject {
                kind,
                ..self.observer_subject()
            },
        }
    }

    /// The latest process of the run with an id.
    pub(super) fn process_of_pid(&self, pid: u32) -> Option<ProcessKey> {
        let first = ProcessKey {
            pid,
            start_ticks: 0,
            image: 0,
        };
        let last = ProcessKey {
            pid,
            start_ticks: u64::MAX,
            image: u32::MAX,
        };
        let of_pid = self.model.processes.range(first..=last);
        of_pid.map(|(key, _)| *key).next_back()
    }

    /// Connections of the run that somebody has had for a while.
    fn held_sessions(&self) -> Vec<HeldSession<'_>> {
        let alive = self.model.processes.iter();
        let alive = alive.filter(|(_, process)| process.is_alive());
        let held = alive.flat_map(|(key, process)| {
            let work = &process.work;
            work.held.iter().filter_map(|connection| {
                let pool = work.pools.get(&connection.pool)?;
                Some(HeldSession {
                    pid: key.pid,
                    server: &pool.reading.pool.server,
                    connection,
                })
            })
        });
        held.collect()
    }

    fn names(&self) -> BTreeMap<u32, String> {
        let processes = self.model.processes.iter();
        processes
            .map(|(key, process)| (key.pid, process.info.name.clone()))
            .collect()
    }
}
