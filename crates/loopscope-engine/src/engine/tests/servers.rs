//! What a database server says of itself, and what comes from it.

use crate::{
    ChangeKind::{Closed, Opened},
    observation::CallKind,
    observation::{
        ClientReading, Event, EventKind, Fact, HeldConnection, LockReading, LoopRuntime,
        PoolReading, ProcessKey, ProcessRuntime, ServerReading, SessionReading,
    },
    report::{Incident, IncidentKind, Severity, Status},
    testing::{
        Bench, frame, millis, process_key, sample,
        work::{at_line, call, call_event, pool},
    },
};

const SERVER: &str = "10.0.0.5:5432/bots";
const UPDATE: &str = "UPDATE accounts SET balance = ? WHERE id = ?";

fn server() -> ServerReading {
    ServerReading {
        server: SERVER.into(),
        version: "15.6".into(),
        max_connections: 100,
        reserved_connections: 3,
        connections: 12,
        ..ServerReading::default()
    }
}

fn session(backend: i32, pid: Option<u32>, since: u64) -> SessionReading {
    SessionReading {
        backend,
        pid,
        application: "web".into(),
        user: "bots".into(),
        is_idle: false,
        since: millis(since),
        statement: UPDATE.into(),
    }
}

/// A session of `psql` that forgot to commit, and those that have been waiting for it since.
fn locked(since: u64, waiters: &[(i32, u32)]) -> ServerReading {
    let holder = SessionReading {
        is_idle: true,
        application: "psql".into(),
        ..session(900, None, since)
    };
    let waiters = waiters
        .iter()
        .map(|(backend, pid)| session(*backend, Some(*pid), since));
    ServerReading {
        locks: vec![LockReading {
            holder,
            since: millis(since),
            waiters: waiters.collect(),
        }],
        ..server()
    }
}

impl Bench {
    fn server(&mut self, at: u64, reading: ServerReading) {
        let reading = Box::new(reading);
        self.at(at, Fact::ServerReading { reading });
    }

    /// A second worker, pid 42.
    fn second(&mut self) -> ProcessKey {
        let key = process_key(42);
        self.see_process(key, ProcessRuntime::Python, None);
        key
    }

    fn of_kind(&self, now: u64, kind: IncidentKind) -> Incident {
        let found = self.incidents(now).into_iter();
        let mut found = found.filter(|incident| incident.kind == kind);
        found
            .next()
            .unwrap_or_else(|| panic!("no {kind:?} among {:?}", self.incidents(now)))
    }
}

#[test]
fn a_lock_that_others_wait_for_names_who_has_it_and_how_to_end_it() {
    let mut bench = Bench::adapted();
    bench.server(1_000, locked(800, &[(901, 41), (902, 41)]));
    assert_eq!(
        bench.incidents(1_500),
        [],
        "waits of under a second are none of our business"
    );
    bench.server(2_000, locked(800, &[(901, 41), (902, 41)]));
    let incident = bench.only(3_000);
    assert_eq!(incident.kind, IncidentKind::DatabaseLock);
    insta::assert_snapshot!(
        incident.summary,
        @"psql as bots, session 900, which does nothing in a transaction after `UPDATE accounts SET balance = ? WHERE id = ?`, has a lock of 10.0.0.5:5432/bots that 2 sessions of app (pid 41) wait for, for 2.2 s by now"
    );
    assert!(incident.advice.steps[0].contains("pg_terminate_backend(900)"));
    assert_eq!(bench.report(3_000).components["database"], Status::Degraded);
    let waits = bench.report(3_000).detailed_health.database_servers[0]
        .waits
        .clone();
    assert_eq!(
        waits.iter().map(|wait| wait.backend).collect::<Vec<_>>(),
        [901, 902]
    );
    bench.server(4_000, server());
    assert_eq!(bench.changes(), [Opened, Closed]);
}

