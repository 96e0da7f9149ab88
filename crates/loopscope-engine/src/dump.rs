//! A dump for people and scripts: a whole process at one instant, with what is wrong in it.
//!
//! `loopscope_inspect` says what stands where; [`report`] joins it with what `/proc` and a recording say
//! ([`Surroundings`]) into a [`DumpReport`]: names instead of indexes into another crate's types, each
//! loop's state with the line to blame, tasks that stand at the same place as one group, and findings.
//! Pure: nothing here opens a file or reads a clock. `loopscope dump --json` prints the report as it is,
//! `loopscope dump` draws it.

mod build;
mod findings;
mod frames;
mod groups;
mod loops;
mod report;
mod surroundings;
#[cfg(test)]
mod tests;

pub use build::{report, unread};
pub use loops::CallsOnLine;
pub use report::{
    Address, DUMP_SCHEMA_VERSION, DumpCounts, DumpFailure, DumpFinding, DumpFindingKind, DumpFrame,
    DumpGil, DumpLayout, DumpLoop, DumpLoopState, DumpModeName, DumpOrphan, DumpPrimitive,
    DumpProcess, DumpReading, DumpReport, DumpRunState, DumpTask, DumpTaskGroup, DumpTaskState,
    DumpThread, DumpThreadState, DumpWait, DumpWaitKind,
};
pub use surroundings::{NativeThread, RecordedLoop, Surroundings};
