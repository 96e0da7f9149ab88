//! Each loop: what it is doing, what waits in it, and its tasks.

use anstyle::{AnsiColor, Style};
use loopscope_engine::dump::{DumpLoop, DumpLoopState, DumpTaskGroup};

use super::Drawing;
use crate::screen::format;

/// Loops shown with their tasks. The rest is counted.
const MOST_LOOPS: usize = 20;
/// Groups shown in all, shared by the loops.
const MOST_GROUPS: usize = 36;
/// Groups that each loop may show at least.
const FEWEST_GROUPS: usize = 4;

impl Drawing<'_> {
    /// A section for each loop, those in trouble first, and one for tasks without a loop.
    pub(super) fn loops(&self) -> Vec<String> {
        let mut order: Vec<usize> = (0..self.report.loops.len()).collect();
        order.sort_by_key(|index| urgency(self.report.loops[*index].state));
        let most_groups = (MOST_GROUPS / order.len().max(1)).max(FEWEST_GROUPS);
        let mut sections: Vec<String> = order
            .iter()
            .take(MOST_LOOPS)
            .map(|index| self.event_loop(*index, most_groups))
            .collect();
        if order.len() > MOST_LOOPS {
            sections.push(self.more(order.len(), MOST_LOOPS));
        }
        let lost = self.groups_of(None);
        if !self.tree && !lost.is_empty() {
            let title = self.layout.title("Tasks whose loop is not known");
            sections.push(format!("{title}\n{}", self.groups(&lost, most_groups)));
        }
        sections
    }

    fn event_loop(&self, index: usize, most_groups: usize) -> String {
        let found = &self.report.loops[index];
        let mut text = self.loop_head(found);
        let figures = figures(found);
        text.push_str(
            &self
                .layout
                .pieces("  ", " · ", figures.iter().map(String::as_str)),
        );
        if let Some(problem) = &found.problem {
            text.push_str(&self.layout.item("  not read: ", problem));
        }
        if !self.tree {
            text.push_str(&self.groups(&self.groups_of(Some(index)), most_groups));
        }
        text
    }

    fn groups_of(&self, loop_index: Option<usize>) -> Vec<&DumpTaskGroup> {
        let groups = self.report.task_groups.iter();
        groups
            .filter(|group| group.loop_index == loop_index)
            .collect()
    }

    fn loop_head(&self, found: &DumpLoop) -> String {
        let thread = found.thread_index.map(|index| self.thread_name(index));
        let on = thread.map_or_else(String::new, |thread| format!(" on {thread}"));
        let title = self.layout.title(&format!("Loop{on}"));
        let state = self.layout.paint(style(found.state), &self.state(found));
        let mut text = format!("{title}, {}: ", kind(&found.type_name));
        text.push_str(&state);
        self.layout.item("", &text)
    }

    /// `blocked for at least 6.20 s at app.py:31 in charge`.
    fn state(&self, found: &DumpLoop) -> String {
        let word = match found.state {
            DumpLoopState::Idle => "idle",
            DumpLoopState::Running => "running",
            DumpLoopState::Stalled => "stalled",
            DumpLoopState::Blocked => "blocked",
            DumpLoopState::Suspended => "suspended with its process",
            DumpLoopState::NotRunning => "not running",
            DumpLoopState::Closed => "closed",
            DumpLoopState::Unknown => "state not known",
        };
        let mut state = word.to_owned();
        if let (Some(index), DumpLoopState::Running) = (found.task_index, found.state) {
            state.push_str(&format!(" task {}", self.task_name(index)));
        }
        if let Some(seconds) = found.busy_seconds {
            let least = if found.busy_is_exact { "" } else { "at least " };
            state.push_str(&format!(" for {least}{}", format::seconds(seconds)));
        }
        if let Some(at) = &found.at {
            state.push_str(&format!(" at {}", self.paths().place(at)));
        }
        state
    }
}

/// Python's own loops by the library's name, others by their type's.
fn kind(type_name: &str) -> &str {
    if type_name.starts_with("asyncio.") {
        "asyncio"
    } else {
        type_name
    }
}

/// Lower is shown first.
fn urgency(state: DumpLoopState) -> u8 {
    match state {
        DumpLoopState::Blocked => 0,
        DumpLoopState::Stalled => 1,
        DumpLoopState::Suspended => 2,
        DumpLoopState::Unknown => 3,
        DumpLoopState::Running => 4,
        DumpLoopState::Idle => 5,
        DumpLoopState::NotRunning => 6,
        DumpLoopState::Closed => 7,
    }
}

fn style(state: DumpLoopState) -> Style {
    let colour = match state {
        DumpLoopState::Blocked => AnsiColor::Red,
        DumpLoopState::Stalled | DumpLoopState::Suspended | DumpLoopState::Unknown => {
            AnsiColor::Yellow
        }
        DumpLoopState::Running | DumpLoopState::Idle => AnsiColor::Green,
        DumpLoopState::NotRunning | DumpLoopState::Closed => return Style::new().dimmed(),
    };
    colour.on_default().bold()
}

fn figures(found: &DumpLoop) -> Vec<String> {
    let mut figures = vec![format::count(found.tasks, "task", "tasks")];
    figures.extend(found.ready.filter(|ready| *ready > 0).map(|ready| {
        format!(
            "{} ready to run",
            format::count(ready, "callback", "callbacks")
        )
    }));
    figures.extend(
        found
            .timers
            .filter(|timers| *timers > 0)
            .map(|timers| format::count(timers, "timer", "timers")),
    );
    figures.extend(found.next_timer_seconds.map(|due| {
        if due < 0.0 {
            format!("the next overdue by {}", format::seconds(-due))
        } else {
            format!("the next due in {}", format::seconds(due))
        }
    }));
    figures
}
