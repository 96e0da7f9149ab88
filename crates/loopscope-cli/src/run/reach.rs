//! Whether a program can be watched at all: before it starts, so that silence is never mistaken for
//! health.
//!
//! The loader takes the pulse into programs that are dynamically linked against this system's C library
//! and do not gain privileges. Others run unwatched, and this says why.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use object::endian::Endianness;
use object::read::elf::{FileHeader, ProgramHeader};
use object::{elf, elf::FileHeader64};
use rustix::fs::OFlags;

/// Scripts name scripts as their interpreters only so often.
const MOST_INTERPRETERS: usize = 4;

/// As much of a program as its headers can take.
const HEAD_BYTES: usize = 64 << 10;

/// Why a target runs unwatched: one sentence and the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutOfReach {
    pub(crate) reason: String,
    pub(crate) hint: &'static str,
}

/// Why this program cannot be watched; `None` where it can, or where it cannot be told.
pub(crate) fn out_of_reach(program: &str) -> Option<OutOfReach> {
    let path = real_program(find(program)?);
    let file = open(&path)?;
    if let Some(reason) = gains_privileges(&file, &path) {
        return Some(reason);
    }
    let mut head = vec![0; HEAD_BYTES];
    let read = file.take(HEAD_BYTES as u64).read(&mut head).ok()?;
    judge_elf(&head[..read], &path)
}

/// Opens a regular file; never waits, as opening a pipe would.
fn open(path: &Path) -> Option<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32)
        .open(path)
        .ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

/// The file that a command's name stands for.
fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program));
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| {
            fs::metadata(file)
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        })
}

/// Follows the first lines of scripts to the program that runs them.
fn real_program(mut path: PathBuf) -> PathBuf {
    for _ in 0..MOST_INTERPRETERS {
        match interpreter(&path) {
            Some(next) => path = next,
            None => break,
        }
    }
    path
}

fn interpreter(path: &Path) -> Option<PathBuf> {
    let mut head = [0; 512];
    let read = open(path)?.read_at(&mut head, 0).ok()?;
    let line = head[..read]
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace();
    let first = words.next()?;
    if !first.ends_with("/env") {
        return Some(PathBuf::from(first));
    }
    let named = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
    find(named)
}

fn gains_privileges(file: &File, path: &Path) -> Option<OutOfReach> {
    let found = file.metadata().ok()?;
    let own = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let changes_user = found.mode() & 0o4000 != 0 && found.uid() != own.0;
    let changes_group = found.mode() & 0o2000 != 0 && found.gid() != own.1;
    let mut capabilities = [0u8; 64];
    let has_capabilities =
        own.0 != 0 && rustix::fs::fgetxattr(file, "security.capability", &mut capabilities).is_ok();
    (changes_user || changes_group || has_capabilities).then(|| OutOfReach {
        reason: format!(
            "{} gains privileges when it starts, and the loader then takes no pulse",
            path.display()
        ),
        hint: "start loopscope as the user that the program turns into",
    })
}

fn judge_elf(head: &[u8], path: &Path) -> Option<OutOfReach> {
    let name = path.display();
    if !head.starts_with(&elf::ELFMAG) {
        return None;
    }
    let Ok(header) = FileHeader64::<Endianness>::parse(head) else {
        return Some(OutOfReach {
            reason: format!("{name} is no 64-bit program"),
            hint: "watch a 64-bit build of it",
        });
    };
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, head).ok()?;
    let named = segments
        .iter()
        .find_map(|segment| segment.interpreter(endian, head).ok().flatten());
    let Some(loader) = named else {
        return Some(OutOfReach {
            reason: format!("{name} is statically linked, so no pulse can be loaded into it"),
            hint: "watch a dynamically linked build of it",
        });
    };
    let loader = String::from_utf8_lossy(loader);
    let is_gnu = loader.contains("ld-linux") || loader.contains("/ld64");
    (!is_gnu).then(|| OutOfReach {
        reason: format!("{name} uses another C library ({loader}) than the pulse is built for"),
        hint: "watch a build of it for the GNU C library",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_is_in_reach_by_name_path_and_script() {
        assert_eq!(out_of_reach("sh"), None);
        assert_eq!(
            out_of_reach(&env::current_exe().unwrap().to_string_lossy()),
            None
        );
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        fs::write(&script, "#!/usr/bin/env -S sh -e\nexit 0\n").unwrap();
        assert!(real_program(script.clone()).ends_with("sh"));
        assert_eq!(out_of_reach(&script.to_string_lossy()), None);
    }

    #[test]
    fn a_program_that_is_not_there_is_left_to_the_start_to_report() {
        assert_eq!(out_of_reach("/no/such/program"), None);
        assert_eq!(out_of_reach("no-such-program-anywhere"), None);
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o700.into()).unwrap();
        assert_eq!(out_of_reach(&pipe.to_string_lossy()), None);
    }

    #[test]
    fn a_program_without_a_loader_is_static() {
        // An ELF header with no program headers behind it: nothing names a loader.
        let own = fs::read(env::current_exe().unwrap()).unwrap();
        let mut head = own[..64].to_vec();
        let program_header_count = 56;
        head[program_header_count..][..2].fill(0);
        let judged = judge_elf(&head, Path::new("/srv/app")).unwrap();
        assert!(
            judged.reason.contains("statically linked"),
            "{}",
            judged.reason
        );
    }

    #[test]
    fn a_file_that_ends_within_its_headers_is_not_judged_a_crash() {
        assert!(judge_elf(b"\x7fELF", Path::new("/srv/app")).is_some());
        assert_eq!(judge_elf(b"", Path::new("/srv/app")), None);
    }
}
