//! Reports as they come, against what must be said of them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::report::Report;
use crate::results::{AlertResult, FaultResult, Verdict};
use crate::wire::{Introduction, Reply, Request};
use crate::{Answer, Fault, Limits, Look, Watch, judge};

const SECOND: u64 = 1_000_000_000;
const LINE: u32 = 41;

fn limits(allowed: &str) -> Limits {
    Limits::of(&Introduction {
        allowed: allowed.into(),
        ..Introduction::default()
    })
}

/// A stall as a report has it, with other values for some fields.
fn incident(others: Value) -> Value {
    let mut incident = json!({
        "id": "incident-1", "kind": "loop_stall", "severity": "degraded", "cause": "blocking_call",
        "gil_held": null, "closed_at": null, "count": 1, "process": {"pid": 7}, "summary": "a loop stalled",
        "culprit": {"file": "/x/loopscope_drill.py", "line": LINE, "function": "act"}, "frames": [],
    });
    for (name, value) in others.as_object().unwrap() {
        incident[name] = value.clone();
    }
    incident
}

fn report(incidents: &[Value]) -> Report {
    let status = if incidents.is_empty() {
        "healthy"
    } else {
        "degraded"
    };
    serde_json::from_value(json!({"status": status, "service": "shop", "incidents": incidents}))
        .unwrap()
}

fn look(at_nanos: u64, incidents: &[Value]) -> Look {
    Look {
        at_nanos,
        health: Some(Answer {
            code: 200,
            took_ms: 3.0,
            report: report(incidents),
        }),
        ready: Some(200),
        live: Some(200),
    }
}

fn stay() -> judge::Stay {
    judge::Stay {
        began_nanos: SECOND,
        ended: Some((3 * SECOND, "undone".into())),
        failure: None,
    }
}

/// What is said of a fault of which this was seen while it lasted and after it.
fn judged(fault: Fault, meanwhile: &[Look], after: &[Look]) -> FaultResult {
    let mut watch = Watch::new(fault, 7, &report(&[]));
    meanwhile.iter().for_each(|look| watch.look(look));
    after.iter().for_each(|look| watch.look_after(look));
    judge::fault(fault, stay(), watch.watched(), Some(LINE))
}

fn over(others: Value) -> Look {
    let mut incident = incident(others);
    incident["closed_at"] = "2026-11-27T00:00:00Z".into();
    look(4 * SECOND, &[incident])
}

/// The reasons of a fault that failed.
fn wrong(fault: Fault, meanwhile: &[Look], after: &[Look]) -> String {
    let result = judged(fault, meanwhile, after);
    assert_eq!(result.verdict, Verdict::Failed, "{result:?}");
    result.reasons.join("\n")
}

#[test]
fn a_fault_that_is_found_at_its_line_and_is_over_is_seen() {
    let early = look(SECOND + SECOND / 8, &[incident(json!({}))]);
    let result = judged(
        Fault::Sleep,
        &[look(SECOND, &[]), early],
        &[over(json!({}))],
    );
    assert_eq!(result.verdict, Verdict::Passed, "{result:?}");
    let found = result.found.unwrap();
    assert_eq!((found.after_seconds, found.is_closed), (0.125, true));
    assert_eq!(result.lasted_seconds, Some(2.0));
    assert_eq!(
        (result.health.answers, result.health.worst_status.as_str()),
        (2, "degraded")
    );
}

