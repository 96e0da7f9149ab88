//! Shares a recording that another object of this process created.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Recording;
use crate::identity::ProcessIdentity;
use crate::layout::{FILE_BYTES, FORMAT_VERSION};
use crate::mapping;
use crate::reader::{ReadError, RecordingReader};

/// Why a recording cannot be shared.
#[derive(Debug, Error)]
pub enum JoinError {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// It cannot be mapped.
    #[error("cannot map the recording {path}")]
    Map {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is another process's.
    #[error("the recording belongs to another process: {path}")]
    NotOurs {
        /// Which.
        path: PathBuf,
    },
    /// It was created by another version, whose places are not ours.
    #[error("the recording has format {found}, this program writes {FORMAT_VERSION}: {path}")]
    OtherVersion {
        /// The file's version.
        found: u32,
        /// Which.
        path: PathBuf,
    },
}

impl Recording {
    /// Shares the recording that another object of this process created, such as the pulse.
    ///
    /// Everything may then be written by both: slots are taken atomically, and counters of [`super::Shared`]
    /// writers add up.
    ///
    /// # Errors
    /// When the file cannot be read or mapped, is another process's (a forked child meets its parent's
    /// here), or of another version.
    pub fn join(path: &Path) -> Result<Self, JoinError> {
        let described = RecordingReader::open(path)?;
        let found = described.description().version;
        if found != FORMAT_VERSION {
            let path = path.into();
            return Err(JoinError::OtherVersion { found, path });
        }
        if ProcessIdentity::own() != Some(described.description().process) {
            return Err(JoinError::NotOurs { path: path.into() });
        }
        map(path).map_err(|source| JoinError::Map {
            path: path.into(),
            source,
        })
    }
}

fn map(path: &Path) -> io::Result<Recording> {
    let mut options = File::options();
    options.read(true).write(true);
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    let file = options.open(path)?;
    // The last byte is there: no page of the mapping lies beyond the file's end.
    file.read_exact_at(&mut [0], FILE_BYTES as u64 - 1)?;
    mapping::map_forever(&file, path)
}
