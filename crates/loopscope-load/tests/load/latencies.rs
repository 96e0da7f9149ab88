//! Latencies are measured right; and where a service stalls, closed loop hides what open loop shows.

use std::time::Duration;

use loopscope_load::{Latency, Tally};

use crate::server::{stalling, taking};
use crate::{closed, open, send_one, stream};

const SECOND: Duration = Duration::from_secs(1);

/// Nine in ten take 5 ms, one in ten 60 ms.
fn known(number: u64) -> Duration {
    Duration::from_millis(if number % 10 == 9 { 60 } else { 5 })
}

/// The latency at a quantile, and what the server itself saw there.
fn at(tally: &Tally, took: &[Duration], quantile: f64) -> (f64, f64) {
    let mut sorted = took.to_vec();
    sorted.sort();
    let index = ((sorted.len() - 1) as f64 * quantile).round() as usize;
    let latency = tally.latencies.value_at_quantile(quantile) as f64 / 1e3;
    (latency, sorted[index].as_secs_f64() * 1e3)
}

/// What a client sees is what the server did and the way in between, never less.
fn agree(tally: &Tally, took: &[Duration]) {
    for quantile in [0.5, 0.95] {
        let (seen, truth) = at(tally, took, quantile);
        assert!(seen >= truth - 1.0, "p{quantile}: {seen} ms for {truth} ms");
        assert!(
            seen <= truth + 25.0,
            "p{quantile}: {seen} ms for {truth} ms"
        );
    }
    let (p50, p95) = (at(tally, took, 0.5).0, at(tally, took, 0.95).0);
    assert!(p50 < 50.0 && p95 >= 59.0, "p50 {p50} ms, p95 {p95} ms");
}

#[test]
fn a_known_distribution_is_measured_right_in_closed_loop() {
    let (server, took) = taking(known);
    let tally = send_one(stream(&server.url(), closed(4)), SECOND);
    assert_eq!(tally.failed(), 0, "{tally:?}");
    assert_eq!((tally.connections, tally.reused), (4, tally.answered - 4));
    agree(&tally, &took.lock().unwrap());
}

#[test]
fn a_known_distribution_is_measured_right_in_open_loop_and_the_rate_is_kept() {
    let (server, took) = taking(known);
    let tally = send_one(stream(&server.url(), open(200.0)), SECOND);
    assert_eq!((tally.sent, tally.answered, tally.failed()), (200, 200, 0));
    agree(&tally, &took.lock().unwrap());
}

/// How many took longer than half of the stall.
fn slow(tally: &Tally, over: Duration) -> u64 {
    let records = tally.latencies.iter_recorded();
    let slow = records.filter(|entry| Duration::from_micros(entry.value_iterated_to()) > over);
    slow.map(|entry| entry.count_since_last_iteration()).sum()
}

/// A stall of one second in three: of what is due in even distances, a sixth waits for longer than half a second.
#[test]
fn a_stall_is_hidden_in_closed_loop_and_shown_in_open_loop() {
    let (after, stall) = (SECOND / 2, SECOND);
    let (time, half) = (3 * SECOND, SECOND / 2);

    let server = stalling(after, stall);
    let hidden = send_one(stream(&server.url(), closed(4)), time);
    assert!(
        slow(&hidden, half) <= 4,
        "each sender waits once: {}",
        slow(&hidden, half)
    );
    assert!(hidden.answered > 500, "{}", hidden.answered);
    let p99 = Latency::of(&hidden.latencies).unwrap().p99_ms;
    assert!(p99 < 100.0, "99 in a hundred know nothing of it: {p99} ms");

    let server = stalling(after, stall);
    let shown = send_one(stream(&server.url(), open(100.0)), time);
    assert_eq!((shown.sent, shown.failed()), (300, 0));
    let slow = slow(&shown, half);
    assert!((45..=75).contains(&slow), "50 are expected: {slow}");
    let latency = Latency::of(&shown.latencies).unwrap();
    assert!(
        latency.p90_ms > 500.0 && latency.max_ms >= 950.0,
        "{latency:?}"
    );
    assert!(latency.p50_ms < 100.0, "{latency:?}");
}

#[test]
fn what_no_connection_is_free_for_is_late_and_counts_from_when_it_was_due() {
    let (server, _) = taking(|_| Duration::from_millis(100));
    let mut asked = stream(&server.url(), open(50.0));
    asked.shape = loopscope_load::Shape::Open {
        rate: 50.0,
        connections: 1,
    };
    let tally = send_one(asked, SECOND);
    // One at a time: of fifty requests the last is answered after five seconds.
    assert_eq!((tally.answered, tally.connections), (50, 1));
    assert!(tally.late >= 45, "{}", tally.late);
    let longest = Latency::of(&tally.latencies).unwrap().max_ms;
    assert!((4_000.0..7_000.0).contains(&longest), "{longest} ms");
}

#[test]
fn what_cannot_be_sent_in_time_is_dropped_and_counted() {
    let (server, _) = taking(|_| Duration::from_millis(100));
    let mut asked = stream(&server.url(), open(50.0));
    asked.timeout = Duration::from_millis(500);
    asked.shape = loopscope_load::Shape::Open {
        rate: 50.0,
        connections: 1,
    };
    let tally = send_one(asked, SECOND);
    assert!(tally.dropped() > 20, "{tally:?}");
    assert_eq!(tally.sent + tally.dropped(), 50);
    assert!(tally.latencies.max() >= 499_000);
}
