//! Verdicts and the summary, from results that are known.

use std::collections::{BTreeMap, BTreeSet};

use loopscope_load::compare::compare;
use loopscope_load::results::{
    Conditions, LoadPart, LoadResult, LoadRound, Provoked, Reading, Results, RoundReading, RunEnd,
    SCHEMA_VERSION, Target, TaskFlow, TestName, Verdict,
};
use loopscope_load::{Bin, FailureKind, Latency};

use super::inside::Blamed;
use super::{draw, judge, junit};
use crate::screen::Layout;

fn latency(p99_ms: f64) -> Latency {
    Latency {
        count: 250,
        mean_ms: 3.0,
        p50_ms: 2.0,
        p90_ms: 5.0,
        p95_ms: 10.0,
        p99_ms,
        p999_ms: p99_ms,
        max_ms: p99_ms,
    }
}

fn load(test: TestName, part: LoadPart, name: &str, p99_ms: f64) -> LoadResult {
    let round = LoadRound {
        sent: 250,
        answered: 250,
        rate: 50.0,
        latency: Some(latency(p99_ms)),
        ..LoadRound::default()
    };
    LoadResult {
        test,
        name: name.into(),
        part,
        latency: Some(latency(p99_ms)),
        histogram: vec![
            Bin {
                to_ms: Some(2.0),
                count: 1_240,
            },
            Bin {
                to_ms: Some(5.0),
                count: 0,
            },
            Bin {
                to_ms: None,
                count: 10,
            },
        ],
        rounds: vec![round; 5],
        statuses: BTreeMap::from([(200, 1_250)]),
        failures: BTreeMap::new(),
        locations: Vec::new(),
        connections: 50,
        reused: 1_200,
        latest_ms: 0.0,
        body_bytes: 2_500,
    }
}

fn reading(memory_mb: f64, tasks: u64) -> Reading {
    Reading {
        memory_mb: Some(memory_mb),
        open_fds: Some(12),
        threads: Some(3),
        tasks: Some(tasks),
    }
}

/// Rounds that leave this behind.
fn rounds(after: [(f64, u64); 5]) -> Vec<RoundReading> {
    let round = |(memory, tasks): (f64, u64)| RoundReading {
        before: reading(80.0, 3),
        peak: reading(memory + 10.0, 60),
        after: reading(memory, tasks),
        tasks: Some(TaskFlow {
            spawned: 500,
            finished: 500,
            ..TaskFlow::default()
        }),
        ..RoundReading::default()
    };
    after.map(round).to_vec()
}

/// A healthy run under Loopscope.
fn healthy() -> Results {
    Results {
        schema_version: SCHEMA_VERSION,
        version: "0.1.0".into(),
        started_at: "2025-06-01T12:00:00Z".into(),
        duration_seconds: 90.0,
        ended: RunEnd::Complete,
        target: Target {
            url: "http://127.0.0.1:14159/health".into(),
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
            calls: vec!["POST /run".into()],
            probe: Some("GET /orders".into()),
        },
        verdict: Verdict::Passed,
        tests: Vec::new(),
        thresholds: Vec::new(),
        comparison: None,
        loads: vec![
            load(TestName::Health, LoadPart::Closed, "GET /orders", 20.0),
            load(TestName::Health, LoadPart::Open, "GET /orders", 20.0),
            load(TestName::Calls, LoadPart::ProbeAlone, "GET /orders", 20.0),
            load(TestName::Calls, LoadPart::ProbeBeside, "GET /orders", 40.0),
            load(TestName::Calls, LoadPart::Callers, "POST /run", 900.0),
        ],
        rounds: rounds([(84.0, 3), (85.0, 3), (84.5, 3), (85.2, 3), (84.9, 3)]),
        incidents: Vec::new(),
        timeline: Vec::new(),
        notes: Vec::new(),
        sender_share: 0.2,
    }
}

fn stall(cause: &str, tests: impl Into<BTreeSet<TestName>>) -> Blamed {
    Blamed {
        provoked: Provoked {
            id: "incident-1".into(),
            kind: "loop_stall".into(),
            severity: "degraded".into(),
            cause: Some(cause.into()),
            count: 12,
            longest_seconds: 0.61,
            summary: "time.sleep at app.py:31 in charge keeps the loop main".into(),
            culprit: Some("app.py:31 in charge".into()),
            fix: Some("await asyncio.sleep(...)".into()),
        },
        tests: tests.into(),
        is_stall_of_code: cause != "cpu_starved",
    }
}

/// The verdict of one test, and its first reason.
fn verdict(results: &Results, blamed: &[Blamed], name: TestName) -> (Verdict, String) {
    let tests = judge::tests(results, blamed, true);
    let test = tests.into_iter().find(|test| test.name == name).unwrap();
    (test.verdict, test.reasons[0].clone())
}

#[test]
fn a_healthy_service_passes_everything() {
    for test in judge::tests(&healthy(), &[], true) {
        assert_eq!(test.verdict, Verdict::Passed, "{test:?}");
    }
}

