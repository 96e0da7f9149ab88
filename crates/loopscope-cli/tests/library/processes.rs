//! Children, signals and ends.

use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;

use crate::harness::{Talking, on_every_python, passes, program};

#[test]
fn a_forked_child_has_no_thread_and_is_in_the_report_of_its_parent() {
    on_every_python(|python| {
        passes(python, "forks.py", &["child"]);
    });
}

#[test]
fn a_forked_child_that_installs_has_a_report_of_its_own() {
    on_every_python(|python| {
        passes(python, "forks.py", &["own"]);
    });
}

#[test]
fn a_child_forked_inside_a_running_loop_is_silent_until_it_has_a_loop_of_its_own() {
    on_every_python(|python| {
        passes(python, "forks.py", &["inside"]);
    });
}

#[test]
fn children_of_a_pool_are_in_the_report_while_they_live() {
    on_every_python(|python| {
        passes(python, "forks.py", &["pool"]);
    });
}

#[test]
fn a_child_holds_nothing_of_the_port() {
    on_every_python(|python| {
        passes(python, "forks.py", &["port"]);
    });
}

/// Starts `ends.py`, which ends in this way once its input is closed or a signal comes.
fn ending(python: &str, way: &str) -> Talking {
    let path = program("ends.py").display().to_string();
    let mut talking = Talking::start(&[python, &path, way]);
    talking.told("ready");
    talking
}

#[test]
fn a_program_ends_as_it_would_without_the_monitor() {
    let ways = [
        ("return", 0),
        ("exit", 3),
        ("raise", 1),
        ("os_exit", 4),
        ("thread", 0),
    ];
    on_every_python(|python| {
        let python = python.display().to_string();
        for (way, code) in ways {
            let (status, said) = ending(&python, way).end();
            assert_eq!(status.code(), Some(code), "{python} {way}: {said}");
        }
    });
}

#[test]
fn signals_reach_the_program() {
    let signals = [
        ("return", Signal::TERM, None, Some(15)),
        ("interrupted", Signal::INT, Some(5), None),
    ];
    on_every_python(|python| {
        let python = python.display().to_string();
        for (way, signal, code, by_signal) in signals {
            let talking = ending(&python, way);
            talking.signal(signal);
            let (status, _) = talking.end();
            assert_eq!(
                (status.code(), status.signal()),
                (code, by_signal),
                "{python} {way}"
            );
        }
    });
}
