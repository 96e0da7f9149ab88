//! Walks through memory that is no process, and through a process whose memory lies.

use proptest::prelude::*;

use super::*;
use crate::dump::resolve::{Parts, resolve};
use crate::locate;
use crate::memory::ProcessMemory;
use crate::memory::lying::LyingMemory;
use crate::object_model::properties::layouts;
use crate::object_model::typed;
use crate::pythons;
use crate::running::Running;

const PYTHON: PythonVersion = PythonVersion {
    major: 3,
    minor: 12,
    patch: 0,
};

/// Walks, puts together what was found, and checks that it names only what is there.
fn dump<M: Memory + Clone>(memory: M, target: &WalkTarget, pid: u32) -> Option<Parts> {
    let mut walker = Walker::new(memory.clone(), target, ThreadIds::new(pid));
    walker.begin(memory, &[]).ok()?;
    let walked = walker.walk(&mut |_| ThreadKernelState::UNKNOWN).ok()?;
    let layout = walker.reader.layout;
    let parts = resolve(walked, &mut walker.codes, &layout, 0);
    let task_count = parts.tasks.len();
    for task in &parts.tasks {
        assert!(task.awaited_by.iter().all(|index| index.0 < task_count));
        assert!(
            task.event_loop
                .is_none_or(|index| index.0 < parts.loops.len())
        );
    }
    let mut circles = parts.deadlocks.iter().flatten();
    assert!(circles.all(|index| index.0 < task_count));
    Some(parts)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_walk_through_any_objects_ends(
        words in typed::words(),
        index in 0..typed::WORDS as u64,
    ) {
        for layout in layouts() {
            let memory = typed::memory(&words, &layout);
            let target = WalkTarget {
                python_version: PYTHON,
                layout,
                runtime: typed::BASE + 8 * index,
            };
            let _ = dump(&memory, &target, std::process::id());
        }
    }
}

#[test]
fn a_process_that_lies_about_its_memory_is_dumped_as_far_as_it_can_be() {
    for python in pythons::all() {
        let running = Running::start(python, "truth/waits.py", &["asyncio"]);
        let pid = running.pid();
        let truth = ProcessMemory::new(pid);
        let found = locate::locate(pid, &truth).unwrap();
        let target = WalkTarget {
            python_version: found.version,
            layout: found.layout,
            runtime: found.runtime,
        };
        let mut tasks = 0;
        for seed in 0..60 {
            let memory = LyingMemory {
                truth,
                seed,
                one_in: 20 << (seed % 12),
            };
            tasks += dump(memory, &target, pid).map_or(0, |parts| parts.tasks.len());
        }
        // Most lies are small enough that the walk gets far.
        assert!(tasks > 500, "{:?}: {tasks} tasks", python.version);
    }
}