#[test]
fn what_is_found_late_elsewhere_or_not_at_all_is_not() {
    let seen = |others: Value| [look(2 * SECOND, &[incident(others)])];
    assert!(wrong(Fault::Sleep, &[look(SECOND, &[])], &[]).contains("not seen: no loop_stall"));
    let elsewhere = json!({"culprit": {"file": "app.py", "line": 3, "function": "f"}, "summary": "loopscope-drill"});
    let after = [over(elsewhere.clone())];
    assert!(wrong(Fault::Sleep, &seen(elsewhere), &after).contains("app.py:3 in f was blamed"));
    // What the service does by itself meanwhile is no drill.
    let own = json!({"culprit": {"file": "app.py", "line": 3, "function": "f"}});
    assert!(wrong(Fault::Sleep, &seen(own.clone()), &[over(own)]).contains("not seen"));
    let other_process = json!({"process": {"pid": 8}});
    assert!(
        wrong(
            Fault::Sleep,
            &seen(other_process.clone()),
            &[over(other_process)]
        )
        .contains("not seen")
    );
    assert!(wrong(Fault::Sleep, &seen(json!({})), &[]).contains("not seen that it is over"));
    let starved = json!({"cause": "cpu_starved"});
    assert!(
        wrong(Fault::Sleep, &seen(starved.clone()), &[over(starved)])
            .contains("put down to cpu_starved")
    );
    assert!(wrong(Fault::Gil, &seen(json!({})), &[over(json!({}))]).contains("lock was kept"));
}

#[test]
fn a_blocked_loop_must_turn_health_and_readiness_and_they_must_come_back() {
    let critical = incident(json!({"severity": "critical"}));
    let mut blocked = look(2 * SECOND, &[critical]);
    let after = [over(json!({"severity": "critical"}))];
    let reasons = wrong(Fault::Block, &[blocked.clone()], &after);
    assert!(
        reasons.contains("answered 200 and not 503") && reasons.contains("/readyz did not turn")
    );
    blocked.ready = Some(503);
    blocked.health.as_mut().unwrap().code = 503;
    assert!(wrong(Fault::Block, &[blocked.clone()], &[]).contains("a probe did not turn back"));
    assert_eq!(
        judged(Fault::Block, &[blocked.clone()], &after).verdict,
        Verdict::Passed
    );
    blocked.live = Some(503);
    assert!(wrong(Fault::Block, &[blocked], &after).contains("/livez turned"));
}

#[test]
fn a_health_endpoint_that_does_not_answer_meanwhile_fails() {
    let silent = Look {
        at_nanos: SECOND,
        ..Look::default()
    };
    let found = look(2 * SECOND, &[incident(json!({}))]);
    assert!(
        wrong(Fault::Sleep, &[silent, found], &[over(json!({}))])
            .contains("did not answer 1 of 2 times")
    );
}

#[test]
fn of_healthy_work_nothing_may_be_said_that_blames_it() {
    let quiet = judged(Fault::Healthy, &[look(SECOND, &[])], &[]);
    assert_eq!(quiet.verdict, Verdict::Passed);
    let own = incident(json!({"culprit": {"file": "app.py", "line": 3, "function": "f"}}));
    let starved = incident(json!({"id": "incident-2", "cause": "cpu_starved"}));
    assert_eq!(
        judged(Fault::Healthy, &[look(SECOND, &[own, starved])], &[]).verdict,
        Verdict::Passed
    );
    assert!(
        wrong(Fault::Healthy, &[look(SECOND, &[incident(json!({}))])], &[]).contains("false alarm")
    );
}

#[test]
fn a_stall_that_is_explained_better_at_the_next_look_is_taken_as_that() {
    let early = incident(json!({"cause": "cpu_starved"}));
    let better = json!({"id": "incident-2"});
    let mut both = over(better.clone());
    let report = &mut both.health.as_mut().unwrap().report;
    report
        .incidents
        .insert(0, serde_json::from_value(early.clone()).unwrap());
    let meanwhile = [
        look(SECOND, &[early]),
        look(2 * SECOND, &[incident(better)]),
    ];
    let result = judged(Fault::Sleep, &meanwhile, &[both]);
    assert_eq!(result.verdict, Verdict::Passed, "{result:?}");
    assert_eq!(result.found.unwrap().after_seconds, 1.0);
}

