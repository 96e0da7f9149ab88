//! Where nothing can be recorded: the program must not notice.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use loopscope_recorder::folder::recordings_in;

use crate::bench::{assert_same, bare, folder, preloaded, program, recordings_of, skip, text};

const WORDS: [&str; 3] = ["variant", "epoll_wait", "0"];

/// A small memory file system, gone again with the value.
struct Mounted(PathBuf);

impl Mounted {
    /// `None`, and said, where this user may not mount.
    fn new(path: &Path, options: &str) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "loopscope-test"]);
        let done = mount.arg(path).output();
        if !done.is_ok_and(|done| done.status.success()) {
            skip("this user may not mount a file system: run the tests as root");
            return None;
        }
        Some(Self(path.into()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// Runs the program with this folder for recordings, and with no other to turn to.
fn run_into(folder: &Path, words: &[&str]) -> Option<Output> {
    let program = program("turns")?;
    let watched = preloaded(&program, folder).args(words).output().unwrap();
    assert_same(&bare(&program, words), &watched);
    Some(watched)
}

#[test]
fn a_full_disk_is_not_noticed_and_nothing_is_left_on_it() {
    let folder = folder();
    let Some(_mounted) = Mounted::new(folder.path(), "size=64k,mode=0700") else {
        return;
    };
    run_into(folder.path(), &WORDS);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_read_only_folder_is_not_noticed() {
    let folder = folder();
    let Some(_mounted) = Mounted::new(folder.path(), "ro,mode=0700") else {
        return;
    };
    run_into(folder.path(), &WORDS);
}

#[test]
fn a_limit_on_the_size_of_files_is_not_noticed() {
    let folder = folder();
    let words = ["limited", "file size"];
    if let Some(watched) = run_into(folder.path(), &words) {
        assert_eq!(text(&watched.stdout), "done\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_process_that_can_open_no_more_files_is_not_disturbed() {
    let folder = folder();
    let words = ["limited", "descriptors"];
    if let Some(watched) = run_into(folder.path(), &words) {
        assert_eq!(text(&watched.stdout), "done\n");
        assert!(recordings_in(folder.path()).is_empty());
    }
}

#[test]
fn a_recording_with_our_name_already_there_is_never_written_to() {
    let folder = folder();
    let target = folder.path().join("elsewhere");
    fs::write(&target, "theirs").unwrap();
    symlink(&target, folder.path().join("planted.loopscope")).unwrap();
    run_into(folder.path(), &WORDS);
    assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
}

/// What valgrind finds in the program itself, and in what is loaded into it.
#[test]
fn memory_is_never_touched_out_of_place() {
    let Some(turns) = program("turns") else {
        return;
    };
    if Command::new("valgrind").arg("--version").output().is_err() {
        return skip("valgrind is not installed: apt-get install valgrind");
    }
    let folder = folder();
    let mut checked = preloaded("valgrind", folder.path());
    checked.args(["-q", "--error-exitcode=99", "--"]).arg(turns);
    let output = checked.args(WORDS).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    let ours = recordings_of(folder.path());
    assert!(ours.iter().any(|recorded| recorded.loops.len() == 1));
}

/// A sanitizer wants to be the first in line, and is told that it need not.
#[test]
fn a_program_with_a_sanitizer_runs_as_before() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pulse/programs");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pulse-sanitized");
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-fsanitize=address,undefined", "-pthread", "-o"]);
    compiler.arg(&target).arg(sources.join("children.c"));
    if !compiler.output().is_ok_and(|done| done.status.success()) {
        return skip("no C compiler with sanitizers here");
    }
    let folder = folder();
    let mut watched = preloaded(&target, folder.path());
    watched.env("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0");
    let output = watched.arg("fork").output().unwrap();
    assert_same(&bare(&target, &["fork"]), &output);
    assert_eq!(recordings_of(folder.path()).len(), 2);
}

#[test]
fn a_folder_that_others_can_write_to_is_not_used() {
    let folder = folder();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let Some(program) = program("turns") else {
        return;
    };
    let elsewhere = crate::bench::folder();
    let own = elsewhere.path().join("loopscope");
    let mut watched = preloaded(&program, folder.path());
    let output = watched.env("XDG_RUNTIME_DIR", elsewhere.path());
    assert_same(
        &bare(&program, &WORDS),
        &output.args(WORDS).output().unwrap(),
    );
    assert!(recordings_in(folder.path()).is_empty());
    assert_eq!(recordings_of(&own).len(), 1, "the next candidate is taken");
}
