//! Attributes of instances, however the version at hand keeps them.
//!
//! Reads what is stored on the instance; it runs no descriptors and looks at no class.

use super::dicts::Entries;
use super::{ObjectReader, TypeInfo, field};
use crate::error::{ReadError, ReadResult};
use crate::layout::AttributeStorage;
use crate::memory::Memory;

/// The type's instances have their dictionary in front of them (from 3.11 on).
const FLAG_MANAGED_DICT: u64 = 1 << 4;

/// The type's instances have values behind them (from 3.13 on).
const FLAG_INLINE_VALUES: u64 = 1 << 2;

/// The byte of inline values that says whether they are in use.
const INLINE_VALUES_VALID: u64 = 3;

/// How far in front of an object its dictionary or tagged pointer is.
const MANAGED_DICT_BEFORE: u64 = 24;

/// How far in front of an object its values are in 3.11.
const VALUES_BEFORE: u64 = 32;

/// Where an instance has its attributes.
enum Place {
    Dict(u64),
    Values(u64),
}

impl<M: Memory> ObjectReader<M> {
    /// An attribute stored on an instance; `None` where it has none of this name.
    pub(crate) fn attribute(&mut self, object: u64, name: &'static str) -> ReadResult<Option<u64>> {
        let class = self.type_of(object)?;
        match self.place(object, &class)? {
            Some(Place::Dict(dict)) => self.dict_get(dict, name),
            Some(Place::Values(values)) => {
                let entries = self.shared_entries(&class, values)?;
                self.value_of(entries, name)
            }
            None => Ok(None),
        }
    }

    fn shared_entries(&mut self, class: &TypeInfo, values: u64) -> ReadResult<Entries> {
        let keys = self.pointer(class.address, self.layout.type_object.cached_keys)?;
        self.entries(keys, Some(values))
    }

    fn place(&mut self, object: u64, class: &TypeInfo) -> ReadResult<Option<Place>> {
        if class.flags & FLAG_MANAGED_DICT == 0 {
            return self.plain_dict(object, class);
        }
        match self.layout.attributes {
            AttributeStorage::Dict => self.plain_dict(object, class),
            AttributeStorage::ValuesOrDict => {
                let values = self.pointer(before(object, VALUES_BEFORE)?, 0)?;
                let dict = self.pointer(before(object, MANAGED_DICT_BEFORE)?, 0)?;
                Ok(non_null(values)
                    .map(Place::Values)
                    .or(non_null(dict).map(Place::Dict)))
            }
            AttributeStorage::TaggedValuesOrDict => {
                let tagged = self.pointer(before(object, MANAGED_DICT_BEFORE)?, 0)?;
                Ok(non_null(tagged).map(untag_values_or_dict))
            }
            AttributeStorage::InlineValues => {
                let dict = self.pointer(before(object, MANAGED_DICT_BEFORE)?, 0)?;
                Ok(match non_null(dict) {
                    Some(dict) => Some(Place::Dict(dict)),
                    None => self.inline_values(object, class)?.map(Place::Values),
                })
            }
        }
    }

    /// The version tables set this bit's meaning from 3.11 on; before, types have other bits there.
    fn plain_dict(&mut self, object: u64, class: &TypeInfo) -> ReadResult<Option<Place>> {
        match u64::try_from(class.dict_offset) {
            Ok(offset) if offset > 0 => {
                Ok(non_null(self.pointer(object, offset)?).map(Place::Dict))
            }
            _ => Ok(None),
        }
    }

    fn inline_values(&mut self, object: u64, class: &TypeInfo) -> ReadResult<Option<u64>> {
        if class.flags & FLAG_INLINE_VALUES == 0 {
            return Ok(None);
        }
        let values = field(object, class.basic_size)?;
        Ok((self.byte(values, INLINE_VALUES_VALID)? != 0).then_some(values))
    }
}

/// In 3.12 the lowest bit tells: a pointer to values is stored one short.
fn untag_values_or_dict(tagged: u64) -> Place {
    if tagged & 1 == 0 {
        Place::Dict(tagged)
    } else {
        Place::Values(tagged.wrapping_add(1))
    }
}

fn non_null(pointer: u64) -> Option<u64> {
    (pointer != 0).then_some(pointer)
}

fn before(object: u64, distance: u64) -> ReadResult<u64> {
    object.checked_sub(distance).ok_or(ReadError::Unexpected {
        expected: "an instance",
        address: object,
    })
}
