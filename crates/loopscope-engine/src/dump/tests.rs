use std::sync::Arc;

use jiff::Timestamp;
use loopscope_inspect::kernel::{RunState, ThreadKernelState};
use loopscope_inspect::{
    Dump, DumpMode, DumpedLoop, DumpedTask, DumpedThread, Frame, LayoutSource, LoopIndex,
    LoopState, PythonVersion, TaskIndex, TaskState, ThreadIndex, Wait, WaitTarget,
};

use super::*;
use crate::Config;

const SECOND: u64 = 1_000_000_000;
const NOW: u64 = 100 * SECOND;

fn frame(file: &str, line: u32, function: &str) -> Frame {
    Frame {
        file: file.into(),
        line,
        function: function.into(),
        is_coroutine: false,
    }
}

fn thread(tid: u32, holds_gil: Option<bool>, frames: Vec<Frame>) -> DumpedThread {
    DumpedThread {
        tid: Some(tid),
        interpreter: 0,
        name: Some(format!("thread-{tid}")),
        holds_gil,
        kernel: ThreadKernelState {
            run_state: RunState::Sleeping,
            syscall: Some(crate::syscalls::FUTEX),
            argument: None,
            cpu_nanos: None,
            runqueue_nanos: None,
        },
        frames,
        running_loop: None,
        problem: None,
    }
}

fn stack(inside: &[(&str, u32)]) -> Vec<Frame> {
    let mut frames: Vec<Frame> = inside
        .iter()
        .map(|(file, line)| frame(file, *line, "work"))
        .collect();
    frames.push(frame(
        "/usr/lib/python3.12/asyncio/events.py",
        88,
        "Handle._run",
    ));
    frames.push(frame("/srv/app.py", 99, "<module>"));
    frames
}

fn task(name: &str, chain: Vec<Frame>) -> DumpedTask {
    DumpedTask {
        address: 1,
        name: Some(name.to_owned()),
        type_name: "_asyncio.Task".into(),
        event_loop: Some(LoopIndex(0)),
        state: TaskState::Pending,
        is_cancelling: false,
        await_chain: chain,
        waits_for: Some(Wait {
            target: WaitTarget::Unknown,
            primitive: None,
            due_seconds: None,
        }),
        awaited_by: Vec::new(),
        orphan: None,
        problem: None,
    }
}

/// A loop that runs a callback, with its next timer so late.
fn busy(overdue: Option<f64>) -> Dump {
    Dump {
        pid: 7,
        python_version: PythonVersion {
            major: 3,
            minor: 12,
            patch: 1,
        },
        layout: LayoutSource::OwnTable,
        mode: DumpMode::Stop,
        pause: None,
        taken_nanos: NOW,
        threads: vec![thread(7, Some(false), stack(&[("/srv/app.py", 31)]))],
        loops: vec![DumpedLoop {
            address: 3,
            type_name: "uvloop.Loop".into(),
            thread: Some(ThreadIndex(0)),
            state: LoopState::Running { task: None },
            ready: None,
            timers: None,
            next_timer_seconds: overdue.map(|seconds| -seconds),
            problem: None,
        }],
        tasks: Vec::new(),
        deadlocks: Vec::new(),
        problems: Vec::new(),
    }
}

fn around(recorded: Vec<RecordedLoop>) -> Surroundings {
    Surroundings {
        version: "0".to_owned(),
        timestamp: Timestamp::UNIX_EPOCH,
        process: DumpProcess::default(),
        threads: Vec::new(),
        recorded,
    }
}

fn recorded(since: Option<u64>, last_beat_nanos: u64) -> RecordedLoop {
    RecordedLoop {
        thread_id: 7,
        busy_since_nanos: since,
        last_beat_nanos,
    }
}

fn told(dump: &Dump, around: &Surroundings) -> DumpReport {
    report(dump, around, &Config::default(), &mut |_, _| Vec::new())
}

fn state(overdue: Option<f64>, slots: Vec<RecordedLoop>) -> (DumpLoopState, Option<f64>, bool) {
    let report = told(&busy(overdue), &around(slots));
    let found = &report.loops[0];
    (found.state, found.busy_seconds, found.busy_is_exact)
}

#[test]
fn an_overdue_timer_tells_for_how_long_a_loop_has_not_turned_at_least() {
    use DumpLoopState::{Blocked, Running, Stalled};
    assert_eq!(state(None, vec![]), (Running, None, false));
    assert_eq!(state(Some(0.05), vec![]), (Running, Some(0.05), false));
    assert_eq!(state(Some(0.1), vec![]), (Stalled, Some(0.1), false));
    assert_eq!(state(Some(5.0), vec![]), (Blocked, Some(5.0), false));
}

