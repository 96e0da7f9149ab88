//! One look at the server: what is asked, and what is made of the answer.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::error::Error as _;
use std::net::IpAddr;
use std::str::FromStr;

use loopscope_engine::observation::{ClientReading, LockReading, ServerReading, SessionReading};
use loopscope_engine::time::Nanos;
use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::statement::{Dialect, Statement};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use crate::sockets::{Near, Owners};
use crate::target::Target;
use crate::tls;
use crate::waits::queues;

/// The server itself. `waitstart` is there from version 14 on.
const SERVER: &str = "SELECT current_setting('server_version') AS version, \
    current_setting('server_version_num') AS number, \
    current_setting('max_connections') AS max_connections, \
    current_setting('superuser_reserved_connections')::int8 \
    + coalesce(nullif(current_setting('reserved_connections', true), ''), '0')::int8 AS reserved, \
    (SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()) AS deadlocks, \
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all";

/// Its sessions.
const SESSIONS: &str = "SELECT pid, backend_type, usename, application_name, host(client_addr) AS address, \
    client_port AS port, state, wait_event_type, \
    extract(epoch FROM clock_timestamp() - state_change) AS seconds, left(query, 4096) AS query \
    FROM pg_stat_activity WHERE pid <> pg_backend_pid()";

/// Who waits for whom; asked only where somebody does.
fn waits(has_start: bool) -> String {
    let since = if has_start {
        "coalesce((SELECT min(waitstart) FROM pg_locks WHERE pg_locks.pid = activity.pid AND NOT granted), state_change)"
    } else {
        "state_change"
    };
    format!(
        "SELECT pid, array_to_string(pg_blocking_pids(pid), ',') AS blockers, \
         extract(epoch FROM clock_timestamp() - {since}) AS seconds \
         FROM pg_stat_activity AS activity WHERE wait_event_type = 'Lock'"
    )
}

/// What a prepared transaction is called, which has no session any more.
const PREPARED: &str = "a prepared transaction (see pg_prepared_xacts)";

/// From this version on a wait's start is known.
const HAS_WAIT_START: u64 = 140_000;

/// A connection to ask over.
pub(crate) struct Asked {
    client: Client,
    server: String,
}

/// Why there was no answer, and the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    /// All connections are taken.
    pub(crate) is_full: bool,
}

impl Failure {
    pub(crate) fn plain(reason: &str) -> Self {
        Self {
            reason: reason.to_owned(),
            is_full: false,
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else {
            let inner = error.source().map(ToString::to_string);
            let reason = match inner {
                Some(inner) if !error.to_string().contains(&inner) => format!("{error}: {inner}"),
                _ => error.to_string(),
            };
            return Self::plain(&format!("{reason}; try the same address with `psql`"));
        };
        let next = match *said.code() {
            SqlState::TOO_MANY_CONNECTIONS => "",
            SqlState::INVALID_PASSWORD => {
                "; put the password into the address, or into LOOPSCOPE_POSTGRES"
            }
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION => "; look at the server's `pg_hba.conf`",
            SqlState::INSUFFICIENT_PRIVILEGE => "; `GRANT pg_monitor TO` this role",
            _ => "; try the same address with `psql`",
        };
        Self {
            reason: format!("{}{next}", said.message()),
            is_full: said.code() == &SqlState::TOO_MANY_CONNECTIONS,
        }
    }
}

/// Connects. What the server sends is read on the side until the connection ends.
pub(crate) async fn connect(target: &Target) -> Result<Asked, Failure> {
    let connector = tls::connector().map_err(|error| Failure::plain(&error.to_string()))?;
    let (client, connection) = target.config.connect(connector).await?;
    tokio::spawn(async move {
        // Its error reaches whoever asks next.
        let _ = connection.await;
    });
    Ok(Asked {
        client,
        server: target.name(),
    })
}

impl Asked {
    /// Looks once.
    pub(crate) async fn look(&mut self, owners: &mut Owners) -> Result<ServerReading, Failure> {
        let server = self.rows(SERVER).await?;
        let server = server
            .first()
            .ok_or_else(|| Failure::plain("it answers with nothing: is this PostgreSQL?"))?;
        let sessions = self.rows(SESSIONS).await?;
        let now = Nanos(monotonic_nanos());
        let owners = owners.now();
        let sessions: Vec<Session> = sessions
            .iter()
            .filter_map(|row| Session::of(row, &owners, now))
            .collect();
        let locks = if sessions.iter().any(|session| session.waits) {
            let has_start = number::<u64>(server, "number") >= HAS_WAIT_START;
            let waits = self.rows(&waits(has_start)).await?;
            locks(&sessions, &waits, now)
        } else {
            Vec::new()
        };
        let clients = sessions.iter().filter(|session| session.is_client);
        let idle = sessions
            .iter()
            .filter(|session| session.reading.is_idle && session.reading.pid.is_some());
        Ok(ServerReading {
            server: self.server.clone(),
            version: text(server, "version").to_owned(),
            max_connections: number(server, "max_connections"),
            reserved_connections: number(server, "reserved"),
            connections: clients.clone().count() as u64,
            deadlocks: number(server, "deadlocks"),
            clients: by_client(clients),
            locks,
            idle_transactions: idle.map(|session| session.reading.clone()).collect(),
            limited: (text(server, "sees_all") != "t").then(|| {
                "what sessions of other roles do is not shown to this role: `GRANT pg_monitor TO` it".to_owned()
            }),
        })
    }

