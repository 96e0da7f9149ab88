//! What was over before anybody could look is told as far as it is certain.

use crate::support::{During, Python, Scenario, Stall, on_every_python};

fn unwatched_while(python: &Python, what: &str) -> Scenario {
    Scenario::python(python, "unwatched_while.py", &[what])
}

#[test]
fn a_stall_that_nobody_could_see_is_told_afterwards() {
    on_every_python(&[], |python| {
        let mut stall = Stall::without_culprit("unwatched").on("asyncio");
        stall.during = During::Unchecked;
        unwatched_while(python, "stalls").expect([stall]).check()
    });
}

#[test]
fn work_between_two_runs_of_a_loop_that_nobody_could_see_is_no_stall() {
    on_every_python(&[], |python| unwatched_while(python, "reruns").check());
}

#[test]
fn setting_up_in_the_first_turn_that_nobody_could_see_is_no_stall() {
    on_every_python(&[], |python| unwatched_while(python, "starts").check());
}
