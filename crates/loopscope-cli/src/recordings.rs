//! `loopscope recordings`: the flight recordings on this host, of living processes and left behind.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use loopscope_recorder::folder::{readable_folders, recordings_in};
use loopscope_recorder::reader::{Description, Liveness, ReadError, RecordingReader};

use crate::exit_codes::{HEALTHY, UNAVAILABLE};
use crate::messages::complain;

/// List the flight recordings on this host, of living processes and left behind.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RecordingsArgs {
    /// Delete those that dead processes left behind
    #[arg(long)]
    delete_left_behind: bool,
}

/// A recording found, readable or not.
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) reader: Result<RecordingReader, ReadError>,
}

/// Every recording that this user can read.
pub(crate) fn find_all() -> Vec<Found> {
    let mut paths: Vec<PathBuf> = readable_folders()
        .iter()
        .flat_map(|folder| recordings_in(folder))
        .collect();
    paths.sort();
    let open = |path: PathBuf| Found {
        reader: RecordingReader::open(&path),
        path,
    };
    paths.into_iter().map(open).collect()
}

pub(crate) fn run(args: RecordingsArgs) -> ExitCode {
    let found = find_all();
    let mut text = String::new();
    if found.is_empty() {
        text.push_str(
            "no recordings; `loopscope run -- COMMAND` makes one for each process with a loop\n",
        );
    }
    for recording in &found {
        text.push_str(&row(recording));
    }
    let _ = anstream::stdout().write_all(text.as_bytes());
    if args.delete_left_behind {
        delete(&found)
    } else {
        ExitCode::from(HEALTHY)
    }
}

fn row(found: &Found) -> String {
    let path = found.path.display();
    match &found.reader {
        Err(error) => format!("unreadable   {error}\n"),
        Ok(reader) => {
            let description = reader.description();
            let state = if description.is_live() {
                "live"
            } else {
                "left behind"
            };
            format!(
                "{state:<12} pid {:<8} {:<20} {path}\n",
                description.process.pid,
                name(description)
            )
        }
    }
}

/// The service's name, or the program's.
pub(crate) fn name(description: &Description) -> &str {
    let program = description
        .executable
        .rsplit('/')
        .next()
        .unwrap_or_default();
    if description.service.is_empty() {
        program
    } else {
        &description.service
    }
}

fn delete(found: &[Found]) -> ExitCode {
    let mut code = HEALTHY;
    for recording in found {
        let is_left_behind = match &recording.reader {
            Ok(reader) => reader.description().liveness() == Liveness::Dead,
            // An unfinished or foreign file may belong to a program that is just starting.
            Err(_) => false,
        };
        if is_left_behind && let Err(error) = std::fs::remove_file(&recording.path) {
            complain(
                &format!(
                    "cannot delete the recording ({error}): {}",
                    recording.path.display()
                ),
                "run the command as the user who owns the file",
            );
            code = UNAVAILABLE;
        }
    }
    ExitCode::from(code)
}
