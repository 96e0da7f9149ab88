//! All ways of waiting, task by task.

use loopscope_inspect::DumpMode;

use crate::compare::{differences, fail_with};
use crate::pythons::{self, Python};
use crate::told::{start, tell};

/// The differences of all modes. Dumps before the program tells, since telling makes the interpreter
/// name tasks that had no name yet, and after.
fn check(python: &Python, options: &[&str], arguments: &[&str]) -> Vec<String> {
    let mut program = start(python, options, "waits.py", arguments);
    let mut inspector = program.attach();
    let mut found = Vec::new();
    for mode in [DumpMode::Stop, DumpMode::Snapshot, DumpMode::Live] {
        let before = inspector.dump(mode).unwrap();
        let told = tell(&mut program);
        let after = inspector.dump(mode).unwrap();
        assert_eq!(tell(&mut program), told, "the program does not stand still");
        for (when, dump) in [("before", before), ("after", after)] {
            let place = |difference: String| {
                format!(
                    "{:?} {arguments:?}, {mode:?} {when}: {difference}",
                    python.version
                )
            };
            found.extend(differences(&told, &dump).into_iter().map(place));
        }
    }
    found
}

#[test]
fn every_way_of_waiting_is_told_apart_on_asyncio() {
    let check_one = |python| check(python, &[], &["asyncio"]);
    fail_with(
        &pythons::all()
            .iter()
            .flat_map(check_one)
            .collect::<Vec<_>>(),
    );
}

#[test]
fn every_way_of_waiting_is_told_apart_on_uvloop() {
    let mut found = Vec::new();
    for python in pythons::all() {
        if python.has_uvloop {
            found.extend(check(python, &[], &["uvloop"]));
        } else {
            println!("SKIPPED: Python {:?} has no uvloop", python.version);
        }
    }
    fail_with(&found);
}

#[test]
fn a_debug_allocator_and_a_debugged_loop_change_nothing() {
    let check_one = |python| check(python, &["-X", "dev"], &["asyncio"]);
    fail_with(
        &pythons::all()
            .iter()
            .flat_map(check_one)
            .collect::<Vec<_>>(),
    );
}
