//! A process that has nearly as many files open as it may, or ever more of them.

use super::{Case, Finding, memory::ENOUGH_LESS, words};
use crate::{
    diagnosis::Diagnosis,
    observation::Owner,
    report::{IncidentKind, Severity},
    summary::duration,
    time::Nanos,
};

const STEPS: &[&str] = &[
    "look at what is open: `ls -l /proc/PID/fd`, grouped by kind; sockets in CLOSE_WAIT: `ss -tnp`",
    "close in every way out: `async with` around sessions, responses, connections and files; one HTTP client \
     for the service, not one a request",
    "raise the limit as a stopgap: `ulimit -n`, `LimitNOFILE=` of the unit",
];

const VERIFY: &str = "`loopscope health --json`: `open_fds` of this process stays where it is";

pub(super) fn high(case: &Case<'_>) -> Option<Finding> {
    let resources = case.process.resources?;
    let (open, limit) = (resources.open_fds?, resources.fd_limit?);
    let share = open as f64 / limit.max(1) as f64;
    let is_open = case.is_open(IncidentKind::DescriptorHigh, 0);
    let margin = if is_open { ENOUGH_LESS } else { 1.0 };
    let severity = if share >= case.config.descriptors_critical_share * margin {
        Severity::Critical
    } else if share >= case.config.descriptors_high_share * margin {
        Severity::Degraded
    } else {
        return None;
    };
    let note = format!(
        "{} has {open} files open, {:.0} % of the {limit} that it may have",
        case.who(),
        share * 100.0
    );
    Some(finding(case, severity, note, case.now))
}

pub(super) fn growth(case: &Case<'_>) -> Option<Finding> {
    let rule = case.config.descriptor_growth;
    let rule = case.trend_rule(IncidentKind::DescriptorGrowth, 0, &rule);
    let growth = case.process.work.descriptors.growth(&rule)?;
    let note = format!(
        "{} opens ever more files: {:.0} by now, {:.0} more a minute over the last {}",
        case.who(),
        growth.to,
        growth.per_minute,
        duration(growth.span)
    );
    Some(finding(case, Severity::Degraded, note, growth.since))
}

fn finding(case: &Case<'_>, severity: Severity, note: String, since: Nanos) -> Finding {
    Finding {
        severity,
        since,
        owner: Owner::Nobody,
        diagnosis: Diagnosis {
            note: Some(note),
            chain: vec![case.process.info.name.clone()],
            advice: words::advice(STEPS, VERIFY),
            ..Diagnosis::default()
        },
    }
}
