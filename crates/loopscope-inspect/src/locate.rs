//! Finds the interpreter in a process: its file, its state, its version, its layout.
//!
//! The costly part of attaching, done once per process. The file that is read is the one that is
//! mapped, also where the target has another root or the file was deleted since, or where the program that
//! runs is the loader and the interpreter a file that it was given.

mod asyncio;

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::elf::{self, Image, ImageError};
use crate::error::{AttachError, ReadError};
use crate::layout::debug_offsets::{self, DebugOffsets};
use crate::layout::{Layout, PythonVersion};
use crate::maps::{self, Mapping};
use crate::memory::{MAX_READ_BYTES, Memory, MemoryError};

/// Bytes of an interpreter's writable segments that are searched for its version.
const MAX_SEARCH_BYTES: u64 = 32 << 20;

/// The interpreter of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interpreter {
    /// `_PyRuntime`.
    pub(crate) runtime: u64,
    pub(crate) version: PythonVersion,
    pub(crate) layout: Layout,
    /// Its file, as the target sees it.
    pub(crate) path: PathBuf,
    /// Where its file's start is mapped.
    pub(crate) image_start: u64,
    /// Whether the layout has all that `_asyncio` says of itself.
    knows_asyncio: bool,
}

/// Finds the interpreter of a process.
pub(crate) fn locate(pid: u32, memory: &impl Memory) -> Result<Interpreter, AttachError> {
    let mappings = maps::file_mappings(pid).map_err(|error| proc_error(pid, &error))?;
    let program = fs::read_link(format!("/proc/{pid}/exe")).map_err(|e| proc_error(pid, &e))?;
    let program = PathBuf::from(program.to_string_lossy().trim_end_matches(" (deleted)"));
    refuse_other_interpreters(&mappings, &program)?;
    let (mapping, image) = find_image(pid, &mappings, &program)?;
    let at = InterpreterImage {
        pid,
        path: &mapping.path,
        image: &image,
    };
    let (version, mut layout) = at.version_and_layout(memory)?;
    // Some builds have `_asyncio` inside the interpreter's own file.
    let own = asyncio::has_offsets(&layout)
        .then(|| asyncio::read_offsets(pid, memory, mapping, mapping.path == program))
        .flatten();
    if let Some(offsets) = own {
        layout = offsets.apply(layout);
    }
    let mut interpreter = Interpreter {
        runtime: image.runtime,
        version,
        layout,
        path: mapping.path.clone(),
        image_start: mapping.start,
        knows_asyncio: own.is_some(),
    };
    interpreter.look_for_asyncio(pid, memory);
    Ok(interpreter)
}

/// Whether the interpreter's image is still where it was: it is not after the process ran `exec`.
pub(crate) fn is_still_mapped(pid: u32, interpreter: &Interpreter) -> bool {
    maps::file_mappings(pid).is_ok_and(|mappings| {
        maps::image_start(&mappings, &interpreter.path)
            .is_some_and(|mapping| mapping.start == interpreter.image_start)
    })
}

fn refuse_other_interpreters(mappings: &[Mapping], program: &Path) -> Result<(), AttachError> {
    let is_pypy = |name: &str| name.starts_with("libpypy") || name.starts_with("pypy");
    let pypy = mappings.iter().find(|mapping| is_pypy(mapping.file_name()));
    match pypy {
        Some(mapping) => Err(AttachError::OtherInterpreter {
            program: mapping.path.clone(),
        }),
        None if mappings.is_empty() => Err(AttachError::NotPython {
            program: program.to_owned(),
        }),
        None => Ok(()),
    }
}

/// The first candidate that has the interpreter's state: shared libraries before the program.
fn find_image<'maps>(
    pid: u32,
    mappings: &'maps [Mapping],
    program: &'maps Path,
) -> Result<(&'maps Mapping, Image), AttachError> {
    let mut failure = None;
    for mapping in candidates(mappings, program) {
        let path = &mapping.path;
        let file = match open(pid, mapping, path == program) {
            Ok(file) => file,
            Err(source) => {
                failure.get_or_insert(AttachError::Unreadable {
                    path: path.clone(),
                    source,
                });
                continue;
            }
        };
        match elf::read_image(file, mapping.start) {
            Ok(image) => return Ok((mapping, image)),
            Err(error) => {
                let program = path.clone();
                failure = failure.or(image_failure(error, program));
            }
        }
    }
    Err(failure.unwrap_or_else(|| AttachError::NotPython {
        program: program.to_owned(),
    }))
}

