//! When a stall opens, escalates and closes.

use crate::{
    ChangeKind::{Closed, Escalated, Opened},
    observation::{
        Ending, Fact, Gil, InsideLoop, LoopInfo, LoopKey, LoopRuntime, ProcessRuntime, RunState,
        Sample,
    },
    report::{Incident, Severity, StallCause},
    testing::{Bench, millis, running, sleeping_in_handler},
    time::Nanos,
};

fn without_frames() -> Sample {
    Sample {
        inside_loop: InsideLoop::Unknown,
        frames: Vec::new(),
        task: None,
        callback: None,
        gil: Gil::Unknown,
        thread: running(),
        error: Some("the process could not be read".into()),
    }
}

#[test]
fn a_stall_opens_while_it_lasts_and_closes_with_its_exact_duration() {
    let mut bench = Bench::new();
    bench.look(1_050, 1_000, sleeping_in_handler());
    assert_eq!(bench.changes(), []);
    bench.look(1_100, 1_000, sleeping_in_handler());
    assert_eq!(bench.changes(), [Opened]);
    let open = bench.only(1_250);
    assert_eq!((open.closed_at, open.duration_seconds), (None, 0.25));
    bench.ended(1_312, 1_000, 1_310);
    assert_eq!(bench.changes(), [Closed]);
    let closed = bench.only(9_000);
    assert_eq!(
        (
            closed.duration_seconds,
            closed.longest_seconds,
            closed.count
        ),
        (0.31, 0.31, 1)
    );
    let anchor = bench.engine.anchor;
    assert_eq!(closed.opened_at, anchor.timestamp(millis(1_000)));
    assert_eq!(closed.closed_at, Some(anchor.timestamp(millis(1_310))));
}

#[test]
fn a_stall_past_the_blocked_threshold_becomes_critical_once() {
    let mut bench = Bench::new();
    bench.look(100, 0, sleeping_in_handler());
    assert_eq!(bench.only(4_999).severity, Severity::Degraded);
    // The report counts by itself, without a further observation.
    assert_eq!(bench.only(5_000).severity, Severity::Critical);
    assert_eq!(bench.changes(), [Opened]);
    bench.at(5_001, Fact::ObserverLate { by: millis(1) });
    bench.at(5_002, Fact::ObserverLate { by: millis(1) });
    assert_eq!(bench.changes(), [Escalated]);
    bench.ended(7_000, 0, 7_000);
    assert_eq!(bench.changes(), [Closed]);
    assert_eq!(bench.only(8_000).severity, Severity::Critical);
}

#[test]
fn a_long_stall_that_was_seen_only_after_its_end_is_critical_too() {
    let mut bench = Bench::new();
    bench.ended(6_000, 0, 6_000);
    assert_eq!(bench.only(6_000).severity, Severity::Critical);
}

#[test]
fn a_reading_without_the_period_closes_it_and_the_exact_end_amends_that() {
    let mut bench = Bench::new();
    bench.look(200, 100, sleeping_in_handler());
    bench.read(420, None, 410);
    assert_eq!(bench.only(500).duration_seconds, 0.31);
    bench.ended(430, 100, 400);
    let amended = bench.only(500);
    assert_eq!(
        (amended.duration_seconds, amended.longest_seconds),
        (0.3, 0.3)
    );
    assert_eq!(
        (amended.count, bench.report(500).monitoring.total_stalls),
        (1, 1)
    );
}

#[test]
fn a_reading_of_a_later_period_closes_the_stall_at_that_ones_start() {
    let mut bench = Bench::new();
    bench.look(200, 100, sleeping_in_handler());
    bench.read(900, Some(500), 500);
    assert_eq!(bench.only(900).duration_seconds, 0.4);
}

#[test]
fn a_look_at_a_later_period_closes_the_stall_before_it() {
    let mut bench = Bench::new();
    bench.look(200, 100, sleeping_in_handler());
    bench.look(700, 600, sleeping_in_handler());
    let incident = bench.only(700);
    assert_eq!((incident.count, incident.closed_at), (2, None));
    assert_eq!(incident.duration_seconds, 0.6);
}

#[test]
fn a_stale_reading_does_not_close_a_newer_stall() {
    let mut bench = Bench::new();
    bench.look(700, 600, sleeping_in_handler());
    bench.read(710, Some(100), 100);
    assert_eq!(bench.only(720).closed_at, None);
}

