//! Signals and job control of a target that is held.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::libc;
use nix::sys::signal::Signal;

use super::STOPPING;
use super::support::{Target, until};
use crate::kernel::{self, RunState};
use crate::pause::hold;

/// Sends a signal to a process, or to one of its threads.
#[expect(
    unsafe_code,
    reason = "real-time signals have no names in the safe wrapper"
)]
fn send(pid: u32, tid: Option<u32>, signal: u64) {
    let signal = signal as i32;
    let outcome = match tid {
        // SAFETY: the call takes numbers only.
        Some(tid) => unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, signal) },
        // SAFETY: as above.
        None => unsafe { libc::syscall(libc::SYS_kill, pid, signal) },
    };
    assert_eq!(outcome, 0);
}

#[test]
fn signals_are_delivered_once_each() {
    // The target's pipe has room for this many of each of two.
    const MOST: u32 = 30_000;
    for mode in STOPPING {
        let mut target = Target::start("pause_signals.py", &[]);
        let pid = target.pid();
        let (to_process, to_thread) = (target.fact(0), target.fact(1));
        let is_enough = Arc::new(AtomicBool::new(false));
        let sender = thread::spawn({
            let is_enough = is_enough.clone();
            move || {
                let more = |_: &u32| !is_enough.load(Ordering::SeqCst);
                let send_both = |_| {
                    send(pid, None, to_process);
                    send(pid, Some(pid), to_thread);
                    thread::sleep(Duration::from_micros(20));
                };
                (0..MOST).take_while(more).map(send_both).count()
            }
        });
        for _ in 0..60 {
            hold(pid, mode).unwrap().release();
        }
        is_enough.store(true, Ordering::SeqCst);
        let sent = sender.join().unwrap();
        until("all are taken", || {
            ["SigPnd", "ShdPnd"].iter().all(|key| {
                let pending = kernel::thread_status(pid, pid, key).unwrap();
                u64::from_str_radix(&pending, 16) == Ok(0)
            })
        });
        target.tell();
        assert_eq!(target.line(), format!("{sent} {sent}"), "{mode:?}");
        println!("{mode:?}: {sent} signals of each kind");
    }
}

#[test]
fn signals_that_come_while_the_target_is_held_are_delivered_afterwards() {
    for mode in STOPPING {
        let mut target = Target::start("pause_signals.py", &[]);
        let held = hold(target.pid(), mode).unwrap();
        for _ in 0..100 {
            send(target.pid(), None, target.fact(0));
            send(target.pid(), Some(target.pid()), target.fact(1));
        }
        held.release();
        target.tell();
        assert_eq!(target.line(), "100 100", "{mode:?}");
    }
}

#[test]
fn a_target_that_is_stopped_stays_so_until_it_is_continued() {
    for mode in STOPPING {
        for arguments in [&[][..], &["sleeper"]] {
            let target = Target::start("pause_work.py", arguments);
            target.signal(Signal::SIGSTOP);
            until("it is stopped", || target.state() == RunState::Stopped);
            let count = target.counter(target.pid(), 0);
            for _ in 0..20 {
                hold(target.pid(), mode).unwrap().release();
                until("it is stopped again", || {
                    target.state() == RunState::Stopped
                        && kernel::thread_status(target.pid(), target.pid(), "TracerPid").as_deref()
                            == Some("0")
                });
            }
            assert_eq!(target.counter(target.pid(), 0), count, "{mode:?}");
            target.signal(Signal::SIGCONT);
            target.assert_unharmed();
        }
    }
}

#[test]
fn a_target_that_is_stopped_or_continued_while_it_is_held_is_so_afterwards() {
    for mode in STOPPING {
        let target = Target::start("pause_work.py", &["sleeper"]);
        for _ in 0..20 {
            let held = hold(target.pid(), mode).unwrap();
            target.signal(Signal::SIGSTOP);
            held.release();
            until("it is stopped", || target.state() == RunState::Stopped);
            let held = hold(target.pid(), mode).unwrap();
            target.signal(Signal::SIGCONT);
            held.release();
            target.assert_unharmed();
        }
    }
}

#[test]
fn a_target_is_stopped_and_continued_at_any_time() {
    for mode in STOPPING {
        let target = Target::start("pause_work.py", &["sleeper"]);
        let pid = target.pid();
        let sender = thread::spawn(move || {
            for _ in 0..300 {
                send(pid, None, libc::SIGSTOP as u64);
                thread::yield_now();
                send(pid, None, libc::SIGCONT as u64);
            }
        });
        while !sender.is_finished() {
            hold(pid, mode).unwrap().release();
        }
        sender.join().unwrap();
        target.assert_unharmed();
    }
}
