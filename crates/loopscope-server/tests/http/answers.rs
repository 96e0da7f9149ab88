//! What each route answers.

use std::time::{Duration, Instant};

use loopscope_engine::report::{Report, Status};
use loopscope_server::PublishedReport;

use crate::client::{get, request};
use crate::sample::{cell, config, failing, passing, report, serve, serve_published};

const DRAFT: &str = "Accept: application/health+json\r\n";

#[test]
fn a_healthy_report_is_served_whole() {
    let server = serve(Status::Healthy);
    let answer = get(server.local_addr(), "/health");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let served: Report = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(served, report(Status::Healthy));
}

#[test]
fn degraded_is_200_and_critical_is_503() {
    for (status, expected) in [(Status::Degraded, 200), (Status::Critical, 503)] {
        let server = serve(status);
        let answer = get(server.local_addr(), "/health");
        assert_eq!(answer.status, expected);
        assert_eq!(
            serde_json::from_str::<Report>(&answer.body).unwrap(),
            report(status)
        );
    }
}

#[test]
fn the_draft_form_is_served_to_those_who_prefer_it() {
    let cases = [
        (Status::Healthy, "pass", 200),
        (Status::Degraded, "warn", 200),
    ];
    for (status, word, code) in cases.into_iter().chain([(Status::Critical, "fail", 503)]) {
        let server = serve(status);
        let answer = request(server.local_addr(), "GET", "/health", DRAFT);
        assert_eq!(answer.status, code);
        assert_eq!(
            answer.header("content-type"),
            Some("application/health+json")
        );
        assert_eq!(answer.json()["status"], word);
    }
}

#[test]
fn the_draft_form_holds_the_figures() {
    let server = serve(Status::Degraded);
    let health = request(server.local_addr(), "GET", "/health", DRAFT).json();
    assert_eq!(health["version"], "1");
    assert_eq!(health["releaseId"], "0.1.0");
    assert_eq!(health["serviceId"], "shop");
    assert_eq!(health["output"], "main is slow");
    let utilization = &health["checks"]["event_loops:utilization"][0];
    assert_eq!(utilization["componentId"], "loop-1");
    assert_eq!(utilization["observedValue"], 0.25);
    assert_eq!(
        health["checks"]["event_loops:busyTime"][0]["status"],
        "warn"
    );
    assert_eq!(
        health["checks"]["memory:utilization"][0]["observedValue"],
        64.0
    );
    assert!(
        health["checks"].get("cpu:utilization").is_none(),
        "an unknown figure is absent"
    );
}

#[test]
fn the_draft_form_has_no_output_when_it_passes() {
    let server = serve(Status::Healthy);
    let health = request(server.local_addr(), "GET", "/health", DRAFT).json();
    assert!(health.get("output").is_none());
}

#[test]
fn head_answers_as_get_without_the_body() {
    let server = serve(Status::Critical);
    for path in ["/health", "/livez", "/readyz", "/"] {
        let full = get(server.local_addr(), path);
        let head = request(server.local_addr(), "HEAD", path, "");
        assert_eq!(head.status, full.status);
        assert_eq!(head.header("content-type"), full.header("content-type"));
        assert_eq!(
            head.header("content-length"),
            Some(full.body.len().to_string().as_str())
        );
        assert_eq!(head.body, "");
    }
}

#[test]
fn probes_that_pass_say_ok() {
    let server = serve(Status::Critical);
    for path in ["/livez", "/readyz"] {
        let answer = get(server.local_addr(), path);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "ok\n"),
            "{path}"
        );
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[test]
fn probes_that_fail_say_why() {
    let probes = failing("main is blocked for 31 s", "main is blocked for 6 s");
    let server = serve_published(PublishedReport::new(report(Status::Healthy), probes));
    let live = get(server.local_addr(), "/livez");
    assert_eq!(
        (live.status, live.body.as_str()),
        (503, "main is blocked for 31 s\n")
    );
    let ready = get(server.local_addr(), "/readyz");
    assert_eq!(
        (ready.status, ready.body.as_str()),
        (503, "main is blocked for 6 s\n")
    );
}

#[test]
fn every_other_answer_lists_the_routes() {
    let server = serve(Status::Healthy);
    let address = server.local_addr();
    let lost = get(address, "/metrics/../nowhere");
    let post = request(address, "POST", "/health", "Content-Length: 0\r\n");
    for (answer, status) in [(get(address, "/"), 200), (lost, 404), (post, 405)] {
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        for route in ["GET /health", "GET /livez", "GET /readyz"] {
            assert!(answer.body.contains(route), "{}", answer.body);
        }
    }
}

#[test]
fn a_method_that_is_not_allowed_is_told_which_are() {
    let server = serve(Status::Healthy);
    for method in ["POST", "DELETE", "OPTIONS", "BREW"] {
        let answer = request(server.local_addr(), method, "/health", "");
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    }
}

#[test]
fn what_is_published_is_what_is_served_next() {
    let cell = cell(Status::Healthy);
    let server = loopscope_server::start(config(), cell.clone()).unwrap();
    assert_eq!(
        get(server.local_addr(), "/health").json()["status"],
        "healthy"
    );
    cell.publish(PublishedReport::new(report(Status::Critical), passing()));
    assert_eq!(
        get(server.local_addr(), "/health").json()["status"],
        "critical"
    );
}

fn aged(status: Status, age: Duration) -> PublishedReport {
    let published = Instant::now().checked_sub(age).unwrap();
    PublishedReport::published_at(report(status), passing(), published)
}

#[test]
fn a_stale_snapshot_is_degraded_and_says_so() {
    let server = serve_published(aged(Status::Healthy, Duration::from_secs(7)));
    for _ in 0..2 {
        let answer = get(server.local_addr(), "/health");
        assert_eq!(answer.status, 200);
        assert!(
            answer
                .header("loopscope-age-seconds")
                .unwrap()
                .parse::<f64>()
                .unwrap()
                >= 7.0
        );
        let served: Report = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(served.status, Status::Degraded);
        assert_eq!(served.components["agent"], Status::Degraded);
        assert!(
            served
                .issues
                .last()
                .unwrap()
                .contains("observer stands still")
        );
        assert!(served.detailed_health.agent.notes[0].contains("top -H"));
    }
    let draft = request(server.local_addr(), "GET", "/health", DRAFT);
    assert_eq!(draft.json()["status"], "warn");
}

#[test]
fn a_stale_critical_snapshot_stays_critical() {
    let server = serve_published(aged(Status::Critical, Duration::from_secs(7)));
    let answer = get(server.local_addr(), "/health");
    assert_eq!(
        (answer.status, &answer.json()["status"]),
        (503, &"critical".into())
    );
}

#[test]
fn a_snapshot_of_a_moment_ago_is_not_stale() {
    let server = serve_published(aged(Status::Healthy, Duration::from_millis(10)));
    let answer = get(server.local_addr(), "/health");
    assert_eq!(answer.json()["status"], "healthy");
    assert!(
        answer
            .header("loopscope-age-seconds")
            .unwrap()
            .parse::<f64>()
            .unwrap()
            >= 0.01
    );
}

#[test]
fn probes_keep_their_last_answer_when_the_observer_stands_still() {
    let server = serve_published(aged(Status::Healthy, Duration::from_secs(7)));
    let answer = get(server.local_addr(), "/livez");
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .body
            .starts_with("ok (Loopscope's observer stands still"),
        "{}",
        answer.body
    );
}