#[test]
fn a_loop_or_process_that_goes_takes_its_stall_along() {
    let mut bench = Bench::new();
    bench.look(200, 100, sleeping_in_handler());
    let key = bench.key;
    bench.at(300, Fact::LoopGone { key });
    assert_eq!(bench.only(900).duration_seconds, 0.2);

    let mut bench = Bench::new();
    bench.look(200, 100, sleeping_in_handler());
    bench.gone(350, bench.process, Ending::Closed);
    assert_eq!(bench.only(900).duration_seconds, 0.25);
}

#[test]
fn the_exact_end_of_a_stall_is_taken_from_the_ring_of_a_loop_that_is_gone() {
    let mut bench = Bench::new();
    bench.look(200, 100, sleeping_in_handler());
    let key = bench.key;
    bench.at(300, Fact::LoopGone { key });
    bench.ended(310, 100, 280);
    bench.ended(320, 281, 500);
    let incidents = bench.incidents(900);
    let lengths: Vec<f64> = incidents
        .iter()
        .map(|incident| incident.duration_seconds)
        .collect();
    assert_eq!(lengths, [0.18, 0.219]);
}

#[test]
fn a_finished_period_never_comes_back() {
    let mut bench = Bench::new();
    bench.ended(300, 100, 250);
    bench.look(310, 100, sleeping_in_handler());
    bench.read(320, Some(100), 100);
    bench.ended(330, 100, 250);
    let incident = bench.only(400);
    assert_eq!(
        (incident.count, incident.cause),
        (1, Some(StallCause::Unknown))
    );
}

#[test]
fn early_looks_explain_a_stall_that_was_over_before_it_was_opened() {
    let mut bench = Bench::new();
    bench.look(60, 0, sleeping_in_handler());
    bench.look(90, 0, sleeping_in_handler());
    bench.ended(125, 0, 120);
    assert_eq!(bench.changes(), [Opened, Closed]);
    let incident = bench.only(200);
    assert_eq!(incident.cause, Some(StallCause::BlockingCall));
    assert_eq!(incident.culprit.map(|culprit| culprit.line), Some(42));
    assert_eq!(incident.duration_seconds, 0.12);
}

#[test]
fn early_looks_are_kept_when_the_next_period_is_seen_before_the_end_of_theirs() {
    let mut bench = Bench::new();
    bench.look(60, 0, sleeping_in_handler());
    bench.read(130, Some(121), 121);
    bench.look(180, 121, sleeping_in_handler());
    bench.ended(181, 0, 120);
    assert_eq!(bench.only(190).cause, Some(StallCause::BlockingCall));
}

#[test]
fn a_stall_that_nobody_looked_at_is_reported_with_cause_unknown() {
    let mut bench = Bench::new();
    bench.ended(300, 100, 250);
    let incident = bench.only(300);
    assert_eq!(incident.cause, Some(StallCause::Unknown));
    assert_eq!(
        incident.summary,
        "loop main (pid 41, asyncio) stalled for 0.15 s, cause unknown: seen only after it ended"
    );
}

#[test]
fn a_process_whose_stacks_cannot_be_read_still_opens_stalls_by_its_readings() {
    let mut bench = Bench::new();
    let reason = Some("ptrace is not allowed");
    bench.see_process(bench.process, ProcessRuntime::Python, reason);
    bench.read(1_099, Some(1_000), 1_000);
    assert_eq!(bench.incidents(1_099).len(), 1, "the one about the process");
    bench.read(1_100, Some(1_000), 1_000);
    let incidents = bench.incidents(1_200);
    assert_eq!(incidents[1].cause, Some(StallCause::Unknown));
    assert!(
        incidents[1].summary.ends_with("ptrace is not allowed"),
        "{}",
        incidents[1].summary
    );
    bench.read(1_500, None, 1_400);
    assert_eq!(bench.incidents(1_600)[1].duration_seconds, 0.4);
}

#[test]
fn looks_without_frames_open_a_stall_and_say_why_there_are_none() {
    let mut bench = Bench::new();
    bench.look(120, 0, without_frames());
    let incident = bench.only(130);
    assert!(
        incident.summary.ends_with("the process could not be read"),
        "{}",
        incident.summary
    );
    assert_eq!(bench.report(130).detailed_health.agent.failed_samples, 1);
}

#[test]
fn a_loop_that_returned_to_its_program_during_a_stall_ends_it_there() {
    let mut bench = Bench::new();
    bench.look(120, 0, sleeping_in_handler());
    bench.look(
        180,
        0,
        Sample {
            inside_loop: InsideLoop::No,
            ..sleeping_in_handler()
        },
    );
    bench.look(300, 0, sleeping_in_handler());
    bench.ended(400, 0, 390);
    let incident = bench.only(500);
    assert_eq!((incident.count, incident.duration_seconds), (1, 0.18));
}

