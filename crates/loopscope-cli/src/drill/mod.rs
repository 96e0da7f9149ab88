//! `loopscope drill`: brings known faults into a process that allows it, and says what the monitoring made of each.
//!
//! Which faults there are, and what must be found of them, is `loopscope-drill`'s; the faults themselves are Python
//! code of the agent. This is what lies between: whom to reach (`target`, `lease`, `sample`), what the supervisor
//! answers meanwhile (`looking`, `alert`), which fault when (`suite`), and how it is shown (`progress`, `draw`).

mod alert;
mod draw;
mod lease;
mod looking;
mod progress;
mod refusal;
mod sample;
mod suite;
mod target;

use std::io::{BufRead, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use loopscope_drill::results::{AlertResult, DrillEnd, Results, SCHEMA_VERSION, Verdict};
use loopscope_drill::{Fault, Limits, judge};
use loopscope_recorder::clock::monotonic_nanos;

use crate::exit_codes::{NOT_WRITTEN, SEEN, SIGNAL_BASE, UNREACHABLE, UNSEEN, USAGE};
use crate::files;
use crate::health::duration;
use crate::interrupt::Interrupt;
use crate::messages::{complain, say};
use crate::screen::{print, stdout_layout};
use alert::Alerts;
use looking::Surfaces;
use progress::Progress;
use refusal::Refusal;
use suite::{Done, Suite};
use target::{Reached, Wanted};

/// Bring known faults into a service that allows it, and see whether the monitoring sees them.
///
/// Without TARGET a small sample service is started and drilled, which proves the installation. A service of your own
/// must be started with `loopscope run --allow-drill`, on this machine and by this user: its users wait while its loop
/// stands still. Each fault is bounded in time and size, and undone, also after Ctrl-C.
///
/// Exit codes: 0 all was seen as it is, 1 something was not (or healthy work was, or no alert came), 3 unreachable or
/// gone before the end, 64 wrong usage, 69 no sample service to be had, 74 a file could not be written, 77 not allowed;
/// 130 after Ctrl-C.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DrillArgs {
    /// The address that the service's supervisor says at its start, or the number of one of its processes [default:
    /// a sample service]
    target: Option<Wanted>,

    /// Bring in this fault alone. May be given again; --list tells their names.
    #[arg(long, value_name = "FAULT", value_parser = fault)]
    only: Vec<Fault>,

    /// Bring in what takes minutes, too: growth of tasks (3 to 10) and of memory (17 to 35).
    #[arg(long, conflicts_with = "only")]
    slow: bool,

    /// Tell which faults there are.
    #[arg(long)]
    list: bool,

    /// Do not ask before faults are brought into a service of yours.
    #[arg(long)]
    yes: bool,

    /// Listen there for the alert that these faults are to lead to: an address and port that your alerting calls, by any
    /// HTTP request. That none comes is a failure.
    #[arg(long, value_name = "ADDRESS")]
    expect_alert: Option<SocketAddr>,

    /// How long after the last fault the alert may come.
    #[arg(long, default_value = "30s", value_parser = duration::parse, requires = "expect_alert")]
    alert_within: Duration,

    /// Print the results as JSON (schema/drill.schema.json).
    #[arg(long)]
    json: bool,

    /// Write the results there as JSON.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The bearer token of the service's health endpoint, where it asks for one. Better given in the environment.
    #[arg(long, env = "LOOPSCOPE_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

fn fault(name: &str) -> Result<Fault, String> {
    Fault::named(name).ok_or_else(|| {
        let names: Vec<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        format!("there are {}", names.join(", "))
    })
}

/// Runs the command.
pub(crate) fn run(args: DrillArgs) -> ExitCode {
    if args.list {
        print(&list());
        return ExitCode::from(SEEN);
    }
    ExitCode::from(drill(&args).unwrap_or_else(|refusal| {
        complain(&refusal.what, &refusal.hint);
        refusal.code
    }))
}

fn list() -> String {
    let line = |fault: &Fault| {
        let slow = if fault.is_slow() {
            " (minutes: --slow)"
        } else {
            ""
        };
        format!("{:<14}{}{slow}\n", fault.name(), fault.what())
    };
    Fault::ALL.iter().map(line).collect()
}

fn drill(args: &DrillArgs) -> Result<u8, Refusal> {
    if let Some(file) = &args.output {
        files::check(file).map_err(|error| Refusal::new(NOT_WRITTEN, &error, error.hint()))?;
    }
    let alerts = args.expect_alert.map(Alerts::listen).transpose()?;
    let started_at = jiff::Timestamp::now();
    let begun = Instant::now();
    let reached = Reached::new(args.target.as_ref(), args.token.as_deref())?;
    let limits = Limits::of(&reached.lease.introduction);
    let target = reached.target(limits.pace);
    let faults = chosen(args, &limits);
    if !reached.is_sample() {
        confirm(args, &target, faults.len())?;
    }
    // Only now: until here there is nothing to undo, and Ctrl-C answers the question.
    let interrupt = Interrupt::listen();
    say_beginning(&target, alerts.as_ref());
    let since = monotonic_nanos();
    let surfaces = Surfaces::new(reached.looker, &reached.url);
    let suite = Suite::new(
        &reached.lease,
        &surfaces,
        &interrupt,
        alerts.as_ref(),
        &Progress,
    );
    let Done { ended, faults } = suite.run(&faults);
    let alert = alerts.map(|alerts| await_alert(&alerts, since, args.alert_within, &interrupt));
    let results = Results {
        schema_version: SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: started_at.to_string(),
        duration_seconds: begun.elapsed().as_secs_f64(),
        ended,
        verdict: judge::overall(&faults, alert.as_ref()),
        notes: notes(args, &target),
        target,
        faults,
        alert,
    };
    let is_kept = keep(args, &results);
    Ok(code(&results, is_kept, &interrupt))
}

/// Those that were named; else all, but for those that take minutes.
fn chosen(args: &DrillArgs, limits: &Limits) -> Vec<Fault> {
    let is_fast = limits.pace > 1;
    let is_wanted = |fault: &Fault| {
        if args.only.is_empty() {
            args.slow || is_fast || !fault.is_slow()
        } else {
            args.only.contains(fault)
        }
    };
    Fault::ALL.into_iter().filter(is_wanted).collect()
}

/// Asks a person whether that is meant.
fn confirm(
    args: &DrillArgs,
    target: &loopscope_drill::results::Target,
    faults: usize,
) -> Result<(), Refusal> {
    if args.yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Refusal::new(
            USAGE,
            format!(
                "nobody is there to confirm that {} (pid {}) is meant",
                target.service, target.pid
            ),
            "add --yes: its users wait while its loop stands still",
        ));
    }
    let mut stderr = std::io::stderr();
    // Without an answer it is not meant, whatever became of the question.
    let _ = write!(
        stderr,
        "loopscope: bring {faults} faults into {} (pid {})? Its users wait meanwhile. [y/N] ",
        crate::screen::Text::new(&target.service),
        target.pid
    );
    let _ = stderr.flush();
    let mut answer = String::new();
    let _ = stdin.lock().read_line(&mut answer);
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Refusal::new(
        USAGE,
        "nothing was done",
        "`loopscope drill` alone drills a sample service",
    ))
}

