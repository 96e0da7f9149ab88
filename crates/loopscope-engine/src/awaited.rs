//! Who waits for the task of an incident, in words.
//!
//! Beside the sentence of `summary`, not in it: that has the line to blame, and this says for whom the
//! task worked.

use crate::{
    report::{AwaitingTask, TaskRef},
    summary::place,
};

/// Waits that are told, from the task upwards.
const MAX_LEVELS: u32 = 4;

/// `in task load-7, which order-7 awaits at shop.py:31 in order, which main awaits at shop.py:52 in main`;
/// `None` where nobody waits.
pub fn who_waits(task: &TaskRef) -> Option<String> {
    let last = task.awaited_by.last()?.level;
    let mut words = format!("in {}", named("task ", &task.name));
    for level in 1..=last.min(MAX_LEVELS) {
        words.push_str(&of_level(task, level).unwrap_or_default());
    }
    if last > MAX_LEVELS {
        let further = task.awaited_by.iter();
        let further = further.filter(|task| task.level > MAX_LEVELS).count();
        words.push_str(&format!(", and {further} more further up"));
    }
    Some(words)
}

fn of_level(task: &TaskRef, level: u32) -> Option<String> {
    let mut tasks = task.awaited_by.iter().filter(|task| task.level == level);
    let first = tasks.next()?;
    let others = match tasks.count() {
        0 => String::new(),
        others => format!(" (and {others} more)"),
    };
    let at = first.waits_at().map_or_else(String::new, |frame| {
        format!(
            " at {} in {}",
            place(&frame.file, frame.line),
            frame.function
        )
    });
    Some(format!(", which {} awaits{at}{others}", name(first)))
}

fn name(task: &AwaitingTask) -> String {
    named("", &task.name)
}

fn named(before: &str, name: &str) -> String {
    match name {
        "" => "a task".to_owned(),
        name => format!("{before}{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ReportFrame;

    fn frame(file: &str, line: u32, function: &str) -> ReportFrame {
        ReportFrame {
            file: file.to_owned(),
            line,
            function: function.to_owned(),
            in_app: file.starts_with("/srv"),
        }
    }

    fn waiting(name: &str, level: u32, line: u32) -> AwaitingTask {
        AwaitingTask {
            name: name.to_owned(),
            level,
            await_chain: vec![
                frame("/srv/shop.py", line, name),
                frame("/usr/lib/python3.13/asyncio/tasks.py", 507, "wait_for"),
            ],
        }
    }

    #[track_caller]
    fn check(awaited_by: Vec<AwaitingTask>, expected: Option<&str>) {
        let task = TaskRef {
            name: "load-7".to_owned(),
            await_chain: Vec::new(),
            awaited_by,
        };
        assert_eq!(who_waits(&task).as_deref(), expected);
    }

    #[test]
    fn a_task_that_nobody_waits_for_needs_no_words() {
        check(Vec::new(), None);
    }

    #[test]
    fn each_wait_is_told_with_the_line_of_the_application() {
        check(
            vec![waiting("order", 1, 31), waiting("main", 2, 52)],
            Some(
                "in task load-7, which order awaits at shop.py:31 in order, which main awaits at \
                 shop.py:52 in main",
            ),
        );
    }

    #[test]
    fn of_many_the_nearest_are_told_and_the_others_counted() {
        let mut many: Vec<_> = (1..=6).map(|level| waiting("up", level, level)).collect();
        many.insert(1, waiting("beside", 1, 9));
        many[2].await_chain.clear();
        many[3].name.clear();
        check(
            many,
            Some(
                "in task load-7, which up awaits at shop.py:1 in up (and 1 more), which up awaits, \
                 which a task awaits at shop.py:3 in up, which up awaits at shop.py:4 in up, and 2 \
                 more further up",
            ),
        );
    }
}
