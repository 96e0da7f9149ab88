//! `loopscope stress`: loads a running service, looks at its inside meanwhile, and says what held and what did not.
//!
//! The sending is `loopscope-load`'s, the figures of the inside are those of the service's own `/health`. This is
//! what lies between: which load when (`suite`), what was seen inside (`inside`), what to make of it (`judge`), and
//! how it is shown and kept (`draw`, `junit`, `files`).

mod baseline;
mod draw;
mod gather;
mod inside;
mod judge;
mod junit;
mod plan;
mod progress;
mod report;
mod requests;
mod suite;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use loopscope_load::results::{Results, RunEnd, Verdict};
use loopscope_load::threshold::Threshold;

use crate::exit_codes;
use crate::files;
use crate::health::{duration, look::Looker, target, target::Target};
use crate::interrupt::Interrupt;
use crate::messages::{complain, say};
use crate::screen::{print, stdout_layout};
use baseline::Baseline;
use plan::Plan;
use requests::Asked;
use suite::Suite;

/// Load a running service and see whether it holds.
///
/// Four tests, in rounds: the health endpoint and each --endpoint, in closed and in open loop; what a --call costs a
/// cheap request beside it; memory, files and threads before, during and after; tasks that are left over. Where the
/// service runs under `loopscope run`, its loops, tasks, pools and memory are read meanwhile from URL.
///
/// Exit codes: 0 passed, 1 a test or a threshold failed, 2 worse than the baseline (--fail-on-regression), 3
/// unreachable or gone before the end, 64 wrong usage, 74 a file could not be written; 130 after Ctrl-C, with what was
/// measured by then.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct StressArgs {
    /// Where Loopscope tells of the service; without a path /health is meant, without a scheme http.
    #[arg(default_value = "http://127.0.0.1:14159/health", value_parser = target::parse)]
    url: Target,

    /// The address of the service itself, which the paths of requests belong to; without it that of URL.
    #[arg(long, value_name = "URL")]
    base: Option<String>,

    #[command(flatten)]
    asked: Asked,

    /// Senders in closed loop.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    concurrency: u64,

    /// Requests a second in open loop, of each endpoint and of the probe.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,

    /// Callers of each --call at a time.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    callers: u64,

    /// Time of each part of a round: 5, 5s, 500ms, 1m.
    #[arg(long, default_value = "5s", value_parser = duration::parse)]
    duration: Duration,

    /// Rounds. Three tell a change from scatter, four a trend.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    rounds: u64,

    /// The longest time that the service is given to settle after a round.
    #[arg(long, default_value = "5s", value_parser = duration::parse)]
    settle: Duration,

    /// How long an answer may take.
    #[arg(long, default_value = "10s", value_parser = duration::parse)]
    timeout: Duration,

    /// A header for every request to the service: 'Name: value'. May be given again.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = requests::header)]
    headers: Vec<(String, String)>,

    /// The bearer token for URL, where it asks for one. Better given in the environment.
    #[arg(long, env = "LOOPSCOPE_TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// A limit that must hold: p50, p90, p95, p99, p99.9, max, mean (open loop), rate (closed loop), errors, dropped,
    /// late, lag, stalls, failed_tasks, left_tasks, memory_growth (a round); as 'p99<50ms', 'errors<1%', 'stalls<1'.
    /// May be given again.
    #[arg(long = "threshold", value_name = "LIMIT")]
    thresholds: Vec<Threshold>,

    /// Write all results there as JSON (schema/stress.schema.json).
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Write the tests and thresholds there as JUnit's XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Keep the results under this name, to compare with later.
    #[arg(long, value_name = "NAME", value_parser = baseline::name)]
    save_baseline: Option<String>,

    /// Compare with what was kept under this name, or with a file.
    #[arg(long, value_name = "NAME|FILE")]
    baseline: Option<String>,

    /// Exit with 2 where a figure is worse than the baseline's by more than scatter.
    #[arg(long, requires = "baseline")]
    fail_on_regression: bool,

    /// Compare although the load or the machine was another.
    #[arg(long, requires = "baseline")]
    compare_anyway: bool,
}

