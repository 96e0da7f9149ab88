//! One incident in a few lines: what, since when, where, by which way, and what to write instead.

use super::view::{Awaiting, Incident, Place, Task};
use crate::screen::Layout;
use crate::screen::format;

/// Links of an await chain that are shown at either end.
const CHAIN_ENDS: usize = 2;

/// Tasks that are shown of those that wait.
const MAX_AWAITING: usize = 3;

/// The incident's lines.
pub(crate) fn lines(incident: &Incident, layout: &Layout) -> String {
    let mut lines = layout.item("  ", &headline(incident));
    if let Some(culprit) = &incident.culprit {
        lines.push_str(&layout.item("      at  ", &place(culprit)));
    }
    if let Some(chain) = incident.task.as_ref().and_then(await_chain) {
        lines.push_str(&layout.item("     via  ", &chain));
    }
    let waits: Vec<String> = incident.task.iter().flat_map(nearest).map(wait).collect();
    if !waits.is_empty() {
        let waits = waits.iter().map(String::as_str);
        lines.push_str(&layout.pieces("     for  ", " ← ", waits));
    }
    if let Some(fix) = fix(incident) {
        lines.push_str(&layout.item("     fix  ", fix));
    }
    lines
}

fn headline(incident: &Incident) -> String {
    let mut headline = format!(
        "{} {}",
        incident.severity,
        incident.kind.as_str().replace('_', " ")
    );
    if let Some(total) = incident.duration_seconds {
        headline.push_str(&format!(", {} so far", format::seconds(total)));
    }
    if incident.count > 1 {
        headline.push_str(&format!(
            " in {}",
            format::count(incident.count, "time", "times")
        ));
    }
    format!("{headline}: {}", incident.summary)
}

/// `file:line in function`
pub(crate) fn place(place: &Place) -> String {
    let mut shown = place.file.to_string();
    if place.line > 0 {
        shown.push_str(&format!(":{}", place.line));
    }
    if !place.function.is_empty() {
        shown.push_str(&format!(" in {}", place.function));
    }
    shown
}

/// The functions from the task's first coroutine to the innermost, the middle left out where it is long.
fn await_chain(task: &Task) -> Option<String> {
    let functions: Vec<&str> = task
        .await_chain
        .iter()
        .map(|at| at.function.as_str())
        .collect();
    let shown = match functions.len() {
        0 => return None,
        length if length <= 2 * CHAIN_ENDS + 1 => functions.join(" → "),
        length => format!(
            "{} → … {} more … → {}",
            functions[..CHAIN_ENDS].join(" → "),
            length - 2 * CHAIN_ENDS,
            functions[length - CHAIN_ENDS..].join(" → ")
        ),
    };
    Some(format!("{shown}  (task {})", task.name))
}

/// Who waits for the task: the first of each wait upwards, as many as there is room for.
fn nearest(task: &Task) -> impl Iterator<Item = &Awaiting> {
    let mut level = 0;
    let is_first = move |waiting: &&Awaiting| {
        let is_next = waiting.level > level;
        level = waiting.level;
        is_next
    };
    task.awaited_by.iter().filter(is_first).take(MAX_AWAITING)
}

/// `order-7 at app.py:52 in order`, by the application's own line where there is one.
fn wait(waiting: &Awaiting) -> String {
    let own = waiting.await_chain.iter().rev().find(|at| at.in_app);
    let at = own.or(waiting.await_chain.last());
    let at = at.map_or_else(String::new, |at| format!(" at {}", place(at)));
    format!("{}{at}", waiting.name)
}

/// The replacement for the call, or else the first thing to do.
pub(crate) fn fix(incident: &Incident) -> Option<&str> {
    let advice = &incident.advice;
    let fix = advice.replacement.as_ref().or(advice.steps.first())?;
    Some(fix.as_str()).filter(|fix| !fix.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::Text;

    fn task(functions: &[&str]) -> Task {
        let at = |function: &&str| Place {
            function: Text::new(function),
            ..Place::default()
        };
        Task {
            name: Text::new("Task-7"),
            await_chain: functions.iter().map(at).collect(),
            awaited_by: Vec::new(),
        }
    }

    #[test]
    fn a_long_await_chain_is_shown_by_its_ends() {
        assert_eq!(await_chain(&task(&[])), None);
        assert_eq!(
            await_chain(&task(&["main", "work"])).unwrap(),
            "main → work  (task Task-7)"
        );
        let long = task(&["a", "b", "c", "d", "e", "f"]);
        assert_eq!(
            await_chain(&long).unwrap(),
            "a → b → … 2 more … → e → f  (task Task-7)"
        );
    }

    #[test]
    fn a_place_is_shown_as_far_as_it_is_known() {
        let known = Place {
            file: Text::new("app.py"),
            line: 31,
            function: Text::new("handle"),
            in_app: true,
        };
        assert_eq!(place(&known), "app.py:31 in handle");
        assert_eq!(
            place(&Place {
                file: Text::new("[native]"),
                ..Place::default()
            }),
            "[native]"
        );
    }
}
