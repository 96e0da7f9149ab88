//! Work for threads that block, as it is written down: what is sent by `spawn_blocking` of a scope, and where tokio is
//! built with `tokio_unstable` all of it.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use loopscope::{Config, Scope};
use loopscope_recorder::reader::ExecutorState;
use tokio::runtime::Runtime;

use support::found;

const THREADS: usize = 2;

/// A process has one recording, so both tests here share it.
fn started(name: &str) -> (Scope, Runtime) {
    let config = Config::from_env().service("tests").monitor(false);
    let scope = loopscope::install(config).unwrap();
    let mut builder = scope.runtime_builder(name);
    let builder = builder.worker_threads(1).max_blocking_threads(THREADS);
    let runtime = builder.build().unwrap();
    (scope, runtime)
}

/// The threads of this runtime, once this holds of them.
fn threads_when(runtime: &str, holds: impl Fn(&ExecutorState) -> bool) -> ExecutorState {
    let name = format!("{runtime} (blocking)");
    found(|tables| {
        let mut executors = tables.executors.iter();
        executors
            .find(|state| *state.name == name && holds(state))
            .cloned()
    })
}

/// Work that ends when it is let go.
fn held() -> (Sender<()>, impl FnOnce() + Send + 'static) {
    let (let_go, wait): (Sender<()>, Receiver<()>) = channel();
    let work = move || {
        let _ = wait.recv();
    };
    (let_go, work)
}

#[test]
fn what_waits_for_a_thread_is_written_down_until_it_has_one() {
    let (scope, runtime) = started("waits");
    let inside = runtime.enter();
    let mut kept = Vec::new();
    for _ in 0..THREADS {
        let (let_go, work) = held();
        kept.push(let_go);
        drop(scope.spawn_blocking("keeps", work));
    }
    let two = threads_when("waits", |state| state.busy == THREADS as u64);
    assert_eq!((two.queued, two.saturated_since_nanos), (0, None));
    let waits = scope.spawn_blocking("waits", || 42);
    let given_up = scope.spawn_blocking("is given up", || ());
    threads_when("waits", |state| {
        state.queued == 2 && state.saturated_since_nanos.is_some()
    });
    given_up.abort();
    drop(kept);
    assert_eq!(runtime.block_on(waits).unwrap(), 42);
    let after = threads_when("waits", |state| state.busy == 0 && state.queued == 0);
    assert_eq!(after.saturated_since_nanos, None);
    if !cfg!(tokio_unstable) {
        assert_eq!(
            (after.submitted, after.completed, after.cancelled),
            (4, 3, 1)
        );
    }
    drop(inside);
    drop(runtime);
    threads_when("waits", |state| state.ended_nanos.is_some());
}

#[test]
fn threads_that_take_what_they_are_sent_are_never_short() {
    let (scope, runtime) = started("suffice");
    let until = Instant::now() + Duration::from_millis(500);
    runtime.block_on(async {
        while Instant::now() < until {
            scope.spawn_blocking("is done", || ()).await.unwrap();
        }
        let failed = scope.spawn_blocking("panics", || panic!("no such user"));
        assert!(failed.await.unwrap_err().is_panic());
    });
    let after = threads_when("suffice", |state| state.busy == 0 && state.queued == 0);
    assert_eq!(after.saturated_since_nanos, None);
    if !cfg!(tokio_unstable) {
        assert_eq!((after.failed, after.cancelled), (1, 0));
    }
}

#[cfg(tokio_unstable)]
#[test]
fn what_others_send_is_seen_where_tokio_tells() {
    let (_scope, runtime) = started("others");
    let _inside = runtime.enter();
    let mut kept = Vec::new();
    for _ in 0..=THREADS {
        let (let_go, work) = held();
        kept.push(let_go);
        drop(tokio::task::spawn_blocking(work));
    }
    let full = threads_when("others", |state| state.queued == 1);
    assert_eq!((full.workers, full.busy), (2, 2));
    drop(kept);
}
