//! The run: which load when, round by round, with the inside looked at all the while.
//!
//! The parts of all tests take turns in each round, so that whatever else the machine does at some time falls on all
//! of them.

use std::time::{Duration, Instant};

use loopscope_load::results::{LoadPart, Moment, Outside, Reading, RoundReading, RunEnd, TestName};
use loopscope_load::{Ended, Load, LoadError, Stream, Tick};

use super::gather::Gathered;
use super::inside::{Blamed, RoundSum, Sample, Sampler, flow};
use super::plan::Plan;
use super::progress::Progress;
use crate::health::look::Looker;
use crate::interrupt::Interrupt;

/// Time between two looks while the service settles.
const SETTLE_STEP: Duration = Duration::from_millis(200);

/// A service settles for that long at least: what a request leaves behind is put away after its answer.
const SETTLE_LEAST: Duration = Duration::from_millis(600);

/// What a run brought.
pub(super) struct Measured {
    pub(super) loads: Gathered,
    pub(super) rounds: Vec<RoundReading>,
    pub(super) timeline: Vec<Moment>,
    pub(super) blamed: Vec<Blamed>,
    pub(super) ended: RunEnd,
    pub(super) took: Duration,
    pub(super) started_at: jiff::Timestamp,
    /// The largest share of a core that sending took.
    pub(super) sender_share: f64,
    /// Looks at the inside that brought nothing.
    pub(super) missed: u64,
}

/// A run under way.
pub(super) struct Suite<'a> {
    plan: &'a Plan,
    sampler: Option<Sampler>,
    interrupt: &'a Interrupt,
    progress: Progress,
    began: Instant,
    measured: Measured,
}

/// Streams that are sent at the same time, and how.
type Part = Vec<(LoadPart, Stream)>;

impl<'a> Suite<'a> {
    pub(super) fn new(plan: &'a Plan, looker: Looker, interrupt: &'a Interrupt) -> Self {
        Self {
            plan,
            sampler: plan.target.inside.then(|| Sampler::start(looker)),
            interrupt,
            progress: Progress::new(plan.rounds),
            began: Instant::now(),
            measured: Measured {
                loads: Gathered::default(),
                rounds: Vec::new(),
                timeline: Vec::new(),
                blamed: Vec::new(),
                ended: RunEnd::Complete,
                took: Duration::ZERO,
                started_at: jiff::Timestamp::now(),
                sender_share: 0.0,
                missed: 0,
            },
        }
    }

    /// Sends it all.
    pub(super) fn run(mut self) -> Result<Measured, LoadError> {
        let mut sums = Vec::new();
        for round in 1..=self.plan.rounds {
            if !self.goes_on() {
                break;
            }
            sums.extend(self.round(round)?);
        }
        self.progress.end();
        if self.interrupt.signal().is_some() {
            self.measured.ended = RunEnd::Interrupted;
        }
        if let Some(sampler) = &self.sampler {
            self.measured.blamed = sampler.blamed();
            self.measured.missed = sampler.missed();
        }
        for (reading, sum) in self.measured.rounds.iter_mut().zip(&sums) {
            reading.stalls = sum.stalls(&self.measured.blamed);
        }
        self.measured.took = self.began.elapsed();
        Ok(self.measured)
    }

    fn goes_on(&self) -> bool {
        self.measured.ended == RunEnd::Complete && self.interrupt.signal().is_none()
    }

    /// One round; what was seen inside meanwhile, where anything was.
    fn round(&mut self, round: u64) -> Result<Option<RoundSum>, LoadError> {
        let before = self.look();
        if let Some(sampler) = &self.sampler {
            sampler.begin_round();
        }
        let plan = self.plan;
        for endpoint in &plan.endpoints {
            let closed = plan.closed(endpoint, plan.conditions.concurrency);
            self.part(round, TestName::Health, vec![(LoadPart::Closed, closed)])?;
        }
        for endpoint in &plan.endpoints {
            let open = plan.open(endpoint);
            self.part(round, TestName::Health, vec![(LoadPart::Open, open)])?;
        }
        self.calls(round)?;
        self.progress.round_is_over(round, &self.measured.timeline);
        let sum = self.sampler.as_ref().map(Sampler::round);
        let (Some(before), Some(sum)) = (before, sum) else {
            return Ok(None);
        };
        let reading = self.settle(&before, &sum);
        // What had no time to settle says nothing of what is left over.
        if !self.goes_on() {
            return Ok(None);
        }
        self.measured.rounds.push(reading);
        Ok(Some(sum))
    }

