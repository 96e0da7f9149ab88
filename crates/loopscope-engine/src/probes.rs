//! The answers to `/livez` and `/readyz`.
//!
//! Liveness fails late and only for a loop that code blocks: whoever asks will kill the service. A
//! paused process is left alone, since killing what a debugger holds helps nobody.

use crate::{
    change::{Probe, Probes},
    engine::Engine,
    incidents::Stored,
    report::StallCause,
    summary,
    time::Nanos,
};

/// The answers at `now`.
pub(crate) fn probes(engine: &Engine, now: Nanos) -> Probes {
    Probes {
        live: Probe::from_failure(not_live(engine, now)),
        ready: Probe::from_failure(not_ready(engine, now)),
    }
}

fn not_live(engine: &Engine, now: Nanos) -> Option<String> {
    let limit = engine.config.livez_limit;
    let is_paused = |incident: &Stored| incident.diagnosis.cause == Some(StallCause::Suspended);
    let mut incidents = engine.book.incidents();
    let blocked =
        incidents.find(|incident| incident.is_blocked(now, limit) && !is_paused(incident));
    blocked.map(|incident| summary::sentence(incident, now, limit))
}

fn not_ready(engine: &Engine, now: Nanos) -> Option<String> {
    let limit = engine.config.blocked_threshold;
    let blocked = engine
        .book
        .incidents()
        .find(|incident| incident.is_blocked(now, limit));
    blocked
        .map(|incident| summary::sentence(incident, now, limit))
        .or_else(|| main_away(engine))
}

fn main_away(engine: &Engine) -> Option<String> {
    let (key, process) = engine.model.main_process()?;
    let name = &process.info.name;
    let pid = key.pid;
    if !process.is_alive() {
        return Some(format!("the main process {name} (pid {pid}) is gone"));
    }
    let stopped = process.stopped_since.is_some();
    stopped.then(|| format!("the main process {name} (pid {pid}) is stopped"))
}
