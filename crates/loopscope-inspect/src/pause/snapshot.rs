//! A copy-on-write copy of a process, which is read while the process itself runs on.
//!
//! The process is stopped, one of its threads is made to make a copy of it by `clone`
//! ([`super::injection`] says how, and what happens should we die meanwhile), and all go on. The kernel
//! attaches the copy to us on its birth and it never runs: it stands before its first instruction until
//! it is killed, by us or, should we die, by the kernel.
//!
//! The copy announces its end to nobody, so the target's handlers and its ordinary waits never notice it.
//! But the kernel keeps the entry of every child that its parent has not collected. So after the copy was
//! killed one thread of the target is stopped once more, for a fraction of a millisecond, to collect it.
//! If we die before that an entry without a process (`<defunct>`) is left until the target ends.
//!
//! While the copy lives, memory is kept twice where the target writes to it, and the copy counts as a
//! process where those are limited (`RLIMIT_NPROC`, `pids.max`): at such a limit there is none, and the
//! system's error says so. Memory that is shared between processes is not copied, and what the program has
//! marked as not to be copied (`MADV_DONTFORK`, `MADV_WIPEONFORK`) is not there.

use std::io;
use std::time::Duration;

use nix::libc;
use nix::sys::signal::{Signal, kill};

use super::call_site::CallSite;
use super::checkpoint;
use super::injection::{Done, Failure, Injection};
use super::registers::{Call, IS_KNOWN, Registers, calls};
use super::stop::{self, Stopped};
use super::tracee::{Halt, Patience, Standing, Tracee};
use crate::error::DumpError;
use crate::kernel::{self, ThreadKernelState};

/// How long the copy may take to stand, and to end: the kernel frees all that it has.
const COPY_PATIENCE: Duration = Duration::from_secs(10);

/// The copy of a process.
#[derive(Debug)]
pub(super) struct Snapshot {
    injection: Injection,
    /// The thread that made the copy.
    maker: u32,
    copy: Tracee,
    /// The copy's id as the target has it.
    copy_in_target: u64,
    before: Vec<(u32, ThreadKernelState)>,
    pause: Duration,
    is_over: bool,
}

impl Snapshot {
    /// Makes a copy. The process runs again when this returns.
    pub(super) fn take(pid: u32) -> Result<Self, DumpError> {
        let failed = |source| DumpError::NoSnapshot { pid, source };
        // Why it cannot be stopped, where it cannot, says more than that nothing was found in it.
        let cannot_stop = || Stopped::all(pid).err();
        let injection =
            prepare(pid).map_err(|error| cannot_stop().unwrap_or_else(|| failed(error)))?;
        let stopped = Stopped::all(pid)?;
        let before = stopped.before().collect();
        let (maker, done) = call_in_any(&injection, &stopped, &calls::COPY_PROCESS)
            .map_err(|error| error.map_or(DumpError::Gone { pid }, failed))?;
        let pause = stopped.release();
        checkpoint();
        let copy = done.child.ok_or_else(|| failed(system_error(done)))?;
        let mut snapshot = Self {
            injection,
            maker,
            copy,
            copy_in_target: done.returned.cast_unsigned(),
            before,
            pause,
            is_over: false,
        };
        snapshot.keep().map_err(failed)?;
        Ok(snapshot)
    }

    /// The process whose memory is the target's at the instant of the copy.
    pub(super) fn pid(&self) -> u32 {
        self.copy.tid()
    }

    /// What the kernel said of each of the target's threads right before it was stopped.
    pub(super) fn before(&self) -> impl Iterator<Item = (u32, ThreadKernelState)> {
        self.before.iter().copied()
    }

    /// Removes the copy. Tells how long the target stood still, for this as well.
    pub(super) fn release(mut self) -> Duration {
        self.end();
        self.pause
    }

