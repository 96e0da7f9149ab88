//! What a service that asks a model is told: of a call that holds its loop one fault, of a healthy one nothing.

use std::path::Path;
use std::process::Command;

use loopscope_engine::report::{
    Figure, Incident, IncidentKind, Report, Severity, StallCause, Status,
};

use crate::harness::text;
use crate::programs::{equipped_pythons, path};

/// The final report of a program under `loopscope run`, and what was said.
fn run(python: &Path, name: &str, arguments: &[&str]) -> (Report, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let output = Command::new(env!("CARGO_BIN_EXE_loopscope"))
        .args(["run", "--listen", "off", "--report"])
        .arg(&file)
        .arg("--")
        .arg(python)
        .arg(path(name))
        .args(arguments)
        .env_remove("LD_PRELOAD")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report = std::fs::read_to_string(&file).unwrap();
    (serde_json::from_str(&report).unwrap(), text(&output.stderr))
}

fn of_kind(report: &Report, kind: IncidentKind) -> Vec<&Incident> {
    report
        .incidents
        .iter()
        .filter(|one| one.kind == kind)
        .collect()
}

#[test]
fn a_run_of_an_agent_that_holds_its_loop_is_one_fault_with_what_to_write_instead() {
    for python in equipped_pythons() {
        let (report, said) = run(&python, "agents.py", &["blocking"]);
        assert_eq!(report.status, Status::Degraded);
        let figures = &report.monitoring.call_groups;
        assert_eq!(figures["agno_total_calls"], Figure::Count(3));
        assert_eq!(figures["agno_blocking_calls"], Figure::Count(1));
        assert!(matches!(figures["agno_avg_duration"], Figure::Seconds(mean) if mean >= 0.3));
        let calls = of_kind(&report, IncidentKind::BlockingCall);
        assert_eq!(
            calls.len(),
            1,
            "the request within the run is no other: {calls:#?}"
        );
        let call = calls[0];
        assert_eq!(call.severity, Severity::Info);
        let stalls = of_kind(&report, IncidentKind::LoopStall);
        let made = stalls
            .iter()
            .find(|stall| Some(&stall.id) == call.origin.as_ref());
        let made = made.unwrap();
        assert_eq!(made.culprit, call.culprit, "one story");
        let written = |incident: &Incident| incident.advice.replacement.clone().unwrap();
        assert_eq!(written(call), "await agent.arun(...)");
        // A machine that has too much to do has a stall of its own, which no line is to blame for.
        if made.cause == Some(StallCause::BlockingCall) {
            assert_eq!(written(made), "await agent.arun(...)");
        }
        assert!(!said.contains("loopscope: note: agno call"), "{said}");
    }
}

#[test]
fn fifty_agents_at_once_that_do_not_hold_the_loop_raise_nothing_about_calls() {
    for python in equipped_pythons() {
        let (report, _) = run(&python, "agents.py", &["healthy"]);
        let figures = &report.monitoring.call_groups;
        assert_eq!(figures["agno_total_calls"], Figure::Count(52));
        assert_eq!(figures["agno_blocking_calls"], Figure::Count(0));
        let kinds = [
            IncidentKind::BlockingCall,
            IncidentKind::SlowCall,
            IncidentKind::CallFailure,
            IncidentKind::TaskFailure,
            IncidentKind::ExecutorSaturation,
        ];
        for kind in kinds {
            assert_eq!(of_kind(&report, kind).len(), 0, "{:#?}", report.incidents);
        }
    }
}
