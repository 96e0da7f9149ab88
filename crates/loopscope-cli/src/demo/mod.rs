//! `loopscope demo`: a small service with real faults, watched, with its findings as they happen.
//!
//! The service is the target of an ordinary run; only what is shown differs. A driver sends it the
//! requests of its users, and asks the health endpoint while the service itself cannot answer.

mod driver;
mod sample;
mod screen;
mod shop;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::exit_codes::{HEALTHY, UNAVAILABLE};
use crate::health::duration;
use crate::messages::complain;
use crate::python;
use crate::run::{Listen, RunArgs, Watching};
use sample::Sample;
use screen::Screen;

pub(crate) use shop::run as run_shop;

/// Show what Loopscope finds in a small service with real faults
///
/// The service is one of Python's asyncio (python3 of 3.9 or newer, standard library only), or with --rust, and where
/// there is no such python3, one of tokio that is part of this program.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Show the service in Rust, which needs nothing but this program
    #[arg(long)]
    rust: bool,

    /// End by itself after so long, with a summary: 30s, 1m [default: until Ctrl-C]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    length: Option<Duration>,

    /// Where /health is served [default: 127.0.0.1:14159]
    #[arg(long)]
    listen: Option<Listen>,
}

pub(crate) fn run(args: DemoArgs) -> ExitCode {
    match choose(args.rust) {
        Ok(sample) => show(args, &sample),
        Err(error) => {
            complain(
                &format!("cannot put the sample service down ({error})"),
                "set TMPDIR to a folder of yours",
            );
            ExitCode::from(UNAVAILABLE)
        }
    }
}

/// The service to show. Who has no Python wants to see what Loopscope does all the same.
fn choose(rust: bool) -> std::io::Result<Sample> {
    if rust {
        return Sample::rust();
    }
    match python::find() {
        Ok(python) => Sample::python(&python),
        Err(missing) => {
            let what = missing.what;
            complain(
                &format!("{what}: showing the one in Rust instead, as with --rust"),
                missing.hint,
            );
            Sample::rust()
        }
    }
}

fn show(args: DemoArgs, sample: &Sample) -> ExitCode {
    let (port_told, port) = mpsc::channel();
    let (endpoint_told, endpoint) = mpsc::channel::<SocketAddr>();
    let run_args = RunArgs {
        listen: args.listen,
        service: Some("shop".into()),
        report: None,
        linger: None,
        token: None,
        stall_threshold_ms: None,
        blocked_threshold_ms: None,
        slow_model_call_threshold_ms: None,
        untracked: None,
        postgres: None,
        restart_when_blocked: None,
        allow_drill: sample.allows_drill,
        trend_pace: None,
        command: sample.command.clone(),
    };
    let watching = match Watching::prepare(&run_args, Box::new(Screen)) {
        Ok(watching) => watching.with_output(port_told).with_endpoint(endpoint_told),
        Err(code) => return code,
    };
    let (users, about, length) = (sample.users, sample.about, args.length);
    let drive = move || {
        let (Ok(port), endpoint) = (port.recv(), endpoint.recv().ok()) else {
            return;
        };
        screen::introduce(about, port, endpoint);
        driver::drive(users, port, endpoint, length);
    };
    if let Err(error) = thread::Builder::new()
        .name("loopscope-driver".into())
        .spawn(drive)
    {
        complain(
            &format!("cannot start the demo's driver ({error})"),
            "check the limit on processes with `ulimit -u`",
        );
        return ExitCode::from(UNAVAILABLE);
    }
    match watching.run(&run_args) {
        Ok(supervised) if !supervised.told_port => {
            complain(
                &format!("the sample service did not start: {}", sample.program()),
                "see above what is said of it, and try the service in Rust: `loopscope demo --rust`",
            );
            ExitCode::from(UNAVAILABLE)
        }
        Ok(supervised) => {
            let report = supervised.outcome.as_ref().map(|outcome| &outcome.report);
            screen::conclude(report, sample.own);
            ExitCode::from(HEALTHY)
        }
        Err(code) => code,
    }
}
