//! Where recordings lie: disks that are full, folders that are not ours, files that are no files.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use loopscope_recorder::environment::RUNTIME_DIR;
use loopscope_recorder::folder::{RuntimeFolder, readable_folders, recordings_in};
use loopscope_recorder::layout::FILE_BYTES;
use loopscope_recorder::reader::{ReadError, RecordingReader};
use loopscope_recorder::writer::{CreateError, Recording};

use crate::{child, create, recording_spec, scratch, skip};

const NOBODY: u32 = 65534;

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

fn create_in(path: &Path) -> Result<Recording, CreateError> {
    Recording::create(&RuntimeFolder::open(path).unwrap(), &recording_spec())
}

#[test]
fn a_full_disk_has_no_room_and_keeps_no_leftovers() {
    let folder = scratch();
    let Some(_mounted) = Mounted::new(folder.path(), "size=64k,mode=0700") else {
        return;
    };
    let error = create_in(folder.path()).err().unwrap();
    assert!(matches!(error, CreateError::NoRoom { .. }), "{error}");
    assert!(error.to_string().contains(&FILE_BYTES.to_string()));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_read_only_folder_is_an_error_that_names_the_file() {
    let folder = scratch();
    let Some(_mounted) = Mounted::new(folder.path(), "ro,mode=0700") else {
        return;
    };
    let error = create_in(folder.path()).err().unwrap();
    assert!(matches!(error, CreateError::File { .. }), "{error}");
    assert!(error.to_string().ends_with(".loopscope"), "{error}");
}

#[test]
fn a_folder_that_went_away_is_an_error_and_holds_no_recordings() {
    let folder = scratch();
    let path = folder.path().join("gone");
    let opened = RuntimeFolder::open(&path).unwrap();
    fs::remove_dir(&path).unwrap();
    let error = Recording::create(&opened, &recording_spec()).err().unwrap();
    assert!(matches!(error, CreateError::File { .. }), "{error}");
    assert!(recordings_in(&path).is_empty());
}

#[test]
fn a_link_that_took_the_folders_place_is_refused() {
    let (folder, theirs) = (scratch(), scratch());
    let path = folder.path().join("ours");
    RuntimeFolder::open(&path).unwrap();
    fs::remove_dir(&path).unwrap();
    symlink(theirs.path(), &path).unwrap();
    let error = RuntimeFolder::open(&path).unwrap_err();
    assert!(error.to_string().contains("not a folder"), "{error}");
}

#[test]
fn a_link_with_the_recordings_name_is_left_alone() {
    let folder = scratch();
    let (_, path) = create(&folder);
    let elsewhere = folder.path().join("elsewhere");
    fs::write(&elsewhere, "theirs").unwrap();
    fs::remove_file(&path).unwrap();
    symlink(&elsewhere, &path).unwrap();
    create(&folder);
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "theirs");
    let error = RecordingReader::open(&path).unwrap_err();
    assert!(matches!(error, ReadError::File { .. }), "{error}");
}

#[test]
fn a_pipe_or_a_folder_in_a_recordings_place_is_refused_without_waiting() {
    let folder = scratch();
    let [pipe, inner] = ["pipe", "folder"].map(|name| folder.path().join(name));
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    fs::create_dir(&inner).unwrap();
    for path in [pipe, inner] {
        let error = RecordingReader::open(&path).unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{error}");
    }
}

#[test]
fn a_recording_is_closed_to_others() {
    let folder = scratch();
    let (_, path) = create(&folder);
    let found = fs::metadata(path).unwrap();
    assert_eq!(found.mode() & 0o777, 0o600);
    assert_eq!(
        found.blocks() * 512,
        found.size().next_multiple_of(4096),
        "no holes"
    );
}

#[test]
fn another_users_process_records_in_a_folder_of_its_own_which_root_finds() {
    if !is_root() {
        return skip("only root can become another user: run the tests as root");
    }
    let (folder, copy) = (scratch(), program_for_everybody());
    let mut writer = child::command(&copy.path().join("program"), "records_where_it_may");
    writer.uid(NOBODY).gid(NOBODY).env_remove("XDG_RUNTIME_DIR");
    writer.current_dir("/").env(RUNTIME_DIR, folder.path());
    let mut writer = writer.spawn().unwrap();
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let place = lines.find_map(|line| {
        let line = line.unwrap();
        line.split("recording in ").nth(1).map(PathBuf::from)
    });
    let place = place.unwrap();
    assert_ne!(place, folder.path());
    assert!(readable_folders().contains(&place), "{}", place.display());
    let of_child = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with(&format!("{}-", writer.id()))
    };
    let path = recordings_in(&place).into_iter().find(of_child).unwrap();
    let reader = RecordingReader::open(&path).unwrap();
    assert_eq!(reader.description().uid, NOBODY);
    assert!(reader.description().is_live());
    drop(writer.stdin.take());
    writer.wait().unwrap();
    assert!(!reader.description().is_live());
    fs::remove_file(path).unwrap();
    let _ = fs::remove_dir(place);
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0)
}

/// The build's folder may be closed to others; this one is not.
fn program_for_everybody() -> tempfile::TempDir {
    let open = fs::Permissions::from_mode(0o755);
    let mut builder = tempfile::Builder::new();
    let folder = builder.permissions(open).tempdir().unwrap();
    fs::copy(
        std::env::current_exe().unwrap(),
        folder.path().join("program"),
    )
    .unwrap();
    folder
}
