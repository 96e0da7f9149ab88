//! What the demo shows: each finding as a stranger would want to be told of it.

use std::fmt::Write as _;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use loopscope_engine::change::{Change, ChangeKind};
use loopscope_engine::report::{
    AwaitingTask, Incident, IncidentKind, Report, ReportFrame, Severity, StallCause, TaskRef,
};

use crate::run::{Show, summary};

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default();

/// Shows findings on the terminal.
pub(crate) struct Screen;

impl Show for Screen {
    fn change(&mut self, change: &Change) {
        print(&told(change));
    }
}

/// Says what is about to be seen, and how to look at it oneself.
pub(crate) fn introduce(about: &str, port: u16, endpoint: Option<SocketAddr>) {
    let mut text = format!(
        "{BOLD}A small shop answers on http://127.0.0.1:{port}{BOLD:#} {about} Loopscope watches it from outside; its code \
         knows nothing of that.\n"
    );
    if let Some(endpoint) = endpoint {
        let _ = write!(
            text,
            "\n  its health   {GREEN}http://{endpoint}/health{GREEN:#}\n\
             \x20 try          curl -s http://{endpoint}/health\n\
             \x20              loopscope health http://{endpoint}/health\n"
        );
    }
    let _ = write!(
        text,
        "\nUsers order all the time. Now and then one of them asks for something else.\n\n"
    );
    print(&text);
}

/// A request is sent that will hurt.
pub(crate) fn announce(path: &str) {
    print(&format!("{DIM}a user asks for {path}{DIM:#}\n"));
}

/// What asking showed while the loop was blocked.
pub(crate) fn compare(health: Option<(bool, Duration)>, user: Option<Duration>) {
    let mut text = String::new();
    if let Some((true, took)) = health {
        let _ = writeln!(
            text,
            "    meanwhile  {GREEN}/health answered in {:.1} ms{GREEN:#}",
            took.as_secs_f64() * 1e3
        );
    }
    if let Some(took) = user {
        let _ = writeln!(
            text,
            "               another user waited {:.2} s for an order",
            took.as_secs_f64()
        );
    }
    print(&text);
}

/// The end, and how one goes on with a service of one's own.
pub(crate) fn conclude(report: Option<&Report>, own: &str) {
    let mut text = format!("\n{BOLD}Summary{BOLD:#}\n");
    for line in report.map(summary).unwrap_or_default() {
        let _ = writeln!(text, "{line}");
    }
    let _ = write!(
        text,
        "\nWatch a service of your own: {GREEN}{own}{GREEN:#}\n"
    );
    print(&text);
}

fn told(change: &Change) -> String {
    let incident = &change.incident;
    let seconds = change.occurrence.as_secs_f64();
    if incident.kind != IncidentKind::LoopStall {
        return told_of_other(change);
    }
    match change.kind {
        ChangeKind::Opened => opened(incident, seconds),
        ChangeKind::Escalated => {
            format!("{RED}  blocked{RED:#}    for {seconds:.1} s now: /health answers 503\n")
        }
        ChangeKind::Updated => String::new(),
        ChangeKind::Closed => format!("    over       after {seconds:.2} s\n\n"),
    }
}

/// A finding that is no stall: nothing is stuck, so there is no time to count.
fn told_of_other(change: &Change) -> String {
    let incident = &change.incident;
    if !matches!(change.kind, ChangeKind::Opened | ChangeKind::Escalated) {
        return String::new();
    }
    let style = style(incident);
    let mut text = format!("{style}▌{style:#} {}\n", incident.summary);
    if let Some(step) = incident.advice.steps.first() {
        let _ = writeln!(text, "    do         {step}");
    }
    text
}

fn style(incident: &Incident) -> Style {
    if incident.severity == Severity::Critical {
        RED
    } else {
        YELLOW
    }
}

