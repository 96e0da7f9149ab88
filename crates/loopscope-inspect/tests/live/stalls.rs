//! One blocked loop: where it stands, in which task, and who holds the lock.

use std::collections::HashSet;

use loopscope_inspect::kernel::{self, RunState};
use loopscope_inspect::{GilHolder, SourceLines, ThreadSample};

use crate::pythons;
use crate::support::Program;

#[test]
fn a_sleep_in_a_chain_of_coroutines_is_found_with_its_line_and_its_chain() {
    for python in pythons::all() {
        let program = Program::start(python, "sleep_in_chain.py", &[]);
        let mut inspector = program.attach();
        let fetch = program.frame("fetch", false);
        let sample = program.look_until(&mut inspector, &fetch);
        let handle = program.frame("Service.handle", true);
        let outer = program.frame("outer", true);
        assert_eq!(sample.frames[..3], [fetch, handle.clone(), outer.clone()]);
        assert_eq!(&*sample.frames.last().unwrap().function, "<module>");
        let task = sample.task.unwrap();
        assert_eq!(task.name.as_deref(), Some("the-task"));
        assert_eq!(task.await_chain, [outer, handle]);
        let event_loop = sample.running_loop.unwrap();
        assert_eq!(
            &*event_loop.type_name,
            "asyncio.unix_events._UnixSelectorEventLoop"
        );
        assert_eq!(sample.gil, GilHolder::Free);
        assert_eq!(sample.thread_name.as_deref(), Some("MainThread"));
        assert!(sample.is_python_thread && sample.callback_position.is_some());
    }
}

#[test]
fn the_call_that_blocks_can_be_named_from_the_line() {
    let program = Program::start(&pythons::all()[0], "sleep_in_chain.py", &[]);
    let sample = program.look_until(&mut program.attach(), &program.frame("fetch", false));
    let mut lines = SourceLines::new(program.pid());
    let calls = lines.calls_on_line(&sample.frames[0].file, sample.frames[0].line);
    assert_eq!(&*calls[0].name, "time.sleep");
    let calls = lines.calls_on_line(&sample.frames[2].file, sample.frames[2].line);
    assert!(&*calls[0].name == "service.handle" && calls[0].is_awaited);
}

#[test]
fn a_python_loop_is_found_on_one_of_its_lines() {
    for python in pythons::all() {
        let program = Program::start(python, "busy_python.py", &[]);
        let mut inspector = program.attach();
        let main = program.frame("main", true);
        let on_loop = [program.line("while"), program.line("spin")];
        let sample = program.look_at_until(&mut inspector, program.pid(), |sample| {
            on_loop.contains(&sample.frames[0].line)
        });
        assert_eq!(&*sample.frames[0].function, "spin");
        assert_eq!(sample.frames[1], main);
        assert_eq!(sample.gil, GilHolder::Own);
        let task = sample.task.unwrap();
        assert_eq!(task.name.as_deref(), Some("Task-1"));
        assert_eq!(task.await_chain, [main]);
    }
}

#[test]
fn a_regular_expression_that_holds_the_lock_is_seen_from_outside() {
    for python in pythons::all() {
        let program = Program::start(python, "regex.py", &[]);
        let mut inspector = program.attach();
        let check = program.frame("check", false);
        let sample = program.look_until(&mut inspector, &check);
        assert_eq!(sample.frames[..2], [check, program.frame("main", true)]);
        assert_eq!(sample.gil, GilHolder::Own);
        assert_eq!(
            kernel::thread_state(program.pid(), program.pid()).run_state,
            RunState::Runnable
        );
    }
}

#[test]
fn a_power_that_holds_the_lock_is_seen_from_outside() {
    for python in pythons::all() {
        let program = Program::start(python, "big_power.py", &[]);
        let compute = program.frame("compute", true);
        let sample = program.look_until(&mut program.attach(), &compute);
        assert_eq!(sample.frames[0], compute);
        assert_eq!(sample.gil, GilHolder::Own);
    }
}