#[test]
fn a_program_that_imports_itself_from_its_loop_is_not_stalled_until_it_is_done() {
    let importing = Sample {
        inside_loop: InsideLoop::Starting,
        ..sleeping_in_handler()
    };
    let mut quick = Bench::new();
    quick.look(100, 0, importing.clone());
    quick.look(350, 0, importing.clone());
    quick.ended(400, 0, 400);
    assert!(quick.incidents(500).is_empty());

    let mut slow = Bench::new();
    slow.look(100, 0, importing.clone());
    slow.look(350, 0, importing);
    slow.look(400, 0, sleeping_in_handler());
    assert!(slow.incidents(400).is_empty());
    slow.look(450, 0, sleeping_in_handler());
    slow.ended(500, 0, 500);
    assert_eq!(slow.only(600).duration_seconds, 0.15);
}

#[test]
fn a_loop_of_kind_poll_is_stalled_once_a_look_finds_it_inside() {
    let mut bench = Bench::of(ProcessRuntime::Python, LoopRuntime::Poll);
    bench.look(60, 0, sleeping_in_handler());
    bench.look(
        120,
        0,
        Sample {
            inside_loop: InsideLoop::Unknown,
            ..sleeping_in_handler()
        },
    );
    assert_eq!(bench.incidents(130).len(), 1);
}

#[test]
fn the_memory_of_a_stall_that_never_ends_is_bounded() {
    let mut bench = Bench::new();
    for at in (100..1_000_000).step_by(500) {
        bench.look(at, 0, sleeping_in_handler());
    }
    let stalls = &bench.engine.model.loops[&bench.key].stalls;
    let looks = stalls.current().map(|period| period.looks.as_slice().len());
    assert!(looks.is_some_and(|looks| looks <= 64), "{looks:?}");
    assert_eq!(bench.only(1_000_000).cause, Some(StallCause::BlockingCall));
}

#[test]
fn a_newer_loop_in_the_same_slot_ends_the_stall_of_the_one_before() {
    let mut bench = Bench::new();
    bench.look(200, 100, sleeping_in_handler());
    let newer = LoopKey {
        generation: 1,
        ..bench.key
    };
    let info = LoopInfo {
        name: "main".into(),
        runtime: LoopRuntime::Asyncio,
        thread_id: 4100,
    };
    bench.at(300, Fact::LoopSeen { key: newer, info });
    assert_eq!(bench.changes(), [Opened, Closed]);
    let report = bench.report(9_000);
    assert_eq!(report.monitoring.event_loops_count, 1);
    assert_eq!(bench.only(9_000).severity, Severity::Degraded);
    // Its exact end is still taken in.
    bench.ended(310, 100, 250);
    assert_eq!(bench.only(9_000).duration_seconds, 0.15);
}

#[test]
fn a_loop_in_another_slot_or_seen_again_ends_no_stall() {
    let mut bench = Bench::new();
    let (own, other) = (
        bench.key,
        LoopKey {
            slot: 1,
            generation: 3,
            ..bench.key
        },
    );
    bench.look(200, 100, sleeping_in_handler());
    bench.see_loop(own, LoopRuntime::Asyncio, 4100);
    bench.see_loop(other, LoopRuntime::Asyncio, 4101);
    assert_eq!(bench.changes(), [Opened]);
    assert_eq!(bench.only(250).closed_at, None);
}

/// A native loop's busy period from 1.0 s to 1.2 s, told at 20 s, when it became known to be a loop.
fn told_late(looks: Vec<(Nanos, Sample)>) -> Vec<Incident> {
    let mut bench = Bench::of(ProcessRuntime::Native, LoopRuntime::Epoll);
    let before = Fact::BusyBefore {
        key: bench.key,
        started: millis(1_000),
        ended: millis(1_200),
        looks,
    };
    bench.at(20_000, before.clone());
    bench.at(20_001, before);
    bench.incidents(20_002)
}

#[test]
fn a_stall_from_before_its_thread_was_known_for_a_loop_is_told_with_its_own_times() {
    let incidents = told_late(vec![(millis(1_110), without_frames())]);
    let told: Vec<_> = incidents
        .iter()
        .map(|one| (one.duration_seconds, one.severity, one.count))
        .collect();
    assert_eq!(told, [(0.2, Severity::Degraded, 1)]);
}

#[test]
fn a_thread_that_was_parked_before_it_was_known_for_a_loop_did_not_stall() {
    let mut parked = without_frames();
    parked.thread.run_state = RunState::Sleeping;
    parked.thread.syscall = Some(202);
    assert_eq!(told_late(vec![(millis(1_110), parked)]), []);
    assert_eq!(told_late(Vec::new()), []);
}
