//! Makes a halted thread of the target make one system call, and puts it back as it was.
//!
//! The danger is our own end. Whatever we had set a thread to do when we die, the kernel lets it go and it
//! does that. So at no instant it holds registers from which it would not come back by itself. First the
//! way back is laid on its stack, below all that its functions use: the frame of a signal's handler that
//! is about to return, which the kernel's `rt_sigreturn` turns into the original registers, signal mask
//! and vector state. Then the thread gets registers that call `rt_sigreturn`: left alone, it comes back.
//! Only where it stands at the entry of that very call is the call exchanged for the one wanted, with a
//! stack on which the first return leads to `rt_sigreturn` again: left alone, it makes the call and comes
//! back. A child that the call makes starts on a stack of its own whose frame leads to `exit_group`: left
//! alone, it ends, without a signal and without a core file, before it has run an instruction of the
//! program's.
//!
//! Mostly we live on, and give the thread its registers back ourselves, which no program can tell from a
//! plain stop: the kernel then restarts an interrupted call as it does after every stop. The way back
//! cannot do that for a call that has waited for a part of its time (`nanosleep`, `poll`); after our death
//! in those microseconds such a call returns `EINTR`, as if a handler had run.
//!
//! No single step is made: its trap is a signal, and where that is blocked or ignored the kernel resets
//! what the whole process does on it. The stops at a call's entry and exit are no signals.

use std::io::{self, IoSlice};
use std::time::Duration;

use nix::libc;
use nix::sys::uio::{RemoteIoVec, process_vm_writev};

use super::call_site::CallSite;
use super::checkpoint;
use super::registers::{Call, Original, Registers, WayBack};
use super::tracee::{Halt, Patience, SignalSet, Standing, Tracee};
use crate::kernel;
use crate::memory::{Memory, ProcessMemory};

/// How long a call may take. Copying a process takes about 20 ms for each GB that it has resident.
const CALL_PATIENCE: Duration = Duration::from_secs(20);

/// Every signal; those that cannot be blocked are not.
const ALL_SIGNALS: SignalSet = SignalSet::MAX;

/// What a call did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    /// What it returned: an error's number negated, or what the call promises.
    pub(super) returned: i64,
    /// The child that it made.
    pub(super) child: Option<Tracee>,
}

/// Why no call was made.
#[derive(Debug)]
pub(super) enum Failure {
    /// The thread cannot make one where it stands. It was not touched, and another may do.
    Unfit(io::Error),
    /// It went wrong on the way. The thread comes back by itself.
    Failed(io::Error),
    /// The thread ended.
    Ended,
}

/// How calls are made in a process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Injection {
    /// The process.
    pub(super) pid: u32,
    /// Where in its code.
    pub(super) site: CallSite,
}

impl Injection {
    /// Makes a halted thread make a call. It stands at the call's exit afterwards, put back as it was.
    pub(super) fn call(&self, thread: Tracee, call: &Call) -> Result<Done, Failure> {
        let original = Original::of(thread).map_err(Failure::Unfit)?;
        let way_back = self.lay_way_back(thread, &original)?;
        thread
            .set_options(self.options(thread))
            .map_err(Failure::Unfit)?;
        checkpoint();
        way_back.home().give_to(thread).map_err(Failure::Unfit)?;
        checkpoint();
        let done = thread
            .set_signal_mask(ALL_SIGNALS)
            .map_err(Failure::Failed)
            .and_then(|()| make(thread, &way_back, call))?;
        checkpoint();
        original.give_back(thread).map_err(Failure::Failed)?;
        checkpoint();
        Ok(done)
    }

    fn lay_way_back(&self, thread: Tracee, original: &Original) -> Result<WayBack, Failure> {
        let registers = &original.registers;
        if !registers.is_native() {
            return Err(unfit("it does not run 64-bit code"));
        }
        if !registers.is_in_call() && is_in_restartable_sequence(self.pid, thread, registers) {
            return Err(unfit("it is in a restartable sequence"));
        }
        if !self.site.is_there(self.pid) {
            return Err(unfit("its code has changed"));
        }
        let way_back =
            WayBack::new(original, self.site).ok_or_else(|| unfit("its state makes no sense"))?;
        write(thread, way_back.start, &way_back.bytes).map_err(Failure::Unfit)?;
        Ok(way_back)
    }

    /// A filter of the thread's system calls is suspended for the call, since it may be one that kills. The
    /// kernel allows that to an administrator only.
    fn options(&self, thread: Tracee) -> i32 {
        /// `PTRACE_O_SUSPEND_SECCOMP` of `linux/ptrace.h`.
        const SUSPEND_FILTER: i32 = 1 << 21;
        let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE;
        match kernel::thread_status(self.pid, thread.tid(), "Seccomp").as_deref() {
            None | Some("0") => options,
            Some(_) => options | SUSPEND_FILTER,
        }
    }
}

