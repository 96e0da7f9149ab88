//! Tracked calls: those that hold a loop, take long or fail.

use std::sync::Arc;

use crate::{
    observation::{CallKind, CallReading, Ending, Event, EventKind},
    report::{Figure, IncidentKind, Severity, Status},
    testing::{
        Bench, sleeping_in_handler,
        work::{call, call_event},
    },
};

fn asked() -> CallReading {
    CallReading {
        started: 12,
        finished: 12,
        on_loop: 12,
        blocking: 1,
        total_nanos: 600_000_000,
        ..call(CallKind::Call, "agno", "Agent.run")
    }
}

#[test]
fn calls_are_told_with_their_rate_and_their_errors_by_type() {
    let mut bench = Bench::adapted();
    let after = |calls| CallReading {
        started: calls,
        finished: calls,
        failed: 3,
        errors: vec![
            (Arc::new("TimeoutError".into()), 2),
            (Arc::new("openai.RateLimitError".into()), 1),
        ],
        ..call(CallKind::Call, "agno", "Agent.run")
    };
    bench.call(1_000, after(10));
    bench.tick(1_500);
    let told = |bench: &Bench, at| {
        let calls = bench.report(at).detailed_health.calls.unwrap();
        calls.into_iter().next().unwrap()
    };
    assert_eq!(told(&bench, 1_600).per_second, None, "one look is no rate");
    bench.call(11_000, after(60));
    bench.tick(11_000);
    let told = told(&bench, 11_000);
    let rate = told.per_second.unwrap();
    assert!((rate - 5.0).abs() < 0.1, "{rate}");
    let errors: Vec<_> = told.errors.into_iter().collect();
    assert_eq!(
        errors,
        [
            ("TimeoutError".to_owned(), 2),
            ("openai.RateLimitError".to_owned(), 1)
        ]
    );
}

#[test]
fn a_call_that_holds_its_loop_is_told_with_what_to_write_instead() {
    let mut bench = Bench::adapted();
    bench.call(1_300, asked());
    bench.happened(1_300, call_event(EventKind::BlockingCall, 1_000, 1_250));
    assert_eq!(bench.incidents(1_300), [], "its stall may be told of yet");
    bench.tick(1_700);
    let incident = bench.only(1_700);
    assert_eq!(incident.kind, IncidentKind::BlockingCall);
    assert_eq!(incident.severity, Severity::Degraded);
    assert_eq!(incident.opened_at.to_string(), "2023-11-14T22:13:21Z");
    insta::assert_snapshot!(
        incident.summary,
        @"agno call Agent.run held the thread of its loop for 0.25 s at app.py:42 in handler, on loop main (pid 41, asyncio); write await agent.arun(...) instead"
    );
    let report = bench.report(1_700);
    assert_eq!(report.components["calls"], Status::Degraded);
    assert_eq!(
        report.monitoring.call_groups["agno_blocking_calls"],
        Figure::Count(1)
    );
}

#[test]
fn a_blocking_call_names_the_stall_that_it_made_as_its_origin_and_is_no_second_fault() {
    let mut bench = Bench::adapted();
    bench.call(900, asked());
    bench.stall(1_000, 1_300, &sleeping_in_handler());
    bench.happened(1_310, call_event(EventKind::BlockingCall, 1_010, 1_290));
    bench.tick(1_800);
    let incidents = bench.incidents(1_800);
    assert_eq!(incidents[0].kind, IncidentKind::LoopStall);
    assert_eq!(incidents[1].origin.as_ref(), Some(&incidents[0].id));
    assert_eq!(incidents[1].severity, Severity::Info);
    let report = bench.report(1_800);
    assert_eq!(report.components["event_loops"], Status::Degraded);
    assert_eq!(report.components["calls"], Status::Healthy);
}

#[test]
fn a_blocking_call_whose_stall_is_told_later_is_no_second_fault_either() {
    let mut bench = Bench::adapted();
    bench.call(900, asked());
    bench.happened(1_290, call_event(EventKind::BlockingCall, 1_010, 1_150));
    bench.ended(1_300, 1_000, 1_160);
    bench.tick(1_800);
    let incidents = bench.incidents(1_800);
    let found: Vec<_> = incidents
        .iter()
        .map(|one| (one.kind, one.severity))
        .collect();
    assert_eq!(
        found,
        [
            (IncidentKind::LoopStall, Severity::Degraded),
            (IncidentKind::BlockingCall, Severity::Info)
        ]
    );
}