#[test]
fn a_lock_of_a_watched_connection_names_the_line_that_keeps_it() {
    let of = |backend, pid: Option<u32>| {
        let mut bench = Bench::adapted();
        bench.pool(500, pool());
        bench.held(
            900,
            vec![HeldConnection {
                backend: Some(backend),
                since: millis(400),
                asked_at: Some(at_line(31, "buy")),
                stands_at: Some(at_line(40, "buy")),
                ..HeldConnection::default()
            }],
        );
        let mut reading = locked(800, &[(901, 41), (902, 41)]);
        reading.locks[0].holder.pid = pid;
        bench.server(2_000, reading);
        bench.only(3_000)
    };
    let incident = of(900, None);
    insta::assert_snapshot!(
        incident.summary,
        @"app (pid 41), session 900, which does nothing in a transaction after `UPDATE accounts SET balance = ? WHERE id = ?`, has a lock of 10.0.0.5:5432/bots that 2 sessions of app (pid 41) wait for, for 2.2 s by now; its connection taken at app.py:31 in buy for 1.6 s, standing at app.py:40 in buy"
    );
    assert_eq!(incident.culprit.unwrap().line, 40);
    assert_eq!(of(900, Some(41)).culprit.unwrap().line, 40);
    assert_eq!(of(899, Some(41)).culprit, None, "another session");
    assert_eq!(of(900, Some(42)).culprit, None, "another process");
}

#[test]
fn a_lock_is_the_origin_of_what_happens_to_all_who_wait_for_it() {
    let mut bench = Bench::adapted();
    let second = bench.second();
    bench.pool(
        500,
        PoolReading {
            waiting: 4,
            waiting_since: Some(millis(1_200)),
            ..pool()
        },
    );
    bench.server(3_000, locked(1_000, &[(901, 41), (902, 42)]));
    bench.tick(3_300);
    let failed = Event {
        error_type: "psycopg.errors.LockNotAvailable".into(),
        message: "canceling statement due to lock timeout".into(),
        ..call_event(EventKind::CallFailed, 1_000, 4_000)
    };
    bench.at(
        4_000,
        Fact::Happened {
            process: second,
            event: Box::new(failed),
        },
    );
    bench.server(5_000, server());
    bench.pool(5_100, pool());
    bench.tick(5_300);
    let lock = bench.of_kind(5_300, IncidentKind::DatabaseLock);
    for kind in [IncidentKind::PoolExhaustion, IncidentKind::CallFailure] {
        assert_eq!(
            bench.of_kind(5_300, kind).origin.as_ref(),
            Some(&lock.id),
            "{kind:?}"
        );
    }
    let issues = bench.report(5_300).issues;
    assert_eq!(issues.len(), 1, "{issues:#?}");
    assert!(
        issues[0].ends_with("suspected origin of 2 more incidents"),
        "{issues:#?}"
    );
}

#[test]
fn a_slow_statement_that_waited_comes_from_the_lock_and_another_one_does_not() {
    let mut bench = Bench::adapted();
    bench.call(500, call(CallKind::Query, "psycopg", UPDATE));
    bench.server(3_000, locked(1_000, &[(901, 41)]));
    bench.happened(4_000, call_event(EventKind::SlowCall, 1_000, 3_900));
    bench.tick(4_300);
    let lock = bench.of_kind(4_300, IncidentKind::DatabaseLock);
    assert_eq!(
        bench.of_kind(4_300, IncidentKind::SlowQuery).origin,
        Some(lock.id)
    );

    let mut bench = Bench::adapted();
    bench.call(500, call(CallKind::Query, "psycopg", "SELECT * FROM logs"));
    bench.server(3_000, locked(1_000, &[(901, 41)]));
    bench.happened(4_000, call_event(EventKind::SlowCall, 1_000, 3_900));
    bench.tick(4_300);
    assert_eq!(bench.of_kind(4_300, IncidentKind::SlowQuery).origin, None);
    assert_eq!(bench.report(4_300).issues.len(), 2, "two faults stay two");
}

#[test]
fn a_loop_that_is_blocked_by_something_else_meanwhile_is_another_fault() {
    let mut bench = Bench::adapted();
    bench.server(3_000, locked(1_000, &[(901, 41)]));
    bench.stall(
        3_100,
        3_600,
        &sample(&[frame("/srv/app.py", 12, "handler")], 1),
    );
    bench.tick(4_000);
    assert_eq!(bench.of_kind(4_000, IncidentKind::LoopStall).origin, None);
    let in_driver = [frame("/site-packages/psycopg2/extras.py", 9, "execute")];
    bench.stall(4_100, 4_600, &sample(&in_driver, 2));
    bench.tick(5_000);
    let stalls = bench.incidents(5_000).into_iter();
    let stalls = stalls.filter(|incident| incident.kind == IncidentKind::LoopStall);
    assert_eq!(stalls.filter(|stall| stall.origin.is_some()).count(), 1);
}

