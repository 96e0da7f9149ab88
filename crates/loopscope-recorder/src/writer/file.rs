//! The file behind a recording: created, and every block of it reserved.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::CreateError;
use crate::folder::RuntimeFolder;
use crate::identity::ProcessIdentity;
use crate::layout::FILE_BYTES;

/// Images of one process that are looked for before giving up: far beyond any chain of `exec`.
const MOST_IMAGES: u32 = 4096;

/// Signals that may cut in on the reservation, one after the other, before it is given up.
const MOST_INTERRUPTIONS: u32 = 1000;

pub(super) fn create_file(
    folder: &RuntimeFolder,
    process: ProcessIdentity,
) -> Result<(File, PathBuf, u32), CreateError> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true).mode(0o600);
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    // Never a number that was used before: a reader may have seen that file and deleted it.
    let first = folder.next_image(process);
    for image in first..first.saturating_add(MOST_IMAGES) {
        let path = folder.recording_path(process, image);
        match options.open(&path) {
            Ok(file) => return Ok((file, path, image)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(failure(&path, source)),
        }
    }
    Err(failure(folder.path(), io::ErrorKind::AlreadyExists.into()))
}

/// Reserves every block. File systems without the call get the zeros written instead.
pub(super) fn reserve(file: &File) -> io::Result<()> {
    if !is_allowed_by_limit() {
        return Err(Errno::FBIG.into());
    }
    match reserve_despite_signals(file) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(file),
        result => result.map_err(io::Error::from),
    }
}

/// Whether the process may make files of this size. Trying it against `RLIMIT_FSIZE` does not only fail:
/// it raises SIGXFSZ, which would end the process that we observe.
fn is_allowed_by_limit() -> bool {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize);
    limit.current.is_none_or(|most| most >= FILE_BYTES as u64)
}

/// The call is allowed to give up where a signal is pending, and the memory file system of many kernels
/// does, whether or not the program asked for calls to be restarted. Under a profiler's timer signals
/// come all the time.
fn reserve_despite_signals(file: &File) -> Result<(), Errno> {
    for _ in 0..MOST_INTERRUPTIONS {
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, FILE_BYTES as u64) {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
    Err(Errno::INTR)
}

/// Every byte is written out before this returns: one that is not would be a hole.
fn write_zeros(mut file: &File) -> io::Result<()> {
    let zeros = [0; 4096];
    let mut left = FILE_BYTES;
    while left > 0 {
        let part = left.min(zeros.len());
        file.write_all(&zeros[..part])?;
        left -= part;
    }
    Ok(())
}

pub(super) fn failure(path: &Path, source: io::Error) -> CreateError {
    let path = path.to_path_buf();
    match source.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => CreateError::NoRoom { path },
        _ => CreateError::File { path, source },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_system_that_cannot_reserve_gets_every_byte_written() {
        let path = std::env::temp_dir().join(format!("ls-zeros-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        write_zeros(&file).unwrap();
        assert_eq!(fs::read(&path).unwrap(), vec![0; FILE_BYTES]);
        let _ = fs::remove_file(&path);
    }

    #[test]
    fn what_does_not_fit_is_told_from_what_is_refused() {
        let of = |errno: Errno| failure(Path::new("/x"), errno.into());
        assert!(matches!(of(Errno::NOSPC), CreateError::NoRoom { .. }));
        assert!(matches!(of(Errno::FBIG), CreateError::NoRoom { .. }));
        assert!(matches!(of(Errno::ACCESS), CreateError::File { .. }));
    }
}
