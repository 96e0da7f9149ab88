//! Compares what was declared with what was found, and lists every difference.
//!
//! Three questions: was each declared stall found, right in everything; was it found while it lasted;
//! was anything found that was not declared. All times are the fixture's or Loopscope's own; none is
//! this harness's guess.

use loopscope_engine::report::{
    Incident, IncidentKind, LoopState, Report, Severity, StallCause, Status,
};

use super::clock::monotonic_of;
use super::declared::{Declared, Line};
use super::expect::{During, Stall};
use super::facts::{waits, wrong_facts};
use super::running::{Answer, Ended, Waited};

/// Seconds by which a duration or a start may be off where five per cent are less.
const EXACT_SECONDS: f64 = 0.010;

/// Seconds that the machine may keep a program between its poll and the first line of a stall, which is
/// where the fixture's clock starts and not the turn.
const KEPT_SECONDS: f64 = 0.050;

/// Everything to compare with.
pub(crate) struct Compared<'a> {
    declared: Vec<&'a Declared>,
    slips: Vec<(f64, f64)>,
    answers: &'a [Answer],
    waits: &'a [Waited],
    report: &'a Report,
    stderr: &'a str,
}

impl<'a> Compared<'a> {
    /// Sorts out a run that ended; `report` is its final one.
    pub(crate) fn new(ended: &'a Ended, report: &'a Report) -> Self {
        let slips = ended.notes.lines.iter().filter_map(|line| match line {
            Line::Slip(slip) => Some((slip.start_monotonic, slip.end_monotonic)),
            _ => None,
        });
        Self {
            declared: declared(ended),
            slips: slips.collect(),
            answers: &ended.notes.answers,
            waits: &ended.notes.waits,
            report,
            stderr: &ended.notes.stderr,
        }
    }

    /// Every difference between `expected` and what was found.
    pub(crate) fn problems(&self, expected: &[Stall]) -> Vec<String> {
        let mut problems = Vec::new();
        let mut explained = Vec::new();
        for stall in expected {
            for declared in by_process(&self.declared, stall.name) {
                let found = self.incidents_of(stall, &declared);
                let joined = self.joined_since(stall, &declared);
                let about = found.iter().copied().chain(joined);
                explained.extend(about.map(|incident| incident.id.clone()));
                let found_wrong = self.judge(stall, &declared, &found);
                problems.extend(
                    found_wrong
                        .into_iter()
                        .map(|p| format!("stall {}: {p}", stall.name)),
                );
            }
        }
        problems.extend(self.unexplained(&explained));
        problems.extend(self.inconsistent());
        problems
    }

