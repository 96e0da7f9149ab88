//! One dump: hold the process, walk through it, let it go, put together what was read.

use std::collections::HashMap;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::resolve::{Parts, resolve};
use super::walk::Walker;
use super::walked::{Walked, WalkedThread};
use super::{Dump, DumpMode};
use crate::error::{DumpError, ReadError, ReadResult};
use crate::kernel::{self, ThreadKernelState};
use crate::memory::{MemoryError, ProcessMemory};
use crate::pause::{self, Held};

const UNKNOWN: ThreadKernelState = ThreadKernelState::UNKNOWN;

/// Walks through a process that runs on, until one succeeds: a list may change while it is followed.
const MAX_LIVE_WALKS: usize = 3;

/// Takes of a process with a thread whose stack cannot be read. One in some hundred dumps of a process that
/// never rests needs a second.
const MAX_TAKES: usize = 3;

/// What was read, and of which instant.
struct Taken {
    walked: Walked,
    taken_nanos: u64,
    pause: Option<Duration>,
}

/// Reads a whole process.
pub(crate) fn take(
    walker: &mut Walker<ProcessMemory>,
    pid: u32,
    mode: DumpMode,
) -> Result<Dump, DumpError> {
    let Taken {
        walked,
        taken_nanos,
        pause,
    } = take_readable(walker, pid, mode)?;
    let layout = walker.reader.layout;
    let Parts {
        threads,
        loops,
        tasks,
        deadlocks,
        problems,
    } = resolve(walked, &mut walker.codes, &layout, taken_nanos);
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

/// Takes until every stack and every set can be read, a few times at most. A thread may be caught at the instant at
/// which it links a new frame in, or while it gives the set of all tasks a larger table; the next time it stands
/// elsewhere. In one that runs on, so many tasks may change while they are read that none of them is believed. The
/// pause is that of all takes.
fn take_readable(
    walker: &mut Walker<ProcessMemory>,
    pid: u32,
    mode: DumpMode,
) -> Result<Taken, DumpError> {
    let mut pauses: Option<Duration> = None;
    let mut takes = 0;
    loop {
        let taken = match mode {
            DumpMode::Stop => take_stopped(walker, pid)?,
            DumpMode::Snapshot | DumpMode::Live => take_held(walker, pid, mode, &[])?,
        };
        takes += 1;
        if let Some(pause) = taken.pause {
            *pauses.get_or_insert_default() += pause;
        }
        let is_cut = |thread: &WalkedThread| thread.problem.is_some();
        // In one that runs on, a set changes while it is read.
        let has_torn_set = mode != DumpMode::Live && walker.reader.met_unfinished_set;
        let is_whole =
            !has_torn_set && !walker.left_tasks_out && !taken.walked.threads.iter().any(is_cut);
        if takes == MAX_TAKES || is_whole {
            return Ok(Taken {
                pause: pauses,
                ..taken
            });
        }
    }
}

/// Stops the process for as short as can be: it is walked through while it runs, to learn which pages that
/// needs; it stands still while those are fetched, all at once; and the walk that counts goes through what
/// was fetched. Only where the process came to need other pages in between does it stand still once more,
/// for a whole walk.
fn take_stopped(walker: &mut Walker<ProcessMemory>, pid: u32) -> Result<Taken, DumpError> {
    let pages = rehearse(walker, pid).map_err(|error| dump_error(pid, error))?;
    let held = pause::hold(pid, DumpMode::Stop)?;
    let taken_nanos = now_nanos();
    let fetched = walker.begin(ProcessMemory::new(held.memory_pid()), &pages);
    let before: HashMap<u32, ThreadKernelState> = held.threads_before().into_iter().collect();
    let pause = held.release();
    fetched.map_err(|error| dump_error(pid, error))?;
    walker.reader.pages.seal();
    let outcome = walker.walk(&mut |tid| before.get(&tid).copied().unwrap_or(UNKNOWN));
    if !walker.reader.pages.has_missed() {
        return Ok(Taken {
            walked: outcome.map_err(|error| dump_error(pid, error))?,
            taken_nanos,
            pause,
        });
    }
    let taken = take_held(walker, pid, DumpMode::Stop, &pages)?;
    let both = taken.pause.unwrap_or_default() + pause.unwrap_or_default();
    Ok(Taken {
        pause: Some(both),
        ..taken
    })
}

/// Walks through the process while it runs on, and throws away what was found but for the pages that were
/// needed. Memory for them, types and code are at hand afterwards.
fn rehearse(walker: &mut Walker<ProcessMemory>, pid: u32) -> ReadResult<Vec<u64>> {
    walker.begin(ProcessMemory::new(pid), &[])?;
    match walker.walk(&mut |_| UNKNOWN) {
        Err(error) if error.is_final() => Err(error),
        _ => Ok(walker.fetched_pages()),
    }
}

/// Walks through the process while it is held as the mode says.
fn take_held(
    walker: &mut Walker<ProcessMemory>,
    pid: u32,
    mode: DumpMode,
    pages: &[u64],
) -> Result<Taken, DumpError> {
    let held = pause::hold(pid, mode)?;
    let taken_nanos = now_nanos();
    let walked = walk_held(walker, pid, mode, &held, pages);
    let pause = held.release();
    Ok(Taken {
        walked: walked.map_err(|error| dump_error(pid, error))?,
        taken_nanos,
        pause,
    })
}

fn walk_held(
    walker: &mut Walker<ProcessMemory>,
    pid: u32,
    mode: DumpMode,
    held: &Held,
    pages: &[u64],
) -> ReadResult<Walked> {
    // A thread that is stopped now says nothing of what it did.
    let mut kernel = |tid| match held.thread_before(tid) {
        Some(state) => state,
        None if mode == DumpMode::Live => kernel::thread_state(pid, tid),
        None => UNKNOWN,
    };
    let mut attempts = 1;
    loop {
        walker.begin(ProcessMemory::new(held.memory_pid()), pages)?;
        match walker.walk(&mut kernel) {
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
