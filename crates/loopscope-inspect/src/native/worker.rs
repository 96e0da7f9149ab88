//! How far a worker of a multi-thread runtime has come: proof that a task which is polled again is not one long poll.
//!
//! A worker that polls the same short task over and over, and never gets to wait for events since another worker
//! does, looks from outside like one that is stuck in it. What tells them apart is the worker's own state, its
//! `Core` in `runtime/scheduler/multi_thread/worker.rs` of tokio 1.x, which counts its polls and which nobody else
//! writes to. It is found by what refers to it, since a compiler may lay it out as it likes: the stack of the worker
//! has its address; it has the same two references that the runtime's list of workers has for this one.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use super::copy::StackCopy;
use super::words::words;

/// The end of the addresses that a 64-bit Linux program has.
const USER_SPACE_END: u64 = 1 << 47;

/// Of the runtime's shared state so many words are searched for the list of its workers.
const HANDLE_WORDS: usize = 128;

/// Of a worker's state so many words are read: up to its counters, and not past its end.
const CORE_WORDS: usize = 14;

/// More workers than this no runtime has.
const MOST_WORKERS: u64 = 4096;

/// References to a worker: one from its thread, one more from each that took it over.
const MOST_REFERENCES: u64 = 64;

/// What a stack says of the worker that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Worker {
    /// Another thread refers to it too: one of them has left it for `block_in_place`.
    pub(super) is_shared: bool,
    /// A value that changes with each poll; `None` where it was not found.
    pub(super) progress: Option<u64>,
}

/// The worker of a stack, from the part of it between the task and the thread's beginning. `handle` is the address
/// of the runtime's shared state.
pub(super) fn worker_of(
    pid: u32,
    copy: &StackCopy,
    range: Range<u64>,
    handle: u64,
) -> Option<Worker> {
    let referred = referred(copy, range);
    let mut places = referred.iter();
    let (references, index) = places.find_map(|address| worker_at(pid, *address, handle))?;
    let listed = listed(pid, handle, index);
    let mut cores = referred.iter().filter_map(|address| {
        let core: [u64; CORE_WORDS] = words(pid, *address)?;
        let is_it = |(a, b): &(u64, u64)| core.contains(a) && core.contains(b);
        listed.iter().any(is_it).then(|| progress_of(&core))
    });
    Some(Worker {
        is_shared: references > 1,
        progress: cores.next(),
    })
}

/// Addresses that stand in a part of a stack and do not lead back into it; each once.
fn referred(copy: &StackCopy, range: Range<u64>) -> Vec<u64> {
    let mut found = Vec::new();
    for slot in (range.start & !7..range.end).step_by(8) {
        let Some(word) = copy.word(slot) else { break };
        let is_address = may_be_address(word) && !(copy.stack..copy.end()).contains(&word);
        if is_address && !found.contains(&word) {
            found.push(word);
        }
    }
    found
}

fn may_be_address(word: u64) -> bool {
    (1 << 16..USER_SPACE_END).contains(&word) && word.is_multiple_of(8)
}

/// References to the worker at an address, and its number; `None` where there is none. It has two counters of
/// references, then in any order the runtime's shared state, its number, and the place for its own state.
fn worker_at(pid: u32, address: u64, handle: u64) -> Option<(u64, u64)> {
    let [strong, weak, fields @ ..] = words::<5>(pid, address)?;
    let is_counted = weak == 1 && (1..=MOST_REFERENCES).contains(&strong);
    let others: Vec<u64> = fields.into_iter().filter(|word| *word != handle).collect();
    let &[one, other] = others.as_slice() else {
        return None;
    };
    let index = one.min(other);
    let state = one.max(other);
    // Where its state is away, both are numbers, and the larger is the worker's.
    let index = if state < MOST_WORKERS { state } else { index };
    let is_worker =
        is_counted && index < MOST_WORKERS && (state < MOST_WORKERS || may_be_address(state));
    is_worker.then_some((strong, index))
}

/// Pairs of references that the runtime's shared state may have of a worker.
fn listed(pid: u32, handle: u64, index: u64) -> Vec<(u64, u64)> {
    let Some(shared) = words::<HANDLE_WORDS>(pid, handle) else {
        return Vec::new();
    };
    let pair = |list: &u64| {
        let at = list.checked_add(index * 16)?;
        let [one, other] = words::<2>(pid, at)?;
        let are_references = may_be_address(one) && may_be_address(other) && one != other;
        are_references.then_some((one, other))
    };
    let lists = shared.iter().filter(|word| may_be_address(**word));
    lists.filter_map(pair).collect()
}

/// Of all words but those that may be the next task, which the task that is being polled may set.
fn progress_of(core: &[u64]) -> u64 {
    const ALIGNMENT_OF_TASKS: u64 = 128;
    let mut hasher = DefaultHasher::new();
    for word in core
        .iter()
        .enumerate()
        .filter(|(_, word)| !word.is_multiple_of(ALIGNMENT_OF_TASKS))
    {
        word.hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_is_made_ready_is_no_progress_and_a_poll_is() {
        let core = |next: u64, polls: u64| progress_of(&[next, 0x7f01_0000_0008, polls]);
        assert_eq!(core(0, 7), core(0x7f00_1000_0080, 7));
        assert_ne!(core(0, 7), core(0, 8));
    }

    #[test]
    fn a_worker_is_known_by_its_runtime_and_its_number() {
        let handle = 0x7f01_0000_0010_u64;
        let found = |record: [u64; 5]| {
            let address = record.as_ptr() as u64;
            worker_at(std::process::id(), address, handle)
        };
        assert_eq!(found([1, 1, handle, 3, 0]), Some((1, 3)));
        assert_eq!(found([2, 1, 0, handle, 5]), Some((2, 5)));
        assert_eq!(found([1, 1, handle, 0x7f01_0000_4000, 1]), Some((1, 1)));
        assert_eq!(found([1, 1, 3, 0, 7]), None, "another runtime's");
        assert_eq!(found([1, 9, handle, 3, 0]), None, "no counters");
        assert_eq!(found([1, 1, handle, u64::MAX, 0]), None);
    }
}