#[test]
fn a_recording_of_the_thread_tells_it_exactly() {
    let since = NOW - 2 * SECOND;
    let (found, seconds, is_exact) = state(None, vec![recorded(Some(since), since)]);
    assert_eq!(
        (found, seconds, is_exact),
        (DumpLoopState::Stalled, Some(2.0), true)
    );
    // Shorter than the timer is late: a program may set a timer in the past.
    let (found, ..) = state(Some(9.0), vec![recorded(Some(NOW - 1), NOW - 1)]);
    assert_eq!(found, DumpLoopState::Running);
}

#[test]
fn a_busy_period_that_began_after_the_dump_is_another_one() {
    let later = recorded(Some(NOW + 1), NOW + 1);
    assert_eq!(state(Some(0.2), vec![later]).1, Some(0.2));
    assert_eq!(state(Some(0.2), vec![recorded(None, NOW + 1)]).1, Some(0.2));
}

#[test]
fn a_loop_that_was_left_open_on_the_same_thread_says_nothing() {
    let left = recorded(Some(NOW - 90 * SECOND), NOW - 90 * SECOND);
    let own = recorded(Some(NOW - SECOND), NOW - SECOND);
    assert_eq!(state(None, vec![left, own]).1, Some(1.0));
}

#[test]
fn the_lock_is_said_to_be_free_only_where_every_thread_was_seen_without_it() {
    let gil = |others: Vec<DumpedThread>| {
        let mut dump = busy(Some(1.0));
        dump.threads.extend(others);
        told(&dump, &around(vec![])).findings[0].gil.clone()
    };
    assert_eq!(
        gil(vec![thread(8, Some(false), vec![])]),
        Some(DumpGil::Free)
    );
    assert_eq!(gil(vec![thread(8, None, vec![])]), None);
    let holder = thread(
        9,
        Some(true),
        stack(&[("/usr/lib/python3.12/x.py", 4), ("/srv/b.py", 5)]),
    );
    let Some(DumpGil::Thread {
        thread_index: 1,
        at: Some(at),
    }) = gil(vec![holder])
    else {
        panic!("the holder is known");
    };
    assert_eq!((&*at.file, at.line), ("/srv/b.py", 5));
}

#[test]
fn tasks_are_grouped_by_where_they_stand_and_not_by_their_names() {
    let mut dump = busy(None);
    let chain = |line| {
        vec![
            frame("/srv/app.py", line, "f"),
            frame("/usr/lib/python3.12/a.py", 1, "g"),
        ]
    };
    dump.tasks = vec![
        task("a", chain(1)),
        task("b", chain(2)),
        task("c", chain(1)),
        task("d", chain(1)),
    ];
    dump.tasks[3].is_cancelling = true;
    let report = told(&dump, &around(vec![]));
    let groups: Vec<(u64, &[usize])> = report
        .task_groups
        .iter()
        .map(|group| (group.count, group.task_indexes.as_slice()))
        .collect();
    assert_eq!(groups, [(1, &[3][..]), (2, &[0, 2]), (1, &[1])]);
    let at = report.task_groups[1].at.as_ref().unwrap();
    assert_eq!((&*at.file, at.line, at.in_app), ("/srv/app.py", 1, true));
    assert_eq!((report.counts.tasks, report.counts.tasks_pending), (4, 4));
}

#[test]
fn equal_frames_with_strings_of_their_own_are_one_place() {
    let mut dump = busy(None);
    let chain = || vec![frame(&String::from("/srv/app.py"), 1, &String::from("f"))];
    dump.tasks = vec![task("a", chain()), task("b", chain())];
    assert!(!Arc::ptr_eq(
        &dump.tasks[0].await_chain[0].file,
        &dump.tasks[1].await_chain[0].file
    ));
    assert_eq!(told(&dump, &around(vec![])).task_groups.len(), 1);
}

#[test]
fn findings_come_worst_first() {
    let mut dump = busy(Some(0.3));
    dump.tasks = vec![task("a", vec![]), task("b", vec![])];
    dump.tasks[1].state = TaskState::Failed {
        exception: "ValueError".into(),
        message: None,
    };
    dump.deadlocks = vec![vec![TaskIndex(0)]];
    let mut around = around(vec![]);
    let kinds = |around: &Surroundings| -> Vec<DumpFindingKind> {
        told(&dump, around)
            .findings
            .iter()
            .map(|finding| finding.kind)
            .collect()
    };
    use DumpFindingKind::{Deadlock, FailedTasks, LoopStalled, ProcessStopped};
    assert_eq!(kinds(&around), [LoopStalled, Deadlock, FailedTasks]);
    // A loop of a stopped process is not to blame.
    around.process.is_stopped = true;
    assert_eq!(kinds(&around), [ProcessStopped, Deadlock, FailedTasks]);
}

#[test]
fn a_report_comes_back_from_json_as_it_was() {
    let mut dump = busy(Some(0.3));
    dump.tasks = vec![task("a", stack(&[]))];
    let report = told(&dump, &around(vec![]));
    let json = serde_json::to_string(&report).unwrap();
    assert!(json.contains(r#""address":"0x3""#), "{json}");
    assert_eq!(serde_json::from_str::<DumpReport>(&json).unwrap(), report);
}