/// A program that has no interpreter's state and no interpreter's name is simply no Python.
fn image_failure(error: ImageError, program: PathBuf) -> Option<AttachError> {
    let looks_like_python = program.file_name().is_some_and(|name| {
        name.to_string_lossy()
            .to_ascii_lowercase()
            .contains("python")
    });
    match error {
        ImageError::OtherMachine if looks_like_python => {
            Some(AttachError::UnsupportedMachine { program })
        }
        ImageError::NoRuntime if looks_like_python => Some(AttachError::NoSymbols { program }),
        _ => None,
    }
}

/// Libraries, the program, and what looks like the program where the kernel was told to run the loader.
fn candidates<'maps>(
    mappings: &'maps [Mapping],
    program: &'maps Path,
) -> impl Iterator<Item = &'maps Mapping> {
    let starts = |name: &'static str| {
        let is_start = move |mapping: &&Mapping| {
            mapping.file_offset == 0 && mapping.file_name().starts_with(name)
        };
        mappings.iter().filter(is_start)
    };
    starts("libpython")
        .chain(maps::image_start(mappings, program))
        .chain(starts("python"))
}

/// Opens the file behind a mapping. `/proc/PID/exe` leads to the program even when it was deleted;
/// `/proc/PID/map_files` does so for libraries, and asks for more privilege.
fn open(pid: u32, mapping: &Mapping, is_program: bool) -> io::Result<File> {
    open_by_path(pid, mapping, is_program).map(|(file, _)| file)
}

/// Opens the file behind a mapping of any process; with the path that led to it.
pub(crate) fn open_mapped(pid: u32, mapping: &Mapping) -> io::Result<(File, PathBuf)> {
    let program = fs::read_link(format!("/proc/{pid}/exe")).ok();
    open_by_path(pid, mapping, program.as_ref() == Some(&mapping.path))
}

fn open_by_path(pid: u32, mapping: &Mapping, is_program: bool) -> io::Result<(File, PathBuf)> {
    let program = is_program.then(|| format!("/proc/{pid}/exe").into());
    let path = mapping.path.strip_prefix("/").unwrap_or(&mapping.path);
    let from_its_root =
        (!mapping.is_deleted).then(|| Path::new(&format!("/proc/{pid}/root")).join(path));
    let mut first = program.into_iter().chain(from_its_root);
    let opened = first.find_map(|path: PathBuf| Some((File::open(&path).ok()?, path)));
    opened.map_or_else(
        || {
            let path = format!(
                "/proc/{pid}/map_files/{:x}-{:x}",
                mapping.start, mapping.end
            );
            Ok((File::open(&path)?, path.into()))
        },
        Ok,
    )
}

/// The interpreter's image in the target's memory.
struct InterpreterImage<'a> {
    pid: u32,
    path: &'a Path,
    image: &'a Image,
}

impl InterpreterImage<'_> {
    fn version_and_layout(
        &self,
        memory: &impl Memory,
    ) -> Result<(PythonVersion, Layout), AttachError> {
        let mut head = [0; debug_offsets::TABLE_BYTES];
        memory
            .read(self.image.runtime, &mut head)
            .map_err(|error| self.read_failure(error))?;
        if let Some(offsets) = DebugOffsets::parse(&head) {
            return self.layout_from(&offsets);
        }
        let version = match self.image.version {
            Some(address) => {
                let mut hex = [0; 4];
                memory
                    .read(address, &mut hex)
                    .map_err(|error| self.read_failure(error))?;
                PythonVersion::from_hex(u32::from_le_bytes(hex))
            }
            None => self
                .search_version(memory)
                .ok_or(AttachError::NotUp { pid: self.pid })?,
        };
        let layout = Layout::for_version(version);
        Ok((
            version,
            layout.ok_or(AttachError::UnsupportedVersion { version })?,
        ))
    }

    fn layout_from(&self, offsets: &DebugOffsets) -> Result<(PythonVersion, Layout), AttachError> {
        let version = offsets.version;
        if offsets.is_free_threaded {
            return Err(AttachError::FreeThreaded { version });
        }
        let layout =
            Layout::for_version(version).ok_or(AttachError::UnsupportedVersion { version })?;
        let expected = "a table of offsets";
        let source = ReadError::Unexpected {
            expected,
            address: self.image.runtime,
        };
        let layout = offsets.apply(layout);
        Ok((
            version,
            layout.ok_or(AttachError::UnexpectedLayout { version, source })?,
        ))
    }

    /// Before 3.11 nothing exports the version. `Py_GetVersion` keeps its answer in a static buffer
    /// that is filled for `sys.version` at the start: `3.9.18 (main, …) [GCC …]`.
    fn search_version(&self, memory: &impl Memory) -> Option<PythonVersion> {
        self.image
            .writable
            .iter()
            .find_map(|range| search_range(memory, range))
    }

    fn read_failure(&self, error: MemoryError) -> AttachError {
        match error {
            MemoryError::Denied => AttachError::Denied { pid: self.pid },
            MemoryError::Gone => AttachError::NoProcess { pid: self.pid },
            _ => AttachError::NoSymbols {
                program: self.path.to_owned(),
            },
        }
    }
}

