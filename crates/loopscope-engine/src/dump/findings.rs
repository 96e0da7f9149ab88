//! What is wrong in a dump, each in a sentence with the line to blame.

use std::collections::BTreeMap;

use loopscope_inspect::{Dump, TaskIndex};

use super::loops::{Looked, Stuck};
use super::report::{
    DumpFinding, DumpFindingKind, DumpFrame, DumpGil, DumpLoop, DumpLoopState, DumpOrphan,
    DumpTask, DumpTaskState,
};
use super::surroundings::Surroundings;
use crate::summary::place;
use crate::time::Nanos;

/// Tasks of a circle that its sentence names.
const MOST_NAMED: usize = 6;

/// All findings, worst first.
pub(super) fn findings(
    dump: &Dump,
    surroundings: &Surroundings,
    loops: &[Looked],
    tasks: &[DumpTask],
) -> Vec<DumpFinding> {
    let mut findings: Vec<DumpFinding> = of_process(surroundings).into_iter().collect();
    for (index, looked) in loops.iter().enumerate() {
        if let Some(stuck) = &looked.stuck {
            findings.push(of_loop(dump, index, &looked.shown, stuck));
        }
    }
    findings.extend(dump.deadlocks.iter().map(|circle| deadlock(circle, tasks)));
    findings.extend(orphans(tasks));
    findings.extend(failures(tasks));
    // Stable: within a kind the order of the dump.
    findings.sort_by_key(|finding| finding.kind);
    findings
}

/// What is wrong with the process as a whole.
pub(super) fn of_process(surroundings: &Surroundings) -> Option<DumpFinding> {
    let process = &surroundings.process;
    let summary = match process.traced_by {
        _ if !process.is_stopped => return None,
        Some(tracer) => format!("the whole process is stopped; process {tracer} traces it"),
        None => {
            "the whole process is stopped (SIGSTOP or job control): nothing in it runs".to_owned()
        }
    };
    let step = match process.traced_by {
        Some(_) => "let the debugger continue it".to_owned(),
        None => format!("let it continue: `kill -CONT {}`", process.pid),
    };
    Some(DumpFinding {
        steps: vec![step],
        ..finding(DumpFindingKind::ProcessStopped, summary)
    })
}

fn of_loop(dump: &Dump, index: usize, shown: &DumpLoop, stuck: &Stuck) -> DumpFinding {
    let (kind, word) = if shown.state == DumpLoopState::Blocked {
        (DumpFindingKind::LoopBlocked, "blocked")
    } else {
        (DumpFindingKind::LoopStalled, "stalled")
    };
    let culprit = stuck.look.culprit.as_ref().map(|culprit| DumpFrame {
        file: culprit.file.as_str().into(),
        line: culprit.line,
        function: culprit.function.as_str().into(),
        in_app: true,
    });
    let summary = format!(
        "{} has been {word} for {}{}",
        loop_name(dump, shown),
        length(shown),
        explanation(dump, shown, stuck, culprit.as_ref())
    );
    let advice = &stuck.look.advice;
    DumpFinding {
        loop_index: Some(index),
        task_indexes: shown.task_index.into_iter().collect(),
        culprit,
        call: stuck.look.call.clone(),
        gil: stuck.gil.clone(),
        replacement: advice.replacement.clone(),
        steps: advice.steps.clone(),
        ..finding(kind, summary)
    }
}

/// `the loop on MainThread`.
fn loop_name(dump: &Dump, shown: &DumpLoop) -> String {
    let thread = shown.thread_index.and_then(|index| dump.threads.get(index));
    match thread.map(|thread| (&thread.name, thread.tid)) {
        Some((Some(name), _)) => format!("the loop on {name}"),
        Some((None, Some(tid))) => format!("the loop on thread {tid}"),
        _ => format!("the loop {}", shown.address),
    }
}

fn length(shown: &DumpLoop) -> String {
    let nanos = shown.busy_seconds.unwrap_or(0.0).max(0.0) * 1e9;
    let length = crate::summary::duration(Nanos(nanos as u64));
    if shown.busy_is_exact {
        length
    } else {
        format!("at least {length}")
    }
}

fn explanation(
    dump: &Dump,
    shown: &DumpLoop,
    stuck: &Stuck,
    culprit: Option<&DumpFrame>,
) -> String {
    let call = stuck
        .look
        .call
        .as_ref()
        .map_or_else(String::new, |call| format!(": {call}"));
    let at = |frame: Option<&DumpFrame>| {
        frame.map_or_else(String::new, |frame| {
            format!(
                " at {} in {}",
                place(&frame.file, frame.line),
                frame.function
            )
        })
    };
    match &stuck.gil {
        Some(DumpGil::Thread {
            thread_index,
            at: held_at,
        }) if stuck.waits_for_gil => {
            let holder = thread_name(dump, *thread_index);
            let place = at(culprit.or(held_at.as_ref()));
            format!(": it waits for the interpreter's lock, which {holder} holds{place}{call}")
        }
        _ => format!("{}{call}", at(culprit.or(shown.at.as_ref()))),
    }
}

