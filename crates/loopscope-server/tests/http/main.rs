//! Drives a real server over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod abuse;
mod answers;
mod client;
mod sample;
mod security;
