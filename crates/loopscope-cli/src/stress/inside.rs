//! The inside of the service while it is loaded: what its `/health` says, several times a second, summed up by
//! second, by round and by test.

mod seen;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use loopscope_load::results::{Inside, Provoked, Reading, TaskFlow, TestName};

use crate::health::look::Looker;
pub(super) use seen::Sample;
use seen::{Found, Report};

/// Time between two looks: two in each second, so that none is without.
const INTERVAL: Duration = Duration::from_millis(400);

/// Looks at the service on a thread of its own. Dropped, it stops.
pub(super) struct Sampler {
    shared: Arc<Shared>,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    looker: Looker,
    record: Mutex<Record>,
}

/// What was seen so far.
#[derive(Default)]
struct Record {
    last: Option<Sample>,
    second: Sum,
    round: Sum,
    test: Option<TestName>,
    incidents: BTreeMap<String, Track>,
    /// Looks that brought nothing.
    missed: u64,
}

/// What samples say together.
#[derive(Clone, Default)]
struct Sum {
    is_seen: bool,
    inside: Inside,
    peak: Reading,
    /// New occurrences of each incident.
    occurrences: BTreeMap<String, u64>,
}

/// An incident over the run.
#[derive(Clone, Default)]
struct Track {
    found: Found,
    /// Occurrences before the run.
    before: u64,
    /// New ones, by the test that ran.
    by_test: BTreeMap<TestName, u64>,
}

/// What a round was, inside.
#[derive(Clone, Default)]
pub(super) struct RoundSum {
    pub(super) peak: Reading,
    pub(super) lag_ms: Option<f64>,
    occurrences: BTreeMap<String, u64>,
}

/// An incident that the run provoked, and in which tests.
pub(super) struct Blamed {
    pub(super) provoked: Provoked,
    pub(super) tests: BTreeSet<TestName>,
    /// Whether it is a stall that code is to blame for: not one for want of a processor, or of a stopped process.
    pub(super) is_stall_of_code: bool,
}

impl Sampler {
    /// Starts to look.
    pub(super) fn start(looker: Looker) -> Self {
        let shared = Arc::new(Shared {
            looker,
            record: Mutex::default(),
        });
        // What was there before is not of this run.
        shared.look();
        let (end, ended) = channel::<()>();
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("loopscope-inside".into())
            .spawn(move || {
                while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    theirs.look();
                }
            });
        Self {
            shared,
            end: Some(end),
            // Without it the looks between the parts remain.
            thread: thread.ok(),
        }
    }

    /// Looks now.
    pub(super) fn look(&self) -> Option<Sample> {
        self.shared.look()
    }

    /// From here on it is this test.
    pub(super) fn begin_test(&self, test: TestName) {
        self.shared.lock().test = Some(test);
    }

    /// From here on it is another round.
    pub(super) fn begin_round(&self) {
        self.shared.lock().round = Sum::default();
    }

    /// What the second that is over brought; `None` where nothing was seen in it.
    pub(super) fn turn_second(&self) -> Option<Inside> {
        let second = std::mem::take(&mut self.shared.lock().second);
        second.is_seen.then_some(second.inside)
    }

    /// What the round brought so far.
    pub(super) fn round(&self) -> RoundSum {
        let round = self.shared.lock().round.clone();
        RoundSum {
            peak: round.peak,
            lag_ms: round.inside.lag_ms,
            occurrences: round.occurrences,
        }
    }

    /// The incidents that occurred since the start, worst first.
    pub(super) fn blamed(&self) -> Vec<Blamed> {
        let record = self.shared.lock();
        let news = record
            .incidents
            .values()
            .filter(|track| track.occurrences() > 0);
        let mut blamed: Vec<_> = news.map(Track::blamed).collect();
        blamed.sort_by_key(|one| std::cmp::Reverse((one.is_stall_of_code, one.severity())));
        blamed
    }

    /// Looks that brought nothing.
    pub(super) fn missed(&self) -> u64 {
        self.shared.lock().missed
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // There is nobody left to tell.
            let _ = thread.join();
        }
    }
}

