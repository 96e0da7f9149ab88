use serde_json::{Value, json};

use super::*;

fn report(busy: f64, stalls: u64, incidents: Value) -> Report {
    let report = json!({
        "monitoring": {"memory_mb": 80.5, "open_fds": 12},
        "incidents": incidents,
        "detailed_health": {
            "event_loops": [{"id": "1", "state": "busy", "busy_seconds": busy, "stalls": stalls,
                "busy_total_seconds": 1.0 + busy, "idle_total_seconds": 9.0, "longest_busy_seconds": 0.02}],
            "tasks": {"spawned": 10 + stalls, "alive": 3, "done": 7, "failed": 0, "cancelled": 0},
            "system": [{"pid": 1, "threads": 4}, {"pid": 2, "threads": 3}],
        },
    });
    serde_json::from_value(report).unwrap()
}

fn stall(count: u64, seconds: f64, cause: &str) -> Value {
    json!([{"id": "incident-1", "kind": "loop_stall", "severity": "degraded", "cause": cause, "count": count,
        "duration_seconds": seconds, "longest_seconds": 0.6, "summary": "time.sleep at app.py:31 in charge",
        "culprit": {"file": "app.py", "line": 31, "function": "charge"},
        "advice": {"replacement": "await asyncio.sleep(seconds)", "steps": []}}])
}

fn take(record: &mut Record, report: Report) {
    record.take(Sample::of(&report), report.incidents);
}

#[test]
fn what_a_report_does_not_say_is_not_known() {
    let mut record = Record::default();
    take(&mut record, serde_json::from_str("{}").unwrap());
    assert_eq!(record.second.inside, Inside::default());
    assert!(record.second.is_seen);
}

#[test]
fn figures_of_a_second_are_those_between_its_looks() {
    let mut record = Record::default();
    take(&mut record, report(0.01, 0, json!([])));
    record.second = Sum::default();
    take(&mut record, report(0.3, 1, json!([])));
    take(&mut record, report(0.0, 1, json!([])));
    let inside = record.second.inside;
    assert_eq!((inside.lag_ms, inside.stalls), (Some(300.0), 1));
    assert_eq!(inside.reading.threads, Some(7));
    assert_eq!(inside.pool_in_use, None);
}

#[test]
fn an_incident_of_before_is_not_blamed_unless_it_occurs_again() {
    let mut record = Record {
        test: Some(TestName::Health),
        ..Record::default()
    };
    take(&mut record, report(0.0, 2, stall(2, 1.0, "blocking_call")));
    let before = &record.incidents["incident-1"];
    assert_eq!((before.before, before.occurrences()), (2, 0));
    take(&mut record, report(0.0, 3, stall(3, 1.5, "blocking_call")));
    record.test = Some(TestName::Calls);
    take(&mut record, report(0.0, 5, stall(5, 2.5, "blocking_call")));
    let blamed = record.incidents["incident-1"].blamed();
    assert_eq!((blamed.provoked.count, blamed.is_stall_of_code), (3, true));
    assert_eq!(blamed.tests, [TestName::Health, TestName::Calls].into());
    assert_eq!(
        blamed.provoked.culprit.as_deref(),
        Some("app.py:31 in charge")
    );
    assert_eq!(
        record.round.inside.lag_ms,
        Some(500.0),
        "a stall between two looks"
    );
}

#[test]
fn a_stall_for_want_of_a_processor_is_nobodys_code() {
    for (cause, is_code) in [
        ("blocking_call", true),
        ("overload", true),
        ("unknown", true),
        ("cpu_starved", false),
        ("suspended", false),
    ] {
        let found: Vec<Found> = serde_json::from_value(stall(1, 1.0, cause)).unwrap();
        assert_eq!(found[0].is_stall_of_code(), is_code, "{cause}");
    }
}
