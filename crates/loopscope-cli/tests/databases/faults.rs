//! Each driver does each thing that is to be found, and each is found, counted and blamed on its line.

use std::time::{Duration, Instant};

use loopscope_engine::report::{Incident, IncidentKind};

use crate::cluster::Cluster;
use crate::harness::{Ended, SECRET, Watched, pythons};

/// Far beyond what a wait of three seconds takes to be told.
const PATIENCE: Duration = Duration::from_secs(60);

/// A driver, and what it does otherwise than others.
struct Expected {
    driver: &'static str,
    /// Under what its calls are counted.
    group: &'static str,
    /// What to write instead of its call on a loop; `None` where it belongs there.
    replacement: Option<&'static str>,
    leaks: u64,
    has_pool: bool,
    /// Whether the line to blame can be seen from where the statement runs.
    is_blamed: bool,
}

const USUAL: Expected = Expected {
    driver: "",
    group: "",
    replacement: None,
    leaks: 1,
    has_pool: false,
    is_blamed: true,
};

#[test]
fn psycopg_on_a_loop_is_named_and_its_asynchronous_form_advised() {
    check(&Expected {
        driver: "psycopg",
        group: "psycopg",
        replacement: Some("psycopg.AsyncConnection"),
        ..USUAL
    });
}

#[test]
fn psycopg2_on_a_loop_is_named_and_an_asynchronous_driver_advised() {
    check(&Expected {
        driver: "psycopg2",
        group: "psycopg2",
        replacement: Some("asyncpg"),
        ..USUAL
    });
}

#[test]
fn sqlite3_on_a_loop_is_named_and_aiosqlite_advised() {
    check(&Expected {
        driver: "sqlite3",
        group: "sqlite3",
        replacement: Some("aiosqlite"),
        ..USUAL
    });
}

#[test]
fn sqlalchemy_on_a_loop_is_counted_by_its_driver_and_its_own_form_advised() {
    check(&Expected {
        driver: "sqlalchemy-psycopg2",
        group: "psycopg2",
        replacement: Some("AsyncSession"),
        leaks: 0,
        ..USUAL
    });
}

#[test]
fn asynchronous_psycopg_and_its_pool() {
    check(&Expected {
        driver: "psycopg-async",
        group: "psycopg",
        has_pool: true,
        ..USUAL
    });
}

#[test]
fn asyncpg_and_its_pool() {
    check(&Expected {
        driver: "asyncpg",
        group: "asyncpg",
        has_pool: true,
        ..USUAL
    });
}

#[test]
fn asynchronous_sqlalchemy_over_asyncpg_and_its_pool() {
    check(&Expected {
        driver: "sqlalchemy-asyncpg",
        group: "asyncpg",
        leaks: 0,
        has_pool: true,
        ..USUAL
    });
}

#[test]
fn asynchronous_sqlalchemy_over_psycopg_and_its_pool() {
    check(&Expected {
        driver: "sqlalchemy-psycopg",
        group: "psycopg",
        leaks: 0,
        has_pool: true,
        ..USUAL
    });
}

#[test]
fn aiosqlite_is_counted_where_it_runs() {
    check(&Expected {
        driver: "aiosqlite",
        group: "sqlite3",
        leaks: 0,
        is_blamed: false,
        ..USUAL
    });
}

fn check(expected: &Expected) {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    for python in pythons() {
        let mut watched = Watched::start(&python, "faults.py", expected.driver, &cluster);
        if expected.has_pool {
            check_exhaustion(&mut watched);
        }
        let ended = watched.finish();
        let said = (&ended.stdout, &ended.stderr);
        assert_eq!(ended.code, Some(0), "{said:?} on {}", python.display());
        assert_eq!(
            ended.stdout.last().map(String::as_str),
            Some("done"),
            "{said:?}"
        );
        check_figures(&ended, expected);
        check_incidents(&ended, expected);
    }
}

