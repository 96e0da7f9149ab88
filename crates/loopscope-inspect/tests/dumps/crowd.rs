//! Very many tasks.

use loopscope_inspect::DumpMode;

use crate::compare::{differences, fail_with};
use crate::pythons;
use crate::told::{start, tell};

/// On the oldest and the newest interpreter: what differs between those is checked with fewer tasks.
#[test]
fn ten_thousand_tasks_are_told_as_truly_as_ten() {
    let pythons = pythons::all();
    for python in [pythons.first(), pythons.last()].into_iter().flatten() {
        let mut program = start(python, &[], "crowd.py", &["10000"]);
        let told = tell(&mut program);
        assert!(told.tasks.len() > 10_000);
        for mode in [DumpMode::Stop, DumpMode::Snapshot] {
            let dump = program.attach().dump(mode).unwrap();
            println!("{mode:?}: stood still for {:?}", dump.pause);
            fail_with(&differences(&told, &dump));
        }
    }
}