    async fn rows(&self, statement: &str) -> Result<Vec<SimpleQueryRow>, Failure> {
        let messages = self.client.simple_query(statement).await?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        Ok(rows.collect())
    }
}

/// A row of `pg_stat_activity`.
#[derive(Clone, Debug)]
struct Session {
    reading: SessionReading,
    is_client: bool,
    is_active: bool,
    waits: bool,
}

impl Session {
    fn of(row: &SimpleQueryRow, owners: &BTreeMap<Near, u32>, now: Nanos) -> Option<Self> {
        let near = || {
            let address: IpAddr = text(row, "address").parse().ok()?;
            let port = text(row, "port").parse().ok()?;
            Some((address.to_canonical(), port))
        };
        let state = text(row, "state");
        Some(Self {
            reading: SessionReading {
                backend: text(row, "pid").parse().ok()?,
                pid: near().and_then(|near| owners.get(&near).copied()),
                application: text(row, "application_name").to_owned(),
                user: text(row, "usename").to_owned(),
                is_idle: state.starts_with("idle in transaction"),
                since: ago(row, now),
                statement: without_literals(text(row, "query")),
            },
            is_client: text(row, "backend_type") == "client backend",
            is_active: state == "active",
            waits: text(row, "wait_event_type") == "Lock",
        })
    }
}

/// The queues of waiting sessions.
fn locks(sessions: &[Session], waits: &[SimpleQueryRow], now: Nanos) -> Vec<LockReading> {
    let by_backend: BTreeMap<i32, &SessionReading> = sessions
        .iter()
        .map(|session| (session.reading.backend, &session.reading))
        .collect();
    let mut since = BTreeMap::new();
    let mut blockers = BTreeMap::new();
    for row in waits {
        let backend: i32 = number(row, "pid");
        let before = text(row, "blockers").split(',');
        let before: Vec<i32> = before.filter_map(|pid| pid.parse().ok()).collect();
        // Who got the lock meanwhile waits for nobody.
        if !before.is_empty() {
            since.insert(backend, ago(row, now));
            blockers.insert(backend, before);
        }
    }
    let waiter = |backend: i32| {
        let since = *since.get(&backend)?;
        let reading = (*by_backend.get(&backend)?).clone();
        Some(SessionReading { since, ..reading })
    };
    let lock = |(holder, waiting): (i32, Vec<i32>)| {
        let mut waiters: Vec<SessionReading> = waiting.into_iter().filter_map(waiter).collect();
        waiters.sort_by_key(|waiter| waiter.since);
        Some(LockReading {
            holder: holding(holder, &by_backend)?,
            since: waiters.first()?.since,
            waiters,
        })
    };
    queues(&blockers).into_iter().filter_map(lock).collect()
}

fn holding(backend: i32, sessions: &BTreeMap<i32, &SessionReading>) -> Option<SessionReading> {
    if backend == 0 {
        return Some(SessionReading {
            application: PREPARED.to_owned(),
            ..SessionReading::default()
        });
    }
    sessions.get(&backend).map(|session| (*session).clone())
}

/// The clients, those with the most connections first.
fn by_client<'a>(sessions: impl Iterator<Item = &'a Session>) -> Vec<ClientReading> {
    let mut clients: BTreeMap<(Option<u32>, &str, &str), ClientReading> = BTreeMap::new();
    for session in sessions {
        let of = &session.reading;
        let client = clients
            .entry((of.pid, &of.application, &of.user))
            .or_insert_with(|| ClientReading {
                pid: of.pid,
                application: of.application.clone(),
                user: of.user.clone(),
                ..ClientReading::default()
            });
        client.connections += 1;
        client.active += u64::from(session.is_active);
        client.idle_in_transaction += u64::from(of.is_idle);
        client.waiting += u64::from(session.waits);
    }
    let mut clients: Vec<ClientReading> = clients.into_values().collect();
    clients.sort_by_key(|client| Reverse(client.connections));
    clients
}

fn without_literals(query: &str) -> String {
    // What a role may not see has this in its place.
    if query == "<insufficient privilege>" {
        return String::new();
    }
    Statement::of(query, Dialect::Standard).as_str().to_owned()
}

fn ago(row: &SimpleQueryRow, now: Nanos) -> Nanos {
    let seconds: f64 = number(row, "seconds");
    Nanos(now.0.saturating_sub((seconds.max(0.0) * 1e9) as u64))
}

/// A column; empty where it is null.
fn text<'a>(row: &'a SimpleQueryRow, column: &str) -> &'a str {
    row.try_get(column).ok().flatten().unwrap_or_default()
}

fn number<T: FromStr + Default>(row: &SimpleQueryRow, column: &str) -> T {
    text(row, column).parse().unwrap_or_default()
}