#[test]
fn a_stall_fails_the_test_in_which_it_came_with_the_line_to_blame() {
    let blamed = [stall("blocking_call", [TestName::Health])];
    let (failed, why) = verdict(&healthy(), &blamed, TestName::Health);
    assert_eq!(failed, Verdict::Failed);
    insta::assert_snapshot!(why, @"12 stalls of up to 610 ms: time.sleep at app.py:31 in charge keeps the loop main");
    assert_eq!(
        verdict(&healthy(), &blamed, TestName::Calls).0,
        Verdict::Passed
    );
}

#[test]
fn want_of_a_processor_is_nobodys_fault() {
    let blamed = [stall("cpu_starved", [TestName::Health])];
    assert_eq!(
        verdict(&healthy(), &blamed, TestName::Health).0,
        Verdict::Passed
    );
}

#[test]
fn failures_redirects_and_users_who_wait_fail() {
    let mut failing = healthy();
    failing.loads[1].rounds[0].failed = 5;
    failing.loads[1].statuses.insert(500, 3);
    failing.loads[1].failures.insert(FailureKind::TimedOut, 2);
    insta::assert_snapshot!(verdict(&failing, &[], TestName::Health).1, @"open loop GET /orders: 5 of 1,250 requests failed (3 × 500, 2 × no answer in time)");
    let mut leading = healthy();
    leading.loads[0].statuses = BTreeMap::from([(307, 1_250)]);
    leading.loads[0].locations.push("/orders/\u{1b}".into());
    insta::assert_snapshot!(verdict(&leading, &[], TestName::Health).1, @r"closed loop GET /orders: every answer is a redirect, to /orders/\u{1b}; none was followed: test that address");
    let mut slow = healthy();
    slow.loads[1].latency = Some(latency(1_300.0));
    insta::assert_snapshot!(verdict(&slow, &[], TestName::Health).1, @"GET /orders: at 50/s one user in a hundred waits 1.30 s or longer");
    let mut behind = healthy();
    behind.loads[1].rounds[0].dropped = 1;
    insta::assert_snapshot!(verdict(&behind, &[], TestName::Health).1, @"GET /orders cannot keep up with 50/s: 1 request could not even be sent in time");
}

#[test]
fn calls_that_cost_everybody_else_fail() {
    let mut costly = healthy();
    for round in &mut costly.loads[3].rounds {
        round.latency = Some(latency(400.0));
    }
    let (failed, why) = verdict(&costly, &[], TestName::Calls);
    assert_eq!(failed, Verdict::Failed);
    insta::assert_snapshot!(why, @"GET /orders: p99 20.0 ms alone, 400 ms beside 5 callers of POST /run");
    let mut none = healthy();
    none.conditions.calls.clear();
    assert_eq!(verdict(&none, &[], TestName::Calls).0, Verdict::NotMeasured);
}

#[test]
fn memory_that_grows_with_each_round_fails_and_a_warm_up_does_not() {
    let mut growing = healthy();
    growing.rounds = rounds([(84.0, 3), (95.0, 3), (106.0, 3), (118.0, 3), (129.0, 3)]);
    let (failed, why) = verdict(&growing, &[], TestName::Memory);
    assert_eq!(failed, Verdict::Failed);
    insta::assert_snapshot!(why, @"resident memory grows with each round, by 11.4 MiB: 84.0 MiB after the first, 129.0 MiB after the last");
    let mut warming = healthy();
    warming.rounds = rounds([(84.0, 3), (110.0, 3), (118.0, 3), (119.0, 3), (119.2, 3)]);
    assert_eq!(verdict(&warming, &[], TestName::Memory).0, Verdict::Passed);
    let mut few = healthy();
    few.rounds.truncate(3);
    assert_eq!(verdict(&few, &[], TestName::Memory).0, Verdict::NotMeasured);
}

#[test]
fn tasks_that_stay_or_fail_fail() {
    let mut leaking = healthy();
    leaking.rounds = rounds([
        (84.0, 103),
        (84.0, 203),
        (84.0, 303),
        (84.0, 403),
        (84.0, 503),
    ]);
    let (failed, why) = verdict(&leaking, &[], TestName::Tasks);
    assert_eq!(failed, Verdict::Failed);
    insta::assert_snapshot!(why, @"500 tasks are left over: 3 alive before, 503 after");
    let mut failing = healthy();
    failing.rounds[2].tasks.as_mut().unwrap().failed = 7;
    insta::assert_snapshot!(verdict(&failing, &[], TestName::Tasks).1, @"7 tasks ended with an exception that nobody took");
}

#[test]
fn what_cannot_be_seen_is_said_to_be_missing() {
    let mut outside = healthy();
    outside.target.inside = false;
    outside.rounds.clear();
    for name in [TestName::Memory, TestName::Tasks] {
        let (verdict, why) = verdict(&outside, &[], name);
        assert_eq!(verdict, Verdict::NotMeasured);
        assert!(why.contains("`loopscope run -- COMMAND`"), "{why}");
    }
    let tests = judge::tests(&outside, &[], true);
    assert_eq!(tests[0].verdict, Verdict::Passed);
    assert!(
        tests[0]
            .reasons
            .iter()
            .any(|why| why.contains("stalls and lag were not seen"))
    );
}

