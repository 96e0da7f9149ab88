//! A report on one screen. Pure: what was seen and a layout in, text out.

use anstyle::Style;

use super::databases;
use super::incident;
use super::look::Seen;
use super::paint;
use super::table;
use super::view::{Agent, Incident, Monitoring, View};
use crate::screen::Layout;
use crate::screen::Text;
use crate::screen::format;

/// Entries of a list that are shown. The rest is counted.
const MAX_ISSUES: usize = 8;
const MAX_INCIDENTS: usize = 5;
const MAX_NOTES: usize = 4;
const MAX_SERVERS: usize = 4;

/// The whole summary.
pub(crate) fn summary(seen: &Seen, layout: &Layout) -> String {
    let view = &seen.view;
    let mut sections = vec![head(seen, layout)];
    sections.push(table::table(&view.detailed_health.event_loops, layout));
    sections.push(issues(view, layout));
    sections.push(incidents(view, layout));
    sections.push(section(
        "Database servers",
        &view.detailed_health.database_servers,
        MAX_SERVERS,
        layout,
        |server| databases::lines(server, layout),
    ));
    sections.push(watching(&view.detailed_health.agent, layout));
    sections.retain(|section| !section.is_empty());
    sections.join("\n")
}

/// Status, service, figures and how old they are.
fn head(seen: &Seen, layout: &Layout) -> String {
    let view = &seen.view;
    let status = paint::word(seen.status()).to_uppercase();
    let mut head = layout.paint(paint::style(seen.status()), &status);
    head.push_str(&format!(
        "  {}",
        layout.paint(Style::new().bold(), view.service.as_str())
    ));
    if let Some(uptime) = view.uptime_seconds {
        head.push_str(&format!("  watched for {}", format::seconds(uptime)));
    }
    head.push('\n');
    let figures = figures(&view.monitoring);
    if !figures.is_empty() {
        head.push_str(&layout.item("", &figures));
    }
    head.push_str(&layout.dim(&freshness(seen)));
    head.push('\n');
    if let Some(slowness) = seen.slowness() {
        head.push_str(&layout.item("", &slowness));
    }
    if view.is_newer() {
        head.push_str(&layout.item("", &newer(view)));
    }
    head
}

fn newer(view: &View) -> String {
    format!(
        "note: the server's reports have schema version {}, newer than this program knows; some of it \
         may not be shown",
        view.schema_version
    )
}

fn figures(figures: &Monitoring) -> String {
    let mut parts = Vec::new();
    if let Some(processes) = figures.processes_count {
        parts.push(format::count(processes, "process", "processes"));
    }
    if let Some(loops) = figures.event_loops_count {
        let blocked = figures.blocked_loops.filter(|&blocked| blocked > 0);
        let blocked = blocked
            .map(|blocked| format!(" ({blocked} blocked)"))
            .unwrap_or_default();
        parts.push(format::count(loops, "loop", "loops") + &blocked);
    }
    if let Some(stalls) = figures.total_stalls {
        let longest = figures.longest_stall_seconds.map(format::seconds);
        let longest = longest
            .map(|longest| format!(" (longest {longest})"))
            .unwrap_or_default();
        parts.push(format::count(stalls, "stall", "stalls") + &longest);
    }
    parts.extend(tasks(figures));
    parts.extend(
        figures
            .memory_mb
            .map(|mebibytes| format!("{mebibytes:.0} MiB")),
    );
    parts.extend(
        figures
            .cpu_percent
            .map(|percent| format!("{percent:.0} % of a core")),
    );
    parts.extend(
        figures
            .open_fds
            .map(|fds| format::count(fds, "open file", "open files")),
    );
    parts.join(" · ")
}

/// Tasks alive, with those that failed where any did.
fn tasks(figures: &Monitoring) -> Option<String> {
    let alive = format::count(figures.pending_tasks?, "task", "tasks");
    let failed = figures.failed_tasks.filter(|&failed| failed > 0);
    let failed = failed.map(|failed| format!(" ({failed} failed)"));
    Some(alive + &failed.unwrap_or_default())
}

fn freshness(seen: &Seen) -> String {
    let age = seen
        .age_seconds
        .map(|age| format!("{} old", format::seconds(age)));
    let at = seen
        .view
        .timestamp
        .as_ref()
        .map(|at| format!("state of {at}"));
    let took = format!("answered in {}", format::seconds(seen.took.as_secs_f64()));
    at.into_iter()
        .chain(age)
        .chain([took])
        .collect::<Vec<_>>()
        .join(", ")
}

fn issues(view: &View, layout: &Layout) -> String {
    section("Issues", &view.issues, MAX_ISSUES, layout, |issue| {
        layout.item("  - ", issue.as_str())
    })
}

fn incidents(view: &View, layout: &Layout) -> String {
    let open: Vec<&Incident> = view
        .incidents
        .iter()
        .filter(|incident| incident.is_open())
        .collect();
    let mut text = section("Open incidents", &open, MAX_INCIDENTS, layout, |incident| {
        incident::lines(incident, layout)
    });
    let closed = view.incidents.len() - open.len();
    if closed > 0 {
        let closed = format::count(closed as u64, "incident", "incidents");
        let more = format!("{closed} closed lately; `loopscope health --json` has the details\n");
        text.push_str(&layout.dim(&more));
    }
    text
}

/// What the watching itself missed: shown whenever there is anything, since a gap is not good health.
fn watching(agent: &Agent, layout: &Layout) -> String {
    let mut notes = agent.notes.clone();
    if agent.failed_samples > 0 {
        let note = format!(
            "{} of {} samples unreadable",
            agent.failed_samples, agent.samples
        );
        notes.push(Text::new(&note));
    }
    let lost = agent.dropped.iter().filter(|(_, count)| **count > 0);
    notes.extend(lost.map(|(what, count)| Text::new(&format!("lost: {count} {what}"))));
    section("About the watching", &notes, MAX_NOTES, layout, |note| {
        layout.item("  - ", note.as_str())
    })
}

/// A title and its entries, or nothing where there are none.
fn section<T>(
    title: &str,
    entries: &[T],
    max: usize,
    layout: &Layout,
    render: impl Fn(&T) -> String,
) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let mut section = format!("{}\n", layout.title(title));
    section.extend(entries.iter().take(max).map(render));
    if entries.len() > max {
        section.push_str(&layout.dim(&format!("  … and {} more\n", entries.len() - max)));
    }
    section
}

#[cfg(test)]
mod tests;
