//! Which task is being polled: the address of its header, found on the stack and proved before it is believed.
//!
//! Every task begins with the same header, `repr(C)` in `runtime/task/core.rs` of tokio 1.x: its state, a link,
//! the table of its functions, its owner; then the scheduler and the task's id. The function that polls it keeps
//! the address. A word on the stack is that address where it is aligned as tasks are, the state says that the task
//! runs, and the table is one of functions.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::copy::StackCopy;
use super::modules::Modules;
use super::symbols::Placed;
use super::unwind::Step;
use super::words::words;
use super::worker::{Worker, worker_of};

/// The alignment of a task on 64-bit x86.
const ALIGNMENT: u64 = 128;

/// The words of a header that are read, up to the task's id.
const HEADER_WORDS: usize = 6;
const STATE: usize = 0;
const TABLE: usize = 2;
const SCHEDULER: usize = 4;

/// Of the state: the task is being polled, or is complete.
const RUNNING: u64 = 0b01;
const COMPLETE: u64 = 0b10;

/// The functions that every table begins with; more follow.
const TABLE_WORDS: usize = 6;

/// What lies below the function that polls: the registers that the next one saved.
const SAVED_BYTES: u64 = 64;

/// Frames outward of that function that may keep the address too.
const FRAMES_OUTWARD: usize = 3;

/// Frames outward of that function in which the worker's loop is.
const FRAMES_OF_WORKER: usize = 12;

/// A task that is being polled.
pub(super) struct Polled {
    /// The same value for the same task only.
    pub(super) identity: u64,
    /// The worker that polls it, where the scheduler has workers and it was found.
    pub(super) worker: Option<Worker>,
}

/// The task that is polled by the function at `poll`.
pub(super) fn polled(
    pid: u32,
    modules: &Modules,
    copy: &StackCopy,
    (placed, steps): (&[Placed], &[Step]),
    poll: usize,
) -> Option<Polled> {
    let step = placed.get(poll)?.step;
    let inner = step.checked_sub(1).and_then(|inner| steps.get(inner))?;
    let end = |frames: usize| {
        let last = steps.len().checked_sub(1)?;
        steps
            .get((step + frames).min(last))
            .map(|step| step.stack_end)
    };
    let from = inner.stack_end.saturating_sub(SAVED_BYTES).max(copy.stack) & !7;
    let mut tried = Vec::new();
    let header = (from..end(FRAMES_OUTWARD)?).step_by(8).find_map(|slot| {
        let address = copy.word(slot)?;
        if address == 0 || address % ALIGNMENT != 0 || tried.contains(&address) {
            return None;
        }
        tried.push(address);
        header_at(pid, modules, address).map(|header| (address, header))
    });
    let (address, header) = header?;
    let range = inner.stack_end..end(FRAMES_OF_WORKER)?;
    Some(Polled {
        identity: identity_of(address, &header),
        worker: worker_of(pid, copy, range, header[SCHEDULER]),
    })
}

/// The header at an address; `None` where there is none of a task that is being polled.
fn header_at(pid: u32, modules: &Modules, address: u64) -> Option<[u64; HEADER_WORDS]> {
    let header: [u64; HEADER_WORDS] = words(pid, address)?;
    let is_polled = header[STATE] & (RUNNING | COMPLETE) == RUNNING;
    let table_at = header[TABLE];
    if !is_polled || modules.at(table_at).is_none() || modules.is_code(table_at) {
        return None;
    }
    let table: [u64; TABLE_WORDS] = words(pid, table_at)?;
    let is_table = table.iter().all(|word| modules.is_code(*word));
    is_table.then_some(header)
}

fn identity_of(address: u64, header: &[u64; HEADER_WORDS]) -> u64 {
    let mut hasher = DefaultHasher::new();
    // Not the state and the link, which change while the task is polled.
    (address, &header[TABLE..]).hash(&mut hasher);
    hasher.finish()
}
