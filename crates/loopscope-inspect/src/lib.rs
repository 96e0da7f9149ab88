//! Reads a running Python process from outside: threads, stacks, loops and tasks.
//!
//! The observer's eye. [`Inspector::attach`] finds the interpreter in a process; each
//! [`Inspector::sample_thread`] then tells in a fraction of a millisecond where one thread stands: its
//! frames, the loop that runs on it, the task that the loop steps with its await chain, and who holds
//! the interpreter's lock. [`kernel`] adds what the kernel says, [`SourceLines`] the calls that stand
//! on a source line. Everything is read through `process_vm_readv` and `/proc`, and the target's own
//! memory is never changed. A sample is taken while the target runs; only a dump stops it, as its
//! [`DumpMode`] says. It judges nothing; that is the engine's part.

pub mod kernel;

mod asyncio;
mod codes;
mod dump;
mod elf;
mod ending;
mod error;
mod frames;
mod gil;
mod inspector;
mod layout;
mod linetable;
mod locate;
mod maps;
mod memory;
mod native;
mod object_model;
mod pause;
mod probe;
mod sample;
mod sampler;
mod source;
mod threads;

#[cfg(test)]
#[path = "../tests/common/pythons.rs"]
mod pythons;
#[cfg(test)]
mod running;

pub use dump::{
    Dump, DumpMode, DumpedLoop, DumpedTask, DumpedThread, LayoutSource, LoopIndex, LoopState,
    Orphan, Primitive, TaskIndex, TaskState, ThreadIndex, Wait, WaitTarget,
};
pub use ending::{ProcessEnding, ProcessHandle};
pub use error::{AttachError, DumpError, ReadError, SampleError};
pub use inspector::Inspector;
pub use layout::PythonVersion;
pub use memory::{MemoryError, grow_heap_by_large_pages, read_memory};
pub use native::{
    Flavour, NativeError, NativeFrame, NativeInspector, NativeSample, Place, Running,
};
pub use sample::{AwaitingTask, CurrentTask, Frame, GilHolder, LoopObject, ThreadSample};
pub use source::{CalledName, SourceLines};
