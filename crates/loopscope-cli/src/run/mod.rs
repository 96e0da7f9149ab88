//! `loopscope run`: starts the target, watches it, serves its health, and ends as it ends.
//!
//! Whatever fails on our side (no folder for recordings, a port that is taken, an observer that breaks)
//! is said on stderr and in the report, and the target runs on. Only a command line that makes no sense
//! keeps it from starting.

mod agent_files;
mod beat;
mod drills;
mod equip;
mod folder;
mod lines;
mod options;
mod private_folder;
mod pulse_object;
mod reach;
mod report_file;
mod restart;
mod serve;
mod signals;
mod supervise;
mod watchdog;

pub(crate) use drills::EXTENSION as DRILL_EXTENSION;
pub(crate) use lines::summary;
pub(crate) use options::{Listen, RunArgs};
pub(crate) use report_file::write_whole;
pub(crate) use serve::Show;
pub(crate) use supervise::{Supervised, Watching};

use std::fs;
use std::process::ExitCode;

use crate::messages::{self, complain, say};
use lines::Lines;

/// Runs the target and watches it.
pub(crate) fn run(args: RunArgs) -> ExitCode {
    messages::write_apart();
    let code = watch(&args.with_environment());
    messages::settle();
    code
}

fn watch(args: &RunArgs) -> ExitCode {
    let watching = match Watching::prepare(args, Box::new(Lines)) {
        Ok(watching) => watching,
        Err(code) => return code,
    };
    match watching.run(args) {
        Ok(supervised) => {
            sum_up(&supervised);
            if let (Some(path), Some(outcome)) = (&args.report, &supervised.outcome)
                && let Err(error) = report_file::write(path, &outcome.report)
            {
                complain(&error.to_string(), error.hint());
            }
            supervised.linger();
            ExitCode::from(supervised.exit_code)
        }
        Err(code) => code,
    }
}

/// The end of the run, in few lines.
fn sum_up(supervised: &Supervised) {
    let Some(outcome) = &supervised.outcome else {
        complain(
            "the observer failed during the run",
            "please report this; the target was not touched",
        );
        return;
    };
    let report = &outcome.report;
    for line in lines::summary(report) {
        say(&line);
    }
    if let Some(line) = lines::running_on(report) {
        say(&line);
    }
    for path in &outcome.left_behind {
        if fs::metadata(path).is_ok() {
            say(&format!(
                "what its loops did last: loopscope postmortem {}",
                path.display()
            ));
        }
    }
}
