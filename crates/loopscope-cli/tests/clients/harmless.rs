//! A tracked library is what it was.

use crate::programs::{equipped_pythons, program};

#[test]
fn functions_that_are_tracked_look_and_behave_as_before() {
    for python in equipped_pythons() {
        let watched = program(&python, "harmless.py", &[]).unchanged();
        assert!(watched.output.status.success());
        let adapter = watched.recordings[0].tables.adapter.as_ref().unwrap();
        assert_eq!(adapter.faults, 0);
    }
}
