//! A copy of a thread's registers and of the part of its stack that is in use.

use std::fs;

use crate::kernel::{self, ThreadKernelState};
use crate::memory::{Memory, PAGE_BYTES, ProcessMemory};

/// No more of a stack is copied. Deeper frames of a runaway recursion tell nothing new.
pub(crate) const MOST_STACK_BYTES: usize = 256 << 10;

/// A thread's registers and stack at one instant.
#[derive(Clone, Debug)]
pub(crate) struct StackCopy {
    pub(crate) instruction: u64,
    pub(crate) stack: u64,
    /// The frame pointer; `None` for a thread that sleeps, of which the kernel does not tell it.
    pub(crate) frame: Option<u64>,
    /// What lies from `stack` on.
    pub(crate) bytes: Vec<u8>,
    /// What the kernel said of the thread, where that was asked at the same instant.
    pub(crate) thread: Option<ThreadKernelState>,
}

impl StackCopy {
    /// The word at an address, where that is part of the copy.
    pub(crate) fn word(&self, address: u64) -> Option<u64> {
        let at = usize::try_from(address.checked_sub(self.stack)?).ok()?;
        let bytes = self.bytes.get(at..at.checked_add(8)?)?;
        bytes.try_into().ok().map(u64::from_ne_bytes)
    }

    /// The address behind its last byte.
    pub(crate) fn end(&self) -> u64 {
        self.stack + self.bytes.len() as u64
    }
}

/// Reads a stack from an address up to its end.
pub(crate) fn copy_from(pid: u32, stack: u64) -> Option<Vec<u8>> {
    let page = PAGE_BYTES as u64;
    let first = stack & !(page - 1);
    let pages: Vec<u64> = (0..(MOST_STACK_BYTES / PAGE_BYTES) as u64)
        .map_while(|index| first.checked_add(index * page))
        .collect();
    let mut bytes = vec![0; pages.len() * PAGE_BYTES];
    let filled = ProcessMemory::new(pid)
        .read_pages(&pages, &mut bytes)
        .ok()?;
    bytes.truncate(filled * PAGE_BYTES);
    bytes.drain(..usize::try_from(stack - first).ok()?.min(bytes.len()));
    (!bytes.is_empty()).then_some(bytes)
}

/// A sleep in a system call, told apart from an earlier one at the same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sleep {
    stack: u64,
    instruction: u64,
    switches: u64,
}

impl Sleep {
    /// How a thread sleeps now; `None` for one that does not sleep in a system call.
    pub(super) fn of(pid: u32, tid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).ok()?;
        let (stack, instruction) = registers(&text)?;
        Some(Self {
            stack,
            instruction,
            switches: kernel::voluntary_switches(pid, tid)?,
        })
    }

    /// The stack of the thread that sleeps so; `None` where it did not do so all the while.
    pub(super) fn copy(&self, pid: u32, tid: u32) -> Option<StackCopy> {
        let thread = kernel::thread_state(pid, tid);
        let bytes = copy_from(pid, self.stack)?;
        (Self::of(pid, tid)? == *self).then_some(StackCopy {
            instruction: self.instruction,
            stack: self.stack,
            frame: None,
            bytes,
            thread: Some(thread),
        })
    }
}

/// `syscall`: the call's number and arguments, or `-1` where it sleeps outside of one; the stack pointer and the
/// instruction last. `running` where the thread is on a processor or waits for one.
fn registers(text: &str) -> Option<(u64, u64)> {
    let mut last = text.split_ascii_whitespace().rev();
    let number = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    let instruction = number(last.next()?)?;
    let stack = number(last.next()?)?;
    (stack != 0).then_some((stack, instruction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_of_a_thread_in_a_call_is_told_and_that_of_a_running_one_is_not() {
        let sleeping = "230 0x1 0x0 0x7f1 0x0 0x0 0x0 0x7ffe10 0x7f20\n";
        assert_eq!(registers(sleeping), Some((0x7ffe10, 0x7f20)));
        assert_eq!(registers("-1 0x7ffe10 0x7f20\n"), Some((0x7ffe10, 0x7f20)));
        assert_eq!(registers("running\n"), None);
        assert_eq!(registers(""), None);
    }

    #[test]
    fn words_outside_of_the_copy_are_none() {
        let copy = StackCopy {
            instruction: 0,
            stack: 0x1000,
            frame: None,
            bytes: 7_u64.to_ne_bytes().to_vec(),
            thread: None,
        };
        assert_eq!(copy.word(0x1000), Some(7));
        assert_eq!(copy.word(0x1001), None);
        assert_eq!(copy.word(0x0ff8), None);
        assert_eq!(copy.end(), 0x1008);
    }
}
