//! All ways of waiting, task by task.

use crate::check::{check, check_all, check_with};
use crate::compare::fail_with;
use crate::pythons;

#[test]
fn every_way_of_waiting_is_told_apart_on_asyncio() {
    check_all("waits.py", &["asyncio"]);
}

#[test]
fn every_way_of_waiting_is_told_apart_on_uvloop() {
    check_with("uvloop", "waits.py", &["uvloop"]);
}

#[test]
fn a_debug_allocator_and_a_debugged_loop_change_nothing() {
    let check_one = |python| check(python, &["-X", "dev"], "waits.py", &["asyncio"]);
    fail_with(
        &pythons::all()
            .iter()
            .flat_map(check_one)
            .collect::<Vec<_>>(),
    );
}

#[test]
fn the_ways_of_anyio_are_told_apart() {
    check_with("anyio", "anyio_waits.py", &[]);
}
