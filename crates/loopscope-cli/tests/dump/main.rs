//! Drives `loopscope dump` on real processes: services with known tasks, and processes that it cannot or
//! may not read.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking and says what it skips, in its helpers too"
)]

mod command;
mod permission;
mod refused;
mod services;
mod states;
mod target;