impl RoundSum {
    /// Stalls of the round that code is to blame for.
    pub(super) fn stalls(&self, blamed: &[Blamed]) -> u64 {
        let stalls = blamed.iter().filter(|one| one.is_stall_of_code);
        let counts = stalls.filter_map(|one| self.occurrences.get(&one.provoked.id));
        counts.sum()
    }
}

impl Shared {
    fn look(&self) -> Option<Sample> {
        let seen = self.looker.look().ok();
        let report = seen.and_then(|seen| serde_json::from_slice::<Report>(&seen.body).ok());
        let Some(report) = report else {
            self.lock().missed += 1;
            return None;
        };
        let sample = Sample::of(&report);
        self.lock().take(sample.clone(), report.incidents);
        Some(sample)
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        // Nothing panics with it in hand.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn take(&mut self, sample: Sample, incidents: Vec<Found>) {
        let mut lag = self
            .last
            .as_ref()
            .map_or(0.0, |last| sample.lag_since(last));
        for found in incidents {
            lag = lag.max(self.track(found));
        }
        let inside = Inside {
            lag_ms: sample.has_loops().then_some(lag * 1e3),
            stalls: self
                .last
                .as_ref()
                .map_or(0, |last| sample.stalls_since(last)),
            utilization: self
                .last
                .as_ref()
                .and_then(|last| sample.utilization_since(last)),
            ..sample.inside()
        };
        self.second.add(&inside);
        self.round.add(&inside);
        self.last = Some(sample);
    }

    /// Notes an incident; returns how long its new occurrences took on average, in seconds, where it is a stall.
    fn track(&mut self, found: Found) -> f64 {
        let is_first_look = self.last.is_none();
        let track = self
            .incidents
            .entry(found.id.clone())
            .or_insert_with(|| Track {
                before: if is_first_look { found.count } else { 0 },
                ..Track::default()
            });
        let known = track.occurrences() + track.before;
        let news = found.count.saturating_sub(known);
        let lasted = found.duration_seconds - track.found.duration_seconds;
        track.found = found;
        if news == 0 {
            return 0.0;
        }
        if let Some(test) = self.test {
            *track.by_test.entry(test).or_default() += news;
        }
        let id = track.found.id.clone();
        *self.round.occurrences.entry(id).or_default() += news;
        if track.found.is_stall() && !is_first_look {
            lasted / news as f64
        } else {
            0.0
        }
    }
}

impl Sum {
    fn add(&mut self, inside: &Inside) {
        let before = std::mem::replace(&mut self.inside, *inside);
        self.inside.lag_ms = larger(before.lag_ms, inside.lag_ms);
        self.inside.stalls += before.stalls;
        self.inside.utilization = larger(before.utilization, inside.utilization);
        self.peak = Reading {
            memory_mb: larger(self.peak.memory_mb, inside.reading.memory_mb),
            open_fds: self.peak.open_fds.max(inside.reading.open_fds),
            threads: self.peak.threads.max(inside.reading.threads),
            tasks: self.peak.tasks.max(inside.reading.tasks),
        };
        self.is_seen = true;
    }
}

fn larger(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    }
}

impl Track {
    fn occurrences(&self) -> u64 {
        self.by_test.values().sum()
    }

    fn blamed(&self) -> Blamed {
        Blamed {
            provoked: self.found.provoked(self.occurrences()),
            tests: self.by_test.keys().copied().collect(),
            is_stall_of_code: self.found.is_stall_of_code(),
        }
    }
}

impl Blamed {
    fn severity(&self) -> u8 {
        match self.provoked.severity.as_str() {
            "critical" => 2,
            "degraded" => 1,
            _ => 0,
        }
    }
}

/// What became of tasks between two looks; `None` where they are not watched.
pub(super) fn flow(before: &Sample, after: &Sample) -> Option<TaskFlow> {
    let (was, is) = (before.tasks?, after.tasks?);
    Some(TaskFlow {
        spawned: is.spawned.saturating_sub(was.spawned),
        finished: is.done.saturating_sub(was.done),
        failed: is.failed.saturating_sub(was.failed),
        cancelled: is.cancelled.saturating_sub(was.cancelled),
        left_over: is.alive.saturating_sub(was.alive),
    })
}

#[cfg(test)]
mod tests;
