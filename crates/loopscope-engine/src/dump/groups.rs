//! Tasks that stand at the same place, put together.
//!
//! The same await chain line by line, the same state and the same kind of wait: then the difference is
//! one of names and numbers, and a person wants to see the place once and how many stand there.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use loopscope_inspect::{Dump, DumpedTask, TaskState, Wait, WaitTarget};

use super::build;
use super::frames::{Place, Places, telling};
use super::loops::Looked;
use super::report::{DumpFrame, DumpOrphan, DumpTaskGroup, DumpTaskState, DumpWaitKind};

/// What tasks of one group have in common.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    loop_index: Option<usize>,
    state: DumpTaskState,
    exception: Option<Arc<str>>,
    is_cancelling: bool,
    orphan: Option<DumpOrphan>,
    wait: Option<(DumpWaitKind, Option<Arc<str>>)>,
    chain: Vec<Place>,
}

/// The groups of all tasks: those in trouble first, then the largest, then by their places, so that two
/// dumps of the same process read alike.
pub(super) fn groups<'dump>(
    dump: &'dump Dump,
    loops: &[Looked],
    places: &mut Places<'dump>,
) -> Vec<DumpTaskGroup> {
    let mut members: HashMap<Key, Vec<usize>> = HashMap::new();
    for (index, task) in dump.tasks.iter().enumerate() {
        members.entry(key(task, places)).or_default().push(index);
    }
    let mut groups: Vec<(Key, Vec<usize>)> = members.into_iter().collect();
    groups.sort_by_cached_key(|(key, tasks)| {
        let at = key.chain.last().and_then(|place| places.get(*place));
        let at = at.map(|frame| (Arc::clone(&frame.file), frame.line));
        let first = tasks.first().copied();
        (key.loop_index, rank(key), Reverse(tasks.len()), at, first)
    });
    groups
        .into_iter()
        .map(|(key, tasks)| group(dump, loops, places, &key, tasks))
        .collect()
}

fn key<'dump>(task: &'dump DumpedTask, places: &mut Places<'dump>) -> Key {
    let exception = match &task.state {
        TaskState::Failed { exception, .. } => Some(Arc::clone(exception)),
        _ => None,
    };
    Key {
        loop_index: task.event_loop.map(|index| index.0),
        state: build::task_state(&task.state),
        exception,
        is_cancelling: task.is_cancelling,
        orphan: task.orphan.map(build::orphan),
        wait: task.waits_for.as_ref().map(wait_key),
        chain: task
            .await_chain
            .iter()
            .map(|frame| places.place(frame))
            .collect(),
    }
}

fn wait_key(wait: &Wait) -> (DumpWaitKind, Option<Arc<str>>) {
    let kind = wait.primitive.as_ref().map(|primitive| &primitive.kind);
    let future = match &wait.target {
        WaitTarget::Future { type_name, .. } => Some(type_name),
        _ => None,
    };
    (build::wait_kind(&wait.target), kind.or(future).cloned())
}

/// Lower is shown first.
fn rank(key: &Key) -> u8 {
    match key.state {
        DumpTaskState::Running => 0,
        _ if key.orphan.is_some() => 1,
        DumpTaskState::Pending if key.is_cancelling => 1,
        DumpTaskState::Failed => 2,
        DumpTaskState::Pending => 3,
        DumpTaskState::Cancelled => 4,
        DumpTaskState::Done => 5,
    }
}

fn group(
    dump: &Dump,
    loops: &[Looked],
    places: &Places,
    key: &Key,
    tasks: Vec<usize>,
) -> DumpTaskGroup {
    let frames: Vec<&DumpFrame> = key
        .chain
        .iter()
        .filter_map(|place| places.get(*place))
        .collect();
    let wait = tasks
        .first()
        .and_then(|index| dump.tasks.get(*index)?.waits_for.as_ref());
    DumpTaskGroup {
        loop_index: key.loop_index,
        state: key.state,
        count: tasks.len() as u64,
        // Of a running task the thread's stack goes deeper than its coroutines.
        at: running_at(key, loops)
            .or_else(|| telling(frames.into_iter().rev()))
            .cloned(),
        waits_for: wait.map(words),
        task_indexes: tasks,
    }
}

fn running_at<'a>(key: &Key, loops: &'a [Looked]) -> Option<&'a DumpFrame> {
    let index = key
        .loop_index
        .filter(|_| key.state == DumpTaskState::Running)?;
    loops.get(index)?.shown.at.as_ref()
}

/// What a task waits for, in words.
fn words(wait: &Wait) -> String {
    if let Some(primitive) = &wait.primitive {
        return primitive.kind.to_string();
    }
    match &wait.target {
        WaitTarget::FirstStep => "its first step".to_owned(),
        WaitTarget::NextStep => "its next step, which is scheduled".to_owned(),
        WaitTarget::Task(_) => "another task".to_owned(),
        WaitTarget::Tasks(_) => "other tasks".to_owned(),
        WaitTarget::Future { type_name, .. } if type_name.ends_with("Future") => {
            "a future".to_owned()
        }
        WaitTarget::Future { type_name, .. } => format!("a future ({type_name})"),
        WaitTarget::Unknown => "something that could not be read".to_owned(),
    }
}
