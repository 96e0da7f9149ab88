//! Web servers as people start them, one process or several.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{
    PATIENCE, Python, Running, Scenario, Stall, fixture, get, on_every_loop, on_every_python,
};

const PACKAGES: &[&str] = &[
    "fastapi",
    "uvicorn",
    "httptools",
    "gunicorn",
    "uvicorn_worker",
];

/// A port that was free a moment ago.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address")
}

fn uvicorn(python: &Python, at: SocketAddr, options: &[&str]) -> Scenario {
    let mut command = python.module("uvicorn");
    let folder = fixture("").display().to_string();
    command.extend(["web_app:app", "--app-dir", &folder, "--no-access-log"].map(String::from));
    command.extend(["--port".into(), at.port().to_string()]);
    command.extend(options.iter().map(|option| option.to_string()));
    Scenario::command(command)
}

/// Waits until the application answers on every one of its `workers`.
fn serving(running: &Running, at: SocketAddr, workers: usize) -> Result<(), String> {
    running.until("`ready` of each worker", |notes| {
        (notes.ready_pids() >= workers).then_some(())
    })?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while get(at, "/ok", PATIENCE).is_err() {
        if Instant::now() > deadline {
            return Err(format!("nobody answers at {at}"));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Lets the loops turn on for a while, as between two visits.
fn breathe(at: SocketAddr) -> Result<(), String> {
    for _ in 0..20 {
        get(at, "/ok", PATIENCE).map_err(|error| error.to_string())?;
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// One visit to the endpoint that blocks; its worker declares which process that was.
fn block_once(running: &Running, at: SocketAddr, workers: usize) -> Result<(), String> {
    serving(running, at, workers)?;
    breathe(at)?;
    get(at, "/block", Duration::from_secs(10)).map_err(|error| error.to_string())?;
    breathe(at)?;
    running.signal(Signal::TERM);
    Ok(())
}

#[test]
fn a_blocking_endpoint_of_one_uvicorn_is_found_with_its_line() {
    on_every_loop(PACKAGES, |python, event_loop| {
        let at = free_port();
        uvicorn(python, at, &["--loop", event_loop.name()])
            .loops(1)
            .exits_with(128 + 15)
            .expect([Stall::blocking("endpoint", "read_report").on(event_loop.name())])
            .check_while(|running| block_once(running, at, 1))
    });
}

#[test]
fn a_blocking_endpoint_of_two_uvicorn_workers_is_blamed_on_the_worker_that_ran_it() {
    on_every_python(PACKAGES, |python| {
        let at = free_port();
        uvicorn(python, at, &["--workers", "2"])
            .expect([Stall::blocking("endpoint", "read_report")])
            .check_while(|running| block_once(running, at, 2))
    });
}

#[test]
fn a_blocking_endpoint_of_a_gunicorn_worker_is_blamed_on_the_worker_that_ran_it() {
    on_every_python(PACKAGES, |python| {
        let at = free_port();
        let mut command = python.module("gunicorn");
        let folder = fixture("").display().to_string();
        let options = [
            "web_app:app",
            "-k",
            "uvicorn_worker.UvicornWorker",
            "-w",
            "2",
            "--chdir",
            &folder,
        ];
        command.extend(options.map(String::from));
        command.extend(["-b".into(), at.to_string()]);
        Scenario::command(command)
            .expect([Stall::blocking("endpoint", "read_report")])
            .check_while(|running| block_once(running, at, 2))
    });
}

#[test]
fn a_blocking_handler_of_aiohttp_is_found_with_its_line() {
    on_every_loop(&["aiohttp"], |python, event_loop| {
        Scenario::python(python, "aiohttp_app.py", &[])
            .on(event_loop)
            .loops(1)
            .expect([Stall::blocking("aiohttp", "render_page").on(event_loop.name())])
            .check()
    });
}

const FULL_LOAD: Duration = Duration::from_secs(20);

#[test]
fn a_healthy_uvicorn_at_full_load_raises_nothing() {
    on_every_python(PACKAGES, |python| {
        let at = free_port();
        let scenario = uvicorn(python, at, &[]).loops(1).exits_with(128 + 15);
        scenario.check_while(|running| {
            serving(running, at, 1)?;
            let answered = load(at, FULL_LOAD);
            running.signal(Signal::TERM);
            if answered < 1_000 {
                Err(format!("only {answered} answers: no load"))
            } else {
                Ok(())
            }
        })
    });
}

/// Asks as fast as answers come, on eight connections of one request each; returns how many came.
fn load(at: SocketAddr, time: Duration) -> u64 {
    let stop = AtomicBool::new(false);
    let answered = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let came = get(at, "/ok", PATIENCE).is_ok_and(|answer| answer.code == 200);
                    answered.fetch_add(u64::from(came), Ordering::Relaxed);
                }
            });
        }
        thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
    });
    answered.into_inner()
}
