//! The engine: time-stamped observations in, findings, incidents and reports out.
//!
//! `watch` does the looking (recordings, `/proc`, the inspector) and is the only part with I/O and a
//! clock; everything behind [`observation::Observation`] is pure and replays from what was written down.
//!
//! The way through the pure part: [`Engine::observe`] keeps a model of processes and loops, feeds each
//! loop's stall state machine, turns looks into a cause with the line to blame and its advice, and books
//! the outcome as incidents, from which reports are built.

pub mod change;
pub mod config;
pub mod dump;
pub mod observation;
pub mod report;
pub mod schema;
pub mod time;
pub mod watch;

mod advice;
mod awaited;
mod cause;
mod diagnosis;
mod engine;
mod fingerprint;
mod in_app;
mod incidents;
mod long_calls;
mod looks;
mod model;
mod probes;
mod report_build;
mod rules;
mod stall;
mod summary;
mod syscalls;
#[cfg(test)]
mod testing;
mod trend;
mod words;
mod work;

pub use awaited::who_waits;
pub use change::{Change, ChangeKind, Probe, Probes};
pub use config::Config;
pub use engine::Engine;
pub use schema::report_schema;
