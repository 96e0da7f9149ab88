//! Which occurrences are one incident, and how much is said about them.

use crate::{
    ChangeKind::{Closed, Escalated, Opened, Updated},
    observation::{LoopKey, LoopRuntime, Sample, ThreadState},
    report::StallCause,
    testing::{
        APP, Bench, coroutine, frame, frame_calling, millis, running, sample, sleeping_in_handler,
    },
};

const MINUTE: u64 = 60_000;

#[test]
fn thirty_stalls_of_one_fault_are_one_incident_and_few_lines() {
    let mut bench = Bench::new();
    for n in 0..30 {
        bench.stall(n * 1_000, n * 1_000 + 120 + n, &sleeping_in_handler());
    }
    assert_eq!(bench.changes(), [Opened, Closed, Updated]);
    let incident = bench.only(30_000);
    assert_eq!((incident.count, incident.longest_seconds), (30, 0.149));
    assert_eq!(incident.duration_seconds, 4.035);
    assert!(
        incident
            .summary
            .contains("stalled 30 times (longest 0.15 s) at app.py:42 in handler"),
        "{}",
        incident.summary
    );
    let verify = incident.advice.verify.unwrap();
    assert!(verify.contains("count stays at 30"), "{verify}");
}

#[test]
fn an_incident_that_happens_again_is_open_while_it_lasts() {
    let mut bench = Bench::new();
    bench.stall(0, 150, &sleeping_in_handler());
    bench.look(1_110, 1_000, sleeping_in_handler());
    let incident = bench.only(1_200);
    assert_eq!((incident.closed_at, incident.count), (None, 2));
    assert_eq!(incident.duration_seconds, 0.35);
    assert_eq!(
        incident.opened_at,
        bench.engine.anchor.timestamp(crate::testing::millis(0))
    );
}

#[test]
fn a_repeated_fault_that_gets_worse_is_said_again() {
    let mut bench = Bench::new();
    bench.stall(0, 150, &sleeping_in_handler());
    bench.changes();
    bench.look(1_110, 1_000, sleeping_in_handler());
    bench.look(6_100, 1_000, sleeping_in_handler());
    bench.ended(7_000, 1_000, 7_000);
    assert_eq!(bench.changes(), [Escalated, Closed]);
}

#[test]
fn the_join_window_counts_from_the_last_occurrence() {
    let mut bench = Bench::new();
    for start in [0, 4 * MINUTE, 8 * MINUTE, 14 * MINUTE] {
        bench.stall(start, start + 150, &sleeping_in_handler());
    }
    let counts: Vec<u64> = bench
        .incidents(15 * MINUTE)
        .iter()
        .map(|i| i.count)
        .collect();
    assert_eq!(counts, [3, 1]);
}

#[test]
fn another_function_another_cause_or_another_loop_is_another_incident() {
    let mut bench = Bench::new();
    bench.stall(0, 150, &sleeping_in_handler());
    bench.stall(1_000, 1_150, &sample(&[frame(APP, 42, "other")], 1));
    let second = LoopKey {
        slot: 1,
        ..bench.key
    };
    bench.see_loop(second, LoopRuntime::Asyncio, 4101);
    bench.look_at(second, 2_150, 2_000, sleeping_in_handler());
    let incidents = bench.incidents(3_000);
    assert_eq!(incidents.len(), 3);
    assert_ne!(incidents[0].fingerprint, incidents[1].fingerprint);
    assert_eq!(incidents[0].fingerprint, incidents[2].fingerprint);
}

#[test]
fn another_line_of_the_same_functions_is_the_same_fault() {
    let mut bench = Bench::new();
    let with_line = |line| {
        sample(
            &[frame(APP, line, "work"), coroutine(APP, line + 9, "main")],
            1,
        )
    };
    bench.stall(0, 150, &with_line(10));
    bench.stall(1_000, 1_150, &with_line(14));
    assert_eq!(bench.only(2_000).count, 2);
}

