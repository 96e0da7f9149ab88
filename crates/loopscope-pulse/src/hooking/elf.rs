//! Which slots of a loaded object hold the addresses of which imported functions.
//!
//! Reads the tables that the loader itself read. They were written by whatever built the object, so nothing
//! in them is trusted: each address is looked for in the object's own segments before anything is read
//! there, and whatever does not fit is passed over.
#![expect(unsafe_code, reason = "reads memory that is known by its address")]

use libc::Elf64_Phdr;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_GNU_RELRO: u32 = 0x6474_e552;

const PF_EXECUTE: u32 = 1;
const PF_WRITE: u32 = 2;
const PF_READ: u32 = 4;

const DT_NULL: u64 = 0;
const DT_PLTRELSZ: u64 = 2;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;
const DT_RELAENT: u64 = 9;
const DT_STRSZ: u64 = 10;
const DT_SYMENT: u64 = 11;
const DT_PLTREL: u64 = 20;
const DT_JMPREL: u64 = 23;

/// Of x86-64: a slot of data, and a slot that a call jumps through.
const R_GLOB_DAT: u32 = 6;
const R_JUMP_SLOT: u32 = 7;

/// Sizes of an entry of the dynamic section, of a relocation with an addend, and of a symbol.
const DYNAMIC_BYTES: usize = 16;
const RELOCATION_BYTES: usize = 24;
const SYMBOL_BYTES: usize = 24;

/// More entries than any dynamic section has; one that does not end is read no further.
const MOST_DYNAMIC: usize = 512;

/// As much of a name as is ever compared, its end included.
const NAME_BYTES: usize = 16;

/// The page of x86-64.
pub(crate) const PAGE_BYTES: usize = 4096;

/// Memory by its address.
pub(crate) trait Memory {
    /// Copies what stands there.
    ///
    /// # Safety
    /// All of it lies in a segment of a loaded object that is mapped for reading.
    unsafe fn copy(&self, address: usize, into: &mut [u8]);
}

/// An object as the loader tells of it.
pub(crate) struct Object<'a, M> {
    /// What is added to the addresses in its headers.
    pub(crate) base: usize,
    /// Its program headers. They alone are believed: it is by them that the loader mapped the object.
    pub(crate) headers: &'a [Elf64_Phdr],
    /// Where its segments can be read.
    pub(crate) memory: M,
}

/// A slot that holds the address of an imported function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    /// The slot's address: aligned, and in a segment that is mapped for writing at first.
    pub(crate) slot: usize,
    /// Which of the wanted names.
    pub(crate) name: usize,
    /// Whether calls jump through it. Such a slot may point back into its own object until the first call.
    pub(crate) is_jump: bool,
}

/// Some entries of one size in one segment.
#[derive(Clone, Copy, Default)]
struct Table {
    start: usize,
    bytes: usize,
}

/// What the dynamic section says.
#[derive(Default)]
struct Tables {
    symbols: usize,
    strings: Table,
    relocations: [Table; 2],
}

