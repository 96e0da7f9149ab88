//! The private folder that recordings live in, one per user.
//!
//! It lies on a memory file system where there is one: dirty pages of a file on disk are locked while
//! they are written back, and the loop that touches one then would wait for the disk.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::environment;
use crate::identity::ProcessIdentity;
use crate::reader::{Liveness, RecordingReader};

/// How recordings are named: `PID-START-IMAGE.loopscope`.
pub const EXTENSION: &str = "loopscope";

/// Why a folder cannot be used.
#[derive(Debug, Error)]
pub enum FolderError {
    /// It could not be made.
    #[error("cannot create the recordings folder {path}")]
    Create {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It exists and is somebody else's, or open to others, or no folder.
    #[error("the recordings folder is not private to this user: {reason}: {path}")]
    NotPrivate {
        /// What is wrong with it.
        reason: &'static str,
        /// Which.
        path: PathBuf,
    },
}

/// A folder that was checked: a real folder, owned by this user, closed to others.
#[derive(Clone, Debug)]
pub struct RuntimeFolder(PathBuf);

impl RuntimeFolder {
    /// The first of the candidates for this user that can be used; creates it if need be.
    ///
    /// # Errors
    /// The last candidate's, when none can be used.
    pub fn open_default() -> Result<Self, FolderError> {
        Self::open_among(&named_candidates())
    }

