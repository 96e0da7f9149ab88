//! Stalls that are not the code's fault: no processor, or the process stopped.

use loopscope_engine::report::{LoopState, StallCause};

use crate::support::{Scenario, Stall, is_bare, on_every_python};

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
fn a_process_stopped_while_its_loop_waits_is_suspended_and_did_not_stall() {
    on_every_python(&[], |python| {
        let scenario = Scenario::python(python, "stall_suspended.py", &["idle"]).loops(1);
        scenario.check_while(|running| {
            if is_bare() {
                return Ok(());
            }
            let suspended = running.until_answer("a suspended loop", |answer| {
                let loops = &answer.report.detailed_health.event_loops;
                loops.iter().any(|one| one.state == LoopState::Suspended)
            })?;
            let later = suspended.received_at;
            running.until_answer("a loop that runs again", |answer| {
                let loops = &answer.report.detailed_health.event_loops;
                let runs = |state| matches!(state, LoopState::Idle | LoopState::Busy);
                answer.received_at > later && loops.iter().any(|one| runs(one.state))
            })?;
            Ok(())
        })
    });
}
