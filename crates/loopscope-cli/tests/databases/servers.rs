//! A server that is asked itself: who waits for whom, who has its connections, and what comes from that.

use std::time::{Duration, Instant};

use loopscope_engine::report::{IncidentKind, Report, Severity, Status};

use crate::cluster::Cluster;
use crate::harness::{Ended, SECRET, Watched, pythons};

/// Far beyond what two looks and a lock's wait take.
const PATIENCE: Duration = Duration::from_secs(60);

/// As `/health`, a sentence and the statement of the workers have it.
const UPDATE: &str = "UPDATE accounts SET balance = balance + ?, note = ? WHERE id = ?";

/// A program on the newest interpreter, and its server asked; `None` where one of the two is not to be had.
fn asked(name: &str, argument: &str) -> Option<(Cluster, Watched)> {
    let python = pythons().pop()?;
    let cluster = Cluster::start()?;
    let watched = Watched::asking(&python, name, argument, &cluster, &url(&cluster));
    Some((cluster, watched))
}

fn url(cluster: &Cluster) -> String {
    format!(
        "postgresql+asyncpg://tester:{SECRET}-password@127.0.0.1:{}/postgres",
        cluster.port
    )
}

/// Asks for the health until it is as wanted.
fn health_when(watched: &Watched, what: &str, is_so: impl Fn(&Report) -> bool) -> Report {
    let began = Instant::now();
    loop {
        let report = watched.health();
        if is_so(&report) {
            return report;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: {report:#?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn has(report: &Report, kind: IncidentKind) -> bool {
    report
        .incidents
        .iter()
        .any(|incident| incident.kind == kind)
}

fn is_lasting(report: &Report, kind: IncidentKind) -> bool {
    let mut incidents = report.incidents.iter();
    incidents.any(|incident| incident.kind == kind && incident.closed_at.is_none())
}

/// The pids that a line of the program names: the parent's and the workers'.
fn pids(watched: &mut Watched) -> Vec<u32> {
    let line = watched.line_of("locked by").unwrap();
    let words = line.split(' ');
    words.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn a_lock_that_two_processes_wait_for_is_one_fault_and_the_origin_of_all_others() {
    let Some((_cluster, mut watched)) = asked("locks.py", "long") else {
        return;
    };
    let pids = pids(&mut watched);
    let report = health_when(&watched, "the lock", |report| {
        is_lasting(report, IncidentKind::DatabaseLock)
    });
    let incidents = report.incidents.iter();
    let mut locks = incidents.filter(|incident| incident.kind == IncidentKind::DatabaseLock);
    let lock = locks.next().unwrap();
    assert!(locks.next().is_none(), "{report:#?}");
    assert_eq!(lock.process.pid, pids[0], "{lock:#?}");
    let told =
        format!("which does nothing in a transaction after `{UPDATE}`, has a lock of 127.0.0.1:");
    assert!(lock.summary.contains(&told), "{}", lock.summary);
    assert!(
        lock.summary.contains("that 2 sessions of"),
        "{}",
        lock.summary
    );
    assert!(lock.advice.steps[0].contains("pg_terminate_backend("));
    health_when(&watched, "the line that keeps the lock", |report| {
        let lock = report.incidents.iter().find(|one| one.id == lock.id);
        let culprit = lock.and_then(|lock| lock.culprit.as_ref());
        let is_there = culprit.is_some_and(|culprit| {
            culprit.file.ends_with("locks.py") && culprit.function == "told"
        });
        is_there
            && lock.is_some_and(|lock| lock.summary.contains("its connection taken at locks.py:"))
    });
    let waits = &report.detailed_health.database_servers[0].waits;
    let mut waiting: Vec<u32> = waits.iter().filter_map(|wait| wait.pid).collect();
    waiting.sort_unstable();
    let mut workers = pids[1..].to_vec();
    workers.sort_unstable();
    assert_eq!(waiting, workers, "{waits:#?}");
    assert!(waits.iter().all(|wait| wait.holder_pid == Some(pids[0])));

    assert!(watched.until("over"));
    let report = health_when(&watched, "both failures", |report| {
        let failed = report.incidents.iter().filter(|incident| {
            incident.kind == IncidentKind::TaskFailure && incident.origin.is_some()
        });
        failed.count() == 2
    });
    for incident in report.incidents.iter().filter(|one| one.id != lock.id) {
        assert_eq!(incident.origin.as_ref(), Some(&lock.id), "{incident:#?}");
    }
    assert_eq!(report.issues.len(), 1, "{:#?}", report.issues);
    assert!(
        report.issues[0].contains("; suspected origin of "),
        "{:#?}",
        report.issues
    );

    watched.go_on();
    assert!(watched.until("free"));
    health_when(&watched, "the end of the lock", |report| {
        !is_lasting(report, IncidentKind::DatabaseLock)
    });
    ended_in_order(watched);
}

#[test]
fn a_loop_that_is_blocked_while_a_lock_is_waited_for_stays_a_fault_of_its_own() {
    let Some((_cluster, mut watched)) = asked("locks.py", "unrelated") else {
        return;
    };
    assert!(watched.until("over"));
    let report = health_when(&watched, "the stall and the lock", |report| {
        has(report, IncidentKind::LoopStall) && has(report, IncidentKind::DatabaseLock)
    });
    let stall = report.incidents.iter();
    let stall = stall.filter(|incident| incident.kind == IncidentKind::LoopStall);
    for stall in stall {
        assert_eq!(stall.origin, None, "{stall:#?}");
    }
    assert_eq!(report.issues.len(), 2, "{:#?}", report.issues);
    watched.go_on();
    ended_in_order(watched);
}

#[test]
fn a_lock_that_is_given_back_at_once_raises_nothing() {
    let Some((_cluster, mut watched)) = asked("locks.py", "short") else {
        return;
    };
    let pids = pids(&mut watched);
    assert!(watched.until("over"));
    let report = health_when(&watched, "all three connections", |report| {
        let servers = &report.detailed_health.database_servers;
        servers.iter().any(|server| server.connections == 3)
    });
    let server = &report.detailed_health.database_servers[0];
    assert_eq!(server.max_connections, 40, "{server:#?}");
    let mut clients: Vec<u32> = server.clients.iter().filter_map(|one| one.pid).collect();
    clients.sort_unstable();
    let mut all = pids;
    all.sort_unstable();
    assert_eq!(
        clients, all,
        "each connection with its process: {server:#?}"
    );
    watched.go_on();
    let ended = ended_in_order(watched);
    assert!(
        ended.report.incidents.is_empty(),
        "{:#?}",
        ended.report.incidents
    );
}

#[test]
fn a_server_that_runs_out_of_connections_is_told_with_who_has_them() {
    let Some((_cluster, mut watched)) = asked("many.py", "35") else {
        return;
    };
    assert!(watched.until("open"));
    let report = health_when(&watched, "few connections left", |report| {
        is_lasting(report, IncidentKind::ServerConnections)
    });
    let incidents = report.incidents.iter();
    let mut found = incidents.filter(|one| one.kind == IncidentKind::ServerConnections);
    let found = found.next().unwrap();
    assert!(
        found
            .summary
            .contains("has 35 of 37 connections taken: 35 of "),
        "{}",
        found.summary
    );
    assert!(
        found
            .summary
            .contains(&format!("(pid {})", found.process.pid))
    );
    watched.go_on();
    ended_in_order(watched);
}

#[test]
fn a_server_with_room_raises_nothing() {
    let Some((_cluster, mut watched)) = asked("many.py", "20") else {
        return;
    };
    assert!(watched.until("open"));
    health_when(&watched, "the server", |report| {
        let servers = &report.detailed_health.database_servers;
        servers.iter().any(|server| server.connections == 20)
    });
    watched.go_on();
    let ended = ended_in_order(watched);
    assert!(
        ended.report.incidents.is_empty(),
        "{:#?}",
        ended.report.incidents
    );
}

#[test]
fn a_server_that_goes_away_is_told_and_one_that_never_was_is_a_note() {
    let Some((cluster, mut watched)) = asked("many.py", "1") else {
        return;
    };
    assert!(watched.until("open"));
    health_when(&watched, "the server", |report| {
        !report.detailed_health.database_servers.is_empty()
    });
    drop(cluster);
    let report = health_when(&watched, "its end", |report| {
        is_lasting(report, IncidentKind::ServerUnreachable)
    });
    assert_eq!(report.status, Status::Degraded);

    let (Some(python), Some(cluster)) = (pythons().pop(), Cluster::start()) else {
        return;
    };
    let nobody = "postgresql://tester:SECRET-password@127.0.0.1:1/postgres";
    let mut watched = Watched::asking(&python, "many.py", "1", &cluster, nobody);
    assert!(watched.until("open"));
    let report = health_when(&watched, "a note", |report| !report.incidents.is_empty());
    let note = &report.incidents[0];
    assert_eq!(
        (note.kind, note.severity),
        (IncidentKind::ObserverDegraded, Severity::Info)
    );
    assert!(
        note.summary
            .starts_with("127.0.0.1:1/postgres is not watched: "),
        "{}",
        note.summary
    );
    assert_eq!(report.status, Status::Healthy);
    watched.go_on();
    ended_in_order(watched);
}

fn ended_in_order(watched: Watched) -> Ended {
    let ended = watched.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}