#[test]
fn another_call_of_the_same_functions_is_another_fault() {
    let mut bench = Bench::new();
    let calling = |line, call| sample(&[frame_calling(APP, line, "work", &[call])], 1);
    bench.stall(0, 300, &calling(3, "time.sleep"));
    bench.stall(1_000, 1_200, &calling(5, "subprocess.run"));
    let incidents = bench.incidents(2_000);
    let told: Vec<_> = incidents.iter().map(|i| i.summary.as_str()).collect();
    assert_eq!(incidents.len(), 2, "{told:?}");
    assert!(told[0].contains("app.py:3 in work: time.sleep"), "{told:?}");
    assert!(
        told[1].contains("app.py:5 in work: subprocess.run"),
        "{told:?}"
    );
}

#[test]
fn callers_within_the_loop_belong_to_the_fingerprint_and_the_ones_outside_do_not() {
    let of = |inside: &[crate::observation::Frame], outside: &str| {
        let mut bench = Bench::new();
        let mut look = sample(inside, 1);
        look.frames.push(frame(APP, 1, outside));
        bench.stall(0, 150, &look);
        bench.only(200).fingerprint
    };
    let work = frame(APP, 1, "work");
    let (a, b) = (coroutine(APP, 2, "a"), coroutine(APP, 2, "b"));
    assert_ne!(
        of(&[work.clone(), a.clone()], "x"),
        of(&[work.clone(), b], "x")
    );
    assert_eq!(of(&[work.clone(), a.clone()], "x"), of(&[work, a], "y"));
}

/// A storm of callbacks whose first look alone reads as one blocking call.
fn storm(bench: &mut Bench, start: u64) {
    for n in 0..10 {
        let look = sample(&[frame(APP, 1, "tick")], start + n);
        bench.look(start + 100 + 20 * n, start, look);
    }
    bench.ended(start + 300, start, start + 300);
}

#[test]
fn stalls_whose_cause_becomes_clear_late_still_group() {
    let mut bench = Bench::new();
    for start in [0, 1_000, 2_000] {
        storm(&mut bench, start);
    }
    let incident = bench.only(3_000);
    assert_eq!(
        (incident.cause, incident.count),
        (Some(StallCause::Overload), 3)
    );
    assert_eq!(bench.changes(), [Opened, Closed]);
}

#[test]
fn a_stall_that_only_began_like_another_one_gets_its_own_incident() {
    let mut bench = Bench::new();
    storm(&mut bench, 0);
    // Begins with the same look as the storm did, and stays what that look said.
    let look = sample(&[frame(APP, 1, "tick")], 5_000);
    bench.stall(5_000, 5_400, &look);
    let incidents = bench.incidents(6_000);
    let seen: Vec<_> = incidents
        .iter()
        .map(|i| (i.cause.unwrap(), i.count))
        .collect();
    assert_eq!(
        seen,
        [(StallCause::Overload, 1), (StallCause::BlockingCall, 1)]
    );
    assert_eq!(incidents[0].duration_seconds, 0.3);
    assert_eq!(incidents[1].duration_seconds, 0.4);
}

#[test]
fn a_joined_stall_that_turns_out_otherwise_leaves_the_incident_as_it_was() {
    let mut bench = Bench::new();
    let first = || sample(&[frame(APP, 1, "tick")], 1);
    bench.stall(0, 150, &first());
    storm(&mut bench, 1_000);
    let incidents = bench.incidents(6_000);
    let seen: Vec<_> = incidents
        .iter()
        .map(|i| (i.cause.unwrap(), i.count))
        .collect();
    assert_eq!(
        seen,
        [(StallCause::BlockingCall, 1), (StallCause::Overload, 1)]
    );
    assert_eq!(incidents[0].duration_seconds, 0.15);
    assert!(incidents[0].closed_at.is_some());
}

/// A stall in `function` whose thread got no processor up to the third look, and from then on did.
fn short_of_processor_at_first(bench: &mut Bench, from: u64, function: &str) {
    for n in 0..8 {
        bench.look(from + 110 + 20 * n, from, at_work(function, 20 * n.min(2)));
    }
    bench.ended(from + 300, from, from + 300);
}

/// A look at a thread that has waited for a processor for so long.
fn at_work(function: &str, waited_millis: u64) -> Sample {
    let look = sample(&[frame(APP, 7, function)], 1);
    let thread = ThreadState {
        runqueue_nanos: millis(waited_millis).0,
        ..running()
    };
    Sample { thread, ..look }
}

