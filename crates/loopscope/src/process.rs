//! Whose recording this process writes to.
//!
//! Under `loopscope run` it is the pulse's, see [`loopscope_recorder::handover`]; else one of its own. A forked
//! child must not write to its parent's: a word on a page that the kernel wipes in a child says whose it is.
#![expect(
    unsafe_code,
    reason = "takes over what another object of this process made, and asks for a page that a fork wipes"
)]

use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, Release};

use loopscope_recorder::handover::{HandOver, Handover, SYMBOL, VERSION};
use loopscope_recorder::writer::Recording;
use nix::sys::signal::{SigSet, SigmaskHow};

/// A recording, and how to tell that the process is still the one that it belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Bound {
    recording: Recording,
    epoch: &'static AtomicU64,
    bound_to: u64,
}

impl Bound {
    /// The recording; `None` in a forked child. Costs a load.
    #[inline]
    pub(crate) fn recording(&self) -> Option<Recording> {
        (self.epoch.load(Relaxed) == self.bound_to).then_some(self.recording)
    }

    /// A recording of this process's own, which is the only one from now on: what a forked child inherited of its
    /// parent's stays its parent's.
    pub(crate) fn own(recording: Recording) -> Self {
        let (epoch, bound_to) = own_word();
        Self {
            recording,
            epoch,
            bound_to,
        }
    }
}

/// The recording of the pulse that `loopscope run` brought into this process; `None` where there is none.
pub(crate) fn supervised() -> Option<Bound> {
    let handed = handed()?;
    let address = (handed.begin)();
    // SAFETY: null, or the first byte of the recording that the pulse keeps mapped for ever.
    let recording = unsafe { Recording::adopt(address) }?;
    Some(Bound {
        recording,
        epoch: handed.epoch,
        bound_to: handed.epoch.load(Relaxed),
    })
}

fn handed() -> Option<&'static Handover> {
    // SAFETY: looks a name up among the global symbols.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, SYMBOL.as_ptr()) };
    // SAFETY: takes nothing. It clears the failure that a missing name left, which is not the program's.
    unsafe { libc::dlerror() };
    if found.is_null() {
        return None;
    }
    // SAFETY: the symbol is the pulse's, and has this type in all of its versions.
    let hand_over = unsafe { std::mem::transmute::<*mut libc::c_void, HandOver>(found) };
    // SAFETY: takes nothing; the result lives as long as the process.
    let handed = unsafe { hand_over() };
    // SAFETY: as above. The version comes first in all versions.
    unsafe { handed.as_ref() }.filter(|handed| handed.version == VERSION)
}

/// A word that has a number of its own after each call, and is 0 in a child that is forked later.
fn own_word() -> (&'static AtomicU64, u64) {
    static WORD: OnceLock<&'static AtomicU64> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let word = WORD.get_or_init(|| wiped_page().unwrap_or_else(|| Box::leak(Box::default())));
    let number = NEXT.fetch_add(1, Relaxed);
    word.store(number, Release);
    (word, number)
}

/// A zeroed page that reads as zero in a forked child; `None` where it cannot be had.
fn wiped_page() -> Option<&'static AtomicU64> {
    let (length, access) = (4096, libc::PROT_READ | libc::PROT_WRITE);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice.
    let page = unsafe { libc::mmap(null_mut(), length, access, flags, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the range is the mapping made above. Kernels before 4.14 refuse.
    unsafe { libc::madvise(page, length, libc::MADV_WIPEONFORK) };
    // SAFETY: a page that is never unmapped, zeroed by the kernel and aligned: a valid number.
    unsafe { page.cast::<AtomicU64>().as_ref() }
}

/// The calling thread's id.
pub(crate) fn thread_id() -> u32 {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::gettid() as u32 }
}

/// Does this when the process ends in order. Only the first one counts.
pub(crate) fn at_exit(work: impl Fn() + Send + Sync + 'static) {
    static WORK: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();
    extern "C" fn run() {
        if let Some(work) = WORK.get() {
            work();
        }
    }
    if WORK.set(Box::new(work)).is_ok() {
        // SAFETY: the function has the required type and lives as long as the process.
        unsafe { libc::atexit(run) };
    }
}

/// Runs `spawn` with every signal blocked, which the threads that it starts inherit: a signal that the kernel gave to
/// one of them would not wake the program's main thread.
pub(crate) fn without_signals<T>(spawn: impl FnOnce() -> T) -> T {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK).ok();
    let result = spawn();
    if let Some(before) = before {
        // Cannot fail: it is the mask that was there.
        let _ = before.thread_set_mask();
    }
    result
}
