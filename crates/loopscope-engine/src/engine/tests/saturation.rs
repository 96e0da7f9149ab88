//! Executors and pools that have more to do than they can: told while it lasts, and never as a stall.

use std::sync::Arc;

use crate::{
    ChangeKind::{Closed, Escalated, Opened},
    observation::{
        Event, EventKind, ExecutorReading, HeldConnection, PoolName, PoolReading, TaskSite,
        TaskSiteReading,
    },
    report::{IncidentKind, Severity, Status},
    testing::{
        Bench, millis,
        work::{at_line, executor, pool},
    },
};

fn saturated(since: u64) -> ExecutorReading {
    ExecutorReading {
        queued: 17,
        submitted: 40,
        saturated_since: Some(millis(since)),
        ..executor()
    }
}

#[test]
fn an_executor_with_more_work_than_threads_for_a_second_is_saturated() {
    let mut bench = Bench::adapted();
    bench.executor(1_000, saturated(1_000));
    bench.tick(1_900);
    assert_eq!(bench.incidents(1_900), []);
    bench.tick(2_200);
    let incident = bench.only(4_000);
    assert_eq!(incident.kind, IncidentKind::ExecutorSaturation);
    insta::assert_snapshot!(
        incident.summary,
        @"executor asyncio_0 of app (pid 41): all 4 threads are at work and 17 pieces of work wait, for 3.0 s by now"
    );
    let report = bench.report(4_000);
    assert_eq!(report.components["executors"], Status::Degraded);
    assert_eq!(
        report.components["event_loops"],
        Status::Healthy,
        "its loop is free"
    );
    assert_eq!(report.monitoring.total_stalls, 0);
    bench.executor(5_000, executor());
    bench.tick(5_300);
    let incident = bench.only(5_300);
    assert!(
        incident.summary.ends_with("wait, for 4.0 s"),
        "{}",
        incident.summary
    );
    assert_eq!(bench.changes(), [Opened, Closed]);
}

#[test]
fn blocking_threads_of_a_service_in_rust_are_told_with_the_lines_that_sent_what_keeps_them() {
    let mut bench = Bench::adapted_tokio();
    for (slot, line, by, alive) in [
        (0, 9, "spawn_blocking", 1),
        (1, 31, "spawn_blocking", 4),
        (2, 40, "spawn_blocking", 0),
        (3, 50, "", 7),
    ] {
        let site = TaskSite {
            file: "orders.rs".into(),
            line,
            function: by.into(),
            ..TaskSite::default()
        };
        let reading = TaskSiteReading {
            site: Arc::new(site),
            spawned: alive + 2,
            done: 2,
            ..TaskSiteReading::default()
        };
        bench.site(900, slot, reading);
    }
    let reading = ExecutorReading {
        name: Arc::new("main (blocking)".into()),
        max_workers: 0,
        workers: 0,
        queued: 1,
        ..saturated(1_000)
    };
    bench.executor(1_000, reading);
    bench.tick(2_200);
    let incident = bench.only(2_200);
    insta::assert_snapshot!(
        incident.summary,
        @"executor main (blocking) of app (pid 41): 1 piece of work waits for a thread, for 1.2 s by now; not done were 4 sent at orders.rs:31, 1 sent at orders.rs:9"
    );
    assert!(incident.advice.steps[1].contains("tokio::sync::Semaphore"));
    assert_eq!(incident.culprit.unwrap().line, 31);
}

#[test]
fn a_burst_that_the_queue_takes_up_is_no_saturation() {
    let mut bench = Bench::adapted();
    for turn in 0..20 {
        bench.executor(1_000 * turn, saturated(1_000 * turn));
        bench.executor(1_000 * turn + 900, executor());
        bench.tick(1_000 * turn + 950);
    }
    assert_eq!(bench.incidents(30_000), []);
}

#[test]
fn a_full_executor_with_an_empty_queue_is_well_sized() {
    let mut bench = Bench::adapted();
    bench.executor(0, executor());
    bench.tick(600_000);
    assert_eq!(bench.incidents(600_000), []);
}

#[test]
fn a_process_that_was_stopped_is_not_blamed_for_the_time() {
    let mut bench = Bench::adapted();
    bench.executor(1_000, saturated(1_000));
    bench.stop(1_100, true);
    bench.tick(1_500);
    bench.stop(60_000, false);
    bench.tick(60_300);
    let kinds: Vec<_> = bench.incidents(60_300).iter().map(|i| i.kind).collect();
    assert_eq!(kinds, [IncidentKind::LoopStall], "the pause itself");
}

fn waiting(since: u64, timeouts: u64) -> PoolReading {
    PoolReading {
        waiting: 3,
        waiting_since: Some(millis(since)),
        timeouts,
        ..pool()
    }
}

/// A connection that `buy` took at that time in line 31, and now stands in line 40.
fn held(since: u64) -> HeldConnection {
    HeldConnection {
        since: millis(since),
        asked_at: Some(at_line(31, "buy")),
        stands_at: Some(at_line(40, "buy")),
        task: Some("Task-7".into()),
        ..HeldConnection::default()
    }
}