/// While two hold the pool's connections and another one waits, that is said; when it gave up, that too.
fn check_exhaustion(watched: &mut Watched) {
    assert!(watched.until("exhausted"));
    let started = Instant::now();
    loop {
        assert!(
            started.elapsed() < PATIENCE,
            "{:#?}",
            watched.health().incidents
        );
        let report = watched.health();
        let database = report.detailed_health.database.unwrap();
        let pool = database.pools.iter().find(|pool| pool.waiting > 0);
        let is_told = |incident: &Incident| {
            incident.kind == IncidentKind::PoolExhaustion && incident.closed_at.is_none()
        };
        if let (Some(pool), true) = (pool, report.incidents.iter().any(is_told)) {
            assert_eq!(
                (pool.max_size, pool.in_use, pool.waiting),
                (2, 2, 1),
                "{pool:?}"
            );
            assert!(pool.waiting_seconds.unwrap() >= 1.0);
            break;
        }
    }
    assert!(watched.until("gave up"));
    assert!(watched.until("asked"));
    check_holders(watched);
    assert!(!watched.recorded(SECRET), "a secret got into a recording");
    watched.go_on();
}

/// While the two are held it is said by which line, and where they stand.
fn check_holders(watched: &Watched) {
    let started = Instant::now();
    loop {
        let report = watched.health();
        let database = report.detailed_health.database.clone().unwrap();
        let pool = database.pools.iter().find(|pool| pool.in_use == 2);
        let holders = pool.map(|pool| &pool.holders[..]).unwrap_or_default();
        if let [holder] = holders
            && let Some(stands_at) = &holder.stands_at
            && holder.connections == 2
        {
            assert!(holder.file.ends_with("faults.py"), "{holder:#?}");
            assert!(holder.function.ends_with("hold"), "{holder:#?}");
            assert!(holder.backend.is_some(), "{holder:#?}");
            assert!(holder.oldest_seconds >= 1.0, "{holder:#?}");
            assert!(stands_at.starts_with("faults.py:"), "{holder:#?}");
            let told = format!("2 of them taken at faults.py:{} in", holder.line);
            let is_told = |incident: &Incident| {
                incident.kind == IncidentKind::PoolExhaustion && incident.summary.contains(&told)
            };
            assert!(
                report.incidents.iter().any(is_told),
                "{told}: {:#?}",
                report.incidents
            );
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{database:#?}");
    }
}

fn check_figures(ended: &Ended, expected: &Expected) {
    let database = ended.database();
    let well = ended.call("SELECT ?");
    assert_eq!(
        (well.group.as_str(), well.kind.as_str()),
        (expected.group, "query")
    );
    assert_eq!(
        (well.started, well.in_flight, well.failed),
        (20, 0, 0),
        "{well:?}"
    );
    let failed = ended.call("SELECT broken(?)");
    assert_eq!((failed.started, failed.failed), (1, 1), "{failed:?}");
    let errors: Vec<_> = failed.errors.iter().collect();
    let [(error_type, 1)] = errors[..] else {
        panic!("{failed:?}");
    };
    assert_eq!(Some(error_type), failed.last_error.as_ref());
    let slow = ended.call("SELECT pg_sleep(?)");
    assert_eq!(slow.slow, 1, "{slow:?}");
    assert!(slow.max_seconds >= 2.1, "{slow:?}");
    assert_eq!((database.queries_failed, database.queries_slow), (1, 1));
    assert_eq!(database.queries_in_flight, 0);
    let sync = expected.replacement.is_some();
    assert_eq!(slow.started, if sync { 2 } else { 1 });
    assert!(database.queries_blocking >= slow.blocking);
    assert_eq!(slow.blocking, if sync { 2 } else { 0 }, "{slow:?}");
    check_connections(ended, expected);
    let total = format!("{}_total_calls", expected.group);
    assert!(ended.report.monitoring.call_groups.contains_key(&total));
}

fn check_connections(ended: &Ended, expected: &Expected) {
    let database = ended.database();
    assert_eq!(database.connections_open, 0, "{database:#?}");
    assert_eq!(database.connections_failed, 1, "{database:#?}");
    assert_eq!(database.connections_leaked, expected.leaks, "{database:#?}");
    let gone = database.connections_closed + database.connections_leaked;
    assert_eq!(database.connections_opened, gone);
    let single = 1 + expected.leaks;
    let opened = database.connections_opened;
    assert!(opened >= single && opened <= single + 2, "{database:#?}");
    if expected.has_pool {
        let pool = database.pools.iter().find(|pool| pool.max_size == 2);
        let pool = pool.unwrap();
        // A pool may have got the name of one that is gone.
        assert!(pool.acquires >= 2, "{pool:?}");
        assert_eq!((pool.timeouts, pool.waiting), (1, 0), "{pool:?}");
        assert_eq!(pool.in_use, 0, "{pool:?}");
        assert!(pool.max_use_seconds >= 2.0, "{pool:?}");
        assert_eq!(pool.holders, [], "{pool:?}");
        assert!(pool.server.ends_with("/postgres"), "{pool:?}");
    }
}

fn check_incidents(ended: &Ended, expected: &Expected) {
    check_incident(ended, expected, IncidentKind::CallFailure, "fail");
    check_incident(
        ended,
        expected,
        IncidentKind::ConnectionFailure,
        "be_refused",
    );
    if expected.leaks > 0 {
        check_incident(ended, expected, IncidentKind::ConnectionLeak, "leak");
    }
    if let Some(replacement) = expected.replacement {
        let named = format!("{} query SELECT pg_sleep(?)", expected.group);
        let mut blocking = ended.incidents(IncidentKind::BlockingCall);
        // A busy machine may make a short call a long one, rightly told.
        blocking.retain(|incident| incident.summary.contains(&named));
        let count: u64 = blocking.iter().map(|incident| incident.count).sum();
        assert_eq!(count, 2, "{blocking:#?}");
        for incident in blocking {
            let advised = incident.advice.replacement.clone().unwrap_or_default();
            assert!(advised.contains(replacement), "{incident:#?}");
            assert!(
                !format!("{:?}", incident.advice).contains("SELECT"),
                "{incident:#?}"
            );
        }
    } else {
        check_incident(ended, expected, IncidentKind::SlowQuery, "take_long");
        assert_eq!(ended.incidents(IncidentKind::BlockingCall).len(), 0);
    }
    let exhausted = ended.incidents(IncidentKind::PoolExhaustion).len();
    assert_eq!(exhausted, usize::from(expected.has_pool));
}

/// There is one of this kind, and it blames a line of the program, on the way through this function.
fn check_incident(ended: &Ended, expected: &Expected, kind: IncidentKind, function: &str) {
    let found = ended.incidents(kind);
    assert_eq!(
        found.len(),
        1,
        "{kind:?} of {}: {found:#?}",
        expected.driver
    );
    let frames = &found[0].frames;
    let is_told = frames.iter().any(|frame| frame.function == function);
    let is_own = |file: &str| file.ends_with("drivers.py") || file.ends_with("faults.py");
    let culprit = found[0].culprit.as_ref();
    // Python before 3.11 does not show who awaits what an exception is thrown into, and the way through
    // SQLAlchemy to a connection is longer than what is told of it.
    let is_failure = matches!(
        kind,
        IncidentKind::CallFailure | IncidentKind::ConnectionFailure
    );
    let may_be_unseen = is_failure && expected.driver.contains("asyncpg")
        || kind == IncidentKind::ConnectionFailure && expected.driver.contains("sqlalchemy");
    if expected.is_blamed && !may_be_unseen {
        assert!(is_told, "{:#?}", found[0]);
        assert!(
            culprit.is_some_and(|culprit| is_own(&culprit.file)),
            "{:#?}",
            found[0]
        );
    }
}
