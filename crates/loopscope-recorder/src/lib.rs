//! The flight recording: what an observed process writes down about its loops, and how it is read.
//!
//! First step of the data's way. The writer runs inside the observed process and stores numbers into a
//! memory-mapped file; the file outlives the process, also when that is killed. The reader runs in the
//! observer. Nothing here knows Python or tokio, judges, logs or prints.

pub mod clock;
pub mod environment;
pub mod folder;
pub mod handover;
pub mod hooking;
pub mod identity;
pub mod layout;
mod mapping;
pub mod reader;
pub mod refusal;
pub mod statement;
pub mod writer;
