//! The summary that a person reads. Pure: results and a layout in, text out.

use anstyle::{AnsiColor, Style};
use loopscope_drill::Fault;
use loopscope_drill::results::{AlertResult, DrillEnd, FaultResult, Results, Target, Verdict};

use crate::screen::{Layout, Text, format};

/// As wide as a verdict and a fault's name.
const INDENT: &str = "                       ";

/// The whole summary.
pub(super) fn summary(results: &Results, layout: &Layout) -> String {
    let mut text = head(results, layout) + "\n";
    for fault in &results.faults {
        text.push_str(&one(fault, layout));
    }
    if let Some(alert) = &results.alert {
        text.push_str(&alert_lines(alert, layout));
    }
    if !results.notes.is_empty() {
        text.push('\n');
        for note in &results.notes {
            text.push_str(&layout.item("  - ", Text::new(note).as_str()));
        }
    }
    text
}

fn head(results: &Results, layout: &Layout) -> String {
    let verdict = match results.verdict {
        Verdict::Passed => "SEEN",
        Verdict::Failed => "NOT AS IT SHOULD BE",
        Verdict::Skipped => "NOTHING WAS DRILLED",
    };
    let verdict = layout.paint(style(results.verdict), verdict);
    let took = format::seconds(results.duration_seconds);
    let count = format::count(results.faults.len() as u64, "fault", "faults");
    let ended = match results.ended {
        DrillEnd::Complete => format!("{count} in {took}"),
        DrillEnd::Interrupted => format!("interrupted after {took}; what follows came before"),
        DrillEnd::TargetGone => {
            format!("the service was gone after {took}; what follows came before")
        }
    };
    format!("{verdict}  {}  {ended}\n", target(&results.target))
}

fn target(target: &Target) -> String {
    let service = Text::new(&target.service);
    format!(
        "{service} (pid {}, Python {}, {})",
        target.pid,
        Text::new(&target.python),
        Text::new(&target.r#loop)
    )
}

fn one(fault: &FaultResult, layout: &Layout) -> String {
    let word = match fault.verdict {
        Verdict::Passed if fault.fault == Fault::Healthy => "quiet",
        Verdict::Passed => "seen",
        Verdict::Failed => "failed",
        Verdict::Skipped => "skipped",
    };
    let painted = layout.paint(style(fault.verdict), &format!("{word:<9}"));
    let first = format!("{painted}{:<14}", fault.fault.name());
    let mut text = String::new();
    for (index, reason) in fault.reasons.iter().enumerate() {
        let first = if index == 0 { first.as_str() } else { INDENT };
        text.push_str(&layout.item(first, Text::new(reason).as_str()));
    }
    if fault.verdict != Verdict::Skipped {
        text.push_str(&layout.item(INDENT, &meanwhile(fault)));
    }
    text
}

/// What the surfaces said while it lasted, and what became of it.
fn meanwhile(fault: &FaultResult) -> String {
    let health = &fault.health;
    if fault.fault == Fault::Memory {
        // It goes on beside the others, and so do the answers.
        let undone = fault.undone.as_deref().unwrap_or("not undone");
        return format!("beside the others; {}", Text::new(undone));
    }
    let mut words = format!(
        "/health {} {}, {} at most",
        health.worst_code,
        Text::new(&health.worst_status),
        format::seconds(health.slowest_ms / 1e3)
    );
    words.push_str(
        match (fault.probes.ready_failed, fault.probes.live_failed) {
            (false, false) => "; probes stayed",
            (true, false) => "; /readyz turned",
            (false, true) => "; /livez turned",
            (true, true) => "; /readyz and /livez turned",
        },
    );
    if fault.probes.ready_failed && !fault.probes.is_failing {
        words.push_str(" and came back");
    }
    if let Some(seconds) = fault.alert_after_seconds {
        words.push_str(&format!("; alert after {}", format::seconds(seconds)));
    }
    if let Some(undone) = fault.undone.as_deref().filter(|undone| !undone.is_empty()) {
        words.push_str(&format!("; {}", Text::new(undone)));
    }
    words
}

fn alert_lines(alert: &AlertResult, layout: &Layout) -> String {
    let (word, reason) = match &alert.first {
        Some(first) => {
            let times = format::count(alert.count, "time", "times");
            (
                "rang",
                format!("{times} at {}, first with {first}", alert.listened_at),
            )
        }
        None => ("failed", format!("no alert came to {}", alert.listened_at)),
    };
    let painted = layout.paint(style(alert.verdict), &format!("{word:<9}"));
    layout.item(&format!("{painted}{:<14}", "alert"), &reason)
}

fn style(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Passed => AnsiColor::Green,
        Verdict::Failed => AnsiColor::Red,
        Verdict::Skipped => AnsiColor::Yellow,
    };
    colour.on_default().bold()
}

