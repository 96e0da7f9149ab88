//! What is known of a process's work right now: its tasks, calls, pools, executors and collector.
//!
//! Takes readings as they are, keeps what the rules need of the past, and judges nothing. Bounded: slots
//! beyond any recording's are not kept.

mod counted;
mod failures;

use std::collections::{BTreeMap, VecDeque};

use crate::{
    long_calls::is_long_by_nature,
    observation::{
        AdapterInfo, CallReading, Event, EventKind, ExecutorReading, Fact, GcReading,
        HeldConnection, PoolReading, TaskInfo, TaskSiteReading,
    },
    time::Nanos,
    trend::Trend,
};

pub(crate) use counted::{Booked, Counted};
pub(crate) use failures::{Failure, Failures, FaultKey, Untaken};

/// Slots of one kind that are kept; twice what a recording has room for.
const MAX_SLOTS: usize = 2_048;
/// Pauses of the collector that are remembered: those within one busy period, which are few.
const MAX_PAUSES: usize = 16;
/// Tasks are sampled this often, for this long.
const TASK_SAMPLES: (Nanos, Nanos) = (Nanos::from_millis(5_000), Nanos::from_millis(600_000));
/// Calls are sampled this often; a share of failures is told over the last dozen samples, a minute.
const CALL_SAMPLES: (Nanos, usize) = (Nanos::from_millis(5_000), 12);
/// Connections are sampled this often, for this long.
const CONNECTION_SAMPLES: (Nanos, Nanos) = (Nanos::from_millis(2_500), Nanos::from_millis(600_000));
/// Memory and descriptors are sampled this often, for this long.
const RESOURCE_SAMPLES: (Nanos, Nanos) =
    (Nanos::from_millis(10_000), Nanos::from_millis(1_800_000));

/// The work of one process.
#[derive(Debug)]
pub(crate) struct Work {
    pace: u64,
    pub(crate) adapter: Option<AdapterInfo>,
    pub(crate) sites: BTreeMap<u32, Site>,
    pub(crate) calls: BTreeMap<u32, Call>,
    pub(crate) pools: BTreeMap<u32, Pool>,
    /// Who has connections that were taken a while ago, the longest taken first.
    pub(crate) held: Vec<HeldConnection>,
    /// Who has waited for one for a while, the longest first.
    pub(crate) waiters: Vec<HeldConnection>,
    pub(crate) executors: BTreeMap<u32, ExecutorReading>,
    pub(crate) gc: Gc,
    pub(crate) failures: Failures,
    pub(crate) memory: Trend,
    pub(crate) descriptors: Trend,
}

/// A site that creates tasks.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) reading: TaskSiteReading,
    /// Where the oldest of those alive waits.
    pub(crate) oldest: Option<TaskInfo>,
    pub(crate) alive: Trend,
    /// Of each sample: when, tasks alive, and tasks that had ended by then.
    samples: VecDeque<(Nanos, u64, u64)>,
    /// When, and how many had failed by then, for as long as a failure's grace time.
    failed: VecDeque<(Nanos, u64)>,
    /// Failures that nobody took.
    pub(crate) counted: Counted,
}

/// A tracked call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) reading: CallReading,
    failed: Counted,
    blocking: Counted,
    slow: Counted,
    /// When, and how many had ended and failed by then.
    samples: VecDeque<(Nanos, u64, u64)>,
}

/// A pool.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) reading: PoolReading,
    pub(crate) open: Trend,
    /// When a wait was last seen to be given up.
    pub(crate) timed_out: Option<Nanos>,
}

/// The garbage collector.
#[derive(Debug, Default)]
pub(crate) struct Gc {
    pub(crate) reading: Option<GcReading>,
    pauses: VecDeque<(Nanos, Nanos)>,
}

