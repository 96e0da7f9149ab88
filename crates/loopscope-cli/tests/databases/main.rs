//! Drivers of databases against a real PostgreSQL, which the tests start themselves, and SQLite.
//!
//! Each driver does everything that is to be found once, by a known number of times, and its healthy twin
//! nothing of it; and a list of odd uses must come out the same with and without Loopscope. The interpreters
//! are those of `LOOPSCOPE_TEST_PYTHONS`. Where there is no PostgreSQL the tests say that they are skipped.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "../support/cargo.rs"]
mod cargo;
mod cluster;
mod faults;
mod harness;
mod healthy;
mod rust;
mod servers;
mod shared;
mod unchanged;
