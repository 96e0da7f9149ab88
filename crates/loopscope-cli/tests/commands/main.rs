//! The commands around `run`: the demo, the recordings that runs leave behind, and what becomes of them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod demo;
mod dumped;
mod left_behind;
mod left_open;
mod reports;
mod restarts;
mod signals;
mod starting;
mod unwatched;

use std::path::Path;
use std::process::Command;

/// The built program, with recordings in a folder of the test's own.
fn loopscope(runtime: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loopscope"));
    command
        .env("LOOPSCOPE_RUNTIME_DIR", runtime)
        .env("NO_COLOR", "1");
    command
}
