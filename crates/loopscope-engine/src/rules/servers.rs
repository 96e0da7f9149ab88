//! The rules on database servers, from what a server says of itself.
//!
//! Like the others they are pure: a reading in, the faults that last out.

use std::collections::{BTreeMap, BTreeSet};

use super::{holders, words};
use crate::{
    config::Config,
    diagnosis::Diagnosis,
    observation::{ClientReading, HeldConnection, LockReading, ServerReading, SessionReading},
    report::{Advice, IncidentKind, Severity},
    time::Nanos,
};

const LOCK_STEPS: &[&str] = &[
    "stop the bleeding: end the session that has the lock, `SELECT pg_terminate_backend({backend})`; its transaction \
     is undone and its client gets an error",
    "fix: commit before the program waits for something else, so that no transaction is open across a request, a \
     call of a model or a sleep",
    "let all transactions change rows in the same order, and set `lock_timeout` for those that can try again",
    "let the server end what was forgotten: `idle_in_transaction_session_timeout`",
];

const LOCK_VERIFY: &str = "`SELECT count(*) FROM pg_locks WHERE NOT granted` stays at 0";

const IDLE_STEPS: &[&str] = &[
    "stop the bleeding: `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction' \
     AND state_change < now() - interval '1 min'`",
    "fix: `async with connection.transaction():` around the statements alone, and `await` nothing else in it; a \
     driver without `autocommit` begins a transaction with the first SELECT",
    "let the server end what was forgotten: `idle_in_transaction_session_timeout`",
];

const IDLE_VERIFY: &str =
    "`SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'` stays at 0";

const FULL_STEPS: &[&str] = &[
    "stop the bleeding: restart the client with the most connections, or end its idle sessions, \
     `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle'`",
    "fix: one pool for each process, and the sizes of all pools of all processes together below `max_connections`",
    "where many processes need few connections each: a pooler in front of the server, such as pgbouncer",
];

const FULL_VERIFY: &str =
    "`loopscope health --json`: `connections` of this server stays well below `max_connections`";

const DEADLOCK_STEPS: &[&str] = &[
    "the server's log names both statements: look for `deadlock detected`",
    "fix: let all transactions change rows in the same order, `ORDER BY id FOR UPDATE` for one",
    "try again the transaction that was given up: that is what the error is for",
];

const DEADLOCK_VERIFY: &str = "`SELECT deadlocks FROM pg_stat_database` stays where it is";

const UNREACHABLE_STEPS: &[&str] = &[
    "ask it from this host, with the same address: `psql`",
    "look at its log, and whether its process runs",
];

/// A fault of a server that lasts.
#[derive(Debug)]
pub(crate) struct ServerFinding {
    pub(crate) kind: IncidentKind,
    /// Which of its kind: a session or a process on this server.
    pub(crate) which: i64,
    pub(crate) severity: Severity,
    pub(crate) since: Nanos,
    /// The process of the run that is to blame, or is concerned first.
    pub(crate) pid: Option<u32>,
    pub(crate) diagnosis: Diagnosis,
}

/// What the rules are told.
pub(crate) struct ServerCase<'a> {
    pub(crate) reading: &'a ServerReading,
    pub(crate) at: Nanos,
    pub(crate) config: &'a Config,
    /// The names of the run's processes.
    pub(crate) names: &'a BTreeMap<u32, String>,
    /// Whether the server is known to be nearly full.
    pub(crate) is_known_full: bool,
    /// The sessions that are known to have a lock that others wait for.
    pub(crate) known_holders: &'a BTreeSet<i64>,
    /// Connections of the run's processes that somebody has had for a while.
    pub(crate) held: &'a [HeldSession<'a>],
}

/// A connection that somebody has, seen from the server.
pub(crate) struct HeldSession<'a> {
    pub(crate) pid: u32,
    /// The server, as its driver names it.
    pub(crate) server: &'a str,
    pub(crate) connection: &'a HeldConnection,
}

/// Every fault that lasts.
pub(crate) fn lasting(case: &ServerCase<'_>) -> Vec<ServerFinding> {
    let locks = case.reading.locks.iter();
    let mut found: Vec<ServerFinding> = locks.filter_map(|lock| case.lock(lock)).collect();
    let holders = found.iter().map(|lock| lock.which).collect();
    found.extend(case.idle_transactions(&holders));
    found.extend(case.connections());
    found
}

