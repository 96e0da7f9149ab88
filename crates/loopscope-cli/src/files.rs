//! Files that a stress run or a drill leaves behind: whole or not at all.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use crate::run::write_whole;

/// Why a file was not written.
#[derive(Debug, Error)]
#[error("cannot write ({source}): {path}")]
pub(crate) struct WriteError {
    source: std::io::Error,
    path: PathBuf,
}

impl WriteError {
    fn new(source: std::io::Error, path: &Path) -> Self {
        Self {
            source,
            path: path.into(),
        }
    }

    /// What to do next.
    pub(crate) fn hint(&self) -> &'static str {
        match self.source.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => {
                "create the folder, or name another file"
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "free space there, or name another file"
            }
            ErrorKind::IsADirectory => "name a file in that folder",
            _ => "name a file in a folder that you may write to",
        }
    }
}

/// Whether a file can be there at all: said before a run of minutes, not after it.
pub(crate) fn check(path: &Path) -> Result<(), WriteError> {
    if path.is_dir() {
        return Err(WriteError::new(ErrorKind::IsADirectory.into(), path));
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let found = std::fs::metadata(folder).map_err(|error| WriteError::new(error, path))?;
    if found.is_dir() {
        Ok(())
    } else {
        Err(WriteError::new(ErrorKind::NotADirectory.into(), path))
    }
}

/// Puts the whole text in the place of what is there.
pub(crate) fn write(path: &Path, text: &[u8]) -> Result<(), WriteError> {
    write_whole(path, text).map_err(|error| WriteError::new(error, path))
}

/// Results as they are kept.
pub(crate) fn json(results: &impl Serialize) -> Vec<u8> {
    // Of plain fields alone, which always have a form.
    let mut text = serde_json::to_vec_pretty(results).unwrap_or_default();
    text.push(b'\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_said_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let hint = |path: &Path| check(path).unwrap_err().hint();
        assert!(hint(&folder.path().join("none/results.json")).contains("create the folder"));
        assert!(hint(folder.path()).contains("in that folder"));
        assert!(check(&folder.path().join("results.json")).is_ok());
        assert!(check(Path::new("results.json")).is_ok());
    }

    #[test]
    fn a_full_disk_is_said() {
        let error = write(Path::new("/dev/full"), b"{}").unwrap_err();
        assert!(error.to_string().contains("No space left"), "{error}");
        assert!(error.hint().contains("free space"));
    }
}
