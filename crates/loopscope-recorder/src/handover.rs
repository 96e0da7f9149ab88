//! How two writers in one process share one recording.
//!
//! The preloaded pulse owns the process's recording: it creates it, renews it after a fork, and closes it.
//! Another writer in the process (the Python agent) looks the pulse up by [`SYMBOL`] among the global
//! symbols and writes to the same mapping. Two rules keep them out of each other's way:
//!
//! - before each write it compares the word at [`Handover::epoch`] with the value that it was bound to: a
//!   forked child reads another value, and must call [`Handover::begin`] before it writes anything;
//! - it takes over a mapping with [`crate::writer::Recording::adopt`], which refuses one of another format.
//!
//! Both sides are built apart and may be of different versions, so what passes between them is plain C,
//! told apart by [`Handover::version`].

use std::ffi::CStr;
use std::sync::atomic::AtomicU64;

/// The function of the pulse that hands over: [`HandOver`].
pub const SYMBOL: &CStr = c"loopscope_pulse_hand_over";

/// The version of [`Handover`]. A writer that finds another one stays silent.
pub const VERSION: u64 = 2;

/// What the pulse exports.
pub type HandOver = unsafe extern "C" fn() -> *const Handover;

/// What the pulse hands over. It lives as long as the process.
#[repr(C)]
pub struct Handover {
    /// [`VERSION`].
    pub version: u64,
    /// A word on a page that the kernel wipes in a forked child: 0 before the process has begun, then a
    /// number that no earlier process on the way here had.
    pub epoch: &'static AtomicU64,
    /// Begins the process if it has not begun, and returns the first byte of its recording; null while
    /// another thread does so, and where no recording can be had.
    pub begin: extern "C" fn() -> *const u8,
    /// Says that a loop runs on the calling thread, or is about to: its first poll then counts, whatever it
    /// polls. To be called after [`Handover::begin`], anew in each process.
    pub expect_loop: extern "C" fn(),
}