/// Runs the command.
pub(crate) fn run(args: StressArgs) -> ExitCode {
    ExitCode::from(stress(args).unwrap_or_else(|refusal| {
        complain(&refusal.what, &refusal.hint);
        refusal.code
    }))
}

/// Why there are no results.
struct Refusal {
    what: String,
    hint: String,
    code: u8,
}

impl Refusal {
    fn new(code: u8, what: impl ToString, hint: impl ToString) -> Self {
        Self {
            what: what.to_string(),
            hint: hint.to_string(),
            code,
        }
    }
}

fn stress(args: StressArgs) -> Result<u8, Refusal> {
    for file in args.output.iter().chain(&args.junit) {
        files::check(file)
            .map_err(|error| Refusal::new(exit_codes::NOT_WRITTEN, &error, error.hint()))?;
    }
    let baseline = args.baseline.as_deref().map(Baseline::read).transpose()?;
    let looker = Looker::new(args.url.clone(), args.token.clone(), plan::LOOK_TIMEOUT);
    let plan = Plan::new(&args, &looker)?;
    if let Some(baseline) = &baseline {
        baseline.check(&plan.conditions, args.compare_anyway)?;
    }
    let interrupt = Interrupt::listen();
    let suite = Suite::new(&plan, looker, &interrupt);
    let measured = suite
        .run()
        .map_err(|error| Refusal::new(exit_codes::USAGE, &error, error.hint()))?;
    let mut results = report::results(&plan, measured);
    results.thresholds = args
        .thresholds
        .iter()
        .map(|limit| limit.hold(&results))
        .collect();
    if let Some(baseline) = &baseline {
        results.comparison = Some(baseline.compare(&results));
    }
    results.verdict = judge::overall(&results);
    print(&draw::summary(&results, &stdout_layout()));
    let is_kept = keep(&args, &results);
    Ok(code(&args, &results, is_kept, &interrupt))
}

/// Writes what is to be written; whether all of it was.
fn keep(args: &StressArgs, results: &Results) -> bool {
    let mut is_kept = true;
    let mut write = |file: &std::path::Path, text: &[u8]| {
        if let Err(error) = files::write(file, text) {
            complain(&error.to_string(), error.hint());
            is_kept = false;
        }
    };
    let text = files::json(results);
    if let Some(file) = &args.output {
        write(file, &text);
    }
    if let Some(file) = &args.junit {
        write(file, &junit::text(results));
    }
    if let Some(name) = &args.save_baseline {
        if results.ended != RunEnd::Complete {
            say("the baseline was not saved: the run did not come to its end");
            return false;
        }
        match baseline::prepare(name) {
            Ok(file) => write(&file, &text),
            Err(refusal) => {
                complain(&refusal.what, &refusal.hint);
                is_kept = false;
            }
        }
    }
    is_kept
}

fn code(args: &StressArgs, results: &Results, is_kept: bool, interrupt: &Interrupt) -> u8 {
    if let Some(signal) = interrupt.signal() {
        return exit_codes::SIGNAL_BASE + signal;
    }
    let regressed = results
        .comparison
        .as_ref()
        .is_some_and(|one| one.regressions > 0);
    match results.verdict {
        _ if results.ended == RunEnd::TargetGone => exit_codes::UNREACHABLE,
        Verdict::Failed => exit_codes::FAILED,
        _ if args.fail_on_regression && regressed => exit_codes::REGRESSION,
        _ if !is_kept => exit_codes::NOT_WRITTEN,
        Verdict::Passed => exit_codes::PASSED,
        // Nothing was seen that could have failed.
        Verdict::NotMeasured => exit_codes::FAILED,
    }
}