    /// The incidents of the final report that are about these occurrences.
    fn incidents_of(&self, stall: &Stall, declared: &[&Declared]) -> Vec<&'a Incident> {
        let about = |incident: &&Incident| is_about(incident, stall, declared);
        self.report.incidents.iter().filter(about).collect()
    }

    /// What answers on the way told of these occurrences before it joined another incident.
    fn joined_since(&self, stall: &Stall, declared: &[&Declared]) -> Vec<&'a Incident> {
        let is_final =
            |one: &&Incident| self.report.incidents.iter().any(|other| other.id == one.id);
        self.told_on_the_way()
            .filter(|one| !is_final(one) && is_about(one, stall, declared))
            .collect()
    }

    /// The incidents of all answers that came before the end.
    fn told_on_the_way(&self) -> impl Iterator<Item = &'a Incident> {
        let answers = self.answers.iter();
        answers.flat_map(|answer| &answer.report.incidents)
    }

    fn judge(&self, stall: &Stall, declared: &[&Declared], found: &[&Incident]) -> Vec<String> {
        if found.is_empty() {
            return vec![format!(
                "not found; the report has {}",
                brief(&self.report.incidents)
            )];
        }
        let mut problems = Vec::new();
        if stall.occurrences.is_some() {
            problems.extend(wrong_times(declared, found));
        } else {
            problems.extend(uncovered(declared, found));
        }
        for incident in found {
            problems.extend(wrong_facts(stall, declared[0], incident));
        }
        if stall.has_culprit {
            problems.extend(self.untold(declared[0]));
        }
        problems.extend(self.unnamed_waits(stall, declared[0]));
        if stall.during == During::Seen {
            problems.extend(
                declared
                    .iter()
                    .filter_map(|one| self.unseen_during(stall, one)),
            );
        }
        problems
    }

    /// The promise: an answer received before the stall's end holds the open incident.
    fn unseen_during(&self, stall: &Stall, declared: &Declared) -> Option<String> {
        let during = |answer: &&Answer| {
            answer.received_at > declared.start_monotonic
                && answer.received_at < declared.end_monotonic
        };
        let answers: Vec<_> = self.answers.iter().filter(during).collect();
        if answers.iter().any(|answer| tells(answer, stall, declared)) {
            return None;
        }
        let last = answers.last().map(|answer| {
            (
                brief(&answer.report.incidents),
                &answer.report.detailed_health.event_loops,
            )
        });
        Some(format!(
            "not told by any of {} answers while it lasted; the last: {last:#?}",
            answers.len()
        ))
    }

    /// One line on stderr for each finding, with the line to blame.
    fn untold(&self, declared: &Declared) -> Option<String> {
        let file = declared.file.rsplit('/').next().unwrap_or_default();
        let told = declared
            .lines
            .iter()
            .any(|line| self.stderr.contains(&format!("{file}:{line}")));
        (!told).then(|| {
            format!(
                "stderr names no {file}:{:?}:\n{}",
                declared.lines, self.stderr
            )
        })
    }

    /// Below it who waits for the task, with the lines.
    fn unnamed_waits(&self, stall: &Stall, declared: &Declared) -> Option<String> {
        let file = declared.file.rsplit('/').next().unwrap_or_default();
        let told = |(task, function, line): (String, String, u32)| {
            format!(", which {task} awaits at {file}:{line} in {function}")
        };
        let words: String = waits(stall, declared).into_iter().map(told).collect();
        (!self.stderr.contains(&words))
            .then(|| format!("stderr does not say{words}:\n{}", self.stderr))
    }

    /// What was found beyond the declared, at the end or in any answer on the way.
    fn unexplained(&self, explained: &[String]) -> Vec<String> {
        let mut seen = Vec::new();
        let mut problems = Vec::new();
        for incident in self.report.incidents.iter().chain(self.told_on_the_way()) {
            if seen.contains(&&incident.id) {
                continue;
            }
            seen.push(&incident.id);
            let excused = self.slipped(incident) || self.starved(incident);
            let excused = excused || says_more_of(incident, explained);
            let excused = excused || self.failed_there(incident, explained);
            if !explained.contains(&incident.id) && !excused {
                problems.push(format!("found what was not declared: {incident:#?}"));
            }
        }
        problems
    }

    /// Whether it is the failure of a call that made one of these stalls: what keeps a loop waiting for long
    /// enough gives up at its end, and that is told too.
    fn failed_there(&self, incident: &Incident, explained: &[String]) -> bool {
        let is_failure = matches!(
            incident.kind,
            IncidentKind::CallFailure | IncidentKind::ConnectionFailure
        );
        let made_it =
            |other: &Incident| explained.contains(&other.id) && other.culprit == incident.culprit;
        is_failure && incident.culprit.is_some() && self.report.incidents.iter().any(made_it)
    }

    /// Whether the program itself says that the machine made this turn long.
    fn slipped(&self, incident: &Incident) -> bool {
        let (start, end) = window(incident);
        let inside = |slip: &(f64, f64)| start < slip.1 && end > slip.0;
        incident.kind == IncidentKind::LoopStall && self.slips.iter().any(inside)
    }

    /// Whether it says that the loop got no processor, and the kernel says so too.
    fn starved(&self, incident: &Incident) -> bool {
        let Some(thread_id) = incident.r#loop.as_ref().map(|one| one.thread_id) else {
            return false;
        };
        let (start, end) = window(incident);
        let of_thread = || self.waits.iter().filter(|one| one.thread_id == thread_id);
        let before = of_thread().rfind(|one| one.at <= start);
        let after = of_thread()
            .find(|one| one.at >= end)
            .or(of_thread().next_back());
        let (Some(before), Some(after)) = (before, after) else {
            return false;
        };
        incident.cause == Some(StallCause::CpuStarved)
            && after.seconds - before.seconds >= incident.longest_seconds / 2.0
    }

    /// What may never be, whatever was expected.
    fn inconsistent(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let agent = &self.report.detailed_health.agent;
        if !agent.dropped.is_empty() {
            problems.push(format!("something was lost: {:?}", agent.dropped));
        }
        let wrong_code =
            |answer: &&Answer| (answer.code == 503) != (answer.report.status == Status::Critical);
        if let Some(answer) = self.answers.iter().find(wrong_code) {
            problems.push(format!(
                "{:?} was answered with {}",
                answer.report.status, answer.code
            ));
        }
        problems
    }
}

/// Whether it only says more about one of these: which tracked call made a stall.
fn says_more_of(incident: &Incident, explained: &[String]) -> bool {
    let origin = incident.origin.as_ref();
    incident.kind == IncidentKind::BlockingCall
        && incident.severity == Severity::Info
        && origin.is_some_and(|origin| explained.contains(origin))
}

/// The stalls that a run declared.
pub(crate) fn declared(ended: &Ended) -> Vec<&Declared> {
    let stalls = ended.notes.lines.iter().filter_map(|line| match line {
        Line::Stall(declared) => Some(declared),
        _ => None,
    });
    stalls.collect()
}

