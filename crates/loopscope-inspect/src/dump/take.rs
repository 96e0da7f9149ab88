//! One dump: hold the process, walk through it, let it go, put together what was read.

use rustix::time::{ClockId, clock_gettime};

use super::resolve::{Parts, resolve};
use super::walk::Walker;
use super::{Dump, DumpMode, LayoutSource};
use crate::error::{DumpError, ReadError};
use crate::kernel;
use crate::layout::PythonVersion;
use crate::memory::{MemoryError, ProcessMemory};

/// Reads a whole process.
pub(crate) fn take(
    walker: &mut Walker<ProcessMemory>,
    pid: u32,
    python_version: PythonVersion,
    mode: DumpMode,
) -> Result<Dump, DumpError> {
    let taken_nanos = now_nanos();
    let memory = ProcessMemory::new(pid);
    let walked = walker
        .walk(memory, &mut |tid| kernel::thread_state(pid, tid))
        .map_err(|error| dump_error(pid, error))?;
    let layout = walker.reader.layout;
    let parts = resolve(walked, &mut walker.codes, &layout, taken_nanos);
    let Parts {
        threads,
        loops,
        tasks,
        deadlocks,
        problems,
    } = parts;
    Ok(Dump {
        pid,
        python_version,
        layout: LayoutSource::VersionTable,
        mode,
        pause: None,
        taken_nanos,
        threads,
        loops,
        tasks,
        deadlocks,
        problems,
    })
}

fn dump_error(pid: u32, source: ReadError) -> DumpError {
    match source {
        ReadError::Memory(MemoryError::Gone) => DumpError::Gone { pid },
        ReadError::Memory(MemoryError::Denied) => DumpError::Denied { pid },
        source => DumpError::Unreadable { pid, source },
    }
}

/// The monotonic clock, which is that of asyncio's loops.
fn now_nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000) + u64::try_from(now.tv_nsec).unwrap_or(0)
}