fn opened(incident: &Incident, seconds: f64) -> String {
    let style = style(incident);
    let mut text = String::new();
    let _ = write!(text, "{style}▌ {}{style:#}", title(incident));
    if let Some(found) = &incident.r#loop {
        let _ = write!(
            text,
            "  loop {BOLD}{}{BOLD:#} ({}, thread {})",
            found.name, found.runtime, found.thread_id
        );
    }
    let _ = writeln!(text, ", stuck for {seconds:.2} s and counting");
    if let Some(culprit) = &incident.culprit {
        let _ = writeln!(
            text,
            "    at         {BOLD}{}:{}{BOLD:#} in {}",
            file(&culprit.file),
            culprit.line,
            culprit.function
        );
    }
    if let Some(task) = incident
        .task
        .as_ref()
        .filter(|task| !task.await_chain.is_empty())
    {
        let _ = writeln!(text, "    awaited    {}", chain(&task.await_chain));
    }
    for waiting in incident.task.iter().flat_map(nearest) {
        let at = waiting.waits_at().map(std::slice::from_ref);
        let _ = writeln!(
            text,
            "    for        {}  {}",
            waiting.name,
            chain(at.unwrap_or_default())
        );
    }
    for share in incident.shares.iter().take(3) {
        let _ = writeln!(
            text,
            "    {:>3.0} %      {} ({}:{})",
            share.share * 100.0,
            share.function,
            file(&share.file),
            share.line
        );
    }
    if incident.gil_held == Some(true) {
        let _ = writeln!(
            text,
            "    holds      the interpreter's lock: no other Python thread runs either"
        );
    }
    match &incident.advice.replacement {
        Some(code) => drop(writeln!(text, "    write      {GREEN}{code}{GREEN:#}")),
        None => drop(
            incident
                .advice
                .steps
                .last()
                .map(|step| writeln!(text, "    do         {step}")),
        ),
    }
    text
}

/// Who waits for it, one for each wait upwards.
fn nearest(task: &TaskRef) -> impl Iterator<Item = &AwaitingTask> {
    let mut level = 0;
    let is_first = move |waiting: &&AwaitingTask| {
        let is_next = waiting.level > level;
        level = waiting.level;
        is_next
    };
    task.awaited_by.iter().filter(is_first).take(3)
}

fn title(incident: &Incident) -> &'static str {
    match incident.cause {
        Some(StallCause::BlockingCall) => "blocking call",
        Some(StallCause::Overload) => "overloaded",
        Some(StallCause::GcPause) => "garbage collection",
        Some(StallCause::CpuStarved) => "no processor",
        Some(StallCause::Suspended) => "suspended",
        Some(StallCause::Unknown) => "stalled",
        None => "finding",
    }
}

fn chain(frames: &[ReportFrame]) -> String {
    let links = frames
        .iter()
        .map(|frame| format!("{} ({}:{})", frame.function, file(&frame.file), frame.line));
    links.collect::<Vec<_>>().join(" → ")
}

fn file(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn print(text: &str) {
    // Closed output is no reason to end the demo.
    let _ = anstream::stdout().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use loopscope_engine::Engine;
    use loopscope_engine::config::Config;
    use loopscope_engine::observation::{Fact, Observation};
    use loopscope_engine::time::{Nanos, WallAnchor};

    use super::*;

    #[test]
    fn a_finding_that_is_no_stall_is_told_in_its_own_words_and_not_as_stuck() {
        let at = Nanos::from_millis(1);
        let anchor = WallAnchor {
            monotonic: at,
            unix_nanos: 0,
        };
        let mut engine = Engine::new(Config::default(), "shop".into(), "0", anchor, at);
        let fact = Fact::Lost {
            what: "stall records".into(),
            count: 7,
            detail: None,
        };
        engine.observe(&Observation { at, fact });
        let changes = engine.take_changes();
        let text: String = changes.iter().map(told).collect();
        assert!(
            text.contains("lost to the watching: 7 stall records"),
            "{text}"
        );
        assert!(
            !text.contains("stuck") && !text.contains("finding"),
            "{text}"
        );
    }
}
