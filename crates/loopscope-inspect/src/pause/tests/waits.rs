//! System calls that a target waits in while it is held.

use super::STOPPING;
use super::support::Target;
use crate::dump::DumpMode;
use crate::pause::hold;

/// Those that go on as if nothing had been.
const UNTOUCHED: [&str; 14] = [
    "python_sleep",
    "python_epoll",
    "python_select",
    "python_lock",
    "python_recv",
    "nanosleep",
    "poll",
    "ppoll",
    "futex",
    "read_pipe",
    "recv",
    "accept",
    "wait_child",
    "sigsuspend",
];

/// Those that the kernel ends with `EINTR` after any stop.
const INTERRUPTED: [&str; 5] = [
    "epoll_wait",
    "recv_timeout",
    "sigtimedwait",
    "semop",
    "io_getevents",
];

/// Starts a program in each wait, holds it a few times, and tells how the waits ended.
fn endings<'name>(mode: DumpMode, names: &[&'name str]) -> Vec<(&'name str, String)> {
    let start = |name: &&'name str| {
        let target = Target::start("pause_waits.py", &[name]);
        for _ in 0..3 {
            hold(target.pid(), mode).unwrap().release();
        }
        (*name, target)
    };
    let mut targets: Vec<(&str, Target)> = names.iter().map(start).collect();
    let end = |(name, target): &mut (_, Target)| (*name, target.line());
    targets.iter_mut().map(end).collect()
}

#[test]
fn calls_go_on_where_they_were() {
    for mode in STOPPING {
        for (name, ending) in endings(mode, &UNTOUCHED) {
            assert_eq!(ending, "done", "{name}, {mode:?}");
        }
    }
}

#[test]
fn calls_that_the_kernel_never_makes_again_say_that_they_were_interrupted_and_nothing_worse() {
    for mode in STOPPING {
        for (name, ending) in endings(mode, &INTERRUPTED) {
            println!("{name}, {mode:?}: {ending}");
            assert!(["EINTR", "done"].contains(&&*ending), "{name}: {ending}");
        }
    }
}
