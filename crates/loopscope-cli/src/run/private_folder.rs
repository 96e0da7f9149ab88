//! Where the program unpacks what targets load.
//!
//! It must be readable by every user that the target may turn into, or the loader would complain on the
//! target's stderr; and it must not lie on a file system from which nothing may be executed.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;
use thiserror::Error;

/// Why something cannot be put down anywhere.
#[derive(Debug, Error)]
#[error("no folder for {what}: {reason}: {path}")]
pub(crate) struct UnpackError {
    what: &'static str,
    reason: String,
    path: PathBuf,
}

impl UnpackError {
    pub(crate) fn hint(&self) -> &'static str {
        "set XDG_CACHE_HOME to a folder of yours on a file system that is not mounted noexec"
    }
}

/// Unpacks something into the first folder that will do, and returns what `unpack_into` does.
pub(crate) fn unpack(
    what: &'static str,
    unpack_into: impl Fn(&Path) -> io::Result<PathBuf>,
) -> Result<PathBuf, UnpackError> {
    let mut last = UnpackError {
        what,
        reason: "none found".into(),
        path: PathBuf::new(),
    };
    for folder in folders() {
        match prepare(&folder).and_then(|()| unpack_into(&folder)) {
            Ok(path) => return Ok(path),
            Err(reason) => {
                last = UnpackError {
                    what,
                    reason: reason.to_string(),
                    path: folder,
                }
            }
        }
    }
    Err(last)
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
        .filter(|folder| can_be_listed(folder))
        .collect()
}

/// Whether the loader and the interpreter can be given files of this folder: they split their lists at
/// colons, the loader at white space too, and know no quotes.
fn can_be_listed(folder: &Path) -> bool {
    let bytes = folder.as_os_str().as_bytes();
    !bytes.iter().any(|byte| b" :\t\n".contains(byte))
}

/// Creates a folder if need be, and refuses one that others can write to or that holds no programs.
pub(crate) fn prepare(folder: &Path) -> io::Result<()> {
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_whose_name_the_loader_would_split_is_left_out() {
        assert!(can_be_listed(Path::new("/home/ann/.cache/loopscope")));
        for name in ["/home/ann b/.cache", "/srv/a:b", "/srv/a\nb"] {
            assert!(!can_be_listed(Path::new(name)), "{name:?}");
        }
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(prepare(folder.path()).is_err());
    }
}