fn unfit(why: &'static str) -> Failure {
    Failure::Unfit(io::Error::other(why))
}

/// Makes the call, again where the kernel says so: it makes no child while a stop is under way.
fn make(thread: Tracee, way_back: &WayBack, call: &Call) -> Result<Done, Failure> {
    /// `ERESTARTNOINTR` of the kernel, which no program sees.
    const RESTART: i64 = -513;
    const ATTEMPTS: usize = 16;
    let mut patience = Patience::new(CALL_PATIENCE);
    for _ in 0..ATTEMPTS {
        checkpoint();
        let done = make_once(thread, way_back, call, &mut patience)?;
        if done.returned != RESTART {
            return Ok(done);
        }
        way_back.home().give_to(thread).map_err(Failure::Failed)?;
    }
    Err(Failure::Failed(io::ErrorKind::Interrupted.into()))
}

fn make_once(
    thread: Tracee,
    way_back: &WayBack,
    call: &Call,
    patience: &mut Patience,
) -> Result<Done, Failure> {
    let mut child = None;
    go_to_call(thread, patience, &mut child)?;
    let entry = Registers::of(thread).map_err(Failure::Failed)?;
    if !way_back.is_at_entry(&entry) {
        return Err(Failure::Failed(io::Error::other("it went another way")));
    }
    checkpoint();
    way_back
        .detour(call)
        .give_to(thread)
        .map_err(Failure::Failed)?;
    checkpoint();
    go_to_call(thread, patience, &mut child)?;
    let exit = Registers::of(thread).map_err(Failure::Failed)?;
    Ok(Done {
        returned: exit.returned(),
        child,
    })
}

/// Lets the thread go on to the next entry or exit of a call, past every other stop.
fn go_to_call(
    thread: Tracee,
    patience: &mut Patience,
    child: &mut Option<Tracee>,
) -> Result<(), Failure> {
    let mut signal = 0;
    loop {
        thread.go_to_call(signal).map_err(Failure::Failed)?;
        signal = match thread.settle(patience) {
            Standing::Halted(Halt::Call) => return Ok(()),
            Standing::Halted(Halt::Cloned) => {
                *child = Some(thread.new_child().map_err(Failure::Failed)?);
                checkpoint();
                0
            }
            // Nothing else gets past the mask. The stop that it begins takes effect when we let go.
            Standing::Halted(Halt::Signal(libc::SIGSTOP)) => libc::SIGSTOP,
            Standing::Halted(Halt::Signal(signal)) => {
                let error = io::Error::other(format!("signal {signal} came up"));
                return Err(Failure::Failed(error));
            }
            Standing::Halted(Halt::Interrupted | Halt::Other) => 0,
            Standing::Ended => return Err(Failure::Ended),
            Standing::Moving => return Err(Failure::Failed(io::ErrorKind::TimedOut.into())),
        };
    }
}

/// Writes below the stack of a halted thread, where a signal's frame would be written.
fn write(thread: Tracee, address: u64, bytes: &[u8]) -> io::Result<()> {
    let remote = [RemoteIoVec {
        base: address as usize,
        len: bytes.len(),
    }];
    let written = process_vm_writev(thread.pid(), &[IoSlice::new(bytes)], &remote)?;
    if written == bytes.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

/// Whether a thread stands in one of its restartable sequences. The kernel would make it begin that one
/// anew, and sees from the address of the next instruction whether it must: an address of ours would hide
/// that from it.
fn is_in_restartable_sequence(pid: u32, thread: Tracee, registers: &Registers) -> bool {
    /// Behind the two numbers of the processor in `struct rseq`.
    const CURRENT: u64 = 8;
    let memory = ProcessMemory::new(pid);
    let read = |address| -> Option<[u8; 32]> {
        let mut bytes = [0; 32];
        memory.read(address, &mut bytes).ok().map(|()| bytes)
    };
    let word = |bytes: &[u8; 32], offset: usize| -> Option<u64> {
        Some(u64::from_le_bytes(
            bytes.get(offset..offset + 8)?.try_into().ok()?,
        ))
    };
    let active = || {
        let structure = read(thread.restartable_sequences()?)?;
        // `struct rseq_cs`: version and flags, the first address, the length, where to begin anew.
        let sequence = read(word(&structure, CURRENT as usize)?)?;
        let start = word(&sequence, 8)?;
        Some(registers.instruction().wrapping_sub(start) < word(&sequence, 16)?)
    };
    active().unwrap_or(false)
}