impl<M: Memory> Object<'_, M> {
    /// Whether this address lies in one of its segments.
    pub(crate) fn holds(&self, address: usize) -> bool {
        self.in_segment(PT_LOAD, 0, address, 1)
    }

    /// Whether this address lies in its code.
    pub(crate) fn holds_code(&self, address: usize) -> bool {
        self.in_segment(PT_LOAD, PF_EXECUTE, address, 1)
    }

    /// Whether the loader makes this address read-only once it has relocated the object: whole pages, from
    /// the one where the range begins to the last that ends in it.
    pub(crate) fn seals(&self, address: usize) -> bool {
        let page = |address: usize| address & !(PAGE_BYTES - 1);
        self.headers.iter().any(|header| {
            let start = self.base.wrapping_add(header.p_vaddr as usize);
            let end = start.wrapping_add(header.p_memsz as usize);
            header.p_type == PT_GNU_RELRO && (page(start)..page(end)).contains(&address)
        })
    }

    /// Finds every slot for a function of one of these names that the object itself does not define.
    pub(crate) fn imports(&self, names: &[&[u8]], mut found: impl FnMut(Import)) {
        let Some(tables) = self.tables() else {
            return;
        };
        for table in tables.relocations {
            self.entries(table, |entry| {
                if let Some(import) = self.import(&tables, names, entry) {
                    found(import);
                }
            });
        }
    }

    /// Shows every whole entry of a table of relocations. A large object has a hundred thousand of them, and
    /// the loader's lock is held: so they are read by the page.
    fn entries(&self, table: Table, mut show: impl FnMut(&[u8; RELOCATION_BYTES])) {
        const BLOCK_BYTES: usize = RELOCATION_BYTES * 128;
        let mut block = [0; BLOCK_BYTES];
        let whole = table.bytes - table.bytes % RELOCATION_BYTES;
        for start in (0..whole).step_by(BLOCK_BYTES) {
            let bytes = BLOCK_BYTES.min(whole - start);
            let Some(part) = block.get_mut(..bytes) else {
                return;
            };
            if self.read_into(table.start + start, part).is_none() {
                return;
            }
            part.as_chunks().0.iter().for_each(&mut show);
        }
    }

    fn import(
        &self,
        tables: &Tables,
        names: &[&[u8]],
        entry: &[u8; RELOCATION_BYTES],
    ) -> Option<Import> {
        let (offset, info) = (word(entry, 0), word(entry, 8));
        let kind = info as u32;
        if kind != R_GLOB_DAT && kind != R_JUMP_SLOT {
            return None;
        }
        let name = self.imported_name(tables, names, (info >> 32) as usize)?;
        let slot = self.base.wrapping_add(offset as usize);
        let bytes = size_of::<usize>();
        let is_slot = slot.is_multiple_of(bytes) && self.in_segment(PT_LOAD, PF_WRITE, slot, bytes);
        is_slot.then_some(Import {
            slot,
            name,
            is_jump: kind == R_JUMP_SLOT,
        })
    }

    /// Which of the names an undefined symbol has.
    fn imported_name(&self, tables: &Tables, names: &[&[u8]], symbol: usize) -> Option<usize> {
        let at = symbol
            .checked_mul(SYMBOL_BYTES)?
            .checked_add(tables.symbols)?;
        let symbol: [u8; SYMBOL_BYTES] = self.read(at)?;
        let is_undefined = symbol[6..8] == [0, 0];
        let name = u32::from_ne_bytes([symbol[0], symbol[1], symbol[2], symbol[3]]) as usize;
        let left = tables.strings.bytes.checked_sub(name)?.min(NAME_BYTES);
        if !is_undefined {
            return None;
        }
        let mut buffer = [0; NAME_BYTES];
        let found = buffer.get_mut(..left)?;
        self.read_into(tables.strings.start.checked_add(name)?, found)?;
        let length = found.iter().position(|byte| *byte == 0)?;
        names.iter().position(|name| *name == &buffer[..length])
    }

    fn tables(&self) -> Option<Tables> {
        let mut values = [0u64; 24];
        let dynamic = self.headers.iter().find(|one| one.p_type == PT_DYNAMIC)?;
        let start = self.base.wrapping_add(dynamic.p_vaddr as usize);
        let entries = (dynamic.p_memsz as usize / DYNAMIC_BYTES).min(MOST_DYNAMIC);
        for entry in 0..entries {
            let bytes: [u8; DYNAMIC_BYTES] =
                self.read(start.checked_add(entry * DYNAMIC_BYTES)?)?;
            let (tag, value) = (word(&bytes, 0), word(&bytes, 8));
            if tag == DT_NULL {
                break;
            }
            if let Some(known) = values.get_mut(tag as usize) {
                *known = value;
            }
        }
        self.tables_of(|tag| values.get(tag as usize).copied().unwrap_or(0))
    }

    fn tables_of(&self, value: impl Fn(u64) -> u64) -> Option<Tables> {
        let is_size = |tag, size| value(tag) == 0 || value(tag) == size as u64;
        if !is_size(DT_RELAENT, RELOCATION_BYTES) || !is_size(DT_SYMENT, SYMBOL_BYTES) {
            return None;
        }
        let table = |start, bytes| self.table(value(start), value(bytes)).unwrap_or_default();
        let jumps = if value(DT_PLTREL) == DT_RELA {
            table(DT_JMPREL, DT_PLTRELSZ)
        } else {
            Table::default()
        };
        Some(Tables {
            symbols: self.placed(value(DT_SYMTAB))?,
            strings: self.table(value(DT_STRTAB), value(DT_STRSZ))?,
            relocations: [table(DT_RELA, DT_RELASZ), jumps],
        })
    }

    /// A table that lies wholly in one segment.
    fn table(&self, start: u64, bytes: u64) -> Option<Table> {
        let (start, bytes) = (self.placed(start)?, bytes as usize);
        self.in_segment(PT_LOAD, PF_READ, start, bytes)
            .then_some(Table { start, bytes })
    }

    /// Where an address of the dynamic section points to. glibc has added the base already, but for
    /// objects whose section it may not write to; other loaders never do.
    fn placed(&self, address: u64) -> Option<usize> {
        let address = address as usize;
        let moved = self.base.wrapping_add(address);
        let mut places = [address, moved].into_iter();
        places.find(|place| *place != 0 && self.holds(*place))
    }

    fn read<const BYTES: usize>(&self, address: usize) -> Option<[u8; BYTES]> {
        let mut bytes = [0; BYTES];
        self.read_into(address, &mut bytes)?;
        Some(bytes)
    }

    fn read_into(&self, address: usize, into: &mut [u8]) -> Option<()> {
        if !self.in_segment(PT_LOAD, PF_READ, address, into.len()) {
            return None;
        }
        // SAFETY: all of it lies in a segment that is mapped for reading, as was just seen.
        unsafe { self.memory.copy(address, into) };
        Some(())
    }

    /// Whether all of these bytes lie in one segment of this kind that has these flags.
    fn in_segment(&self, kind: u32, flags: u32, address: usize, bytes: usize) -> bool {
        self.headers.iter().any(|header| {
            let offset = address.wrapping_sub(self.base.wrapping_add(header.p_vaddr as usize));
            let left = (header.p_memsz as usize).checked_sub(offset);
            header.p_type == kind
                && header.p_flags & flags == flags
                && left.is_some_and(|left| bytes <= left)
        })
    }
}

/// A word of an entry, which has it.
fn word(entry: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&entry[at..at + 8]);
    u64::from_ne_bytes(bytes)
}
