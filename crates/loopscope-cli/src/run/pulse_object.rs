//! The pulse, carried inside the program and unpacked where the loader can take it from.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use loopscope_recorder::refusal::PAGE_SYMBOL;
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSymbol};
use xxhash_rust::xxh3::xxh3_64;

use super::private_folder::{self, UnpackError};

/// The object, as the build made it.
const OBJECT: &[u8] = include_bytes!(env!("LOOPSCOPE_PULSE_OBJECT"));

/// The path of the unpacked pulse; unpacks it unless this very version is there already.
pub(crate) fn unpack() -> Result<PathBuf, UnpackError> {
    private_folder::unpack("the pulse", unpack_into)
}

/// Where in the pulse's image the pointer stands that tells why there is no recording; `None` where the object
/// has none.
pub(crate) fn page_address() -> Option<u64> {
    let object = ElfFile64::<Endianness>::parse(OBJECT).ok()?;
    let mut symbols = object.dynamic_symbols();
    let found = symbols.find(|symbol| symbol.name() == Ok(PAGE_SYMBOL))?;
    Some(found.address())
}

fn unpack_into(folder: &Path) -> io::Result<PathBuf> {
    let path = folder.join(format!("libloopscope_pulse-{:016x}.so", xxh3_64(OBJECT)));
    put(&path, OBJECT)?;
    Ok(path)
}

/// Puts a file down whole, unless it is there already: another supervisor may be doing the same.
pub(super) fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut draft = tempfile::NamedTempFile::new_in(folder)?;
    draft.write_all(bytes)?;
    draft
        .as_file()
        .set_permissions(fs::Permissions::from_mode(0o644))?;
    draft.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_is_unpacked_whole_and_mended_when_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = unpack_into(folder.path()).unwrap();
        fs::write(&path, b"damaged").unwrap();
        assert_eq!(unpack_into(folder.path()).unwrap(), path);
        assert_eq!(fs::read(&path).unwrap(), OBJECT);
    }

    #[test]
    fn the_object_exports_the_pointer_that_the_observer_reads() {
        assert!(page_address().is_some_and(|address| address > 0));
    }
}
