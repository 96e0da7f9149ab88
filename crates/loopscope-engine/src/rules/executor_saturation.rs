//! An executor whose threads are all at work while more waits. Its loop is free: that is no blocked loop.

use super::{Case, Finding, words};
use crate::{
    diagnosis::Diagnosis,
    observation::{ExecutorReading, Owner},
    report::Severity,
};

const STEPS: &[&str] = &[
    "look at what the threads do: `loopscope dump PID`; a call without a time-out holds one for good",
    "give slow work an executor of its own, so that quick work does not wait behind it: \
     `loop.run_in_executor(own_executor, ...)`",
    "give the default executor more threads where its work mostly waits: \
     `loop.set_default_executor(ThreadPoolExecutor(max_workers=...))`",
];

const VERIFY: &str = "`loopscope health --json`: `queued` of this executor goes back to 0";

pub(super) fn check(case: &Case<'_>, reading: &ExecutorReading) -> Option<Finding> {
    let since = reading.saturated_since?;
    if reading.ended || case.lasted(since) < case.config.saturation_after {
        return None;
    }
    let verb = if reading.queued == 1 { "waits" } else { "wait" };
    let note = format!(
        "executor {} of {}: all {} are at work and {} {verb}",
        reading.name,
        case.who(),
        words::count(reading.max_workers, "thread"),
        words::count(reading.queued, "piece") + " of work",
    );
    Some(Finding {
        severity: Severity::Degraded,
        since,
        owner: Owner::Nobody,
        diagnosis: Diagnosis {
            note: Some(note),
            chain: vec![reading.name.to_string()],
            advice: words::advice(STEPS, VERIFY),
            ..Diagnosis::default()
        },
    })
}
