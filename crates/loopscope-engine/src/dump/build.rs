//! From the inspector's dump to the report: names, words and states for what stands there.

use std::sync::Arc;

use loopscope_inspect::kernel::{RunState, ThreadKernelState};
use loopscope_inspect::{
    Dump, DumpMode, DumpedTask, DumpedThread, LayoutSource, Orphan, Primitive, TaskIndex,
    TaskState, Wait, WaitTarget,
};

use super::findings;
use super::frames::Places;
use super::groups;
use super::loops::{self, CallsOnLine};
use super::report::{
    Address, DUMP_SCHEMA_VERSION, DumpCounts, DumpFailure, DumpLayout, DumpModeName, DumpOrphan,
    DumpPrimitive, DumpReading, DumpReport, DumpRunState, DumpTask, DumpTaskState, DumpThread,
    DumpThreadState, DumpWait, DumpWaitKind,
};
use super::surroundings::{NativeThread, Surroundings};
use crate::config::Config;
use crate::syscalls;

/// The report of a process whose Python state was read. `calls_on_line` tells the functions that a source
/// line calls without awaiting them; it is asked only of the stacks of loops that do not turn.
pub fn report(
    dump: &Dump,
    surroundings: &Surroundings,
    config: &Config,
    calls_on_line: CallsOnLine<'_>,
) -> DumpReport {
    let mut places = Places::default();
    let threads: Vec<DumpThread> = dump
        .threads
        .iter()
        .map(|found| thread(found, &mut places))
        .collect();
    let looked = loops::look(dump, surroundings, config, calls_on_line);
    let groups = groups::groups(dump, &looked, &mut places);
    let tasks: Vec<DumpTask> = dump
        .tasks
        .iter()
        .map(|found| task(found, &mut places))
        .collect();
    let native_threads = without_python(surroundings, &threads);
    DumpReport {
        counts: counts(dump, native_threads.len()),
        findings: findings::findings(dump, surroundings, &looked, &tasks),
        reading: Some(reading(dump)),
        loops: looked.into_iter().map(|looked| looked.shown).collect(),
        task_groups: groups,
        tasks,
        threads,
        native_threads,
        problems: dump.problems.clone(),
        ..empty(surroundings)
    }
}

/// The report of a process whose Python state could not be read: what the kernel says of it.
pub fn unread(surroundings: &Surroundings, failure: DumpFailure) -> DumpReport {
    let native_threads = surroundings.threads.clone();
    DumpReport {
        error: Some(failure),
        counts: DumpCounts {
            native_threads: native_threads.len() as u64,
            ..DumpCounts::default()
        },
        findings: findings::of_process(surroundings).into_iter().collect(),
        native_threads,
        ..empty(surroundings)
    }
}

fn empty(surroundings: &Surroundings) -> DumpReport {
    DumpReport {
        schema_version: DUMP_SCHEMA_VERSION,
        version: surroundings.version.clone(),
        timestamp: surroundings.timestamp,
        process: surroundings.process.clone(),
        error: None,
        reading: None,
        counts: DumpCounts::default(),
        findings: Vec::new(),
        loops: Vec::new(),
        task_groups: Vec::new(),
        tasks: Vec::new(),
        threads: Vec::new(),
        native_threads: Vec::new(),
        problems: Vec::new(),
    }
}

fn reading(dump: &Dump) -> DumpReading {
    let mut approximate = Vec::new();
    if dump.mode == DumpMode::Live {
        approximate.push("the process ran on while it was read".to_owned());
    }
    if dump.layout == LayoutSource::Probed {
        approximate.push(
            "where its fields lie was found out from the objects themselves, since the tables of its \
             version did not fit"
                .to_owned(),
        );
    }
    DumpReading {
        python_version: dump.python_version.to_string(),
        layout: match dump.layout {
            LayoutSource::OwnTable => DumpLayout::OwnTable,
            LayoutSource::VersionTable => DumpLayout::VersionTable,
            LayoutSource::Probed => DumpLayout::Probed,
        },
        mode: match dump.mode {
            DumpMode::Stop => DumpModeName::Stop,
            DumpMode::Snapshot => DumpModeName::Snapshot,
            DumpMode::Live => DumpModeName::Live,
        },
        pause_seconds: dump.pause.map(|pause| pause.as_secs_f64()),
        approximate,
    }
}

fn counts(dump: &Dump, native_threads: usize) -> DumpCounts {
    let mut counts = DumpCounts {
        threads: dump.threads.len() as u64,
        native_threads: native_threads as u64,
        loops: dump.loops.len() as u64,
        tasks: dump.tasks.len() as u64,
        ..DumpCounts::default()
    };
    for task in &dump.tasks {
        *match task_state(&task.state) {
            DumpTaskState::Pending => &mut counts.tasks_pending,
            DumpTaskState::Running => &mut counts.tasks_running,
            DumpTaskState::Done => &mut counts.tasks_done,
            DumpTaskState::Cancelled => &mut counts.tasks_cancelled,
            DumpTaskState::Failed => &mut counts.tasks_failed,
        } += 1;
    }
    counts
}

