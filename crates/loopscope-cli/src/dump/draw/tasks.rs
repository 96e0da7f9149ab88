//! Tasks: a crowd as one entry with its place, a few of a kind with all that is known of each.

use anstyle::{AnsiColor, Style};
use loopscope_engine::dump::{
    DumpFrame, DumpOrphan, DumpTask, DumpTaskGroup, DumpTaskState, DumpWaitKind,
};

use super::wait::has_wait;
use super::{Drawing, shortened};
use crate::screen::format;

/// Up to so many tasks of one kind are shown one by one.
pub(super) const FEW: usize = 3;
/// Names of a crowd that are given as examples.
const EXAMPLES: usize = 4;
/// Tasks that are named as waiting, or as waited for.
pub(super) const MOST_NAMED: usize = 3;
/// The longest exception message that is shown whole.
const MAX_MESSAGE_CHARS: usize = 200;

impl Drawing<'_> {
    pub(super) fn groups(&self, groups: &[&DumpTaskGroup], most: usize) -> String {
        let mut text = String::new();
        for group in groups.iter().take(most) {
            text.push_str(&self.group(group));
        }
        if let Some(rest) = groups.get(most..).filter(|rest| !rest.is_empty()) {
            let tasks: u64 = rest.iter().map(|group| group.count).sum();
            let more = format!(
                "  … and {} at {}; `--tree` or `--json` shows them\n",
                format::count(tasks, "more task", "more tasks"),
                format::count(rest.len() as u64, "other place", "other places"),
            );
            text.push_str(&self.layout.dim(&more));
        }
        text
    }

    fn group(&self, group: &DumpTaskGroup) -> String {
        let members: Vec<&DumpTask> = group
            .task_indexes
            .iter()
            .filter_map(|index| self.task(*index))
            .collect();
        let Some(first) = members.first() else {
            return String::new();
        };
        let mut text = self.group_head(group, &members);
        let chain = first.await_chain.as_slice();
        if !is_said_by_head(group, first) {
            text.push_str(&self.paths().chain(chain, "      ", &self.layout));
        }
        if members.len() <= FEW {
            for index in self.by_name(&group.task_indexes) {
                text.push_str(&self.member(index, members.len() == 1));
            }
        } else {
            let names = self.task_names(&group.task_indexes, EXAMPLES);
            text.push_str(&self.layout.item("      ", &names));
            text.push_str(&self.parents(&members));
        }
        text
    }

    /// `9,812 tasks waiting at consumer.py:31 in consume: Queue.get`.
    fn group_head(&self, group: &DumpTaskGroup, members: &[&DumpTask]) -> String {
        let Some(first) = members.first() else {
            return String::new();
        };
        let who = match group.task_indexes.as_slice() {
            [only] => self.task_name(*only),
            _ => format::count(group.count, "task", "tasks"),
        };
        let mut head = format!("{} {}", self.layout.title(&who), state(first));
        if let Some(at) = &group.at {
            head.push_str(&format!(" at {}", self.paths().place(at)));
        }
        let wait = self.wait_of_all(group, members);
        if let Some(wait) = wait.filter(|_| has_wait(first)) {
            head.push_str(&format!(": {wait}"));
        }
        head.push_str(&ailments(first, &self.layout));
        self.layout.item("  ", &head)
    }

    /// Who awaits the tasks of a crowd, where somebody does.
    fn parents(&self, members: &[&DumpTask]) -> String {
        let mut parents: Vec<usize> = members
            .iter()
            .flat_map(|task| task.awaited_by.iter().copied())
            .collect();
        parents.sort_unstable();
        parents.dedup();
        if parents.is_empty() {
            return String::new();
        }
        let names = self.task_names(&parents, MOST_NAMED);
        self.layout.item("      awaited by ", &names)
    }

    /// What is one task's own. Of a single task its head has said the most of it.
    fn member(&self, index: usize, is_alone: bool) -> String {
        let Some(task) = self.task(index) else {
            return String::new();
        };
        let mut parts = Vec::new();
        if !is_alone && let Some(wait) = task.waits_for.as_ref().filter(|_| has_wait(task)) {
            parts.push(self.wait(wait));
        }
        if let Some(message) = task.exception_message.as_ref().filter(|m| !m.is_empty()) {
            parts.push(shortened(message, MAX_MESSAGE_CHARS));
        }
        if !task.awaited_by.is_empty() {
            let names = self.task_names(&task.awaited_by, MOST_NAMED);
            parts.push(format!("awaited by {names}"));
        }
        parts.extend(task.problem.as_ref().map(|why| format!("not read: {why}")));
        if is_alone && parts.is_empty() {
            return String::new();
        }
        let parts = parts.join(", ");
        if is_alone {
            self.layout.item("      ", &parts)
        } else {
            let name = self.layout.title(&self.task_name(index));
            let gap = if parts.is_empty() { "" } else { "  " };
            self.layout.item("      ", &format!("{name}{gap}{parts}"))
        }
    }
}

/// Whether the chain says no more than the place and the wait: nothing leads to the place, and below it
/// is only asyncio's own waiting.
fn is_said_by_head(group: &DumpTaskGroup, task: &DumpTask) -> bool {
    let (Some(first), at) = (task.await_chain.first(), &group.at) else {
        return true;
    };
    let mut below = task.await_chain.iter().skip(1);
    let has_primitive = task
        .waits_for
        .as_ref()
        .is_some_and(|wait| wait.primitive.is_some());
    let is_waiting = |frame: &DumpFrame| !frame.in_app && frame.file.contains("/asyncio/");
    at.as_ref() == Some(first) && (below.len() == 0 || (has_primitive && below.all(is_waiting)))
}

/// A task's state as a word.
pub(super) fn state(task: &DumpTask) -> String {
    match task.state {
        DumpTaskState::Running => "running".to_owned(),
        DumpTaskState::Done => "done".to_owned(),
        DumpTaskState::Cancelled => "cancelled".to_owned(),
        DumpTaskState::Failed => match &task.exception {
            Some(exception) => format!("failed with {exception}"),
            None => "failed".to_owned(),
        },
        DumpTaskState::Pending => match task.waits_for.as_ref().map(|wait| wait.kind) {
            Some(DumpWaitKind::FirstStep) => "not started yet".to_owned(),
            Some(DumpWaitKind::NextStep) => "about to run".to_owned(),
            _ => "waiting".to_owned(),
        },
    }
}

/// What is wrong with a task, after its place.
pub(super) fn ailments(task: &DumpTask, layout: &crate::screen::Layout) -> String {
    let red: Style = AnsiColor::Red.on_default();
    let mut words = String::new();
    if task.is_cancelling {
        words.push_str(", being cancelled");
    }
    if let Some(orphan) = task.orphan {
        let why = match orphan {
            DumpOrphan::LoopClosed => "orphaned: its loop was closed",
            DumpOrphan::LoopNotRunning => "orphaned: no thread runs its loop",
            DumpOrphan::WaitsOnClosedLoop => "orphaned: it waits for something of a closed loop",
        };
        words.push_str(&format!(", {}", layout.paint(red, why)));
    }
    words
}
