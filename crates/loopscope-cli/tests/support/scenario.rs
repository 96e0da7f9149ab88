//! One program, what it declares, what must be found: runs it to its end and compares.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::compare::{Compared, by_process, declared};
use super::expect::Stall;
use super::launch::{Launch, fixture};
use super::pythons::{EventLoop, Python};
use super::running::{Ended, Running};
use loopscope_engine::report::LoopState;

/// A scenario under construction.
pub(crate) struct Scenario {
    launch: Launch,
    expected: Vec<Stall>,
    loops: Option<usize>,
    exit_code: i32,
    patience: Duration,
}

impl Scenario {
    /// A command line.
    pub(crate) fn command(target: Vec<String>) -> Self {
        Self {
            launch: Launch::new(target),
            expected: Vec::new(),
            loops: None,
            exit_code: 0,
            // Far beyond what any scenario takes on an unhurried machine.
            patience: Duration::from_secs(120),
        }
    }

    /// A fixture on an interpreter.
    pub(crate) fn python(python: &Python, program: &str, arguments: &[&str]) -> Self {
        let program = fixture(program).display().to_string();
        let mut target = vec![python.path.display().to_string(), program];
        target.extend(arguments.iter().map(|argument| argument.to_string()));
        Self::command(target)
    }

    /// Runs the fixture on this event loop and expects the report to say so.
    pub(crate) fn on(self, event_loop: EventLoop) -> Self {
        self.env("TRUTH_LOOP", event_loop.name())
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.launch = self.launch.env(name, value);
        self
    }

    /// Adds what must be found. What is not added must not be found.
    pub(crate) fn expect(mut self, stalls: impl IntoIterator<Item = Stall>) -> Self {
        self.expected.extend(stalls);
        self
    }

    /// How many loops live at once, at most and at some time.
    pub(crate) fn loops(mut self, loops: usize) -> Self {
        self.loops = Some(loops);
        self
    }

    /// How the run ends, 0 unless said otherwise.
    pub(crate) fn exits_with(mut self, code: i32) -> Self {
        self.exit_code = code;
        self
    }

    /// Runs it and compares.
    pub(crate) fn check(self) -> Result<(), String> {
        self.check_while(|_| Ok(()))
    }

    /// Runs it, does `drive` meanwhile, and hands back what was noted, for a test that compares itself.
    pub(crate) fn observe(
        self,
        drive: impl FnOnce(&Running) -> Result<(), String>,
    ) -> Result<Ended, String> {
        let running = Running::start(self.launch, self.patience);
        drive(&running)?;
        running.finish()
    }

    /// Runs it, does `drive` meanwhile, and compares.
    pub(crate) fn check_while(
        self,
        drive: impl FnOnce(&Running) -> Result<(), String>,
    ) -> Result<(), String> {
        let Self {
            launch,
            expected,
            loops,
            exit_code,
            patience,
        } = self;
        let running = Running::start(launch, patience);
        drive(&running)?;
        let ended = running.finish()?;
        let mut problems: Vec<_> = wrong_ending(&ended, exit_code).into_iter().collect();
        problems.extend(undeclared(&ended, &expected));
        if let Some(report) = &ended.report {
            problems.extend(Compared::new(&ended, report).problems(&expected));
            problems.extend(loops.and_then(|loops| wrong_loops(&ended, loops)));
            problems.extend(unanswered(&ended));
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(indent(&problems, &ended))
        }
    }
}

fn indent(problems: &[String], ended: &Ended) -> String {
    let listed: String = problems
        .iter()
        .map(|problem| format!("- {problem}\n"))
        .collect();
    format!("{listed}stderr was:\n{}", ended.notes.stderr)
}

/// 128 + n on a signal death, as a shell says it.
pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

fn wrong_ending(ended: &Ended, expected: i32) -> Option<String> {
    let code = exit_code(ended.status);
    (code != expected).then(|| format!("exit code {code}, expected {expected}"))
}

/// The fixture itself must have done what the scenario is about.
fn undeclared(ended: &Ended, expected: &[Stall]) -> Vec<String> {
    let all = declared(ended);
    let mut problems = Vec::new();
    for stall in expected {
        let groups = by_process(&all, stall.name);
        if groups.is_empty() {
            problems.push(format!("the fixture declared no {}", stall.name));
        }
        for group in groups {
            let short = group
                .iter()
                .any(|one| one.seconds() < stall.at_least_seconds);
            let miscounted = stall
                .occurrences
                .is_some_and(|expected| expected != group.len());
            if short || miscounted {
                problems.push(format!(
                    "the fixture is not what {} needs: {group:?}",
                    stall.name
                ));
            }
        }
    }
    problems
}

fn wrong_loops(ended: &Ended, expected: usize) -> Option<String> {
    let living = |state: LoopState| state != LoopState::Ended;
    let count = |answer: &super::Answer| {
        let loops = &answer.report.detailed_health.event_loops;
        loops.iter().filter(|one| living(one.state)).count()
    };
    let most = ended
        .notes
        .answers
        .iter()
        .max_by_key(|answer| count(answer));
    let most_loops = most.map(|answer| &answer.report.detailed_health.event_loops);
    let seen = most.map_or(0, count);
    (seen != expected)
        .then(|| format!("{expected} loops live at once, reported {seen}: {most_loops:#?}"))
}

/// Questions without an answer before the supervisor was on its way out.
fn unanswered(ended: &Ended) -> Vec<String> {
    let early = ended
        .notes
        .unanswered
        .iter()
        .filter(|(asked, _)| asked + 1.0 < ended.ended_at);
    let mut problems: Vec<_> = early
        .map(|(_, error)| format!("/health did not answer: {error}"))
        .collect();
    if ended.notes.answers.is_empty() {
        problems.push("/health never answered".into());
    }
    problems.truncate(3);
    problems
}
