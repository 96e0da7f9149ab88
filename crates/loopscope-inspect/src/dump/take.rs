//! One dump: hold the process, walk through it, let it go, put together what was read.

use rustix::time::{ClockId, clock_gettime};

use super::resolve::{Parts, resolve};
use super::walk::Walker;
use super::walked::Walked;
use super::{Dump, DumpMode};
use crate::error::{DumpError, ReadError, ReadResult};
use crate::kernel::{self, ThreadKernelState};
use crate::memory::{MemoryError, ProcessMemory};
use crate::pause::{self, Held};

/// Walks through a process that runs on, until one succeeds: a list may change while it is followed.
const MAX_LIVE_WALKS: usize = 3;

/// Reads a whole process.
pub(crate) fn take(
    walker: &mut Walker<ProcessMemory>,
    pid: u32,
    mode: DumpMode,
) -> Result<Dump, DumpError> {
    let held = pause::hold(pid, mode)?;
    let taken_nanos = now_nanos();
    let walked = walk(walker, pid, mode, &held).map_err(|error| dump_error(pid, error))?;
    let pause = held.release();
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
        python_version: walker.python_version,
        layout: layout.source,
        mode,
        pause,
        taken_nanos,
        threads,
        loops,
        tasks,
        deadlocks,
        problems,
    })
}

fn walk(
    walker: &mut Walker<ProcessMemory>,
    pid: u32,
    mode: DumpMode,
    held: &Held,
) -> ReadResult<Walked> {
    let memory = ProcessMemory::new(held.memory_pid());
    // A thread that is stopped now says nothing of what it did.
    let mut kernel = |tid| match held.thread_before(tid) {
        Some(state) => state,
        None if mode == DumpMode::Live => kernel::thread_state(pid, tid),
        None => ThreadKernelState::UNKNOWN,
    };
    let mut attempts = 1;
    loop {
        match walker.walk(memory, &mut kernel) {
            Err(error)
                if mode == DumpMode::Live && !error.is_final() && attempts < MAX_LIVE_WALKS =>
            {
                attempts += 1;
            }
            outcome => return outcome,
        }
    }
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