#[test]
fn a_blocking_read_leaves_the_lock_free_and_names_its_system_call() {
    const RECVFROM: u32 = 45;
    for python in pythons::all() {
        let program = Program::start(python, "socket_read.py", &[]);
        let main = program.frame("main", true);
        let mut inspector = program.attach();
        let sample = program.look_at_until(&mut inspector, program.pid(), |sample| {
            sample.frames[0] == main && sample.gil == GilHolder::Free
        });
        assert_eq!(sample.task.unwrap().await_chain, [main]);
        let state = kernel::thread_state(program.pid(), program.pid());
        assert_eq!(
            (state.run_state, state.syscall),
            (RunState::Sleeping, Some(RECVFROM))
        );
    }
}

#[test]
fn a_stall_keeps_its_callback() {
    for python in pythons::all() {
        let program = Program::start(python, "sleep_in_chain.py", &[]);
        let mut inspector = program.attach();
        let first = program.look_until(&mut inspector, &program.frame("fetch", false));
        for _ in 0..50 {
            let later = inspector.sample_thread(program.pid()).unwrap();
            assert_eq!(later, first);
        }
    }
}

#[test]
fn a_storm_of_callbacks_changes_its_callback_from_look_to_look() {
    for python in pythons::all() {
        let kinds: &[&str] = if python.has_uvloop {
            &["asyncio", "uvloop"]
        } else {
            &["asyncio"]
        };
        for kind in kinds {
            let program = Program::start(python, "storm.py", &[kind]);
            let mut inspector = program.attach();
            let mut positions = HashSet::new();
            program.look_at_until(&mut inspector, program.pid(), |sample| {
                positions.extend(sample.callback_position);
                positions.len() >= 10
            });
        }
    }
}

#[test]
fn another_thread_that_holds_the_lock_is_named_with_its_frames() {
    for python in pythons::all() {
        let program = Program::start(python, "executor_regex.py", &[]);
        let mut inspector = program.attach();
        let search = program.frame("search", false);
        let holder = |gil: &GilHolder| match gil {
            GilHolder::Other { tid, frames } => Some((*tid, frames.first().cloned())),
            _ => None,
        };
        let expected = Some((Some(program.number(0)), Some(search)));
        let sample = program.look_at_until(&mut inspector, program.pid(), |sample| {
            holder(&sample.gil) == expected
        });
        assert!(sample.running_loop.is_some());
    }
}

/// Whether the main thread sleeps at the interpreter's lock; `None` while it is awake.
fn sleeps_at_the_lock(program: &Program, sample: &ThreadSample) -> Option<bool> {
    const FUTEX: u32 = 202;
    let state = kernel::thread_state(program.pid(), program.pid());
    let at = state.argument.filter(|_| state.syscall == Some(FUTEX))?;
    Some(sample.gil_memory.as_ref()?.contains(&at))
}

#[test]
fn a_thread_that_waits_for_the_interpreters_lock_sleeps_inside_of_it() {
    for python in pythons::all() {
        let program = Program::start(python, "gil_wait.py", &[]);
        let mut inspector = program.attach();
        program.look_at_until(&mut inspector, program.pid(), |sample| {
            sleeps_at_the_lock(&program, sample) == Some(true)
        });
    }
}

#[test]
fn a_thread_that_waits_for_an_event_sleeps_elsewhere_whoever_holds_the_lock() {
    for python in pythons::all() {
        let program = Program::start(python, "event_wait.py", &[]);
        let mut inspector = program.attach();
        let mut asleep = 0;
        program.look_at_until(&mut inspector, program.pid(), |sample| {
            let at_the_lock = sleeps_at_the_lock(&program, sample);
            // On its way there it may have to wait for its turn; from then on it needs the lock no more.
            assert!(
                asleep == 0 || at_the_lock != Some(true),
                "{:?}",
                python.version
            );
            asleep += usize::from(at_the_lock == Some(false));
            asleep == 50
        });
    }
}

#[test]
fn a_stopped_process_is_read_like_any_other() {
    let program = Program::start(&pythons::all()[0], "busy_python.py", &[]);
    let mut inspector = program.attach();
    let pid = nix::unistd::Pid::from_raw(program.pid().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    while kernel::thread_state(program.pid(), program.pid()).run_state != RunState::Stopped {
        std::thread::yield_now();
    }
    let sample = inspector.sample_thread(program.pid()).unwrap();
    assert!(!sample.torn);
    assert_eq!(
        program.own_frames(&sample.frames)[1],
        program.frame("main", true)
    );
}