#[test]
fn the_summary_tells_verdicts_waits_incidents_limits_and_changes() {
    let mut results = healthy();
    let blamed = [stall("blocking_call", [TestName::Health])];
    results.tests = judge::tests(&results, &blamed, true);
    results.incidents.push(blamed[0].provoked.clone());
    let limits = ["p99<50ms", "rate>100", "lag<100ms"];
    results.thresholds = limits
        .map(|limit| {
            limit
                .parse::<loopscope_load::threshold::Threshold>()
                .unwrap()
                .hold(&results)
        })
        .to_vec();
    let mut earlier = healthy();
    for round in &mut earlier.loads[1].rounds {
        round.latency = Some(latency(5.0));
    }
    results.comparison = Some(compare("main", &earlier, &results, Vec::new()));
    results.verdict = judge::overall(&results);
    insta::assert_snapshot!(draw::summary(&results, &Layout::default()), @r#"
    FAILED  shop  5 rounds in 1 min 30 s, from 2 cores

    failed        health  12 stalls of up to 610 ms: time.sleep at app.py:31 in charge keeps the loop main
                          GET /orders: p99 20.0 ms, longest 20.0 ms at 50/s
    passed        calls   GET /orders: p99 20.0 ms alone, 40.0 ms beside 5 callers of POST /run
    passed        memory  resident memory 80.0 MiB before, 95.2 MiB at most, 84.9 MiB after
    passed        tasks   2,500 spawned, 2,500 finished, 0 cancelled; 3 alive before, 3 after

    REQUESTS                  ANSWERS  A SECOND      P50      P99  LONGEST  FAILED
    closed loop GET /orders     1,250        50  2.00 ms  20.0 ms  20.0 ms       0
    open loop GET /orders       1,250        50  2.00 ms  20.0 ms  20.0 ms       0
    alone GET /orders           1,250        50  2.00 ms  20.0 ms  20.0 ms       0
    beside calls GET /orders    1,250        50  2.00 ms  40.0 ms  40.0 ms       0
    calls POST /run             1,250        50  2.00 ms   900 ms   900 ms       0

    How long users wait, open loop GET /orders
          ≤ 2 ms  ████████████████████████████████████████ 1,240
          ≤ 5 ms  0
          longer  █ 10

    How long users wait, beside calls GET /orders
          ≤ 2 ms  ████████████████████████████████████████ 1,240
          ≤ 5 ms  0
          longer  █ 10

    What the run provoked
      degraded loop stall, 12 times: time.sleep at app.py:31 in charge keeps the loop main
          at  app.py:31 in charge
         fix  await asyncio.sleep(...)

    Thresholds
      passed  p99<50ms: p99 20.0 ms (open loop GET /orders)
      failed  rate>100: rate 50/s (closed loop GET /orders)
      failed  lag<100ms: lag: not measured

    Against main of 2025-06-01T12:00:00Z
      worse   p99 of open loop GET /orders: 5.00 ms then, 20.0 ms now
      22 figures have not changed by more than scatter
    "#);
}

#[test]
fn junit_has_a_case_for_each_test_and_limit() {
    let mut results = healthy();
    results.conditions.calls.clear();
    let blamed = [stall("blocking_call", [TestName::Health])];
    results.tests = judge::tests(&results, &blamed, true);
    results.thresholds = vec![
        "p99<5ms"
            .parse::<loopscope_load::threshold::Threshold>()
            .unwrap()
            .hold(&results),
    ];
    let text = String::from_utf8(junit::text(&results)).unwrap();
    insta::assert_snapshot!(text, @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="loopscope stress" tests="5" skipped="1" failures="2" errors="0">
        <testsuite name="loopscope stress" tests="5" skipped="1" errors="0" failures="2">
            <testcase name="health" classname="loopscope.stress">
                <failure message="12 stalls of up to 610 ms: time.sleep at app.py:31 in charge keeps the loop main">12 stalls of up to 610 ms: time.sleep at app.py:31 in charge keeps the loop main
    GET /orders: p99 20.0 ms, longest 20.0 ms at 50/s</failure>
            </testcase>
            <testcase name="calls" classname="loopscope.stress">
                <skipped message="name the service&apos;s slow path with --call METHOD PATH"/>
            </testcase>
            <testcase name="memory" classname="loopscope.stress">
                <system-out>resident memory 80.0 MiB before, 95.2 MiB at most, 84.9 MiB after</system-out>
            </testcase>
            <testcase name="tasks" classname="loopscope.stress">
                <system-out>2,500 spawned, 2,500 finished, 0 cancelled; 3 alive before, 3 after</system-out>
            </testcase>
            <testcase name="p99&lt;5ms" classname="loopscope.stress">
                <failure message="p99 20.0 ms (open loop GET /orders)">p99 20.0 ms (open loop GET /orders)</failure>
            </testcase>
        </testsuite>
    </testsuites>
    "#);
}
