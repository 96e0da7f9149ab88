//! The head: which process, when, how it was read, and how much there is in it.

use anstyle::{AnsiColor, Style};
use loopscope_engine::dump::{DumpCounts, DumpModeName, DumpProcess, DumpReading};

use super::{Drawing, shortened};
use crate::screen::format;

/// The longest command line that is shown whole.
const MAX_COMMAND_CHARS: usize = 120;

impl Drawing<'_> {
    pub(super) fn head(&self) -> String {
        let report = self.report;
        let layout = &self.layout;
        let mut text = layout.pieces("", "  ", identity(self).iter().map(String::as_str));
        let mut how: Vec<String> = report.reading.iter().flat_map(reading).collect();
        how.push(format!("{:.3}", report.timestamp));
        text.push_str(&layout.pieces("", " · ", how.iter().map(String::as_str)));
        let counts = counts(&report.counts);
        text.push_str(&layout.pieces("", " · ", counts.iter().map(String::as_str)));
        let reasons = report
            .reading
            .iter()
            .flat_map(|reading| &reading.approximate);
        for reason in reasons {
            let word = layout.paint(AnsiColor::Yellow.on_default(), "approximate");
            text.push_str(&layout.item(&format!("{word}: "), reason));
        }
        text
    }
}

/// The command line, the pid, the user where it is another one.
fn identity(drawing: &Drawing) -> Vec<String> {
    let process = &drawing.report.process;
    let bold = Style::new().bold();
    let command = drawing.layout.paint(bold, &command(process));
    let mut parts = vec![command, pid(process)];
    if process.is_of_other_user {
        let user = process.user.clone();
        let user = user.or(process.uid.map(|uid| uid.to_string()));
        parts.extend(user.map(|user| format!("user {user}")));
    }
    parts
}

fn command(process: &DumpProcess) -> String {
    if process.command_line.is_empty() {
        return process.name.clone();
    }
    let mut words = process.command_line.iter();
    let program = words.next().map(String::as_str).unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or(program);
    let words: Vec<&str> = std::iter::once(program)
        .chain(words.map(String::as_str))
        .collect();
    shortened(&words.join(" "), MAX_COMMAND_CHARS)
}

fn pid(process: &DumpProcess) -> String {
    match process.namespaced_pid {
        Some(inner) => format!("pid {} ({inner} inside its container)", process.pid),
        None => format!("pid {}", process.pid),
    }
}

fn reading(reading: &DumpReading) -> Vec<String> {
    let pause = reading.pause_seconds.map(millis);
    let how = match (reading.mode, pause) {
        (DumpModeName::Stop, Some(pause)) => format!("stopped for {pause}"),
        (DumpModeName::Stop, None) => "stopped for the reading".to_owned(),
        (DumpModeName::Snapshot, Some(pause)) => format!("read from a copy, stopped for {pause}"),
        (DumpModeName::Snapshot, None) => "read from a copy".to_owned(),
        (DumpModeName::Live, _) => "read while it ran".to_owned(),
    };
    vec![format!("Python {}", reading.python_version), how]
}

/// A pause is short: its first digit after the point counts.
fn millis(seconds: f64) -> String {
    if seconds < 0.1 {
        format!("{:.1} ms", seconds.max(0.0) * 1e3)
    } else {
        format::seconds(seconds)
    }
}

fn counts(counts: &DumpCounts) -> Vec<String> {
    let mut parts = Vec::new();
    if counts.threads > 0 {
        parts.push(format::count(counts.loops, "loop", "loops"));
        let states = [
            (counts.tasks_running, "running"),
            (counts.tasks_pending, "pending"),
            (counts.tasks_failed, "failed"),
            (counts.tasks_cancelled, "cancelled"),
            (counts.tasks_done, "done"),
        ];
        let states: Vec<String> = states
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, state)| format!("{} {state}", format::number(count)))
            .collect();
        let mut tasks = format::count(counts.tasks, "task", "tasks");
        if !states.is_empty() {
            tasks.push_str(&format!(" ({})", states.join(", ")));
        }
        parts.push(tasks);
        parts.push(format::count(
            counts.threads,
            "Python thread",
            "Python threads",
        ));
    }
    if counts.native_threads > 0 {
        let (one, many) = match counts.threads {
            0 => ("thread", "threads"),
            _ => ("other thread", "other threads"),
        };
        parts.push(format::count(counts.native_threads, one, many));
    }
    parts
}
