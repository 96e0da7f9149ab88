//! What is printed, and the exit code, where there is a report.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use loopscope_engine::report::Report;
use loopscope_server::{
    ProbeState, Probes, PublishedReport, ServerConfig, SnapshotCell, Token, start,
};
use serde_json::{Value, json};

use crate::command::{finish, health, run};
use crate::server::{report, serve, serve_body, serve_report, write_answer};

#[test]
fn the_exit_code_is_the_status() {
    let cases = [("200 OK", "healthy", 0), ("200 OK", "degraded", 1)];
    for (http, status, code) in
        cases
            .into_iter()
            .chain([("503 Service Unavailable", "critical", 2)])
    {
        let ran = run(&[&serve_report(http, status).url()]);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.stdout.starts_with(&status.to_uppercase()), "{ran:?}");
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn an_open_incident_is_shown_with_its_line_and_its_fix() {
    let ran = run(&[&serve_report("503 Service Unavailable", "critical").url()]);
    assert!(ran.stdout.contains("at  app.py:31 in charge"), "{ran:?}");
    assert!(
        ran.stdout.contains("fix  await asyncio.sleep(seconds)"),
        "{ran:?}"
    );
}

#[test]
fn json_is_the_servers_body_whatever_the_status() {
    for (http, status, code) in [
        ("200 OK", "healthy", 0),
        ("503 Service Unavailable", "critical", 2),
    ] {
        let ran = run(&[&serve_report(http, status).url(), "--json"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (code, ""));
        assert_eq!(
            serde_json::from_str::<Value>(&ran.stdout).unwrap(),
            report(status)
        );
        assert!(ran.stdout.contains("\n  \"status\""), "{ran:?}");
    }
}

#[test]
fn an_address_needs_neither_scheme_nor_path() {
    let served = serve_report("200 OK", "healthy");
    assert_eq!(run(&[&served.address.to_string()]).code, 0);
    let request = served.request();
    assert!(request.starts_with("GET /health HTTP/1.1\r\n"), "{request}");
    assert!(
        request
            .to_lowercase()
            .contains("accept: application/json\r\n"),
        "{request}"
    );
    assert!(
        !request.to_lowercase().contains("authorization"),
        "{request}"
    );
}

#[test]
fn the_token_is_sent_and_never_shown() {
    let served = serve_report("200 OK", "healthy");
    let mut command = health(&[&served.url()]);
    command.env("LOOPSCOPE_TOKEN", "a-very-secret-token");
    assert_eq!(finish(command).code, 0);
    let request = served.request().to_lowercase();
    assert!(
        request.contains("authorization: bearer a-very-secret-token\r\n"),
        "{request}"
    );
    let mut help = health(&["--help"]);
    help.env("LOOPSCOPE_TOKEN", "a-very-secret-token");
    let help = finish(help);
    assert!(
        help.code == 0 && help.stdout.contains("LOOPSCOPE_TOKEN"),
        "{help:?}"
    );
    assert!(!help.stdout.contains("a-very-secret-token"), "{help:?}");
}

#[test]
fn a_line_break_after_the_token_is_not_part_of_it() {
    let served = serve_report("200 OK", "healthy");
    assert_eq!(run(&[&served.url(), "--token", "secret\n"]).code, 0);
    assert!(served.request().contains(" secret\r\n"));
    assert_eq!(run(&[&served.url(), "--token", ""]).code, 0);
    assert!(!served.request().to_lowercase().contains("authorization"));
}

/// The delay is what is tested, not a way to wait for something.
fn slow_answer(body: String) -> crate::server::Served {
    serve(move |_, stream| {
        thread::sleep(Duration::from_millis(2_100));
        write_answer(stream, "200 OK", body.as_bytes())
    })
}

#[test]
fn a_slow_answer_is_degraded_and_says_so() {
    let ran = run(&[&slow_answer(report("healthy").to_string()).url()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.starts_with("DEGRADED"), "{ran:?}");
    assert!(
        ran.stdout
            .contains("slow answer: the health endpoint took 2."),
        "{ran:?}"
    );
}

#[test]
fn a_slow_answer_as_json_is_said_beside_it() {
    let ran = run(&[&slow_answer(report("healthy").to_string()).url(), "--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(
        serde_json::from_str::<Value>(&ran.stdout).unwrap()["status"],
        "healthy"
    );
    assert!(ran.stderr.starts_with("slow answer:"), "{ran:?}");
}

#[test]
fn a_hostile_report_cannot_act_on_the_terminal() {
    let mut hostile = report("critical");
    let text = json!("\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}");
    hostile["service"] = text.clone();
    hostile["issues"] = json!([text]);
    hostile["incidents"][0]["summary"] = text;
    let body = hostile.to_string();
    for extra in [&[][..], &["--json"][..]] {
        let url = serve_body("200 OK", body.clone()).url();
        let ran = run(&[&[url.as_str()], extra].concat());
        assert_eq!(ran.code, 2, "{ran:?}");
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!ran.stdout.contains(acts), "{ran:?}");
    }
}

#[test]
fn colour_is_for_terminals_unless_it_is_forced() {
    let served = serve_report("200 OK", "healthy");
    assert!(!run(&[&served.url()]).stdout.contains('\u{1b}'));
    let mut forced = health(&[&served.url()]);
    forced.env("CLICOLOR_FORCE", "1");
    assert!(finish(forced).stdout.contains('\u{1b}'));
}

#[test]
fn a_reader_that_leaves_early_changes_nothing() {
    let served = serve_report("503 Service Unavailable", "critical");
    let mut command = health(&[&served.url()]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

fn published(age: Duration) -> PublishedReport {
    let report: Report = serde_json::from_value(json!({
        "schema_version": 1, "status": "healthy", "service": "shop", "version": "0.1.0",
        "timestamp": "2025-06-01T12:00:00Z", "uptime_seconds": 60.0, "components": {},
        "monitoring": {
            "processes_count": 1, "event_loops_count": 0, "blocked_loops": 0, "total_stalls": 0,
        },
        "issues": [], "incidents": [],
        "detailed_health": {"event_loops": [], "processes": [], "agent": {
            "samples": 0, "failed_samples": 0, "dropped": {}, "worst_lateness_seconds": 0.0,
            "notes": [],
        }},
    }))
    .unwrap();
    let pass = ProbeState {
        ok: true,
        reason: None,
    };
    let probes = Probes {
        live: pass.clone(),
        ready: pass,
    };
    PublishedReport::published_at(report, probes, Instant::now().checked_sub(age).unwrap())
}

#[test]
fn the_real_server_is_understood() {
    let mut config = ServerConfig::new("127.0.0.1:0".parse().unwrap());
    config.token = Some(Token::new("0123456789abcdef").unwrap());
    let cell = SnapshotCell::new(published(Duration::ZERO)).into();
    let server = start(config, cell).unwrap();
    let address = server.local_addr().to_string();
    let ran = run(&[&address, "--token", "0123456789abcdef"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout.contains("1 process · 0 loops · 0 stalls"),
        "{ran:?}"
    );
    let ran = run(&[&address]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.stderr
            .starts_with("error: the server wants a token: http://"),
        "{ran:?}"
    );
}

#[test]
fn an_observer_that_stands_still_is_seen_through_the_real_server() {
    let config = ServerConfig::new("127.0.0.1:0".parse().unwrap());
    let cell = SnapshotCell::new(published(Duration::from_secs(7))).into();
    let server = start(config, cell).unwrap();
    let ran = run(&[&server.local_addr().to_string()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("observer stands still"), "{ran:?}");
    assert!(ran.stdout.contains(", 7."), "the age is shown: {ran:?}");
}
