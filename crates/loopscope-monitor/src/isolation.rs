//! Keeps the monitor's threads out of the program's way: its signals and its file descriptors.
#![expect(unsafe_code, reason = "calls the system where no crate wraps the call")]

use std::ffi::c_uint;
use std::io;

use libc::{CLOSE_RANGE_UNSHARE, SYS_close_range};
use nix::sys::signal::{SigSet, SigmaskHow};

/// Runs `spawn` with every signal blocked, which the threads that it starts inherit: a signal that the kernel
/// gave to one of them would not wake the program's main thread.
pub(crate) fn without_signals<T>(spawn: impl FnOnce() -> T) -> T {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK).ok();
    let result = spawn();
    if let Some(before) = before {
        // Cannot fail: it is the mask that was there.
        let _ = before.thread_set_mask();
    }
    result
}

/// Gives the calling thread, and those that it starts from then on, a table of file descriptors of their own.
///
/// What they open is then invisible to the program: a forked child inherits no socket of ours, a daemon that
/// closes everything it finds does not close our port, nor do we write to a number that it has handed out
/// anew, and our descriptors do not count against its limit. The three standard streams stay, so that no
/// socket of ours gets their numbers.
///
/// # Errors
/// Where the kernel cannot (before 5.9): the table is then the program's.
pub(crate) fn own_descriptors() -> io::Result<()> {
    let (first, last) = (3 as c_uint, c_uint::MAX);
    // SAFETY: closes descriptors of the calling thread's new table only; the thread has opened none.
    let failed = unsafe { libc::syscall(SYS_close_range, first, last, CLOSE_RANGE_UNSHARE) };
    if failed == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// An address inside this object.
#[cfg(feature = "python")]
pub(crate) fn own_address() -> usize {
    static HERE: u8 = 0;
    (&raw const HERE).addr()
}
