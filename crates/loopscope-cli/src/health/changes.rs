//! What changed between two looks. Pure: two reports in, sentences out.
//!
//! Incidents and loops are matched by their ids, which hold for the life of one watched run; a new run
//! is said as such and compared with nothing.

use std::collections::BTreeMap;

use super::incident;
use super::look::Seen;
use super::paint;
use super::view::{Incident, Loop, View};
use crate::screen::Text;
use crate::screen::format;

/// One sentence for each change, in order of weight; empty where nothing changed.
pub(crate) fn changes(before: &Seen, after: &Seen) -> Vec<String> {
    let mut changes = Vec::new();
    if before.status() != after.status() {
        let (from, to) = (paint::word(before.status()), paint::word(after.status()));
        changes.push(format!("status {from} → {to}"));
    }
    if is_new_run(&before.view, &after.view) {
        changes.push(format!("a new run of {} is watched", after.view.service));
        changes.extend(
            after
                .view
                .incidents
                .iter()
                .filter(|i| i.is_open())
                .map(opened),
        );
    } else {
        changes.extend(incident_changes(
            &before.view.incidents,
            &after.view.incidents,
        ));
        changes.extend(loop_changes(&before.view, &after.view));
        changes.extend(losses(&before.view, &after.view));
    }
    changes.extend(after.slowness());
    changes
}

fn is_new_run(before: &View, after: &View) -> bool {
    before.service != after.service || after.uptime_seconds < before.uptime_seconds
}

fn incident_changes(before: &[Incident], after: &[Incident]) -> Vec<String> {
    let known: BTreeMap<&Text, &Incident> = before.iter().map(|i| (&i.id, i)).collect();
    let now: BTreeMap<&Text, &Incident> = after.iter().map(|i| (&i.id, i)).collect();
    let mut changes: Vec<String> = after
        .iter()
        .filter_map(|incident| incident_change(known.get(&incident.id).copied(), incident))
        .collect();
    let gone = before
        .iter()
        .filter(|i| i.is_open() && !now.contains_key(&i.id));
    changes.extend(gone.map(|incident| format!("closed: {}", incident.summary)));
    changes
}

fn incident_change(before: Option<&Incident>, now: &Incident) -> Option<String> {
    match before {
        None if now.is_open() => Some(opened(now)),
        None => Some(format!("opened and closed{}: {}", lasted(now), now.summary)),
        Some(before) if before.is_open() && !now.is_open() => {
            Some(format!("closed{}: {}", lasted(now), now.summary))
        }
        Some(before) if !before.is_open() && now.is_open() => {
            Some(format!("opened again: {}", now.summary))
        }
        Some(before) if now.count > before.count => {
            let more = format::count(now.count - before.count, "more time", "more times");
            Some(format!("{more}: {}", now.summary))
        }
        Some(_) => None,
    }
}

fn opened(incident: &Incident) -> String {
    let mut text = format!("opened: {} {}", incident.severity, incident.summary);
    if let Some(fix) = incident::fix(incident) {
        text.push_str(&format!(" (fix: {fix})"));
    }
    text
}

fn lasted(incident: &Incident) -> String {
    let longest = incident.longest_seconds.or(incident.duration_seconds);
    longest
        .map(|longest| format!(" after {}", format::seconds(longest)))
        .unwrap_or_default()
}

fn loop_changes(before: &View, after: &View) -> Vec<String> {
    let known = loops_by_id(before);
    let now = loops_by_id(after);
    let mut changes = Vec::new();
    for (id, event_loop) in &now {
        match known.get(id) {
            None => changes.push(format!("loop came: {}", title(event_loop))),
            Some(before) => changes.extend(loop_change(before, event_loop)),
        }
    }
    let gone = known.iter().filter(|(id, _)| !now.contains_key(*id));
    changes.extend(gone.map(|(_, event_loop)| format!("loop gone: {}", title(event_loop))));
    changes
}

/// Loops that ended count as gone, though the report keeps them for a while.
fn loops_by_id(view: &View) -> BTreeMap<&Text, &Loop> {
    let loops = view.detailed_health.event_loops.iter();
    loops
        .filter(|l| l.state.as_str() != "ended")
        .map(|l| (&l.id, l))
        .collect()
}

fn title(event_loop: &Loop) -> String {
    format!(
        "{} ({}, pid {})",
        event_loop.name, event_loop.runtime, event_loop.pid
    )
}

fn loop_change(before: &Loop, now: &Loop) -> Option<String> {
    let more = now.stalls.saturating_sub(before.stalls);
    let moved = (trouble(before) != trouble(now)).then(|| format!("is {} now", now.state));
    let stalled = (more > 0).then(|| {
        let longest = now.longest_busy_seconds.map(format::seconds);
        let longest = longest.map(|longest| format!(", longest so far {longest}"));
        let more = format::count(more, "more stall", "more stalls");
        format!("{more}{}", longest.unwrap_or_default())
    });
    let parts: Vec<String> = moved.into_iter().chain(stalled).collect();
    (!parts.is_empty()).then(|| format!("loop {}: {}", title(now), parts.join(", ")))
}

/// The state, where it is one that lasts. Between idle and busy a loop goes many times a second.
fn trouble(event_loop: &Loop) -> Option<&str> {
    match event_loop.state.as_str() {
        "idle" | "busy" => None,
        state => Some(state),
    }
}

fn losses(before: &View, after: &View) -> Vec<String> {
    let known = &before.detailed_health.agent.dropped;
    let now = after.detailed_health.agent.dropped.iter();
    let more = now.map(|(what, count)| {
        (
            what,
            count.saturating_sub(known.get(what).copied().unwrap_or(0)),
        )
    });
    more.filter(|(_, more)| *more > 0)
        .map(|(what, more)| format!("lost: {more} {what}"))
        .collect()
}

#[cfg(test)]
mod tests;
