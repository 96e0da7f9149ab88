//! The report in the pass/warn/fail form of draft-inadarei-api-health-check-06.
//!
//! A subset for load balancers and dashboards that know that form: the status, and the figures behind
//! it. Incidents with their frames and advice stay in Loopscope's own report.

use std::collections::BTreeMap;

use loopscope_engine::report::{
    LoopHealth, LoopState, ProcessHealth, ProcessState, Report, Status,
};
use serde::Serialize;

/// The draft's top level.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Health<'a> {
    status: Verdict,
    /// The version of the interface, which is the report's schema.
    version: String,
    release_id: &'a str,
    service_id: &'a str,
    description: String,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'a [String],
    /// The draft wants it only where the status is not `pass`.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    checks: Checks,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Pass,
    Warn,
    Fail,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    component_id: String,
    component_type: &'static str,
    observed_value: f64,
    observed_unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Verdict>,
    time: String,
}

/// By `component:measurement`, as the draft names them.
type Checks = BTreeMap<&'static str, Vec<Check>>;

/// The report in the draft's form.
pub(crate) fn health(report: &Report) -> Health<'_> {
    Health {
        status: verdict(report.status),
        version: report.schema_version.to_string(),
        release_id: &report.version,
        service_id: &report.service,
        description: format!("event loop health of {}", report.service),
        notes: &report.detailed_health.agent.notes,
        output: (report.status != Status::Healthy).then(|| report.issues.join("; ")),
        checks: checks(report),
    }
}

fn verdict(status: Status) -> Verdict {
    match status {
        Status::Healthy => Verdict::Pass,
        Status::Degraded => Verdict::Warn,
        Status::Critical => Verdict::Fail,
    }
}

fn checks(report: &Report) -> Checks {
    let time = report.timestamp.to_string();
    let mut checks = Checks::new();
    for event_loop in &report.detailed_health.event_loops {
        add_loop(&mut checks, event_loop, &time);
    }
    for process in &report.detailed_health.processes {
        add_process(&mut checks, process, &time);
    }
    checks
}

fn add_loop(checks: &mut Checks, event_loop: &LoopHealth, time: &str) {
    let mut add = |name, value: Option<f64>, unit, status| {
        let Some(observed_value) = value else { return };
        checks.entry(name).or_default().push(Check {
            component_id: event_loop.id.clone(),
            component_type: "component",
            observed_value,
            observed_unit: unit,
            status,
            time: time.to_owned(),
        });
    };
    let state = Some(loop_verdict(event_loop.state));
    add(
        "event_loops:busyTime",
        Some(event_loop.busy_seconds.unwrap_or(0.0)),
        "s",
        state,
    );
    add(
        "event_loops:utilization",
        event_loop.utilization,
        "ratio",
        None,
    );
    add(
        "event_loops:stalls",
        Some(event_loop.stalls as f64),
        "count",
        None,
    );
}

fn loop_verdict(state: LoopState) -> Verdict {
    match state {
        LoopState::Idle | LoopState::Busy | LoopState::Ended => Verdict::Pass,
        LoopState::Stalled | LoopState::Suspended => Verdict::Warn,
        LoopState::Blocked => Verdict::Fail,
    }
}

fn add_process(checks: &mut Checks, process: &ProcessHealth, time: &str) {
    let mut add = |name, value: Option<f64>, unit, status| {
        let Some(observed_value) = value else { return };
        checks.entry(name).or_default().push(Check {
            component_id: process.pid.to_string(),
            component_type: "system",
            observed_value,
            observed_unit: unit,
            status,
            time: time.to_owned(),
        });
    };
    let alive = matches!(process.state, ProcessState::Running | ProcessState::Stopped);
    let state = Some(process_verdict(process.state));
    add(
        "processes:alive",
        Some(f64::from(u8::from(alive))),
        "count",
        state,
    );
    add("memory:utilization", process.memory_mb, "MiB", None);
    add("cpu:utilization", process.cpu_percent, "percent", None);
    add(
        "descriptors:utilization",
        process.open_fds.map(|fds| fds as f64),
        "count",
        None,
    );
}

/// Only what a stranger can judge from the state alone: an exit may be a worker's orderly end.
fn process_verdict(state: ProcessState) -> Verdict {
    match state {
        ProcessState::Running | ProcessState::Exited => Verdict::Pass,
        ProcessState::Stopped | ProcessState::Killed => Verdict::Warn,
    }
}
