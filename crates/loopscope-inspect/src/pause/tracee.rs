//! One thread that this thread traces: the requests of ptrace, and how its stops are told apart.
//!
//! Whether a thread stands is asked of the thread itself (`PTRACE_GETSIGINFO`) and never collected with a
//! wait. A wait would take away the mark that makes the kernel deliver a held signal should this process
//! die before it has passed it on; and another wait of this process (a supervisor waits for any of its
//! children) may collect a stop before us, which must not make us miss it.
#![expect(unsafe_code, reason = "requests of ptrace that no safe wrapper offers")]

use std::ffi::c_uint;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::unistd::Pid;
use rustix::process::{WaitId, WaitIdOptions, waitid};

/// `PTRACE_EVENT_STOP` of `linux/ptrace.h`: the stop that an interrupt or a group-stop is for a tracer.
const EVENT_STOP: i32 = 128;

/// `__WALL`: threads and children that announce their end by no signal are waited for as well.
const WAIT_ALL: u32 = 0x4000_0000;

/// The set of an `NT_X86_XSTATE` or another machine's registers is never larger than this.
const MAX_REGISTER_SET_BYTES: usize = 16 << 10;

/// A set of signals as the kernel has it: the lowest bit is signal 1.
pub(super) type SignalSet = u64;

/// A thread that this thread has attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tracee(Pid);

/// What a traced thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It runs, or is on its way to a stop.
    Moving,
    /// It stands still until it is told to go on.
    Halted(Halt),
    /// It ended.
    Ended,
}

/// Why a traced thread stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// We interrupted it, or a job-control stop holds its whole process.
    Interrupted,
    /// A signal is about to be delivered to it, and will be if it goes on with it.
    Signal(i32),
    /// It is about to enter a system call, or about to leave one.
    Call,
    /// It has made a child, which is attached to us.
    Cloned,
    /// Something that we did not ask for.
    Other,
}

impl Tracee {
    /// Attaches to a thread without stopping it.
    pub(super) fn seize(tid: u32) -> Result<Self, Errno> {
        let tracee = Self::attached(tid);
        ptrace::seize(tracee.0, Options::empty())?;
        Ok(tracee)
    }

    /// A thread that the kernel attached to us on its birth.
    pub(super) fn attached(tid: u32) -> Self {
        Self(Pid::from_raw(tid.cast_signed()))
    }

    /// Asks it to stop before it runs another instruction of its program.
    pub(super) fn interrupt(self) -> Result<(), Errno> {
        ptrace::interrupt(self.0)
    }

    /// Lets it go for good. Only one that stands can be let go.
    pub(super) fn detach(self) -> Result<(), Errno> {
        ptrace::detach(self.0, None)
    }

    /// Lets it go on, with a signal to be delivered; 0 for none.
    pub(super) fn go_on(self, signal: i32) -> io::Result<()> {
        self.resume(libc::PTRACE_CONT, signal)
    }

    /// Lets it go on to the next system call's entry or exit, with a signal to be delivered; 0 for none.
    pub(super) fn go_to_call(self, signal: i32) -> io::Result<()> {
        self.resume(libc::PTRACE_SYSCALL, signal)
    }

    fn resume(self, how: c_uint, signal: i32) -> io::Result<()> {
        // SAFETY: the request takes a number for its data and touches no memory of this process.
        let outcome = unsafe { libc::ptrace(how, self.0.as_raw(), 0_usize, signal as usize) };
        checked(outcome).map(drop)
    }

    /// What it does now.
    pub(super) fn standing(self) -> Standing {
        match ptrace::getsiginfo(self.0) {
            Ok(info) => Standing::Halted(Halt::told_by(info.si_signo, info.si_code)),
            Err(Errno::EINVAL) => Standing::Halted(Halt::Interrupted),
            Err(_) if self.is_over() => Standing::Ended,
            Err(_) => Standing::Moving,
        }
    }

    /// Waits until it stands or has ended; [`Standing::Moving`] once the patience is over.
    pub(super) fn settle(self, patience: &mut Patience) -> Standing {
        loop {
            match self.standing() {
                Standing::Moving if patience.pause() => {}
                standing => return standing,
            }
        }
    }

    /// Whether it has ended. Leaves its ending to whom it belongs.
    fn is_over(self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        self.ending(options).is_none_or(|is_over| is_over)
    }

    /// Collects its ending, if it has ended; `false` while it has not.
    pub(super) fn collect(self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        self.ending(options).is_none_or(|is_over| is_over)
    }

    /// Whether it has ended; `None` where there is no such thread.
    fn ending(self, options: WaitIdOptions) -> Option<bool> {
        let pid = rustix::process::Pid::from_raw(self.0.as_raw())?;
        let options = options | WaitIdOptions::from_bits_retain(WAIT_ALL);
        let status = waitid(WaitId::Pid(pid), options).ok()?;
        Some(status.is_some_and(|status| status.exited() || status.killed() || status.dumped()))
    }

    /// Which further stops it makes, and what else is different while it is traced.
    pub(super) fn set_options(self, options: i32) -> io::Result<()> {
        // Not every option that the kernel knows has a name in the wrapper.
        Ok(ptrace::setoptions(
            self.0,
            Options::from_bits_retain(options),
        )?)
    }

    /// The child that it has made, at the stop that tells of it.
    pub(super) fn new_child(self) -> io::Result<Self> {
        let tid = u32::try_from(ptrace::getevent(self.0)?).map_err(io::Error::other)?;
        Ok(Self::attached(tid))
    }

    /// Its id.
    pub(super) fn tid(self) -> u32 {
        self.0.as_raw().cast_unsigned()
    }

    /// The wrapper's word for it.
    pub(super) fn pid(self) -> Pid {
        self.0
    }

