//! The pulse, carried inside the program and unpacked where the loader can take it from.
//!
//! The file must be readable by every user that the target may turn into, or the loader would complain
//! on the target's stderr; and it must not lie on a file system from which nothing may be executed.

use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use loopscope_recorder::refusal::PAGE_SYMBOL;
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSymbol};
use rustix::fs::StatVfsMountFlags;
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

/// The object, as the build made it.
const OBJECT: &[u8] = include_bytes!(env!("LOOPSCOPE_PULSE_OBJECT"));

/// Why the pulse cannot be put down anywhere.
#[derive(Debug, Error)]
#[error("no folder for the pulse: {reason}: {path}")]
pub(crate) struct UnpackError {
    reason: String,
    path: PathBuf,
}

impl UnpackError {
    pub(crate) fn hint(&self) -> &'static str {
        "set XDG_CACHE_HOME to a folder of yours on a file system that is not mounted noexec"
    }
}

/// The path of the unpacked pulse; unpacks it unless this very version is there already.
pub(crate) fn unpack() -> Result<PathBuf, UnpackError> {
    let mut last = UnpackError {
        reason: "none found".into(),
        path: PathBuf::new(),
    };
    for folder in folders() {
        match unpack_into(&folder) {
            Ok(path) => return Ok(path),
            Err(reason) => {
                last = UnpackError {
                    reason: reason.to_string(),
                    path: folder,
                }
            }
        }
    }
    Err(last)
}

/// Where in the pulse's image the pointer stands that tells why there is no recording; `None` where the object
/// has none.
pub(crate) fn page_address() -> Option<u64> {
    let object = ElfFile64::<Endianness>::parse(OBJECT).ok()?;
    let mut symbols = object.dynamic_symbols();
    let found = symbols.find(|symbol| symbol.name() == Ok(PAGE_SYMBOL))?;
    Some(found.address())
}

/// Root's targets may drop their privileges, so root's folder lies where everybody can read.
fn folders() -> Vec<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    let from = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache = from("XDG_CACHE_HOME").or_else(|| from("HOME").map(|home| home.join(".cache")));
    let shared =
        ["/var/tmp", "/tmp"].map(|base| Path::new(base).join(format!("loopscope-lib-{uid}")));
    let own = cache
        .map(|folder| folder.join("loopscope"))
        .filter(|_| uid != 0);
    own.into_iter()
        .chain(shared)
        .filter(|folder| can_be_preloaded_from(folder))
        .collect()
}

/// Whether the loader can be given files of this folder: it splits its list at colons and at white space,
/// and knows no quotes.
fn can_be_preloaded_from(folder: &Path) -> bool {
    let bytes = folder.as_os_str().as_bytes();
    !bytes.iter().any(|byte| b" :\t\n".contains(byte))
}

fn unpack_into(folder: &Path) -> io::Result<PathBuf> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)?;
    let found = fs::symlink_metadata(folder)?;
    let is_ours = found.is_dir() && found.uid() == rustix::process::geteuid().as_raw();
    if !is_ours || found.mode() & 0o022 != 0 {
        return Err(io::Error::other("others can write to it"));
    }
    if rustix::fs::statvfs(folder)?
        .f_flag
        .contains(StatVfsMountFlags::NOEXEC)
    {
        return Err(io::Error::other("mounted noexec"));
    }
    let path = folder.join(format!("libloopscope_pulse-{:016x}.so", xxh3_64(OBJECT)));
    if fs::read(&path).is_ok_and(|present| present == OBJECT) {
        return Ok(path);
    }
    // Renamed into place whole: another supervisor may be doing the same.
    let mut draft = tempfile::NamedTempFile::new_in(folder)?;
    draft.write_all(OBJECT)?;
    draft
        .as_file()
        .set_permissions(fs::Permissions::from_mode(0o644))?;
    draft.persist(&path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_is_unpacked_whole_and_mended_when_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("lib");
        let path = unpack_into(&inside).unwrap();
        fs::write(&path, b"damaged").unwrap();
        assert_eq!(unpack_into(&inside).unwrap(), path);
        assert_eq!(fs::read(&path).unwrap(), OBJECT);
    }

    #[test]
    fn the_object_exports_the_pointer_that_the_observer_reads() {
        assert!(page_address().is_some_and(|address| address > 0));
    }

    #[test]
    fn a_folder_whose_name_the_loader_would_split_is_left_out() {
        assert!(can_be_preloaded_from(Path::new(
            "/home/ann/.cache/loopscope"
        )));
        for name in ["/home/ann b/.cache", "/srv/a:b", "/srv/a\nb"] {
            assert!(!can_be_preloaded_from(Path::new(name)), "{name:?}");
        }
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(unpack_into(folder.path()).is_err());
    }
}
