//! Stops every thread of a process, and lets them all go on.
//!
//! Threads are seized and interrupted, which sends no signal and so leaves the process's signals and its
//! job control as they are. A signal that a thread was about to take when we came is passed on to it at
//! once and it is interrupted again, so that a stop holds nothing back: signals that come later wait in
//! the kernel as they do for a busy thread, and one that is stopped by job control stays so.
//!
//! A thread that sleeps uninterruptibly does not stop, and need not: it stands in the kernel and halts
//! before it runs another instruction of its program.

use std::collections::BTreeSet;
use std::io;
use std::marker::PhantomData;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::checkpoint;
use super::tracee::{Halt, Patience, Standing, Tracee};
use crate::error::DumpError;
use crate::kernel::{self, RunState, ThreadKernelState};

/// How long threads may take to stop. Those of a group without processor time left halt in its next
/// period, a tenth of a second by default.
const STOP_PATIENCE: Duration = Duration::from_secs(1);

/// How long to look at a thread before it is asked whether it sleeps uninterruptibly.
const SLEEP_PATIENCE: Duration = Duration::from_millis(2);

/// Threads come and go while we list them. Only after this many lists without a new one all are known: a
/// list ends early where the thread that the kernel reads it from ends.
const QUIET_LISTS: usize = 2;

/// A process whose threads stand still until this is dropped.
///
/// The kernel knows the thread that attached as their tracer, and takes requests from no other. What
/// cannot be let go because it does not stand (it sleeps uninterruptibly, or became another thread by
/// `exec`) the kernel lets go when the tracing thread ends; so that must be one that does.
#[derive(Debug)]
pub(super) struct Stopped {
    pid: u32,
    began: Option<Instant>,
    threads: Vec<StoppedThread>,
    /// Every thread that was met, those that ended included.
    met: BTreeSet<u32>,
    same_thread: PhantomData<*const ()>,
}

/// A thread that stands still, or will before it runs on.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoppedThread {
    pub(super) tracee: Tracee,
    /// What the kernel said of it right before.
    before: ThreadKernelState,
    /// Whether it is halted; one that is not sleeps uninterruptibly.
    pub(super) is_halted: bool,
}

impl Stopped {
    /// Stops every thread.
    pub(super) fn all(pid: u32) -> Result<Self, DumpError> {
        let mut stopped = Self::none(pid);
        let mut patience = Patience::new(STOP_PATIENCE);
        let mut quiet_lists = 0;
        while quiet_lists < QUIET_LISTS {
            let mut listed = kernel::thread_ids(pid);
            listed.retain(|tid| !stopped.met.contains(tid));
            quiet_lists = if listed.is_empty() {
                quiet_lists + 1
            } else {
                0
            };
            stopped.add(&listed, &mut patience)?;
        }
        if stopped.threads.is_empty() {
            return Err(DumpError::Gone { pid });
        }
        Ok(stopped)
    }

    /// Stops a single thread and leaves the others running.
    pub(super) fn one(pid: u32, tid: u32) -> Result<Self, DumpError> {
        let mut stopped = Self::none(pid);
        stopped.add(&[tid], &mut Patience::new(STOP_PATIENCE))?;
        Ok(stopped)
    }

    fn none(pid: u32) -> Self {
        Self {
            pid,
            began: None,
            threads: Vec::new(),
            met: BTreeSet::new(),
            same_thread: PhantomData,
        }
    }

    /// The threads that stand still, the main thread first.
    pub(super) fn threads(&self) -> &[StoppedThread] {
        &self.threads
    }

    /// What the kernel said of each thread right before it was stopped.
    pub(super) fn before(&self) -> impl Iterator<Item = (u32, ThreadKernelState)> {
        self.threads
            .iter()
            .map(|thread| (thread.tracee.tid(), thread.before))
    }

    /// Lets every thread go on. Tells for how long the first of them stood still.
    pub(super) fn release(mut self) -> Duration {
        self.let_go()
    }

    /// Attaches to all before any is interrupted, so that they stop as close together as can be.
    fn add(&mut self, tids: &[u32], patience: &mut Patience) -> Result<(), DumpError> {
        let first_new = self.threads.len();
        for tid in tids {
            self.met.insert(*tid);
            let before = kernel::thread_state(self.pid, *tid);
            if let Some(tracee) = self.seize(*tid)? {
                self.threads.push(StoppedThread {
                    tracee,
                    before,
                    is_halted: false,
                });
            }
            checkpoint();
        }
        let new = self.threads.get_mut(first_new..).unwrap_or_default();
        self.began.get_or_insert_with(Instant::now);
        for thread in &*new {
            // One that has ended is noticed below.
            let _ = thread.tracee.interrupt();
        }
        checkpoint();
        let mut has_ended = Vec::new();
        for thread in new {
            match halt(self.pid, thread.tracee, patience) {
                Ok(is_halted) => thread.is_halted = is_halted,
                Err(NoHalt::Ended) => has_ended.push(thread.tracee),
                Err(NoHalt::Failed(source)) => {
                    let pid = self.pid;
                    return Err(DumpError::NotStopped { pid, source });
                }
            }
            checkpoint();
        }
        self.threads.retain(|it| !has_ended.contains(&it.tracee));
        Ok(())
    }

