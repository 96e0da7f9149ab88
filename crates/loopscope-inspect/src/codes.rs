//! Code objects: the file, function and line table behind a frame.
//!
//! They never change while they live, so they are kept between samples, by address, with the
//! pointers that tell whether the object at that address is still the same one.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{ReadError, ReadResult};
use crate::layout::LineFormat;
use crate::linetable::line_at;
use crate::memory::{AddressMap, Memory};
use crate::object_model::{Kind, ObjectReader, field};
use crate::sample::Frame;

/// Code objects kept before those that the reading at hand does without are forgotten.
const MAX_CODES: usize = 32_768;

/// The longest line table that is read; a function of ten thousand lines has less.
const MAX_TABLE_BYTES: usize = 1 << 20;

/// No code is longer than this many bytes of instructions.
const MAX_CODE_BYTES: u64 = 1 << 26;

/// The bytes of a `bytes` object.
const BYTES_DATA: u64 = 32;

/// `CO_COROUTINE`, `CO_ITERABLE_COROUTINE` and `CO_ASYNC_GENERATOR`.
const COROUTINE_FLAGS: u32 = 0x80 | 0x100 | 0x200;

/// Code objects seen so far.
#[derive(Debug, Default)]
pub(crate) struct CodeCache {
    codes: AddressMap<Code>,
    file_names: HashMap<Arc<str>, ()>,
}

#[derive(Debug)]
pub(crate) struct Code {
    identity: Identity,
    /// When its identity was checked last: within one generation of pages once is enough.
    generation: u64,
    pub(crate) file: Arc<str>,
    pub(crate) function: Arc<str>,
    pub(crate) is_coroutine: bool,
    /// Whether its first argument is called `self`.
    pub(crate) is_method: bool,
    line_table: Box<[u8]>,
    line_format: LineFormat,
    known_lines: AddressMap<u32>,
}

/// What tells one code object from a later one at its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    filename: u64,
    function: u64,
    line_table: u64,
    first_line: u32,
}

impl CodeCache {
    /// The frame that stands at `offset` bytes into the code; a negative offset is before its first
    /// instruction.
    pub(crate) fn frame<M: Memory>(
        &mut self,
        reader: &mut ObjectReader<M>,
        address: u64,
        offset: i64,
    ) -> ReadResult<Frame> {
        self.load(reader, address)?;
        self.known_frame(address, offset)
    }

    /// Reads a code object, unless it is known.
    pub(crate) fn load<M: Memory>(
        &mut self,
        reader: &mut ObjectReader<M>,
        address: u64,
    ) -> ReadResult<()> {
        let generation = reader.pages.generation();
        let known = self.codes.get_mut(&address);
        if known
            .as_ref()
            .is_some_and(|code| code.generation == generation)
        {
            return Ok(());
        }
        let identity = read_identity(reader, address)?;
        if let Some(code) = known
            && code.identity == identity
        {
            code.generation = generation;
            return Ok(());
        }
        let code = self.read_code(reader, address, identity)?;
        if self.codes.len() >= MAX_CODES {
            self.codes.retain(|_, code| code.generation == generation);
            self.file_names.clear();
        }
        if self.codes.len() >= MAX_CODES {
            return Err(not_code(address));
        }
        self.codes.insert(address, code);
        Ok(())
    }

    /// A code object that was loaded.
    pub(crate) fn known(&self, address: u64) -> Option<&Code> {
        self.codes.get(&address)
    }

    /// The frame that stands in a code object that was loaded. Reads nothing.
    pub(crate) fn known_frame(&mut self, address: u64, offset: i64) -> ReadResult<Frame> {
        match self.codes.get_mut(&address) {
            Some(code) => code.frame_at(offset, address),
            None => Err(not_code(address)),
        }
    }

    fn read_code<M: Memory>(
        &mut self,
        reader: &mut ObjectReader<M>,
        address: u64,
        identity: Identity,
    ) -> ReadResult<Code> {
        reader.expect_kind(address, Kind::Code, "a code object")?;
        let layout = reader.layout.code;
        let flags = reader.word(address, layout.flags)?;
        let file = reader.string(identity.filename)?;
        let length = reader.variable_size(identity.line_table, MAX_TABLE_BYTES)?;
        let line_table = reader
            .pages
            .bytes(field(identity.line_table, BYTES_DATA)?, length)?;
        Ok(Code {
            identity,
            generation: reader.pages.generation(),
            file: self.shared_name(file),
            function: reader.string(identity.function)?.into(),
            is_coroutine: flags & COROUTINE_FLAGS != 0,
            is_method: reader.is_method_code(address).unwrap_or(false),
            line_table: line_table.into(),
            line_format: layout.line_format,
            known_lines: AddressMap::default(),
        })
    }

    /// One copy of each file name, however many functions the file has.
    fn shared_name(&mut self, name: String) -> Arc<str> {
        if let Some((known, ())) = self.file_names.get_key_value(name.as_str()) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.file_names.insert(Arc::clone(&name), ());
        name
    }
}

impl Code {
    fn frame_at(&mut self, offset: i64, address: u64) -> ReadResult<Frame> {
        Ok(Frame {
            file: Arc::clone(&self.file),
            line: self.line_at(offset, address)?,
            function: Arc::clone(&self.function),
            is_coroutine: self.is_coroutine,
        })
    }

    fn line_at(&mut self, offset: i64, address: u64) -> ReadResult<u32> {
        let Ok(offset) = u64::try_from(offset) else {
            return Ok(self.identity.first_line);
        };
        if offset > MAX_CODE_BYTES {
            return Err(not_code(address));
        }
        if let Some(line) = self.known_lines.get(&offset) {
            return Ok(*line);
        }
        let line = line_at(
            self.line_format,
            &self.line_table,
            self.identity.first_line,
            offset,
        );
        let line = line.unwrap_or(0);
        self.known_lines.insert(offset, line);
        Ok(line)
    }
}

fn read_identity<M: Memory>(reader: &mut ObjectReader<M>, address: u64) -> ReadResult<Identity> {
    let layout = reader.layout.code;
    Ok(Identity {
        filename: reader.pointer(address, layout.filename)?,
        function: reader.pointer(address, layout.function)?,
        line_table: reader.pointer(address, layout.line_table)?,
        first_line: reader.word(address, layout.first_line)?,
    })
}

fn not_code(address: u64) -> ReadError {
    ReadError::Unexpected {
        expected: "a code object",
        address,
    }
}
