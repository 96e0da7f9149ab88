//! The built pulse in real programs: small ones in C, run bare and with it.
//!
//! Wiring only. Each program does one thing by the name of its argument; see `programs/`. The pulse is
//! the very object that the `loopscope` program carries inside.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod bench;
mod children;
mod failures;
mod hooking;
mod signals;
mod threads;
mod turns;
