//! Workers of tokio: one long poll is a stall, and nothing else is.

use crate::{
    observation::{
        Frame, Gil, InsideLoop, LoopRuntime, ProcessRuntime, RunState, Sample, ThreadState,
    },
    report::{StallCause, Status},
    syscalls::FUTEX,
    testing::{Bench, frame, frame_calling, running},
};

const MAIN: &str = "/srv/shop/src/main.rs";
const TOKIO: &str =
    "/home/me/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/tokio-1.54.1/src/runtime";

/// A worker in a poll of a task of the program.
fn polling(poll: Option<u64>, thread: ThreadState) -> Sample {
    Sample {
        inside_loop: InsideLoop::Yes,
        frames: stack(),
        task: None,
        callback: poll,
        gil: Gil::Unknown,
        thread,
        error: None,
    }
}

fn stack() -> Vec<Frame> {
    vec![
        frame("", 0, "clock_nanosleep"),
        frame(
            "/rustc/5980/library/std/src/thread/functions.rs",
            289,
            "std::thread::functions::sleep",
        ),
        frame_calling(MAIN, 41, "shop::price", &["std::thread::sleep"]),
        frame(MAIN, 60, "shop::serve"),
        frame(
            &format!("{TOKIO}/task/harness.rs"),
            155,
            "tokio::runtime::task::harness::Harness::poll",
        ),
        frame(
            &format!("{TOKIO}/scheduler/multi_thread/worker.rs"),
            705,
            "tokio::runtime::scheduler::multi_thread::worker::Context::run_task",
        ),
        frame("/srv/shop/src/main.rs", 3, "shop::main"),
    ]
}

fn between() -> Sample {
    Sample {
        inside_loop: InsideLoop::Between,
        frames: Vec::new(),
        ..polling(None, running())
    }
}

fn asleep_at_lock() -> ThreadState {
    ThreadState {
        run_state: RunState::Sleeping,
        syscall: Some(FUTEX),
        ..running()
    }
}

fn worker() -> Bench {
    Bench::of(ProcessRuntime::Native, LoopRuntime::Tokio)
}

#[track_caller]
fn assert_healthy(bench: &mut Bench, now: u64) {
    assert_eq!(bench.incidents(now), []);
    assert_eq!(bench.report(now).status, Status::Healthy);
    assert_eq!(bench.report(now).monitoring.total_stalls, 0);
}

#[test]
fn one_long_poll_is_a_stall_with_its_line_and_what_to_write() {
    let mut bench = worker();
    for at in [1_012, 1_050, 1_100, 1_110] {
        bench.look(at, 1_000, polling(Some(7), asleep_at_lock()));
    }
    let incident = bench.only(1_120);
    assert_eq!(incident.cause, Some(StallCause::BlockingCall));
    let culprit = incident.culprit.unwrap();
    assert_eq!((&*culprit.file, culprit.line), (MAIN, 41));
    assert_eq!(
        incident.advice.replacement.as_deref(),
        Some("tokio::time::sleep(...).await")
    );
    bench.ended(1_400, 1_000, 1_400);
    assert_eq!(bench.only(1_500).duration_seconds, 0.4);
}

#[test]
fn a_worker_that_polls_one_task_after_the_other_without_waiting_is_healthy() {
    let mut bench = worker();
    for (poll, at) in (0..5_000).step_by(50).enumerate() {
        bench.look(at, 0, polling(Some(poll as u64), running()));
    }
    bench.ended(5_000, 0, 5_000);
    assert_healthy(&mut bench, 5_000);
}

#[test]
fn a_worker_that_is_seen_between_two_polls_is_healthy() {
    let mut bench = worker();
    for at in (0..5_000).step_by(100) {
        bench.look(at, 0, polling(Some(7), running()));
        bench.look(at + 50, 0, between());
    }
    bench.ended(5_000, 0, 5_000);
    assert_healthy(&mut bench, 5_000);
}

#[test]
fn what_no_stack_proves_is_no_stall_of_a_runtime() {
    for runtime in [LoopRuntime::Tokio, LoopRuntime::TokioCurrentThread] {
        let mut bench = Bench::of(ProcessRuntime::Native, runtime);
        for at in (50..5_000).step_by(50) {
            let unread = Sample {
                inside_loop: InsideLoop::Unknown,
                frames: Vec::new(),
                error: Some("thread 7 could not be read".into()),
                ..polling(None, running())
            };
            bench.look(at, 0, unread);
        }
        bench.ended(5_000, 0, 5_000);
        assert_healthy(&mut bench, 5_000);
    }
}

#[test]
fn a_poll_counts_from_when_the_worker_was_first_seen_in_it() {
    let mut bench = worker();
    for at in [1_050, 1_100, 1_137] {
        bench.look(at, 1_000, polling(Some(7), running()));
    }
    assert_eq!(bench.incidents(1_137), []);
    bench.look(1_140, 1_000, polling(Some(7), running()));
    assert_eq!(bench.incidents(1_140).len(), 1);
}

#[test]
fn a_program_without_line_tables_is_told_how_to_have_them() {
    let mut bench = worker();
    let bare = |sample: Sample| Sample {
        frames: sample
            .frames
            .into_iter()
            .map(|known| frame("", 0, &known.function))
            .collect(),
        ..sample
    };
    for at in [1_012, 1_050, 1_100] {
        bench.look(at, 1_000, bare(polling(Some(7), asleep_at_lock())));
    }
    let incident = bench.only(1_110);
    assert_eq!(incident.culprit, None);
    let last = incident.advice.steps.last().unwrap();
    assert!(last.contains("line-tables-only"), "{last}");
}
