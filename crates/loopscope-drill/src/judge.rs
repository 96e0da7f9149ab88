//! Holds what was seen of a fault against what must be.

use crate::fault::Fault;
use crate::report::{FILE, Incident};
use crate::results::{AlertResult, FaultResult, Found, Verdict};
use crate::watch::Watched;

/// A health endpoint that takes longer is itself degraded.
const SLOW_MS: f64 = 2_000.0;

/// What the process said of a fault. Times are those of the monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stay {
    /// Since when it was in.
    pub began_nanos: u64,
    /// When it was out, and what was put right; `None` where that was not heard of.
    pub ended: Option<(u64, String)>,
    /// What went wrong with the fault itself.
    pub failure: Option<String>,
}

/// What there is to say of a fault that was brought in. `line` is where in the drill's own file it is.
pub fn fault(fault: Fault, stay: Stay, watched: Watched, line: Option<u32>) -> FaultResult {
    let found = watched.found.as_ref();
    let after = |at: u64| nanos(at.saturating_sub(stay.began_nanos));
    let mut failures = Vec::new();
    failures.extend(
        stay.failure
            .map(|failure| format!("the fault itself went wrong: {failure}")),
    );
    match found {
        _ if fault == Fault::Healthy => {}
        Some((incident, _)) => failures.extend(wrong(fault, incident, line)),
        None => failures.push(format!(
            "not seen: no {} that names it",
            fault.kinds().join(" or ")
        )),
    }
    failures.extend(surfaces(fault, &watched));
    if stay.ended.is_none() {
        failures.push("it was not heard that it was undone".to_owned());
    }
    let alarms = watched.false_alarms.values();
    failures.extend(alarms.map(|summary| format!("false alarm: {summary}")));
    let verdict = if failures.is_empty() {
        Verdict::Passed
    } else {
        Verdict::Failed
    };
    let (ended, undone) = stay.ended.unzip();
    let mut reasons = failures;
    match found {
        Some((incident, at)) => reasons.push(seen(incident, after(*at))),
        None if fault == Fault::Healthy && reasons.is_empty() => {
            reasons.push("nothing was found, as it should be".to_owned());
        }
        None => {}
    }
    FaultResult {
        fault,
        what: fault.what().to_owned(),
        verdict,
        reasons,
        lasted_seconds: ended.map(after),
        line: line.map(|line| format!("{FILE}:{line}")),
        found: found.map(|(incident, at)| Found::of(incident, after(*at))),
        health: watched.health,
        probes: watched.probes,
        undone,
        alert_after_seconds: None,
    }
}

/// A fault that was not brought in.
pub fn skipped(fault: Fault, why: String) -> FaultResult {
    FaultResult {
        fault,
        what: fault.what().to_owned(),
        verdict: Verdict::Skipped,
        reasons: vec![why],
        lasted_seconds: None,
        line: None,
        found: None,
        health: Default::default(),
        probes: Default::default(),
        undone: None,
        alert_after_seconds: None,
    }
}

/// A fault that was under way when the drill was ended before its time.
pub fn cut_short(mut result: FaultResult) -> FaultResult {
    result.verdict = Verdict::Skipped;
    let undone = if result.undone.is_some() {
        "and undone"
    } else {
        "and it was not heard that it was undone"
    };
    result.reasons = vec![format!("cut short, {undone}")];
    result
}

/// The worst of all. Nothing but skipped faults prove nothing.
pub fn overall(faults: &[FaultResult], alert: Option<&AlertResult>) -> Verdict {
    let faults = faults.iter().map(|fault| fault.verdict);
    let all = faults.chain(alert.map(|alert| alert.verdict));
    all.max().unwrap_or(Verdict::Skipped)
}

fn nanos(length: u64) -> f64 {
    length as f64 / 1e9
}

fn seen(incident: &Incident, after_seconds: f64) -> String {
    format!(
        "{} after {after_seconds:.2} s: {}",
        incident.kind, incident.summary
    )
}

/// What is not right about a finding.
fn wrong(fault: Fault, incident: &Incident, line: Option<u32>) -> Vec<String> {
    let mut wrong = Vec::new();
    // A full executor and a process's memory are at no line.
    let has_line = !matches!(fault, Fault::Executor | Fault::Memory);
    let is_pool = incident.kind == "pool_exhaustion";
    if let Some(line) = line.filter(|_| has_line && !is_pool) {
        let culprit = incident.culprit.as_ref();
        let is_right = culprit.is_some_and(|at| at.file.ends_with(FILE) && at.line == line);
        if !is_right {
            let named = culprit.map_or_else(|| "no line".to_owned(), |at| at.words());
            wrong.push(format!("it is at {FILE}:{line}, and {named} was blamed"));
        }
    }
    let is_stall = matches!(fault, Fault::Sleep | Fault::Block | Fault::Gil);
    if is_stall && incident.cause.as_deref() != Some("blocking_call") {
        let cause = incident.cause.as_deref().unwrap_or("nothing");
        wrong.push(format!("a blocking call was put down to {cause}"));
    }
    if fault == Fault::Gil && incident.gil_held != Some(true) {
        wrong.push("it was not seen that the interpreter's lock was kept".to_owned());
    }
    if fault == Fault::Block && incident.severity != "critical" {
        wrong.push(format!("a blocked loop was called {}", incident.severity));
    }
    if incident.closed_at.is_none() {
        wrong.push("it was not seen that it is over".to_owned());
    }
    wrong
}

/// What is not right about the answers meanwhile.
fn surfaces(fault: Fault, watched: &Watched) -> Vec<String> {
    let mut wrong = Vec::new();
    let (health, probes) = (&watched.health, &watched.probes);
    if health.unanswered > 0 || health.answers == 0 {
        wrong.push(format!(
            "/health did not answer {} of {} times",
            health.unanswered,
            health.answers + health.unanswered
        ));
    }
    if health.slowest_ms > SLOW_MS {
        wrong.push(format!(
            "/health took {:.1} s to answer",
            health.slowest_ms / 1e3
        ));
    }
    if fault == Fault::Block {
        if health.worst_code != 503 {
            wrong.push(format!(
                "/health answered {} and not 503 while the loop was blocked",
                health.worst_code
            ));
        }
        if !probes.ready_failed {
            wrong.push("/readyz did not turn while the loop was blocked".to_owned());
        }
    }
    if probes.is_failing {
        wrong.push("a probe did not turn back".to_owned());
    }
    if probes.live_failed {
        wrong
            .push("/livez turned, which has a service killed: its limit is not reached".to_owned());
    }
    wrong
}
