//! Drives `loopscope health` against servers that answer well, badly or not at all.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod command;
mod continuous;
mod errors;
mod reports;
mod secure;
mod server;
