//! `loopscope run`: starts the target, watches it, serves its health, and ends as it ends.
//!
//! Whatever fails on our side (no folder for recordings, a port that is taken, an observer that breaks)
//! is said on stderr and in the report, and the target runs on. Only a command line that makes no sense
//! keeps it from starting.

mod lines;
mod options;
mod pulse_object;
mod reach;
mod serve;
mod signals;
mod supervise;

pub(crate) use lines::summary;
pub(crate) use options::{Listen, RunArgs};
pub(crate) use serve::Show;
pub(crate) use supervise::{Supervised, Watching};

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use loopscope_engine::report::Report;

use crate::messages::{complain, say};
use lines::Lines;

/// Runs the target and watches it.
pub(crate) fn run(args: RunArgs) -> ExitCode {
    let report_file = args.report.clone();
    let watching = match Watching::prepare(&args, Box::new(Lines::new())) {
        Ok(watching) => watching,
        Err(code) => return code,
    };
    match watching.run(&args) {
        Ok(supervised) => {
            sum_up(&supervised);
            if let (Some(path), Some(outcome)) = (report_file, &supervised.outcome) {
                write_report(&path, &outcome.report);
            }
            supervised.linger();
            ExitCode::from(supervised.exit_code)
        }
        Err(code) => code,
    }
}

/// Writes the final report: whole or not at all.
fn write_report(path: &Path, report: &Report) {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let written = (|| -> io::Result<()> {
        let mut draft = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        serde_json::to_writer_pretty(&mut draft, report)?;
        draft.write_all(b"\n")?;
        draft.as_file().sync_all()?;
        draft.persist(path)?;
        Ok(())
    })();
    if let Err(error) = written {
        complain(
            &format!("cannot write the report ({error}): {}", path.display()),
            "free space or name another file with `--report`",
        );
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
    for path in &outcome.left_behind {
        if fs::metadata(path).is_ok() {
            say(&format!(
                "what its loops did last: loopscope postmortem {}",
                path.display()
            ));
        }
    }
}
