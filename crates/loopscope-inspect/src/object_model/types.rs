//! Type objects: what an object is, checked on each dereference.
//!
//! A pointer is believed to be an object only if its type has a metatype that is itself a type, a
//! readable name and a plausible size. Types are cached by address; a cached type is checked against
//! its name pointer and size at each use, for heap types come and go.

use std::sync::Arc;

use super::kinds::{FLAG_HEAP_TYPE, Kind, kind_by_name};
use super::{MAX_TYPES, ObjectReader, TYPE_POINTER, field};
use crate::error::{ReadError, ReadResult};
use crate::layout::CoroutineFrame;
use crate::memory::{Memory, PAGE_BYTES};

/// The longest type name that is read; a longer one is cut by being refused.
const MAX_NAME_BYTES: usize = 512;

/// No instance of a real type has a larger fixed part.
const MAX_BASIC_SIZE: u64 = 1 << 20;

/// Bases that are followed; real hierarchies have less than twenty.
const MAX_BASES: usize = 64;

/// Classes in the order of method resolution that are looked through for a future's class.
const MAX_RESOLUTION_ORDER: usize = 128;

const FLAG_TYPE: u64 = 1 << 31;

/// The largest generator, coroutine or asynchronous generator of a version whose frames are objects of
/// their own.
const MAX_GENERATOR_BYTES: u64 = 120;

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
    /// When it was checked last: within one generation of pages once is enough.
    generation: u64,
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
        if self.kind_of(object)? == kind {
            Ok(())
        } else {
            Err(ReadError::Unexpected {
                expected,
                address: object,
            })
        }
    }

    /// Where an object's type is, unchecked.
    pub(crate) fn type_address(&mut self, object: u64) -> ReadResult<u64> {
        self.pointer(object, TYPE_POINTER)
    }

    /// What an object is.
    #[inline]
    pub(crate) fn kind_of(&mut self, object: u64) -> ReadResult<Kind> {
        let class = self.pointer(object, TYPE_POINTER)?;
        match self.recent_kinds.get(class, self.pages.generation()) {
            Some(kind) if class != 0 => Ok(kind),
            _ => self.kind_of_type(class),
        }
    }

    fn kind_of_type(&mut self, class: u64) -> ReadResult<Kind> {
        let kind = self.type_at(class)?.kind;
        let generation = self.pages.generation();
        self.recent_kinds.insert(class, generation, kind);
        Ok(kind)
    }

    /// The type object at an address.
    pub(crate) fn type_at(&mut self, address: u64) -> ReadResult<Arc<TypeInfo>> {
        if let Some(known) = self.known_type(address) {
            return Ok(Arc::clone(known));
        }
        if !address.is_multiple_of(8) {
            return Err(not_a_type(address));
        }
        let name_pointer = self.pointer(address, self.layout.type_object.name)?;
        let basic_size = self.pointer(address, self.layout.type_object.basic_size)?;
        let generation = self.pages.generation();
        if let Some(cached) = self.types.get_mut(&address)
            && cached.name_pointer == name_pointer
            && cached.info.basic_size == basic_size
        {
            cached.generation = generation;
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
                generation,
                info: Arc::clone(&info),
            },
        );
        Ok(info)
    }

    fn known_type(&self, address: u64) -> Option<&Arc<TypeInfo>> {
        let known = self.types.get(&address)?;
        (known.generation == self.pages.generation()).then_some(&known.info)
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
            .text_at(name_pointer)?
            .ok_or_else(|| not_a_type(address))?;
        let mut info = TypeInfo {
            address,
            kind: kind_by_name(&name, flags),
            name: name.into(),
            flags,
            basic_size,
            dict_offset: dict_offset.cast_signed(),
        };
        info.kind = match info.kind {
            Kind::Generator if !self.is_generator_size(basic_size) => Kind::CythonCoroutine,
            // A future that cannot be told is no reason to call its type no type.
            Kind::Other => self.kind_by_bases(&info).unwrap_or(Kind::Other),
            kind => kind,
        };
        Ok(info)
    }

    /// Whether instances have the size of the interpreter's own generators. Cython's coroutines have had
    /// the same name, and are larger.
    fn is_generator_size(&self, basic_size: u64) -> bool {
        match self.layout.generator.frame {
            CoroutineFrame::Pointer { .. } => basic_size <= MAX_GENERATOR_BYTES,
            CoroutineFrame::Embedded { offset } => basic_size == offset + self.layout.frame.locals,
        }
    }

    /// Whether a type is a future or a task, and whose.
    fn kind_by_bases(&mut self, info: &TypeInfo) -> ReadResult<Kind> {
        let native = self.find_native_base(info)?;
        if let Some((kind, basic_size)) = native {
            let expected = match kind {
                Kind::NativeTask => self.layout.task.size,
                _ => self.layout.future.size,
            };
            return match basic_size == expected {
                true => Ok(kind),
                false => Err(not_a_type(info.address)),
            };
        }
        self.find_python_base(info)
    }

    /// The C accelerator's type among the bases, with the size of its instances. It fixes their layout, so
    /// the chain of `tp_base` always passes through it.
    fn find_native_base(&mut self, info: &TypeInfo) -> ReadResult<Option<(Kind, u64)>> {
        let layout = self.layout.type_object;
        let mut class = info.address;
        for _ in 0..MAX_BASES {
            let name_pointer = self.pointer(class, layout.name)?;
            let kind = match self.text_at(name_pointer)?.as_deref() {
                Some("_asyncio.Task") => Some(Kind::NativeTask),
                Some("_asyncio.Future") => Some(Kind::NativeFuture),
                _ => None,
            };
            if let Some(kind) = kind {
                return Ok(Some((kind, self.pointer(class, layout.basic_size)?)));
            }
            class = match self.pointer(class, layout.base)? {
                0 => return Ok(None),
                base => base,
            };
        }
        Err(not_a_type(info.address))
    }

    /// asyncio's own classes among all that a class inherits from, known by name and module.
    fn find_python_base(&mut self, info: &TypeInfo) -> ReadResult<Kind> {
        if !info.is_heap_type() {
            return Ok(Kind::Other);
        }
        let order = self.pointer(info.address, self.layout.type_object.mro)?;
        let count = self.variable_size(order, MAX_RESOLUTION_ORDER)?;
        let first = field(order, self.layout.containers.tuple_items)?;
        for index in 0..count as u64 {
            let class = self.pointer(first, 8 * index)?;
            let name_pointer = self.pointer(class, self.layout.type_object.name)?;
            let (kind, module) = match self.text_at(name_pointer)?.as_deref() {
                Some("Task") => (Kind::PythonTask, "asyncio.tasks"),
                Some("Future") => (Kind::PythonFuture, "asyncio.futures"),
                _ => continue,
            };
            let dict = self.pointer(class, self.layout.type_object.dict)?;
            if let Some(name) = self.dict_get(dict, "__module__")?
                && self.is_string(name, module)?
            {
                return Ok(kind);
            }
        }
        Ok(Kind::Other)
    }

    fn is_metatype(&mut self, metatype: u64) -> ReadResult<bool> {
        let own_type = self.pointer(metatype, TYPE_POINTER)?;
        let flags = self.layout.type_object.flags;
        Ok(self.pointer(metatype, flags)? & FLAG_TYPE != 0
            && self.pointer(own_type, flags)? & FLAG_TYPE != 0)
    }

    /// A zero-terminated name; `None` where there is none that could be a name.
    pub(super) fn text_at(&mut self, start: u64) -> ReadResult<Option<String>> {
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

fn not_a_type(address: u64) -> ReadError {
    ReadError::Unexpected {
        expected: "a type",
        address,
    }
}