#[test]
fn a_process_that_waits_for_no_lock_has_faults_of_its_own() {
    let mut bench = Bench::adapted();
    bench.second();
    bench.pool(
        500,
        PoolReading {
            waiting: 4,
            waiting_since: Some(millis(1_200)),
            ..pool()
        },
    );
    bench.server(3_000, locked(1_000, &[(902, 42)]));
    bench.tick(3_300);
    assert_eq!(
        bench.of_kind(3_300, IncidentKind::PoolExhaustion).origin,
        None
    );
}

#[test]
fn a_transaction_that_was_left_open_is_told_once_for_a_process() {
    let mut bench = Bench::adapted();
    let idle = |backend, since| SessionReading {
        is_idle: true,
        ..session(backend, Some(41), since)
    };
    let reading = |at: u64| ServerReading {
        idle_transactions: vec![idle(7, 1_000), idle(8, 2_000), idle(9, at - 500)],
        ..server()
    };
    bench.server(30_000, reading(30_000));
    assert_eq!(bench.incidents(30_000), []);
    bench.server(70_000, reading(70_000));
    let incident = bench.only(70_000);
    insta::assert_snapshot!(
        incident.summary,
        @"2 sessions of app (pid 41) at 10.0.0.5:5432/bots have been idle in a transaction after `UPDATE accounts SET balance = ? WHERE id = ?`: it keeps its locks and its connection, and the server from cleaning up, for 1 min 9 s by now"
    );
}

#[test]
fn a_server_that_has_hardly_a_connection_left_names_who_has_them() {
    let mut bench = Bench::adapted();
    let client = |pid, connections| ClientReading {
        pid,
        connections,
        application: "batch".into(),
        user: "bots".into(),
        ..ClientReading::default()
    };
    let taken = |connections| ServerReading {
        connections,
        clients: vec![client(Some(41), connections - 20), client(None, 20)],
        ..server()
    };
    bench.server(1_000, taken(86));
    assert_eq!(bench.incidents(1_000), []);
    bench.server(2_000, taken(90));
    let incident = bench.only(2_000);
    insta::assert_snapshot!(
        incident.summary,
        @"10.0.0.5:5432/bots has 90 of 97 connections taken: 70 of app (pid 41), 20 of batch as bots, for 0.00 s by now"
    );
    bench.server(3_000, taken(86));
    assert!(
        bench.only(3_000).closed_at.is_none(),
        "around the limit it is told once"
    );
    bench.server(4_000, taken(97));
    assert_eq!(bench.only(4_000).severity, Severity::Critical);
    bench.server(5_000, taken(40));
    assert!(bench.only(5_000).closed_at.is_some());
}

#[test]
fn a_deadlock_is_told_when_it_comes_on_top() {
    let mut bench = Bench::adapted();
    bench.server(
        1_000,
        ServerReading {
            deadlocks: 3,
            ..server()
        },
    );
    assert_eq!(
        bench.incidents(1_000),
        [],
        "how many there were before nobody knows the time of"
    );
    bench.server(
        2_000,
        ServerReading {
            deadlocks: 5,
            ..server()
        },
    );
    let incident = bench.only(2_000);
    assert_eq!(
        (incident.kind, incident.count),
        (IncidentKind::DatabaseDeadlock, 2)
    );
    bench.server(
        3_000,
        ServerReading {
            deadlocks: 0,
            ..server()
        },
    );
    assert_eq!(bench.only(3_000).count, 2, "its statistics began anew");
}

#[test]
fn a_server_that_cannot_be_asked_is_a_note_unless_it_answered_before() {
    let unreachable = |is_full, was_reached| Fact::ServerUnreachable {
        server: SERVER.into(),
        reason: "connection refused".into(),
        is_full,
        was_reached,
    };
    let mut bench = Bench::adapted();
    bench.at(1_000, unreachable(false, false));
    bench.at(2_000, unreachable(false, false));
    let incident = bench.only(2_000);
    assert_eq!(
        (incident.kind, incident.severity, incident.count),
        (IncidentKind::ObserverDegraded, Severity::Info, 1)
    );
    bench.server(3_000, server());
    assert!(bench.only(3_000).closed_at.is_some());
    bench.at(4_000, unreachable(false, true));
    assert_eq!(
        bench
            .of_kind(4_000, IncidentKind::ServerUnreachable)
            .severity,
        Severity::Degraded
    );
    bench.at(5_000, unreachable(true, true));
    let full = bench.of_kind(5_000, IncidentKind::ServerConnections);
    assert_eq!(full.severity, Severity::Critical);
    let gone = bench.of_kind(5_000, IncidentKind::ServerUnreachable);
    assert!(
        gone.closed_at.is_some(),
        "it answers, if only that it is full"
    );
}

