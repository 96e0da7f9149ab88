//! A site whose tasks become ever more.
//!
//! The number alone says nothing: a busy service has many. The trend test rules out what comes back, levels
//! off or is a step; and where the age of the oldest task is known, it must have been alive for most of the
//! window, since rising load is served by young tasks. Where it is not known, it takes twice the time.

use super::{Case, Finding, words};
use crate::{
    diagnosis::Diagnosis,
    fingerprint::qualified,
    report::{IncidentKind, Severity},
    summary::duration,
    work::Site,
};

const STEPS: &[&str] = &[
    "look at what they wait for: `loopscope dump PID` groups tasks by where they stand",
    "give that wait a limit, `async with asyncio.timeout(...)`, or end it when the client is gone",
    "let whoever creates the tasks wait for them, `async with asyncio.TaskGroup()`, so that they end with it",
];

const RUST_STEPS: &[&str] = &[
    "look at what they wait for, and give that wait a limit, `tokio::time::timeout(...).await`",
    "end them when the client is gone: hold their handles, and `abort` them, or a \
     `tokio_util::sync::CancellationToken`",
    "let whoever creates the tasks wait for them: a `tokio::task::JoinSet` aborts them when it is dropped",
];

const VERIFY: &str = "`loopscope health --json`: `alive` of this site no longer rises";

pub(super) fn check(case: &Case<'_>, slot: u32, site: &Site) -> Option<Finding> {
    let rule = case.trend_rule(IncidentKind::TaskLeak, slot, &case.config.task_leak);
    let growth = site.alive.growth(&rule)?;
    let is_old = match site.reading.oldest_started {
        Some(started) => case.now.since(started).0 >= growth.span.0 / 2,
        None => growth.span.0 >= rule.min_span.0.saturating_mul(2),
    };
    if !is_old {
        return None;
    }
    let reading = &site.reading;
    let what = format!(
        "tasks of {} become ever more: {} alive, {:.0} more a minute over the last {}",
        words::coroutine(&reading.site),
        reading.alive(),
        growth.per_minute,
        duration(growth.span)
    );
    let created = words::created_at(&reading.site);
    let created = created.map_or_else(String::new, |at| format!(", created at {at}"));
    let is_rust = words::is_rust(&reading.site.file);
    let steps = if is_rust { RUST_STEPS } else { STEPS };
    Some(Finding {
        severity: Severity::Degraded,
        since: growth.since,
        owner: reading.site.owner,
        diagnosis: Diagnosis {
            culprit: words::culprit_of(&reading.site),
            note: Some(what + &created),
            chain: vec![
                qualified(&reading.site.file, &reading.site.function),
                reading.site.coroutine.clone(),
            ],
            advice: words::advice(steps, VERIFY),
            ..Diagnosis::default()
        },
    })
}
