//! What to make of the figures: a verdict for each test, with the reason first. Pure.
//!
//! The limits are those that hold without a --threshold: far enough out that a healthy service on a busy machine
//! does not meet them.

use loopscope_load::FailureKind;
use loopscope_load::results::{
    LoadPart, LoadResult, Metric, Reading, Results, Test, TestName, Verdict,
};
use loopscope_load::rounds::{FEWEST_FOR_TREND, median, trend};

use super::inside::Blamed;
use crate::screen::{Text, format};

/// More failures than one in a thousand are more than chance.
const MOST_FAILED: f64 = 0.001;

/// Past a second a person's train of thought is broken (Miller 1968; Nielsen, Usability Engineering, 1993).
const SLOW_MS: f64 = 1_000.0;

/// A probe beside calls may take three times as long as alone, or as long as a stall is: 100 ms.
const MOST_TIMES: f64 = 3.0;
const MOST_MORE_MS: f64 = 100.0;

/// Growth that is worth a word: two MiB or a fiftieth of what there was, and a handful of files or threads.
const LEAST_GROWTH_MB: f64 = 2.0;
const LEAST_GROWTH_SHARE: f64 = 0.02;
const LEAST_GROWTH_COUNT: f64 = 5.0;

/// Tasks that may be more after a run than before: a timer or a beat of the service's own.
const MOST_LEFT: u64 = 2;

/// A test under judgement.
struct Judged {
    name: TestName,
    /// Whether there was anything to judge by.
    is_measured: bool,
    failures: Vec<String>,
    remarks: Vec<String>,
}

impl Judged {
    fn new(name: TestName) -> Self {
        Self {
            name,
            is_measured: false,
            failures: Vec::new(),
            remarks: Vec::new(),
        }
    }

    fn not_measured(name: TestName, why: &str) -> Test {
        let mut judged = Self::new(name);
        judged.remarks.push(why.to_owned());
        judged.done()
    }

    fn done(self) -> Test {
        let verdict = match (self.failures.is_empty(), self.is_measured) {
            (false, _) => Verdict::Failed,
            (true, true) => Verdict::Passed,
            (true, false) => Verdict::NotMeasured,
        };
        Test {
            name: self.name,
            verdict,
            reasons: self.failures.into_iter().chain(self.remarks).collect(),
        }
    }
}

/// All tests.
pub(super) fn tests(results: &Results, blamed: &[Blamed], asks_service: bool) -> Vec<Test> {
    vec![
        health(results, blamed, asks_service),
        calls(results, blamed),
        memory(results, asks_service),
        tasks(results, blamed, asks_service),
    ]
}

/// The worst of tests and thresholds.
pub(super) fn overall(results: &Results) -> Verdict {
    let tests = results.tests.iter().map(|test| test.verdict);
    let limits = results.thresholds.iter().map(|held| held.verdict);
    tests.chain(limits).max().unwrap_or(Verdict::NotMeasured)
}

fn health(results: &Results, blamed: &[Blamed], asks_service: bool) -> Test {
    let mut judged = Judged::new(TestName::Health);
    let loads = results
        .loads
        .iter()
        .filter(|load| load.test == TestName::Health);
    for load in loads {
        answers(load, &mut judged);
        if load.part == LoadPart::Open {
            waits(load, results, &mut judged);
        }
    }
    stalls(results, blamed, &mut judged);
    if !asks_service {
        judged.remarks.push(
            "the health endpoint alone was asked, which Loopscope answers itself: name what the service does with \
             --endpoint METHOD PATH"
                .to_owned(),
        );
    }
    judged.done()
}

/// Whether what was sent was answered.
fn answers(load: &LoadResult, judged: &mut Judged) {
    let sent = load.sum(|round| round.sent + round.dropped);
    if sent == 0 {
        return;
    }
    judged.is_measured = true;
    let failed = load.sum(|round| round.failed);
    let answered = load.sum(|round| round.answered);
    let redirects: u64 = load.statuses.range(300..400).map(|(_, count)| count).sum();
    if failed as f64 > sent as f64 * MOST_FAILED {
        judged.failures.push(format!(
            "{}: {} of {} requests failed ({})",
            load.title(),
            format::number(failed),
            format::number(sent),
            kinds(load)
        ));
    } else if redirects > 0 && redirects == answered {
        let to = load.locations.first().map(|to| Text::new(to).to_string());
        judged.failures.push(format!(
            "{}: every answer is a redirect, to {}; none was followed: test that address",
            load.title(),
            to.unwrap_or_else(|| "nowhere".to_owned())
        ));
    } else if redirects > 0 {
        judged.remarks.push(format!(
            "{}: {} answers are redirects, none was followed",
            load.title(),
            format::number(redirects)
        ));
    }
}

