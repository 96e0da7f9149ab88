//! The stack of a thread of this very process that runs user code, copied by itself.
//!
//! A directed signal interrupts the thread; its handler copies registers and stack, and nothing more. Only
//! threads that run user code are asked: one that sleeps in a system call would be woken from it.
#![expect(
    unsafe_code,
    reason = "handles a signal, and reads the stack that it interrupted"
)]

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;

use super::copy::StackCopy;

/// Ignored by every program that does not ask for it; Go's runtime uses it for the same end, since nothing that
/// waits for out-of-band data on a socket minds one more.
const SIGNAL: libc::c_int = libc::SIGURG;

/// So much of a stack is copied.
const STACK_BYTES: usize = 128 << 10;

/// A thread that has a processor answers within microseconds. One that blocks the signal never does.
const PATIENCE: Duration = Duration::from_millis(20);
const REST: Duration = Duration::from_micros(20);

const IDLE: u32 = 0;
const ASKED: u32 = 1;
const COPYING: u32 = 2;
const DONE: u32 = 3;

/// One question at a time: whoever holds the lock asks.
static ASKING: Mutex<()> = Mutex::new(());
static STATE: AtomicU32 = AtomicU32::new(IDLE);
static ASKED_THREAD: AtomicU32 = AtomicU32::new(0);
static ANSWER: Answer = Answer(UnsafeCell::new(Copied {
    instruction: 0,
    stack: 0,
    frame: 0,
    length: 0,
    bytes: [0; STACK_BYTES],
}));

struct Copied {
    instruction: u64,
    stack: u64,
    frame: u64,
    length: usize,
    bytes: [u8; STACK_BYTES],
}

struct Answer(UnsafeCell<Copied>);

// SAFETY: written only by the handler of the thread that took `STATE` from `ASKED` to `COPYING`, read only by the
// one who asked, once it is `DONE` and before it is `IDLE` again.
unsafe impl Sync for Answer {}

/// The stack of a thread that runs; `None` where the signal is somebody else's, or did not reach the thread.
pub(super) fn copy_stack(tid: u32) -> Option<StackCopy> {
    let _alone = ASKING.lock().unwrap_or_else(PoisonError::into_inner);
    if !is_ours() {
        return None;
    }
    ASKED_THREAD.store(tid, Relaxed);
    STATE.store(ASKED, Release);
    if !send(tid) || !is_answered() {
        return None;
    }
    // SAFETY: `DONE`: the handler has left, and nobody else asks.
    let copied = unsafe { &*ANSWER.0.get() };
    let copy = StackCopy {
        instruction: copied.instruction,
        stack: copied.stack,
        frame: Some(copied.frame),
        bytes: copied.bytes.get(..copied.length)?.to_vec(),
        thread: None,
    };
    STATE.store(IDLE, Release);
    (!copy.bytes.is_empty()).then_some(copy)
}

/// Waits for the answer; takes the question back where none comes.
fn is_answered() -> bool {
    let began = Instant::now();
    while STATE.load(Acquire) != DONE {
        let is_late = began.elapsed() > PATIENCE;
        if is_late && STATE.compare_exchange(ASKED, IDLE, AcqRel, Relaxed).is_ok() {
            return false;
        }
        thread::sleep(REST);
    }
    true
}

fn send(tid: u32) -> bool {
    let pid = std::process::id();
    // SAFETY: takes numbers. A thread that has ended, or is another process's, is refused.
    let outcome = unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, SIGNAL) };
    if outcome != 0 {
        STATE.store(IDLE, Release);
    }
    outcome == 0
}

/// Whether the signal's handler is ours; makes it ours where it was nobody's.
fn is_ours() -> bool {
    static TAKEN: OnceLock<bool> = OnceLock::new();
    *TAKEN.get_or_init(take) && handler() == Some(answer as *const () as usize)
}

/// What the signal does now.
fn handler() -> Option<usize> {
    let mut found = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the pointer is to a local of the type.
    let outcome = unsafe { libc::sigaction(SIGNAL, null(), found.as_mut_ptr()) };
    // SAFETY: zeroed, and written by the call: every bit pattern is valid.
    (outcome == 0).then(|| unsafe { found.assume_init() }.sa_sigaction)
}

fn take() -> bool {
    if !matches!(handler(), Some(libc::SIG_DFL | libc::SIG_IGN)) {
        return false;
    }
    // SAFETY: every bit pattern is valid for the type.
    let mut action = unsafe { MaybeUninit::<libc::sigaction>::zeroed().assume_init() };
    action.sa_sigaction = answer as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: the handler has the type that the flags say and lives as long as the process.
    unsafe { libc::sigaction(SIGNAL, &raw const action, null_mut()) == 0 }
}

/// The handler. Async-signal-safe: atomics, two system calls, and `errno` left as it was.
extern "C" fn answer(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the address of this thread's errno is always valid.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    // SAFETY: takes nothing, cannot fail.
    let own = unsafe { libc::gettid() } as u32;
    let is_asked = ASKED_THREAD.load(Relaxed) == own
        && STATE
            .compare_exchange(ASKED, COPYING, AcqRel, Relaxed)
            .is_ok();
    if is_asked {
        // SAFETY: the kernel gives a handler of this kind its context.
        let context = unsafe { &*context.cast::<libc::ucontext_t>() };
        // SAFETY: `COPYING`: nobody else reads or writes it.
        let copied = unsafe { &mut *ANSWER.0.get() };
        copied.take(context);
        STATE.store(DONE, Release);
    }
    // SAFETY: as above.
    unsafe { *errno = before };
}

impl Copied {
    #[cfg(target_arch = "x86_64")]
    fn take(&mut self, context: &libc::ucontext_t) {
        let registers = &context.uc_mcontext.gregs;
        let register = |number: libc::c_int| registers[number as usize].cast_unsigned();
        self.instruction = register(libc::REG_RIP);
        self.stack = register(libc::REG_RSP);
        self.frame = register(libc::REG_RBP);
        self.length = read_own(self.stack, &mut self.bytes);
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn take(&mut self, _context: &libc::ucontext_t) {
        self.length = 0;
    }
}

/// Has the kernel copy from this process's own memory, since that ends where nothing is mapped and does not
/// crash. Gives how much was copied.
fn read_own(from: u64, into: &mut [u8]) -> usize {
    let local = libc::iovec {
        iov_base: into.as_mut_ptr().cast(),
        iov_len: into.len(),
    };
    let remote = libc::iovec {
        iov_base: std::ptr::with_exposed_provenance_mut(from as usize),
        iov_len: into.len(),
    };
    // SAFETY: takes nothing, cannot fail.
    let pid = unsafe { libc::getpid() };
    // SAFETY: writes into `into` only; what cannot be read is not.
    let read = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    usize::try_from(read).unwrap_or(0)
}
