//! Threads beside the main one, and threads that Python does not know.

use loopscope_inspect::{GilHolder, kernel};

use crate::pythons;
use crate::support::Program;

#[test]
fn each_of_many_threads_is_found_by_its_id() {
    for python in pythons::all() {
        let program = Program::start(python, "threads.py", &[]);
        let mut inspector = program.attach();
        let work = program.frame("work", false);
        for fact in &program.facts {
            let (name, tid) = fact.split_once('=').unwrap();
            let sample = program.look_at_until(&mut inspector, tid.parse().unwrap(), |sample| {
                sample.frames.first() == Some(&work)
            });
            assert_eq!(sample.thread_name.as_deref(), Some(name));
        }
    }
}

#[test]
fn a_thread_of_several_interpreters_is_seen_in_the_one_that_it_runs() {
    for python in pythons::all() {
        let mut program = Program::start(python, "interpreters.py", &[]);
        let mut inspector = program.attach();
        let beside = program.frame("beside", false);
        let sample = program.look_until(&mut inspector, &beside);
        assert!(!sample.is_in_subinterpreter, "{}", python.path.display());
        assert_eq!(program.go_on(), "inside");
        program.look_at_until(&mut inspector, program.pid(), |sample| {
            let innermost = sample.frames.first();
            let function = innermost.map(|frame| &*frame.function);
            sample.is_in_subinterpreter && function == Some("inside")
        });
    }
}

#[test]
fn a_thread_that_python_does_not_know_has_no_frames() {
    let program = Program::start(&pythons::all()[0], "after_run.py", &[]);
    let mut inspector = program.attach();
    program.look_until(&mut inspector, &program.frame("<module>", false));
    // This test's own thread: no id of the target.
    let sample = inspector.sample_thread(std::process::id()).unwrap();
    assert!(!sample.is_python_thread && sample.frames.is_empty());
    assert_eq!(sample.gil, GilHolder::Free);
}

#[test]
fn a_look_neither_stops_the_target_nor_makes_it_run() {
    let program = Program::start(&pythons::all()[0], "sleep_in_chain.py", &[]);
    let mut inspector = program.attach();
    program.look_until(&mut inspector, &program.frame("fetch", false));
    let before = kernel::thread_state(program.pid(), program.pid());
    for _ in 0..100 {
        inspector.sample_thread(program.pid()).unwrap();
    }
    assert_eq!(kernel::thread_state(program.pid(), program.pid()), before);
}