#[test]
fn who_has_the_connections_of_an_exhausted_pool_is_said_with_the_line() {
    let mut bench = Bench::adapted();
    bench.pool(1_000, waiting(1_000, 0));
    let of_another_pool = HeldConnection {
        pool: 1,
        ..held(100)
    };
    bench.held(2_000, vec![of_another_pool, held(700), held(900)]);
    bench.tick(2_100);
    let incident = bench.only(2_100);
    insta::assert_snapshot!(
        incident.summary,
        @"pool db (asyncpg, 10.0.0.5:5432/bots): all 10 connections are taken and 3 callers wait, for 1.1 s by now; 2 of them taken at app.py:31 in buy, the first for 1.3 s, standing at app.py:40 in buy"
    );
    let culprit = incident.culprit.unwrap();
    assert_eq!((culprit.line, culprit.function.as_str()), (40, "buy"));
    let health = bench.report(2_100).detailed_health.database.unwrap();
    let [line] = &health.pools[0].holders[..] else {
        panic!("{health:#?}");
    };
    assert_eq!((line.connections, line.line), (2, 31));
    assert_eq!(line.stands_at.as_deref(), Some("app.py:40 in buy"));
    bench.held(2_200, Vec::new());
    let health = bench.report(2_300).detailed_health.database.unwrap();
    assert_eq!(health.pools[0].holders, []);
}

#[test]
fn who_waits_for_a_connection_is_said_with_the_line_and_is_no_holder() {
    let mut bench = Bench::adapted();
    bench.pool(1_000, waiting(1_000, 0));
    let waits = |since, line| HeldConnection {
        asked_at: Some(at_line(line, "ship")),
        stands_at: None,
        waits: true,
        ..held(since)
    };
    let of_another_pool = HeldConnection {
        pool: 1,
        ..waits(100, 50)
    };
    let all = vec![held(700), of_another_pool, waits(900, 52), waits(950, 52)];
    bench.held(2_000, all);
    bench.tick(2_100);
    let incident = bench.only(2_100);
    let said = "one of them taken at app.py:31 in buy for 1.3 s, standing at app.py:40 in buy; \
                2 callers waiting at app.py:52 in ship";
    assert!(incident.summary.ends_with(said), "{}", incident.summary);
    let pool = |bench: &mut Bench, now| {
        let health = bench.report(now).detailed_health.database.unwrap();
        health.pools.into_iter().next().unwrap()
    };
    let told = pool(&mut bench, 2_100);
    assert_eq!((told.holders.len(), told.waiters.len()), (1, 1));
    let line = &told.waiters[0];
    assert_eq!((line.callers, line.line, line.oldest_seconds), (2, 52, 1.2));
    bench.held(2_200, vec![held(700)]);
    assert_eq!(pool(&mut bench, 2_300).waiters, []);
}

#[test]
fn connections_that_are_held_while_nobody_waits_are_no_fault() {
    let mut bench = Bench::adapted();
    bench.pool(1_000, pool());
    bench.held(2_000, vec![held(700); 10]);
    bench.tick(600_000);
    assert_eq!(bench.incidents(600_000), []);
}

#[test]
fn a_connection_that_is_used_behind_a_fork_or_on_another_loop_is_told_with_the_line() {
    for (how, severity) in [("fork", Severity::Critical), ("loops", Severity::Degraded)] {
        let mut bench = Bench::adapted();
        bench.pool(1_000, pool());
        bench.happened(
            2_000,
            Event {
                slot: Some(0),
                message: how.into(),
                frames: vec![at_line(31, "buy")],
                started: millis(100),
                ended: Some(millis(2_000)),
                ..Event::new(EventKind::ConnectionShared)
            },
        );
        let incident = bench.only(2_100);
        assert_eq!(incident.kind, IncidentKind::ConnectionShared);
        assert_eq!(incident.severity, severity);
        assert_eq!(incident.culprit.unwrap().line, 31);
        assert!(
            incident
                .summary
                .starts_with("pool db (asyncpg, 10.0.0.5:5432/bots): a connection that "),
            "{}",
            incident.summary
        );
    }
}

#[test]
fn a_pool_that_callers_wait_for_is_exhausted_and_critical_once_they_give_up() {
    let mut bench = Bench::adapted();
    bench.pool(1_000, waiting(1_000, 0));
    bench.tick(2_100);
    let incident = bench.only(2_100);
    assert_eq!(
        (incident.kind, incident.severity),
        (IncidentKind::PoolExhaustion, Severity::Degraded)
    );
    insta::assert_snapshot!(
        incident.summary,
        @"pool db (asyncpg, 10.0.0.5:5432/bots): all 10 connections are taken and 3 callers wait, for 1.1 s by now"
    );
    bench.pool(6_000, waiting(1_000, 2));
    bench.tick(6_300);
    assert_eq!(bench.report(6_300).components["database"], Status::Critical);
    bench.pool(7_000, pool());
    bench.tick(17_000);
    assert_eq!(bench.changes(), [Opened, Escalated, Closed]);
    assert_eq!(
        bench.report(17_000).components["database"],
        Status::Degraded
    );
}

