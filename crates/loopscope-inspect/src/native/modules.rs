//! What is mapped in a process: the files, where their images begin, and what of them unwinding needs.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectKind, ObjectSection, ObjectSegment, ReadCache};

use super::{functions, separate};
use crate::locate;
use crate::maps::{self, Mapping};
use crate::memory::{Memory, ProcessMemory};

/// A section larger than this is not read: no program that loads has one.
const MOST_SECTION_BYTES: u64 = 1 << 30;

/// The function at a program's entry point, `_start`, is shorter than this.
const ENTRY_BYTES: u64 = 64;

/// One mapped file of code.
#[derive(Clone, Debug)]
pub(super) struct Module {
    /// The file, as the target sees it.
    pub(super) path: PathBuf,
    /// The file that says most of its functions and lines, as this process can open it: itself, or what was taken out
    /// of it.
    pub(super) told_by: PathBuf,
    /// Whether its functions have names.
    pub(super) has_names: bool,
    /// Where it is mapped.
    pub(super) range: Range<u64>,
    /// What is to be added to an address in the file to have the one in memory.
    pub(super) bias: u64,
    /// The addresses that hold code.
    pub(super) code: Vec<Range<u64>>,
    /// The sections that say how its stacks are unwound.
    pub(super) tables: Arc<Tables>,
}

/// A file, and where its image lies.
type Image = (PathBuf, Range<u64>);

/// Where a section is linked to, and where in the file its bytes are.
type InFile = (Range<u64>, Option<(u64, u64)>);

/// A section: where the file links it to, and its bytes.
pub(super) type Section = (Range<u64>, Arc<[u8]>);

/// The sections that say how a module's stacks are unwound.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) frames: Option<Section>,
    pub(super) index: Option<Section>,
    pub(super) text: Option<Range<u64>>,
    pub(super) got: Option<Range<u64>>,
    /// Where the file's program begins.
    entry: u64,
}

/// Everything of code that is mapped in a process.
#[derive(Debug)]
pub(super) struct Modules {
    modules: Vec<Module>,
    /// What was mapped, to see when something else is.
    mapped: Vec<Image>,
}

impl Modules {
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        let mappings = maps::file_mappings(pid)?;
        let mapped = images(&mappings);
        let files = mapped
            .iter()
            .filter_map(|image| Module::open(pid, image, &mappings));
        let modules = files.chain(Module::of_kernel(pid)).collect();
        Ok(Self { modules, mapped })
    }

    /// Reads anew where other files are mapped by now; says whether there are.
    pub(super) fn refresh(&mut self, pid: u32) -> bool {
        let Ok(mappings) = maps::file_mappings(pid) else {
            return false;
        };
        if images(&mappings) == self.mapped {
            return false;
        }
        let Ok(now) = Self::of(pid) else { return false };
        *self = now;
        true
    }

    pub(super) fn all(&self) -> &[Module] {
        &self.modules
    }

    /// The module that an address lies in.
    pub(super) fn at(&self, address: u64) -> Option<&Module> {
        self.modules
            .iter()
            .find(|module| module.range.contains(&address))
    }

    /// Where the function begins that an address lies in, by the tables that say how stacks are unwound.
    pub(super) fn function_at(&self, address: u64) -> Option<u64> {
        let module = self.at(address)?;
        let begins = functions::begins(module.tables.index.as_ref()?, module.in_file(address))?;
        Some(begins.wrapping_add(module.bias))
    }

    /// Whether an address holds code.
    pub(super) fn is_code(&self, address: u64) -> bool {
        let holds = |module: &Module| module.code.iter().any(|range| range.contains(&address));
        self.at(address).is_some_and(holds)
    }
}

/// The files of code and where the image of each lies.
///
/// A file may be mapped once more to be read, which we ourselves do: what has no code of it is no image.
fn images(mappings: &[Mapping]) -> Vec<Image> {
    let mut images: Vec<Image> = Vec::new();
    for code in mappings.iter().filter(|mapping| mapping.is_executable) {
        let of_file = || mappings.iter().filter(|other| other.path == code.path);
        let begins = |mapping: &&Mapping| mapping.file_offset == 0;
        let before = of_file().filter(|mapping| mapping.start <= code.start);
        let start = before.filter(begins).map(|mapping| mapping.start).max();
        let start = start.unwrap_or(code.start);
        let mut later = of_file().filter(|mapping| mapping.start > code.start);
        let next = later.find(begins).map_or(u64::MAX, |mapping| mapping.start);
        let parts = of_file().filter(|mapping| (start..next).contains(&mapping.start));
        let end = parts.map(|mapping| mapping.end).max().unwrap_or(code.end);
        let image = (code.path.clone(), start..end);
        if !images.contains(&image) {
            images.push(image);
        }
    }
    images
}