fn say_beginning(target: &loopscope_drill::results::Target, alerts: Option<&Alerts>) {
    say(&format!(
        "drilling {} (pid {}, Python {}, {}), watched at {}",
        crate::screen::Text::new(&target.service),
        target.pid,
        target.python,
        target.r#loop,
        target.url
    ));
    if let Some(alerts) = alerts {
        say(&format!("waiting for alerts at http://{}/", alerts.address));
    }
}

/// What came of the alert, which may take its time after the last fault.
fn await_alert(
    alerts: &Alerts,
    since: u64,
    within: Duration,
    interrupt: &Interrupt,
) -> AlertResult {
    let until = Instant::now() + within;
    while alerts.first_after(since).is_none()
        && Instant::now() < until
        && interrupt.signal().is_none()
    {
        interrupt.wait(Duration::from_millis(100));
    }
    let (count, first) = alerts.since(since);
    let verdict = if first.is_some() {
        Verdict::Passed
    } else {
        Verdict::Failed
    };
    AlertResult {
        listened_at: alerts.address.to_string(),
        count,
        first,
        verdict,
    }
}

fn notes(args: &DrillArgs, target: &loopscope_drill::results::Target) -> Vec<String> {
    let mut notes = Vec::new();
    if target.growth_pace > 1 {
        notes.push(format!(
            "growth was judged by the rules that hold for every service, in 1/{} of the time",
            target.growth_pace
        ));
    } else if args.only.is_empty() && !args.slow {
        notes.push(
            "growth of tasks and of memory, which takes minutes, was left out: --slow".to_owned(),
        );
    }
    if args.expect_alert.is_none() {
        notes.push(
            "whether an alert rings was not looked at: have your alerting call an address, and name it with \
             --expect-alert"
                .to_owned(),
        );
    }
    notes
}

/// Shows the results, and writes what is to be written; whether that was done.
fn keep(args: &DrillArgs, results: &Results) -> bool {
    let text = files::json(results);
    if args.json {
        print(&String::from_utf8_lossy(&text));
    } else {
        print(&draw::summary(results, &stdout_layout()));
    }
    let Some(file) = &args.output else {
        return true;
    };
    let written = files::write(file, &text);
    written
        .inspect_err(|error| complain(&error.to_string(), error.hint()))
        .is_ok()
}

fn code(results: &Results, is_kept: bool, interrupt: &Interrupt) -> u8 {
    if let Some(signal) = interrupt.signal() {
        return SIGNAL_BASE + signal;
    }
    match results.verdict {
        _ if results.ended == DrillEnd::TargetGone => UNREACHABLE,
        Verdict::Failed => UNSEEN,
        _ if !is_kept => NOT_WRITTEN,
        Verdict::Passed => SEEN,
        // Nothing was brought in that could have been seen.
        Verdict::Skipped => UNSEEN,
    }
}
