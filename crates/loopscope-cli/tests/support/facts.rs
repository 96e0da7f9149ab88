//! Everything about an incident that is not a time: cause, lock, loop, line, task, advice.

use std::fmt::Debug;
use std::fs;

use loopscope_engine::report::{AwaitingTask, Incident, StallCause, TaskRef};

use super::declared::Declared;
use super::expect::Stall;

/// What is wrong about it.
pub(crate) fn wrong_facts(stall: &Stall, declared: &Declared, incident: &Incident) -> Vec<String> {
    let mut facts = Facts::default();
    facts.equal("closed", true, incident.closed_at.is_some());
    if !(incident.cause == Some(StallCause::CpuStarved) && declared.is_nearly_starved()) {
        facts.judge_cause(stall, incident);
    }
    facts.judge_loop(stall, declared, incident);
    facts.judge_culprit(stall, declared, incident);
    facts.judge_task(stall, declared, incident);
    facts.judge_advice(stall, incident);
    if !stall.shares.is_empty() {
        let shares: Vec<_> = incident
            .shares
            .iter()
            .map(|share| short(&share.function))
            .collect();
        facts.equal(
            "shares",
            stall.shares,
            &shares[..shares.len().min(stall.shares.len())],
        );
    }
    facts.wrong
}

/// Collects what differs.
#[derive(Default)]
struct Facts {
    wrong: Vec<String>,
}

impl Facts {
    fn equal<T: PartialEq + Debug>(&mut self, what: &str, expected: T, found: T) {
        if expected != found {
            self.wrong
                .push(format!("{what}: expected {expected:?}, found {found:?}"));
        }
    }

    fn judge_cause(&mut self, stall: &Stall, incident: &Incident) {
        if stall.cause.is_some() {
            self.equal("cause", stall.cause, incident.cause);
        }
        if stall.gil_held.is_some() {
            self.equal("gil_held", stall.gil_held, incident.gil_held);
        }
    }

    fn judge_loop(&mut self, stall: &Stall, declared: &Declared, incident: &Incident) {
        let Some(on) = &incident.r#loop else {
            self.wrong.push("names no loop".into());
            return;
        };
        self.equal("thread", declared.thread_id, on.thread_id);
        if let Some(runtime) = stall.runtime {
            self.equal("runtime", runtime, on.runtime.as_str());
        }
    }

    fn judge_culprit(&mut self, stall: &Stall, declared: &Declared, incident: &Incident) {
        let (Some(function), Some(culprit)) = (stall.function, &incident.culprit) else {
            return;
        };
        self.equal("function", function, short(&culprit.function));
        self.equal("declared function", function, declared.function.as_str());
        let file = declared.file.rsplit('/').next().unwrap_or_default();
        let place = format!("{file}:{}", culprit.line);
        self.equal(
            "summary names the line",
            true,
            incident.summary.contains(&place),
        );
        let innermost = incident
            .frames
            .iter()
            .find(|frame| frame.in_app)
            .map(|frame| frame.line);
        self.equal(
            "innermost frame of the application",
            Some(culprit.line),
            innermost,
        );
    }

    fn judge_task(&mut self, stall: &Stall, declared: &Declared, incident: &Incident) {
        let Some(expected) = &stall.task else { return };
        let Some(task) = &incident.task else {
            self.wrong.push("names no task".into());
            return;
        };
        self.equal("task", expected.as_str(), task.name.as_str());
        let chain: Vec<_> = task
            .await_chain
            .iter()
            .map(|frame| short(&frame.function))
            .collect();
        self.equal("await chain", stall.await_chain.unwrap_or_default(), &chain);
        if !stall.awaited_by.is_empty() {
            self.equal("awaited by", waits(stall, declared), told_waits(task));
        }
    }

    fn judge_advice(&mut self, stall: &Stall, incident: &Incident) {
        if let Some(replacement) = stall.replacement {
            let said = incident.advice.replacement.as_deref().unwrap_or_default();
            let names = said.contains(replacement);
            self.equal(&format!("advice {said:?} names {replacement}"), true, names);
        }
        if stall.rule.is_some() {
            self.equal("rule", stall.rule, incident.advice.rule.as_deref());
        }
    }
}

/// Who waits for the task, and where, as the fixture has it: name, function and line.
pub(crate) fn waits(stall: &Stall, declared: &Declared) -> Vec<(String, String, u32)> {
    let source = fs::read_to_string(&declared.file).unwrap_or_default();
    let line_of = |function: &str| {
        let end = format!("# AWAITS {function}");
        let found = source.lines().position(|line| line.ends_with(&end));
        found.map_or(0, |index| index as u32 + 1)
    };
    let wait = |(task, function): &(String, &'static str)| {
        (task.clone(), (*function).to_owned(), line_of(function))
    };
    stall.awaited_by.iter().map(wait).collect()
}

fn told_waits(task: &TaskRef) -> Vec<(String, String, u32)> {
    let wait = |waiting: &AwaitingTask| {
        let at = waiting.waits_at();
        let function = at.map_or("", |frame| short(&frame.function));
        let line = at.map_or(0, |frame| frame.line);
        (waiting.name.clone(), function.to_owned(), line)
    };
    task.awaited_by.iter().map(wait).collect()
}

/// A qualified name's last part, which is what a fixture calls its function.
fn short(function: &str) -> &str {
    function.rsplit('.').next().unwrap_or(function)
}
