//! Findings as events of `tracing`: each incident as it opens, gets worse, is known better and closes.
//!
//! The observer hands them to a thread that does nothing else, since a subscriber may wait for its output.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;

use loopscope_engine::change::{Change, ChangeKind};
use loopscope_engine::report::{Severity, StallCause};

use crate::process::without_signals;

/// Changes that wait for the subscriber. What comes while so many do is told by the report alone.
const ROOM: usize = 256;

/// Starts the thread, which ends when nobody has anything to tell any more.
pub(crate) fn start() -> io::Result<SyncSender<Change>> {
    let (tell, told) = sync_channel(ROOM);
    let work = move || run(&told);
    without_signals(|| Builder::new().name("loopscope-events".into()).spawn(work))?;
    Ok(tell)
}

fn run(told: &Receiver<Change>) {
    while let Ok(change) = told.recv() {
        emit(&change);
    }
}

/// One event, on a level that says how bad it is. What is over, or already known, is information.
macro_rules! event {
    ($level:expr, $change:expr) => {{
        let Change { kind, incident, occurrence } = $change;
        let culprit = incident.culprit.as_ref();
        let on = incident.r#loop.as_ref();
        tracing::event!(
            target: "loopscope",
            $level,
            loopscope.incident.id = incident.id.as_str(),
            loopscope.incident.kind = incident.kind.as_str(),
            loopscope.incident.change = word(*kind),
            loopscope.incident.cause = incident.cause.map(StallCause::as_str),
            loopscope.incident.duration = occurrence.as_secs_f64(),
            loopscope.incident.count = incident.count,
            loopscope.eventloop.name = on.map(|on| on.name.as_str()),
            thread.id = on.map(|on| on.thread_id),
            code.file.path = culprit.map(|culprit| culprit.file.as_str()),
            code.line.number = culprit.map(|culprit| culprit.line),
            code.function.name = culprit.map(|culprit| culprit.function.as_str()),
            loopscope.advice = incident.advice.replacement.as_deref(),
            "{}",
            incident.summary
        )
    }};
}

fn emit(change: &Change) {
    let is_news = matches!(change.kind, ChangeKind::Opened | ChangeKind::Escalated);
    match change.incident.severity {
        Severity::Critical if is_news => event!(tracing::Level::ERROR, change),
        Severity::Degraded if is_news => event!(tracing::Level::WARN, change),
        _ => event!(tracing::Level::INFO, change),
    }
}

fn word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Opened => "opened",
        ChangeKind::Escalated => "escalated",
        ChangeKind::Updated => "updated",
        ChangeKind::Closed => "closed",
    }
}