    /// Waits until the copy stands, and sees to it that it ends with us.
    fn keep(&mut self) -> io::Result<()> {
        match self.copy.settle(&mut Patience::new(COPY_PATIENCE)) {
            Standing::Halted(Halt::Interrupted) => {
                self.copy.set_options(libc::PTRACE_O_EXITKILL)?;
                checkpoint();
                Ok(())
            }
            // Someone has killed it.
            Standing::Ended => Err(io::ErrorKind::Interrupted.into()),
            standing => Err(io::Error::other(format!("the copy is {standing:?}"))),
        }
    }

    fn end(&mut self) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        // It has ended already where it cannot be killed.
        let _ = kill(self.copy.pid(), Signal::SIGKILL);
        let mut patience = Patience::new(COPY_PATIENCE);
        while !self.copy.collect() && patience.pause() {}
        checkpoint();
        let second_pause = self.collect_in_target();
        self.pause += second_pause.unwrap_or_default();
    }

    /// Makes the target forget the copy; `None` where it ended, or no thread of it can be made to.
    fn collect_in_target(&mut self) -> Option<Duration> {
        /// While it begins to run another program there is nothing that could be made to.
        const BEGINNING_PATIENCE: Duration = Duration::from_millis(300);
        let mut patience = Patience::new(BEGINNING_PATIENCE);
        loop {
            let pause = self.try_to_collect_in_target();
            let is_over = pause.is_some() || stop::is_gone(self.injection.pid);
            if is_over || !patience.pause() {
                return pause;
            }
        }
    }

    fn try_to_collect_in_target(&mut self) -> Option<Duration> {
        let pid = self.injection.pid;
        if !self.injection.site.is_there(pid) {
            // It runs another program by now.
            self.injection.site = CallSite::find(pid)?;
        }
        let call = calls::collect(self.copy_in_target);
        let mut tids = kernel::thread_ids(pid);
        tids.sort_by_key(|tid| *tid != self.maker);
        tids.into_iter().find_map(|tid| {
            let stopped = Stopped::one(pid, tid).ok()?;
            let outcome = call_in_any(&self.injection, &stopped, &call);
            let pause = stopped.release();
            // Zero is for a child that has not ended.
            let is_collected = outcome.is_ok_and(|(_, done)| done.returned != 0);
            is_collected.then_some(pause)
        })
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.end();
    }
}

/// What can be found out before the process is stopped.
fn prepare(pid: u32) -> io::Result<Injection> {
    if !IS_KNOWN {
        let message = "not on this kind of machine";
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    let features = kernel::thread_status(pid, pid, "x86_Thread_features").unwrap_or_default();
    if features.contains("shstk") {
        let message = "the process has a shadow stack";
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    let site = CallSite::find(pid)
        .ok_or_else(|| io::Error::other("no place to make a system call from was found"))?;
    Ok(Injection { pid, site })
}

/// Makes the first thread that can make a call; `None` as the error where the process ended.
fn call_in_any(
    injection: &Injection,
    stopped: &Stopped,
    call: &Call,
) -> Result<(u32, Done), Option<io::Error>> {
    let mut refusal = None;
    for thread in by_fitness(stopped) {
        match injection.call(thread, call) {
            Ok(done) => return Ok((thread.tid(), done)),
            Err(Failure::Unfit(error)) => refusal = Some(error),
            Err(Failure::Failed(error)) => return Err(Some(error)),
            Err(Failure::Ended) => return Err(None),
        }
    }
    Err(Some(refusal.unwrap_or_else(|| {
        io::Error::other("no thread could be halted")
    })))
}

/// The halted threads, those in a system call first: they stand where a function of the C library calls
/// the kernel, and have a stack that is one.
fn by_fitness(stopped: &Stopped) -> Vec<Tracee> {
    let halted = stopped.threads().iter().filter(|thread| thread.is_halted);
    let mut tracees: Vec<Tracee> = halted.map(|thread| thread.tracee).collect();
    tracees.sort_by_key(|tracee| !Registers::of(*tracee).is_ok_and(|it| it.is_in_call()));
    tracees
}

/// What the system says where it made no copy.
fn system_error(done: Done) -> io::Error {
    match i32::try_from(-done.returned) {
        Ok(number @ 1..4096) => io::Error::from_raw_os_error(number),
        _ => io::Error::other("the copy is not attached to us"),
    }
}
