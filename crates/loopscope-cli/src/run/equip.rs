//! What it takes to watch a target: the pulse, and a folder for recordings.
//!
//! Whatever is missing is said before the target starts, on stderr and in the report. It keeps no target
//! from starting.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use loopscope_engine::observation::Fact;
use loopscope_engine::watch::PulseObject;
use loopscope_recorder::folder::{RuntimeFolder, prune};

use super::folder::usable_folder;
use super::{agent_files, drills, pulse_object, reach};
use crate::messages::complain;

/// Recordings that dead processes left behind are kept for a week.
const LEFT_BEHIND_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

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
        let folder = usable_folder()
            .inspect_err(|error| refuse(notes, &error.to_string(), error.hint()))
            .ok()?;
        prune(&folder, LEFT_BEHIND_KEPT);
        drills::tidy(folder.path());
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

    /// The pulse as the observer will meet it in the processes.
    pub(crate) fn pulse_object(&self) -> Option<PulseObject> {
        Some(PulseObject {
            path: self.pulse.clone(),
            page_address: pulse_object::page_address()?,
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