    fn calls(&mut self, round: u64) -> Result<(), LoadError> {
        let plan = self.plan;
        if plan.calls.is_empty() {
            return Ok(());
        }
        let probe = plan.probe.as_ref();
        if let Some(probe) = probe {
            let alone = vec![(LoadPart::ProbeAlone, plan.open(probe))];
            self.part(round, TestName::Calls, alone)?;
        }
        let beside = probe.map(|probe| (LoadPart::ProbeBeside, plan.open(probe)));
        let callers = plan.calls.iter().map(|call| {
            let callers = plan.closed(call, plan.conditions.callers);
            (LoadPart::Callers, callers)
        });
        let part = beside.into_iter().chain(callers).collect();
        self.part(round, TestName::Calls, part)
    }

    /// Sends one part of a round.
    fn part(&mut self, round: u64, test: TestName, part: Part) -> Result<(), LoadError> {
        if !self.goes_on() {
            return Ok(());
        }
        if let Some(sampler) = &self.sampler {
            sampler.begin_test(test);
            sampler.turn_second();
        }
        let load = Load {
            streams: part.iter().map(|(_, stream)| stream.clone()).collect(),
            duration: self.plan.duration,
        };
        let running = load.start()?;
        self.interrupt.will_stop(running.stopper());
        while let Some(tick) = running.tick() {
            self.second(round, &part, &tick);
        }
        let outcome = running.finish()?;
        // What belongs to this part is looked for before the next one begins.
        self.look();
        for ((how, stream), tally) in part.iter().zip(&outcome.streams) {
            let loads = &mut self.measured.loads;
            loads.add(test, *how, &stream.name, tally, outcome.sent_for);
        }
        self.measured.sender_share = self.measured.sender_share.max(outcome.own_share);
        match outcome.ended {
            Ended::Complete => {}
            Ended::Stopped => self.measured.ended = RunEnd::Interrupted,
            Ended::TargetGone => self.measured.ended = RunEnd::TargetGone,
        }
        Ok(())
    }

    fn second(&mut self, round: u64, part: &Part, tick: &Tick) {
        let outside = part.iter().zip(&tick.streams);
        let outside = outside.map(|((how, stream), second)| Outside {
            name: stream.name.clone(),
            part: *how,
            second: *second,
        });
        let moment = Moment {
            at_seconds: self.began.elapsed().as_secs_f64(),
            round,
            outside: outside.collect(),
            inside: self.sampler.as_ref().and_then(Sampler::turn_second),
        };
        let of = self.plan.duration.as_secs_f64();
        self.progress.second(&moment, f64::from(tick.number), of);
        self.measured.timeline.push(moment);
    }

    fn look(&self) -> Option<Sample> {
        self.sampler.as_ref().and_then(Sampler::look)
    }

    /// Waits until tasks and files are what they were before, or for as long as that may take.
    fn settle(&self, before: &Sample, sum: &RoundSum) -> RoundReading {
        let began = Instant::now();
        let mut after = self.look();
        while self.goes_on() && began.elapsed() < self.plan.settle.max(SETTLE_LEAST) {
            let is_back = after
                .as_ref()
                .is_some_and(|after| is_back(&before.reading, &after.reading));
            if is_back && began.elapsed() >= SETTLE_LEAST {
                break;
            }
            self.interrupt.wait(SETTLE_STEP);
            after = self.look();
        }
        RoundReading {
            before: before.reading,
            peak: sum.peak,
            after: after
                .as_ref()
                .map(|after| after.reading)
                .unwrap_or_default(),
            settled_seconds: began.elapsed().as_secs_f64(),
            stalls: 0,
            lag_ms: sum.lag_ms,
            tasks: after.as_ref().and_then(|after| flow(before, after)),
        }
    }
}

fn is_back(before: &Reading, after: &Reading) -> bool {
    after.tasks <= before.tasks && after.open_fds <= before.open_fds
}
