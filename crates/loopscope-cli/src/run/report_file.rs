//! The file of the final report, and of other results.
//!
//! A regular file is written whole or not at all: a draft beside it takes its place. What is no regular
//! file (a device, a pipe, `/dev/stdout`, a process substitution) is written straight into; a rename
//! would put a file in its place.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use loopscope_engine::report::Report;
use rustix::fs::OFlags;
use rustix::io::Errno;
use thiserror::Error;

/// As many links as the kernel itself follows.
const MOST_LINKS: usize = 40;

/// Why the report was not written.
#[derive(Debug, Error)]
#[error("cannot write the report ({source}): {path}")]
pub(crate) struct WriteError {
    source: io::Error,
    /// As it was given.
    path: PathBuf,
}

impl WriteError {
    /// The next step.
    pub(crate) fn hint(&self) -> &'static str {
        match self.source.kind() {
            ErrorKind::NotFound => "create the folder, or name another file with `--report`",
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "free space there, or name another file with `--report`"
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                "name a file in a folder that you may write to with `--report`"
            }
            ErrorKind::IsADirectory => "name a file in that folder with `--report`",
            ErrorKind::BrokenPipe => "keep the reader of the pipe running until the program ends",
            _ if self.source.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                "start the reader of the pipe first, or name another file with `--report`"
            }
            _ => "name another file with `--report`",
        }
    }
}

/// Writes the report to what the path stands for.
pub(crate) fn write(path: &Path, report: &Report) -> Result<(), WriteError> {
    let failure = |source| WriteError {
        source,
        path: path.into(),
    };
    let mut text = serde_json::to_vec_pretty(report).map_err(|error| failure(error.into()))?;
    text.push(b'\n');
    write_whole(path, &text).map_err(failure)
}

/// Puts a whole text where the path leads.
pub(crate) fn write_whole(path: &Path, text: &[u8]) -> io::Result<()> {
    match Place::of(path)? {
        Place::Regular(path) => replace(&path, text),
        Place::Stream(path) => open_stream(&path)?.write_all(text),
    }
}

/// What a path stands for once its links are followed.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// A regular file, or none yet.
    Regular(PathBuf),
    /// What is written straight into.
    Stream(PathBuf),
}

impl Place {
    fn of(path: &Path) -> io::Result<Self> {
        let mut path = path.to_path_buf();
        for _ in 0..MOST_LINKS {
            let found = match fs::symlink_metadata(&path) {
                Ok(found) => found,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Ok(Self::Regular(path));
                }
                Err(error) => return Err(error),
            };
            if found.is_file() {
                return Ok(Self::Regular(path));
            }
            if !found.is_symlink() {
                return Ok(Self::Stream(path));
            }
            let folder = fs::canonicalize(folder_of(&path))?;
            // An open descriptor: others hold it too, and a rename would take the file from them.
            if folder.starts_with("/proc") {
                return Ok(Self::Stream(path));
            }
            path = folder.join(fs::read_link(&path)?);
        }
        Err(Errno::LOOP.into())
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Puts a whole file in the place of what is there, with the mode that a shell's `>` would leave.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    // Made by ourselves: an error then speaks of no draft, and the umask decides on the mode.
    let mut draft =
        tempfile::Builder::new().make_in(folder_of(path), |draft| File::create_new(draft))?;
    let file = draft.as_file_mut();
    if let Ok(present) = fs::metadata(path) {
        file.set_permissions(Permissions::from_mode(
            present.permissions().mode() & 0o7777,
        ))?;
    }
    file.write_all(text)?;
    file.sync_all()?;
    draft.persist(path)?;
    Ok(())
}

/// Opens without waiting for a pipe's reader, who may never come; then writes as to any file. What others
/// wrote to the same file stays.
fn open_stream(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .append(true)
        .custom_flags(flags.bits() as i32)
        .open(path)?;
    rustix::fs::fcntl_setfl(&file, OFlags::APPEND)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_link_stays_a_link_and_its_target_is_written_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let (link, target) = (folder.path().join("link"), folder.path().join("target"));
        fs::write(&target, "an older report").unwrap();
        fs::set_permissions(&target, Permissions::from_mode(0o640)).unwrap();
        symlink("target", &link).unwrap();
        write_whole(&link, b"{}").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"{}");
        assert_eq!(mode(&target), 0o640);
    }

    #[test]
    fn a_new_report_has_the_mode_of_any_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let (report, other) = (folder.path().join("report"), folder.path().join("other"));
        write_whole(&report, b"{}").unwrap();
        fs::write(&other, "").unwrap();
        assert_eq!(mode(&report), mode(&other));
    }

    #[test]
    fn a_pipe_is_written_into_and_stays_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
        let unread = write_whole(&pipe, b"{}").unwrap_err();
        assert_eq!(
            unread.raw_os_error(),
            Some(Errno::NXIO.raw_os_error()),
            "nobody reads it, and waiting could take for ever"
        );
        let mut reader = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits() as i32)
            .open(&pipe)
            .unwrap();
        write_whole(&pipe, b"{}").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "{}");
    }

    #[test]
    fn a_failure_names_the_path_that_was_given_and_a_step_that_fits() {
        let folder = tempfile::tempdir().unwrap();
        let told = |path: PathBuf| {
            let error = WriteError {
                source: write_whole(&path, b"{}").unwrap_err(),
                path: path.clone(),
            };
            let said = error.to_string();
            assert!(said.ends_with(&format!("): {}", path.display())), "{said}");
            assert!(!said.contains("at path"), "{said}");
            error.hint()
        };
        assert!(told(folder.path().join("none/report")).contains("create the folder"));
        assert!(told("/dev/full".into()).contains("free space"));
        assert!(told(folder.path().into()).contains("in that folder"));
    }

    #[test]
    fn links_that_lead_in_a_circle_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("link", &link).unwrap();
        assert_eq!(
            Place::of(&link).unwrap_err().raw_os_error(),
            Some(Errno::LOOP.raw_os_error())
        );
    }
}
