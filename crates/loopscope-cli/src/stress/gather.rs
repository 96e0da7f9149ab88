//! What came of each stream, summed up over the rounds.

use std::time::Duration;

use hdrhistogram::Histogram;
use loopscope_load::results::{LoadPart, LoadResult, LoadRound, TestName};
use loopscope_load::{Latency, Tally, bins};

/// Streams in the order in which they were first sent.
#[derive(Default)]
pub(super) struct Gathered(Vec<Stream>);

struct Stream {
    result: LoadResult,
    latencies: Histogram<u64>,
}

impl Gathered {
    /// Adds one round of a stream, which was sent for so long.
    pub(super) fn add(
        &mut self,
        test: TestName,
        part: LoadPart,
        name: &str,
        tally: &Tally,
        sent_for: Duration,
    ) {
        let is_same = |one: &Stream| {
            let result = &one.result;
            (result.test, result.part, result.name.as_str()) == (test, part, name)
        };
        let index = self.0.iter().position(is_same).unwrap_or_else(|| {
            self.0.push(Stream::new(test, part, name, tally));
            self.0.len() - 1
        });
        self.0[index].add(tally, sent_for);
    }

    /// All of them.
    pub(super) fn results(self) -> Vec<LoadResult> {
        self.0.into_iter().map(Stream::result).collect()
    }
}

impl Stream {
    fn new(test: TestName, part: LoadPart, name: &str, like: &Tally) -> Self {
        let mut latencies = like.latencies.clone();
        latencies.reset();
        Self {
            result: LoadResult {
                test,
                name: name.to_owned(),
                part,
                latency: None,
                histogram: Vec::new(),
                rounds: Vec::new(),
                statuses: Default::default(),
                failures: Default::default(),
                locations: Vec::new(),
                connections: 0,
                reused: 0,
                latest_ms: 0.0,
                body_bytes: 0,
            },
            latencies,
        }
    }

    fn add(&mut self, tally: &Tally, sent_for: Duration) {
        let result = &mut self.result;
        for (status, count) in &tally.statuses {
            *result.statuses.entry(*status).or_default() += count;
        }
        for (kind, count) in &tally.failures {
            *result.failures.entry(*kind).or_default() += count;
        }
        for location in &tally.locations {
            if !result.locations.contains(location) {
                result.locations.push(location.clone());
            }
        }
        result.connections += tally.connections;
        result.reused += tally.reused;
        result.body_bytes += tally.body_bytes;
        result.latest_ms = result.latest_ms.max(tally.latest.as_secs_f64() * 1e3);
        result.rounds.push(round(tally, sent_for));
        // Of the same bounds, so there is room for all of them.
        let _ = self.latencies.add(&tally.latencies);
    }

    fn result(self) -> LoadResult {
        LoadResult {
            latency: Latency::of(&self.latencies),
            histogram: bins(&self.latencies),
            ..self.result
        }
    }
}

fn round(tally: &Tally, sent_for: Duration) -> LoadRound {
    LoadRound {
        sent: tally.sent,
        answered: tally.answered,
        failed: tally.failed(),
        dropped: tally.dropped(),
        late: tally.late,
        unfinished: tally.waiting(),
        rate: tally.answered as f64 / sent_for.as_secs_f64().max(1e-3),
        latency: Latency::of(&tally.latencies),
    }
}
