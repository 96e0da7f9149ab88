//! What it takes to watch a target: the pulse, and a folder for recordings.
//!
//! Whatever is missing is said before the target starts, on stderr and in the report. It keeps no target
//! from starting.

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, io};

use loopscope_engine::observation::Fact;
use loopscope_recorder::environment::RUNTIME_DIR;
use loopscope_recorder::folder::{FolderError, RuntimeFolder, prune};
use loopscope_recorder::layout::FILE_BYTES;

use super::{agent_files, pulse_object, reach};
use crate::messages::complain;

/// Recordings that dead processes left behind are kept for a week.
const LEFT_BEHIND_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Fewer recordings than a small service with its workers would make.
const FEW_RECORDINGS: u64 = 4;

const FOLDER_HINT: &str = "name a private folder in LOOPSCOPE_RUNTIME_DIR";

/// What the target is given.
pub(crate) struct Equipment {
    pub(crate) pulse: PathBuf,
    /// The folder that brings the agent into a Python target; `None` where there is none.
    pub(crate) agent: Option<PathBuf>,
    pub(crate) folder: RuntimeFolder,
}

impl Equipment {
    /// Gets it for this command; says why where it cannot be had.
    pub(crate) fn get(command: &[OsString], notes: &mut Vec<Fact>) -> Option<Self> {
        let program = command.first()?.to_string_lossy();
        if let Some(out) = reach::out_of_reach(&program) {
            refuse(notes, &out.reason, out.hint);
            return None;
        }
        let pulse = pulse_object::unpack()
            .inspect_err(|error| refuse(notes, &error.to_string(), error.hint()))
            .ok()?;
        let folder = RuntimeFolder::open_default()
            .inspect_err(|error| refuse(notes, &told(error), FOLDER_HINT))
            .ok()?;
        check_named_folder(&folder);
        prune(&folder, LEFT_BEHIND_KEPT);
        check_room(&folder, notes);
        let agent = agent_files::unpack()
            .inspect_err(|error| {
                complain(&format!("the pulse watches alone: {error}"), error.hint())
            })
            .ok();
        Some(Self {
            pulse,
            agent,
            folder,
        })
    }
}

fn refuse(notes: &mut Vec<Fact>, reason: &str, hint: &str) {
    complain(&format!("running unwatched: {reason}"), hint);
    let detail = Some(format!("the program runs unwatched: {reason}; {hint}"));
    notes.push(Fact::Lost {
        what: "processes".into(),
        count: 1,
        detail,
    });
}

/// Says so when the folder that was named is not the one that is used.
fn check_named_folder(used: &RuntimeFolder) {
    let Some(named) = env::var_os(RUNTIME_DIR).filter(|named| !named.is_empty()) else {
        return;
    };
    if let Err(error) = RuntimeFolder::open(Path::new(&named)) {
        complain(
            &format!(
                "LOOPSCOPE_RUNTIME_DIR is left out, recordings go to {}: {}",
                used.path().display(),
                told(&error)
            ),
            FOLDER_HINT,
        );
    }
}

/// Says so when the folder is nearly full: processes that find no room there are not watched.
fn check_room(folder: &RuntimeFolder, notes: &mut Vec<Fact>) {
    // Where the room is not known, the first process that finds none tells it.
    let Ok(found) = rustix::fs::statvfs(folder.path()) else {
        return;
    };
    let free_bytes = found.f_bavail.saturating_mul(found.f_frsize);
    let Some(shortage) = shortage(free_bytes) else {
        return;
    };
    let reason = format!("{shortage}: {}", folder.path().display());
    let hint = "free space there, or name a private folder elsewhere in LOOPSCOPE_RUNTIME_DIR";
    if free_bytes < FILE_BYTES as u64 {
        refuse(notes, &reason, hint);
    } else {
        complain(&reason, hint);
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
        let error = RuntimeFolder::open(Path::new("/proc/no-folder")).unwrap_err();
        assert!(told(&error).contains("os error"), "{}", told(&error));
    }
}