fn thread<'dump>(found: &'dump DumpedThread, places: &mut Places<'dump>) -> DumpThread {
    DumpThread {
        thread_id: found.tid,
        interpreter: found.interpreter,
        name: found.name.clone(),
        holds_gil: found.holds_gil,
        kernel: (&found.kernel).into(),
        frames: places.frames(&found.frames),
        loop_index: found.running_loop.map(|index| index.0),
        problem: found.problem.clone(),
    }
}

fn without_python(surroundings: &Surroundings, threads: &[DumpThread]) -> Vec<NativeThread> {
    let known: std::collections::HashSet<u32> = threads
        .iter()
        .filter_map(|thread| thread.thread_id)
        .collect();
    let all = surroundings.threads.iter();
    all.filter(|thread| !known.contains(&thread.thread_id))
        .cloned()
        .collect()
}

impl From<&ThreadKernelState> for DumpThreadState {
    fn from(found: &ThreadKernelState) -> Self {
        let name = |number: u32| {
            syscalls::name(number).map_or_else(|| format!("syscall {number}"), str::to_owned)
        };
        Self {
            run_state: match found.run_state {
                RunState::Runnable => DumpRunState::Runnable,
                RunState::Sleeping => DumpRunState::Sleeping,
                RunState::DiskSleep => DumpRunState::DiskSleep,
                RunState::Stopped => DumpRunState::Stopped,
                RunState::Zombie => DumpRunState::Ended,
                RunState::Unknown => DumpRunState::Unknown,
            },
            syscall: found.syscall.map(name),
        }
    }
}

fn task<'dump>(found: &'dump DumpedTask, places: &mut Places<'dump>) -> DumpTask {
    let (exception, exception_message) = match &found.state {
        TaskState::Failed { exception, message } => (Some(Arc::clone(exception)), message.clone()),
        _ => (None, None),
    };
    DumpTask {
        address: Address(found.address),
        name: found.name.clone(),
        type_name: Arc::clone(&found.type_name),
        loop_index: found.event_loop.map(|index| index.0),
        state: task_state(&found.state),
        exception,
        exception_message,
        is_cancelling: found.is_cancelling,
        await_chain: places.frames(&found.await_chain),
        waits_for: found.waits_for.as_ref().map(wait),
        awaited_by: indexes(&found.awaited_by),
        orphan: found.orphan.map(orphan),
        problem: found.problem.clone(),
    }
}

/// A state's name.
pub(super) fn task_state(state: &TaskState) -> DumpTaskState {
    match state {
        TaskState::Pending => DumpTaskState::Pending,
        TaskState::Running => DumpTaskState::Running,
        TaskState::Done => DumpTaskState::Done,
        TaskState::Cancelled => DumpTaskState::Cancelled,
        TaskState::Failed { .. } => DumpTaskState::Failed,
    }
}

/// An orphan's name.
pub(super) fn orphan(orphan: Orphan) -> DumpOrphan {
    match orphan {
        Orphan::LoopClosed => DumpOrphan::LoopClosed,
        Orphan::LoopNotRunning => DumpOrphan::LoopNotRunning,
        Orphan::WaitsOnClosedLoop => DumpOrphan::WaitsOnClosedLoop,
    }
}

fn wait(found: &Wait) -> DumpWait {
    let mut shown = DumpWait {
        kind: wait_kind(&found.target),
        task_indexes: Vec::new(),
        future_address: None,
        future_type: None,
        primitive: found.primitive.as_ref().map(primitive),
        due_seconds: found.due_seconds,
    };
    match &found.target {
        WaitTarget::Task(index) => shown.task_indexes = vec![index.0],
        WaitTarget::Tasks(tasks) => shown.task_indexes = indexes(tasks),
        WaitTarget::Future { address, type_name } => {
            shown.future_address = Some(Address(*address));
            shown.future_type = Some(Arc::clone(type_name));
        }
        WaitTarget::FirstStep | WaitTarget::NextStep | WaitTarget::Unknown => {}
    }
    shown
}

/// The kind of what a task waits for.
pub(super) fn wait_kind(target: &WaitTarget) -> DumpWaitKind {
    match target {
        WaitTarget::FirstStep => DumpWaitKind::FirstStep,
        WaitTarget::NextStep => DumpWaitKind::NextStep,
        WaitTarget::Task(_) => DumpWaitKind::Task,
        WaitTarget::Tasks(_) => DumpWaitKind::Tasks,
        WaitTarget::Future { .. } => DumpWaitKind::Future,
        WaitTarget::Unknown => DumpWaitKind::Unknown,
    }
}

fn primitive(found: &Primitive) -> DumpPrimitive {
    DumpPrimitive {
        kind: Arc::clone(&found.kind),
        address: found.address.map(Address),
        detail: found.detail.clone(),
    }
}

fn indexes(tasks: &[TaskIndex]) -> Vec<usize> {
    tasks.iter().map(|index| index.0).collect()
}
