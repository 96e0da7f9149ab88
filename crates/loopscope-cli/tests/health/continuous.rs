//! `--continuous`: the first look, what changed, quiet, outages, and the end by a signal.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::command::health;
use crate::server::{Served, refusing_address, report, serve, write_answer};

/// A command that keeps looking, and its output as it comes.
struct Looking {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Looking {
    fn start(url: &str, extra: &[&str]) -> Self {
        let arguments = [&[url, "--continuous", "--interval", "20ms"], extra].concat();
        let mut child = health(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(
            self.lines.read_line(&mut line).unwrap(),
            0,
            "the command ended"
        );
        line
    }

    /// Reads on until a line holds `wanted`.
    fn until(&mut self, wanted: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(wanted) {
                return line;
            }
        }
    }

    fn interrupt(mut self) -> i32 {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).unwrap();
        // Reading on keeps the command from waiting for its reader.
        std::io::copy(&mut self.lines, &mut std::io::sink()).unwrap();
        self.child.wait().unwrap().code().unwrap()
    }
}

/// Healthy twice, then critical for good.
fn failing_service() -> Served {
    serve(|number, stream| match number {
        0 | 1 => write_answer(stream, "200 OK", report("healthy").to_string().as_bytes()),
        _ => {
            let body = report("critical").to_string();
            write_answer(stream, "503 Service Unavailable", body.as_bytes())
        }
    })
}

#[test]
fn changes_are_shown_as_they_come_and_the_last_look_decides() {
    let mut looking = Looking::start(&failing_service().url(), &[]);
    assert!(looking.line().starts_with("HEALTHY  shop"));
    assert!(looking.until("nothing changed").contains("healthy"));
    assert!(looking.line().ends_with("  critical\n"));
    assert!(looking.line().ends_with("- status healthy → critical\n"));
    assert!(
        looking
            .line()
            .contains("- opened: critical time.sleep at app.py:31")
    );
    assert!(looking.line().ends_with("  critical, nothing changed\n"));
    assert_eq!(looking.interrupt(), 2);
}

#[test]
fn json_is_one_report_a_line() {
    let mut looking = Looking::start(&failing_service().url(), &["--json"]);
    for status in ["healthy", "healthy", "critical", "critical"] {
        let report: Value = serde_json::from_str(&looking.line()).unwrap();
        assert_eq!(report["status"], status);
    }
    assert_eq!(looking.interrupt(), 2);
}

#[test]
fn an_outage_does_not_end_the_looking() {
    let url = format!("http://{}/health", refusing_address());
    let mut looking = Looking::start(&url, &[]);
    assert!(
        looking
            .line()
            .contains("unreachable: connection refused: http://")
    );
    assert!(looking.line().contains("hint: "));
    assert!(looking.line().contains("still unreachable"));
    assert_eq!(looking.interrupt(), 3);
}

#[test]
fn an_outage_as_json_is_an_object_too() {
    let url = format!("http://{}/health", refusing_address());
    let mut looking = Looking::start(&url, &["--json"]);
    for _ in 0..2 {
        let object: Value = serde_json::from_str(&looking.line()).unwrap();
        assert_eq!(object["status"], "unreachable");
        assert!(object["hint"].as_str().unwrap().contains("loopscope run"));
    }
    assert_eq!(looking.interrupt(), 3);
}

#[test]
fn a_signal_in_the_middle_of_a_look_ends_it_at_once() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let served = serve(move |number, stream| {
        if number > 0 {
            let _ = held.recv();
        }
        write_answer(stream, "200 OK", report("degraded").to_string().as_bytes())
    });
    let mut looking = Looking::start(&served.url(), &["--timeout", "1h"]);
    assert!(looking.line().starts_with("DEGRADED"));
    served.request();
    served.request();
    assert_eq!(looking.interrupt(), 1);
    drop(release);
}

#[test]
fn a_reader_that_leaves_ends_the_looking() {
    let mut looking = Looking::start(&failing_service().url(), &[]);
    looking.line();
    drop(looking.lines);
    assert!(matches!(looking.child.wait().unwrap().code(), Some(0 | 2)));
}
