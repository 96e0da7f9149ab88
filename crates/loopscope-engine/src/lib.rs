//! The engine: time-stamped observations in, findings, incidents and reports out.
//!
//! `watch` does the looking (recordings, `/proc`, the inspector) and is the only part with I/O and a
//! clock; everything behind [`observation::Observation`] is pure and replays from what was written down.

pub mod observation;
pub mod report;
pub mod time;
