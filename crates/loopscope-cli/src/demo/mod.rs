//! `loopscope demo`: a small service with real faults, watched, with its findings as they happen.
//!
//! The service is the target of an ordinary run; only what is shown differs. A driver sends it the
//! requests of its users, and asks the health endpoint while the service itself cannot answer.

mod driver;
mod screen;

use std::fs;
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
use screen::Screen;

/// The sample service.
const SHOP: &str = include_str!("shop.py");

/// Show what Loopscope finds in a small service with real faults
///
/// The service needs python3 (3.9 or newer), standard library only.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// End by itself after so long, with a summary: 30s, 1m [default: until Ctrl-C]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    length: Option<Duration>,

    /// Where /health is served [default: 127.0.0.1:14159]
    #[arg(long)]
    listen: Option<Listen>,
}

pub(crate) fn run(args: DemoArgs) -> ExitCode {
    let python = match python::find() {
        Ok(python) => python,
        Err(missing) => {
            complain(&missing.what, missing.hint);
            return ExitCode::from(UNAVAILABLE);
        }
    };
    let prepared = tempfile::Builder::new()
        .prefix("loopscope-demo-")
        .tempdir()
        .and_then(|folder| {
            fs::write(folder.path().join("shop.py"), SHOP)?;
            Ok(folder)
        });
    match prepared {
        Ok(folder) => show(args, &python.path, &folder.path().join("shop.py")),
        Err(error) => {
            complain(
                &format!("cannot put the sample service down ({error})"),
                "set TMPDIR to a folder of yours",
            );
            ExitCode::from(UNAVAILABLE)
        }
    }
}

fn show(args: DemoArgs, python: &std::path::Path, shop: &std::path::Path) -> ExitCode {
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
        allow_drill: true,
        trend_pace: None,
        command: vec![python.into(), shop.into()],
    };
    let watching = match Watching::prepare(&run_args, Box::new(Screen)) {
        Ok(watching) => watching.with_output(port_told).with_endpoint(endpoint_told),
        Err(code) => return code,
    };
    let length = args.length;
    let drive = move || {
        let (Ok(port), endpoint) = (port.recv(), endpoint.recv().ok()) else {
            return;
        };
        screen::introduce(port, endpoint);
        driver::drive(port, endpoint, length);
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
                &format!("the sample service did not start: {}", python.display()),
                "see above what Python says of it, and put another python3 first on the PATH",
            );
            ExitCode::from(UNAVAILABLE)
        }
        Ok(supervised) => {
            screen::conclude(supervised.outcome.as_ref().map(|outcome| &outcome.report));
            ExitCode::from(HEALTHY)
        }
        Err(code) => code,
    }
}
