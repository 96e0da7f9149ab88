//! What [`loopscope::install`] writes down, read as an observer reads it.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::panic;
use std::path::Path;
use std::time::Duration;

use loopscope::{Config, Scope};
use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::reader::RecordingReader;

/// A process has one recording, so all tests here share it.
fn scope() -> Scope {
    loopscope::install(Config::from_env().service("tests").monitor(false)).unwrap()
}

fn recording() -> RecordingReader {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let path = maps.lines().find_map(|line| {
        let path = line.split_ascii_whitespace().nth(5)?;
        path.ends_with(".loopscope").then(|| path.to_owned())
    });
    RecordingReader::open(Path::new(&path.unwrap())).unwrap()
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
    let mut reader = recording();
    let tables = reader.read_tables().unwrap();
    let site = |name: &str| {
        let mut sites = tables.task_sites.iter();
        sites
            .find(|state| state.site.coroutine == name)
            .unwrap()
            .clone()
    };
    assert_eq!((site("done").spawned, site("done").done), (1, 1));
    assert_eq!((site("failed").failed, site("failed").unretrieved), (1, 1));
    assert_eq!(site("aborted").cancelled, 1);
    assert!(site("done").site.file.ends_with("tests/scope.rs") && site("done").site.line > 0);
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
    let began = monotonic_nanos();
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
