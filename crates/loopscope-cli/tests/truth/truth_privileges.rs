//! Programs that give up their privileges, as servers do that are started by root.

use crate::support::{Scenario, Stall, on_every_python};

#[expect(
    clippy::print_stdout,
    reason = "tells whoever runs the tests what is left out"
)]
fn may_drop_privileges() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("skipped: only root has privileges to drop");
    }
    is_root
}

#[test]
fn a_stall_right_after_privileges_were_dropped_is_found_while_it_lasts() {
    if may_drop_privileges() {
        on_every_python(&[], |python| {
            Scenario::python(python, "dropped.py", &["stalls"])
                .loops(1)
                .expect([Stall::blocking("dropped", "main").on("asyncio")])
                .check()
        });
    }
}

#[test]
fn a_program_that_dropped_its_privileges_and_is_well_raises_nothing() {
    if may_drop_privileges() {
        on_every_python(&[], |python| {
            Scenario::python(python, "dropped.py", &["healthy"])
                .loops(1)
                .check()
        });
    }
}
