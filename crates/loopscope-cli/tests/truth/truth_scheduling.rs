//! Stalls that are not the code's fault: no processor, or the process stopped.

use loopscope_engine::report::{Incident, LoopState, StallCause};

use crate::support::{Running, Scenario, Stall, exit_code, is_bare, on_every_python, same};

#[test]
fn a_loop_that_gets_no_processor_is_starved_not_blocked() {
    on_every_python(&[], |python| {
        let stall = Stall::without_culprit("starved")
            .caused_by(StallCause::CpuStarved)
            .times(None);
        Scenario::python(python, "stall_starved.py", &[])
            .loops(1)
            .expect([stall])
            .check()
    });
}

#[test]
fn a_process_stopped_in_the_middle_of_a_turn_is_suspended() {
    on_every_python(&[], |python| {
        let stall = Stall::without_culprit("suspended").caused_by(StallCause::Suspended);
        Scenario::python(python, "stall_suspended.py", &["busy"])
            .loops(1)
            .expect([stall])
            .check()
    });
}

#[test]
fn a_process_stopped_while_its_loop_waits_is_suspended_and_no_code_is_blamed() {
    on_every_python(&[], |python| {
        let scenario = Scenario::python(python, "stall_suspended.py", &["idle"]);
        let ended = scenario.observe(|running| {
            if is_bare() {
                Ok(())
            } else {
                suspended_then_running(running)
            }
        })?;
        same("exit code", &0, &exit_code(ended.status))?;
        let incidents = ended
            .report
            .map(|report| report.incidents)
            .unwrap_or_default();
        let blames = |incident: &&Incident| {
            incident.cause != Some(StallCause::Suspended) || incident.culprit.is_some()
        };
        same(
            "incidents that blame the code",
            &None,
            &incidents.iter().find(blames),
        )
    });
}

fn suspended_then_running(running: &Running) -> Result<(), String> {
    let suspended = running.until_answer("a suspended loop", |answer| {
        let loops = &answer.report.detailed_health.event_loops;
        loops.iter().any(|one| one.state == LoopState::Suspended)
    })?;
    running.until_answer("a loop that runs again", |answer| {
        let loops = &answer.report.detailed_health.event_loops;
        let runs = |state| matches!(state, LoopState::Idle | LoopState::Busy);
        answer.received_at > suspended.received_at && loops.iter().any(|one| runs(one.state))
    })?;
    Ok(())
}