#[test]
fn an_incident_of_an_earlier_drill_is_news_only_once_it_occurs_again() {
    let closed = incident(json!({"closed_at": "2026-11-27T00:00:00Z", "count": 3}));
    let mut watch = Watch::new(Fault::Sleep, 7, &report(std::slice::from_ref(&closed)));
    watch.look(&look(SECOND, &[closed]));
    assert!(!watch.is_found());
    watch.look(&look(2 * SECOND, &[incident(json!({"count": 4}))]));
    assert!(watch.is_found() && !watch.is_settled());
}

#[test]
fn a_fault_that_is_found_already_cannot_be_told_from_that() {
    let grows = incident(json!({"kind": "memory_growth", "culprit": null, "summary": "it grows"}));
    let before = report(&[grows]);
    let said = |fault, pid| {
        Watch::new(fault, pid, &before)
            .said_before(&before)
            .is_some()
    };
    assert!(said(Fault::Memory, 7) && !said(Fault::Memory, 8) && !said(Fault::Sleep, 7));
}

#[test]
fn plans_follow_the_target_s_own_thresholds() {
    let limits = limits("1f:200:1500:30000:30");
    assert_eq!(
        (limits.pace, limits.restart),
        (30, Some(Duration::from_secs(30)))
    );
    let block = Fault::Block.plan(&limits).unwrap();
    assert_eq!(block.lasts, Duration::from_secs(3));
    let leak = Fault::TaskLeak.plan(&limits).unwrap();
    assert!(leak.ends_when_found && leak.lasts >= Duration::from_secs(45));
    for fault in Fault::ALL {
        assert_eq!(Fault::named(fault.name()), Some(fault));
    }
}

#[test]
fn a_process_that_would_be_ended_for_its_blocked_loop_is_not_blocked() {
    let why = Fault::Block
        .plan(&limits("1f:100:5000:6000:1"))
        .unwrap_err();
    assert!(why.contains("--restart-when-blocked 6 s"), "{why}");
    let why = Fault::Block.plan(&limits("1f:100:60000::1")).unwrap_err();
    assert!(why.contains("longer than a drill does"), "{why}");
    assert!(Fault::Gil.plan(&limits("1f:1000:5000::1")).is_err());
    // What a process does not tell is as by default.
    assert_eq!(limits("").blocked, Duration::from_secs(5));
}

#[test]
fn the_worst_decides_and_skipped_faults_prove_nothing() {
    let skipped = judge::skipped(Fault::Gil, "no ctypes".into());
    let passed = judged(Fault::Healthy, &[look(SECOND, &[])], &[]);
    assert_eq!(
        judge::overall(std::slice::from_ref(&skipped), None),
        Verdict::Skipped
    );
    let alert = AlertResult {
        listened_at: "127.0.0.1:1".into(),
        count: 0,
        first: None,
        verdict: Verdict::Failed,
    };
    let both = [skipped, passed.clone()];
    assert_eq!(judge::overall(&both, None), Verdict::Passed);
    assert_eq!(judge::overall(&both, Some(&alert)), Verdict::Failed);
    assert_eq!(judge::cut_short(passed).verdict, Verdict::Skipped);
}

#[test]
fn what_is_said_on_the_wire_is_read_and_written() {
    let plan = Fault::TaskFailure.plan(&limits("")).unwrap();
    let text = serde_json::to_string(&Request::begin(Fault::TaskFailure, &plan)).unwrap();
    assert_eq!(text, r#"{"begin":"task-failure","seconds":1.0,"size":5}"#);
    assert_eq!(
        serde_json::to_string(&Request::end(Fault::Gil)).unwrap(),
        r#"{"end":"gil"}"#
    );
    let reply = |text: &str| serde_json::from_str::<Reply>(text).unwrap();
    assert_eq!(
        reply(r#"{"began": "gil", "at_nanos": 5}"#).fault(),
        Some(Fault::Gil)
    );
    assert_eq!(reply(r#"{"missing": "fire", "why": "x"}"#).fault(), None);
    let over = reply(
        r#"{"over": "sleep", "began_nanos": 1, "ended_nanos": 2, "undone": "", "failure": null}"#,
    );
    assert!(matches!(over, Reply::Over { failure: None, .. }));
}
