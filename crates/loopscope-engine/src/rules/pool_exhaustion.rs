//! A pool that callers wait for: mostly because all its connections are taken, now and then because it cannot make
//! the ones that it may still have.

use super::{Case, Finding, holders, words};
use crate::{
    diagnosis::Diagnosis,
    observation::{Owner, PoolReading},
    report::Severity,
    time::Nanos,
    work::Pool,
};

/// A wait that was given up counts as news for so long.
const TIMEOUT_IS_NEWS: Nanos = Nanos::from_millis(10_000);

/// Lines that are named of those that took the connections.
const MOST_LINES: usize = 3;

const STEPS: &[&str] = &[
    "stop the bleeding: give up waiting after a while, `timeout=`, so that callers fail fast and do not pile up",
    "look at who holds the connections: a transaction that is open across a call to another service, a \
     connection that is never given back",
    "look for slow statements: a connection is held for as long as its statement takes",
    "only then make the pool larger, and no larger than the server's share for this process",
];

const RUST_STEPS: &[&str] = &[
    "stop the bleeding: give up waiting after a while, `acquire_timeout` of sqlx, `wait_timeout` of deadpool, \
     `connection_timeout` of bb8, so that callers fail fast and do not pile up",
    "look at who holds the connections: a transaction or a guard that lives across a call to another service; drop it \
     before that `.await`",
    "look for slow statements: a connection is held for as long as its statement takes",
    "only then make the pool larger, and no larger than the server's share for this process",
];

/// There is room in the pool, and yet somebody waits.
const STEPS_WITH_ROOM: &[&str] = &[
    "the pool has room, so making a connection is what takes long or fails: look whether the server answers this \
     host, `psql`, and whether it has connections left, `max_connections`",
    "look at the way there: resolving the name, TLS, a proxy such as pgbouncer",
    "where only bursts wait: keep more connections ready, `min_size`, `min_connections`",
];

const VERIFY: &str = "`loopscope health --json`: `waiting` of this pool goes back to 0";

pub(super) fn check(case: &Case<'_>, slot: u32, pool: &Pool) -> Option<Finding> {
    let reading = &pool.reading;
    let is_long = |since: &Nanos| case.lasted(*since) >= case.config.pool_wait_after;
    let waited = reading.waiting_since.filter(is_long);
    let gave_up = pool
        .timed_out
        .filter(|at| case.now.since(*at) < TIMEOUT_IS_NEWS);
    let since = waited.or(gave_up)?;
    let steps = match (is_full(reading), case.is_rust()) {
        (true, true) => RUST_STEPS,
        (true, false) => STEPS,
        (false, _) => STEPS_WITH_ROOM,
    };
    let held = case.process.work.held.iter();
    let holders = holders::by_line(held.filter(|one| one.pool == slot));
    let told = holders.iter().take(MOST_LINES);
    let told = told.filter_map(|line| holders::sentence(line, case.now));
    let waiters = case.process.work.waiters.iter();
    let waiters = holders::by_line(waiters.filter(|one| one.pool == slot));
    let waiters = waiters.iter().take(MOST_LINES);
    let waiters = waiters.filter_map(holders::waiting);
    let told: Vec<String> = told.chain(waiters).collect();
    Some(Finding {
        severity: if gave_up.is_some() {
            Severity::Critical
        } else {
            Severity::Degraded
        },
        since,
        owner: Owner::Nobody,
        diagnosis: Diagnosis {
            note: Some(note(reading, gave_up.is_some())),
            detail: (!told.is_empty()).then(|| told.join("; ")),
            culprit: holders
                .first()
                .and_then(|line| holders::culprit(line.oldest)),
            chain: vec![
                reading.pool.name.clone(),
                reading.pool.driver.clone(),
                reading.pool.server.clone(),
            ],
            advice: words::advice(steps, VERIFY),
            ..Diagnosis::default()
        },
    })
}

fn most(reading: &PoolReading) -> u64 {
    reading.largest.max(reading.size)
}

fn is_full(reading: &PoolReading) -> bool {
    reading.in_use >= most(reading)
}

fn note(reading: &PoolReading, gave_up: bool) -> String {
    let name = words::pool_name(&reading.pool);
    let all = most(reading);
    let taken = if is_full(reading) {
        format!("all {} are taken", words::count(all, "connection"))
    } else {
        format!("{} of {} connections are taken", reading.in_use, all)
    };
    let given_up = reading.timeouts;
    if gave_up && reading.waiting == 0 {
        // What it looks like by now says nothing about why.
        let callers = words::count(given_up, "caller");
        return format!("{name}: {callers} gave up waiting for one of {all} connections");
    }
    let waiting = words::count(reading.waiting, "caller");
    let verb = if reading.waiting == 1 {
        "waits"
    } else {
        "wait"
    };
    let timeouts = if gave_up {
        format!(", {given_up} given up so far")
    } else {
        String::new()
    };
    format!("{name}: {taken} and {waiting} {verb}{timeouts}")
}
