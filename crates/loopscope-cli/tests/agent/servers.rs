//! Servers with several workers: each worker has an agent and a recording of its own, however it came to be.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::harness::{Program, Watched, programs, pythons};

/// Longer than any server takes to start on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(90);

/// A server in a folder of its own.
struct Server {
    folder: TempDir,
    port: u16,
    words: Vec<String>,
}

impl Server {
    /// The application under a server's module, with its options.
    fn new(python: &Path, module: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(
            programs().join("served.py"),
            folder.path().join("served.py"),
        )
        .unwrap();
        let port = free_port();
        let python = python.display().to_string();
        let words = [&python, "-m", module, "served:app"].map(str::to_owned);
        let options = options.iter().map(|option| (*option).to_owned());
        let mut words: Vec<String> = words.into_iter().chain(options).collect();
        match module {
            "gunicorn" => words.extend(["--bind".into(), format!("127.0.0.1:{port}")]),
            _ => words.extend(["--port".into(), port.to_string()]),
        }
        Self {
            folder,
            port,
            words,
        }
    }

    /// Serves while `visit` runs, then is told to end.
    fn serve(&self, visit: impl FnOnce(&Self)) -> Watched {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let folder = self.folder.path().display().to_string();
        let program = Program::new(Path::new("python"), "served.py", &[])
            .with_words(&words)
            .env("PYTHONPATH", folder);
        program.watched_while(|pid| {
            visit(self);
            kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::TERM).unwrap();
        })
    }

    /// The pid that answers, and the application's version.
    fn ask(&self) -> (u32, u32) {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = answer(self.port) {
                return answer;
            }
            assert!(Instant::now() < until, "{:?} does not answer", self.words);
            // A server that starts says so in no other way.
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks until so many processes have answered.
    fn ask_all(&self, workers: usize) -> BTreeSet<u32> {
        let until = Instant::now() + PATIENCE;
        let mut seen = BTreeSet::new();
        while seen.len() < workers {
            seen.insert(self.ask().0);
            assert!(Instant::now() < until, "only {seen:?} answered");
        }
        seen
    }

    fn application(&self) -> PathBuf {
        self.folder.path().join("served.py")
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn answer(port: u16) -> Option<(u32, u32)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (_, body) = text.split_once("\r\n\r\n")?;
    let (pid, version) = body.trim().split_once(' ')?;
    Some((pid.parse().ok()?, version.parse().ok()?))
}

/// The processes whose tasks of the application were counted.
fn workers(watched: &Watched) -> BTreeSet<u32> {
    let worked = watched.recordings.iter().filter(|recorded| {
        let mut sites = recorded.tables.task_sites.iter();
        sites.any(|site| site.site.coroutine == "work" && site.spawned > 0)
    });
    worked
        .map(|recorded| recorded.description.process.pid)
        .collect()
}

/// Interpreters that have the server's package.
fn with_module(module: &str) -> Vec<PathBuf> {
    let has_it = |python: &PathBuf| {
        let import = format!("import {module}");
        let output = Command::new(python).args(["-c", &import]).output();
        output.is_ok_and(|output| output.status.success())
    };
    pythons().into_iter().filter(has_it).collect()
}

fn serves_with_two_workers(module: &str, options: &[&str]) {
    for python in with_module(module) {
        let server = Server::new(&python, module, options);
        let mut answered = BTreeSet::new();
        let watched = server.serve(|server| answered = server.ask_all(2));
        assert!(
            workers(&watched).is_superset(&answered),
            "{answered:?} answered, {:?} were seen on {}",
            workers(&watched),
            python.display()
        );
    }
}

#[test]
fn two_workers_of_uvicorn_are_watched_each_by_itself() {
    serves_with_two_workers("uvicorn", &["--workers", "2"]);
}

#[test]
fn two_workers_of_gunicorn_are_watched_each_by_itself() {
    let worker = ["--workers", "2", "-k", "uvicorn_worker.UvicornWorker"];
    serves_with_two_workers("gunicorn", &worker);
}

#[test]
fn workers_of_gunicorn_that_share_what_was_loaded_before_are_watched_each_by_itself() {
    let worker = ["--workers", "2", "-k", "uvicorn_worker.UvicornWorker"];
    let options: Vec<&str> = worker.into_iter().chain(["--preload"]).collect();
    serves_with_two_workers("gunicorn", &options);
}

#[test]
fn a_worker_that_uvicorn_starts_anew_after_a_change_is_watched_too() {
    for python in with_module("uvicorn") {
        let mut server = Server::new(&python, "uvicorn", &["--reload"]);
        let folder = server.folder.path().display().to_string();
        server.words.extend(["--reload-dir".into(), folder]);
        let mut answered = BTreeSet::new();
        let watched = server.serve(|server| {
            let (first, version) = server.ask();
            assert_eq!(version, 1);
            let source = fs::read_to_string(server.application()).unwrap();
            let changed = source.replace("VERSION = 1", "VERSION = 2  # changed");
            let until = Instant::now() + PATIENCE;
            let mut written: Option<Instant> = None;
            let second = loop {
                // Again and again: a change before the reloader's first look is none for it.
                if written.is_none_or(|at| at.elapsed() > Duration::from_secs(3)) {
                    fs::write(server.application(), &changed).unwrap();
                    written = Some(Instant::now());
                }
                let (pid, version) = server.ask();
                if version == 2 {
                    break pid;
                }
                assert!(Instant::now() < until, "the change is not seen");
                thread::sleep(Duration::from_millis(50));
            };
            answered = BTreeSet::from([first, second]);
        });
        assert_eq!(answered.len(), 2);
        assert!(workers(&watched).is_superset(&answered));
    }
}
