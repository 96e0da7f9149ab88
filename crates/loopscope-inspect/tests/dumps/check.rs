//! Runs a program, dumps it in all modes, and compares that with what it tells.

use loopscope_inspect::DumpMode;

use crate::compare::{differences, fail_with};
use crate::pythons::{self, Python};
use crate::told::{start, tell, wait_until_it_reads};

pub(crate) const MODES: [DumpMode; 3] = [DumpMode::Stop, DumpMode::Snapshot, DumpMode::Live];

/// Checks a program on all interpreters.
pub(crate) fn check_all(name: &str, arguments: &[&str]) {
    let check_one = |python| check(python, &[], name, arguments);
    fail_with(
        &pythons::all()
            .iter()
            .flat_map(check_one)
            .collect::<Vec<_>>(),
    );
}

/// Checks a program on all interpreters that have a package.
pub(crate) fn check_with(package: &str, name: &str, arguments: &[&str]) {
    let mut found = Vec::new();
    for python in pythons::all() {
        if python.has_package(package) {
            found.extend(check(python, &[], name, arguments));
        } else {
            println!("SKIPPED: Python {:?} has no {package}", python.version);
        }
    }
    fail_with(&found);
}

/// The differences of all modes. Dumps before the program tells, since telling makes the interpreter
/// name tasks that had no name yet, and after.
pub(crate) fn check(
    python: &Python,
    options: &[&str],
    name: &str,
    arguments: &[&str],
) -> Vec<String> {
    let mut program = start(python, options, name, arguments);
    wait_until_it_reads(program.pid());
    let mut inspector = program.attach();
    let mut found = Vec::new();
    for mode in MODES {
        let before = inspector.dump(mode).unwrap();
        let told = tell(&mut program);
        let after = inspector.dump(mode).unwrap();
        assert_eq!(tell(&mut program), told, "the program does not stand still");
        for (when, dump) in [("before", before), ("after", after)] {
            let place = |difference: String| {
                format!(
                    "{:?} {name} {arguments:?}, {mode:?} {when}: {difference}",
                    python.version
                )
            };
            found.extend(differences(&told, &dump).into_iter().map(place));
        }
    }
    found
}
