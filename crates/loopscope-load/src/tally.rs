//! What came of a stream: counts, latencies, and what each second brought.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::connection::Answer;
use crate::failure::FailureKind;
use crate::latency::{Latency, add, record};

/// A send that is later than this counts as late: ten times what a timer of this host is off.
const LATE_AFTER: Duration = Duration::from_millis(5);

/// Different places that redirects lead to; more are not told apart.
const MOST_LOCATIONS: usize = 4;

/// What came of a stream so far.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Requests sent.
    pub sent: u64,
    /// Whole answers, whatever their status.
    pub answered: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Answers whose status says that they are none: 4xx and 5xx.
    pub refused: u64,
    /// Requests without an answer, by reason.
    pub failures: BTreeMap<FailureKind, u64>,
    /// Where redirects lead.
    pub locations: Vec<String>,
    /// Connections opened.
    pub connections: u64,
    /// Requests sent on a connection that had carried one before.
    pub reused: u64,
    /// Requests sent again, since the service had just closed the connection that they went on.
    pub resent: u64,
    /// Requests that were sent later than they were due.
    pub late: u64,
    /// How late the latest was.
    pub latest: Duration,
    /// Bytes of bodies that came.
    pub body_bytes: u64,
    /// Latencies in microseconds.
    pub latencies: Histogram<u64>,
    /// What each second brought.
    pub seconds: Vec<Second>,
    running: Running,
}

/// The second that is not over.
#[derive(Clone, Debug)]
struct Running {
    latencies: Histogram<u64>,
    answered: u64,
    failed: u64,
}

/// One second of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Second {
    /// Answers that came.
    pub answered: u64,
    /// Requests that failed: without an answer, or with a status that is none.
    pub failed: u64,
    /// Requests that were waiting for an answer at its end.
    pub waiting: u64,
    /// Half of what was answered took no longer, in milliseconds; absent where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    /// 99 in a hundred took no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
    /// The longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<f64>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            sent: 0,
            answered: 0,
            statuses: BTreeMap::new(),
            refused: 0,
            failures: BTreeMap::new(),
            locations: Vec::new(),
            connections: 0,
            reused: 0,
            resent: 0,
            late: 0,
            latest: Duration::ZERO,
            body_bytes: 0,
            latencies: record(),
            seconds: Vec::new(),
            running: Running {
                latencies: record(),
                answered: 0,
                failed: 0,
            },
        }
    }

    /// Requests that failed: without an answer, or with a status that is none.
    pub fn failed(&self) -> u64 {
        self.refused + self.unanswered()
    }

    /// Requests that were given up without an answer.
    pub fn unanswered(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Requests that were never sent in time.
    pub fn dropped(&self) -> u64 {
        self.failures
            .get(&FailureKind::Dropped)
            .copied()
            .unwrap_or(0)
    }

    /// Requests that wait for an answer; at the end, those that were left behind.
    pub fn waiting(&self) -> u64 {
        let over = self.answered + self.unanswered() - self.dropped();
        self.sent.saturating_sub(over)
    }

    /// One is sent, so long after it was due.
    pub(crate) fn send(&mut self, late_by: Duration) {
        self.sent += 1;
        if late_by > LATE_AFTER {
            self.late += 1;
            self.latest = self.latest.max(late_by);
        }
    }

    pub(crate) fn answer(&mut self, answer: Answer, is_good: bool, latency: Duration) {
        self.answered += 1;
        *self.statuses.entry(answer.status).or_default() += 1;
        self.body_bytes += answer.body_bytes;
        self.running.answered += 1;
        if !is_good {
            self.refused += 1;
            self.running.failed += 1;
        }
        if let Some(location) = answer.location
            && self.locations.len() < MOST_LOCATIONS
            && !self.locations.contains(&location)
        {
            self.locations.push(location);
        }
        self.took(latency);
    }

    pub(crate) fn fail(&mut self, kind: FailureKind, waited: Duration) {
        *self.failures.entry(kind).or_default() += 1;
        self.running.failed += 1;
        if matches!(kind, FailureKind::TimedOut | FailureKind::Dropped) {
            self.took(waited);
        }
    }

    fn took(&mut self, latency: Duration) {
        add(&mut self.latencies, latency);
        add(&mut self.running.latencies, latency);
    }

    /// Whether the second that is not over has brought anything.
    pub(crate) fn is_running(&self) -> bool {
        self.running.answered + self.running.failed > 0
    }

    /// Ends a second and returns it.
    pub(crate) fn turn_second(&mut self) -> Second {
        let latency = Latency::of(&self.running.latencies);
        let second = Second {
            answered: self.running.answered,
            failed: self.running.failed,
            waiting: self.waiting(),
            p50_ms: latency.map(|latency| latency.p50_ms),
            p99_ms: latency.map(|latency| latency.p99_ms),
            max_ms: latency.map(|latency| latency.max_ms),
        };
        self.running.latencies.reset();
        (self.running.answered, self.running.failed) = (0, 0);
        self.seconds.push(second);
        second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16) -> Answer {
        Answer {
            status,
            body_bytes: 10,
            location: None,
        }
    }

    #[test]
    fn a_second_has_what_came_in_it_and_nothing_else() {
        let mut tally = Tally::new();
        for _ in 0..3 {
            tally.send(Duration::ZERO);
        }
        tally.answer(answer(200), true, Duration::from_millis(4));
        let first = tally.turn_second();
        assert_eq!((first.answered, first.waiting), (1, 2));
        tally.answer(answer(500), false, Duration::from_millis(8));
        let second = tally.turn_second();
        assert_eq!((second.answered, second.failed, second.waiting), (1, 1, 1));
        assert!((second.max_ms.unwrap() - 8.0).abs() < 0.1);
    }

    #[test]
    fn what_ran_out_of_time_counts_with_the_time_it_waited_and_what_was_refused_does_not() {
        let mut tally = Tally::new();
        tally.send(Duration::from_millis(20));
        tally.fail(FailureKind::TimedOut, Duration::from_secs(1));
        tally.send(Duration::ZERO);
        tally.fail(FailureKind::Refused, Duration::from_millis(1));
        tally.fail(FailureKind::Dropped, Duration::from_secs(2));
        assert_eq!((tally.latencies.len(), tally.failed()), (2, 3));
        assert_eq!((tally.late, tally.latest.as_millis()), (1, 20));
        assert_eq!((tally.waiting(), tally.dropped()), (0, 1));
    }

    #[test]
    fn few_places_of_redirects_are_kept() {
        let mut tally = Tally::new();
        for number in 0..100 {
            let location = Some(format!("/{}", number % 50));
            let answer = Answer {
                location,
                ..answer(302)
            };
            tally.answer(answer, true, Duration::from_millis(1));
        }
        assert_eq!(tally.locations, ["/0", "/1", "/2", "/3"]);
    }
}
