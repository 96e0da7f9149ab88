//! Which loop runs on which thread, and which task it steps.

use loopscope_inspect::{Inspector, ThreadSample};

use crate::pythons;
use crate::support::Program;

#[test]
fn two_loops_in_two_threads_are_told_apart() {
    for python in pythons::all() {
        let program = Program::start(python, "two_loops.py", &[]);
        let mut inspector = program.attach();
        let at = program.frame("blocked", true);
        let (blocked_tid, idle_tid) = (program.number(0), program.number(1));
        let blocked = program.look_at_until(&mut inspector, blocked_tid, |sample| {
            sample.frames.first() == Some(&at)
        });
        let idle = program.look_at_until(&mut inspector, idle_tid, |sample| sample.task.is_none());
        let main = inspector.sample_thread(program.pid()).unwrap();
        assert_eq!(blocked.task.unwrap().await_chain, [at]);
        assert_ne!(
            blocked.running_loop.unwrap().address,
            idle.running_loop.unwrap().address
        );
        assert_eq!(main.running_loop, None);
        let names = [blocked.thread_name, idle.thread_name, main.thread_name];
        assert_eq!(
            names.map(Option::unwrap),
            ["loop-blocked", "loop-idle", "MainThread"]
        );
    }
}

#[test]
fn a_program_that_left_its_loop_runs_none() {
    for python in pythons::all() {
        let program = Program::start(python, "after_run.py", &[]);
        let module = program.frame("<module>", false);
        let sample = program.look_until(&mut program.attach(), &module);
        assert_eq!(sample.frames, [module]);
        assert_eq!((sample.running_loop, sample.task), (None, None));
        assert_eq!(sample.callback_position, None);
    }
}

#[test]
fn a_loop_that_starts_after_the_attach_is_seen() {
    for python in pythons::all() {
        let mut program = Program::start(python, "late_import.py", &[]);
        let mut inspector = program.attach();
        let before = inspector.sample_thread(program.pid()).unwrap();
        assert_eq!((before.running_loop, before.task), (None, None));
        assert_eq!(program.go_on(), "looping");
        let main = program.frame("later.<locals>.main", true);
        let sample = program.look_until(&mut inspector, &main);
        assert!(sample.running_loop.is_some());
        assert_eq!(sample.task.unwrap().await_chain, [main]);
    }
}

#[test]
fn a_forked_child_has_no_loop_until_it_runs_one() {
    for python in pythons::all() {
        let mut program = Program::start(python, "forked.py", &[]);
        let child = program.number(0);
        let mut inspector = Inspector::attach(child).unwrap();
        let at = program.frame("main", true);
        let own = |sample: &ThreadSample| program.own_frames(&sample.frames).first().cloned();
        let before = program.look_at_until(&mut inspector, child, |sample| {
            own(sample) == Some(at.clone())
        });
        assert!(before.is_python_thread);
        assert_eq!(before.running_loop, None);
        assert_eq!(program.go_on(), "looping");
        let at = program.frame("child_main", true);
        let own = |sample: &ThreadSample| program.own_frames(&sample.frames).first().cloned();
        let after = program.look_at_until(&mut inspector, child, |sample| {
            own(sample) == Some(at.clone())
        });
        assert_eq!(after.task.unwrap().await_chain, [at]);
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(child.cast_signed()),
            nix::sys::signal::Signal::SIGKILL,
        )
        .unwrap();
    }
}

/// The chain of a task that is blocked in `kinds_of_tasks.py`.
fn chain_of(python: &pythons::Python, kind: &str) -> Vec<(String, bool)> {
    let program = Program::start(python, "kinds_of_tasks.py", &[kind]);
    let innermost = program.frame("innermost", true);
    let sample = program.look_until(&mut program.attach(), &innermost);
    let task = sample.task.unwrap();
    assert_eq!(task.name.as_deref(), Some("任务 🐀"), "{kind}");
    for frame in &task.await_chain {
        assert_eq!(
            frame.line,
            program.line(&frame.function),
            "{kind}: {}",
            frame.function
        );
    }
    task.await_chain
        .iter()
        .map(|frame| (frame.function.to_string(), frame.is_coroutine))
        .collect()
}

#[test]
fn tasks_of_each_kind_have_their_name_and_chain() {
    let through_generator =
        ["through_generator", "generator", "innermost"].map(|name| (name.to_owned(), true));
    for python in pythons::all() {
        for kind in ["plain", "subclass", "python"] {
            assert_eq!(chain_of(python, kind), through_generator, "{kind}");
        }
        let through_awaitable =
            ["through_awaitable", "innermost"].map(|name| (name.to_owned(), true));
        assert_eq!(chain_of(python, "awaitable"), through_awaitable);
    }
}

#[test]
fn an_eager_task_has_only_its_own_chain() {
    for python in pythons::all()
        .iter()
        .filter(|python| python.version >= (3, 12, 0))
    {
        let program = Program::start(python, "eager_task.py", &[]);
        let child = program.frame("child", true);
        let sample = program.look_until(&mut program.attach(), &child);
        assert_eq!(sample.task.unwrap().await_chain, [child]);
    }
}
