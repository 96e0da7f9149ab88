//! A stall that the garbage collector made is called that, and one that it only took part in is not.

use crate::{
    observation::{Event, EventKind, GcReading},
    report::{IncidentKind, StallCause},
    testing::{Bench, millis, sleeping_in_handler, work::THREAD},
};

fn pause(from: u64, until: u64) -> Event {
    Event {
        identity: 2,
        thread_id: Some(THREAD),
        started: millis(from),
        ended: Some(millis(until)),
        ..Event::new(EventKind::GcPause)
    }
}

#[test]
fn a_stall_that_is_mostly_a_pause_is_put_down_to_the_collector() {
    let mut bench = Bench::adapted();
    for at in (1_050..1_300).step_by(20) {
        bench.look(at, 1_000, sleeping_in_handler());
    }
    bench.happened(1_310, pause(1_020, 1_290));
    bench.ended(1_310, 1_000, 1_300);
    let incident = bench.only(1_400);
    assert_eq!(incident.kind, IncidentKind::LoopStall);
    assert_eq!(
        (incident.cause, incident.culprit),
        (Some(StallCause::GcPause), None)
    );
    assert_eq!(incident.gil_held, Some(true));
    assert!(
        incident.summary.starts_with(
            "loop main (pid 41, asyncio) stalled for 0.30 s: the garbage collector paused it for 0.27 s"
        ),
        "{}",
        incident.summary
    );
}

#[test]
fn a_pause_that_is_under_way_explains_the_stall_while_it_lasts() {
    let mut bench = Bench::adapted();
    let reading = GcReading {
        pause_since: Some(millis(1_005)),
        generation: 2,
        ..GcReading::default()
    };
    bench.gc(1_040, reading);
    for at in (1_050..1_200).step_by(20) {
        bench.look(at, 1_000, sleeping_in_handler());
    }
    assert_eq!(bench.only(1_200).cause, Some(StallCause::GcPause));
}

#[test]
fn a_short_pause_within_a_blocking_call_explains_nothing() {
    let mut bench = Bench::adapted();
    bench.happened(900, pause(1_020, 1_050));
    bench.stall(1_000, 1_300, &sleeping_in_handler());
    assert_eq!(bench.only(1_400).cause, Some(StallCause::BlockingCall));
}

#[test]
fn pauses_alone_are_no_finding() {
    let mut bench = Bench::adapted();
    for turn in 0..100 {
        bench.happened(turn * 100, pause(turn * 100, turn * 100 + 60));
    }
    assert_eq!(bench.incidents(20_000), []);
}
