//! Type objects: what an object is, checked on each dereference.
//!
//! A pointer is believed to be an object only if its type has a metatype that is itself a type, a
//! readable name and a plausible size. Types are cached by address; a cached type is checked against
//! its name pointer and size at each use, for heap types come and go.

use std::sync::Arc;

use super::{MAX_TYPES, ObjectReader, TYPE_POINTER, field};
use crate::error::{ReadError, ReadResult};
use crate::memory::{Memory, PAGE_BYTES};

/// The longest type name that is read; a longer one is cut by being refused.
const MAX_NAME_BYTES: usize = 512;

/// No instance of a real type has a larger fixed part.
const MAX_BASIC_SIZE: u64 = 1 << 20;

/// Bases that are followed; real hierarchies have less than twenty.
const MAX_BASES: usize = 64;

const FLAG_HEAP_TYPE: u64 = 1 << 9;
const FLAG_INT: u64 = 1 << 24;
const FLAG_STR: u64 = 1 << 28;
const FLAG_DICT: u64 = 1 << 29;
const FLAG_TYPE: u64 = 1 << 31;

/// What the readers need to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Str,
    Int,
    Dict,
    None,
    Code,
    Deque,
    Other,
}

/// A type object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypeInfo {
    pub(crate) address: u64,
    /// The name as the type has it: without a module for classes of Python code.
    pub(crate) name: Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) flags: u64,
    pub(crate) basic_size: u64,
    pub(crate) dict_offset: i64,
}

impl TypeInfo {
    /// Whether it was made while the program ran: by a class statement, or by an extension module.
    pub(crate) fn is_heap_type(&self) -> bool {
        self.flags & FLAG_HEAP_TYPE != 0
    }
}

/// A type with what tells that it still is the same.
#[derive(Clone, Debug)]
pub(super) struct CachedType {
    name_pointer: u64,
    info: Arc<TypeInfo>,
}

impl<M: Memory> ObjectReader<M> {
    /// The type of an object.
    pub(crate) fn type_of(&mut self, object: u64) -> ReadResult<Arc<TypeInfo>> {
        let address = self.pointer(object, TYPE_POINTER)?;
        self.type_at(address)
    }

    /// Fails unless the object is of this kind.
    pub(crate) fn expect_kind(
        &mut self,
        object: u64,
        kind: Kind,
        expected: &'static str,
    ) -> ReadResult<()> {
        if self.type_of(object)?.kind == kind {
            Ok(())
        } else {
            Err(ReadError::Unexpected {
                expected,
                address: object,
            })
        }
    }

    /// The type object at an address.
    pub(crate) fn type_at(&mut self, address: u64) -> ReadResult<Arc<TypeInfo>> {
        if !address.is_multiple_of(8) {
            return Err(not_a_type(address));
        }
        let name_pointer = self.pointer(address, self.layout.type_object.name)?;
        let basic_size = self.pointer(address, self.layout.type_object.basic_size)?;
        if let Some(cached) = self.types.get(&address)
            && cached.name_pointer == name_pointer
            && cached.info.basic_size == basic_size
        {
            return Ok(Arc::clone(&cached.info));
        }
        let info = Arc::new(self.read_type(address, name_pointer, basic_size)?);
        if self.types.len() >= MAX_TYPES {
            self.types.clear();
        }
        self.types.insert(
            address,
            CachedType {
                name_pointer,
                info: Arc::clone(&info),
            },
        );
        Ok(info)
    }

    /// The first base, the type itself included, for which `accept` holds. Follows the chain of
    /// `tp_base`, which always passes through the class that fixes the layout of instances.
    pub(crate) fn find_base(
        &mut self,
        start: &Arc<TypeInfo>,
        accept: impl Fn(&TypeInfo) -> bool,
    ) -> ReadResult<Option<Arc<TypeInfo>>> {
        let mut current = Arc::clone(start);
        for _ in 0..MAX_BASES {
            if accept(&current) {
                return Ok(Some(current));
            }
            match self.pointer(current.address, self.layout.type_object.base)? {
                0 => return Ok(None),
                base => current = self.type_at(base)?,
            }
        }
        Err(not_a_type(start.address))
    }

    fn read_type(
        &mut self,
        address: u64,
        name_pointer: u64,
        basic_size: u64,
    ) -> ReadResult<TypeInfo> {
        let metatype = self.pointer(address, TYPE_POINTER)?;
        if basic_size > MAX_BASIC_SIZE || !self.is_metatype(metatype)? {
            return Err(not_a_type(address));
        }
        let flags = self.pointer(address, self.layout.type_object.flags)?;
        let dict_offset = self.pointer(address, self.layout.type_object.dict_offset)?;
        let name = self
            .type_name(name_pointer)?
            .ok_or_else(|| not_a_type(address))?;
        let kind = kind_of(&name, flags);
        let dict_offset = dict_offset.cast_signed();
        Ok(TypeInfo {
            address,
            name: name.into(),
            kind,
            flags,
            basic_size,
            dict_offset,
        })
    }

    fn is_metatype(&mut self, metatype: u64) -> ReadResult<bool> {
        let own_type = self.pointer(metatype, TYPE_POINTER)?;
        let flags = self.layout.type_object.flags;
        Ok(self.pointer(metatype, flags)? & FLAG_TYPE != 0
            && self.pointer(own_type, flags)? & FLAG_TYPE != 0)
    }

    /// A zero-terminated name; `None` where there is none that could be a name.
    fn type_name(&mut self, start: u64) -> ReadResult<Option<String>> {
        let mut name = Vec::new();
        while name.len() < MAX_NAME_BYTES {
            let at = field(start, name.len() as u64)?;
            let to_page_end = PAGE_BYTES - (at as usize % PAGE_BYTES);
            let bytes = self
                .pages
                .bytes(at, to_page_end.min(MAX_NAME_BYTES - name.len()))?;
            if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
                name.extend_from_slice(bytes.get(..end).unwrap_or_default());
                return Ok(String::from_utf8(name).ok().filter(|name| is_name(name)));
            }
            name.extend_from_slice(&bytes);
        }
        Ok(None)
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

/// Subclasses of built-in types are told by flags, for they share the layout; the others by name, where
/// a class statement cannot have made them: it makes heap types, and gives them names without dots.
fn kind_of(name: &str, flags: u64) -> Kind {
    let is_static = flags & FLAG_HEAP_TYPE == 0;
    match name {
        _ if flags & FLAG_STR != 0 => Kind::Str,
        _ if flags & FLAG_INT != 0 => Kind::Int,
        _ if flags & FLAG_DICT != 0 => Kind::Dict,
        "NoneType" if is_static => Kind::None,
        "code" if is_static => Kind::Code,
        "collections.deque" => Kind::Deque,
        _ => Kind::Other,
    }
}

fn not_a_type(address: u64) -> ReadError {
    ReadError::Unexpected {
        expected: "a type",
        address,
    }
}
