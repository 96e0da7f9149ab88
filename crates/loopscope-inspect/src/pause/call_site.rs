//! Where in a program's own code a system call can be made for it.
//!
//! Two short sequences of instructions are needed, and every C library has both. They are looked for in
//! the process's memory, since the file may be replaced, and compared again right before they are used,
//! since the process may run another program by then.

use memchr::memmem;

use crate::maps::{self, Mapping};
use crate::memory::{MAX_READ_BYTES, Memory, ProcessMemory};

use super::registers::{CALL_AND_RETURN, SIGNAL_RETURN};

/// How much of a file's code is looked through; the C library's has about 1.5 MiB.
const MAX_CODE_BYTES: u64 = 64 << 20;

/// The two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CallSite {
    /// A system call, and then a return to the address that the stack tells.
    pub(super) call_and_return: u64,
    /// The return from a signal's handler: sets every register from what lies on the stack.
    pub(super) signal_return: u64,
}

impl CallSite {
    /// Finds them in a process; `None` where it has none.
    pub(super) fn find(pid: u32) -> Option<Self> {
        let memory = ProcessMemory::new(pid);
        let mut mappings = maps::file_mappings(pid).ok()?;
        mappings.retain(|mapping| mapping.is_executable);
        mappings.sort_by_key(|mapping| !is_c_library(mapping));
        let mut call_and_return = None;
        let mut signal_return = None;
        for mapping in &mappings {
            for (address, bytes) in code(&memory, mapping) {
                let place = |wanted| memmem::find(&bytes, wanted).map(|it| address + it as u64);
                call_and_return = call_and_return.or_else(|| place(CALL_AND_RETURN));
                signal_return = signal_return.or_else(|| place(SIGNAL_RETURN));
                if let (Some(call_and_return), Some(signal_return)) =
                    (call_and_return, signal_return)
                {
                    return Some(Self {
                        call_and_return,
                        signal_return,
                    });
                }
            }
        }
        None
    }

    /// Whether they still are where they were found.
    pub(super) fn is_there(self, pid: u32) -> bool {
        let memory = ProcessMemory::new(pid);
        let holds = |address, wanted: &[u8]| {
            let mut found = vec![0; wanted.len()];
            memory.read(address, &mut found).is_ok() && found == wanted
        };
        holds(self.call_and_return, CALL_AND_RETURN) && holds(self.signal_return, SIGNAL_RETURN)
    }
}

/// `libc.so.6`, `libc-2.31.so`, `ld-musl-x86_64.so.1`.
fn is_c_library(mapping: &Mapping) -> bool {
    let name = mapping.file_name();
    ["libc.", "libc-", "ld-musl-"]
        .iter()
        .any(|start| name.starts_with(start))
}

/// The code of a mapping in pieces that overlap by more than a sequence's length; ends where it cannot be
/// read.
fn code(memory: &ProcessMemory, mapping: &Mapping) -> impl Iterator<Item = (u64, Vec<u8>)> {
    const PIECE_BYTES: u64 = 128 << 10;
    const OVERLAP_BYTES: u64 = 32;
    const { assert!((PIECE_BYTES + OVERLAP_BYTES) as usize <= MAX_READ_BYTES) };
    let end = mapping
        .end
        .min(mapping.start.saturating_add(MAX_CODE_BYTES));
    (mapping.start..end)
        .step_by(PIECE_BYTES as usize)
        .map_while(move |start| {
            let length = (end - start).min(PIECE_BYTES + OVERLAP_BYTES);
            let mut bytes = vec![0; length as usize];
            memory.read(start, &mut bytes).ok()?;
            Some((start, bytes))
        })
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_both_places() {
        let pid = std::process::id();
        let site = CallSite::find(pid).unwrap();
        assert!(site.is_there(pid));
        let beside = CallSite {
            signal_return: site.signal_return + 1,
            ..site
        };
        assert!(!beside.is_there(pid));
    }

    #[test]
    fn a_process_that_does_not_exist_has_none() {
        assert_eq!(CallSite::find(4_194_304 + 7), None);
    }
}