#[test]
fn a_healthy_server_raises_nothing() {
    let mut bench = Bench::adapted();
    for turn in 0..600_u64 {
        let at = 1_000 * turn;
        // Someone waits now and then, never the same for long.
        let since = at.saturating_sub(300);
        let reading = ServerReading {
            idle_transactions: vec![SessionReading {
                is_idle: true,
                ..session(7, Some(41), since)
            }],
            ..locked(since, &[(901, 41)])
        };
        bench.server(at, reading);
    }
    assert_eq!(bench.incidents(600_000), []);
}

#[test]
fn what_lasts_at_a_server_ends_with_the_service_that_was_watched() {
    let mut bench = Bench::adapted();
    bench.server(3_000, locked(1_000, &[(901, 41)]));
    bench.gone(4_000, bench.process, crate::observation::Ending::Exited(0));
    assert!(
        bench
            .of_kind(4_000, IncidentKind::DatabaseLock)
            .closed_at
            .is_some()
    );
}

#[test]
fn a_process_that_was_ended_for_its_blocked_loop_did_not_die() {
    let mut bench = Bench::adapted();
    let look = crate::testing::sleeping_in_handler();
    bench.look(1_200, 1_000, look.clone());
    bench.look(31_000, 1_000, look);
    bench.at(
        31_100,
        Fact::Restarting {
            pid: 41,
            blocked: millis(30_000),
        },
    );
    bench.gone(
        31_200,
        bench.process,
        crate::observation::Ending::Signaled(15),
    );
    let again = process_key(77);
    bench.see_process(again, ProcessRuntime::Python, None);
    bench.at(33_000, Fact::MainStarted { process: again });
    let restart = bench.of_kind(33_000, IncidentKind::ProcessRestarted);
    let stall = bench.of_kind(33_000, IncidentKind::LoopStall);
    assert_eq!(restart.origin, Some(stall.id));
    insta::assert_snapshot!(
        restart.summary,
        @"app (pid 41) was ended, to be started again: a loop of it had been blocked for 30 s"
    );
    assert_eq!(
        bench.incidents(33_000).len(),
        2,
        "{:#?}",
        bench.incidents(33_000)
    );
    // The new one is the service from here on.
    bench.gone(34_000, again, crate::observation::Ending::Signaled(11));
    let died = bench.of_kind(34_000, IncidentKind::ProcessDied);
    assert_eq!(died.severity, Severity::Critical);
}

#[test]
fn one_fault_of_several_processes_is_one_sentence() {
    let mut bench = Bench::adapted();
    let second = bench.second();
    bench.see_loop(
        crate::observation::LoopKey {
            process: second,
            slot: 0,
            generation: 0,
        },
        LoopRuntime::Asyncio,
        4200,
    );
    let on_second = crate::observation::LoopKey {
        process: second,
        slot: 0,
        generation: 0,
    };
    let look = crate::testing::sleeping_in_handler();
    bench.stall(1_000, 1_500, &look);
    bench.look_at(on_second, 1_200, 1_000, look.clone());
    bench.look_at(on_second, 1_400, 1_000, look);
    bench.at(
        1_600,
        Fact::BusyEnded {
            key: on_second,
            started: millis(1_000),
            ended: millis(1_500),
        },
    );
    let report = bench.report(2_000);
    assert_eq!(report.incidents.len(), 2, "each process has its own");
    assert_eq!(report.issues.len(), 1, "{:#?}", report.issues);
    assert!(
        report.issues[0].ends_with("; the same in 1 more process"),
        "{:#?}",
        report.issues
    );
}

#[test]
fn calls_that_were_slow_since_their_loop_was_stalled_come_from_the_stall() {
    let mut bench = Bench::adapted();
    bench.call(500, call(CallKind::Call, "billing", "charge"));
    bench.stall(1_000, 4_000, &crate::testing::sleeping_in_handler());
    bench.happened(4_100, call_event(EventKind::SlowCall, 900, 4_050));
    let timed_out = Event {
        error_type: "TimeoutError".into(),
        ..call_event(EventKind::CallFailed, 900, 4_020)
    };
    bench.happened(4_120, timed_out);
    bench.tick(4_500);
    let stall = bench.of_kind(4_500, IncidentKind::LoopStall);
    for kind in [IncidentKind::SlowCall, IncidentKind::CallFailure] {
        assert_eq!(
            bench.of_kind(4_500, kind).origin.as_ref(),
            Some(&stall.id),
            "{kind:?}"
        );
    }
    assert_eq!(bench.report(4_500).issues.len(), 1);
}

