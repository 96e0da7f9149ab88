//! The healthy twins: programs that look stalled to a careless observer and must raise nothing.
//!
//! A scenario without expectations fails on any finding at all, at the end or on the way.

use crate::support::{Python, Scenario, on_every_loop, on_every_python};

fn raises_nothing(python: &Python, program: &str, arguments: &[&str]) -> Result<(), String> {
    Scenario::python(python, program, arguments).check()
}

#[test]
fn turns_of_up_to_90_ms_raise_nothing() {
    on_every_loop(&[], |python, event_loop| {
        Scenario::python(python, "healthy_turns.py", &["long"])
            .on(event_loop)
            .loops(1)
            .check()
    });
}

#[test]
fn thousands_of_short_callbacks_over_many_turns_raise_nothing() {
    on_every_loop(&[], |python, event_loop| {
        Scenario::python(python, "healthy_turns.py", &["short"])
            .on(event_loop)
            .loops(1)
            .check()
    });
}

#[test]
fn sleeping_between_two_runs_of_a_loop_is_no_stall() {
    on_every_loop(&[], |python, event_loop| {
        Scenario::python(python, "healthy_reruns.py", &["pauses"])
            .on(event_loop)
            .check()
    });
}

#[test]
fn hundreds_of_short_lived_loops_are_never_several_at_once() {
    on_every_loop(&[], |python, event_loop| {
        Scenario::python(python, "healthy_reruns.py", &["bursts"])
            .on(event_loop)
            .loops(1)
            .check()
    });
}

#[test]
fn a_synchronous_program_that_polls_has_no_loop_to_stall() {
    on_every_python(&[], |python| raises_nothing(python, "healthy_sync.py", &[]));
}

#[test]
fn a_synchronous_http_server_has_no_loop_to_stall() {
    on_every_python(&[], |python| {
        raises_nothing(python, "healthy_http_server.py", &[])
    });
}

#[test]
fn a_full_executor_and_slow_subprocesses_are_no_stall() {
    on_every_loop(&[], |python, event_loop| {
        Scenario::python(python, "healthy_executor.py", &[])
            .on(event_loop)
            .loops(1)
            .check()
    });
}