#[cfg(test)]
mod tests {
    use loopscope_drill::judge;
    use loopscope_drill::results::{Found, Health, Probes};

    use super::*;

    fn seen(fault: Fault, reason: &str) -> FaultResult {
        FaultResult {
            verdict: Verdict::Passed,
            reasons: vec![reason.to_owned()],
            health: Health {
                answers: 9,
                unanswered: 0,
                worst_status: "degraded".into(),
                worst_code: 200,
                slowest_ms: 4.2,
            },
            undone: Some(String::new()),
            ..judge::skipped(fault, String::new())
        }
    }

    fn results() -> Results {
        let mut block = seen(
            Fault::Block,
            "loop_stall after 0.11 s: at loopscope_drill.py:124 in act",
        );
        block.health.worst_code = 503;
        block.health.worst_status = "critical".into();
        block.alert_after_seconds = Some(6.25);
        block.probes = Probes {
            ready_failed: true,
            live_failed: false,
            is_failing: false,
        };
        block.found = Some(Found {
            id: "incident-1".into(),
            kind: "loop_stall".into(),
            severity: "critical".into(),
            cause: None,
            gil_held: None,
            summary: "a loop stalled".into(),
            culprit: None,
            after_seconds: 0.11,
            is_closed: true,
        });
        let mut leak = seen(Fault::TaskLeak, "not seen: no task_leak that names it");
        leak.verdict = Verdict::Failed;
        leak.undone = Some("26 tasks cancelled".into());
        Results {
            schema_version: 1,
            version: "0.1.0".into(),
            started_at: "2026-11-27T00:00:00Z".into(),
            duration_seconds: 35.6,
            ended: DrillEnd::Complete,
            target: Target {
                service: "sh\u{1b}op".into(),
                pid: 41,
                python: "3.13.0".into(),
                r#loop: "uvloop".into(),
                ..Target::default()
            },
            verdict: Verdict::Failed,
            faults: vec![
                seen(Fault::Healthy, "nothing was found, as it should be"),
                judge::skipped(Fault::Gil, "it needs ctypes".into()),
                block,
                leak,
            ],
            alert: Some(AlertResult {
                listened_at: "127.0.0.1:9099".into(),
                count: 2,
                first: Some("POST /alert HTTP/1.1".into()),
                verdict: Verdict::Passed,
            }),
            notes: vec!["a note".into()],
        }
    }

    #[test]
    fn each_fault_is_told_with_what_the_surfaces_said_and_what_was_put_right() {
        insta::assert_snapshot!(summary(&results(), &Layout::default()), @r#"
        NOT AS IT SHOULD BE  sh\u{1b}op (pid 41, Python 3.13.0, uvloop)  4 faults in 35.6 s

        quiet    healthy       nothing was found, as it should be
                               /health 200 degraded, 4 ms at most; probes stayed
        skipped  gil           it needs ctypes
        seen     block         loop_stall after 0.11 s: at loopscope_drill.py:124 in act
                               /health 503 critical, 4 ms at most; /readyz turned and came back; alert after 6.25 s
        failed   task-leak     not seen: no task_leak that names it
                               /health 200 degraded, 4 ms at most; probes stayed; 26 tasks cancelled
        rang     alert         2 times at 127.0.0.1:9099, first with POST /alert HTTP/1.1

          - a note
        "#);
    }

    #[test]
    fn a_drill_that_was_cut_short_says_so() {
        let mut results = results();
        results.ended = DrillEnd::Interrupted;
        let text = summary(&results, &Layout::default());
        assert!(
            text.contains("interrupted after 35.6 s; what follows came before"),
            "{text}"
        );
    }
}
