//! Results out of what was measured. Pure.

use loopscope_load::results::{LoadPart, Results, SCHEMA_VERSION, Verdict};

use super::judge;
use super::plan::Plan;
use super::suite::Measured;
use crate::screen::format;

/// From here on the sender's own thread is what is measured.
const SENDER_AT_ITS_LIMIT: f64 = 0.9;

/// All but what thresholds and a baseline say.
pub(super) fn results(plan: &Plan, measured: Measured) -> Results {
    let mut results = Results {
        schema_version: SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: measured.started_at.to_string(),
        duration_seconds: measured.took.as_secs_f64(),
        ended: measured.ended,
        target: plan.target.clone(),
        conditions: plan.conditions.clone(),
        verdict: Verdict::NotMeasured,
        tests: Vec::new(),
        thresholds: Vec::new(),
        comparison: None,
        loads: measured.loads.results(),
        rounds: measured.rounds,
        incidents: measured
            .blamed
            .iter()
            .map(|one| one.provoked.clone())
            .collect(),
        timeline: measured.timeline,
        notes: plan.notes.clone(),
        sender_share: measured.sender_share,
    };
    results.tests = judge::tests(&results, &measured.blamed, plan.asks_service);
    let notes = notes(&results, measured.missed);
    results.notes.extend(notes);
    results
}

/// What a person should know about the measuring itself.
fn notes(results: &Results, missed: u64) -> Vec<String> {
    let mut notes = Vec::new();
    if missed > 0 {
        let looks = format::count(missed, "look", "looks");
        notes.push(format!("{looks} at the inside brought no report"));
    }
    if results.sender_share > SENDER_AT_ITS_LIMIT {
        notes.push(format!(
            "the sender took {} of a core: closed loop measured the sender, not the service; use a smaller \
             --concurrency",
            format::percent(results.sender_share)
        ));
    }
    let open = results
        .loads
        .iter()
        .filter(|load| load.part != LoadPart::Closed);
    for load in open {
        let late = load.sum(|round| round.late);
        if late > 0 {
            notes.push(format!(
                "{}: {} of {} sends were late, up to {}; their latency counts from when they were due",
                load.title(),
                format::number(late),
                format::number(load.sum(|round| round.sent)),
                format::seconds(load.latest_ms / 1e3)
            ));
        }
    }
    notes
}
