//! The state machine of one loop: when a stall begins, goes on and ends.
//!
//! It sees looks, readings and ends of busy periods, and answers with steps: diagnose the running stall,
//! close it, report one that was over before anyone looked. A busy period that is over, or that turned
//! out to be none, never comes back. It knows nothing of incidents beyond the handle of its own
//! occurrence, and says nothing of causes.

mod finished;
mod period;

use std::collections::VecDeque;

pub(crate) use period::{FIRST_LOOK_PART, Period, Rules};

use self::finished::Finished;
use crate::{
    incidents::OccurrenceId,
    observation::{InsideLoop, LoopReading, Sample},
    time::Nanos,
};

/// Busy periods that were seen, passed over and not yet reported as ended. The ring of ended periods is
/// read right after the slots, so more than a few never wait.
const MAX_WAITING: usize = 4;

/// The stalls of one loop: at most one is open.
#[derive(Debug, Default)]
pub(crate) struct LoopStalls {
    current: Option<Period>,
    waiting: VecDeque<Period>,
    finished: Finished,
    suspension: Option<Suspension>,
    /// The last suspension that is over: from, to. What was busy across it counts from its end only.
    last_suspension: Option<(Nanos, Nanos)>,
    amendable: Option<Amendable>,
}

/// A stopped process, from this loop's point of view.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suspension {
    pub(crate) since: Nanos,
    pub(crate) occurrence: OccurrenceId,
}

/// A stall that was closed without its exact end.
#[derive(Clone, Copy, Debug)]
struct Amendable {
    started: Nanos,
    occurrence: OccurrenceId,
}

/// What is to be done about a loop after a fact.
#[derive(Debug)]
pub(crate) enum Step {
    /// The current period is a stall: open or refine its occurrence.
    Diagnose,
    /// This stall is over.
    Close {
        /// The period, with its occurrence.
        period: Box<Period>,
        /// When it ended.
        ended: Nanos,
    },
    /// This period was a stall, seen only now that it is over.
    ReportEnded {
        /// The period, without an occurrence.
        period: Box<Period>,
        /// When it ended.
        ended: Nanos,
    },
    /// The exact end of a stall that was closed before became known.
    Amend {
        /// Which.
        occurrence: OccurrenceId,
        /// When it ended.
        ended: Nanos,
    },
}

impl LoopStalls {
    /// The period that is under way, as far as it is known.
    pub(crate) fn current(&self) -> Option<&Period> {
        self.current.as_ref()
    }

    /// Its start and occurrence, where it is an open stall.
    pub(crate) fn open_stall(&self) -> Option<(Nanos, OccurrenceId)> {
        let period = self.current.as_ref()?;
        Some((period.counted_from, period.occurrence?))
    }

    /// The suspension that is under way.
    pub(crate) fn suspension(&self) -> Option<Suspension> {
        self.suspension
    }

    /// Ties the current period to its occurrence.
    pub(crate) fn set_occurrence(&mut self, occurrence: OccurrenceId) {
        if let Some(period) = &mut self.current {
            period.occurrence = Some(occurrence);
        }
    }

    /// The thread was looked at during the busy period that began at `busy_since`.
    pub(crate) fn look(
        &mut self,
        at: Nanos,
        busy_since: Nanos,
        sample: &Sample,
        rules: &Rules,
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        if !self.enter(busy_since, &mut steps) || self.suspension.is_some() {
            return steps;
        }
        if sample.inside_loop == InsideLoop::No {
            steps.extend(self.finish_current(at));
            return steps;
        }
        let Some(period) = &mut self.current else {
            return steps;
        };
        if rules.is_parked(sample) || sample.is_out_of_callbacks() {
            steps.extend(period.park(at));
            return steps;
        }
        if rules.is_unproved(sample) {
            return steps;
        }
        if rules.has_turned(period.looks.newest(), sample) {
            steps.extend(period.park(at));
        }
        if let Some(from) = rules
            .counts_from_first_look(at)
            .filter(|_| period.looks.is_empty())
        {
            period.count_from(from);
        }
        period.looks.push(at, sample, rules.max_looks);
        if period.occurrence.is_some() || period.opens_at(at, rules) {
            steps.push(Step::Diagnose);
        }
        steps
    }

    /// The loop's slot was read.
    pub(crate) fn read(&mut self, at: Nanos, reading: &LoopReading, rules: &Rules) -> Vec<Step> {
        let mut steps = Vec::new();
        match reading.busy_since {
            None => self.leave(reading.last_beat.min(at), at, &mut steps),
            Some(busy_since) => self.read_busy(at, busy_since, rules, &mut steps),
        }
        steps
    }

    fn read_busy(&mut self, at: Nanos, since: Nanos, rules: &Rules, steps: &mut Vec<Step>) {
        let is_current = self
            .current
            .as_ref()
            .is_some_and(|period| period.started == since);
        if !is_current
            && self
                .current
                .as_ref()
                .is_some_and(|period| period.started < since)
        {
            self.leave(since.min(at), at, steps);
        }
        if !rules.opens_unseen() || self.suspension.is_some() || !self.enter(since, steps) {
            return;
        }
        let opens = |period: &Period| {
            period.occurrence.is_none() && at.since(period.counted_from) >= rules.stall_threshold
        };
        if self.current.as_ref().is_some_and(opens) {
            steps.push(Step::Diagnose);
        }
    }

