//! Tuples, lists and sets: their items, and those of a weak set.
//!
//! Large ones are read in pieces, and never more than a bounded number of items: a length that was read
//! from garbage must not become an allocation.

use super::{Kind, ObjectReader, bounded, field};
use crate::error::{ReadError, ReadResult};
use crate::layout::fixed;
use crate::memory::{MAX_READ_BYTES, Memory};

/// Items of a tuple; an argument list or a closure has a handful.
const MAX_TUPLE_ITEMS: usize = 4096;

/// Items of a list and entries of a set: a million tasks or timers, with room to spare.
const MAX_ITEMS: usize = 1 << 22;

/// Bytes of a table that are read at once.
const PIECE_BYTES: usize = MAX_READ_BYTES / 2;

impl<M: Memory> ObjectReader<M> {
    /// The items of a tuple.
    pub(crate) fn tuple_items(&mut self, tuple: u64) -> ReadResult<Vec<u64>> {
        self.expect_kind(tuple, Kind::Tuple, "a tuple")?;
        let count = self.variable_size(tuple, MAX_TUPLE_ITEMS)?;
        let first = field(tuple, self.layout.containers.tuple_items)?;
        self.words(first, count)
    }

    /// An item of a tuple, `None` where it has not as many.
    pub(crate) fn tuple_item(&mut self, tuple: u64, index: usize) -> ReadResult<Option<u64>> {
        self.expect_kind(tuple, Kind::Tuple, "a tuple")?;
        if index >= self.variable_size(tuple, MAX_TUPLE_ITEMS)? {
            return Ok(None);
        }
        let offset = self.layout.containers.tuple_items + 8 * index as u64;
        self.pointer(tuple, offset).map(Some)
    }

    /// How many items a list has.
    pub(crate) fn list_length(&mut self, list: u64) -> ReadResult<usize> {
        self.expect_kind(list, Kind::List, "a list")?;
        self.variable_size(list, MAX_ITEMS)
    }

    /// The items of a list.
    pub(crate) fn list_items(&mut self, list: u64) -> ReadResult<Vec<u64>> {
        self.first_list_items(list, MAX_ITEMS)
    }

    /// The items of a list, the first `most` of them.
    pub(crate) fn first_list_items(&mut self, list: u64, most: usize) -> ReadResult<Vec<u64>> {
        match self.list_length(list)?.min(most) {
            0 => Ok(Vec::new()),
            count => {
                let first = self.pointer(list, self.layout.containers.list_items)?;
                self.words(first, count)
            }
        }
    }

    /// How many members a set has.
    pub(crate) fn set_length(&mut self, set: u64) -> ReadResult<usize> {
        self.expect_kind(set, Kind::Set, "a set")?;
        let used = self.pointer(set, self.layout.containers.set_used)?;
        bounded(used, MAX_ITEMS, "a set", set)
    }

    /// The members of a set, in the order of its table.
    pub(crate) fn set_items(&mut self, set: u64) -> ReadResult<Vec<u64>> {
        self.expect_kind(set, Kind::Set, "a set")?;
        let layout = self.layout.containers;
        let mask = self.pointer(set, layout.set_mask)?;
        let used = self.pointer(set, layout.set_used)?;
        let entries = bounded(mask, MAX_ITEMS, "a set", set)? + 1;
        if used > entries as u64 {
            return Err(ReadError::Unexpected {
                expected: "a set",
                address: set,
            });
        }
        let table = self.pointer(set, layout.set_table)?;
        let words = self.words(table, entries * (fixed::SET_ENTRY_BYTES / 8) as usize)?;
        let in_use = |entry: &&[u64; 2]| entry[0] != 0 && entry[1].cast_signed() != -1;
        let members = words.as_chunks::<2>().0.iter().filter(in_use);
        let members: Vec<u64> = members.map(|[member, _]| *member).collect();
        // A thread that was stopped while it gives the set a larger table has moved some of them so far.
        self.met_unfinished_set |= members.len() as u64 != used;
        Ok(members)
    }

    /// The living objects that a `weakref.WeakSet` refers to, added to `living`. A member that cannot be read, as one
    /// that went away meanwhile, costs no other: the first such error comes when all are read.
    pub(crate) fn weak_set_items(
        &mut self,
        weak_set: u64,
        living: &mut Vec<u64>,
    ) -> ReadResult<()> {
        let unexpected = ReadError::Unexpected {
            expected: "a weak set",
            address: weak_set,
        };
        let data = self.attribute(weak_set, "data")?.ok_or(unexpected)?;
        let references = self.set_items(data)?;
        self.pages.prefetch_objects(references.iter().copied())?;
        let mut failure = None;
        let mut objects = Vec::with_capacity(references.len());
        for reference in references {
            match self.referent(reference) {
                Ok(object) => objects.push(object),
                Err(error) if error.is_final() => return Err(error),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        self.pages.prefetch_objects(objects.iter().copied())?;
        living.reserve(objects.len());
        for object in objects.into_iter().filter(|object| *object != 0) {
            match self.kind_of(object) {
                // A reference whose callback has not run yet refers to `None`.
                Ok(Kind::None) => {}
                Ok(_) => living.push(object),
                Err(error) if error.is_final() => return Err(error),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        // One that was stopped may be just about to take that member out.
        self.met_unfinished_set |= failure.is_some();
        failure.map_or(Ok(()), Err)
    }

    /// What a weak reference refers to; 0 for nothing.
    fn referent(&mut self, reference: u64) -> ReadResult<u64> {
        self.expect_kind(reference, Kind::WeakReference, "a weak reference")?;
        self.pointer(reference, fixed::WEAK_REFERENCE_OBJECT)
    }

    /// As many words as are asked for, read in pieces.
    fn words(&mut self, first: u64, count: usize) -> ReadResult<Vec<u64>> {
        let mut words = Vec::new();
        while words.len() < count {
            let at = field(first, 8 * words.len() as u64)?;
            let length = PIECE_BYTES.min(8 * (count - words.len()));
            let bytes = self.pages.bytes(at, length)?;
            let piece = bytes.as_chunks().0.iter();
            words.extend(piece.map(|word| u64::from_le_bytes(*word)));
        }
        Ok(words)
    }
}
