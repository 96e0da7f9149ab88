//! A process that holds much memory, or ever more of it.

use super::{Case, Finding, words};
use crate::{
    diagnosis::Diagnosis,
    observation::Owner,
    report::{IncidentKind, Severity},
    summary::duration,
    time::Nanos,
};

/// What is too much stays so until it is this much less, or a figure at the limit would open and close
/// the finding time and again.
pub(super) const ENOUGH_LESS: f64 = 0.95;

const HIGH_STEPS: &[&str] = &[
    "look at what holds it: `memray attach PID` for Python, `heaptrack` for native code",
    "look for caches without a limit, and for results that are kept whole where a stream would do",
    "restart workers after so many requests as a stopgap: `--max-requests` of gunicorn, `--limit-max-requests` \
     of uvicorn",
];

const GROWTH_STEPS: &[&str] = &[
    "take two snapshots some minutes apart and compare them: `tracemalloc`, or `memray attach PID`",
    "look for what only ever grows: a dictionary by user or request, a list of callbacks, tasks that never end",
];

const VERIFY: &str = "`loopscope health --json`: `memory_mb` of this process stays where it is";

pub(super) fn high(case: &Case<'_>) -> Option<Finding> {
    let resources = case.process.resources?;
    let rss = resources.rss_bytes;
    let is_open = case.is_open(IncidentKind::MemoryHigh, 0);
    let margin = if is_open { ENOUGH_LESS } else { 1.0 };
    let share = resources
        .memory_limit_bytes
        .filter(|limit| *limit > 0)
        .map(|limit| (rss as f64 / limit as f64, limit));
    let near = share.filter(|(share, _)| *share >= case.config.memory_critical_share * margin);
    let is_high = rss as f64 >= case.config.memory_high_bytes as f64 * margin;
    let (severity, note) = match near {
        Some((share, limit)) => {
            let of = words::bytes(limit);
            let note = format!("{:.0} % of the {of} that it may have", share * 100.0);
            (Severity::Critical, note)
        }
        None if is_high => {
            let over = words::bytes(case.config.memory_high_bytes);
            (Severity::Degraded, format!("more than {over}"))
        }
        None => return None,
    };
    let note = format!(
        "{} holds {} of memory, {note}",
        case.who(),
        words::bytes(rss)
    );
    Some(finding(case, severity, note, HIGH_STEPS, case.now))
}

pub(super) fn growth(case: &Case<'_>) -> Option<Finding> {
    let rule = case.trend_rule(IncidentKind::MemoryGrowth, 0, &case.config.memory_growth);
    let growth = case.process.work.memory.growth(&rule)?;
    let note = format!(
        "{} takes ever more memory: {} by now, {} more a minute over the last {}",
        case.who(),
        words::bytes(growth.to as u64),
        words::bytes(growth.per_minute as u64),
        duration(growth.span)
    );
    Some(finding(
        case,
        Severity::Degraded,
        note,
        GROWTH_STEPS,
        growth.since,
    ))
}

fn finding(
    case: &Case<'_>,
    severity: Severity,
    note: String,
    steps: &[&str],
    since: Nanos,
) -> Finding {
    Finding {
        severity,
        since,
        owner: Owner::Nobody,
        diagnosis: Diagnosis {
            note: Some(note),
            chain: vec![case.process.info.name.clone()],
            advice: words::advice(steps, VERIFY),
            ..Diagnosis::default()
        },
    }
}
