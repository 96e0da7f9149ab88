//! Real servers with the library in them: routes of their own beside the endpoint that never blocks.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use loopscope_engine::report::{Report, Status};

use crate::harness::{Talking, has, on_every_python, program};
use crate::http;

const PATIENCE: Duration = Duration::from_secs(5);

/// A port that was free a moment ago.
fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn report(address: SocketAddr, path: &str) -> Report {
    let answer = http::get(address, path, PATIENCE).unwrap();
    serde_json::from_str(&answer.body)
        .unwrap_or_else(|error| panic!("{error} in {}\n{}", answer.head, answer.body))
}

/// Waits for a report that is as wanted.
fn report_until(address: SocketAddr, path: &str, is_wanted: impl Fn(&Report) -> bool) -> Report {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let found = report(address, path);
        if is_wanted(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "{found:#?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until somebody answers there.
fn serving(address: SocketAddr, path: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while http::get(address, path, PATIENCE).is_err() {
        assert!(Instant::now() < deadline, "nobody answers at {address}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn blames(report: &Report, file: &str, function: &str) -> bool {
    let culprits = report
        .incidents
        .iter()
        .filter_map(|one| one.culprit.as_ref());
    culprits
        .into_iter()
        .any(|one| one.file.ends_with(file) && one.function.ends_with(function))
}

/// Starts the one that blocks, and asks the monitor meanwhile; then asks the program's own routes.
fn check_service(app: SocketAddr, monitor: SocketAddr, file: &str) {
    serving(app, "/ok");
    for path in ["/health", "/internal/health"] {
        let own = report_until(app, path, |found| found.monitoring.event_loops_count > 0);
        assert_eq!(own.service, "web", "{own:#?}");
    }
    assert_eq!(http::get(app, "/livez", PATIENCE).unwrap().code, 200);
    let blocked = thread::spawn(move || http::get(app, "/block", PATIENCE).unwrap().code);
    let found = report_until(monitor, "/health", |found| {
        found.incidents.iter().any(|one| one.closed_at.is_none()) && blames(found, file, "block")
    });
    assert_eq!(found.status, Status::Degraded, "{found:#?}");
    assert_eq!(blocked.join().unwrap(), 200);
    let own = report_until(app, "/health", |found| {
        found.incidents.iter().all(|one| one.closed_at.is_some())
    });
    assert!(blames(&own, file, "block"), "{own:#?}");
}

fn start(python: &Path, words: &[&str], environment: &[(&str, &str)]) -> Talking {
    let python = python.display().to_string();
    let mut all = vec![python.as_str()];
    all.extend(words);
    Talking::with_environment(&all, environment)
}

#[test]
fn a_fastapi_service_under_uvicorn_has_its_health_on_routes_and_on_a_port() {
    on_every_python(|python| {
        for event_loop in ["asyncio", "uvloop"] {
            if !has(python, "fastapi, uvicorn") || !has(python, event_loop) {
                continue;
            }
            let (app, monitor) = (free_port(), free_port());
            let folder = program("").display().to_string();
            let port = app.port().to_string();
            let words = [
                "-m",
                "uvicorn",
                "web_app:app",
                "--app-dir",
                &folder,
                "--port",
                &port,
            ];
            let more = [
                "--no-access-log",
                "--log-level",
                "warning",
                "--loop",
                event_loop,
            ];
            let words: Vec<_> = words.into_iter().chain(more).collect();
            let listen = monitor.to_string();
            let server = start(python, &words, &[("LOOPSCOPE_LISTEN", &listen)]);
            check_service(app, monitor, "web_app.py");
            server.signal(rustix::process::Signal::TERM);
        }
    });
}

#[test]
fn an_aiohttp_service_has_its_health_on_a_route_and_on_a_port() {
    on_every_python(|python| {
        if !has(python, "aiohttp") {
            return;
        }
        let (app, monitor) = (free_port(), free_port());
        let path = program("aiohttp_app.py").display().to_string();
        let port = app.port().to_string();
        let listen = monitor.to_string();
        let _server = start(python, &[&path, &port], &[("LOOPSCOPE_LISTEN", &listen)]);
        check_service(app, monitor, "aiohttp_app.py");
    });
}

#[test]
fn the_workers_of_a_preloaded_application_are_all_in_the_report_of_their_master() {
    on_every_python(|python| {
        if !has(python, "gunicorn, uvicorn_worker, fastapi") {
            return;
        }
        let (app, monitor) = (free_port(), free_port());
        let folder = program("").display().to_string();
        let (bind, listen) = (app.to_string(), monitor.to_string());
        let words = [
            "-m",
            "gunicorn",
            "-k",
            "uvicorn_worker.UvicornWorker",
            "--preload",
            "-w",
            "2",
        ];
        let more = [
            "--log-level",
            "warning",
            "--chdir",
            &folder,
            "-b",
            &bind,
            "web_app:app",
        ];
        let words: Vec<_> = words.into_iter().chain(more).collect();
        let server = start(python, &words, &[("LOOPSCOPE_LISTEN", &listen)]);
        serving(monitor, "/health");
        let found = report_until(monitor, "/health", |found| {
            found.monitoring.event_loops_count == 2
        });
        assert_eq!(found.service, "web", "{found:#?}");
        // A worker asks its master.
        let own = report(app, "/health");
        assert_eq!(own.monitoring.event_loops_count, 2, "{own:#?}");
        let blocked = thread::spawn(move || http::get(app, "/block", PATIENCE).unwrap().code);
        report_until(monitor, "/health", |found| {
            blames(found, "web_app.py", "block")
        });
        assert_eq!(blocked.join().unwrap(), 200);
        server.signal(rustix::process::Signal::TERM);
    });
}
