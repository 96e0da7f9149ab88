//! Words of another process's memory.

use crate::memory::{Memory, ProcessMemory};

/// So many words from an address on; `None` where not all of them can be read.
pub(super) fn words<const COUNT: usize>(pid: u32, address: u64) -> Option<[u64; COUNT]> {
    let mut bytes = [[0; 8]; COUNT];
    ProcessMemory::new(pid)
        .read(address, bytes.as_flattened_mut())
        .ok()?;
    Some(bytes.map(u64::from_ne_bytes))
}
