//! The pulse: stands between a program and its poll, and stamps each turn of each loop.
//!
//! Second step of the data's way. Loaded with `LD_PRELOAD`, its `epoll_wait`, `poll` and `select` (and
//! their sisters) are found before the C library's. Each notes in the recording that the loop enters its
//! poll, calls the real function, and notes that the loop left it. It knows nothing of Python or tokio.
//! Loaded later, into a program that runs already, it is put into that program's import slots instead.
//!
//! What it must never do: wait, print, fail the call, change its result or `errno`, or write to a
//! recording that is another process's (after a fork, or in a child that shares its parent's memory).
//! Where no recording can be made, it does nothing for the rest of the process.

mod ending;
mod handover;
mod hooking;
mod interpose;
mod introduce;
mod process;
mod real;
mod settings;
mod thread;
