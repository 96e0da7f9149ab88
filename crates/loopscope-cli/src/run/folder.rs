//! The folder for recordings: the first that is private, and in which one can really be made.
//!
//! That is tried out, not concluded: a folder may be closed to its owner, on a file system that is read-only
//! or full, or of a user whose share is used up.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, io};

use loopscope_recorder::environment::RUNTIME_DIR;
use loopscope_recorder::folder::{FolderError, RuntimeFolder, candidates};
use loopscope_recorder::layout::FILE_BYTES;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use thiserror::Error;

use crate::messages::complain;

const FOLDER_HINT: &str = "name a private folder that you can write to in LOOPSCOPE_RUNTIME_DIR";

/// Fewer recordings than a small service with its workers would make.
const FEW_RECORDINGS: u64 = 4;

/// Why no recording can be made.
#[derive(Debug, Error)]
pub(crate) enum UnusableFolder {
    #[error("{}", told(.0))]
    Refused(FolderError),
    #[error("no recording can be made there ({source}): {path}")]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("files may not grow to the {FILE_BYTES} bytes of a recording")]
    Limited,
    #[error("no folder for recordings")]
    NoneFound,
}

impl UnusableFolder {
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Limited => "raise the limit: `ulimit -f unlimited`",
            Self::Unwritable { source, .. } if is_full(source) => {
                "free space there, or name a private folder elsewhere in LOOPSCOPE_RUNTIME_DIR"
            }
            Self::Refused(_) | Self::Unwritable { .. } | Self::NoneFound => FOLDER_HINT,
        }
    }
}

/// The first usable folder for this user. Says so when it is not the one that was named, and when it is
/// nearly full: processes that find no room there are not watched.
pub(crate) fn usable_folder() -> Result<RuntimeFolder, UnusableFolder> {
    if getrlimit(Resource::Fsize)
        .current
        .is_some_and(|most| most < FILE_BYTES as u64)
    {
        return Err(UnusableFolder::Limited);
    }
    let mut last = UnusableFolder::NoneFound;
    for path in candidates() {
        match try_out(&path) {
            Ok(folder) => {
                tell_named_left_out(&folder);
                tell_shortage(&folder);
                return Ok(folder);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn try_out(path: &Path) -> Result<RuntimeFolder, UnusableFolder> {
    let folder = RuntimeFolder::open(path).map_err(UnusableFolder::Refused)?;
    make_one(&folder).map_err(|source| UnusableFolder::Unwritable {
        path: path.into(),
        source,
    })?;
    Ok(folder)
}

/// Makes a file of a recording's size, which is gone when this returns.
fn make_one(folder: &RuntimeFolder) -> io::Result<()> {
    let file = tempfile::tempfile_in(folder.path())?;
    match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, FILE_BYTES as u64) {
        // Signals cut in, and some file systems cannot reserve: the room is then as `tell_shortage` sees it.
        Ok(()) | Err(Errno::INTR | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn is_full(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::NOSPC | Errno::DQUOT))
}

fn tell_named_left_out(used: &RuntimeFolder) {
    let Some(named) = env::var_os(RUNTIME_DIR).filter(|named| !named.is_empty()) else {
        return;
    };
    if let Err(error) = try_out(Path::new(&named)) {
        let used = used.path().display();
        complain(
            &format!("LOOPSCOPE_RUNTIME_DIR is left out, recordings go to {used}: {error}"),
            error.hint(),
        );
    }
}

fn tell_shortage(folder: &RuntimeFolder) {
    // Where the room is not known, the first process that finds none tells it.
    let Ok(found) = rustix::fs::statvfs(folder.path()) else {
        return;
    };
    if let Some(shortage) = shortage(found.f_bavail.saturating_mul(found.f_frsize)) {
        complain(
            &format!("{shortage}: {}", folder.path().display()),
            "free space there, or name a private folder elsewhere in LOOPSCOPE_RUNTIME_DIR",
        );
    }
}

/// What a folder with so much room is too small for; `None` where it will do.
fn shortage(free_bytes: u64) -> Option<String> {
    match free_bytes / FILE_BYTES as u64 {
        0 => Some(format!("no room for a recording of {FILE_BYTES} bytes")),
        1 => Some("room for the recording of 1 process only".to_owned()),
        room @ 2..FEW_RECORDINGS => {
            Some(format!("room for the recordings of {room} processes only"))
        }
        _ => None,
    }
}

/// An error with its cause.
fn told(error: &FolderError) -> String {
    let cause = error
        .source()
        .and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.map_or_else(|| error.to_string(), |cause| format!("{error} ({cause})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_room_for_fewer_than_four_recordings_is_short_of_it() {
        let said = |bytes: usize| shortage(bytes as u64).unwrap_or_default();
        assert!(said(FILE_BYTES - 1).starts_with("no room"));
        assert!(said(FILE_BYTES).ends_with("1 process only"));
        assert!(said(4 * FILE_BYTES - 1).ends_with("3 processes only"));
        assert_eq!(said(4 * FILE_BYTES), "");
    }

    #[test]
    fn an_error_is_told_with_its_cause() {
        let error = try_out(Path::new("/proc/no-folder")).unwrap_err();
        assert!(error.to_string().contains("os error"), "{error}");
    }

    #[test]
    fn what_is_tried_out_leaves_nothing_behind() {
        let base = tempfile::tempdir().unwrap();
        let folder = try_out(&base.path().join("rt")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
