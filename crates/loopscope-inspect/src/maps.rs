//! What is mapped in a process, from `/proc/PID/maps`.
//!
//! Tells which files are candidates for holding the interpreter and where their images begin. Paths
//! are as the target sees them, inside its own mount namespace.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What the kernel appends to the path of a mapped file that was deleted or replaced.
const DELETED_SUFFIX: &str = " (deleted)";

/// One mapping of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// The first address.
    pub(crate) start: u64,
    /// The address behind the last.
    pub(crate) end: u64,
    /// Where in the file it begins.
    pub(crate) file_offset: u64,
    /// Whether it holds code.
    pub(crate) is_executable: bool,
    /// The file, as the target sees it.
    pub(crate) path: PathBuf,
    /// Whether the path no longer leads to the mapped file.
    pub(crate) is_deleted: bool,
}

impl Mapping {
    /// The file's name, empty where it is not text.
    pub(crate) fn file_name(&self) -> &str {
        self.path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
    }
}

/// The file mappings of a process, in the order of their addresses.
pub(crate) fn file_mappings(pid: u32) -> io::Result<Vec<Mapping>> {
    let text = fs::read(format!("/proc/{pid}/maps"))?;
    Ok(String::from_utf8_lossy(&text)
        .lines()
        .filter_map(parse_line)
        .collect())
}

/// Where the kernel maps functions of its own into a process.
pub(crate) fn kernel_functions(pid: u32) -> Option<Range<u64>> {
    let text = fs::read(format!("/proc/{pid}/maps")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find(|line| line.ends_with("[vdso]"))?;
    let (start, end) = line.split(' ').next()?.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    Some(address(start)?..address(end)?)
}

/// The first mapping of the file's start, which is where its image begins.
pub(crate) fn image_start<'maps>(
    mappings: &'maps [Mapping],
    path: &Path,
) -> Option<&'maps Mapping> {
    mappings
        .iter()
        .find(|mapping| mapping.path == path && mapping.file_offset == 0)
}

/// One line: `start-end perms offset dev inode path`. Mappings of no file have no path or one in brackets.
fn parse_line(line: &str) -> Option<Mapping> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let permissions = fields.next()?;
    let file_offset = fields.next()?;
    let path = fields.nth(2)?.trim_start();
    if !path.starts_with('/') {
        return None;
    }
    let kept = path.strip_suffix(DELETED_SUFFIX);
    Some(Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        file_offset: u64::from_str_radix(file_offset, 16).ok()?,
        is_executable: permissions.contains('x'),
        path: PathBuf::from(kept.unwrap_or(path)),
        is_deleted: kept.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_hold_spaces() {
        let line =
            "7f00-7f10 r-xp 00002000 08:01 42                         /opt/my python/bin/python3";
        let mapping = parse_line(line).unwrap();
        assert_eq!(mapping.path, Path::new("/opt/my python/bin/python3"));
        assert_eq!(
            (mapping.start, mapping.end, mapping.file_offset),
            (0x7f00, 0x7f10, 0x2000)
        );
        assert_eq!(mapping.file_name(), "python3");
        assert!(mapping.is_executable && !mapping.is_deleted);
    }

    #[test]
    fn a_deleted_file_keeps_its_path() {
        let line = "7f00-7f10 r--p 00000000 08:01 42 /usr/lib/libpython3.11.so.1.0 (deleted)";
        let mapping = parse_line(line).unwrap();
        assert_eq!(mapping.path, Path::new("/usr/lib/libpython3.11.so.1.0"));
        assert!(mapping.is_deleted && !mapping.is_executable);
    }

    #[test]
    fn what_is_no_file_is_left_out() {
        for line in [
            "7f00-7f10 rw-p 00000000 00:00 0 ",
            "7f00-7f10 rw-p 0 00:00 0 [stack]",
            "x",
            "",
        ] {
            assert_eq!(parse_line(line), None, "{line:?}");
        }
    }
}
