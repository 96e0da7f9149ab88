//! Library mode: the example program watches itself, and answers `/health` while its workers are blocked.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Far beyond what any of these takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The example program, watching itself.
struct Program {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Program {
    fn start(what: &str, flavour: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(example("stalls"))
            .args([what, flavour, "installed"])
            .env("LOOPSCOPE_LISTEN", "127.0.0.1:0")
            .env("LOOPSCOPE_RUNTIME_DIR", folder.path().join("runtime"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let address = first["address"].as_str().unwrap().parse().unwrap();
        Self {
            child,
            lines,
            address,
            _folder: folder,
        }
    }

    /// The report now.
    fn health(&self) -> Option<Value> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        let request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str(body).ok()
    }

    /// The first report of which this holds.
    fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut last = None;
        while Instant::now() < deadline {
            if let Some(report) = self.health() {
                if holds(&report) {
                    return report;
                }
                last = Some(report);
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("not {what} in time: {last:#?}");
    }

    /// What it declares next of this kind.
    fn declared(&mut self, key: &str) -> Value {
        loop {
            let line = self.lines.next().unwrap().unwrap();
            let said: Value = serde_json::from_str(&line).unwrap();
            if said.get(key).is_some() {
                return said;
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn example(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(2).unwrap().join("examples").join(name)
}

fn open_incidents(report: &Value) -> Vec<&Value> {
    let incidents = report["incidents"].as_array().unwrap();
    let is_open = |incident: &&Value| incident["closed_at"].is_null();
    incidents.iter().filter(is_open).collect()
}

fn finds_it_while_it_lasts(what: &str, flavour: &str) {
    let mut program = Program::start(what, flavour);
    program.declared("ready");
    let report = program.until("stalled", |report| !open_incidents(report).is_empty());
    let found = open_incidents(&report)[0].clone();
    // It says so at its end, so it was not over when it was found.
    let declared = program.declared("stall");
    assert_eq!(found["culprit"]["line"], declared["lines"][0], "{found:#}");
    assert_eq!(
        found["culprit"]["function"], declared["function"],
        "{found:#}"
    );
    assert_eq!(found["culprit"]["file"], declared["file"], "{found:#}");
    assert_eq!(
        found["loop"]["thread_id"], declared["thread_id"],
        "{found:#}"
    );
    let name = found["loop"]["name"].as_str().unwrap();
    assert!(name == "main" || name.starts_with("main/"), "{name}");
    program.until("over", |report| open_incidents(report).is_empty());
}

#[test]
fn truth_a_worker_that_sleeps_is_found_while_it_sleeps() {
    finds_it_while_it_lasts("sleep", "multi");
    finds_it_while_it_lasts("sleep", "current");
}

#[test]
fn truth_a_worker_that_computes_is_found_while_it_computes() {
    finds_it_while_it_lasts("spin", "multi");
    finds_it_while_it_lasts("spin", "current");
}

#[test]
fn truth_a_healthy_runtime_raises_nothing() {
    for flavour in ["multi", "current"] {
        let mut program = Program::start("healthy", flavour);
        program.declared("ready");
        let mut last = program.health().unwrap();
        while let Some(report) = program.health() {
            let incidents = report["incidents"].as_array().unwrap();
            // Where the machine has no processor to give, saying so is right.
            let is_found = |one: &Value| one["cause"] != "cpu_starved";
            assert!(!incidents.iter().any(is_found), "{report:#}");
            last = report;
            thread::sleep(Duration::from_millis(50));
        }
        let loops = last["detailed_health"]["event_loops"].as_array().unwrap();
        let expected = if flavour == "multi" { 2 } else { 1 };
        assert_eq!(loops.len(), expected, "{loops:#?}");
    }
}