/// `12 × 500, 3 × no answer in time`
fn kinds(load: &LoadResult) -> String {
    let statuses = load.statuses.iter().filter(|(status, _)| **status >= 400);
    let statuses = statuses.map(|(status, count)| (*count, status.to_string()));
    let failures = load.failures.iter();
    let failures = failures.map(|(kind, count)| (*count, FailureKind::words(*kind).to_owned()));
    let mut kinds: Vec<_> = statuses.chain(failures).collect();
    kinds.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let kinds = kinds.iter();
    let kinds = kinds.map(|(count, what)| format!("{} × {what}", format::number(*count)));
    kinds.collect::<Vec<_>>().join(", ")
}

/// Whether users wait.
fn waits(load: &LoadResult, results: &Results, judged: &mut Judged) {
    let Some(latency) = load.latency else { return };
    let rate = format!("{}/s", results.conditions.rate);
    let p99 = Metric::Longest.show(latency.p99_ms);
    let dropped = load.sum(|round| round.dropped);
    if dropped > 0 {
        judged.failures.push(format!(
            "{} cannot keep up with {rate}: {} could not even be sent in time",
            load.name,
            format::count(dropped, "request", "requests")
        ));
    } else if latency.p99_ms > SLOW_MS {
        judged.failures.push(format!(
            "{}: at {rate} one user in a hundred waits {p99} or longer",
            load.name
        ));
    } else {
        let longest = Metric::Longest.show(latency.max_ms);
        judged.remarks.push(format!(
            "{}: p99 {p99}, longest {longest} at {rate}",
            load.name
        ));
    }
}

/// Stalls that were seen in a test, by the line to blame.
fn stalls(results: &Results, blamed: &[Blamed], judged: &mut Judged) {
    if !results.target.inside {
        judged.remarks.push(
            "stalls and lag were not seen: the service does not run under Loopscope".to_owned(),
        );
        return;
    }
    let name = judged.name;
    let here = |one: &&Blamed| one.tests.contains(&name);
    for one in blamed
        .iter()
        .filter(|one| one.is_stall_of_code)
        .filter(here)
    {
        judged.failures.push(format!(
            "{} of up to {}: {}",
            format::count(one.provoked.count, "stall", "stalls"),
            format::seconds(one.provoked.longest_seconds),
            one.provoked.summary
        ));
    }
    let starved = blamed.iter().filter(here);
    let starved = starved.filter(|one| one.provoked.cause.as_deref() == Some("cpu_starved"));
    let starved: u64 = starved.map(|one| one.provoked.count).sum();
    if starved > 0 {
        judged.remarks.push(format!(
            "{} for want of a processor, no code's fault: the machine is too small for service and sender",
            format::count(starved, "stall", "stalls")
        ));
    }
}

fn calls(results: &Results, blamed: &[Blamed]) -> Test {
    if results.conditions.calls.is_empty() {
        let why = "name the service's slow path with --call METHOD PATH";
        return Judged::not_measured(TestName::Calls, why);
    }
    let mut judged = Judged::new(TestName::Calls);
    let loads = || {
        results
            .loads
            .iter()
            .filter(|load| load.test == TestName::Calls)
    };
    loads().for_each(|load| answers(load, &mut judged));
    let p99 = |part| {
        let load = loads().find(|load| load.part == part)?;
        let rounds = load.rounds.iter().filter_map(|round| round.latency);
        median(&rounds.map(|latency| latency.p99_ms).collect::<Vec<_>>())
    };
    match (p99(LoadPart::ProbeAlone), p99(LoadPart::ProbeBeside)) {
        (Some(alone), Some(beside)) => cost(results, alone, beside, &mut judged),
        _ if results.conditions.probe.is_none() => judged.remarks.push(
            "what calls cost everybody else was not measured: name a cheap request with --probe GET PATH"
                .to_owned(),
        ),
        _ => {}
    }
    stalls(results, blamed, &mut judged);
    judged.done()
}

fn cost(results: &Results, alone: f64, beside: f64, judged: &mut Judged) {
    let probe = results.conditions.probe.as_deref().unwrap_or("the probe");
    let words = format!(
        "{probe}: p99 {} alone, {} beside {} callers of {}",
        Metric::Longest.show(alone),
        Metric::Longest.show(beside),
        results.conditions.callers,
        results.conditions.calls.join(", ")
    );
    if beside > (alone * MOST_TIMES).max(alone + MOST_MORE_MS) {
        judged.failures.push(words);
    } else {
        judged.remarks.push(words);
    }
}

