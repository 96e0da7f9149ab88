//! What a thread waits for, from the number of the system call that it is in.
//!
//! Numbers are those of the machine that this was built for: x86_64 from the kernel's
//! `syscall_64.tbl`, aarch64 from its generic `unistd.h`. A run that was written down on one
//! architecture is replayed on the same.

mod names;

pub(crate) use names::name;

use crate::observation::{RunState, ThreadState};

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A timer.
    Timer,
    /// A socket or pipe.
    Network,
    /// A file or directory.
    File,
    /// A child process.
    Child,
    /// A lock.
    Lock,
    /// Nothing: it computes.
    Computing,
    /// Something else, or it cannot be told.
    Other,
}

#[cfg(target_arch = "aarch64")]
mod numbers {
    pub(super) const FUTEX: &[u32] = &[98, 449, 455];
    pub(super) const TIMER: &[u32] = &[72, 101, 115];
    pub(super) const NETWORK: &[u32] = &[73, 202, 203, 206, 207, 211, 212, 242, 243, 269];
    pub(super) const FILE: &[u32] = &[
        32, 34, 35, 46, 47, 48, 56, 61, 67, 68, 69, 70, 71, 79, 81, 82, 83, 84, 267, 276, 285, 291,
        437,
    ];
    pub(super) const READ_WRITE: &[u32] = &[63, 64, 65, 66];
    pub(super) const CHILD: &[u32] = &[95, 260];
}

#[cfg(not(target_arch = "aarch64"))]
mod numbers {
    pub(super) const FUTEX: &[u32] = &[202, 449, 455];
    pub(super) const TIMER: &[u32] = &[23, 35, 230, 270];
    pub(super) const NETWORK: &[u32] = &[7, 42, 43, 44, 45, 46, 47, 271, 288, 299, 307];
    pub(super) const FILE: &[u32] = &[
        2, 4, 5, 6, 17, 18, 40, 73, 74, 75, 77, 78, 82, 83, 84, 87, 162, 217, 257, 262, 263, 264,
        277, 285, 295, 296, 306, 316, 326, 332, 437,
    ];
    pub(super) const READ_WRITE: &[u32] = &[0, 1, 19, 20];
    pub(super) const CHILD: &[u32] = &[61, 247];
}

/// Whether the call waits on a futex: a lock, a condition, the interpreter's lock.
pub(crate) fn is_futex(syscall: u32) -> bool {
    numbers::FUTEX.contains(&syscall)
}

/// A futex number for tests, which otherwise would hold on one architecture only.
#[cfg(test)]
pub(crate) const FUTEX: u32 = numbers::FUTEX[0];

/// What a thread in this state waits for. `select` counts as a timer: Python sleeps with it before 3.11.
pub(crate) fn wait_of(thread: &ThreadState) -> Wait {
    match (thread.run_state, thread.syscall) {
        (RunState::DiskSleep, _) => Wait::File,
        (RunState::Runnable, None) => Wait::Computing,
        (_, None) => Wait::Other,
        (_, Some(syscall)) => wait_in(syscall),
    }
}

fn wait_in(syscall: u32) -> Wait {
    let kinds: [(&[u32], Wait); 5] = [
        (numbers::FUTEX, Wait::Lock),
        (numbers::TIMER, Wait::Timer),
        (numbers::NETWORK, Wait::Network),
        (numbers::FILE, Wait::File),
        (numbers::CHILD, Wait::Child),
    ];
    let known = kinds
        .into_iter()
        .find(|(numbers, _)| numbers.contains(&syscall));
    match known {
        Some((_, wait)) => wait,
        // Reading and writing: a socket, a pipe, a terminal or a file, which the number does not tell.
        None if numbers::READ_WRITE.contains(&syscall) => Wait::Network,
        None => Wait::Other,
    }
}

/// A thread state for tests, waiting as told.
#[cfg(test)]
pub(crate) fn state_for(wait: Wait) -> ThreadState {
    let syscall = match wait {
        Wait::Timer => Some(numbers::TIMER[0]),
        Wait::Network => Some(numbers::NETWORK[0]),
        Wait::File => Some(numbers::FILE[0]),
        Wait::Child => Some(numbers::CHILD[0]),
        Wait::Lock => Some(numbers::FUTEX[0]),
        Wait::Computing | Wait::Other => None,
    };
    let run_state = if wait == Wait::Computing {
        RunState::Runnable
    } else {
        RunState::Sleeping
    };
    ThreadState {
        run_state,
        syscall,
        awaits_gil: false,
        cpu_nanos: 0,
        runqueue_nanos: 0,
    }
}
