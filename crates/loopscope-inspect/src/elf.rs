//! What an interpreter's file says about where its state is in memory.
//!
//! Reads the file's headers and symbols on demand, never the whole file. It does not look at the
//! process: addresses are the file's own, moved to where its image was loaded.

use std::fs::File;
use std::ops::Range;

use object::elf::{self, FileHeader64, Sym64};
use object::read::elf::{ElfFile64, SectionHeader, Sym, SymbolTable};
use object::{
    Architecture, Endianness, FileKind, Object, ObjectKind, ObjectSection, ObjectSegment,
    ReadCache, ReadRef, SegmentFlags,
};

use crate::memory::PAGE_BYTES;

/// The interpreter's state; exported by every build of CPython from 3.7 on.
const RUNTIME_SYMBOL: &[u8] = b"_PyRuntime";

/// `PY_VERSION_HEX` as a constant, from 3.11 on.
const VERSION_SYMBOL: &[u8] = b"Py_Version";

/// The section that has the state and nothing else, where symbols were stripped.
const RUNTIME_SECTION: &str = ".PyRuntime";

/// Where the parts of an interpreter's image are in the target's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    /// `_PyRuntime`.
    pub(crate) runtime: u64,
    /// `Py_Version`.
    pub(crate) version: Option<u64>,
    /// The segments that the program may write to.
    pub(crate) writable: Vec<Range<u64>>,
}

/// Why a file gives no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImageError {
    /// It is no ELF file that makes sense.
    Malformed,
    /// It is for another machine.
    OtherMachine,
    /// It does not tell where the interpreter's state is.
    NoRuntime,
}

/// Reads the image of a file whose start is mapped at `start`.
pub(crate) fn read_image(file: File, start: u64) -> Result<Image, ImageError> {
    let data = ReadCache::new(file);
    let file = parse(&data)?;
    image_of(&file, start).ok_or(ImageError::NoRuntime)
}

/// Where a section of a file is in memory whose start is mapped at `start`; `None` where it has none of
/// this name.
pub(crate) fn section_address(file: File, start: u64, name: &str) -> Option<u64> {
    let data = ReadCache::new(file);
    let file = parse(&data).ok()?;
    let address = file.section_by_name(name)?.address();
    Some(address.wrapping_add(bias(&file, start)?))
}

type Elf<'data, R> = ElfFile64<'data, Endianness, R>;

fn parse<'data, R: ReadRef<'data>>(data: R) -> Result<Elf<'data, R>, ImageError> {
    match FileKind::parse(data) {
        Ok(FileKind::Elf64) => {}
        Ok(FileKind::Elf32) => return Err(ImageError::OtherMachine),
        _ => return Err(ImageError::Malformed),
    }
    let file = ElfFile64::parse(data).map_err(|_| ImageError::Malformed)?;
    if file.architecture() != Architecture::X86_64 {
        return Err(ImageError::OtherMachine);
    }
    Ok(file)
}

fn image_of<'data, R: ReadRef<'data>>(file: &Elf<'data, R>, start: u64) -> Option<Image> {
    let bias = bias(file, start)?;
    let (runtime, version) = find_symbols(file, file.elf_dynamic_symbol_table())
        .or_else(|| find_symbols(file, file.elf_symbol_table()))
        .or_else(|| Some((file.section_by_name(RUNTIME_SECTION)?.address(), None)))?;
    Some(Image {
        runtime: runtime.wrapping_add(bias),
        version: version.map(|address| address.wrapping_add(bias)),
        writable: writable_ranges(file, bias),
    })
}

/// How far the image is from where the file is linked to.
fn bias<'data, R: ReadRef<'data>>(file: &Elf<'data, R>, start: u64) -> Option<u64> {
    match file.kind() {
        ObjectKind::Executable => Some(0),
        _ => Some(start.wrapping_sub(first_page(file)?)),
    }
}

/// The page that the file's lowest segment is linked to.
fn first_page<'data, R: ReadRef<'data>>(file: &Elf<'data, R>) -> Option<u64> {
    let lowest = file.segments().map(|segment| segment.address()).min()?;
    Some(lowest & !(PAGE_BYTES as u64 - 1))
}

/// The addresses of the interpreter's state and version; `None` where the state is not among them. The names are
/// read at once: one by one they are thousands of system calls.
fn find_symbols<'data, R: ReadRef<'data>>(
    file: &Elf<'data, R>,
    table: &SymbolTable<'data, FileHeader64<Endianness>, R>,
) -> Option<(u64, Option<u64>)> {
    let endian = file.endian();
    let names = file.elf_section_table().section(table.string_section());
    let names = names.ok()?.data(endian, file.data()).ok()?;
    let address_of = |wanted: &[u8]| {
        let is_wanted = |symbol: &&Sym64<Endianness>| {
            let name = names.get(symbol.st_name(endian) as usize..);
            let rest = name.and_then(|name| name.strip_prefix(wanted));
            rest.is_some_and(|rest| rest.first() == Some(&0)) && symbol.st_value(endian) != 0
        };
        let found = table.symbols().iter().find(is_wanted);
        found.map(|symbol| symbol.st_value(endian))
    };
    Some((address_of(RUNTIME_SYMBOL)?, address_of(VERSION_SYMBOL)))
}

fn writable_ranges<'data, R: ReadRef<'data>>(file: &Elf<'data, R>, bias: u64) -> Vec<Range<u64>> {
    file.segments()
        .filter(|segment| {
            matches!(segment.flags(), SegmentFlags::Elf { p_flags, .. } if p_flags.contains(elf::PF_W))
        })
        .map(|segment| {
            let start = segment.address().wrapping_add(bias);
            start..start.saturating_add(segment.size())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_no_interpreter_has_no_runtime() {
        let file = File::open("/proc/self/exe").unwrap();
        assert_eq!(read_image(file, 1 << 40), Err(ImageError::NoRuntime));
    }

    #[test]
    fn a_section_is_found_where_its_file_is_mapped() {
        let own = || File::open("/proc/self/exe").unwrap();
        let near = section_address(own(), 1 << 40, ".text").unwrap();
        let far = section_address(own(), 1 << 41, ".text").unwrap();
        assert_eq!(far - near, 1 << 40);
        assert_eq!(section_address(own(), 1 << 40, ".AsyncioDebug"), None);
    }

    #[test]
    fn a_file_that_is_no_program_is_malformed() {
        let file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
        assert_eq!(read_image(file, 1 << 40), Err(ImageError::Malformed));
    }
}
