//! What tasks wait for, in words.

use loopscope_engine::dump::{DumpTask, DumpTaskGroup, DumpWait, DumpWaitKind};

use super::Drawing;
use super::tasks::{FEW, MOST_NAMED};
use crate::screen::format;

impl Drawing<'_> {
    /// What all of a group wait for: in full where they wait for the same, else the kind.
    pub(super) fn wait_of_all(
        &self,
        group: &DumpTaskGroup,
        members: &[&DumpTask],
    ) -> Option<String> {
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
pub(super) fn has_wait(task: &DumpTask) -> bool {
    let kind = task.waits_for.as_ref().map(|wait| wait.kind);
    !matches!(
        kind,
        None | Some(DumpWaitKind::FirstStep | DumpWaitKind::NextStep)
    )
}