    /// The signals that it blocks, or will block again once its system call is done.
    pub(super) fn signal_mask(self) -> io::Result<SignalSet> {
        let mut mask: SignalSet = 0;
        // SAFETY: the request writes as many bytes as its address argument says, the size of `mask`.
        let outcome = unsafe {
            libc::ptrace(
                libc::PTRACE_GETSIGMASK,
                self.0.as_raw(),
                size_of::<SignalSet>(),
                &raw mut mask,
            )
        };
        checked(outcome)?;
        Ok(mask)
    }

    /// Sets the signals that it blocks.
    pub(super) fn set_signal_mask(self, mask: SignalSet) -> io::Result<()> {
        // SAFETY: the request reads as many bytes as its address argument says, the size of `mask`.
        let outcome = unsafe {
            libc::ptrace(
                libc::PTRACE_SETSIGMASK,
                self.0.as_raw(),
                size_of::<SignalSet>(),
                &raw const mask,
            )
        };
        checked(outcome).map(drop)
    }

    /// One of its sets of registers, by the number of the note that has it in a core file.
    pub(super) fn register_set(self, note: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0_u8; MAX_REGISTER_SET_BYTES];
        let mut range = libc::iovec {
            iov_base: bytes.as_mut_ptr().cast(),
            iov_len: bytes.len(),
        };
        // SAFETY: the request writes into the range, which is `bytes`, and says in it how much.
        let outcome = unsafe {
            libc::ptrace(
                libc::PTRACE_GETREGSET,
                self.0.as_raw(),
                note,
                &raw mut range,
            )
        };
        checked(outcome)?;
        bytes.truncate(range.iov_len);
        Ok(bytes)
    }

    /// Where its structure for restartable sequences is; `None` where it has none, or the kernel does not
    /// tell.
    pub(super) fn restartable_sequences(self) -> Option<u64> {
        /// `PTRACE_GET_RSEQ_CONFIGURATION` of `linux/ptrace.h`, from Linux 5.13 on.
        const GET_RSEQ_CONFIGURATION: c_uint = 0x420f;
        // `struct ptrace_rseq_configuration`: the pointer, then sizes and flags.
        let mut configuration = [0_u64; 3];
        // SAFETY: the request writes at most as many bytes as its address argument says.
        let outcome = unsafe {
            libc::ptrace(
                GET_RSEQ_CONFIGURATION,
                self.0.as_raw(),
                size_of_val(&configuration),
                configuration.as_mut_ptr(),
            )
        };
        checked(outcome).ok()?;
        configuration
            .first()
            .copied()
            .filter(|pointer| *pointer != 0)
    }
}

fn checked(outcome: libc::c_long) -> io::Result<libc::c_long> {
    Ok(Errno::result(outcome)?)
}

impl Halt {
    /// Tells stops apart by the signal and the code that the kernel gives for them.
    fn told_by(signal: i32, code: i32) -> Self {
        /// What `PTRACE_O_TRACESYSGOOD` adds to tell a system call's stop from a signal's.
        const CALL: i32 = libc::SIGTRAP | 0x80;
        match (code >> 8, code) {
            (EVENT_STOP, _) => Self::Interrupted,
            (libc::PTRACE_EVENT_CLONE, _) => Self::Cloned,
            (_, CALL) if signal == libc::SIGTRAP => Self::Call,
            (1..EVENT_STOP, _) if signal == libc::SIGTRAP => Self::Other,
            _ => Self::Signal(signal),
        }
    }
}

/// How long to wait for a thread, and how to do so: first at its heels, then with ever longer rests.
#[derive(Debug)]
pub(super) struct Patience {
    until: Instant,
    looks: u32,
}

impl Patience {
    /// A stop takes some microseconds; a rest of the kernel's takes at least fifty.
    const LOOKS_WITHOUT_REST: u32 = 64;
    const LONGEST_REST: Duration = Duration::from_millis(1);

    pub(super) fn new(duration: Duration) -> Self {
        Self {
            until: Instant::now() + duration,
            looks: 0,
        }
    }

    /// Waits a little; `false` once it is over.
    pub(super) fn pause(&mut self) -> bool {
        self.looks = self.looks.saturating_add(1);
        match self.looks.checked_sub(Self::LOOKS_WITHOUT_REST) {
            None => thread::yield_now(),
            Some(rests) => {
                let rest = Duration::from_micros(20).saturating_mul(rests + 1);
                thread::sleep(rest.min(Self::LONGEST_REST));
            }
        }
        Instant::now() < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_are_told_apart() {
        let trap = libc::SIGTRAP;
        let stop = |signal| Halt::told_by(signal, signal | EVENT_STOP << 8);
        assert_eq!(stop(trap), Halt::Interrupted);
        assert_eq!(stop(libc::SIGSTOP), Halt::Interrupted);
        assert_eq!(Halt::told_by(trap, trap | 0x80), Halt::Call);
        assert_eq!(
            Halt::told_by(trap, trap | libc::PTRACE_EVENT_CLONE << 8),
            Halt::Cloned
        );
        assert_eq!(
            Halt::told_by(trap, trap | libc::PTRACE_EVENT_EXEC << 8),
            Halt::Other
        );
    }

    #[test]
    fn a_signal_is_a_signal_whoever_sent_it() {
        for code in [0, -1, -6, 0x80, 1, 5] {
            assert_eq!(
                Halt::told_by(libc::SIGUSR1, code),
                Halt::Signal(libc::SIGUSR1)
            );
            assert_eq!(Halt::told_by(64, code), Halt::Signal(64));
        }
        assert_eq!(Halt::told_by(libc::SIGTRAP, 0), Halt::Signal(libc::SIGTRAP));
    }
}
