//! Drives `loopscope drill`: against its own sample service, a real FastAPI service under `loopscope run --allow-drill`,
//! and all that must be refused or does not come to its end.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

// In the order in which they are run: the long ones first, beside each other.
mod alone;
mod command;
mod drilled;
mod ends;
mod held;
mod refused;
mod service;