impl Work {
    /// Nothing is known yet. Trends are sampled `pace` times as often as usual, for as much shorter.
    pub(crate) fn new(pace: u64) -> Self {
        Self {
            pace,
            adapter: None,
            sites: BTreeMap::new(),
            calls: BTreeMap::new(),
            pools: BTreeMap::new(),
            held: Vec::new(),
            waiters: Vec::new(),
            executors: BTreeMap::new(),
            gc: Gc::default(),
            failures: Failures::default(),
            memory: trend(RESOURCE_SAMPLES, pace),
            descriptors: trend(RESOURCE_SAMPLES, pace),
        }
    }

    /// Takes in a reading; other facts are none of its business.
    pub(crate) fn take(&mut self, fact: &Fact, at: Nanos) {
        let pace = self.pace;
        match fact {
            Fact::AdapterSeen { adapter, .. } => self.adapter = Some(adapter.clone()),
            Fact::TaskSiteReading { slot, reading, .. } => {
                if let Some(site) = slot_of(&mut self.sites, *slot, || Site::new(pace)) {
                    site.read(reading);
                }
            }
            Fact::TaskWaits { slot, task, .. } => {
                if let Some(site) = self.sites.get_mut(slot) {
                    site.oldest = task.as_deref().cloned();
                }
            }
            Fact::CallReading { slot, reading, .. } => {
                if let Some(call) = slot_of(&mut self.calls, *slot, Call::new) {
                    call.reading = reading.clone();
                }
            }
            Fact::PoolReading { slot, reading, .. } => self.read_pool(*slot, reading, at),
            Fact::ConnectionsHeld { connections, .. } => {
                let all = connections.iter().cloned();
                (self.waiters, self.held) = all.partition(|one| one.waits);
            }
            Fact::ExecutorReading { slot, reading, .. } => {
                if let Some(executor) = slot_of(&mut self.executors, *slot, Default::default) {
                    *executor = reading.clone();
                }
            }
            Fact::GcReading { reading, .. } => self.gc.reading = Some(*reading),
            _ => {}
        }
    }

    fn read_pool(&mut self, slot: u32, reading: &PoolReading, at: Nanos) {
        let is_known = self.pools.contains_key(&slot);
        let pace = self.pace;
        let Some(pool) = slot_of(&mut self.pools, slot, || Pool::new(pace)) else {
            return;
        };
        if is_known && reading.timeouts > pool.reading.timeouts {
            pool.timed_out = Some(at);
        }
        pool.reading = reading.clone();
    }

    /// An event on a call was booked.
    pub(crate) fn book_call(&mut self, event: &Event, booked: Booked) {
        if let Some(counted) = self.counted(event) {
            counted.book(event.count.into(), booked);
        }
    }

    /// An event on a call was heard that is booked later, with [`Self::book_held`], or not at all.
    pub(crate) fn hold_call(&mut self, event: &Event) {
        if let Some(counted) = self.counted(event) {
            counted.hold(event.count.into());
        }
    }

    /// An event on a call was booked that was held.
    pub(crate) fn book_held(&mut self, event: &Event, booked: Booked) {
        if let Some(counted) = self.counted(event) {
            counted.book(0, booked);
        }
    }

    fn counted(&mut self, event: &Event) -> Option<&mut Counted> {
        let call = self.calls.get_mut(&event.slot?)?;
        call.counted(event.kind)
    }

    /// What the counters know of and nobody told.
    pub(crate) fn untold(&mut self, now: Nanos, grace: Nanos) -> Vec<(Booked, u64)> {
        let mut untold = Vec::new();
        for site in self.sites.values_mut() {
            let lost = site.lost(now, grace);
            untold.extend(site.counted.untold(lost, now));
        }
        for call in self.calls.values_mut() {
            let counters = call.counters().into_iter();
            untold.extend(counters.filter_map(|(count, counted)| counted.untold(count, now)));
        }
        untold
    }

