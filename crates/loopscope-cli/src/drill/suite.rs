//! Brings the faults in, one after the other, and looks on: the memory's growth, which takes longest, goes on beside
//! the others.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use loopscope_drill::results::{DrillEnd, FaultResult};
use loopscope_drill::wire::{Reply, Request};
use loopscope_drill::{Fault, Limits, Look, Plan, Skip, Watch, judge};

use super::alert::Alerts;
use super::lease::Lease;
use super::looking::Surfaces;
use super::progress::Progress;
use crate::interrupt::Interrupt;

/// Time between two looks: how exactly the time to a finding is known.
const INTERVAL: Duration = Duration::from_millis(40);

/// How long a process may take to begin with a fault, and to undo it beyond its time.
const OBEYS_WITHIN: Duration = Duration::from_secs(15);

/// A supervisor that answers nothing for so long is gone.
const GONE_AFTER: Duration = Duration::from_secs(5);

/// Between two faults, so that they stay two.
const PAUSE: Duration = Duration::from_millis(600);

/// Brings faults in.
pub(super) struct Suite<'a> {
    pub(super) lease: &'a Lease,
    pub(super) surfaces: &'a Surfaces,
    pub(super) limits: Limits,
    pub(super) interrupt: &'a Interrupt,
    pub(super) alerts: Option<&'a Alerts>,
    pub(super) progress: &'a Progress,
    under_way: Vec<UnderWay>,
    done: BTreeMap<Fault, FaultResult>,
    last: Look,
    answered_at: Instant,
}

/// A fault between its order and its result.
struct UnderWay {
    fault: Fault,
    plan: Plan,
    watch: Watch,
    asked_at: Instant,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    Asked,
    In { began_nanos: u64, is_ending: bool },
    Over { stay: judge::Stay, at: Instant },
    Missing(String),
}

/// What came of all of them.
pub(super) struct Done {
    pub(super) ended: DrillEnd,
    pub(super) faults: Vec<FaultResult>,
}

impl<'a> Suite<'a> {
    pub(super) fn new(
        lease: &'a Lease,
        surfaces: &'a Surfaces,
        interrupt: &'a Interrupt,
        alerts: Option<&'a Alerts>,
        progress: &'a Progress,
    ) -> Self {
        Self {
            lease,
            surfaces,
            limits: Limits::of(&lease.introduction),
            interrupt,
            alerts,
            progress,
            under_way: Vec::new(),
            done: BTreeMap::new(),
            last: surfaces.look(),
            answered_at: Instant::now(),
        }
    }

    /// Brings these in.
    pub(super) fn run(mut self, faults: &[Fault]) -> Done {
        let ended = match self.bring_in(faults) {
            Ok(()) => DrillEnd::Complete,
            Err(ended) => ended,
        };
        if ended != DrillEnd::Complete {
            self.undo();
        }
        let faults = Fault::ALL
            .into_iter()
            .filter_map(|fault| self.done.remove(&fault));
        Done {
            ended,
            faults: faults.collect(),
        }
    }

    fn bring_in(&mut self, faults: &[Fault]) -> Result<(), DrillEnd> {
        let (beside, others): (Vec<Fault>, Vec<Fault>) =
            faults.iter().partition(|fault| **fault == Fault::Memory);
        for fault in beside {
            self.ask(fault);
        }
        for fault in others {
            self.ask(fault);
            self.look_on(|suite| suite.done.contains_key(&fault))?;
            let until = Instant::now() + PAUSE;
            self.look_on(|_| Instant::now() >= until)?;
        }
        self.look_on(|suite| suite.under_way.is_empty())
    }

    fn ask(&mut self, fault: Fault) {
        match self.prepared(fault) {
            Ok(one) => {
                self.progress.begin(fault, &one.plan);
                self.lease.ask(&Request::begin(fault, &one.plan));
                self.under_way.push(one);
            }
            Err(why) => {
                let result = judge::skipped(fault, why);
                self.progress.over(&result);
                self.done.insert(fault, result);
            }
        }
    }

    fn prepared(&self, fault: Fault) -> Result<UnderWay, Skip> {
        let plan = fault.plan(&self.limits)?;
        let empty = Default::default();
        let before = self.last.health.as_ref();
        let before = before.map_or(&empty, |answer| &answer.report);
        let watch = Watch::new(fault, self.lease.introduction.pid, before);
        if let Some(said) = watch.said_before(before) {
            return Err(format!(
                "it could not be told from what is found already: {said}"
            ));
        }
        Ok(UnderWay {
            fault,
            plan,
            watch,
            asked_at: Instant::now(),
            stage: Stage::Asked,
        })
    }

