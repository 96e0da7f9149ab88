use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::health::sample::{blocked, event_loop, healthy, incident, seen};

#[track_caller]
fn check(before: &Value, after: &Value, expected: &[&str]) {
    assert_eq!(changes(&seen(before), &seen(after)), expected);
}

const SUMMARY: &str = "time.sleep at /srv/shop/app.py:31 keeps the loop main from its other tasks";

#[test]
fn nothing_new_is_nothing() {
    let mut later = healthy();
    later["uptime_seconds"] = json!(11550.0);
    later["timestamp"] = json!("2025-06-01T12:00:30Z");
    later["detailed_health"]["event_loops"][0]["state"] = json!("busy");
    later["detailed_health"]["event_loops"][0]["iterations"] = json!(2000);
    check(&healthy(), &later, &[]);
    check(&blocked(), &blocked(), &[]);
}

#[test]
fn a_loop_that_blocks_is_told_by_status_incident_and_loop() {
    let opened = format!("opened: critical {SUMMARY} (fix: await asyncio.sleep(seconds))");
    check(
        &healthy(),
        &blocked(),
        &[
            "status healthy → critical",
            &opened,
            "loop main (asyncio, pid 4242): is blocked now, 14 more stalls, longest so far 6.21 s",
        ],
    );
}

#[test]
fn an_incident_that_ends_is_told_with_its_length() {
    let mut after = blocked();
    after["incidents"] = json!([incident("incident-1", json!("2025-06-01T12:00:01Z"))]);
    check(
        &blocked(),
        &after,
        &[&format!("closed after 6.21 s: {SUMMARY}")],
    );
}

#[test]
fn an_open_incident_that_leaves_the_report_is_closed() {
    let mut after = blocked();
    after["incidents"] = json!([]);
    check(&blocked(), &after, &[&format!("closed: {SUMMARY}")]);
}

#[test]
fn an_incident_between_two_looks_is_not_missed() {
    let mut after = healthy();
    after["incidents"] = json!([incident("incident-9", json!("2025-06-01T12:00:01Z"))]);
    check(
        &healthy(),
        &after,
        &[&format!("opened and closed after 6.21 s: {SUMMARY}")],
    );
}

#[test]
fn an_incident_that_happens_again_is_counted() {
    let mut after = blocked();
    after["incidents"][0]["count"] = json!(4);
    check(&blocked(), &after, &[&format!("3 more times: {SUMMARY}")]);
}

#[test]
fn a_closed_incident_may_open_again() {
    let mut before = healthy();
    before["incidents"] = json!([incident("incident-1", json!("2025-06-01T12:00:01Z"))]);
    let mut after = healthy();
    after["incidents"] = json!([incident("incident-1", json!(null))]);
    check(&before, &after, &[&format!("opened again: {SUMMARY}")]);
}

#[test]
fn loops_that_come_and_go_are_told() {
    let mut after = healthy();
    let loops = json!([event_loop("loop-1", "main"), event_loop("loop-3", "jobs")]);
    after["detailed_health"]["event_loops"] = loops;
    check(
        &healthy(),
        &after,
        &[
            "loop came: jobs (asyncio, pid 4242)",
            "loop gone: worker (asyncio, pid 4242)",
        ],
    );
}

#[test]
fn a_loop_that_ended_is_gone() {
    let mut after = healthy();
    after["detailed_health"]["event_loops"][1]["state"] = json!("ended");
    check(
        &healthy(),
        &after,
        &["loop gone: worker (asyncio, pid 4242)"],
    );
    check(&after, &after, &[]);
}

#[test]
fn a_new_run_is_compared_with_nothing() {
    let mut after = healthy();
    after["uptime_seconds"] = json!(1.0);
    after["detailed_health"]["event_loops"] = json!([]);
    check(&healthy(), &after, &["a new run of shop is watched"]);
}

#[test]
fn more_loss_is_told() {
    let mut after = healthy();
    after["detailed_health"]["agent"]["dropped"] = json!({"stall records": 12});
    check(&healthy(), &after, &["lost: 12 stall records"]);
    check(&after, &after, &[]);
}

#[test]
fn a_slow_answer_is_told_each_time() {
    let mut slow = seen(&healthy());
    slow.took = Duration::from_millis(2_500);
    let told = changes(&seen(&healthy()), &slow);
    assert_eq!(told[0], "status healthy → degraded");
    assert!(
        told[1].starts_with("slow answer: the health endpoint took 2.50 s"),
        "{told:?}"
    );
}
