//! The table of loops: those in trouble first, and no more of them than fit on a screen.

use unicode_width::UnicodeWidthStr;

use super::view::Loop;
use crate::screen::Layout;
use crate::screen::Text;
use crate::screen::format;

/// Rows shown. The rest is counted.
const MAX_ROWS: usize = 12;

/// The widest name shown on a terminal.
const MAX_NAME_COLUMNS: usize = 20;

const HEADER: [&str; COLUMNS] = [
    "LOOP", "PID", "RUNTIME", "STATE", "FOR", "UTIL", "STALLS", "LONGEST",
];
const COLUMNS: usize = 8;

/// Names are aligned left, figures right.
const RIGHT: [bool; COLUMNS] = [false, true, false, false, true, true, true, true];

type Row = [String; COLUMNS];

/// The table, or nothing where there is no loop.
pub(crate) fn table(loops: &[Loop], layout: &Layout) -> String {
    if loops.is_empty() {
        return String::new();
    }
    let mut sorted: Vec<&Loop> = loops.iter().collect();
    sorted.sort_by(|a, b| {
        urgency(a)
            .cmp(&urgency(b))
            .then(longest(b).total_cmp(&longest(a)))
    });
    let rows: Vec<Row> = sorted
        .iter()
        .take(MAX_ROWS)
        .map(|row| cells(row, layout))
        .collect();
    let widths = widths(&rows);
    let mut table = format!(
        "{}\n",
        layout.title(&line(&HEADER.map(str::to_owned), &widths))
    );
    for row in &rows {
        table.push_str(&line(row, &widths));
        table.push('\n');
    }
    if loops.len() > MAX_ROWS {
        let more = format::count((loops.len() - MAX_ROWS) as u64, "more loop", "more loops");
        table.push_str(&layout.dim(&format!("… and {more}, none in a worse state\n")));
    }
    table
}

/// Lower is shown first. A state that is not known comes before the harmless ones.
fn urgency(event_loop: &Loop) -> u8 {
    match event_loop.state.as_str() {
        "blocked" => 0,
        "stalled" => 1,
        "suspended" => 2,
        "busy" => 4,
        "idle" => 5,
        "ended" => 6,
        _ => 3,
    }
}

fn longest(event_loop: &Loop) -> f64 {
    event_loop.longest_busy_seconds.unwrap_or(0.0)
}

fn cells(row: &Loop, layout: &Layout) -> Row {
    let since = row.busy_seconds.or(row.heartbeat_age_seconds);
    [
        name(&row.name, layout),
        row.pid.to_string(),
        row.runtime.to_string(),
        row.state.to_string(),
        since.map_or_else(unknown, format::seconds),
        row.utilization.map_or_else(unknown, format::percent),
        row.stalls.to_string(),
        row.longest_busy_seconds
            .map_or_else(unknown, format::seconds),
    ]
}

fn unknown() -> String {
    "-".to_owned()
}

/// Cut on a terminal only.
fn name(name: &Text, layout: &Layout) -> String {
    let name = name.as_str();
    if layout.width.is_none() || name.width() <= MAX_NAME_COLUMNS {
        return name.to_owned();
    }
    let mut cut = String::new();
    for c in name.chars() {
        if cut.width() + 2 > MAX_NAME_COLUMNS {
            break;
        }
        cut.push(c);
    }
    cut + "…"
}

fn widths(rows: &[Row]) -> [usize; COLUMNS] {
    let mut widths = HEADER.map(UnicodeWidthStr::width);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    widths
}

fn line(cells: &Row, widths: &[usize; COLUMNS]) -> String {
    let mut line = String::new();
    for ((cell, width), right) in cells.iter().zip(widths).zip(RIGHT) {
        let gap = " ".repeat(width.saturating_sub(cell.width()));
        let (before, after) = if right {
            (gap.as_str(), "")
        } else {
            ("", gap.as_str())
        };
        line.push_str(&format!("{before}{cell}{after}  "));
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event_loop(name: &str, state: &str) -> Loop {
        Loop {
            name: Text::new(name),
            state: Text::new(state),
            runtime: Text::new("asyncio"),
            pid: 42,
            heartbeat_age_seconds: Some(0.002),
            ..Loop::default()
        }
    }

    #[test]
    fn loops_in_trouble_come_first() {
        let mut blocked = event_loop("worker", "blocked");
        blocked.busy_seconds = Some(6.2);
        blocked.utilization = Some(0.413);
        blocked.longest_busy_seconds = Some(6.2);
        blocked.stalls = 14;
        let loops = [
            event_loop("main", "idle"),
            event_loop("größe", "pondering"),
            blocked,
        ];
        insta::assert_snapshot!(table(&loops, &Layout::default()), @r"
        LOOP    PID  RUNTIME  STATE         FOR  UTIL  STALLS  LONGEST
        worker   42  asyncio  blocked    6.20 s  41 %      14   6.20 s
        größe    42  asyncio  pondering    2 ms     -       0        -
        main     42  asyncio  idle         2 ms     -       0        -
        ");
    }

    #[test]
    fn many_loops_are_counted_and_not_listed() {
        let loops: Vec<Loop> = (0..200).map(|_| event_loop("worker", "idle")).collect();
        let table = table(&loops, &Layout::default());
        assert_eq!(table.lines().count(), 1 + MAX_ROWS + 1);
        assert!(
            table.ends_with("… and 188 more loops, none in a worse state\n"),
            "{table}"
        );
    }

    #[test]
    fn long_names_are_cut_on_a_terminal_only() {
        let loops = [event_loop("a_very_long_name_for_an_event_loop", "idle")];
        let terminal = Layout {
            width: Some(80),
            colour: false,
        };
        assert!(table(&loops, &terminal).contains("a_very_long_name_fo…  "));
        assert!(table(&loops, &Layout::default()).contains("a_very_long_name_for_an_event_loop"));
    }
}
