//! `__slots__`: attributes that a class keeps at fixed places in its instances.

use std::collections::HashMap;

use super::{ObjectReader, field};
use crate::error::{ReadError, ReadResult};
use crate::layout::fixed;
use crate::memory::Memory;

/// Members of a class that are looked through.
const MAX_MEMBERS: usize = 256;

/// Bases that are followed.
const MAX_BASES: usize = 64;

/// Places kept before all are forgotten.
const MAX_PLACES: usize = 1024;

/// Where instances have a slot, by type and name; `None` for a type that has none of this name. Kept within
/// one generation of pages.
#[derive(Debug, Default)]
pub(super) struct SlotPlaces {
    generation: u64,
    places: HashMap<(u64, &'static str), Option<u64>>,
}

impl<M: Memory> ObjectReader<M> {
    /// The value of a slot; `None` where the type has none of this name, or it was never set.
    pub(crate) fn slot(&mut self, object: u64, name: &'static str) -> ReadResult<Option<u64>> {
        let class = self.type_of(object)?.address;
        let Some(offset) = self.slot_place(class, name)? else {
            return Ok(None);
        };
        let value = self.pointer(object, offset)?;
        Ok((value != 0).then_some(value))
    }

    fn slot_place(&mut self, class: u64, name: &'static str) -> ReadResult<Option<u64>> {
        let generation = self.pages.generation();
        if self.slot_places.generation != generation || self.slot_places.places.len() >= MAX_PLACES
        {
            self.slot_places.generation = generation;
            self.slot_places.places.clear();
        }
        if let Some(place) = self.slot_places.places.get(&(class, name)) {
            return Ok(*place);
        }
        let place = self.find_slot(class, name)?;
        self.slot_places.places.insert((class, name), place);
        Ok(place)
    }

    fn find_slot(&mut self, class: u64, name: &str) -> ReadResult<Option<u64>> {
        let mut current = class;
        for _ in 0..MAX_BASES {
            let members = self.pointer(current, self.layout.type_object.members)?;
            if members != 0
                && let Some(place) = self.find_member(members, name)?
            {
                return Ok(Some(place));
            }
            current = match self.pointer(current, self.layout.type_object.base)? {
                0 => return Ok(None),
                base => base,
            };
        }
        Err(ReadError::Unexpected {
            expected: "a type",
            address: class,
        })
    }

    fn find_member(&mut self, members: u64, name: &str) -> ReadResult<Option<u64>> {
        for index in 0..MAX_MEMBERS as u64 {
            let member = field(members, index * fixed::MEMBER_BYTES)?;
            let text = self.pointer(member, fixed::MEMBER_NAME)?;
            if text == 0 {
                break;
            }
            if self.text_at(text)?.as_deref() == Some(name) {
                return self.pointer(member, fixed::MEMBER_OFFSET).map(Some);
            }
        }
        Ok(None)
    }
}
