//! Status, issues, figures and probes.

use crate::{
    observation::{Fact, LoopReading, Resources},
    report::{LoopState, Status},
    testing::{Bench, millis, sleeping_in_handler},
};

#[test]
fn an_engine_that_has_seen_nothing_is_healthy_live_and_ready() {
    let engine = crate::testing::engine(crate::Config::default());
    let report = engine.report(millis(2_500));
    assert_eq!(
        (report.status, report.uptime_seconds),
        (Status::Healthy, 2.5)
    );
    assert_eq!(report.monitoring.longest_stall_seconds, None);
    let probes = engine.probes(millis(2_500));
    assert!(probes.live.passes && probes.ready.passes);
}

#[test]
fn the_status_follows_a_stall_from_start_to_forgetting() {
    let mut bench = Bench::new();
    let status = |bench: &Bench, now| bench.report(now).status;
    assert_eq!(status(&bench, 50), Status::Healthy);
    bench.look(100, 0, sleeping_in_handler());
    assert_eq!(status(&bench, 4_999), Status::Degraded);
    assert_eq!(status(&bench, 5_000), Status::Critical);
    bench.ended(7_000, 0, 7_000);
    assert_eq!(
        status(&bench, 7_001),
        Status::Degraded,
        "free again, not forgotten"
    );
    assert_eq!(status(&bench, 66_999), Status::Degraded);
    assert_eq!(status(&bench, 67_000), Status::Healthy);
    assert!(bench.report(67_000).incidents.is_empty() && bench.report(67_000).issues.is_empty());
    assert_eq!(bench.incidents(67_000).len(), 1);
}

