//! `loopscope health`: asks a health endpoint and says what it said.
//!
//! Reads one report over HTTP, renders it for a person or passes it through as JSON, and turns the
//! status into an exit code. It decides nothing about the service itself, with one exception that only
//! the asker can see: an answer that came slowly is degraded.

mod changes;
mod databases;
pub(crate) mod duration;
mod follow;
mod incident;
mod json;
pub(crate) mod look;
pub(crate) mod look_error;
mod paint;
#[cfg(test)]
mod sample;
mod summary;
mod table;
pub(crate) mod target;
mod view;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use loopscope_engine::report::Status;

use crate::exit_codes;
use crate::screen::{print, stdout_layout};
use look::{Looker, Seen};
use look_error::LookError;
use target::Target;

/// Show how a watched service is doing.
///
/// Exit codes: 0 healthy, 1 degraded (or a slow answer), 2 critical, 3 unreachable.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct HealthArgs {
    /// The health endpoint. Without a path /health is meant, without a scheme http.
    #[arg(default_value = "http://127.0.0.1:14159/health", value_parser = target::parse)]
    url: Target,

    /// Keep looking and show what changed, until Ctrl-C.
    #[arg(long)]
    continuous: bool,

    /// Time between two looks: 30, 30s, 500ms, 1m.
    #[arg(long, default_value = "30", value_parser = duration::parse, requires = "continuous")]
    interval: Duration,

    /// Print the report as JSON; with --continuous one object a line.
    #[arg(long)]
    json: bool,

    /// How long to wait for the answer: 5, 5s, 500ms, 1m.
    #[arg(long, default_value = "5", value_parser = duration::parse)]
    timeout: Duration,

    /// The bearer token, where the endpoint asks for one. Better given in the environment, where other
    /// users of this host cannot read it.
    #[arg(long, env = "LOOPSCOPE_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: HealthArgs) -> ExitCode {
    let looker = Looker::new(args.url, args.token, args.timeout);
    let code = match (args.continuous, args.json) {
        (true, json) => follow::follow(looker, args.interval, json),
        (false, json) => once(&looker, json),
    };
    ExitCode::from(code)
}

fn once(looker: &Looker, json: bool) -> u8 {
    match looker.look() {
        Ok(seen) if json => {
            print(&json::pretty(&seen.body));
            if let Some(slowness) = seen.slowness() {
                complain(&format!("{slowness}\n"));
            }
            exit_code(&seen)
        }
        Ok(seen) => {
            print(&summary::summary(&seen, &stdout_layout()));
            exit_code(&seen)
        }
        Err(error) => {
            complain(&format!("error: {error}\nhint: {}\n", error.hint()));
            exit_codes::UNREACHABLE
        }
    }
}

/// The exit code for one look.
fn code_of(look: &Result<Seen, LookError>) -> u8 {
    look.as_ref().map_or(exit_codes::UNREACHABLE, exit_code)
}

fn exit_code(seen: &Seen) -> u8 {
    match seen.status() {
        Status::Healthy => exit_codes::HEALTHY,
        Status::Degraded => exit_codes::DEGRADED,
        Status::Critical => exit_codes::CRITICAL,
    }
}

fn complain(text: &str) {
    // Without a standard error there is nobody left to tell.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
