//! What [`loopscope::install`] writes down, read as an observer reads it.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::panic;
use std::path::Path;

use loopscope::{Config, Scope};
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
