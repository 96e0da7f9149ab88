use std::time::Duration;

use serde_json::json;

use super::*;
use crate::health::sample::{blocked, healthy, incident, seen};

const PIPE: Layout = Layout {
    width: None,
    colour: false,
};

#[test]
fn a_healthy_service_needs_few_lines() {
    insta::assert_snapshot!(summary(&seen(&healthy()), &PIPE), @r"
    HEALTHY  shop  watched for 3 h 12 min
    1 process · 2 loops · 0 stalls · 64 MiB · 12 % of a core · 17 open files
    state of 2025-06-01T12:00:00Z, 20 ms old, answered in 3 ms

    LOOP     PID  RUNTIME  STATE   FOR  UTIL  STALLS  LONGEST
    main    4242  asyncio  idle   2 ms  10 %       0    12 ms
    worker  4242  asyncio  idle   2 ms  10 %       0    12 ms
    ");
}

#[test]
fn a_blocked_loop_is_shown_with_its_line_its_chain_and_its_fix() {
    insta::assert_snapshot!(summary(&seen(&blocked()), &PIPE), @r"
    CRITICAL  shop  watched for 3 h 12 min
    1 process · 2 loops (1 blocked) · 14 stalls (longest 6.21 s) · 64 MiB · 12 % of a core · 17 open files
    state of 2025-06-01T12:00:00Z, 20 ms old, answered in 3 ms

    LOOP     PID  RUNTIME  STATE       FOR  UTIL  STALLS  LONGEST
    main    4242  asyncio  blocked  6.21 s  41 %      14   6.21 s
    worker  4242  asyncio  idle       2 ms  10 %       0    12 ms

    Issues
      - loop main is blocked for 6.2 s by time.sleep at app.py:31

    Open incidents
      critical loop stall, 6.21 s so far: time.sleep at /srv/shop/app.py:31 keeps the loop main from its other tasks
          at  /srv/shop/app.py:31 in charge
         via  serve → checkout  (task Task-7)
         for  order-7 at /srv/shop/app.py:61 in order ← main at /srv/shop/app.py:99 in main
         fix  await asyncio.sleep(seconds)
    ");
}

#[test]
fn tasks_are_counted_where_they_are_watched() {
    let mut report = healthy();
    report["monitoring"]["pending_tasks"] = json!(12);
    report["monitoring"]["agno_total_calls"] = json!(3);
    let shown = summary(&seen(&report), &PIPE);
    assert!(shown.contains("0 stalls · 12 tasks · 64 MiB"), "{shown}");
    report["monitoring"]["failed_tasks"] = json!(2);
    let shown = summary(&seen(&report), &PIPE);
    assert!(shown.contains("12 tasks (2 failed) · 64 MiB"), "{shown}");
}

#[test]
fn on_a_narrow_terminal_sentences_are_wrapped() {
    let narrow = Layout {
        width: Some(50),
        colour: false,
    };
    let shown = summary(&seen(&blocked()), &narrow);
    let incidents = shown.split("Open incidents\n").nth(1).unwrap();
    insta::assert_snapshot!(incidents, @r"
      critical loop stall, 6.21 s so far: time.sleep
      at /srv/shop/app.py:31 keeps the loop main from
      its other tasks
          at  /srv/shop/app.py:31 in charge
         via  serve → checkout  (task Task-7)
         for  order-7 at /srv/shop/app.py:61 in order ←
              main at /srv/shop/app.py:99 in main
         fix  await asyncio.sleep(seconds)
    ");
}

#[test]
fn colour_shows_the_status() {
    let colourful = Layout {
        width: None,
        colour: true,
    };
    let shown = summary(&seen(&blocked()), &colourful);
    assert!(
        shown.starts_with("\u{1b}[1m\u{1b}[31mCRITICAL\u{1b}[0m"),
        "{shown:?}"
    );
}

#[test]
fn a_slow_answer_is_said_and_is_degraded() {
    let mut slow = seen(&healthy());
    slow.took = Duration::from_millis(3_200);
    let shown = summary(&slow, &PIPE);
    assert!(shown.starts_with("DEGRADED"), "{shown}");
    assert!(
        shown.contains("slow answer: the health endpoint took 3.20 s"),
        "{shown}"
    );
}

#[test]
fn a_newer_schema_is_said() {
    let mut report = healthy();
    report["schema_version"] = json!(7);
    assert!(summary(&seen(&report), &PIPE).contains("schema version 7, newer than this program"));
}

#[test]
fn closed_incidents_are_counted() {
    let mut report = healthy();
    let closed = json!("2025-06-01T12:00:00Z");
    report["incidents"] = json!([
        incident("incident-1", closed.clone()),
        incident("incident-2", closed)
    ]);
    let shown = summary(&seen(&report), &PIPE);
    assert!(!shown.contains("Open incidents"), "{shown}");
    assert!(shown.contains("2 incidents closed lately"), "{shown}");
}

#[test]
fn what_the_watching_missed_is_shown() {
    let mut report = healthy();
    let agent = &mut report["detailed_health"]["agent"];
    agent["samples"] = json!(10);
    agent["failed_samples"] = json!(4);
    agent["dropped"] = json!({"stall records": 12, "loops": 0});
    agent["notes"] = json!(["pid 77 is statically linked and cannot be watched"]);
    let shown = summary(&seen(&report), &PIPE);
    insta::assert_snapshot!(shown.split("About the watching\n").nth(1).unwrap(), @r"
      - pid 77 is statically linked and cannot be watched
      - 4 of 10 samples unreadable
      - lost: 12 stall records
    ");
}

#[test]
fn a_flood_of_entries_still_fits_on_a_screen() {
    let mut report = blocked();
    report["issues"] = json!(vec!["something is wrong"; 5_000]);
    report["incidents"] = (0..5_000)
        .map(|n| incident(&format!("i{n}"), json!(null)))
        .collect();
    let shown = summary(&seen(&report), &PIPE);
    assert!(shown.lines().count() < 50, "{shown}");
    assert!(
        shown.contains("… and 4992 more") && shown.contains("… and 4995 more"),
        "{shown}"
    );
}

#[test]
fn a_report_cannot_act_on_the_terminal() {
    let mut report = blocked();
    let hostile = json!("\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\u{202e}");
    report["service"] = hostile.clone();
    report["issues"] = json!([hostile]);
    for field in ["summary", "id", "fingerprint"] {
        report["incidents"][0][field] = hostile.clone();
    }
    report["incidents"][0]["culprit"]["file"] = hostile.clone();
    report["incidents"][0]["task"]["name"] = hostile.clone();
    report["incidents"][0]["advice"]["replacement"] = hostile.clone();
    report["detailed_health"]["event_loops"][0]["name"] = hostile.clone();
    report["detailed_health"]["agent"]["notes"] = json!([hostile]);
    let shown = summary(&seen(&report), &PIPE);
    let acts = |c: char| c != '\n' && crate::screen::is_unsafe(c);
    assert!(!shown.contains(acts), "{shown:?}");
}

#[test]
fn a_report_with_nothing_but_its_identity_is_shown() {
    let body = br#"{"schema_version": 1, "status": "healthy", "service": "shop"}"#.to_vec();
    let view = serde_json::from_slice(&body).unwrap();
    let seen = Seen {
        view,
        body,
        took: Duration::from_millis(3),
        age_seconds: None,
    };
    insta::assert_snapshot!(summary(&seen, &PIPE), @r"
    HEALTHY  shop
    answered in 3 ms
    ");
}
