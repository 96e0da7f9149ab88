//! Drives `loopscope drill`: against its own sample service, a real FastAPI service under `loopscope run --allow-drill`,
//! and all that must be refused or does not come to its end.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod command;
mod refused;
mod service;
mod truth_alone;
mod truth_drilled;
mod truth_ends;
mod truth_held;