    /// A busy period ended, by the recording's exact clock.
    pub(crate) fn busy_ended(&mut self, started: Nanos, ended: Nanos, rules: &Rules) -> Vec<Step> {
        if let Some(amend) = self
            .amendable
            .take_if(|amendable| amendable.started == started)
        {
            return vec![Step::Amend {
                occurrence: amend.occurrence,
                ended,
            }];
        }
        if self.finished.contains(started) {
            return Vec::new();
        }
        let mut steps = Vec::new();
        if self
            .current
            .as_ref()
            .is_some_and(|period| period.started < started)
        {
            self.leave(started, started, &mut steps);
        }
        self.finished.insert(started);
        let period = self.take_period(started, ended);
        if period.occurrence.is_some() {
            steps.push(Step::Close {
                period: Box::new(period),
                ended,
            });
        } else if self.is_reportable(&period, ended, rules) {
            steps.push(Step::ReportEnded {
                period: Box::new(period),
                ended,
            });
        }
        steps
    }

    /// A busy period ended before the thread was known to be a loop, with the looks at it.
    pub(crate) fn busy_before(
        &mut self,
        started: Nanos,
        ended: Nanos,
        looks: &[(Nanos, Sample)],
        rules: &Rules,
    ) -> Vec<Step> {
        let mut period = Period::new(started, self.counted_from(started, Some(ended)));
        for (at, sample) in looks {
            if rules.is_parked(sample) || sample.is_out_of_callbacks() {
                period.park(*at);
            } else if !rules.is_unproved(sample) {
                period.looks.push(*at, sample, rules.max_looks);
            }
        }
        self.waiting.push_back(period);
        let steps = self.busy_ended(started, ended, rules);
        self.waiting.retain(|period| period.started != started);
        steps
    }

    /// The loop, or its process, is gone.
    pub(crate) fn gone(&mut self, at: Nanos) -> Option<Step> {
        let amendable = self.current.as_ref().and_then(Period::amendable);
        let step = self.finish_current(at);
        self.amendable = amendable.or(self.amendable);
        step
    }

    /// The process is stopped since `since` and has been for long enough to say so.
    pub(crate) fn suspend(&mut self, since: Nanos, occurrence: OccurrenceId) {
        self.suspension = Some(Suspension { since, occurrence });
    }

    /// The process runs again, or is gone. Gives the suspension that this ends.
    pub(crate) fn resume(&mut self, at: Nanos) -> Option<Suspension> {
        let suspension = self.suspension.take()?;
        self.last_suspension = Some((suspension.since, at));
        if let Some(period) = &mut self.current {
            period.count_from(at);
        }
        Some(suspension)
    }

    /// Makes the period that began at `busy_since` the current one. False where it is over, or older
    /// than the current one.
    fn enter(&mut self, busy_since: Nanos, steps: &mut Vec<Step>) -> bool {
        if self.finished.contains(busy_since) {
            return false;
        }
        match self.current.as_ref().map(|period| period.started) {
            Some(started) if started == busy_since => return true,
            Some(started) if started > busy_since => return false,
            Some(_) => self.leave(busy_since, busy_since, steps),
            None => {}
        }
        let counted_from = self.counted_from(busy_since, None);
        self.current = Some(Period::new(busy_since, counted_from));
        true
    }

    /// The current period is over, at `ended` at the latest, but its exact end is not known yet.
    fn leave(&mut self, ended: Nanos, at: Nanos, steps: &mut Vec<Step>) {
        let Some(period) = self.current.take() else {
            return;
        };
        if period.occurrence.is_none() {
            if !period.looks.is_empty() {
                self.waiting.push_back(period);
                if self.waiting.len() > MAX_WAITING {
                    self.waiting.pop_front();
                }
            }
            return;
        }
        self.finished.insert(period.started);
        self.amendable = period.amendable();
        let ended = if ended > period.counted_from {
            ended
        } else {
            at
        };
        steps.push(Step::Close {
            period: Box::new(period),
            ended,
        });
    }

    fn finish_current(&mut self, at: Nanos) -> Option<Step> {
        let period = self.current.take()?;
        self.finished.insert(period.started);
        let is_open = period.occurrence.is_some();
        is_open.then(|| Step::Close {
            period: Box::new(period),
            ended: at,
        })
    }

    fn take_period(&mut self, started: Nanos, ended: Nanos) -> Period {
        if let Some(period) = self.current.take_if(|period| period.started == started) {
            return period;
        }
        match self
            .waiting
            .iter()
            .position(|period| period.started == started)
        {
            Some(index) => self.waiting.remove(index),
            None => None,
        }
        .unwrap_or_else(|| Period::new(started, self.counted_from(started, Some(ended))))
    }

    fn is_reportable(&self, period: &Period, ended: Nanos, rules: &Rules) -> bool {
        let overlaps_stop = self
            .suspension
            .is_some_and(|suspension| ended > suspension.since);
        ended.since(period.counted_from) >= rules.stall_threshold
            && !overlaps_stop
            && period.counts_when_ended(rules)
    }

    fn counted_from(&self, started: Nanos, ended: Option<Nanos>) -> Nanos {
        match self.last_suspension {
            Some((from, to)) if ended.is_none_or(|ended| ended > from) => started.max(to),
            _ => started,
        }
    }
}
