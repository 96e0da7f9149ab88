//! Findings as lines on stderr: one when a fault is found, one more when it becomes critical or when a
//! blocked loop comes back, and a summary at the end.

use std::fs;

use loopscope_engine::change::{Change, ChangeKind};
use loopscope_engine::report::{Incident, IncidentKind, ProcessState, Report, Severity};
use loopscope_engine::who_waits;

use super::serve::Show;
use crate::messages::say;
use crate::screen::Text;

/// Incidents listed in the summary; the report has them all.
const MOST_LISTED: usize = 10;

/// Prints changes as lines.
pub(crate) struct Lines;

impl Show for Lines {
    fn change(&mut self, change: &Change) {
        if let Some(line) = line(change) {
            say(&line);
        }
        if let Some(line) = awaited(change) {
            say(&line);
        }
    }
}

/// The line below a stall that is news, which says for whom the task worked that keeps the loop. Its names
/// are the program's to choose.
fn awaited(change: &Change) -> Option<String> {
    let is_news = matches!(change.kind, ChangeKind::Opened | ChangeKind::Escalated);
    let task = change.incident.task.as_ref().filter(|_| is_news)?;
    let words = who_waits(task)?;
    Some(format!("  {}", Text::new(&words)))
}

/// The line of a change, `None` where it says nothing new to a person.
fn line(change: &Change) -> Option<String> {
    let incident = &change.incident;
    let seconds = change.occurrence.as_secs_f64();
    let severity = severity(incident.severity);
    let is_told = incident.origin.is_some() && incident.kind != IncidentKind::ProcessRestarted;
    if is_told && incident.severity < Severity::Critical {
        // It comes from another fault, which has a line of its own; the report has all of it.
        return None;
    }
    match change.kind {
        ChangeKind::Opened | ChangeKind::Escalated => {
            Some(format!("{severity}: {}", incident.summary))
        }
        ChangeKind::Updated if incident.count > 1 => Some(format!(
            "{severity}: again, {} times by now: {}",
            incident.count, incident.summary
        )),
        ChangeKind::Updated => Some(format!("{severity}: {}", incident.summary)),
        ChangeKind::Closed if tells_end(change) => {
            Some(format!("over after {seconds:.2} s: {}", incident.summary))
        }
        ChangeKind::Closed => None,
    }
}

/// Whether the end of it is news: it was critical, or it lasted by its nature. A loop that stalled once is
/// told of when that is found, and what only happened was over then.
fn tells_end(change: &Change) -> bool {
    let incident = &change.incident;
    let lasted = incident.kind.lasts() || incident.kind == IncidentKind::TaskFailure;
    let lasted = lasted && incident.kind != IncidentKind::LoopStall;
    incident.severity == Severity::Critical || (lasted && change.occurrence.0 > 0)
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "note",
        Severity::Degraded => "degraded",
        Severity::Critical => "critical",
    }
}

/// The lines that sum up a run.
pub(crate) fn summary(report: &Report) -> Vec<String> {
    let loops = report.detailed_health.event_loops.len();
    let figures = &report.monitoring;
    let tasks = figures.total_tasks.map_or_else(String::new, |tasks| {
        format!(" and {}", count(tasks as usize, "task"))
    });
    let longest = match figures.longest_stall_seconds {
        Some(seconds) => format!(": the longest {seconds:.2} s"),
        None if report.incidents.is_empty() => ": nothing to report".to_owned(),
        None => String::new(),
    };
    let mut lines = vec![if loops == 0 {
        "no event loop was seen in this run".to_owned()
    } else {
        format!(
            "watched {}{tasks} for {:.1} s, {}{longest}",
            count(loops, "loop"),
            report.uptime_seconds,
            count(figures.total_stalls as usize, "stall"),
        )
    }];
    let mut incidents: Vec<&Incident> = report.incidents.iter().collect();
    incidents.sort_by(|a, b| {
        (b.severity, b.duration_seconds)
            .partial_cmp(&(a.severity, a.duration_seconds))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    lines.extend(
        incidents
            .iter()
            .take(MOST_LISTED)
            .map(|incident| listed(incident)),
    );
    if let Some(more) = incidents
        .len()
        .checked_sub(MOST_LISTED)
        .filter(|more| *more > 0)
    {
        lines.push(format!("  and {more} more, see `--report FILE`"));
    }
    lines
}

/// The line on processes that outlived the program that the run was started for; `None` where there are
/// none.
pub(crate) fn running_on(report: &Report) -> Option<String> {
    let processes = report.detailed_health.processes.iter();
    let alive = processes
        .filter(|process| matches!(process.state, ProcessState::Running | ProcessState::Stopped));
    // The report is of the last look; a process may have ended with the program, a moment after it.
    let pids: Vec<_> = alive
        .map(|process| process.pid)
        .filter(|pid| is_alive(*pid))
        .collect();
    let listed: Vec<_> = pids.iter().map(u32::to_string).collect();
    match pids.len() {
        0 => None,
        1 => Some(format!("1 process runs on unwatched: pid {}", listed[0])),
        number => Some(format!(
            "{number} processes run on unwatched: pids {}",
            listed.join(", ")
        )),
    }
}

fn is_alive(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let state = status.lines().find_map(|line| line.strip_prefix("State:"));
    state.is_some_and(|state| !state.trim_start().starts_with(['Z', 'X']))
}

fn listed(incident: &Incident) -> String {
    let severity = severity(incident.severity);
    if incident.kind != IncidentKind::LoopStall {
        return format!("  {severity}: {}", incident.summary);
    }
    let times = count(incident.count as usize, "time");
    format!(
        "  {severity}, {times}, {:.2} s in all: {}",
        incident.duration_seconds, incident.summary
    )
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
