//! The tables of the summary: what was sent, and the seconds in which it was worst.

use loopscope_load::results::{LoadResult, Metric, Moment};
use unicode_width::UnicodeWidthStr;

use crate::screen::{Layout, format};

/// Seconds that are shown.
const MOST_SECONDS: usize = 6;

/// A second is worth showing from the lag on that is a stall, or where somebody waited as long.
const BAD_MS: f64 = 100.0;

/// Each stream over all rounds.
pub(super) fn loads(loads: &[LoadResult], layout: &Layout) -> String {
    let header = [
        "REQUESTS", "ANSWERS", "A SECOND", "P50", "P99", "LONGEST", "FAILED",
    ];
    let rows = loads.iter().map(|load| {
        let answers = load.sum(|round| round.answered);
        let rates: Vec<f64> = load.rounds.iter().map(|round| round.rate).collect();
        let rate = loopscope_load::rounds::median(&rates);
        let show =
            |millis: Option<f64>| millis.map_or_else(|| "-".into(), |ms| Metric::Longest.show(ms));
        vec![
            load.title(),
            format::number(answers),
            rate.map_or_else(|| "-".into(), |rate| format!("{rate:.0}")),
            show(load.latency.map(|latency| latency.p50_ms)),
            show(load.latency.map(|latency| latency.p99_ms)),
            show(load.latency.map(|latency| latency.max_ms)),
            format::number(load.sum(|round| round.failed)),
        ]
    });
    table(&header, rows.collect(), layout)
}

/// The worst seconds, in their order, outside and inside side by side.
pub(super) fn worst_seconds(timeline: &[Moment], layout: &Layout) -> String {
    let mut bad: Vec<&Moment> = timeline
        .iter()
        .filter(|one| badness(one) >= BAD_MS)
        .collect();
    bad.sort_by(|a, b| badness(b).total_cmp(&badness(a)));
    bad.truncate(MOST_SECONDS);
    bad.sort_by(|a, b| a.at_seconds.total_cmp(&b.at_seconds));
    let header = [
        "WORST SECONDS",
        "SENT",
        "ANSWERS",
        "WAITING",
        "LONGEST",
        "LAG",
        "STALLS",
        "TASKS",
        "MEMORY",
    ];
    table(&header, bad.into_iter().map(second).collect(), layout)
}

fn badness(moment: &Moment) -> f64 {
    let longest = moment.outside.iter().filter_map(|one| one.second.max_ms);
    let lag = moment.inside.and_then(|inside| inside.lag_ms);
    longest.chain(lag).fold(0.0, f64::max)
}

fn second(moment: &Moment) -> Vec<String> {
    let outside = &moment.outside;
    let names: Vec<_> = outside
        .iter()
        .map(|one| format!("{} {}", one.part.words(), one.name))
        .collect();
    let longest = outside
        .iter()
        .filter_map(|one| one.second.max_ms)
        .max_by(f64::total_cmp);
    let inside = moment.inside;
    let shown = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        format!("  at {:.0} s", moment.at_seconds),
        names.join(" + "),
        outside
            .iter()
            .map(|one| one.second.answered)
            .sum::<u64>()
            .to_string(),
        outside
            .iter()
            .map(|one| one.second.waiting)
            .sum::<u64>()
            .to_string(),
        shown(longest.map(|ms| Metric::Longest.show(ms))),
        shown(
            inside
                .and_then(|inside| inside.lag_ms)
                .map(|ms| Metric::Lag.show(ms)),
        ),
        shown(inside.map(|inside| inside.stalls.to_string())),
        shown(
            inside
                .and_then(|inside| inside.reading.tasks)
                .map(format::number),
        ),
        shown(
            inside
                .and_then(|inside| inside.reading.memory_mb)
                .map(|mb| format!("{mb:.0} MiB")),
        ),
    ]
}

/// Names to the left, figures to the right; nothing where there are no rows.
fn table(header: &[&str], rows: Vec<Vec<String>>, layout: &Layout) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let names = if header[1] == "SENT" { 2 } else { 1 };
    let columns = 0..header.len();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].width());
        cells.chain([header[column].width()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = columns.map(width).collect();
    let line = |cells: Vec<&str>| {
        let mut line = String::new();
        for (column, (cell, width)) in cells.into_iter().zip(&widths).enumerate() {
            let gap = " ".repeat(width - cell.width());
            let padded = if column < names {
                cell.to_owned() + &gap
            } else {
                gap + cell
            };
            line.push_str(&padded);
            line.push_str("  ");
        }
        line.trim_end().to_owned()
    };
    let mut text = layout.title(&line(header.to_vec())) + "\n";
    for row in &rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
        text.push('\n');
    }
    text
}