fn memory(results: &Results, asks_service: bool) -> Test {
    if let Some(why) = unseen(results, asks_service) {
        return Judged::not_measured(TestName::Memory, why);
    }
    let mut judged = Judged::new(TestName::Memory);
    let after = |pick: fn(&Reading) -> Option<f64>| -> Vec<f64> {
        results
            .rounds
            .iter()
            .filter_map(|round| pick(&round.after))
            .collect()
    };
    let figures: [(&str, Vec<f64>, f64); 3] = [
        (
            "resident memory",
            after(|reading| reading.memory_mb),
            LEAST_GROWTH_MB,
        ),
        (
            "open files",
            after(|reading| Some(reading.open_fds? as f64)),
            LEAST_GROWTH_COUNT,
        ),
        (
            "threads",
            after(|reading| Some(reading.threads? as f64)),
            LEAST_GROWTH_COUNT,
        ),
    ];
    for (what, values, least) in figures {
        let Some(trend) = trend(&values) else {
            continue;
        };
        judged.is_measured = true;
        let first = values.first().copied().unwrap_or(0.0);
        if trend.is_rising && trend.in_all >= least.max(first * LEAST_GROWTH_SHARE) {
            let unit = if what == "resident memory" {
                " MiB"
            } else {
                ""
            };
            judged.failures.push(format!(
                "{what} grows with each round, by {:.1}{unit}: {:.1}{unit} after the first, {:.1}{unit} after the last",
                trend.per_round,
                first,
                values.last().copied().unwrap_or(0.0)
            ));
        }
    }
    judged.remarks.extend(came_back(results));
    if !judged.is_measured {
        judged.remarks.push(format!(
            "a trend needs {FEWEST_FOR_TREND} rounds that came to their end"
        ));
    }
    judged.done()
}

/// What was taken, and what came back.
fn came_back(results: &Results) -> Option<String> {
    let (first, last) = (results.rounds.first()?, results.rounds.last()?);
    let peak = results
        .rounds
        .iter()
        .filter_map(|round| round.peak.memory_mb);
    let peak = peak.max_by(f64::total_cmp)?;
    Some(format!(
        "resident memory {:.1} MiB before, {peak:.1} MiB at most, {:.1} MiB after",
        first.before.memory_mb?, last.after.memory_mb?
    ))
}

fn tasks(results: &Results, blamed: &[Blamed], asks_service: bool) -> Test {
    if let Some(why) = unseen(results, asks_service) {
        return Judged::not_measured(TestName::Tasks, why);
    }
    let flows: Vec<_> = results
        .rounds
        .iter()
        .filter_map(|round| round.tasks)
        .collect();
    let alive = (
        results.rounds.first().and_then(|round| round.before.tasks),
        results.rounds.last().and_then(|round| round.after.tasks),
    );
    let (Some(before), Some(after)) = alive else {
        let why = "the service's tasks are not watched";
        return Judged::not_measured(TestName::Tasks, why);
    };
    let mut judged = Judged::new(TestName::Tasks);
    judged.is_measured = true;
    let sum = |pick: fn(&loopscope_load::results::TaskFlow) -> u64| -> u64 {
        flows.iter().map(pick).sum()
    };
    let (left, failed) = (after.saturating_sub(before), sum(|flow| flow.failed));
    if left > MOST_LEFT {
        judged.failures.push(format!(
            "{} left over: {before} alive before, {after} after{}",
            format::count(left, "task is", "tasks are"),
            blame(blamed, &["task_leak", "task_stuck"])
        ));
    }
    if failed > 0 {
        judged.failures.push(format!(
            "{} with an exception that nobody took{}",
            format::count(failed, "task ended", "tasks ended"),
            blame(blamed, &["task_failure"])
        ));
    }
    judged.remarks.push(format!(
        "{} spawned, {} finished, {} cancelled; {before} alive before, {after} after",
        format::number(sum(|flow| flow.spawned)),
        format::number(sum(|flow| flow.finished)),
        format::number(sum(|flow| flow.cancelled))
    ));
    judged.done()
}

/// What an incident of these kinds says, where there is one.
fn blame(blamed: &[Blamed], kinds: &[&str]) -> String {
    let mut found = blamed.iter().map(|one| &one.provoked);
    let found = found.find(|one| kinds.contains(&one.kind.as_str()));
    found
        .map(|one| format!("; {}", one.summary))
        .unwrap_or_default()
}

/// Why nothing can be said of the inside.
fn unseen(results: &Results, asks_service: bool) -> Option<&'static str> {
    if !results.target.inside {
        Some(
            "not seen: the service does not run under Loopscope; start it with `loopscope run -- COMMAND`",
        )
    } else if !asks_service {
        Some(
            "the service itself was asked for nothing: name what it does with --endpoint METHOD PATH",
        )
    } else if results.rounds.is_empty() {
        Some("no round came to its end")
    } else {
        None
    }
}
