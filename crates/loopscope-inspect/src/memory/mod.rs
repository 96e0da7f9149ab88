//! Where bytes of the target come from.
//!
//! The first step of the flow: everything above reads through [`Memory`], so a live process, a frozen
//! copy of one and a made-up memory in a test are the same thing to the object model. Reads only:
//! there is no way to write to the target here, and none may be added.

mod addresses;
mod heap;
#[cfg(test)]
pub(crate) mod lying;
mod pages;
mod process;
mod room;
mod slots;

pub(crate) use addresses::{AddressMap, AddressSet};
pub use heap::grow_heap_by_large_pages;
pub(crate) use pages::{Budget, PAGE_BYTES, PageCache};
pub(crate) use process::ProcessMemory;
pub use process::read_memory;

/// The largest single read that is passed on. Nothing that is read from an interpreter is larger: the
/// bound turns a length that was read from garbage into an error instead of an allocation.
pub(crate) const MAX_READ_BYTES: usize = 2 << 20;

/// The end of the addresses that a 64-bit Linux program has unless it asks for more.
const USER_SPACE_END: u64 = 1 << 47;

/// A source of the target's bytes.
pub(crate) trait Memory {
    /// Fills `buffer` from `address`, wholly or with an error.
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), MemoryError>;

    /// Fills `buffer` with the given pages, one after the other, as close to one instant as the source
    /// can. Returns how many pages were filled before the first that could not be read.
    fn read_pages(&self, pages: &[u64], buffer: &mut [u8]) -> Result<usize, MemoryError> {
        for (index, (page, slot)) in pages
            .iter()
            .zip(buffer.chunks_exact_mut(PAGE_BYTES))
            .enumerate()
        {
            match self.read(*page, slot) {
                Ok(()) => {}
                Err(MemoryError::Unmapped { .. }) => return Ok(index),
                Err(error) => return Err(error),
            }
        }
        Ok(pages.len())
    }
}

/// Why bytes could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// Nothing is mapped there, or it may not be read.
    #[error("nothing readable at address {address:#x}")]
    Unmapped {
        /// Where.
        address: u64,
    },
    /// More was asked for than any object of an interpreter holds, or than one sample may read.
    #[error("read of {length} bytes refused at address {address:#x}")]
    Oversized {
        /// How much.
        length: u64,
        /// Where.
        address: u64,
    },
    /// The process is gone.
    #[error("the process is gone")]
    Gone,
    /// The kernel does not let this observer read the process.
    #[error("permission to read the process's memory refused")]
    Denied,
}

impl MemoryError {
    /// Whether a further read of the same process can succeed at all.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Gone | Self::Denied)
    }
}

/// Refuses what cannot be a read of an interpreter's object.
fn check_range(address: u64, length: usize) -> Result<(), MemoryError> {
    if length > MAX_READ_BYTES {
        return Err(MemoryError::Oversized {
            length: length as u64,
            address,
        });
    }
    match address.checked_add(length as u64) {
        Some(end) if address >= PAGE_BYTES as u64 && end <= USER_SPACE_END => Ok(()),
        _ => Err(MemoryError::Unmapped { address }),
    }
}