#[test]
fn a_fault_that_looks_like_starvation_at_first_joins_its_incident_once_it_is_known() {
    let mut bench = Bench::new();
    short_of_processor_at_first(&mut bench, 0, "crunch");
    short_of_processor_at_first(&mut bench, 1_000, "crunch");
    let incident = bench.only(2_000);
    assert_eq!(
        (incident.cause, incident.count),
        (Some(StallCause::BlockingCall), 2)
    );
}

#[test]
fn starvation_is_never_shown_as_another_fault_that_began_like_it() {
    let mut bench = Bench::new();
    short_of_processor_at_first(&mut bench, 0, "crunch");
    for n in 0..3 {
        bench.look(1_110 + 20 * n, 1_000, at_work("parse", 20 * n));
    }
    let seen: Vec<_> = bench
        .incidents(1_150)
        .iter()
        .map(|incident| (incident.cause.unwrap(), incident.closed_at.is_some()))
        .collect();
    assert_eq!(
        seen,
        [
            (StallCause::BlockingCall, true),
            (StallCause::CpuStarved, false)
        ]
    );
}

#[test]
fn a_known_fault_that_looks_like_starvation_for_a_while_keeps_its_incident() {
    let mut bench = Bench::new();
    let starving = sample(&[frame(APP, 9, "idle")], 2);
    for n in 0..3 {
        let thread = at_work("idle", 20 * n).thread;
        let look = Sample {
            thread,
            ..starving.clone()
        };
        bench.look(110 + 20 * n, 0, look);
    }
    bench.ended(160, 0, 160);
    let looks = [(110, 0), (130, 20), (150, 40), (170, 40), (300, 40)];
    let mut ids = Vec::new();
    for (at, waited) in looks {
        bench.look(1_000 + at, 1_000, at_work("crunch", waited));
        let incidents = bench.incidents(1_000 + at);
        ids.push(incidents.last().map(|incident| incident.id.clone()));
    }
    bench.ended(1_310, 1_000, 1_310);
    ids.dedup();
    assert_eq!(ids, [Some("incident-2".to_owned())]);
}

#[test]
fn the_first_line_to_blame_is_worth_a_word() {
    let mut bench = Bench::new();
    let blind = Sample {
        frames: Vec::new(),
        ..sleeping_in_handler()
    };
    bench.look(100, 0, blind);
    bench.look(120, 0, sleeping_in_handler());
    bench.look(140, 0, sleeping_in_handler());
    assert_eq!(bench.changes(), [Opened, Updated]);
    assert!(bench.only(150).culprit.is_some());
}

#[test]
fn the_book_is_bounded_and_counts_what_it_dropped() {
    let mut bench = Bench::new();
    bench.engine = crate::testing::engine(crate::Config {
        max_incidents: 3,
        ..crate::Config::default()
    });
    bench.see_process(
        bench.process,
        crate::observation::ProcessRuntime::Python,
        None,
    );
    bench.see_loop(bench.key, LoopRuntime::Asyncio, 1);
    for n in 0..5 {
        let function = format!("f{n}");
        let look = sample(&[frame_calling(APP, 1, &function, &[])], 1);
        bench.stall(n * 1_000, n * 1_000 + 150, &look);
    }
    let report = bench.engine.final_report(crate::testing::millis(9_000));
    let ids: Vec<&str> = report
        .incidents
        .iter()
        .map(|incident| &*incident.id)
        .collect();
    assert_eq!(ids, ["incident-3", "incident-4", "incident-5"]);
    assert_eq!(report.detailed_health.agent.dropped["incidents"], 2);
    assert_eq!(report.monitoring.total_stalls, 5);
}

#[test]
fn an_end_that_is_heard_of_late_does_not_turn_the_incidents_times_around() {
    let mut bench = Bench::new();
    bench.ended(9_000, 3_000, 3_120);
    bench.ended(9_001, 500, 620);
    let incident = bench.only(9_001);
    let at = |at| bench.engine.anchor.timestamp(crate::testing::millis(at));
    assert_eq!(
        (incident.opened_at, incident.closed_at),
        (at(500), Some(at(3_120)))
    );
    assert_eq!((incident.count, incident.duration_seconds), (2, 0.24));
}
