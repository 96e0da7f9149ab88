//! A made-up memory for tests: regions of bytes at chosen addresses.

use std::collections::BTreeMap;

use crate::memory::{Memory, MemoryError};

/// Regions of bytes, by their first address.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeMemory {
    regions: BTreeMap<u64, Vec<u8>>,
}

impl FakeMemory {
    /// Puts bytes at an address, over whatever is there in this region.
    pub(crate) fn put(&mut self, address: u64, bytes: &[u8]) {
        for (at, byte) in (address..).zip(bytes) {
            let page = at & !4095;
            let region = self.regions.entry(page).or_insert_with(|| vec![0; 4096]);
            region[(at - page) as usize] = *byte;
        }
    }

    /// Puts a 64-bit word at an address.
    pub(crate) fn put_word(&mut self, address: u64, word: u64) {
        self.put(address, &word.to_le_bytes());
    }
}

impl Memory for &FakeMemory {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), MemoryError> {
        for (at, byte) in (address..).zip(buffer) {
            let page = at & !4095;
            let region = self
                .regions
                .get(&page)
                .ok_or(MemoryError::Unmapped { address: at })?;
            *byte = region[(at - page) as usize];
        }
        Ok(())
    }
}
