//! The memory of a live process, read through `process_vm_readv`.
//!
//! The call neither stops the target nor writes to it, and needs the same permission as a debugger.
//! It does not lock anything either: the target may write while it is read.

use std::io::IoSliceMut;

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

use super::{Memory, MemoryError, PAGE_BYTES};

/// The kernel takes no more ranges than this in one call (`UIO_MAXIOV`).
const MAX_RANGES: usize = 1024;

/// The memory of a live process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessMemory {
    pid: Pid,
}

impl ProcessMemory {
    /// The memory of the process with this id. Nothing is opened: a pid that comes to name another
    /// process is the caller's to notice.
    pub(crate) fn new(pid: u32) -> Self {
        Self {
            pid: Pid::from_raw(pid.cast_signed()),
        }
    }
}

/// Fills `buffer` from the memory of a process, whatever runs in it.
///
/// # Errors
/// When the process is gone, may not be read, or has nothing there.
pub fn read_memory(pid: u32, address: u64, buffer: &mut [u8]) -> Result<(), MemoryError> {
    ProcessMemory::new(pid).read(address, buffer)
}

impl Memory for ProcessMemory {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), MemoryError> {
        let remote = [RemoteIoVec {
            base: address as usize,
            len: buffer.len(),
        }];
        let length = buffer.len();
        match process_vm_readv(self.pid, &mut [IoSliceMut::new(buffer)], &remote) {
            Ok(read) if read == length => Ok(()),
            Ok(read) => Err(MemoryError::Unmapped {
                address: address + read as u64,
            }),
            Err(errno) => Err(error_at(errno, address)),
        }
    }

    fn read_pages(&self, pages: &[u64], buffer: &mut [u8]) -> Result<usize, MemoryError> {
        let mut filled = 0;
        while let Some(rest) = pages.get(filled..).filter(|rest| !rest.is_empty()) {
            let (ranges, count) = leading_ranges(rest);
            let bytes = buffer
                .get_mut(filled * PAGE_BYTES..(filled + count) * PAGE_BYTES)
                .unwrap_or_default();
            let read = match process_vm_readv(self.pid, &mut [IoSliceMut::new(bytes)], &ranges) {
                Ok(read) => read / PAGE_BYTES,
                Err(Errno::EFAULT) => 0,
                Err(errno) => return Err(error_at(errno, rest.first().copied().unwrap_or(0))),
            };
            filled += read;
            if read < count {
                break;
            }
        }
        Ok(filled)
    }
}

/// The ranges of as many leading pages as one call takes, neighbours joined, and how many pages these are.
fn leading_ranges(pages: &[u64]) -> (Vec<RemoteIoVec>, usize) {
    let mut ranges: Vec<RemoteIoVec> = Vec::with_capacity(pages.len().min(MAX_RANGES));
    for (count, page) in pages.iter().map(|page| *page as usize).enumerate() {
        if let Some(last) = ranges.last_mut()
            && last.base + last.len == page
        {
            last.len += PAGE_BYTES;
            continue;
        }
        if ranges.len() == MAX_RANGES {
            return (ranges, count);
        }
        ranges.push(RemoteIoVec {
            base: page,
            len: PAGE_BYTES,
        });
    }
    (ranges, pages.len())
}

fn error_at(errno: Errno, address: u64) -> MemoryError {
    match errno {
        Errno::ESRCH => MemoryError::Gone,
        // A sandbox may act as if there were no such call.
        Errno::EPERM | Errno::EACCES | Errno::ENOSYS => MemoryError::Denied,
        _ => MemoryError::Unmapped { address },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_process_reads_back_its_own_bytes() {
        let known = *b"known bytes";
        let mut copy = [0; 11];
        let memory = ProcessMemory::new(std::process::id());
        memory.read(known.as_ptr() as u64, &mut copy).unwrap();
        assert_eq!(copy, known);
    }

    #[test]
    fn an_address_that_is_not_mapped_is_an_error() {
        let memory = ProcessMemory::new(std::process::id());
        let outcome = memory.read(PAGE_BYTES as u64, &mut [0; 8]);
        assert_eq!(
            outcome,
            Err(MemoryError::Unmapped {
                address: PAGE_BYTES as u64
            })
        );
    }

    #[test]
    fn a_process_that_does_not_exist_is_gone() {
        let memory = ProcessMemory::new(4_194_304 + 7);
        assert_eq!(memory.read(1 << 20, &mut [0; 8]), Err(MemoryError::Gone));
    }

    #[test]
    fn pages_are_filled_up_to_the_first_that_is_not_mapped() {
        let bytes = vec![7_u8; 4 * PAGE_BYTES];
        let first = (bytes.as_ptr() as u64).next_multiple_of(PAGE_BYTES as u64);
        let page = PAGE_BYTES as u64;
        let mut buffer = vec![0; 3 * PAGE_BYTES];
        let memory = ProcessMemory::new(std::process::id());
        let filled = memory
            .read_pages(&[first, first + page, page], &mut buffer)
            .unwrap();
        assert_eq!(filled, 2);
        assert!(buffer[..2 * PAGE_BYTES].iter().all(|byte| *byte == 7));
    }

    #[test]
    fn neighbouring_pages_share_a_range_and_a_call_takes_a_bounded_number() {
        let page = PAGE_BYTES as u64;
        let (ranges, count) = leading_ranges(&[page, 2 * page, 9 * page]);
        let lengths: Vec<usize> = ranges.iter().map(|range| range.len).collect();
        assert_eq!((lengths, count), (vec![2 * PAGE_BYTES, PAGE_BYTES], 3));
        let apart: Vec<u64> = (1..2000).map(|index| 2 * index * page).collect();
        assert_eq!(leading_ranges(&apart).1, MAX_RANGES);
    }

    #[test]
    fn a_hole_inside_a_joined_range_ends_what_is_filled() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let stack = maps.lines().find(|line| line.ends_with("[stack]")).unwrap();
        let end = stack.split(['-', ' ']).nth(1).unwrap();
        let end = u64::from_str_radix(end, 16).unwrap();
        let page = PAGE_BYTES as u64;
        let pages = [end - 2 * page, end - page, end];
        let mut buffer = vec![0; pages.len() * PAGE_BYTES];
        let memory = ProcessMemory::new(std::process::id());
        let filled = memory.read_pages(&pages, &mut buffer).unwrap();
        assert_eq!(filled, 2);
    }
}
