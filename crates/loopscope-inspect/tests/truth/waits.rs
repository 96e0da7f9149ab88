//! All ways of waiting, task by task.

use loopscope_inspect::DumpMode;

use crate::compare::assert_true;
use crate::pythons::{self, Python};
use crate::told::{start, tell};

/// Dumps before the program tells, since telling makes the interpreter name tasks that had no name yet,
/// and after.
fn check(python: &Python, options: &[&str], arguments: &[&str]) {
    let mut program = start(python, options, "waits.py", arguments);
    let mut inspector = program.attach();
    for mode in [DumpMode::Stop, DumpMode::Snapshot, DumpMode::Live] {
        println!("{mode:?}");
        let before = inspector.dump(mode).unwrap();
        let told = tell(&mut program);
        let after = inspector.dump(mode).unwrap();
        assert_eq!(tell(&mut program), told, "the program does not stand still");
        assert_true(&told, &before);
        assert_true(&told, &after);
    }
}

#[test]
fn every_way_of_waiting_is_told_apart_on_asyncio() {
    for python in pythons::all() {
        check(python, &[], &["asyncio"]);
    }
}

#[test]
fn every_way_of_waiting_is_told_apart_on_uvloop() {
    for python in pythons::all() {
        if python.has_uvloop {
            check(python, &[], &["uvloop"]);
        } else {
            println!("SKIPPED: Python {:?} has no uvloop", python.version);
        }
    }
}

#[test]
fn a_debug_allocator_and_a_debugged_loop_change_nothing() {
    for python in pythons::all() {
        check(python, &["-X", "dev"], &["asyncio"]);
    }
}
