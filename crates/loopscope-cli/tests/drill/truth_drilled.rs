//! Ground truth: a real FastAPI service with a pool of its own, on the newest interpreter. Everything is as it was after
//! the drill; the alert rings; who looks at the findings knows that it was a drill.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use loopscope_drill::Fault;
use loopscope_drill::results::Verdict;

use crate::command::{drill, finish, loopscope, pythons, result, results};
use crate::service::Service;

#[test]
fn a_service_that_allows_it_is_drilled_and_is_afterwards_what_it_was() {
    let service = Service::start(&pythons().1, "shop", &["--allow-drill"]);
    service.get("/orders");
    let before = service.get("/state");
    let port = free_port();
    let alerting = Alerting::start(&service.health, port);
    let address = format!("127.0.0.1:{port}");
    let mut words = vec![&*service.health, "--yes", "--expect-alert", &address];
    // What grows is drilled with the sample service: it takes half a minute.
    for fault in Fault::ALL.iter().filter(|fault| !fault.is_slow()) {
        words.extend(["--only", fault.name()]);
    }
    let (ran, results) = results(&words);
    drop(alerting);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!results.target.is_sample);
    let one = |fault| result(&results, fault);
    for fault in &results.faults {
        assert_eq!(fault.verdict, Verdict::Passed, "{fault:?}");
    }
    let database = one(Fault::Database).found.as_ref().unwrap();
    assert_eq!(database.kind, "pool_exhaustion", "{database:?}");
    assert!(
        database.summary.contains("all 3 connections are taken"),
        "{database:?}"
    );
    assert!(
        database.summary.contains("loopscope_drill_pools.py"),
        "{database:?}"
    );
    let block = one(Fault::Block);
    assert_eq!(
        (block.health.worst_code, block.probes.ready_failed),
        (503, true),
        "{block:?}"
    );
    assert_eq!(one(Fault::Gil).found.as_ref().unwrap().gil_held, Some(true));
    assert!(block.alert_after_seconds.is_some(), "{block:?}");
    let alert = results.alert.as_ref().unwrap();
    assert_eq!(
        (alert.verdict, alert.first.as_deref()),
        (Verdict::Passed, Some("POST /alert HTTP/1.1"))
    );
    service.get("/orders");
    let after = service.get("/state");
    for figure in ["tasks", "threads", "checked_out"] {
        assert_eq!(before[figure], after[figure], "{figure}");
    }
    // Each line of a finding says that it is a drill.
    let said = service.stderr();
    let findings = said
        .lines()
        .filter(|line| line.contains("loopscope: degraded"));
    let of_drill = findings
        .filter(|line| line.contains("loopscope_drill") || line.contains("loopscope-drill"));
    assert!(of_drill.count() >= 5, "{said}");
}

#[test]
fn a_service_that_did_not_opt_in_is_refused_and_has_neither_thread_nor_socket() {
    let service = Service::start(&pythons().0, "none", &[]);
    let pid = service.pid().to_string();
    for target in [&service.health, &pid] {
        let ran = finish(&mut drill(&[target, "--yes"]));
        assert_eq!(ran.code, 77, "{ran:?}");
        assert!(
            ran.stderr.contains("was not started with --allow-drill"),
            "{ran:?}"
        );
        assert!(
            ran.stderr
                .contains("hint: start it so: `loopscope run --allow-drill"),
            "{ran:?}"
        );
    }
    let state = service.get("/state");
    assert_eq!(state["threads"], serde_json::json!(["MainThread"]));
    assert_eq!(state["drill_modules"], serde_json::json!([]));
    let sockets = fs::read_dir(state["runtime"].as_str().unwrap()).unwrap();
    let mut names = sockets.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.all(|name| name.ends_with(".loopscope")));
}

/// An alerting as an operator would set it up: asks `/health`, and calls an address where the answer is 503.
struct Alerting(Arc<AtomicBool>);

impl Alerting {
    fn start(health: &str, port: u16) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&is_over);
        let health = health.to_owned();
        thread::spawn(move || {
            while !theirs.load(Ordering::Relaxed) {
                let ran = finish(loopscope().args(["health", &health]));
                if ran.code == 2 {
                    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
                    stream
                        .write_all(b"POST /alert HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
                        .unwrap();
                    return;
                }
                thread::sleep(Duration::from_millis(200));
            }
        });
        Self(is_over)
    }
}

impl Drop for Alerting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
