//! Tasks: a crowd as one entry with its place, a few of a kind with all that is known of each.

use anstyle::{AnsiColor, Style};
use loopscope_engine::dump::{
    DumpFrame, DumpOrphan, DumpTask, DumpTaskGroup, DumpTaskState, DumpWait, DumpWaitKind,
};

use super::{Drawing, shortened};
use crate::screen::format;

/// Up to so many tasks of one kind are shown one by one.
const FEW: usize = 3;
/// Names of a crowd that are given as examples.
const EXAMPLES: usize = 4;
/// Tasks that are named as waiting, or as waited for.
const MOST_NAMED: usize = 3;
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
        let is_said = |frame: &DumpFrame| group.at.as_ref() == Some(frame);
        if !matches!(first.await_chain.as_slice(), [] | [_])
            || !first.await_chain.iter().all(is_said)
        {
            let chain = self
                .paths()
                .chain(&first.await_chain, "      ", &self.layout);
            text.push_str(&chain);
        }
        if members.len() <= FEW {
            for index in &group.task_indexes {
                text.push_str(&self.member(*index, members.len() == 1));
            }
        } else {
            let names = self.task_names(&group.task_indexes, EXAMPLES);
            text.push_str(&self.layout.item("      ", &names));
            text.push_str(&self.shared_parent(&members));
        }
        text
    }

    /// `9,812 tasks waiting at consumer.py:31 in consume: Queue.get`.
    fn group_head(&self, group: &DumpTaskGroup, members: &[&DumpTask]) -> String {
        let Some(first) = members.first() else {
            return String::new();
        };
        let count = format::count(group.count, "task", "tasks");
        let place = group
            .at
            .as_ref()
            .map_or_else(String::new, |at| format!(" at {}", self.paths().place(at)));
        let mut head = match group.count {
            1 => format!(
                "{} {}{place}",
                self.layout
                    .title(&self.task_name(group.task_indexes.first().copied().unwrap_or(0))),
                state(first)
            ),
            _ => format!("{} {}{place}", self.layout.title(&count), state(first)),
        };
        let wait = self.wait_of_all(group, members);
        if let Some(wait) = wait.filter(|_| has_wait(first)) {
            head.push_str(&format!(": {wait}"));
        }
        head.push_str(&ailments(first, &self.layout));
        self.layout.item("  ", &head)
    }

    /// What all of a group wait for: in full where they wait for the same, else the kind.
    fn wait_of_all(&self, group: &DumpTaskGroup, members: &[&DumpTask]) -> Option<String> {
        let first = members.first()?.waits_for.as_ref()?;
        let same = |task: &&DumpTask| {
            task.waits_for.as_ref().is_some_and(|wait| {
                wait.primitive == first.primitive && wait.task_indexes == first.task_indexes
            })
        };
        let is_same = members.iter().all(same);
        let undated = DumpWait {
            due_seconds: first.due_seconds.filter(|_| members.len() == 1),
            ..first.clone()
        };
        let mut words = if is_same {
            self.wait(&undated)
        } else {
            group.waits_for.clone()?
        };
        if members.len() > FEW {
            words.push_str(&due_range(members).unwrap_or_default());
        }
        Some(words)
    }

    fn shared_parent(&self, members: &[&DumpTask]) -> String {
        let first = members.first().map(|task| task.awaited_by.as_slice());
        let Some(parents) = first.filter(|parents| !parents.is_empty()) else {
            return String::new();
        };
        if members.iter().any(|task| task.awaited_by != parents) {
            return String::new();
        }
        let names = self.task_names(parents, MOST_NAMED);
        self.layout
            .item("      ", &format!("all awaited by {names}"))
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

    /// `Lock (locked, 3 waiting), due in 2.00 s`.
    pub(super) fn wait(&self, wait: &DumpWait) -> String {
        let mut words = match &wait.primitive {
            Some(primitive) => match &primitive.detail {
                Some(detail) => format!("{} ({detail})", primitive.kind),
                None => primitive.kind.to_string(),
            },
            None => String::new(),
        };
        let target = match wait.kind {
            DumpWaitKind::FirstStep => "its first step".to_owned(),
            DumpWaitKind::NextStep => "its next step, which is scheduled".to_owned(),
            DumpWaitKind::Unknown => "something that could not be read".to_owned(),
            DumpWaitKind::Future => wait
                .future_type
                .as_ref()
                .filter(|name| !name.ends_with("Future"))
                .map_or_else(
                    || "a future".to_owned(),
                    |name| format!("a future ({name})"),
                ),
            DumpWaitKind::Task | DumpWaitKind::Tasks => self.waited_tasks(&wait.task_indexes),
        };
        let is_said = !words.is_empty();
        match wait.kind {
            DumpWaitKind::Task | DumpWaitKind::Tasks if is_said => {
                words.push_str(&format!(" of {target}"));
            }
            _ if is_said => {}
            _ => words = target,
        }
        if let Some(due) = wait.due_seconds {
            words.push_str(&due_words(due));
        }
        words
    }

    fn waited_tasks(&self, tasks: &[usize]) -> String {
        let names = self.task_names(tasks, MOST_NAMED);
        match tasks.len() {
            0 => "other tasks".to_owned(),
            1 => format!("task {names}"),
            many => format!("{} ({names})", format::count(many as u64, "task", "tasks")),
        }
    }
}

fn due_words(due: f64) -> String {
    if due < 0.0 {
        format!(", overdue by {}", format::seconds(-due))
    } else {
        format!(", due in {}", format::seconds(due))
    }
}

/// When the timers of a crowd are due: `, due in 1.00 s to 1 min 5 s`.
fn due_range(members: &[&DumpTask]) -> Option<String> {
    let dues = members
        .iter()
        .map(|task| task.waits_for.as_ref()?.due_seconds);
    let dues: Vec<f64> = dues.collect::<Option<_>>()?;
    let earliest = dues.iter().copied().reduce(f64::min)?;
    let latest = dues.iter().copied().reduce(f64::max)?;
    let earliest_words = due_words(earliest);
    if latest <= 0.0 || format::seconds(latest) == format::seconds(earliest) {
        return Some(earliest_words);
    }
    Some(format!("{earliest_words} to {}", format::seconds(latest)))
}

/// Whether what the task waits for says more than its state does.
fn has_wait(task: &DumpTask) -> bool {
    let kind = task.waits_for.as_ref().map(|wait| wait.kind);
    !matches!(
        kind,
        None | Some(DumpWaitKind::FirstStep | DumpWaitKind::NextStep)
    )
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
