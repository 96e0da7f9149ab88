//! What a fire drill is made of: the faults of `loopscope drill`, what must be found of each, and what was.
//!
//! A [`Fault`] says for how long and how large it is to be brought in ([`Plan`]), under the thresholds that the target
//! was started with. [`wire`] is what is said between the drill and the process that the fault is in, [`report`] the
//! part of a health report that is looked at. A [`Watch`] takes such reports as they come and notes what is news;
//! [`judge`] holds that against what must be found. [`results`] is what a drill leaves behind, as JSON with a schema.
//!
//! All of it is pure: reports and times in, words out. What this crate deliberately does not do: reach a process, ask
//! for a report, or read a clock.

pub mod judge;
pub mod report;
pub mod results;
pub mod wire;

mod fault;
#[cfg(test)]
mod tests;
mod watch;

pub use fault::{Fault, Limits, Plan, Skip};
pub use watch::{Answer, Look, Watch, Watched};
