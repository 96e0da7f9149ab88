//! asyncio on selectors other than epoll's.

use crate::support::{Python, Scenario, Stall, on_every_python};

fn apart(python: &Python, what: &str, how: &str) -> Scenario {
    Scenario::python(python, "selectors_apart.py", &[what, how]).loops(1)
}

fn on_both(scenario: impl Fn(&Python, &str) -> Result<(), String>) {
    on_every_python(&[], |python| {
        ["select", "poll"].into_iter().try_for_each(|how| {
            scenario(python, how).map_err(|error| format!("with {how}:\n{error}"))
        })
    });
}

#[test]
fn a_loop_without_epoll_is_seen_in_its_first_turns_and_its_clients_make_no_stall() {
    on_both(|python, how| {
        let stall = Stall::blocking("selected", "main").on("asyncio");
        apart(python, "stalls", how).expect([stall]).check()
    });
}

#[test]
fn a_program_that_polls_by_itself_after_its_loop_has_no_loop_to_stall() {
    on_both(|python, how| apart(python, "healthy", how).check());
}
