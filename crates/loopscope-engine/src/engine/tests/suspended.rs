//! A stopped process is paused, not blocked by its code.

use crate::observation::LoopKey;
use crate::{
    ChangeKind::{Closed, Opened},
    observation::{Ending, LoopRuntime, RunState, Sample, ThreadState},
    report::{LoopState, Severity, StallCause, Status},
    testing::{Bench, process_key, running, sleeping_in_handler},
};

fn stopped_thread() -> Sample {
    let thread = ThreadState {
        run_state: RunState::Stopped,
        ..running()
    };
    Sample {
        thread,
        ..sleeping_in_handler()
    }
}

#[test]
fn each_loop_of_a_stopped_process_is_paused_until_it_runs_again() {
    let mut bench = Bench::new();
    let second = LoopKey {
        slot: 1,
        ..bench.key
    };
    bench.see_loop(second, LoopRuntime::Asyncio, 4101);
    bench.stop(1_000, true);
    bench.read(1_099, None, 900);
    assert_eq!(bench.changes(), []);
    bench.read(1_100, None, 900);
    assert_eq!(bench.changes(), [Opened, Opened]);
    assert_eq!(
        bench.report(1_200).detailed_health.event_loops[0].state,
        LoopState::Suspended
    );
    bench.stop(2_500, false);
    assert_eq!(bench.changes(), [Closed, Closed]);
    for incident in bench.incidents(3_000) {
        assert_eq!(
            (incident.cause, incident.duration_seconds),
            (Some(StallCause::Suspended), 1.5)
        );
        assert_eq!(
            incident.summary,
            "loop main (pid 41, asyncio) was paused with its process for 1.5 s: the process was \
             stopped, no code blocks the loop"
        );
    }
}

#[test]
fn a_pause_past_the_blocked_threshold_is_critical_and_leaves_the_service_alive_but_not_ready() {
    let mut bench = Bench::new();
    bench.stop(0, true);
    bench.read(200, None, 0);
    let report = bench.report(60_000);
    assert_eq!(
        (report.status, report.incidents[0].severity),
        (Status::Critical, Severity::Critical)
    );
    let probes = bench.engine.probes(crate::testing::millis(60_000));
    assert!(probes.live.passes && !probes.ready.passes, "{probes:?}");
    assert!(
        probes
            .ready
            .reason
            .unwrap()
            .contains("paused with its process")
    );
}

#[test]
fn a_pause_shorter_than_the_threshold_is_nothing() {
    let mut bench = Bench::new();
    bench.stop(0, true);
    bench.stop(99, false);
    bench.read(500, None, 400);
    assert_eq!(bench.incidents(500), []);
}

#[test]
fn a_period_across_the_pause_is_not_reported_a_second_time() {
    let mut bench = Bench::new();
    bench.look(960, 900, sleeping_in_handler());
    bench.stop(970, true);
    bench.read(1_200, Some(900), 900);
    bench.look(1_250, 900, stopped_thread());
    bench.stop(2_000, false);
    bench.look(2_050, 900, sleeping_in_handler());
    bench.ended(2_090, 900, 2_080);
    let incident = bench.only(3_000);
    assert_eq!(
        (incident.cause, incident.count),
        (Some(StallCause::Suspended), 1)
    );
}

#[test]
fn what_goes_on_blocking_long_after_the_pause_is_a_stall_from_its_end_on() {
    let mut bench = Bench::new();
    bench.look(960, 900, sleeping_in_handler());
    bench.stop(970, true);
    bench.read(1_200, Some(900), 900);
    bench.stop(2_000, false);
    bench.look(2_100, 900, sleeping_in_handler());
    bench.ended(5_000, 900, 5_000);
    let incidents = bench.incidents(6_000);
    let causes: Vec<_> = incidents
        .iter()
        .map(|i| (i.cause.unwrap(), i.duration_seconds))
        .collect();
    assert_eq!(
        causes,
        [
            (StallCause::Suspended, 1.03),
            (StallCause::BlockingCall, 3.0)
        ]
    );
}

#[test]
fn a_stall_before_the_pause_that_is_known_late_is_still_reported() {
    let mut bench = Bench::new();
    bench.stop(1_000, true);
    bench.read(1_200, None, 900);
    bench.stop(2_000, false);
    bench.ended(2_010, 500, 800);
    assert_eq!(bench.incidents(2_100).len(), 2);
}

#[test]
fn a_stall_that_is_open_already_is_not_opened_again_by_a_stop() {
    let mut bench = Bench::new();
    bench.look(100, 0, sleeping_in_handler());
    bench.stop(200, true);
    bench.look(900, 0, stopped_thread());
    let incident = bench.only(900);
    assert_eq!(
        incident.cause,
        Some(StallCause::Suspended),
        "stopped for most of it"
    );
    bench.stop(950, false);
    bench.ended(5_000, 0, 5_000);
    assert_eq!(
        bench.only(5_000).cause,
        Some(StallCause::BlockingCall),
        "not for most of it"
    );
}

#[test]
fn looks_that_find_the_thread_stopped_say_so_without_a_word_about_the_process() {
    let mut bench = Bench::new();
    for at in [100, 150, 200] {
        bench.look(at, 0, stopped_thread());
    }
    assert_eq!(bench.only(200).cause, Some(StallCause::Suspended));
}

#[test]
fn a_process_that_dies_while_stopped_ends_its_pause() {
    let mut bench = Bench::new();
    bench.stop(0, true);
    bench.read(500, None, 0);
    bench.gone(700, bench.process, Ending::Closed);
    assert_eq!(bench.only(900).duration_seconds, 0.7);
    bench.stop(800, true);
    bench.see_process(
        process_key(42),
        crate::observation::ProcessRuntime::Python,
        None,
    );
    assert_eq!(bench.incidents(2_000).len(), 1);
}

#[test]
fn the_end_of_a_period_across_the_pause_may_be_heard_of_before_the_end_of_the_pause() {
    let mut bench = Bench::new();
    bench.stop(1_000, true);
    bench.read(1_200, None, 900);
    bench.ended(2_005, 950, 2_001);
    bench.stop(2_010, false);
    assert_eq!(bench.only(2_100).cause, Some(StallCause::Suspended));
}

#[test]
fn a_period_across_the_pause_that_is_heard_of_only_afterwards_is_not_reported_either() {
    let mut bench = Bench::new();
    bench.stop(1_000, true);
    bench.read(1_200, None, 900);
    bench.stop(2_000, false);
    bench.ended(2_010, 950, 2_001);
    assert_eq!(bench.only(2_100).cause, Some(StallCause::Suspended));
}
