//! Loops in every state, and tasks that nothing can finish.

use crate::check::{check_all, check_with};

#[test]
fn every_state_of_a_loop_is_told_apart_on_asyncio() {
    check_all("loops.py", &["asyncio"]);
}

#[test]
fn every_state_of_a_loop_is_told_apart_on_uvloop() {
    check_with("uvloop", "loops.py", &["uvloop"]);
}

#[test]
fn circles_of_tasks_are_found_and_nothing_else_is_taken_for_one() {
    check_all("deadlocks.py", &[]);
}
