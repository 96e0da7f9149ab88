//! The healthy twins: what looks like a stall and is none raises nothing.

use crate::{
    observation::{Gil, InsideLoop, LoopRuntime, ProcessRuntime, RunState, Sample, ThreadState},
    report::Status,
    syscalls::FUTEX,
    testing::{APP, Bench, frame, running, sleeping_in_handler},
};

fn outside() -> Sample {
    Sample {
        inside_loop: InsideLoop::No,
        ..sleeping_in_handler()
    }
}

fn unknown_place() -> Sample {
    Sample {
        inside_loop: InsideLoop::Unknown,
        ..sleeping_in_handler()
    }
}

/// A thread of a native program, without frames.
fn native(thread: ThreadState) -> Sample {
    Sample {
        inside_loop: InsideLoop::Unknown,
        frames: Vec::new(),
        task: None,
        callback: None,
        gil: Gil::Unknown,
        thread,
        error: None,
    }
}

fn parked() -> Sample {
    native(ThreadState {
        run_state: RunState::Sleeping,
        syscall: Some(FUTEX),
        ..running()
    })
}

#[track_caller]
fn assert_healthy(bench: &mut Bench, now: u64) {
    assert_eq!(bench.changes(), []);
    assert_eq!(bench.incidents(now), []);
    assert_eq!(bench.report(now).status, Status::Healthy);
    assert_eq!(bench.report(now).monitoring.total_stalls, 0);
}

#[test]
fn a_service_that_is_busy_all_the_time_in_short_periods_is_healthy() {
    let mut bench = Bench::new();
    for started in (0..20_000).step_by(100) {
        bench.look(started + 50, started, sleeping_in_handler());
        bench.look(started + 90, started, sleeping_in_handler());
        bench.ended(started + 99, started, started + 99);
        bench.read(started + 99, None, started + 99);
    }
    assert_healthy(&mut bench, 20_000);
}

#[test]
fn a_program_that_left_its_loop_and_works_on_is_not_stalled() {
    let mut bench = Bench::new();
    bench.look(60, 0, unknown_place());
    bench.look(110, 0, outside());
    bench.look(130, 0, unknown_place());
    bench.read(140, Some(0), 0);
    bench.ended(900, 0, 890);
    assert_healthy(&mut bench, 1_000);
}

#[test]
fn a_look_that_comes_after_the_end_of_its_period_does_not_make_a_stall_of_it() {
    let mut bench = Bench::new();
    bench.ended(95, 0, 90);
    bench.look(101, 0, sleeping_in_handler());
    assert_healthy(&mut bench, 200);
}

#[test]
fn a_synchronous_server_that_polls_in_a_loop_is_not_stalled() {
    let mut bench = Bench::of(ProcessRuntime::Python, LoopRuntime::Poll);
    for at in [60, 120, 500] {
        bench.look(at, 0, unknown_place());
    }
    bench.ended(600, 0, 590);
    bench.ended(900, 600, 890);
    assert_healthy(&mut bench, 1_000);
}

#[test]
fn a_synchronous_server_whose_stacks_cannot_be_read_is_not_stalled_either() {
    let mut bench = Bench::of(ProcessRuntime::Python, LoopRuntime::Poll);
    bench.see_process(bench.process, ProcessRuntime::Python, Some("not allowed"));
    bench.read(700, Some(100), 100);
    assert_eq!(bench.report(700).monitoring.total_stalls, 0);
    assert_eq!(bench.report(700).status, Status::Healthy);
}

#[test]
fn a_worker_that_is_parked_on_a_futex_is_not_stalled() {
    let mut bench = Bench::of(ProcessRuntime::Native, LoopRuntime::Epoll);
    for at in (50..3_000).step_by(50) {
        bench.look(at, 0, parked());
    }
    bench.ended(3_000, 0, 3_000);
    assert_healthy(&mut bench, 3_000);
}

#[test]
fn a_worker_that_runs_in_bursts_between_parks_is_not_stalled() {
    let mut bench = Bench::of(ProcessRuntime::Native, LoopRuntime::Epoll);
    for at in (0..3_000).step_by(100) {
        bench.look(at + 50, 0, native(running()));
        bench.look(at + 90, 0, parked());
    }
    bench.ended(3_000, 0, 3_000);
    assert_healthy(&mut bench, 3_000);
}

#[test]
fn a_worker_of_a_native_library_inside_a_python_process_may_park_too() {
    let mut bench = Bench::of(ProcessRuntime::Python, LoopRuntime::Epoll);
    for at in [50, 100, 400] {
        bench.look(at, 0, parked());
    }
    bench.ended(600, 0, 600);
    assert_healthy(&mut bench, 600);
}

#[test]
fn a_native_worker_that_nobody_looked_at_may_have_been_parked() {
    let mut bench = Bench::of(ProcessRuntime::Native, LoopRuntime::Epoll);
    bench.see_process(bench.process, ProcessRuntime::Native, Some("not allowed"));
    bench.read(500, Some(0), 0);
    bench.ended(900, 0, 890);
    assert_eq!(bench.report(900).monitoring.total_stalls, 0);
}

#[test]
fn a_native_worker_that_really_computes_is_stalled_from_when_it_last_parked() {
    let mut bench = Bench::of(ProcessRuntime::Native, LoopRuntime::Epoll);
    bench.look(1_000, 0, parked());
    for at in (1_050..=1_300).step_by(50) {
        bench.look(at, 0, native(running()));
    }
    assert_eq!(bench.only(1_300).duration_seconds, 0.3);
    bench.look(1_400, 0, parked());
    bench.ended(9_000, 0, 9_000);
    assert_eq!(bench.only(9_000).duration_seconds, 0.4);
}

#[test]
fn a_python_thread_that_waits_on_a_lock_is_not_taken_for_a_parked_worker() {
    let mut bench = Bench::of(ProcessRuntime::Python, LoopRuntime::Epoll);
    let frames = vec![frame(APP, 4, "handler")];
    bench.look(100, 0, Sample { frames, ..parked() });
    assert_eq!(bench.incidents(100).len(), 1);
}

#[test]
fn facts_about_what_was_never_introduced_change_nothing() {
    let mut bench = Bench::new();
    let stranger = crate::testing::process_key(99);
    let key = crate::observation::LoopKey {
        process: stranger,
        slot: 3,
        generation: 1,
    };
    bench.look_at(key, 500, 0, sleeping_in_handler());
    bench.gone(600, stranger, crate::observation::Ending::Signaled(9));
    assert_healthy(&mut bench, 700);
}

#[test]
fn looks_that_find_nothing_but_the_driver_do_not_name_the_module_that_started_it() {
    let mut bench = Bench::new();
    let driver = crate::testing::sample(&[], 1);
    bench.stall(
        0,
        200,
        &Sample {
            callback: None,
            ..driver
        },
    );
    let incident = bench.only(300);
    assert_eq!(incident.culprit, None);
}