    /// The same once the process has ended. What waited for somebody to take it is lost where it was killed.
    pub(crate) fn untold_at_last(&mut self, was_killed: bool) -> Vec<(Booked, u64)> {
        let mut untold = Vec::new();
        for site in self.sites.values_mut() {
            let waiting = site.reading.unsettled();
            let lost = if was_killed { waiting } else { 0 };
            let lost = site.reading.unretrieved.saturating_add(lost);
            untold.extend(site.counted.untold_at_last(lost));
        }
        for call in self.calls.values_mut() {
            let counters = call.counters().into_iter();
            untold.extend(counters.filter_map(|(count, counted)| counted.untold_at_last(count)));
        }
        untold
    }

    /// Takes the samples that are due.
    pub(crate) fn sample(&mut self, at: Nanos, grace: Nanos) {
        for site in self.sites.values_mut() {
            site.sample(at);
            site.note_failures(at, grace);
        }
        for call in self.calls.values_mut() {
            call.sample(at);
        }
        for pool in self.pools.values_mut() {
            pool.open.push(at, pool.reading.open() as f64);
        }
    }
}

/// A slot's state; `None` where there is no room for one more.
fn slot_of<State>(
    slots: &mut BTreeMap<u32, State>,
    slot: u32,
    new: impl FnOnce() -> State,
) -> Option<&mut State> {
    if slots.len() >= MAX_SLOTS && !slots.contains_key(&slot) {
        return None;
    }
    Some(slots.entry(slot).or_insert_with(new))
}

/// A trend of samples at these distances and for so long, both divided by `pace`.
fn trend((period, window): (Nanos, Nanos), pace: u64) -> Trend {
    let pace = pace.max(1);
    Trend::new(Nanos(period.0 / pace), Nanos(window.0 / pace))
}

impl Site {
    fn new(pace: u64) -> Self {
        Self {
            reading: TaskSiteReading::default(),
            oldest: None,
            alive: trend(TASK_SAMPLES, pace),
            samples: VecDeque::new(),
            failed: VecDeque::new(),
            counted: Counted::default(),
        }
    }

    fn read(&mut self, reading: &TaskSiteReading) {
        if reading.oldest_started != self.reading.oldest_started {
            self.oldest = None;
        }
        self.reading = reading.clone();
    }

    fn ended(&self) -> u64 {
        self.reading.spawned.saturating_sub(self.reading.alive())
    }

    fn sample(&mut self, at: Nanos) {
        let alive = self.reading.alive();
        if !self.alive.push(at, alive as f64) {
            return;
        }
        self.samples.push_back((at, alive, self.ended()));
        let keep = (TASK_SAMPLES.1.0 / TASK_SAMPLES.0.0) as usize;
        if self.samples.len() > keep {
            self.samples.pop_front();
        }
    }

    fn note_failures(&mut self, at: Nanos, grace: Nanos) {
        let failed = self.reading.failed;
        if self
            .failed
            .back()
            .is_none_or(|(_, before)| *before != failed)
        {
            self.failed.push_back((at, failed));
        }
        // The newest that is older than the grace time is what had failed by then.
        let is_over =
            |noted: Option<&(Nanos, u64)>| noted.is_some_and(|(then, _)| at.since(*then) >= grace);
        while is_over(self.failed.get(1)) {
            self.failed.pop_front();
        }
    }

    /// Failures that nobody took: those whose task went away with its exception, and those that have
    /// waited for longer than the grace time. Of the latter at least so many.
    pub(crate) fn lost(&self, now: Nanos, grace: Nanos) -> u64 {
        let reading = &self.reading;
        let (_, failed) = self
            .failed
            .front()
            .copied()
            .filter(|(then, _)| now.since(*then) >= grace)
            .unwrap_or_default();
        let settled = reading.retrieved.saturating_add(reading.unretrieved);
        let overdue = failed.saturating_sub(settled);
        reading.unretrieved.saturating_add(overdue)
    }

