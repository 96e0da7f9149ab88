//! What is said, and the exit code, where there is no report.

use std::io::Write;

use crate::command::{Ran, finish, health, run};
use crate::server::{refusing_address, serve, serve_body};

/// Exit code 3, nothing on standard output, one sentence and one hint on standard error.
#[track_caller]
fn check(ran: &Ran, sentence: &str) {
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{ran:?}");
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{ran:?}");
    assert!(
        lines[0].starts_with(&format!("error: {sentence}")),
        "{ran:?}"
    );
    assert!(
        lines[1].starts_with("hint: ") && lines[1].contains('`'),
        "{ran:?}"
    );
}

#[test]
fn a_refused_connection_says_how_to_start_one() {
    let url = format!("http://{}/health", refusing_address());
    let ran = run(&[&url]);
    check(&ran, &format!("connection refused: {url}"));
    assert!(ran.stderr.contains("loopscope run -- "), "{ran:?}");
}

#[test]
fn a_refused_connection_as_json_says_the_same() {
    let url = format!("http://{}/health", refusing_address());
    check(
        &run(&[&url, "--json"]),
        &format!("connection refused: {url}"),
    );
}

#[test]
fn no_answer_in_time_is_unreachable() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let served = serve(move |_, _| {
        let _ = held.recv();
        Ok(())
    });
    check(
        &run(&[&served.url(), "--timeout", "200ms"]),
        "no answer within 200 ms: ",
    );
    drop(release);
}

#[test]
fn an_answer_that_never_ends_is_unreachable() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let served = serve(move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")?;
        let _ = held.recv();
        Ok(())
    });
    check(
        &run(&[&served.url(), "--timeout", "200ms"]),
        "no answer within 200 ms: ",
    );
    drop(release);
}

#[test]
fn a_connection_that_breaks_is_unreachable() {
    let served = serve(|_, stream| stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le"));
    check(&run(&[&served.url()]), "the connection failed (");
    let served =
        serve(|_, stream| stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"));
    check(&run(&[&served.url()]), "the connection failed (");
}

#[test]
fn something_that_speaks_no_http_is_unreachable() {
    let served = serve(|_, stream| stream.write_all(b"220 smtp.example ESMTP\r\n\r\n"));
    check(&run(&[&served.url()]), "the connection failed (");
}

#[test]
fn a_name_that_does_not_exist_is_unreachable() {
    let mut command = health(&["http://loopscope.invalid/health"]);
    command.env_remove("http_proxy");
    let ran = finish(command);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{ran:?}");
    assert!(ran.stderr.contains("\nhint: "), "{ran:?}");
}

#[test]
fn what_is_not_json_is_quoted_safely() {
    let served = serve_body("200 OK", "\u{1b}[31m<html>\n<body>");
    check(
        &run(&[&served.url()]),
        r#"the answer is not JSON (it begins with "\u{1b}[31m<html>"): "#,
    );
}

#[test]
fn json_of_another_kind_is_no_report() {
    for body in [
        r#"{"status": "UP"}"#,
        "{}",
        "[]",
        "7",
        r#"{"status": "pass", "checks": {}}"#,
    ] {
        let served = serve_body("200 OK", body);
        check(
            &run(&[&served.url()]),
            "the answer is JSON, but not a Loopscope report (",
        );
    }
}

#[test]
fn another_status_is_said_with_what_the_server_says() {
    let served = serve_body("404 Not Found", "no such route; there are\nGET /health");
    let sentence =
        "the server answered 404 Not Found instead of a report (\"no such route; there are\")";
    check(&run(&[&served.url()]), sentence);
}

#[test]
fn a_token_that_is_missing_is_told_from_one_that_is_wrong() {
    let served = serve_body("401 Unauthorized", "a token is required\n");
    let ran = run(&[&served.url()]);
    check(&ran, "the server wants a token: ");
    assert!(ran.stderr.contains("LOOPSCOPE_TOKEN="), "{ran:?}");
    let ran = run(&[&served.url(), "--token", "wrong-secret"]);
    check(&ran, "the server does not take this token: ");
    assert!(!ran.stderr.contains("wrong-secret"), "{ran:?}");
}

#[test]
fn a_token_that_cannot_be_sent_is_no_panic() {
    let served = serve_body("200 OK", "{}");
    let ran = run(&[&served.url(), "--token", "two\nlines"]);
    check(
        &ran,
        "the token holds characters that no header can carry: ",
    );
}

#[test]
fn an_endless_body_is_cut_off() {
    let served = serve(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        let megabyte = vec![b' '; 1024 * 1024];
        loop {
            stream.write_all(&megabyte)?;
        }
    });
    check(
        &run(&[&served.url(), "--timeout", "60"]),
        "the answer is larger than 16 MiB: ",
    );
}

#[test]
fn deep_nesting_is_no_panic() {
    let deep = "[".repeat(1_000_000);
    let served = serve_body("200 OK", deep.clone());
    check(&run(&[&served.url()]), "the answer is ");
    let closed = format!("{deep}{}", "]".repeat(1_000_000));
    let hidden = r#"{"schema_version": 1, "status": "healthy", "service": "shop", "x": DEEP}"#;
    let hidden = hidden.replace("DEEP", &closed);
    let served = serve_body("200 OK", hidden.clone());
    assert_eq!(run(&[&served.url()]).code, 0);
    let ran = run(&[&served.url(), "--json"]);
    assert_eq!((ran.code, ran.stdout.trim_end()), (0, hidden.as_str()));
}

#[test]
fn a_wrong_command_line_is_told_from_a_critical_service() {
    for arguments in [
        &["ftp://shop"][..],
        &["http://me:password@shop"],
        &["--timeout", "never"],
        &["--continuous", "--interval", "0"],
        &["--interval", "5"],
        &["--no-such-flag"],
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (64, ""), "{ran:?}");
        assert!(ran.stderr.starts_with("error: "), "{ran:?}");
    }
}