impl Module {
    /// `None` for a file that cannot be opened, or is no program that makes sense.
    fn open(pid: u32, (path, range): &Image, mappings: &[Mapping]) -> Option<Self> {
        let is_own = |known: &&Mapping| known.path == *path && range.contains(&known.start);
        let first = mappings.iter().find(is_own)?;
        let (mut file, opened) = locate::open_mapped(pid, first).ok()?;
        let (bias, tables) = read_tables(&mut file, range.start)?;
        let code = mappings.iter().filter(is_own);
        let told = separate::told_by(pid, path, &mut file);
        Some(Self {
            path: path.clone(),
            told_by: told.apart.unwrap_or(opened),
            has_names: told.has_names,
            range: range.clone(),
            bias,
            code: code
                .filter(|mapping| mapping.is_executable)
                .map(|mapping| mapping.start..mapping.end)
                .collect(),
            tables: Arc::new(tables),
        })
    }

    /// The functions that the kernel maps into every process, most of all those that read the clock.
    fn of_kernel(pid: u32) -> Option<Self> {
        let range = maps::kernel_functions(pid)?;
        let mut image = vec![0; usize::try_from(range.end - range.start).ok()?];
        ProcessMemory::new(pid).read(range.start, &mut image).ok()?;
        let (bias, tables) = read_tables(&mut Cursor::new(image), range.start)?;
        Some(Self {
            path: PathBuf::new(),
            told_by: PathBuf::new(),
            has_names: true,
            bias,
            code: vec![range.clone()],
            range,
            tables: Arc::new(tables),
        })
    }

    /// An address in memory as the file has it.
    pub(super) fn in_file(&self, address: u64) -> u64 {
        address.wrapping_sub(self.bias)
    }

    /// Whether an address lies in the first function of the file's program.
    pub(super) fn is_entry(&self, address: u64) -> bool {
        let entry = self.tables.entry;
        entry != 0 && (entry..entry + ENTRY_BYTES).contains(&self.in_file(address))
    }

    /// Whether it is the C library, in which threads begin.
    pub(super) fn is_c_library(&self) -> bool {
        let name = self.path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| {
            name.starts_with("libc.so")
                || name.starts_with("libc-")
                || name.starts_with("libpthread")
                || name.starts_with("ld-musl")
        })
    }
}

fn read_tables(file: &mut (impl Read + Seek), start: u64) -> Option<(u64, Tables)> {
    let cache = ReadCache::new(&mut *file);
    let elf = ElfFile64::<Endianness, _>::parse(&cache).ok()?;
    let lowest = elf.segments().map(|segment| segment.address()).min()?;
    let bias = match elf.kind() {
        ObjectKind::Executable => 0,
        _ => start.wrapping_sub(lowest & !0xfff),
    };
    let place = |name: &str| {
        let section = elf.section_by_name(name)?;
        let range = section.address()..section.address().checked_add(section.size())?;
        Some((range, section.file_range()))
    };
    let frames = place(".eh_frame");
    let index = place(".eh_frame_hdr");
    let text = place(".text").map(|(range, _)| range);
    let got = place(".got").map(|(range, _)| range);
    let entry = elf.entry();
    drop(elf);
    drop(cache);
    let mut read = |found: Option<InFile>| {
        let (range, in_file) = found?;
        let (offset, length) = in_file?;
        Some((range, read_at(file, offset, length).ok()?.into()))
    };
    let tables = Tables {
        frames: read(frames),
        index: read(index),
        text,
        got,
        entry,
    };
    Some((bias, tables))
}

fn read_at(file: &mut (impl Read + Seek), offset: u64, length: u64) -> io::Result<Vec<u8>> {
    if length > MOST_SECTION_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_and_the_c_library_are_found_with_their_tables() {
        let modules = Modules::of(std::process::id()).unwrap();
        let here = modules.at(Modules::of as *const () as u64).unwrap();
        assert_eq!(Some(&here.path), std::env::current_exe().ok().as_ref());
        assert!(here.tables.frames.is_some() && here.tables.index.is_some());
        assert!(modules.is_code(Modules::of as *const () as u64));
        assert!(modules.all().iter().any(Module::is_c_library));
        assert!(modules.at(8).is_none());
    }

    #[test]
    fn nothing_is_read_anew_while_the_same_files_are_mapped() {
        let mut modules = Modules::of(std::process::id()).unwrap();
        assert!(!modules.refresh(std::process::id()));
    }

    #[test]
    fn a_file_that_is_mapped_once_more_to_be_read_has_one_image() {
        let mapping = |start: u64, file_offset: u64, is_executable: bool| Mapping {
            start,
            end: start + 0x1000,
            file_offset,
            is_executable,
            path: "/lib/libc.so.6".into(),
            is_deleted: false,
        };
        let below = mapping(0x1000, 0, false);
        let image = [mapping(0x8000, 0, false), mapping(0x9000, 0x1000, true)];
        let data = mapping(0xb000, 0x3000, false);
        let above = mapping(0xf000, 0, false);
        let all = [&[below][..], &image, &[data, above]].concat();
        let expected: Vec<Image> = vec![("/lib/libc.so.6".into(), 0x8000..0xc000)];
        assert_eq!(images(&all), expected);
        assert_eq!(images(&all[1..4]), expected);
    }
}
