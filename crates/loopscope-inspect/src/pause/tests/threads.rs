//! Targets whose threads come and go, or do not stop.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::STOPPING;
use super::support::{Target, children, until};
use crate::dump::DumpMode;
use crate::error::DumpError;
use crate::kernel::{self, RunState};
use crate::pause::hold;

#[test]
fn threads_that_come_and_go_are_all_stopped() {
    let target = Target::start("pause_threads.py", &["4"]);
    for _ in 0..300 {
        let held = hold(target.pid(), DumpMode::Stop).unwrap();
        for tid in kernel::thread_ids(target.pid()) {
            let state = kernel::thread_state(target.pid(), tid).run_state;
            let is_still = [RunState::Stopped, RunState::Zombie].contains(&state);
            assert!(is_still, "{tid} is {state:?}");
        }
        let count = target.counter(target.pid(), 0);
        assert!(held.thread_before(target.pid()).is_some());
        assert_eq!(target.counter(target.pid(), 0), count);
        held.release();
    }
    for _ in 0..50 {
        hold(target.pid(), DumpMode::Snapshot).unwrap().release();
    }
    target.assert_unharmed();
}

#[test]
fn two_hundred_threads_are_stopped() {
    let target = Target::start("pause_threads.py", &["200"]);
    for mode in STOPPING {
        for _ in 0..10 {
            let held = hold(target.pid(), mode).unwrap();
            let tids = kernel::thread_ids(target.pid());
            assert_eq!(tids.len(), 201);
            for tid in tids {
                let before = held.thread_before(tid).unwrap();
                assert_ne!(before.run_state, RunState::Stopped);
            }
            println!("{mode:?}: {:?}", held.release().unwrap());
        }
        target.assert_unharmed();
    }
}

/// A thread that has begun another process in its own memory stands until that runs another program.
const VFORK: &str = "
import ctypes, threading
libc = ctypes.CDLL(None)
pages = (ctypes.c_uint64 * 1)()
stack = ctypes.create_string_buffer(65536)
top = ctypes.c_void_p(ctypes.addressof(stack) + 65520)
pause = ctypes.cast(libc.pause, ctypes.c_void_p)
CLONE_VM, CLONE_VFORK, SIGCHLD = 0x100, 0x4000, 17
begin = lambda: libc.clone(pause, top, CLONE_VM | CLONE_VFORK | SIGCHLD, None)
threading.Thread(target=begin, daemon=True).start()
print('ready', ctypes.addressof(pages), flush=True)
while True:
    pages[0] += 1
";

#[test]
fn a_thread_that_sleeps_uninterruptibly_is_not_waited_for() {
    for mode in STOPPING {
        let target = Target::script(VFORK);
        let pid = target.pid();
        let sleeper = || {
            let mut tids = kernel::thread_ids(pid).into_iter();
            tids.find(|tid| kernel::thread_state(pid, *tid).run_state == RunState::DiskSleep)
        };
        until("a thread sleeps so", || sleeper().is_some());
        let child = children(pid)[0];
        let held = hold(pid, mode).unwrap();
        let count = target.counter(held.memory_pid(), 0);
        assert_eq!(target.counter(held.memory_pid(), 0), count);
        println!("{mode:?}: {:?}", held.release());
        let tid = sleeper().unwrap();
        until("it is traced by nobody", || {
            kernel::thread_status(pid, tid, "TracerPid").as_deref() == Some("0")
        });
        kill(Pid::from_raw(child.cast_signed()), Signal::SIGKILL).unwrap();
        until("it sleeps no more", || sleeper().is_none());
        target.assert_unharmed();
    }
}

/// The main thread ends, and another works on.
const NO_MAIN_THREAD: &str = "
import ctypes, threading, time
libc = ctypes.CDLL(None)
pages = (ctypes.c_uint64 * 1)()
def work():
    while True:
        pages[0] += 1
threading.Thread(target=work, daemon=True).start()
print('ready', ctypes.addressof(pages), flush=True)
libc.syscall(60, 0)
";

#[test]
fn a_process_without_its_main_thread_is_held() {
    let target = Target::script(NO_MAIN_THREAD);
    until("the main thread has ended", || {
        target.state() == RunState::Zombie
    });
    let other = *kernel::thread_ids(target.pid()).last().unwrap();
    for _ in 0..10 {
        let held = hold(target.pid(), DumpMode::Stop).unwrap();
        let count = target.counter(other, 0);
        assert!(held.thread_before(other).is_some());
        assert_eq!(target.counter(other, 0), count);
        assert!(held.release().is_some());
        until("it works on", || target.counter(other, 0) > count);
    }
    // The kernel shows nothing of its memory under its own id.
    let outcome = hold(target.pid(), DumpMode::Snapshot);
    assert!(
        matches!(outcome, Err(DumpError::NoSnapshot { .. })),
        "{outcome:?}"
    );
}
