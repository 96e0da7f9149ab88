//! Known client libraries in real interpreters, against a server on this host: what the agent counts of them, that
//! they are what they were, and what a watched service that uses them is told.
//!
//! Wiring only. The interpreters are those of `LOOPSCOPE_TEST_PYTHONS` that have the libraries, see
//! `fixtures/requirements.txt`; `cargo xtask test` prepares them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[expect(dead_code, reason = "the agent's own tests use all of it")]
#[path = "../agent/harness.rs"]
mod harness;

mod counts;
mod findings;
mod harmless;
mod programs;
