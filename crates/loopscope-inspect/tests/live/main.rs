//! Real interpreters, looked at while they stall in known ways.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says on its own output what it runs"
)]

#[path = "../common/pythons.rs"]
mod pythons;
mod support;

mod attaching;
mod awaiting;
mod loops;
mod stalls;
mod threads;
