//! `collections.deque` objects.

use super::{Kind, ObjectReader, VARIABLE_SIZE, bounded};
use crate::error::{ReadError, ReadResult};
use crate::memory::Memory;

/// The block that holds the leftmost item.
const LEFT_BLOCK: u64 = 24;

/// The leftmost item's place in that block.
const LEFT_INDEX: u64 = 40;

/// The items in a block, behind the pointer to the block on its left.
const ITEMS: u64 = 8;

/// Places in a block.
const BLOCK_ITEMS: u64 = 64;

/// No queue of a service is longer.
const MAX_LENGTH: usize = 1 << 32;

impl<M: Memory> ObjectReader<M> {
    /// An opaque value that changes when an item is taken from the left, and stays when items are
    /// added on the right.
    pub(crate) fn deque_left_position(&mut self, deque: u64) -> ReadResult<u64> {
        self.expect_kind(deque, Kind::Deque, "a deque")?;
        let block = self.pointer(deque, LEFT_BLOCK)?;
        // One more than a block holds is where an emptied deque stands before it is centred again.
        let index = self.pointer(deque, LEFT_INDEX)?;
        if index > BLOCK_ITEMS {
            return Err(ReadError::Unexpected {
                expected: "a deque",
                address: deque,
            });
        }
        Ok(block << 8 | index)
    }

    /// The leftmost item of a deque, `None` where it is empty.
    pub(crate) fn deque_first(&mut self, deque: u64) -> ReadResult<Option<u64>> {
        if self.deque_length(deque)? == 0 {
            return Ok(None);
        }
        let [block, index] = self.pointers(deque, [LEFT_BLOCK, LEFT_INDEX])?;
        if index >= BLOCK_ITEMS {
            return Err(ReadError::Unexpected {
                expected: "a deque",
                address: deque,
            });
        }
        self.pointer(block, ITEMS + 8 * index).map(Some)
    }

    /// How many items a deque has.
    pub(crate) fn deque_length(&mut self, deque: u64) -> ReadResult<u64> {
        self.expect_kind(deque, Kind::Deque, "a deque")?;
        let length = self.pointer(deque, VARIABLE_SIZE)?;
        bounded(length, MAX_LENGTH, "a deque", deque).map(|length| length as u64)
    }
}
