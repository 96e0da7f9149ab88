use super::*;
use crate::health::look_error::Problem;
use crate::health::sample::{blocked, healthy, seen};
use crate::health::target;

fn timeline(json: bool) -> Timeline {
    Timeline {
        layout: Layout::default(),
        json,
        known: None,
        reached: true,
    }
}

fn refused() -> Look {
    let target = target::parse("127.0.0.1:14159").unwrap();
    Err(LookError {
        problem: Problem::Refused,
        target,
    })
}

#[test]
fn the_first_look_shows_everything_and_a_quiet_one_takes_a_line() {
    let mut timeline = timeline(false);
    assert!(
        timeline
            .tell(Ok(seen(&healthy())), "12:00:00")
            .starts_with("HEALTHY  shop")
    );
    let quiet = timeline.tell(Ok(seen(&healthy())), "12:00:30");
    assert_eq!(quiet, "12:00:30  healthy, nothing changed\n");
}

#[test]
fn what_changed_is_a_list_under_the_time() {
    let mut timeline = timeline(false);
    timeline.tell(Ok(seen(&blocked())), "12:00:00");
    let mut calm = healthy();
    calm["detailed_health"]["event_loops"][0]["stalls"] = 14.into();
    insta::assert_snapshot!(timeline.tell(Ok(seen(&calm)), "12:00:30"), @r"
    12:00:30  healthy
              - status critical → healthy
              - closed: time.sleep at /srv/shop/app.py:31 keeps the loop main from its other tasks
              - loop main (asyncio, pid 4242): is idle now
    ");
}

#[test]
fn an_outage_is_told_once_and_its_end_too() {
    let mut timeline = timeline(false);
    timeline.tell(Ok(seen(&healthy())), "12:00:00");
    let told = [
        timeline.tell(refused(), "12:00:30"),
        timeline.tell(refused(), "12:01:00"),
        timeline.tell(Ok(seen(&healthy())), "12:01:30"),
        timeline.tell(Ok(seen(&healthy())), "12:02:00"),
    ];
    insta::assert_snapshot!(told.concat(), @r"
    12:00:30  unreachable: connection refused: http://127.0.0.1:14159/health
              hint: start the service with `loopscope run -- COMMAND`, or name the address that it listens on: `loopscope health HOST:PORT`
    12:01:00  still unreachable: connection refused: http://127.0.0.1:14159/health
    12:01:30  healthy
              - reachable again
    12:02:00  healthy, nothing changed
    ");
}

#[test]
fn a_service_that_is_reached_late_is_shown_whole() {
    let mut timeline = timeline(false);
    assert!(
        timeline
            .tell(refused(), "12:00:00")
            .contains("unreachable: connection refused")
    );
    assert!(
        timeline
            .tell(Ok(seen(&healthy())), "12:00:30")
            .starts_with("HEALTHY  shop")
    );
}

#[test]
fn json_is_one_object_a_line_also_for_an_outage() {
    let mut timeline = timeline(true);
    for (look, status) in [
        (Ok(seen(&healthy())), "healthy"),
        (refused(), "unreachable"),
    ] {
        let line = timeline.tell(look, "12:00:00");
        assert_eq!(line.matches('\n').count(), 1);
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["status"], status);
    }
}