#[test]
fn a_pool_with_room_that_callers_wait_for_is_told_to_look_at_its_server() {
    let mut bench = Bench::adapted();
    let reading = PoolReading {
        in_use: 1,
        size: 1,
        ..waiting(1_000, 0)
    };
    bench.pool(1_000, reading);
    bench.tick(2_100);
    let incident = bench.only(2_100);
    assert!(
        incident
            .summary
            .contains("1 of 10 connections are taken and 3 callers wait"),
        "{}",
        incident.summary
    );
    let first = &incident.advice.steps[0];
    assert!(first.contains("the pool has room"), "{first}");
}

/// Connections outside of any pool, of which so many are open.
fn outside(open: u64) -> PoolReading {
    PoolReading {
        largest: 0,
        opened: 500 + open,
        closed: 500,
        ..pool()
    }
}

#[test]
fn connections_outside_of_any_pool_that_become_ever_more_are_told_within_two_minutes() {
    let mut bench = Bench::adapted();
    for second in 0..90 {
        bench.pool(1_000 * second, outside(second));
        bench.tick(1_000 * second + 100);
    }
    let incident = bench.only(90_000);
    assert_eq!(
        (incident.kind, incident.severity),
        (IncidentKind::ConnectionGrowth, Severity::Degraded)
    );
    let told = &incident.summary;
    assert!(
        told.contains("outside of any pool") && told.contains("60 more a minute"),
        "{told}"
    );
    for second in 90..900 {
        bench.pool(1_000 * second, outside(90));
        bench.tick(1_000 * second + 100);
    }
    assert_eq!(bench.changes().last(), Some(&Closed));
}

#[test]
fn connections_that_come_and_go_level_off_or_are_a_pools_do_not_grow() {
    let come_and_go = |second: u64| outside(5 + second * 7 % 30);
    let level_off = |second: u64| outside(second.min(20));
    let of_a_pool = |second: u64| PoolReading {
        largest: 200,
        opened: second,
        closed: 0,
        ..pool()
    };
    let ways: [&dyn Fn(u64) -> PoolReading; 3] = [&come_and_go, &level_off, &of_a_pool];
    for reading in ways {
        let mut bench = Bench::adapted();
        for second in 0..180 {
            bench.pool(1_000 * second, reading(second));
            bench.tick(1_000 * second + 100);
        }
        assert_eq!(bench.incidents(180_000), []);
    }
}

#[test]
fn callers_that_wait_for_a_moment_each_are_no_exhaustion() {
    let mut bench = Bench::adapted();
    for turn in 0..50 {
        bench.pool(1_000 * turn, waiting(1_000 * turn, 0));
        bench.pool(1_000 * turn + 700, pool());
    }
    bench.tick(60_000);
    assert_eq!(bench.incidents(60_000), []);
}

#[test]
fn a_connection_that_nobody_closed_is_told_with_where_it_was_made() {
    let mut bench = Bench::adapted();
    bench.pool(0, pool());
    let leaked = Event {
        slot: Some(0),
        started: millis(1_000),
        ended: Some(millis(31_000)),
        frames: vec![at_line(60, "load")],
        ..Event::new(EventKind::ConnectionLeaked)
    };
    bench.happened(31_000, leaked);
    let incident = bench.only(31_000);
    assert_eq!(incident.kind, IncidentKind::ConnectionLeak);
    insta::assert_snapshot!(
        incident.summary,
        @"pool db (asyncpg, 10.0.0.5:5432/bots): a connection was never closed and was collected after 30 s, made at app.py:60 in load; write async with pool.acquire() as conn: ... instead"
    );
}

#[test]
fn a_database_in_memory_that_is_left_to_the_collector_is_shown_and_no_fault() {
    let mut bench = Bench::adapted();
    let name = PoolName {
        name: String::new(),
        driver: "sqlite3".into(),
        server: ":memory:".into(),
    };
    let reading = PoolReading {
        pool: Arc::new(name),
        ..pool()
    };
    bench.pool(0, reading);
    let leaked = Event {
        slot: Some(0),
        started: millis(1_000),
        ended: Some(millis(1_010)),
        frames: vec![at_line(60, "features")],
        ..Event::new(EventKind::ConnectionLeaked)
    };
    bench.happened(1_010, leaked);
    let incident = bench.only(1_010);
    assert_eq!(incident.kind, IncidentKind::ConnectionLeak);
    assert_eq!(incident.severity, Severity::Info);
    assert_eq!(bench.report(1_100).status, Status::Healthy);
}

#[test]
fn a_connection_that_cannot_be_made_is_grouped_by_its_server() {
    let mut bench = Bench::adapted();
    bench.pool(0, pool());
    for (at, line) in [(1_000, 60), (2_000, 90)] {
        let failed = Event {
            slot: Some(0),
            started: millis(at),
            error_type: "OperationalError".into(),
            frames: vec![at_line(line, "load")],
            ..Event::new(EventKind::ConnectionFailed)
        };
        bench.happened(at, failed);
    }
    let incident = bench.only(2_000);
    assert_eq!(
        (incident.kind, incident.count),
        (IncidentKind::ConnectionFailure, 2)
    );
}