#[test]
fn calls_that_were_slow_by_themselves_do_not_come_from_a_stall_beside_them() {
    let mut bench = Bench::adapted();
    bench.call(500, call(CallKind::Call, "billing", "charge"));
    bench.stall(1_000, 2_500, &crate::testing::sleeping_in_handler());
    // Three quarters of its time its loop was free.
    bench.happened(8_100, call_event(EventKind::SlowCall, 2_000, 8_000));
    let refused = Event {
        error_type: "ConnectionRefusedError".into(),
        ..call_event(EventKind::CallFailed, 900, 2_510)
    };
    bench.happened(8_120, refused);
    bench.tick(8_500);
    for kind in [IncidentKind::SlowCall, IncidentKind::CallFailure] {
        assert_eq!(bench.of_kind(8_500, kind).origin, None, "{kind:?}");
    }
    assert_eq!(bench.report(8_500).issues.len(), 3);
}

#[test]
fn callers_that_gave_up_waiting_for_a_pool_come_from_the_empty_pool() {
    let mut bench = Bench::adapted();
    bench.pool(
        500,
        PoolReading {
            waiting: 4,
            waiting_since: Some(millis(1_000)),
            ..pool()
        },
    );
    bench.tick(2_500);
    let gave_up = |error: &str| Event {
        error_type: error.into(),
        ..call_event(EventKind::CallFailed, 1_000, 3_000)
    };
    bench.happened(3_000, gave_up("psycopg_pool.PoolTimeout"));
    bench.happened(3_010, gave_up("ValueError"));
    bench.tick(3_300);
    let exhausted = bench.of_kind(3_300, IncidentKind::PoolExhaustion);
    let failures = bench.incidents(3_300).into_iter();
    let failures = failures.filter(|incident| incident.kind == IncidentKind::CallFailure);
    let origins: Vec<_> = failures.map(|failure| failure.origin).collect();
    assert_eq!(origins, [Some(exhausted.id), None]);
}

#[test]
fn what_lasts_longer_than_its_origin_is_told_by_itself_again() {
    let mut bench = Bench::adapted();
    bench.pool(
        500,
        PoolReading {
            waiting: 4,
            waiting_since: Some(millis(1_200)),
            ..pool()
        },
    );
    bench.server(3_000, locked(1_000, &[(901, 41)]));
    bench.tick(3_300);
    assert_eq!(bench.report(3_300).issues.len(), 1);
    bench.server(4_000, server());
    bench.tick(4_300);
    assert_eq!(
        bench.report(4_300).issues.len(),
        2,
        "{:#?}",
        bench.report(4_300).issues
    );
}

#[test]
fn a_lock_whose_next_waiter_has_waited_for_less_is_the_same_lock() {
    let mut bench = Bench::adapted();
    bench.server(3_000, locked(1_000, &[(901, 41), (902, 41)]));
    bench.server(5_000, locked(4_800, &[(902, 41)]));
    let incident = bench.only(5_000);
    assert_eq!((incident.count, incident.closed_at), (1, None));
}

#[test]
fn a_failure_that_nobody_has_taken_yet_stays_with_the_lock_that_it_came_from() {
    let mut bench = Bench::adapted();
    bench.site(500, 0, crate::testing::work::polls());
    bench.server(3_000, locked(1_000, &[(901, 41)]));
    let failed = Event {
        error_type: "psycopg.errors.LockNotAvailable".into(),
        ..crate::testing::work::task_failure(7, 4_000)
    };
    bench.happened(4_000, failed);
    bench.server(4_500, server());
    bench.tick(10_000);
    let failure = bench.of_kind(10_000, IncidentKind::TaskFailure);
    let lock = bench.of_kind(10_000, IncidentKind::DatabaseLock);
    assert_eq!((failure.origin, failure.closed_at), (Some(lock.id), None));
    assert_eq!(
        bench.report(10_000).issues.len(),
        1,
        "{:#?}",
        bench.report(10_000).issues
    );
}
