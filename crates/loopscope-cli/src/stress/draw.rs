//! The summary that a person reads. Pure: results and a layout in, text out.

mod tables;

use anstyle::{AnsiColor, Style};
use loopscope_load::compare::{Change, Comparison};
use loopscope_load::results::{LoadPart, LoadResult, Provoked, Results, RunEnd, Test, Verdict};
use loopscope_load::threshold::Held;

use crate::screen::{Layout, Text, format};

/// Incidents that are shown. The rest is counted.
const MOST_INCIDENTS: usize = 5;

/// The longest bar of a histogram.
const BAR: usize = 40;

/// The whole summary.
pub(super) fn summary(results: &Results, layout: &Layout) -> String {
    let mut sections = vec![head(results, layout), tests(&results.tests, layout)];
    sections.push(tables::loads(&results.loads, layout));
    sections.extend(
        results
            .loads
            .iter()
            .filter(|load| matches!(load.part, LoadPart::Open | LoadPart::ProbeBeside))
            .map(|load| histogram(load, layout)),
    );
    sections.push(tables::worst_seconds(&results.timeline, layout));
    sections.push(incidents(&results.incidents, layout));
    sections.push(thresholds(&results.thresholds, layout));
    sections.extend(
        results
            .comparison
            .as_ref()
            .map(|one| comparison(one, layout)),
    );
    sections.push(notes(&results.notes, layout));
    sections.retain(|section| !section.is_empty());
    sections.join("\n")
}

fn head(results: &Results, layout: &Layout) -> String {
    let verdict = word(results.verdict).to_uppercase();
    let verdict = layout.paint(style(results.verdict), &verdict);
    let name = results
        .target
        .service
        .as_deref()
        .unwrap_or(&results.target.base);
    let name = layout.paint(Style::new().bold(), Text::new(name).as_str());
    let took = format::seconds(results.duration_seconds);
    let rounds = format::count(results.conditions.rounds, "round", "rounds");
    let ended = match results.ended {
        RunEnd::Complete => format!("{rounds} in {took}"),
        RunEnd::Interrupted => format!("interrupted after {took}; what follows came before"),
        RunEnd::TargetGone => {
            format!(
                "the service was gone after {took}: connections refused for 5 s; what follows came before"
            )
        }
    };
    let cores = format::count(results.conditions.cores, "core", "cores");
    format!("{verdict}  {name}  {ended}, from {cores}\n")
}

fn tests(tests: &[Test], layout: &Layout) -> String {
    tests.iter().map(|test| one_test(test, layout)).collect()
}

fn one_test(test: &Test, layout: &Layout) -> String {
    let word = word(test.verdict);
    let padded = format!("{word:<12}  ");
    let name = test.name.words();
    let first = layout.paint(style(test.verdict), &padded) + &format!("{name:<8}");
    let mut text = String::new();
    for (index, reason) in test.reasons.iter().enumerate() {
        let first = if index == 0 { first.as_str() } else { INDENT };
        text.push_str(&layout.item(first, reason));
    }
    text
}

/// As wide as a verdict and a test's name.
const INDENT: &str = "                      ";

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::NotMeasured => "not measured",
    }
}

fn style(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Passed => AnsiColor::Green,
        Verdict::Failed => AnsiColor::Red,
        Verdict::NotMeasured => AnsiColor::Yellow,
    };
    colour.on_default().bold()
}

/// Bars by how long users wait. A bar that is there is never empty.
fn histogram(load: &LoadResult, layout: &Layout) -> String {
    let most = load
        .histogram
        .iter()
        .map(|bin| bin.count)
        .max()
        .unwrap_or(0);
    if most == 0 {
        return String::new();
    }
    let title = format!("How long users wait, {}", load.title());
    let mut text = layout.title(&title) + "\n";
    for bin in &load.histogram {
        let bound = bin.to_ms.map_or_else(|| "longer".to_owned(), bound);
        let share = bin.count as f64 / most as f64 * BAR as f64;
        let length = if bin.count == 0 {
            0
        } else {
            (share.round() as usize).max(1)
        };
        let bar = match length {
            0 => String::new(),
            length => "█".repeat(length) + " ",
        };
        text.push_str(&format!(
            "  {bound:>10}  {bar}{}\n",
            format::number(bin.count)
        ));
    }
    text
}

fn bound(millis: f64) -> String {
    if millis < 1_000.0 {
        format!("≤ {millis} ms")
    } else {
        format!("≤ {} s", millis / 1e3)
    }
}

fn incidents(incidents: &[Provoked], layout: &Layout) -> String {
    if incidents.is_empty() {
        return String::new();
    }
    let mut text = layout.title("What the run provoked") + "\n";
    for one in incidents.iter().take(MOST_INCIDENTS) {
        let times = format::count(one.count, "time", "times");
        let kind = one.kind.replace('_', " ");
        let headline = format!("{} {kind}, {times}: {}", one.severity, one.summary);
        text.push_str(&layout.item("  ", &headline));
        if let Some(culprit) = &one.culprit {
            text.push_str(&layout.item("      at  ", culprit));
        }
        if let Some(fix) = &one.fix {
            text.push_str(&layout.item("     fix  ", fix));
        }
    }
    let more = incidents.len().saturating_sub(MOST_INCIDENTS);
    if more > 0 {
        text.push_str(&layout.dim(&format!("  … and {more} more\n")));
    }
    text
}

fn thresholds(thresholds: &[Held], layout: &Layout) -> String {
    if thresholds.is_empty() {
        return String::new();
    }
    let mut text = layout.title("Thresholds") + "\n";
    for held in thresholds {
        let padded = format!("  {:<8}", word(held.verdict));
        let first = layout.paint(style(held.verdict), &padded);
        text.push_str(&layout.item(&first, &format!("{}: {}", held.threshold, held.reason)));
    }
    text
}

fn comparison(comparison: &Comparison, layout: &Layout) -> String {
    let baseline = Text::new(&comparison.baseline);
    let at = Text::new(&comparison.baseline_started_at);
    let mut text = layout.title(&format!("Against {baseline} of {at}")) + "\n";
    for difference in &comparison.differences {
        text.push_str(&layout.item("  not alike  ", Text::new(difference).as_str()));
    }
    let mut same = 0;
    for figure in &comparison.figures {
        let (word, style) = match figure.change {
            Change::Worse => ("worse", style(Verdict::Failed)),
            Change::Better => ("better", style(Verdict::Passed)),
            Change::Unclear => ("unclear", style(Verdict::NotMeasured)),
            Change::Same => {
                same += 1;
                continue;
            }
        };
        let first = layout.paint(style, &format!("  {word:<8}"));
        let words = format!("{} of {}: {}", figure.figure, figure.of, figure.words);
        text.push_str(&layout.item(&first, &words));
    }
    let same = format::count(same, "figure has", "figures have");
    text.push_str(&layout.dim(&format!("  {same} not changed by more than scatter\n")));
    text
}

fn notes(notes: &[String], layout: &Layout) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let items = notes
        .iter()
        .map(|note| layout.item("  - ", Text::new(note).as_str()));
    layout.title("About the measuring") + "\n" + &items.collect::<String>()
}