#[test]
fn issues_say_what_is_and_what_was_worst_first() {
    let mut bench = Bench::new();
    bench.stall(0, 250, &sleeping_in_handler());
    bench.stall(1_000, 1_310, &sleeping_in_handler());
    let second = crate::observation::LoopKey {
        slot: 1,
        ..bench.key
    };
    bench.see_loop(second, crate::observation::LoopRuntime::Uvloop, 9);
    bench.look_at(second, 6_100, 6_000, sleeping_in_handler());
    insta::assert_snapshot!(bench.report(13_200).issues.join("\n"), @r"
    loop main (pid 41, uvloop) has been blocked for 7.2 s at app.py:42 in handler: time.sleep; write await asyncio.sleep(...) instead
    loop main (pid 41, asyncio) stalled 2 times (longest 0.31 s) at app.py:42 in handler: time.sleep, last 12 s ago; write await asyncio.sleep(...) instead
    ");
}

#[test]
fn liveness_fails_much_later_than_readiness() {
    let mut bench = Bench::new();
    bench.look(100, 0, sleeping_in_handler());
    let passes = |now| {
        let probes = bench.engine.probes(millis(now));
        (probes.live.passes, probes.ready.passes)
    };
    assert_eq!(passes(4_999), (true, true));
    assert_eq!(passes(5_000), (true, false));
    assert_eq!(passes(29_999), (true, false));
    assert_eq!(passes(30_000), (false, false));
    let reason = bench.engine.probes(millis(30_000)).live.reason.unwrap();
    assert!(
        reason.contains("has been blocked for 30 s at app.py:42"),
        "{reason}"
    );
}

#[test]
fn a_stopped_main_process_is_not_ready_at_once() {
    let mut bench = Bench::new();
    bench.stop(0, true);
    let probes = bench.engine.probes(millis(10));
    let reason = "the main process app (pid 41) is stopped";
    assert_eq!(probes.ready.reason.as_deref(), Some(reason));
    assert!(probes.live.passes);
}

#[test]
fn a_loop_is_shown_as_it_is_now() {
    let mut bench = Bench::new();
    let state = |bench: &Bench, now| bench.report(now).detailed_health.event_loops[0].state;
    assert_eq!(state(&bench, 1), LoopState::Idle);
    bench.read(1_010, Some(1_000), 1_000);
    assert_eq!(state(&bench, 1_050), LoopState::Busy);
    bench.look(1_100, 1_000, sleeping_in_handler());
    assert_eq!(state(&bench, 1_200), LoopState::Stalled);
    assert_eq!(state(&bench, 6_000), LoopState::Blocked);
    assert_eq!(bench.report(6_000).monitoring.blocked_loops, 1);
    bench.ended(6_500, 1_000, 6_500);
    bench.read(6_501, None, 6_500);
    assert_eq!(state(&bench, 6_600), LoopState::Idle);
    let key = bench.key;
    bench.at(6_700, Fact::LoopGone { key });
    assert_eq!(state(&bench, 6_800), LoopState::Ended);
    assert_eq!(bench.report(6_800).monitoring.event_loops_count, 0);
}

#[test]
fn the_figures_of_a_loop_include_the_running_period() {
    let mut bench = Bench::new();
    let reading = LoopReading {
        busy_since: Some(millis(1_000)),
        iterations: 17,
        last_beat: millis(1_000),
        busy_nanos: millis(200).0,
        idle_nanos: millis(600).0,
        longest_busy_nanos: millis(70).0,
        stalls: 0,
        runtime: None,
    };
    bench.at(
        1_001,
        Fact::LoopReading {
            key: bench.key,
            reading,
        },
    );
    let shown = &bench.report(1_080).detailed_health.event_loops[0];
    assert_eq!((shown.iterations, shown.busy_seconds), (17, Some(0.08)));
    assert_eq!(
        (shown.busy_total_seconds, shown.idle_total_seconds),
        (0.28, 0.6)
    );
    assert_eq!(shown.utilization, Some(0.3182));
    assert_eq!(
        (shown.longest_busy_seconds, shown.heartbeat_age_seconds),
        (0.08, 0.08)
    );
}

/// A loop's share of busy time at two times, after a reading at 1 s of a loop that was busy for half of it.
fn utilization_at(busy_since: Option<u64>, times: [u64; 2]) -> [Option<f64>; 2] {
    let mut bench = Bench::new();
    let reading = LoopReading {
        busy_since: busy_since.map(millis),
        iterations: 17,
        last_beat: millis(1_000),
        busy_nanos: millis(500).0,
        idle_nanos: millis(500).0,
        ..LoopReading::default()
    };
    let key = bench.key;
    bench.at(1_000, Fact::LoopReading { key, reading });
    times.map(|at| bench.report(at).detailed_health.event_loops[0].utilization)
}

#[test]
fn a_blocked_loop_becomes_busier_and_an_idle_one_less_busy() {
    let blocked = utilization_at(Some(1_000), [2_000, 5_000]);
    assert_eq!(blocked, [Some(0.75), Some(0.9)]);
    let idle = utilization_at(None, [2_000, 61_000]);
    assert_eq!(idle, [Some(0.25), Some(0.0082)]);
}

#[test]
fn a_loop_that_has_ended_waits_no_more() {
    let mut bench = Bench::new();
    let reading = LoopReading {
        iterations: 1,
        last_beat: millis(1_000),
        busy_nanos: millis(500).0,
        idle_nanos: millis(500).0,
        ..LoopReading::default()
    };
    let key = bench.key;
    bench.at(1_000, Fact::LoopReading { key, reading });
    bench.at(2_000, Fact::LoopGone { key });
    for now in [2_000, 60_000] {
        let shown = &bench.report(now).detailed_health.event_loops[0];
        assert_eq!(
            (shown.idle_total_seconds, shown.utilization),
            (1.5, Some(0.25))
        );
    }
}

#[test]
fn a_loop_that_was_never_read_has_no_utilization() {
    let bench = Bench::new();
    let shown = &bench.report(500).detailed_health.event_loops[0];
    assert_eq!((shown.utilization, shown.busy_seconds), (None, None));
    assert_eq!(shown.heartbeat_age_seconds, 0.5);
}

#[test]
fn resources_are_shown_and_processor_use_is_taken_between_two_readings() {
    let mut bench = Bench::new();
    let reading = |cpu_millis| Resources {
        rss_bytes: 64 << 20,
        cpu_nanos: millis(cpu_millis).0,
        open_fds: Some(12),
        threads: 3,
        ..Resources::default()
    };
    let process = bench.process;
    bench.at(
        1_000,
        Fact::ProcessResources {
            process,
            resources: reading(500),
        },
    );
    assert_eq!(
        bench.report(1_000).monitoring.cpu_percent,
        None,
        "one reading is no rate"
    );
    bench.at(
        3_000,
        Fact::ProcessResources {
            process,
            resources: reading(1_000),
        },
    );
    let report = bench.report(3_000);
    let figures = &report.monitoring;
    assert_eq!(
        (figures.cpu_percent, figures.memory_mb),
        (Some(25.0), Some(64.0))
    );
    assert_eq!(figures.open_fds, Some(12));
    assert_eq!(report.detailed_health.processes[0].threads, Some(3));
}

#[test]
fn the_longest_stall_is_the_running_one_as_soon_as_it_is() {
    let mut bench = Bench::new();
    bench.stall(0, 500, &sleeping_in_handler());
    bench.look(1_100, 1_000, sleeping_in_handler());
    let longest = |now| bench.report(now).monitoring.longest_stall_seconds;
    assert_eq!(longest(1_200), Some(0.5));
    assert_eq!(longest(1_900), Some(0.9));
}

#[test]
fn how_late_the_observer_was_is_shown() {
    let mut bench = Bench::new();
    bench.at(1_000, Fact::ObserverLate { by: millis(30) });
    bench.at(2_000, Fact::ObserverLate { by: millis(20) });
    assert_eq!(
        bench
            .report(2_000)
            .detailed_health
            .agent
            .worst_lateness_seconds,
        0.03
    );
}