    /// Looks until something is so.
    fn look_on(&mut self, is_so: impl Fn(&Self) -> bool) -> Result<(), DrillEnd> {
        while !is_so(self) {
            self.look()?;
            if self.interrupt.signal().is_some() {
                return Err(DrillEnd::Interrupted);
            }
            self.interrupt.wait(INTERVAL);
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), DrillEnd> {
        let look = self.surfaces.look();
        self.hear();
        if look.health.is_some() {
            self.answered_at = Instant::now();
            self.last = look.clone();
        }
        if self.lease.is_gone() || self.answered_at.elapsed() > GONE_AFTER {
            return Err(DrillEnd::TargetGone);
        }
        for one in &mut self.under_way {
            one.take(&look);
            if one.is_to_end() {
                self.lease.ask(&Request::end(one.fault));
            }
        }
        let (finished, rest) = std::mem::take(&mut self.under_way)
            .into_iter()
            .partition(UnderWay::is_finished);
        self.under_way = rest;
        self.finish(finished, |result| result);
        Ok(())
    }

    fn hear(&mut self) {
        while let Some(reply) = self.lease.heard() {
            let fault = reply.fault();
            let one = self
                .under_way
                .iter_mut()
                .find(|one| Some(one.fault) == fault);
            if let Some(one) = one {
                one.hear(reply);
            }
        }
    }

    fn finish(&mut self, finished: Vec<UnderWay>, as_told: impl Fn(FaultResult) -> FaultResult) {
        for one in finished {
            let line = self.lease.introduction.lines.get(one.fault.name()).copied();
            let began = one.began_nanos();
            let mut result = as_told(one.result(line));
            let alert = began.zip(self.alerts).and_then(|(began, alerts)| {
                alerts
                    .first_after(began)
                    .map(|at| (at - began) as f64 / 1e9)
            });
            result.alert_after_seconds = alert;
            self.progress.over(&result);
            self.done.insert(result.fault, result);
        }
    }

    /// Has everything undone, and waits until that is so.
    fn undo(&mut self) {
        for one in &self.under_way {
            self.lease.ask(&Request::end(one.fault));
        }
        let until = Instant::now() + OBEYS_WITHIN;
        let is_in = |one: &UnderWay| matches!(one.stage, Stage::Asked | Stage::In { .. });
        while self.under_way.iter().any(is_in) && Instant::now() < until {
            self.hear();
            if self.lease.is_gone() {
                break;
            }
            std::thread::sleep(INTERVAL);
        }
        let cut_short = std::mem::take(&mut self.under_way);
        self.finish(cut_short, judge::cut_short);
    }
}

impl UnderWay {
    fn take(&mut self, look: &Look) {
        match &self.stage {
            // Nothing of it can have been seen by then, but what it blocks may keep its word from coming.
            Stage::Asked | Stage::In { .. } => self.watch.look(look),
            Stage::Over { .. } => self.watch.look_after(look),
            Stage::Missing(_) => {}
        }
    }

    fn hear(&mut self, reply: Reply) {
        self.stage = match reply {
            Reply::Began { at_nanos, .. } => Stage::In {
                began_nanos: at_nanos,
                is_ending: false,
            },
            Reply::Over {
                began_nanos,
                ended_nanos,
                undone,
                failure,
                ..
            } => Stage::Over {
                stay: judge::Stay {
                    began_nanos,
                    ended: Some((ended_nanos, undone)),
                    failure,
                },
                at: Instant::now(),
            },
            Reply::Missing { why, .. } => Stage::Missing(format!("it needs {why}")),
        };
    }

    /// Whether it is to be ended now; told once.
    fn is_to_end(&mut self) -> bool {
        let is_found = self.plan.ends_when_found && self.watch.is_found();
        match &mut self.stage {
            Stage::In { is_ending, .. } if is_found && !*is_ending => {
                *is_ending = true;
                true
            }
            _ => false,
        }
    }

    fn is_finished(&self) -> bool {
        let waited = self.asked_at.elapsed();
        match &self.stage {
            Stage::Missing(_) => true,
            Stage::Asked => waited > OBEYS_WITHIN,
            Stage::In { .. } => waited > self.plan.lasts + OBEYS_WITHIN,
            Stage::Over { at, .. } if self.watch.is_found() => {
                self.watch.is_settled() || at.elapsed() > self.plan.settles
            }
            Stage::Over { .. } => waited > self.plan.patience,
        }
    }

    fn began_nanos(&self) -> Option<u64> {
        match &self.stage {
            Stage::In { began_nanos, .. } => Some(*began_nanos),
            Stage::Over { stay, .. } => Some(stay.began_nanos),
            Stage::Asked | Stage::Missing(_) => None,
        }
    }

    fn result(self, line: Option<u32>) -> FaultResult {
        let watched = self.watch.watched();
        match self.stage {
            Stage::Missing(why) => judge::skipped(self.fault, why),
            Stage::Asked => {
                judge::skipped(self.fault, "the process did not begin with it".to_owned())
            }
            Stage::In { began_nanos, .. } => {
                let stay = judge::Stay {
                    began_nanos,
                    ended: None,
                    failure: None,
                };
                judge::fault(self.fault, stay, watched, line)
            }
            Stage::Over { stay, .. } => judge::fault(self.fault, stay, watched, line),
        }
    }
}
