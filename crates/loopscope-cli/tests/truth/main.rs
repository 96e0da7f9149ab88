//! Ground truth: real interpreters and servers under the real program. See `support`.
//!
//! `cargo xtask test` prepares the interpreters; `cargo xtask test --quick` leaves these out by the
//! `truth_` that all their names begin with.

#![expect(
    clippy::expect_used,
    reason = "a test may say what it takes for granted"
)]

#[path = "../support/cargo.rs"]
mod cargo;
#[path = "../support/mod.rs"]
mod support;

mod truth_awaited;
mod truth_fork;
mod truth_found_late;
mod truth_healthy;
mod truth_node;
mod truth_privileges;
mod truth_run;
mod truth_scheduling;
mod truth_selectors;
mod truth_stalls;
mod truth_tokio;
mod truth_web;
