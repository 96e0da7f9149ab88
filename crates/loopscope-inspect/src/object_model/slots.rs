//! `__slots__`: attributes that a class keeps at fixed places in its instances.

use super::{ObjectReader, field};
use crate::error::{ReadError, ReadResult};
use crate::layout::fixed;
use crate::memory::Memory;

/// Members of a class that are looked through.
const MAX_MEMBERS: usize = 256;

/// Bases that are followed.
const MAX_BASES: usize = 64;

impl<M: Memory> ObjectReader<M> {
    /// The value at a slot's place; `None` where there is no such slot, or where it was never set.
    pub(crate) fn slot_at(&mut self, object: u64, place: Option<u64>) -> ReadResult<Option<u64>> {
        let Some(place) = place else { return Ok(None) };
        let value = self.pointer(object, place)?;
        Ok((value != 0).then_some(value))
    }

    /// Where instances of a class have a slot; `None` where they have none of this name.
    pub(crate) fn slot_place(&mut self, class: u64, name: &str) -> ReadResult<Option<u64>> {
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
