//! Storms: an adapter tells the first occurrences in full and counts the others; an incident's count is the true
//! one.

use crate::{
    observation::{CallKind, CallReading, EventKind, TaskSiteReading},
    report::{IncidentKind, Severity},
    testing::{
        Bench,
        work::{call, call_event, polls, task_failure, word_on},
    },
};

/// So many tasks failed at the site and went away.
fn lost(tasks: u64) -> TaskSiteReading {
    TaskSiteReading {
        spawned: tasks,
        failed: tasks,
        unretrieved: tasks,
        ..polls()
    }
}

fn tell_eight(bench: &mut Bench, at: u64) {
    for identity in 1..=8 {
        bench.happened(at, task_failure(identity, at));
        bench.happened(at, word_on(identity, EventKind::TaskFailureUnretrieved));
    }
}

#[test]
fn failures_that_were_only_counted_count() {
    let mut bench = Bench::adapted();
    bench.site(1_000, 0, lost(100));
    tell_eight(&mut bench, 1_000);
    assert_eq!(bench.only(1_100).count, 8, "the others may yet be told");
    for second in 1..4 {
        bench.tick(1_000 + second * 1_000);
    }
    let incident = bench.only(4_000);
    assert_eq!(
        (incident.count, incident.kind),
        (100, IncidentKind::TaskFailure)
    );
    assert_eq!(incident.severity, Severity::Degraded);
    bench.tick(60_000);
    assert_eq!(bench.only(60_000).count, 100, "once");
}

#[test]
fn failures_that_are_told_late_are_not_counted_twice() {
    let mut bench = Bench::adapted();
    bench.site(1_000, 0, lost(8));
    bench.tick(1_900);
    tell_eight(&mut bench, 1_950);
    for second in 2..6 {
        bench.tick(second * 1_000);
    }
    assert_eq!(bench.only(6_000).count, 8);
}

#[test]
fn failures_that_were_handled_do_not_count() {
    let mut bench = Bench::adapted();
    let handled = TaskSiteReading {
        retrieved: 92,
        unretrieved: 8,
        ..lost(100)
    };
    bench.site(1_000, 0, handled);
    tell_eight(&mut bench, 1_000);
    for second in 2..20 {
        bench.tick(second * 1_000);
    }
    assert_eq!(bench.only(20_000).count, 8);
}

#[test]
fn calls_that_were_only_counted_count() {
    let mut bench = Bench::adapted();
    let reading = CallReading {
        started: 500,
        finished: 500,
        on_loop: 40,
        blocking: 40,
        ..call(CallKind::Call, "agno", "Agent.run")
    };
    bench.call(1_000, reading);
    for turn in 0..8 {
        let from = 1_000 + turn * 200;
        bench.happened(
            from + 150,
            call_event(EventKind::BlockingCall, from, from + 150),
        );
    }
    for second in 3..6 {
        bench.tick(second * 1_000);
    }
    assert_eq!(bench.only(6_000).count, 40);
}
