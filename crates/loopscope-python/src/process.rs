//! Whose recording the agent writes to.
//!
//! Under `loopscope run` it is the pulse's: one recording per process, see [`loopscope_recorder::handover`].
//! After a fork nothing is written before the child has a recording of its own: each entry into the agent
//! compares a word that the kernel wipes in a child.
#![expect(
    unsafe_code,
    reason = "takes over what another object of this process made"
)]

use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicU64};

use loopscope_recorder::handover::{HandOver, Handover, SYMBOL, VERSION};
use loopscope_recorder::writer::Recording;
use pyo3::{Python, ffi};

use crate::coverage;

/// What the pulse handed over; null where there is none.
static HANDED: AtomicPtr<Handover> = AtomicPtr::new(null_mut());

/// The word of a process that has no pulse: it never begins.
static NEVER: AtomicU64 = AtomicU64::new(0);

/// A process and its recording.
#[derive(Clone, Copy)]
pub(crate) struct Bound {
    /// The process's number, see [`epoch`]; 0 for none yet.
    pub(crate) epoch: u64,
    /// Its recording; `None` where none can be had.
    pub(crate) recording: Option<Recording>,
}

impl Bound {
    /// No process.
    pub(crate) const NONE: Self = Self {
        epoch: 0,
        recording: None,
    };
}

/// Looks for the pulse. False where this process has none that we understand.
pub(crate) fn find_pulse() -> bool {
    // SAFETY: looks a name up among the global symbols.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, SYMBOL.as_ptr()) };
    // SAFETY: takes nothing. It clears the failure that a missing name left, which is not the program's.
    unsafe { libc::dlerror() };
    if found.is_null() {
        return false;
    }
    // SAFETY: the symbol is the pulse's, and has this type in all of its versions.
    let hand_over = unsafe { std::mem::transmute::<*mut libc::c_void, HandOver>(found) };
    // SAFETY: takes nothing; the result lives as long as the process.
    let handed = unsafe { hand_over() };
    // SAFETY: as above. The version comes first in all versions.
    if unsafe { handed.as_ref() }.is_none_or(|handed| handed.version != VERSION) {
        return false;
    }
    HANDED.store(handed.cast_mut(), Release);
    true
}

fn handed() -> Option<&'static Handover> {
    // SAFETY: null, or what the pulse handed over for the life of the process.
    unsafe { HANDED.load(Acquire).as_ref() }
}

/// The current process's number: 0 before it has begun, and in a forked child until it has.
#[inline]
pub(crate) fn epoch() -> u64 {
    handed().map_or(&NEVER, |handed| handed.epoch).load(Relaxed)
}

/// Begins the current process if it has not begun, and finds its recording.
#[cold]
pub(crate) fn bind() -> Bound {
    let Some(handed) = handed() else {
        return Bound::NONE;
    };
    let address = (handed.begin)();
    // SAFETY: null, or the first byte of the recording that the pulse keeps mapped for ever.
    let recording = unsafe { Recording::adopt(address) };
    if let Some(recording) = &recording {
        coverage::announce(recording);
    }
    Bound {
        epoch: epoch(),
        recording,
    }
}

/// Says that a loop runs on the calling thread, or is about to.
#[cold]
pub(crate) fn expect_loop() {
    if let Some(handed) = handed() {
        (handed.expect_loop)();
    }
}

/// Whether the calling thread runs the main interpreter. Others are not watched: up to 3.11 they share the
/// main one's types, but what they are made of goes away with them.
pub(crate) fn is_main_interpreter(_: Python<'_>) -> bool {
    // SAFETY: the interpreter's lock is held.
    let current = unsafe { ffi::PyInterpreterState_Get() };
    // SAFETY: the running interpreter.
    unsafe { ffi::PyInterpreterState_GetID(current) == 0 }
}

thread_local! {
    /// The process that the id was asked in, and the id: a forked child has another one.
    static THREAD: Cell<(u64, u32)> = const { Cell::new((0, 0)) };
}

/// The calling thread's native id, as it is in the process with this number.
#[inline]
pub(crate) fn thread_id(epoch: u64) -> u32 {
    THREAD.with(|known| {
        let (of, id) = known.get();
        if of == epoch && id != 0 {
            return id;
        }
        // SAFETY: takes nothing, cannot fail.
        let id = unsafe { libc::gettid() } as u32;
        known.set((epoch, id));
        id
    })
}
