//! Keeps a target from changing while it is read: the three modes of a dump.
//!
//! [`hold`] comes before the walk through the target's memory and [`Held::release`] after it. What is
//! read meanwhile, and from which process, the walker decides by [`Held::memory_pid`]. Nothing is read or
//! judged here.
//!
//! # What the target notices
//!
//! No signal is sent to it, and nothing is written to its memory but, for a snapshot, below a stack in use,
//! where a signal's frame would be written. A call that a thread waits in goes on where it was: the kernel
//! makes it again for what is left of its time. A few calls it makes again after no interruption. Both
//! lists are measured, on Linux 6.18, and part of the tests:
//!
//! | goes on | returns `EINTR` |
//! |---|---|
//! | `nanosleep`, `poll`, `ppoll`, `select` | `epoll_wait` |
//! | `read` of a pipe, `accept`, `recv` without a time-out | `recv` with `SO_RCVTIMEO` |
//! | `futex` with a time-out, `wait4`, `sigsuspend` | `sigtimedwait`, `semtimedop`, `io_getevents` |
//!
//! These return the same after `SIGSTOP` and `SIGCONT`, when `strace` comes, and after the machine was
//! suspended, so programs know it: Python makes them again since 3.5, as do libuv and tokio.
//!
//! # Who waits for the target
//!
//! Where the process that holds the target is its parent too, the kernel tells the stops of each of the
//! target's threads, and of the copy, to the `wait` calls of every thread of that process, whatever their
//! options: who waits there for the target to end must look whether it has, and wait on where it has not.

#![cfg_attr(
    not(target_arch = "x86_64"),
    allow(dead_code, reason = "no snapshot is made on other machines")
)]

mod call_site;
mod copying;
mod injection;
mod registers;
mod snapshot;
mod stop;
#[cfg(test)]
mod tests;
mod tracee;

pub(crate) use self::copying::copy_stack;

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use self::snapshot::Snapshot;
use self::stop::Stopped;
use crate::dump::DumpMode;
use crate::error::DumpError;
use crate::kernel::ThreadKernelState;

/// Keeps a process from changing, as the mode says, until the result is released or dropped.
pub(crate) fn hold(pid: u32, mode: DumpMode) -> Result<Held, DumpError> {
    if mode == DumpMode::Live {
        return Ok(Held::live(pid));
    }
    if pid == std::process::id() {
        return Err(DumpError::OwnProcess { pid });
    }
    let (tell, told) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let no_thread = |source| DumpError::NotStopped { pid, source };
    let thread = thread::Builder::new()
        .name("loopscope-pause".to_owned())
        .spawn(move || trace(pid, mode, &tell, &released))
        .map_err(no_thread)?;
    let Ok(outcome) = told.recv() else {
        return Err(no_thread(io::Error::other("the tracing thread ended")));
    };
    let facts = match outcome {
        Ok(facts) => facts,
        Err(error) => {
            // It still holds what it could not let go until it has ended.
            let _ = thread.join();
            return Err(error);
        }
    };
    let tracer = Some(Tracer { release, thread });
    Ok(Held { facts, tracer })
}

/// A process that is kept from changing.
#[derive(Debug)]
pub(crate) struct Held {
    facts: Facts,
    /// `None` for a process that runs on.
    tracer: Option<Tracer>,
}

/// What is known of a process that is kept from changing.
#[derive(Debug)]
struct Facts {
    memory_pid: u32,
    before: Vec<(u32, ThreadKernelState)>,
}

/// The thread that traces the process: the kernel serves no other, and lets everything go when it ends.
#[derive(Debug)]
struct Tracer {
    release: Sender<()>,
    thread: JoinHandle<Duration>,
}

impl Held {
    fn live(pid: u32) -> Self {
        let facts = Facts {
            memory_pid: pid,
            before: Vec::new(),
        };
        Self {
            facts,
            tracer: None,
        }
    }

    /// The process whose memory is to be read: the target, or its copy.
    pub(crate) fn memory_pid(&self) -> u32 {
        self.facts.memory_pid
    }

    /// What the kernel said of a thread right before it was stopped, since a stopped one looks different.
    /// `None` where the process runs on, and for a thread that was not there.
    pub(crate) fn thread_before(&self, tid: u32) -> Option<ThreadKernelState> {
        let mut before = self.facts.before.iter();
        before.find(|(it, _)| *it == tid).map(|(_, state)| *state)
    }

    /// What [`Self::thread_before`] says of all threads, to keep when the process is let go.
    pub(crate) fn threads_before(&self) -> Vec<(u32, ThreadKernelState)> {
        self.facts.before.clone()
    }

    /// Lets the process change again. Tells for how long it stood still; `None` where it never did.
    pub(crate) fn release(mut self) -> Option<Duration> {
        self.tracer.take().and_then(Tracer::end)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.tracer.take().map(Tracer::end);
    }
}

impl Tracer {
    fn end(self) -> Option<Duration> {
        drop(self.release);
        self.thread.join().ok()
    }
}

/// What the tracing thread has in its hands.
enum Grip {
    Stop(Stopped),
    Snapshot(Snapshot),
}

impl Grip {
    fn take(pid: u32, mode: DumpMode) -> Result<Self, DumpError> {
        match mode {
            DumpMode::Snapshot => Snapshot::take(pid).map(Self::Snapshot),
            DumpMode::Stop | DumpMode::Live => Stopped::all(pid).map(Self::Stop),
        }
    }

    fn facts(&self, pid: u32) -> Facts {
        match self {
            Self::Stop(stopped) => Facts {
                memory_pid: pid,
                before: stopped.before().collect(),
            },
            Self::Snapshot(snapshot) => Facts {
                memory_pid: snapshot.pid(),
                before: snapshot.before().collect(),
            },
        }
    }

    fn release(self) -> Duration {
        match self {
            Self::Stop(stopped) => stopped.release(),
            Self::Snapshot(snapshot) => snapshot.release(),
        }
    }
}

/// Holds the process until it is released, or whoever asked for it is gone.
fn trace(
    pid: u32,
    mode: DumpMode,
    tell: &Sender<Result<Facts, DumpError>>,
    released: &Receiver<()>,
) -> Duration {
    // Waits for the target's threads are short. Without this the kernel makes each longer than they are.
    let _ = nix::sys::prctl::set_timerslack(1);
    let grip = match Grip::take(pid, mode) {
        Ok(grip) => grip,
        Err(error) => {
            let _ = tell.send(Err(error));
            return Duration::ZERO;
        }
    };
    if tell.send(Ok(grip.facts(pid))).is_ok() {
        // Nothing is ever sent: the other end is dropped.
        let _ = released.recv();
    }
    grip.release()
}

/// An instant at which this process may end without harm to the target. Tests end it at each of them.
#[cfg(not(test))]
fn checkpoint() {}

#[cfg(test)]
use self::tests::checkpoint;