/// `thread worker-1`.
fn thread_name(dump: &Dump, index: usize) -> String {
    let thread = dump.threads.get(index);
    match thread.map(|thread| (&thread.name, thread.tid)) {
        Some((Some(name), _)) => format!("thread {name}"),
        Some((None, Some(tid))) => format!("thread {tid}"),
        _ => "another thread".to_owned(),
    }
}

fn deadlock(circle: &[TaskIndex], tasks: &[DumpTask]) -> DumpFinding {
    let name = |index: &TaskIndex| task_name(tasks, index.0);
    let mut names: Vec<String> = circle.iter().take(MOST_NAMED).map(name).collect();
    if circle.len() > MOST_NAMED {
        names.push(format!("{} more", circle.len() - MOST_NAMED));
    }
    names.extend(circle.first().map(name));
    let summary = match circle.len() {
        1 => format!("deadlock: task {} waits for itself", names[0]),
        many => format!(
            "deadlock: {many} tasks wait for each other: {}",
            names.join(" → ")
        ),
    };
    DumpFinding {
        task_indexes: circle.iter().map(|index| index.0).collect(),
        steps: vec![
            "cancel one of them; then let none of them wait for a task that waits for it"
                .to_owned(),
        ],
        ..finding(DumpFindingKind::Deadlock, summary)
    }
}

fn task_name(tasks: &[DumpTask], index: usize) -> String {
    let task = tasks.get(index);
    task.and_then(|task| task.name.clone())
        .unwrap_or_else(|| task.map_or_else(|| "?".to_owned(), |task| task.address.to_string()))
}

fn orphans(tasks: &[DumpTask]) -> Vec<DumpFinding> {
    let mut found: BTreeMap<u8, (DumpOrphan, Vec<usize>)> = BTreeMap::new();
    for (index, task) in tasks.iter().enumerate() {
        if let Some(orphan) = task.orphan {
            let entry = found.entry(orphan as u8).or_insert((orphan, Vec::new()));
            entry.1.push(index);
        }
    }
    let told = |(orphan, task_indexes): (DumpOrphan, Vec<usize>)| DumpFinding {
        summary: orphaned(orphan, task_indexes.len()),
        task_indexes,
        ..finding(DumpFindingKind::OrphanedTasks, String::new())
    };
    found.into_values().map(told).collect()
}

fn orphaned(orphan: DumpOrphan, number: usize) -> String {
    let is_one = number == 1;
    let tasks = counted(number, "task", "tasks");
    let (its, waits) = if is_one {
        ("its", "it waits")
    } else {
        ("their", "they wait")
    };
    let why = match orphan {
        DumpOrphan::LoopClosed => format!("{its} loop was closed before"),
        DumpOrphan::LoopNotRunning => format!("no thread runs {its} loop"),
        DumpOrphan::WaitsOnClosedLoop => {
            format!("{waits} for something of a loop that was closed")
        }
    };
    format!("{tasks} can never finish: {why}")
}

/// Failed tasks by what they raised. A task that failed and is still there is kept by somebody, or by
/// nobody yet collected; whether its exception was ever looked at cannot be seen.
fn failures(tasks: &[DumpTask]) -> Vec<DumpFinding> {
    let mut found: BTreeMap<(&str, Option<&str>), Vec<usize>> = BTreeMap::new();
    let failed = tasks
        .iter()
        .enumerate()
        .filter(|(_, task)| task.state == DumpTaskState::Failed);
    for (index, task) in failed {
        let exception = task.exception.as_deref().unwrap_or("an exception");
        let key = (exception, task.exception_message.as_deref());
        found.entry(key).or_default().push(index);
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by_key(|(_, tasks)| std::cmp::Reverse(tasks.len()));
    let told = |((exception, message), task_indexes): ((&str, Option<&str>), Vec<usize>)| {
        let message = message
            .filter(|message| !message.is_empty())
            .map_or_else(String::new, |message| format!(": {message}"));
        DumpFinding {
            summary: format!(
                "{} with {exception}{message}",
                counted(task_indexes.len(), "task failed", "tasks failed")
            ),
            task_indexes,
            ..finding(DumpFindingKind::FailedTasks, String::new())
        }
    };
    found.into_iter().map(told).collect()
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn finding(kind: DumpFindingKind, summary: String) -> DumpFinding {
    DumpFinding {
        kind,
        summary,
        loop_index: None,
        task_indexes: Vec::new(),
        culprit: None,
        call: None,
        gil: None,
        replacement: None,
        steps: Vec::new(),
    }
}