fn search_range(memory: &impl Memory, range: &Range<u64>) -> Option<PythonVersion> {
    let end = range.end.min(range.start.saturating_add(MAX_SEARCH_BYTES));
    let mut at = range.start;
    while at < end {
        let length = (end - at).min(MAX_READ_BYTES as u64);
        let mut bytes = vec![0; length as usize];
        if memory.read(at, &mut bytes).is_ok()
            && let Some(version) = find_version(&bytes)
        {
            return Some(version);
        }
        at += length;
    }
    None
}

/// The version at the start of a `Py_GetVersion` text, behind a zero byte.
fn find_version(bytes: &[u8]) -> Option<PythonVersion> {
    let starts = bytes
        .windows(3)
        .enumerate()
        .filter(|(_, window)| *window == b"\x003.");
    starts
        .filter_map(|(at, _)| bytes.get(at + 1..(at + 40).min(bytes.len())))
        .find_map(parse_version)
}

/// `3.9.18 (…`, `3.10.0+ (…`, `3.10.0rc1 (…`.
fn parse_version(text: &[u8]) -> Option<PythonVersion> {
    let text = text.utf8_chunks().next()?.valid();
    let (version, _) = text.split_once(" (")?;
    let mut parts = version.split('.');
    let next = |text: Option<&str>| -> Option<u8> {
        let text = text?;
        let digits = text.find(|character: char| !character.is_ascii_digit());
        text.get(..digits.unwrap_or(text.len()))?.parse().ok()
    };
    let version = PythonVersion {
        major: next(parts.next())?,
        minor: next(parts.next())?,
        patch: next(parts.next())?,
    };
    parts.next().is_none().then_some(version)
}

fn proc_error(pid: u32, error: &io::Error) -> AttachError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => AttachError::Denied { pid },
        _ => AttachError::NoProcess { pid },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Option<String> {
        find_version(bytes).map(|version| version.to_string())
    }

    #[test]
    fn the_version_is_found_in_the_text_of_get_version() {
        let text = b"..\0junk\0\x003.9.18 (main, May  9 2026, 07:33:49) \n[GCC 12.2.0]\0";
        assert_eq!(found(text).as_deref(), Some("3.9.18"));
        assert_eq!(
            found(b"\x003.10.0+ (heads/3.10)").as_deref(),
            Some("3.10.0")
        );
        assert_eq!(found(b"\x003.10.0rc2 (default)").as_deref(), Some("3.10.0"));
    }

    #[test]
    fn other_numbers_are_no_versions() {
        for text in [
            b"\x003.14159 (pi)".as_slice(),
            b"\x003.9.18",
            b"3.9.18 (x)",
            b"\x003.",
            b"\x003.9.1.2 (",
        ] {
            assert_eq!(found(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_process_that_does_not_exist_is_said_to_be_none() {
        let pid = 4_194_304 + 7;
        let outcome = locate(pid, &crate::memory::ProcessMemory::new(pid));
        assert!(matches!(outcome, Err(AttachError::NoProcess { .. })));
    }

    #[test]
    fn a_program_without_an_interpreter_is_not_python() {
        let pid = std::process::id();
        let outcome = locate(pid, &crate::memory::ProcessMemory::new(pid));
        assert!(
            matches!(outcome, Err(AttachError::NotPython { .. })),
            "{outcome:?}"
        );
    }
}
