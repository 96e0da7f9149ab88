//! Storms: an adapter tells the first occurrences in full and counts the others; an incident's count is the true
//! one.

use crate::{
    observation::{CallKind, CallReading, EventKind, TaskSiteReading},
    report::{IncidentKind, Severity},
    testing::{
        Bench, sleeping_in_handler,
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

#[test]
fn calls_within_a_call_that_was_told_are_not_counted_besides() {
    let mut bench = Bench::adapted();
    let reading = CallReading {
        blocking: 2,
        ..call(CallKind::Call, "agno", "Agent.run")
    };
    bench.call(1_000, reading);
    bench.happened(1_300, call_event(EventKind::BlockingCall, 1_050, 1_200));
    bench.happened(1_300, call_event(EventKind::BlockingCall, 1_000, 1_250));
    for second in 2..6 {
        bench.tick(second * 1_000);
    }
    assert_eq!(bench.only(6_000).count, 1);
}

#[test]
fn a_call_that_waits_for_its_stall_is_counted_once() {
    let mut bench = Bench::adapted();
    let reading = CallReading {
        blocking: 1,
        ..call(CallKind::Call, "agno", "Agent.run")
    };
    bench.call(900, reading.clone());
    bench.happened(1_200, call_event(EventKind::BlockingCall, 1_000, 1_190));
    bench.tick(2_500);
    bench.call(
        3_000,
        CallReading {
            blocking: 2,
            ..reading
        },
    );
    bench.look(3_060, 3_000, sleeping_in_handler());
    bench.look(3_120, 3_000, sleeping_in_handler());
    // Its loop does not come back for longer than a counter may be ahead.
    for tick in 0..20 {
        let at = 3_200 + tick * 200;
        if tick == 1 {
            bench.happened(at, call_event(EventKind::BlockingCall, 3_050, 3_250));
        }
        bench.tick_busy(at, 3_000);
    }
    bench.ended(7_300, 3_000, 7_290);
    bench.tick(7_900);
    bench.tick(9_500);
    let incidents = bench.incidents(9_500);
    let calls = incidents
        .iter()
        .filter(|one| one.kind == IncidentKind::BlockingCall);
    assert_eq!(calls.map(|one| one.count).sum::<u64>(), 2);
}

#[test]
fn calls_of_models_that_are_no_fault_are_not_counted_as_slow_ones_that_are() {
    let mut bench = Bench::adapted();
    let reading = CallReading {
        slow: 12,
        ..call(CallKind::Call, "agno", "Agent.run")
    };
    bench.call(1_000, reading);
    bench.happened(33_000, call_event(EventKind::SlowCall, 1_000, 32_500));
    for second in 34..40 {
        bench.tick(second * 1_000);
    }
    assert_eq!(bench.only(40_000).count, 1);
}
