//! A task that has been alive far longer than the others of its site, which come and go.
//!
//! Shown, and no more: a connection that a client keeps open looks the same.

use super::{Case, Finding, words};
use crate::{
    cause::shown_task, diagnosis::Diagnosis, fingerprint::qualified, report::Severity,
    summary::duration, work::Site,
};

/// Others that must have ended within the window.
const FEWEST_ENDED: u64 = 20;
/// How many times as long as the others one must have been alive. Among ten thousand lives without
/// memory, the longest is nine times the average.
const TIMES_AS_LONG: u64 = 20;

const STEPS: &[&str] = &[
    "look at what it waits for: `loopscope dump PID` shows where each task stands",
    "give that wait a limit, `async with asyncio.timeout(...)`",
];

const RUST_STEPS: &[&str] = &[
    "look at what it waits for: whoever was to wake it may be gone, or have lost its waker",
    "give that wait a limit, `tokio::time::timeout(...).await`",
];

const VERIFY: &str = "`loopscope health --json`: `oldest_seconds` of this site stays small";

pub(super) fn check(case: &Case<'_>, site: &Site) -> Option<Finding> {
    let reading = &site.reading;
    let started = reading.oldest_started.filter(|_| reading.alive() > 0)?;
    let age = case.lasted(started);
    let (ended, usual) = site.usual_life()?;
    let is_outlier = age.0 >= usual.0.saturating_mul(TIMES_AS_LONG);
    if age < case.config.stuck_after || ended < FEWEST_ENDED || !is_outlier {
        return None;
    }
    let created = words::created_at(&reading.site);
    let created = created.map_or_else(String::new, |at| format!(", created at {at}"));
    let waits = site.oldest.as_ref().and_then(words::waits_at);
    let waits = waits.map_or_else(String::new, |at| format!("; it waits at {at}"));
    let note = format!(
        "a task of {} does not end: others of its kind live for {}{created}{waits}",
        words::coroutine(&reading.site),
        duration(usual)
    );
    let is_rust = words::is_rust(&reading.site.file);
    let steps = if is_rust { RUST_STEPS } else { STEPS };
    Some(Finding {
        severity: Severity::Info,
        since: started,
        owner: reading.site.owner,
        diagnosis: Diagnosis {
            culprit: words::culprit_of(&reading.site),
            note: Some(note),
            task: site.oldest.as_ref().map(shown_task),
            chain: vec![
                qualified(&reading.site.file, &reading.site.function),
                reading.site.coroutine.clone(),
            ],
            advice: words::advice(steps, VERIFY),
            ..Diagnosis::default()
        },
    })
}
