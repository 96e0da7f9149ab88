//! Every way to wait.

use loopscope_inspect::{DumpMode, LoopState};

use crate::compare::assert_true;
use crate::pythons;
use crate::target::Target;

const MODES: [DumpMode; 3] = [DumpMode::Live, DumpMode::Stop, DumpMode::Snapshot];

#[test]
fn each_way_to_wait_on_asyncios_own_loop_is_told_as_it_is() {
    for python in pythons::all() {
        let target = Target::start(python, "every_wait.py", &["asyncio"]);
        for mode in MODES {
            let dump = target.dump(mode);
            assert_true(&dump, &target.truth);
            assert_eq!(dump.loops.len(), 1);
            assert_eq!(dump.loops[0].state, LoopState::Idle, "{mode:?}");
            assert_eq!(dump.deadlocks, Vec::<Vec<_>>::new());
        }
    }
}

#[test]
fn each_way_to_wait_on_uvloop_is_told_as_it_is() {
    for python in pythons::all() {
        if !python.has_uvloop {
            println!("SKIPPED: {} has no uvloop", python.path.display());
            continue;
        }
        let target = Target::start(python, "every_wait.py", &["uvloop"]);
        for mode in MODES {
            assert_true(&target.dump(mode), &target.truth);
        }
    }
}

#[test]
fn each_way_to_wait_of_anyio_is_told_as_it_is() {
    for python in pythons::all() {
        if !python.has_package("anyio") {
            println!("SKIPPED: {} has no anyio", python.path.display());
            continue;
        }
        let target = Target::start(python, "anyio_waits.py", &[]);
        for mode in MODES {
            assert_true(&target.dump(mode), &target.truth);
        }
    }
}
