//! Descendants: each process is watched by itself and blamed by its own pid.

use crate::support::{Scenario, Stall, on_every_loop};

fn children(method: &'static str, loops: usize) {
    on_every_loop(&[], |python, event_loop| {
        let stall = Stall::blocking("child", "child_main").on(event_loop.name());
        Scenario::python(python, "children.py", &[method])
            .on(event_loop)
            .loops(loops)
            .expect([stall])
            .check()
    });
}

#[test]
fn forked_children_are_watched_separately() {
    children("fork", 3);
}

#[test]
fn spawned_children_are_watched_separately() {
    children("spawn", 3);
}

#[test]
fn a_child_forked_inside_a_running_loop_is_watched_and_its_parent_stays_healthy() {
    children("osfork", 2);
}
