//! A run to test with: five rounds of one endpoint, all of it well.

use std::collections::BTreeMap;

use super::*;

/// A healthy run.
pub(crate) fn sample() -> Results {
    let inside = (0..5).map(reading).collect();
    Results {
        schema_version: SCHEMA_VERSION,
        version: "0.1.0".into(),
        started_at: "2025-06-01T12:00:00Z".into(),
        duration_seconds: 60.0,
        ended: RunEnd::Complete,
        target: Target {
            url: "http://127.0.0.1:14159".into(),
            base: "http://127.0.0.1:8000".into(),
            service: Some("shop".into()),
            inside: true,
        },
        conditions: Conditions {
            cores: 2,
            concurrency: 50,
            rate: 50.0,
            callers: 5,
            duration_seconds: 5.0,
            rounds: 5,
            timeout_seconds: 10.0,
            endpoints: vec!["GET /orders".into()],
            calls: Vec::new(),
            probe: None,
        },
        verdict: Verdict::Passed,
        tests: Vec::new(),
        thresholds: Vec::new(),
        comparison: None,
        loads: vec![load(LoadPart::Closed), load(LoadPart::Open)],
        rounds: inside,
        incidents: Vec::new(),
        timeline: Vec::new(),
        notes: Vec::new(),
        sender_share: 0.2,
    }
}

fn load(part: LoadPart) -> LoadResult {
    let latency = |p99_ms| Latency {
        count: 250,
        mean_ms: 3.0,
        p50_ms: 2.0,
        p90_ms: 5.0,
        p95_ms: 10.0,
        p99_ms,
        p999_ms: 25.0,
        max_ms: 30.0,
    };
    let round = |p99_ms| LoadRound {
        sent: 250,
        answered: 250,
        rate: 1_000.0,
        latency: Some(latency(p99_ms)),
        ..LoadRound::default()
    };
    LoadResult {
        test: TestName::Health,
        name: "GET /orders".into(),
        part,
        latency: Some(latency(20.0)),
        histogram: Vec::new(),
        rounds: [20.0, 19.0, 21.0, 20.5, 19.5].map(round).to_vec(),
        statuses: BTreeMap::from([(200, 1_250)]),
        failures: BTreeMap::new(),
        locations: Vec::new(),
        connections: 50,
        reused: 1_200,
        latest_ms: 0.0,
        body_bytes: 2_500,
    }
}

fn reading(round: u8) -> RoundReading {
    let reading = Reading {
        memory_mb: Some(80.0 + f64::from(round % 2)),
        open_fds: Some(12),
        threads: Some(3),
        tasks: Some(5),
    };
    RoundReading {
        before: reading,
        peak: reading,
        after: reading,
        settled_seconds: 1.0,
        stalls: 0,
        lag_ms: Some(8.0),
        tasks: Some(TaskFlow {
            spawned: 500,
            finished: 500,
            ..TaskFlow::default()
        }),
    }
}

#[test]
fn a_document_reads_back_as_it_was_written() {
    let text = serde_json::to_vec(&sample()).unwrap();
    assert_eq!(read(&text).unwrap(), sample());
}

#[test]
fn what_a_later_release_adds_is_passed_over() {
    let mut value = serde_json::to_value(sample()).unwrap();
    value["a_field_from_the_future"] = serde_json::json!({"x": 1});
    assert_eq!(read(value.to_string().as_bytes()).unwrap(), sample());
}

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let committed = include_str!("../../../../schema/stress.schema.json");
    assert!(
        committed == schema_text(),
        "run `cargo xtask schema` and commit it"
    );
}
