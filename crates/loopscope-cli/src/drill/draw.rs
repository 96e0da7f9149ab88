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
        DrillEnd::Interrupted => format!("interrupted after {took}; what was under way was undone"),
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
