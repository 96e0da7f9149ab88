//! An executor whose threads are all at work while more waits. Its loop is free: that is no blocked loop.

use super::{Case, Finding, words};
use crate::{
    diagnosis::Diagnosis,
    observation::{ExecutorReading, Owner, TaskSiteReading},
    report::Severity,
    summary::place,
};

/// So many places whose work is under way are named.
const PLACES: usize = 3;

/// Where work for a runtime's blocking threads comes from, as the Rust crate says.
const SPAWN_BLOCKING: &str = "spawn_blocking";

const STEPS: &[&str] = &[
    "look at what the threads do: `loopscope dump PID`; a call without a time-out holds one for good",
    "give slow work an executor of its own, so that quick work does not wait behind it: \
     `loop.run_in_executor(own_executor, ...)`",
    "give the default executor more threads where its work mostly waits: \
     `loop.set_default_executor(ThreadPoolExecutor(max_workers=...))`",
];

const VERIFY: &str = "`loopscope health --json`: `queued` of this executor goes back to 0";

const RUST_STEPS: &[&str] = &[
    "look at what the threads do, `gdb -p PID -batch -ex 'thread apply all bt'`: a call without a time-out holds one for \
     good, and what runs for ever wants a thread of its own, `std::thread::spawn`",
    "bound what is sent at once with a `tokio::sync::Semaphore` around `spawn_blocking`; work that computes belongs to a \
     pool with a thread for each core, such as rayon's",
    "`tokio::fs` and the resolving of host names wait for the same threads, so they stand still as well",
    "allow more threads only where the work mostly waits: `max_blocking_threads` of the runtime's builder",
];

pub(super) fn check(case: &Case<'_>, reading: &ExecutorReading) -> Option<Finding> {
    let since = reading.saturated_since?;
    if reading.ended || case.lasted(since) < case.config.saturation_after {
        return None;
    }
    let verb = if reading.queued == 1 { "waits" } else { "wait" };
    let waits = format!("{} of work {verb}", words::count(reading.queued, "piece"));
    let state = match reading.max_workers {
        0 => format!("{waits} for a thread"),
        most => format!(
            "all {} are at work and {waits}",
            words::count(most, "thread")
        ),
    };
    let is_rust = case.is_rust();
    let senders = if is_rust { senders(case) } else { Vec::new() };
    let note = format!("executor {} of {}: {state}", reading.name, case.who());
    let steps = if is_rust { RUST_STEPS } else { STEPS };
    Some(Finding {
        severity: Severity::Degraded,
        since,
        owner: Owner::Nobody,
        diagnosis: Diagnosis {
            culprit: senders
                .first()
                .and_then(|sender| words::culprit_of(&sender.site)),
            note: Some(note),
            detail: sent_at(&senders),
            chain: vec![reading.name.to_string()],
            advice: words::advice(steps, VERIFY),
            ..Diagnosis::default()
        },
    })
}

/// The places that have sent work which is not done, those with most of it first.
fn senders<'a>(case: &Case<'a>) -> Vec<&'a TaskSiteReading> {
    let sites = case.process.work.sites.values();
    let readings = sites.map(|site| &site.reading);
    let mut senders: Vec<_> = readings
        .filter(|reading| reading.site.function == SPAWN_BLOCKING && reading.alive() > 0)
        .collect();
    senders.sort_by_key(|reading| std::cmp::Reverse(reading.alive()));
    senders
}

/// `not done were 4 sent at orders.rs:31, 1 sent at thumbs.rs:9`.
fn sent_at(senders: &[&TaskSiteReading]) -> Option<String> {
    let places = senders.iter().take(PLACES).map(|reading| {
        let at = place(&reading.site.file, reading.site.line);
        format!("{} sent at {at}", reading.alive())
    });
    let places: Vec<_> = places.collect();
    (!places.is_empty()).then(|| format!("not done were {}", places.join(", ")))
}