#[test]
fn a_blocking_call_without_a_stall_is_a_fault_though_earlier_ones_were_not() {
    let mut bench = Bench::adapted();
    bench.call(900, asked());
    bench.stall(1_000, 1_300, &sleeping_in_handler());
    bench.happened(1_310, call_event(EventKind::BlockingCall, 1_010, 1_290));
    bench.happened(9_000, call_event(EventKind::BlockingCall, 8_000, 8_200));
    bench.tick(9_500);
    let incidents = bench.incidents(9_500);
    assert_eq!(incidents.len(), 2, "both calls are one incident");
    assert_eq!(
        (incidents[1].count, incidents[1].severity),
        (2, Severity::Degraded)
    );
}

#[test]
fn of_blocking_calls_within_one_another_the_outermost_is_told() {
    let mut bench = Bench::adapted();
    bench.call(900, asked());
    let request = Event {
        slot: Some(1),
        ..call_event(EventKind::BlockingCall, 1_050, 1_280)
    };
    bench.look(1_060, 1_000, sleeping_in_handler());
    bench.look(1_120, 1_000, sleeping_in_handler());
    bench.happened(1_300, request);
    // Longer than a call waits, but its stall is not over.
    bench.tick_busy(1_900, 1_000);
    bench.happened(2_900, call_event(EventKind::BlockingCall, 1_010, 2_890));
    bench.ended(2_900, 1_000, 2_895);
    bench.tick(3_400);
    let incidents = bench.incidents(3_400);
    assert_eq!(incidents.len(), 2, "{incidents:#?}");
    assert_eq!(
        (incidents[1].duration_seconds, incidents[1].count),
        (1.88, 1)
    );
}

#[test]
fn a_blocking_call_of_a_process_that_ends_is_told_at_once() {
    let mut bench = Bench::adapted();
    bench.call(900, asked());
    bench.happened(1_300, call_event(EventKind::BlockingCall, 1_000, 1_250));
    bench.gone(1_310, bench.process, Ending::Exited(0));
    assert_eq!(bench.only(1_310).kind, IncidentKind::BlockingCall);
}

#[test]
fn repetitions_are_one_incident_that_counts() {
    let mut bench = Bench::adapted();
    bench.call(900, asked());
    for turn in 0..30 {
        let from = 1_000 + turn * 500;
        bench.happened(
            from + 200,
            call_event(EventKind::BlockingCall, from, from + 150),
        );
    }
    bench.tick(19_000);
    let incident = bench.only(20_000);
    assert_eq!((incident.count, bench.changes().len()), (30, 3));
    assert!(
        incident.summary.contains("(30 times)"),
        "{}",
        incident.summary
    );
}

#[test]
fn a_slow_call_and_a_slow_query_are_told_apart() {
    let mut bench = Bench::adapted();
    bench.call(900, call(CallKind::Call, "billing", "charge"));
    bench.happened(4_000, call_event(EventKind::SlowCall, 1_000, 3_500));
    let query = call(
        CallKind::Query,
        "psycopg",
        "SELECT * FROM bots WHERE id = ?",
    );
    bench.call(5_000, query);
    bench.happened(9_000, call_event(EventKind::SlowCall, 5_000, 8_500));
    let incidents = bench.incidents(9_000);
    let kinds: Vec<_> = incidents.iter().map(|incident| incident.kind).collect();
    assert_eq!(kinds, [IncidentKind::SlowCall, IncidentKind::SlowQuery]);
    insta::assert_snapshot!(
        incidents[1].summary,
        @"psycopg query SELECT * FROM bots WHERE id = ? took 3.5 s at app.py:42 in handler, on loop main (pid 41, asyncio)"
    );
    let report = bench.report(9_000);
    assert_eq!(report.components["calls"], Status::Degraded);
    assert_eq!(report.components["database"], Status::Degraded);
}

#[test]
fn a_slow_call_can_be_told_while_it_lasts() {
    let mut bench = Bench::adapted();
    bench.call(900, call(CallKind::Call, "billing", "charge"));
    let lasting = Event {
        ended: None,
        ..call_event(EventKind::SlowCall, 1_000, 0)
    };
    bench.happened(4_000, lasting);
    assert_eq!(bench.only(4_000).kind, IncidentKind::SlowCall);
}

fn slow(call: CallReading, seconds: u64) -> Vec<(Severity, String)> {
    let mut bench = Bench::adapted();
    bench.call(900, call);
    let until = 1_000 + seconds * 1_000;
    bench.happened(until, call_event(EventKind::SlowCall, 1_000, until));
    let incidents = bench.incidents(until).into_iter();
    incidents.map(|one| (one.severity, one.summary)).collect()
}

#[test]
fn a_call_of_a_model_that_takes_as_long_as_models_do_is_healthy() {
    assert_eq!(slow(asked(), 29), []);
    let request = call(CallKind::Request, "httpx", "POST api.anthropic.com");
    assert_eq!(slow(request, 12), []);
}