    /// Tasks that ended within the window, and how long one lives on average: by Little's law, those alive
    /// on average over those that end in a second.
    pub(crate) fn usual_life(&self) -> Option<(u64, Nanos)> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let ended = last.2.saturating_sub(first.2);
        let alive: f64 = self.samples.iter().map(|(_, alive, _)| *alive as f64).sum();
        let average = alive / self.samples.len() as f64;
        let life = average * last.0.since(first.0).0 as f64 / ended as f64;
        (ended > 0).then_some((ended, Nanos(life as u64)))
    }
}

impl Call {
    fn new() -> Self {
        Self {
            reading: CallReading::default(),
            failed: Counted::default(),
            blocking: Counted::default(),
            slow: Counted::default(),
            samples: VecDeque::new(),
        }
    }

    /// The faults of this kind.
    fn counted(&mut self, kind: EventKind) -> Option<&mut Counted> {
        match kind {
            EventKind::CallFailed => Some(&mut self.failed),
            EventKind::BlockingCall => Some(&mut self.blocking),
            EventKind::SlowCall => Some(&mut self.slow),
            _ => None,
        }
    }

    /// Its counters, each with what was booked. What counts as slow of a call that is long by its nature is no fault for that alone.
    fn counters(&mut self) -> [(u64, &mut Counted); 3] {
        let reading = &self.reading;
        let is_slow_fault = !is_long_by_nature(&reading.call);
        let slow = if is_slow_fault { reading.slow } else { 0 };
        [
            (reading.failed, &mut self.failed),
            (reading.blocking, &mut self.blocking),
            (slow, &mut self.slow),
        ]
    }

    fn sample(&mut self, at: Nanos) {
        let is_due = |(last, ..): &(Nanos, u64, u64)| at.since(*last) >= CALL_SAMPLES.0;
        if !self.samples.back().is_none_or(is_due) {
            return;
        }
        let reading = &self.reading;
        self.samples
            .push_back((at, reading.finished, reading.failed));
        if self.samples.len() > CALL_SAMPLES.1 {
            self.samples.pop_front();
        }
    }

    /// Calls that ended in a second, over the last minute.
    pub(crate) fn rate(&self, now: Nanos) -> Option<f64> {
        let (since, finished, _) = self.samples.front()?;
        let ended = self.reading.finished.saturating_sub(*finished);
        let length = now.since(*since).as_secs_f64();
        (length >= 1.0).then(|| ended as f64 / length)
    }

    /// Calls that ended within the last minute, and those of them that failed.
    pub(crate) fn lately(&self) -> (u64, u64) {
        let (_, finished, failed) = self.samples.front().copied().unwrap_or_default();
        let reading = &self.reading;
        (
            reading.finished.saturating_sub(finished),
            reading.failed.saturating_sub(failed),
        )
    }
}

impl Pool {
    fn new(pace: u64) -> Self {
        Self {
            reading: PoolReading::default(),
            open: trend(CONNECTION_SAMPLES, pace),
            timed_out: None,
        }
    }
}

impl Gc {
    /// A pause that is over.
    pub(crate) fn paused(&mut self, from: Nanos, until: Nanos) {
        self.pauses.push_back((from, until));
        if self.pauses.len() > MAX_PAUSES {
            self.pauses.pop_front();
        }
    }

    /// How long it paused the process between two times, as far as that was told.
    pub(crate) fn paused_within(&self, from: Nanos, until: Nanos) -> Nanos {
        let lasting = self.reading.and_then(|reading| reading.pause_since);
        let lasting = lasting.map(|since| (since, until));
        let is_told = |since: Nanos| self.pauses.iter().any(|(begun, _)| *begun == since);
        let lasting = lasting.filter(|(since, _)| !is_told(*since));
        let pauses = self.pauses.iter().copied().chain(lasting);
        let overlaps = pauses.map(|(start, end)| end.min(until).since(start.max(from)));
        overlaps.fold(Nanos(0), Nanos::plus)
    }
}
