//! Who waits for the task that blocks its loop, however it waits.

use loopscope_inspect::{AwaitingTask, CurrentTask};

use crate::pythons::{self, Python};
use crate::support::Program;

/// Each way of waiting: a function of `awaited.py`.
const WAYS: [&str; 9] = [
    "plain",
    "gather",
    "gather_of_gather",
    "wait",
    "wait_first",
    "wait_for",
    "shield",
    "wait_for_shield",
    "as_completed",
];

/// The ways that differ where the loop or the tasks are others.
const SOME_WAYS: [&str; 4] = ["plain", "gather", "wait_for", "as_completed"];

fn ways(python: &Python) -> impl Iterator<Item = &'static str> {
    let has_groups = python.version >= (3, 11, 0);
    WAYS.into_iter().chain(has_groups.then_some("group"))
}

fn blocked_task(program: &Program) -> CurrentTask {
    let at = program.frame("blocked", true);
    let sample = program.look_until(&mut program.attach(), &at);
    let task = sample.task.unwrap();
    assert_eq!(task.name.as_deref(), Some("blocked"));
    assert_eq!(task.await_chain, [at]);
    task
}

fn names(awaited_by: &[AwaitingTask]) -> Vec<(&str, u32)> {
    let named = |task: &AwaitingTask| task.name.is_some();
    assert!(awaited_by.iter().all(named), "{awaited_by:#?}");
    awaited_by
        .iter()
        .map(|task| (task.name.as_deref().unwrap_or_default(), task.level))
        .collect()
}

#[track_caller]
fn check(python: &Python, way: &str, kind: &str) {
    let program = Program::start(python, "awaited.py", &[way, kind]);
    let task = blocked_task(&program);
    assert_eq!(
        names(&task.awaited_by),
        [("waiting", 1), ("main", 2)],
        "{way} on {kind}"
    );
    let [waiting, main] = task.awaited_by.as_slice() else {
        unreachable!()
    };
    let expected = program.frame(way, true);
    assert_eq!(
        waiting.await_chain.first(),
        Some(&expected),
        "{way} on {kind}"
    );
    // Around the program's own coroutine stands what uvloop has of its own, and behind it what asyncio has.
    for (task, expected) in [(waiting, expected), (main, program.frame("main", true))] {
        let own = program.own_frames(&task.await_chain);
        assert_eq!(own, [expected], "{way} on {kind}");
    }
}

#[test]
fn whoever_waits_is_named_with_its_line_and_so_is_who_waits_for_that() {
    for python in pythons::all() {
        for way in ways(python) {
            check(python, way, "asyncio");
        }
    }
}

#[test]
fn it_is_the_same_on_uvloop() {
    for python in pythons::all().iter().filter(|python| python.has_uvloop) {
        for way in SOME_WAYS {
            check(python, way, "uvloop");
        }
    }
}

#[test]
fn it_is_the_same_for_tasks_of_python_code() {
    for python in pythons::all() {
        // Such a task is nobody's current one for C code from 3.14 on, so what needs one fails in it.
        let works = |way: &&str| python.version < (3, 14, 0) || *way != "wait_for";
        for way in SOME_WAYS.into_iter().filter(works) {
            check(python, way, "python");
        }
    }
}

#[test]
fn of_very_many_that_wait_the_nearest_are_named() {
    for python in pythons::all() {
        let program = Program::start(python, "awaited.py", &["many", "asyncio"]);
        let awaited_by = blocked_task(&program).awaited_by;
        let names = names(&awaited_by);
        assert_eq!(names.len(), 16, "{names:?}");
        assert!(names.contains(&("waiting", 1)), "{names:?}");
        assert!(names.iter().all(|(_, level)| *level == 1), "{names:?}");
        let others = program.frame("others", true);
        for task in awaited_by {
            let expected = match task.name.as_deref() {
                Some("waiting") => program.frame("many", true),
                _ => others.clone(),
            };
            assert_eq!(task.await_chain, [expected]);
        }
    }
}

#[test]
fn tasks_that_wait_in_a_circle_are_each_named_once() {
    for python in pythons::all() {
        let program = Program::start(python, "awaited.py", &["circle", "asyncio"]);
        let awaited_by = blocked_task(&program).awaited_by;
        let mut names = names(&awaited_by);
        assert_eq!(names.first(), Some(&("waiting", 1)));
        names.sort_unstable();
        assert_eq!(names, [("back", 2), ("main", 2), ("waiting", 1)]);
    }
}

#[test]
fn a_task_that_nobody_waits_for_has_nobody() {
    for python in pythons::all() {
        let program = Program::start(python, "busy_python.py", &[]);
        let sample = program.look_at_until(&mut program.attach(), program.pid(), |sample| {
            sample.task.is_some()
        });
        assert_eq!(sample.task.unwrap().awaited_by, []);
    }
}