#[test]
fn a_call_of_a_model_that_nobody_waits_for_any_more_is_slow() {
    let told = slow(asked(), 31);
    assert_eq!(told[0].0, Severity::Degraded);
    assert!(
        told[0].1.starts_with("agno call Agent.run took 31 s"),
        "{told:?}"
    );
    let declared = call(CallKind::Call, "billing", "charge");
    assert_eq!(slow(declared, 3).len(), 1, "no model, so no patience");
}

#[test]
fn a_request_that_its_host_keeps_open_is_healthy() {
    let request = |name| call(CallKind::Request, "httpx", name);
    assert_eq!(slow(request("POST api.example.com"), 29), []);
    assert_eq!(slow(request("POST api.example.com"), 31).len(), 1);
    assert_eq!(slow(request("POST api.telegram.org"), 50), []);
}

#[test]
fn an_agent_that_works_for_minutes_by_its_nature_is_slow_when_it_takes_longer_still() {
    let usual = |finished| CallReading {
        finished,
        p50_nanos: Some(60_000_000_000),
        ..asked()
    };
    assert_eq!(slow(usual(10), 170), []);
    assert_eq!(slow(usual(10), 181).len(), 1);
    assert_eq!(
        slow(usual(9), 170).len(),
        1,
        "too few to know what is usual"
    );
}

fn failed(at: u64) -> Event {
    Event {
        error_type: "TimeoutError".into(),
        message: "no answer".into(),
        ..call_event(EventKind::CallFailed, at - 10, at)
    }
}

#[test]
fn one_failed_call_is_shown_and_degrades_nothing() {
    let mut bench = Bench::adapted();
    bench.call(900, asked());
    bench.happened(2_000, failed(2_000));
    let incident = bench.only(2_000);
    assert_eq!(
        (incident.kind, incident.severity),
        (IncidentKind::CallFailure, Severity::Info)
    );
    insta::assert_snapshot!(
        incident.summary,
        @"agno call Agent.run failed with TimeoutError: no answer at app.py:42 in handler, on loop main (pid 41, asyncio)"
    );
    assert_eq!(bench.report(2_000).status, Status::Healthy);
}

#[test]
fn a_call_that_fails_most_of_the_time_degrades_the_service() {
    let mut bench = Bench::adapted();
    bench.call(900, asked());
    bench.tick(1_200);
    bench.call(
        6_000,
        CallReading {
            finished: 20,
            failed: 6,
            ..asked()
        },
    );
    bench.happened(6_100, failed(6_000));
    assert_eq!(bench.only(6_100).severity, Severity::Degraded);
    assert!(
        bench
            .only(6_100)
            .summary
            .contains("(6 of the last 8 failed)")
    );
}

#[test]
fn a_call_that_begins_to_fail_most_of_the_time_makes_its_incident_worse() {
    let mut bench = Bench::adapted();
    bench.call(900, asked());
    bench.tick(1_200);
    bench.happened(2_000, failed(2_000));
    assert_eq!(bench.only(2_000).severity, Severity::Info);
    let failing = CallReading {
        finished: 20,
        failed: 6,
        ..asked()
    };
    bench.call(6_000, failing);
    bench.happened(6_100, failed(6_000));
    assert_eq!(bench.only(6_100).severity, Severity::Degraded);
    assert_eq!(bench.report(6_100).status, Status::Degraded);
}

#[test]
fn a_call_that_fails_now_and_then_does_not() {
    let mut bench = Bench::adapted();
    bench.call(900, asked());
    bench.tick(1_200);
    bench.call(
        6_000,
        CallReading {
            finished: 512,
            failed: 6,
            ..asked()
        },
    );
    bench.happened(6_100, failed(6_000));
    assert_eq!(bench.only(6_100).severity, Severity::Info);
}

#[test]
fn a_connection_that_fails_is_the_database_s_matter() {
    let mut bench = Bench::adapted();
    bench.call(
        900,
        call(CallKind::Connect, "psycopg", "10.0.0.5:5432/bots"),
    );
    bench.happened(2_000, failed(2_000));
    let incident = bench.only(2_000);
    assert_eq!(incident.kind, IncidentKind::ConnectionFailure);
    assert_eq!(bench.report(2_000).components["database"], Status::Degraded);
}

#[test]
fn figures_of_a_group_add_up_and_are_named_after_it() {
    let mut bench = Bench::adapted();
    bench.call(900, asked());
    let report = bench.report(1_000);
    let groups = &report.monitoring.call_groups;
    assert_eq!(groups["agno_total_calls"], Figure::Count(12));
    assert_eq!(groups["agno_avg_duration"], Figure::Seconds(0.05));
    let text = serde_json::to_value(&report.monitoring).unwrap();
    assert_eq!(text["agno_total_calls"], 12);
    let calls = report.detailed_health.calls.unwrap();
    assert_eq!(
        (calls[0].group.as_str(), calls[0].avg_seconds),
        ("agno", Some(0.05))
    );
}
