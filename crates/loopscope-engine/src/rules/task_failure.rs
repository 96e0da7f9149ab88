//! A task that ended with an exception which nobody took.

use super::words;
use crate::{
    diagnosis::Diagnosis,
    observation::{Event, TaskSite},
    report::Advice,
    summary::duration,
    time::Nanos,
};

const STEPS: &[&str] = &[
    "stop the bleeding: start the task again, and everything else that this one was to do",
    "keep the task and await it somewhere, `async with asyncio.TaskGroup() as group: group.create_task(...)`, \
     so that its failure reaches who started it",
    "where it has to run on its own: catch the exception inside of it, log it and try again after a pause",
];

const RUST_STEPS: &[&str] = &[
    "stop the bleeding: start the task again, and everything else that this one was to do",
    "keep the task's handle and await it somewhere, a `tokio::task::JoinSet` for many, so that its failure reaches who \
     started it",
    "where it has to run on its own: handle the error inside of it, log it and try again after a pause",
];

const VERIFY: &str =
    "do the same again, then `loopscope health`: this incident's count stays at {count}";

/// What there is to say of it.
pub(crate) fn describe(event: &Event, site: Option<&TaskSite>) -> Diagnosis {
    let coroutine = site.map(words::coroutine).unwrap_or_default();
    let of = if coroutine.is_empty() {
        String::new()
    } else {
        format!(" of {coroutine}")
    };
    let what = format!(
        "task {}{of} ended with {}, which nobody has handled,",
        event.name,
        words::error(event)
    );
    let group = [event.error_type.as_str(), coroutine];
    let mut diagnosis = words::of_event(event, &what, &group, advice(site));
    diagnosis.note = diagnosis
        .note
        .map(|note| note.trim_end_matches(',').to_owned());
    if diagnosis.culprit.is_none() {
        diagnosis.culprit = site.and_then(words::culprit_of);
    }
    diagnosis
}

fn advice(site: Option<&TaskSite>) -> Advice {
    let is_rust = site.is_some_and(|site| words::is_rust(&site.file));
    let steps = if is_rust { RUST_STEPS } else { STEPS };
    let mut advice = words::advice(steps, VERIFY);
    if let Some(created) = site.and_then(words::created_at) {
        advice
            .steps
            .push(format!("the task was created at {created}"));
    }
    advice
}

/// The last word on failures that somebody took after all.
pub(crate) fn taken_late(mut diagnosis: Diagnosis, failed: Nanos, now: Nanos) -> Diagnosis {
    let after = duration(now.since(failed));
    let taken = format!("which was handled {after} later");
    diagnosis.note = diagnosis
        .note
        .map(|note| note.replacen("which nobody has handled", &taken, 1));
    diagnosis
}
