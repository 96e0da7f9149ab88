//! Finds what `_asyncio` says of its own layout, from 3.14 on.
//!
//! It is an extension module in most builds and a part of the interpreter in some, and a program may import
//! it long after it was attached to: so it is looked for once in the interpreter's file, and before each
//! dump, until it is there, among the files that are mapped meanwhile.

use crate::elf;
use crate::layout::asyncio_debug::{self, AsyncioOffsets};
use crate::layout::{Layout, TaskRegistry};
use crate::maps::{self, Mapping};
use crate::memory::Memory;

use super::{Interpreter, open};

impl Interpreter {
    /// Looks for the extension module, if that can tell anything new; true where the layout changed by it.
    pub(crate) fn look_for_asyncio(&mut self, pid: u32, memory: &impl Memory) -> bool {
        if self.knows_asyncio || !has_offsets(&self.layout) {
            return false;
        }
        let mappings = maps::file_mappings(pid).unwrap_or_default();
        let module = mappings.iter().find(|mapping| is_module(mapping));
        let offsets = module.and_then(|module| read_offsets(pid, memory, module, false));
        let Some(offsets) = offsets else {
            return false;
        };
        self.layout = offsets.apply(self.layout);
        self.knows_asyncio = true;
        true
    }
}

/// Whether `_asyncio` of this version says anything.
pub(super) fn has_offsets(layout: &Layout) -> bool {
    matches!(layout.task_registry, TaskRegistry::LinkedLists(_))
}

/// `_asyncio.cpython-314-x86_64-linux-gnu.so`
fn is_module(mapping: &Mapping) -> bool {
    let name = mapping.file_name();
    mapping.file_offset == 0 && name.starts_with("_asyncio.") && name.ends_with(".so")
}

/// What the section in a mapped file says; `None` where it has none, or nonsense.
pub(super) fn read_offsets(
    pid: u32,
    memory: &impl Memory,
    mapping: &Mapping,
    is_program: bool,
) -> Option<AsyncioOffsets> {
    let file = open(pid, mapping, is_program).ok()?;
    let section = elf::section_address(file, mapping.start, asyncio_debug::SECTION)?;
    let mut bytes = [0; asyncio_debug::BYTES];
    memory.read(section, &mut bytes).ok()?;
    AsyncioOffsets::parse(&bytes)
}
