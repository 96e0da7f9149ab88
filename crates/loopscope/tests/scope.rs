//! What [`loopscope::install`] writes down, read as an observer reads it.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::panic;
use std::time::Duration;

use loopscope::{Config, Scope};
use loopscope_recorder::clock::{coarse_nanos, monotonic_nanos};
use loopscope_recorder::reader::TaskSiteState;

use support::{found, recording};

/// A process has one recording, so all tests here share it.
fn scope() -> Scope {
    loopscope::install(Config::from_env().service("tests").monitor(false)).unwrap()
}

#[test]
fn tasks_are_counted_by_the_line_that_spawns_them_and_how_they_ended() {
    let scope = scope();
    let runtime = scope
        .current_thread_builder("tasks")
        .enable_all()
        .build()
        .unwrap();
    let before = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    runtime.block_on(async {
        scope.spawn("done", async {}).await.unwrap();
        let failed = scope.spawn("failed", async { panic!("no such user") });
        assert!(failed.await.unwrap_err().is_panic());
        let aborted = scope.spawn("aborted", std::future::pending::<()>());
        aborted.abort();
        assert!(aborted.await.unwrap_err().is_cancelled());
    });
    panic::set_hook(before);
    let site = |name| site_when(name, |site| site.spawned == 1 && site.alive() == 0);
    let done = site("done");
    assert_eq!((done.done, done.failed, done.cancelled), (1, 0, 0));
    assert!(done.site.file.ends_with("tests/scope.rs") && done.site.line > 0);
    let failed = site("failed");
    assert_eq!((failed.done, failed.failed, failed.unretrieved), (0, 1, 1));
    let aborted = site("aborted");
    assert_eq!((aborted.done, aborted.cancelled), (0, 1));
}

/// The tasks of this name, once they have come to this.
fn site_when(name: &str, is: impl Fn(&TaskSiteState) -> bool) -> TaskSiteState {
    found(|tables| {
        let mut sites = tables.task_sites.iter();
        sites
            .find(|site| site.site.coroutine == name && is(site))
            .cloned()
    })
}

#[test]
fn tasks_of_many_threads_are_all_counted_and_told_apart_by_name() {
    const EACH: u64 = 20_000;
    let scope = scope();
    let runtime = scope
        .runtime_builder("many")
        .worker_threads(4)
        .build()
        .unwrap();
    let spawn = |name: &str, ends: bool| {
        scope.spawn(name, async move {
            if !ends {
                std::future::pending::<()>().await;
            }
        })
    };
    runtime.block_on(async {
        for number in 0..EACH {
            // One line, three names of one length.
            drop(spawn("many a", true));
            drop(spawn("many b", number % 100 != 0));
            spawn("many c", false).abort();
        }
    });
    let (ended, left) = (|site: &TaskSiteState| site.alive() == 0, EACH / 100);
    let seen = site_when("many a", |site| site.spawned == EACH && ended(site));
    assert_eq!((seen.done, seen.cancelled), (EACH, 0));
    let seen = site_when("many b", |site| {
        site.spawned == EACH && site.alive() == left
    });
    assert_eq!((seen.done, seen.cancelled), (EACH - left, 0));
    let seen = site_when("many c", |site| site.spawned == EACH && ended(site));
    assert_eq!((seen.done, seen.cancelled), (0, EACH));
    drop(runtime);
    let seen = site_when("many b", ended);
    assert_eq!((seen.done, seen.cancelled), (EACH - left, left));
}

#[test]
fn tasks_of_a_set_and_of_one_thread_are_counted_where_they_are_tracked() {
    let scope = scope();
    let mut builder = scope.current_thread_builder("sets");
    let runtime = builder.enable_all().build().unwrap();
    runtime.block_on(async {
        let mut set = tokio::task::JoinSet::new();
        for ends in [true, false] {
            set.spawn(scope.track_task("of a set", async move {
                if ends {
                    1
                } else {
                    std::future::pending().await
                }
            }));
        }
        assert_eq!(set.join_next().await.unwrap().unwrap(), 1);
        set.shutdown().await;
        let local = tokio::task::LocalSet::new();
        let own = std::rc::Rc::new(2);
        let task = scope.track_task("of a thread", async move { *own });
        assert_eq!(local.run_until(task).await, 2);
        drop(scope.track_task("never polled", async {}));
    });
    let seen = |name, spawned| {
        let site = site_when(name, |site| site.spawned == spawned && site.alive() == 0);
        (site.done, site.cancelled)
    };
    assert_eq!(seen("of a set", 2), (1, 1));
    assert_eq!(seen("of a thread", 1), (1, 0));
    assert_eq!(seen("never polled", 1), (0, 1));
}

#[test]
fn the_oldest_task_of_a_line_is_told_to_a_second() {
    let scope = scope();
    let runtime = scope
        .current_thread_builder("ages")
        .enable_all()
        .build()
        .unwrap();
    let oldest = || {
        let tables = recording().read_tables().unwrap();
        let mut sites = tables.task_sites.into_iter();
        let site = sites.find(|state| state.site.coroutine == "never woken");
        site.and_then(|site| site.oldest_started_nanos)
    };
    let began = coarse_nanos();
    let told = runtime.block_on(async {
        let spawn = |ends: bool| {
            let task = async move {
                if !ends {
                    std::future::pending::<()>().await;
                }
            };
            scope.spawn("never woken", task)
        };
        let stuck = spawn(false);
        let mut told = None;
        // Others come and go; until one of the watchdog's looks is surely later than this.
        while told.is_none_or(|told| told < began) || monotonic_nanos() < began + 2_500_000_000 {
            spawn(true).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            told = oldest();
        }
        stuck.abort();
        stuck.await.unwrap_err();
        told.unwrap()
    });
    assert!(
        (began..began + 1_500_000_000).contains(&told),
        "{began} {told}"
    );
    while oldest().is_some() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_second_install_changes_nothing() {
    let (one, other) = (scope(), scope());
    assert!(one.problems().is_empty() && other.problems().is_empty());
    assert_eq!(one.address(), None);
    assert_eq!(one.health(), None);
}

#[test]
fn an_unwatched_scope_spawns_as_tokio_does() {
    let scope = Scope::unwatched();
    let runtime = scope
        .runtime_builder("main")
        .worker_threads(1)
        .build()
        .unwrap();
    let sum = runtime.block_on(async { scope.spawn("sum", async { 1 + 2 }).await.unwrap() });
    assert_eq!(sum, 3);
    scope.watch_runtime("main", runtime.handle());
}