    /// Attaches to a thread; `None` for one that has ended.
    fn seize(&self, tid: u32) -> Result<Option<Tracee>, DumpError> {
        /// The kernel refuses ended threads like forbidden ones, and after `exec` another thread has the
        /// id of one that was refused.
        const ATTEMPTS: usize = 4;
        let pid = self.pid;
        for _ in 0..ATTEMPTS {
            match Tracee::seize(tid) {
                Ok(tracee) => return Ok(Some(tracee)),
                Err(Errno::ESRCH) => return Ok(None),
                Err(Errno::EPERM) if is_over(pid, tid) => return Ok(None),
                Err(Errno::EPERM) => {}
                Err(errno) => {
                    let source = errno.into();
                    return Err(DumpError::NotStopped { pid, source });
                }
            }
            if let Some(tracer) = tracer(pid, tid) {
                return Err(DumpError::Traced { pid, tracer });
            }
            thread::yield_now();
        }
        Err(DumpError::StopDenied { pid })
    }

    fn let_go(&mut self) -> Duration {
        for thread in self.threads.drain(..) {
            // Fails for one that does not stand; the kernel lets that go when this thread ends.
            let _ = thread.tracee.detach();
            checkpoint();
        }
        self.began.take().map_or(Duration::ZERO, |it| it.elapsed())
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Whether every thread of a process has ended, whether or not its parent knows.
pub(super) fn is_gone(pid: u32) -> bool {
    let tids = kernel::thread_ids(pid);
    tids.into_iter().all(|tid| is_over(pid, tid))
}

fn is_over(pid: u32, tid: u32) -> bool {
    let state = kernel::thread_state(pid, tid).run_state;
    matches!(state, RunState::Zombie | RunState::Unknown)
}

/// The process that traces a thread. The kernel names the one thread of it that does.
fn tracer(pid: u32, tid: u32) -> Option<u32> {
    let number = |text: String| text.parse().ok();
    let named = || {
        let thread: u32 = kernel::thread_status(pid, tid, "TracerPid").and_then(number)?;
        (thread != 0).then_some(thread)
    };
    let thread = named()?;
    let process = kernel::thread_status(thread, thread, "Tgid").and_then(number);
    // A thread that has ended meanwhile traces nothing; of one that is hidden from us nothing else is known.
    process.or_else(|| named().filter(|again| *again == thread))
}

/// Why a thread does not halt.
pub(super) enum NoHalt {
    Ended,
    Failed(io::Error),
}

/// Waits until an interrupted thread is halted; `false` for one that sleeps uninterruptibly and will be.
pub(super) fn halt(pid: u32, tracee: Tracee, patience: &mut Patience) -> Result<bool, NoHalt> {
    let mut first_looks = Patience::new(SLEEP_PATIENCE);
    loop {
        match tracee.standing() {
            Standing::Halted(Halt::Interrupted) => return Ok(true),
            Standing::Halted(halt) => pass_on(tracee, halt).map_err(NoHalt::Failed)?,
            Standing::Ended => {
                let is_main = tracee.tid() == pid;
                // A thread must be collected by its tracer for its process to end; the ending of a
                // process is its parent's to collect.
                if !is_main {
                    tracee.collect();
                }
                return Err(NoHalt::Ended);
            }
            Standing::Moving if first_looks.pause() => {}
            Standing::Moving if sleeps_uninterruptibly(pid, tracee) => return Ok(false),
            Standing::Moving if patience.pause() => {}
            Standing::Moving => return Err(NoHalt::Failed(io::ErrorKind::TimedOut.into())),
        }
    }
}

/// Lets a thread take the signal that it is about to take, and stops it again right behind that.
fn pass_on(tracee: Tracee, halt: Halt) -> io::Result<()> {
    // First, since any stop takes back an interruption that has not taken effect.
    tracee.interrupt()?;
    let outcome = match halt {
        Halt::Signal(signal) => tracee.go_on(signal),
        _ => tracee.go_on(0),
    };
    match outcome {
        // It was killed; that is noticed when it is looked at.
        Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => Ok(()),
        outcome => outcome,
    }
}

fn sleeps_uninterruptibly(pid: u32, tracee: Tracee) -> bool {
    kernel::thread_state(pid, tracee.tid()).run_state == RunState::DiskSleep
}
