//! Objects of the interpreter, read from raw memory.
//!
//! [`ObjectReader`] joins one sample's pages with the layout; the modules below teach it types, values,
//! containers, attributes, callables and generators, and the frame, thread and asyncio steps build on
//! that. The target may be anything, and it moves while it is read: each dereference checks
//! what it found, each length and count is bounded, and what does not fit is an error value.

mod attributes;
mod callables;
mod containers;
mod deques;
mod dicts;
mod generators;
mod integers;
mod kinds;
mod slots;
mod strings;
mod types;
mod values;
mod variables;

pub(crate) use kinds::Kind;
pub(crate) use types::TypeInfo;

use crate::error::{ReadError, ReadResult};
use crate::layout::Layout;
use crate::memory::{AddressMap, Budget, Memory, MemoryError, PageCache};
use dicts::EntryHints;
use kinds::RecentKinds;
use types::CachedType;

/// `ob_type` in every object.
const TYPE_POINTER: u64 = 8;

/// `ob_size` in every object of variable size.
const VARIABLE_SIZE: u64 = 16;

/// Types kept before all are forgotten; a large service has some thousands.
const MAX_TYPES: usize = 16_384;

/// Reads objects of one interpreter.
#[derive(Debug)]
pub(crate) struct ObjectReader<M> {
    /// The pages of this sample.
    pub(crate) pages: PageCache<M>,
    /// Where things are.
    pub(crate) layout: Layout,
    /// A set was read that is just being rebuilt: its members are not all in its table.
    pub(crate) met_unfinished_set: bool,
    second_look: PageCache<M>,
    types: AddressMap<CachedType>,
    recent_kinds: RecentKinds,
    entry_hints: EntryHints,
}

impl<M: Memory + Clone> ObjectReader<M> {
    /// For looks at one thread each.
    pub(crate) fn new(memory: M, layout: Layout) -> Self {
        Self::with_budget(memory, layout, Budget::SAMPLE)
    }

    /// For readings of the given size.
    pub(crate) fn with_budget(memory: M, layout: Layout, budget: Budget) -> Self {
        Self {
            pages: PageCache::new(memory.clone(), budget),
            layout,
            met_unfinished_set: false,
            second_look: PageCache::new(memory, budget),
            types: AddressMap::default(),
            recent_kinds: RecentKinds::new(),
            entry_hints: EntryHints::default(),
        }
    }

    /// Reads by another layout from now on: what types were taken for goes by the old one.
    pub(crate) fn set_layout(&mut self, layout: Layout) {
        self.layout = layout;
        self.types.clear();
        self.recent_kinds.forget();
    }

    /// Gives the memory of the last sample back.
    pub(crate) fn release(&mut self) {
        self.pages.release();
        self.second_look.release();
    }

    /// Runs `read` on bytes that are fetched anew, the given pages of them at once, and returns to the
    /// bytes of this sample afterwards. This is how a reading is checked against a moving target.
    pub(crate) fn look_again<T>(
        &mut self,
        pages: &[u64],
        read: impl FnOnce(&mut Self) -> ReadResult<T>,
    ) -> ReadResult<T> {
        std::mem::swap(&mut self.pages, &mut self.second_look);
        let outcome = match self.pages.begin(pages) {
            Ok(()) => read(self),
            Err(error) => Err(error.into()),
        };
        std::mem::swap(&mut self.pages, &mut self.second_look);
        outcome
    }
}

impl<M: Memory> ObjectReader<M> {
    /// The pointer at `address` plus `offset`.
    pub(crate) fn pointer(&mut self, address: u64, offset: u64) -> ReadResult<u64> {
        Ok(self.pages.u64(field(address, offset)?)?)
    }

    /// Several pointers of one object, which mostly lies on one page.
    pub(crate) fn pointers<const N: usize>(
        &mut self,
        address: u64,
        offsets: [u64; N],
    ) -> ReadResult<[u64; N]> {
        if let Some(pointers) = self.pages.words_of_page(address, offsets) {
            return Ok(pointers);
        }
        let mut pointers = [0; N];
        for (pointer, offset) in pointers.iter_mut().zip(offsets) {
            *pointer = self.pointer(address, offset)?;
        }
        Ok(pointers)
    }

    /// The 32-bit word at `address` plus `offset`.
    pub(crate) fn word(&mut self, address: u64, offset: u64) -> ReadResult<u32> {
        Ok(self.pages.u32(field(address, offset)?)?)
    }

    /// The byte at `address` plus `offset`.
    pub(crate) fn byte(&mut self, address: u64, offset: u64) -> ReadResult<u8> {
        Ok(self.pages.u8(field(address, offset)?)?)
    }

    /// An object's `ob_size`, which must lie in `0..=most`.
    pub(crate) fn variable_size(&mut self, object: u64, most: usize) -> ReadResult<usize> {
        let size = self.pointer(object, VARIABLE_SIZE)?;
        bounded(size, most, "an object of a plausible size", object)
    }
}

/// An address inside an object, refused where it wraps around.
pub(crate) fn field(address: u64, offset: u64) -> Result<u64, MemoryError> {
    address
        .checked_add(offset)
        .ok_or(MemoryError::Unmapped { address })
}

/// A count that was read, as a size, where it is within bounds.
pub(crate) fn bounded(
    count: u64,
    most: usize,
    expected: &'static str,
    address: u64,
) -> ReadResult<usize> {
    match usize::try_from(count) {
        Ok(count) if count <= most => Ok(count),
        _ => Err(ReadError::Unexpected { expected, address }),
    }
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
pub(crate) mod properties;
#[cfg(test)]
pub(crate) mod typed;
