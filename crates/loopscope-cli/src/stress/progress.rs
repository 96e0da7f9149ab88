//! What is said while a run lasts: one live line on a terminal, one quiet line a round in a pipe. To stderr: the
//! summary alone goes to stdout.

use std::io::{IsTerminal, Write};

use loopscope_load::results::{LoadPart, Metric, Moment, Outside};
use terminal_size::{Width, terminal_size_of};

use crate::messages::say;
use crate::screen::format;

/// Columns of the bar.
const BAR: usize = 10;

/// Where progress goes.
pub(super) struct Progress {
    rounds: u64,
    /// Columns of the terminal; `None` in a pipe.
    width: Option<usize>,
}

impl Progress {
    pub(super) fn new(rounds: u64) -> Self {
        let stderr = std::io::stderr();
        let width = terminal_size_of(&stderr).map(|(Width(columns), _)| usize::from(columns));
        Self {
            rounds,
            width: width.filter(|_| stderr.is_terminal()),
        }
    }

    /// A second of a part is over, the `number`th of `of`.
    pub(super) fn second(&self, moment: &Moment, number: f64, of: f64) {
        let Some(width) = self.width else { return };
        let line = live(moment, self.rounds, number / of.max(1e-9));
        let line: String = line.chars().take(width.saturating_sub(1)).collect();
        write(&format!("\r\u{1b}[K{line}"));
    }

    /// A round is over.
    pub(super) fn round_is_over(&self, round: u64, timeline: &[Moment]) {
        if self.width.is_none() {
            say(&quiet(round, self.rounds, timeline));
        }
    }

    /// The run is over.
    pub(super) fn end(&self) {
        if self.width.is_some() {
            write("\r\u{1b}[K");
        }
    }
}

fn write(text: &str) {
    // A closed stderr is no reason to end anything.
    let mut stderr = std::io::stderr().lock();
    let _ = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}

/// What a narrow terminal cuts off is at the end: the names, which the user gave.
fn live(moment: &Moment, rounds: u64, share: f64) -> String {
    let filled = (share.clamp(0.0, 1.0) * BAR as f64).round() as usize;
    let bar = "█".repeat(filled) + &"·".repeat(BAR - filled);
    let mut parts = vec![format!("round {}/{rounds} {bar}", moment.round)];
    if let Some(inside) = moment.inside {
        parts.extend(
            inside
                .lag_ms
                .map(|lag| format!("lag {}", Metric::Lag.show(lag))),
        );
        if inside.stalls > 0 {
            parts.push(format::count(inside.stalls, "stall", "stalls"));
        }
        let tasks = inside.reading.tasks;
        parts.extend(tasks.map(|tasks| format::count(tasks, "task", "tasks")));
    }
    parts.extend(moment.outside.iter().map(stream));
    parts.join("  ")
}

fn stream(outside: &Outside) -> String {
    let second = &outside.second;
    let mut words = format!("{} {}/s", outside.part.words(), second.answered);
    match second.p99_ms {
        Some(p99) => words.push_str(&format!(" p99 {}", Metric::Longest.show(p99))),
        None => words.push_str(&format!(" {} waiting", second.waiting)),
    }
    if second.failed > 0 {
        words.push_str(&format!(" {} failed", second.failed));
    }
    format!("{words} {}", outside.name)
}

/// One line of a round: the worst second of what users see, and of the inside.
fn quiet(round: u64, rounds: u64, timeline: &[Moment]) -> String {
    let moments = || timeline.iter().filter(|moment| moment.round == round);
    let seconds = || moments().flat_map(|moment| &moment.outside);
    let answered: u64 = seconds().map(|one| one.second.answered).sum();
    let failed: u64 = seconds().map(|one| one.second.failed).sum();
    let open = seconds().filter(|one| one.part == LoadPart::Open);
    let longest = open
        .filter_map(|one| one.second.max_ms)
        .max_by(f64::total_cmp);
    let lag = moments()
        .filter_map(|moment| moment.inside?.lag_ms)
        .max_by(f64::total_cmp);
    let stalls: u64 = moments()
        .filter_map(|moment| moment.inside)
        .map(|one| one.stalls)
        .sum();
    let mut line = format!(
        "round {round} of {rounds}: {} answers, {failed} failed",
        format::number(answered)
    );
    if let Some(longest) = longest {
        line.push_str(&format!(
            ", longest in open loop {}",
            Metric::Longest.show(longest)
        ));
    }
    if let Some(lag) = lag {
        line.push_str(&format!(", lag up to {}", Metric::Lag.show(lag)));
    }
    if stalls > 0 {
        line.push_str(&format!(", {}", format::count(stalls, "stall", "stalls")));
    }
    line
}

#[cfg(test)]
mod tests {
    use loopscope_load::Second;
    use loopscope_load::results::{Inside, Reading};

    use super::*;

    fn moment() -> Moment {
        let second = Second {
            answered: 48,
            failed: 2,
            waiting: 1,
            p50_ms: Some(1.0),
            p99_ms: Some(12.3),
            max_ms: Some(250.0),
        };
        Moment {
            at_seconds: 3.0,
            round: 2,
            outside: vec![Outside {
                name: "GET /orders".into(),
                part: LoadPart::Open,
                second,
            }],
            inside: Some(Inside {
                lag_ms: Some(210.0),
                stalls: 1,
                reading: Reading {
                    tasks: Some(4),
                    ..Reading::default()
                },
                ..Inside::default()
            }),
        }
    }

    #[test]
    fn a_live_line_has_outside_and_inside_side_by_side() {
        insta::assert_snapshot!(live(&moment(), 5, 0.6), @"round 2/5 ██████····  lag 210 ms  1 stall  4 tasks  open loop 48/s p99 12.3 ms 2 failed GET /orders");
    }

    #[test]
    fn a_second_without_answers_says_who_waits() {
        let mut moment = moment();
        moment.inside = None;
        moment.outside[0].second = Second {
            waiting: 50,
            ..Second::default()
        };
        insta::assert_snapshot!(live(&moment, 5, 2.0), @"round 2/5 ██████████  open loop 0/s 50 waiting GET /orders");
    }

    #[test]
    fn a_round_is_one_quiet_line() {
        insta::assert_snapshot!(quiet(2, 5, &[moment(), moment()]), @"round 2 of 5: 96 answers, 4 failed, longest in open loop 250 ms, lag up to 210 ms, 2 stalls");
    }
}
