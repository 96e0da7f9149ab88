//! `dict` objects and the key tables that they share.
//!
//! Look-ups compare keys one after the other, since the target's hash secret is not read. Where a key
//! was found is remembered per key table and tried first the next time, so that a look-up in
//! `sys.modules` costs one string comparison. That a key is absent is never remembered.

use std::collections::HashMap;

use super::{Kind, ObjectReader, bounded, field};
use crate::error::{ReadError, ReadResult};
use crate::layout::KeysLayout;
use crate::memory::Memory;

/// Entries that are looked at; `sys.modules` of a large service has some thousands.
const MAX_ENTRIES: usize = 65_536;

/// Index slots of a table with that many entries, with room to spare.
const MAX_SLOTS: u64 = 1 << 20;

/// Tables whose keys are fetched together before they are compared.
const PREFETCH_FROM_ENTRIES: usize = 32;

/// Hints kept before all are forgotten.
const MAX_HINTS: usize = 1024;

/// Where keys were found: by key table and key.
pub(super) type EntryHints = HashMap<(u64, &'static str), usize>;

/// The entries of a key table, with the values of one dictionary.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entries {
    keys_object: u64,
    first: u64,
    count: usize,
    /// 24 bytes with a hash in front, 16 where all keys are strings.
    has_hash: bool,
    /// The array of values, where they are not in the entries.
    values: Option<u64>,
}

impl Entries {
    fn width(self) -> usize {
        if self.has_hash { 24 } else { 16 }
    }
}

impl<M: Memory> ObjectReader<M> {
    /// The value for a key that is a string, which must be ASCII.
    pub(crate) fn dict_get(&mut self, dict: u64, key: &'static str) -> ReadResult<Option<u64>> {
        let entries = self.dict_entries(dict)?;
        self.value_of(entries, key)
    }

    /// The first value whose key `accept` takes.
    pub(crate) fn dict_find(
        &mut self,
        dict: u64,
        mut accept: impl FnMut(&mut Self, u64) -> ReadResult<bool>,
    ) -> ReadResult<Option<u64>> {
        let entries = self.dict_entries(dict)?;
        for (index, (key, _)) in self.keys_of(entries)?.into_iter().enumerate() {
            if key != 0 && accept(self, key)? {
                return self.value_at(entries, index);
            }
        }
        Ok(None)
    }

    /// All keys and their values.
    pub(crate) fn dict_items(&mut self, dict: u64) -> ReadResult<Vec<(u64, u64)>> {
        let entries = self.dict_entries(dict)?;
        let mut items = self.keys_of(entries)?;
        if entries.values.is_some() {
            for (index, (_, value)) in items.iter_mut().enumerate() {
                *value = self.value_at(entries, index)?.unwrap_or(0);
            }
        }
        items.retain(|(key, value)| *key != 0 && *value != 0);
        Ok(items)
    }

    /// The value for a key that is a string, in a table whose values may lie elsewhere.
    pub(super) fn value_of(
        &mut self,
        entries: Entries,
        key: &'static str,
    ) -> ReadResult<Option<u64>> {
        let hint_key = (entries.keys_object, key);
        if let Some(index) = self.entry_hints.get(&hint_key).copied()
            && index < entries.count
            && self.is_key_at(entries, index, key)?
        {
            return self.value_at(entries, index);
        }
        let keys = self.keys_of(entries)?;
        for (index, (candidate, _)) in keys.into_iter().enumerate() {
            if candidate != 0 && self.is_string(candidate, key)? {
                self.remember(hint_key, index);
                return self.value_at(entries, index);
            }
        }
        Ok(None)
    }

    /// The key table at an address, with values in its entries or in an array of their own.
    pub(super) fn entries(&mut self, keys: u64, values: Option<u64>) -> ReadResult<Entries> {
        let unexpected = ReadError::Unexpected {
            expected: "a table of keys",
            address: keys,
        };
        let (index_bytes, count, header, has_hash) = match self.layout.dict.keys_object {
            KeysLayout::Sized => {
                let slots = self.pointer(keys, 8)?;
                if slots > MAX_SLOTS {
                    return Err(unexpected);
                }
                (
                    slots * index_width(slots),
                    self.pointer(keys, 32)?,
                    40,
                    true,
                )
            }
            KeysLayout::Logarithmic => {
                let log2_index_bytes = self.byte(keys, 9)?;
                if 1_u64 << log2_index_bytes.min(63) > 4 * MAX_SLOTS {
                    return Err(unexpected);
                }
                let has_hash = self.byte(keys, 10)? == 0;
                (1 << log2_index_bytes, self.pointer(keys, 24)?, 32, has_hash)
            }
        };
        let count = bounded(count, MAX_ENTRIES, "a table of keys", keys)?;
        let first = field(keys, header + index_bytes)?;
        Ok(Entries {
            keys_object: keys,
            first,
            count,
            has_hash,
            values,
        })
    }

    fn dict_entries(&mut self, dict: u64) -> ReadResult<Entries> {
        self.expect_kind(dict, Kind::Dict, "a dictionary")?;
        let keys = self.pointer(dict, self.layout.dict.keys)?;
        let values = self.pointer(dict, self.layout.dict.values)?;
        self.entries(keys, (values != 0).then_some(values))
    }

    /// All keys and the values in their entries; 0 where an entry is unused.
    fn keys_of(&mut self, entries: Entries) -> ReadResult<Vec<(u64, u64)>> {
        let bytes = self
            .pages
            .bytes(entries.first, entries.count * entries.width())?;
        let pairs: Vec<(u64, u64)> = bytes
            .chunks_exact(entries.width())
            .map(key_and_value)
            .collect();
        if entries.count >= PREFETCH_FROM_ENTRIES {
            let mut keys: Vec<u64> = pairs.iter().map(|(key, _)| *key).collect();
            keys.sort_unstable();
            self.pages.prefetch(&keys)?;
        }
        Ok(pairs)
    }

    fn is_key_at(&mut self, entries: Entries, index: usize, key: &str) -> ReadResult<bool> {
        let (candidate, _) = self.entry_at(entries, index)?;
        Ok(candidate != 0 && self.is_string(candidate, key)?)
    }

    fn value_at(&mut self, entries: Entries, index: usize) -> ReadResult<Option<u64>> {
        let value = match entries.values {
            Some(values) => {
                self.pointer(values, self.layout.dict.first_value + 8 * index as u64)?
            }
            None => self.entry_at(entries, index)?.1,
        };
        Ok((value != 0).then_some(value))
    }

    fn entry_at(&mut self, entries: Entries, index: usize) -> ReadResult<(u64, u64)> {
        let at = field(entries.first, (index * entries.width()) as u64)?;
        Ok(key_and_value(&self.pages.bytes(at, entries.width())?))
    }

    fn remember(&mut self, hint_key: (u64, &'static str), index: usize) {
        if self.entry_hints.len() >= MAX_HINTS {
            self.entry_hints.clear();
        }
        self.entry_hints.insert(hint_key, index);
    }
}

/// The last two words of an entry.
fn key_and_value(entry: &[u8]) -> (u64, u64) {
    match entry.as_rchunks().1 {
        [.., key, value] => (u64::from_le_bytes(*key), u64::from_le_bytes(*value)),
        _ => (0, 0),
    }
}

/// Bytes of an index slot up to 3.10.
fn index_width(slots: u64) -> u64 {
    match slots {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 4,
    }
}
