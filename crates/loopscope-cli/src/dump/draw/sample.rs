//! Dumps for the tests of what draws them, put together by hand and sent through the engine.

use std::sync::Arc;
use std::time::Duration;

use loopscope_engine::Config;
use loopscope_engine::dump::{self, DumpProcess, DumpReport, NativeThread, Surroundings};
use loopscope_inspect::kernel::{RunState, ThreadKernelState};
use loopscope_inspect::{
    Dump, DumpMode, DumpedLoop, DumpedTask, DumpedThread, Frame, LayoutSource, LoopIndex,
    LoopState, Primitive, PythonVersion, TaskIndex, TaskState, ThreadIndex, Wait, WaitTarget,
};

/// The numbers of the calls that the samples' threads are in, on the machine that the tests run on.
#[cfg(target_arch = "aarch64")]
pub(super) const CALLS: [u32; 2] = [22, 98];
#[cfg(not(target_arch = "aarch64"))]
pub(super) const CALLS: [u32; 2] = [232, 202];

/// In the poll.
pub(super) const EPOLL_WAIT: u32 = CALLS[0];
/// On a lock.
pub(super) const FUTEX: u32 = CALLS[1];

pub(super) fn own(line: u32, function: &str) -> Frame {
    frame("/srv/shop/app.py", line, function)
}

pub(super) fn library(file: &str, line: u32, function: &str) -> Frame {
    frame(&format!("/usr/lib/python3.12/{file}"), line, function)
}

fn frame(file: &str, line: u32, function: &str) -> Frame {
    Frame {
        file: file.into(),
        line,
        function: function.into(),
        is_coroutine: false,
    }
}

/// The frames of a thread that runs a loop, below what the loop runs.
pub(super) fn in_loop(inside: Vec<Frame>) -> Vec<Frame> {
    let mut frames = inside;
    frames.push(library("asyncio/events.py", 88, "Handle._run"));
    frames.push(library(
        "asyncio/base_events.py",
        1985,
        "BaseEventLoop._run_once",
    ));
    frames.push(library("asyncio/runners.py", 194, "run"));
    frames.push(own(99, "<module>"));
    frames
}

pub(super) fn thread(
    tid: u32,
    name: &str,
    syscall: Option<u32>,
    frames: Vec<Frame>,
) -> DumpedThread {
    DumpedThread {
        tid: Some(tid),
        interpreter: 0,
        name: Some(name.to_owned()),
        holds_gil: Some(false),
        kernel: ThreadKernelState {
            run_state: if syscall.is_some() {
                RunState::Sleeping
            } else {
                RunState::Runnable
            },
            syscall,
            argument: None,
            cpu_nanos: None,
            runqueue_nanos: None,
        },
        frames,
        running_loop: None,
        problem: None,
    }
}

pub(super) fn task(name: &str, chain: Vec<Frame>, waits_for: Option<Wait>) -> DumpedTask {
    DumpedTask {
        address: 0x7f00_0000_1000,
        name: Some(name.to_owned()),
        type_name: "_asyncio.Task".into(),
        event_loop: Some(LoopIndex(0)),
        state: TaskState::Pending,
        is_cancelling: false,
        await_chain: chain,
        waits_for,
        awaited_by: Vec::new(),
        orphan: None,
        problem: None,
    }
}

pub(super) fn future(kind: &str) -> Wait {
    Wait {
        target: WaitTarget::Future {
            address: 0x7f00_0000_2000,
            type_name: "_asyncio.Future".into(),
        },
        primitive: Some(primitive(kind, None)),
        due_seconds: None,
    }
}

pub(super) fn primitive(kind: &str, detail: Option<&str>) -> Primitive {
    Primitive {
        kind: kind.into(),
        address: None,
        detail: detail.map(str::to_owned),
    }
}

pub(super) fn wait_for_tasks(kind: Option<&str>, tasks: &[usize]) -> Wait {
    let indexes: Vec<TaskIndex> = tasks.iter().copied().map(TaskIndex).collect();
    Wait {
        target: match indexes.as_slice() {
            [one] => WaitTarget::Task(*one),
            _ => WaitTarget::Tasks(indexes),
        },
        primitive: kind.map(|kind| primitive(kind, None)),
        due_seconds: None,
    }
}

/// A loop on the main thread, idle, and nothing in it.
pub(super) fn idle() -> Dump {
    let poll = vec![library("selectors.py", 468, "EpollSelector.select")];
    let mut main = thread(4242, "MainThread", Some(EPOLL_WAIT), in_loop(poll));
    main.running_loop = Some(LoopIndex(0));
    Dump {
        pid: 4242,
        python_version: PythonVersion {
            major: 3,
            minor: 12,
            patch: 1,
        },
        layout: LayoutSource::VersionTable,
        mode: DumpMode::Stop,
        pause: Some(Duration::from_micros(2_100)),
        taken_nanos: 50_000_000_000,
        threads: vec![main],
        loops: vec![DumpedLoop {
            address: 0x7f00_0000_3000,
            type_name: "asyncio.unix_events._UnixSelectorEventLoop".into(),
            thread: Some(ThreadIndex(0)),
            state: LoopState::Idle,
            ready: Some(0),
            timers: Some(1),
            next_timer_seconds: Some(1.25),
            problem: None,
        }],
        tasks: Vec::new(),
        deadlocks: Vec::new(),
        problems: Vec::new(),
    }
}

/// The same loop, away from its poll for 6.2 s in a task that sleeps in C with the interpreter's lock.
pub(super) fn blocked() -> Dump {
    let mut dump = idle();
    let stack = vec![own(31, "charge"), own(52, "checkout")];
    dump.threads[0] = thread(4242, "MainThread", None, in_loop(stack));
    dump.threads[0].running_loop = Some(LoopIndex(0));
    dump.threads[0].holds_gil = Some(true);
    dump.loops[0].state = LoopState::Running {
        task: Some(TaskIndex(0)),
    };
    dump.loops[0].ready = Some(3);
    dump.loops[0].next_timer_seconds = Some(-6.2);
    let chain = vec![own(80, "serve"), own(52, "checkout")];
    dump.tasks = vec![task("Task-7", chain, None)];
    dump.tasks[0].state = TaskState::Running;
    dump
}

pub(super) fn surroundings() -> Surroundings {
    Surroundings {
        version: "0.1.0".to_owned(),
        timestamp: "2025-06-01T12:00:00Z".parse().unwrap(),
        process: DumpProcess {
            pid: 4242,
            name: "python3".to_owned(),
            command_line: ["/usr/bin/python3", "app.py", "--port=80"]
                .map(str::to_owned)
                .to_vec(),
            working_folder: Some("/srv/shop".to_owned()),
            ..DumpProcess::default()
        },
        threads: vec![NativeThread {
            thread_id: 4242,
            name: Some("python3".to_owned()),
            kernel: (&thread(4242, "", None, Vec::new()).kernel).into(),
        }],
        recorded: Vec::new(),
    }
}

/// The report of a dump whose line 31 calls what blocks.
pub(super) fn report(dump: &Dump, around: &Surroundings) -> DumpReport {
    let calls = |_: &str, line: u32| -> Vec<Arc<str>> {
        if line == 31 {
            vec!["re.match".into()]
        } else {
            Vec::new()
        }
    };
    dump::report(dump, around, &Config::default(), &mut { calls })
}