/// What a deadlock is told as.
pub(crate) fn deadlock(server: &str) -> Diagnosis {
    Diagnosis {
        note: Some(format!(
            "{server} resolved a deadlock: one of its clients got an error instead of a result"
        )),
        chain: vec![server.to_owned()],
        advice: words::advice(DEADLOCK_STEPS, DEADLOCK_VERIFY),
        ..Diagnosis::default()
    }
}

/// What a server is told as that refuses connections since all are taken.
pub(crate) fn refuses(server: &str, reason: &str) -> Diagnosis {
    Diagnosis {
        note: Some(format!("{server} refuses connections: {reason}")),
        chain: vec![server.to_owned()],
        advice: words::advice(FULL_STEPS, FULL_VERIFY),
        ..Diagnosis::default()
    }
}

/// What a server is told as that cannot be asked.
pub(crate) fn unreachable(server: &str, note: String) -> Diagnosis {
    Diagnosis {
        note: Some(note),
        chain: vec![server.to_owned()],
        advice: Advice {
            verify: None,
            ..words::advice(UNREACHABLE_STEPS, "")
        },
        ..Diagnosis::default()
    }
}

impl ServerCase<'_> {
    /// Who has the connection of a session. Sessions over a socket in a folder are known by their process id on
    /// the server alone: then the database must be the same too.
    fn held_by(&self, session: &SessionReading) -> Option<&HeldSession<'_>> {
        let is_it = |one: &&HeldSession<'_>| {
            let backend = u32::try_from(session.backend).ok();
            let is_same_end = match session.pid {
                Some(pid) => pid == one.pid,
                None => end(one.server) == end(&self.reading.server),
            };
            backend.is_some() && one.connection.backend == backend && is_same_end
        };
        self.held.iter().find(is_it)
    }

    fn lock(&self, lock: &LockReading) -> Option<ServerFinding> {
        let holder = &lock.holder;
        // The next in the queue of a row begins to wait anew when the one before it gives up.
        let is_known = self.known_holders.contains(&holder.backend.into());
        if !is_known && self.at.since(lock.since) < self.config.lock_wait_after {
            return None;
        }
        let does = match (holder.is_idle, holder.statement.is_empty()) {
            (true, true) => "which does nothing in a transaction,".to_owned(),
            (true, false) => format!(
                "which does nothing in a transaction after `{}`,",
                holder.statement
            ),
            (false, true) => "which is at work,".to_owned(),
            (false, false) => format!("which is at work on `{}`,", holder.statement),
        };
        let waiting = words::count(lock.waiters.len() as u64, "session");
        let verb = if lock.waiters.len() == 1 {
            "waits"
        } else {
            "wait"
        };
        let held = self.held_by(holder);
        let pid = holder.pid.or_else(|| held.map(|held| held.pid));
        let note = format!(
            "{}, session {}, {does} has a lock of {} that {waiting} of {} {verb} for",
            self.who(pid, &holder.application, &holder.user),
            holder.backend,
            self.reading.server,
            self.everybody(&lock.waiters),
        );
        let mut advice = words::advice(LOCK_STEPS, LOCK_VERIFY);
        for step in &mut advice.steps {
            *step = step.replace("{backend}", &holder.backend.to_string());
        }
        let waiter = lock.waiters.iter().find_map(|waiter| waiter.pid);
        Some(ServerFinding {
            kind: IncidentKind::DatabaseLock,
            which: holder.backend.into(),
            severity: Severity::Degraded,
            since: lock.since,
            pid: pid.or(waiter),
            diagnosis: Diagnosis {
                culprit: held.and_then(|held| holders::culprit(held.connection)),
                detail: held.and_then(|held| self.since_when(held)),
                note: Some(note),
                chain: vec![
                    self.reading.server.clone(),
                    holder.application.clone(),
                    holder.statement.clone(),
                ],
                advice,
                ..Diagnosis::default()
            },
        })
    }

    /// One finding for each process; a session that others wait for is told as that.
    fn idle_transactions(&self, holders: &BTreeSet<i64>) -> Vec<ServerFinding> {
        let mut by_process: BTreeMap<u32, Vec<&SessionReading>> = BTreeMap::new();
        for session in &self.reading.idle_transactions {
            let is_long = self.at.since(session.since) >= self.config.idle_transaction_after;
            let is_told = holders.contains(&session.backend.into());
            if let Some(pid) = session.pid.filter(|_| is_long && !is_told) {
                by_process.entry(pid).or_default().push(session);
            }
        }
        by_process
            .into_iter()
            .filter_map(|(pid, sessions)| self.idle_transaction(pid, &sessions))
            .collect()
    }

    fn idle_transaction(&self, pid: u32, sessions: &[&SessionReading]) -> Option<ServerFinding> {
        let longest = sessions.iter().min_by_key(|session| session.since)?;
        let who = self.who(Some(pid), &longest.application, &longest.user);
        let (several, have) = match sessions.len() {
            1 => ("a session".to_owned(), "has"),
            number => (format!("{number} sessions"), "have"),
        };
        let after = match longest.statement.as_str() {
            "" => String::new(),
            statement => format!(" after `{statement}`"),
        };
        let held = self.held_by(longest);
        let note = format!(
            "{several} of {who} at {} {have} been idle in a transaction{after}: it keeps its locks and its \
             connection, and the server from cleaning up",
            self.reading.server,
        );
        Some(ServerFinding {
            kind: IncidentKind::IdleTransaction,
            which: pid.into(),
            severity: Severity::Degraded,
            since: longest.since,
            pid: Some(pid),
            diagnosis: Diagnosis {
                culprit: held.and_then(|held| holders::culprit(held.connection)),
                detail: held.and_then(|held| self.since_when(held)),
                note: Some(note),
                chain: vec![self.reading.server.clone(), longest.statement.clone()],
                advice: words::advice(IDLE_STEPS, IDLE_VERIFY),
                ..Diagnosis::default()
            },
        })
    }

    fn connections(&self) -> Option<ServerFinding> {
        let reading = self.reading;
        let free_for_all = reading
            .max_connections
            .saturating_sub(reading.reserved_connections);
        let share = reading.connections as f64 / free_for_all.max(1) as f64;
        // Who hovers around the limit is told once.
        let margin = if self.is_known_full { 0.05 } else { 0.0 };
        if free_for_all == 0 || share < self.config.server_connections_high_share - margin {
            return None;
        }
        let most = reading.clients.iter().take(3).map(|client| {
            let who = self.who(client.pid, &client.application, &client.user);
            format!("{} of {who}", client.connections)
        });
        let most = most.collect::<Vec<_>>().join(", ");
        let note = format!(
            "{} has {} of {} connections taken: {most}",
            reading.server, reading.connections, free_for_all
        );
        Some(ServerFinding {
            kind: IncidentKind::ServerConnections,
            which: 0,
            severity: if reading.connections >= free_for_all {
                Severity::Critical
            } else {
                Severity::Degraded
            },
            since: self.at,
            pid: reading
                .clients
                .iter()
                .find_map(|client: &ClientReading| client.pid),
            diagnosis: Diagnosis {
                note: Some(note),
                chain: vec![reading.server.clone()],
                advice: words::advice(FULL_STEPS, FULL_VERIFY),
                ..Diagnosis::default()
            },
        })
    }

    /// `its connection taken at orders.py:31 in buy for 12.4 s, standing at orders.py:40 in charge`.
    fn since_when(&self, held: &HeldSession<'_>) -> Option<String> {
        let at = holders::shown(held.connection.asked_at.as_ref()?);
        let since = holders::since(held.connection, self.at);
        Some(format!("its connection taken at {at}{since}"))
    }

    /// `python3 (pid 41)`, `psql as bob`, `a client as bob`.
    fn who(&self, pid: Option<u32>, application: &str, user: &str) -> String {
        match (pid, application) {
            (Some(pid), _) => {
                let name = self.names.get(&pid).map_or("a process", String::as_str);
                format!("{name} (pid {pid})")
            }
            (None, "") => format!("a client as {user}"),
            (None, application) => format!("{application} as {user}"),
        }
    }

    /// All that wait, each once.
    fn everybody(&self, sessions: &[SessionReading]) -> String {
        /// As many are named.
        const MOST: usize = 3;
        let names = sessions
            .iter()
            .map(|session| self.who(session.pid, &session.application, &session.user));
        let mut names: Vec<String> = names.collect::<BTreeSet<_>>().into_iter().collect();
        let more = names.len().saturating_sub(MOST);
        if more > 0 {
            names.truncate(MOST);
            names.push(format!("{more} more"));
        }
        match names.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => "nobody".to_owned(),
        }
    }
}

/// Port and database of a server, which it has under each of its names.
fn end(server: &str) -> Option<&str> {
    server.rsplit_once(':').map(|(_, end)| end)
}
