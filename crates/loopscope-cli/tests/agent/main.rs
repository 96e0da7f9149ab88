//! The Python agent in real interpreters: small programs, run bare and with it.
//!
//! Wiring only. The agent is the very one that the `loopscope` program carries inside, put into place by
//! `loopscope run`. The interpreters are those of `LOOPSCOPE_TEST_PYTHONS`, or the `python3` of the `PATH`.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod agentless;
mod calls;
mod endings;
mod executors;
mod failures;
mod harness;
mod injection;
mod processes;
mod servers;
mod tasks;
