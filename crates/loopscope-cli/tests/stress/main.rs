//! Drives `loopscope stress` against servers that answer well, badly, ever slower or not to the end; and against a
//! real service under `loopscope run`, with its healthy twin.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod baselines;
mod command;
mod ends;
mod files;
mod outside;
mod secure;
mod server;
mod terminal;
mod truth_service;
