//! Loops in every state, and circles of waits.

use loopscope_inspect::{Dump, DumpMode, LoopState, TaskState};

use crate::compare::assert_true;
use crate::pythons;
use crate::target::{Target, task_named};

const MODES: [DumpMode; 3] = [DumpMode::Live, DumpMode::Stop, DumpMode::Snapshot];

fn states(dump: &Dump) -> Vec<(Option<String>, LoopState)> {
    let thread_name =
        |event_loop: &loopscope_inspect::DumpedLoop| dump.thread(event_loop.thread?)?.name.clone();
    let loops = dump.loops.iter();
    loops
        .map(|event_loop| (thread_name(event_loop), event_loop.state))
        .collect()
}

#[test]
fn idle_blocked_closed_and_unused_loops_are_told_apart() {
    for python in pythons::all() {
        let target = Target::start(python, "loops.py", &[]);
        for mode in MODES {
            let dump = target.dump(mode);
            assert_true(&dump, &target.truth);
            let blocker = match python.version >= (3, 12, 0) {
                true => "eager blocker",
                false => "blocked",
            };
            let (blocker, task) = task_named(&dump, blocker);
            assert_eq!(task.state, TaskState::Running);
            let functions = task
                .await_chain
                .iter()
                .map(|frame| frame.function.rsplit('.').next().unwrap_or_default());
            let functions: Vec<&str> = functions.collect();
            assert!(
                functions.ends_with(&["block", "block_inner"]),
                "{functions:?}"
            );
            let mut states = states(&dump);
            states.sort_by_key(|(name, state)| (name.clone(), format!("{state:?}")));
            let of_thread = |name: &str| Some(name.to_owned());
            let running = LoopState::Running {
                task: Some(blocker),
            };
            assert_eq!(
                states,
                [
                    (None, LoopState::Closed),
                    (None, LoopState::NotRunning),
                    (of_thread("loop-blocked"), running),
                    (of_thread("loop-idle"), LoopState::Idle),
                ],
                "{mode:?}"
            );
        }
    }
}

#[test]
fn a_task_that_steps_another_eagerly_runs_as_far_as_that_one() {
    for python in pythons::all()
        .iter()
        .filter(|python| python.version >= (3, 12, 0))
    {
        let target = Target::start(python, "loops.py", &[]);
        let dump = target.dump(DumpMode::Stop);
        let chain = |name| {
            let (_, task) = task_named(&dump, name);
            assert_eq!(task.state, TaskState::Running, "{name}");
            let frames = task.await_chain.iter();
            frames
                .map(|frame| frame.function.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(chain("blocked"), ["main_blocked", "start_eagerly"]);
        assert_eq!(chain("eager blocker"), ["block", "block_inner"]);
    }
}

#[test]
fn circles_of_waits_are_found_and_nothing_else_is_one() {
    for python in pythons::all() {
        let target = Target::start(python, "deadlocks.py", &[]);
        for mode in MODES {
            let dump = target.dump(mode);
            assert_true(&dump, &target.truth);
            let mut circles: Vec<Vec<String>> = dump
                .deadlocks
                .iter()
                .map(|circle| {
                    let name = |index: &_| dump.task(*index).unwrap().name.clone().unwrap();
                    let mut names: Vec<String> = circle.iter().map(name).collect();
                    names.sort();
                    names
                })
                .collect();
            circles.sort();
            assert_eq!(circles, [vec!["a", "b"], vec!["c", "d", "e"]]);
        }
    }
}

#[test]
fn a_process_whose_lock_is_kept_in_c_code_is_dumped_like_any_other() {
    for python in pythons::all() {
        let target = Target::start(python, "gil_regex.py", &[]);
        let module = target.program.frame("<module>", false);
        let mut inspector = target.program.attach();
        target.program.look_until(&mut inspector, &module);
        for mode in MODES {
            let dump = inspector.dump(mode).unwrap();
            assert_true(&dump, &target.truth);
            let main = dump.threads.first().unwrap();
            assert_eq!(main.tid, Some(target.program.pid()));
            assert_eq!(main.holds_gil, Some(true), "{mode:?}");
            assert!(
                dump.threads[1..]
                    .iter()
                    .all(|thread| thread.holds_gil == Some(false))
            );
        }
    }
}