/// The occurrences of one stall, for each process that had any.
pub(crate) fn by_process<'a>(declared: &[&'a Declared], name: &str) -> Vec<Vec<&'a Declared>> {
    let mut groups: Vec<Vec<&Declared>> = Vec::new();
    for one in declared.iter().filter(|one| one.stall == name) {
        match groups.iter_mut().find(|group| group[0].pid == one.pid) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
}

fn is_about(incident: &Incident, stall: &Stall, declared: &[&Declared]) -> bool {
    let here = incident.kind == IncidentKind::LoopStall && incident.process.pid == declared[0].pid;
    if stall.has_culprit {
        return here && blames(incident, declared[0]);
    }
    let (start, end) = window(incident);
    here && declared
        .iter()
        .any(|one| start < one.end_monotonic && end > one.start_monotonic)
}

fn blames(incident: &Incident, declared: &Declared) -> bool {
    let Some(culprit) = &incident.culprit else {
        return false;
    };
    culprit.file == declared.file && declared.lines.contains(&culprit.line)
}

/// From when to when an incident lasted, monotonic.
fn window(incident: &Incident) -> (f64, f64) {
    let end = incident.closed_at.map_or(f64::INFINITY, monotonic_of);
    (monotonic_of(incident.opened_at), end)
}

/// Whether an answer holds the open incident, says it on the loop too, and is not called healthy.
fn tells(answer: &Answer, stall: &Stall, declared: &Declared) -> bool {
    let about = |incident: &Incident| {
        incident.closed_at.is_none() && is_about(incident, stall, &[declared])
    };
    let away = [LoopState::Stalled, LoopState::Blocked, LoopState::Suspended];
    let loops = &answer.report.detailed_health.event_loops;
    answer.report.status != Status::Healthy
        && answer.report.incidents.iter().any(about)
        && loops
            .iter()
            .any(|l| l.thread_id == declared.thread_id && away.contains(&l.state))
}

fn tolerance(seconds: f64) -> f64 {
    f64::max(EXACT_SECONDS, 0.05 * seconds)
}

fn wrong_times(declared: &[&Declared], found: &[&Incident]) -> Vec<String> {
    let mut problems = Vec::new();
    let count: u64 = found.iter().map(|incident| incident.count).sum();
    if count != declared.len() as u64 {
        problems.push(format!(
            "occurred {} times, counted {count}",
            declared.len()
        ));
    }
    let lengths = declared.iter().map(|one| one.seconds());
    let (total, allowed) = lengths
        .clone()
        .fold((0.0, 0.0), |(t, a), s| (t + s, a + tolerance(s)));
    let seen: f64 = found.iter().map(|incident| incident.duration_seconds).sum();
    if (seen - total).abs() > allowed {
        problems.push(format!("lasted {total:.4} s in all, reported {seen:.4} s"));
    }
    let longest = lengths.fold(0.0, f64::max);
    let seen = found
        .iter()
        .map(|incident| incident.longest_seconds)
        .fold(0.0, f64::max);
    // A fixture cannot see how long the machine kept it from its poll after the last line of a stall;
    // over many stalls that befalls one of them. The total above bounds it, this only from below.
    if seen < longest - tolerance(longest) {
        problems.push(format!(
            "the longest lasted {longest:.4} s, reported {seen:.4} s"
        ));
    }
    let start = declared
        .iter()
        .map(|one| one.start_monotonic)
        .fold(f64::INFINITY, f64::min);
    let seen = found
        .iter()
        .map(|incident| window(incident).0)
        .fold(f64::INFINITY, f64::min);
    if seen < start - KEPT_SECONDS || seen > start + EXACT_SECONDS {
        problems.push(format!(
            "began at {start:.4}, stamped {:+.4} s off",
            seen - start
        ));
    }
    problems
}

fn uncovered(declared: &[&Declared], found: &[&Incident]) -> Vec<String> {
    let covered = |one: &&&Declared| {
        let overlaps = |incident: &&Incident| {
            let (start, end) = window(incident);
            start < one.end_monotonic && end > one.start_monotonic
        };
        !found.iter().any(overlaps)
    };
    declared
        .iter()
        .filter(covered)
        .map(|one| format!("one was not found: {one:?}"))
        .collect()
}

/// The incidents of a report, a line each.
fn brief(incidents: &[Incident]) -> String {
    let line = |incident: &Incident| {
        let state = if incident.closed_at.is_some() {
            "closed"
        } else {
            "open"
        };
        format!(
            "\n  {state} {:?} {:?}: {}",
            incident.kind, incident.cause, incident.summary
        )
    };
    if incidents.is_empty() {
        "none".into()
    } else {
        incidents.iter().map(line).collect()
    }
}