    /// The first usable one of these, or else of the places that every user has. Reads no environment,
    /// which another thread may be changing, and which may no longer be what the process was given.
    ///
    /// # Errors
    /// The last candidate's, when none can be used.
    pub fn open_among(named: &[PathBuf]) -> Result<Self, FolderError> {
        let shared = shared_candidates(rustix::process::geteuid().as_raw());
        let mut last = FolderError::NotPrivate {
            reason: "none found",
            path: PathBuf::new(),
        };
        for path in named.iter().chain(&shared) {
            match Self::open(path) {
                Ok(folder) => return Ok(folder),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// This folder, created if need be.
    ///
    /// # Errors
    /// When it cannot be created, or is not private to this user.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path);
        made.map_err(|source| FolderError::Create {
            path: path.into(),
            source,
        })?;
        let refuse = |reason| FolderError::NotPrivate {
            reason,
            path: path.into(),
        };
        // Not followed: a link that somebody else planted in a shared folder must not lead us away.
        let found = fs::symlink_metadata(path).map_err(|source| FolderError::Create {
            path: path.into(),
            source,
        })?;
        if !found.is_dir() {
            return Err(refuse("not a folder"));
        }
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(refuse("owned by another user"));
        }
        if found.mode() & 0o077 != 0 {
            return Err(refuse("open to other users"));
        }
        Ok(Self(path.into()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The number of the next program image of a process, after all that have recordings here.
    pub(crate) fn next_image(&self, process: ProcessIdentity) -> u32 {
        let prefix = format!("{}-{}-", process.pid, process.start_ticks);
        let image = |path: PathBuf| {
            let name = path.file_stem()?.to_str()?;
            name.strip_prefix(&prefix)?.parse::<u32>().ok()
        };
        let known = recordings_in(&self.0).into_iter().filter_map(image).max();
        known.map_or(0, |image| image.saturating_add(1))
    }

    /// Where the recording of this image of a process belongs.
    pub(crate) fn recording_path(&self, process: ProcessIdentity, image: u32) -> PathBuf {
        let ProcessIdentity { pid, start_ticks } = process;
        self.0
            .join(format!("{pid}-{start_ticks}-{image}.{EXTENSION}"))
    }
}

/// Folders to try for this user, best first.
pub fn candidates() -> Vec<PathBuf> {
    let mut candidates = named_candidates();
    candidates.extend(shared_candidates(rustix::process::geteuid().as_raw()));
    candidates
}

/// The folders that the environment names.
pub fn named_candidates() -> Vec<PathBuf> {
    let from = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let given = from(environment::RUNTIME_DIR);
    let session = from("XDG_RUNTIME_DIR").map(|folder| folder.join("loopscope"));
    given.into_iter().chain(session).collect()
}

/// Where the folders of all users are, each under a name of its own.
pub const SHARED_PLACES: [&str; 2] = ["/dev/shm", "/tmp"];

/// The folders that a user's recordings go to where no variable says otherwise.
fn shared_candidates(uid: u32) -> [PathBuf; 2] {
    SHARED_PLACES.map(|base| Path::new(base).join(format!("loopscope-{uid}")))
}

/// Every folder on this host that may hold recordings readable by this user: its own candidates, and
/// those of other users that were created by their owners and let us in (for root).
pub fn readable_folders() -> Vec<PathBuf> {
    let mut folders = shared_folders();
    folders.extend(named_candidates());
    folders.sort();
    folders.dedup();
    folders.retain(|folder| fs::read_dir(folder).is_ok());
    folders
}

/// As [`readable_folders`], without those that the environment names: a program that watches itself may be
/// changing that at this moment, and reading it then is not safe.
pub fn shared_folders() -> Vec<PathBuf> {
    let mut folders = shared_candidates(rustix::process::geteuid().as_raw()).to_vec();
    let places = SHARED_PLACES.iter().map(Path::new);
    folders.extend(places.flat_map(users_folders));
    folders.sort();
    folders.dedup();
    folders.retain(|folder| fs::read_dir(folder).is_ok());
    folders
}

/// The folders in a shared place that were created by the users whose recordings they are for.
pub fn users_folders(place: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(place) else {
        return Vec::new();
    };
    let named = entries.flatten().filter_map(|entry| {
        let uid = uid_of(&entry.file_name())?;
        Some((entry.path(), uid))
    });
    named
        .filter(|(path, uid)| is_users(path, *uid))
        .map(|(path, _)| path)
        .collect()
}

/// The user in a name like `loopscope-1000`.
fn uid_of(name: &OsStr) -> Option<u32> {
    name.to_str()?.strip_prefix("loopscope-")?.parse().ok()
}

/// Whether this is a folder of that very user.
fn is_users(path: &Path, uid: u32) -> bool {
    let found = fs::symlink_metadata(path).ok();
    found.is_some_and(|found| found.is_dir() && found.uid() == uid)
}

/// The recordings in a folder, as paths. A folder that is gone has none.
pub fn recordings_in(folder: &Path) -> Vec<PathBuf> {
    list_recordings(folder).unwrap_or_default()
}

/// The same, for who wants to know why there are none.
///
/// # Errors
/// When the folder cannot be read.
pub fn list_recordings(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    let is_recording = |path: &PathBuf| path.extension().is_some_and(|end| end == EXTENSION);
    Ok(paths.filter(is_recording).collect())
}

/// Deletes recordings of dead processes that are older than `age`. What cannot be read or deleted stays:
/// it may belong to a program that is just starting.
pub fn prune(folder: &RuntimeFolder, age: Duration) {
    delete_old(folder, age, |_| true);
}

/// Deletes recordings of processes that ended in order, at least `age` after anything was written there.
/// Nobody has a use for them; where no supervisor waits for the end, they stay behind.
pub fn prune_ended(folder: &RuntimeFolder, age: Duration) {
    let has_ended = |reader: &mut RecordingReader| {
        let counters = reader.read_loops().map(|(counters, _)| counters);
        counters.is_ok_and(|counters| counters.ended_nanos.is_some())
    };
    delete_old(folder, age, has_ended);
}

/// Deletes recordings of dead processes that are older than `age` and of which this is true.
fn delete_old(
    folder: &RuntimeFolder,
    age: Duration,
    may_go: impl Fn(&mut RecordingReader) -> bool,
) {
    for path in recordings_in(folder.path()) {
        let is_old = fs::metadata(&path)
            .and_then(|found| found.modified())
            .is_ok_and(|modified| modified.elapsed().is_ok_and(|passed| passed > age));
        let is_dead = || {
            RecordingReader::open(&path).is_ok_and(|mut reader| {
                reader.description().liveness() == Liveness::Dead && may_go(&mut reader)
            })
        };
        if is_old && is_dead() {
            let _ = fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("ls-folder-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    #[test]
    fn a_missing_folder_is_created_private() {
        let path = scratch("missing").join("deep");
        RuntimeFolder::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_folder_open_to_others_is_refused() {
        let path = scratch("open");
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let error = RuntimeFolder::open(&path).unwrap_err();
        assert!(error.to_string().contains("open to other users"), "{error}");
    }

    #[test]
    fn a_link_in_place_of_the_folder_is_refused() {
        let base = scratch("link");
        RuntimeFolder::open(&base).unwrap();
        symlink("/tmp", base.join("planted")).unwrap();
        let error = RuntimeFolder::open(&base.join("planted")).unwrap_err();
        assert!(error.to_string().contains("not a folder"), "{error}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_says_which() {
        let error = RuntimeFolder::open(Path::new("/proc/no-such/loopscope")).unwrap_err();
        assert!(
            error.to_string().ends_with("/proc/no-such/loopscope"),
            "{error}"
        );
    }
}
