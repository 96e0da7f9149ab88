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

const RUST_STEPS: &[&str] = &[
    "look at what was sent to `spawn_blocking` and does not come back: a call without a time-out holds a thread for good, \
     and one that runs for ever wants a thread of its own, `std::thread::spawn`",
    "bound how much is sent at once, with a `tokio::sync::Semaphore` around `spawn_blocking`; what computes belongs to a \
     pool with a thread for each core, such as rayon's",
    "`tokio::fs` and the resolving of names wait for the same threads: they stand still, too",
    "more threads only where the work mostly waits: `max_blocking_threads` of the runtime's builder",
];

const RUST_VERIFY: &str =
    "`loopscope health --json`: this executor is not listed any more, or its `queued` is 0";

pub(super) fn check(case: &Case<'_>, reading: &ExecutorReading) -> Option<Finding> {
    let since = reading.saturated_since?;
    if reading.ended || case.lasted(since) < case.config.saturation_after {
        return None;
    }
    let is_rust = case.is_rust();
    let verb = if reading.queued == 1 { "waits" } else { "wait" };
    let threads = match reading.max_workers {
        0 => "its threads".to_owned(),
        most => words::count(most, "thread"),
    };
    let note = format!(
        "executor {} of {}: all {threads} are at work and {}{} of work {verb}",
        reading.name,
        case.who(),
        // tokio does not tell everybody how much waits.
        if is_rust { "at least " } else { "" },
        words::count(reading.queued, "piece"),
    );
    let advice = if is_rust {
        words::advice(RUST_STEPS, RUST_VERIFY)
    } else {
        words::advice(STEPS, VERIFY)
    };
    Some(Finding {
        severity: Severity::Degraded,
        since,
        owner: Owner::Nobody,
        diagnosis: Diagnosis {
            note: Some(note),
            chain: vec![reading.name.to_string()],
            advice,
            ..Diagnosis::default()
        },
    })
}
